"""Looking at the same codes another way: views share the storage and keep their scales."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from ..errors import ShapeError
from ..qparams import QParams
from . import channels
from .channels import dim_of
from .layout import Layout

__all__ = ["Views"]

Self = TypeVar("Self", bound="Views")


class Views(Layout):
    """The view methods of a quantized tensor."""

    __slots__ = ()

    def __getitem__(self: Self, key: Any) -> Self:
        items = channels.simple_index(key, self.ndim)
        whole = (..., *items)  # the ellipsis makes NumPy give an array, never a scalar
        try:
            return self._viewed(lambda codes: codes[whole], self._indexed(items))
        except IndexError as error:
            raise IndexError(f"index: {error} (shape {self._shape})") from None

    def _indexed(self, items: tuple[Any, ...]) -> QParams:
        return channels.indexed(self._qparams, items)

    def select(self: Self, dim: int, index: int) -> Self:
        """The part at one index of a dimension, without that dimension."""
        dim = dim_of(dim, self.ndim, "select")
        key = (*leading(dim), index)
        return self[key]

    def narrow(self: Self, dim: int, start: int, length: int) -> Self:
        """`length` indices of a dimension from `start` on."""
        dim = dim_of(dim, self.ndim, "narrow")
        if not 0 <= start <= start + length <= self._shape[dim]:
            raise IndexError(
                f"narrow: [{start}, {start + length}) is outside dimension {dim} of size "
                f"{self._shape[dim]}"
            )
        key = (*leading(dim), slice(start, start + length))
        return self[key]

    def permute(self: Self, *dims: Any) -> Self:
        """The dimensions in another order."""
        given = dims[0] if len(dims) == 1 and isinstance(dims[0], (tuple, list)) else dims
        order = tuple(dim_of(dim, self.ndim, "permute") for dim in given)
        if sorted(order) != list(range(self.ndim)):
            raise ShapeError(f"permute: {given} does not name each of {self.ndim} dimensions once")
        axis = self._qparams.axis
        qp = self._qparams if axis is None else channels.moved(self._qparams, order.index(axis))
        return self._viewed(lambda codes: codes.transpose(order), qp)

    def transpose(self: Self, dim0: int, dim1: int) -> Self:
        """Two dimensions exchanged."""
        a, b = (dim_of(dim, self.ndim, "transpose") for dim in (dim0, dim1))
        order = list(range(self.ndim))
        order[a], order[b] = b, a
        return self.permute(order)

    def t(self: Self) -> Self:
        """A matrix transposed; a vector or scalar as it is."""
        if self.ndim > 2:
            raise ShapeError(f"t: takes at most 2 dimensions, got shape {self._shape}; use permute")
        return self.permute(tuple(reversed(range(self.ndim))))

    @property
    def T(self: Self) -> Self:
        """A matrix transposed."""
        return self.t()

    def unsqueeze(self: Self, dim: int) -> Self:
        """A dimension of size 1 put in at `dim`."""
        at = dim_of(dim, self.ndim + 1, "unsqueeze")
        key = (*leading(at), None)
        return self[key]

    def squeeze(self: Self, dim: int | None = None) -> Self:
        """Without the dimensions of size 1, or without one of them."""
        if dim is not None:
            dim = dim_of(dim, self.ndim, "squeeze")
        gone = [n == 1 and dim in (None, i) for i, n in enumerate(self._shape)]
        return self[tuple(0 if drop else slice(None) for drop in gone)]

    def expand(self: Self, *sizes: Any) -> Self:
        """Dimensions of size 1, and new ones in front, repeated without a copy; -1 keeps a size."""
        given = sizes[0] if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes
        new = len(given) - self.ndim
        shape = tuple(
            self._shape[i - new] if size == -1 and i >= new else size
            for i, size in enumerate(given)
        )
        fits = new >= 0 and all(n in (1, m) for n, m in zip(self._shape, shape[new:], strict=True))
        if not fits or any(size < 0 for size in shape):
            raise ShapeError(f"expand: shape {self._shape} cannot be repeated to {tuple(given)}")
        qp, axis = self._qparams, self._qparams.axis
        if axis is not None:
            repeated = axis if shape[axis + new] == self._shape[axis] else None
            qp = (
                channels.picked(qp, 0, None) if repeated is None else channels.moved(qp, axis + new)
            )
        return self._viewed(lambda codes: np.broadcast_to(codes, shape), qp)

    def view(self: Self, *shape: Any) -> Self:
        """The same storage with another shape; an error if that needs a copy."""
        seen = self._reshaped("view", shape)
        if seen is None:
            raise ShapeError(
                f"view: strides {self._strides} of shape {self._shape} cannot show {shape} "
                "without a copy; use reshape"
            )
        return seen

    def reshape(self: Self, *shape: Any) -> Self:
        """Another shape: a view if possible, else a copy."""
        seen = self._reshaped("reshape", shape)
        return self.clone().view(*shape) if seen is None else seen

    def flatten(self: Self, start_dim: int = 0, end_dim: int = -1) -> Self:
        """Some neighbouring dimensions as one."""
        if self.ndim == 0:
            return self.reshape(1)
        start = dim_of(start_dim, self.ndim, "flatten")
        end = dim_of(end_dim, self.ndim, "flatten")
        if start > end:
            raise ShapeError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
        merged = int(np.prod(self._shape[start : end + 1], dtype=np.int64))
        return self.reshape(*self._shape[:start], merged, *self._shape[end + 1 :])

    def _reshaped(self: Self, op: str, shape: tuple[Any, ...]) -> Self | None:
        """A view of another shape, or None if only a copy has it."""
        given = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        codes = self._codes
        try:
            seen = codes.reshape(tuple(given))
        except ValueError as error:
            raise ShapeError(f"{op}: {error}; {self.numel()} elements need as many") from None
        qp = channels.reshaped(self._qparams, self._shape, seen.shape, op)
        if codes.size and not np.may_share_memory(seen, codes):
            return None
        return self._viewed(lambda codes: codes.reshape(seen.shape), qp)


def leading(dims: int) -> tuple[Any, ...]:
    """An index that keeps the first dimensions as they are."""
    return (slice(None),) * dims
