"""Elementwise arithmetic of two operands."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from qgrad import kernels
from qgrad.errors import DTypeError
from qgrad.ops.elementwise import is_float32, log, zeros_like
from qgrad.ops.op import Op, Value, describe, op
from qgrad.ops.promotion import promote

__all__ = [
    "add",
    "addcdiv",
    "addcmul",
    "clamp",
    "div",
    "floor_divide",
    "fmod",
    "lerp",
    "maximum",
    "minimum",
    "mul",
    "pow",
    "remainder",
    "sub",
    "trunc_divide",
    "where",
]

_WORTH_SHARING = 1 << 16  # elements
_WORTH_CHOOSING = 1 << 8


def _by_kernel(name: str, ufunc: Any, a: Any, b: Any) -> Any:
    """The ufunc, by the kernel that threads share for arrays that are worth it."""
    if (
        a.size >= _WORTH_SHARING
        and (a.shape == b.shape or not b.ndim)
        and is_float32(a)
        and is_float32(b)
        and a.flags.c_contiguous
        and b.flags.c_contiguous
    ):
        return kernels.binary_f32(name, a, b)
    return ufunc(a, b)


@op(quantize="add", onnx="Add", broadcasts=True)
def add(input: Value, other: Value) -> Value:
    """input + other; `alpha` multiplies other."""
    return _by_kernel("add", np.add, input, other)


@add.keyword("alpha")
def add_alpha(input: Value, other: Value, *, alpha: float) -> tuple[Op, tuple[Any, ...]]:
    return add, (input, other * alpha)


@add.rule("input")
def add_dinput(g: Value) -> Value:
    return g


@add.rule("other")
def add_dother(g: Value) -> Value:
    return g


@op(onnx="Sub", broadcasts=True)
def sub(input: Value, other: Value) -> Value:
    """input - other; `alpha` multiplies other."""
    return _by_kernel("sub", np.subtract, input, other)


@sub.keyword("alpha")
def sub_alpha(input: Value, other: Value, *, alpha: float) -> tuple[Op, tuple[Any, ...]]:
    return sub, (input, other * alpha)


@sub.rule("input")
def sub_dinput(g: Value) -> Value:
    return g


@sub.rule("other")
def sub_dother(g: Value) -> Value:
    return -g


@op(onnx="Mul", broadcasts=True)
def mul(input: Value, other: Value) -> Value:
    """input * other."""
    return _by_kernel("mul", np.multiply, input, other)


@mul.rule("input")
def mul_dinput(g: Value, other: Value) -> Value:
    return g * other


@mul.rule("other")
def mul_dother(g: Value, input: Value) -> Value:
    return g * input


@op(onnx="Div", broadcasts=True, floating=True)
def div(input: Value, other: Value) -> Value:
    """input / other; integers as floats, unless rounding_mode is "floor" or "trunc"."""
    return _by_kernel("div", np.true_divide, input, other)


@div.keyword("rounding_mode")
def div_rounding_mode(
    input: Value, other: Value, *, rounding_mode: str | None
) -> tuple[Op, tuple[Any, ...]]:
    rounded = {None: div, "floor": floor_divide, "trunc": trunc_divide}
    if rounding_mode not in rounded:
        raise ValueError(
            f"div: rounding_mode must be None, 'floor' or 'trunc', got {rounding_mode!r}"
        )
    return rounded[rounding_mode], (input, other)


@div.rule("input")
def div_dinput(g: Value, other: Value) -> Value:
    if isinstance(g, np.ndarray) and is_float32(g) and isinstance(other, (int, float)):
        return _by_kernel("div", np.true_divide, g, np.asarray(other, g.dtype))
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


@floor_divide.rule("input")
def floor_divide_dinput(g: Value) -> Value:
    return zeros_like(g)


@floor_divide.rule("other")
def floor_divide_dother(g: Value) -> Value:
    return zeros_like(g)


@op(broadcasts=True)
def trunc_divide(input: Value, other: Value) -> Value:
    """The quotient rounded towards 0, as C's `/`."""
    if input.dtype.kind == "f":
        return np.trunc(np.true_divide(input, other))
    if not np.all(other):
        raise ZeroDivisionError("div: integer division by 0")
    down, rest = np.floor_divide(input, other), np.remainder(input, other)
    return down + ((down < 0) & (rest != 0))


@trunc_divide.rule("input")
def trunc_divide_dinput(g: Value) -> Value:
    return zeros_like(g)


@trunc_divide.rule("other")
def trunc_divide_dother(g: Value) -> Value:
    return zeros_like(g)


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


@op(broadcasts=True)
def fmod(input: Value, other: Value) -> Value:
    """input - trunc(input / other) * other, as C's `fmod`: the sign is that of `input`."""
    if input.dtype.kind in "iu" and not np.all(other):
        raise ZeroDivisionError("fmod: integer division by 0")
    return np.fmod(input, other)


@fmod.rule("input")
def fmod_dinput(g: Value) -> Value:
    return g


@fmod.rule("other")
def fmod_dother(g: Value, input: Value, other: Value) -> Value:
    return -g * trunc_divide(input, other)


