"""Numbers on their way into a storage: stored as they are or refused, never wrapped or cut.

Integers must fit; a float enters an integer storage only if it is whole. Floats are rounded to the
width of a float storage, as everywhere, but a finite number never turns into infinity.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dtypes import DType
from ..errors import DTypeError


def number(value: Any, dtype: DType, where: str) -> Any:
    """`value` as a NumPy scalar of `dtype`, from a Python, NumPy or Tensor scalar."""
    plain = _plain(value, where)
    kind = dtype.numpy.kind
    if isinstance(plain, bool) and kind != "b":
        raise TypeError(f"{where}: got {plain}; {_rule(dtype)}. Write int({plain}) if you mean it")
    if isinstance(plain, complex) and kind != "c":
        raise TypeError(f"{where}: got {plain}; {_rule(dtype)}")
    try:
        with np.errstate(all="ignore"):
            stored = _whole(plain, dtype) if kind in "biu" else dtype.numpy.type(plain)
    except (OverflowError, ValueError):
        raise _refusal(plain, dtype, where) from None
    if kind in "fc" and np.isinf(stored) and abs(plain) != float("inf"):
        raise _refusal(plain, dtype, where)
    return stored


def sequence(values: Sequence[Any], dtype: DType, where: str) -> NDArray[Any]:
    """A sequence of numbers as an array of `dtype`."""
    types = set(map(type, values))
    if types == {int}:
        try:
            return cast(np.array(values, np.int64), dtype, where)
        except OverflowError:  # beyond int64: the loop below names the culprit
            pass
    elif types == {float}:
        return cast(np.array(values, np.float64), dtype, where)
    stored = [number(v, dtype, f"{where}: element {i}") for i, v in enumerate(values)]
    return np.array(stored, dtype.numpy)


def cast(array: NDArray[Any], dtype: DType, where: str) -> NDArray[Any]:
    """An array of numbers as an array of `dtype`; a new one unless it has that type already."""
    target, kind = dtype.numpy, array.dtype.kind
    if array.dtype == target:
        return array
    if kind not in "biufc":
        raise DTypeError(f"{where}: takes numbers, got an array of {array.dtype}")
    with np.errstate(all="ignore"):
        lost = _lost(array, target)
        if lost is not None and lost.any():
            at = int(np.argmax(lost))
            raise _refusal(array.flat[at], dtype, f"{where}: element {at}")
        real = array.real if kind == "c" and target.kind != "c" else array
        return real.astype(target)


def _lost(array: NDArray[Any], target: np.dtype[Any]) -> NDArray[np.bool_] | None:
    """Where `target` cannot hold an element of `array`; None when it can hold them all."""
    kind = array.dtype.kind
    if kind == "c" and target.kind != "c":
        lost = _lost(array.real, target)
        return (array.imag != 0) if lost is None else (array.imag != 0) | lost
    if target.kind == "b":
        return np.asarray((array != 0) & (array != 1))
    if target.kind in "fc":
        return np.asarray(np.isfinite(array) & ~np.isfinite(array.astype(target)))
    if np.can_cast(array.dtype, target):
        return None
    info = np.iinfo(target)
    if kind == "f":
        # The end of int64 is not a float64, one past it is.
        return ~((array >= info.min) & (array < float(info.max) + 1) & (array == np.floor(array)))
    return np.asarray((array < info.min) | (array > info.max))


def _plain(value: Any, where: str) -> bool | int | float | complex:
    """The Python number in a scalar; one-element arrays and Tensors have `item`."""
    try:
        plain = value.item() if hasattr(value, "item") else value
    except (ValueError, RuntimeError):
        plain = value
    if isinstance(plain, (bool, int, float, complex)):
        return plain
    shown = repr(value)
    shown = shown if len(shown) <= 40 else shown[:37] + "..."
    raise TypeError(f"{where}: takes one number, got {shown} of type {type(value).__name__}")


def _whole(plain: Any, dtype: DType) -> Any:
    """An integer or truth value of `dtype` equal to `plain`; ValueError if there is none."""
    whole = int(plain)
    info = np.iinfo(np.uint8) if dtype.numpy.kind == "b" else np.iinfo(dtype.numpy)
    high = 1 if dtype.numpy.kind == "b" else info.max
    if whole != plain or not info.min <= whole <= high:
        raise ValueError
    return dtype.numpy.type(whole)


def _refusal(value: Any, dtype: DType, where: str) -> ValueError:
    shown = str(value)
    shown = shown if len(shown) <= 40 else shown[:37] + "..."
    return ValueError(
        f"{where}: {shown} cannot be stored; {_rule(dtype)}. Nothing is wrapped or cut: round or "
        "clamp it first"
    )


def _rule(dtype: DType) -> str:
    kind = dtype.numpy.kind
    if kind == "b":
        return "a bool storage holds True and False (or 1 and 0)"
    if kind in "iu":
        info = np.iinfo(dtype.numpy)
        return f"a {dtype.name} storage holds integers from {info.min} to {info.max}"
    return f"a {dtype.name} storage holds numbers up to {np.finfo(dtype.numpy).max:.6g}"
