"""Arithmetic on sizes in a traced model: it stays true for other sizes, or the trace refuses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qgrad
from qgrad.errors import TraceError
from qgrad.graph import trace

EXAMPLE = (2, 3, 8)


class Model(qgrad.nn.Module):
    """A module that computes one function."""

    def __init__(self, fn: Callable[[Any], Any]) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, x: Any) -> Any:
        return self.fn(x)


FUNCTIONS = {
    "flatten": lambda x: x.reshape(x.shape[0], -1),
    "scaled by a fixed size": lambda x: x / math.sqrt(x.shape[-1]),
    "scaled by a free size": lambda x: x / qgrad.sqrt(x.shape[0]),
    "mean by hand": lambda x: x.sum(0) / x.shape[0],
    "new zeros": lambda x: x - x.new_zeros(x.shape),
    "new ones": lambda x: x * x.new_ones(x.shape[0], 1, 1, dtype=qgrad.float32),
    "new full": lambda x: x + x.new_full((x.shape[0], 1, 1), 2.5),
    "halves": lambda x: x[: (x.shape[0] + 1) // 2],
    "both": lambda x: (x / math.sqrt(x.shape[-1])).reshape(x.shape[0] * x.shape[1], -1),
}
MODELS = {name: Model(fn) for name, fn in FUNCTIONS.items()}
TRACED = {name: trace(model, qgrad.ones(*EXAMPLE)) for name, model in MODELS.items()}


@given(st.sampled_from(sorted(FUNCTIONS)), st.integers(1, 9))
def test_any_batch(name: str, batch: int) -> None:
    """The graph gives the model's result for every size of the free dimension."""
    rng = np.random.default_rng(batch)
    x = qgrad.from_numpy(rng.standard_normal((batch, *EXAMPLE[1:])).astype(np.float32))
    found, expected = TRACED[name](x), FUNCTIONS[name](x)
    assert found.shape == expected.shape
    assert found.numpy() == pytest.approx(expected.numpy(), rel=1e-6)


def test_a_number_made_of_a_free_size_is_refused() -> None:
    """math.sqrt gives Python a plain number; the error names what keeps the size."""
    model = Model(lambda x: x / math.sqrt(x.shape[0]))
    with pytest.raises(TraceError, match=r"with qgrad\.sqrt for math\.sqrt"):
        trace(model, qgrad.ones(*EXAMPLE))
