"""Inverse trigonometric and hyperbolic functions, and the plane's polar coordinates.

Float32 is computed in float64 and rounded once: NumPy's own float32 functions are off by up to 3
units in the last place, and differ from machine to machine.
"""

from __future__ import annotations

import numpy as np

from qgrad import kernels
from qgrad.errors import DTypeError
from qgrad.ops.arithmetic import where
from qgrad.ops.elementwise import in_double, is_float32, rsqrt
from qgrad.ops.op import Value, op

__all__ = ["acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "hypot"]


@op(quantize="lut", onnx="Asin", floating=True)
def asin(input: Value) -> Value:
    """The angle in [-pi/2, pi/2] whose sine is `input`."""
    return in_double(np.arcsin, input)


@asin.rule("input")
def asin_dinput(g: Value, input: Value) -> Value:
    return g * rsqrt(1 - input * input)


@op(quantize="lut", onnx="Acos", floating=True)
def acos(input: Value) -> Value:
    """The angle in [0, pi] whose cosine is `input`."""
    return in_double(np.arccos, input)


@acos.rule("input")
def acos_dinput(g: Value, input: Value) -> Value:
    return -g * rsqrt(1 - input * input)


@op(quantize="lut", onnx="Atan", floating=True)
def atan(input: Value) -> Value:
    """The angle in [-pi/2, pi/2] whose tangent is `input`."""
    return in_double(np.arctan, input)


@atan.rule("input")
def atan_dinput(g: Value, input: Value) -> Value:
    return g / (input * input + 1)


@op(quantize="lut", onnx="Asinh", floating=True)
def asinh(input: Value) -> Value:
    """The inverse of sinh."""
    return in_double(np.arcsinh, input)


@asinh.rule("input")
def asinh_dinput(g: Value, input: Value) -> Value:
    return g * rsqrt(input * input + 1)


@op(quantize="lut", onnx="Acosh", floating=True)
def acosh(input: Value) -> Value:
    """The inverse of cosh, for inputs of at least 1."""
    return in_double(np.arccosh, input)


@acosh.rule("input")
def acosh_dinput(g: Value, input: Value) -> Value:
    return g * rsqrt(input * input - 1)


@op(quantize="lut", onnx="Atanh", floating=True)
def atanh(input: Value) -> Value:
    """The inverse of tanh, for inputs in [-1, 1]."""
    return in_double(np.arctanh, input)


@atanh.rule("input")
def atanh_dinput(g: Value, input: Value) -> Value:
    return g / (1 - input * input)


@op(broadcasts=True, floating=True)
def atan2(input: Value, other: Value) -> Value:
    """The angle of the point with y coordinate `input` and x coordinate `other`."""
    return in_double(np.arctan2, input, other)


@atan2.rule("input")
def atan2_dinput(g: Value, input: Value, other: Value) -> Value:
    return g * (other / _squared_radius(input, other))


@atan2.rule("other")
def atan2_dother(g: Value, input: Value, other: Value) -> Value:
    return -g * (input / _squared_radius(input, other))


def _squared_radius(y: Value, x: Value) -> Value:
    """x*x + y*y; 1 in the origin, where the gradient is 0."""
    r = x * x + y * y
    return where(r == 0, 1.0, r)


@op(broadcasts=True)
def hypot(input: Value, other: Value) -> Value:
    """sqrt(input**2 + other**2) without overflow: the distance to the origin."""
    if input.dtype.kind != "f":
        raise DTypeError(f"hypot: needs floating-point tensors, got {input.dtype}; use .float()")
    if is_float32(input):
        return kernels.binary_f32("hypot", input, other)
    return np.hypot(input, other)


@hypot.rule("input")
def hypot_dinput(g: Value, input: Value, y: Value) -> Value:
    return g * (input / y)


@hypot.rule("other")
def hypot_dother(g: Value, other: Value, y: Value) -> Value:
    return g * (other / y)
