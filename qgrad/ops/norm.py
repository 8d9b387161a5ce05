"""Vector norms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from qgrad.errors import DTypeError
from qgrad.ops.arithmetic import where
from qgrad.ops.elementwise import abs, sign, zeros_like
from qgrad.ops.op import Value, op
from qgrad.ops.promotion import numpy_dtype
from qgrad.ops.reduction import Dims, amax, amin, count, share_among_ties, spread, sum

__all__ = ["vector_norm"]


@op()
def vector_norm(
    input: Value, ord: float = 2, dim: Dims = None, keepdim: bool = False, dtype: Any = None
) -> Value:
    """(sum of |x|**ord)**(1/ord) over `dim`, or over all.

    `ord` inf and -inf are the largest and smallest |x|, 0 counts the nonzero elements. The gradient
    is 0 where the norm is.
    """
    if not isinstance(ord, (int, float)):
        raise TypeError(f"ord must be a number, got {ord!r}")
    if dtype is not None:
        input = input.astype(numpy_dtype(dtype))
    if input.dtype.kind != "f":
        raise DTypeError(f"needs a floating-point tensor, got {input.dtype}; use .float()")
    if (ord < 0 or ord == math.inf) and count(input.shape, dim) == 0:
        raise ValueError(f"the norm of order {ord} of no elements is not defined")
    size = np.absolute(input)
    if math.isinf(ord):
        return (amax if ord > 0 else amin).forward(size, dim, keepdim)
    if ord == 0:
        return sum.forward((input != 0).astype(input.dtype), dim, keepdim)
    if ord == 1:
        return sum.forward(size, dim, keepdim)
    y = _power_norm(size, ord, dim, keepdim)
    if np.all(np.isfinite(y) & (y > np.finfo(input.dtype).tiny ** 0.25)) or not size.size:
        return y
    # Powers may have overflowed or vanished: once more with numbers of at most 1.
    top = amax.forward(size, dim, True)
    top = np.where((top > 0) & np.isfinite(top), top, size.dtype.type(1))
    scaled = _power_norm(size / top, ord, dim, keepdim)
    return scaled * (top if keepdim else top.reshape(scaled.shape))


def _power_norm(size: Value, p: float, dim: Dims, keepdim: bool) -> Value:
    if p == 2:
        return np.sqrt(sum.forward(size * size, dim, keepdim))
    return sum.forward(size**p, dim, keepdim) ** (1.0 / p)


@vector_norm.rule("input")
def vector_norm_dinput(g: Value, input: Value, ord: float, dim: Dims, y: Value) -> Value:
    if ord == 0:
        return zeros_like(input)
    if ord == 1:
        return spread(g, input.shape, dim) * sign(input)
    if math.isinf(ord):
        return share_among_ties(g, abs(input), dim, y) * sign(input)
    if ord == 2:
        slope = where(y == 0, 0.0, g / where(y == 0, 1.0, y))
        return spread(slope, input.shape, dim) * input
    # x**(ord - 1) / y**(ord - 1), as a power of the quotient, which does not overflow.
    wide = spread(where(y == 0, 1.0, y), input.shape, dim)
    flat = (input == 0) | (spread(y, input.shape, dim) == 0)
    ratio = where(flat, 1.0, abs(input) / wide)
    return where(flat, 0.0, spread(g, input.shape, dim) * sign(input) * ratio ** (ord - 1))
