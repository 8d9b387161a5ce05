"""to_sympy: SymPy gets an expression of the same value, and differentiates it to the same."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import sympy
from hypothesis import assume, given, settings
from symbolic.expressions import compute, derivatives, finite, number, points, polynomials, symbols

import qgrad
from qgrad import SymFloat

X, Y = sympy.symbols("x y")
FUNCTIONS = (
    *("neg", "abs", "square", "exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "reciprocal", "sin"),
    *("cos", "tan", "tanh", "sinh", "cosh", "erf", "erfc", "sigmoid", "relu", "silu", "gelu"),
    *("asin", "acos", "atan", "asinh", "atanh", "exp2", "log2", "log10"),
    *("floor", "ceil", "sign", "leaky_relu", "logsigmoid", "relu6"),
)


def at(expression: Any, point: dict[str, float]) -> float:
    """The value of a SymPy expression."""
    return float(expression.subs({X: point["x"], Y: point["y"]}).evalf(30))


@settings(max_examples=30)
@given(polynomials, points)
def test_sympy_agrees_on_polynomials(tree: Any, point: dict[str, float]) -> None:
    """Values and derivatives."""
    assume(isinstance(tree, tuple))
    inputs = symbols(point)
    value = compute(tree, inputs)
    expression = sympy.sympify(value.to_sympy())
    assert at(expression, point) == pytest.approx(float(value), rel=1e-9, abs=1e-6)
    for name, d in zip(inputs, derivatives(value, list(inputs.values())), strict=True):
        assume(finite(number(d)))
        slope = expression.diff(sympy.Symbol(name))
        assert at(slope, point) == pytest.approx(number(d), rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_sympy_has_the_functions(name: str) -> None:
    """Each function of one operand, positive and negative where it is defined."""
    for value in (0.75, -0.75):
        x = SymFloat(value, name="x")
        y = qgrad.ops.registry[name](x)
        if float(y) == float(y):
            found = at(y.to_sympy(), {"x": value, "y": 0.0})
            assert found == pytest.approx(float(y), rel=1e-9)


def test_what_it_looks_like() -> None:
    """Whole numbers and simple fractions stay exact; conditions and pieces are SymPy's own."""
    x, y = SymFloat(5, name="x"), SymFloat(2, name="y")
    assert (2 * x**3 / 3 - y).to_sympy() == sympy.Rational(2, 3) * X**3 - Y
    assert (x**y).to_sympy() == X**Y
    assert x.sqrt().to_sympy() == sympy.sqrt(X)
    assert qgrad.where(x > y, x, 0.0).to_sympy() == sympy.Piecewise((X, X > Y), (0, True))
    assert ((x > 1) & ~(y == 2)).to_sympy() == sympy.And(X > 1, sympy.Ne(Y, 2))
    assert (x < x).to_sympy() == sympy.false
    assert (x % y).to_sympy() == sympy.Mod(X, Y)
    assert (x // y).to_sympy() == sympy.floor(X / Y)
    assert x.clamp(0, y).to_sympy() == sympy.Min(sympy.Max(X, 0), Y)
    assert x.softplus().to_sympy() == sympy.Function("softplus")(X)


def test_names_must_differ() -> None:
    """SymPy's symbols are their names, so two variables of one name would become one."""
    with pytest.raises(ValueError, match="more than one is named 'x'"):
        (SymFloat(1, name="x") + SymFloat(2, name="x")).to_sympy()


def test_without_sympy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "sympy", None)
    with pytest.raises(ImportError, match=r"SymPy is not installed; `pip install sympy`"):
        SymFloat(1).to_sympy()
