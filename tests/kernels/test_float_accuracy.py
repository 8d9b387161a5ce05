"""The NumPy meaning of the float32 kernels is right: compared with float64 and with other code."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from qgrad import kernels
from qgrad.kernels import float_reference as reference
from qgrad.kernels.float_functions import power

F64 = NDArray[np.float64]
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


def rounded(exact: Fraction) -> np.float32:
    """The float32 nearest to a rational number, ties to even; the way there is exact."""
    low = np.float32(float(exact))
    around = (np.nextafter(low, np.float32(-np.inf)), low, np.nextafter(low, np.float32(np.inf)))
    return min(
        (c for c in around if np.isfinite(c)),
        key=lambda c: (abs(Fraction(float(c)) - exact), int(c.view(np.uint32)) & 1),
    )


@given(finite, finite, finite)
def test_fma_rounds_once(a: float, b: float, c: float) -> None:
    """The NumPy emulation equals the correctly rounded a*b + c of rational arithmetic."""
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    with np.errstate(over="ignore"):
        got = reference.fma(np.array([a]), np.array([b]), np.array([c], np.float32))[0]
    if abs(exact) < Fraction(float(np.finfo(np.float32).max)):
        assert got == rounded(exact)


@pytest.mark.parametrize("k", [1, 10, 300, 3000])
def test_chains_are_as_good_as_float32_allows(k: int) -> None:
    """A chain of k roundings is within k * 2^-24 of the sum of magnitudes (Higham, section 3.1)."""
    rng = np.random.default_rng(k)
    a, b = rng.normal(size=(5, k)), rng.normal(size=(k, 6))
    a, b = a.astype(np.float32).astype(np.float64), b.astype(np.float32).astype(np.float64)
    y = kernels.matmul_f32(a.astype(np.float32), b.astype(np.float32))
    assert (np.abs(y - a @ b) <= k * 2.0**-24 * (np.abs(a) @ np.abs(b))).all()


def phi(x: float) -> float:
    """The normal distribution function, by the C library's erfc."""
    return 0.5 * math.erfc(-x / math.sqrt(2))


EXACT: dict[str, Callable[[float], float]] = {
    "exp": math.exp,
    "expm1": math.expm1,
    "log": lambda x: math.log(abs(x)),
    "log1p": lambda x: math.log1p(abs(x)),
    "erf": math.erf,
    "sin": math.sin,
    "cos": math.cos,
    "tanh": math.tanh,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "logsigmoid": lambda x: min(x, 0.0) - math.log1p(math.exp(-abs(x))),
    "gelu": lambda x: x * phi(x),
    "silu": lambda x: x / (1 + math.exp(-x)),
    "softplus": lambda x: x if x > 20 else math.log1p(math.exp(x)),
    "elu": lambda x: x if x > 0 else math.expm1(x),
    "mish": lambda x: x * math.tanh(math.log1p(math.exp(x))),
    "rsqrt": lambda x: 1 / math.sqrt(abs(x)),
    "hardswish": lambda x: x * min(max(x + 3, 0), 6) / 6,
    "gelu_tanh": lambda x: (
        x / (1 + math.exp(min(700, -1.5957691216057308 * (x + 0.044715 * x**3))))
    ),
    "selu": lambda x: 1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * math.expm1(x)),
}


@pytest.mark.parametrize("name", [name for name in EXACT if name != "gelu"])
def test_functions_are_within_half_an_ulp(name: str) -> None:
    """0.502 units in the last place of the C library's float64 function, over 80,000 arguments."""
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [rng.normal(0, 3, 40_000), rng.uniform(-80, 80, 20_000), rng.normal(0, 1e-4, 20_000)]
    )
    x = x.astype(np.float32)
    if name in ("log", "log1p", "rsqrt"):
        x = np.abs(x)
    exact = np.array([EXACT[name](float(v)) for v in x])
    y = kernels.unary_f32(name, x).astype(np.float64)
    with np.errstate(over="ignore"):
        ulp = np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)
    worst = np.argmax(np.abs(y - exact) / ulp)
    assert (np.abs(y - exact)[worst] / ulp[worst]) <= 0.502, (x[worst], y[worst], exact[worst])


