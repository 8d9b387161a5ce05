"""Elementwise arithmetic of two operands."""

from __future__ import annotations

import math

import numpy as np

from qgrad import kernels
from qgrad.errors import DTypeError
from qgrad.ops.elementwise import is_float32, log, zeros_like
from qgrad.ops.op import Value, describe, op
from qgrad.ops.promotion import promote

__all__ = [
    "add",
    "clamp",
    "div",
    "floor_divide",
    "maximum",
    "minimum",
    "mul",
    "pow",
    "remainder",
    "sub",
    "where",
]


@op(quantize="add", onnx="Add", broadcasts=True)
def add(input: Value, other: Value) -> Value:
    """input + other."""
    return np.add(input, other)


@add.rule("input")
def add_dinput(g: Value) -> Value:
    return g


@add.rule("other")
def add_dother(g: Value) -> Value:
    return g


@op(onnx="Sub", broadcasts=True)
def sub(input: Value, other: Value) -> Value:
    """input - other."""
    return np.subtract(input, other)


@sub.rule("input")
def sub_dinput(g: Value) -> Value:
    return g


@sub.rule("other")
def sub_dother(g: Value) -> Value:
    return -g


@op(onnx="Mul", broadcasts=True)
def mul(input: Value, other: Value) -> Value:
    """input * other."""
    return np.multiply(input, other)


@mul.rule("input")
def mul_dinput(g: Value, other: Value) -> Value:
    return g * other


@mul.rule("other")
def mul_dother(g: Value, input: Value) -> Value:
    return g * input


@op(onnx="Div", broadcasts=True, floating=True)
def div(input: Value, other: Value) -> Value:
    """input / other; integers are divided as floats."""
    return np.true_divide(input, other)


@div.rule("input")
def div_dinput(g: Value, other: Value) -> Value:
    return g / other


@div.rule("other")
def div_dother(g: Value, input: Value, other: Value) -> Value:
    return -g * (input / other) / other


@op(broadcasts=True)
def floor_divide(input: Value, other: Value) -> Value:
    """The quotient rounded down, as Python's `//`."""
    if input.dtype.kind in "iu" and not np.all(other):
        raise ZeroDivisionError("floor_divide: integer division by 0")
    return np.floor_divide(input, other)


@op(onnx="Mod", broadcasts=True)
def remainder(input: Value, other: Value) -> Value:
    """input - floor(input / other) * other, as Python's `%`: the sign is that of `other`."""
    if input.dtype.kind in "iu" and not np.all(other):
        raise ZeroDivisionError("remainder: integer division by 0")
    return np.remainder(input, other)


@remainder.rule("input")
def remainder_dinput(g: Value) -> Value:
    return g


@remainder.rule("other")
def remainder_dother(g: Value, input: Value, other: Value) -> Value:
    return -g * floor_divide(input, other)


@op(onnx="Pow", broadcasts=True)
def pow(input: Value, exponent: Value) -> Value:
    """`input` to the power `exponent`."""
    if is_float32(input):
        return kernels.binary_f32("pow", input, exponent)
    if input.dtype.kind == "b":
        return input | ~exponent
    if input.dtype.kind == "i" and np.any(exponent < 0):
        raise ValueError("pow: integers to negative integer powers are not integers; use .float()")
    return np.power(input, exponent)


@pow.rule("input")
def pow_dinput(g: Value, input: Value, exponent: Value) -> Value:
    if isinstance(exponent, (int, float)):
        if exponent == 2:
            return 2 * g * input
        return g * (exponent * input ** (exponent - 1)) if exponent != 0 else zeros_like(g)
    # x**0 is flat, though 0 * 0**-1 is NaN.
    flat = exponent == 0
    return where(flat, 0.0, g * (exponent * input ** where(flat, 1.0, exponent - 1)))


@pow.rule("exponent")
def pow_dexponent(g: Value, input: Value, exponent: Value, y: Value) -> Value:
    if isinstance(input, (int, float)) and input != 0:
        return g * y * (math.log(input) if input > 0 else math.nan)
    # 0**p is flat for p >= 0, though log(0) is -inf.
    flat = (input == 0) & (exponent >= 0)
    return where(flat, 0.0, g * y * log(where(flat, 1.0, input)))


@op(onnx="Max", broadcasts=True)
def maximum(input: Value, other: Value) -> Value:
    """The larger of two; NaN wins. Equal operands share the gradient."""
    return np.maximum(input, other)


@maximum.rule("input")
def maximum_dinput(g: Value, input: Value, other: Value) -> Value:
    return _share(g, input > other, input == other)


@maximum.rule("other")
def maximum_dother(g: Value, input: Value, other: Value) -> Value:
    return _share(g, input < other, input == other)


@op(onnx="Min", broadcasts=True)
def minimum(input: Value, other: Value) -> Value:
    """The smaller of two; NaN wins. Equal operands share the gradient."""
    return np.minimum(input, other)


@minimum.rule("input")
def minimum_dinput(g: Value, input: Value, other: Value) -> Value:
    return _share(g, input < other, input == other)


@minimum.rule("other")
def minimum_dother(g: Value, input: Value, other: Value) -> Value:
    return _share(g, input > other, input == other)


def _share(g: Value, wins: Value, ties: Value) -> Value:
    return where(ties, g * 0.5, where(wins, g, 0.0))


@op(onnx="Clip", broadcasts=True)
def clamp(input: Value, min: Value = None, max: Value = None) -> Value:
    """`input` kept inside [min, max]; None is no bound. At a bound the gradient passes."""
    if min is None and max is None:
        raise ValueError("clamp: at least one of min and max must be given")
    y = input if min is None else np.maximum(input, min)
    return y if max is None else np.minimum(y, max)


@clamp.rule("input")
def clamp_dinput(g: Value, input: Value, min: Value, max: Value) -> Value:
    if min is not None and max is not None:
        return where((input >= min) & (input <= max), g, 0.0)
    return where(input >= min if max is None else input <= max, g, 0.0)


@clamp.rule("min")
def clamp_dmin(g: Value, input: Value, min: Value, max: Value) -> Value:
    below = input < min
    return where(below if max is None else below & (min < max), g, 0.0)


@clamp.rule("max")
def clamp_dmax(g: Value, input: Value, min: Value, max: Value) -> Value:
    above = input > max
    return where(above if min is None else above | (max < min), g, 0.0)


@op(onnx="Where")
def where(condition: Value, input: Value, other: Value) -> Value:
    """`input` where `condition` is true, else `other`."""
    if condition.dtype.kind != "b":
        raise DTypeError(
            f"where: condition must be bool, got {describe(condition)}; write `x != 0`"
        )
    return np.where(condition, *promote((input, other)))


@where.rule("input")
def where_dinput(g: Value, condition: Value) -> Value:
    return where(condition, g, 0.0)


@where.rule("other")
def where_dother(g: Value, condition: Value) -> Value:
    return where(condition, 0.0, g)
