"""Looking vectors up by index, as functions."""

from __future__ import annotations

from typing import Any

from qgrad import ops
from qgrad.errors import UnsupportedOpError

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
    """Rows of `weight` (N, D) at the indices `input` (...) -> (..., D)."""
    if max_norm is not None or scale_grad_by_freq or sparse:
        raise UnsupportedOpError(
            f"embedding: max_norm is {max_norm!r}, scale_grad_by_freq {scale_grad_by_freq!r}, "
            f"sparse {sparse!r}, but only their defaults None, False, False are implemented."
        )
    return ops.embedding(input, weight, padding_idx)


def one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """Integers (...) -> rows of the identity matrix (..., num_classes)."""
    return ops.one_hot(tensor, num_classes)
