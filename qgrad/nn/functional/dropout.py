"""Dropout as functions."""

from __future__ import annotations

from typing import Any

from qgrad import ops
from qgrad.errors import ShapeError
from qgrad.nn.functional.run import run
from qgrad.ops.op import Op

__all__ = ["dropout", "dropout1d", "dropout2d"]


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Zero elements with probability `p` and divide the rest by 1 - p, if `training`."""
    return _run(ops.dropout, input, p, training, inplace)


def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Zero channels of (N, C, L) or (C, L) with probability `p`, if `training`."""
    if len(input.shape) not in (2, 3):
        raise ShapeError(f"dropout1d: input must be (N, C, L) or (C, L), got {tuple(input.shape)}")
    if len(input.shape) == 3:
        return _run(ops.feature_dropout, input, p, training, inplace)
    y = _run(ops.feature_dropout, ops.unsqueeze(input, 0), p, training, inplace)
    return input if inplace else ops.squeeze(y, 0)


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Zero channels of (N, C, H, W) with probability `p`, if `training`.

    An input of 3 dims is taken as (N, C, L), as in PyTorch.
    """
    if len(input.shape) not in (3, 4):
        raise ShapeError(f"dropout2d: input must be (N, C, H, W), got {tuple(input.shape)}")
    return _run(ops.feature_dropout, input, p, training, inplace)


def _run(op: Op, input: Any, p: float, training: Any, inplace: bool) -> Any:
    # Where nothing is dropped nothing is changed, so that a leaf may be given, too.
    return run(op, inplace and bool(training) and p > 0, input, p, training)
