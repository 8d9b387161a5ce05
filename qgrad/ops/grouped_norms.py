"""Normalization of each example alone: over groups of channels, each channel, or the last dims."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from qgrad import kernels
from qgrad.errors import ShapeError
from qgrad.ops.elementwise import is_float32, rsqrt
from qgrad.ops.normalization import batch_norm
from qgrad.ops.op import Value, describe, op
from qgrad.ops.reduction import mean, sum
from qgrad.ops.shape import reshape

__all__ = ["group_norm", "instance_norm", "rms_norm"]


def _channels(x: Any, ndim: int) -> Any:
    """One value a channel, in a shape that broadcasts along dim 1."""
    return reshape(x, (1, -1) + (1,) * (ndim - 2))


def _other_dims(ndim: int) -> tuple[int, ...]:
    return (0, *range(2, ndim))


def _whitened(rows: Value, eps: float) -> tuple[Value, Value]:
    """((rows - mean) / sqrt(var + eps), 1 / sqrt(var + eps)) along the last dim."""
    centred = rows - mean(rows, -1, True)
    inverse = rsqrt(mean(centred * centred, -1, True) + eps)
    return centred * inverse, inverse


def _normalized(rows: Value, eps: float) -> Value:
    if rows.__class__ is np.ndarray and rows.size and is_float32(rows):
        return kernels.layer_norm_f32(rows, rows.shape[-1], None, None, eps)
    return _whitened(rows, eps)[0]


def _whitened_dinput(g: Value, rows: Value, eps: float) -> Value:
    arrays = g.__class__ is rows.__class__ is np.ndarray
    if arrays and g.size and is_float32(g) and is_float32(rows):
        return kernels.layer_norm_grads_f32(g, rows, rows.shape[-1], None, eps)[0]
    normalized, inverse = _whitened(rows, eps)
    return inverse * (g - mean(g, -1, True) - normalized * mean(g * normalized, -1, True))


def _groups(shape: Sequence[int], num_groups: int) -> tuple[int, int, int]:
    """The shape in which each group of an example is a row."""
    return shape[0], num_groups, math.prod(shape[1:]) // num_groups


@op(onnx="GroupNormalization")
def group_norm(
    input: Value, num_groups: int, weight: Value = None, bias: Value = None, eps: float = 1e-5
) -> Value:
    """(input - mean) / sqrt(var + eps) * weight + bias over each group of channels (dim 1).

    weight and bias have one value for each channel.
    """
    if input.ndim < 2 or num_groups < 1 or input.shape[1] % num_groups:
        raise ShapeError(
            f"group_norm: input must be [B, C, ...] with a number of channels that {num_groups} "
            f"groups divide, got {describe(input)}"
        )
    _check_channels("group_norm", input, weight=weight, bias=bias)
    rows = input.reshape(_groups(input.shape, num_groups))
    y = _normalized(rows, eps).reshape(input.shape)
    if weight is not None and bias is not None and is_float32(y):
        return kernels.affine_f32(y, weight, bias, 1)
    if weight is not None:
        y = y * _channels(weight, y.ndim)
    return y if bias is None else y + _channels(bias, y.ndim)


def _check_channels(op_name: str, input: Any, **given: Any) -> None:
    for name, array in given.items():
        if array is not None and array.shape != input.shape[1:2]:
            raise ShapeError(
                f"{op_name}: {name} must have {input.shape[1]} elements, one for each channel, got "
                f"{describe(array)}"
            )


@group_norm.rule("input")
def group_norm_dinput(g: Value, input: Value, num_groups: int, weight: Value, eps: float) -> Value:
    if weight is not None:
        g = g * _channels(weight, input.ndim)
    shape = _groups(input.shape, num_groups)
    dx = _whitened_dinput(reshape(g, shape), reshape(input, shape), eps)
    return reshape(dx, tuple(input.shape))


@group_norm.rule("weight")
def group_norm_dweight(g: Value, input: Value, num_groups: int, eps: float) -> Value:
    normalized = _normalized(reshape(input, _groups(input.shape, num_groups)), eps)
    return sum(g * reshape(normalized, tuple(input.shape)), _other_dims(input.ndim))


@group_norm.rule("bias")
def group_norm_dbias(g: Value) -> Value:
    return sum(g, _other_dims(g.ndim))


@op(onnx="InstanceNormalization", constants=("running_mean", "running_var"))
def instance_norm(
    input: Value,
    running_mean: Value = None,
    running_var: Value = None,
    weight: Value = None,
    bias: Value = None,
    use_input_stats: Any = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Value:
    """(input - mean) / sqrt(var + eps) * weight + bias for each channel of each example.

    With `use_input_stats` the statistics are the example's own, and the running ones, if given, are
    updated in place; otherwise they are the running ones.
    """
    if input.ndim < 3:
        raise ShapeError(
            f"instance_norm: input must be [B, C, ...] of at least 3 dims, got {describe(input)}"
        )
    _check_channels(
        "instance_norm", input, running_mean=running_mean, running_var=running_var, weight=weight,
        bias=bias,
    )  # fmt: skip
    if not use_input_stats:
        if running_mean is None:
            raise ValueError("instance_norm: without use_input_stats, running statistics are due")
        return batch_norm.forward(input, running_mean, running_var, weight, bias, False, 0.0, eps)[
            0
        ]
    count = math.prod(input.shape[2:])
    if count < 2:
        raise ShapeError(f"instance_norm: needs more than 1 value a channel, got {describe(input)}")
    if running_mean is not None:
        rows = input.reshape((*input.shape[:2], count))
        running_mean += momentum * (rows.mean((0, 2)) - running_mean)
        variance = rows.var(2, ddof=1).mean(0)
        running_var += momentum * (variance - running_var)
    return group_norm.forward(input, input.shape[1], weight, bias, eps)


@instance_norm.rule("input")
def instance_norm_dinput(
    g: Value, input: Value, running_var: Value, weight: Value, use_input_stats: Any, eps: float
) -> Value:
    if use_input_stats:
        return group_norm_dinput(g, input, input.shape[1], weight, eps)
    if weight is not None:
        g = g * _channels(weight, input.ndim)
    return g * _channels(rsqrt(running_var + eps), input.ndim)


@instance_norm.rule("weight")
def instance_norm_dweight(
    g: Value, input: Value, running_mean: Value, running_var: Value, use_input_stats: Any,
    eps: float,
) -> Value:  # fmt: skip
    if use_input_stats:
        return group_norm_dweight(g, input, input.shape[1], eps)
    ndim = input.ndim
    normalized = (input - _channels(running_mean, ndim)) * _channels(rsqrt(running_var + eps), ndim)
    return sum(g * normalized, _other_dims(ndim))


@instance_norm.rule("bias")
def instance_norm_dbias(g: Value) -> Value:
    return sum(g, _other_dims(g.ndim))


@op(onnx="RMSNormalization")
def rms_norm(
    input: Value,
    normalized_shape: int | Sequence[int],
    weight: Value = None,
    eps: float | None = None,
) -> Value:
    """input / sqrt(mean(input^2) + eps) * weight over the last dims, `normalized_shape`.

    `eps` None is the smallest number by which 1 can be increased in the dtype of `input`.
    """
    shape = _as_shape(normalized_shape)
    if not shape or tuple(input.shape[-len(shape) :]) != shape:
        raise ShapeError(
            f"rms_norm: the last dims of input must be {list(shape)}, got {describe(input)}"
        )
    if weight is not None and weight.shape != shape:
        raise ShapeError(f"rms_norm: weight must have shape {list(shape)}, got {describe(weight)}")
    y = input * _inverse_rms(input, shape, eps)
    return y if weight is None else y * weight


def _as_shape(shape: int | Sequence[int]) -> tuple[int, ...]:
    return (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(shape)


def _inverse_rms(input: Value, shape: tuple[int, ...], eps: float | None) -> Value:
    dims = tuple(range(-len(shape), 0))
    if eps is None:
        eps = float(np.finfo(_numpy_dtype(input)).eps)
    return rsqrt(mean(input * input, dims, True) + eps)


def _numpy_dtype(x: Value) -> Any:
    return x.dtype if isinstance(x, np.ndarray) else x.dtype.numpy


@rms_norm.rule("input")
def rms_norm_dinput(
    g: Value, input: Value, normalized_shape: Any, weight: Value, eps: float | None
) -> Value:
    shape = _as_shape(normalized_shape)
    inverse = _inverse_rms(input, shape, eps)
    if weight is not None:
        g = g * weight
    dims = tuple(range(-len(shape), 0))
    normalized = input * inverse
    return inverse * (g - normalized * mean(g * normalized, dims, True))


@rms_norm.rule("weight")
def rms_norm_dweight(g: Value, input: Value, normalized_shape: Any, eps: float | None) -> Value:
    # The engine sums it over the dims before those of the weight.
    return g * (input * _inverse_rms(input, _as_shape(normalized_shape), eps))
