"""Derivatives of SymFloats: those of float64 tensors, by the one op table."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import assume, example, given
from symbolic.expressions import (
    compute,
    derivatives,
    finite,
    number,
    points,
    polynomials,
    symbols,
    tensors,
    trees,
)

import qgrad
from qgrad import SymFloat, ops
from qgrad.errors import UnsupportedOpError
from qgrad.symbolic.scalar_ops import options, takes_numbers

grad = qgrad.autograd.grad


def all_derivatives(tree: Any, at: dict[str, Any]) -> list[float]:
    """The value, the first and the second derivatives."""
    inputs = list(at.values())
    y = compute(tree, at)
    first = derivatives(y, inputs)
    second = [
        number(d)
        for one in first
        for d in (derivatives(one, inputs) if one is not None else [None] * len(inputs))
    ]
    return [number(y), *map(number, first), *second]


@given(trees, points)
@example(("pow", "x", "y"), {"x": 2.0, "y": 3.0})
@example(("where", ("gt", "x", "y"), ("mul", "x", "y"), 0), {"x": 2.0, "y": 2.0})
@example(("maximum", ("relu", "x"), ("abs", "y")), {"x": 0.0, "y": 0.0})
def test_derivatives_are_those_of_tensors(tree: Any, point: dict[str, float]) -> None:
    """Values, first and second derivatives equal those that autograd gives for float64 tensors."""
    assume(isinstance(tree, tuple))
    expected = all_derivatives(tree, tensors(point))
    found = all_derivatives(tree, symbols(point))
    assume(finite(*expected))
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(polynomials, points)
def test_values_are_those_of_tensors_to_the_bit(tree: Any, point: dict[str, float]) -> None:
    """Recording an expression does not change the order of its arithmetic."""
    assume(isinstance(tree, tuple))
    assert float(compute(tree, symbols(point))) == float(compute(tree, tensors(point)))


# Arguments for ops whose domain is not the whole line.
_DOMAIN = {"binary_cross_entropy": (0.25, 0.75)}
_GRID = (-4.0, -3.0, -0.75, 0.0, 0.4, 1.0, 3.0, 6.0)
_NUMERIC = [op for op in ops.registry.values() if takes_numbers(op) and op is not ops.where]


@pytest.mark.parametrize("op", _NUMERIC, ids=lambda op: op.name)
def test_every_op_takes_symbols(op: Any) -> None:
    """Each elementwise op of the table, and its rules, compute with SymFloats as with tensors, at
    kinks and ties too."""
    count = 3 if op is ops.clamp else op.required
    is_option = options(op)[:count]
    for point in itertools.product(_DOMAIN.get(op.name, _GRID), repeat=is_option.count(False)):
        if op in (ops.bitwise_and, ops.bitwise_or, ops.bitwise_xor, ops.bitwise_not):
            assert_bools_agree(op, point)
            continue
        values = iter(point)
        numbers = [1 if option else next(values) for option in is_option]
        found = op(*symbolic(numbers, is_option))
        assert same(found, op(*tensor_arguments(numbers, is_option))), (op.name, point)
        if isinstance(found, SymFloat) and op.rules:
            assert_gradients_agree(op, numbers, is_option)


def symbolic(numbers: list[float], is_option: tuple[bool, ...]) -> list[Any]:
    """SymFloats for the numbers that are no options."""
    return [n if option else SymFloat(n) for n, option in zip(numbers, is_option, strict=True)]


def tensor_arguments(numbers: list[float], is_option: tuple[bool, ...]) -> list[Any]:
    """Tensors for the numbers that are no options."""
    return [
        n if option else qgrad.tensor(n, dtype=qgrad.float64)
        for n, option in zip(numbers, is_option, strict=True)
    ]


def same(found: Any, expected: Any) -> bool:
    """Whether two numbers are equal to 12 digits, NaN being equal to itself."""
    a, b = float(getattr(found, "value", found)), float(expected)
    return (math.isnan(a) and math.isnan(b)) or a == pytest.approx(b, rel=1e-12, abs=1e-300)


def assert_bools_agree(op: Any, point: tuple[float, ...]) -> None:
    """A logical op on conditions."""
    found = op(*(SymFloat(v) > 0 for v in point))
    assert found.value == bool(op(*(qgrad.tensor(v) > 0 for v in point)))


def assert_gradients_agree(op: Any, numbers: list[float], is_option: tuple[bool, ...]) -> None:
    """First and second derivatives for the arguments that have a rule."""
    at, args = symbolic(numbers, is_option), tensor_arguments(numbers, is_option)
    rules = [i for i, _ in enumerate(numbers) if op.params[i] in op.rules]
    inputs, leaves = [at[i] for i in rules], [args[i].requires_grad_() for i in rules]
    firsts = grad(op(*at), inputs)
    for found, one in zip(firsts, derivatives(op(*args), leaves), strict=True):
        assert same(found, number(one)), (op.name, numbers)
        if one is not None and one.requires_grad and math.isfinite(one.item()):
            for d, e in zip(grad(found, inputs), derivatives(one, leaves), strict=True):
                assert same(d, number(e)), (op.name, numbers)


def test_the_example_of_the_docs() -> None:
    """`2 * x ** 3` at 5, with an automatic name and with a given one."""
    x = SymFloat(5)
    y = 2 * x**3
    assert repr(grad(y, x)) == "(SymFloat(150.0),)"
    assert grad(y, x)[0].expr == f"6*{x.name}**2"
    named = SymFloat(5, name="x")
    first = grad(2 * named**3, named)[0]
    assert first.expr == "6*x**2"
    assert grad(first, named)[0].expr == "12*x"
    third = grad(grad(first, named)[0], named)[0]
    assert (repr(third), third.expr) == ("SymFloat(12.0)", "12")


def test_a_constant_has_derivative_zero() -> None:
    """What does not depend on an input has derivative 0, or None if that is asked for."""
    x, y = SymFloat(5), SymFloat(2)
    assert repr(grad(y * 3, x)) == "(SymFloat(0.0),)"
    assert repr(grad(grad(3 * x, x)[0], x)) == "(SymFloat(0.0),)"
    assert grad(y * 3, [x, y], allow_unused=True)[0] is None


def test_inputs_may_be_intermediate() -> None:
    """Derivatives for values inside the expression, and for its output itself."""
    x = SymFloat(3.0, name="x")
    w = x * x
    y = w * w + x
    assert [float(d) for d in grad(y, [w, x, y])] == [18.0, 2 * 9 * 6 + 1, 1.0]


def test_outputs_are_summed_with_their_factors() -> None:
    """Several outputs count together, each with its factor; their numbers must agree."""
    x = SymFloat(3.0, name="x")
    factor = SymFloat(0.5, name="f")
    assert float(grad([x * x, x], x)[0]) == 7.0
    result = grad([x * x, x], x, grad_outputs=[factor, 2])[0]
    assert (float(result), result.expr) == (5.0, "2*f*x + 2")
    with pytest.raises(ValueError, match="2 outputs, but 1 grad_outputs"):
        grad([x * x, x], x, grad_outputs=[1])


def test_tensors_and_symbols_have_separate_derivatives() -> None:
    """A call with both is refused, and says what to do."""
    x, t = SymFloat(3.0), qgrad.tensor(2.0, requires_grad=True)
    for outputs, inputs in ((t * t, x), (x * x, t), ([x * x, t], x)):
        with pytest.raises(TypeError, match="in a call of their own"):
            grad(outputs, inputs)
    with pytest.raises(TypeError, match="got SymBool"):
        grad(x > 2, x)


def test_an_argument_without_a_rule_is_an_error() -> None:
    """The op table knows no gradient for an option, which may still be a symbol."""
    slope, x = SymFloat(0.1), SymFloat(-2.0)
    y = qgrad.nn.functional.leaky_relu(x, slope)
    assert float(y) == pytest.approx(-0.2)
    assert float(grad(y, x)[0]) == pytest.approx(0.1)
    with pytest.raises(UnsupportedOpError, match="leaky_relu: argument 'negative_slope'"):
        grad(y, slope)


def test_shared_parts_are_visited_once() -> None:
    """A tower of 60 squares-like doublings has 2**60 paths, and a short reverse pass."""
    x = SymFloat(1.0, name="x")
    y = x
    for _ in range(60):
        y = (y + y) * 0.5
    assert repr(grad(y, x)) == "(SymFloat(1.0),)"
    assert y.expr == "x"
