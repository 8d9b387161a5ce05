"""Products and distances of vectors and matrices, made of other ops."""

from __future__ import annotations

import math
from collections.abc import Sequence

from qgrad.errors import ShapeError
from qgrad.ops.composed import bmm, mv
from qgrad.ops.indexing import diagonal
from qgrad.ops.matmul import matmul
from qgrad.ops.norm import vector_norm
from qgrad.ops.op import Value
from qgrad.ops.reduction import sum
from qgrad.ops.shape import permute, reshape, unsqueeze

__all__ = ["addmv", "baddbmm", "cdist", "dist", "inner", "kron", "tensordot", "trace"]


def inner(input: Value, other: Value) -> Value:
    """The sums of the products along the last dim of both."""
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    return tensordot(input, other, ([-1], [-1]))


def tensordot(a: Value, b: Value, dims: int | Sequence[Sequence[int]] = 2) -> Value:
    """The sums of the products over the last `dims` dims of a and first of b, or over listed ones.

    The dims of the result are what is left of a, then what is left of b.
    """
    if isinstance(dims, int):
        dims = (range(a.ndim - dims, a.ndim), range(dims))
    of_a, of_b = ([d % x.ndim for d in ds] for x, ds in zip((a, b), dims, strict=True))
    if [a.shape[d] for d in of_a] != [b.shape[d] for d in of_b]:
        raise ShapeError(
            f"tensordot: dims {of_a} of {list(a.shape)} and {of_b} of {list(b.shape)} differ"
        )
    kept_a = [d for d in range(a.ndim) if d not in of_a]
    kept_b = [d for d in range(b.ndim) if d not in of_b]
    shape = (*(a.shape[d] for d in kept_a), *(b.shape[d] for d in kept_b))
    size = math.prod(a.shape[d] for d in of_a)
    rows = reshape(permute(a, (*kept_a, *of_a)), (math.prod(shape[: len(kept_a)]), size))
    columns = reshape(permute(b, (*of_b, *kept_b)), (size, math.prod(shape[len(kept_a) :])))
    return reshape(matmul(rows, columns), shape)


def kron(input: Value, other: Value) -> Value:
    """Kronecker's product: a copy of `other` for every element of `input`, times it."""
    ndim = max(input.ndim, other.ndim)
    a = (1,) * (ndim - input.ndim) + tuple(input.shape)
    b = (1,) * (ndim - other.ndim) + tuple(other.shape)
    left = reshape(input, tuple(n for size in a for n in (size, 1)))
    right = reshape(other, tuple(n for size in b for n in (1, size)))
    return reshape(left * right, tuple(m * n for m, n in zip(a, b, strict=True)))


def trace(input: Value) -> Value:
    """The sum of the diagonal of a matrix."""
    if input.ndim != 2:
        raise ShapeError(f"trace: needs a matrix, got shape {list(input.shape)}")
    return sum(diagonal(input))


def cdist(x1: Value, x2: Value, p: float = 2.0) -> Value:
    """The p-norms of the differences of all rows of `x1` and all rows of `x2`."""
    return vector_norm(unsqueeze(x1, -2) - unsqueeze(x2, -3), p, -1)


def dist(input: Value, other: Value, p: float = 2) -> Value:
    """The p-norm of the difference."""
    return vector_norm(input - other, p)


def addmv(input: Value, mat: Value, vec: Value, *, beta: float = 1, alpha: float = 1) -> Value:
    """beta * input + alpha * (mat @ vec)."""
    return beta * input + alpha * mv(mat, vec)


def baddbmm(
    input: Value, batch1: Value, batch2: Value, *, beta: float = 1, alpha: float = 1
) -> Value:
    """beta * input + alpha * (batch1 @ batch2), for batches of matrices."""
    return beta * input + alpha * bmm(batch1, batch2)
