"""The storage under an array: the whole memory that it and its views look at."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dtypes import from_numpy
from . import memory
from .casts import storage_class
from .typed import TypedStorage

__all__ = ["storage_of"]


def storage_of(array: NDArray[Any]) -> tuple[TypedStorage, int]:
    """A storage over all the memory that `array` is part of, and the offset of its first element.

    Views of one array have storages over the same memory. It belongs to the array: the storage
    cannot be resized or moved.
    """
    root = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    flat = root if root.flags.c_contiguous else root.T
    if not flat.flags.c_contiguous:
        raise ValueError(
            f"storage: the memory of an array of strides {root.strides} and shape {root.shape} has "
            "gaps; use .contiguous() for a copy without"
        )
    cls = storage_class(from_numpy(array.dtype))
    storage = cls._over(memory.borrowed(flat.reshape(-1).view(np.uint8)))
    assert isinstance(storage, TypedStorage)
    before = memory.address(array) - memory.address(root) if array.size else 0
    return storage, before // array.itemsize
