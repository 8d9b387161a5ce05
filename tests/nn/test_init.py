"""nn.init: formulas, distributions, shapes, errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import qgrad
from qgrad import nn
from qgrad.errors import ShapeError
from qgrad.nn import init


def values(tensor: Any) -> Any:
    """The elements as float64."""
    return tensor.detach().numpy().astype(np.float64)


# (function, bound if uniform, standard deviation) for a weight (200, 100, 3), so fan_in is 300 and
# fan_out 600.
SCALES = [
    (lambda t: init.uniform_(t, -2, 2), 2.0, 2 / math.sqrt(3)),
    (lambda t: init.xavier_uniform_(t), math.sqrt(6 / 900), math.sqrt(2 / 900)),
    (lambda t: init.xavier_uniform_(t, gain=3.0), 3 * math.sqrt(6 / 900), 3 * math.sqrt(2 / 900)),
    (lambda t: init.kaiming_uniform_(t, math.sqrt(5)), math.sqrt(1 / 300), math.sqrt(1 / 900)),
    (lambda t: init.kaiming_uniform_(t, nonlinearity="relu"), math.sqrt(6 / 300), None),
    (lambda t: init.kaiming_uniform_(t, 0, "fan_out"), math.sqrt(6 / 600), None),
    (lambda t: init.normal_(t, 0.0, 0.5), None, 0.5),
    (lambda t: init.xavier_normal_(t), None, math.sqrt(2 / 900)),
    (lambda t: init.kaiming_normal_(t, nonlinearity="linear"), None, math.sqrt(1 / 300)),
    (lambda t: init.kaiming_normal_(t, mode="fan_out"), None, math.sqrt(2 / 600)),
]


@pytest.mark.parametrize(("fill", "bound", "std"), SCALES)
def test_scale_of_random_weights(fill: Any, bound: float | None, std: float | None) -> None:
    """60,000 draws have the formula's bound and standard deviation, and mean zero."""
    qgrad.manual_seed(0)
    tensor = qgrad.empty(200, 100, 3)
    assert fill(tensor) is tensor
    x = values(tensor)
    std = bound / math.sqrt(3) if std is None and bound is not None else std
    assert x.std() == pytest.approx(std, rel=0.02)
    assert abs(x.mean()) < 0.02 * std
    if bound is not None:
        assert bound * 0.999 < np.abs(x).max() <= bound * (1 + 1e-6)


@given(mean=st.floats(-2, 2), std=st.floats(0.1, 3), low=st.floats(-3, 2), width=st.floats(0.1, 5))
def test_truncated_normal(mean: float, std: float, low: float, width: float) -> None:
    """Draws lie in [a, b], with the mean of the truncated normal distribution."""
    a, b = low, low + width
    assume(a - 2 * std <= mean <= b + 2 * std)
    x = values(init.trunc_normal_(qgrad.empty(4000, dtype=qgrad.float64), mean, std, a, b))
    assert (x >= a).all()
    assert (x <= b).all()

    def cdf(t: float) -> float:
        return 0.5 * (1 + math.erf((t - mean) / (std * math.sqrt(2))))

    def pdf(t: float) -> float:
        return math.exp(-(((t - mean) / std) ** 2) / 2) / math.sqrt(2 * math.pi)

    mass = cdf(b) - cdf(a)
    expected = mean - std * (pdf(b) - pdf(a)) / mass
    # Five standard errors; the variance is below (b - a)^2 / 4 and below std^2.
    assert x.mean() == pytest.approx(expected, abs=5 * min(std, width / 2) / math.sqrt(4000) + 1e-6)


def test_truncated_normal_far_out_warns() -> None:
    """Beyond two standard deviations the formula loses precision: say so."""
    with pytest.warns(UserWarning, match="mean 0.0 is more than 2 std"):
        init.trunc_normal_(qgrad.empty(3), a=5.0, b=6.0)


def test_erfinv_against_erf() -> None:
    """The inverse error function has the accuracy its comment states."""
    x = np.concatenate([np.linspace(-0.999999, 0.999999, 2001), [0.0, 1.0, -1.0]])
    y = init._erfinv(x)
    back = np.array([math.erf(v) for v in y[:-2]])
    slope = 2 / math.sqrt(math.pi) * np.exp(-(y[:-2] ** 2))
    np.testing.assert_allclose((back - x[:-2]) / slope, 0, atol=4e-7 * np.abs(y[:-2]).max())
    assert y[-2:].tolist() == [math.inf, -math.inf]


