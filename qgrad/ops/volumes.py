"""Convolution of volumes, and its gradients: linear in each argument, like those of images.

The taps along the depth become channels: of each output depth, the KD input slices that it sees are
one image of C * KD channels, and conv2d does the rest.

    conv3d(x, w) = conv2d(slices(x), w as [O, C/groups * KD, KH, KW])
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from qgrad.errors import DTypeError, ShapeError
from qgrad.ops.conv import (
    Padding,
    Size,
    conv2d,
    conv2d_dinput,
    conv2d_dweight,
    conv_padding,
    spread,
)
from qgrad.ops.op import Value, describe, op
from qgrad.ops.reduction import sum

__all__ = ["conv3d", "conv3d_dinput", "conv3d_dweight"]


class _Depth(NamedTuple):
    """The windows along the depth, and what is left for conv2d."""

    taps: int
    stride: int
    before: int
    after: int
    dilation: int
    outputs: int
    options: tuple[Any, ...]  # stride, padding, dilation, groups


def _depth(
    x_shape: Any, weight_shape: Any, stride: Size, padding: Padding, dilation: Size, groups: int
) -> _Depth:
    """The numbers of a call, checked against [B, C, D, H, W] and [O, C/groups, KD, KH, KW]."""
    kernel = tuple(weight_shape[2:])
    strides, dilations = spread(stride, 3, "stride"), spread(dilation, 3, "dilation")
    pads = conv_padding(padding, kernel, stride, dilation)
    if groups < 1 or min(*strides, *dilations) < 1 or min(min(pair) for pair in pads) < 0:
        raise ValueError(
            f"conv3d: stride, dilation and groups must be >= 1 and padding >= 0, got stride "
            f"{stride}, dilation {dilation}, groups {groups}, padding {padding}"
        )
    shown = f"(x {list(x_shape)}, weight {list(weight_shape)}, groups {groups})"
    if x_shape[1] != weight_shape[1] * groups or weight_shape[0] % groups:
        raise ShapeError(
            f"conv3d: weight takes {weight_shape[1] * groups} input channels, x has {x_shape[1]}, "
            f"and groups must divide the {weight_shape[0]} output channels {shown}. Did you "
            "forget groups?"
        )
    outputs = [
        (n + before + after - d * (k - 1) - 1) // s + 1
        for n, (before, after), d, k, s in zip(
            x_shape[2:], pads, dilations, kernel, strides, strict=True
        )
    ]
    if min(outputs) < 1:
        raise ShapeError(
            f"conv3d: the kernel is larger than the padded volume {shown}; add padding or use a "
            "smaller kernel"
        )
    flat = padding if isinstance(padding, str) else tuple(before for before, _ in pads[1:])
    options = (strides[1:], flat, dilations[1:], groups)
    return _Depth(kernel[0], strides[0], *pads[0], dilations[0], outputs[0], options)


def _slices(x: Any, depth: _Depth) -> Any:
    """For each output depth the slices that it sees, as channels: [B * OD, C * KD, H, W]."""
    if depth.before or depth.after:
        x = np.pad(x, ((0, 0), (0, 0), (depth.before, depth.after), (0, 0), (0, 0)))
    batch, channels, _, height, width = x.shape
    b, c, d, h, w = x.strides
    windows = np.lib.stride_tricks.as_strided(
        x,
        (batch, depth.outputs, channels, depth.taps, height, width),
        (b, d * depth.stride, c, d * depth.dilation, h, w),
        writeable=False,
    )
    return windows.reshape(batch * depth.outputs, channels * depth.taps, height, width)


def _add_slices(slices: Any, shape: Sequence[int], depth: _Depth) -> Any:
    """The transpose of `_slices`: every slice added to the one of `shape` that it came from."""
    batch, channels, size, height, width = shape
    parts = slices.reshape(batch, depth.outputs, channels, depth.taps, height, width)
    padded = (batch, channels, size + depth.before + depth.after, height, width)
    x = np.zeros(padded, slices.dtype)
    for tap in range(depth.taps):
        start = tap * depth.dilation
        stop = start + (depth.outputs - 1) * depth.stride + 1
        x[:, :, start : stop : depth.stride] += parts[:, :, :, tap].swapaxes(1, 2)
    return np.ascontiguousarray(x[:, :, depth.before : depth.before + size])


def _flat_weight(shape: Sequence[int]) -> tuple[int, ...]:
    """The weight's shape with its depth among the channels."""
    return (shape[0], shape[1] * shape[2], *shape[3:])


def _flat_shape(shape: Sequence[int], depth: _Depth) -> tuple[int, ...]:
    """The shape of the slices of a volume."""
    return (shape[0] * depth.outputs, shape[1] * depth.taps, *shape[3:])


