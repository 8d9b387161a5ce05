"""Linear algebra on batches of matrices: the last two dims. NumPy's LAPACK does the numerics."""

from __future__ import annotations

import math

import numpy as np

from qgrad.boxing import unbox
from qgrad.errors import DTypeError, ShapeError
from qgrad.ops.arithmetic import where
from qgrad.ops.elementwise import reciprocal
from qgrad.ops.indexing import tril
from qgrad.ops.matmul import matmul
from qgrad.ops.op import Value, describe, op
from qgrad.ops.reduction import sum
from qgrad.ops.shape import transpose, unsqueeze

__all__ = [
    "LinAlgError",
    "linalg_cholesky",
    "linalg_cofactor",
    "linalg_det",
    "linalg_inv",
    "linalg_inv_info",
    "linalg_logabsdet",
    "linalg_second_cofactor",
    "linalg_sign",
    "linalg_singular_vectors",
    "linalg_solve",
    "linalg_svdvals",
]


class LinAlgError(RuntimeError):
    """A matrix that an operation needs to be invertible or positive definite is not."""


def _t(x: Value) -> Value:
    return transpose(x, -2, -1)


def _as_matrix(x: Value) -> Value:
    """One number for each matrix, in the shape that multiplies the matrices."""
    return unsqueeze(unsqueeze(x, -1), -1)


def _square(A: Value, name: str) -> None:
    _matrices(A, name)
    if A.shape[-1] != A.shape[-2]:
        raise ShapeError(f"linalg.{name}: needs square matrices, got {describe(A)}")


def _matrices(A: Value, name: str) -> None:
    if A.dtype.kind != "f":
        raise DTypeError(f"linalg.{name}: needs floats, got {describe(A)}; use .float()")
    if A.ndim < 2:
        raise ShapeError(f"linalg.{name}: needs a matrix or a batch of them, got {describe(A)}")


def _which(batch: tuple[int, ...], place: tuple[int, ...]) -> str:
    return f"matrix {list(place)} of the batch" if batch else "the matrix"


def _zero_pivot(matrix: Value) -> int:
    """The number, from 1, of the first zero on the diagonal of U in PA = LU; 0 if there is none."""
    u = matrix.astype(np.float64)
    for k in range(len(u)):
        best = k + int(np.argmax(np.abs(u[k:, k])))
        u[[k, best]] = u[[best, k]]
        if u[k, k] == 0:
            return k + 1
        u[k + 1 :] -= np.outer(u[k + 1 :, k] / u[k, k], u[k])
    return 0


@op()
def linalg_inv_info(A: Value) -> Value:
    """0 for each invertible matrix, for others the number of the first pivot that is 0."""
    _square(A, "inv_ex")
    info = np.zeros(A.shape[:-2], np.int32)
    for place in np.ndindex(*info.shape):
        try:
            np.linalg.inv(A[place])
        except np.linalg.LinAlgError:
            info[place] = _zero_pivot(A[place]) or A.shape[-1]
    return info


@op()
def linalg_inv(A: Value, check_errors: bool = True) -> Value:
    """The inverse; for a singular matrix NaN, or LinAlgError if `check_errors`."""
    _square(A, "inv")
    try:
        return np.linalg.inv(A)
    except np.linalg.LinAlgError:
        pass
    y = np.full(A.shape, np.nan, A.dtype)
    for place in np.ndindex(*A.shape[:-2]):
        try:
            y[place] = np.linalg.inv(A[place])
        except np.linalg.LinAlgError as error:
            if check_errors:
                raise LinAlgError(_singular("inv", A, place)) from error
    return y


def _singular(name: str, A: Value, place: tuple[int, ...]) -> str:
    pivot = _zero_pivot(A[place]) or A.shape[-1]
    return (
        f"linalg.{name}: {_which(A.shape[:-2], place)} is singular: pivot {pivot} of "
        f"{A.shape[-1]} is 0 (A {describe(A)}); add a small multiple of the identity, or use "
        "linalg.inv_ex, which tells of it without raising"
    )


@linalg_inv.rule("A")
def linalg_inv_dA(g: Value, y: Value) -> Value:
    return -matmul(matmul(_t(y), g), _t(y))


