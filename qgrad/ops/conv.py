"""Convolutions, and their gradients as ops of their own: linear in each argument, so that all
derivatives of all orders are again among the three."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from qgrad import kernels
from qgrad.errors import DTypeError, ShapeError
from qgrad.ops.elementwise import is_float32
from qgrad.ops.matmul import multiply
from qgrad.ops.op import Value, describe, op
from qgrad.ops.reduction import sum
from qgrad.ops.shape import squeeze, unsqueeze

__all__ = ["conv1d", "conv2d", "conv2d_dinput", "conv2d_dweight", "conv_padding"]

Size = int | Sequence[int]
Padding = int | str | Sequence[int]


def spread(value: Size, dims: int, name: str) -> tuple[int, ...]:
    """An int for all dims, or one int for each."""
    if isinstance(value, (int, np.integer)):
        return (int(value),) * dims
    sizes = tuple(int(v) for v in value)
    if len(sizes) == 1:
        return sizes * dims
    if len(sizes) != dims:
        raise ValueError(f"{name} must be an int or {dims} ints, got {tuple(value)}")
    return sizes


def conv_padding(
    padding: Padding, kernel: Sequence[int], stride: Size, dilation: Size
) -> tuple[tuple[int, int], ...]:
    """(before, after) for each dim; "same" keeps the size, and pads one more after if uneven."""
    dims = len(kernel)
    if isinstance(padding, str):
        if padding == "valid":
            return ((0, 0),) * dims
        if padding != "same":
            raise ValueError(f"padding must be 'same', 'valid' or ints, got {padding!r}")
        if any(s != 1 for s in spread(stride, dims, "stride")):
            raise ValueError(f"padding 'same' needs stride 1, got {stride}")
        dilations = spread(dilation, dims, "dilation")
        totals = [d * (k - 1) for d, k in zip(dilations, kernel, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    return tuple((p, p) for p in spread(padding, dims, "padding"))


class _Geometry(NamedTuple):
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilation: tuple[int, int]
    groups: int

    def output(self, height: int, width: int) -> tuple[int, int]:
        top, bottom, left, right = self.pads
        sizes = (height + top + bottom, width + left + right)
        h, w = (
            (n - d * (k - 1) - 1) // s + 1
            for n, d, k, s in zip(sizes, self.dilation, self.kernel, self.stride, strict=True)
        )
        return h, w


def _geometry(
    name: str, x_shape: Any, weight_shape: Any, stride: Size, padding: Padding, dilation: Size,
    groups: int,
) -> _Geometry:  # fmt: skip
    """The numbers of a call, checked against the shapes [B, C, H, W] and [O, C/groups, KH, KW]."""
    kernel = tuple(weight_shape[2:])
    try:
        strides = spread(stride, 2, "stride")
        dilations = spread(dilation, 2, "dilation")
        (top, bottom), (left, right) = conv_padding(padding, kernel, stride, dilation)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if groups < 1 or min(*strides, *dilations) < 1 or min(top, bottom, left, right) < 0:
        raise ValueError(
            f"{name}: stride, dilation and groups must be >= 1 and padding >= 0, got stride "
            f"{stride}, dilation {dilation}, groups {groups}, padding {padding}"
        )
    shown = f"(x {list(x_shape)}, weight {list(weight_shape)}, groups {groups})"
    if x_shape[1] != weight_shape[1] * groups:
        raise ShapeError(
            f"{name}: weight takes {weight_shape[1] * groups} input channels, x has {x_shape[1]} "
            f"{shown}. Did you forget groups?"
        )
    if weight_shape[0] % groups:
        raise ShapeError(
            f"{name}: {weight_shape[0]} output channels cannot be split into groups {shown}"
        )
    geometry = _Geometry(kernel, strides, (top, bottom, left, right), dilations, groups)  # type: ignore[arg-type]
    if min(geometry.output(*x_shape[2:])) < 1:
        raise ShapeError(
            f"{name}: the kernel is larger than the padded image {shown}; add padding or use a "
            "smaller kernel"
        )
    return geometry


def _check_ranks(name: str, input: Any, weight: Any, dims: int) -> None:
    if weight.ndim != dims + 2 or input.ndim not in (dims + 1, dims + 2):
        raise ShapeError(
            f"{name}: needs input [B, C, {'H, W' if dims == 2 else 'L'}] and weight "
            f"[O, C/groups, {'KH, KW' if dims == 2 else 'K'}], got {describe(input)} and "
            f"{describe(weight)}"
        )
    if input.dtype != weight.dtype:
        raise DTypeError(
            f"{name}: input and weight must have one dtype, got {describe(input)} and "
            f"{describe(weight)}"
        )


@op(quantize="conv", onnx="Conv")
def conv2d(
    input: Value,
    weight: Value,
    bias: Value = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Value:
    """Cross-correlation of images [B, C, H, W] with weight [O, C/groups, KH, KW]."""
    _check_ranks("conv2d", input, weight, 2)
    if input.ndim == 3:
        return conv2d.forward(input[None], weight, bias, stride, padding, dilation, groups)[0]
    return _conv2d("conv2d", input, weight, bias, stride, padding, dilation, groups)


def _conv2d(
    name: str, x: Any, weight: Any, bias: Any, stride: Size, padding: Padding, dilation: Size,
    groups: int,
) -> Any:  # fmt: skip
    geometry = _geometry(name, x.shape, weight.shape, stride, padding, dilation, groups)
    _, strides, pads, dilations, _ = geometry
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(
            f"{name}: bias must have {weight.shape[0]} elements, one for each output channel, got "
            f"{describe(bias)}"
        )
    if is_float32(x):
        return kernels.conv2d_f32(
            x, weight, bias, stride=strides, pads=pads, dilation=dilations, groups=groups
        )
    outputs = weight.shape[0]
    columns = _columns(x, geometry)
    rows = weight.reshape(groups, outputs // groups, -1)
    size = geometry.output(*x.shape[2:])
    y = np.matmul(rows, columns).reshape(groups, outputs // groups, len(x), *size)
    y = y.transpose(2, 0, 1, 3, 4).reshape(len(x), outputs, *size)
    return y if bias is None else y + bias[:, None, None]


def _columns(x: Any, geometry: _Geometry) -> Any:
    """Every window of x as a column: [groups, C/groups * KH * KW, B * OH * OW]."""
    (kh, kw), (sh, sw), (top, bottom, left, right), (dh, dw), groups = geometry
    if top or bottom or left or right:
        x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    batch, channels, height, width = x.shape
    oh, ow = (height - dh * (kh - 1) - 1) // sh + 1, (width - dw * (kw - 1) - 1) // sw + 1
    b, c, h, w = x.strides
    windows = np.lib.stride_tricks.as_strided(
        x,
        (channels, kh, kw, batch, oh, ow),
        (c, h * dh, w * dw, b, h * sh, w * sw),
        writeable=False,
    )
    return windows.reshape(groups, channels // groups * kh * kw, batch * oh * ow)


def _add_columns(columns: Any, shape: tuple[int, ...], geometry: _Geometry) -> Any:
    """The transpose of `_columns`: every column added to its window of an image of `shape`."""
    (kh, kw), (sh, sw), (top, bottom, left, right), (dh, dw), _ = geometry
    batch, channels, height, width = shape
    oh, ow = geometry.output(height, width)
    taps = columns.reshape(channels, kh, kw, batch, oh, ow)
    x = np.zeros((channels, batch, height + top + bottom, width + left + right), columns.dtype)
    for i in range(kh):
        for j in range(kw):
            rows = slice(i * dh, i * dh + (oh - 1) * sh + 1, sh)
            cols = slice(j * dw, j * dw + (ow - 1) * sw + 1, sw)
            x[:, :, rows, cols] += taps[:, i, j]
    x = x[:, :, top : top + height, left : left + width]
    return np.ascontiguousarray(x.swapaxes(0, 1))


def _grouped(grad: Any, groups: int) -> Any:
    """[B, O, OH, OW] as [groups, O/groups, B * OH * OW]."""
    batch, outputs, height, width = grad.shape
    return grad.swapaxes(0, 1).reshape(groups, outputs // groups, batch * height * width)


@conv2d.rule("input")
def conv2d_dx(
    g: Value, input_shape: Any, weight: Value, stride: Size, padding: Padding, dilation: Size,
    groups: int,
) -> Value:  # fmt: skip
    return conv2d_dinput(g, weight, input_shape, stride, padding, dilation, groups)


@conv2d.rule("weight")
def conv2d_dw(
    g: Value, input: Value, weight_shape: Any, stride: Size, padding: Padding, dilation: Size,
    groups: int,
) -> Value:  # fmt: skip
    return conv2d_dweight(g, input, weight_shape, stride, padding, dilation, groups)


@conv2d.rule("bias")
def conv2d_dbias(g: Value) -> Value:
    return sum(g, (0, 2, 3) if g.ndim == 4 else (1, 2))


@op(onnx="ConvTranspose")
def conv2d_dinput(
    grad: Value,
    weight: Value,
    shape: tuple[int, ...],
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Value:
    """The gradient of conv2d for an input of `shape`, from the gradient of its output."""
    if len(shape) == 3:
        batched = (1, *shape)
        forward = conv2d_dinput.forward
        return forward(grad[None], weight, batched, stride, padding, dilation, groups)[0]
    geometry = _geometry("conv2d", shape, weight.shape, stride, padding, dilation, groups)
    if is_float32(grad) and is_float32(weight):
        return _dinput_f32(grad, weight, tuple(shape[2:]), geometry)
    rows = weight.reshape(groups, weight.shape[0] // groups, -1)
    columns = multiply(rows.swapaxes(1, 2), _grouped(grad, groups))
    return _add_columns(columns, tuple(shape), geometry)


def _dinput_f32(grad: Any, weight: Any, size: tuple[int, ...], geometry: _Geometry) -> Any:
    _, stride, pads, dilation, groups = geometry
    pair: Any = size
    if dilation == (1, 1):
        return kernels.conv2d_dinput_by_phase_f32(
            grad, weight, pair, stride=stride, pads=pads, groups=groups
        )
    back = _transposed_pads(geometry)
    if stride == (1, 1) and min(back) >= 0:
        turned = _turned(weight, groups)
        return kernels.conv2d_f32(grad, turned, pads=back, dilation=dilation, groups=groups)
    return kernels.conv2d_dinput_f32(
        grad, weight, pair, stride=stride, pads=pads, dilation=dilation, groups=groups
    )


def _transposed_pads(geometry: _Geometry) -> tuple[int, int, int, int]:
    """The padding with which a convolution of stride 1 gives the input's size back."""
    (kh, kw), _, (top, bottom, left, right), (dh, dw), _ = geometry
    tall, wide = dh * (kh - 1), dw * (kw - 1)
    return tall - top, tall - bottom, wide - left, wide - right


