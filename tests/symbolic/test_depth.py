"""Expressions of any depth: no pass over them, nor their end, uses Python's or C's stack."""

from __future__ import annotations

import gc
import pickle
import weakref
from typing import Any

import pytest

import qgrad
from qgrad import SymFloat

DEPTH = 100_000


@pytest.fixture(scope="module")
def chain() -> Any:
    """x, and an expression of 100,000 nested ops on it."""
    x = SymFloat(0.5, name="x")
    y = x
    for _ in range(DEPTH // 2):
        y = qgrad.sin(y) + 0.5
    return x, y


def test_derivatives(chain: Any) -> None:
    """The reverse pass, and one over the result of another."""
    x, y = chain
    assert abs(float(qgrad.autograd.grad(y, x)[0])) < 1e-3
    y = x
    for _ in range(5000):
        y = y * 0.9999
    (slope,) = qgrad.autograd.grad(y * y, x)
    assert float(qgrad.autograd.grad(slope, x)[0]) == pytest.approx(2 * 0.9999**10_000)


def test_text_and_simplification(chain: Any) -> None:
    """The text is cut; the simplified expression has the same value."""
    _, y = chain
    assert y.expr.startswith("sin(sin(sin(")
    assert float(y.simplify()) == pytest.approx(float(y), rel=1e-12)


def test_subs(chain: Any) -> None:
    """The chain converges, from wherever it starts."""
    x, y = chain
    assert float(y.subs({x: 0.7})) == pytest.approx(float(y), rel=1e-9)


def test_pickle(chain: Any) -> None:
    """There and back."""
    _, y = chain
    assert float(pickle.loads(pickle.dumps(y))) == float(y)


def test_chains_of_conditions() -> None:
    """Nested `where` and guards."""
    x = SymFloat(0.5, name="x")
    y = x
    for i in range(5_000):
        y = qgrad.where(y > i, y + 1, x)
    assert float(qgrad.autograd.grad(y, x)[0]) == 1.0
    assert y > 1
    assert y.guards[0].accepts({x: 0.25})
    assert not y.guards[0].accepts({x: -1})
    assert y.expr.startswith("where(")


def test_it_is_freed_without_the_collector() -> None:
    """Expressions and their derivatives have no cycles; their end does not recurse."""
    x = SymFloat(0.5, name="x")
    y = x
    gc.collect()
    gc.disable()
    try:
        for _ in range(DEPTH):
            y = qgrad.sin(y)
        (d,) = qgrad.autograd.grad(y, x)
        alive = [weakref.ref(y), weakref.ref(d), weakref.ref(x)]
        del x, y, d
        assert [ref() for ref in alive] == [None, None, None]
    finally:
        gc.enable()
