"""How a tensor is printed: PyTorch's layout, precision and rules for leaving elements out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

__all__ = ["format_array", "tensor_repr"]

PRECISION = 4
THRESHOLD = 1000  # larger tensors are summarized
EDGE_ITEMS = 3
LINE_WIDTH = 80

Array = np.ndarray[Any, Any]


def tensor_repr(data: Array, suffixes: Sequence[str], prefix: str = "tensor(") -> str:
    """`tensor([[3., 3.]], grad_fn=<MulBackward0>)`: the elements, then the suffixes."""
    indent = len(prefix)
    text = prefix + format_array(data, indent)
    last_line = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if last_line + len(suffix) + 2 > LINE_WIDTH:
            text += ",\n" + " " * indent + suffix
            last_line = indent + len(suffix)
        else:
            text += ", " + suffix
            last_line += len(suffix) + 2
    return text + ")"


def format_array(data: Array, indent: int = 0) -> str:
    """The elements in nested brackets; continuation lines start at `indent`."""
    if data.size == 0:
        return "[]"
    summarize = data.size > THRESHOLD
    shown = _edges(data) if summarize else data
    return _format(data, indent, summarize, *_formatter(shown))


def _edges(data: Array) -> Array:
    """The elements that a summary shows."""
    for axis, size in enumerate(data.shape):
        if size > 2 * EDGE_ITEMS:
            kept = [*range(EDGE_ITEMS), *range(size - EDGE_ITEMS, size)]
            data = data.take(kept, axis)
    return data


def _formatter(data: Array) -> tuple[Callable[[Any], str], int]:
    """A function from an element to its text, and the width to pad it to.

    As in PyTorch, floats that are zero, infinite or NaN do not count for the width.
    """
    if data.dtype.kind != "f":
        return str, max(len(str(value)) for value in data.ravel().tolist())
    values = data.ravel().astype(np.float64)
    values = values[np.isfinite(values) & (values != 0)]
    style = _float_style(np.abs(values))
    return style, max((len(style(value)) for value in values.tolist()), default=1)


def _float_style(sizes: Array) -> Callable[[float], str]:
    """How to write floats, given the absolute values of the finite nonzero ones among them."""
    if sizes.size == 0:
        return _whole
    low, high = sizes.min(), sizes.max()
    wide = high / low > 1000 or high > 1e8
    if np.all(sizes == np.ceil(sizes)):
        return _scientific if wide else _whole
    return _scientific if wide or low < 1e-4 else _fixed


def _whole(value: float) -> str:
    return f"{value:.0f}." if math.isfinite(value) else f"{value}"


def _fixed(value: float) -> str:
    return f"{value:.{PRECISION}f}"


def _scientific(value: float) -> str:
    return f"{value:.{PRECISION}e}"


def _format(
    data: Array, indent: int, summarize: bool, style: Callable[[Any], str], width: int
) -> str:
    if data.ndim == 0:
        return style(data.item()).rjust(width)
    cut = summarize and len(data) > 2 * EDGE_ITEMS
    rows = [*data[:EDGE_ITEMS], *data[-EDGE_ITEMS:]] if cut else list(data)
    if data.ndim > 1:
        parts = [_format(row, indent + 1, summarize, style, width) for row in rows]
        if cut:
            parts.insert(EDGE_ITEMS, "...")
        return "[" + ("," + "\n" * (data.ndim - 1) + " " * (indent + 1)).join(parts) + "]"
    items = [style(value.item()).rjust(width) for value in rows]
    if cut:
        items.insert(EDGE_ITEMS, " ...")
    per_line = max(1, (LINE_WIDTH - indent) // (width + 2))
    lines = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"