def _turned(weight: Any, groups: int) -> Any:
    """[O, C/groups, KH, KW] turned by half a turn, as [C, O/groups, KH, KW]."""
    outputs, inputs, kh, kw = weight.shape
    grouped = weight[:, :, ::-1, ::-1].reshape(groups, outputs // groups, inputs, kh, kw)
    return grouped.swapaxes(1, 2).reshape(groups * inputs, outputs // groups, kh, kw)


@conv2d_dinput.rule("grad")
def conv2d_dinput_dgrad(
    g: Value, weight: Value, stride: Size, padding: Padding, dilation: Size, groups: int
) -> Value:
    return conv2d(g, weight, None, stride, padding, dilation, groups)


@conv2d_dinput.rule("weight")
def conv2d_dinput_dweight(
    g: Value, grad: Value, weight_shape: Any, stride: Size, padding: Padding, dilation: Size,
    groups: int,
) -> Value:  # fmt: skip
    return conv2d_dweight(grad, g, weight_shape, stride, padding, dilation, groups)


@op()
def conv2d_dweight(
    grad: Value,
    input: Value,
    shape: tuple[int, ...],
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Value:
    """The gradient of conv2d for a weight of `shape`, from the gradient of its output."""
    if input.ndim == 3:
        grad, input = grad[None], input[None]
    geometry = _geometry("conv2d", input.shape, shape, stride, padding, dilation, groups)
    if is_float32(grad) and is_float32(input):
        kernel, strides, pads, dilations, _ = geometry
        return kernels.conv2d_dweight_f32(
            grad, input, kernel, stride=strides, pads=pads, dilation=dilations, groups=groups
        )
    columns = _columns(input, geometry)
    return multiply(_grouped(grad, groups), columns.swapaxes(1, 2)).reshape(shape)


@conv2d_dweight.rule("grad")
def conv2d_dweight_dgrad(
    g: Value, input: Value, stride: Size, padding: Padding, dilation: Size, groups: int
) -> Value:
    return conv2d(input, g, None, stride, padding, dilation, groups)


@conv2d_dweight.rule("input")
def conv2d_dweight_dinput(
    g: Value, grad: Value, input_shape: Any, stride: Size, padding: Padding, dilation: Size,
    groups: int,
) -> Value:  # fmt: skip
    return conv2d_dinput(grad, g, input_shape, stride, padding, dilation, groups)


@op(quantize="conv", onnx="Conv")
def conv1d(
    input: Value,
    weight: Value,
    bias: Value = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Value:
    """Cross-correlation of sequences [B, C, L] with weight [O, C/groups, K]."""
    _check_ranks("conv1d", input, weight, 1)
    if input.ndim == 2:
        return conv1d.forward(input[None], weight, bias, stride, padding, dilation, groups)[0]
    flat = _as_2d(stride, padding, dilation)
    y = _conv2d("conv1d", input[:, :, None], weight[:, :, None], bias, *flat, groups)
    return y[:, :, 0]


def _as_2d(stride: Size, padding: Padding, dilation: Size) -> tuple[Any, Any, Any]:
    """The options of conv1d for an image of height 1."""
    pad = padding if isinstance(padding, str) else (0, *spread(padding, 1, "padding"))
    return (1, *spread(stride, 1, "stride")), pad, (1, *spread(dilation, 1, "dilation"))


def _tall(shape: Sequence[int]) -> tuple[int, ...]:
    return (*shape[:-1], 1, shape[-1])


@conv1d.rule("input")
def conv1d_dinput(
    g: Value, input_shape: Any, weight: Value, stride: Size, padding: Padding, dilation: Size,
    groups: int,
) -> Value:  # fmt: skip
    flat = _as_2d(stride, padding, dilation)
    weight = unsqueeze(weight, -2)
    return squeeze(conv2d_dinput(unsqueeze(g, -2), weight, _tall(input_shape), *flat, groups), -2)


@conv1d.rule("weight")
def conv1d_dweight(
    g: Value, input: Value, weight_shape: Any, stride: Size, padding: Padding, dilation: Size,
    groups: int,
) -> Value:  # fmt: skip
    flat = _as_2d(stride, padding, dilation)
    input = unsqueeze(input, -2)
    return squeeze(conv2d_dweight(unsqueeze(g, -2), input, _tall(weight_shape), *flat, groups), -2)


@conv1d.rule("bias")
def conv1d_dbias(g: Value) -> Value:
    return sum(g, (0, 2) if g.ndim == 3 else (1,))
