"""Limiting gradients before an optimizer's step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qgrad.autograd.variable import bump
from qgrad.boxing import box
from qgrad.tensor import Tensor

__all__ = ["clip_grad_norm_", "clip_grad_value_"]

Parameters = Tensor | Iterable[Tensor]


def clip_grad_norm_(
    parameters: Parameters,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Any:
    """Scale all gradients in place so that their joint norm is at most `max_norm`.

    Returns the norm before. The factor is max_norm / (norm + 1e-6), at most 1. A norm that is NaN
    or infinite makes the gradients so too; with `error_if_nonfinite` it raises RuntimeError.
    """
    grads = _grads(parameters)
    norm = _total_norm([grad._data for grad in grads], float(norm_type))
    if error_if_nonfinite and not np.isfinite(norm):
        raise RuntimeError(
            f"clip_grad_norm_: the norm of the gradients is {norm}, so they cannot be clipped. "
            "Look for NaN in the loss, or pass error_if_nonfinite=False."
        )
    factor = min(float(max_norm) / (float(norm) + 1e-6), 1.0)
    if not factor >= 1.0:  # NaN too: it must reach the gradients, where it can be seen
        for grad in grads:
            grad._data *= factor
            bump(grad)
    return box(np.asarray(norm))


def clip_grad_value_(parameters: Parameters, clip_value: float) -> None:
    """Limit each element of the gradients in place to [-clip_value, clip_value]."""
    for grad in _grads(parameters):
        np.clip(grad._data, -clip_value, clip_value, out=grad._data)
        bump(grad)


def _grads(parameters: Parameters) -> list[Tensor]:
    params = [parameters] if isinstance(parameters, Tensor) else parameters
    return [param.grad for param in params if param.grad is not None]


def _total_norm(grads: list[NDArray[Any]], norm_type: float) -> Any:
    """The norm of all elements together, in the gradients' dtype."""
    if not grads:
        return np.float32(0)
    if math.isinf(norm_type):
        return np.max([np.abs(grad).max(initial=0) for grad in grads])
    norms = np.stack([np.linalg.norm(grad.ravel(), norm_type) for grad in grads])
    return np.linalg.norm(norms, norm_type)
