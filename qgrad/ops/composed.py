"""Functions made of ops: they have no entry in the table and need no gradient rules."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from qgrad.dtypes import bool_
from qgrad.errors import DTypeError, ShapeError
from qgrad.ops.arithmetic import clamp, maximum, minimum
from qgrad.ops.elementwise import abs, log, trunc, zeros_like
from qgrad.ops.indexing import gather, getitem, scatter_add
from qgrad.ops.matmul import matmul
from qgrad.ops.norm import vector_norm
from qgrad.ops.op import Value
from qgrad.ops.reduction import Dims, amax, amin, argmax, argmin, argsort, mean, var
from qgrad.ops.shape import along, expand, normalize_dim, reshape, squeeze, unsqueeze

__all__ = [
    "addmm",
    "allclose",
    "bmm",
    "broadcast_to",
    "chunk",
    "clamp_max",
    "clamp_min",
    "dot",
    "equal",
    "frac",
    "index_add",
    "isclose",
    "logit",
    "max",
    "min",
    "mm",
    "mv",
    "narrow",
    "norm",
    "numel",
    "outer",
    "positive",
    "repeat",
    "select",
    "sort",
    "split",
    "take_along_dim",
    "topk",
    "unbind",
    "unflatten",
    "var_mean",
]


class ValuesIndices(NamedTuple):
    """Elements picked along a dim, and where they were."""

    values: Any
    indices: Any


def narrow(input: Value, dim: int, start: int, length: int) -> Value:
    """The part of `length` from `start` along `dim`."""
    dim = normalize_dim(dim, input.ndim)
    size = input.shape[dim]
    begin = start + size if start < 0 else start
    if length < 0 or not 0 <= begin <= begin + length <= size:
        raise IndexError(
            f"narrow: start {start} and length {length} leave dim {dim} of length {size}"
        )
    return getitem(input, along(dim, slice(begin, begin + length)))


def select(input: Value, dim: int, index: int) -> Value:
    """The slice at `index` of `dim`, without that dim."""
    return getitem(input, along(normalize_dim(dim, input.ndim), index))


def split(
    tensor: Value, split_size_or_sections: int | Sequence[int], dim: int = 0
) -> tuple[Value, ...]:
    """Views of `tensor` along `dim`: of one size (the last may be smaller), or of given sizes."""
    dim = normalize_dim(dim, tensor.ndim)
    size = tensor.shape[dim]
    if isinstance(split_size_or_sections, int):
        step = split_size_or_sections
        if step <= 0:
            raise ValueError(f"split: split_size must be positive, got {step}")
        starts = range(0, size, step) if size else range(1)
        sizes = [step if start + step <= size else size - start for start in starts]
    else:
        sizes = list(split_size_or_sections)
        total = math.fsum(sizes)
        if total != size or any(n < 0 for n in sizes):
            raise ValueError(f"split: sections {sizes} do not add up to {size}, the size of {dim=}")
    parts, start = [], 0
    for n in sizes:
        parts.append(getitem(tensor, along(dim, slice(start, start + n))))
        start += n
    return tuple(parts)


def chunk(input: Value, chunks: int, dim: int = 0) -> tuple[Value, ...]:
    """At most `chunks` views along `dim`, all of one size but the last."""
    if chunks < 1:
        raise ValueError(f"chunk: chunks must be at least 1, got {chunks}")
    size = input.shape[normalize_dim(dim, input.ndim)]
    return split(input, -(-size // chunks) if size else [0] * chunks, dim)


def unbind(input: Value, dim: int = 0) -> tuple[Value, ...]:
    """The slices along `dim`, without that dim."""
    dim = normalize_dim(dim, input.ndim)
    return tuple(getitem(input, along(dim, i)) for i in range(input.shape[dim]))


def unflatten(input: Value, dim: int, sizes: Sequence[int]) -> Value:
    """`dim` taken apart into dims of the given sizes."""
    dim = normalize_dim(dim, input.ndim)
    return reshape(input, (*input.shape[:dim], *sizes, *input.shape[dim + 1 :]))


def broadcast_to(input: Value, size: Sequence[int]) -> Value:
    """`input` repeated to `size` without copying."""
    return expand(input, tuple(size))


def repeat(input: Value, *sizes: int) -> Value:
    """`input` copied `sizes[i]` times along dim i."""
    counts = _sizes(sizes)
    if len(counts) < input.ndim:
        raise ValueError(f"repeat: {len(counts)} counts for a tensor of {input.ndim} dims")
    shape = (1,) * (len(counts) - input.ndim) + tuple(input.shape)
    pairs = reshape(input, tuple(n for size in shape for n in (1, size)))
    spread = expand(pairs, tuple(n for pair in zip(counts, shape, strict=True) for n in pair))
    return reshape(spread, tuple(k * n for k, n in zip(counts, shape, strict=True)))


def _sizes(sizes: Sequence[Any]) -> tuple[int, ...]:
    """f(2, 3) and f((2, 3)) mean the same."""
    first = sizes[0] if sizes else ()
    return tuple(first) if isinstance(first, (tuple, list)) else tuple(sizes)


def max(input: Value, dim: Any = None, keepdim: bool = False, **other: Any) -> Any:
    """The largest element; with `dim` (values, indices) along it; with a tensor `maximum`."""
    return _extreme(input, _dim_or_other("max", dim, other), keepdim, amax, argmax, maximum)


def min(input: Value, dim: Any = None, keepdim: bool = False, **other: Any) -> Any:
    """The smallest element; with `dim` (values, indices) along it; with a tensor `minimum`."""
    return _extreme(input, _dim_or_other("min", dim, other), keepdim, amin, argmin, minimum)


def _dim_or_other(name: str, dim: Any, other: dict[str, Any]) -> Any:
    """`dim`, also called axis as in NumPy, and other if it is a tensor."""
    for key in other:
        if key not in ("axis", "other") or dim is not None or len(other) > 1:
            raise TypeError(f"{name}: no argument {key!r}; it takes (input, dim, keepdim)")
    return next(iter(other.values()), dim)


def _extreme(input: Value, dim: Any, keepdim: bool, reduce: Any, arg: Any, elementwise: Any) -> Any:
    if dim is None:
        return reduce(input)
    if hasattr(dim, "ndim"):
        return elementwise(input, dim)
    indices = arg(input, dim, True)
    values = gather(input, dim, indices)
    if keepdim or input.ndim == 0:
        return ValuesIndices(values, indices)
    return ValuesIndices(squeeze(values, dim), squeeze(indices, dim))


def sort(
    input: Value, dim: int = -1, descending: bool = False, stable: bool = False
) -> ValuesIndices:
    """The elements in order along `dim`, and where they were; equal ones keep their order."""
    indices = argsort(input, dim, descending)
    return ValuesIndices(gather(input, dim, indices), indices)


def topk(
    input: Value, k: int, dim: int = -1, largest: bool = True, sorted: bool = True
) -> ValuesIndices:
    """The `k` largest (or smallest) elements along `dim` in order, and where they were."""
    size = input.shape[normalize_dim(dim, input.ndim)] if input.ndim else 1
    if not 0 <= k <= size:
        raise ValueError(f"topk: k must be in [0, {size}], got {k}")
    order = argsort(input, dim, largest)
    indices = narrow(order, dim, 0, k) if input.ndim else order
    return ValuesIndices(gather(input, dim, indices), indices)


def take_along_dim(input: Value, indices: Value, dim: int | None = None) -> Value:
    """The elements at `indices` along `dim`; other dims are broadcast."""
    if dim is None:
        return gather(reshape(input, (-1,)), 0, reshape(indices, (-1,)))
    dim = normalize_dim(dim, input.ndim)
    pairs = list(zip(input.shape, indices.shape, strict=True))
    wide = [b if i == dim else a if b == 1 else b for i, (a, b) in enumerate(pairs)]
    tall = [a if i == dim else b if a == 1 else a for i, (a, b) in enumerate(pairs)]
    return gather(expand(input, tuple(tall)), dim, expand(indices, tuple(wide)))


def mm(input: Value, mat2: Value) -> Value:
    """The product of two matrices."""
    return _product("mm", input, mat2, 2, 2)


def bmm(input: Value, mat2: Value) -> Value:
    """The products of two batches of matrices."""
    if input.ndim == mat2.ndim == 3 and input.shape[0] != mat2.shape[0]:
        raise ShapeError(
            f"bmm: batches of {input.shape[0]} and {mat2.shape[0]} matrices; use matmul to "
            "broadcast"
        )
    return _product("bmm", input, mat2, 3, 3)


def mv(input: Value, vec: Value) -> Value:
    """The product of a matrix and a vector."""
    return _product("mv", input, vec, 2, 1)


def dot(input: Value, tensor: Value) -> Value:
    """The sum of the products of two vectors' elements."""
    return _product("dot", input, tensor, 1, 1)


