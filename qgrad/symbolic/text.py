"""Simplified forms as Python would write them: `6*x**2/y - 1`.

The text is made from the outside in and stops when it is long enough, since an expression with
shared parts may be longer than memory when written out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qgrad import ops
from qgrad.ops.op import Op
from qgrad.symbolic.form import Call, Constant, Form, Product, Ref, Sum, Symbol, shown_arguments

__all__ = ["to_text"]

LIMIT = 10_000

# How tightly what is written binds, as in Python.
_COMPARISON, _OR, _XOR, _AND, _SUM, _TERM, _UNARY, _POWER, _ATOM = range(9)
_INFIX: dict[Op, tuple[str, int]] = {
    ops.bitwise_and: (" & ", _AND),
    ops.bitwise_or: (" | ", _OR),
    ops.bitwise_xor: (" ^ ", _XOR),
    ops.eq: (" == ", _COMPARISON),
    ops.floor_divide: (" // ", _TERM),
    ops.ge: (" >= ", _COMPARISON),
    ops.gt: (" > ", _COMPARISON),
    ops.le: (" <= ", _COMPARISON),
    ops.logical_and: (" & ", _AND),
    ops.logical_or: (" | ", _OR),
    ops.logical_xor: (" ^ ", _XOR),
    ops.lt: (" < ", _COMPARISON),
    ops.ne: (" != ", _COMPARISON),
    ops.pow: ("**", _POWER),
    ops.remainder: (" % ", _TERM),
}
_NOT = (ops.bitwise_not, ops.logical_not)

Pieces = list[Any]  # of text, and (place, least binding) of forms


def to_text(forms: Sequence[Form], root: Ref) -> str:
    """The form at `root` as text."""
    stack: Pieces = [(root, _COMPARISON)]
    text: list[str] = []
    length = 0
    while stack:
        piece = stack.pop()
        if isinstance(piece, str):
            text.append(piece)
            length += len(piece)
            if length > LIMIT:
                return "".join(text)[:LIMIT] + "..."
        else:
            stack.extend(reversed(_written(forms, *piece)))
    return "".join(text)


def _written(forms: Sequence[Form], place: Ref, least: int) -> Pieces:
    """A form as pieces, in parentheses if it binds less tightly than `least`."""
    binding, pieces = _pieces(forms, place)
    return pieces if binding >= least else ["(", *pieces, ")"]


def _pieces(forms: Sequence[Form], place: Ref) -> tuple[int, Pieces]:
    form = forms[place]
    if isinstance(form, Constant):
        return _constant(form.value)
    if isinstance(form, Symbol):
        return _ATOM, [form.name]
    if isinstance(form, Sum):
        return _sum(forms, form)
    if isinstance(form, Product):
        return _term(forms, 1.0, place)
    return _call(forms, form)


def _constant(value: Any) -> tuple[int, Pieces]:
    if isinstance(value, bool):
        return _ATOM, [str(value)]
    above, below = fraction(abs(value))
    text = above if below is None else f"{above}/{below}"
    if value < 0:
        return _SUM, ["-" + text]
    return (_ATOM if below is None else _TERM), [text]


def _sum(forms: Sequence[Form], form: Sum) -> tuple[int, Pieces]:
    parts = []
    for place, c in form.terms.items():
        block = c == 1 and isinstance(forms[place], Sum)  # of a long sum
        parts.append((c < 0, _pieces(forms, place) if block else _term(forms, abs(c), place)))
    if form.constant:
        last = (form.constant < 0, _constant(abs(form.constant)))
        parts.insert(0 if parts[0][0] and not last[0] else len(parts), last)  # 1 - x, not -x + 1
    pieces: Pieces = []
    for i, (negative, (_, written)) in enumerate(parts):
        sign = (" - " if negative else " + ") if i else "-" if negative else ""
        pieces += [sign, *written]
    alone = len(parts) == 1 and not parts[0][0]
    return (parts[0][1][0] if alone else _SUM), pieces


def _term(forms: Sequence[Form], coefficient: float, place: Ref) -> tuple[int, Pieces]:
    """coefficient * form, the coefficient not negative, as one fraction."""
    form = forms[place]
    factors = form.factors if isinstance(form, Product) else {place: 1.0}
    number, divisor = fraction(coefficient)
    above: list[Pieces] = [_power(forms, base, e) for base, e in factors.items() if e > 0]
    below: list[Pieces] = [_power(forms, base, -e) for base, e in factors.items() if e < 0]
    if number != "1" or not above:
        above.insert(0, [number])
    if divisor is not None:
        below.insert(0, [divisor])
    pieces = _joined(above)
    if not below:
        if len(above) > 1:
            return _TERM, pieces
        (exponent,) = factors.values()
        return (_POWER if exponent not in (1, 0.5) else _ATOM), pieces
    divided = _joined(below)
    return _TERM, [*pieces, "/", *(["(", *divided, ")"] if len(below) > 1 else divided)]


def _joined(factors: list[Pieces]) -> Pieces:
    return [piece for i, factor in enumerate(factors) for piece in (["*"] * bool(i) + factor)]


def _power(forms: Sequence[Form], base: Ref, exponent: float) -> Pieces:
    if exponent == 1:
        return [(base, _UNARY)]
    if exponent == 0.5:
        return ["sqrt(", (base, _COMPARISON), ")"]
    return [(base, _ATOM), "**", number_text(exponent)]


def _call(forms: Sequence[Form], form: Call) -> tuple[int, Pieces]:
    op, args = form
    if op in _INFIX:
        sign, binding = _INFIX[op]
        left = _OR if binding == _COMPARISON else _ATOM if binding == _POWER else binding
        right = binding if binding == _POWER else max(left, binding + 1)
        return binding, [(args[0], left), sign, (args[1], right)]
    if op in _NOT:
        return _UNARY, ["~", (args[0], _UNARY)]
    pieces: Pieces = [op.name, "("]
    for i, a in enumerate(shown_arguments(form)):
        pieces += [", "] * bool(i) + [(a, _COMPARISON) if isinstance(a, Ref) else repr(a)]
    return _ATOM, [*pieces, ")"]


def number_text(value: float) -> str:
    """A number, whole ones without a point."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e16 else repr(value)


def fraction(value: float) -> tuple[str, str | None]:
    """A number >= 0 as numerator and denominator, if that is shorter: 0.333... is 1/3."""
    text = number_text(value)
    if len(text) > 8 and "e" not in text and text != "nan":
        for divisor in range(3, 100):
            above = round(value * divisor)
            if above / divisor == value:
                return str(above), str(divisor)
    return text, None
