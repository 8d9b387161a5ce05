"""BatchNorm1d, BatchNorm2d, BatchNorm3d and LayerNorm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qgrad import ops
from qgrad.boxing import box
from qgrad.dtypes import DType
from qgrad.errors import ShapeError
from qgrad.nn import init
from qgrad.nn.module import Module
from qgrad.nn.parameter import Parameter, empty_parameter
from qgrad.tensor import Tensor

__all__ = ["BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "LayerNorm", "NormBase"]


class NormBase(Module):
    """What layers share that normalise channels (dimension 1): parameters, running statistics."""

    # 2: num_batches_tracked joined the state.
    _version = 2

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        name, shape = type(self).__name__, (num_features,)
        like = empty_parameter(name, shape, device=device, dtype=dtype)
        self.register_parameter("weight", like if affine else None)
        with_bias = affine and bias
        self.register_parameter("bias", Parameter(np.empty_like(like._data)) if with_bias else None)
        tracked = track_running_stats
        self.register_buffer("running_mean", box(np.zeros_like(like._data)) if tracked else None)
        self.register_buffer("running_var", box(np.ones_like(like._data)) if tracked else None)
        count = box(np.zeros((), np.int64)) if tracked else None
        self.register_buffer("num_batches_tracked", count)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Mean 0, variance 1, no batches seen."""
        if self.running_mean is not None:
            init.zeros_(self.running_mean)
        if self.running_var is not None:
            init.ones_(self.running_var)
        if self.num_batches_tracked is not None:
            init.zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Weight 1, bias 0, and fresh running statistics."""
        self.reset_running_stats()
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        # Files written before version 2, or without versions, may lack the count.
        key = prefix + "num_batches_tracked"
        old = local_metadata.get("version") is None or local_metadata["version"] < 2
        if old and self.num_batches_tracked is not None and key not in state_dict:
            state_dict = {**state_dict, key: self.num_batches_tracked}
        super()._load_from_state_dict(
            state_dict,
            prefix,
            local_metadata,
            strict,
            missing_keys,
            unexpected_keys,
            error_msgs,
        )

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, bias={self.bias is not None}, "
            f"track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(NormBase):
    """Normalises each channel (dimension 1) over all other dimensions."""

    _ndims: tuple[int, ...]

    def forward(self, input: Any) -> Any:
        """(N, num_features, ...) -> the same shape."""
        if len(input.shape) not in self._ndims:
            raise ShapeError(
                f"{type(self).__name__}: x has shape {tuple(input.shape)}, but must have "
                f"{' or '.join(map(str, self._ndims))} dimensions."
            )
        # No branch on self.training: while traced, it is an object that the op records.
        no_stats = self.running_mean is None
        return ops.batch_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            True if no_stats else self.training,
            self.momentum,
            self.eps,
            self.num_batches_tracked,
        )


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L) for each channel.

    y = (x - mean) / sqrt(var + eps) * weight + bias, with the batch's statistics in training mode
    and the running ones in evaluation mode. After each training batch,
    running = (1 - momentum) * running + momentum * batch (its variance unbiased); with
    momentum=None the running statistics are the plain average over all batches.
    """

    _ndims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of (N, C, H, W) for each channel; see BatchNorm1d."""

    _ndims = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of (N, C, D, H, W) for each channel; see BatchNorm1d."""

    _ndims = (5,)


class LayerNorm(Module):
    """Normalises over the last dimensions, whose sizes are `normalized_shape`.

    y = (x - mean) / sqrt(var + eps) * weight + bias; weight and bias have `normalized_shape`.
    """

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        sizes = (normalized_shape,) if isinstance(normalized_shape, int) else normalized_shape
        self.normalized_shape = tuple(sizes)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        for name, present in (
            ("weight", elementwise_affine),
            ("bias", elementwise_affine and bias),
        ):
            param = None
            if present:
                param = empty_parameter(
                    "LayerNorm", self.normalized_shape, device=device, dtype=dtype
                )
            self.register_parameter(name, param)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1, bias 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, input: Any) -> Any:
        """(..., *normalized_shape) -> the same shape."""
        return ops.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )
