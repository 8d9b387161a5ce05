"""Simplified forms for SymPy, which integrates, solves, expands and typesets them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from qgrad.symbolic.form import (
    Call,
    Constant,
    Form,
    Product,
    Ref,
    Sum,
    Symbol,
    needed,
    shown_arguments,
)
from qgrad.symbolic.text import fraction

__all__ = ["to_sympy"]

Arguments = tuple[Any, ...]


def to_sympy(forms: Sequence[Form], root: Ref) -> Any:
    """The form at `root` as a SymPy expression; an op without a name in SymPy is a `Function`."""
    sympy = _sympy()
    places = needed(forms, root)
    _check_names([forms[place] for place in places])
    made: dict[Ref, Any] = {}
    for place in places:
        made[place] = _convert(sympy, forms[place], made)
    return made[root]


def _sympy() -> Any:
    try:
        return import_module("sympy")
    except ImportError as error:
        raise ImportError(
            "to_sympy: SymPy is not installed; `pip install sympy`, or qgrad[sympy]"
        ) from error


def _check_names(forms: Sequence[Form]) -> None:
    names = [form.name for form in forms if isinstance(form, Symbol)]
    double = {name for name in names if names.count(name) > 1}
    if double:
        raise ValueError(
            f"to_sympy: {len(names)} variables, and more than one is named {min(double)!r}, which "
            "SymPy would take for the same; give them names of their own, SymFloat(5, name='y')"
        )


def _convert(sympy: Any, form: Form, made: Mapping[Ref, Any]) -> Any:
    if isinstance(form, Constant):
        return _number(sympy, form.value)
    if isinstance(form, Symbol):
        return sympy.Symbol(form.name)
    if isinstance(form, Sum):
        terms = [_number(sympy, c) * made[term] for term, c in form.terms.items()]
        return sympy.Add(_number(sympy, form.constant), *terms)
    if isinstance(form, Product):
        return sympy.Mul(*(_power(sympy, made[base], e) for base, e in form.factors.items()))
    return _call(sympy, form, made)


def _number(sympy: Any, value: Any) -> Any:
    """A bool, an Integer, a Rational where `expr` shows one, else a Float."""
    if isinstance(value, bool):
        return sympy.true if value else sympy.false
    if value.is_integer():
        return sympy.Integer(int(value))
    above, below = fraction(abs(value))
    if below is not None:
        return sympy.Rational(int(above) if value > 0 else -int(above), int(below))
    return sympy.Float(value)


def _power(sympy: Any, base: Any, exponent: float) -> Any:
    return base ** (sympy.Rational(exponent) if (2 * exponent).is_integer() else exponent)


def _call(sympy: Any, form: Call, made: Mapping[Ref, Any]) -> Any:
    name = form.op.name
    args = tuple(made[a] if isinstance(a, Ref) else a for a in shown_arguments(form))
    composed = _COMPOSED.get(name)
    if composed is not None:
        return composed(sympy, *args)
    function = getattr(sympy, _NAMES.get(name, ""), None) or sympy.Function(name)
    return function(*(sympy.Symbol(a) if isinstance(a, str) else a for a in args))


# The op's name -> SymPy's.
_NAMES = {
    **{name: name for name in ("acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cos")},
    **{name: name for name in ("cosh", "digamma", "erf", "erfc", "exp", "floor", "log", "sign")},
    **{name: name for name in ("sin", "sinh", "tan", "tanh")},
    "abs": "Abs",
    "bitwise_and": "And",
    "bitwise_not": "Not",
    "bitwise_or": "Or",
    "bitwise_xor": "Xor",
    "ceil": "ceiling",
    "eq": "Eq",
    "erfinv": "erfinv",
    "ge": "Ge",
    "gt": "Gt",
    "le": "Le",
    "lgamma": "loggamma",
    "logical_and": "And",
    "logical_not": "Not",
    "logical_or": "Or",
    "logical_xor": "Xor",
    "lt": "Lt",
    "maximum": "Max",
    "minimum": "Min",
    "ne": "Ne",
    "pow": "Pow",
    "remainder": "Mod",
}


def _where(sympy: Any, condition: Any, a: Any, b: Any) -> Any:
    return sympy.Piecewise((a, condition), (b, True))


def _clamp(sympy: Any, x: Any, low: Any = None, high: Any = None) -> Any:
    x = x if low is None else sympy.Max(x, low)
    return x if high is None else sympy.Min(x, high)


def _gelu(sympy: Any, x: Any, approximate: str = "none") -> Any:
    if approximate == "none":
        return x * (1 + sympy.erf(x / sympy.sqrt(2))) / 2
    inner = sympy.sqrt(2 / sympy.pi) * (x + sympy.Float(0.044715) * x**3)
    return x * (1 + sympy.tanh(inner)) / 2


_COMPOSED: dict[str, Callable[..., Any]] = {
    "clamp": _clamp,
    "exp2": lambda sympy, x: 2**x,
    "expm1": lambda sympy, x: sympy.exp(x) - 1,
    "floor_divide": lambda sympy, x, y: sympy.floor(x / y),
    "fmod": lambda sympy, x, y: sympy.sign(x) * sympy.Mod(sympy.Abs(x), sympy.Abs(y)),
    "gelu": _gelu,
    "hypot": lambda sympy, x, y: sympy.sqrt(x**2 + y**2),
    "leaky_relu": lambda sympy, x, slope=0.01: sympy.Piecewise((x, x > 0), (slope * x, True)),
    "log10": lambda sympy, x: sympy.log(x, 10),
    "log1p": lambda sympy, x: sympy.log(1 + x),
    "log2": lambda sympy, x: sympy.log(x, 2),
    "logaddexp": lambda sympy, x, y: sympy.log(sympy.exp(x) + sympy.exp(y)),
    "logsigmoid": lambda sympy, x: -sympy.log(1 + sympy.exp(-x)),
    "relu": lambda sympy, x: sympy.Max(x, 0),
    "relu6": lambda sympy, x: sympy.Min(sympy.Max(x, 0), 6),
    "sigmoid": lambda sympy, x: 1 / (1 + sympy.exp(-x)),
    "silu": lambda sympy, x: x / (1 + sympy.exp(-x)),
    "where": _where,
}
