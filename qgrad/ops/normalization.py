"""Normalization over a batch or over the last dims."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from qgrad import kernels
from qgrad.errors import ShapeError
from qgrad.ops.elementwise import is_float32, rsqrt
from qgrad.ops.op import Value, describe, op
from qgrad.ops.reduction import mean, sum
from qgrad.ops.shape import reshape
from qgrad.ops.together import one_of

__all__ = ["batch_norm", "batch_norm_affine", "layer_norm"]


def batch_norm_affine(mean: Any, var: Any, weight: Any, bias: Any, eps: float) -> tuple[Any, Any]:
    """(scale, shift) so that batch norm in eval mode is x * scale + shift for each channel.

    scale = weight / sqrt(var + eps), shift = bias - mean * scale, in the dtype of `mean`.
    """
    kind = mean.dtype.type
    scale = (kind(1) if weight is None else weight) / np.sqrt(var + kind(eps))
    shift = (kind(0) if bias is None else bias) - mean * scale
    return scale, shift


def _channels(x: Any, ndim: int) -> Any:
    """One value a channel, in a shape that broadcasts along dim 1."""
    return reshape(x, (1, -1) + (1,) * (ndim - 2))


def _other_dims(ndim: int) -> tuple[int, ...]:
    return (0, *range(2, ndim))


@op(quantize="batch_norm", onnx="BatchNormalization", saves=True,
    constants=("running_mean", "running_var", "num_batches_tracked"))  # fmt: skip
def batch_norm(
    input: Value,
    running_mean: Value,
    running_var: Value,
    weight: Value = None,
    bias: Value = None,
    training: Any = False,
    momentum: float | None = 0.1,
    eps: float = 1e-5,
    num_batches_tracked: Value = None,
) -> Value:
    """(input - mean) / sqrt(var + eps) * weight + bias for each channel (dim 1).

    In training the statistics are those of the batch, and the running ones are updated in place;
    otherwise they are the running ones. Without running statistics the batch's are always used.
    `num_batches_tracked` counts the batches seen in training; with momentum None the running
    statistics are the average over them.
    """
    if input.ndim < 2:
        raise ShapeError(f"batch_norm: input needs a channel dim 1, got {describe(input)}")
    for name, given in (("running_mean", running_mean), ("weight", weight), ("bias", bias)):
        if given is not None and given.shape != input.shape[1:2]:
            raise ShapeError(
                f"batch_norm: {name} has {given.size} elements, input has {input.shape[1]} "
                f"channels ({describe(input)})"
            )
    if not training and running_mean is not None:
        scale, shift = batch_norm_affine(running_mean, running_var, weight, bias, eps)
        inverse = 1 / np.sqrt(running_var + running_var.dtype.type(eps))
        return _affine(input, scale, shift), (False, running_mean.copy(), inverse, {})
    average, variance, count = _batch_statistics(input)
    if running_mean is not None:
        if num_batches_tracked is not None:
            num_batches_tracked += 1
            momentum = 1 / int(num_batches_tracked) if momentum is None else momentum
        unbiased = variance * (count / max(count - 1, 1))
        running_mean += momentum * (average - running_mean)
        running_var += momentum * (unbiased - running_var)
    scale, shift = batch_norm_affine(average, variance, weight, bias, eps)
    inverse = 1 / np.sqrt(variance + variance.dtype.type(eps))
    return _affine(input, scale, shift), (True, average, inverse, {})


def _affine(input: Any, scale: Any, shift: Any) -> Any:
    if is_float32(input) and is_float32(scale) and is_float32(shift):
        return kernels.affine_f32(input, scale, shift, 1)
    return input * _channels(scale, input.ndim) + _channels(shift, input.ndim)


def _batch_statistics(input: Any) -> tuple[Any, Any, int]:
    dims = _other_dims(input.ndim)
    count = math.prod(input.shape[i] for i in dims)
    if count < 2:
        raise ShapeError(
            f"batch_norm: training needs more than 1 value a channel, got {describe(input)}; "
            "use a larger batch or eval()"
        )
    if is_float32(input) and input.ndim > 2:
        return *kernels.batch_norm_stats_f32(input), count
    average = np.add.reduce(input, axis=dims) / input.dtype.type(count)
    centred = input - _channels(average, input.ndim)
    variance = np.add.reduce(centred * centred, axis=dims) / input.dtype.type(count)
    return average, variance, count


def _normalized(input: Value, saved: Any, eps: float) -> tuple[Value, Value, bool]:
    """(normalized input, 1/sqrt(var + eps), training), both so that they can be differentiated."""
    training, average, inverse, _ = saved
    ndim = input.ndim
    if not training or isinstance(input, np.ndarray):
        inverse = _channels(inverse, ndim)
        return (input - _channels(average, ndim)) * inverse, inverse, training
    dims = _other_dims(ndim)
    centred = input - mean(input, dims, True)
    inverse = rsqrt(mean(centred * centred, dims, True) + eps)
    return centred * inverse, inverse, training


_ARGUMENTS = ("input", "weight", "bias")


def _are_float32(*values: Value) -> bool:
    return all(isinstance(v, np.ndarray) and is_float32(v) for v in values)


def _fused(want: str, g: Value, input: Value, weight: Value, saved: Any) -> Any:
    """One of the gradients of a batch norm in training from the kernel that computes all three.

    None where the rule must compute it from ops.
    """
    training, average, inverse, shared = saved
    if not training or not _are_float32(g, input) or input.ndim < 3:
        return None
    return one_of(
        *(want, _ARGUMENTS, g, shared),
        lambda: kernels.batch_norm_grads_f32(g, input, average, inverse, weight),
    )


@batch_norm.rule("input")
def batch_norm_dinput(g: Value, input: Value, weight: Value, saved: Any, eps: float) -> Value:
    dx = _fused("input", g, input, weight, saved)
    if dx is not None:
        return dx
    if weight is not None:
        g = g * _channels(weight, input.ndim)
    normalized, inverse, training = _normalized(input, saved, eps)
    if not training:
        return g * inverse
    dims = _other_dims(input.ndim)
    return inverse * (g - mean(g, dims, True) - normalized * mean(g * normalized, dims, True))


@batch_norm.rule("weight")
def batch_norm_dweight(g: Value, input: Value, weight: Value, saved: Any, eps: float) -> Value:
    dweight = _fused("weight", g, input, weight, saved)
    if dweight is not None:
        return dweight
    normalized, _, _ = _normalized(input, saved, eps)
    return sum(g * normalized, _other_dims(input.ndim))


@batch_norm.rule("bias")
def batch_norm_dbias(g: Value, input: Value, weight: Value, saved: Any) -> Value:
    dbias = _fused("bias", g, input, weight, saved)
    if dbias is not None:
        return dbias
    return sum(g, _other_dims(g.ndim))


@op(onnx="LayerNormalization", saves=True)
def layer_norm(
    input: Value,
    normalized_shape: int | Sequence[int],
    weight: Value = None,
    bias: Value = None,
    eps: float = 1e-5,
) -> Value:
    """(input - mean) / sqrt(var + eps) * weight + bias over the last dims, `normalized_shape`."""
    shape = _as_shape(normalized_shape)
    if tuple(input.shape[-len(shape) :]) != shape:
        raise ShapeError(
            f"layer_norm: the last dims of input must be {list(shape)}, got {describe(input)}"
        )
    for name, given in (("weight", weight), ("bias", bias)):
        if given is not None and given.shape != shape:
            raise ShapeError(
                f"layer_norm: {name} must have shape {list(shape)}, got {describe(given)}"
            )
    if is_float32(input):
        return kernels.layer_norm_f32(input, math.prod(shape), weight, bias, eps), {}
    normalized, _ = _layer_normalized(input, _last_dims(shape), eps)
    y = normalized if weight is None else normalized * weight
    return y if bias is None else y + bias, {}


def _as_shape(shape: int | Sequence[int]) -> tuple[int, ...]:
    return (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(shape)


def _last_dims(shape: int | Sequence[int]) -> tuple[int, ...]:
    return tuple(range(-len(_as_shape(shape)), 0))


def _layer_normalized(input: Value, dims: tuple[int, ...], eps: float) -> tuple[Value, Value]:
    centred = input - mean(input, dims, True)
    inverse = rsqrt(mean(centred * centred, dims, True) + eps)
    return centred * inverse, inverse


def _fused_layer(
    want: str, g: Value, input: Value, normalized_shape: Any, weight: Value, saved: Any, eps: float
) -> Any:
    """One of the gradients of a layer norm from the kernel that computes all three, or None."""
    if not _are_float32(g, input):
        return None
    shape = _as_shape(normalized_shape)
    d = one_of(
        *(want, _ARGUMENTS, g, saved),
        lambda: kernels.layer_norm_grads_f32(g, input, math.prod(shape), weight, eps),
    )
    return d if want == "input" else d.reshape(shape)


@layer_norm.rule("input")
def layer_norm_dinput(
    g: Value, input: Value, normalized_shape: Any, weight: Value, saved: Any, eps: float
) -> Value:
    dx = _fused_layer("input", g, input, normalized_shape, weight, saved, eps)
    if dx is not None:
        return dx
    if weight is not None:
        g = g * weight
    dims = _last_dims(normalized_shape)
    normalized, inverse = _layer_normalized(input, dims, eps)
    return inverse * (g - mean(g, dims, True) - normalized * mean(g * normalized, dims, True))


@layer_norm.rule("weight")
def layer_norm_dweight(
    g: Value, input: Value, normalized_shape: Any, weight: Value, saved: Any, eps: float
) -> Value:
    dweight = _fused_layer("weight", g, input, normalized_shape, weight, saved, eps)
    if dweight is not None:
        return dweight
    normalized, _ = _layer_normalized(input, _last_dims(normalized_shape), eps)
    return g * normalized  # the engine sums it over the dims before


@layer_norm.rule("bias")
def layer_norm_dbias(
    g: Value, input: Value, normalized_shape: Any, weight: Value, saved: Any, eps: float
) -> Value:
    dbias = _fused_layer("bias", g, input, normalized_shape, weight, saved, eps)
    return g if dbias is None else dbias
