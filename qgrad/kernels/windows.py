"""Pooling windows along one axis, by PyTorch's rules: what the pooling kernels loop over."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import ShapeError

__all__ = ["adaptive_windows", "pool_windows"]

I32 = NDArray[np.int32]


def pool_windows(
    size: int,
    kernel: int,
    stride: int,
    pad: int,
    dilation: int = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> tuple[I32, I32]:
    """The windows of a pooling axis of `size` positions, and their divisors for averaging.

    Returns int32 [windows, 3] of start, stop, step, clipped to the axis, and int32 [windows]: how
    many positions count, with padding on both sides or without. With ceil_mode a last window that
    sticks out is kept if it starts inside the axis or the left padding.

    >>> pool_windows(5, 3, 2, 1)[0].tolist()
    [[0, 2, 1], [1, 4, 1], [3, 5, 1]]
    """
    _check(size, kernel, stride, pad, dilation)
    span = dilation * (kernel - 1) + 1
    steps = size + 2 * pad - span
    windows = (-(-steps // stride) if ceil_mode else steps // stride) + 1
    if ceil_mode and (windows - 1) * stride >= size + pad:
        windows -= 1
    begin = np.arange(windows, dtype=np.int64) * stride - pad
    end = np.minimum(begin + span, size + pad)
    # The first position of a dilated window that is not in the left padding.
    start = np.where(begin < 0, begin % dilation, begin)
    stop = np.minimum(end, size)
    if (start >= stop).any():
        raise ShapeError(
            f"pool: a window of kernel_size={kernel}, dilation={dilation} and padding={pad} lies "
            f"wholly in the padding of an axis of {size}; use less padding"
        )
    divisors = end - begin if count_include_pad else stop - start
    triples = np.stack([start, stop, np.full_like(start, dilation)], axis=1)
    return triples.astype(np.int32), divisors.astype(np.int32)


def adaptive_windows(size: int, out: int) -> tuple[I32, I32]:
    """`out` windows that cover an axis of `size` positions evenly, and their lengths.

    >>> adaptive_windows(7, 3)[0].tolist()
    [[0, 3, 1], [2, 5, 1], [4, 7, 1]]
    """
    if out < 1 or size < 1:
        raise ShapeError(
            f"adaptive pool: {size} positions cannot be pooled to {out}; both must be at least 1"
        )
    index = np.arange(out, dtype=np.int64)
    start, stop = index * size // out, -(-(index + 1) * size // out)
    triples = np.stack([start, stop, np.ones_like(start)], axis=1)
    return triples.astype(np.int32), (stop - start).astype(np.int32)


def _check(size: int, kernel: int, stride: int, pad: int, dilation: int) -> None:
    span = dilation * (kernel - 1) + 1
    wrong = None
    if min(kernel, stride, dilation) < 1 or pad < 0:
        wrong = "kernel_size, stride and dilation must be at least 1 and padding at least 0"
    elif 2 * pad > span:
        wrong = "padding must be at most half of the window"
    elif size + 2 * pad < span:
        wrong = "the window must not be larger than the padded axis"
    elif max(size, span, stride) + 2 * pad >= 2**31:
        wrong = "sizes must stay below 2^31"
    if wrong is not None:
        raise ShapeError(
            f"pool: {wrong} (kernel_size={kernel}, stride={stride}, padding={pad}, "
            f"dilation={dilation}, axis of {size})"
        )
