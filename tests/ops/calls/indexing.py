"""Calls of ops that pick elements."""

from __future__ import annotations

from typing import Any

import numpy as np
from ops.calls.draw import Array, Call, Draw, calls_of

from qgrad import ops


def basic_index(d: Draw, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Ints, slices, None and Ellipsis."""
    index: list[Any] = []
    for n in shape[: d.int(0, len(shape))]:
        kind = d.one_of("int", "slice", "step", "new")
        if kind == "int" and n:
            index.append(d.int(-n, n - 1))
        elif kind == "step":
            index.append(slice(d.int(0, n), None, d.int(1, 2)))
        elif kind == "new":
            index.extend([None, slice(None)])
        else:
            index.append(slice(d.int(-n - 1, n), d.int(-n - 1, n + 1)))
    if d.bool():
        index.append(Ellipsis)
    return tuple(index)


def any_index(d: Draw, shape: tuple[int, ...]) -> Any:
    """A basic index, a mask, integer arrays, or one of these after an integer."""
    kind = d.one_of("basic", "mask", "integers", "mixed")
    if kind == "basic" or not shape or 0 in shape:
        return basic_index(d, shape)
    if kind == "mask":
        return d.bools(shape[: d.int(1, len(shape))])
    picked = d.ints(d.shape(max_dims=2), -shape[0], shape[0])
    if kind == "integers" or len(shape) == 1:
        return picked
    return (picked, slice(None, 1))


@calls_of("getitem")
def getitem(d: Draw) -> Call:
    """Every kind of index."""
    x = d.any_array()
    index = any_index(d, x.shape)
    return Call((x, index), {}, x[index])


@calls_of("put_zeros")
def put_zeros(d: Draw) -> Call:
    """Every kind of index; repeated places add up."""
    shape = d.shape()
    index = any_index(d, shape)
    x = d.array(np.zeros(shape)[index].shape)
    expected = np.zeros(shape)
    np.add.at(expected, index, x)
    return Call((x, shape, index), {}, expected)


@calls_of("setitem")
def setitem(d: Draw) -> Call:
    """Every index that names no place twice; the value is broadcast."""
    x = d.any_array()
    index = basic_index(d, x.shape) if d.bool() or not x.shape else d.bools(x.shape)
    value = d.array(x[index].shape) if d.bool() else d.array(())
    expected = x.copy()
    expected[index] = value
    return Call((x, index, value), {}, expected)


@calls_of("overwrite")
def overwrite(d: Draw) -> Call:
    """A transposed view and a part."""

    x = d.array((3, 4))
    view, args = d.one_of((ops.transpose, (0, 1)), (ops.getitem, (slice(1, 3),)))
    shape = (4, 3) if view is ops.transpose else (2, 4)
    value = d.array(shape)
    expected = x.copy()
    (expected.T if view is ops.transpose else expected[1:3])[...] = value
    return Call((x, value, view, args), {}, expected)


def gather_case(d: Draw) -> tuple[tuple[int, ...], int, Array]:
    """A shape, a dim and an index array that fits."""
    shape = d.shape(min_dims=1, min_size=1)
    dim = d.dim(len(shape))
    sizes = [d.int(0, n) for n in shape]
    sizes[dim] = d.int(0, 5)
    return shape, dim, d.ints(tuple(sizes), 0, shape[dim])


def on_part(shape: tuple[int, ...], like: Array, dim: int) -> tuple[slice, ...]:
    """The part of `shape` that a smaller index covers in the other dims."""
    dim %= len(shape)
    return tuple(slice(None if i == dim else n) for i, n in enumerate(like.shape))


@calls_of("gather")
def gather(d: Draw) -> Call:
    """An index that may be smaller than the input."""
    shape, dim, index = gather_case(d)
    x = d.array(shape)
    expected = np.take_along_axis(x[on_part(shape, index, dim)], index, dim)
    return Call((x, dim, index), {}, expected)


@calls_of("scatter")
def scatter_once(d: Draw) -> Call:
    """Places that differ along the dim take an array; any take a number."""
    shape, dim, index = gather_case(d)
    base, source = d.array(shape), d.array(index.shape)
    index = np.sort(index, dim)
    same = np.diff(index, axis=dim, prepend=-1) == 0
    if same.any():
        source = 0.25
    expected = base.copy()
    for place in np.ndindex(index.shape):
        target = list(place)
        target[dim] = index[place]
        expected[tuple(target)] = source if same.any() else source[place]
    return Call((base, dim, index, source), {}, expected)


@calls_of("scatter_zeros", "scatter_add")
def scatter(d: Draw) -> Call:
    """Repeated places add up."""
    shape, dim, index = gather_case(d)
    source = d.array(index.shape)
    base = d.array(shape)
    added = np.zeros(shape)
    for place in np.ndindex(index.shape):
        target = list(place)
        target[dim] = index[place]
        added[tuple(target)] += source[place]
    if d.name == "scatter_zeros":
        return Call((source, shape, dim, index), {}, added)
    return Call((base, dim, index, source), {}, base + added)


@calls_of("index_select")
def index_select(d: Draw) -> Call:
    """A vector of positions along a dim."""
    x = d.any_array(min_dims=1, min_size=1)
    dim = d.dim(x.ndim)
    index = d.ints((d.int(0, 5),), 0, x.shape[dim])
    return Call((x, dim, index), {}, np.take(x, index, dim))


@calls_of("embedding")
def embedding(d: Draw) -> Call:
    """Indices of any shape."""
    weight = d.array((5, 3))
    index = d.ints(d.shape(), 0, 5)
    return Call((index, weight), {}, weight[index])


@calls_of("add_rows")
def add_rows(d: Draw) -> Call:
    """The transpose of embedding."""
    index = d.ints(d.shape(), 0, 5)
    x = d.array((*index.shape, 3))
    expected = np.zeros((5, 3))
    np.add.at(expected, index, x)
    return Call((x, index, (5, 3)), {}, expected)


@calls_of("one_hot")
def one_hot(d: Draw) -> Call:
    """A given number of classes."""
    index = d.ints(d.shape(), 0, 4)
    return Call((index, 5), {}, np.eye(5, dtype=np.int64)[index])


@calls_of("masked_fill")
def masked_fill(d: Draw) -> Call:
    """A number or a 0-d array."""
    x = d.any_array()
    mask, value = d.bools(x.shape), d.one_of(0.5, np.array(0.5))
    return Call((x, mask, value), {}, np.where(mask, 0.5, x))


@calls_of("tril", "triu")
def triangle(d: Draw) -> Call:
    """Any diagonal."""
    x, k = d.any_array(min_dims=2), d.int(-3, 3)
    return Call((x, k), {}, getattr(np, d.name)(x, k))


@calls_of("diagonal")
def diagonal(d: Draw) -> Call:
    """Any pair of dims."""
    x, k = d.array((3, 4, 2)), d.int(-1, 1)
    a, b = d.one_of((0, 1), (1, 2), (-1, 0))
    return Call((x, k, a, b), {}, np.diagonal(x, k, a, b))


@calls_of("put_diagonal")
def put_diagonal(d: Draw) -> Call:
    """The transpose of diagonal."""
    k = d.int(-1, 1)
    size = np.zeros((3, 4)).diagonal(k).size
    x = d.array((2, size))
    expected = np.zeros((3, 4, 2))
    for i in range(size):
        expected[i + max(-k, 0), i + max(k, 0)] = x[:, i]
    return Call((x, (3, 4, 2), k, 0, 1), {}, expected)
