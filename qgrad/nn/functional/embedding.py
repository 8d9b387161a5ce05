"""Looking vectors up by index, as functions."""

from __future__ import annotations

from typing import Any

import numpy as np

from qgrad import ops
from qgrad.autograd.variable import bump
from qgrad.boxing import unbox
from qgrad.errors import UnsupportedOpError
from qgrad.tensor import Tensor

__all__ = ["embedding", "one_hot"]


def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """Rows of `weight` (N, D) at the indices `input` (...) -> (..., D).

    Row `padding_idx` gets no gradient. With `max_norm`, the rows named are first scaled down, in
    `weight` itself, to a `norm_type`-norm of at most that. With `scale_grad_by_freq`, the gradient
    of a row is divided by how often it is named.
    """
    if sparse:
        raise UnsupportedOpError(
            "embedding: sparse is True, but gradients are dense here; leave it out."
        )
    if max_norm is not None:
        _scale_down(weight, unbox(input), max_norm, norm_type)
    return ops.embedding(input, weight, padding_idx, scale_grad_by_freq)


def _scale_down(weight: Any, index: Any, max_norm: float, norm_type: float) -> None:
    """Make the norm of the rows at `index` at most `max_norm`, in place and outside of autograd."""
    rows = np.unique(index)
    table = unbox(weight)
    norms = np.linalg.norm(table[rows], norm_type, axis=1, keepdims=True)
    large = norms[:, 0] > max_norm
    # A little more than needed, as in PyTorch, so that rounding does not leave it above.
    table[rows[large]] *= (max_norm / (norms[large] + 1e-7)).astype(table.dtype)
    if isinstance(weight, Tensor):
        bump(weight)


def one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """Integers (...) -> rows of the identity matrix (..., num_classes)."""
    return ops.one_hot(tensor, num_classes)
