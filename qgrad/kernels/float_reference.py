"""The float32 kernels in plain NumPy: the meaning that csrc/kernels/*_f32 reproduces bit for bit.

Arguments arrive checked by the door (float.py): float32 arrays, any strides, shapes that fit.
Names and signatures are the door's. Sums of products are one chain of fused multiply-adds over k
ascending, from +0; other sums are float64 sums in the order of `lane_sum`. So no result depends
on batch size, tiling, threads or instruction set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .convolution import Windows, conv_size
from .float_functions import BINARY_F32, UNARY_F32, exp_difference, fma, log

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
LANES: Final = 8

# Overflow and NaN are results here, not accidents.
quiet = np.errstate(all="ignore")


@quiet
def matmul_f32(a: F32, b: F32) -> F32:
    """y[..., m, n] = fma chain over k of a[..., m, k] * b[..., k, n]."""
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    acc = np.zeros((*batch, a.shape[-2], b.shape[-1]), np.float32)
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    for k in range(a.shape[-1]):
        acc = fma(wide_a[..., :, k, None], wide_b[..., k, None, :], acc)
    return acc


@quiet
def linear_f32(x: F32, w: F32, bias: F32 | None) -> F32:
    """y[..., n] = (fma chain over k of x[..., k] * w[n, k]) + bias[n]."""
    rows = x.reshape(int(np.prod(x.shape[:-1])), x.shape[-1])
    y = matmul_f32(rows, w.T).reshape(*x.shape[:-1], w.shape[0])
    return y if bias is None else y + bias


@quiet
def linear_grads_f32(g: F32, x: F32) -> tuple[F32, F32]:
    """g transposed times x, and the lane sums of g's columns."""
    total = lane_sum(np.ascontiguousarray(g.T).astype(np.float64))
    return matmul_f32(g.T, x), (total + 0.0).astype(np.float32)


def _taps(padded: F32, kernel: Sequence[int], out: Sequence[int], how: Windows) -> list[F32]:
    """Views of padded[B, C, H, W], one for each kernel position: the pixel it sees per output."""
    (dy, dx), (sy, sx) = how.dilation, how.stride
    return [
        padded[:, :, ky * dy : ky * dy + (out[0] - 1) * sy + 1 : sy,
               kx * dx : kx * dx + (out[1] - 1) * sx + 1 : sx]
        for ky in range(kernel[0])
        for kx in range(kernel[1])
    ]  # fmt: skip


def _padded(x: F32, how: Windows) -> F32:
    top, bottom, left, right = how.pads
    return np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))


def _columns(x: F32, kernel: Sequence[int], how: Windows) -> F32:
    """[B, groups, (channel, kernel row, kernel column), output pixel]; padding holds 0."""
    out = conv_size(x.shape[2:], kernel, how)
    taps = _taps(_padded(x, how), kernel, out, how)
    depth = x.shape[1] // how.groups * len(taps)
    return np.stack(taps, axis=2).reshape(x.shape[0], how.groups, depth, out[0] * out[1])


@quiet
def conv2d_f32(
    x: F32,
    w: F32,
    bias: F32 | None,
    *,
    stride: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilation: tuple[int, int],
    groups: int,
) -> F32:
    """The chain of a pixel runs over (channel, kernel row, kernel column), then bias is added."""
    how = Windows(stride, pads, dilation, groups)
    outputs, depth = w.shape[0] // how.groups, int(np.prod(w.shape[1:]))
    weights = w.reshape(how.groups, outputs, depth)
    y = matmul_f32(weights, _columns(x, w.shape[2:], how))
    y = y.reshape(x.shape[0], w.shape[0], *conv_size(x.shape[2:], w.shape[2:], how))
    return y if bias is None else y + bias[:, None, None]


@quiet
def conv2d_dinput_f32(
    g: F32,
    w: F32,
    size: tuple[int, int],
    *,
    stride: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilation: tuple[int, int],
    groups: int,
) -> F32:
    """For each tap in order, the chain over outputs of w * g is added to the pixel it saw."""
    how = Windows(stride, pads, dilation, groups)
    batch, kernel = g.shape[0], w.shape[2:]
    outputs, depth = w.shape[0] // groups, int(np.prod(w.shape[1:]))
    weights = w.reshape(groups, outputs, depth).transpose(0, 2, 1)
    grads = matmul_f32(weights, g.reshape(batch, groups, outputs, g.shape[2] * g.shape[3]))
    grads = grads.reshape(batch, groups * w.shape[1], kernel[0] * kernel[1], *g.shape[2:])
    padded = _padded(np.zeros((batch, groups * w.shape[1], *size), np.float32), how)
    for i, tap in enumerate(_taps(padded, kernel, g.shape[2:], how)):
        tap += grads[:, :, i]
    top, _, left, _ = how.pads
    return np.ascontiguousarray(padded[:, :, top : top + size[0], left : left + size[1]])


