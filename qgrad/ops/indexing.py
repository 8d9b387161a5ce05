"""Picking elements by index, and putting them back."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from qgrad import kernels
from qgrad.boxing import unbox
from qgrad.errors import DTypeError
from qgrad.ops.arithmetic import select, where
from qgrad.ops.elementwise import is_float32
from qgrad.ops.op import Value, op
from qgrad.ops.shape import along, normalize_dim, reshape

__all__ = [
    "diagonal",
    "embedding",
    "gather",
    "getitem",
    "index_select",
    "masked_fill",
    "one_hot",
    "scatter",
    "scatter_add",
    "setitem",
    "tril",
    "triu",
]


def _is_basic(index: Any) -> bool:
    """Whether NumPy gives a view for this index, and no element is picked twice."""
    entries = index if isinstance(index, tuple) else (index,)
    return all(
        entry is None or entry is Ellipsis or isinstance(entry, (int, slice, np.integer))
        for entry in entries
    ) and not any(isinstance(entry, bool) for entry in entries)


def _two_steps(index: Any) -> tuple[Any, Any] | None:
    """(basic index, index with arrays) for one that mixes integers and arrays; None for others.

    PyTorch takes integers first, for NumPy they are arrays: where the two stand apart, the dims of
    the result come in another order.
    """
    if not isinstance(index, tuple):
        return None
    arrays = [isinstance(i, np.ndarray) and (i.ndim > 0 or i.dtype.kind == "b") for i in index]
    integers = [
        not is_array and isinstance(i, (int, np.integer, np.ndarray)) and not isinstance(i, bool)
        for i, is_array in zip(index, arrays, strict=True)
    ]
    if not (any(arrays) and any(integers)):
        return None
    basic: list[Any] = []
    rest: list[Any] = []
    for i, is_array, is_integer in zip(index, arrays, integers, strict=True):
        if is_array:
            basic += [slice(None)] * (i.ndim if i.dtype.kind == "b" else 1)
            rest.append(i)
        else:
            basic.append(int(i) if is_integer else i)
            if not is_integer:
                rest.append(i if i is Ellipsis or isinstance(i, bool) else slice(None))
    return tuple(basic), tuple(rest)


def put(array: Value, index: Any, value: Value) -> None:
    """array[index] = value, with integers before arrays."""
    steps = _two_steps(index)
    if steps is not None:
        array, index = array[steps[0]], steps[1]
    array[index] = value


@op(onnx="Gather", view=True)
def getitem(input: Value, index: Any) -> Value:
    """input[index]: ints, slices, None, Ellipsis, bool masks and integer tensors.

    Basic indices give views, masks and integer tensors copies.
    """
    steps = _two_steps(index)
    if steps is not None:
        return input[steps[0]][steps[1]]
    y = input[index]
    if not isinstance(y, np.ndarray):  # a single element: NumPy gives a view of it only with `...`
        index = (*index, ...) if isinstance(index, tuple) else (index, ...)
        y = input[index]
    return y


class Part(NamedTuple):
    """A gradient that is zero but at `index`, where it is `value`.

    Whoever sums gradients adds it there: of many parts of one tensor (the steps of a sequence, the
    heads of a projection), each costs its own size and not that of the tensor.
    """

    value: np.ndarray[Any, Any]
    index: Any


@getitem.rule("input")
def getitem_dinput(g: Value, input_shape: tuple[int, ...], index: Any) -> Value:
    if g.__class__ is np.ndarray and _is_basic(index):
        return Part(g, index)
    return put_zeros(g, input_shape, index)


@op()
def put_zeros(input: Value, shape: tuple[int, ...], index: Any) -> Value:
    """Zeros of `shape` to which `input` is added at `index`: the transpose of getitem."""
    rows = _row_numbers(index)
    if rows is not None:
        return _add_along(input, shape, *rows)
    y = np.zeros(shape, input.dtype)
    steps = _two_steps(index)
    if steps is not None:
        np.add.at(y[steps[0]], steps[1], input)
    elif _is_basic(index):
        y[index] = input
    else:
        np.add.at(y, index, input)
    return y


def _row_numbers(index: Any) -> tuple[int, np.ndarray[Any, Any]] | None:
    """(dim, integers) of an index that takes slices of one dim by number; None for others."""
    entries = index if isinstance(index, tuple) else (index,)
    last = entries[-1] if entries else None
    if not isinstance(last, np.ndarray) or last.dtype.kind not in "iu" or not last.ndim:
        return None
    if any(not isinstance(e, slice) or e != slice(None) for e in entries[:-1]):
        return None
    return len(entries) - 1, last


def _add_along(
    input: np.ndarray[Any, Any], shape: tuple[int, ...], dim: int, rows: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """Zeros of `shape` with the slices of `input` added at the numbers `rows` along `dim`."""
    numbers = rows.reshape(-1).astype(np.int64)
    numbers = np.where(numbers < 0, numbers + shape[dim], numbers)
    front = np.moveaxis(input, range(dim, dim + rows.ndim), range(rows.ndim))
    rest = shape[:dim] + shape[dim + 1 :]
    flat = front.reshape(len(numbers), math.prod(rest))
    y = _add_rows(flat, numbers, shape[dim]).reshape(shape[dim], *rest)
    return np.ascontiguousarray(np.moveaxis(y, 0, dim))


def _add_rows(g: Any, numbers: Any, count: int) -> np.ndarray[Any, Any]:
    if is_float32(g):
        return kernels.add_rows_f32(g, numbers, count)
    y = np.zeros((count, g.shape[1]), g.dtype)
    np.add.at(y, numbers, g)
    return y


@put_zeros.rule("input")
def put_zeros_dinput(g: Value, index: Any) -> Value:
    return getitem(g, index)


@op()
def setitem(input: Value, index: Any, value: Value) -> Value:
    """A copy of `input` with `value` at `index`: what `x[index] = value` leaves in x."""
    y = input.copy()
    put(y, index, value)
    return y


@setitem.rule("input")
def setitem_dinput(g: Value, index: Any) -> Value:
    return setitem(g, index, 0.0)


@setitem.rule("value")
def setitem_dvalue(g: Value, index: Any, value_shape: tuple[int, ...]) -> Value:
    part = getitem(g, index)
    extra = len(value_shape) - part.ndim
    return reshape(part, (1,) * extra + tuple(part.shape)) if extra > 0 else part


@op(onnx="GatherElements")
def gather(input: Value, dim: int, index: Value) -> Value:
    """y[i][j][k] = input[index[i][j][k]][j][k] for dim 0, and so on for the others."""
    grid = _along(input, dim, index)
    axis = _plain_axis(input.shape, dim, index) if is_float32(input) else None
    if axis is not None:
        return kernels.gather_f32(input, index.astype(np.int64, copy=False), axis)
    return input[grid]


def _plain_axis(shape: tuple[int, ...], dim: int, index: Value) -> int | None:
    """The axis, if `index` covers all of `shape` beside it, as the kernels need it."""
    if not shape:
        return None
    axis = normalize_dim(dim, len(shape))
    beside = all(index.shape[i] == shape[i] for i in range(len(shape)) if i != axis)
    return axis if beside else None


@gather.rule("input")
def gather_dinput(g: Value, input_shape: tuple[int, ...], dim: int, index: Value) -> Value:
    return scatter_zeros(g, input_shape, dim, index)


@op()
def scatter_zeros(input: Value, shape: tuple[int, ...], dim: int, index: Value) -> Value:
    """Zeros of `shape` with `input` added at `index` along `dim`: the transpose of gather."""
    y = np.zeros(shape, input.dtype)
    grid = _along(y, dim, index)
    axis = _plain_axis(shape, dim, index) if is_float32(input) else None
    if axis is not None:
        return kernels.scatter_add_f32(input, index.astype(np.int64, copy=False), axis, shape[axis])
    # NumPy has a fast way for flat indices only.
    flat = np.ravel_multi_index(grid, shape) if y.ndim else np.zeros_like(index)
    np.add.at(y.reshape(-1), flat.reshape(-1), input.reshape(-1))
    return y


@scatter_zeros.rule("input")
def scatter_zeros_dinput(g: Value, dim: int, index: Value) -> Value:
    return gather(g, dim, index)


@op(onnx="ScatterElements", in_place=True)
def scatter_add(input: Value, dim: int, index: Value, src: Value) -> Value:
    """`input` with `src` added at `index` along `dim`."""
    if not np.can_cast(src.dtype, input.dtype, "same_kind"):
        raise DTypeError(
            f"scatter_add: src is {src.dtype}, input {input.dtype}, and values would be lost; "
            "convert one with .to()"
        )
    added = scatter_zeros.forward(
        src[tuple(slice(n) for n in index.shape)], input.shape, dim, index
    )
    return input + added.astype(input.dtype, copy=False)


@scatter_add.rule("input")
def scatter_add_dinput(g: Value) -> Value:
    return g


@scatter_add.rule("src")
def scatter_add_dsrc(g: Value, src_shape: tuple[int, ...], dim: int, index: Value) -> Value:
    picked = gather(g, dim, index)
    if tuple(index.shape) == tuple(src_shape):
        return picked
    return put_zeros(picked, src_shape, tuple(slice(n) for n in index.shape))


@op(in_place=True)
def scatter(input: Value, dim: int, index: Value, src: Value) -> Value:
    """`input` with `src`, a tensor or a number, at `index` along `dim`."""
    y = input.copy()
    if isinstance(src, np.ndarray):
        src = src[tuple(slice(n) for n in index.shape)].astype(y.dtype, copy=False)
    y[_along(y, dim, index)] = src
    return y


@scatter.rule("input")
def scatter_dinput(g: Value, dim: int, index: Value) -> Value:
    return scatter(g, dim, index, 0.0)


@scatter.rule("src")
def scatter_dsrc(g: Value, src_shape: tuple[int, ...], dim: int, index: Value) -> Value:
    return scatter_add_dsrc(g, src_shape, dim, index)


def _along(input: Value, dim: int, index: Value) -> tuple[Any, ...]:
    """The full index tuple of gather; an index is checked against the range, never wrapped."""
    if index.dtype.kind not in "iu":
        raise DTypeError(f"gather: index must hold integers, got {index.dtype}; use .long()")
    if input.ndim == 0:
        return (index.reshape(index.shape) * 0,) if index.ndim else ()
    axis = normalize_dim(dim, input.ndim)
    if index.ndim != input.ndim:
        raise ValueError(f"index has {index.ndim} dims, input {input.ndim}")
    _check_range(index, input.shape[axis], "gather")
    grid = list(np.ogrid[tuple(slice(n) for n in index.shape)])
    grid[axis] = index
    return tuple(grid)


def _check_range(index: Value, size: int, name: str) -> None:
    if index.size and (index.min() < 0 or index.max() >= size):
        bad = index.min() if index.min() < 0 else index.max()
        raise IndexError(f"{name}: index {bad} is out of range [0, {size - 1}]")


@op(onnx="Gather")
def index_select(input: Value, dim: int, index: Value) -> Value:
    """The slices of `input` at the positions `index` along `dim`."""
    if input.ndim == 0:
        return input.reshape(1)[index].reshape(())
    return input[along(normalize_dim(dim, input.ndim), np.atleast_1d(index))]


@index_select.rule("input")
def index_select_dinput(g: Value, input_shape: tuple[int, ...], dim: int, index: Value) -> Value:
    if not input_shape:
        return g
    rows = reshape(index, (-1,))
    return put_zeros(g, input_shape, along(normalize_dim(dim, len(input_shape)), rows))


@op(onnx="Gather")
def embedding(
    input: Value,
    weight: Value,
    padding_idx: int | None = None,
    scale_grad_by_freq: bool = False,
) -> Value:
    """The rows of `weight` numbered by `input`; row `padding_idx` gets no gradient.

    With `scale_grad_by_freq` the gradient of a row is divided by how often `input` names it.
    """
    if input.dtype.kind not in "iu":
        raise DTypeError(f"embedding: input must hold integers, got {input.dtype}; use .long()")
    _check_range(input, weight.shape[0], "embedding")
    return weight[input]


@embedding.rule("weight")
def embedding_dweight(
    g: Value, input: Value, weight_shape: tuple[int, ...], padding_idx: int | None,
    scale_grad_by_freq: bool,
) -> Value:  # fmt: skip
    if scale_grad_by_freq:
        index = unbox(input)
        _, place, counts = np.unique(index, return_inverse=True, return_counts=True)
        g = g / counts[place].reshape((*index.shape, 1))
    if padding_idx is not None:
        kept = input != padding_idx % weight_shape[0]
        g = g * kept.reshape((*kept.shape, 1))
    return add_rows(g, input, weight_shape)


@op()
def add_rows(input: Value, index: Value, shape: tuple[int, int]) -> Value:
    """Zeros of `shape` with the rows of `input` added at `index`: the transpose of embedding."""
    numbers = index.reshape(-1).astype(np.int64)
    return _add_rows(input.reshape(len(numbers), shape[1]), numbers, shape[0])


@add_rows.rule("input")
def add_rows_dinput(g: Value, index: Value) -> Value:
    return embedding(index, g)


@op(onnx="OneHot")
def one_hot(input: Value, num_classes: int = -1) -> Value:
    """int64 vectors with a 1 at the class; `num_classes` -1 takes the largest plus 1."""
    if input.dtype.kind not in "iu":
        raise DTypeError(f"one_hot: input must hold integers, got {input.dtype}; use .long()")
    if num_classes < 0:
        num_classes = int(input.max()) + 1
    _check_range(input, num_classes, "one_hot")
    return (input[..., None] == np.arange(num_classes)).astype(np.int64)


@op(in_place=True)
def masked_fill(input: Value, mask: Value, value: Value) -> Value:
    """`input` with `value` where `mask` is true."""
    if mask.dtype.kind != "b":
        raise DTypeError(f"masked_fill: mask must be bool, got {mask.dtype}; write x != 0")
    return select(mask, np.asarray(value).astype(input.dtype), input)


@masked_fill.rule("input")
def masked_fill_dinput(g: Value, mask: Value) -> Value:
    return where(mask, 0.0, g)


@masked_fill.rule("value")
def masked_fill_dvalue(g: Value, mask: Value) -> Value:
    return where(mask, g, 0.0)


@op(onnx="Trilu", in_place=True)
def tril(input: Value, diagonal: int = 0) -> Value:
    """The lower triangle of the last two dims, up to `diagonal`; zeros elsewhere."""
    return np.tril(input, diagonal)


@tril.rule("input")
def tril_dinput(g: Value, diagonal: int) -> Value:
    return tril(g, diagonal)


@op(onnx="Trilu", in_place=True)
def triu(input: Value, diagonal: int = 0) -> Value:
    """The upper triangle of the last two dims, from `diagonal`; zeros elsewhere."""
    return np.triu(input, diagonal)


@triu.rule("input")
def triu_dinput(g: Value, diagonal: int) -> Value:
    return triu(g, diagonal)


@op(view=True)
def diagonal(input: Value, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Value:
    """The diagonal of dims `dim1` and `dim2`, as the last dim."""
    y = np.diagonal(input, offset, dim1, dim2)
    y.flags.writeable = input.flags.writeable  # NumPy's is not, for code older than views
    return y


@diagonal.rule("input")
def diagonal_dinput(
    g: Value, input_shape: tuple[int, ...], offset: int, dim1: int, dim2: int
) -> Value:
    return put_diagonal(g, input_shape, offset, dim1, dim2)


@op()
def put_diagonal(input: Value, shape: tuple[int, ...], offset: int, dim1: int, dim2: int) -> Value:
    """Zeros of `shape` with `input` on a diagonal."""
    y = np.zeros(shape, input.dtype)
    moved = np.moveaxis(y, (dim1, dim2), (-2, -1))
    i = np.arange(input.shape[-1])
    moved[..., i + max(-offset, 0), i + max(offset, 0)] = input
    return y


@put_diagonal.rule("input")
def put_diagonal_dinput(g: Value, offset: int, dim1: int, dim2: int) -> Value:
    return diagonal(g, offset, dim1, dim2)
