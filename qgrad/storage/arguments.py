"""Sizes, indices and buffers as callers give them, checked."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray


def size_of(size: Any, where: str) -> int:
    """A number of elements, from an integer that is one."""
    try:
        count = None if isinstance(size, (bool, np.bool_)) else operator.index(size)
    except TypeError:
        count = None
    if count is None:
        raise TypeError(f"{where}: the size is an integer, got {shown_index(size)}")
    if count < 0:
        raise ValueError(f"{where}: the size is at least 0, got {count}")
    return count


def bytes_of(buffer: Any, where: str) -> NDArray[np.uint8]:
    """The memory of any contiguous buffer, writable if that is."""
    try:
        view = memoryview(buffer)
        if view.nbytes == 0:  # which cannot be cast
            return np.zeros(0, np.uint8)
        flat = view.cast("B")
    except (TypeError, BufferError) as error:
        raise TypeError(
            f"{where}: takes contiguous memory such as bytes, bytearray or a NumPy array, got "
            f"{type(buffer).__name__} ({error})"
        ) from None
    return np.frombuffer(flat, np.uint8)


def extent(nbytes: int, count: int, offset: int, itemsize: int, where: str) -> tuple[int, int]:
    """First and last byte of `count` elements after `offset` bytes."""
    count, offset = operator.index(count), operator.index(offset)
    if not 0 <= offset <= nbytes:
        raise ValueError(f"{where}: offset {offset} is outside a buffer of {nbytes} bytes")
    rest = nbytes - offset
    if count < -1:
        raise ValueError(f"{where}: count is at least 0, or -1 for all, got {count}")
    if count == -1 and rest % itemsize:
        raise ValueError(
            f"{where}: {rest} bytes after offset {offset} are not a multiple of {itemsize}, the "
            "size of an element; give count"
        )
    if count * itemsize > rest:
        raise ValueError(
            f"{where}: {count} elements need {count * itemsize} bytes, but the buffer has {rest} "
            f"after offset {offset}"
        )
    return offset, nbytes if count == -1 else offset + count * itemsize


def shown_index(index: Any) -> str:
    """An index as the caller wrote it, for errors."""
    if isinstance(index, slice):
        parts = ("" if part is None else str(part) for part in (index.start, index.stop))
        return ":".join(parts) + ("" if index.step is None else f":{index.step}")
    shown = repr(index)
    return shown if len(shown) <= 40 else shown[:37] + "..."
