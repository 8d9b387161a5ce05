"""nn.utils: clipping gradients, parameters as a vector."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qgrad
from qgrad import nn
from qgrad.errors import ShapeError
from qgrad.nn.utils import (
    clip_grad_norm_,
    clip_grad_value_,
    parameters_to_vector,
    vector_to_parameters,
)


def with_grads(*grads: Any) -> list[Any]:
    """Parameters that have the given gradients, and one without."""
    params = [nn.Parameter(qgrad.zeros(len(g))) for g in grads]
    for param, grad in zip(params, grads, strict=True):
        param.grad = qgrad.tensor(grad)
    return [*params, nn.Parameter(qgrad.zeros(1))]


@given(
    st.lists(st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=5), min_size=1),
    st.sampled_from([1.0, 2.0, 3.0, math.inf]),
    st.floats(0.1, 5),
)
def test_clip_grad_norm(grads: list[list[float]], norm_type: float, max_norm: float) -> None:
    """The joint norm is returned, and afterwards at most max_norm; directions stay."""
    params = with_grads(*grads)
    flat = np.concatenate([np.array(g) for g in grads])
    expected = float(np.linalg.norm(flat, norm_type))
    norm = clip_grad_norm_(params, max_norm, norm_type)
    assert norm.item() == pytest.approx(expected, rel=1e-4, abs=1e-6)
    after = np.concatenate([p.grad.numpy() for p in params[:-1]])
    factor = min(1.0, max_norm / (expected + 1e-6))
    np.testing.assert_allclose(after, flat * factor, rtol=1e-4, atol=1e-6)


def test_clip_of_nan_is_visible() -> None:
    """A NaN reaches all gradients, or raises if asked."""
    params = with_grads([1.0, math.nan], [1.0])
    with pytest.raises(RuntimeError, match="clip_grad_norm_: the norm of the gradients is nan"):
        clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    assert params[1].grad.item() == 1.0
    clip_grad_norm_(params, 1.0)
    assert math.isnan(params[1].grad.item())
    assert clip_grad_norm_([params[-1]], 1.0).item() == 0.0


def test_clip_grad_value() -> None:
    """Each element is limited on its own."""
    params = with_grads([-3.0, 0.5], [2.0])
    clip_grad_value_(params, 1.0)
    assert params[0].grad.tolist() == [-1.0, 0.5]
    assert params[1].grad.tolist() == [1.0]


def test_vector_round_trip() -> None:
    """Parameters to a vector and back, in order."""
    source, target = nn.Linear(3, 2), nn.Linear(3, 2)
    vector = parameters_to_vector(source.parameters())
    assert tuple(vector.shape) == (8,)
    vector_to_parameters(vector, target.parameters())
    for one, other in zip(source.parameters(), target.parameters(), strict=True):
        np.testing.assert_array_equal(one.detach().numpy(), other.detach().numpy())
    with pytest.raises(ShapeError, match=r"shape \(7,\).*hold 8 elements"):
        vector_to_parameters(vector[:7], target.parameters())
