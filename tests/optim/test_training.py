"""Training small networks: the loss falls, and the result does not depend on how it was run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import qgrad
from qgrad import nn, optim
from qgrad.nn import functional as F


class Net(nn.Module):
    """Conv-BN-ReLU with a residual, pooling and a Linear, as in the demo."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4))
        self.body = nn.Sequential(
            nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU()
        )
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3))

    def forward(self, x: Any) -> Any:
        x = F.relu(self.stem(x))
        return self.head(x + self.body(x))


def data() -> tuple[Any, Any]:
    """Images with a bright row, and which one it is."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 3, 48)
    x = 0.1 * rng.standard_normal((48, 1, 6, 6))
    x[np.arange(48), 0, 2 * target] += 1
    return qgrad.from_numpy(x.astype(np.float32)), qgrad.from_numpy(target)


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-4),
        lambda p: optim.Adam(p, lr=0.02),
        lambda p: optim.AdamW(p, lr=0.02),
        lambda p: optim.RMSprop(p, lr=0.01),
    ],
)
def test_a_small_net_learns(make: Any) -> None:
    """Forty steps fit three easy classes, in training and in evaluation mode."""
    qgrad.manual_seed(0)
    x, target = data()
    net, loss_of = Net(), nn.CrossEntropyLoss()
    optimizer = make(net.parameters())
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, 40)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = loss_of(net(x), target)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    assert losses[0] > 0.8
    assert losses[-1] < 0.2
    with qgrad.no_grad():
        predicted = net.eval()(x).argmax(1)
    assert (predicted == target).float().mean().item() > 0.95


def test_same_seed_same_weights() -> None:
    """Training twice from the same seed gives the same bits."""
    results = []
    for _ in range(2):
        qgrad.manual_seed(1)
        x, target = data()
        net = nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.Dropout(0.5), nn.Linear(8, 3))
        optimizer = optim.Adam(net.parameters())
        for _ in range(3):
            optimizer.zero_grad()
            F.cross_entropy(net(x), target).backward()
            optimizer.step()
        results.append(net[3].weight.detach().numpy().copy())
    np.testing.assert_array_equal(*results)
