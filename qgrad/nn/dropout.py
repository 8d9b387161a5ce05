"""Dropout of elements and of channels."""

from __future__ import annotations

from typing import Any

from qgrad.nn import functional as F
from qgrad.nn.module import Module

__all__ = ["Dropout", "Dropout1d", "Dropout2d"]


class _Dropout(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ValueError(
                f"{type(self).__name__}: p is {p!r}, but must be a probability in [0, 1]."
            )
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """In training mode, sets elements to zero with probability `p` and divides the rest by 1 - p.

    In evaluation mode the input passes unchanged.
    """

    def forward(self, input: Any) -> Any:
        """Any shape; same shape out."""
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """Dropout of whole channels of (N, C, L) or (C, L)."""

    def forward(self, input: Any) -> Any:
        """(N, C, L) or (C, L); same shape out."""
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """Dropout of whole channels of (N, C, H, W)."""

    def forward(self, input: Any) -> Any:
        """(N, C, H, W); same shape out."""
        return F.dropout2d(input, self.p, self.training, self.inplace)
