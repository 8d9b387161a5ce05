"""Pooling as functions."""

from __future__ import annotations

from typing import Any

from qgrad import ops

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "avg_pool1d",
    "avg_pool2d",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
]

Size = int | tuple[int, ...]


def max_pool1d(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window: (N, C, L) -> (N, C, L').

    With `return_indices`, a pair of them and of their positions in L.
    """
    options = (kernel_size, stride, padding, dilation, ceil_mode)
    y = ops.max_pool1d(input, *options)
    return (y, ops.max_pool1d_indices(input, *options)) if return_indices else y


def max_pool2d(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window: (N, C, H, W) -> (N, C, H', W').

    With `return_indices`, a pair of them and of their positions in H * W.
    """
    options = (kernel_size, stride, padding, dilation, ceil_mode)
    y = ops.max_pool2d(input, *options)
    return (y, ops.max_pool2d_indices(input, *options)) if return_indices else y


def max_pool1d_with_indices(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """`max_pool1d` with `return_indices`."""
    return max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def max_pool2d_with_indices(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """`max_pool2d` with `return_indices`."""
    return max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode, True)


def avg_pool1d(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The mean of each window: (N, C, L) -> (N, C, L')."""
    return ops.avg_pool1d(input, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The mean of each window: (N, C, H, W) -> (N, C, H', W')."""
    return ops.avg_pool2d(
        input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def adaptive_avg_pool1d(input: Any, output_size: int | tuple[int]) -> Any:
    """Means over windows chosen to give (N, C, output_size)."""
    return ops.adaptive_avg_pool1d(input, output_size)


def adaptive_avg_pool2d(input: Any, output_size: int | tuple[int | None, ...] | None) -> Any:
    """Means over windows chosen to give (N, C, *output_size); None keeps a size."""
    return ops.adaptive_avg_pool2d(input, output_size)
