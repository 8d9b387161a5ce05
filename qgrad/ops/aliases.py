"""PyTorch's other names for ops."""

from __future__ import annotations

from qgrad.ops.arithmetic import clamp, div, mul, sub
from qgrad.ops.comparison import ge, gt, le, lt, ne
from qgrad.ops.composed import outer
from qgrad.ops.elementwise import abs, neg, sign, trunc
from qgrad.ops.shape import cat, movedim, transpose
from qgrad.ops.trigonometry import acos, acosh, asin, asinh, atan, atan2, atanh

__all__ = [
    "absolute",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "clip",
    "concat",
    "concatenate",
    "divide",
    "fix",
    "ger",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "moveaxis",
    "multiply",
    "negative",
    "not_equal",
    "sgn",
    "subtract",
    "swapaxes",
    "swapdims",
    "true_divide",
]

absolute = abs
arccos, arccosh, arcsin, arcsinh = acos, acosh, asin, asinh
arctan, arctan2, arctanh = atan, atan2, atanh
clip = clamp
concat = concatenate = cat
divide = true_divide = div
fix = trunc
ger = outer
greater, greater_equal, less, less_equal, not_equal = gt, ge, lt, le, ne
moveaxis = movedim
multiply = mul
negative = neg
sgn = sign
subtract = sub
swapaxes = swapdims = transpose
