"""Activations made of straight lines. At a corner the gradient is PyTorch's: that of the outside
for hardtanh, of the constant for threshold, of the negative side for prelu."""

from __future__ import annotations

from typing import Any

import numpy as np

from qgrad.errors import DTypeError, ShapeError
from qgrad.ops.arithmetic import where
from qgrad.ops.elementwise import unary
from qgrad.ops.op import Value, describe, op
from qgrad.ops.reduction import sum
from qgrad.ops.shape import reshape
from qgrad.ops.steps import in_steps

__all__ = ["hardtanh", "prelu", "threshold"]


@op(quantize="lut", onnx="Clip")
def hardtanh(input: Value, min_val: float = -1.0, max_val: float = 1.0) -> Value:
    """`input` kept inside [min_val, max_val]; the gradient at a bound is 0."""
    if not min_val <= max_val:
        raise ValueError(f"hardtanh: min_val {min_val} must not be larger than max_val {max_val}")
    return unary(
        "clamp",
        input,
        lambda x: np.clip(x, min_val, max_val).astype(x.dtype, copy=False),
        min=min_val,
        max=max_val,
    )


@hardtanh.rule("input")
def hardtanh_dinput(g: Value, input: Value, min_val: float, max_val: float) -> Value:
    return in_steps(where((input <= min_val) | (input >= max_val), 0.0, g), input)


@op(quantize="lut", onnx="ThresholdedRelu")
def threshold(input: Value, threshold: float, value: float) -> Value:
    """`input` where it is larger than `threshold`, else `value`."""
    return np.where(input <= threshold, np.asarray(value, input.dtype), input)


@threshold.rule("input")
def threshold_dinput(g: Value, input: Value, threshold: float) -> Value:
    return in_steps(where(input <= threshold, 0.0, g), input)


@op(onnx="PRelu")
def prelu(input: Value, weight: Value) -> Value:
    """`input` where it is positive, else weight * input; weight has 1 element or one a channel.

    Channels are dim 1.
    """
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.ndim > 1 or weight.size not in (1, channels):
        raise ShapeError(
            f"prelu: weight must have 1 element, or {channels}, one for each channel of input "
            f"{describe(input)}, got {describe(weight)}"
        )
    if weight.dtype != input.dtype:
        raise DTypeError(
            f"prelu: input and weight must have one dtype, got {describe(input)} and "
            f"{describe(weight)}"
        )
    return np.where(input > 0, input, input * _column(weight, input.ndim))


def _column(weight: Value, ndim: int) -> Value:
    """The weight in a shape that broadcasts along dim 1."""
    count = weight.size if isinstance(weight, np.ndarray) else weight.numel()
    if count == 1:
        return reshape(weight, ())
    return reshape(weight, (1, -1) + (1,) * (ndim - 2))


@prelu.rule("input")
def prelu_dinput(g: Value, input: Value, weight: Value) -> Value:
    return in_steps(where(input > 0, g, g * _column(weight, input.ndim)), input)


@prelu.rule("weight")
def prelu_dweight(g: Value, input: Value, weight_shape: Any) -> Value:
    slopes = where(input > 0, 0.0, g * input)
    if not weight_shape or weight_shape[0] == 1:
        return reshape(sum(slopes), weight_shape)
    return sum(slopes, (0, *range(2, input.ndim)))
