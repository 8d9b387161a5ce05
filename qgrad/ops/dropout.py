"""Dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from qgrad.ops.op import Value, op
from qgrad.ops.rng import default_generator

__all__ = ["dropout"]


@op(quantize="view", onnx="Dropout", saves=True, view=True)
def dropout(input: Value, p: float = 0.5, training: Any = True) -> Value:
    """In training, zeros with probability `p` and the rest scaled by 1/(1-p); else `input`."""
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p must be in [0, 1], got {p}")
    if not training or p == 0:
        return input, None
    kept = default_generator.numpy.random(input.shape, np.float32) >= p
    return input * kept * input.dtype.type(1 / (1 - p) if p < 1 else 0), (kept, p)


@dropout.rule("input")
def dropout_dinput(g: Value, saved: Any) -> Value:
    if saved is None:
        return g
    kept, p = saved
    return g * kept * (1 / (1 - p) if p < 1 else 0)
