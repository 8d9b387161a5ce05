"""The handwritten digits that scikit-learn ships: 1,797 real scans of 8x8 pixels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Digits", "Images", "load_digits"]

TRAIN, CALIBRATION = 1200, 128  # the remaining 469 are for the test


class Images(NamedTuple):
    """float32 pixels (N, 1, 8, 8) from 0 to 1, and their int64 digits (N,)."""

    pixels: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


class Digits(NamedTuple):
    """The three parts of the data; no scan is in two of them."""

    train: Images
    calibration: Images
    test: Images


def load_digits(seed: int) -> Digits:
    """The scans in an order that the seed decides, cut into three parts."""
    try:
        from sklearn import datasets
    except ImportError:
        raise ImportError(
            "demo: the digits come with scikit-learn, which is not installed; "
            "get it by `pip install 'qgrad[demo]'`"
        ) from None
    scans: Any = datasets.load_digits()
    pixels = (scans.images / 16).astype(np.float32)[:, None]
    labels = scans.target.astype(np.int64)
    order = np.random.default_rng(seed).permutation(len(labels))
    parts = np.split(order, [TRAIN, TRAIN + CALIBRATION])
    return Digits(*(Images(pixels[part], labels[part]) for part in parts))