def _product(name: str, a: Value, b: Value, a_ndim: int, b_ndim: int) -> Value:
    if a.ndim != a_ndim or b.ndim != b_ndim:
        raise ShapeError(
            f"{name}: needs tensors of {a_ndim} and {b_ndim} dims, got {list(a.shape)} and "
            f"{list(b.shape)}; use matmul for other ranks"
        )
    return matmul(a, b)


def outer(input: Value, vec2: Value) -> Value:
    """The matrix of all products of two vectors' elements."""
    return unsqueeze(input, 1) * vec2


def addmm(input: Value, mat1: Value, mat2: Value, beta: float = 1, alpha: float = 1) -> Value:
    """beta * input + alpha * (mat1 @ mat2)."""
    product = mm(mat1, mat2)
    if alpha != 1:
        product = product * alpha
    if beta == 0:  # what input holds does not matter then, not even NaN
        return product + zeros_like(input)
    return product + (input if beta == 1 else input * beta)


def norm(
    input: Value,
    p: float | str | None = "fro",
    dim: Dims = None,
    keepdim: bool = False,
    dtype: Any = None,
) -> Value:
    """The p-norm of the elements over `dim`, or over all; 0 where they are, with gradient 0."""
    if isinstance(p, str) and p != "fro":
        raise ValueError(f"norm: p must be a number or 'fro', got {p!r}; see qgrad.linalg.norm")
    return vector_norm(input, 2 if p in ("fro", None) else p, dim, keepdim, dtype)


