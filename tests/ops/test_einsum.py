"""einsum equals NumPy's on random equations, and its gradients are einsums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qgrad
from qgrad.errors import ShapeError


@st.composite
def equations(draw: Any) -> tuple[str, list[np.ndarray[Any, Any]]]:
    """Up to three operands, letters that repeat, ellipses, with and without an output."""
    sizes = {letter: draw(st.integers(1, 3)) for letter in "abcd"}
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    lead = draw(st.sampled_from([(), (2,), (3, 2)]))
    terms, operands = [], []
    for _ in range(draw(st.integers(1, 3))):
        term = draw(st.text("abcd", max_size=3))
        dots = draw(st.integers(0, len(lead))) if draw(st.booleans()) else None
        shape = tuple(sizes[letter] for letter in term)
        if dots is not None:
            front = tuple(1 if draw(st.booleans()) else n for n in lead[len(lead) - dots :])
            term, shape = "..." + term, (*front, *shape)
        terms.append(term)
        operands.append(np.asarray(random.normal(size=shape)))
    left = ",".join(terms)
    if draw(st.booleans()):
        return left, operands
    letters = sorted(set(left) & set("abcd"))
    output = "".join(draw(st.permutations(letters))[: draw(st.integers(0, len(letters)))])
    return f"{left}->{'...' if '...' in left else ''}{output}", operands


@given(equations())
def test_value(case: tuple[str, list[np.ndarray[Any, Any]]]) -> None:
    """The same as NumPy's sum over all letters, which has no matmul in it."""
    equation, operands = case
    y = qgrad.einsum(equation, *map(qgrad.tensor, operands))
    expected = np.einsum(equation, *operands, optimize=False)
    np.testing.assert_allclose(y.numpy(), expected, atol=1e-9)
    assert y.shape == np.shape(expected)


@given(equations())
def test_gradient(case: tuple[str, list[np.ndarray[Any, Any]]]) -> None:
    """einsum is linear in each operand: the gradient's product with it is the value."""
    equation, operands = case
    leaves = [qgrad.tensor(operand, requires_grad=True) for operand in operands]
    total = qgrad.einsum(equation, *leaves).sum()
    total.backward()
    for leaf in leaves:
        slope = float((leaf.grad * leaf.detach()).sum())
        np.testing.assert_allclose(slope, total.item(), atol=1e-9)


def test_other_spellings() -> None:
    """Numbers for letters, operands in a list, spaces."""
    a, b = qgrad.rand(2, 3), qgrad.rand(3, 4)
    expected = (a @ b).tolist()
    assert qgrad.einsum(a, [0, 1], b, [1, 2], [0, 2]).tolist() == expected
    assert qgrad.einsum("ij,jk", [a, b]).tolist() == expected
    assert qgrad.einsum(" i j , j k -> i k ", a, b).tolist() == expected
    assert qgrad.einsum(a, [..., 0], [0, ...]).tolist() == a.t().tolist()


@pytest.mark.parametrize(
    ("equation", "shapes", "text"),
    [
        ("ij,jk->ik", [(2, 3)], "names 2 operands, got 1"),
        ("ij", [(2, 3, 4)], "'ij' in 'ij' names 2 dims, the operand has 3"),
        ("ij,jk", [(2, 3), (2, 3)], "'j' in 'ij,jk' names dims of length 3 and 2"),
        ("ij->ik", [(2, 3)], "must occur in it once"),
        ("i->ii", [(2,)], "must occur in it once"),
        ("i1", [(2, 3)], "may hold letters"),
    ],
)
def test_wrong_equations(equation: str, shapes: list[tuple[int, ...]], text: str) -> None:
    """The error shows the equation."""
    with pytest.raises((ValueError, ShapeError), match=text):
        qgrad.einsum(equation, *(qgrad.ones(*shape) for shape in shapes))
