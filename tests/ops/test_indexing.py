"""Indexing where PyTorch and NumPy disagree, and what assignment does with shapes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qgrad


@given(st.integers(-2, 1), st.lists(st.integers(-4, 3), min_size=1, max_size=5), st.booleans())
def test_integers_are_taken_before_arrays(i: int, picked: list[int], as_mask: bool) -> None:
    """x[i, :, array] is x[i][:, array], though NumPy would put the array's dim first."""
    x = np.arange(24.0).reshape(2, 3, 4)
    array = np.isin(np.arange(4), picked) if as_mask else np.array(picked)
    expected = x[i][:, array]
    leaf = qgrad.tensor(x, requires_grad=True)
    for integer in (i, qgrad.tensor(i)):
        y = leaf[integer, :, qgrad.tensor(array)]
        np.testing.assert_array_equal(y.detach().numpy(), expected)
    y.sum().backward()
    counts = np.zeros((2, 3, 4))
    np.add.at(counts[i], (slice(None), array), 1)
    np.testing.assert_array_equal(leaf.grad.numpy(), counts)
    changed = qgrad.tensor(x)
    changed[i, :, qgrad.tensor(array)] = -1.0
    x[i][:, array] = -1
    np.testing.assert_array_equal(changed.numpy(), x)


def test_value_with_leading_dims_of_length_1() -> None:
    """They are dropped by the assignment, and are there again in the gradient."""
    x = qgrad.zeros(3, 4)
    value = qgrad.ones(1, 1, 2, 4, requires_grad=True)
    y = x.clone()
    y[1:] = value
    assert y.sum(1).tolist() == [0, 4, 4]
    (y * 3).sum().backward()
    assert value.grad.shape == (1, 1, 2, 4)
    assert (value.grad == 3).all()


def test_an_empty_list_picks_nothing() -> None:
    """x[[]] has no rows."""
    assert qgrad.ones(2, 3)[[]].shape == (0, 3)


def test_uint8_masks() -> None:
    """A uint8 tensor is a mask, as in PyTorch, which warns of it too."""
    x = qgrad.arange(6.0).reshape(2, 3).requires_grad_()
    mask = qgrad.tensor([1, 0, 1], dtype=qgrad.uint8)
    with pytest.warns(UserWarning, match="uint8 tensor takes it for a mask"):
        y = x[:, mask]
    assert y.tolist() == [[0, 2], [3, 5]]
    z = qgrad.zeros(3)
    with pytest.warns(UserWarning, match="uint8"):
        z[mask] = 7
    assert z.tolist() == [7, 0, 7]
