"""Functions made of ops: values as NumPy's, gradients by differences, on tensors and arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qgrad
from qgrad import ops
from qgrad.autograd import gradcheck, gradgradcheck
from qgrad.errors import ShapeError

Function = Callable[..., Any]

# (name, arguments after the tensors, shapes of the tensors, NumPy's function)
CASES: list[tuple[str, tuple[Any, ...], tuple[tuple[int, ...], ...], Function]] = [
    ("ravel", (), ((2, 3),), np.ravel),
    ("fliplr", (), ((2, 3),), np.fliplr),
    ("flipud", (), ((2, 3),), np.flipud),
    ("diff", (), ((2, 3),), np.diff),
    ("diff", (2, 0), ((4, 3),), lambda x, n, dim: np.diff(x, n, dim)),
    ("repeat_interleave", (2,), ((2, 3),), np.repeat),
    ("repeat_interleave", (2, 1), ((2, 3),), np.repeat),
    ("median", (), ((3, 3),), np.median),
    ("nansum", (), ((2, 3),), np.nansum),
    ("nansum", (0,), ((2, 3),), np.nansum),
    ("nanmean", (-1,), ((2, 3),), np.nanmean),
    ("trace", (), ((2, 3),), np.trace),
    ("inner", (), ((3,), (3,)), np.inner),
    ("inner", (), ((2, 3), (4, 3)), np.inner),
    ("inner", (), ((), (4, 3)), np.inner),
    ("tensordot", (1,), ((2, 3), (3, 4)), np.tensordot),
    ("tensordot", (([0, 2], [1, 0]),), ((2, 3, 4), (4, 2, 5)), np.tensordot),
    ("kron", (), ((2, 3), (2, 2)), np.kron),
    ("kron", (), ((3,), (2, 2)), np.kron),
    ("dist", (), ((2, 3), (3,)), lambda x, y: np.linalg.norm((x - y).reshape(-1))),
    ("addmv", (), ((2,), (2, 3), (3,)), lambda x, a, b: x + a @ b),
    ("baddbmm", (), ((2, 4), (2, 2, 3), (2, 3, 4)), lambda x, a, b: x + a @ b),
    ("frac", (), ((2, 3),), lambda x: x - np.trunc(x)),
    ("cdist", (), ((2, 3), (4, 3)), lambda x, y: np.linalg.norm(x[:, None] - y, axis=-1)),
    ("cdist", (1.0,), ((2, 3), (4, 3)), lambda x, y, p: np.abs(x[:, None] - y).sum(-1)),
]


@pytest.mark.parametrize(("name", "rest", "shapes", "expected"), CASES)
def test_values_and_gradients(
    name: str, rest: Any, shapes: tuple[tuple[int, ...], ...], expected: Function
) -> None:
    """Equal to NumPy's on tensors and on bare arrays; gradients of both orders by differences."""
    random = np.random.default_rng(len(name))
    arrays = [np.asarray(random.uniform(-2, 2, shape)) for shape in shapes]
    function = getattr(qgrad, name)
    leaves = [qgrad.tensor(array, requires_grad=True) for array in arrays]
    y = function(*leaves, *rest)
    np.testing.assert_allclose(y.detach().numpy(), expected(*arrays, *rest), rtol=1e-12)
    np.testing.assert_array_equal(function(*arrays, *rest), y.detach().numpy())
    assert gradcheck(lambda *x: function(*x, *rest), leaves)
    assert gradgradcheck(lambda *x: function(*x, *rest), leaves)


@pytest.mark.parametrize("name", ["hstack", "vstack", "dstack", "column_stack"])
@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 3, 4)])
def test_stacks(name: str, shape: tuple[int, ...]) -> None:
    """Tensors side by side, as NumPy puts them; not methods."""
    x = np.random.default_rng(0).normal(size=shape)
    y = getattr(qgrad, name)([qgrad.tensor(x), qgrad.tensor(x)])
    np.testing.assert_array_equal(y.numpy(), getattr(np, name)([x, x]))
    assert not hasattr(qgrad.Tensor, name)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.sampled_from(["ij", "xy"]))
