"""Activations as modules."""

from __future__ import annotations

from typing import Any

from qgrad.nn import functional as F
from qgrad.nn.module import Module

__all__ = [
    "ELU",
    "GELU",
    "Hardsigmoid",
    "Hardswish",
    "LeakyReLU",
    "LogSoftmax",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]


class _Activation(Module):
    """An activation whose only argument is `inplace`."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        return "inplace=True" if self.inplace else ""


class ReLU(_Activation):
    """max(x, 0)."""

    def forward(self, input: Any) -> Any:
        """Any shape; same shape out."""
        return F.relu(input, self.inplace)


class ReLU6(_Activation):
    """min(max(x, 0), 6)."""

    def forward(self, input: Any) -> Any:
        """Any shape; same shape out."""
        return F.relu6(input, self.inplace)


class SiLU(_Activation):
    """x * sigmoid(x), also called swish."""

    def forward(self, input: Any) -> Any:
        """Any shape; same shape out."""
        return F.silu(input, self.inplace)


class Hardsigmoid(_Activation):
    """min(max(x + 3, 0), 6) / 6."""

    def forward(self, input: Any) -> Any:
        """Any shape; same shape out."""
        return F.hardsigmoid(input, self.inplace)


class Hardswish(_Activation):
    """x * min(max(x + 3, 0), 6) / 6."""

    def forward(self, input: Any) -> Any:
        """Any shape; same shape out."""
        return F.hardswish(input, self.inplace)


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    def forward(self, input: Any) -> Any:
        """Any shape; same shape out."""
        return F.sigmoid(input)


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, input: Any) -> Any:
        """Any shape; same shape out."""
        return F.tanh(input)


class LeakyReLU(Module):
    """x where x >= 0, negative_slope * x elsewhere."""

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        """Any shape; same shape out."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        return f"negative_slope={self.negative_slope}" + ", inplace=True" * self.inplace


class ELU(Module):
    """x where x > 0, alpha * (exp(x) - 1) elsewhere."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        """Any shape; same shape out."""
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        return f"alpha={self.alpha}" + ", inplace=True" * self.inplace


class GELU(Module):
    """x times the normal distribution function of x; `approximate` is "none" or "tanh"."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        if approximate not in ("none", "tanh"):
            raise ValueError(f"GELU: approximate is {approximate!r}, but must be 'none' or 'tanh'.")
        self.approximate = approximate

    def forward(self, input: Any) -> Any:
        """Any shape; same shape out."""
        return F.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        return f"approximate={self.approximate!r}"


class Softplus(Module):
    """log(1 + exp(beta * x)) / beta; x itself where beta * x > threshold."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Any) -> Any:
        """Any shape; same shape out."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        return f"beta={self.beta}, threshold={self.threshold}"


class _AlongDim(Module):
    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        return f"dim={self.dim}"


class Softmax(_AlongDim):
    """exp(x) / sum(exp(x)) along `dim`."""

    def forward(self, input: Any) -> Any:
        """Any shape; same shape out."""
        return F.softmax(input, self.dim)


class LogSoftmax(_AlongDim):
    """The logarithm of softmax along `dim`, without its loss of precision."""

    def forward(self, input: Any) -> Any:
        """Any shape; same shape out."""
        return F.log_softmax(input, self.dim)
