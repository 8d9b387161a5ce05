"""Flat typed memory: what tensors are stored in, and what processes and files share.

64-byte aligned and zeroed when new; numbers that do not fit are refused and never wrapped.
"""

from .arrays import storage_of
from .base import StorageBase
from .casts import storage_class
from .typed import (
    BoolStorage,
    ByteStorage,
    CharStorage,
    ComplexDoubleStorage,
    ComplexFloatStorage,
    DoubleStorage,
    FloatStorage,
    HalfStorage,
    IntStorage,
    LongStorage,
    QInt8Storage,
    QInt32Storage,
    QUInt4x2Storage,
    QUInt8Storage,
    ShortStorage,
    TypedStorage,
    UntypedStorage,
)

__all__ = [
    "BoolStorage",
    "ByteStorage",
    "CharStorage",
    "ComplexDoubleStorage",
    "ComplexFloatStorage",
    "DoubleStorage",
    "FloatStorage",
    "HalfStorage",
    "IntStorage",
    "LongStorage",
    "QInt8Storage",
    "QInt32Storage",
    "QUInt4x2Storage",
    "QUInt8Storage",
    "ShortStorage",
    "StorageBase",
    "TypedStorage",
    "UntypedStorage",
    "storage_class",
    "storage_of",
]