def test_meshgrid(sizes: list[int], indexing: Any) -> None:
    """The coordinates of a grid, as NumPy's; given one by one or in a list."""
    vectors = [np.arange(n) for n in sizes]
    tensors = [qgrad.tensor(vector) for vector in vectors]
    expected = np.meshgrid(*vectors, indexing=indexing)
    for found in (
        qgrad.meshgrid(*tensors, indexing=indexing),
        qgrad.meshgrid(tensors, indexing=indexing),
    ):
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a.numpy(), b)


def test_medians() -> None:
    """Of two middle elements the lower; NaN wins; the gradient goes to the element."""
    x = qgrad.tensor([[4.0, 1.0, 3.0, 2.0]], requires_grad=True)
    values, indices = x.median(dim=1)
    assert (values.tolist(), indices.tolist()) == ([2], [3])
    x.median().backward()
    assert x.grad.tolist() == [[0, 0, 0, 1]]
    assert np.isnan(qgrad.tensor([1.0, np.nan, 2.0]).median().item())
    assert qgrad.tensor([3, 1, 2]).median().item() == 2
    with pytest.raises(ValueError, match="median: no elements over dim 0"):
        qgrad.zeros(0).median(0)


def test_differences_run_out() -> None:
    """More of them than elements leave nothing; those of bools are bools."""
    assert qgrad.ones(2, 3).diff(3, 0).shape == (0, 3)
    assert qgrad.tensor([True, False]).diff(prepend=qgrad.tensor([True])).tolist() == [False, True]


def test_counts() -> None:
    """What occurs in a tensor, how often, and where."""
    x = qgrad.tensor([[3, 1], [1, 0]])
    assert x.unique().tolist() == [0, 1, 3]
    values, inverse, counts = qgrad.unique(x, return_inverse=True, return_counts=True)
    assert values[inverse].tolist() == x.tolist()
    assert counts.tolist() == [1, 2, 1]
    assert x.reshape(-1).bincount(minlength=5).tolist() == [1, 2, 0, 1, 0]
    assert x.count_nonzero(0).tolist() == [2, 1]
    assert [part.item() for part in qgrad.aminmax(x)] == [0, 3]
    assert [part.item() for part in qgrad.std_mean(qgrad.tensor([1.0, 3.0]), unbiased=False)] == [
        *(1, 2)
    ]


def test_scattering_in_place() -> None:
    """Slices added, elements put, diagonals filled."""
    x = qgrad.zeros(3, 2)
    x.index_add_(0, qgrad.tensor([2, 2]), qgrad.ones(2, 2), alpha=2)
    assert x.tolist() == [[0, 0], [0, 0], [4, 4]]
    index = qgrad.tensor([0, 0])
    assert x.index_put_((index, index), qgrad.tensor(1.0)).tolist()[0] == [1, 0]
    assert x.index_put_((index, index), qgrad.ones(2), accumulate=True).tolist()[0] == [3, 0]
    assert x.fill_diagonal_(5).tolist() == [[5, 0], [0, 5], [4, 4]]
    assert x.scatter_(1, qgrad.tensor([[1]]), 7).tolist()[0] == [5, 7]
    m = qgrad.ones(2)
    assert m.addcmul_(m, m, value=0.5).tolist() == [1.5, 1.5]
    assert m.addcdiv_(m, m, value=-0.5).tolist() == [1, 1]


def test_logit_inverts_sigmoid() -> None:
    """And with `eps` it is finite everywhere."""
    x = qgrad.tensor([-3.0, 0.0, 3.0], dtype=qgrad.float64)
    np.testing.assert_allclose(x.sigmoid().logit().numpy(), x.numpy(), atol=1e-14)
    assert qgrad.tensor([0.0, 1.0]).logit(0.1).isfinite().all()


def test_shapes_that_do_not_fit() -> None:
    """The error shows them."""
    with pytest.raises(ShapeError, match=r"tensordot: dims \[1\] of \[2, 3\]"):
        ops.tensordot(qgrad.ones(2, 3), qgrad.ones(2, 3), 1)
    with pytest.raises(ShapeError, match=r"trace: needs a matrix, got shape \[3\]"):
        qgrad.ones(3).trace()
    with pytest.raises(ValueError, match="meshgrid: indexing must be 'ij' or 'xy', got 'yx'"):
        qgrad.meshgrid(qgrad.ones(2), indexing="yx")
