"""The integer kernels in plain NumPy: the meaning that csrc/kernels reproduces byte for byte.

Arguments arrive checked by the door (integer.py), which has the same names and signatures. Sums of
products are taken in float64, where every integer up to 2^53 is exact, because NumPy multiplies
float64 matrices fast; accumulators stay below 2^31 in any case.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .. import dtypes, qparams
from .float_functions import fma

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
S8 = NDArray[np.int8]
U8 = NDArray[np.uint8]

CODE_DTYPES = {
    np.dtype(np.uint8): dtypes.quint8,
    np.dtype(np.int8): dtypes.qint8,
    np.dtype(np.int32): dtypes.qint32,
}


def quantize(
    x: F32,
    scale: ArrayLike,
    zero_point: ArrayLike,
    qmin: int,
    qmax: int,
    axis: int | None = None,
    dtype: DTypeLike = np.uint8,
) -> NDArray[Any]:
    """q = clamp(rne(x / s) + z, qmin, qmax)"""
    return qparams.quantize(x, code_qparams(x, scale, zero_point, axis, dtype, (qmin, qmax)))


def dequantize(
    codes: NDArray[Any], scale: ArrayLike, zero_point: ArrayLike, axis: int | None = None
) -> F32:
    """x = float32(q - z) * s"""
    return qparams.dequantize(codes, code_qparams(codes, scale, zero_point, axis, codes.dtype))


def code_qparams(
    x: NDArray[Any],
    scale: ArrayLike,
    zero_point: ArrayLike,
    axis: int | None,
    dtype: DTypeLike,
    codes: tuple[int, int] | None = None,
) -> qparams.QParams:
    """The checked QParams of plain arguments; all codes of `dtype` unless `codes` is given."""
    kind = CODE_DTYPES[np.dtype(dtype)]
    low, high = codes or (kind.qmin, kind.qmax)
    along = None if axis is None else axis % x.ndim
    return qparams.QParams.of(scale, zero_point, kind, low, high, along)


def gemm_s8(x: U8, w: S8, bias: I32, mult: F32, *, zx: int, zy: int, qmin: int, qmax: int) -> U8:
    """y[m][n] = requantize(bias[n] + sum_k (x[m][k] - zx) * w[n][k], mult[n])"""
    acc = (x.astype(np.float64) - zx) @ w.T.astype(np.float64) + bias
    return qparams.requantize(acc.astype(np.int32), mult, zy, qmin, qmax)


def conv2d_s8(
    x: U8,
    w: S8,
    bias: I32,
    mult: F32,
    *,
    zx: int,
    zy: int,
    qmin: int,
    qmax: int,
    stride: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilation: tuple[int, int],
    groups: int,
) -> U8:
    """y[b][oy][ox][o] = requantize(bias[o] + sum of (window - zx) * w[o], mult[o])

    Pixels outside the image hold zx.
    """
    out_channels, kernel_h, kernel_w, depth = w.shape
    top, bottom, left, right = pads
    around = ((0, 0), (top, bottom), (left, right), (0, 0))
    values = np.pad(x.astype(np.float64) - zx, around)
    out_h = (values.shape[1] - dilation[0] * (kernel_h - 1) - 1) // stride[0] + 1
    out_w = (values.shape[2] - dilation[1] * (kernel_w - 1) - 1) // stride[1] + 1
    acc = np.zeros((x.shape[0], out_h, out_w, out_channels))
    columns = out_channels // groups
    for ky, kx in np.ndindex(kernel_h, kernel_w):
        y0, x0 = ky * dilation[0], kx * dilation[1]
        tap = values[
            :, y0 : y0 + out_h * stride[0] : stride[0], x0 : x0 + out_w * stride[1] : stride[1]
        ][:, :out_h, :out_w]
        for g in range(groups):
            out = slice(g * columns, (g + 1) * columns)
            weights = w[out, ky, kx].T.astype(np.float64)
            acc[..., out] += tap[..., g * depth : (g + 1) * depth] @ weights
    return qparams.requantize((acc + bias).astype(np.int32), mult, zy, qmin, qmax)


def add_s8(
    a: U8,
    b: U8,
    *,
    sa: float,
    za: int,
    sb: float,
    zb: int,
    sy: float,
    zy: int,
    qmin: int,
    qmax: int,
) -> U8:
    """y = rne(clamp(fma(a, ra, fma(b, rb, c)), qmin, qmax))

    with ra = sa / sy, rb = sb / sy, c = float32(zy) - fma(ra, za, rb * zb), all float32: bit-equal
    to ONNX Runtime's QLinearAdd on x86.
    """
    ra, rb, c = add_terms(sa, za, sb, zb, sy, zy)
    inner = fma(b.astype(np.float64), np.float64(rb), np.broadcast_to(c, b.shape))
    total = fma(a.astype(np.float64), np.float64(ra), inner)
    return np.asarray(np.rint(np.clip(total, np.float32(qmin), np.float32(qmax))).astype(np.uint8))


def add_terms(
    sa: float, za: int, sb: float, zb: int, sy: float, zy: int
) -> tuple[np.float32, np.float32, np.float32]:
    """ra, rb and c of `add_s8`; infinite or NaN when the scales are too far apart to add."""
    with np.errstate(all="ignore"):
        ra, rb = np.float32(sa) / np.float32(sy), np.float32(sb) / np.float32(sy)
        zeros = fma(
            np.array([ra], np.float64), np.array([za], np.float64), np.array([rb * np.float32(zb)])
        )
        return ra, rb, np.float32(zy) - zeros[0]


def max_pool_s8(x: U8, rows: I32, cols: I32) -> U8:
    """y[b][oy][ox][c] = max of x over the window"""
    y = np.empty((x.shape[0], len(rows), len(cols), x.shape[3]), np.uint8)
    for oy, ox, window in _windows(x, rows, cols):
        y[:, oy, ox] = window.max(axis=(1, 2))
    return y


def avg_pool_s8(
    x: U8,
    rows: I32,
    cols: I32,
    row_div: I32,
    col_div: I32,
    *,
    sx: float,
    zx: int,
    sy: float,
    zy: int,
    qmin: int,
    qmax: int,
) -> U8:
    """y[b][oy][ox][c] = requantize(sum over the window of (x - zx), mult[oy][ox])

    with mult[oy][ox] = sx / (sy * float32(row_div[oy] * col_div[ox])), all float32.
    """
    acc = np.empty((x.shape[0], len(rows), len(cols), x.shape[3]), np.int32)
    for oy, ox, window in _windows(x, rows, cols):
        acc[:, oy, ox] = (window.astype(np.int32) - zx).sum(axis=(1, 2), dtype=np.int32)
    divisor = np.multiply.outer(row_div.astype(np.int64), col_div.astype(np.int64))
    with np.errstate(over="ignore"):
        mult = np.float32(sx) / (np.float32(sy) * divisor.astype(np.float32))
    return qparams.requantize(acc, mult[:, :, None], zy, qmin, qmax)


def lut_u8(x: U8, table: U8) -> U8:
    """y[i] = table[x[i]]"""
    return np.asarray(table[x])


def _windows(x: U8, rows: I32, cols: I32) -> Iterator[tuple[int, int, U8]]:
    for oy, (top, bottom, step_y) in enumerate(rows.tolist()):
        for ox, (left, right, step_x) in enumerate(cols.tolist()):
            yield oy, ox, x[:, top:bottom:step_y, left:right:step_x]
