"""Activations as modules."""

from __future__ import annotations

from typing import Any

from qgrad.dtypes import DType
from qgrad.errors import ShapeError
from qgrad.nn import functional as F
from qgrad.nn.init import constant_
from qgrad.nn.module import Module
from qgrad.nn.parameter import Parameter, empty_parameter

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
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


class Hardtanh(Module):
    """min(max(x, min_val), max_val)."""

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        self.inplace = inplace
        if not self.max_val > self.min_val:
            raise ValueError(
                f"{type(self).__name__}: max_val is {self.max_val!r}, but must be larger than "
                f"min_val, {self.min_val!r}."
            )

    def forward(self, input: Any) -> Any:
        """Any shape; same shape out."""
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        return f"min_val={self.min_val}, max_val={self.max_val}" + ", inplace=True" * self.inplace


class ReLU6(Hardtanh):
    """min(max(x, 0), 6)."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def forward(self, input: Any) -> Any:
        """Any shape; same shape out."""
        return F.relu6(input, self.inplace)

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        return "inplace=True" if self.inplace else ""


class SELU(_Activation):
    """1.0507 * elu(x, 1.6733): keeps mean 0 and variance 1."""

    def forward(self, input: Any) -> Any:
        """Any shape; same shape out."""
        return F.selu(input, self.inplace)


class Mish(_Activation):
    """x * tanh(softplus(x))."""

    def forward(self, input: Any) -> Any:
        """Any shape; same shape out."""
        return F.mish(input, self.inplace)


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


class LogSigmoid(Module):
    """log(sigmoid(x)) without its loss of precision."""

    def forward(self, input: Any) -> Any:
        """Any shape; same shape out."""
        return F.logsigmoid(input)


class Softsign(Module):
    """x / (1 + |x|)."""

    def forward(self, input: Any) -> Any:
        """Any shape; same shape out."""
        return F.softsign(input)


class Tanhshrink(Module):
    """x - tanh(x)."""

    def forward(self, input: Any) -> Any:
        """Any shape; same shape out."""
        return F.tanhshrink(input)


class Threshold(Module):
    """x where x > threshold, `value` elsewhere."""

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, input: Any) -> Any:
        """Any shape; same shape out."""
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        return f"threshold={self.threshold}, value={self.value}" + ", inplace=True" * self.inplace


class PReLU(Module):
    """x where x > 0, weight * x elsewhere; `weight` (num_parameters) is learned.

    One slope serves all, or each channel (dimension 1) has its own.
    """

    weight: Parameter

    def __init__(
        self,
        num_parameters: int = 1,
        init: float = 0.25,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = empty_parameter("PReLU", (num_parameters,), device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """All slopes as at first."""
        constant_(self.weight, self.init)

    def forward(self, input: Any) -> Any:
        """(N, ...) or (N, num_parameters, ...); same shape out."""
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        return f"num_parameters={self.num_parameters}"


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


class _WithAlpha(Module):
    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        return f"alpha={self.alpha}" + ", inplace=True" * self.inplace


class ELU(_WithAlpha):
    """x where x > 0, alpha * (exp(x) - 1) elsewhere."""

    def forward(self, input: Any) -> Any:
        """Any shape; same shape out."""
        return F.elu(input, self.alpha, self.inplace)


class CELU(_WithAlpha):
    """x where x > 0, alpha * (exp(x / alpha) - 1) elsewhere."""

    def forward(self, input: Any) -> Any:
        """Any shape; same shape out."""
        return F.celu(input, self.alpha, self.inplace)


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


class Softmin(_AlongDim):
    """softmax(-x) along `dim`."""

    def forward(self, input: Any) -> Any:
        """Any shape; same shape out."""
        return F.softmin(input, self.dim)


class LogSoftmax(_AlongDim):
    """The logarithm of softmax along `dim`, without its loss of precision."""

    def forward(self, input: Any) -> Any:
        """Any shape; same shape out."""
        return F.log_softmax(input, self.dim)


class Softmax2d(Module):
    """Softmax over the channels of each pixel."""

    def forward(self, input: Any) -> Any:
        """(N, C, H, W) or (C, H, W); same shape out."""
        if len(input.shape) not in (3, 4):
            raise ShapeError(
                f"Softmax2d: x has shape {tuple(input.shape)}, but must be (N, C, H, W) or "
                "(C, H, W)."
            )
        return F.softmax(input, -3)


class GLU(Module):
    """a * sigmoid(b), where a and b are the halves of x along `dim`."""

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Any) -> Any:
        """(..., 2 * n, ...) -> (..., n, ...)."""
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        return f"dim={self.dim}"
