"""The door to the integer kernels: arrays in, arrays out, checked here and trusted inside.

Each function's formula stands in `reference`, under the same name. Activations are uint8 codes,
weights int8, images channels last; arrays may have any strides and may be empty, and results are
new C-contiguous arrays. A wrong dtype raises DTypeError, sizes that do not fit ShapeError, scales,
zero points and multipliers outside the contract QParamError, NaN ValueError.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..errors import DTypeError, QParamError
from ..qparams import check_accumulator
from . import reference
from .checks import checked_array, checked_codes, checked_ints, checked_scale, fail, show
from .extension import core

__all__ = [
    "add_s8",
    "avg_pool_s8",
    "conv2d_s8",
    "dequantize",
    "gemm_s8",
    "lut_u8",
    "max_pool_s8",
    "quantize",
]

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
S8 = NDArray[np.int8]
U8 = NDArray[np.uint8]

MAX_AVG_POOL_PIXELS = 8_000_000  # times 255 is just below 2^31


def quantize(
    x: F32,
    scale: ArrayLike,
    zero_point: ArrayLike,
    qmin: int,
    qmax: int,
    axis: int | None = None,
    dtype: DTypeLike = np.uint8,
) -> NDArray[Any]:
    """The codes, of NumPy type `dtype`, of float32 values; scales along `axis`, or one for all.

    >>> quantize(np.float32([0.5, 1.5, -9]), 1.0, 3, 0, 255)
    array([3, 5, 0], dtype=uint8)
    """
    x = checked_array("quantize", "x", x, np.float32)
    _check_channels("quantize", x, np.dtype(dtype), axis)
    qp = reference.code_qparams(x, scale, zero_point, axis, dtype, (qmin, qmax))
    qp.along(x.shape, "quantize")
    codes = None
    if core is not None:
        along = -1 if qp.axis is None else qp.axis
        s, z = qp.scale.reshape(-1), qp.zero_point.reshape(-1)
        codes = core.quantize(x, s, z, qp.qmin, qp.qmax, along, np.dtype(dtype))
    if codes is None:  # NaN, and the reference says where
        return reference.quantize(x, scale, zero_point, qmin, qmax, axis, dtype)
    return codes


def dequantize(
    codes: NDArray[Any], scale: ArrayLike, zero_point: ArrayLike, axis: int | None = None
) -> F32:
    """The float32 values that codes of uint8, int8 or int32 stand for."""
    op = "dequantize"
    if not isinstance(codes, (np.ndarray, np.generic)):
        raise DTypeError(f"{op}: codes must be an array, got {show(codes)}")
    _check_channels(op, codes, codes.dtype, axis)
    codes = checked_array(op, "codes", codes, codes.dtype)
    qp = reference.code_qparams(codes, scale, zero_point, axis, codes.dtype)
    qp.along(codes.shape, op)
    if core is None:
        return reference.dequantize(codes, scale, zero_point, axis)
    along = -1 if qp.axis is None else qp.axis
    return core.dequantize(codes, qp.scale.reshape(-1), qp.zero_point.reshape(-1), along)


def gemm_s8(x: U8, w: S8, bias: I32, mult: F32, *, zx: int, zy: int, qmin: int, qmax: int) -> U8:
    """x[M, K] times w[N, K] transposed, plus bias[N], requantized by mult[N] to uint8 codes."""
    op = "gemm_s8"
    x = checked_array(op, "x", x, np.uint8, 2)
    w = checked_array(op, "w", w, np.int8, 2)
    if x.shape[1] != w.shape[1]:
        fail(op, "needs x[M, K] and w[N, K] with one K", x=x, w=w)
    bias, mult = _per_output(op, bias, mult, w.shape[0], w.shape[1])
    zx, _, _ = checked_codes(op, zx, 0, 255)
    zy, qmin, qmax = checked_codes(op, zy, qmin, qmax)
    if core is not None:
        return core.gemm_s8(x, w, bias, mult, zx, zy, qmin, qmax)
    return reference.gemm_s8(x, w, bias, mult, zx=zx, zy=zy, qmin=qmin, qmax=qmax)


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
    stride: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
) -> U8:
    """Convolution of x[B, H, W, C] with w[O, KH, KW, C / groups] to codes [B, OH, OW, O].

    pads: rows and columns of zx around the image: top, bottom, left, right.
    """
    op = "conv2d_s8"
    x = checked_array(op, "x", x, np.uint8, 4)
    w = checked_array(op, "w", w, np.int8, 4)
    strides = checked_ints(op, "stride", stride, 2, lowest=1)
    dilations = checked_ints(op, "dilation", dilation, 2, lowest=1)
    padding = checked_ints(op, "pads", pads, 4, lowest=0)
    _check_conv_sizes(op, x, w, padding, dilations, groups)
    bias, mult = _per_output(op, bias, mult, w.shape[0], w[:1].size)
    zx, _, _ = checked_codes(op, zx, 0, 255)
    zy, qmin, qmax = checked_codes(op, zy, qmin, qmax)
    if core is not None:
        return core.conv2d_s8(
            x, w, bias, mult, zx, zy, qmin, qmax, strides, padding, dilations, groups
        )
    return reference.conv2d_s8(
        x, w, bias, mult, zx=zx, zy=zy, qmin=qmin, qmax=qmax,
        stride=stride, pads=pads, dilation=dilation, groups=groups,
    )  # fmt: skip


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
    """Sum of two code tensors of one shape, as codes of scale sy and zero point zy."""
    op = "add_s8"
    a = checked_array(op, "a", a, np.uint8)
    b = checked_array(op, "b", b, np.uint8)
    if a.shape != b.shape:
        fail(op, "needs a and b of one shape", a=a, b=b)
    sa, sb, sy = (checked_scale(op, n, s) for n, s in (("sa", sa), ("sb", sb), ("sy", sy)))
    za, _, _ = checked_codes(op, za, 0, 255)
    zb, _, _ = checked_codes(op, zb, 0, 255)
    zy, qmin, qmax = checked_codes(op, zy, qmin, qmax)
    ra, rb, c = reference.add_terms(sa, za, sb, zb, sy, zy)
    with np.errstate(all="ignore"):
        most = np.float32(255) * ra + np.float32(255) * rb + np.abs(c)
    if not np.isfinite(most):
        raise QParamError(
            f"{op}: scales sa={sa}, sb={sb} are too large for sy={sy}; the sum would not be finite"
        )
    if core is not None:
        return core.add_s8(a, b, sa, za, sb, zb, sy, zy, qmin, qmax)
    return reference.add_s8(a, b, sa=sa, za=za, sb=sb, zb=zb, sy=sy, zy=zy, qmin=qmin, qmax=qmax)


def max_pool_s8(x: U8, rows: I32, cols: I32) -> U8:
    """Largest code of each window of x[B, H, W, C]; `windows` makes rows[OH, 3] and cols[OW, 3].

    A window is the positions start, start + step, ... below stop: never empty, inside the image.
    """
    op = "max_pool_s8"
    x = checked_array(op, "x", x, np.uint8, 4)
    rows = _windows(op, "rows", rows, x.shape[1])
    cols = _windows(op, "cols", cols, x.shape[2])
    return (core or reference).max_pool_s8(x, rows, cols)


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
    """Sum of each window of x[B, H, W, C] over row_div[OH] * col_div[OW], requantized.

    Windows are as in `max_pool_s8`; pixels outside the image count as zx through the divisors.
    """
    op = "avg_pool_s8"
    x = checked_array(op, "x", x, np.uint8, 4)
    rows = _windows(op, "rows", rows, x.shape[1])
    cols = _windows(op, "cols", cols, x.shape[2])
    pixels = _most_positions(rows) * _most_positions(cols)
    if pixels > MAX_AVG_POOL_PIXELS:
        fail(op, f"a window may hold {MAX_AVG_POOL_PIXELS} pixels, not {pixels}", x=x)
    row_div = _divisors(op, "row_div", row_div, len(rows))
    col_div = _divisors(op, "col_div", col_div, len(cols))
    sx, sy = checked_scale(op, "sx", sx), checked_scale(op, "sy", sy)
    with np.errstate(over="ignore"):
        if not np.isfinite(np.float32(sx) / np.float32(sy)):
            raise QParamError(f"{op}: sx={sx} is too large for sy={sy}; sx / sy must be finite")
    zx, _, _ = checked_codes(op, zx, 0, 255)
    zy, qmin, qmax = checked_codes(op, zy, qmin, qmax)
    if core is not None:
        return core.avg_pool_s8(x, rows, cols, row_div, col_div, sx, zx, sy, zy, qmin, qmax)
    return reference.avg_pool_s8(
        x, rows, cols, row_div, col_div, sx=sx, zx=zx, sy=sy, zy=zy, qmin=qmin, qmax=qmax
    )


def lut_u8(x: U8, table: U8) -> U8:
    """table[256] looked up for each code of x."""
    x = checked_array("lut_u8", "x", x, np.uint8)
    table = checked_array("lut_u8", "table", table, np.uint8, 1)
    if table.size != 256:
        fail("lut_u8", "table must have 256 entries, one for each code", table=table)
    return (core or reference).lut_u8(x, table)


def _check_channels(op: str, x: NDArray[Any], dtype: np.dtype[Any], axis: int | None) -> None:
    if dtype not in reference.CODE_DTYPES:
        raise DTypeError(f"{op}: codes are uint8, int8 or int32, not {dtype}")
    if axis is not None and not -x.ndim <= axis < x.ndim:
        fail(op, f"axis={axis} is not an axis of x", x=x)


def _per_output(op: str, bias: I32, mult: F32, outputs: int, depth: int) -> tuple[I32, F32]:
    bias = checked_array(op, "bias", bias, np.int32, 1)
    mult = checked_array(op, "mult", mult, np.float32, 1)
    if bias.size != outputs or mult.size != outputs:
        fail(op, f"w has {outputs} outputs; bias and mult need one each", bias=bias, mult=mult)
    check_accumulator(depth, bias, op)
    if not (np.isfinite(mult) & (mult >= 0)).all():
        raise QParamError(
            f"{op}: mult holds {mult[~(np.isfinite(mult) & (mult >= 0))][0]}; a multiplier "
            "(sx * sw) / sy is finite and not negative"
        )
    return bias, mult


def _check_conv_sizes(
    op: str, x: U8, w: S8, pads: tuple[int, ...], dilation: tuple[int, ...], groups: int
) -> None:
    channels, per_group = x.shape[3], w.shape[3]
    if operator.index(groups) < 1:
        fail(op, f"groups={groups} must be at least 1", x=x, w=w)
    if per_group * groups != channels:
        fail(
            op,
            f"w has {per_group} input channels and groups is {groups}, x has {channels}; "
            "channels must be groups times those of w. Did you forget groups?",
            x=x,
            w=w,
        )
    if w.shape[0] % groups != 0:
        fail(op, f"groups={groups} does not divide the {w.shape[0]} output channels", w=w)
    if 0 in w.shape[1:3]:
        fail(op, "the kernel must be at least 1 by 1", w=w)
    for axis, pad in ((1, pads[0] + pads[1]), (2, pads[2] + pads[3])):
        window = dilation[axis - 1] * (w.shape[axis] - 1) + 1
        if x.shape[axis] + pad < window:
            fail(
                op,
                f"the window spans {window} pixels along axis {axis}, the image with padding "
                f"only {x.shape[axis] + pad}; use less dilation or more padding",
                x=x,
                w=w,
            )


def _windows(op: str, name: str, triples: I32, size: int) -> I32:
    triples = checked_array(op, name, triples, np.int32, 2)
    if triples.shape[1] != 3:
        fail(op, f"{name} must be [windows, 3]: start, stop, step", **{name: triples})
    start, stop, step = triples.T
    good = (start >= 0) & (start < stop) & (stop <= size) & (step >= 1) & (step <= 2**30)
    if not good.all():
        window = triples[~good][0].tolist()
        fail(
            op,
            f"{name} holds the window start, stop, step = {window}; "
            f"0 <= start < stop <= {size} (the image) and step >= 1",
            **{name: triples},
        )
    return triples


def _most_positions(triples: I32) -> int:
    start, stop, step = triples.T.astype(np.int64)
    return int(((stop - start + step - 1) // step).max(initial=0))


def _divisors(op: str, name: str, divisors: I32, windows: int) -> I32:
    divisors = checked_array(op, name, divisors, np.int32, 1)
    if divisors.size != windows or (divisors < 1).any():
        fail(op, f"{name} must hold a divisor >= 1 for each of the {windows} windows",
             **{name: divisors})  # fmt: skip
    return divisors
