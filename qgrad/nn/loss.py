"""Losses as modules. `size_average` and `reduce` are a former spelling of `reduction`."""

from __future__ import annotations

from typing import Any

from qgrad.nn import functional as F
from qgrad.nn.functional.reduction import check_reduction, chosen_reduction
from qgrad.nn.module import Module
from qgrad.tensor import Tensor

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "Loss",
    "MSELoss",
    "NLLLoss",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "WeightedLoss",
]


class Loss(Module):
    """`reduction` is "mean", "sum", or "none" for one value per element."""

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        self.reduction = chosen_reduction(type(self).__name__, size_average, reduce, reduction)


class WeightedLoss(Loss):
    """A loss with a buffer of weights."""

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


class MSELoss(Loss):
    """(input - target)^2, averaged."""

    def forward(self, input: Any, target: Any) -> Any:
        """Two tensors of the same shape -> a scalar."""
        return F.mse_loss(input, target, reduction=self.reduction)


class L1Loss(Loss):
    """|input - target|, averaged."""

    def forward(self, input: Any, target: Any) -> Any:
        """Two tensors of the same shape -> a scalar."""
        return F.l1_loss(input, target, reduction=self.reduction)


class HuberLoss(Module):
    """d^2 / 2 where |d| < delta, else delta * (|d| - delta / 2), for d = input - target."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__()
        check_reduction("HuberLoss", reduction)
        self.reduction = reduction
        self.delta = delta

    def forward(self, input: Any, target: Any) -> Any:
        """Two tensors of the same shape -> a scalar."""
        return F.huber_loss(input, target, self.reduction, self.delta)


class SmoothL1Loss(Loss):
    """d^2 / (2 beta) where |d| < beta, else |d| - beta / 2, for d = input - target."""

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        beta: float = 1.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Any, target: Any) -> Any:
        """Two tensors of the same shape -> a scalar."""
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class SoftMarginLoss(Loss):
    """log(1 + exp(-target * input)) for targets 1 and -1, averaged."""

    def forward(self, input: Any, target: Any) -> Any:
        """Two tensors of the same shape -> a scalar."""
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class KLDivLoss(Module):
    """target * (log(target) - input) for log-probabilities `input` and probabilities `target`.

    With `log_target` the target holds log-probabilities too. reduction="batchmean" gives the
    divergence as it is defined.
    """

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None:
        super().__init__()
        if reduction != "batchmean" or size_average is not None or reduce is not None:
            reduction = chosen_reduction("KLDivLoss", size_average, reduce, reduction)
        self.reduction = reduction
        self.log_target = log_target

    def forward(self, input: Any, target: Any) -> Any:
        """Two tensors of the same shape -> a scalar."""
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class NLLLoss(WeightedLoss):
    """-input[class] for log-probabilities (N, C, ...) and classes (N, ...).

    `weight` (C) weighs the classes, in the mean's divisor too; targets equal to `ignore_index` do
    not count.
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
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


class CrossEntropyLoss(WeightedLoss):
    """-log softmax(input)[class] for logits (N, C, ...) and classes (N, ...) or probabilities.

    `weight` (C) weighs the classes; integer targets equal to `ignore_index` do not count;
    `label_smoothing` mixes that much of the uniform distribution into the target.
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
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


class BCELoss(WeightedLoss):
    """Binary cross entropy between probabilities and targets; `weight` weighs the elements."""

    def forward(self, input: Any, target: Any) -> Any:
        """Probabilities and targets in [0, 1] of the same shape -> a scalar."""
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(WeightedLoss):
    """Binary cross entropy between sigmoid(input) and target, without its loss of precision.

    `weight` weighs the elements, `pos_weight` the positive targets; both broadcast.
    """

    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Any, target: Any) -> Any:
        """Logits and targets in [0, 1] of the same shape -> a scalar."""
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )
