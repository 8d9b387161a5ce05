"""Linear algebra, with PyTorch's names: inverses, determinants, systems of equations, norms.

All functions take a matrix or a batch of matrices (the last two dims) of floats, and can be
differentiated any number of times. A matrix that is singular or not positive definite raises
`LinAlgError`, which names the matrix of the batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from qgrad import ops
from qgrad.creation import eye
from qgrad.errors import DTypeError, ShapeError
from qgrad.ops import linalg
from qgrad.ops.linalg import LinAlgError
from qgrad.tensor import Tensor

__all__ = [
    "LinAlgError",
    "cholesky",
    "cholesky_solve",
    "det",
    "inv",
    "inv_ex",
    "inverse",
    "logdet",
    "matrix_norm",
    "matrix_power",
    "norm",
    "slogdet",
    "solve",
    "solve_triangular",
    "svdvals",
    "vector_norm",
]


class InvEx(NamedTuple):
    """An inverse, and for each matrix 0 or the number of the pivot that is 0."""

    inverse: Tensor
    info: Tensor


class SLogDet(NamedTuple):
    """The sign of a determinant and the logarithm of its absolute value."""

    sign: Tensor
    logabsdet: Tensor


def inv(A: Tensor) -> Tensor:
    """The inverse of a square matrix; LinAlgError if it is singular.

    >>> qgrad.linalg.inv(qgrad.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return linalg.linalg_inv(A)


inverse = inv


def inv_ex(A: Tensor, *, check_errors: bool = False) -> InvEx:
    """(inverse, info): info is 0 for an invertible matrix, whose inverse is otherwise NaN."""
    return InvEx(linalg.linalg_inv(A, check_errors), linalg.linalg_inv_info(A))


def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """The triangular L with L @ L.mT = A, or if `upper` its transpose; A is positive definite.

    The gradient is symmetric. LinAlgError if A is not positive definite.
    """
    lower = linalg.linalg_cholesky(A)
    return lower.mT if upper else lower


def det(A: Tensor) -> Tensor:
    """The determinant; its gradient is right for singular matrices too."""
    return linalg.linalg_det(A)


def logdet(A: Tensor) -> Tensor:
    """The logarithm of the determinant; -inf where that is 0, NaN where it is negative."""
    sign, logabsdet = slogdet(A)
    return ops.where(sign < 0, math.nan, logabsdet)


def slogdet(A: Tensor) -> SLogDet:
    """(sign, logabsdet) of the determinant: 0 and -inf for a singular matrix."""
    return SLogDet(linalg.linalg_sign(A), linalg.linalg_logabsdet(A))


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X with A @ X = B, or if not `left` X @ A = B; LinAlgError if A is singular.

    B is a vector if it has one dim, or the shape of A without the last dim; else matrices.

    >>> A = qgrad.tensor([[2.0, 0.0], [0.0, 4.0]])
    >>> qgrad.linalg.solve(A, qgrad.tensor([2.0, 2.0]))
    tensor([1.0000, 0.5000])
    """
    vector = B.ndim == 1 or (A.ndim - 1 == B.ndim and B.shape == A.shape[:-1])
    if vector and not left:
        raise ShapeError(f"linalg.solve: left=False needs matrices B, got shape {list(B.shape)}")
    if vector:
        return linalg.linalg_solve(A, B.unsqueeze(-1)).squeeze(-1)
    if left:
        return linalg.linalg_solve(A, B)
    return linalg.linalg_solve(A.mT, B.mT).mT


def solve_triangular(
    A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """X with A @ X = B, or if not `left` X @ A = B, where A counts as triangular."""
    A = ops.triu(A, int(unitriangular)) if upper else ops.tril(A, -int(unitriangular))
    if unitriangular:
        A = A + eye(A.shape[-1], dtype=A.dtype)
    return solve(A, B, left=left)


def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """X with A @ X = B for matrices B, given the triangular factor of A that cholesky gives."""
    L = L.mT if upper else L
    return solve_triangular(L.mT, solve_triangular(L, B, upper=False), upper=True)


def matrix_power(A: Tensor, n: int) -> Tensor:
    """The product of `n` square matrices A; of inverses if n is negative."""
    base, n = (inv(A), -n) if n < 0 else (A, n)
    y = eye(A.shape[-1], dtype=A.dtype).expand(A.shape)
    while n:
        if n % 2:
            y = y @ base
        base, n = base @ base, n // 2
    return y


def svdvals(A: Tensor) -> Tensor:
    """The singular values, the largest first."""
    return linalg.linalg_svdvals(A)


def vector_norm(
    x: Tensor,
    ord: float = 2,
    dim: int | Sequence[int] | None = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    """(sum of |x|**ord)**(1/ord) over `dim`, or over all elements.

    `ord` inf and -inf are the largest and smallest |x|, 0 counts the nonzero elements.
    """
    return ops.vector_norm(x, ord, dim, keepdim, dtype)


def matrix_norm(
    A: Tensor,
    ord: float | str = "fro",
    dim: Sequence[int] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    """The norm of matrices.

    `ord` is "fro" (of the elements), "nuc" (the sum of the singular values), 2 and -2 (the largest
    and smallest singular value), 1 and -1 (of the columns' sums of |A|), inf and -inf (of the
    rows').
    """
    if len(dim) != 2 or A.ndim < 2:
        raise ShapeError(
            f"linalg.matrix_norm: needs a matrix and two dims, got shape {list(A.shape)} and "
            f"dim {tuple(dim)}"
        )
    if dtype is not None:
        A = A.to(dtype)
    if not A.is_floating_point():
        raise DTypeError(f"linalg.matrix_norm: needs floats, got {A.dtype}; use .float()")
    if ord == "fro":
        return ops.vector_norm(A, 2, tuple(dim), keepdim)
    A = ops.movedim(A, tuple(dim), (-2, -1))
    if ord in ("nuc", 2, 1, math.inf) and 0 in A.shape[-2:]:
        y = A.sum((-2, -1))  # of no elements: 0
    elif ord in ("nuc", 2, -2):
        y = linalg.linalg_svdvals(A)
        y = y.sum(-1) if ord == "nuc" else y.amax(-1) if ord == 2 else y.amin(-1)
    elif ord in (1, -1, math.inf, -math.inf):
        sums = A.abs().sum(-2 if ord in (1, -1) else -1)
        y = sums.amax(-1) if ord in (1, math.inf) else sums.amin(-1)
    else:
        raise ValueError(
            f"linalg.matrix_norm: ord must be 'fro', 'nuc', inf, -inf, 1, -1, 2 or -2, got {ord!r}"
        )
    if not keepdim:
        return y
    for i in sorted(d % A.ndim for d in dim):
        y = y.unsqueeze(i)
    return y


def norm(
    A: Tensor,
    ord: float | str | None = None,
    dim: int | Sequence[int] | None = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> Tensor:
    """A vector norm, or of two dims with an `ord` a matrix norm.

    Without `ord` the 2-norm of the elements over `dim`, or over all. With `ord` and without `dim`,
    A is a vector or a matrix.
    """
    dims = (dim,) if isinstance(dim, int) else None if dim is None else tuple(dim)
    if ord is not None:
        if dims is None:
            if A.ndim > 2 or A.ndim == 0:
                raise ShapeError(
                    f"linalg.norm: with ord and without dim, A must have 1 or 2 dims, got shape "
                    f"{list(A.shape)}; give dim, or use vector_norm"
                )
            dims = tuple(range(A.ndim))
        if len(dims) == 2:
            return matrix_norm(A, ord, dims, keepdim, dtype=dtype)
    if isinstance(ord, str):
        raise ValueError(f"linalg.norm: ord {ord!r} is for two dims, got dim {dim}")
    return vector_norm(A, 2 if ord is None else ord, dims, keepdim, dtype=dtype)
