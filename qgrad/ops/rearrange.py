"""Elements shifted, repeated, and seen through windows; diagonals; elements picked by masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qgrad.errors import ShapeError
from qgrad.ops.arithmetic import where as choose
from qgrad.ops.composed import repeat, unbind
from qgrad.ops.indexing import diagonal as diagonal_of
from qgrad.ops.indexing import getitem, put_diagonal
from qgrad.ops.op import Value, op
from qgrad.ops.shape import clone, expand, identity, normalize_dim, reshape, transpose

__all__ = [
    "argwhere",
    "diag",
    "fold_windows",
    "masked_select",
    "nonzero",
    "roll",
    "t",
    "tile",
    "unfold",
]


@op()
def roll(
    input: Value, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None
) -> Value:
    """Elements moved by `shifts` along `dims`, those that leave at one end enter at the other.

    Without `dims` the flattened tensor is rolled.
    """
    if dims is None or dims in ((), []):
        if not isinstance(shifts, int) and len(shifts) != 1:
            raise ValueError(f"{len(shifts)} shifts, but no dims")
        return np.roll(input, shifts if isinstance(shifts, int) else shifts[0])
    steps = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    axes = (dims,) if isinstance(dims, int) else tuple(dims)
    if len(steps) != len(axes):
        raise ValueError(f"{len(steps)} shifts for {len(axes)} dims")
    if input.ndim == 0:
        return input.copy()
    return np.roll(input, steps, tuple(normalize_dim(axis, input.ndim) for axis in axes))


@roll.rule("input")
def roll_dinput(g: Value, shifts: Any, dims: Any) -> Value:
    back = -shifts if isinstance(shifts, int) else tuple(-step for step in shifts)
    return roll(g, back, dims)


@op(view=True)
def unfold(input: Value, dimension: int, size: int, step: int) -> Value:
    """All windows of `size` elements, `step` apart, along a dim; a new last dim holds them."""
    axis = normalize_dim(dimension, input.ndim)
    length = input.shape[axis] if input.ndim else 1
    if not 0 <= size <= length or step < 1:
        raise ValueError(
            f"size must be in [0, {length}] and step at least 1, got size {size}, step {step}"
        )
    if input.ndim == 0:
        return input.reshape(1)[:size]
    shape, strides = list(input.shape), list(input.strides)
    shape[axis], strides[axis] = (length - size) // step + 1, strides[axis] * step
    return np.lib.stride_tricks.as_strided(input, (*shape, size), (*strides, input.strides[axis]))


@unfold.rule("input")
def unfold_dinput(
    g: Value, input_shape: tuple[int, ...], dimension: int, size: int, step: int
) -> Value:
    return fold_windows(g, input_shape, dimension, step)


@op()
def fold_windows(input: Value, shape: tuple[int, ...], dimension: int, step: int) -> Value:
    """Zeros of `shape` to which windows are added: the transpose of unfold."""
    y = np.zeros(shape, input.dtype)
    if not shape:
        return np.asarray(input.sum(dtype=input.dtype))
    axis = normalize_dim(dimension, len(shape))
    rows, windows = np.moveaxis(y, axis, 0), np.moveaxis(input, axis, 0)
    count = len(windows)
    for i in range(input.shape[-1]):
        rows[i : i + (count - 1) * step + 1 : step] += windows[..., i]
    return y


@fold_windows.rule("input")
def fold_windows_dinput(g: Value, input_shape: tuple[int, ...], dimension: int, step: int) -> Value:
    return unfold(g, dimension, input_shape[-1], step)


@op(onnx="NonZero")
def argwhere(input: Value) -> Value:
    """The indices of the elements that are not 0, one row for each."""
    return np.argwhere(input)


def nonzero(input: Value, *, as_tuple: bool = False) -> Any:
    """The indices of the elements that are not 0: a row for each, or a tuple of one tensor a dim.

    The tuple is an index: x[x.nonzero(as_tuple=True)] are the elements.
    """
    if not as_tuple:
        return argwhere(input)
    return unbind(argwhere(input if input.ndim else reshape(input, (1,))), 1)


def where(condition: Value, *values: Value, **named: Any) -> Any:
    """`input` where `condition` is true, else `other`; without them the indices where it is true.

    >>> qgrad.where(qgrad.tensor([False, True, True]))
    (tensor([1, 2]),)
    """
    if not values and not named:
        return nonzero(condition, as_tuple=True)
    return choose(condition, *values, **named)


def tile(input: Value, *dims: Any) -> Value:
    """`input` repeated dims[i] times along dim i; missing dims count as 1, in front."""
    counts = tuple(dims[0]) if dims and isinstance(dims[0], (tuple, list)) else tuple(dims)
    return repeat(input, (1,) * (input.ndim - len(counts)) + counts)


def t(input: Value) -> Value:
    """A matrix transposed; a vector or number itself."""
    if input.ndim > 2:
        raise ShapeError(f"t: needs at most 2 dims, got {list(input.shape)}; use transpose")
    return transpose(input, 0, 1) if input.ndim == 2 else identity(input)


def diag(input: Value, diagonal: int = 0) -> Value:
    """A vector as the diagonal of a square matrix, or a copy of the diagonal of a matrix."""
    if input.ndim == 2:
        return clone(diagonal_of(input, diagonal))
    if input.ndim != 1:
        raise ShapeError(f"diag: needs 1 or 2 dims, got {list(input.shape)}; use diagonal")
    n = input.shape[0] + abs(diagonal)
    return put_diagonal(input, (n, n), diagonal, 0, 1)


def masked_select(input: Value, mask: Value) -> Value:
    """The elements where `mask` is true, in a vector; the two are broadcast."""
    try:
        shape = np.broadcast_shapes(tuple(input.shape), tuple(mask.shape))
    except ValueError:
        raise ShapeError(
            f"masked_select: input {list(input.shape)} and mask {list(mask.shape)} do not broadcast"
        ) from None
    return getitem(expand(input, shape), expand(mask, shape))
