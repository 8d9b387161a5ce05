"""Powers and logarithms of other bases, and sums and products of logarithms."""

from __future__ import annotations

import math

import numpy as np

from qgrad import kernels
from qgrad.errors import DTypeError
from qgrad.ops.activation import sigmoid
from qgrad.ops.arithmetic import where
from qgrad.ops.elementwise import in_double, is_float32, log, unary
from qgrad.ops.op import Value, op

__all__ = ["exp2", "log2", "log10", "logaddexp", "xlogy"]

_LN2 = math.log(2)
_LN10 = math.log(10)


@op(quantize="lut", floating=True)
def exp2(input: Value) -> Value:
    """2 to the power `input`."""
    return unary("exp2", input, np.exp2)


@exp2.rule("input")
def exp2_dinput(g: Value, y: Value) -> Value:
    return g * y * _LN2


@op(quantize="lut", floating=True)
def log2(input: Value) -> Value:
    """The logarithm to base 2."""
    return unary("log2", input, np.log2)


@log2.rule("input")
def log2_dinput(g: Value, input: Value) -> Value:
    return g / (input * _LN2)


@op(quantize="lut", floating=True)
def log10(input: Value) -> Value:
    """The logarithm to base 10."""
    return unary("log10", input, np.log10)


@log10.rule("input")
def log10_dinput(g: Value, input: Value) -> Value:
    return g / (input * _LN10)


@op(broadcasts=True)
def logaddexp(input: Value, other: Value) -> Value:
    """log(exp(input) + exp(other)), without overflow."""
    if input.dtype.kind != "f":
        raise DTypeError(
            f"logaddexp: needs floating-point tensors, got {input.dtype}; use .float()"
        )
    if is_float32(input):
        return kernels.binary_f32("logaddexp", input, other)
    return np.logaddexp(input, other)


@logaddexp.rule("input")
def logaddexp_dinput(g: Value, input: Value, other: Value) -> Value:
    return g * sigmoid(input - other)


@logaddexp.rule("other")
def logaddexp_dother(g: Value, input: Value, other: Value) -> Value:
    return g * sigmoid(other - input)


@op(broadcasts=True, floating=True)
def xlogy(input: Value, other: Value) -> Value:
    """input * log(other), and 0 where `input` is 0, unless `other` is NaN."""
    y = input * in_double(np.log, other)
    return np.where((input == 0) & ~np.isnan(other), input.dtype.type(0), y)


@xlogy.rule("input")
def xlogy_dinput(g: Value, input: Value, other: Value) -> Value:
    return g * log(where((input == 0) & (other <= 0), 1.0, other))


@xlogy.rule("other")
def xlogy_dother(g: Value, input: Value, other: Value) -> Value:
    return g * (input / other)
