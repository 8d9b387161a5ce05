"""SymFloat and SymBool as numbers among Python's, NumPy's, sizes and tensors."""

from __future__ import annotations

import copy
import math
import operator
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qgrad
from qgrad import SymBool, SymFloat, SymInt
from qgrad.errors import DTypeError, UnsupportedOpError

OPERATORS = [
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv),
    *(operator.mod, operator.pow, operator.eq, operator.ne, operator.lt, operator.le),
    *(operator.gt, operator.ge),
]
positive = st.floats(0.125, 8)


@given(st.sampled_from(OPERATORS), positive, positive)
def test_operators_are_those_of_floats(op: Any, a: float, b: float) -> None:
    """Every operator, with a number on either side, gives Python's result."""
    expected = op(a, b)
    for found in (op(SymFloat(a), SymFloat(b)), op(SymFloat(a), b), op(a, SymFloat(b))):
        assert type(found) is (SymBool if isinstance(expected, bool) else SymFloat)
        assert found.value == pytest.approx(expected, rel=1e-15)
    for scalar in (np.float64, np.array):
        assert op(scalar(a), SymFloat(b)).value == pytest.approx(expected, rel=1e-15)
        assert op(SymFloat(a), scalar(b)).value == pytest.approx(expected, rel=1e-15)


def test_it_is_a_number_to_python() -> None:
    """Conversions, formatting, math functions, sums and signs."""
    x = SymFloat(2.25, name="x")
    assert (float(x), int(x), round(x), round(x, 1)) == (2.25, 2, 2, 2.2)
    assert (math.sqrt(x), math.floor(x), math.ceil(x), math.trunc(-x)) == (1.5, 2, 3, -2)
    assert [float(part) for part in (*divmod(x, 2), *divmod(5, x))] == [1, 0.25, 2, 0.5]
    assert f"{x:.1f} {x} {x!r}" == "2.2 SymFloat(2.25) SymFloat(2.25)"
    assert (+x) is x
    assert float(-x) == -2.25
    assert float(abs(-x)) == 2.25
    assert sum([x, x, 1]).expr == "2*x + 1"
    assert SymFloat(np.float32(0.5)).value == 0.5
    assert SymFloat(qgrad.tensor(0.5)).value == 0.5


def test_functions_and_methods() -> None:
    """Functions of the op table are methods, too, and NumPy's functions find them."""
    x = SymFloat(0.5, name="x")
    for name in (
        "exp",
        "log",
        "sin",
        "cos",
        "tan",
        "sinh",
        "cosh",
        "tanh",
        "sqrt",
        "log1p",
        "asin",
    ):
        found = getattr(x, name)()
        assert float(found) == pytest.approx(getattr(math, name)(0.5), rel=1e-15)
        assert getattr(qgrad, name)(x).expr == getattr(np, name)(x).expr == found.expr
    assert np.multiply(2, x).expr == "2*x"
    assert np.less(2, x).expr == "2 < x"
    assert qgrad.max(x, SymFloat(3.0)).value == 3.0
    assert x.maximum(0.75).expr == "maximum(x, 0.75)"
    with pytest.raises(TypeError):
        np.frexp(x)


def test_arrays_give_one_symbol_for_each_element() -> None:
    """Data as an array and parameters as symbols give an object array to reduce in NumPy."""
    a, b = SymFloat(2.0, name="a"), SymFloat(1.0, name="b")
    data = np.array([1.0, 2.0])
    residuals = a * data + b - np.array([3.0, 4.0])
    assert residuals.dtype == object
    assert [r.expr for r in residuals] == ["a + b - 3", "2*a + b - 4"]
    loss = (residuals**2).sum()
    assert float(loss) == 1.0
    assert [float(d) for d in qgrad.autograd.grad(loss, [a, b])] == [4.0, 2.0]
    assert (data < a).tolist()[0].expr == "1 < a"


def test_sizes_are_variables() -> None:
    """A free size in an expression is a variable named as it is written, the same at each use."""
    n = SymInt(8, ("dim", "x", 0))
    a = SymFloat(2.0, name="a")
    y = n * a / (n + 1) + n
    assert y.expr == "x.shape[0]*a/(x.shape[0] + 1) + x.shape[0]"
    assert (n * a + a * n).expr == "2*x.shape[0]*a"
    assert float(y.subs({n: 3})) == 4.5
    assert float(y.subs({n: 3, a: 4})) == 6.0
    assert repr(qgrad.autograd.grad(y, a)) == "(SymFloat(0.8888888888888888),)"
    with pytest.raises(TypeError, match="must be SymFloat, got SymInt"):
        qgrad.autograd.grad(y, n)
    with pytest.raises(TypeError, match="is computed from sizes"):
        y.subs({n + 1: 3})
    other = n + SymInt(2, ("dim", "x", 1))
    with pytest.raises(ValueError, match=r"subs: \(x.shape\[0\] \+ x.shape\[1\]\) needs more"):
        (a * other).subs({n: 3})
    assert (n < a).expr == "a > x.shape[0]"
    again = pickle.loads(pickle.dumps(a + n))
    assert all(one is other for one, other in zip((a + n).variables, again.variables, strict=True))