def _flat_grad(grad: Any) -> Any:
    """[B, O, OD, OH, OW] as images [B * OD, O, OH, OW]."""
    batch, outputs, size, *rest = grad.shape
    return grad.swapaxes(1, 2).reshape(batch * size, outputs, *rest)


@op(onnx="Conv")
def conv3d(
    input: Value,
    weight: Value,
    bias: Value = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Value:
    """Cross-correlation of volumes [B, C, D, H, W] with weight [O, C/groups, KD, KH, KW]."""
    _check_arguments(input, weight, bias)
    if input.ndim == 4:
        return conv3d.forward(input[None], weight, bias, stride, padding, dilation, groups)[0]
    depth = _depth(input.shape, weight.shape, stride, padding, dilation, groups)
    flat = weight.reshape(_flat_weight(weight.shape))
    y = conv2d.forward(_slices(input, depth), flat, bias, *depth.options)
    y = y.reshape(len(input), depth.outputs, *y.shape[1:])
    return np.ascontiguousarray(y.swapaxes(1, 2))


def _check_arguments(input: Any, weight: Any, bias: Any) -> None:
    if weight.ndim != 5 or input.ndim not in (4, 5):
        raise ShapeError(
            "conv3d: needs input [B, C, D, H, W] and weight [O, C/groups, KD, KH, KW], got "
            f"{describe(input)} and {describe(weight)}"
        )
    if input.dtype != weight.dtype:
        raise DTypeError(
            f"conv3d: input and weight must have one dtype, got {describe(input)} and "
            f"{describe(weight)}"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(
            f"conv3d: bias must have {weight.shape[0]} elements, one for each output channel, got "
            f"{describe(bias)}"
        )


@conv3d.rule("input")
def conv3d_dx(
    g: Value, input_shape: Any, weight: Value, stride: Size, padding: Padding, dilation: Size,
    groups: int,
) -> Value:  # fmt: skip
    return conv3d_dinput(g, weight, input_shape, stride, padding, dilation, groups)


@conv3d.rule("weight")
def conv3d_dw(
    g: Value, input: Value, weight_shape: Any, stride: Size, padding: Padding, dilation: Size,
    groups: int,
) -> Value:  # fmt: skip
    return conv3d_dweight(g, input, weight_shape, stride, padding, dilation, groups)


@conv3d.rule("bias")
def conv3d_dbias(g: Value) -> Value:
    return sum(g, (0, 2, 3, 4) if g.ndim == 5 else (1, 2, 3))


@op(onnx="ConvTranspose")
def conv3d_dinput(
    grad: Value,
    weight: Value,
    shape: tuple[int, ...],
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Value:
    """The gradient of conv3d for an input of `shape`, from the gradient of its output."""
    if len(shape) == 4:
        forward = conv3d_dinput.forward
        return forward(grad[None], weight, (1, *shape), stride, padding, dilation, groups)[0]
    depth = _depth(shape, weight.shape, stride, padding, dilation, groups)
    flat = weight.reshape(_flat_weight(weight.shape))
    slices = conv2d_dinput.forward(
        _flat_grad(grad), flat, _flat_shape(shape, depth), *depth.options
    )
    return _add_slices(slices, shape, depth)


@conv3d_dinput.rule("grad")
def conv3d_dinput_dgrad(
    g: Value, weight: Value, stride: Size, padding: Padding, dilation: Size, groups: int
) -> Value:
    return conv3d(g, weight, None, stride, padding, dilation, groups)


@conv3d_dinput.rule("weight")
def conv3d_dinput_dweight(
    g: Value, grad: Value, weight_shape: Any, stride: Size, padding: Padding, dilation: Size,
    groups: int,
) -> Value:  # fmt: skip
    return conv3d_dweight(grad, g, weight_shape, stride, padding, dilation, groups)


@op()
def conv3d_dweight(
    grad: Value,
    input: Value,
    shape: tuple[int, ...],
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Value:
    """The gradient of conv3d for a weight of `shape`, from the gradient of its output."""
    if input.ndim == 4:
        grad, input = grad[None], input[None]
    depth = _depth(input.shape, shape, stride, padding, dilation, groups)
    flat = conv2d_dweight.forward(
        _flat_grad(grad), _slices(input, depth), _flat_weight(shape), *depth.options
    )
    return flat.reshape(shape)


@conv3d_dweight.rule("grad")
def conv3d_dweight_dgrad(
    g: Value, input: Value, stride: Size, padding: Padding, dilation: Size, groups: int
) -> Value:
    return conv3d(input, g, None, stride, padding, dilation, groups)


@conv3d_dweight.rule("input")
def conv3d_dweight_dinput(
    g: Value, grad: Value, input_shape: Any, stride: Size, padding: Padding, dilation: Size,
    groups: int,
) -> Value:  # fmt: skip
    return conv3d_dinput(grad, g, input_shape, stride, padding, dilation, groups)
