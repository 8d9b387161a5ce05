"""Widening and narrowing the last dims."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qgrad.errors import ShapeError
from qgrad.ops.op import Value, describe, op

__all__ = ["pad", "pad_transpose"]

_NUMPY_MODES = {
    "constant": "constant",
    "reflect": "reflect",
    "replicate": "edge",
    "circular": "wrap",
}


def _widths(name: str, ndim: int, pad: Sequence[int]) -> list[tuple[int, int]]:
    """(before, after) for each dim; `pad` names the last dim first."""
    if len(pad) % 2 or len(pad) > 2 * ndim:
        raise ShapeError(
            f"{name}: pad must hold (before, after) for at most {ndim} dims, last dim first, "
            f"got {tuple(pad)}"
        )
    pairs = [(int(pad[i]), int(pad[i + 1])) for i in range(0, len(pad), 2)]
    return [(0, 0)] * (ndim - len(pairs)) + pairs[::-1]


def _sources(
    shape: Sequence[int], widths: Sequence[tuple[int, int]], mode: str
) -> list[tuple[int, Any]]:
    """For each dim that is padded: from which position each output element is taken."""
    longest = {"reflect": 1, "circular": 0}
    sources = []
    for axis, (size, (before, after)) in enumerate(zip(shape, widths, strict=True)):
        if size + min(before, 0) + min(after, 0) < 0:
            raise ShapeError(
                f"pad: widths {(before, after)} cut more than there is of dim {axis} of length "
                f"{size}"
            )
        if mode in longest and max(before, after) > size - longest[mode]:
            raise ShapeError(
                f"pad: mode {mode!r} can add at most {size - longest[mode]} on each side of dim "
                f"{axis} of length {size}, got {(before, after)}"
            )
        if before or after:
            sources.append((axis, _source(size, before, after, mode)))
    return sources


def _source(size: int, before: int, after: int, mode: str) -> Any:
    """The positions of one dim; what is cut off may be reflected first, but never wraps around."""
    numbers = np.arange(size)
    kept = slice(max(-before, 0), size - max(-after, 0))
    wider = (max(before, 0), max(after, 0))
    if mode == "circular":
        return np.pad(numbers[kept], wider, "wrap")
    source = np.pad(numbers, wider, _NUMPY_MODES[mode])  # type: ignore[call-overload]
    return source[max(-before, 0) : len(source) - max(-after, 0)]


@op(onnx="Pad")
def pad(input: Value, pad: Sequence[int], mode: str = "constant", value: float = 0.0) -> Value:
    """`input` widened by (before, after) of its last dims, the last first; widths < 0 cut off.

    `mode` is "constant" (with `value`), "reflect", "replicate" or "circular".
    """
    if mode not in _NUMPY_MODES:
        raise ValueError(f"pad: mode must be one of {', '.join(_NUMPY_MODES)}, got {mode!r}")
    widths = _widths("pad", input.ndim, pad)
    if mode == "constant":
        return _pad_constant(input, widths, value)
    for axis, source in _sources(input.shape, widths, mode):
        input = np.take(input, source, axis)
    return input


def _pad_constant(input: Any, widths: Sequence[tuple[int, int]], value: float) -> Any:
    sizes = list(zip(input.shape, widths, strict=True))
    shape = [n + before + after for n, (before, after) in sizes]
    if shape and min(shape) < 0:
        raise ShapeError(f"pad: widths {widths} cut more than there is of {describe(input)}")
    y = np.full(shape, value, input.dtype)
    kept = [slice(max(-before, 0), n - max(-after, 0)) for n, (before, after) in sizes]
    place = [slice(max(before, 0), n + before - max(-after, 0)) for n, (before, after) in sizes]
    y[tuple(place)] = input[tuple(kept)]
    return y


@pad.rule("input")
def pad_dinput(g: Value, input_shape: tuple[int, ...], pad: Sequence[int], mode: str) -> Value:
    return pad_transpose(g, input_shape, pad, mode)


@op()
def pad_transpose(input: Value, shape: tuple[int, ...], pad: Sequence[int], mode: str) -> Value:
    """Each element of `input` added to the one of `shape` that `pad` took it from."""
    widths = _widths("pad", input.ndim, pad)
    if mode == "constant":
        return _pad_constant(input, [(-before, -after) for before, after in widths], 0.0)
    for axis, source in reversed(_sources(shape, widths, mode)):
        y = np.zeros((*input.shape[:axis], shape[axis], *input.shape[axis + 1 :]), input.dtype)
        _add_slices(np.moveaxis(y, axis, 0), source, np.moveaxis(input, axis, 0))
        input = y
    return input


def _add_slices(y: Any, source: Any, input: Any) -> None:
    """y[source[i]] += input[i] for i ascending; stretches of neighbours at once."""
    ends = [*(np.flatnonzero(np.diff(source) != 1) + 1), len(source)]
    begin = 0
    for end in ends:
        if end > begin:
            y[source[begin] : source[begin] + end - begin] += input[begin:end]
        begin = end


@pad_transpose.rule("input")
def pad_transpose_dinput(g: Value, pad: Sequence[int], mode: str) -> Value:
    return _pad_again(g, pad, mode)


def _pad_again(g: Value, pad_: Sequence[int], mode: str) -> Value:
    return pad(g, pad_, mode)