def test_gelu_and_its_gradient_keep_their_digits() -> None:
    """gelu within 3 units in the last place for x > -1, and 8 down to where float32 ends.

    The gradient has a zero at -0.75, so its error is measured in units of 1 there.
    """
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0, 3, 40_000), rng.uniform(-20, 20, 20_000)])
    x = np.concatenate([x, rng.normal(0, 1e-4, 9_000), [-1, 1, -14.5, 14.5]]).astype(np.float32)
    exact = np.array([float(v) * phi(float(v)) for v in x])
    ulp = np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)
    error = np.abs(kernels.unary_f32("gelu", x).astype(np.float64) - exact) / ulp
    assert error[x > -1].max() <= 3, x[x > -1][error[x > -1].argmax()]
    assert error.max() <= 8, x[error.argmax()]
    slope = kernels.binary_f32("gelu_dinput", np.ones_like(x), x).astype(np.float64)
    wide = x.astype(np.float64)
    density = np.exp(-wide * wide / 2) / math.sqrt(2 * math.pi)
    expected = np.array([phi(float(v)) for v in x]) + wide * density
    np.testing.assert_allclose(slope, expected, rtol=8e-7, atol=2e-7)


SPECIAL = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, np.inf, -np.inf, np.nan]


def test_power_follows_ieee_754() -> None:
    """Every pair of special values gives what C's pow gives, signs of zero included."""
    a, b = (np.array(v) for v in np.meshgrid(SPECIAL, SPECIAL))
    with np.errstate(all="ignore"):
        got, expected = power(a, b).astype(np.float32), np.power(a, b).astype(np.float32)
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(np.signbit(got[got == 0]), np.signbit(expected[got == 0]))


@given(st.floats(1 / 64, 64, width=32), st.floats(-8, 8, width=32))
def test_power_is_within_an_ulp(a: float, b: float) -> None:
    """pow of ordinary values is the float64 result rounded, but for the last bit of a tie."""
    y = kernels.binary_f32("pow", np.array([a], np.float32), np.array([b], np.float32))[0]
    assert abs(float(y) - a**b) <= 0.502 * float(np.spacing(np.float32(a**b)))


def columns(x: F64, kernel: int, stride: int, pad: int, dilation: int) -> F64:
    """Windows by index arithmetic, one output pixel at a time."""
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    reach = dilation * (kernel - 1) + 1
    rows = range(0, x.shape[2] - reach + 1, stride)
    cols = range(0, x.shape[3] - reach + 1, stride)
    return np.stack(
        [
            np.stack(
                [x[:, :, i : i + reach : dilation, j : j + reach : dilation] for j in cols], -1
            )
            for i in rows
        ],
        -2,
    )


SETTINGS = [(3, 1, 1, 1), (3, 2, 0, 2), (1, 1, 0, 1), (2, 3, 1, 1)]


