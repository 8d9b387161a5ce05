"""The limits of dtypes, and shapes with a name."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from qgrad.dtypes import DType, to_numpy
from qgrad.errors import DTypeError
from qgrad.ops.promotion import get_default_dtype

__all__ = ["Size", "finfo", "iinfo"]


class finfo:
    """The limits of a floating-point dtype, by default of the default one.

    >>> qgrad.finfo(qgrad.float32).eps
    1.1920928955078125e-07
    """

    def __init__(self, dtype: DType | None = None) -> None:
        kind = to_numpy(get_default_dtype() if dtype is None else dtype)
        if kind.kind != "f":
            raise DTypeError(f"finfo: {dtype} is no floating-point dtype; use iinfo")
        info = np.finfo(kind)
        self.bits, self.dtype = int(info.bits), kind.name
        self.eps, self.resolution = float(info.eps), float(info.resolution)
        self.max, self.min = float(info.max), float(info.min)
        self.tiny = self.smallest_normal = float(info.tiny)

    def __repr__(self) -> str:
        return f"finfo(min={self.min}, max={self.max}, eps={self.eps}, dtype={self.dtype})"


class iinfo:
    """The limits of an integer dtype.

    >>> qgrad.iinfo(qgrad.int8).max
    127
    """

    def __init__(self, dtype: DType) -> None:
        kind = to_numpy(dtype)
        if kind.kind not in "iu":
            raise DTypeError(f"iinfo: {dtype} is no integer dtype; use finfo")
        info = np.iinfo(kind)
        self.bits, self.dtype = int(info.bits), kind.name
        self.max, self.min = int(info.max), int(info.min)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"


class Size(tuple[int, ...]):
    """A shape: a tuple that knows its number of elements; equal to the tuples that tensors give.

    >>> qgrad.Size([2, 3]) == qgrad.ones(2, 3).shape
    True
    """

    __slots__ = ()

    def numel(self) -> int:
        """The number of elements of a tensor of this shape."""
        return math.prod(self)

    def __repr__(self) -> str:
        return f"qgrad.Size({list(self)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Size, (tuple(self),)
