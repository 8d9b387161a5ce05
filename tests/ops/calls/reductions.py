"""Calls of reductions and of what is made of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from ops.calls.draw import UNKNOWN, Call, Draw, calls_of
from scipy import special

REDUCTIONS: dict[str, Any] = {
    "sum": np.sum,
    "mean": np.mean,
    "amax": np.amax,
    "amin": np.amin,
    "any": np.any,
    "all": np.all,
    "logsumexp": lambda x, **kw: np.log(np.sum(np.exp(x), **kw)),
}


@calls_of(*REDUCTIONS)
def reduction(d: Draw) -> Call:
    """One dim, several, or all; with and without keepdim."""
    x = d.any_array(min_size=0 if d.name in ("sum", "any", "all") else 1)
    dims, keepdim = d.dims(x.ndim), d.bool()
    expected = REDUCTIONS[d.name](x, axis=dims, keepdims=keepdim)
    return Call((x, dims, keepdim), {}, expected)


@calls_of("var", "std")
def spread(d: Draw) -> Call:
    """With and without Bessel's correction."""
    x = d.any_array(min_dims=1, min_size=2)
    dims, keepdim, correction = d.dims(x.ndim), d.bool(), d.one_of(0, 1)
    expected = getattr(np, d.name)(x, axis=dims, keepdims=keepdim, ddof=correction)
    return Call((x, dims, correction, keepdim), {}, expected)


@calls_of("prod")
def prod(d: Draw) -> Call:
    """Also with zeros among the factors."""
    x = d.any_array()
    if x.size and d.bool():
        x = x.copy()
        x[(0,) * x.ndim] = 0
    dim = d.one_of(None, *range(-x.ndim, x.ndim))
    return Call((x, dim), {}, np.prod(x, axis=dim))


@calls_of("cumsum", "cumprod")
def cumulative(d: Draw) -> Call:
    """Along any dim, also with zeros."""
    x = d.any_array(min_dims=1)
    if d.bool():
        x = np.where(d.bools(x.shape), x, 0)
    dim = d.dim(x.ndim)
    return Call((x, dim), {}, getattr(np, d.name)(x, dim))


@calls_of("recurrence")
def recurrence(d: Draw) -> Call:
    """Along any dim; the first factor does not count."""
    x = d.any_array(min_dims=1)
    factor, dim = d.array(x.shape), d.dim(x.ndim)
    expected = x.copy()
    rows, factors = np.moveaxis(expected, dim, 0), np.moveaxis(factor, dim, 0)
    for i in range(1, len(rows)):
        rows[i] = rows[i] + factors[i] * rows[i - 1]
    return Call((x, factor, dim), {}, expected)


@calls_of("argmax", "argmin")
def arg(d: Draw) -> Call:
    """Along a dim or in the flattened array."""
    x = d.any_array(min_size=1)
    dim = d.one_of(None, *range(-x.ndim, x.ndim))
    return Call((x, dim), {}, getattr(np, d.name)(x, dim))


@calls_of("argsort")
def argsort(d: Draw) -> Call:
    """Both directions; there are no ties."""
    x, descending = d.any_array(min_dims=1), d.bool()
    dim = d.dim(x.ndim)
    expected = np.argsort(-x if descending else x, axis=dim)
    return Call((x, dim, descending), {}, expected)


@calls_of("sum_to_size")
def sum_to_size(d: Draw) -> Call:
    """To a shape that broadcasts to the input's."""
    x = d.any_array()
    size = tuple(1 if d.bool() else n for n in x.shape[d.int(0, x.ndim) :])
    extra = x.ndim - len(size)
    y = x.sum(tuple(range(extra)))
    kept = tuple(i for i, n in enumerate(size) if n == 1)
    return Call((x, size), {}, y.sum(kept, keepdims=True) if kept else y)


@calls_of("softmax", "log_softmax")
def softmax(d: Draw) -> Call:
    """Along any dim, large values too."""
    x = np.asarray(d.any_array(-3, 3, min_size=1) * d.one_of(1, 100))
    dim = d.dim(x.ndim)
    return Call((x, dim), {}, getattr(special, d.name)(x, axis=dim))


@calls_of("batch_norm")
def batch_norm(d: Draw) -> Call:
    """Training and evaluation, with and without weight and bias."""
    x = d.array((3, 2, *d.shape(max_dims=2, min_size=1)))
    # Channels that are nearly constant have gradients which cancel to nothing: no float32 has them.
    x += 5.0 * np.arange(3).reshape(3, *(1,) * (x.ndim - 1))
    mean, var = d.array((2,)), d.array((2,), 0.5, 2)
    weight, bias = (d.array((2,)), d.array((2,))) if d.bool() else (None, None)
    training = d.bool()
    axes = (0, *range(2, x.ndim))
    column = (1, 2, *(1,) * (x.ndim - 2))
    center = x.mean(axes) if training else mean
    scale = 1 / np.sqrt((x.var(axes) if training else var) + 1e-5)
    expected = (x - center.reshape(column)) * scale.reshape(column)
    if weight is not None and bias is not None:
        expected = expected * weight.reshape(column) + bias.reshape(column)
    return Call((x, mean, var, weight, bias, training), {}, expected)


@calls_of("layer_norm")
def layer_norm(d: Draw) -> Call:
    """Over one or two last dims."""
    x = d.array((2, 3, 4))
    shape = d.one_of((4,), (3, 4))
    weight = d.array(shape) if d.bool() else None
    bias = d.array(shape) if d.bool() else None
    axes = tuple(range(-len(shape), 0))
    y = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)
    y = y * (1 if weight is None else weight) + (0 if bias is None else bias)
    return Call((x, shape, weight, bias), {}, y)


@calls_of("dropout")
def dropout(d: Draw) -> Call:
    """The mask is the same for every call of a test, which seeds the generator."""
    x, training = d.any_array(), d.bool()
    return Call((x, 0.3, training), {}, UNKNOWN if training else x)


@calls_of("vector_norm")
def vector_norm(d: Draw) -> Call:
    """Orders of every kind; a norm of zeros has gradient 0."""
    x = d.any_array(0.3, 2, min_size=1) * np.where(d.bool(), 1, -1)
    order, dims, keepdim = d.one_of(0, 0.5, 1, 2, 3, np.inf, -np.inf, -1), d.dims(x.ndim), d.bool()
    size, how = np.abs(x), {"axis": dims, "keepdims": keepdim}
    if np.isinf(order):
        expected = np.max(size, **how) if order > 0 else np.min(size, **how)
    elif order == 0:
        expected = np.sum(size != 0, **how).astype(float)
    else:
        expected = np.sum(size**order, **how) ** (1 / order)
    return Call((x, order, dims, keepdim), {}, expected)
