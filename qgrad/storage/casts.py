"""From one element type to another: `storage.float()`, `storage.byte()`, `storage.type(...)`.

Every cast gives a new storage and keeps every value: 300 or 1.7 to a byte is an error, not 44 or 1.
A quantized storage holds codes, and casts as codes; only a QTensor knows their scale.
"""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..dtypes import DType
from ..errors import DTypeError
from . import values
from .base import StorageBase

_CLASSES: dict[DType, type[Casts]] = {}

_ABSENT = "NumPy has no such type; use .half(), .float() or .double()"


def register(cls: type[Casts]) -> None:
    """Make `cls` the class for its dtype, unless there is one: users may subclass freely."""
    _CLASSES.setdefault(cls.dtype, cls)


def storage_class(dtype: DType) -> type[Casts]:
    """The storage class for a dtype: QUInt8Storage for quint8, and so on."""
    try:
        return _CLASSES[dtype]
    except (KeyError, TypeError):
        known = ", ".join(sorted(known.name for known in _CLASSES))
        raise DTypeError(f"storage: no storage for dtype {dtype!r}; there are {known}") from None


class Casts(StorageBase):
    """The cast methods, found by the element types that have a storage class."""

    __slots__ = ()

    def _to(self, dtype: DType) -> Casts:
        return self._to_class(storage_class(dtype))

    def _to_class(self, cls: type[Casts]) -> Casts:
        return cls._holding(values.cast(self._array, cls.dtype, f"{self._name} to {cls.__name__}"))

    def type(self, dtype: Any = None, non_blocking: bool = False) -> Any:
        """The name of this class; or, given a dtype, class or class name, a copy of that type."""
        if dtype is None:
            return f"qgrad.{self._name}"
        if isinstance(dtype, DType):
            return self._to(dtype)
        for cls in _CLASSES.values():
            if dtype is cls or dtype in (cls.__name__, f"qgrad.{cls.__name__}"):
                return self._to_class(cls)
        names = ", ".join(sorted(cls.__name__ for cls in _CLASSES.values()))
        raise DTypeError(f"{self._name}.type: {dtype!r} is no storage type; there are {names}")

    def bool(self) -> Casts:
        """A BoolStorage of the same values, which must be 0 and 1."""
        return self._to(dtypes.bool_)

    def byte(self) -> Casts:
        """A ByteStorage of the same values."""
        return self._to(dtypes.uint8)

    def char(self) -> Casts:
        """A CharStorage (int8) of the same values."""
        return self._to(dtypes.int8)

    def short(self) -> Casts:
        """A ShortStorage (int16) of the same values."""
        return self._to(dtypes.int16)

    def int(self) -> Casts:
        """An IntStorage (int32) of the same values."""
        return self._to(dtypes.int32)

    def long(self) -> Casts:
        """A LongStorage (int64) of the same values."""
        return self._to(dtypes.int64)

    def half(self) -> Casts:
        """A HalfStorage (float16) of the values, rounded."""
        return self._to(dtypes.float16)

    def float(self) -> Casts:
        """A FloatStorage (float32) of the values, rounded."""
        return self._to(dtypes.float32)

    def double(self) -> Casts:
        """A DoubleStorage (float64) of the values."""
        return self._to(dtypes.float64)

    def complex_float(self) -> Casts:
        """A ComplexFloatStorage of the values, rounded."""
        return self._to(dtypes.complex64)

    def complex_double(self) -> Casts:
        """A ComplexDoubleStorage of the values."""
        return self._to(dtypes.complex128)

    def bfloat16(self) -> Casts:
        """Raises: NumPy has no bfloat16."""
        raise self._unsupported("bfloat16", "bfloat16", _ABSENT)

    def float8_e4m3fn(self) -> Casts:
        """Raises: NumPy has no 8-bit floats."""
        raise self._unsupported("float8_e4m3fn", "8-bit floats", _ABSENT)

    def float8_e4m3fnuz(self) -> Casts:
        """Raises: NumPy has no 8-bit floats."""
        raise self._unsupported("float8_e4m3fnuz", "8-bit floats", _ABSENT)

    def float8_e5m2(self) -> Casts:
        """Raises: NumPy has no 8-bit floats."""
        raise self._unsupported("float8_e5m2", "8-bit floats", _ABSENT)

    def float8_e5m2fnuz(self) -> Casts:
        """Raises: NumPy has no 8-bit floats."""
        raise self._unsupported("float8_e5m2fnuz", "8-bit floats", _ABSENT)
