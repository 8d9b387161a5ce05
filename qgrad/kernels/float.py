"""The door to the float32 kernels: arrays in, arrays out, checked here and trusted inside.

Each function's formula stands in `float_reference`, under the same name. Arguments may have any
strides and may be empty; results are new C-contiguous arrays. A wrong dtype raises DTypeError,
sizes that do not fit ShapeError, an unknown function name or parameter ValueError.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import DTypeError
from .checks import checked_array, fail, show
from .convolution import Windows, conv_size
from .extension import core
from .float_functions import BINARY_F32, UNARY_F32

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F32 = NDArray[np.float32]
    I32 = NDArray[np.int32]


__all__ = [
    "add_rows_f32",
    "affine_f32",
    "avg_pool_f32",
    "batch_norm_grads_f32",
    "batch_norm_stats_f32",
    "binary_f32",
    "conv2d_dinput_by_phase_f32",
    "conv2d_dinput_f32",
    "conv2d_dweight_f32",
    "conv2d_f32",
    "gather_f32",
    "layer_norm_f32",
    "layer_norm_grads_f32",
    "linear_f32",
    "linear_grads_f32",
    "log_softmax_f32",
    "matmul_f32",
    "max_pool_dinput_f32",
    "max_pool_f32",
    "reduce_f32",
    "scatter_add_f32",
    "softmax_dinput_f32",
    "softmax_f32",
    "unary_f32",
    "where_f32",
]

# The meaning of the kernels is loaded only where it must stand in for them.
reference: Any = None if core is not None else import_module(".float_reference", __package__)

_FLOAT32, _BOOL, _INT64 = np.dtype(np.float32), np.dtype(np.bool_), np.dtype(np.int64)
_REDUCE = ("sum", "mean", "amax")
_UNARY_INDEX = {name: index for index, name in enumerate(core.unary_f32_names() if core else ())}
_BINARY_INDEX = {name: index for index, name in enumerate(core.binary_f32_names() if core else ())}


def _strided(op: str, name: str, x: Any) -> F32:
    """A float32 array with any strides that are whole elements."""
    if not isinstance(x, np.ndarray) or x.dtype != _FLOAT32:
        raise DTypeError(f"{op}: {name} must be a float32 array, got {show(x)}; use .astype()")
    flags = x.flags
    if flags.aligned and (flags.forc or all(step % 4 == 0 for step in x.strides)):
        return x
    return np.array(x, order="C")


def matmul_f32(a: F32, b: F32) -> F32:
    """Matrix product of a[..., M, K] and b[..., K, N], batch dimensions broadcast.

    Example: `matmul_f32(x, w.T)`; a transposed view costs nothing extra.
    """
    a, b = _strided("matmul", "a", a), _strided("matmul", "b", b)
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
        fail("matmul", "needs a[..., M, K] and b[..., K, N] with one K", a=a, b=b)
    if a.ndim > 2 or b.ndim > 2:
        try:
            np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        except ValueError:
            fail("matmul", "the batch dimensions do not broadcast", a=a, b=b)
    return (core or reference).matmul_f32(a, b)


def linear_f32(x: F32, w: F32, bias: F32 | None = None) -> F32:
    """x[..., K] times w[N, K] transposed, plus bias[N]."""
    x, w = _strided("linear", "x", x), _strided("linear", "weight", w)
    if x.ndim < 1 or w.ndim != 2 or x.shape[-1] != w.shape[1]:
        fail("linear", "needs x[..., K] and weight[N, K] with one K", x=x, weight=w)
    bias = _checked_bias("linear", bias, w.shape[0])
    if core is None:
        return reference.linear_f32(x, w, bias)
    if x.ndim == 2:
        return core.linear_f32(x, w, bias)
    rows = x.reshape(int(np.prod(x.shape[:-1])), x.shape[-1])
    return core.linear_f32(rows, w, bias).reshape(*x.shape[:-1], w.shape[0])


def _checked_bias(op: str, bias: F32 | None, size: int, name: str = "bias") -> F32 | None:
    if bias is None:
        return None
    if bias.shape != (size,):
        fail(op, f"needs {name}[{size}], one value for each channel", **{name: bias})
    return checked_array(op, name, bias, _FLOAT32)


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
    bias = _checked_bias("conv2d", bias, w.shape[0])
    if out is None:
        return (core or reference).conv2d_f32(
            x, w, bias, stride=stride, pads=pads, dilation=dilation, groups=groups
        )
    shape = (len(x), w.shape[0], *conv_size(x.shape[2:], w.shape[2:], how))
    if _strided("conv2d", "out", out) is not out or out.shape != shape:
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


def unary_f32(fn: str, x: F32, **params: float) -> F32:
    """`fn` of each element, `fn` one of `UNARY_F32` (relu, gelu, exp, ...), with its parameters.

    Example: `unary_f32("leaky_relu", x, negative_slope=0.1)`.
    """
    x = checked_array("unary", "x", x, _FLOAT32)
    entry = UNARY_F32.get(fn)
    if entry is None:
        raise ValueError(f"unary: {fn!r} is not one of {', '.join(UNARY_F32)}")
    for name in params:
        if name not in entry.params:
            known = ", ".join(entry.params) or "no parameters"
            raise ValueError(f"unary: {fn} has no parameter {name!r}; it takes {known}")
    if core is None:
        return reference.unary_f32(fn, x, **params)
    if not entry.params:
        return core.unary_f32(_UNARY_INDEX[fn], x)
    return core.unary_f32(_UNARY_INDEX[fn], x, *(entry.params | params).values())


def binary_f32(fn: str, a: F32, b: F32) -> F32:
    """`fn` of each pair of elements, broadcast, `fn` one of `BINARY_F32` (add, mul, pow, ...)."""
    a = checked_array("binary", "a", a, _FLOAT32)
    b = checked_array("binary", "b", b, _FLOAT32)
    if fn not in BINARY_F32:
        raise ValueError(f"binary: {fn!r} is not one of {', '.join(BINARY_F32)}")
    if a.shape != b.shape:
        try:
            np.broadcast_shapes(a.shape, b.shape)
        except ValueError:
            fail(fn, "the shapes do not broadcast", a=a, b=b)
    if core is None:
        return reference.binary_f32(fn, a, b)
    return core.binary_f32(_BINARY_INDEX[fn], a, b)


def where_f32(condition: NDArray[np.bool_], a: F32, b: F32) -> F32:
    """`a` where `condition`, else `b`; each has the shape of `condition`, or one element."""
    condition = checked_array("where", "condition", condition, _BOOL)
    a = checked_array("where", "a", a, _FLOAT32)
    b = checked_array("where", "b", b, _FLOAT32)
    for name, x in (("a", a), ("b", b)):
        if x.size != 1 and x.shape != condition.shape:
            fail("where", f"needs {name} of condition's shape", condition=condition, **{name: x})
    return (core or reference).where_f32(condition, a, b)


def add_rows_f32(g: F32, rows: NDArray[np.int64], count: int) -> F32:
    """y[count, width] with y[rows[i]] += g[i] for i ascending, from zeros; rows in [0, count)."""
    g = checked_array("add_rows", "g", g, _FLOAT32, 2)
    rows = checked_array("add_rows", "rows", rows, _INT64, 1)
    if len(rows) != len(g):
        fail("add_rows", "needs one row number for each row of g", g=g, rows=rows)
    if count < 0 or (rows.size and (rows.min() < 0 or rows.max() >= count)):
        raise IndexError(f"add_rows: row numbers must be in [0, {count})")
    return (core or reference).add_rows_f32(g, rows, count)


def gather_f32(x: F32, places: NDArray[np.int64], axis: int) -> F32:
    """The elements of `x` at `places`, in [0, size), along `axis`; other dims are the same."""
    x = checked_array("gather", "x", x, _FLOAT32)
    axis, places = _checked_places("gather", "x", x, places, axis, x.shape[axis])
    return (core or reference).gather_f32(x, places, axis)


def scatter_add_f32(g: F32, places: NDArray[np.int64], axis: int, size: int) -> F32:
    """Zeros, `size` along `axis`, to which `g` is added at `places`: the transpose of gather."""
    g = checked_array("scatter_add", "g", g, _FLOAT32)
    axis, places = _checked_places("scatter_add", "g", g, places, axis, size)
    if g.shape != places.shape:
        fail("scatter_add", "needs one place for each element of g", g=g, places=places)
    return (core or reference).scatter_add_f32(g, places, axis, size)


def _checked_places(
    op: str, name: str, x: F32, places: NDArray[np.int64], axis: int, size: int
) -> tuple[int, NDArray[np.int64]]:
    axis = _checked_axis(op, x, axis)
    places = checked_array(op, "places", places, _INT64, x.ndim)
    if any(n != m for i, (n, m) in enumerate(zip(x.shape, places.shape)) if i != axis):  # noqa: B905
        fail(op, f"needs places of {name}'s shape beside axis {axis}", **{name: x}, places=places)
    if size < 0 or (places.size and (places.min() < 0 or places.max() >= size)):
        raise IndexError(f"{op}: places must be in [0, {size})")
    return axis, places


def linear_grads_f32(g: F32, x: F32) -> tuple[F32, F32]:
    """Gradients of `linear_f32` for its weight[N, K] and bias[N].

    From that of its result, g[M, N], and x[M, K]; the bias's is a float64 sum, rounded once.
    """
    g, x = _strided("linear_grads", "g", g), _strided("linear_grads", "x", x)
    if g.ndim != 2 or x.ndim != 2 or len(g) != len(x):
        fail("linear_grads", "needs g[M, N] and x[M, K] with one M", g=g, x=x)
    return (core or reference).linear_grads_f32(g, x)


def affine_f32(x: F32, scale: F32, shift: F32, axis: int = 1) -> F32:
    """y = x * scale + shift along `axis`, as a batch norm in eval mode computes it."""
    x = checked_array("affine", "x", x, _FLOAT32)
    scale = checked_array("affine", "scale", scale, _FLOAT32)
    shift = checked_array("affine", "shift", shift, _FLOAT32)
    axis = _checked_axis("affine", x, axis)
    if scale.shape != (x.shape[axis],) or shift.shape != scale.shape:
        fail("affine", f"needs scale and shift of x's axis {axis}", x=x, scale=scale, shift=shift)
    return (core or reference).affine_f32(x, scale, shift, axis)


def _checked_axis(op: str, x: F32, axis: int) -> int:
    if not -x.ndim <= axis < x.ndim:
        fail(op, f"axis {axis} is out of range", x=x)
    return axis % x.ndim


def softmax_f32(x: F32, axis: int = -1) -> F32:
    """exp(x) / sum(exp(x)) along `axis`."""
    x = checked_array("softmax", "x", x, _FLOAT32)
    axis = _checked_axis("softmax", x, axis)
    return reference.softmax_f32(x, axis) if core is None else core.softmax_f32(x, axis, False)


def softmax_dinput_f32(g: F32, y: F32) -> F32:
    """The gradient of a softmax along the last axis: y * (g - sum(g * y)).

    `y` is its result and `g` that one's gradient.
    """
    op = "softmax_dinput"
    g, y = checked_array(op, "g", g, _FLOAT32), checked_array(op, "y", y, _FLOAT32)
    if g.shape != y.shape or not y.ndim:
        fail(op, "needs g and y of one shape, with an axis", g=g, y=y)
    return (core or reference).softmax_dinput_f32(g, y)


def log_softmax_f32(x: F32, axis: int = -1) -> F32:
    """Logarithm of the softmax along `axis`, without cancellation."""
    x = checked_array("log_softmax", "x", x, _FLOAT32)
    axis = _checked_axis("log_softmax", x, axis)
    return reference.log_softmax_f32(x, axis) if core is None else core.softmax_f32(x, axis, True)


def batch_norm_stats_f32(x: F32) -> tuple[F32, F32]:
    """Mean and variance (over the count) of each channel of x[B, C, ...], in float64."""
    x = checked_array("batch_norm_stats", "x", x, _FLOAT32)
    _check_channels("batch_norm_stats", x)
    return (core or reference).batch_norm_stats_f32(x)


def batch_norm_grads_f32(
    g: F32, x: F32, mean: F32, inverse: F32, weight: F32 | None = None
) -> tuple[F32, F32, F32]:
    """Gradients (dx, dweight, dbias) of a batch norm in training, g being that of its result.

    `mean` and `inverse` = 1 / sqrt(var + eps) are those of the batch x[B, C, ...].
    """
    op = "batch_norm_grads"
    g, x = checked_array(op, "g", g, _FLOAT32), checked_array(op, "x", x, _FLOAT32)
    _check_channels(op, x)
    if g.shape != x.shape:
        fail(op, "needs g and x of one shape", g=g, x=x)
    size = x.shape[1]
    terms = [
        _checked_bias(op, term, size, name)
        for name, term in (("mean", mean), ("inverse", inverse), ("weight", weight))
    ]
    return (core or reference).batch_norm_grads_f32(g, x, *terms)


def _check_channels(op: str, x: F32) -> None:
    if x.ndim < 2 or x.size == 0:
        fail(op, "needs x[B, C, ...] that is not empty", x=x)


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
    x = checked_array("layer_norm", "x", x, _FLOAT32)
    _check_rows("layer_norm", x, size)
    terms = [
        _checked_term(name, array, size) for name, array in (("weight", weight), ("bias", bias))
    ]
    return (core or reference).layer_norm_f32(x, size, *terms, float(eps))


def layer_norm_grads_f32(
    g: F32,
    x: F32,
    size: int,
    weight: F32 | None = None,
    eps: float = 1e-5,
) -> tuple[F32, F32, F32]:
    """Gradients (dx, dweight, dbias) of `layer_norm_f32`, g being that of its result.

    dweight and dbias are flat, of `size` elements.
    """
    op = "layer_norm_grads"
    g, x = checked_array(op, "g", g, _FLOAT32), checked_array(op, "x", x, _FLOAT32)
    _check_rows(op, x, size)
    if g.shape != x.shape:
        fail(op, "needs g and x of one shape", g=g, x=x)
    weight = _checked_term("weight", weight, size)
    return (core or reference).layer_norm_grads_f32(g, x, size, weight, float(eps))


def _check_rows(op: str, x: F32, size: int) -> None:
    tail = 1
    for dim in reversed(x.shape):
        if tail >= size:
            break
        tail *= dim
    if tail != size or size < 1:
        fail(op, f"size {size} is not a product of x's last axes", x=x)


def _checked_term(name: str, array: F32 | None, size: int) -> F32 | None:
    if array is None:
        return None
    if array.size != size:
        fail("layer_norm", f"needs {size} elements", **{name: array})
    return checked_array("layer_norm", name, array, _FLOAT32)


def reduce_f32(
    fn: str, x: F32, axes: Sequence[int] | int | None = None, keepdims: bool = False
) -> F32:
    """Sum, mean or amax over `axes` (None: all); a sum is taken in float64 and rounded once."""
    if fn == "sum" and axes is None and core is not None and not keepdims:  # the sum of a loss
        x = checked_array("reduce", "x", x, _FLOAT32)
        return core.reduce_f32(0, x, [True] * x.ndim)
    x = checked_array("reduce", "x", x, _FLOAT32)
    if fn not in _REDUCE:
        raise ValueError(f"reduce: {fn!r} is not one of {', '.join(_REDUCE)}")
    if axes is None:
        axes = range(x.ndim)
    elif isinstance(axes, int):
        axes = (axes,)
    checked = sorted(_checked_axis(fn, x, axis) for axis in axes)
    if len(set(checked)) != len(checked):
        fail(fn, f"axes {tuple(axes)} name one axis twice", x=x)
    if fn == "amax" and any(x.shape[axis] == 0 for axis in checked):
        fail(fn, "an empty axis has no largest value", x=x)
    if core is None:
        return reference.reduce_f32(fn, x, checked, keepdims)
    y = core.reduce_f32(_REDUCE.index(fn), x, [axis in checked for axis in range(x.ndim)])
    if keepdims:
        return y.reshape([1 if axis in checked else n for axis, n in enumerate(x.shape)])
    return y


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
