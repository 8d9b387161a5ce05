"""What becomes of the scales along a channel axis when a tensor is looked at another way."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..qparams import QParams

__all__ = ["dim_of", "indexed", "moved", "picked", "reshaped", "simple_index"]

Shape = tuple[int, ...]


def dim_of(dim: Any, ndim: int, op: str) -> int:
    """A dimension of a tensor as a number from 0, from one that may count from the end."""
    try:
        position = operator.index(dim)
    except TypeError:
        raise TypeError(f"{op}: a dimension is an integer, got {dim!r}") from None
    if not -ndim <= position < ndim:
        raise IndexError(f"{op}: dimension {position} is out of range for a tensor of {ndim}")
    return position % ndim


def moved(qp: QParams, axis: int) -> QParams:
    """The same parameters with the channels along another axis."""
    return QParams(qp.scale, qp.zero_point, qp.qmin, qp.qmax, qp.dtype, axis)


def picked(qp: QParams, index: Any, axis: int | None) -> QParams:
    """The parameters of some channels (then along `axis`), or of one (then axis is None)."""
    scale, zero_point = qp.scale[index], qp.zero_point[index]
    if scale.size == 0:
        raise ShapeError(f"index: {index} leaves none of {qp.scale.size} channels; keep at least 1")
    return QParams(scale, zero_point, qp.qmin, qp.qmax, qp.dtype, axis)


def reshaped(qp: QParams, old: Shape, new: Shape, op: str) -> QParams:
    """Parameters for a tensor of shape `old` seen as `new`, if the channels stay one axis."""
    if qp.axis is None:
        return qp
    channels, before = qp.scale.size, math.prod(old[: qp.axis])
    for axis, size in enumerate(new):
        if size == channels and math.prod(new[:axis]) == before:
            return moved(qp, axis)
    if channels == 1:
        return picked(qp, 0, None)
    raise ShapeError(
        f"{op}: {old} as {new} would spread the {channels} channels of axis {qp.axis} over "
        "several axes or merge them with others, but each channel has its own scale; keep that "
        "axis, or call .dequantize() first"
    )


def simple_index(key: Any, ndim: int) -> tuple[Any, ...]:
    """An index as integers, slices and None, one for each dimension; nothing else is a view."""
    items = [_simple(item) for item in (key if isinstance(key, tuple) else (key,))]
    used = sum(item is not None and item is not Ellipsis for item in items)
    if used > ndim:
        raise IndexError(f"index: {used} indices for a tensor of {ndim} dimension(s)")
    if items.count(Ellipsis) > 1:
        raise IndexError("index: only one ... can stand for the remaining dimensions")
    at = items.index(Ellipsis) if Ellipsis in items else len(items)
    return (*items[:at], *([slice(None)] * (ndim - used)), *items[at + 1 :])


def _simple(item: Any) -> Any:
    if item is None or item is Ellipsis or isinstance(item, slice):
        return item
    try:
        if not isinstance(item, (bool, np.bool_)):
            return operator.index(item)
    except TypeError:
        pass
    raise TypeError(
        f"index: a quantized tensor takes integers, slices, None and ..., got "
        f"{type(item).__name__}; index q.int_repr() or q.dequantize() instead"
    )


def indexed(qp: QParams, items: tuple[Any, ...]) -> QParams:
    """Parameters after an index that `simple_index` spelled out."""
    source = result = 0
    for item in items:
        if item is None:
            result += 1
            continue
        if source == qp.axis:
            return picked(qp, item, result if isinstance(item, slice) else None)
        source += 1
        result += isinstance(item, slice)
    return qp
