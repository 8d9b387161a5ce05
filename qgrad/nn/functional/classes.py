"""Losses between scores of classes and classes, as functions composed of ops."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qgrad import ops
from qgrad.boxing import unbox
from qgrad.errors import DTypeError, ShapeError
from qgrad.nn.functional.reduction import chosen_reduction, reduced

__all__ = ["cross_entropy", "nll_loss"]


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Cross entropy between logits (C), (N, C) or (N, C, ...) and targets.

    target holds classes, shaped as input without C, or probabilities, shaped as input.
    """
    if not 0.0 <= label_smoothing <= 1.0:
        raise ValueError(
            f"cross_entropy: label_smoothing is {label_smoothing!r}, but must be in [0, 1]."
        )
    reduction = chosen_reduction("cross_entropy", size_average, reduce, reduction)
    dim = _class_dim("cross_entropy", input)
    plain = weight is None and not label_smoothing and reduction != "none"
    if plain and _counts_all(input, target, ignore_index):
        divisor = input.shape[0] if reduction == "mean" else 1
        return ops.class_cross_entropy(input, target, divisor)
    log_probs = ops.log_softmax(input, dim)
    if tuple(input.shape) == tuple(target.shape) and unbox(target).dtype.kind == "f":
        return _probability_loss(log_probs, target, weight, reduction, label_smoothing)
    return _class_loss(
        "cross_entropy", log_probs, target, weight, ignore_index, reduction, label_smoothing
    )


def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """-input[class] for log-probabilities (C), (N, C) or (N, C, ...) and classes."""
    reduction = chosen_reduction("nll_loss", size_average, reduce, reduction)
    if getattr(input, "requires_grad", False):
        input = ops.unchanged(input)
    return _class_loss("nll_loss", input, target, weight, ignore_index, reduction, 0.0)


def _class_loss(
    where: str,
    log_probs: Any,
    target: Any,
    weight: Any,
    ignore_index: int,
    reduction: str,
    smoothing: float,
) -> Any:
    """Negative log-likelihood of classes.

    With w the weight of the target's class (0 where ignored), eps the smoothing, C the classes:
        loss = (1 - eps) * -w * logp[target] + eps / C * -sum_c weight[c] * logp[c]
    and the mean divides the sum by the sum of w.
    """
    dim = _class_dim(where, log_probs)
    classes, counted = _checked_classes(where, log_probs, target, dim, ignore_index)
    dtype = unbox(log_probs).dtype
    weights = None if weight is None else _class_weights(where, weight, log_probs.shape[dim])
    share = np.where(counted, 1 if weights is None else weights[classes], 0).astype(dtype)

    picked = ops.squeeze(ops.gather(log_probs, dim, np.expand_dims(classes, dim)), dim)
    loss = _where_counted(counted, picked) * (share * (smoothing - 1))
    if smoothing:
        shape = [-1 if axis == dim else 1 for axis in range(len(log_probs.shape))]
        scaled = log_probs if weights is None else log_probs * weights.reshape(shape).astype(dtype)
        spread = _where_counted(counted, ops.sum(scaled, dim))
        loss = loss - spread * (smoothing / log_probs.shape[dim])
    if reduction == "none":
        return loss
    total = ops.sum(loss)
    return total if reduction == "sum" else total / share.sum(dtype=dtype)


def _where_counted(counted: NDArray[np.bool_], values: Any) -> Any:
    """Zero where a target is ignored, whatever the value there, even infinity or NaN."""
    return values if counted.all() else ops.where(counted, values, 0.0)


def _probability_loss(
    log_probs: Any, target: Any, weight: Any, reduction: str, smoothing: float
) -> Any:
    """-sum_c weight[c] * target[c] * logp[c]; the mean is over all but the class dimension."""
    dim = _class_dim("cross_entropy", log_probs)
    classes = log_probs.shape[dim]
    if smoothing:
        target = target * (1 - smoothing) + smoothing / classes
    product = log_probs * target
    if weight is not None:
        weights = _class_weights("cross_entropy", weight, classes)
        shape = [-1 if axis == dim else 1 for axis in range(len(log_probs.shape))]
        product = product * weights.reshape(shape).astype(unbox(log_probs).dtype)
    loss = -ops.sum(product, dim)
    return reduced(loss, reduction)


def _class_dim(where: str, input: Any) -> int:
    if not input.shape:
        raise ShapeError(
            f"{where}: input is a scalar, but must have a dimension of classes: (N, C, ...)."
        )
    return 1 if len(input.shape) > 1 else 0


def _checked_classes(
    where: str, input: Any, target: Any, dim: int, ignore_index: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The target classes, 0 where ignored, and which of them count."""
    array = unbox(target)
    shape = tuple(input.shape)
    expected = shape[:dim] + shape[dim + 1 :]
    if array.dtype.kind not in "iu":
        raise DTypeError(
            f"{where}: target is {array.dtype} of shape {array.shape}, but must hold integer "
            f"classes of shape {expected}"
            + (f", or probabilities of shape {shape}." if where == "cross_entropy" else ".")
            + " Use target.long() for classes."
        )
    if array.shape != expected:
        raise ShapeError(
            f"{where}: input has shape {shape}, so target must have shape {expected}, "
            f"but has {array.shape}."
        )
    counted = array != ignore_index
    classes = np.where(counted, array, 0).astype(np.int64)
    bad = classes[(classes < 0) | (classes >= shape[dim])]
    if bad.size:
        raise IndexError(
            f"{where}: target holds class {bad[0]}, but input has {shape[dim]} classes "
            f"(0 to {shape[dim] - 1}); only ignore_index={ignore_index} may lie outside."
        )
    return classes, counted


def _counts_all(input: Any, target: Any, ignore_index: int) -> bool:
    """Whether the input is [N, C] and the target int64 [N] of which every class counts."""
    array, shape = unbox(target), input.shape
    if array.dtype != np.int64 or len(shape) != 2 or array.shape != shape[:1] or not array.size:
        return False
    if 0 <= ignore_index < shape[1]:
        return False
    return bool(np.maximum.reduce(array.view(np.uint64)) < shape[1])  # negative ones are large


def _class_weights(where: str, weight: Any, classes: int) -> NDArray[Any]:
    array = unbox(weight)
    if array.shape != (classes,):
        raise ShapeError(
            f"{where}: weight has shape {array.shape}, but must have one value for each of the "
            f"{classes} classes."
        )
    return array
