"""Pooling over windows of the last one or two dims.

The 1-d ops are the 2-d ones on images of height 1. Averages are separable: y = R @ x @ C', with one
row of R and C for each window; so their gradients are two matrix products.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from qgrad import kernels
from qgrad.dtypes import to_numpy
from qgrad.errors import ShapeError
from qgrad.kernels.windows import adaptive_windows, pool_windows
from qgrad.ops.conv import Size, spread
from qgrad.ops.elementwise import is_float32
from qgrad.ops.indexing import scatter_zeros
from qgrad.ops.matmul import product
from qgrad.ops.op import Value, op
from qgrad.ops.shape import expand, reshape
from qgrad.ops.steps import in_steps

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "avg_pool1d",
    "avg_pool2d",
    "max_pool1d",
    "max_pool1d_indices",
    "max_pool2d",
    "max_pool2d_indices",
]

OutputSize = int | None | Sequence[int | None]
Windows = tuple[Any, Any]  # int32 [outputs, 3] of (start, stop, step), int32 [outputs] divisors
_WHOLE_ROW: Windows = (np.array([[0, 1, 1]], np.int32), np.array([1], np.int32))


class _Pool(NamedTuple):
    """The windows of one call on the last `dims` dims of an input."""

    rows: Windows
    cols: Windows
    dims: int

    def output(self, shape: Sequence[int]) -> tuple[int, ...]:
        sizes = (len(self.rows[0]), len(self.cols[0]))
        return (*shape[: -self.dims], *sizes[-self.dims :])


def _pool(
    name: str, shape: Sequence[int], dims: int, kernel_size: Size, stride: Size | None,
    padding: Size, dilation: Size, ceil_mode: bool, count_include_pad: bool = True,
) -> _Pool:  # fmt: skip
    _check_rank(name, shape, dims)
    if stride is None or stride == () or stride == []:
        stride = kernel_size
    try:
        windows = [
            pool_windows(*sizes, bool(ceil_mode), count_include_pad)
            for sizes in zip(
                shape[-dims:],
                spread(kernel_size, dims, "kernel_size"),
                spread(stride, dims, "stride"),
                spread(padding, dims, "padding"),
                spread(dilation, dims, "dilation"),
                strict=True,
            )
        ]
    except ValueError as error:
        text = str(error).removeprefix("pool: ")
        raise ShapeError(f"{name}: {text} (input {list(shape)})") from None
    return _Pool(windows[0] if dims == 2 else _WHOLE_ROW, windows[-1], dims)


def _adaptive(name: str, shape: Sequence[int], dims: int, output_size: OutputSize) -> _Pool:
    _check_rank(name, shape, dims)
    if output_size is None or isinstance(output_size, (int, np.integer)):
        output_size = (output_size,) * dims
    if len(output_size) != dims:
        raise ValueError(f"{name}: output_size must be an int or {dims}, got {output_size}")
    windows = [
        adaptive_windows(n, n if out is None else out)
        for n, out in zip(shape[-dims:], output_size, strict=True)
    ]
    return _Pool(windows[0] if dims == 2 else _WHOLE_ROW, windows[-1], dims)


def _check_rank(name: str, shape: Sequence[int], dims: int) -> None:
    if len(shape) not in (dims + 1, dims + 2):
        wanted = "[B, C, H, W] or [C, H, W]" if dims == 2 else "[B, C, L] or [C, L]"
        raise ShapeError(f"{name}: input must be {wanted}, got {list(shape)}")


def _images(shape: Sequence[int], dims: int) -> tuple[int, ...]:
    """The shape as [B, C, H, W]."""
    lead = (1,) * (dims + 2 - len(shape))
    return (*lead, *shape) if dims == 2 else (*lead, *shape[:-1], 1, shape[-1])


def _pixels(images: Any) -> Any:
    """[B, C, H, W] as [B, C, H * W]."""
    batch, channels, height, width = images.shape
    return images.reshape(batch, channels, height * width)


# Largest element


def _max_pool(name: str, input: Any, dims: int, *options: Any) -> Any:
    pool = _pool(name, input.shape, dims, *options)
    images = input.reshape(_images(input.shape, dims))
    rows, cols = pool.rows[0], pool.cols[0]
    if is_float32(input):
        y = kernels.max_pool_f32(images, rows, cols)
    else:
        y = np.take_along_axis(_pixels(images), _largest(images, rows, cols), -1)
    return y.reshape(pool.output(input.shape))


def _largest(images: Any, rows: Any, cols: Any) -> Any:
    """The place in its flattened image of each window's first largest element; NaN wins."""
    best: Any = None
    place: Any = None
    for row in _taps(rows):
        for col in _taps(cols):
            value = images[:, :, row[:, None], col]
            here = row[:, None] * images.shape[3] + col
            if best is None:
                best, place = value, np.broadcast_to(here, value.shape).copy()
            else:
                better = (value > best) | (np.isnan(value) if value.dtype.kind == "f" else False)
                np.copyto(best, value, where=better)
                np.copyto(place, np.broadcast_to(here, value.shape), where=better)
    return _pixels(place)


