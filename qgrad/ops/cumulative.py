"""Running sums and products along a dim."""

from __future__ import annotations

from typing import Any

import numpy as np

from qgrad.ops.elementwise import zeros_like
from qgrad.ops.op import Value, op
from qgrad.ops.promotion import numpy_dtype
from qgrad.ops.shape import along, cat, flip, normalize_dim

__all__ = ["cumprod", "cumsum", "recurrence"]


def _accumulate(function: Any, input: Value, dim: int, dtype: Any) -> Value:
    kind = numpy_dtype(dtype)
    if kind is None and input.dtype.kind != "f":
        kind = np.dtype(np.int64)
    axis = normalize_dim(dim, input.ndim)
    if input.ndim == 0:
        return input.astype(kind or input.dtype)
    return function(input if kind is None else input.astype(kind), axis=axis, dtype=kind)


@op(in_place=True)
def cumsum(input: Value, dim: int, dtype: Any = None) -> Value:
    """Running sums along `dim`; integers are summed in int64."""
    return _accumulate(np.cumsum, input, dim, dtype)


@cumsum.rule("input")
def cumsum_dinput(g: Value, dim: int) -> Value:
    return flip(cumsum(flip(g, dim), dim), dim)


@op(in_place=True)
def cumprod(input: Value, dim: int, dtype: Any = None) -> Value:
    """Running products along `dim`; integers are multiplied in int64."""
    return _accumulate(np.cumprod, input, dim, dtype)


@cumprod.rule("input")
def cumprod_dinput(g: Value, input: Value, dim: int) -> Value:
    # The factors before i, times g[i] + x[i+1] * (g[i+1] + x[i+2] * ...): no division by zeros.
    if input.ndim == 0:
        return g
    after = recurrence(flip(g, dim), flip(shifted(input, dim, -1), dim), dim)
    return products_before(input, dim) * flip(after, dim)


def products_before(input: Value, dim: int) -> Value:
    """Element i is the product of the elements before i."""
    axis = normalize_dim(dim, input.ndim)
    first = input[along(axis, slice(0, 1))]
    rest = cumprod(input[along(axis, slice(0, max(input.shape[axis] - 1, 0)))], axis)
    return cat([zeros_like(first) + 1, rest], axis)


def shifted(input: Value, dim: int, step: int) -> Value:
    """Element i is element i - step of `input`, 0 where there is none; step is 1 or -1."""
    axis = normalize_dim(dim, input.ndim)
    n = input.shape[axis]
    if n == 0:
        return input
    zero = zeros_like(input[along(axis, slice(0, 1))])
    if step > 0:
        return cat([zero, input[along(axis, slice(0, n - 1))]], axis)
    return cat([input[along(axis, slice(1, n))], zero], axis)


@op()
def recurrence(input: Value, factor: Value, dim: int) -> Value:
    """y[i] = input[i] + factor[i] * y[i - 1] along `dim`, y[0] = input[0]."""
    y = np.array(input)
    rows, factors = np.moveaxis(y, dim, 0), np.moveaxis(factor, dim, 0)
    for i in range(1, len(rows)):
        rows[i] += factors[i] * rows[i - 1]
    return y


@recurrence.rule("input")
def recurrence_dinput(g: Value, factor: Value, dim: int) -> Value:
    return flip(recurrence(flip(g, dim), flip(shifted(factor, dim, -1), dim), dim), dim)


@recurrence.rule("factor")
def recurrence_dfactor(g: Value, factor: Value, dim: int, y: Value) -> Value:
    return recurrence_dinput(g, factor, dim) * shifted(y, dim, 1)
