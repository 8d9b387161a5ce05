"""The storages users name: untyped bytes, and one class for each element type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..dtypes import DType
from . import values
from .arguments import size_of
from .base import StorageBase
from .casts import Casts, register, storage_class


class UntypedStorage(Casts):
    """Bytes without a type: `UntypedStorage()`, `UntypedStorage(size)`, `UntypedStorage(bytes)`.

    What `storage.untyped()` gives and `wrap_storage=` takes; storages of different types over the
    same UntypedStorage share its memory.
    """

    __slots__ = ()

    dtype = dtypes.uint8

    def __init__(self, *args: Any) -> None:
        self._memory = _constructed(self, args, None)._memory

    def untyped(self) -> UntypedStorage:
        """This storage."""
        return self


class TypedStorage(Casts):
    """A storage of one element type; `TypedStorage(..., dtype=qgrad.float32)` is a FloatStorage.

    FloatStorage(), FloatStorage(3), FloatStorage([1, 2, 3]) hold nothing, three zeros, and the
    given values; FloatStorage(wrap_storage=untyped) shares an UntypedStorage's memory.
    """

    __slots__ = ()

    def __new__(
        cls, *args: Any, wrap_storage: UntypedStorage | None = None, dtype: DType | None = None
    ) -> Any:
        """An instance of the class for `dtype`, which only TypedStorage itself needs."""
        own = getattr(cls, "dtype", None)
        if own is None and dtype is None:
            raise TypeError("TypedStorage: give dtype=, for example dtype=qgrad.float32")
        if own is not None and dtype not in (None, own):
            raise TypeError(f"{cls.__name__}: holds {own!r}, not dtype={dtype!r}; leave dtype out")
        return super().__new__(cls if dtype is None or own is dtype else storage_class(dtype))

    def __init__(
        self,
        *args: Any,
        wrap_storage: UntypedStorage | None = None,
        dtype: DType | None = None,
    ) -> None:
        self._memory = _constructed(self, args, wrap_storage)._memory

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "dtype" in cls.__dict__:
            register(cls)

    def untyped(self) -> UntypedStorage:
        """The bytes of this storage, sharing its memory."""
        return UntypedStorage._over(self._memory)

    def pickle_storage_type(self) -> str:
        """The name of the class."""
        return self._name


class FloatStorage(TypedStorage):
    """float32 values."""

    __slots__ = ()
    dtype = dtypes.float32


class DoubleStorage(TypedStorage):
    """float64 values."""

    __slots__ = ()
    dtype = dtypes.float64


class HalfStorage(TypedStorage):
    """float16 values."""

    __slots__ = ()
    dtype = dtypes.float16


class ByteStorage(TypedStorage):
    """uint8 values."""

    __slots__ = ()
    dtype = dtypes.uint8


class CharStorage(TypedStorage):
    """int8 values."""

    __slots__ = ()
    dtype = dtypes.int8


class ShortStorage(TypedStorage):
    """int16 values."""

    __slots__ = ()
    dtype = dtypes.int16


class IntStorage(TypedStorage):
    """int32 values."""

    __slots__ = ()
    dtype = dtypes.int32


class LongStorage(TypedStorage):
    """int64 values."""

    __slots__ = ()
    dtype = dtypes.int64


class BoolStorage(TypedStorage):
    """Truth values, a byte each."""

    __slots__ = ()
    dtype = dtypes.bool_


class ComplexFloatStorage(TypedStorage):
    """Complex values of two float32."""

    __slots__ = ()
    dtype = dtypes.complex64


class ComplexDoubleStorage(TypedStorage):
    """Complex values of two float64."""

    __slots__ = ()
    dtype = dtypes.complex128


class QUInt8Storage(TypedStorage):
    """Codes from 0 to 255."""

    __slots__ = ()
    dtype = dtypes.quint8


class QInt8Storage(TypedStorage):
    """Codes from -128 to 127."""

    __slots__ = ()
    dtype = dtypes.qint8


class QInt32Storage(TypedStorage):
    """Codes of 32 bits."""

    __slots__ = ()
    dtype = dtypes.qint32


class QUInt4x2Storage(TypedStorage):
    """4-bit codes, two in each element: an element is a byte, its low half the earlier code."""

    __slots__ = ()
    dtype = dtypes.quint4x2


def _constructed(
    storage: StorageBase, args: tuple[Any, ...], wrapped: UntypedStorage | None
) -> StorageBase:
    """A storage of the same class, from the four ways to make one."""
    cls = type(storage)
    where = cls.__name__
    if wrapped is not None:
        if args or not isinstance(wrapped, UntypedStorage):
            raise TypeError(
                f"{where}: wrap_storage is one UntypedStorage and nothing beside it, got "
                f"{type(wrapped).__name__} and {len(args)} more; use typed_storage.untyped()"
            )
        return cls._over(wrapped._memory)
    if not args:
        return cls._zeros(0, where)
    source = args[0]
    if len(args) == 1 and hasattr(source, "__index__") and not isinstance(source, np.ndarray):
        return cls._zeros(size_of(source, where), where)
    if len(args) == 1 and isinstance(source, Sequence) and not _is_buffer(source):
        return cls._holding(values.sequence(source, cls.dtype, where))
    raise TypeError(
        f"{where}: takes nothing, a size, a sequence of numbers or wrap_storage=, got "
        f"{', '.join(type(arg).__name__ for arg in args)}; {where}.from_buffer shares the memory "
        "of bytes and arrays"
    )


def _is_buffer(source: Any) -> bool:
    return isinstance(source, (str, bytes, bytearray, memoryview))
