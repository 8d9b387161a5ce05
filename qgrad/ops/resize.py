"""Resampling the last dims to other sizes: `F.interpolate`, and its transpose.

Along each dim an output is a weighted sum of a few inputs, its taps; the weights of one tap are one
number for each output. The gradient adds each output back to its taps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qgrad.errors import ShapeError
from qgrad.ops.elementwise import is_float32
from qgrad.ops.matmul import matmul
from qgrad.ops.op import Value, describe, op
from qgrad.ops.shape import along

__all__ = ["interpolate", "interpolate_transpose"]

Sizes = int | Sequence[int] | None
Scales = float | Sequence[float] | None
Array = NDArray[Any]

# How many dims a mode can resize.
_RANKS = {
    "nearest": (1, 2, 3),
    "nearest-exact": (1, 2, 3),
    "linear": (1,),
    "bilinear": (2,),
    "trilinear": (3,),
    "bicubic": (2,),
}
_CUBIC = -0.75


class _Tap(NamedTuple):
    """For each output position an input position, and its weight (None: 1)."""

    source: NDArray[np.int64]
    weight: Array | None


class _Resize(NamedTuple):
    """What happens to the last dims: their new sizes and, where given, the scales."""

    sizes: tuple[int, ...]
    outputs: tuple[int, ...]
    scales: tuple[float | None, ...]
    mode: str
    align_corners: bool

    def taps(self, axis: int, dtype: np.dtype[Any]) -> list[_Tap]:
        """The taps along the dim at `axis` (counted among those resized)."""
        size, out, scale = self.sizes[axis], self.outputs[axis], self.scales[axis]
        if self.mode.startswith("nearest"):
            offset = 0.5 if self.mode == "nearest-exact" else 0.0
            return _nearest(size, out, _step(size, out, scale, False, dtype), offset)
        step = _step(size, out, scale, self.align_corners, dtype)
        position = np.arange(out).astype(dtype)
        if self.align_corners:
            source = step * position
        else:
            half = dtype.type(0.5)
            source = step * (position + half) - half
        return _cubic(source, size) if self.mode == "bicubic" else _linear(source, size)


def _step(size: int, out: int, scale: float | None, align: bool, dtype: Any) -> Any:
    """Input positions from one output to the next."""
    if align:
        return dtype.type((size - 1) / (out - 1) if out > 1 else 0)
    return dtype.type(1 / scale if scale else size / out)


def _nearest(size: int, out: int, step: Any, offset: float) -> list[_Tap]:
    # In float32 whatever the dtype, as in PyTorch: rounding decides what lies on a boundary.
    position = ((np.arange(out) + np.asarray(offset, step.dtype)) * step).astype(np.float32)
    return [_Tap(np.minimum(np.floor(position).astype(np.int64), size - 1), None)]


def _linear(source: Array, size: int) -> list[_Tap]:
    source = np.maximum(source, 0)
    low = np.minimum(np.floor(source).astype(np.int64), size - 1)
    right = np.clip(source - low, 0, 1).astype(source.dtype)
    return [_Tap(low, 1 - right), _Tap(np.minimum(low + 1, size - 1), right)]


def _cubic(source: Array, size: int) -> list[_Tap]:
    floor = np.floor(source)
    t = source - floor
    weights = (_cubic_far(t + 1), _cubic_near(t), _cubic_near(1 - t), _cubic_far(2 - t))
    low = floor.astype(np.int64)
    return [_Tap(np.clip(low + i - 1, 0, size - 1), w) for i, w in enumerate(weights)]


def _cubic_near(t: Array) -> Array:
    """Keys' kernel for distances up to 1."""
    return ((_CUBIC + 2) * t - (_CUBIC + 3)) * t * t + 1


def _cubic_far(t: Array) -> Array:
    """Keys' kernel for distances from 1 to 2."""
    return ((_CUBIC * t - 5 * _CUBIC) * t + 8 * _CUBIC) * t - 4 * _CUBIC


def _plan(
    shape: Sequence[int], size: Sizes, scale_factor: Scales, mode: str, align_corners: bool | None,
    recompute_scale_factor: bool | None,
) -> _Resize:  # fmt: skip
    dims = len(shape) - 2
    if mode not in _RANKS:
        raise ValueError(f"interpolate: mode must be one of {', '.join(_RANKS)}, got {mode!r}")
    if dims not in _RANKS[mode]:
        wanted = " or ".join(str(rank + 2) for rank in _RANKS[mode])
        raise ShapeError(
            f"interpolate: mode {mode!r} needs input [B, C, ...] of {wanted} dims, got "
            f"{list(shape)}"
        )
    if align_corners is not None and mode.startswith("nearest"):
        raise ValueError(
            f"interpolate: align_corners has no meaning for mode {mode!r}; leave it out"
        )
    if (size is None) == (scale_factor is None):
        raise ValueError(
            f"interpolate: exactly one of size and scale_factor must be given, got {size} and "
            f"{scale_factor}"
        )
    sizes = tuple(int(n) for n in shape[2:])
    scales: tuple[float | None, ...] = (None,) * dims
    if size is not None:
        if recompute_scale_factor:
            raise ValueError("interpolate: recompute_scale_factor needs scale_factor, not size")
        outputs = tuple(int(n) for n in _each(size, dims, "size"))
    else:
        factors = _each(scale_factor, dims, "scale_factor")
        outputs = tuple(math.floor(n * f) for n, f in zip(sizes, factors, strict=True))
        if not recompute_scale_factor:
            scales = tuple(float(f) for f in factors)
    if min((*sizes, *outputs)) < 1:
        raise ShapeError(
            f"interpolate: sizes must be at least 1, got {list(sizes)} to be made {list(outputs)}"
        )
    return _Resize(sizes, outputs, scales, mode, bool(align_corners))