@op()
def linalg_solve(A: Value, B: Value) -> Value:
    """X with A @ X = B, for matrices B; batches are broadcast."""
    _square(A, "solve")
    _matrices(B, "solve")
    if A.shape[-1] != B.shape[-2]:
        raise ShapeError(
            f"linalg.solve: B must have {A.shape[-1]} rows, as A {describe(A)}, got {describe(B)}"
        )
    if A.dtype != B.dtype:
        raise DTypeError(
            f"linalg.solve: A and B must have one dtype, got {describe(A)} and {describe(B)}"
        )
    try:
        return np.linalg.solve(A, B)
    except np.linalg.LinAlgError as error:
        info = linalg_inv_info.forward(A)
        place = tuple(int(i) for i in np.argwhere(info)[0]) if info.any() else ()
        raise LinAlgError(_singular("solve", A, place)) from error


@linalg_solve.rule("A")
def linalg_solve_dA(g: Value, A: Value, y: Value) -> Value:
    return -matmul(linalg_solve(_t(A), g), _t(y))


@linalg_solve.rule("B")
def linalg_solve_dB(g: Value, A: Value) -> Value:
    return linalg_solve(_t(A), g)


@op()
def linalg_cholesky(A: Value) -> Value:
    """The lower triangular L with L @ L.mT = A, for a positive definite A."""
    _square(A, "cholesky")
    symmetric = (A + np.swapaxes(A, -2, -1)) * A.dtype.type(0.5)
    try:
        return np.linalg.cholesky(symmetric)
    except np.linalg.LinAlgError as error:
        for place in np.ndindex(*A.shape[:-2]):
            order = _not_positive(symmetric[place])
            if order:
                break
        raise LinAlgError(
            f"linalg.cholesky: {_which(A.shape[:-2], place)} is not positive definite: its leading "
            f"minor of order {order} is not (A {describe(A)}); add a small multiple of the identity"
        ) from error


def _not_positive(matrix: Value) -> int:
    """The order of the first leading minor that is not positive definite, 0 if all are."""
    for k in range(1, len(matrix) + 1):
        try:
            np.linalg.cholesky(matrix[:k, :k])
        except np.linalg.LinAlgError:
            return k
    return 0


@linalg_cholesky.rule("A")
def linalg_cholesky_dA(g: Value, y: Value) -> Value:
    lower = tril(matmul(_t(y), g))
    symmetric = (lower + _t(tril(lower, -1))) * 0.5
    left = linalg_solve(_t(y), symmetric)
    return _t(linalg_solve(_t(y), _t(left)))


@op()
def linalg_det(A: Value) -> Value:
    """The determinant."""
    _square(A, "det")
    return np.asarray(np.linalg.det(A), A.dtype)


@linalg_det.rule("A")
def linalg_det_dA(g: Value, A: Value) -> Value:
    return _as_matrix(g) * linalg_cofactor(A)


@op()
def linalg_cofactor(A: Value) -> Value:
    """The matrix of cofactors, det(A) * inv(A).mT, for singular matrices too."""
    u, s, vt = np.linalg.svd(A)
    n = A.shape[-1]
    others = np.empty_like(s)
    for i in range(n):
        others[..., i] = np.prod(np.delete(s, i, -1), -1)
    sign = np.linalg.det(u) * np.linalg.det(vt)
    return (sign[..., None, None] * ((u * others[..., None, :]) @ vt)).astype(A.dtype)


@linalg_cofactor.rule("A")
def linalg_cofactor_dA(g: Value, A: Value, y: Value) -> Value:
    if _full_rank(A):
        inverse = _t(linalg_inv(A))
        return sum(g * y, (-2, -1), True) * inverse - matmul(matmul(inverse, _t(g)), y)
    return linalg_second_cofactor(g, A)


def _full_rank(A: Value) -> bool:
    """Whether no matrix of the batch is so close to a singular one that its inverse is noise."""
    s = np.linalg.svd(unbox(A), compute_uv=False)
    if not s.size:
        return True
    return bool(np.all(s[..., -1] > s[..., 0] * s.shape[-1] * np.finfo(s.dtype).eps))


