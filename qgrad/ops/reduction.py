"""Reductions over dims."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from qgrad import kernels
from qgrad.errors import DTypeError
from qgrad.ops.arithmetic import where
from qgrad.ops.cumulative import products_before
from qgrad.ops.elementwise import exp, is_float32
from qgrad.ops.op import Value, op
from qgrad.ops.promotion import numpy_dtype
from qgrad.ops.shape import (
    expand,
    flip,
    normalize_dim,
    normalize_dims,
    repeat_one,
    reshape,
)

__all__ = [
    "all",
    "amax",
    "amin",
    "any",
    "argmax",
    "argmin",
    "argsort",
    "logsumexp",
    "mean",
    "prod",
    "std",
    "sum",
    "sum_to_size",
    "var",
]

Dims = int | Sequence[int] | None

# NumPy's type stubs want to know `keepdims` when types are checked.
_add: Any = np.add.reduce
_MANY = 4096  # elements: below, NumPy is faster to start
_largest: Any = np.maximum.reduce
_smallest: Any = np.minimum.reduce
_multiply: Any = np.multiply.reduce
_or: Any = np.logical_or.reduce
_and: Any = np.logical_and.reduce


def keepdim_shape(shape: Sequence[int], dims: Dims) -> tuple[int, ...]:
    """The shape after a reduction over `dims` with keepdim=True."""
    reduced = normalize_dims(dims, len(shape))
    return tuple(1 if i in reduced else n for i, n in enumerate(shape))


def count(shape: Sequence[int], dims: Dims) -> int:
    """How many elements a reduction over `dims` takes together."""
    return math.prod(shape[i] for i in normalize_dims(dims, len(shape)))


def spread(g: Value, shape: Sequence[int], dims: Dims) -> Value:
    """The gradient of a reduction back in the shape of its input."""
    if dims is None:  # g is 0-d, or has as many dims of length 1
        return repeat_one(g, tuple(shape)) if isinstance(g, np.ndarray) else expand(g, tuple(shape))
    return expand(reshape(g, keepdim_shape(shape, dims)), tuple(shape))


@op(onnx="ReduceSum")
def sum(input: Value, dim: Dims = None, keepdim: bool = False, dtype: Any = None) -> Value:
    """The sum over `dim`, or over all; integers are summed in int64."""
    if dtype is not None:
        input = input.astype(numpy_dtype(dtype))
    axes = None if dim is None else normalize_dims(dim, input.ndim)
    if is_float32(input):
        return kernels.reduce_f32("sum", input, axes, keepdim)
    kind = input.dtype if input.dtype.kind == "f" or dtype is not None else np.int64
    return _add(input, axis=axes, keepdims=keepdim, dtype=kind)


@sum.rule("input")
def sum_dinput(g: Value, input_shape: tuple[int, ...], dim: Dims) -> Value:
    return spread(g, input_shape, dim)


@op()
def sum_to_size(input: Value, size: tuple[int, ...]) -> Value:
    """Summed over the dims that broadcasting `size` to the shape of `input` has added."""
    extra = input.ndim - len(size)
    axes = tuple(
        i for i, n in enumerate(input.shape) if i < extra or (size[i - extra] == 1 and n != 1)
    )
    if not axes:
        return input
    if input.size > _MANY and is_float32(input):
        return kernels.reduce_f32("sum", input, axes).reshape(size)
    return _add(input, axis=axes, dtype=input.dtype).reshape(size)


@sum_to_size.rule("input")
def sum_to_size_dinput(g: Value, input_shape: tuple[int, ...]) -> Value:
    return expand(g, input_shape)


@op(onnx="ReduceMean")
def mean(input: Value, dim: Dims = None, keepdim: bool = False, dtype: Any = None) -> Value:
    """The mean over `dim`, or over all."""
    if dtype is not None:
        input = input.astype(numpy_dtype(dtype))
    if input.dtype.kind != "f":
        raise DTypeError(f"mean: the mean of {input.dtype} is not an integer; use x.float().mean()")
    axes = normalize_dims(dim, input.ndim)
    if is_float32(input):
        return kernels.reduce_f32("mean", input, axes, keepdim)
    total = _add(input, axis=axes, keepdims=keepdim)
    return total / input.dtype.type(count(input.shape, dim))


@mean.rule("input")
def mean_dinput(g: Value, input_shape: tuple[int, ...], dim: Dims) -> Value:
    return spread(g / max(count(input_shape, dim), 1), input_shape, dim)


@op()
def var(input: Value, dim: Dims = None, correction: float = 1, keepdim: bool = False) -> Value:
    """The variance over `dim`, or over all; divides by the count less `correction`."""
    if input.dtype.kind != "f":
        raise DTypeError(f"var: the variance of {input.dtype} is not an integer; use x.float()")
    dim, correction = _spelled(dim, correction)
    axes = normalize_dims(dim, input.ndim)
    wide = input.astype(np.float64)
    centred = wide - _add(wide, axis=axes, keepdims=True) / count(input.shape, dim)
    total = _add(centred * centred, axis=axes, keepdims=keepdim)
    freedom = np.float64(max(count(input.shape, dim) - correction, 0))
    return np.asarray(total / freedom).astype(input.dtype)


@var.rule("input")
def var_dinput(g: Value, input: Value, dim: Dims, correction: float) -> Value:
    dim, correction = _spelled(dim, correction)
    freedom = count(input.shape, dim) - correction
    centred = input - mean(input, dim, True)
    if dim is None and freedom <= 0:  # infinite; NaN at the mean itself
        return spread(g, input.shape, dim) * where(centred == 0, math.nan, math.inf)
    return spread(g, input.shape, dim) * (centred * (2 / freedom if freedom else math.inf))


def _spelled(dim: Any, correction: float) -> tuple[Dims, float]:
    """x.var(False) is x.var(unbiased=False)."""
    return (None, int(dim)) if dim.__class__ is bool else (dim, correction)


@op()
def std(input: Value, dim: Dims = None, correction: float = 1, keepdim: bool = False) -> Value:
    """The square root of the variance; where it is 0 the gradient is 0."""
    return np.sqrt(var(input, dim, correction, keepdim))


@std.rule("input")
def std_dinput(g: Value, input: Value, dim: Dims, correction: float, y: Value) -> Value:
    slope = where(y == 0, 0.0, g / (where(y == 0, 1.0, y) * 2))
    return var_dinput(slope, input, dim, correction)


@op(onnx="ReduceMax")
def amax(input: Value, dim: Dims = None, keepdim: bool = False) -> Value:
    """The largest element over `dim`; NaN wins. Equal elements share the gradient."""
    return _largest(input, axis=_nonempty(input, dim, "amax"), keepdims=keepdim)


@amax.rule("input")
def amax_dinput(g: Value, input: Value, dim: Dims, y: Value) -> Value:
    return share_among_ties(g, input, dim, y)


@op(onnx="ReduceMin")
def amin(input: Value, dim: Dims = None, keepdim: bool = False) -> Value:
    """The smallest element over `dim`; NaN wins. Equal elements share the gradient."""
    return _smallest(input, axis=_nonempty(input, dim, "amin"), keepdims=keepdim)


@amin.rule("input")
def amin_dinput(g: Value, input: Value, dim: Dims, y: Value) -> Value:
    return share_among_ties(g, input, dim, y)


def _nonempty(input: Value, dim: Dims, name: str) -> tuple[int, ...]:
    axes = normalize_dims(dim, input.ndim)
    if count(input.shape, dim) == 0:
        raise ValueError(f"{name}: no elements over dim {dim} of shape {input.shape}")
    return axes


def share_among_ties(g: Value, input: Value, dim: Dims, y: Value) -> Value:
    """The gradient of an extreme `y` over `dim`, in equal parts to the elements that equal it.

    NaN equals nothing: where it is the extreme, the gradient of all elements is NaN, 0 / 0.
    """
    ties = input == spread(y, input.shape, dim)
    return spread(g, input.shape, dim) * ties / sum(ties, dim, True)


@op(onnx="ReduceProd")
def prod(input: Value, dim: int | None = None, keepdim: bool = False, dtype: Any = None) -> Value:
    """The product over `dim`, or over all; integers are multiplied in int64."""
    kind = numpy_dtype(dtype)
    if kind is None and input.dtype.kind != "f":
        kind = np.dtype(np.int64)
    axes = normalize_dims(dim, input.ndim)
    return _multiply(input, axis=axes, keepdims=keepdim, dtype=kind)


@prod.rule("input")
def prod_dinput(g: Value, input: Value, dim: int | None) -> Value:
    # The product of all others: products of what lies before and after, right also at zeros.
    if dim is None or input.ndim == 0:
        return reshape(prod_dinput(reshape(g, (1,)), reshape(input, (-1,)), 0), input.shape)
    axis = normalize_dim(dim, input.ndim)
    others = products_before(input, axis) * flip(products_before(flip(input, axis), axis), axis)
    return spread(g, input.shape, dim) * others


@op(floating=True, onnx="ReduceLogSumExp")
def logsumexp(input: Value, dim: Dims, keepdim: bool = False) -> Value:
    """log(sum(exp(input))) over `dim`, without overflow."""
    axes = normalize_dims(dim, input.ndim)
    if count(input.shape, dim) == 0:
        return np.log(_add(input, axis=axes, keepdims=keepdim))  # of 0: -inf
    top = _largest(input, axis=axes, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    total = _add(np.exp(input - top), axis=axes, keepdims=True)
    y = np.log(total) + top
    return y if keepdim else y.reshape([n for i, n in enumerate(input.shape) if i not in axes])


@logsumexp.rule("input")
def logsumexp_dinput(g: Value, input: Value, dim: Dims, y: Value) -> Value:
    return spread(g, input.shape, dim) * exp(input - spread(y, input.shape, dim))


@op()
def any(input: Value, dim: Dims = None, keepdim: bool = False) -> Value:
    """Whether one element over `dim` is nonzero; the answer for uint8 is uint8, as in PyTorch."""
    return _logical(_or, input, dim, keepdim)


@op()
def all(input: Value, dim: Dims = None, keepdim: bool = False) -> Value:
    """Whether every element over `dim` is nonzero; the answer for uint8 is uint8, as in PyTorch."""
    return _logical(_and, input, dim, keepdim)


def _logical(reduce: Any, input: Value, dim: Dims, keepdim: bool) -> Value:
    # No dims at all, (), mean none here, and all of them in other reductions.
    axes = () if dim == () or dim == [] else normalize_dims(dim, input.ndim)
    y = reduce(input, axis=axes, keepdims=keepdim)
    return y.astype(np.uint8) if input.dtype == np.uint8 else y


@op(onnx="ArgMax")
def argmax(input: Value, dim: int | None = None, keepdim: bool = False) -> Value:
    """The index of the first largest element along `dim`, or in the flattened tensor."""
    return _arg(np.argmax, input, dim, keepdim, "argmax")


@op(onnx="ArgMin")
def argmin(input: Value, dim: int | None = None, keepdim: bool = False) -> Value:
    """The index of the first smallest element along `dim`, or in the flattened tensor."""
    return _arg(np.argmin, input, dim, keepdim, "argmin")


def _arg(function: Any, input: Value, dim: int | None, keepdim: bool, name: str) -> Value:
    _nonempty(input, dim, name)
    if input.ndim == 0:
        return np.zeros((), np.int64)
    axis = None if dim is None else normalize_dim(dim, input.ndim)
    return np.asarray(function(input, axis=axis, keepdims=keepdim), np.int64)


@op()
def argsort(input: Value, dim: int = -1, descending: bool = False, stable: bool = False) -> Value:
    """The indices that sort along `dim`; equal elements keep their order."""
    if input.ndim == 0:
        return np.zeros((), np.int64)
    axis = normalize_dim(dim, input.ndim)
    if not descending:
        return np.argsort(input, axis=axis, kind="stable")
    last = input.shape[axis] - 1
    order = np.argsort(np.flip(input, axis), axis=axis, kind="stable")
    return last - np.flip(order, axis)