def isclose(
    input: Value, other: Value, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Value:
    """Where |input - other| <= atol + rtol * |other|."""
    same = input == other
    if equal_nan:
        same = same | ((input != input) & (other != other))
    finite = abs(other) < math.inf
    return same | (finite & (abs(input - other) <= atol + rtol * abs(other)))


def frac(input: Value) -> Value:
    """The part after the point: input - trunc(input)."""
    return input - trunc(input)


def logit(input: Value, eps: float | None = None) -> Value:
    """log(input / (1 - input)), the inverse of sigmoid; `eps` keeps input in [eps, 1 - eps]."""
    x = input if eps is None else clamp(input, eps, 1 - eps)
    return log(x / (1 - x))


def index_add(input: Value, dim: int, index: Value, source: Value, alpha: float = 1) -> Value:
    """`input` with the slices of `source` added at the positions `index` along `dim`."""
    axis = normalize_dim(dim, input.ndim)
    wide = tuple(-1 if i == axis else 1 for i in range(source.ndim))
    places = expand(reshape(index, wide), tuple(source.shape))
    return scatter_add(input, dim, places, source if alpha == 1 else source * alpha)


def positive(input: Value) -> Value:
    """The tensor itself, which must hold numbers."""
    if input.dtype == np.bool_ or input.dtype == bool_:
        raise DTypeError("positive: bools have no sign; use .int()")
    return input


def numel(input: Value) -> int:
    """The number of elements."""
    return math.prod(input.shape)


def clamp_min(input: Value, min: Value) -> Value:
    """`input` where it is larger than `min`, else `min`."""
    return clamp(input, min)


def clamp_max(input: Value, max: Value) -> Value:
    """`input` where it is smaller than `max`, else `max`."""
    return clamp(input, None, max)


def allclose(
    input: Value, other: Value, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether all elements are close, as `isclose` says."""
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


def equal(input: Value, other: Value) -> bool:
    """Whether shapes and all elements are equal."""
    return tuple(input.shape) == tuple(other.shape) and bool((input == other).all())


def var_mean(
    input: Value,
    dim: Dims = None,
    correction: float = 1,
    keepdim: bool = False,
    unbiased: bool | None = None,
) -> tuple[Value, Value]:
    """(variance, mean) over `dim`, or over all; `unbiased` is a former name of `correction`."""
    if unbiased is not None:
        correction = int(unbiased)
    return var(input, dim, correction, keepdim), mean(input, dim, keepdim)
