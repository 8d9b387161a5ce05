"""The door to the float32 kernels: arrays in, arrays out, checked here and trusted inside.

Each function's formula stands in `float_reference`, under the same name. Arguments may have any
strides and may be empty; results are new C-contiguous arrays. A wrong dtype raises DTypeError,
sizes that do not fit ShapeError, an unknown function name or parameter ValueError.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ..errors import DTypeError, ShapeError
from . import float_reference as reference
from .float_functions import BINARY_F32, UNARY_F32

__all__ = [
    "affine_f32",
    "avg_pool_f32",
    "binary_f32",
    "conv2d_f32",
    "layer_norm_f32",
    "linear_f32",
    "log_softmax_f32",
    "matmul_f32",
    "max_pool_f32",
    "reduce_f32",
    "softmax_f32",
    "unary_f32",
]

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
_FLOAT32 = np.dtype(np.float32)
REDUCE_F32 = ("sum", "mean", "amax")


def _show(x: Any) -> str:
    """What an error says of an argument: `float32[2, 3]`."""
    return f"{x.dtype}{list(x.shape)}" if isinstance(x, np.ndarray) else type(x).__name__


def _check_dtype(op: str, name: str, x: Any) -> None:
    if not (isinstance(x, np.ndarray) and x.dtype == _FLOAT32):
        raise DTypeError(f"{op}: {name} must be a float32 array, got {_show(x)}; use .astype()")


def _fail(op: str, rule: str, **arrays: Any) -> NoReturn:
    shown = ", ".join(f"{name} {_show(x)}" for name, x in arrays.items() if x is not None)
    raise ShapeError(f"{op}: {rule} ({shown})")


def matmul_f32(a: F32, b: F32) -> F32:
    """Matrix product of a[..., M, K] and b[..., K, N], batch dimensions broadcast.

    Example: `matmul_f32(x, w.T)`; a transposed view costs nothing extra.
    """
    _check_dtype("matmul", "a", a)
    _check_dtype("matmul", "b", b)
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
        _fail("matmul", "needs a[..., M, K] and b[..., K, N] with one K", a=a, b=b)
    try:
        np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        _fail("matmul", "the batch dimensions do not broadcast", a=a, b=b)
    return reference.matmul_f32(a, b)


def linear_f32(x: F32, w: F32, bias: F32 | None = None) -> F32:
    """x[..., K] times w[N, K] transposed, plus bias[N]."""
    _check_dtype("linear", "x", x)
    _check_dtype("linear", "weight", w)
    if x.ndim < 1 or w.ndim != 2 or x.shape[-1] != w.shape[1]:
        _fail("linear", "needs x[..., K] and weight[N, K] with one K", x=x, weight=w)
    _check_bias("linear", bias, w.shape[0])
    return reference.linear_f32(x, w, bias)


def _check_bias(op: str, bias: F32 | None, size: int) -> None:
    if bias is not None:
        _check_dtype(op, "bias", bias)
        if bias.shape != (size,):
            _fail(op, f"needs bias[{size}], one value for each output channel", bias=bias)


def conv2d_f32(
    x: F32,
    w: F32,
    bias: F32 | None = None,
    *,
    stride: tuple[int, int] = (1, 1),
    pads: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
) -> F32:
    """Convolution of x[B, C, H, W] with w[O, C/groups, KH, KW]; pads = top, bottom, left, right."""
    _check_dtype("conv2d", "x", x)
    _check_dtype("conv2d", "weight", w)
    if x.ndim != 4 or w.ndim != 4:
        _fail("conv2d", "needs x[B, C, H, W] and weight[O, C/groups, KH, KW]", x=x, weight=w)
    if groups < 1 or min(*stride, *dilation) < 1 or min(pads) < 0:
        _fail(
            "conv2d",
            f"needs stride, dilation, groups >= 1 and pads >= 0, got stride {stride}, "
            f"dilation {dilation}, groups {groups}, pads {pads}",
            x=x,
        )
    if x.shape[1] != w.shape[1] * groups or w.shape[0] % groups:
        _fail(
            "conv2d",
            f"with groups {groups}, weight wants {w.shape[1] * groups} channels and a multiple of "
            f"{groups} outputs; x has {x.shape[1]} channels",
            x=x,
            weight=w,
        )
    _check_bias("conv2d", bias, w.shape[0])
    for axis in (0, 1):
        reach = dilation[axis] * (w.shape[2 + axis] - 1) + 1
        room = x.shape[2 + axis] + pads[2 * axis] + pads[2 * axis + 1]
        if w.shape[2 + axis] < 1 or reach > room:
            _fail("conv2d", f"the kernel spans {reach} of {room} padded pixels", x=x, weight=w)
    return reference.conv2d_f32(
        x, w, bias, stride=stride, pads=pads, dilation=dilation, groups=groups
    )


def unary_f32(fn: str, x: F32, **params: float) -> F32:
    """`fn` of each element, `fn` one of `UNARY_F32` (relu, gelu, exp, ...), with its parameters.

    Example: `unary_f32("leaky_relu", x, negative_slope=0.1)`.
    """
    _check_dtype("unary", "x", x)
    entry = UNARY_F32.get(fn)
    if entry is None:
        raise ValueError(f"unary: {fn!r} is not one of {', '.join(UNARY_F32)}")
    for name in params:
        if name not in entry.params:
            known = ", ".join(entry.params) or "no parameters"
            raise ValueError(f"unary: {fn} has no parameter {name!r}; it takes {known}")
    return reference.unary_f32(fn, x, **params)


def binary_f32(fn: str, a: F32, b: F32) -> F32:
    """`fn` of each pair of elements, broadcast, `fn` one of `BINARY_F32` (add, mul, pow, ...)."""
    _check_dtype("binary", "a", a)
    _check_dtype("binary", "b", b)
    if fn not in BINARY_F32:
        raise ValueError(f"binary: {fn!r} is not one of {', '.join(BINARY_F32)}")
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        _fail(fn, "the shapes do not broadcast", a=a, b=b)
    return reference.binary_f32(fn, a, b)


def affine_f32(x: F32, scale: F32, shift: F32, axis: int = 1) -> F32:
    """y = x * scale + shift along `axis`, as a batch norm in eval mode computes it."""
    _check_dtype("affine", "x", x)
    _check_dtype("affine", "scale", scale)
    _check_dtype("affine", "shift", shift)
    axis = _check_axis("affine", x, axis)
    if scale.shape != (x.shape[axis],) or shift.shape != scale.shape:
        _fail("affine", f"needs scale and shift of x's axis {axis}", x=x, scale=scale, shift=shift)
    return reference.affine_f32(x, scale, shift, axis)


def _check_axis(op: str, x: F32, axis: int) -> int:
    if not -x.ndim <= axis < x.ndim:
        _fail(op, f"axis {axis} is out of range", x=x)
    return axis % x.ndim


def softmax_f32(x: F32, axis: int = -1) -> F32:
    """exp(x) / sum(exp(x)) along `axis`."""
    _check_dtype("softmax", "x", x)
    return reference.softmax_f32(x, _check_axis("softmax", x, axis))


def log_softmax_f32(x: F32, axis: int = -1) -> F32:
    """Logarithm of the softmax along `axis`, without cancellation."""
    _check_dtype("log_softmax", "x", x)
    return reference.log_softmax_f32(x, _check_axis("log_softmax", x, axis))


def layer_norm_f32(
    x: F32,
    size: int,
    weight: F32 | None = None,
    bias: F32 | None = None,
    eps: float = 1e-5,
) -> F32:
    """Normalize the last `size` elements (one or more trailing axes), then scale and shift.

    `weight` and `bias` have `size` elements in any shape.
    """
    _check_dtype("layer_norm", "x", x)
    tail = 1
    for dim in reversed(x.shape):
        if tail >= size:
            break
        tail *= dim
    if tail != size or size < 1:
        _fail("layer_norm", f"size {size} is not a product of x's last axes", x=x)
    for name, array in (("weight", weight), ("bias", bias)):
        if array is not None:
            _check_dtype("layer_norm", name, array)
            if array.size != size:
                _fail("layer_norm", f"needs {size} elements", **{name: array})
    return reference.layer_norm_f32(x, size, weight, bias, eps)


def reduce_f32(
    fn: str, x: F32, axes: Sequence[int] | int | None = None, keepdims: bool = False
) -> F32:
    """Sum, mean or amax over `axes` (None: all); a sum is taken in float64 and rounded once."""
    _check_dtype("reduce", "x", x)
    if fn not in REDUCE_F32:
        raise ValueError(f"reduce: {fn!r} is not one of {', '.join(REDUCE_F32)}")
    if axes is None:
        axes = range(x.ndim)
    elif isinstance(axes, int):
        axes = (axes,)
    checked = sorted(_check_axis(fn, x, axis) for axis in axes)
    if len(set(checked)) != len(checked):
        _fail(fn, f"axes {tuple(axes)} name one axis twice", x=x)
    if fn == "amax" and any(x.shape[axis] == 0 for axis in checked):
        _fail(fn, "an empty axis has no largest value", x=x)
    return reference.reduce_f32(fn, x, checked, keepdims)


def _check_windows(op: str, x: F32, rows: I32, cols: I32) -> None:
    _check_dtype(op, "x", x)
    if x.ndim != 4:
        _fail(op, "needs x[B, C, H, W]", x=x)
    for name, windows, size in (("rows", rows, x.shape[2]), ("cols", cols, x.shape[3])):
        if windows.ndim != 2 or windows.shape[1] != 3 or windows.dtype != np.int32:
            _fail(op, f"needs {name} int32[outputs, 3] of (start, stop, step)", **{name: windows})
        start, stop, step = windows.T
        if ((start < 0) | (start >= stop) | (stop > size) | (step < 1)).any():
            _fail(op, f"{name} holds a window that is empty or leaves x", x=x)


def max_pool_f32(x: F32, rows: I32, cols: I32) -> F32:
    """Largest value of each window of x[B, C, H, W]; rows, cols = int32 (start, stop, step)."""
    _check_windows("max_pool", x, rows, cols)
    return reference.max_pool_f32(x, rows, cols)


def avg_pool_f32(x: F32, rows: I32, cols: I32, row_div: I32, col_div: I32) -> F32:
    """Sum of each window of x[B, C, H, W] over row_div[i] * col_div[j]."""
    _check_windows("avg_pool", x, rows, cols)
    if row_div.shape != rows.shape[:1] or col_div.shape != cols.shape[:1]:
        _fail("avg_pool", "needs one divisor for each window", row_div=row_div, col_div=col_div)
    if (row_div < 1).any() or (col_div < 1).any():
        _fail("avg_pool", "divisors must be >= 1", row_div=row_div, col_div=col_div)
    return reference.avg_pool_f32(x, rows, cols, row_div, col_div)
