"""Elementwise functions of one operand.

Each float32 forward is the kernel that a program runs, so the bits are the same; other dtypes use
NumPy's function.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from qgrad import kernels
from qgrad.errors import DTypeError
from qgrad.ops.op import Op, Value, op

__all__ = [
    "abs",
    "ceil",
    "cos",
    "cosh",
    "erf",
    "erfc",
    "exp",
    "expm1",
    "floor",
    "isfinite",
    "isinf",
    "isnan",
    "log",
    "log1p",
    "logical_not",
    "nan_to_num",
    "neg",
    "reciprocal",
    "round",
    "round_decimals",
    "rsqrt",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "tan",
    "tanh",
    "trunc",
    "unary",
    "zeros_like",
]

_FLOAT32 = np.dtype(np.float32)


def is_float32(x: Any) -> bool:
    """Whether the kernels take this array."""
    dtype = x.dtype
    return dtype is _FLOAT32 or dtype == _FLOAT32


def unary(name: str, x: Any, other: Callable[..., Any], **params: float) -> Any:
    """The kernel `name` on float32, `other` on arrays of other dtypes."""
    return kernels.unary_f32(name, x, **params) if is_float32(x) else other(x)


def per_element(function: Callable[[float], float]) -> Callable[[Any], Any]:
    """A function of `math` on arrays, in float64."""
    apply = np.frompyfunc(function, 1, 1)
    return lambda x: np.asarray(apply(x), np.float64).astype(x.dtype)


def in_double(function: Callable[..., Any], *x: Any) -> Any:
    """A NumPy function, computed in float64 for float32 and rounded once.

    NumPy's float32 functions are off by up to 3.5 units in the last place, and differ from CPU to
    CPU.
    """
    if not is_float32(x[0]):
        return function(*x)
    return np.asarray(function(*(a.astype(np.float64) for a in x))).astype(_FLOAT32)


@op()
def zeros_like(input: Value) -> Value:
    """Zeros in the shape and dtype of `input`."""
    return np.zeros_like(input)


@op(quantize="lut", onnx="Neg")
def neg(input: Value) -> Value:
    """-input."""
    return np.negative(input)


@neg.rule("input")
def neg_dinput(g: Value) -> Value:
    return -g


@op(quantize="lut", onnx="Abs")
def abs(input: Value) -> Value:
    """The absolute value; its gradient at 0 is 0."""
    return np.absolute(input)


@abs.rule("input")
def abs_dinput(g: Value, input: Value) -> Value:
    return g * sign(input)


@op(quantize="lut", onnx="Sign")
def sign(input: Value) -> Value:
    """-1, 0 or 1; that of NaN is 0, and a bool's the bool, as in PyTorch."""
    if input.dtype.kind == "f":
        return np.subtract(input > 0, input < 0, dtype=input.dtype)
    return input.copy() if input.dtype.kind == "b" else np.sign(input)


@sign.rule("input")
def sign_dinput(g: Value) -> Value:
    return zeros_like(g)


@op(quantize="lut", onnx="Floor")
def floor(input: Value) -> Value:
    """The largest integer that is not larger."""
    return np.floor(input)


@floor.rule("input")
def floor_dinput(g: Value) -> Value:
    return zeros_like(g)


@op(quantize="lut", onnx="Ceil")
def ceil(input: Value) -> Value:
    """The smallest integer that is not smaller."""
    return np.ceil(input)


@ceil.rule("input")
def ceil_dinput(g: Value) -> Value:
    return zeros_like(g)


@op(quantize="lut", onnx="Round")
def round(input: Value) -> Value:
    """The nearest integer, ties to the even one, or the nearest number of `decimals` digits."""
    return np.rint(input) if input.dtype.kind == "f" else input.copy()


@round.keyword("decimals")
def round_to(input: Value, *, decimals: int) -> tuple[Op, tuple[Any, ...]]:
    return (round_decimals, (input, decimals)) if decimals else (round, (input,))


@round.rule("input")
def round_dinput(g: Value) -> Value:
    return zeros_like(g)


@op(quantize="lut")
def round_decimals(input: Value, decimals: int) -> Value:
    """The nearest multiple of 10**-decimals."""
    if input.dtype.kind != "f":
        raise DTypeError(f"round: decimals need a floating-point tensor, got {input.dtype}")
    power = input.dtype.type(10.0 ** builtins.abs(decimals))
    return np.rint(input * power) / power if decimals > 0 else np.rint(input / power) * power


@round_decimals.rule("input")
def round_decimals_dinput(g: Value) -> Value:
    return zeros_like(g)


@op(quantize="lut")
def trunc(input: Value) -> Value:
    """The integer part."""
    return np.trunc(input)


@trunc.rule("input")
def trunc_dinput(g: Value) -> Value:
    return zeros_like(g)


@op(quantize="lut", onnx="Exp", floating=True)
def exp(input: Value) -> Value:
    """e to the power `input`."""
    return unary("exp", input, np.exp)


@exp.rule("input")
def exp_dinput(g: Value, y: Value) -> Value:
    return g * y


@op(quantize="lut", floating=True)
def expm1(input: Value) -> Value:
    """exp(input) - 1, accurate near 0."""
    return unary("expm1", input, np.expm1)


@expm1.rule("input")
def expm1_dinput(g: Value, y: Value) -> Value:
    return g * (y + 1)


@op(quantize="lut", onnx="Log", floating=True)
def log(input: Value) -> Value:
    """The natural logarithm."""
    return unary("log", input, np.log)


@log.rule("input")
def log_dinput(g: Value, input: Value) -> Value:
    return g / input


@op(quantize="lut", floating=True)
def log1p(input: Value) -> Value:
    """log(1 + input), accurate near 0."""
    return unary("log1p", input, np.log1p)


@log1p.rule("input")
def log1p_dinput(g: Value, input: Value) -> Value:
    return g / (input + 1)


@op(quantize="lut", onnx="Sqrt", floating=True)
def sqrt(input: Value) -> Value:
    """The square root."""
    return np.sqrt(input)


@sqrt.rule("input")
def sqrt_dinput(g: Value, y: Value) -> Value:
    return g / (2 * y)


@op(quantize="lut", floating=True)
def rsqrt(input: Value) -> Value:
    """1 / sqrt(input)."""
    return unary("rsqrt", input, lambda x: 1 / np.sqrt(x))


@rsqrt.rule("input")
def rsqrt_dinput(g: Value, y: Value) -> Value:
    return -0.5 * g * y * y * y


@op(quantize="lut")
def square(input: Value) -> Value:
    """input * input; bools as int64."""
    return np.multiply(input, input, dtype=np.int64 if input.dtype.kind == "b" else None)


@square.rule("input")
def square_dinput(g: Value, input: Value) -> Value:
    return 2 * g * input


@op(quantize="lut", onnx="Reciprocal", floating=True)
def reciprocal(input: Value) -> Value:
    """1 / input."""
    return np.reciprocal(input)


@reciprocal.rule("input")
def reciprocal_dinput(g: Value, y: Value) -> Value:
    return -g * y * y


@op(quantize="lut", onnx="Sin", floating=True)
def sin(input: Value) -> Value:
    """Sine of an angle in radians."""
    return unary("sin", input, np.sin)


@sin.rule("input")
def sin_dinput(g: Value, input: Value) -> Value:
    return g * cos(input)


@op(quantize="lut", onnx="Cos", floating=True)
def cos(input: Value) -> Value:
    """Cosine of an angle in radians."""
    return unary("cos", input, np.cos)


@cos.rule("input")
def cos_dinput(g: Value, input: Value) -> Value:
    return -g * sin(input)


@op(quantize="lut", floating=True)
def tan(input: Value) -> Value:
    """Tangent of an angle in radians."""
    return in_double(np.tan, input)


@tan.rule("input")
def tan_dinput(g: Value, y: Value) -> Value:
    return g * (1 + y * y)


@op(quantize="lut", floating=True)
def sinh(input: Value) -> Value:
    """Hyperbolic sine."""
    return in_double(np.sinh, input)


@sinh.rule("input")
def sinh_dinput(g: Value, input: Value) -> Value:
    return g * cosh(input)


@op(quantize="lut", floating=True)
def cosh(input: Value) -> Value:
    """Hyperbolic cosine."""
    return in_double(np.cosh, input)


@cosh.rule("input")
def cosh_dinput(g: Value, input: Value) -> Value:
    return g * sinh(input)


@op(quantize="lut", onnx="Tanh", floating=True)
def tanh(input: Value) -> Value:
    """Hyperbolic tangent."""
    return unary("tanh", input, np.tanh)


@tanh.rule("input")
def tanh_dinput(g: Value, y: Value) -> Value:
    return g * (1 - y * y)


@op(quantize="lut", onnx="Erf", floating=True)
def erf(input: Value) -> Value:
    """The error function."""
    return unary("erf", input, per_element(math.erf))


@erf.rule("input")
def erf_dinput(g: Value, input: Value) -> Value:
    return g * exp(-input * input) * (2 / math.sqrt(math.pi))


@op(quantize="lut", floating=True)
def erfc(input: Value) -> Value:
    """1 - erf(input), without cancellation for large inputs."""
    return unary("erfc", input, per_element(math.erfc))


@erfc.rule("input")
def erfc_dinput(g: Value, input: Value) -> Value:
    return -g * exp(-input * input) * (2 / math.sqrt(math.pi))


@op(quantize="lut")
def nan_to_num(
    input: Value, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Value:
    """`input` with numbers for NaN and the infinities; None is the largest or smallest number."""
    return np.nan_to_num(input, True, 0.0 if nan is None else nan, posinf, neginf)


@nan_to_num.rule("input")
def nan_to_num_dinput(g: Value, input: Value) -> Value:
    return g * isfinite(input)


@op(onnx="IsNaN")
def isnan(input: Value) -> Value:
    """Which elements are NaN."""
    return np.isnan(input)


@op(onnx="IsInf")
def isinf(input: Value) -> Value:
    """Which elements are infinite."""
    return np.isinf(input)


@op()
def isfinite(input: Value) -> Value:
    """Which elements are neither infinite nor NaN."""
    return np.isfinite(input)


@op(onnx="Not", in_place=True)
def logical_not(input: Value) -> Value:
    """Which elements are 0 or False."""
    return np.logical_not(input)
