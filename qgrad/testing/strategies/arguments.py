"""What strategies are given, checked when they are made and not when they first draw."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, TypeVar

from qgrad.dtypes import (
    DType,
    bool_,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    qint8,
    qint32,
    quint4x2,
    quint8,
    uint8,
)

try:
    from hypothesis import strategies as st
    from hypothesis.errors import InvalidArgument
except ImportError as error:
    raise ImportError(
        'qgrad.testing.strategies: Hypothesis is not installed; pip install "qgrad[test]"'
    ) from error

__all__ = [
    "PLAIN",
    "QUANTIZED",
    "Shape",
    "as_strategy",
    "check_range",
    "check_shape",
    "check_whole",
    "quantized_dtypes",
]

T = TypeVar("T")
Shape = tuple[int, ...]

PLAIN = (float32, float64, float16, uint8, int8, int16, int32, int64, bool_)
QUANTIZED = (quint8, qint8, quint4x2, qint32)


def check_whole(op: str, name: str, value: Any, low: int, high: int | None = None) -> int:
    """An integer argument within its bounds."""
    try:
        whole = operator.index(value)
    except TypeError:
        whole = None
    top = "" if high is None else f" and at most {high}"
    if whole is None or isinstance(value, bool) or whole < low or whole > (high or whole):
        raise InvalidArgument(f"{op}: {name}={value!r} must be an integer of at least {low}{top}")
    return whole


def check_range(op: str, names: str, low: Any, high: Any) -> None:
    """Two bounds in order."""
    if low > high:
        raise InvalidArgument(f"{op}: {names} are {low!r} and {high!r}; the first is the smaller")


def check_shape(op: str, shape: Any) -> Shape:
    """A shape of integers that are not negative."""
    if not isinstance(shape, (tuple, list)):
        raise InvalidArgument(f"{op}: shape={shape!r} must be a tuple or a strategy for tuples")
    return tuple(check_whole(op, "size in shape", size, 0) for size in shape)


def quantized_dtypes(op: str, dtype: DType | Sequence[DType] | None) -> tuple[DType, ...]:
    """The quantized dtypes to choose from; the first is what examples shrink to."""
    if dtype is None:
        return QUANTIZED
    chosen = (dtype,) if isinstance(dtype, DType) else tuple(dtype)
    if not chosen or not all(isinstance(d, DType) and d.is_quantized for d in chosen):
        raise InvalidArgument(f"{op}: dtype={dtype!r} must be quantized dtypes, as qgrad.quint8")
    return chosen


def as_strategy(op: str, name: str, value: Any, kind: type[T]) -> st.SearchStrategy[T]:
    """A strategy as it is, or one for a fixed value of `kind`."""
    if isinstance(value, st.SearchStrategy):
        return value
    if isinstance(value, kind):
        return st.just(value)
    raise InvalidArgument(f"{op}: {name}={value!r} must be a {kind.__name__} or a strategy for one")