@op()
def linalg_second_cofactor(grad: Value, A: Value) -> Value:
    """The gradient of linalg_cofactor for A, from that of its result; for singular A too.

    With A = U diag(s) V^T, G = U^T grad V and p_ij the product of the singular values but s_i and
    s_j, it is det(U V^T) U M V^T, where M_ij = -p_ij G_ji off the diagonal, and M_jj the sum over
    i != j of p_ij G_ii.
    """
    u, s, vt = np.linalg.svd(A)
    n = A.shape[-1]
    p = np.zeros_like(A)
    for i in range(n):
        for j in range(i):
            p[..., i, j] = p[..., j, i] = np.prod(np.delete(s, (i, j), -1), -1)
    inside = _t(u) @ grad @ _t(vt)
    middle = -p * _t(inside)
    along = np.arange(n)
    diagonal = np.diagonal(inside, axis1=-2, axis2=-1)
    middle[..., along, along] = (p @ diagonal[..., None])[..., 0]
    sign = np.linalg.det(u) * np.linalg.det(vt)
    return (sign[..., None, None] * (u @ middle @ vt)).astype(A.dtype)


@linalg_second_cofactor.rule("grad")
def linalg_second_cofactor_dgrad(g: Value, A: Value) -> Value:
    return linalg_second_cofactor(g, A)


@op()
def linalg_sign(A: Value) -> Value:
    """The sign of the determinant: -1, 0 or 1."""
    _square(A, "slogdet")
    return np.asarray(np.linalg.slogdet(A)[0], A.dtype)


@op()
def linalg_logabsdet(A: Value) -> Value:
    """The logarithm of the determinant's absolute value; -inf for a singular matrix."""
    _square(A, "slogdet")
    return np.asarray(np.linalg.slogdet(A)[1], A.dtype)


@linalg_logabsdet.rule("A")
def linalg_logabsdet_dA(g: Value, A: Value) -> Value:
    return _as_matrix(g) * _t(linalg_inv(A))


@op()
def linalg_svdvals(A: Value) -> Value:
    """The singular values, the largest first."""
    _matrices(A, "svdvals")
    return np.linalg.svd(A, compute_uv=False)


@linalg_svdvals.rule("A")
def linalg_svdvals_dA(g: Value, A: Value) -> Value:
    rows = A.shape[-2]
    both = linalg_singular_vectors(A)
    u, v = both[..., :rows, :], both[..., rows:, :]
    return matmul(u * unsqueeze(g, -2), _t(v))


@op()
def linalg_singular_vectors(A: Value) -> Value:
    """U above V of A = U @ diag(s) @ V.mT; the largest element of each column of U is positive."""
    u, _, vt = np.linalg.svd(A, full_matrices=False)
    largest = np.take_along_axis(u, np.abs(u).argmax(-2)[..., None, :], -2)
    sign = np.where(largest < 0, A.dtype.type(-1), A.dtype.type(1))
    return np.concatenate([u, np.swapaxes(vt, -2, -1)], -2) * sign


@linalg_singular_vectors.rule("A")
def linalg_singular_vectors_dA(g: Value, A: Value, y: Value) -> Value:
    rows = A.shape[-2]
    u, v, gu, gv = y[..., :rows, :], y[..., rows:, :], g[..., :rows, :], g[..., rows:, :]
    s = linalg_svdvals(A)
    squares = s * s
    gaps = unsqueeze(squares, -2) - unsqueeze(squares, -1)
    gaps = where(gaps == 0, math.inf, gaps)
    row, inverse = unsqueeze(s, -2), unsqueeze(reciprocal(s), -2)
    utg, vtg = matmul(_t(u), gu), matmul(_t(v), gv)
    turn = (utg - _t(utg)) / gaps * row + unsqueeze(s, -1) * ((vtg - _t(vtg)) / gaps)
    inside = matmul(matmul(u, turn), _t(v))
    left = matmul((gu - matmul(u, utg)) * inverse, _t(v))
    right = matmul(u * inverse, _t(gv - matmul(v, vtg)))
    return inside + left + right
