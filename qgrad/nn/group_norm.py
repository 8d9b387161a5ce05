"""Normalisation of each example alone: GroupNorm, InstanceNorm1d, InstanceNorm2d and RMSNorm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qgrad import ops
from qgrad.dtypes import DType
from qgrad.errors import ShapeError
from qgrad.nn import init
from qgrad.nn.module import Module
from qgrad.nn.norm import NormBase
from qgrad.nn.parameter import Parameter, empty_parameter

__all__ = ["GroupNorm", "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d", "RMSNorm"]


class GroupNorm(Module):
    """Normalises groups of channels of each example: (N, num_channels, ...), same shape out.

    y = (x - mean) / sqrt(var + eps) * weight + bias, with one weight and bias for each channel.
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(
                f"GroupNorm: num_groups is {num_groups}, but must be >= 1 and divide num_channels "
                f"({num_channels})."
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        for name, present in (("weight", affine), ("bias", affine and bias)):
            param = None
            if present:
                param = empty_parameter("GroupNorm", (num_channels,), device=device, dtype=dtype)
            self.register_parameter(name, param)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Any) -> Any:
        """(N, num_channels, ...) -> the same shape."""
        return ops.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class _InstanceNorm(NormBase):
    """Normalises each channel of each example."""

    _rank: int

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def forward(self, input: Any) -> Any:
        """(N, num_features, ...) or (num_features, ...) -> the same shape."""
        ndim = len(input.shape)
        if ndim not in (self._rank + 1, self._rank + 2):
            raise ShapeError(
                f"{type(self).__name__}: x has shape {tuple(input.shape)}, but must have "
                f"{self._rank + 1} or {self._rank + 2} dimensions."
            )
        if ndim == self._rank + 1:
            return ops.squeeze(self._normalized(ops.unsqueeze(input, 0)), 0)
        return self._normalized(input)

    def _normalized(self, input: Any) -> Any:
        # No branch on self.training: while traced, it is an object that the op records.
        no_stats = self.running_mean is None
        return ops.instance_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            True if no_stats else self.training,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )


class InstanceNorm1d(_InstanceNorm):
    """Normalises each channel of each example over the last dimension: (N, C, L) or (C, L).

    y = (x - mean) / sqrt(var + eps) * weight + bias; by default without weight, bias and running
    statistics. With `track_running_stats` the running ones are used in evaluation mode.
    """

    _rank = 1


class InstanceNorm2d(_InstanceNorm):
    """Normalises each channel of each image: (N, C, H, W) or (C, H, W); see InstanceNorm1d."""

    _rank = 2


class InstanceNorm3d(_InstanceNorm):
    """Normalises each channel of each volume: (N, C, D, H, W); see InstanceNorm1d."""

    _rank = 3


class RMSNorm(Module):
    """Divides by the root mean square over the last dimensions, of sizes `normalized_shape`.

    y = x / sqrt(mean(x^2) + eps) * weight; `eps` None is that of the dtype.
    """

    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        sizes = (normalized_shape,) if isinstance(normalized_shape, int) else normalized_shape
        self.normalized_shape = tuple(sizes)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        param = None
        if elementwise_affine:
            param = empty_parameter("RMSNorm", self.normalized_shape, device=device, dtype=dtype)
        self.register_parameter("weight", param)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, x: Any) -> Any:
        """(..., *normalized_shape) -> the same shape."""
        return ops.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )
