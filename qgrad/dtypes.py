"""Element types: what a tensor or storage holds, and how NumPy stores it.

A quantized type such as `quint8` is stored as plain integer codes; scale and zero point live in
`qgrad.qparams.QParams`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from .errors import DTypeError

__all__ = [
    "DType",
    "bool_",
    "by_name",
    "complex64",
    "complex128",
    "double",
    "float16",
    "float32",
    "float64",
    "from_numpy",
    "half",
    "int8",
    "int16",
    "int32",
    "int64",
    "long",
    "qint8",
    "qint32",
    "quint4x2",
    "quint8",
    "short",
    "to_numpy",
    "uint8",
]


class DType:
    """An element type; there is one instance of each, so `is` and `==` agree.

    `numpy` is the type of one stored value (one code, for quantized types), `qmin` and `qmax` are
    the lowest and highest code of a quantized type and None for the others.
    """

    __slots__ = ("is_floating_point", "is_quantized", "itemsize", "name", "numpy", "qmax", "qmin")

    name: str
    numpy: np.dtype[Any]
    itemsize: int
    is_floating_point: bool
    is_quantized: bool
    qmin: int | None
    qmax: int | None

    def __init__(
        self, name: str, numpy: type[np.generic], codes: tuple[int, int] | None = None
    ) -> None:
        dtype = np.dtype(numpy)
        self.name = name
        self.numpy = dtype
        self.itemsize = dtype.itemsize
        self.is_floating_point = dtype.kind == "f"
        self.is_quantized = codes is not None
        self.qmin, self.qmax = codes if codes is not None else (None, None)

    def __repr__(self) -> str:
        return f"qgrad.{self.name}"

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return by_name, (self.name,)

    @property
    def is_signed(self) -> bool:
        """Whether a stored value can be negative."""
        return self.numpy.kind in "ifc"


float16: Final = DType("float16", np.float16)
float32: Final = DType("float32", np.float32)
float64: Final = DType("float64", np.float64)
int8: Final = DType("int8", np.int8)
int16: Final = DType("int16", np.int16)
int32: Final = DType("int32", np.int32)
int64: Final = DType("int64", np.int64)
uint8: Final = DType("uint8", np.uint8)
bool_: Final = DType("bool", np.bool_)
complex64: Final = DType("complex64", np.complex64)  # in storages only
complex128: Final = DType("complex128", np.complex128)  # in storages only
quint8: Final = DType("quint8", np.uint8, (0, 255))
qint8: Final = DType("qint8", np.int8, (-128, 127))
qint32: Final = DType("qint32", np.int32, (-(2**31), 2**31 - 1))
quint4x2: Final = DType("quint4x2", np.uint8, (0, 15))  # two codes a byte, in storage only

half: Final = float16
double: Final = float64
short: Final = int16
long: Final = int64

_PLAIN: Final = (float16, float32, float64, int8, int16, int32, int64, uint8, bool_)
_OTHERS: Final = (complex64, complex128, quint8, qint8, qint32, quint4x2)
_BY_NAME: Final = {dtype.name: dtype for dtype in (*_PLAIN, *_OTHERS)}
_BY_NUMPY: Final = {dtype.numpy: dtype for dtype in _PLAIN}


def by_name(name: str) -> DType:
    """The dtype called `name`, for example `by_name("quint8")`."""
    try:
        return _BY_NAME[name]
    except (KeyError, TypeError):
        raise DTypeError(f"dtype: {name!r} is not one of {', '.join(_BY_NAME)}") from None


def from_numpy(dtype: np.dtype[Any]) -> DType:
    """The plain (not quantized) dtype that holds values of a NumPy dtype."""
    try:
        return _BY_NUMPY[dtype]
    except KeyError:
        names = ", ".join(plain.name for plain in _PLAIN)
        raise DTypeError(
            f"dtype: NumPy's {dtype} has no qgrad type; convert it with .astype() to one of {names}"
        ) from None


def to_numpy(dtype: Any) -> np.dtype[Any]:
    """The NumPy dtype that stores `dtype`: a DType, a NumPy dtype or scalar type, or a builtin."""
    if isinstance(dtype, DType):
        return dtype.numpy
    if isinstance(dtype, (np.dtype, type)):
        return from_numpy(np.dtype(dtype)).numpy
    raise DTypeError(
        f"dtype: got {dtype!r} of type {type(dtype).__name__}; give a qgrad dtype such as "
        "qgrad.float32, or a NumPy one"
    )
