"""The simplified form: what it looks like, and that it has the value of the expression."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from symbolic.expressions import BINARY, NAMES, UNARY, compute, numbers, points, symbols

import qgrad
from qgrad import SymFloat, ops

x = SymFloat(5, name="x")
y = SymFloat(0.5, name="y")

SHOWN = [
    (lambda: x + x, "2*x"),
    (lambda: x - x, "0"),
    (lambda: 2 * x + 3 * y - x + 1 - 3, "x + 3*y - 2"),
    (lambda: 1 - x, "1 - x"),
    (lambda: -(x + y), "-x - y"),
    (lambda: (x + 1) * 2 - 2 * x, "2"),
    (lambda: x * 1 + 0, "x"),
    (lambda: x * 0 + y, "y"),
    (lambda: x * x**2, "x**3"),
    (lambda: x**3 / x, "x**2"),
    (lambda: (2 * x * y) ** 3, "8*x**3*y**3"),
    (lambda: (x * x) ** 0.5, "sqrt(x**2)"),
    (lambda: x.sqrt() * x.sqrt(), "x"),
    (lambda: x.sqrt() ** 3, "x**1.5"),
    (lambda: x / y - y / x, "x/y - y/x"),
    (lambda: -3 / (x * y), "-3/(x*y)"),
    (lambda: (x + y) ** 2 / (x + y), "x + y"),
    (lambda: (x - y) * (x + y), "(x - y)*(x + y)"),
    (lambda: 2 * x / 3 + 1 / 3, "2*x/3 + 1/3"),
    (lambda: 0.1 * x, "0.1*x"),
    (lambda: 1e-30 * x, "1e-30*x"),
    (lambda: (-2) ** x, "(-2)**x"),
    (lambda: (x**y) ** x, "(x**y)**x"),
    (lambda: x**y**x, "x**y**x"),
    (lambda: -(x**y), "-x**y"),
    (lambda: 2 * (x % y), "2*(x % y)"),
    (lambda: x % (y + 1) // 2, "x % (y + 1) // 2"),
    (lambda: x // (y // 2), "x // (y // 2)"),
    (lambda: qgrad.exp(x) * 2 * qgrad.exp(x), "2*exp(x)**2"),
    (lambda: qgrad.maximum(x, y + 0), "maximum(x, y)"),
    (lambda: qgrad.nn.functional.leaky_relu(x), "leaky_relu(x)"),
    (lambda: qgrad.nn.functional.leaky_relu(x, 0.2), "leaky_relu(x, 0.2)"),
    (lambda: x.clamp(max=3), "clamp(x, None, 3)"),
    (lambda: qgrad.where(x > y, x, x), "x"),
    (lambda: x * (x > y), "where(x > y, x, 0)"),
    (lambda: 3 * (x * x * (x > y)), "where(x > y, 3*x**2, 0)"),
    (lambda: (x > y) + 1, "where(x > y, 1, 0) + 1"),
    (lambda: (x > 3) & ~(y < 1) | (x == y), "(x > 3) & ~(y < 1) | (x == y)"),
    (lambda: (x > 3) ^ (y != x + 1), "(x > 3) ^ (y != x + 1)"),
    (lambda: ((x > 3) | (y < 1)) & (x + 0 == x), "(x > 3) | (y < 1)"),
    (lambda: ~~(x >= y), "x >= y"),
    (lambda: x + x > 2 * x, "False"),
    (lambda: qgrad.autograd.grad(x**y, x)[0], "where(y == 0, 0, y*x**(y - 1))"),
    (lambda: qgrad.autograd.grad(qgrad.relu(x * x), x)[0], "2*where(relu(x**2) <= 0, 0, x)"),
    (lambda: qgrad.autograd.grad(1 / (1 + qgrad.exp(-x)), x)[0], "exp(-x)/(exp(-x) + 1)**2"),
    (lambda: 1e200 * (1e200 * x), "mul(1e+200, 1e+200*x)"),
    (lambda: x / 0, "div(x, 0)"),
]


@pytest.mark.parametrize(("make", "text"), SHOWN, ids=[text for _, text in SHOWN])
def test_expressions_are_shown_simplified(make: Callable[[], Any], text: str) -> None:
    """Constants folded, 0 and 1 dropped, like terms and powers joined, as few parentheses."""
    assert make().expr == text


exact: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.sampled_from(NAMES), st.sampled_from([0, 1, 2, -1, 0.5, -0.25])),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["add", "sub", "mul"]), inner, inner),
        st.tuples(st.sampled_from(["neg", "square"]), inner),
    ),
    max_leaves=8,
)
quarters = st.fixed_dictionaries({name: st.integers(-8, 8).map(lambda n: n / 4) for name in NAMES})


@given(exact, quarters)
def test_simplification_keeps_exact_values(tree: Any, point: dict[str, float]) -> None:
    """Where float arithmetic is exact, the simplified form has the same value, bit for bit."""
    assume(isinstance(tree, tuple) and depth(tree) < 5)
    value = compute(tree, symbols(point))
    assert float(value.simplify()) == float(value)
    assert read(value.expr, point) == float(value)


def depth(tree: Any) -> int:
    """How deep the tree is."""
    return 1 + max(map(depth, tree[1:])) if isinstance(tree, tuple) else 0


continuous: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.sampled_from(NAMES), numbers),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(UNARY), inner),
        st.tuples(st.sampled_from([name for name in BINARY if name != "remainder"]), inner, inner),
        st.tuples(st.just("pow"), inner, st.sampled_from([2, 3, -1, 0.5])),
    ),
    max_leaves=8,
)


@given(continuous, points)
def test_simplification_keeps_values(tree: Any, point: dict[str, float]) -> None:
    """The text read by Python, and the simplified expression, have the value of the original."""
    assume(isinstance(tree, tuple) and tame(tree, symbols(point)))
    value = compute(tree, symbols(point))
    assert read(value.expr, point) == pytest.approx(float(value), rel=1e-6, abs=1e-6)
    assert float(value.simplify()) == pytest.approx(float(value), rel=1e-6, abs=1e-6)


def tame(tree: Any, at: dict[str, Any]) -> bool:
    """Whether no part is so small or large that rounding decides."""
    if not isinstance(tree, tuple):
        return True
    return 1e-4 < abs(float(compute(tree, at))) < 1e3 and all(tame(p, at) for p in tree[1:])


def read(text: str, point: dict[str, float]) -> float:
    """What Python makes of a printed expression."""

    def function(op: Any) -> Callable[..., float]:
        return lambda *args: float(op(*(np.array(a, np.float64) for a in args)))

    names: dict[str, Any] = {name: function(op) for name, op in ops.registry.items()}
    return float(eval(text, {"__builtins__": {}}, {**names, **point}))


@given(continuous, points, points)
def test_subs_is_evaluation(tree: Any, point: dict[str, float], other: dict[str, float]) -> None:
    """Replacing the variables by numbers gives what the code computes with these numbers."""
    assume(isinstance(tree, tuple))
    at = symbols(point)
    value = compute(tree, at)
    expected = float(compute(tree, symbols(other)))
    found = value.subs({at[name]: other[name] for name in NAMES})
    assert found.is_constant
    assert float(found) == expected or math.isnan(expected)
    renamed = value.subs({at["x"]: at["y"]})
    assert all(variable is at["y"] for variable in renamed.variables)


def test_long_expressions_are_cut() -> None:
    """A text has an end, though shared parts would make it longer than memory."""
    value = x
    for _ in range(100):
        value = qgrad.sin(value) * qgrad.cos(value)
    assert len(value.expr) < 11_000
    assert value.expr.endswith("...")


def test_sums_and_products_of_many_terms() -> None:
    """Terms are joined in blocks, so that the work grows with their number only."""
    variables = [SymFloat(i, name=f"v{i}") for i in range(200)]
    total = sum(variables)
    assert total.expr.startswith("v0 + v1 + v2")
    assert total.expr.count("+") == 199
    assert float(total.simplify()) == 199 * 100
    product = math.prod([v + 1 for v in variables])
    assert float(product.simplify()) == pytest.approx(float(product), rel=1e-12)


def test_names_are_checked() -> None:
    """A name must read as one inside an expression."""
    for name in ("a b", "", "2x", 3):
        with pytest.raises(ValueError, match=r"SymFloat: name .* is not an identifier"):
            SymFloat(1, name=name)  # type: ignore[arg-type]
    first, second = SymFloat(1), SymFloat(1)
    assert first.name != second.name
    assert str(first.name).startswith("x")
