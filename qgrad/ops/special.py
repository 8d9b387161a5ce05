"""The logarithm of the gamma function and its derivatives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from qgrad.ops.elementwise import per_element
from qgrad.ops.op import Value, op

__all__ = ["digamma", "lgamma", "polygamma"]

# Bernoulli numbers B2, B4, ...; with 8 of them the series below are exact from 10 on.
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
_SERIES_FROM = 16.0


@op(quantize="lut", floating=True)
def lgamma(input: Value) -> Value:
    """The logarithm of the absolute value of the gamma function."""
    return per_element(_lgamma)(input)


def _lgamma(x: float) -> float:
    try:
        return math.lgamma(x)
    except (ValueError, OverflowError):  # a pole, or too large
        return math.inf


@lgamma.rule("input")
def lgamma_dinput(g: Value, input: Value) -> Value:
    return g * digamma(input)


@op(quantize="lut", floating=True)
def digamma(input: Value) -> Value:
    """The derivative of lgamma."""
    x = input.astype(np.float64)
    mirrored = x < 0
    y = _digamma(np.where(mirrored, 1 - x, x))
    y = np.where(mirrored, np.where(x == np.rint(x), np.nan, y - np.pi * _cot(x)), y)
    return np.where(x == 0, -np.copysign(np.inf, x), y).astype(input.dtype)


@digamma.rule("input")
def digamma_dinput(g: Value, input: Value) -> Value:
    return g * polygamma(1, input)


def _digamma(x: Any) -> Any:
    """For x >= 0: the recurrence up to where the asymptotic series holds."""
    x, y = _raised(x, lambda x: -1 / x)
    inverse = 1 / (x * x)
    series = np.zeros_like(x)
    for k in range(len(_BERNOULLI), 0, -1):
        series = inverse * (_BERNOULLI[k - 1] / (2 * k) + series)
    return y + np.log(x) - 0.5 / x - series


def _raised(x: Any, term: Any) -> tuple[Any, Any]:
    """(x + n, the sum of term(x), ..., term(x + n - 1)) with x + n where the series hold."""
    y = np.zeros_like(x)
    for _ in range(int(_SERIES_FROM)):
        low = x < _SERIES_FROM
        y = np.where(low, y + term(x), y)
        x = np.where(low, x + 1, x)
    return x, y


def _cot(x: Any) -> Any:
    """cot(pi * x), also for large x; inf at a pole."""
    return 1 / np.tan(np.pi * (x - np.rint(x)))


def polygamma(n: int, input: Value) -> Value:
    """The n-th derivative of digamma."""
    return digamma(input) if n == 0 else nth_polygamma(input, n)


@op(name="polygamma", quantize="lut", floating=True)
def nth_polygamma(input: Value, n: int) -> Value:
    """The n-th derivative of digamma."""
    if not isinstance(n, int) or n < 0:
        raise ValueError(f"polygamma: n must be an integer of at least 0, got {n!r}")
    if n == 0:
        return digamma(input)
    x = input.astype(np.float64)
    mirrored = x < 0
    y = (-1) ** (n + 1) * math.factorial(n) * _zeta(n + 1, np.where(mirrored, 1 - x, x))
    y = np.where(mirrored, (-1) ** n * y - np.pi * _cot_derivative(n, _cot(x)), y)
    return y.astype(input.dtype)


@nth_polygamma.rule("input")
def nth_polygamma_dinput(g: Value, input: Value, n: int) -> Value:
    return g * polygamma(n + 1, input)


def _zeta(s: int, x: Any) -> Any:
    """Hurwitz's zeta function, sum of (x + k)**-s, by Euler and Maclaurin."""
    x, y = _raised(x, lambda x: x**-s)
    tail = x ** (1 - s) / (s - 1) + 0.5 * x**-s
    term = s * x ** (-s - 1) / 2
    for k, bernoulli in enumerate(_BERNOULLI, 1):
        tail = tail + bernoulli * term
        term = term * (s + 2 * k - 1) * (s + 2 * k) / ((2 * k + 1) * (2 * k + 2)) / (x * x)
    return y + tail


def _cot_derivative(n: int, cot: Any) -> Any:
    """The n-th derivative of cot(pi * x) as a polynomial in cot(pi * x)."""
    p = np.polynomial.Polynomial([0, 1])
    for _ in range(n):
        p = p.deriv() * np.polynomial.Polynomial([-np.pi, 0, -np.pi])
    return p(cot)
