"""SymInt: an int, and the expression that gave it."""

from __future__ import annotations

import copy
import operator
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qgrad.symbolic import (
    SymInt,
    compare_exprs,
    dims_of,
    expr_of,
    expr_to_json,
    format_expr,
    is_size,
    rename_dims,
)

X, Y = ("dim", "x", 0), ("dim", "y", 1)
OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "%": operator.mod,
}
COMPARISONS = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

sizes = st.integers(0, 50)
trees: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.sampled_from(["x", "y"]), st.integers(-5, 9)),
    lambda inner: st.tuples(st.sampled_from(sorted(OPERATORS)), inner, inner),
    max_leaves=8,
)


def compute(tree: Any, x: int, y: int) -> int:
    """The tree's value with these ints or SymInts for x and y; None after a division by zero."""
    if isinstance(tree, tuple):
        return OPERATORS[tree[0]](compute(tree[1], x, y), compute(tree[2], x, y))
    return {"x": x, "y": y}.get(tree, tree)


@given(trees, sizes, sizes, sizes, sizes)
def test_expressions_follow_python(tree: Any, x: int, y: int, x2: int, y2: int) -> None:
    """What is computed for one pair of sizes gives Python's result for any other pair."""
    try:
        expected, expected_later = compute(tree, x, y), compute(tree, x2, y2)
        symbolic = compute(tree, SymInt(x, X), SymInt(y, Y))
    except ZeroDivisionError:
        return
    assert int(symbolic) == expected
    if isinstance(symbolic, SymInt):
        assert symbolic.evaluate({"x": (x2,), "y": (0, y2)}) == expected_later
        text = format_expr(symbolic.expr).replace("x.shape[0]", "x").replace("y.shape[1]", "y")
        assert compute_text(text, x2, y2) == expected_later


def compute_text(text: str, x: int, y: int) -> Any:
    """Python's own reading of a printed expression."""
    return eval(text, {"__builtins__": {}}, {"x": x, "y": y})


@given(st.sampled_from(sorted(COMPARISONS)), sizes, sizes)
def test_comparisons_use_the_value_and_are_told(op: str, value: int, other: int) -> None:
    """A comparison is that of the ints, and `on_compare` hears of it and may overrule it."""
    heard = []

    def overrule(*told: Any) -> bool:
        heard.append(told)
        return not told[-1]

    expected = COMPARISONS[op](value, other)
    assert COMPARISONS[op](SymInt(value, X), other) is expected
    assert COMPARISONS[op](SymInt(value, X, overrule), other) is not expected
    assert heard == [(op, X, other, expected)]
    assert compare_exprs(op, X, other, {"x": (value,)}) is expected


def test_results_of_arithmetic_tell_of_comparisons_too() -> None:
    """`n + 1 > 3` is reported with the whole expression on its left, whichever side n is on."""
    heard = []
    n = SymInt(8, X, lambda op, left, right, holds: heard.append((op, left, right)) or holds)
    assert n + 1 > 3
    assert 1 + n > 3
    assert bool(n - 8) is False
    assert heard == [(">", ("+", X, 1), 3), (">", ("+", 1, X), 3), ("!=", ("-", X, 8), 0)]


def test_a_symint_is_an_int() -> None:
    """Hash, text, indexing and ranges are those of the value."""
    n = SymInt(3, X)
    assert {3: "three"}[n] == "three"
    assert f"{n} {n:03d} {n!s}" == "3 003 3"
    assert repr(n * 2) == "SymInt(6, 'x.shape[0] * 2')"
    assert [10, 20, 30, 40][n] == 40
    assert list(range(n)) == [0, 1, 2]
    assert (n, 4) == (3, 4)
    assert n / 2 == 1.5
    assert type(n / 2) is float


@pytest.mark.parametrize(
    "twin", [copy.copy, copy.deepcopy, lambda n: pickle.loads(pickle.dumps(n))]
)
def test_copies_keep_the_expression(twin: Any) -> None:
    """copy, deepcopy and pickle give the same value and expression."""
    n = SymInt(3, X) * 2
    assert int(twin(n)) == 6
    assert twin(n).expr == ("*", X, 2)


@given(trees, sizes, sizes)
def test_sizes_are_never_negative(tree: Any, x: int, y: int) -> None:
    """An expression that is_size accepts is not negative for any sizes."""
    try:
        symbolic = compute(tree, SymInt(x, X), SymInt(y, Y))
    except ZeroDivisionError:
        return
    assert not (is_size(expr_of(symbolic)) and symbolic < 0)
    assert is_size(("+", ("*", X, 3), ("//", Y, 2)))
    assert not is_size(("-", X, 1))


def test_neutral_elements_are_dropped() -> None:
    """Adding 0 and multiplying or dividing by 1 leave the expression as it is."""
    n = SymInt(8, X)
    for same in (n + 0, 0 + n, n - 0, n * 1, 1 * n, n // 1):
        assert same.expr == X
        assert same == 8


def test_dims_are_found_and_renamed() -> None:
    """The values an expression reads can be listed and renamed, and it goes out as lists."""
    expr = ("*", ("+", X, 2), Y)
    assert dims_of(expr) == {"x", "y"}
    assert rename_dims(expr, "x", "z") == ("*", ("+", ("dim", "z", 0), 2), Y)
    assert expr_to_json(expr) == ["*", ["+", ["dim", "x", 0], 2], ["dim", "y", 1]]
