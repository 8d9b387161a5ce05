"""Layers as functions, with PyTorch's names and arguments. Each is one op of the table.

Losses are composed of ops; they live in `qgrad.nn.functional_loss` and are found here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qgrad import ops
from qgrad.autograd.in_place import change
from qgrad.dtypes import DType
from qgrad.errors import UnsupportedOpError
from qgrad.nn.functional_loss import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    l1_loss,
    mse_loss,
    nll_loss,
)
from qgrad.ops.op import Op
from qgrad.tensor import Tensor

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "avg_pool1d",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy_with_logits",
    "conv1d",
    "conv2d",
    "cross_entropy",
    "dropout",
    "elu",
    "embedding",
    "gelu",
    "hardsigmoid",
    "hardswish",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "max_pool1d",
    "max_pool2d",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "relu",
    "relu6",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]

Size = int | tuple[int, ...]


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    """x @ weight.T + bias: (..., K), weight (N, K), bias (N) -> (..., N)."""
    return ops.linear(input, weight, bias)


def conv1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Any:
    """Cross-correlation: (N, C, L), weight (O, C/groups, K), bias (O) -> (N, O, L')."""
    return ops.conv1d(input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Any:
    """Cross-correlation: (N, C, H, W), weight (O, C/groups, KH, KW), bias (O) -> (N, O, H', W')."""
    return ops.conv2d(input, weight, bias, stride, padding, dilation, groups)


def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float | None = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Normalise each channel (dimension 1); running statistics are updated in place in training."""
    return ops.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def layer_norm(
    input: Any,
    normalized_shape: Sequence[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Any:
    """Normalise over the last dimensions, whose sizes are `normalized_shape`."""
    return ops.layer_norm(input, tuple(normalized_shape), weight, bias, eps)


def embedding(input: Any, weight: Any, padding_idx: int | None = None) -> Any:
    """Rows of `weight` (N, D) at the indices `input` (...) -> (..., D)."""
    return ops.embedding(input, weight, padding_idx)


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Zero elements with probability `p` and divide the rest by 1 - p, if `training`."""
    return _run(ops.dropout, inplace, input, p, training)


def relu(input: Any, inplace: bool = False) -> Any:
    """max(x, 0)."""
    return _run(ops.relu, inplace, input)


def relu6(input: Any, inplace: bool = False) -> Any:
    """min(max(x, 0), 6)."""
    return _run(ops.relu6, inplace, input)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """x where x >= 0, negative_slope * x elsewhere."""
    return _run(ops.leaky_relu, inplace, input, negative_slope)


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """x where x > 0, alpha * (exp(x) - 1) elsewhere."""
    return _run(ops.elu, inplace, input, alpha)


def gelu(input: Any, approximate: str = "none") -> Any:
    """x times the normal distribution function of x; `approximate` is "none" or "tanh"."""
    return ops.gelu(input, approximate)


def silu(input: Any, inplace: bool = False) -> Any:
    """x * sigmoid(x)."""
    return _run(ops.silu, inplace, input)


def sigmoid(input: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return ops.sigmoid(input)


def logsigmoid(input: Any) -> Any:
    """log(sigmoid(x)) without its loss of precision."""
    return ops.logsigmoid(input)


def hardsigmoid(input: Any, inplace: bool = False) -> Any:
    """min(max(x + 3, 0), 6) / 6."""
    return _run(ops.hardsigmoid, inplace, input)


def tanh(input: Any) -> Any:
    """The hyperbolic tangent."""
    return ops.tanh(input)


def hardswish(input: Any, inplace: bool = False) -> Any:
    """x * hardsigmoid(x)."""
    return _run(ops.hardswish, inplace, input)


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """log(1 + exp(beta * x)) / beta; x itself where beta * x > threshold."""
    return ops.softplus(input, beta, threshold)


def softmax(input: Any, dim: int | None = None, dtype: DType | None = None) -> Any:
    """exp(x) / sum(exp(x)) along `dim`."""
    return ops.softmax(input, _required_dim("softmax", dim), dtype)


def log_softmax(input: Any, dim: int | None = None, dtype: DType | None = None) -> Any:
    """log(softmax(x)) along `dim` without its loss of precision."""
    return ops.log_softmax(input, _required_dim("log_softmax", dim), dtype)


def max_pool1d(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window: (N, C, L) -> (N, C, L')."""
    no_indices("max_pool1d", return_indices)
    return ops.max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest value of each window: (N, C, H, W) -> (N, C, H', W')."""
    no_indices("max_pool2d", return_indices)
    return ops.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode)


def avg_pool1d(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """The mean of each window: (N, C, L) -> (N, C, L')."""
    return ops.avg_pool1d(input, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(
    input: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The mean of each window: (N, C, H, W) -> (N, C, H', W')."""
    return ops.avg_pool2d(
        input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def adaptive_avg_pool1d(input: Any, output_size: int | tuple[int]) -> Any:
    """Means over windows chosen to give (N, C, output_size)."""
    return ops.adaptive_avg_pool1d(input, output_size)


def adaptive_avg_pool2d(input: Any, output_size: int | tuple[int | None, ...] | None) -> Any:
    """Means over windows chosen to give (N, C, *output_size); None keeps a size."""
    return ops.adaptive_avg_pool2d(input, output_size)


def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """Widen the last dimensions by `pad` = (low, high) pairs, the last dimension first.

    `mode` is "constant" (with `value`, 0 if None), "reflect", "replicate" or "circular".
    """
    return ops.pad(input, tuple(pad), mode, 0.0 if value is None else value)


def one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """Integers (...) -> rows of the identity matrix (..., num_classes)."""
    return ops.one_hot(tensor, num_classes)


def normalize(input: Any, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Any:
    """x divided by its p-norm along `dim`, or by `eps` where the norm is smaller."""
    norm = (input.abs() ** p).sum(dim, keepdim=True) ** (1.0 / p)
    return input / norm.clamp(min=eps)


def _run(op: Op, inplace: bool, input: Any, *args: Any) -> Any:
    """`op(input, ...)`, in the memory of `input` if `inplace`."""
    if inplace and isinstance(input, Tensor):
        return change(input, op, *args)
    return op(input, *args)


def _required_dim(where: str, dim: int | None) -> int:
    if dim is None:
        raise TypeError(
            f"{where}: dim is None, but it must be given: dim=-1 normalises the last dimension, "
            "dim=1 the channels."
        )
    return dim


def no_indices(where: str, return_indices: bool) -> None:
    """Raise UnsupportedOpError if indices are asked of a max pool."""
    if return_indices:
        raise UnsupportedOpError(
            f"{where}: return_indices is True, but only the values can be given. Leave it out."
        )
