"""Training steps in qgrad."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import qgrad
import qgrad.nn.functional as F
from qgrad import nn, optim

SAME_CODE = True  # torch_cases runs this file with torch for qgrad


def expression() -> Callable[[], Any]:
    """Forward and backward of a few ops on 16 elements."""
    a, b, c = (qgrad.randn(16, requires_grad=True) for _ in range(3))

    def step() -> None:
        ((a * b + c).relu() * a).sum().backward()

    return step


def classifier(model: Any, x: Any, labels: Any) -> Callable[[], Any]:
    """One step of SGD with momentum on a batch."""
    optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def step() -> Any:
        loss = F.cross_entropy(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def tiny_mlp() -> Callable[[], Any]:
    """Three layers of width 32 at batch 32."""
    model = nn.Sequential(
        nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 32)
    )
    return classifier(model, qgrad.randn(32, 32), qgrad.randint(0, 32, (32,)))


def mlp() -> Callable[[], Any]:
    """784-512-512-10 at batch 128."""
    model = nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    )
    return classifier(model, qgrad.randn(128, 784), qgrad.randint(0, 10, (128,)))


def cnn() -> Callable[[], Any]:
    """Five 3x3 Conv-BN-ReLU (3-32-64/2-64-128/2-128) on 32x32 images at batch 32."""
    layers: list[Any] = []
    for before, after, stride in (
        (3, 32, 1),
        (32, 64, 2),
        (64, 64, 1),
        (64, 128, 2),
        (128, 128, 1),
    ):
        conv = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        layers += [conv, nn.BatchNorm2d(after), nn.ReLU()]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10)]
    model = nn.Sequential(*layers)
    return classifier(model, qgrad.randn(32, 3, 32, 32), qgrad.randint(0, 10, (32,)))


class Block(nn.Module):
    """A pre-norm transformer block of width 256 with 4 heads."""

    def __init__(self, width: int = 256, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Any) -> Any:
        batch, tokens, width = x.shape
        shape = (batch, tokens, 3, self.heads, width // self.heads)
        q, k, v = self.qkv(self.norm1(x)).reshape(shape).permute(2, 0, 3, 1, 4).unbind(0)
        scores = q @ k.transpose(-2, -1) / np.sqrt(width // self.heads).item()
        mixed = (F.softmax(scores, dim=-1) @ v).transpose(1, 2).reshape(batch, tokens, width)
        x = x + self.out(mixed)
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Mean(nn.Module):
    """Mean over the tokens."""

    def forward(self, x: Any) -> Any:
        return x.mean(1)


def transformer() -> Callable[[], Any]:
    """Two blocks on 64 tokens at batch 8."""
    model = nn.Sequential(Block(), Block(), Mean(), nn.Linear(256, 10))
    return classifier(model, qgrad.randn(8, 64, 256), qgrad.randint(0, 10, (8,)))


CASES = {
    "expression": expression,
    "tiny MLP": tiny_mlp,
    "MLP": mlp,
    "CNN": cnn,
    "transformer": transformer,
}
