"""Windows of images as columns, and columns put back: what `F.unfold` and `F.fold` compute.

Each is the transpose of the other, so each is the other's gradient.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from qgrad.errors import ShapeError
from qgrad.ops.conv import Size, spread
from qgrad.ops.op import Value, op

__all__ = ["col2im", "im2col"]


class _Windows(NamedTuple):
    """Where the windows of images [..., C, H, W] lie, in pairs for height and width."""

    size: tuple[int, ...]
    kernel: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[int, ...]
    stride: tuple[int, ...]
    counts: tuple[int, ...]

    def taps(self) -> Iterator[tuple[int, int, slice, slice]]:
        """Each tap (i, j) of the kernel and the padded pixels that it meets, window by window."""
        for i in range(self.kernel[0]):
            for j in range(self.kernel[1]):
                yield i, j, self._met(0, i), self._met(1, j)

    def _met(self, axis: int, tap: int) -> slice:
        start, step = tap * self.dilation[axis], self.stride[axis]
        return slice(start, start + (self.counts[axis] - 1) * step + 1, step)

    def padded(self) -> tuple[int, ...]:
        """The size with padding on all sides."""
        return tuple(n + 2 * p for n, p in zip(self.size, self.padding, strict=True))

    def inside(self) -> tuple[Any, ...]:
        """The index of the image in the padded one."""
        return (..., *(slice(p, p + n) for n, p in zip(self.size, self.padding, strict=True)))


def _windows(
    name: str, size: Sequence[int], kernel_size: Size, dilation: Size, padding: Size, stride: Size
) -> _Windows:
    kernel, dilations = spread(kernel_size, 2, "kernel_size"), spread(dilation, 2, "dilation")
    paddings, strides = spread(padding, 2, "padding"), spread(stride, 2, "stride")
    shown = (
        f"(image {list(size)}, kernel_size {kernel_size}, dilation {dilation}, padding {padding}, "
        f"stride {stride})"
    )
    if min(*kernel, *dilations, *strides) < 1 or min(paddings) < 0:
        raise ValueError(
            f"{name}: kernel_size, dilation and stride must be >= 1 and padding >= 0 {shown}"
        )
    counts = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, p, d, k, s in zip(size, paddings, dilations, kernel, strides, strict=True)
    )
    if min(counts) < 1:
        raise ShapeError(f"{name}: the window is larger than the padded image {shown}")
    return _Windows(tuple(size), kernel, dilations, paddings, strides, counts)


@op()
def im2col(
    input: Value, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
) -> Value:
    """Every window of images [B, C, H, W] as a column: [B, C * KH * KW, windows]."""
    if input.ndim not in (3, 4):
        raise ShapeError(f"im2col: input must be [B, C, H, W] or [C, H, W], got {input.ndim} dims")
    *batch, channels = input.shape[:-2]
    windows = _windows("im2col", input.shape[-2:], kernel_size, dilation, padding, stride)
    padded = np.zeros((*batch, channels, *windows.padded()), input.dtype)
    padded[windows.inside()] = input
    columns = np.empty((*batch, channels, *windows.kernel, *windows.counts), input.dtype)
    for i, j, rows, cols in windows.taps():
        columns[..., i, j, :, :] = padded[..., rows, cols]
    return columns.reshape(
        (*batch, channels * math.prod(windows.kernel), math.prod(windows.counts))
    )


@im2col.rule("input")
def im2col_dinput(
    g: Value, input_shape: Any, kernel_size: Size, dilation: Size, padding: Size, stride: Size
) -> Value:
    return col2im(g, tuple(input_shape[-2:]), kernel_size, dilation, padding, stride)


@op()
def col2im(
    input: Value,
    output_size: Size,
    kernel_size: Size,
    dilation: Size = 1,
    padding: Size = 0,
    stride: Size = 1,
) -> Value:
    """Columns [B, C * KH * KW, windows] added to their windows of images [B, C, *output_size]."""
    size = spread(output_size, 2, "output_size")
    windows = _windows("col2im", size, kernel_size, dilation, padding, stride)
    taps, count = math.prod(windows.kernel), math.prod(windows.counts)
    if input.ndim not in (2, 3) or input.shape[-2] % taps or input.shape[-1] != count:
        raise ShapeError(
            f"col2im: input must be [B, C * {taps}, {count}] for an output of {list(size)} with "
            f"kernel_size {kernel_size}, dilation {dilation}, padding {padding}, stride {stride}, "
            f"got {list(input.shape)}"
        )
    lead = (*input.shape[:-2], input.shape[-2] // taps)
    columns = input.reshape((*lead, *windows.kernel, *windows.counts))
    images = np.zeros((*lead, *windows.padded()), input.dtype)
    for i, j, rows, cols in windows.taps():
        images[..., rows, cols] += columns[..., i, j, :, :]
    return np.ascontiguousarray(images[windows.inside()])


@col2im.rule("input")
def col2im_dinput(
    g: Value, kernel_size: Size, dilation: Size, padding: Size, stride: Size
) -> Value:
    return im2col(g, kernel_size, dilation, padding, stride)
