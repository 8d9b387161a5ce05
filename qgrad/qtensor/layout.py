"""Where a quantized tensor's codes are in its storage: offset, shape and strides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .. import dtypes
from ..dtypes import DType
from ..qparams import QParams
from ..storage import TypedStorage, UntypedStorage, storage_class
from . import fourbit
from .channels import dim_of

__all__ = ["Layout"]

Self = TypeVar("Self", bound="Layout")
Codes = NDArray[Any]
Shape = tuple[int, ...]


class Layout:
    """The part of a quantized tensor that is about memory and shape."""

    __slots__ = ("__weakref__", "_offset", "_qparams", "_shape", "_storage", "_strides")

    _storage: Any
    _offset: int  # in codes, as the strides
    _shape: Shape
    _strides: Shape
    _qparams: QParams

    @classmethod
    def _of(cls: type[Self], codes: Codes, qparams: QParams) -> Self:
        """A tensor of a copy of codes that are known to fit."""
        tensor = cls.__new__(cls)
        tensor._hold(codes, qparams)
        return tensor

    def _hold(self, codes: Codes, qparams: QParams) -> None:
        flat = codes.reshape(-1).astype(qparams.dtype.numpy, copy=False)
        if qparams.dtype is dtypes.quint4x2:
            flat = fourbit.packed(flat)
        self._set(storage_class(qparams.dtype)._holding(flat), 0, codes.shape, None, qparams)

    def _set(
        self, storage: Any, offset: int, shape: Shape, strides: Shape | None, qparams: QParams
    ) -> None:
        self._storage = storage
        self._offset = offset
        self._shape = shape
        self._strides = _contiguous_strides(shape) if strides is None else strides
        self._qparams = qparams

    @property
    def _codes(self) -> Codes:
        """The codes over the storage's memory; unpacked from it if they have 4 bits."""
        return self._laid_out(self._flat())

    def _flat(self) -> Codes:
        data: Codes = self._storage._array
        return fourbit.unpacked(data) if self.dtype is dtypes.quint4x2 else data

    def _laid_out(self, flat: Codes) -> Codes:
        itemsize = flat.itemsize
        strides = tuple(stride * itemsize for stride in self._strides)
        try:
            return np.ndarray(self._shape, flat.dtype, flat, self._offset * itemsize, strides)
        except (TypeError, ValueError):
            raise RuntimeError(
                f"QTensor: the storage has {flat.size} codes, too few for a tensor of shape "
                f"{self._shape} at offset {self._offset}; it was resized after the tensor was made"
            ) from None

    def _viewed(self: Self, look: Callable[[Codes], Codes], qp: QParams) -> Self:
        """A tensor over the same storage, laid out as `look` lays out the codes."""
        flat = self._flat()
        seen = look(self._laid_out(flat))
        offset = _address(seen) - _address(flat) if seen.size else 0
        view = type(self).__new__(type(self))
        strides = tuple(stride // flat.itemsize for stride in seen.strides)
        view._set(self._storage, offset // flat.itemsize, seen.shape, strides, qp)
        return view

    @property
    def dtype(self) -> DType:
        """The quantized dtype."""
        return self._qparams.dtype

    @property
    def shape(self) -> Shape:
        """The size of each dimension."""
        return self._shape

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self._shape)

    @property
    def device(self) -> Any:
        """Where the codes are."""
        return self._storage.device

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        return self._shape if dim is None else self._shape[dim_of(dim, self.ndim, "size")]

    def stride(self, dim: int | None = None) -> Any:
        """How many codes apart neighbours are, in every dimension or one."""
        return self._strides if dim is None else self._strides[dim_of(dim, self.ndim, "stride")]

    def dim(self) -> int:
        """The number of dimensions."""
        return len(self._shape)

    def numel(self) -> int:
        """The number of elements."""
        return int(np.prod(self._shape, dtype=np.int64))

    def element_size(self) -> int:
        """The number of bytes of one code; 1 for the two 4-bit codes of a byte."""
        return self.dtype.itemsize

    def is_contiguous(self) -> bool:
        """Whether the codes lie in C order without gaps."""
        expected = _contiguous_strides(self._shape)
        pairs = zip(self._shape, self._strides, expected, strict=True)
        return 0 in self._shape or all(n == 1 or a == b for n, a, b in pairs)

    def storage(self) -> TypedStorage:
        """The storage, shared with every view of this tensor."""
        storage: TypedStorage = self._storage
        return storage

    def untyped_storage(self) -> UntypedStorage:
        """The storage as bytes."""
        return self.storage().untyped()

    def storage_offset(self) -> int:
        """How many codes of the storage lie before the first one."""
        return self._offset

    def data_ptr(self) -> int:
        """The address of the byte that holds the first code."""
        before = self._offset * self.element_size()
        return int(self._storage.data_ptr()) + (
            before // 2 if self.dtype is dtypes.quint4x2 else before
        )

    def is_shared(self) -> bool:
        """Whether other processes can see the codes change."""
        return self.storage().is_shared()

    def share_memory_(self: Self) -> Self:
        """Move the storage to memory that processes share."""
        self._storage.share_memory_()
        return self

    def clone(self: Self) -> Self:
        """A contiguous copy with a storage of its own."""
        return self._of(self._codes, self._qparams)

    def contiguous(self: Self) -> Self:
        """This tensor if its codes lie in C order, else a copy whose codes do."""
        return self if self.is_contiguous() else self.clone()


def _contiguous_strides(shape: Shape) -> Shape:
    strides: list[int] = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


def _address(array: Codes) -> int:
    return int(array.__array_interface__["data"][0])
