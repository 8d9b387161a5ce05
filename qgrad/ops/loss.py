"""Losses whose gradients need care at the ends of their domain, or are one formula."""

from __future__ import annotations

from typing import Any

import numpy as np

from qgrad.ops.arithmetic import clamp
from qgrad.ops.elementwise import log, log1p
from qgrad.ops.op import Value, op
from qgrad.ops.reduction import sum
from qgrad.ops.softmax import log_softmax, softmax

__all__ = ["binary_cross_entropy", "class_cross_entropy"]


@op(broadcasts=True, floating=True)
def binary_cross_entropy(input: Value, target: Value) -> Value:
    """-(target * log(input) + (1 - target) * log(1 - input)), the logarithms at least -100.

    `input` holds probabilities. Where it is 0 or 1 the gradient stays finite.
    """
    if input.size and not (np.min(input) >= 0 and np.max(input) <= 1):
        raise ValueError(
            f"binary_cross_entropy: input must hold probabilities in [0, 1], got values from "
            f"{np.min(input)} to {np.max(input)}; use binary_cross_entropy_with_logits for logits"
        )
    low, high = np.maximum(np.log(input), -100), np.maximum(np.log1p(-input), -100)
    return (target - 1) * high - target * low


@binary_cross_entropy.rule("input")
def binary_cross_entropy_dinput(g: Value, input: Value, target: Value) -> Value:
    return g * ((input - target) / clamp(input * (1 - input), 1e-12))


@binary_cross_entropy.rule("target")
def binary_cross_entropy_dtarget(g: Value, input: Value) -> Value:
    return g * (log1p(-input) - log(input))


@op(floating=True)
def class_cross_entropy(input: Value, classes: Value, divisor: float = 1.0) -> Value:
    """The sum of -log_softmax(input)[row, classes[row]] over the rows [N, C], over `divisor`."""
    log_probs = log_softmax.forward(input, 1)
    picked = log_probs[np.arange(len(classes)), classes]
    return -sum.forward(picked) / input.dtype.type(divisor)


@class_cross_entropy.rule("input")
def class_cross_entropy_dinput(g: Value, input: Value, classes: Value, divisor: float) -> Value:
    chosen: Any = classes if isinstance(classes, np.ndarray) else classes._data
    places = np.arange(len(chosen)), chosen
    probs = softmax(input, 1)
    if isinstance(probs, np.ndarray):
        probs[places] -= 1
        probs *= g / probs.dtype.type(divisor)
        return probs
    hot = np.zeros(probs.shape, probs._data.dtype)
    hot[places] = 1
    return (probs - hot) * (g / divisor)
