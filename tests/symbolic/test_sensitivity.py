"""sensitivity: derivatives and elasticities as a table."""

from __future__ import annotations

import pytest

import qgrad
from qgrad import SymFloat


def test_the_table() -> None:
    """Derivatives and elasticities as expressions, and as aligned text."""
    x, y = SymFloat(5, name="x"), SymFloat(2, name="y")
    table = qgrad.sensitivity(2 * x**3 / y, [x, y])
    assert repr(table) == (
        "output 125\n"
        "input  value  derivative  elasticity\n"
        "x          5          75           3\n"
        "y          2       -62.5          -1"
    )
    assert table["x"].derivative.expr == "6*x**2/y"
    assert table[y].elasticity.expr == "-1"
    assert [row.input.name for row in table] == ["x", "y"]
    assert len(table) == 2


def test_one_input_and_inner_values() -> None:
    """A single input needs no list; an inner value is titled by its expression."""
    x = SymFloat(5, name="x")
    w = x * x
    table = qgrad.sensitivity(w + 1, w)
    assert table["x**2"].derivative.value == 1.0
    with pytest.raises(KeyError, match="no input 'y'; the inputs are x"):
        table["y"]


def test_an_unused_input_has_no_influence() -> None:
    """Derivative and elasticity 0; an output of 0 has no elasticities."""
    x, y = SymFloat(5, name="x"), SymFloat(2, name="y")
    assert qgrad.sensitivity(x * x, [y])[y].elasticity.value == 0.0
    assert qgrad.sensitivity(x - 5, [x])[x].elasticity.value == float("inf")
