"""GroupNorm, InstanceNorm and RMSNorm: statistics, running statistics, kinships, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import qgrad
from qgrad import nn
from qgrad.errors import ShapeError
from qgrad.nn import functional as F


def test_statistics_of_groups() -> None:
    """Each group of each example has mean 0 and variance 1; eps is inside the root."""
    x = qgrad.randn(3, 6, 4, 5, dtype=qgrad.float64) * 3 + 2
    y = F.group_norm(x, 2, eps=0.5).numpy().reshape(3, 2, -1)
    variance = x.numpy().reshape(3, 2, -1).var(-1)
    np.testing.assert_allclose(y.mean(-1), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(-1), variance / (variance + 0.5))


def test_kinships() -> None:
    """One group is a layer norm of all but the batch, one channel a group an instance norm."""
    x = qgrad.randn(2, 4, 3, 5)
    one = F.layer_norm(x, x.shape[1:])
    np.testing.assert_allclose(F.group_norm(x, 1).numpy(), one.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(F.group_norm(x, 4).numpy(), F.instance_norm(x).numpy())


@pytest.mark.parametrize("make", [nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d])
def test_instance_norm_tracks_statistics(make: Any) -> None:
    """Running statistics are the examples' means; they serve in evaluation, without a batch too."""
    layer = make(2, momentum=0.25, affine=True, track_running_stats=True)
    rank = {nn.InstanceNorm1d: 1, nn.InstanceNorm2d: 2, nn.InstanceNorm3d: 3}[make]
    x = qgrad.randn(3, 2, *(4,) * rank) * 2 + 1
    layer(x)
    rows = x.numpy().reshape(3, 2, -1).astype(np.float64)
    mean, var = rows.mean((0, 2)), rows.var(2, ddof=1).mean(0)
    np.testing.assert_allclose(layer.running_mean.numpy(), 0.25 * mean, rtol=1e-5)
    np.testing.assert_allclose(layer.running_var.numpy(), 0.75 + 0.25 * var, rtol=1e-5)
    layer.eval()
    column = (2, *(1,) * rank)
    expected = (x.numpy() - 0.25 * mean.reshape(column)) / np.sqrt(
        (0.75 + 0.25 * var).reshape(column) + 1e-5
    )
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer(x[1]).detach().numpy(), expected[1], rtol=1e-4, atol=1e-5)
    kept = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert list(layer.state_dict()) == kept
    assert list(make(2).state_dict()) == []


def test_rms_norm_keeps_the_direction() -> None:
    """The root mean square becomes 1, signs and ratios stay; eps None is the dtype's."""
    x = qgrad.randn(5, 8) * 7
    y = nn.RMSNorm(8)(x).detach().numpy()
    np.testing.assert_allclose((y * y).mean(-1), 1, rtol=1e-5)
    np.testing.assert_allclose(y / y[:, :1], x.numpy() / x.numpy()[:, :1], rtol=1e-4)
    tiny = F.rms_norm(qgrad.tensor([1e-4, 1e-4]), (2,)).numpy()
    assert tiny[0] == pytest.approx(1e-4 / np.sqrt(1e-8 + 2.0**-23), rel=1e-4)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: nn.GroupNorm(3, 4), ValueError, r"num_groups is 3.*divide num_channels \(4\)"),
        (lambda: nn.GroupNorm(2, 4)(qgrad.ones(2, 6, 3)), ShapeError, "weight must have 6"),
        (lambda: F.group_norm(qgrad.ones(2, 3, 4), 2), ShapeError, "that 2 groups divide"),
        (lambda: nn.InstanceNorm2d(3)(qgrad.ones(2, 3)), ShapeError, "3 or 4 dimensions"),
        (lambda: F.instance_norm(qgrad.ones(2, 3, 1)), ShapeError, "more than 1 value a channel"),
        (
            lambda: F.instance_norm(qgrad.ones(2, 3, 4), use_input_stats=False),
            ValueError,
            "running statistics are due",
        ),
        (lambda: nn.RMSNorm(4)(qgrad.ones(4, 3)), ShapeError, r"last dims of input must be \[4\]"),
        (lambda: F.rms_norm(qgrad.ones(4), (4,), qgrad.ones(3)), ShapeError, "weight must have"),
    ],
)
def test_errors(call: Any, kind: type[Exception], message: str) -> None:
    """Channels and groups that do not fit are refused."""
    with pytest.raises(kind, match=message):
        call()
