"""Softmax and its logarithm."""

from __future__ import annotations

from typing import Any

import numpy as np

from qgrad import kernels
from qgrad.ops.elementwise import exp, is_float32
from qgrad.ops.op import Value, op
from qgrad.ops.promotion import numpy_dtype
from qgrad.ops.reduction import sum
from qgrad.ops.shape import normalize_dim

__all__ = ["log_softmax", "safe_softmax", "softmax"]


@op(onnx="Softmax", floating=True)
def softmax(input: Value, dim: int, dtype: Any = None) -> Value:
    """exp(input) / sum(exp(input)) along `dim`."""
    input, axis = _prepare(input, dim, dtype)
    if is_float32(input):
        return kernels.softmax_f32(np.atleast_1d(input), axis).reshape(input.shape)
    e = np.exp(input - _top(input, axis))
    return e / np.add.reduce(e, axis=axis, keepdims=True)


@softmax.rule("input")
def softmax_dinput(g: Value, y: Value, dim: int) -> Value:
    if isinstance(g, np.ndarray) and is_float32(g) and is_float32(y) and dim in (-1, y.ndim - 1):
        return kernels.softmax_dinput_f32(np.atleast_1d(g), np.atleast_1d(y)).reshape(y.shape)
    gy = g * y
    return gy - y * sum(gy, dim, True)


@op(onnx="LogSoftmax", floating=True)
def log_softmax(input: Value, dim: int, dtype: Any = None) -> Value:
    """The logarithm of the softmax along `dim`, without cancellation."""
    input, axis = _prepare(input, dim, dtype)
    if is_float32(input):
        return kernels.log_softmax_f32(np.atleast_1d(input), axis).reshape(input.shape)
    shifted = input - _top(input, axis)
    return shifted - np.log(np.add.reduce(np.exp(shifted), axis=axis, keepdims=True))


@log_softmax.rule("input")
def log_softmax_dinput(g: Value, y: Value, dim: int) -> Value:
    return g - exp(y) * sum(g, dim, True)


def _prepare(input: Any, dim: int, dtype: Any) -> tuple[Any, int]:
    if dtype is not None:
        input = input.astype(numpy_dtype(dtype))
    return input, normalize_dim(dim, input.ndim)


def _top(input: Any, axis: int) -> Any:
    return np.maximum.reduce(input, axis=axis, keepdims=True) if input.size else 0


@op(floating=True)
def safe_softmax(input: Value, dim: int) -> Value:
    """The softmax along `dim`, and zeros where all of `input` is -inf: nothing to choose from."""
    y = softmax.forward(input, dim)
    axis = normalize_dim(dim, input.ndim)
    nothing = _top(input, axis) == -np.inf
    return np.where(nothing, y.dtype.type(0), y) if np.any(nothing) else y


@safe_softmax.rule("input")
def safe_softmax_dinput(g: Value, y: Value, dim: int) -> Value:
    return softmax_dinput(g, y, dim)