def _each(value: Any, dims: int, name: str) -> tuple[Any, ...]:
    if not isinstance(value, (tuple, list)):
        return (value,) * dims
    if len(value) != dims:
        raise ValueError(f"interpolate: {name} must hold {dims} numbers, got {tuple(value)}")
    return tuple(value)


@op(onnx="Resize")
def interpolate(
    input: Value,
    size: Sizes = None,
    scale_factor: Scales = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
) -> Value:
    """[B, C, ...] resampled to `size`, or to `scale_factor` times the size.

    `mode` is "nearest", "nearest-exact", "linear", "bilinear", "trilinear" or "bicubic".
    """
    if input.dtype.kind != "f":
        raise TypeError(f"interpolate: input must hold floats, got {describe(input)}")
    resize = _plan(input.shape, size, scale_factor, mode, align_corners, recompute_scale_factor)
    y = input
    for i in reversed(range(len(resize.sizes))):  # rows last: they are moved as a whole
        y = _sum_taps(y, resize.taps(i, y.dtype), i + 2)
    return y


def _sum_taps(x: Array, taps: list[_Tap], axis: int) -> Array:
    column = (-1,) + (1,) * (x.ndim - 1 - axis)
    y: Any = None
    for source, weight in taps:
        part = x.take(source, axis)
        if weight is not None:
            part *= weight.reshape(column)
        y = part if y is None else np.add(y, part, out=y)
    return y


@interpolate.rule("input")
def interpolate_dinput(
    g: Value, input_shape: Any, size: Sizes, scale_factor: Scales, mode: str,
    align_corners: bool | None, recompute_scale_factor: bool | None,
) -> Value:  # fmt: skip
    options = (size, scale_factor, mode, align_corners, recompute_scale_factor)
    return interpolate_transpose(g, tuple(input_shape), *options)


@op()
def interpolate_transpose(
    input: Value,
    shape: tuple[int, ...],
    size: Sizes,
    scale_factor: Scales,
    mode: str,
    align_corners: bool | None,
    recompute_scale_factor: bool | None,
) -> Value:
    """Each element of `input` added to those of `shape` that `interpolate` took it from."""
    resize = _plan(shape, size, scale_factor, mode, align_corners, recompute_scale_factor)
    x = input
    for i in range(len(resize.sizes)):
        x = _add_taps(x, resize.taps(i, x.dtype), i + 2, resize.sizes[i])
    return x


# Positions of a dim up to which the weights are a matrix that is worth multiplying by.
_MOST_DENSE = 256


def _add_taps(y: Array, taps: list[_Tap], axis: int, size: int) -> Array:
    outputs = y.shape[axis]
    # Zeros of the matrix would spread what is not finite.
    if is_float32(y) and max(size, outputs) <= _MOST_DENSE and np.isfinite(y.sum()):
        matrix = np.zeros((size, outputs), y.dtype)
        for source, weight in taps:
            np.add.at(matrix, (source, np.arange(outputs)), 1.0 if weight is None else weight)
        rest = y.shape[axis + 1 :]
        if not rest:
            return matmul.forward(y, matrix.T)
        flat = y.reshape(*y.shape[: axis + 1], math.prod(rest))
        return matmul.forward(matrix, flat).reshape(*y.shape[:axis], size, *rest)
    column = (-1,) + (1,) * (len(y.shape) - 1 - axis)
    x: Array = np.zeros((*y.shape[:axis], size, *y.shape[axis + 1 :]), y.dtype)
    for source, weight in taps:
        part = y if weight is None else y * weight.reshape(column)
        # The positions never decrease, so those of one input are a run.
        starts = np.flatnonzero(np.diff(source, prepend=-1))
        x[along(axis, source[starts])] += np.add.reduceat(part, starts, axis)
    return x


@interpolate_transpose.rule("input")
def interpolate_transpose_dinput(
    g: Value, size: Sizes, scale_factor: Scales, mode: str, align_corners: bool | None,
    recompute_scale_factor: bool | None,
) -> Value:  # fmt: skip
    return interpolate(g, size, scale_factor, mode, align_corners, recompute_scale_factor)
