"""Gradients of parts of one tensor: added in place, equal to what zeros around each would give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qgrad
from qgrad.autograd import grad

INDICES: list[Any] = [
    0,
    -1,
    slice(1, 3),
    slice(None, None, 2),
    (slice(None), 1),
    (Ellipsis, slice(0, 2)),
    (None, 2),
    (1, 2),
    np.array([0, 0, 2]),
    np.array([True, False, True, False]),
    "whole",
]


@given(
    indices=st.lists(st.sampled_from(INDICES), min_size=1, max_size=6),
    made=st.sampled_from(["leaf", "result", "permuted"]),
)
def test_parts_add_up(indices: list[Any], made: str) -> None:
    """In any order and mix, with the whole tensor between them, for leaves and for results."""
    data = np.random.default_rng(0).uniform(-1, 1, (4, 3))
    x = qgrad.tensor(data, requires_grad=True)
    y = {"leaf": x, "result": x * 2, "permuted": (x * 2).permute(1, 0).permute(-1, 0)}[made]
    total, expected = qgrad.zeros((), dtype=qgrad.float64), np.zeros((4, 3))
    for k, index in enumerate(indices, 1):
        part = y * 1 if isinstance(index, str) else y[index]
        total = total + (part * part).sum() * k
        hits = np.zeros((4, 3))
        np.add.at(hits, ... if isinstance(index, str) else index, 1)
        expected += 2 * k * hits * data * (1 if made == "leaf" else 4)
    (g,) = grad(total, x, retain_graph=True)
    np.testing.assert_allclose(g.numpy(), expected, rtol=1e-12, atol=1e-12)
    (again,) = grad(total, x, create_graph=True)
    np.testing.assert_allclose(again.detach().numpy(), expected, rtol=1e-12, atol=1e-12)
    total.backward()
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-12, atol=1e-12)


def test_parts_change_no_gradient_of_others() -> None:
    """The array that parts are added to is not the one that another tensor was given."""
    x = qgrad.tensor([1.0, 2.0], requires_grad=True)
    z = qgrad.tensor([3.0, 4.0], requires_grad=True)
    first = x[0]
    both = x + z
    (first + both.sum()).backward()
    assert z.grad.tolist() == [1.0, 1.0]
    assert x.grad.tolist() == [2.0, 1.0]


@pytest.mark.parametrize("first", [True, False])
def test_parts_of_a_scalar(first: bool) -> None:
    """A 0-d tensor has parts, too: x[None] and x[...]."""
    x = qgrad.tensor(3.0, requires_grad=True)
    y = x * 1
    terms = [y[None].sum(), y * 2, y[...] * 3]
    sum(terms if first else terms[::-1], start=qgrad.tensor(0.0)).backward()
    assert x.grad.item() == 6.0
