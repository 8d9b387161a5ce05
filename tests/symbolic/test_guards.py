"""Guards: the branches that symbolic conditions decided."""

from __future__ import annotations

import qgrad
from qgrad import SymBool, SymFloat


def test_a_decided_branch_is_recorded() -> None:
    """`if` on a condition notes it, its result and the line, and tells when it would differ."""
    x = SymFloat(5, name="x")
    y = 2 * x if x > 3 else x
    (guard,) = y.guards
    assert (guard.condition.expr, guard.holds) == ("x > 3", True)
    assert str(guard).startswith("x > 3 is True  ")
    assert "test_guards.py:" in guard.source
    assert guard.accepts({x: 4})
    assert guard.accepts({"x": 4})
    assert not guard.accepts({x: 2})


def test_only_bool_records() -> None:
    """Comparing, combining, printing, `float()` and `.value` decide nothing."""
    x = SymFloat(5, name="x")
    inside = (x > 0) & ~(x > 10)
    assert inside.value
    assert repr(inside) == "SymBool(True)"
    assert float(qgrad.where(inside, x, 0.0)) == 5.0
    assert x.guards == ()
    assert inside
    assert [g.condition.expr for g in x.guards] == ["(x > 0) & ~(x > 10)"]


def test_a_number_as_a_condition() -> None:
    """`if x` asks whether x is 0; a constant asks nothing."""
    x = SymFloat(5, name="x")
    assert x
    assert [str(g.condition.expr) for g in x.guards] == ["x != 0"]
    assert x.subs({x: 2}) > 1
    assert len(x.guards) == 1


def test_the_same_condition_is_noted_once() -> None:
    """A loop that asks again adds nothing."""
    x = SymFloat(5, name="x")
    for _ in range(10):
        assert x > 3
    assert not x > 6
    assert len(x.guards) == 2
    p = SymBool(True, name="p")
    assert p
    assert p
    assert len(p.guards) == 1


def test_guards_belong_to_their_variables() -> None:
    """Variables that met in one expression still have each their own guards, in order."""
    x, y = SymFloat(5, name="x"), SymFloat(2, name="y")
    assert y > 1
    assert x > 3
    z = x * y
    assert z > 9
    assert [g.condition.expr for g in x.guards] == ["x > 3", "x*y > 9"]
    assert [g.condition.expr for g in y.guards] == ["y > 1", "x*y > 9"]
    assert [g.condition.expr for g in z.guards] == ["y > 1", "x > 3", "x*y > 9"]
    assert SymFloat(1).guards == ()


def test_python_functions_that_compare() -> None:
    """`max`, chained comparisons and sorting go through bool()."""
    x, y = SymFloat(5, name="x"), SymFloat(2, name="y")
    assert max(x, y) is x
    assert 0 < x < 10
    assert sorted([x, y])[0] is y
    conditions = [g.condition.expr for g in (x * y).guards]
    assert conditions == ["y > x", "x > 0", "x < 10", "y < x"]
