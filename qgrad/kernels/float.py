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

from .checks import checked_array, checked_bias, fail, strided
from .extension import core
from .float_functions import BINARY_F32, UNARY_F32

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F32 = NDArray[np.float32]
    I32 = NDArray[np.int32]


__all__ = [
    "add_rows_f32",
    "affine_f32",
    "batch_norm_grads_f32",
    "batch_norm_stats_f32",
    "binary_f32",
    "gather_f32",
    "layer_norm_f32",
    "layer_norm_grads_f32",
    "linear_f32",
    "linear_grads_f32",
    "log_softmax_f32",
    "matmul_f32",
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


def matmul_f32(a: F32, b: F32) -> F32:
    """Matrix product of a[..., M, K] and b[..., K, N], batch dimensions broadcast.

    Example: `matmul_f32(x, w.T)`; a transposed view costs nothing extra.
    """
    a, b = strided("matmul", "a", a), strided("matmul", "b", b)
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
    x, w = strided("linear", "x", x), strided("linear", "weight", w)
    if x.ndim < 1 or w.ndim != 2 or x.shape[-1] != w.shape[1]:
        fail("linear", "needs x[..., K] and weight[N, K] with one K", x=x, weight=w)
    bias = checked_bias("linear", bias, w.shape[0])
    if core is None:
        return reference.linear_f32(x, w, bias)
    if x.ndim == 2:
        return core.linear_f32(x, w, bias)
    rows = x.reshape(int(np.prod(x.shape[:-1])), x.shape[-1])
    return core.linear_f32(rows, w, bias).reshape(*x.shape[:-1], w.shape[0])


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
    g, x = strided("linear_grads", "g", g), strided("linear_grads", "x", x)
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
        checked_bias(op, term, size, name)
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