def test_tensors_are_refused() -> None:
    """Neither side would know the other's derivatives; the error gives both ways out."""
    x, t = SymFloat(2.0), qgrad.tensor([1.0, 2.0], requires_grad=True)
    for wrong in (lambda: x * t, lambda: t * x, lambda: qgrad.maximum(t, x)):
        with pytest.raises(TypeError, match=r"give float\(x\) .* t.item\(\)"):
            wrong()
    assert (t * float(x)).tolist() == [2.0, 4.0]
    for wrong in (lambda: qgrad.stack([x, x]), lambda: qgrad.softmax(x, 0), lambda: qgrad.sum(x)):
        with pytest.raises(UnsupportedOpError, match="takes tensors, not symbolic numbers"):
            wrong()


def test_strangers_are_refused() -> None:
    """Python's own errors for operands that are no numbers; equality is then identity."""
    x = SymFloat(2.0)
    for wrong in (lambda: x + None, lambda: x < "a", lambda: x @ x):
        with pytest.raises(TypeError, match=r"not supported|unsupported operand"):
            wrong()
    assert (x == None) is False  # noqa: E711
    assert (x != "a") is True
    with pytest.raises(DTypeError, match="bitwise_and"):
        x & x
    for value in ("3", [1.0], 1j, None, np.zeros(2)):
        with pytest.raises(TypeError, match=r"SymFloat: the value .* is not one real number"):
            SymFloat(value)
    with pytest.raises(TypeError, match="SymBool: the value 1 is not a bool"):
        SymBool(1)
    with pytest.raises(TypeError, match="already symbolic"):
        SymFloat(x)


def test_bools_are_logic_and_numbers() -> None:
    """Truth tables of the operators, and 1 and 0 in arithmetic."""
    for a in (False, True):
        p = SymBool(a, name="p")
        assert (~p).value is (not a)
        for b in (False, True):
            q = SymBool(b, name="q")
            assert (p & q).value is (a and b)
            assert (p | b).value is (a or b)
            assert (a ^ q).value is (a != b)
            assert (p == q).value is (a == b)
            assert float(p + q) == a + b
        assert float(3 * p) == 3 * a
        assert float(qgrad.exp(p)) == math.exp(a)
        assert float(qgrad.where(p, 1.0, SymFloat(2.0))) == (1 if a else 2)
        assert (p & True) is p
        assert (p & False).is_constant
        assert p.subs({p: not a}).value is (not a)


def test_hash_is_identity() -> None:
    """Variables of equal value are different keys; equality of the numbers is a condition."""
    x, y = SymFloat(5), SymFloat(5)
    table = {x: "x", y: "y"}
    assert len(table) == 2
    assert table[y] == "y"
    assert (x == y).value
    assert not x.guards


def test_subs_checks_its_arguments() -> None:
    """Names and values that make no sense are refused; variables that do not occur are not."""
    x, y = SymFloat(5, name="x"), SymFloat(2, name="y")
    assert (x * x).subs({y: 3}).expr == "x**2"
    assert (x * y).subs({"x": y + 1, y: 3}).expr == "3*y + 3"
    with pytest.raises(ValueError, match="subs: no variable is named 'z'; those here: x, y"):
        (x * y).subs({"z": 1})
    with pytest.raises(TypeError, match="is not a variable"):
        (x * y).subs({x * y: 1})
    with pytest.raises(TypeError, match="give a SymFloat or a number"):
        x.subs({x: y > 1})
    with pytest.raises(TypeError, match="the value 'a' is not one real number"):
        x.subs({x: "a"})


def test_copies_are_the_same_variable() -> None:
    """copy gives the object itself; pickled expressions come back with their variables."""
    x, y = SymFloat(5, name="x"), SymFloat(2, name="y")
    z = x * y + qgrad.where(x > y, x, 0.5)
    assert copy.copy(z) is copy.deepcopy(z) is z
    again = pickle.loads(pickle.dumps(z))
    assert (again.expr, float(again)) == (z.expr, float(z))
    assert again.variables[0] is x
    assert float(qgrad.autograd.grad(again, x)[0]) == 3.0
    assert pickle.loads(pickle.dumps(x > y)).expr == "x > y"
    assert repr(pickle.loads(pickle.dumps(z.subs({x: 1, y: 2})))) == "SymFloat(2.5)"


def test_pickles_come_back_from_other_processes() -> None:
    """What another process computes from x is differentiated for x here."""
    x = SymFloat(5.0, name="x")
    code = (
        "import pickle, sys\nx = pickle.load(sys.stdin.buffer)\n"
        "sys.stdout.buffer.write(pickle.dumps(x * x))"
    )
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        input=pickle.dumps(x),
        capture_output=True,
        check=True,
    )
    assert repr(qgrad.autograd.grad(pickle.loads(run.stdout), x)) == "(SymFloat(10.0),)"
