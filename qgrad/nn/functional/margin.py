"""Losses that keep a margin, and likelihoods of other distributions, as functions."""

from __future__ import annotations

import math
from typing import Any

from qgrad import ops
from qgrad.boxing import unbox
from qgrad.errors import ShapeError
from qgrad.nn.functional.distance import pairwise_distance
from qgrad.nn.functional.reduction import check_reduction, chosen_reduction, reduced

__all__ = [
    "cosine_embedding_loss",
    "gaussian_nll_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_soft_margin_loss",
    "poisson_nll_loss",
    "triplet_margin_loss",
]


def poisson_nll_loss(
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """exp(input) - target * input, or input - target * log(input + eps) without `log_input`.

    With `full`, Stirling's approximation of log(target!) is added where target > 1.
    """
    reduction = chosen_reduction("poisson_nll_loss", size_average, reduce, reduction)
    rate, log_rate = (ops.exp(input), input) if log_input else (input, ops.log(input + eps))
    loss = rate - target * log_rate
    if full:
        counted = ops.where(target > 1, target, 1.0)
        stirling = counted * ops.log(counted) - counted + 0.5 * ops.log(2 * math.pi * counted)
        loss = loss + ops.where(target > 1, stirling, 0.0)
    return reduced(loss, reduction)


def gaussian_nll_loss(
    input: Any,
    target: Any,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Any:
    """(log(var) + (input - target)^2 / var) / 2, where var counts as at least `eps`.

    var has the shape of input, or 1 for its last dim, or lacks it. With `full`, log(2 pi) / 2 is
    added.
    """
    check_reduction("gaussian_nll_loss", reduction)
    if isinstance(var, (int, float)):
        var = ops.zeros_like(input) + var
    shape, size = tuple(input.shape), tuple(var.shape)
    if size == shape[:-1] and size != shape:
        var = ops.unsqueeze(var, -1)
    elif size not in (shape, (*shape[:-1], 1)):
        raise ShapeError(
            f"gaussian_nll_loss: var has shape {size}, but must have that of input, {shape}, or 1 "
            "for its last dim"
        )
    if (unbox(var) < 0).any():
        raise ValueError("gaussian_nll_loss: var holds values below 0, but is a variance")
    var = ops.straight_through(var, ops.clamp(ops.detach(var), eps))
    loss = 0.5 * (ops.log(var) + ops.square(input - target) / var)
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


def hinge_embedding_loss(
    input: Any,
    target: Any,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """input where target is 1, max(0, margin - input) where it is -1."""
    reduction = chosen_reduction("hinge_embedding_loss", size_average, reduce, reduction)
    apart = ops.where(target != 1, ops.clamp(margin - input, 0), 0.0)
    return reduced(apart + ops.where(target != -1, input, 0.0), reduction)


def margin_ranking_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """max(0, margin - target * (input1 - input2)): input1 shall be larger where target is 1."""
    reduction = chosen_reduction("margin_ranking_loss", size_average, reduce, reduction)
    return reduced(ops.clamp(margin - target * (input1 - input2), 0), reduction)


def cosine_embedding_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """1 - cos where target is 1, max(0, cos - margin) where it is -1, of vectors (N, D) or (D)."""
    reduction = chosen_reduction("cosine_embedding_loss", size_average, reduce, reduction)
    if len(target.shape) not in (0, 1) or len(input1.shape) != len(target.shape) + 1:
        raise ShapeError(
            f"cosine_embedding_loss: needs inputs (N, D) and target (N), or (D) and (), got "
            f"{tuple(input1.shape)}, {tuple(input2.shape)} and {tuple(target.shape)}"
        )
    lengths = (ops.sum(ops.square(input1), -1) + 1e-12) * (ops.sum(ops.square(input2), -1) + 1e-12)
    cosine = ops.sum(input1 * input2, -1) / ops.sqrt(lengths)
    together = ops.where(target == 1, 1 - cosine, 0.0)
    return reduced(
        together + ops.where(target == -1, ops.clamp(cosine - margin, 0), 0.0), reduction
    )


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """max(0, |anchor - positive| - |anchor - negative| + margin) with p-norms along the last dim.

    With `swap`, the negative's distance is that to the nearer of anchor and positive.
    """
    reduction = chosen_reduction("triplet_margin_loss", size_average, reduce, reduction)
    if not margin > 0:
        raise ValueError(f"triplet_margin_loss: margin is {margin!r}, but must be positive.")
    near, far = (pairwise_distance(anchor, other, p, eps) for other in (positive, negative))
    if swap:
        far = ops.minimum(far, pairwise_distance(positive, negative, p, eps))
    return reduced(ops.clamp(margin + near - far, 0), reduction)


def multilabel_soft_margin_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """The mean over classes of the binary cross entropy of logits (N, C) and targets in [0, 1]."""
    reduction = chosen_reduction("multilabel_soft_margin_loss", size_average, reduce, reduction)
    loss = (target - 1) * ops.logsigmoid(-input) - target * ops.logsigmoid(input)
    return reduced(ops.mean(loss if weight is None else loss * weight, -1), reduction)


def multi_margin_loss(
    input: Any,
    target: Any,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """The sum over classes i but the target y of max(0, margin - x[y] + x[i])^p, divided by C.

    input (N, C) or (C), target (N) or (); `weight` (C) weighs the target's class.
    """
    reduction = chosen_reduction("multi_margin_loss", size_average, reduce, reduction)
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: p is {p!r}, but must be 1 or 2.")
    if len(input.shape) not in (1, 2) or tuple(target.shape) != tuple(input.shape[:-1]):
        raise ShapeError(
            f"multi_margin_loss: needs input (N, C) and target (N), or (C) and (), got "
            f"{tuple(input.shape)} and {tuple(target.shape)}"
        )
    index = ops.unsqueeze(target, -1)
    excess = ops.relu(margin - ops.gather(input, -1, index) + input)
    if p == 2:
        excess = ops.square(excess)
    if weight is not None:
        excess = excess * ops.reshape(weight[target], tuple(index.shape))
    classes = input.shape[-1]
    others = ops.one_hot(target, classes) == 0
    return reduced(ops.sum(ops.where(others, excess, 0.0), -1) / classes, reduction)
