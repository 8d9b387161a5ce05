"""Activations as functions."""

from __future__ import annotations

import warnings
from typing import Any

from qgrad import ops
from qgrad.dtypes import DType
from qgrad.errors import ShapeError
from qgrad.nn.functional.run import run
from qgrad.ops.shape import normalize_dim

__all__ = [
    "celu",
    "elu",
    "gelu",
    "glu",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "log_softmax",
    "logsigmoid",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softmin",
    "softplus",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
]


def relu(input: Any, inplace: bool = False) -> Any:
    """max(x, 0)."""
    return run(ops.relu, inplace, input)


def relu6(input: Any, inplace: bool = False) -> Any:
    """min(max(x, 0), 6)."""
    return run(ops.relu6, inplace, input)


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    """min(max(x, min_val), max_val)."""
    return run(ops.hardtanh, inplace, input, min_val, max_val)


def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    """x where x > threshold, `value` elsewhere."""
    return run(ops.threshold, inplace, input, threshold, value)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """x where x >= 0, negative_slope * x elsewhere."""
    return run(ops.leaky_relu, inplace, input, negative_slope)


def prelu(input: Any, weight: Any) -> Any:
    """x where x > 0, weight * x elsewhere; `weight` has 1 element or one for each channel."""
    return ops.prelu(input, weight)


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """x where x > 0, alpha * (exp(x) - 1) elsewhere."""
    return run(ops.elu, inplace, input, alpha)


def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """x where x > 0, alpha * (exp(x / alpha) - 1) elsewhere."""
    return run(ops.celu, inplace, input, alpha)


def selu(input: Any, inplace: bool = False) -> Any:
    """1.0507 * elu(x, 1.6733): keeps mean 0 and variance 1."""
    return run(ops.selu, inplace, input)


def gelu(input: Any, approximate: str = "none") -> Any:
    """x times the normal distribution function of x; `approximate` is "none" or "tanh"."""
    return ops.gelu(input, approximate)


def silu(input: Any, inplace: bool = False) -> Any:
    """x * sigmoid(x)."""
    return run(ops.silu, inplace, input)


def mish(input: Any, inplace: bool = False) -> Any:
    """x * tanh(softplus(x))."""
    return run(ops.mish, inplace, input)


def glu(input: Any, dim: int = -1) -> Any:
    """a * sigmoid(b), where a and b are the halves of x along `dim`."""
    if not input.shape:
        raise ShapeError("glu: input is a scalar, but must have a dimension to be halved")
    axis = normalize_dim(dim, len(input.shape))
    size = input.shape[axis]
    if size % 2:
        raise ShapeError(
            f"glu: input has length {size} along dim {dim}, but it must be even: the first half "
            f"is gated by the second (shape {tuple(input.shape)})"
        )
    half = size // 2
    return ops.narrow(input, axis, 0, half) * ops.sigmoid(ops.narrow(input, axis, half, half))


def sigmoid(input: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return ops.sigmoid(input)


def logsigmoid(input: Any) -> Any:
    """log(sigmoid(x)) without its loss of precision."""
    return ops.logsigmoid(input)


def hardsigmoid(input: Any, inplace: bool = False) -> Any:
    """min(max(x + 3, 0), 6) / 6."""
    return run(ops.hardsigmoid, inplace, input)


def hardswish(input: Any, inplace: bool = False) -> Any:
    """x * hardsigmoid(x)."""
    return run(ops.hardswish, inplace, input)


def tanh(input: Any) -> Any:
    """The hyperbolic tangent."""
    return ops.tanh(input)


def tanhshrink(input: Any) -> Any:
    """x - tanh(x)."""
    return ops.tanhshrink(input)


def softsign(input: Any) -> Any:
    """x / (1 + |x|)."""
    return ops.softsign(input)


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """log(1 + exp(beta * x)) / beta; x itself where beta * x > threshold."""
    return ops.softplus(input, beta, threshold)


def softmax(
    input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Any:
    """exp(x) / sum(exp(x)) along `dim`."""
    return ops.softmax(input, _chosen_dim("softmax", dim, len(input.shape)), dtype)


def softmin(
    input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Any:
    """softmax(-x) along `dim`."""
    return ops.softmax(-input, _chosen_dim("softmin", dim, len(input.shape)), dtype)


def log_softmax(
    input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Any:
    """log(softmax(x)) along `dim` without its loss of precision."""
    return ops.log_softmax(input, _chosen_dim("log_softmax", dim, len(input.shape)), dtype)


def _chosen_dim(where: str, dim: int | None, ndim: int) -> int:
    """`dim`, or what PyTorch takes in its place: the channels of an image, the rows of a matrix."""
    if dim is not None:
        return dim
    guess = 0 if ndim in (0, 1, 3) else 1
    warnings.warn(
        f"{where}: dim is not given, so dim={guess} is normalised, as {ndim} dimensions suggest. "
        "Pass it: dim=-1 is the last dimension, dim=1 the channels.",
        UserWarning,
        stacklevel=3,
    )
    return guess
