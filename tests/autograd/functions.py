"""Functions that the tests share."""

from __future__ import annotations

from typing import Any

import qgrad
from qgrad.autograd import Function
from qgrad.tensor import Tensor


def leaf(*values: float) -> Tensor:
    """A float64 vector that requires grad."""
    return qgrad.tensor([float(v) for v in values], dtype=qgrad.float64, requires_grad=True)


class Cube(Function):
    """x ** 3, by its input."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * 3 * x**2


class Exp(Function):
    """exp, by its output."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (y,) = ctx.saved_tensors
        return g * y


class Polar(Function):
    """Two outputs that are both saved, of two inputs, in the form with setup_context."""

    @staticmethod
    def forward(r: Any, angle: Any) -> Any:
        return r * angle.cos(), r * angle.sin()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs, *output)

    @staticmethod
    def backward(ctx: Any, gx: Any, gy: Any) -> Any:
        _, angle, x, y = ctx.saved_tensors
        return gx * angle.cos() + gy * angle.sin(), gy * x - gx * y
