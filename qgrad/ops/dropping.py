"""Dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from qgrad.errors import ShapeError
from qgrad.ops.op import Value, describe, op
from qgrad.ops.rng import default_generator

__all__ = ["dropout", "feature_dropout"]


@op(quantize="view", onnx="Dropout", saves=True, view=True)
def dropout(input: Value, p: float = 0.5, training: Any = True) -> Value:
    """In training, zeros with probability `p` and the rest scaled by 1/(1-p); else `input`."""
    return _dropped("dropout", input, input.shape, p, training)


def _dropped(name: str, input: Any, mask_shape: Any, p: float, training: Any) -> tuple[Any, Any]:
    """The result, and the mask and p for the gradient."""
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: p must be in [0, 1], got {p}")
    if not training or p == 0:
        return input, None
    kept = default_generator.numpy.random(mask_shape, np.float32) >= p
    return input * kept * input.dtype.type(1 / (1 - p) if p < 1 else 0), (kept, p)


@dropout.rule("input")
def dropout_dinput(g: Value, saved: Any) -> Value:
    if saved is None:
        return g
    kept, p = saved
    return g * kept * (1 / (1 - p) if p < 1 else 0)


@op(quantize="view", saves=True, view=True)
def feature_dropout(input: Value, p: float = 0.5, training: Any = True) -> Value:
    """In training, whole channels [B, C, ...] zero with probability `p`, the rest as in dropout."""
    if input.ndim < 2:
        raise ShapeError(
            f"feature_dropout: input must be [B, C, ...] of at least 2 dims, got {describe(input)}"
        )
    mask_shape = input.shape[:2] + (1,) * (input.ndim - 2)
    return _dropped("feature_dropout", input, mask_shape, p, training)


@feature_dropout.rule("input")
def feature_dropout_dinput(g: Value, saved: Any) -> Value:
    return dropout_dinput(g, saved)
