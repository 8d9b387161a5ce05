"""Max, average and adaptive average pooling."""

from __future__ import annotations

from typing import Any

from qgrad import ops
from qgrad.nn import functional as F
from qgrad.nn.module import Module

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "MaxPool1d",
    "MaxPool2d",
]

Size = int | tuple[int, ...]


class _MaxPool(Module):
    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def _options(self) -> tuple[Any, ...]:
        return (
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.ceil_mode,
            self.return_indices,
        )

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The largest value of each window over the last dimension: (N, C, L) -> (N, C, L').

    With `return_indices`, a pair of them and of their positions in L.
    """

    def forward(self, input: Any) -> Any:
        """(N, C, L) -> (N, C, L')."""
        return F.max_pool1d(input, *self._options())


class MaxPool2d(_MaxPool):
    """The largest value of each window over the last two: (N, C, H, W) -> (N, C, H', W').

    With `return_indices`, a pair of them and of their positions in H * W.
    """

    def forward(self, input: Any) -> Any:
        """(N, C, H, W) -> (N, C, H', W')."""
        return F.max_pool2d(input, *self._options())


class AvgPool1d(Module):
    """The mean of each window over the last dimension: (N, C, L) -> (N, C, L').

    Padding counts as zeros, also in the divisor if `count_include_pad`.
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = _single(kernel_size)
        self.stride = self.kernel_size if stride is None else _single(stride)
        self.padding = _single(padding)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Any) -> Any:
        """(N, C, L) -> (N, C, L')."""
        return ops.avg_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(Module):
    """The mean of each window over the last two dimensions: (N, C, H, W) -> (N, C, H', W').

    Padding counts as zeros, also in the divisor if `count_include_pad`; `divisor_override` replaces
    the divisor.
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Any) -> Any:
        """(N, C, H, W) -> (N, C, H', W')."""
        return ops.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AdaptiveAvgPool(Module):
    def __init__(self, output_size: int | tuple[int | None, ...] | None) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Means over windows chosen so that the output has length `output_size`."""

    def forward(self, input: Any) -> Any:
        """(N, C, L) -> (N, C, output_size)."""
        return ops.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Means over windows chosen so that the output has size `output_size`; None keeps a size."""

    def forward(self, input: Any) -> Any:
        """(N, C, H, W) -> (N, C, *output_size)."""
        return ops.adaptive_avg_pool2d(input, self.output_size)


def _single(value: Size) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else tuple(value)
