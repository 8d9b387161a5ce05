"""Linear maps, convolutions and their windows, as functions."""

from __future__ import annotations

from typing import Any

from qgrad import ops

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "fold",
    "linear",
    "unfold",
]

Size = int | tuple[int, ...]


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """x @ weight.T + bias: (..., K), weight (N, K), bias (N) -> (..., N)."""
    return ops.linear(input, weight, bias)


def conv1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Any:
    """Cross-correlation: (N, C, L), weight (O, C/groups, K), bias (O) -> (N, O, L')."""
    return ops.conv1d(input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Any:
    """Cross-correlation: (N, C, H, W), weight (O, C/groups, KH, KW), bias (O) -> (N, O, H', W')."""
    return ops.conv2d(input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Any:
    """Cross-correlation: (N, C, D, H, W), weight (O, C/groups, KD, KH, KW) -> (N, O, ...)."""
    return ops.conv3d(input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Any:
    """The transpose of conv1d: (N, C, L), weight (C, O/groups, K), bias (O) -> (N, O, L').

    L' = (L - 1) * stride - 2 * padding + dilation * (K - 1) + output_padding + 1.
    """
    return ops.conv_transpose1d(
        input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Any:
    """The transpose of conv2d: (N, C, H, W), weight (C, O/groups, KH, KW) -> (N, O, H', W')."""
    return ops.conv_transpose2d(
        input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def unfold(
    input: Any, kernel_size: Size, dilation: Size = 1, padding: Size = 0, stride: Size = 1
) -> Any:
    """Every window of an image as a column: (N, C, H, W) -> (N, C * KH * KW, windows)."""
    return ops.im2col(input, kernel_size, dilation, padding, stride)


def fold(
    input: Any,
    output_size: Size,
    kernel_size: Size,
    dilation: Size = 1,
    padding: Size = 0,
    stride: Size = 1,
) -> Any:
    """Columns added to their windows: (N, C * KH * KW, windows) -> (N, C, *output_size)."""
    return ops.col2im(input, output_size, kernel_size, dilation, padding, stride)