def _taps(windows: Any) -> list[Any]:
    """For each tap the position in every window; short windows repeat their last position."""
    start, stop, step = windows.T.astype(np.int64)
    last = (stop - 1 - start) // step
    return [start + np.minimum(i, last) * step for i in range(int(last.max()) + 1)]


def _max_pool_dinput(name: str, g: Value, input: Value, dims: int, *options: Any) -> Value:
    pool = _pool(name, input.shape, dims, *options)
    shape = _images(input.shape, dims)
    data = input if isinstance(input, np.ndarray) else input.detach()._data
    if isinstance(g, np.ndarray) and is_float32(g) and is_float32(data):
        g = g.reshape((*shape[:2], len(pool.rows[0]), len(pool.cols[0])))
        dx = kernels.max_pool_dinput_f32(g, data.reshape(shape), pool.rows[0], pool.cols[0])
        return dx.reshape(tuple(input.shape))
    place = _largest(data.reshape(shape), pool.rows[0], pool.cols[0])
    flat = (*shape[:2], shape[2] * shape[3])
    g = reshape(g, (*shape[:2], place.shape[-1]))
    return in_steps(reshape(scatter_zeros(g, flat, -1, place), tuple(input.shape)), input)


@op(quantize="max_pool", onnx="MaxPool")
def max_pool2d(
    input: Value,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Value:
    """The largest element of each window of the last two dims; the first of several gets the
    gradient."""
    return _max_pool("max_pool2d", input, 2, kernel_size, stride, padding, dilation, ceil_mode)


@max_pool2d.rule("input")
def max_pool2d_dinput(
    g: Value, input: Value, kernel_size: Size, stride: Size | None, padding: Size,
    dilation: Size, ceil_mode: bool,
) -> Value:  # fmt: skip
    options = (kernel_size, stride, padding, dilation, ceil_mode)
    return _max_pool_dinput("max_pool2d", g, input, 2, *options)


@op(quantize="max_pool", onnx="MaxPool")
def max_pool1d(
    input: Value,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Value:
    """The largest element of each window of the last dim."""
    return _max_pool("max_pool1d", input, 1, kernel_size, stride, padding, dilation, ceil_mode)


@max_pool1d.rule("input")
def max_pool1d_dinput(
    g: Value, input: Value, kernel_size: Size, stride: Size | None, padding: Size,
    dilation: Size, ceil_mode: bool,
) -> Value:  # fmt: skip
    options = (kernel_size, stride, padding, dilation, ceil_mode)
    return _max_pool_dinput("max_pool1d", g, input, 1, *options)


@op()
def max_pool2d_indices(
    input: Value,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Value:
    """Where max_pool2d found each element, as a position in the flattened last two dims."""
    options = (kernel_size, stride, padding, dilation, ceil_mode)
    return _max_pool_indices("max_pool2d", input, 2, *options)


@op()
def max_pool1d_indices(
    input: Value,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Value:
    """Where max_pool1d found each element, as a position in the last dim."""
    options = (kernel_size, stride, padding, dilation, ceil_mode)
    return _max_pool_indices("max_pool1d", input, 1, *options)


def _max_pool_indices(name: str, input: Any, dims: int, *options: Any) -> Any:
    pool = _pool(name, input.shape, dims, *options)
    images = input.reshape(_images(input.shape, dims))
    return _largest(images, pool.rows[0], pool.cols[0]).reshape(pool.output(input.shape))


# Averages


def _average(input: Any, pool: _Pool) -> Any:
    images = input.reshape(_images(input.shape, pool.dims))
    if is_float32(input):
        (rows, row_div), (cols, col_div) = pool.rows, pool.cols
        y = kernels.avg_pool_f32(images, rows, cols, row_div, col_div)
    else:
        height, width = images.shape[2:]
        left = _weights(pool.rows, height, input.dtype)
        y = left @ images @ _weights(pool.cols, width, input.dtype).T
    return y.reshape(pool.output(input.shape))


def _average_dinput(g: Value, shape: Sequence[int], pool: _Pool) -> Value:
    height, width = _images(shape, pool.dims)[2:]
    kind = to_numpy(g.dtype)
    g = reshape(g, _images(g.shape, pool.dims))
    rows, cols = _weights(pool.rows, height, kind), _weights(pool.cols, width, kind)
    if len(rows) == len(cols) == 1 and rows.all() and cols.all():  # one window, of all
        g = expand(g * rows[0, 0] * cols[0, 0], (*g.shape[:2], height, width))
    else:
        g = product(product(rows.T, g), cols)
    return reshape(g, tuple(shape))


def _weights(windows: Windows, size: int, dtype: np.dtype[Any]) -> Any:
    """One row for each window: 1 / divisor at its positions, 0 elsewhere."""
    (start, stop, _), divisors = windows[0].T[..., None], windows[1][:, None]
    position = np.arange(size)
    return np.where((start <= position) & (position < stop), 1 / divisors, 0).astype(dtype)


def _avg_pool(
    name: str, shape: Sequence[int], dims: int, kernel_size: Size, stride: Size | None,
    padding: Size, ceil_mode: bool, count_include_pad: bool, divisor_override: int | None = None,
) -> _Pool:  # fmt: skip
    pool = _pool(
        name, shape, dims, kernel_size, stride, padding, 1, ceil_mode, bool(count_include_pad)
    )
    if divisor_override is None:
        return pool
    if divisor_override < 1:
        raise ValueError(f"{name}: divisor_override must be at least 1, got {divisor_override}")
    (rows, row_div), (cols, col_div) = pool.rows, pool.cols
    return _Pool(
        (rows, np.full_like(row_div, divisor_override)), (cols, np.ones_like(col_div)), dims
    )


@op(quantize="avg_pool", onnx="AveragePool")
def avg_pool2d(
    input: Value,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Value:
    """The mean of each window of the last two dims."""
    options = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _average(input, _avg_pool("avg_pool2d", input.shape, 2, *options))


@avg_pool2d.rule("input")
def avg_pool2d_dinput(
    g: Value, input: Value, kernel_size: Size, stride: Size | None, padding: Size,
    ceil_mode: bool, count_include_pad: bool, divisor_override: int | None,
) -> Value:  # fmt: skip
    shape = tuple(input.shape)
    options = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return in_steps(_average_dinput(g, shape, _avg_pool("avg_pool2d", shape, 2, *options)), input)


@op(quantize="avg_pool", onnx="AveragePool")
def avg_pool1d(
    input: Value,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Value:
    """The mean of each window of the last dim."""
    options = (kernel_size, stride, padding, ceil_mode, count_include_pad)
    return _average(input, _avg_pool("avg_pool1d", input.shape, 1, *options))


@avg_pool1d.rule("input")
def avg_pool1d_dinput(
    g: Value, input: Value, kernel_size: Size, stride: Size | None, padding: Size,
    ceil_mode: bool, count_include_pad: bool,
) -> Value:  # fmt: skip
    shape = tuple(input.shape)
    options = (kernel_size, stride, padding, ceil_mode, count_include_pad)
    return in_steps(_average_dinput(g, shape, _avg_pool("avg_pool1d", shape, 1, *options)), input)


@op(quantize="avg_pool", onnx="GlobalAveragePool")
def adaptive_avg_pool2d(input: Value, output_size: OutputSize) -> Value:
    """Means of windows chosen so that the last two dims become `output_size`; None keeps one."""
    return _average(input, _adaptive("adaptive_avg_pool2d", input.shape, 2, output_size))


@adaptive_avg_pool2d.rule("input")
def adaptive_avg_pool2d_dinput(g: Value, input: Value, output_size: OutputSize) -> Value:
    shape = tuple(input.shape)
    pool = _adaptive("adaptive_avg_pool2d", shape, 2, output_size)
    return in_steps(_average_dinput(g, shape, pool), input)


@op(quantize="avg_pool", onnx="GlobalAveragePool")
def adaptive_avg_pool1d(input: Value, output_size: OutputSize) -> Value:
    """Means of windows chosen so that the last dim becomes `output_size`."""
    return _average(input, _adaptive("adaptive_avg_pool1d", input.shape, 1, output_size))


@adaptive_avg_pool1d.rule("input")
def adaptive_avg_pool1d_dinput(g: Value, input: Value, output_size: OutputSize) -> Value:
    shape = tuple(input.shape)
    pool = _adaptive("adaptive_avg_pool1d", shape, 1, output_size)
    return in_steps(_average_dinput(g, shape, pool), input)