def conv2d_dinput_by_phase_f32(
    g: F32,
    w: F32,
    size: tuple[int, int],
    *,
    stride: tuple[int, int],
    pads: tuple[int, int, int, int],
    groups: int,
) -> F32:
    """Every stride-th pixel sees every stride-th tap: a convolution of stride 1 for each phase."""
    (sh, sw), (top, _, left, _) = stride, pads
    dx = np.zeros((len(g), w.shape[1] * groups, *size), np.float32)
    rows = _phases(size[0], w.shape[2], sh, top, g.shape[2])
    columns = _phases(size[1], w.shape[3], sw, left, g.shape[3])
    for i, (y, above, below, cut_rows) in enumerate(rows):
        for j, (x, before, after, cut_columns) in enumerate(columns):
            taps = w[:, :, y::sh, x::sw]
            if taps.size and g.size:
                dx[:, :, i::sh, j::sw] = conv2d_f32(
                    np.ascontiguousarray(g[:, :, cut_rows, cut_columns]),
                    _turned(taps, groups),
                    None,
                    stride=(1, 1),
                    pads=(above, below, before, after),
                    dilation=(1, 1),
                    groups=groups,
                )
    return dx


def _phases(
    size: int, kernel: int, stride: int, pad: int, outputs: int
) -> list[tuple[int, int, int, slice]]:
    """For pixels r, r + stride, ... of a row, each r: the first tap that reaches them, and the
    zeros before and after the gradients, or which of those to leave out."""
    phases = []
    for r in range(min(stride, size)):
        first = (r + pad) % stride
        taps, pixels = -(-(kernel - first) // stride), -(-(size - r) // stride)
        before = taps - 1 - (r + pad) // stride
        after = pixels - outputs - before + taps - 1
        cut = slice(max(0, -before), outputs + min(0, after))
        phases.append((first, max(0, before), max(0, after), cut))
    return phases


def _turned(w: F32, groups: int) -> F32:
    """[O, C/groups, KH, KW] turned by half a turn, as [C, O/groups, KH, KW]."""
    outputs, inputs, kh, kw = w.shape
    grouped = w[:, :, ::-1, ::-1].reshape(groups, outputs // groups, inputs, kh, kw)
    return grouped.swapaxes(1, 2).reshape(groups * inputs, outputs // groups, kh, kw)


@quiet
def conv2d_dweight_f32(
    g: F32,
    x: F32,
    kernel: tuple[int, int],
    *,
    stride: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilation: tuple[int, int],
    groups: int,
) -> F32:
    """The chain of a weight runs over (image, output row, output column) of g * x."""
    how = Windows(stride, pads, dilation, groups)
    columns = _columns(x, kernel, how)
    batch, _, depth, pixels = columns.shape
    outputs = g.shape[1] // groups
    grads = g.reshape(batch, groups, outputs, pixels).transpose(1, 2, 0, 3)
    grads = grads.reshape(groups, outputs, batch * pixels)
    dw = matmul_f32(grads, columns.transpose(1, 0, 3, 2).reshape(groups, batch * pixels, depth))
    return dw.reshape(g.shape[1], x.shape[1] // groups, *kernel)


@quiet
def unary_f32(fn: str, x: F32, **params: float) -> F32:
    """One of `UNARY_F32`, element by element."""
    entry = UNARY_F32[fn]
    values = {**entry.params, **params}
    if entry.wide:
        return np.asarray(entry.function(x.astype(np.float64), **values)).astype(np.float32)
    return np.asarray(entry.function(x, **values), np.float32)


@quiet
def binary_f32(fn: str, a: F32, b: F32) -> F32:
    """One of `BINARY_F32`, element by element, with broadcasting."""
    return np.asarray(BINARY_F32[fn](a, b), np.float32)


def where_f32(condition: NDArray[np.bool_], a: F32, b: F32) -> F32:
    """`a` where `condition`, else `b`; of one element for all."""
    shape = condition.shape
    pair = [x.reshape(()) if x.size == 1 and x.shape != shape else x for x in (a, b)]
    return np.where(condition, *pair)


@quiet
def add_rows_f32(g: F32, rows: NDArray[np.int64], count: int) -> F32:
    """Each row of `g` added to the row of zeros that its number says, in their order."""
    y = np.zeros((count, g.shape[1]), np.float32)
    np.add.at(y, rows, g)
    return y


def gather_f32(x: F32, places: NDArray[np.int64], axis: int) -> F32:
    """The elements at `places` along `axis`."""
    return np.take_along_axis(x, places, axis)


@quiet
def scatter_add_f32(g: F32, places: NDArray[np.int64], axis: int, size: int) -> F32:
    """Each element of `g` added at its place along `axis`, in their order."""
    shape = list(g.shape)
    shape[axis] = size
    y = np.zeros(shape, np.float32)
    grid: list[Any] = list(np.ogrid[tuple(slice(n) for n in g.shape)])
    grid[axis] = places
    np.add.at(y, tuple(grid), g)
    return y


@quiet
def affine_f32(x: F32, scale: F32, shift: F32, axis: int) -> F32:
    """y = x * scale + shift along `axis`, two roundings (a batch norm in eval mode)."""
    shape = [1] * x.ndim
    shape[axis] = -1
    return x * scale.reshape(shape) + shift.reshape(shape)


def lane_sum(x: F64) -> F64:
    """The sum over the last axis, in the one order of every float64 sum here.

    Element i goes to lane i % 8; a lane adds its elements in order, starting from +0; the lanes
    are added as ((0+4)+(2+6)) + ((1+5)+(3+7)), the order of halving a vector register.
    """
    short = -x.shape[-1] % LANES or (LANES if x.shape[-1] == 0 else 0)
    padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, short)])
    rows = padded.reshape(*x.shape[:-1], (x.shape[-1] + short) // LANES, LANES)
    lanes = np.cumsum(rows, axis=-2)[..., -1, :] + 0.0  # cumsum is sequential; sum is not
    while lanes.shape[-1] > 1:
        half = lanes.shape[-1] // 2
        lanes = lanes[..., :half] + lanes[..., half:]
    return lanes[..., 0]


def _exponentials(x: F32) -> tuple[F32, F32, F64]:
    """(maximum, exp(x - maximum), its sum) of every row of x."""
    most = np.max(x, axis=-1, keepdims=True)
    e = exp_difference(x, np.broadcast_to(most, x.shape))
    return most, e, lane_sum(e.astype(np.float64))[..., None]


@quiet
def softmax_f32(x: F32, axis: int) -> F32:
    """exp(x - max) / sum(exp(x - max)) in float32, the sum in float64 and rounded."""
    if x.size == 0:
        return x.copy()
    _, e, total = _exponentials(np.moveaxis(x, axis, -1))
    return np.ascontiguousarray(np.moveaxis(e / total.astype(np.float32), -1, axis))


@quiet
def softmax_dinput_f32(g: F32, y: F32) -> F32:
    """y * (g - sum(g * y)) over the last axis; the sum in float64, rounded."""
    if y.size == 0:
        return y.copy()
    total = lane_sum(g.astype(np.float64) * y.astype(np.float64))
    return np.asarray(y * (g - total.astype(np.float32)[..., None]))


@quiet
def log_softmax_f32(x: F32, axis: int) -> F32:
    """(x - max) - log(sum(exp(x - max))) in float64, of float32 exponentials, rounded once."""
    if x.size == 0:
        return x.copy()
    x = np.moveaxis(x, axis, -1)
    most, _, total = _exponentials(x)
    y = (x.astype(np.float64) - most.astype(np.float64)) - log(total)
    return np.ascontiguousarray(np.moveaxis(y.astype(np.float32), -1, axis))


@quiet
def layer_norm_f32(x: F32, size: int, weight: F32 | None, bias: F32 | None, eps: float) -> F32:
    """(x - mean) / sqrt(var + eps) * weight + bias over the last `size` elements, in float64."""
    rows = x.reshape(-1, size).astype(np.float64)
    centred = rows - (lane_sum(rows) / size)[:, None]
    variance = lane_sum(centred * centred) / size
    y = centred * (1.0 / np.sqrt(variance + eps))[:, None]
    y = y if weight is None else y * weight.reshape(-1)
    y = y if bias is None else y + bias.reshape(-1)
    return y.astype(np.float32).reshape(x.shape)


@quiet
def layer_norm_grads_f32(
    g: F32, x: F32, size: int, weight: F32 | None, eps: float
) -> tuple[F32, F32, F32]:
    """dx = inverse * ((h - mean(h)) - n * mean(h * n)), n normalized and h = g * weight.

    dweight and dbias are lane sums of g * n and g over the rows. All in float64, rounded once.
    """
    rows, grads = (a.reshape(-1, size).astype(np.float64) for a in (x, g))
    centred = rows - (lane_sum(rows) / size)[:, None]
    inverse = (1.0 / np.sqrt(lane_sum(centred * centred) / size + eps))[:, None]
    n = centred * inverse
    h = grads if weight is None else grads * weight.reshape(-1)
    shift, slope = ((lane_sum(v) / size)[:, None] for v in (h, h * n))
    dx = (inverse * ((h - shift) - n * slope)).astype(np.float32).reshape(x.shape)
    dweight, dbias = (lane_sum(np.ascontiguousarray(v.T)) for v in (grads * n, grads))
    return dx, dweight.astype(np.float32), dbias.astype(np.float32)


def _channel_rows(x: F32) -> F64:
    """Each channel of x[B, C, ...] as a row, the batch slowest."""
    return np.ascontiguousarray(x.swapaxes(0, 1)).reshape(x.shape[1], -1).astype(np.float64)


@quiet
def batch_norm_stats_f32(x: F32) -> tuple[F32, F32]:
    """Mean and variance of each channel in float64, rounded once."""
    rows = _channel_rows(x)
    mean = lane_sum(rows) / rows.shape[1]
    centred = rows - mean[:, None]
    var = lane_sum(centred * centred) / rows.shape[1]
    return mean.astype(np.float32), var.astype(np.float32)


@quiet
def batch_norm_grads_f32(
    g: F32, x: F32, mean: F32, inverse: F32, weight: F32 | None
) -> tuple[F32, F32, F32]:
    """dx = (g - sum(g)/n) * a + (x - mean) * b in float32; sums and factors in float64.

    a = inverse * weight, b = -((a * inverse) * inverse) * (sum(g * (x - mean)) / n).
    """
    rows, scale = _channel_rows(g), inverse.astype(np.float64)
    total = lane_sum(rows)
    product = lane_sum(rows * (_channel_rows(x) - mean.astype(np.float64)[:, None]))
    a = scale if weight is None else scale * weight
    b = -((a * scale) * scale) * (product / rows.shape[1])
    shape = (1, -1) + (1,) * (x.ndim - 2)
    shift, a32, b32 = (v.astype(np.float32).reshape(shape) for v in (total / rows.shape[1], a, b))
    dx = (g - shift) * a32 + (x - mean.reshape(shape)) * b32
    return dx, (product * scale).astype(np.float32), total.astype(np.float32)


@quiet
def reduce_f32(fn: str, x: F32, axes: Sequence[int], keepdims: bool) -> F32:
    """sum, mean (float64 sums, rounded once) or amax (NaN wins, zero is +0) over `axes`."""
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    count = int(np.prod([x.shape[axis] for axis in axes], dtype=np.int64))
    rows = x.transpose(*kept, *sorted(axes)).reshape(*(x.shape[axis] for axis in kept), count)
    if fn == "amax":
        y = np.max(rows, axis=-1) + np.float32(0)
    else:
        total = lane_sum(rows.astype(np.float64))
        y = (total / count if fn == "mean" else total).astype(np.float32)
    shape = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    return np.asarray(y).reshape(shape) if keepdims else np.asarray(y)


@quiet
def max_pool_f32(x: F32, rows: I32, cols: I32) -> F32:
    """The largest value of each window; NaN wins, zero is +0."""
    y = np.empty((*x.shape[:2], len(rows), len(cols)), np.float32)
    for i, (top, bottom, dy) in enumerate(rows):
        for j, (left, right, dx) in enumerate(cols):
            y[:, :, i, j] = x[:, :, top:bottom:dy, left:right:dx].max(axis=(2, 3)) + np.float32(0)
    return y


@quiet
def max_pool_dinput_f32(g: F32, x: F32, rows: I32, cols: I32) -> F32:
    """g added where its window has its first largest element, or its last NaN; windows in order."""
    dx = np.zeros_like(x)
    for i, (top, bottom, dy) in enumerate(rows):
        for j, (left, right, step) in enumerate(cols):
            window = x[:, :, top:bottom:dy, left:right:step]
            values = window.reshape(*x.shape[:2], window.shape[2] * window.shape[3])
            nan = np.isnan(values)
            last_nan = values.shape[-1] - 1 - nan[..., ::-1].argmax(-1)
            place = np.where(nan.any(-1), last_nan, np.where(nan, -np.inf, values).argmax(-1))
            row, col = np.divmod(place, window.shape[3])
            b, c = np.indices(x.shape[:2])
            dx[b, c, top + row * dy, left + col * step] += g[:, :, i, j]
    return dx


@quiet
def avg_pool_f32(x: F32, rows: I32, cols: I32, row_div: I32, col_div: I32) -> F32:
    """The window's float64 sum, row by row from +0, over row_div[i] * col_div[j]."""
    y = np.empty((*x.shape[:2], len(rows), len(cols)), np.float32)
    for i, (top, bottom, dy) in enumerate(rows):
        for j, (left, right, dx) in enumerate(cols):
            total = np.zeros(x.shape[:2])
            for row in range(top, bottom, dy):
                for col in range(left, right, dx):
                    total = total + x[:, :, row, col]
            y[:, :, i, j] = total / (float(row_div[i]) * float(col_div[j]))
    return y
