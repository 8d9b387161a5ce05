"""What all losses share: how one number is made of many."""

from __future__ import annotations

import warnings
from typing import Any

from qgrad import ops

__all__ = ["check_reduction", "chosen_reduction", "reduced"]


def check_reduction(where: str, reduction: str) -> None:
    """Raise ValueError unless `reduction` is one that losses know."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(
            f"{where}: reduction is {reduction!r}, but must be 'mean', 'sum' or 'none'."
        )


def chosen_reduction(
    where: str, size_average: bool | None, reduce: bool | None, reduction: str
) -> str:
    """The reduction, checked; `size_average` and `reduce` are its former spelling."""
    if size_average is None and reduce is None:
        check_reduction(where, reduction)
        return reduction
    each = reduce is not None and not reduce
    total = size_average is not None and not size_average
    chosen = "none" if each else "sum" if total else "mean"
    warnings.warn(
        f"{where}: size_average and reduce are deprecated, use reduction={chosen!r} instead",
        DeprecationWarning,
        stacklevel=3,
    )
    return chosen


def reduced(loss: Any, reduction: str) -> Any:
    """The elements, their mean or their sum."""
    if reduction == "none":
        return loss
    return ops.mean(loss) if reduction == "mean" else ops.sum(loss)