@op(onnx="Pow", broadcasts=True)
def pow(input: Value, exponent: Value) -> Value:
    """`input` to the power `exponent`."""
    if is_float32(input):
        if exponent.ndim == 0 and exponent == 2:
            return np.multiply(input, input)  # the kernel's bits
        return kernels.binary_f32("pow", input, exponent)
    if input.dtype.kind == "b":
        return input | ~exponent
    if input.dtype.kind == "i" and np.any(exponent < 0):
        raise ValueError("pow: integers to negative integer powers are not integers; use .float()")
    return np.power(input, exponent)


@pow.rule("input")
def pow_dinput(g: Value, input: Value, exponent: Value) -> Value:
    if isinstance(exponent, (int, float)):
        if exponent == 2:  # on tensors a power too, whose third derivative is 0 and not none
            return 2 * g * (input**1 if hasattr(input, "grad_fn") else input)
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
    return _share(g, input < other, input == other)


@maximum.rule("other")
def maximum_dother(g: Value, input: Value, other: Value) -> Value:
    return _share(g, input > other, input == other)


@op(onnx="Min", broadcasts=True)
def minimum(input: Value, other: Value) -> Value:
    """The smaller of two; NaN wins. Equal operands share the gradient."""
    return np.minimum(input, other)


@minimum.rule("input")
def minimum_dinput(g: Value, input: Value, other: Value) -> Value:
    return _share(g, input > other, input == other)


@minimum.rule("other")
def minimum_dother(g: Value, input: Value, other: Value) -> Value:
    return _share(g, input < other, input == other)


def _share(g: Value, loses: Value, ties: Value) -> Value:
    return where(ties, g * 0.5, where(loses, 0.0, g))


@op(onnx="Clip", broadcasts=True)
def clamp(input: Value, min: Value = None, max: Value = None) -> Value:
    """`input` kept inside [min, max]; None is no bound. At a bound the gradient passes."""
    if min is None and max is None:
        raise ValueError("clamp: at least one of min and max must be given")
    if input.size > _WORTH_CHOOSING and is_float32(input):
        low, high = _number(min, -math.inf), _number(max, math.inf)
        if low is not None and high is not None and low <= high:
            return kernels.unary_f32("clamp", input, min=low, max=high)
    y = input if min is None else np.maximum(input, min)
    return y if max is None else np.minimum(y, max)


def _number(bound: Any, none: float) -> float | None:
    """A bound that is a number, `none` if it is not given; None for a tensor of bounds."""
    if bound is None:
        return none
    return bound.item() if bound.ndim == 0 else None


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
    return select(condition, *promote((input, other)))


def select(condition: Any, a: Any, b: Any) -> Any:
    """np.where on arrays of one dtype; by the kernel, which does not branch, where it is worth it.

    Of a random condition NumPy's branches guess every second one wrong.
    """
    if condition.size > _WORTH_CHOOSING and is_float32(a):
        shape = condition.shape
        if all(x.shape == shape or (x.size == 1 and x.ndim <= len(shape)) for x in (a, b)):
            return kernels.where_f32(condition, a, b)
    return np.where(condition, a, b)


@where.rule("input")
def where_dinput(g: Value, condition: Value) -> Value:
    return where(condition, g, 0.0)


@where.rule("other")
def where_dother(g: Value, condition: Value) -> Value:
    return where(condition, 0.0, g)


@op(broadcasts=True)
def lerp(input: Value, end: Value, weight: Value) -> Value:
    """input + weight * (end - input), exactly `end` at weight 1."""
    if input.dtype.kind != "f":
        raise DTypeError(f"lerp: needs floating-point tensors, got {input.dtype}; use .float()")
    distance = end - input
    near_start = input + weight * distance
    return np.where(np.abs(weight) < 0.5, near_start, end - distance * (1 - weight))


@lerp.rule("input")
def lerp_dinput(g: Value, weight: Value) -> Value:
    return g * (1 - weight)


@lerp.rule("end")
def lerp_dend(g: Value, weight: Value) -> Value:
    return g * weight


@lerp.rule("weight")
def lerp_dweight(g: Value, input: Value, end: Value) -> Value:
    return g * (end - input)


@op(broadcasts=True)
def addcmul(input: Value, tensor1: Value, tensor2: Value, value: float = 1) -> Value:
    """input + value * tensor1 * tensor2."""
    return input + value * tensor1 * tensor2


@addcmul.rule("input")
def addcmul_dinput(g: Value) -> Value:
    return g


@addcmul.rule("tensor1")
def addcmul_dtensor1(g: Value, tensor2: Value, value: float) -> Value:
    return g * (tensor2 * value)


@addcmul.rule("tensor2")
def addcmul_dtensor2(g: Value, tensor1: Value, value: float) -> Value:
    return g * (tensor1 * value)


@op(broadcasts=True)
def addcdiv(input: Value, tensor1: Value, tensor2: Value, value: float = 1) -> Value:
    """input + value * tensor1 / tensor2, of floats."""
    if input.dtype.kind != "f":
        raise DTypeError(f"addcdiv: needs floating-point tensors, got {input.dtype}; use .float()")
    return input + value * tensor1 / tensor2


@addcdiv.rule("input")
def addcdiv_dinput(g: Value) -> Value:
    return g


@addcdiv.rule("tensor1")
def addcdiv_dtensor1(g: Value, tensor2: Value, value: float) -> Value:
    return g * (value / tensor2)


@addcdiv.rule("tensor2")
def addcdiv_dtensor2(g: Value, tensor1: Value, tensor2: Value, value: float) -> Value:
    return -g * (value * tensor1 / (tensor2 * tensor2))