@pytest.mark.parametrize(("kernel", "stride", "pad", "dilation"), SETTINGS)
def test_convolution_and_its_gradients(kernel: int, stride: int, pad: int, dilation: int) -> None:
    """Forward by einsum over windows; gradients by the inner product <g, conv(x, w)> in x and w."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 3, 9, 8)), rng.normal(size=(4, 3, kernel, kernel))
    how: Any = {"stride": (stride,) * 2, "pads": (pad,) * 4, "dilation": (dilation,) * 2}
    expected = np.einsum("bcklij,ockl->boij", columns(x, kernel, stride, pad, dilation), w)
    x32, w32 = x.astype(np.float32), w.astype(np.float32)
    y = kernels.conv2d_f32(x32, w32, **how)
    # 27 roundings of terms of size 1, so a few 1e-6.
    np.testing.assert_allclose(y, expected, atol=2e-5)
    g = rng.normal(size=y.shape)
    dx = kernels.conv2d_dinput_f32(g.astype(np.float32), w32, (9, 8), **how)
    dw = kernels.conv2d_dweight_f32(g.astype(np.float32), x32, (kernel, kernel), **how)
    for _ in range(5):  # conv is linear in each argument: its gradient is the same everywhere
        step_x, step_w = rng.normal(size=x.shape), rng.normal(size=w.shape)
        by_x = np.einsum("bcklij,ockl->boij", columns(step_x, kernel, stride, pad, dilation), w)
        by_w = np.einsum("bcklij,ockl->boij", columns(x, kernel, stride, pad, dilation), step_w)
        assert np.isclose((g * by_x).sum(), (dx * step_x).sum(), atol=1e-3)
        assert np.isclose((g * by_w).sum(), (dw * step_w).sum(), atol=1e-3)


def test_sums_are_float64_sums() -> None:
    """A million values that cancel: float32 partial sums would lose every digit."""
    x = np.tile(np.array([1e8, 1.0, -1e8, 1.0], np.float32), 250_000)
    assert kernels.reduce_f32("sum", x) == 500_000
    assert kernels.reduce_f32("mean", x) == 0.5
    assert kernels.reduce_f32("sum", np.tile(x, (3, 1)).T.copy(), 0).tolist() == [500_000] * 3


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_softmax_against_its_formula(axis: int) -> None:
    """Within two units in the last place of the float64 formula, for logits up to 80."""
    x = np.random.default_rng(1).normal(0, 30, (7, 19, 5)).astype(np.float32)
    wide = x.astype(np.float64)
    e = np.exp(wide - wide.max(axis, keepdims=True))
    np.testing.assert_allclose(  # 1e-45 is the smallest float32
        kernels.softmax_f32(x, axis), e / e.sum(axis, keepdims=True), 2.4e-7, 3e-45
    )
    logs = wide - wide.max(axis, keepdims=True) - np.log(e.sum(axis, keepdims=True))
    np.testing.assert_allclose(kernels.log_softmax_f32(x, axis), logs, 2.4e-7, 1e-12)


def test_layer_norm_against_its_formula() -> None:
    """Within one rounding of the float64 formula."""
    rng = np.random.default_rng(2)
    x = rng.normal(3, 2, (6, 37)).astype(np.float32)
    w, b = rng.normal(size=(2, 37)).astype(np.float32)
    wide = x.astype(np.float64)
    z = (wide - wide.mean(1, keepdims=True)) / np.sqrt(wide.var(1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(kernels.layer_norm_f32(x, 37, w, b), z * w + b, 1e-6, 1e-7)


def test_pools_propagate_nan() -> None:
    """One NaN makes NaN of its windows, and of no other."""
    x = np.zeros((1, 1, 4, 4), np.float32)
    x[0, 0, 1, 1] = np.nan
    rows, _ = kernels.pool_windows(4, 2, 2, 0, 1, False, True)
    expected = [[True, False], [False, False]]
    assert np.isnan(kernels.max_pool_f32(x, rows, rows))[0, 0].tolist() == expected
    ones = np.ones(2, np.int32)
    assert np.isnan(kernels.avg_pool_f32(x, rows, rows, ones, ones))[0, 0].tolist() == expected


def test_softmax_of_far_away_logits() -> None:
    """The difference from the maximum is not rounded: of -100 it would cost 50 units."""
    x = np.random.default_rng(2).uniform(-90, 3, (64, 65)).astype(np.float32)
    wide = x.astype(np.float64)
    e = np.exp(wide - wide.max(-1, keepdims=True))
    y = kernels.softmax_f32(x)
    normal = y > np.finfo(np.float32).tiny
    expected = e / e.sum(-1, keepdims=True)
    assert np.max(np.abs(y / expected - 1)[normal]) <= 2.4e-7


def test_softmax_at_the_edges() -> None:
    """Equal logits give equal shares, infinities what the formula gives, and nothing overflows."""
    assert kernels.softmax_f32(np.zeros((1, 3), np.float32)).tolist() == [[np.float32(1 / 3)] * 3]
    x = np.array([[3e38, -3e38], [0.0, -np.inf], [-104.5, 0.0], [-1e-30, 0.0]], np.float32)
    assert kernels.softmax_f32(x).tolist() == [[1, 0], [1, 0], [0, 1], [0.5, 0.5]]
    bad = np.array([[np.inf, 0.0], [-np.inf, -np.inf], [np.nan, 1.0]], np.float32)
    assert np.isnan(kernels.softmax_f32(bad)).all()
