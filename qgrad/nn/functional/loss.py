"""Losses between two tensors of one shape, as functions composed of ops."""

from __future__ import annotations

import warnings
from typing import Any

from qgrad import ops
from qgrad.errors import ShapeError
from qgrad.nn.functional.reduction import check_reduction, chosen_reduction, reduced

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
]


def mse_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Any:
    """(input - target)^2, times `weight`; warns if the shapes differ and so broadcast."""
    reduction = chosen_reduction("mse_loss", size_average, reduce, reduction)
    _same_shape("mse_loss", input, target)
    return _weighted("mse_loss", ops.square(ops.sub(input, target)), weight, reduction)


def l1_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Any:
    """|input - target|, times `weight`; warns if the shapes differ and so broadcast."""
    reduction = chosen_reduction("l1_loss", size_average, reduce, reduction)
    _same_shape("l1_loss", input, target)
    return _weighted("l1_loss", ops.abs(ops.sub(input, target)), weight, reduction)


def huber_loss(
    input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None
) -> Any:
    """d^2 / 2 where |d| < delta, else delta * (|d| - delta / 2), for d = input - target."""
    check_reduction("huber_loss", reduction)
    if not delta > 0:
        raise ValueError(f"huber_loss: delta is {delta!r}, but must be positive.")
    _same_shape("huber_loss", input, target)
    loss = _huber(ops.sub(input, target), delta)
    if weight is not None:
        _check_weight("huber_loss", loss, weight)
        loss = loss * weight  # unlike in mse_loss, the mean divides by the number of elements
    return reduced(loss, reduction)


def smooth_l1_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Any:
    """d^2 / (2 beta) where |d| < beta, else |d| - beta / 2, for d = input - target."""
    reduction = chosen_reduction("smooth_l1_loss", size_average, reduce, reduction)
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta is {beta!r}, but must not be negative.")
    _same_shape("smooth_l1_loss", input, target)
    difference = ops.sub(input, target)
    if beta == 0:
        return reduced(ops.abs(difference), reduction)
    return reduced(_huber(difference, beta) * (1 / beta), reduction)


def _huber(difference: Any, delta: float) -> Any:
    size = ops.abs(difference)
    square = ops.square(difference) * 0.5
    return ops.where(size < delta, square, (size - 0.5 * delta) * delta)


def soft_margin_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """log(1 + exp(-target * input)) for targets 1 and -1, without overflow."""
    reduction = chosen_reduction("soft_margin_loss", size_average, reduce, reduction)
    return reduced(-ops.logsigmoid(ops.mul(input, target)), reduction)


def kl_div(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Any:
    """target * (log(target) - input) for log-probabilities `input` and probabilities `target`.

    With `log_target` the target holds log-probabilities too. The divergence is what
    reduction="batchmean" gives: the sum divided by the size of dim 0.
    """
    if reduction != "batchmean" or size_average is not None or reduce is not None:
        reduction = chosen_reduction("kl_div", size_average, reduce, reduction)
    if log_target:
        loss = ops.exp(target) * ops.sub(target, input)
    else:
        loss = ops.xlogy(target, target) - ops.mul(target, input)
    if reduction == "batchmean":
        return ops.sum(loss) / input.shape[0]
    if reduction == "mean":
        warnings.warn(
            "kl_div: reduction 'mean' divides by the number of elements, 'batchmean' by that of "
            "distributions, as the divergence is defined.",
            UserWarning,
            stacklevel=2,
        )
    return reduced(loss, reduction)


def binary_cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """-(t * log(x) + (1 - t) * log(1 - x)) for probabilities x, times `weight`.

    The logarithms are at least -100, as in PyTorch.
    """
    reduction = chosen_reduction("binary_cross_entropy", size_average, reduce, reduction)
    _need_same_shape("binary_cross_entropy", input, target)
    loss = ops.binary_cross_entropy(input, target)
    return reduced(loss if weight is None else loss * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Any:
    """-(pos_weight * t * log sigmoid(x) + (1 - t) * log(1 - sigmoid(x))), times `weight`.

    Computed as (1 - t) * x - (1 + (pos_weight - 1) * t) * logsigmoid(x), which cannot overflow.
    """
    where = "binary_cross_entropy_with_logits"
    reduction = chosen_reduction(where, size_average, reduce, reduction)
    _need_same_shape(where, input, target)
    log_sigmoid = ops.logsigmoid(input)
    if pos_weight is not None:
        log_sigmoid = log_sigmoid * ((pos_weight - 1) * target + 1)
    loss = (1 - target) * input - log_sigmoid
    return reduced(loss if weight is None else loss * weight, reduction)


def _weighted(where: str, loss: Any, weight: Any, reduction: str) -> Any:
    """Elements times their weights; the mean divides by the sum of the weights."""
    if weight is None:
        return reduced(loss, reduction)
    _check_weight(where, loss, weight)
    loss = loss * weight
    return ops.sum(loss) / ops.sum(weight) if reduction == "mean" else reduced(loss, reduction)


def _check_weight(where: str, loss: Any, weight: Any) -> None:
    if tuple(weight.shape) != tuple(loss.shape):
        raise ShapeError(
            f"{where}: weight has shape {tuple(weight.shape)}, but must have the shape of the "
            f"input, {tuple(loss.shape)}."
        )


def _same_shape(where: str, input: Any, target: Any) -> None:
    if tuple(input.shape) != tuple(target.shape):
        warnings.warn(
            f"{where}: input has shape {tuple(input.shape)}, target {tuple(target.shape)}: they "
            "broadcast, which is rarely meant. Reshape one of them.",
            UserWarning,
            stacklevel=3,
        )


def _need_same_shape(where: str, input: Any, target: Any) -> None:
    if tuple(input.shape) != tuple(target.shape):
        raise ShapeError(
            f"{where}: input has shape {tuple(input.shape)}, target {tuple(target.shape)}, but "
            "they must be the same. Did you forget target.unsqueeze(1) or target.float()?"
        )
