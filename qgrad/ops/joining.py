"""Tensors put side by side, repeated, and turned round: made of other ops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qgrad.boxing import unbox
from qgrad.dtypes import bool_
from qgrad.ops.composed import narrow
from qgrad.ops.indexing import index_select
from qgrad.ops.op import Value
from qgrad.ops.shape import cat, expand, flip, normalize_dim, reshape, unsqueeze

__all__ = [
    "broadcast_tensors",
    "column_stack",
    "diff",
    "dstack",
    "fliplr",
    "flipud",
    "hstack",
    "meshgrid",
    "ravel",
    "repeat_interleave",
    "vstack",
]


def _with_dims(tensor: Value, ndim: int) -> Value:
    """With dims of length 1 until there are `ndim`, where NumPy's atleast_nd puts them."""
    if tensor.ndim == 0:
        return reshape(tensor, (1,) * ndim)
    if tensor.ndim == 1 and ndim > 1:
        tensor = unsqueeze(tensor, 0)
    return unsqueeze(tensor, 2) if tensor.ndim == 2 and ndim == 3 else tensor


def hstack(tensors: Sequence[Value]) -> Value:
    """Tensors side by side: along dim 1, vectors along dim 0."""
    parts = [_with_dims(part, 1) for part in tensors]
    return cat(parts, 0 if parts[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Value]) -> Value:
    """Tensors one below the other: along dim 0, vectors as rows."""
    return cat([_with_dims(part, 2) for part in tensors], 0)


def dstack(tensors: Sequence[Value]) -> Value:
    """Tensors one behind the other: along dim 2."""
    return cat([_with_dims(part, 3) for part in tensors], 2)


def column_stack(tensors: Sequence[Value]) -> Value:
    """Tensors side by side along dim 1, vectors as columns."""
    return cat([reshape(p, (-1, 1)) if p.ndim < 2 else p for p in tensors], 1)


def broadcast_tensors(*tensors: Value) -> tuple[Value, ...]:
    """Tensors repeated to the one shape that they broadcast to, without copying."""
    shape = np.broadcast_shapes(*(tuple(tensor.shape) for tensor in tensors))
    return tuple(expand(tensor, shape) for tensor in tensors)


def meshgrid(*tensors: Value, indexing: str = "ij") -> tuple[Value, ...]:
    """The coordinates of a grid: for each vector a tensor that varies along its own dim.

    With indexing "xy" the first two dims are swapped.
    """
    if indexing not in ("ij", "xy"):
        raise ValueError(f"meshgrid: indexing must be 'ij' or 'xy', got {indexing!r}")
    listed = len(tensors) == 1 and isinstance(tensors[0], (list, tuple))
    vectors = list(tensors[0]) if listed else list(tensors)
    places = list(range(len(vectors)))
    if indexing == "xy":
        places[:2] = places[1::-1]
    return broadcast_tensors(
        *(
            reshape(vector, tuple(-1 if i == place else 1 for i in range(len(places))))
            for place, vector in zip(places, vectors, strict=True)
        )
    )


def diff(
    input: Value, n: int = 1, dim: int = -1, prepend: Value = None, append: Value = None
) -> Value:
    """The differences of neighbours along `dim`, `n` times over."""
    ends = [part for part in (prepend, input, append) if part is not None]
    y = cat(ends, dim) if len(ends) > 1 else input
    for _ in range(n):
        count = max(y.shape[normalize_dim(dim, y.ndim)] - 1, 0)
        after = narrow(y, dim, min(1, y.shape[dim]), count)
        before = narrow(y, dim, 0, count)
        y = after ^ before if input.dtype in (np.bool_, bool_) else after - before
    return y


def ravel(input: Value) -> Value:
    """All elements in one dim."""
    return reshape(input, (-1,))


def fliplr(input: Value) -> Value:
    """Dim 1 reversed."""
    return flip(input, (1,))


def flipud(input: Value) -> Value:
    """Dim 0 reversed."""
    return flip(input, (0,))


def repeat_interleave(input: Value, repeats: Any, dim: int | None = None) -> Value:
    """Each element along `dim` `repeats` times in a row; of the flattened tensor without `dim`."""
    if dim is None:
        input, dim = reshape(input, (-1,)), 0
    size = input.shape[normalize_dim(dim, input.ndim)]
    return index_select(input, dim, np.repeat(np.arange(size), unbox(repeats)))
