"""qgrad.linalg: PyTorch's spellings, and errors that name the matrix."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qgrad
from qgrad import linalg
from qgrad.autograd import gradcheck
from qgrad.errors import DTypeError, ShapeError


def matrix(rows: Any, requires_grad: bool = False) -> qgrad.Tensor:
    """A float64 tensor."""
    return qgrad.tensor(np.asarray(rows, np.float64), requires_grad=requires_grad)


SINGULAR = [[1.0, 2.0], [2.0, 4.0]]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: linalg.inv(matrix(SINGULAR)), r"linalg.inv: the matrix is singular: pivot 2 of 2"),
        (
            lambda: linalg.inv(matrix([np.eye(2), SINGULAR])),
            r"linalg.inv: matrix \[1\] of the batch is singular",
        ),
        (
            lambda: linalg.solve(matrix(SINGULAR), matrix([1, 2])),
            "linalg.solve: the matrix is singular",
        ),
        (
            lambda: linalg.cholesky(matrix([np.eye(2), [[1, 0], [0, -1]]])),
            r"linalg.cholesky: matrix \[1\] of the batch is not positive definite: .*order 2",
        ),
    ],
)
def test_matrices_without_a_result(call: Any, text: str) -> None:
    """LinAlgError says which matrix of the batch, and why."""
    with pytest.raises(linalg.LinAlgError, match=text):
        call()


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: linalg.det(qgrad.ones(2, 3)), ShapeError, "linalg.det: needs square matrices"),
        (lambda: linalg.det(qgrad.ones(3)), ShapeError, "linalg.det: needs a matrix or a batch"),
        (lambda: linalg.inv(qgrad.ones(2, 2).long()), DTypeError, "linalg.inv: needs floats"),
        (
            lambda: linalg.solve(qgrad.eye(2), qgrad.ones(3, 1)),
            ShapeError,
            "linalg.solve: B must have 2 rows",
        ),
        (
            lambda: linalg.solve(qgrad.eye(2), qgrad.ones(2), left=False),
            ShapeError,
            "left=False needs matrices",
        ),
        (lambda: linalg.norm(qgrad.ones(2, 2, 2), 2), ShapeError, "linalg.norm: with ord and"),
        (lambda: linalg.matrix_norm(qgrad.ones(2, 2), 3), ValueError, "ord must be 'fro'"),
    ],
)
def test_wrong_arguments(call: Any, kind: type[Exception], text: str) -> None:
    """The error names the function and shows the argument."""
    with pytest.raises(kind, match=text):
        call()


def test_inv_ex_tells_of_singular_matrices() -> None:
    """info is the pivot that is 0; other matrices of the batch are inverted all the same."""
    a = matrix([[[2, 0], [0, 4]], SINGULAR, np.zeros((2, 2))])
    inverse, info = linalg.inv_ex(a)
    assert info.tolist() == [0, 2, 1]
    assert info.dtype is qgrad.int32
    assert inverse[0].tolist() == [[0.5, 0], [0, 0.25]]
    assert inverse[1].isnan().all()
    with pytest.raises(linalg.LinAlgError):
        linalg.inv_ex(a, check_errors=True)


def test_the_gradient_of_det_of_a_singular_matrix() -> None:
    """It is the matrix of cofactors, which is finite."""
    a = matrix(SINGULAR, requires_grad=True)
    linalg.det(a).backward()
    np.testing.assert_allclose(a.grad.numpy(), [[4, -2], [-2, 1]], atol=1e-12)
    assert linalg.slogdet(matrix(np.zeros((2, 2)))) == (0.0, -math.inf)


def test_solve_takes_vectors_and_both_sides() -> None:
    """Vectors, batches of vectors, and X @ A = B."""
    random = np.random.default_rng(0)
    a = random.normal(size=(4, 3, 3)) + 3 * np.eye(3)
    b = random.normal(size=(4, 3))
    x = linalg.solve(matrix(a), matrix(b))
    np.testing.assert_allclose((a @ x.numpy()[..., None])[..., 0], b, atol=1e-12)
    one = linalg.solve(matrix(a[0]), matrix(b[0]))
    np.testing.assert_allclose(a[0] @ one.numpy(), b[0], atol=1e-12)
    right = linalg.solve(matrix(a[0]), matrix(b), left=False)
    np.testing.assert_allclose(right.numpy() @ a[0], b, atol=1e-12)


def test_cholesky_upper() -> None:
    """The transpose of the lower factor."""
    a = matrix([[4.0, 2.0], [2.0, 3.0]])
    assert linalg.cholesky(a, upper=True).equal(linalg.cholesky(a).mT)


@given(
    st.sampled_from(["fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf]),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_matrix_norms(order: Any, keepdim: bool, seed: int) -> None:
    """NumPy's, over any two dims."""
    x = np.random.default_rng(seed).normal(size=(2, 3, 4))
    for dims in ((-2, -1), (0, 2), (2, 0)):
        expected = np.linalg.norm(x, order, dims, keepdim)
        y = linalg.matrix_norm(matrix(x), order, dims, keepdim).numpy()
        np.testing.assert_allclose(y, expected, rtol=1e-12)
        np.testing.assert_allclose(linalg.norm(matrix(x), order, dims, keepdim).numpy(), y)


