"""Two 4-bit codes a byte, the earlier one in the low half."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["packed", "packed_size", "unpacked"]

Codes = NDArray[np.uint8]


def packed_size(codes: int) -> int:
    """The number of bytes that hold `codes` codes; the last half of an odd one stays 0."""
    return (codes + 1) // 2


def packed(codes: Codes) -> Codes:
    """A flat array of codes 0..15 as bytes."""
    pairs = np.zeros((packed_size(codes.size), 2), np.uint8)
    pairs.reshape(-1)[: codes.size] = codes
    return np.asarray(pairs[:, 0] | (pairs[:, 1] << np.uint8(4)))


def unpacked(data: Codes) -> Codes:
    """The codes in bytes, two of each."""
    return np.stack([data & np.uint8(15), data >> np.uint8(4)], axis=1).reshape(-1)