@pytest.mark.parametrize("shape", [(5, 5), (3, 8), (8, 3), (4, 2, 3)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    """The smaller of rows and columns are orthonormal, times gain."""
    w = values(init.orthogonal_(qgrad.empty(*shape, dtype=qgrad.float64), gain=2.0))
    w = w.reshape(shape[0], -1) / 2
    product = w @ w.T if shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-12)


def test_constants() -> None:
    """Constants, identity and delta weights."""
    assert values(init.constant_(qgrad.empty(2), 0.25)).tolist() == [0.25, 0.25]
    assert values(init.ones_(qgrad.empty(1))).tolist() == [1.0]
    assert values(init.zeros_(qgrad.empty(1))).tolist() == [0.0]
    np.testing.assert_array_equal(values(init.eye_(qgrad.empty(2, 3))), np.eye(2, 3))
    conv = nn.Conv2d(4, 4, 3, padding=1, groups=2, bias=False)
    init.dirac_(conv.weight, groups=2)
    x = qgrad.randn(1, 4, 5, 5)
    np.testing.assert_array_equal(conv(x).detach().numpy(), x.numpy())


def test_sparse() -> None:
    """The fraction of zeros in each column is rounded up."""
    w = values(init.sparse_(qgrad.empty(10, 7), 0.25, std=1.0))
    assert (w == 0).sum(0).tolist() == [3] * 7


@pytest.mark.parametrize(
    ("name", "param", "gain"),
    [
        ("linear", None, 1.0),
        ("conv2d", None, 1.0),
        ("sigmoid", None, 1.0),
        ("tanh", None, 5 / 3),
        ("relu", None, math.sqrt(2)),
        ("leaky_relu", None, math.sqrt(2 / 1.0001)),
        ("leaky_relu", math.sqrt(5), math.sqrt(1 / 3)),
        ("selu", None, 0.75),
    ],
)
def test_calculate_gain(name: str, param: float | None, gain: float) -> None:
    """PyTorch's table of gains."""
    assert init.calculate_gain(name, param) == pytest.approx(gain)


def test_layers_start_as_in_pytorch() -> None:
    """Linear and conv weights and biases are uniform on +-1/sqrt(fan_in)."""
    qgrad.manual_seed(0)
    for layer in (nn.Linear(300, 200), nn.Conv1d(100, 200, 3), nn.Conv2d(600, 200, 3, groups=20)):
        fan_in = math.prod(layer.weight.shape[1:])
        for param in layer.parameters():
            x = values(param)
            assert np.abs(x).max() <= 1 / math.sqrt(fan_in) * (1 + 1e-6)
            assert x.std() == pytest.approx(1 / math.sqrt(3 * fan_in), rel=0.1)
    assert values(nn.Embedding(300, 100).weight).std() == pytest.approx(1, rel=0.02)


def test_seed_and_generator_decide_the_draws() -> None:
    """The same seed gives the same weights; a generator of one's own leaves the default alone."""
    weights = []
    for _ in range(2):
        qgrad.manual_seed(7)
        init.normal_(qgrad.empty(3), generator=qgrad.Generator().manual_seed(1))
        weights.append(values(nn.Linear(3, 3).weight))
    np.testing.assert_array_equal(*weights)


def test_outside_of_autograd_but_noticed() -> None:
    """Filling records nothing, but a backward that needed the old values is refused."""
    layer = nn.Linear(2, 2)
    y = layer(qgrad.ones(1, 2).requires_grad_()).sum()
    init.zeros_(layer.weight)
    assert layer.weight.is_leaf
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: init.xavier_normal_(qgrad.empty(3)), ShapeError, r"xavier_normal_: .*\(3,\)"),
        (lambda: init.kaiming_normal_(qgrad.empty(3)), ShapeError, "kaiming_normal_"),
        (lambda: init.kaiming_uniform_(qgrad.empty(3, 3), 0, "in"), ValueError, "mode is 'in'"),
        (lambda: init.calculate_gain("swish"), ValueError, "nonlinearity is 'swish'"),
        (lambda: init.eye_(qgrad.empty(3)), ShapeError, "eye_: .* 2 dimensions"),
        (lambda: init.dirac_(qgrad.empty(3, 3)), ShapeError, "dirac_"),
        (lambda: init.orthogonal_(qgrad.empty(3)), ShapeError, "orthogonal_"),
        (lambda: init.trunc_normal_(qgrad.empty(3), 0, 1, 2, 2), ValueError, "a must be below b"),
    ],
)
def test_errors(call: Any, kind: type[Exception], message: str) -> None:
    """Shapes and names that have no formula are refused."""
    with pytest.raises(kind, match=message):
        call()
