"""Functions that pad, resample and rearrange images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qgrad import ops
from qgrad.errors import ShapeError, UnsupportedOpError

__all__ = [
    "interpolate",
    "pad",
    "pixel_shuffle",
    "pixel_unshuffle",
    "upsample",
]


def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """Widen the last dimensions by `pad` = (low, high) pairs, the last dimension first.

    `mode` is "constant" (with `value`, 0 if None), "reflect", "replicate" or "circular".
    """
    if mode != "constant" and value:
        raise ValueError(f"pad: value {value} has no meaning for mode {mode!r}; leave it out")
    if mode in ("reflect", "replicate") and getattr(input, "requires_grad", False):
        input = ops.unchanged(input)
    return ops.pad(input, tuple(pad), mode, 0.0 if value is None else value)


def interpolate(
    input: Any,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    """(N, C, ...) resampled to `size`, or to `scale_factor` times the size.

    `mode` is "nearest", "nearest-exact", "linear" (3 dims), "bilinear" and "bicubic" (4 dims),
    "trilinear" (5 dims) or "area" (3 or 4 dims). With `align_corners` the corner pixels stay where
    they are, else the corners of the corner pixels do.
    """
    if antialias:
        raise UnsupportedOpError(
            "interpolate: antialias is True, but only False is implemented; pool first, or use "
            "mode='area'"
        )
    if mode == "area":
        return _area(input, size, scale_factor, align_corners)
    return ops.interpolate(input, size, scale_factor, mode, align_corners, recompute_scale_factor)


def _area(input: Any, size: Any, scale_factor: Any, align_corners: bool | None) -> Any:
    if align_corners is not None:
        raise ValueError("interpolate: align_corners has no meaning for mode 'area'; leave it out")
    if (size is None) == (scale_factor is None):
        raise ValueError(
            f"interpolate: exactly one of size and scale_factor must be given, got {size} and "
            f"{scale_factor}"
        )
    pools = {3: ops.adaptive_avg_pool1d, 4: ops.adaptive_avg_pool2d}
    if len(input.shape) not in pools:
        raise ShapeError(
            f"interpolate: mode 'area' needs input of 3 or 4 dims, got {tuple(input.shape)}"
        )
    sizes = input.shape[2:]
    if size is None:
        many = isinstance(scale_factor, (tuple, list))
        factors = scale_factor if many else (scale_factor,) * len(sizes)
        size = tuple(int(n * f) for n, f in zip(sizes, factors, strict=True))
    return pools[len(input.shape)](input, size)


def upsample(
    input: Any,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Any:
    """The former name of `interpolate`."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    """Channels become pixels: (..., C * r * r, H, W) -> (..., C, H * r, W * r), r the factor."""
    r = upscale_factor
    lead, channels, height, width = _image_sizes("pixel_shuffle", input)
    if r < 1 or channels % (r * r):
        raise ShapeError(
            f"pixel_shuffle: {channels} channels cannot be made {r} x {r} pixels; they must be a "
            f"multiple of {r * r} (input {tuple(input.shape)})"
        )
    outputs = channels // (r * r)
    n = len(lead)
    parts = ops.reshape(input, (*lead, outputs, r, r, height, width))
    order = (*range(n + 1), n + 3, n + 1, n + 4, n + 2)
    return ops.reshape(ops.permute(parts, order), (*lead, outputs, height * r, width * r))


def pixel_unshuffle(input: Any, downscale_factor: int) -> Any:
    """Pixels become channels: (..., C, H * r, W * r) -> (..., C * r * r, H, W), r the factor."""
    r = downscale_factor
    lead, channels, height, width = _image_sizes("pixel_unshuffle", input)
    if r < 1 or height % r or width % r:
        raise ShapeError(
            f"pixel_unshuffle: height and width must be multiples of {r}, got {tuple(input.shape)}"
        )
    n = len(lead)
    parts = ops.reshape(input, (*lead, channels, height // r, r, width // r, r))
    order = (*range(n + 1), n + 2, n + 4, n + 1, n + 3)
    shape = (*lead, channels * r * r, height // r, width // r)
    return ops.reshape(ops.permute(parts, order), shape)


def _image_sizes(name: str, input: Any) -> tuple[tuple[int, ...], int, int, int]:
    if len(input.shape) < 3:
        raise ShapeError(f"{name}: input must be (..., C, H, W), got {tuple(input.shape)}")
    *lead, channels, height, width = input.shape
    return tuple(lead), channels, height, width