def test_norms_of_vectors_and_of_everything() -> None:
    """Without ord all elements; with one dim, or a vector, a vector norm."""
    x = matrix([[3.0, -4.0], [0.0, 0.0]])
    assert linalg.norm(x).item() == 5
    assert linalg.norm(x, dim=1).tolist() == [5, 0]
    assert linalg.norm(x, 1, dim=1, keepdim=True).tolist() == [[7], [0]]
    assert linalg.norm(x[0], math.inf).item() == 4
    assert linalg.vector_norm(x, 0).item() == 2
    assert linalg.matrix_norm(qgrad.ones(0, 3), "nuc").item() == 0


def test_norms_do_not_overflow() -> None:
    """The sum of squares of these is inf, or 0, in float64."""
    for size in (1e200, 1e-200):
        x = matrix([3 * size, 4 * size], requires_grad=True)
        y = linalg.vector_norm(x)
        np.testing.assert_allclose(y.item(), 5 * size, rtol=1e-12)
        y.backward()
        np.testing.assert_allclose(x.grad.numpy(), [0.6, 0.8], rtol=1e-12)


@given(st.booleans(), st.booleans(), st.integers(0, 2**32))
def test_triangular_systems(upper: bool, unitriangular: bool, seed: int) -> None:
    """Only the triangle counts, and gets gradients."""
    random = np.random.default_rng(seed)
    a, b = matrix(random.normal(size=(3, 3)) + 3 * np.eye(3)), matrix(random.normal(size=(3, 2)))
    x = linalg.solve_triangular(a, b, upper=upper, unitriangular=unitriangular)
    factor = (np.triu if upper else np.tril)(a.numpy())
    if unitriangular:
        np.fill_diagonal(factor, 1)
    np.testing.assert_allclose(factor @ x.numpy(), b.numpy(), atol=1e-9)
    assert gradcheck(lambda a, b: linalg.solve_triangular(a, b, upper=upper), leaves(a, b))


@given(st.integers(0, 2**32), st.booleans())
def test_systems_by_cholesky(seed: int, upper: bool) -> None:
    """The solution of the system itself, from either factor."""
    random = np.random.default_rng(seed)
    a, b = random.normal(size=(3, 3)), matrix(random.normal(size=(3, 2)))
    a = matrix(a @ a.T + np.eye(3))
    x = qgrad.cholesky_solve(b, linalg.cholesky(a, upper=upper), upper)
    np.testing.assert_allclose(x.numpy(), np.linalg.solve(a.numpy(), b.numpy()), rtol=1e-8)


def test_powers_and_logarithms() -> None:
    """matrix_power of any sign; logdet is NaN for a negative determinant."""
    a = matrix([[2.0, 1.0], [1.0, 1.0]])
    for n in (-2, 0, 1, 5):
        expected = np.linalg.matrix_power(a.numpy(), n)
        np.testing.assert_allclose(qgrad.matrix_power(a, n).numpy(), expected, atol=1e-12)
    assert qgrad.logdet(a).item() == pytest.approx(0, abs=1e-12)
    assert math.isnan(qgrad.logdet(matrix([[0.0, 1.0], [1.0, 0.0]])).item())
    assert qgrad.inverse is linalg.inv
    assert qgrad.det is linalg.det


def leaves(*tensors: qgrad.Tensor) -> list[qgrad.Tensor]:
    """Copies that require grad."""
    return [tensor.clone().requires_grad_() for tensor in tensors]


def test_methods() -> None:
    """The functions that PyTorch has as methods too."""
    a = qgrad.tensor([[4.0, 1.0], [2.0, 3.0]], dtype=qgrad.float64, requires_grad=True)
    assert a.det().item() == pytest.approx(10.0)
    assert a.logdet().item() == pytest.approx(math.log(10.0))
    assert a.slogdet().sign.item() == 1.0
    assert qgrad.allclose(a.inverse() @ a, qgrad.eye(2, dtype=qgrad.float64))
    assert qgrad.equal(a.matrix_power(2), a @ a)
    s = a @ a.T
    factor = s.cholesky()
    assert qgrad.allclose(factor @ factor.T, s)
    assert qgrad.allclose(
        s @ qgrad.eye(2, dtype=qgrad.float64).cholesky_solve(factor), s.inverse() @ s
    )


def hessian_of_det(a: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """By minors: what is left without two rows and two columns, signed."""
    n = len(a)
    hessian = np.zeros((n, n, n, n))
    for i, j, k, m in np.ndindex(n, n, n, n):
        if i == k or j == m:
            continue
        rest = np.delete(np.delete(a, (i, k), 0), (j, m), 1)
        sign = (-1) ** (i + j + k + m) * (1 if (i < k) == (j < m) else -1)
        hessian[i, j, k, m] = sign * np.linalg.det(rest)
    return hessian


@given(st.integers(1, 4), st.integers(0, 3), st.integers(0, 2**31))
def test_second_derivatives_of_det_at_any_rank(n: int, lost: int, seed: int) -> None:
    """They are right for matrices of every rank, also in a batch with invertible ones."""
    rng = np.random.default_rng(seed)
    rank = max(0, n - lost)
    singular = rng.integers(-3, 4, (n, rank)) @ rng.integers(-3, 4, (rank, n)).astype(float)
    batch = matrix(np.stack([singular, rng.standard_normal((n, n))]), requires_grad=True)
    (cofactors,) = qgrad.autograd.grad(linalg.det(batch).sum(), batch, create_graph=True)
    for place in np.ndindex(n, n):
        index = (slice(None), *place)
        (found,) = qgrad.autograd.grad(cofactors[index].sum(), batch, retain_graph=True)
        for one, a in zip(found.numpy(), batch.detach().numpy(), strict=True):
            np.testing.assert_allclose(one, hessian_of_det(a)[place], atol=1e-8)
