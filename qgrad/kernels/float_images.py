"""The door to the float32 kernels on images: convolutions, their gradients, and pooling.

As in `float`: arguments may have any strides and may be empty, results are new C-contiguous arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .checks import checked_array, checked_bias, fail, strided
from .convolution import Windows, conv_size
from .extension import core
from .float import reference

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F32 = NDArray[np.float32]
    I32 = NDArray[np.int32]

__all__ = [
    "avg_pool_f32",
    "conv2d_dinput_by_phase_f32",
    "conv2d_dinput_f32",
    "conv2d_dweight_f32",
    "conv2d_f32",
    "max_pool_dinput_f32",
    "max_pool_f32",
]

_FLOAT32 = np.dtype(np.float32)


def conv2d_f32(
    x: F32,
    w: F32,
    bias: F32 | None = None,
    *,
    stride: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
    out: F32 | None = None,
) -> F32:
    """Convolution of x[B, C, H, W] with w[O, C/groups, KH, KW]; pads = top, bottom, left, right.

    The result goes into `out`, if given: an array of its shape with any strides.
    """
    x = checked_array("conv2d", "x", x, _FLOAT32, 4)
    w = checked_array("conv2d", "weight", w, _FLOAT32, 4)
    how = Windows(stride, pads, dilation, groups)
    _check_conv("conv2d", x.shape[1], x.shape[2:], w.shape, how, x=x, weight=w)
    bias = checked_bias("conv2d", bias, w.shape[0])
    if out is None:
        return (core or reference).conv2d_f32(
            x, w, bias, stride=stride, pads=pads, dilation=dilation, groups=groups
        )
    shape = (len(x), w.shape[0], *conv_size(x.shape[2:], w.shape[2:], how))
    if strided("conv2d", "out", out) is not out or out.shape != shape:
        fail("conv2d", f"out must have the result's shape {list(shape)}", x=x, weight=w, out=out)
    if core is not None:
        core.conv2d_f32(x, w, bias, stride, pads, dilation, groups, out)
    else:
        out[...] = reference.conv2d_f32(
            x, w, bias, stride=stride, pads=pads, dilation=dilation, groups=groups
        )
    return out


def conv2d_dinput_f32(
    g: F32,
    w: F32,
    size: tuple[int, int],
    *,
    stride: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
) -> F32:
    """Gradient of `conv2d_f32` for its x[B, C, *size], g[B, O, OH, OW] being that of its result."""
    op = "conv2d_dinput"
    g = checked_array(op, "g", g, _FLOAT32, 4)
    w = checked_array(op, "weight", w, _FLOAT32, 4)
    how = Windows(stride, pads, dilation, groups)
    _check_conv(op, w.shape[1] * groups, size, w.shape, how, g=g, weight=w)
    _check_grad(op, g, w.shape[0], conv_size(size, w.shape[2:], how))
    return (core or reference).conv2d_dinput_f32(
        g, w, tuple(size), stride=stride, pads=pads, dilation=dilation, groups=groups
    )


def conv2d_dinput_by_phase_f32(
    g: F32,
    w: F32,
    size: tuple[int, int],
    *,
    stride: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    groups: int = 1,
) -> F32:
    """As `conv2d_dinput_f32` without dilation, each pixel's sum a chain in another order: that of
    a convolution of `g` by the turned weights, for each phase of the stride."""
    op = "conv2d_dinput"
    g = checked_array(op, "g", g, _FLOAT32, 4)
    w = checked_array(op, "weight", w, _FLOAT32, 4)
    how = Windows(stride, pads, (1, 1), groups)
    _check_conv(op, w.shape[1] * groups, size, w.shape, how, g=g, weight=w)
    _check_grad(op, g, w.shape[0], conv_size(size, w.shape[2:], how))
    return (core or reference).conv2d_dinput_by_phase_f32(
        g, w, tuple(size), stride=stride, pads=pads, groups=groups
    )


def conv2d_dweight_f32(
    g: F32,
    x: F32,
    kernel: tuple[int, int],
    *,
    stride: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
) -> F32:
    """Gradient of `conv2d_f32` for its w[O, C/groups, *kernel], g[B, O, OH, OW] as above."""
    op = "conv2d_dweight"
    g = checked_array(op, "g", g, _FLOAT32, 4)
    x = checked_array(op, "x", x, _FLOAT32, 4)
    how = Windows(stride, pads, dilation, groups)
    if groups < 1 or x.shape[1] % groups:
        fail(op, f"{groups} groups do not divide the channels", x=x)
    weights = (g.shape[1], x.shape[1] // groups, *kernel)
    _check_conv(op, x.shape[1], x.shape[2:], weights, how, g=g, x=x)
    _check_grad(op, g, g.shape[1], conv_size(x.shape[2:], kernel, how), x.shape[0])
    return (core or reference).conv2d_dweight_f32(
        g, x, tuple(kernel), stride=stride, pads=pads, dilation=dilation, groups=groups
    )


def _check_conv(
    op: str,
    channels: int,
    size: Sequence[int],
    kernel: Sequence[int],
    how: Windows,
    **arrays: F32,
) -> None:
    if how.groups < 1 or min(*how.stride, *how.dilation) < 1 or min(how.pads) < 0:
        fail(op, f"needs stride, dilation, groups >= 1 and pads >= 0, got {how}", **arrays)
    if channels != kernel[1] * how.groups or kernel[0] % how.groups:
        fail(
            op,
            f"with groups {how.groups}, the weight wants {kernel[1] * how.groups} channels and a "
            f"multiple of {how.groups} outputs; there are {channels} channels. Did you forget "
            "groups?",
            **arrays,
        )
    for i in (0, 1):
        reach = how.dilation[i] * (kernel[2 + i] - 1) + 1
        room = size[i] + how.pads[2 * i] + how.pads[2 * i + 1]
        if kernel[2 + i] < 1 or reach > room:
            fail(op, f"the kernel spans {reach} of {room} padded pixels", **arrays)


def _check_grad(
    op: str, g: F32, outputs: int, size: tuple[int, int], batch: int | None = None
) -> None:
    if g.shape[1:] != (outputs, *size) or batch not in (None, g.shape[0]):
        fail(op, f"g must have the shape of the convolution's result, [B, {outputs}, *{size}]", g=g)


def _checked_windows(op: str, name: str, windows: I32, size: int) -> I32:
    windows = checked_array(op, name, windows, np.dtype(np.int32), 2)
    if windows.shape[1] != 3:
        fail(op, f"needs {name} int32[outputs, 3] of (start, stop, step)", **{name: windows})
    start, stop, step = windows.T.astype(np.int64)
    if ((start < 0) | (start >= stop) | (stop > size) | (step < 1) | (stop + step >= 2**31)).any():
        fail(op, f"a window leaves the {size} pixels or is empty", **{name: windows})
    return windows


def max_pool_f32(x: F32, rows: I32, cols: I32) -> F32:
    """Largest value of each window of x[B, C, H, W]; rows, cols = int32 (start, stop, step)."""
    x = checked_array("max_pool", "x", x, _FLOAT32, 4)
    rows = _checked_windows("max_pool", "rows", rows, x.shape[2])
    cols = _checked_windows("max_pool", "cols", cols, x.shape[3])
    return (core or reference).max_pool_f32(x, rows, cols)


def max_pool_dinput_f32(g: F32, x: F32, rows: I32, cols: I32) -> F32:
    """Gradient of `max_pool_f32` for x, `g` being that of its result.

    A window's first largest element gets it, or its last NaN.
    """
    op = "max_pool_dinput"
    g, x = checked_array(op, "g", g, _FLOAT32, 4), checked_array(op, "x", x, _FLOAT32, 4)
    rows = _checked_windows(op, "rows", rows, x.shape[2])
    cols = _checked_windows(op, "cols", cols, x.shape[3])
    if g.shape != (*x.shape[:2], len(rows), len(cols)):
        fail(op, "needs one g for each window", g=g, x=x, rows=rows, cols=cols)
    return (core or reference).max_pool_dinput_f32(g, x, rows, cols)


def avg_pool_f32(x: F32, rows: I32, cols: I32, row_div: I32, col_div: I32) -> F32:
    """Sum of each window of x[B, C, H, W] over row_div[i] * col_div[j]."""
    op = "avg_pool"
    x = checked_array(op, "x", x, _FLOAT32, 4)
    rows = _checked_windows(op, "rows", rows, x.shape[2])
    cols = _checked_windows(op, "cols", cols, x.shape[3])
    row_div = checked_array(op, "row_div", row_div, np.dtype(np.int32), 1)
    col_div = checked_array(op, "col_div", col_div, np.dtype(np.int32), 1)
    if row_div.shape != rows.shape[:1] or col_div.shape != cols.shape[:1]:
        fail(op, "needs one divisor for each window", row_div=row_div, col_div=col_div)
    if (row_div < 1).any() or (col_div < 1).any():
        fail(op, "divisors must be >= 1", row_div=row_div, col_div=col_div)
    return (core or reference).avg_pool_f32(x, rows, cols, row_div, col_div)
