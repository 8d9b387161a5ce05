"""Layers that widen the last dims: with a value, with what lies at the border, or around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qgrad.errors import ShapeError
from qgrad.nn import functional as F
from qgrad.nn.module import Module

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _Pad(Module):
    """`padding` is one width for all sides, or (before, after) of each dim, the last one first."""

    dims: int
    mode: str

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__()
        sides = 2 * self.dims
        self.padding = (padding,) * sides if isinstance(padding, int) else tuple(padding)
        if len(self.padding) != sides:
            raise ShapeError(
                f"{type(self).__name__}: padding {self.padding} has {len(self.padding)} widths, "
                f"but must be one number or {sides} of them"
            )

    def forward(self, input: Any) -> Any:
        """(N, C, ...) or (C, ...); the last dims widened."""
        ndim = len(input.shape)
        if ndim not in (self.dims + 1, self.dims + 2):
            raise ShapeError(
                f"{type(self).__name__}: x has {ndim} dimensions, but must have {self.dims + 1} or "
                f"{self.dims + 2}"
            )
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        return str(self.padding)


class _Constant(_Pad):
    mode = "constant"

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Any) -> Any:
        """Any shape with at least as many dims as are widened."""
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_Constant):
    """The last dim widened with `value`."""

    dims = 1


class ConstantPad2d(_Constant):
    """The last two dims widened with `value`."""

    dims = 2


class ConstantPad3d(_Constant):
    """The last three dims widened with `value`."""

    dims = 3


class _Zero(_Constant):
    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        return str(self.padding)


class ZeroPad1d(_Zero):
    """The last dim widened with zeros."""

    dims = 1


class ZeroPad2d(_Zero):
    """The last two dims widened with zeros."""

    dims = 2


class ZeroPad3d(_Zero):
    """The last three dims widened with zeros."""

    dims = 3


class ReflectionPad1d(_Pad):
    """The last dim widened with its mirror image, the border itself not repeated."""

    dims, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """The last two dims widened with their mirror image, the border itself not repeated."""

    dims, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """The last three dims widened with their mirror image, the border itself not repeated."""

    dims, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """The last dim widened with its border."""

    dims, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """The last two dims widened with their border."""

    dims, mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """The last three dims widened with their border."""

    dims, mode = 3, "replicate"


class CircularPad1d(_Pad):
    """The last dim widened with what lies at its other end."""

    dims, mode = 1, "circular"


class CircularPad2d(_Pad):
    """The last two dims widened with what lies at their other ends."""

    dims, mode = 2, "circular"


class CircularPad3d(_Pad):
    """The last three dims widened with what lies at their other ends."""

    dims, mode = 3, "circular"
