"""Conv1d, Conv2d and Conv3d."""

from __future__ import annotations

import math
from typing import Any

from qgrad import ops
from qgrad.dtypes import DType
from qgrad.nn import init
from qgrad.nn.module import Module
from qgrad.nn.parameter import Parameter, empty_parameter

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvNd"]

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class ConvNd(Module):
    """What convolutions share: arguments, parameters, initialisation, repr."""

    weight: Parameter
    bias: Parameter | None
    padding: Any  # a tuple of ints, "same" or "valid"
    _rank: int

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] | str = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = self._per_axis("kernel_size", kernel_size, 1)
        self.stride = self._per_axis("stride", stride, 1)
        self.padding = (
            padding if isinstance(padding, str) else self._per_axis("padding", padding, 0)
        )
        self.dilation = self._per_axis("dilation", dilation, 1)
        self.groups = groups
        self.padding_mode = padding_mode
        self._check()
        name = type(self).__name__
        shape = self._weight_shape()
        self.weight = empty_parameter(name, shape, device=device, dtype=dtype)
        if bias:
            self.bias = empty_parameter(name, (out_channels,), device=device, dtype=dtype)
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _weight_shape(self) -> tuple[int, ...]:
        return (self.out_channels, self.in_channels // self.groups, *self.kernel_size)

    def _per_axis(self, option: str, value: int | tuple[int, ...], low: int) -> tuple[int, ...]:
        values = (value,) * self._rank if isinstance(value, int) else tuple(value)
        if len(values) != self._rank or not all(isinstance(v, int) and v >= low for v in values):
            raise ValueError(
                f"{type(self).__name__}: {option} is {value!r}, but must be an int >= {low} or a "
                f"tuple of {self._rank} of them."
            )
        return values

    def _check(self) -> None:
        name, groups = type(self).__name__, self.groups
        if groups < 1 or self.in_channels % groups or self.out_channels % groups:
            raise ValueError(
                f"{name}: groups is {groups}, but must be >= 1 and divide in_channels "
                f"({self.in_channels}) and out_channels ({self.out_channels})."
            )
        if self.padding_mode not in _PADDING_MODES:
            raise ValueError(
                f"{name}: padding_mode is {self.padding_mode!r}, but must be one of "
                f"{', '.join(map(repr, _PADDING_MODES))}."
            )
        if isinstance(self.padding, str):
            if self.padding not in ("same", "valid"):
                raise ValueError(
                    f"{name}: padding is {self.padding!r}, but must be 'same', 'valid', an int or "
                    "a tuple."
                )
            if self.padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError(
                    f"{name}: padding='same' needs stride 1, but stride is {self.stride}. "
                    "Give the padding as numbers."
                )

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, uniform on +-1/sqrt(fan_in)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        fan_in = math.prod(self.weight.shape[1:])
        if self.bias is not None and fan_in:
            bound = 1 / math.sqrt(fan_in)
            init.uniform_(self.bias, -bound, bound)

    def _pads(self) -> list[int]:
        """(low, high) of each axis, last axis first, as F.pad takes them."""
        pads: list[int] = []
        for axis in reversed(range(self._rank)):
            if self.padding == "same":
                total = self.dilation[axis] * (self.kernel_size[axis] - 1)
                pads += [total // 2, total - total // 2]
            elif not isinstance(self.padding, str):
                pads += [self.padding[axis]] * 2
            else:
                pads += [0, 0]
        return pads

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        )
        if self.padding != (0,) * self._rank:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * self._rank:
            text += f", dilation={self.dilation}"
        text += self._output_repr()
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text

    def _output_repr(self) -> str:
        """What a subclass says of its output's size."""
        return ""

    def _padded(self, input: Any) -> tuple[Any, Any]:
        """The input with padding other than zeros, and the padding still to be added."""
        if self.padding_mode == "zeros":
            return input, self.padding
        return ops.pad(input, self._pads(), self.padding_mode), 0


class Conv1d(ConvNd):
    """Cross-correlation over the last dimension.

    x (N, in_channels, L) -> (N, out_channels, L'); weight (out_channels, in_channels/groups, K).
    `padding` is a number, "valid" (0) or "same" (as long an output as the input, at stride 1).
    """

    _rank = 1

    def forward(self, input: Any) -> Any:
        """(N, in_channels, L) -> (N, out_channels, L')."""
        input, padding = self._padded(input)
        return ops.conv1d(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )


class Conv2d(ConvNd):
    """Cross-correlation over the last two dimensions.

    x (N, in_channels, H, W) -> (N, out_channels, H', W'), weight (out_channels,
    in_channels/groups, KH, KW). Sizes are an int or one per axis; `padding` may also be "valid" (0)
    or "same" (as large an output as the input, at stride 1).

    >>> Conv2d(3, 8, 3, padding=1)
    Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    """

    _rank = 2

    def forward(self, input: Any) -> Any:
        """(N, in_channels, H, W) -> (N, out_channels, H', W')."""
        input, padding = self._padded(input)
        return ops.conv2d(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )


class Conv3d(ConvNd):
    """Cross-correlation over the last three dimensions.

    x (N, in_channels, D, H, W) -> (N, out_channels, D', H', W'), weight (out_channels,
    in_channels/groups, KD, KH, KW); see Conv2d.
    """

    _rank = 3

    def forward(self, input: Any) -> Any:
        """(N, in_channels, D, H, W) -> (N, out_channels, D', H', W')."""
        input, padding = self._padded(input)
        return ops.conv3d(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )
