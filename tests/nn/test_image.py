"""Interpolation and pixel shuffling: which pixel goes where, what keeps its place, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qgrad
from qgrad import nn
from qgrad.errors import ShapeError, UnsupportedOpError
from qgrad.nn import functional as F

MODES = {"linear": 3, "bilinear": 4, "trilinear": 5, "bicubic": 4}


@given(mode=st.sampled_from(sorted(MODES)), out=st.integers(1, 9), align=st.booleans())
def test_constants_stay(mode: str, out: int, align: bool) -> None:
    """The weights of each output add up to 1."""
    x = qgrad.ones(1, 1, *(4,) * (MODES[mode] - 2), dtype=qgrad.float64)
    y = F.interpolate(x, size=out, mode=mode, align_corners=align)
    np.testing.assert_allclose(y.numpy(), 1, rtol=1e-12)


@pytest.mark.parametrize("mode", ["linear", "bilinear", "trilinear"])
def test_aligned_corners_keep_lines_straight(mode: str) -> None:
    """A ramp stays a ramp between the same ends."""
    dims = MODES[mode] - 2
    ramp = sum(np.indices((4,) * dims)).astype(np.float64)  # type: ignore[arg-type]
    expected = sum(np.indices((7,) * dims)) * 0.5  # type: ignore[arg-type]
    y = F.interpolate(qgrad.from_numpy(ramp[None, None]), size=7, mode=mode, align_corners=True)
    np.testing.assert_allclose(y.numpy()[0, 0], expected, atol=1e-12)


def test_nearest_takes_whole_pixels() -> None:
    """Pixels are repeated; inf and NaN stay where they are, in other modes near by."""
    x = qgrad.tensor([[[1.0, np.inf, np.nan]]])
    y = F.interpolate(x, scale_factor=2)
    np.testing.assert_array_equal(y.numpy(), [[[1, 1, np.inf, np.inf, np.nan, np.nan]]])
    ends = F.interpolate(qgrad.tensor([[[1.0, 1.0, np.inf]]]), scale_factor=3, mode="linear")
    assert ends.tolist()[0][0][:4] == [1.0] * 4


def test_area_is_the_adaptive_mean() -> None:
    """mode="area" is what adaptive average pooling gives."""
    x = qgrad.randn(1, 2, 5, 6)
    np.testing.assert_array_equal(
        F.interpolate(x, size=(2, 3), mode="area").numpy(), F.adaptive_avg_pool2d(x, (2, 3)).numpy()
    )
    assert tuple(F.interpolate(x, scale_factor=0.5, mode="area").shape) == (1, 2, 2, 3)


def test_scale_or_size_decides_the_step() -> None:
    """A scale of 1.3 of 3 pixels gives 3, sampled 1/1.3 apart, or 1 if the scale is recomputed."""
    x = qgrad.tensor([[[0.0, 1.0, 2.0]]])
    scaled = F.interpolate(x, scale_factor=1.3, mode="linear")
    assert scaled.numpy()[0, 0, 2] == pytest.approx(2.5 / 1.3 - 0.5, rel=1e-6)
    same = F.interpolate(x, scale_factor=1.3, mode="linear", recompute_scale_factor=True)
    np.testing.assert_allclose(same.numpy(), x.numpy(), atol=1e-6)


@given(
    lead=st.lists(st.integers(0, 3), max_size=2),
    channels=st.integers(1, 3),
    size=st.tuples(st.integers(0, 3), st.integers(1, 3)),
    r=st.integers(1, 3),
)
def test_shuffled_pixels_come_back(
    lead: list[int], channels: int, size: tuple[int, int], r: int
) -> None:
    """Pixel (h r + i, w r + j) of channel c comes from channel (c r + i) r + j, and back."""
    x = np.random.default_rng(0).uniform(-1, 1, (*lead, channels * r * r, *size))
    y = F.pixel_shuffle(qgrad.from_numpy(x), r)
    assert tuple(y.shape) == (*lead, channels, size[0] * r, size[1] * r)
    for i, j in np.ndindex(r, r):
        part = y.numpy()[..., i::r, j::r]
        np.testing.assert_array_equal(part, x[..., i * r + j :: r * r, :, :])
    np.testing.assert_array_equal(F.pixel_unshuffle(y, r).numpy(), x)


X = qgrad.ones(1, 3, 4, 4)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: F.interpolate(X), ValueError, "exactly one of size and scale_factor"),
        (lambda: F.interpolate(X, 2, 2.0), ValueError, "exactly one of size and scale_factor"),
        (lambda: F.interpolate(X, (2,)), ValueError, "size must hold 2 numbers"),
        (lambda: F.interpolate(X, 0), ShapeError, r"at least 1, got \[4, 4\] to be made \[0, 0\]"),
        (lambda: F.interpolate(X, 2, mode="linear"), ShapeError, r"needs input.*of 3 dims"),
        (lambda: F.interpolate(X, 2, mode="cubic"), ValueError, "mode must be one of nearest"),
        (lambda: F.interpolate(X, 2, align_corners=True), ValueError, "has no meaning for mode"),
        (lambda: F.interpolate(X, 2, mode="area", align_corners=True), ValueError, "no meaning"),
        (
            lambda: F.interpolate(X, 2, recompute_scale_factor=True),
            ValueError,
            "recompute_scale_factor needs scale_factor",
        ),
        (lambda: F.interpolate(X, 2, antialias=True), UnsupportedOpError, "antialias"),
        (lambda: F.interpolate(X.long(), 2), TypeError, "must hold floats"),
        (lambda: nn.PixelShuffle(2)(X), ShapeError, "3 channels cannot be made 2 x 2 pixels"),
        (lambda: nn.PixelUnshuffle(3)(X), ShapeError, "multiples of 3"),
        (lambda: F.pixel_shuffle(X[0, 0], 2), ShapeError, r"must be \(..., C, H, W\)"),
    ],
)
def test_errors(call: Any, kind: type[Exception], message: str) -> None:
    """Sizes, modes and options that do not fit are refused."""
    with pytest.raises(kind, match=message):
        call()
