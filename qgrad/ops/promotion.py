"""Type promotion by PyTorch's rules, on arrays and Python numbers.

Kinds rank bool < integer < floating. Arrays with dimensions decide first, then 0-d arrays, then
Python numbers; a lower rank of operand widens the result only when its kind is higher.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qgrad.dtypes import DType, float32, to_numpy
from qgrad.errors import DTypeError

__all__ = [
    "as_floating",
    "default_float",
    "get_default_dtype",
    "promote",
    "promote_types",
    "result_dtype",
    "set_default_dtype",
]

NumPyDType = np.dtype[Any]
_BOOL = np.dtype(np.bool_)
_INT = np.dtype(np.int64)
_default: list[DType] = [float32]


def get_default_dtype() -> DType:
    """The dtype of new floating-point tensors made from Python numbers."""
    return _default[0]


def set_default_dtype(dtype: Any) -> None:
    """Set the dtype of new floating-point tensors made from Python numbers."""
    if not isinstance(dtype, DType) or not dtype.is_floating_point:
        raise DTypeError(
            f"set_default_dtype: {dtype!r} is not a floating-point dtype; give qgrad.float32 or "
            "qgrad.float64"
        )
    _default[0] = dtype


def default_float() -> NumPyDType:
    """The default dtype, as NumPy's."""
    return _default[0].numpy


def promote_types(a: NumPyDType, b: NumPyDType) -> NumPyDType:
    """The dtype that holds both: like NumPy's, but an integer never widens a float."""
    if a is b:
        return a
    if a.kind == "f" and b.kind != "f":
        return a
    if b.kind == "f" and a.kind != "f":
        return b
    return np.promote_types(a, b)


def _combine(higher: NumPyDType | None, lower: NumPyDType | None) -> NumPyDType | None:
    if higher is None or lower is None:
        return higher if lower is None else lower
    if higher.kind == "f":
        return higher
    if higher.kind == "b" or lower.kind == "f":
        return promote_types(higher, lower)
    return higher


def _number_dtype(value: Any) -> NumPyDType:
    if isinstance(value, (bool, np.bool_)):
        return _BOOL
    if isinstance(value, (int, np.integer)):
        return _INT
    if isinstance(value, (float, np.floating)):
        return default_float()
    return np.asarray(value).dtype


def result_dtype(operands: Sequence[Any]) -> NumPyDType:
    """The dtype of an elementwise op on these arrays and numbers."""
    ranks: list[NumPyDType | None] = [None, None, None]
    for operand in operands:
        if operand is None:
            continue
        if isinstance(operand, np.ndarray):
            rank, dtype = (0 if operand.ndim else 1), operand.dtype
        else:
            rank, dtype = 2, _number_dtype(operand)
        known = ranks[rank]
        ranks[rank] = dtype if known is None else promote_types(known, dtype)
    dtype = _combine(_combine(ranks[0], ranks[1]), ranks[2])
    return default_float() if dtype is None else dtype


def promote(operands: Sequence[Any], *, floating: bool = False) -> tuple[Any, ...]:
    """The operands as arrays of one dtype, a float one if `floating`; None stays None."""
    dtype = result_dtype(operands)
    if floating and dtype.kind != "f":
        dtype = default_float()
    return tuple(_cast(operand, dtype) for operand in operands)


def _cast(operand: Any, dtype: NumPyDType) -> Any:
    if operand is None:
        return None
    if isinstance(operand, np.ndarray):
        return operand if operand.dtype is dtype else operand.astype(dtype)
    if dtype.kind in "iu" and isinstance(operand, (int, np.integer)):
        return np.array(operand, np.int64).astype(dtype)  # out of range it wraps, as in PyTorch
    return np.array(operand, dtype)


def as_floating(x: Any) -> Any:
    """`x` itself if it is floating point, otherwise cast to the default dtype."""
    if isinstance(x, np.ndarray):
        return x if x.dtype.kind == "f" else x.astype(default_float())
    return np.array(x, default_float())


def numpy_dtype(dtype: Any) -> NumPyDType | None:
    """`dtype` for NumPy, or None for None."""
    return None if dtype is None else to_numpy(dtype)
