"""Losses as modules."""

from __future__ import annotations

from typing import Any

from qgrad.nn import functional as F
from qgrad.nn.functional.reduction import check_reduction
from qgrad.nn.module import Module
from qgrad.tensor import Tensor

__all__ = ["BCEWithLogitsLoss", "CrossEntropyLoss", "L1Loss", "MSELoss", "NLLLoss"]


class _Loss(Module):
    """`reduction` is "mean", "sum", or "none" for one value per element."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        check_reduction(type(self).__name__, reduction)
        self.reduction = reduction


class MSELoss(_Loss):
    """(input - target)^2, averaged."""

    def forward(self, input: Any, target: Any) -> Any:
        """Two tensors of the same shape -> a scalar."""
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(_Loss):
    """|input - target|, averaged."""

    def forward(self, input: Any, target: Any) -> Any:
        """Two tensors of the same shape -> a scalar."""
        return F.l1_loss(input, target, reduction=self.reduction)


class NLLLoss(_Loss):
    """-input[class] for log-probabilities (N, C, ...) and classes (N, ...).

    `weight` (C) weighs the classes, in the mean's divisor too; targets equal to `ignore_index` do
    not count.
    """

    weight: Tensor | None

    def __init__(
        self, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index

    def forward(self, input: Any, target: Any) -> Any:
        """Log-probabilities (N, C, ...), classes (N, ...) -> a scalar."""
        return F.nll_loss(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


class CrossEntropyLoss(_Loss):
    """-log softmax(input)[class] for logits (N, C, ...) and classes (N, ...) or probabilities.

    `weight` (C) weighs the classes; integer targets equal to `ignore_index` do not count;
    `label_smoothing` mixes that much of the uniform distribution into the target.
    """

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Any, target: Any) -> Any:
        """Logits (N, C, ...), classes (N, ...) or probabilities (N, C, ...) -> a scalar."""
        return F.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class BCEWithLogitsLoss(_Loss):
    """Binary cross entropy between sigmoid(input) and target, without its loss of precision.

    `weight` weighs the elements, `pos_weight` the positive targets; both broadcast.
    """

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Any, target: Any) -> Any:
        """Logits and targets in [0, 1] of the same shape -> a scalar."""
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )
