"""Activation functions. Each float32 forward is the kernel that a program runs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from qgrad import kernels
from qgrad.ops.arithmetic import where
from qgrad.ops.elementwise import abs, erf, exp, is_float32, per_element, tanh, unary
from qgrad.ops.op import Value, op
from qgrad.ops.steps import in_steps

__all__ = [
    "celu",
    "elu",
    "gelu",
    "hardsigmoid",
    "hardswish",
    "leaky_relu",
    "logsigmoid",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "softsign",
    "tanhshrink",
]

_SQRT_HALF = math.sqrt(0.5)
_SQRT_2_OVER_PI = math.sqrt(2 / math.pi)
_MANY = 4096
_ZERO = {np.dtype(t): np.zeros((), t) for t in (np.float16, np.float32, np.float64)}


@op(quantize="lut", onnx="Relu")
def relu(input: Value) -> Value:
    """max(input, 0); the gradient at 0 is 0, and passes where the input is NaN."""
    if input.size > _MANY and is_float32(input):
        return kernels.unary_f32("relu", input)  # the same bits, without NumPy's broadcasting
    return np.maximum(input, _ZERO.get(input.dtype, 0))


@relu.rule("input")
def relu_dinput(g: Value, y: Value) -> Value:
    if isinstance(g, np.ndarray) and is_float32(g) and is_float32(y):
        return kernels.binary_f32("relu_dinput", g, y)
    return in_steps(where(_at_most_0(y), 0.0, g), y)


def _at_most_0(y: Value) -> Value:
    # On small arrays NumPy compares with a 0-d array twice as fast as with a number.
    return np.less_equal(y, _ZERO[y.dtype]) if y.__class__ is np.ndarray else y <= 0


@op(quantize="lut", onnx="Clip")
def relu6(input: Value) -> Value:
    """min(max(input, 0), 6); the gradient at 0 and 6 is 0."""
    if input.size > _MANY and is_float32(input):
        return kernels.unary_f32("relu6", input)
    return np.minimum(np.maximum(input, _ZERO.get(input.dtype, 0)), 6)


@relu6.rule("input")
def relu6_dinput(g: Value, y: Value) -> Value:
    return in_steps(where((y > 0) & (y < 6), g, 0.0), y)


@op(quantize="lut", onnx="LeakyRelu")
def leaky_relu(input: Value, negative_slope: float = 0.01) -> Value:
    """`input` where it is positive, else negative_slope * input."""
    return unary(
        "leaky_relu",
        input,
        lambda x: np.where(x < 0, x * negative_slope, x),
        negative_slope=negative_slope,
    )


@leaky_relu.rule("input")
def leaky_relu_dinput(g: Value, input: Value, negative_slope: float) -> Value:
    return in_steps(where(input > 0, g, g * negative_slope), input)


@op(quantize="lut", onnx="Sigmoid", floating=True)
def sigmoid(input: Value) -> Value:
    """1 / (1 + exp(-input))."""
    return unary("sigmoid", input, _sigmoid)


def _sigmoid(x: Any) -> Any:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


@sigmoid.rule("input")
def sigmoid_dinput(g: Value, y: Value) -> Value:
    return g * (y * (1 - y))


@op(quantize="lut", floating=True)
def logsigmoid(input: Value) -> Value:
    """log(sigmoid(input)), without overflow."""
    return unary("logsigmoid", input, lambda x: np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x))))


@logsigmoid.rule("input")
def logsigmoid_dinput(g: Value, input: Value) -> Value:
    return g * sigmoid(-input)


@op(quantize="lut", floating=True)
def silu(input: Value) -> Value:
    """input * sigmoid(input)."""
    return unary("silu", input, lambda x: x * _sigmoid(x))


@silu.rule("input")
def silu_dinput(g: Value, input: Value) -> Value:
    s = sigmoid(input)
    return g * (s * (1 + input * (1 - s)))


@op(quantize="lut", onnx="Gelu", floating=True)
def gelu(input: Value, approximate: str = "none") -> Value:
    """input * Phi(input), Phi the normal distribution function; approximate="tanh" is cheaper."""
    if approximate == "none":
        return unary("gelu", input, lambda x: x * 0.5 * per_element(math.erfc)(-x * _SQRT_HALF))
    if approximate == "tanh":
        return unary("gelu_tanh", input, lambda x: 0.5 * x * (1 + np.tanh(_inner(x))))
    raise ValueError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}")


def _inner(x: Value) -> Value:
    return _SQRT_2_OVER_PI * (x + 0.044715 * (x * x * x))


@gelu.rule("input")
def gelu_dinput(g: Value, input: Value, approximate: str) -> Value:
    if approximate == "none":
        if isinstance(g, np.ndarray) and is_float32(g) and is_float32(input):
            return kernels.binary_f32("gelu_dinput", g, input)
        density = exp(input * input * -0.5) * (1 / math.sqrt(2 * math.pi))
        return g * (0.5 * (1 + erf(input * _SQRT_HALF)) + input * density)
    t = tanh(_inner(input))
    slope = _SQRT_2_OVER_PI * (1 + 3 * 0.044715 * (input * input))
    return g * (0.5 * (1 + t) + 0.5 * input * (1 - t * t) * slope)


@op(quantize="lut", onnx="HardSigmoid", floating=True)
def hardsigmoid(input: Value) -> Value:
    """clamp(input + 3, 0, 6) / 6."""
    return unary("hardsigmoid", input, lambda x: np.clip(x + 3, 0, 6) / 6)


@hardsigmoid.rule("input")
def hardsigmoid_dinput(g: Value, input: Value) -> Value:
    return in_steps(where((input > -3) & (input < 3), g * (1 / 6), 0.0), input)


@op(quantize="lut", onnx="HardSwish", floating=True)
def hardswish(input: Value) -> Value:
    """input * clamp(input + 3, 0, 6) / 6."""
    return unary("hardswish", input, lambda x: x * (np.clip(x + 3, 0, 6) / 6))


@hardswish.rule("input")
def hardswish_dinput(g: Value, input: Value) -> Value:
    middle = g * (input / 3 + 0.5)
    return where(input <= -3, 0.0, where(input < 3, middle, g))


@op(quantize="lut", onnx="Elu", floating=True)
def elu(input: Value, alpha: float = 1.0) -> Value:
    """`input` where it is positive, else alpha * (exp(input) - 1)."""
    return unary("elu", input, lambda x: np.where(x > 0, x, alpha * np.expm1(x)), alpha=alpha)


@elu.rule("input")
def elu_dinput(g: Value, input: Value, alpha: float) -> Value:
    return where(input > 0, g, g * alpha * exp(where(input < 0, input, 0.0)))


@op(quantize="lut", onnx="Celu", floating=True)
def celu(input: Value, alpha: float = 1.0) -> Value:
    """`input` where it is positive, else alpha * (exp(input / alpha) - 1)."""
    if alpha == 0:
        raise ValueError("celu: alpha must not be 0")
    if alpha == 1:
        return elu.forward(input)
    return np.where(input > 0, input, alpha * np.expm1(np.minimum(input, 0) / alpha))


@celu.rule("input")
def celu_dinput(g: Value, input: Value, alpha: float) -> Value:
    return where(input > 0, g, g * exp(where(input < 0, input / alpha, 0.0)))


@op(quantize="lut", onnx="Selu", floating=True)
def selu(input: Value) -> Value:
    """ELU with the two constants of self-normalizing networks."""
    return unary("selu", input, lambda x: _SCALE * np.where(x > 0, x, _ALPHA * np.expm1(x)))


_SCALE, _ALPHA = 1.0507009873554805, 1.6732632423543772


@selu.rule("input")
def selu_dinput(g: Value, input: Value) -> Value:
    return where(input > 0, g, g * _ALPHA * exp(where(input < 0, input, 0.0))) * _SCALE


@op(quantize="lut", onnx="Softplus", floating=True)
def softplus(input: Value, beta: float = 1.0, threshold: float = 20.0) -> Value:
    """log(1 + exp(beta * input)) / beta; `input` itself where beta * input > threshold."""
    return unary(
        "softplus",
        input,
        lambda x: np.where(x * beta > threshold, x, np.logaddexp(0, x * beta) / beta),
        beta=beta,
        threshold=threshold,
    )


@softplus.rule("input")
def softplus_dinput(g: Value, input: Value, beta: float, threshold: float) -> Value:
    return where(input * beta > threshold, g, g * sigmoid(input * beta))


@op(quantize="lut", onnx="Mish", floating=True)
def mish(input: Value) -> Value:
    """input * tanh(softplus(input))."""
    return unary("mish", input, lambda x: x * np.tanh(np.logaddexp(0, x)))


@mish.rule("input")
def mish_dinput(g: Value, input: Value) -> Value:
    t = tanh(softplus(input))
    return g * (t + input * sigmoid(input) * (1 - t * t))


@op(quantize="lut", onnx="Softsign", floating=True)
def softsign(input: Value) -> Value:
    """input / (1 + |input|)."""
    return input / (1 + np.absolute(input))


@softsign.rule("input")
def softsign_dinput(g: Value, input: Value) -> Value:
    width = 1 + abs(input)
    return g / (width * width)


@op(quantize="lut", floating=True)
def tanhshrink(input: Value) -> Value:
    """input - tanh(input)."""
    return input - unary("tanh", input, np.tanh)


@tanhshrink.rule("input")
def tanhshrink_dinput(g: Value, input: Value) -> Value:
    t = tanh(input)
    return g * (t * t)
