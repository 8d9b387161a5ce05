"""Losses as functions, composed of ops; users find them in `qgrad.nn.functional`."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qgrad import ops
from qgrad.boxing import unbox
from qgrad.errors import DTypeError, ShapeError

__all__ = [
    "binary_cross_entropy_with_logits",
    "check_reduction",
    "cross_entropy",
    "l1_loss",
    "mse_loss",
    "nll_loss",
]


def mse_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """(input - target)^2; warns if the shapes differ and so broadcast."""
    _same_shape("mse_loss", input, target)
    return _reduced("mse_loss", ops.square(ops.sub(input, target)), reduction)


def l1_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """|input - target|; warns if the shapes differ and so broadcast."""
    _same_shape("l1_loss", input, target)
    return _reduced("l1_loss", ops.abs(ops.sub(input, target)), reduction)


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Any:
    """-(pos_weight * t * log sigmoid(x) + (1 - t) * log(1 - sigmoid(x))), times `weight`.

    Computed as (1 - t) * x - (1 + (pos_weight - 1) * t) * logsigmoid(x), which cannot overflow.
    """
    where = "binary_cross_entropy_with_logits"
    if tuple(input.shape) != tuple(target.shape):
        raise ShapeError(
            f"{where}: input has shape {tuple(input.shape)}, target {tuple(target.shape)}, but "
            "they must be the same. Did you forget target.unsqueeze(1) or target.float()?"
        )
    log_sigmoid = ops.logsigmoid(input)
    if pos_weight is not None:
        log_sigmoid = log_sigmoid * ((pos_weight - 1) * target + 1)
    loss = (1 - target) * input - log_sigmoid
    return _reduced(where, loss if weight is None else loss * weight, reduction)


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    *,
    ignore_index: int = -100,
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
    dim = _class_dim("cross_entropy", input)
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
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Any:
    """-input[class] for log-probabilities (C), (N, C) or (N, C, ...) and classes."""
    return _class_loss("nll_loss", input, target, weight, ignore_index, reduction, 0.0)


def check_reduction(where: str, reduction: str) -> None:
    """Raise ValueError unless `reduction` is one that losses know."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(
            f"{where}: reduction is {reduction!r}, but must be 'mean', 'sum' or 'none'."
        )


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
    check_reduction(where, reduction)
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
    check_reduction("cross_entropy", reduction)
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
    return _reduced("cross_entropy", loss, reduction)


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


def _class_weights(where: str, weight: Any, classes: int) -> NDArray[Any]:
    array = unbox(weight)
    if array.shape != (classes,):
        raise ShapeError(
            f"{where}: weight has shape {array.shape}, but must have one value for each of the "
            f"{classes} classes."
        )
    return array


def _same_shape(where: str, input: Any, target: Any) -> None:
    if tuple(input.shape) != tuple(target.shape):
        warnings.warn(
            f"{where}: input has shape {tuple(input.shape)}, target {tuple(target.shape)}: they "
            "broadcast, which is rarely meant. Reshape one of them.",
            UserWarning,
            stacklevel=3,
        )


def _reduced(where: str, loss: Any, reduction: str) -> Any:
    check_reduction(where, reduction)
    if reduction == "none":
        return loss
    return ops.mean(loss) if reduction == "mean" else ops.sum(loss)
