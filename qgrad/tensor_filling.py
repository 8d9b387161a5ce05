"""Filling a tensor's memory, and making new tensors like it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from qgrad.autograd.in_place import assign
from qgrad.autograd.mode import recording
from qgrad.autograd.record import make
from qgrad.autograd.variable import Variable
from qgrad.dtypes import to_numpy
from qgrad.errors import DTypeError, ShapeError
from qgrad.ops.arithmetic import add
from qgrad.ops.composed import addmm, index_add
from qgrad.ops.indexing import getitem, put_zeros
from qgrad.ops.products import addmv, baddbmm
from qgrad.ops.rng import Generator, default_generator
from qgrad.ops.shape import expand

__all__ = ["Filling", "has_free_size", "spread"]


class Filling(Variable):
    """What fills a Tensor in place, and makes others of its dtype."""

    __slots__ = ()

    if TYPE_CHECKING:
        dtype: Any

    def copy_(self, src: Any, non_blocking: bool = False) -> Any:
        """Take over the elements of `src`, broadcast and converted to this dtype."""
        assign(self, Ellipsis, src)
        return self

    def _receive(self, result: Any, name: str) -> Any:
        """Take over the result of the op `name`, whose `out` this tensor is."""
        y = result._data
        if result.requires_grad or (self._requires_grad and recording.get()):
            raise RuntimeError(
                f"{name}: out= is not differentiable, and an argument requires grad; use the "
                "result instead, or put the call into `with qgrad.no_grad():`"
            )
        rank = {"b": 0, "i": 1, "u": 1, "f": 2}
        if rank[y.dtype.kind] > rank[self._data.dtype.kind]:
            raise DTypeError(
                f"{name}: the result is {y.dtype}, out is {self._data.dtype}, and values would be "
                f"lost; give an out of dtype {y.dtype}"
            )
        if y.shape != self._data.shape:
            if self._data.size:
                raise ShapeError(
                    f"{name}: the result has shape {list(y.shape)}, out {list(self._data.shape)}; "
                    "give an empty tensor (`qgrad.empty(0)`), or one of that shape"
                )
            self._data = np.empty(y.shape, self._data.dtype)
        assign(self, Ellipsis, y)
        return self

    def fill_(self, value: Any) -> Any:
        """Set all elements to `value`."""
        assign(self, Ellipsis, value)
        return self

    def zero_(self) -> Any:
        """Set all elements to 0."""
        assign(self, Ellipsis, 0)
        return self

    def normal_(
        self, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
    ) -> Any:
        """Fill with numbers from a normal distribution."""
        drawn = _numpy(generator).standard_normal(self._data.shape) * std + mean
        assign(self, Ellipsis, np.asarray(drawn))
        return self

    def uniform_(
        self, from_: float = 0.0, to: float = 1.0, *, generator: Generator | None = None
    ) -> Any:
        """Fill with numbers uniform in [from_, to)."""
        drawn = _numpy(generator).random(self._data.shape) * (to - from_) + from_
        assign(self, Ellipsis, np.asarray(drawn))
        return self

    def bernoulli_(self, p: float = 0.5, *, generator: Generator | None = None) -> Any:
        """Fill with 1 of probability `p`, else 0."""
        assign(self, Ellipsis, np.asarray(_numpy(generator).random(self._data.shape) < p))
        return self

    def index_add_(self, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Any:
        """Add the slices of `source` at the positions `index` along `dim`."""
        assign(self, Ellipsis, index_add(self, dim, index, source, alpha))
        return self

    def addmm_(self, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
        """beta * self + alpha * (mat1 @ mat2), in place."""
        assign(self, Ellipsis, addmm(self, mat1, mat2, beta, alpha))
        return self

    def addmv_(self, mat: Any, vec: Any, *, beta: float = 1, alpha: float = 1) -> Any:
        """beta * self + alpha * (mat @ vec), in place."""
        assign(self, Ellipsis, addmv(self, mat, vec, beta=beta, alpha=alpha))
        return self

    def baddbmm_(self, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
        """beta * self + alpha * (batch1 @ batch2) for batches of matrices, in place."""
        assign(self, Ellipsis, baddbmm(self, batch1, batch2, beta=beta, alpha=alpha))
        return self

    def index_put_(self, indices: Any, values: Any, accumulate: bool = False) -> Any:
        """Put `values` at `indices`, or with `accumulate` add them, also where indices repeat."""
        index = tuple(indices)
        if not accumulate:
            assign(self, index, values)
            return self
        shape = getitem(self, index).shape
        added = put_zeros(expand(values, shape), self._data.shape, index)
        assign(self, Ellipsis, add(self, added))
        return self

    def fill_diagonal_(self, fill_value: float) -> Any:
        """Fill the diagonal of a matrix."""
        i = np.arange(min(self._data.shape))
        assign(self, (i,) * self._data.ndim, fill_value)
        return self

    def new_tensor(self, data: Any, dtype: Any = None, requires_grad: bool = False) -> Any:
        """A tensor with a copy of `data`, in this dtype."""
        return _made(np.array(data, self._kind(dtype)), requires_grad)

    def new_zeros(self, *size: Any, dtype: Any = None, requires_grad: bool = False) -> Any:
        """Zeros of this dtype."""
        shape, kind = _shape(size), self._kind(dtype)
        if has_free_size(shape):
            return spread(0, shape, kind)
        return _made(np.zeros(shape, kind), requires_grad)

    def new_ones(self, *size: Any, dtype: Any = None, requires_grad: bool = False) -> Any:
        """Ones of this dtype."""
        return self.new_full(_shape(size), 1, dtype, requires_grad)

    def new_empty(self, *size: Any, dtype: Any = None, requires_grad: bool = False) -> Any:
        """A tensor of this dtype with whatever the memory held."""
        return _made(np.empty(_shape(size), self._kind(dtype)), requires_grad)

    def new_full(
        self, size: Sequence[int], fill_value: Any, dtype: Any = None, requires_grad: bool = False
    ) -> Any:
        """One value in this dtype."""
        shape, kind = tuple(size), self._kind(dtype)
        if has_free_size(shape):
            return spread(fill_value, shape, kind)
        return _made(np.full(shape, fill_value, kind), requires_grad)

    def _kind(self, dtype: Any) -> np.dtype[Any]:
        return to_numpy(self.dtype if dtype is None else dtype)


def has_free_size(shape: tuple[int, ...]) -> bool:
    """Whether a size of the shape is one that a trace leaves free."""
    return any(hasattr(n, "expr") for n in shape)  # a SymInt, loaded by traces only


def spread(value: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    """One value in a shape with free sizes, by an op that a trace can record."""
    return expand(make(np.full((1,) * len(shape), value, dtype)), shape)


def _made(data: np.ndarray[Any, Any], requires_grad: bool) -> Any:
    tensor = make(data)
    if requires_grad:
        tensor.requires_grad = True
    return tensor


def _shape(size: Sequence[Any]) -> tuple[int, ...]:
    first = size[0] if size else ()
    return tuple(first) if isinstance(first, (tuple, list)) else tuple(size)


def _numpy(generator: Generator | None) -> np.random.Generator:
    return (generator or default_generator).numpy
