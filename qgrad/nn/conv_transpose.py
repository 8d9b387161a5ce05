"""ConvTranspose1d and ConvTranspose2d."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qgrad import ops
from qgrad.dtypes import DType
from qgrad.errors import ShapeError
from qgrad.nn.conv import ConvNd

__all__ = ["ConvTranspose1d", "ConvTranspose2d"]


class _ConvTranspose(ConvNd):
    """A convolution's transpose: its weight is (in_channels, out_channels/groups, *kernel)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        output_padding: int | tuple[int, ...] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, ...] = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(
                f"{type(self).__name__}: padding_mode is {padding_mode!r}, but must be 'zeros'."
            )
        self._per_axis("padding", padding, 0)  # the base class takes names, too
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )
        self.output_padding = self._per_axis("output_padding", output_padding, 0)

    def _weight_shape(self) -> tuple[int, ...]:
        return (self.in_channels, self.out_channels // self.groups, *self.kernel_size)

    def _output_repr(self) -> str:
        if self.output_padding == (0,) * self._rank:
            return ""
        return f", output_padding={self.output_padding}"

    def _extra(self, input: Any, output_size: Sequence[int] | None) -> tuple[int, ...]:
        """The output padding that gives `output_size`, or else the module's own."""
        if output_size is None:
            return self.output_padding
        wanted = tuple(output_size)[-self._rank :]
        least = tuple(
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(
                input.shape[-self._rank :],
                self.stride,
                self.padding,
                self.dilation,
                self.kernel_size,
                strict=True,
            )
        )
        if len(wanted) != self._rank or any(
            not low <= n < low + max(s, d)
            for n, low, s, d in zip(wanted, least, self.stride, self.dilation, strict=True)
        ):
            raise ShapeError(
                f"{type(self).__name__}: output_size is {tuple(output_size)}, but must be from "
                f"{least} to less than a stride (or dilation) more, for an input of "
                f"{tuple(input.shape)}."
            )
        return tuple(n - low for n, low in zip(wanted, least, strict=True))


class ConvTranspose1d(_ConvTranspose):
    """The transpose of Conv1d: x (N, in_channels, L) -> (N, out_channels, L').

    weight (in_channels, out_channels/groups, K);
    L' = (L - 1) * stride - 2 * padding + dilation * (K - 1) + output_padding + 1.
    """

    _rank = 1

    def forward(self, input: Any, output_size: Sequence[int] | None = None) -> Any:
        """(N, in_channels, L) -> (N, out_channels, L'); `output_size` chooses L'."""
        return ops.conv_transpose1d(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self._extra(input, output_size),
            self.groups,
            self.dilation,
        )


class ConvTranspose2d(_ConvTranspose):
    """The transpose of Conv2d: x (N, in_channels, H, W) -> (N, out_channels, H', W').

    weight (in_channels, out_channels/groups, KH, KW); sizes as in ConvTranspose1d.

    >>> ConvTranspose2d(8, 3, 3, stride=2, padding=1, output_padding=1)
    ConvTranspose2d(8, 3, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), output_padding=(1, 1))
    """

    _rank = 2

    def forward(self, input: Any, output_size: Sequence[int] | None = None) -> Any:
        """(N, in_channels, H, W) -> (N, out_channels, H', W'); `output_size` chooses H', W'."""
        return ops.conv_transpose2d(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self._extra(input, output_size),
            self.groups,
            self.dilation,
        )
