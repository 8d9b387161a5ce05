"""How a convolution walks over an image, and what size comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Windows", "conv_size"]


class Windows(NamedTuple):
    """How a convolution walks: strides, padding (top, bottom, left, right), dilation, groups."""

    stride: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilation: tuple[int, int]
    groups: int


def conv_size(size: Sequence[int], kernel: Sequence[int], how: Windows) -> tuple[int, int]:
    """Height and width of the output for an input and kernel of these sizes."""
    height, width = (
        (size[i] + how.pads[2 * i] + how.pads[2 * i + 1] - how.dilation[i] * (kernel[i] - 1) - 1)
        // how.stride[i]
        + 1
        for i in (0, 1)
    )
    return height, width
