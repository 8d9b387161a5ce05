"""Calls of linear algebra, on batches of matrices far from singular."""

from __future__ import annotations

import numpy as np
from ops.calls.draw import Array, Call, Draw, calls_of


def batch(d: Draw) -> tuple[int, ...]:
    """No batch, or one of one or two dims."""
    return d.one_of((), (2,), (0,), (2, 1))


def invertible(d: Draw) -> Array:
    """Square matrices with a heavy diagonal."""
    n = d.int(1, 3)
    return d.array((*batch(d), n, n), -1, 1) + 3 * np.eye(n)


INVERTIBLE = {
    "linalg_inv": np.linalg.inv,
    "linalg_det": np.linalg.det,
    "linalg_cofactor": lambda a: (
        np.linalg.det(a)[..., None, None] * np.swapaxes(np.linalg.inv(a), -2, -1)
    ),
    "linalg_sign": lambda a: np.sign(np.linalg.det(a)),
    "linalg_logabsdet": lambda a: np.log(np.abs(np.linalg.det(a))),
    "linalg_inv_info": lambda a: np.zeros(a.shape[:-2], np.int32),
}


@calls_of(*INVERTIBLE)
def of_invertible(d: Draw) -> Call:
    """Functions of one square matrix."""
    a = invertible(d)
    return Call((a,), {}, INVERTIBLE[d.name](a))


@calls_of("linalg_second_cofactor")
def second_cofactor(d: Draw) -> Call:
    """By the inverse, which a singular matrix has not; that is tested in test_linalg.py."""
    a = invertible(d)
    g = d.array(a.shape)
    inverse = np.swapaxes(np.linalg.inv(a), -2, -1)
    cofactors = INVERTIBLE["linalg_cofactor"](a)
    straight = (g * cofactors).sum((-2, -1), keepdims=True) * inverse
    return Call((g, a), {}, straight - inverse @ np.swapaxes(g, -2, -1) @ cofactors)


@calls_of("linalg_solve")
def solve(d: Draw) -> Call:
    """Batches that broadcast."""
    a = invertible(d)
    lead = d.one_of((), (1,), a.shape[:-2])
    b = d.array((*lead, a.shape[-1], d.int(1, 2)))
    return Call((a, b), {}, np.linalg.inv(a) @ b)


@calls_of("linalg_cholesky")
def cholesky(d: Draw) -> Call:
    """Positive definite matrices."""
    root = invertible(d)
    a = root @ np.swapaxes(root, -2, -1)
    return Call((a,), {}, np.linalg.cholesky(a))


def with_singular_values_apart(d: Draw) -> Array:
    """Wide, square and tall matrices."""
    rows, columns = d.int(1, 3), d.int(1, 3)
    k = min(rows, columns)
    a = d.array((*batch(d), rows, columns), -0.2, 0.2)
    a[..., range(k), range(k)] += np.array([5.0, 3.0, 1.5])[:k]
    return a


@calls_of("linalg_svdvals")
def svdvals(d: Draw) -> Call:
    """The square roots of the eigenvalues of A @ A.mT."""
    a = with_singular_values_apart(d)
    squares = np.linalg.eigvalsh(a @ np.swapaxes(a, -2, -1))[..., ::-1]
    return Call((a,), {}, np.sqrt(squares[..., : min(a.shape[-2:])]))


@calls_of("linalg_singular_vectors")
def singular_vectors(d: Draw) -> Call:
    """The product that they make is tested with svdvals."""
    return Call((with_singular_values_apart(d),), {})
