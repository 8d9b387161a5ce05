"""Transposed convolutions: what the gradient of a convolution does to the gradient of its output.

    conv_transpose(x, w) = the gradient of conv(y, w) for y, where x is the gradient of its result

So they and all their derivatives are again convolutions and their gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from qgrad.errors import DTypeError, ShapeError
from qgrad.ops.conv import Size, conv2d, conv2d_dinput, conv2d_dweight, spread
from qgrad.ops.op import Value, describe, op
from qgrad.ops.padding import pad
from qgrad.ops.reduction import sum
from qgrad.ops.shape import reshape

__all__ = ["conv_transpose1d", "conv_transpose2d"]


class _Geometry(NamedTuple):
    """A call as one on images [B, C, H, W].

    `extra` rows and columns of zeros after the input make room for an output padding that is not
    smaller than the stride; then the output is as large as the convolution wants its input.
    """

    input: tuple[int, ...]
    weight: tuple[int, ...]
    output: tuple[int, ...]
    extra: tuple[int, int]
    options: tuple[Any, ...]  # stride, padding, dilation, groups of the convolution
    result: tuple[int, ...]  # the output's shape as the caller knows it


def _geometry(
    name: str, input_shape: Any, weight_shape: Any, stride: Size, padding: Size,
    output_padding: Size, groups: int, dilation: Size,
) -> _Geometry:  # fmt: skip
    """The numbers of a call, checked against the shapes [B, C, H, W] and [C, O/groups, KH, KW]."""
    dims = len(weight_shape) - 2
    numbers = [(1, 0, 0, 1)] * (2 - dims) + list(
        zip(
            spread(stride, dims, "stride"),
            spread(padding, dims, "padding"),
            spread(output_padding, dims, "output_padding"),
            spread(dilation, dims, "dilation"),
            strict=True,
        )
    )
    shown = f"(input {list(input_shape)}, weight {list(weight_shape)}, groups {groups})"
    for s, p, extra, d in numbers:
        if min(s, d, groups) < 1 or min(p, extra) < 0:
            raise ValueError(
                f"{name}: stride, dilation and groups must be >= 1 and paddings >= 0, got stride "
                f"{stride}, dilation {dilation}, padding {padding}, output_padding "
                f"{output_padding} {shown}"
            )
        if extra >= max(s, d):
            raise ValueError(
                f"{name}: output_padding must be smaller than stride or dilation, got "
                f"output_padding {output_padding}, stride {stride}, dilation {dilation}"
            )
    lifted = _images(input_shape, dims)
    if lifted[1] != weight_shape[0] or weight_shape[0] % groups:
        raise ShapeError(
            f"{name}: weight takes {weight_shape[0]} input channels, input has {lifted[1]}, and "
            f"groups must divide them {shown}"
        )
    kernel = _images(weight_shape, dims)
    sizes = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + extra + 1
        for n, k, (s, p, extra, d) in zip(lifted[2:], kernel[2:], numbers, strict=True)
    )
    if min(sizes) < 1:
        raise ShapeError(f"{name}: the output would have size {list(sizes[2 - dims :])} {shown}")
    strides, paddings, extras, dilations = zip(*numbers, strict=True)
    rows, columns = (extra // s for extra, s in zip(extras, strides, strict=True))
    outputs = weight_shape[1] * groups
    return _Geometry(
        lifted,
        kernel,
        (lifted[0], outputs, *sizes),
        (rows, columns),
        (strides, paddings, dilations, groups),
        (*input_shape[: -dims - 1], outputs, *sizes[2 - dims :]),
    )


def _images(shape: Sequence[int], dims: int) -> tuple[int, ...]:
    """The shape as [B, C, H, W]."""
    lead = (1,) * (dims + 2 - len(shape))
    return (*lead, *shape) if dims == 2 else (*lead, *shape[:-1], 1, shape[-1])


def _widened(images: Value, geometry: _Geometry) -> Value:
    rows, columns = geometry.extra
    return pad(images, (0, columns, 0, rows)) if rows or columns else images


def _forward(name: str, dims: int, input: Any, weight: Any, bias: Any, *options: Any) -> Any:
    if weight.ndim != dims + 2 or input.ndim not in (dims + 1, dims + 2):
        sizes, kernel = ("H, W", "KH, KW") if dims == 2 else ("L", "K")
        raise ShapeError(
            f"{name}: needs input [B, C, {sizes}] and weight [C, O/groups, {kernel}], got "
            f"{describe(input)} and {describe(weight)}"
        )
    if input.dtype != weight.dtype:
        raise DTypeError(
            f"{name}: input and weight must have one dtype, got {describe(input)} and "
            f"{describe(weight)}"
        )
    geometry = _geometry(name, input.shape, weight.shape, *options)
    outputs = geometry.output[1]
    if bias is not None and bias.shape != (outputs,):
        raise ShapeError(
            f"{name}: bias must have {outputs} elements, one for each output channel, got "
            f"{describe(bias)}"
        )
    images = _widened(input.reshape(geometry.input), geometry)
    kernel = weight.reshape(geometry.weight)
    y = conv2d_dinput.forward(images, kernel, geometry.output, *geometry.options)
    if bias is not None:
        y = y + bias[:, None, None]
    return y.reshape(geometry.result)


def _dinput(name: str, g: Value, input_shape: Any, weight: Value, *options: Any) -> Value:
    geometry = _geometry(name, input_shape, weight.shape, *options)
    kernel = reshape(weight, geometry.weight)
    y = conv2d(reshape(g, geometry.output), kernel, None, *geometry.options)
    if any(geometry.extra):
        height, width = geometry.input[2:]
        y = y[:, :, :height, :width]
    return reshape(y, tuple(input_shape))


def _dweight(name: str, g: Value, input: Value, weight_shape: Any, *options: Any) -> Value:
    geometry = _geometry(name, input.shape, weight_shape, *options)
    images = _widened(reshape(input, geometry.input), geometry)
    g = reshape(g, geometry.output)
    return reshape(
        conv2d_dweight(images, g, geometry.weight, *geometry.options), tuple(weight_shape)
    )


def _dbias(g: Value, dims: int) -> Value:
    return sum(g, (*((0,) if g.ndim == dims + 2 else ()), *range(-dims, 0)))


@op(onnx="ConvTranspose")
def conv_transpose2d(
    input: Value,
    weight: Value,
    bias: Value = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Value:
    """Images [B, C, H, W] spread by weight [C, O/groups, KH, KW], `stride` pixels apart."""
    options = (stride, padding, output_padding, groups, dilation)
    return _forward("conv_transpose2d", 2, input, weight, bias, *options)


@conv_transpose2d.rule("input")
def conv_transpose2d_dinput(
    g: Value, input_shape: Any, weight: Value, stride: Size, padding: Size, output_padding: Size,
    groups: int, dilation: Size,
) -> Value:  # fmt: skip
    options = (stride, padding, output_padding, groups, dilation)
    return _dinput("conv_transpose2d", g, input_shape, weight, *options)


@conv_transpose2d.rule("weight")
def conv_transpose2d_dweight(
    g: Value, input: Value, weight_shape: Any, stride: Size, padding: Size, output_padding: Size,
    groups: int, dilation: Size,
) -> Value:  # fmt: skip
    options = (stride, padding, output_padding, groups, dilation)
    return _dweight("conv_transpose2d", g, input, weight_shape, *options)


@conv_transpose2d.rule("bias")
def conv_transpose2d_dbias(g: Value) -> Value:
    return _dbias(g, 2)


@op(onnx="ConvTranspose")
def conv_transpose1d(
    input: Value,
    weight: Value,
    bias: Value = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Value:
    """Sequences [B, C, L] spread by weight [C, O/groups, K], `stride` positions apart."""
    options = (stride, padding, output_padding, groups, dilation)
    return _forward("conv_transpose1d", 1, input, weight, bias, *options)


@conv_transpose1d.rule("input")
def conv_transpose1d_dinput(
    g: Value, input_shape: Any, weight: Value, stride: Size, padding: Size, output_padding: Size,
    groups: int, dilation: Size,
) -> Value:  # fmt: skip
    options = (stride, padding, output_padding, groups, dilation)
    return _dinput("conv_transpose1d", g, input_shape, weight, *options)


@conv_transpose1d.rule("weight")
def conv_transpose1d_dweight(
    g: Value, input: Value, weight_shape: Any, stride: Size, padding: Size, output_padding: Size,
    groups: int, dilation: Size,
) -> Value:  # fmt: skip
    options = (stride, padding, output_padding, groups, dilation)
    return _dweight("conv_transpose1d", g, input, weight_shape, *options)


@conv_transpose1d.rule("bias")
def conv_transpose1d_dbias(g: Value) -> Value:
    return _dbias(g, 1)
