"""From the ops of an expression to its simplified form, and back.

A rule that would leave the finite numbers, such as 1e200 * (1e200 * x), gives None: then the op
stays a call.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qgrad import ops
from qgrad.ops.op import Op
from qgrad.symbolic.form import (
    Call,
    Constant,
    Form,
    Forms,
    Product,
    Ref,
    Sum,
    Symbol,
    needed,
    parts_of,
)
from qgrad.symbolic.node import Node, ancestors
from qgrad.symbolic.scalar_ops import options

__all__ = ["rebuild", "simplified"]

_LARGE = 50  # forms; in larger ones conditions are not looked for

Simplified = tuple[list[Form], Ref]


def simplified(root: Node) -> Simplified:
    """The forms of an expression, parts before wholes, and the place of the form of `root`."""
    forms = Forms()
    places: dict[Node, Ref] = {}
    for node in ancestors([root]):
        places[node] = _place(forms, node, places)
    return forms.list, places[root]


def rebuild(forms: Sequence[Form], root: Ref, constant: Callable[[Any], Node]) -> Any:
    """The expression that computes a form as it is written."""
    made: dict[Ref, Any] = {}
    for place in needed(forms, root):
        made[place] = _compute(forms[place], made, constant)
    return made[root]


def _place(forms: Forms, node: Node, places: Mapping[Node, Ref]) -> Ref:
    """The form of a Node, given those of its arguments."""
    op = node._op
    if op is None:
        return forms.constant(node._value) if node._args is None else forms.symbol(node)
    args = [
        places[a] if isinstance(a, Node) else a if option or a is None else forms.constant(a)
        for a, option in zip(node._args, options(op), strict=True)
    ]
    if all(forms.known(a) is not None for a in args if isinstance(a, Ref)):
        return forms.constant(node._value)
    if op in _COMPARISONS and args[0] == args[1]:
        return forms.constant(node._value)
    return _apply(forms, op, tuple(args))


def _apply(forms: Forms, op: Op, args: tuple[Any, ...]) -> Ref:
    """The simplified form of an op on forms."""
    rule = _RULES.get(op)
    place = None if rule is None else rule(forms, *args)
    return forms.call(op, args) if place is None else place


def _compute(form: Form, made: Mapping[Ref, Any], constant: Callable[[Any], Node]) -> Any:
    if isinstance(form, Constant):
        return constant(form.value)
    if isinstance(form, Symbol):
        return form.node
    if isinstance(form, Call):
        return form.op(*(made[a] if isinstance(a, Ref) else a for a in form.args))
    parts = [*form.terms.items()] if isinstance(form, Sum) else [*form.factors.items()]
    if isinstance(form, Sum):
        total: Any = constant(0.0)
        for term, coefficient in parts:
            total = total + coefficient * made[term]
        return total + form.constant
    result: Any = constant(1.0)
    for base, exponent in parts:
        power = _power_of(made[base], abs(exponent))
        result = result * power if exponent > 0 else result / power
    return result


def _power_of(base: Any, exponent: float) -> Any:
    return ops.sqrt(base) if exponent == 0.5 else base**exponent


def _float(forms: Forms, place: Ref) -> Ref:
    """A condition as 1 or 0, as arithmetic takes it."""
    if not forms.is_bool(place):
        return place
    return _where(forms, place, forms.constant(1.0), forms.constant(0.0))


def _where(forms: Forms, condition: Ref, a: Ref, b: Ref) -> Ref:
    known = forms.known(condition)
    if known is None:
        a, b = _assume(forms, a, condition, True), _assume(forms, b, condition, False)
    elif known:
        b = a
    else:
        a = b
    return a if a == b else forms.call(ops.where, (condition, a, b))


def _assume(forms: Forms, place: Ref, condition: Ref, holds: bool) -> Ref:
    """The form at `place`, if it is not large, where `condition` is known to hold or not."""
    found, stack = {place}, [place]
    while stack:
        new = set(parts_of(forms.list[stack.pop()])) - found
        found |= new
        stack.extend(new)
        if len(found) > _LARGE:
            return place
    if condition not in found:
        return place
    known = {condition: forms.constant(holds)}
    for one in sorted(found):
        if one not in known and any(part in known for part in parts_of(forms.list[one])):
            known[one] = _again(forms, forms.list[one], known)
    return known.get(place, place)


def _again(forms: Forms, form: Form, known: Mapping[Ref, Ref]) -> Ref:
    """A form with other parts in place of some."""
    if isinstance(form, Sum):
        total = forms.constant(form.constant)
        for term, c in form.terms.items():
            part = _apply(forms, ops.mul, (forms.constant(c), known.get(term, term)))
            total = _apply(forms, ops.add, (total, part))
        return total
    if isinstance(form, Product):
        result = forms.constant(1.0)
        for base, e in form.factors.items():
            part = _apply(forms, ops.pow, (known.get(base, base), forms.constant(e)))
            result = _apply(forms, ops.mul, (result, part))
        return result
    assert isinstance(form, Call)
    args = tuple(known.get(a, a) if isinstance(a, Ref) else a for a in form.args)
    return _apply(forms, form.op, args)


def _or_zero(forms: Forms, place: Ref) -> tuple[Ref, Ref, bool] | None:
    """(condition, form, when) if the form at `place` is 0 unless the condition is `when`."""
    form = forms.list[place]
    if isinstance(form, Call) and form.op is ops.where:
        condition, a, b = form.args
        if forms.known(b) == 0:
            return condition, a, True
        if forms.known(a) == 0:
            return condition, b, False
    return None


def _choose(forms: Forms, condition: Ref, a: Ref, when: bool) -> Ref:
    zero = forms.constant(0.0)
    return _where(forms, condition, a, zero) if when else _where(forms, condition, zero, a)


def _join(a: Mapping[Ref, float], b: Mapping[Ref, float], sign: float) -> dict[Ref, float]:
    joined = dict(a)
    for place, number in b.items():
        joined[place] = joined.get(place, 0.0) + sign * number
    return joined


def _add(forms: Forms, a: Ref, b: Ref, sign: float = 1.0) -> Ref | None:
    constant, terms = forms.linear(_float(forms, a))
    more, others = forms.linear(_float(forms, b))
    joined = _join(terms, others, sign)
    total = constant + sign * more
    return forms.sum(total, joined) if _finite(total, *joined.values()) else None


def _sub(forms: Forms, a: Ref, b: Ref) -> Ref | None:
    return _add(forms, a, b, -1.0)


def _mul(forms: Forms, a: Ref, b: Ref) -> Ref | None:
    if forms.is_bool(a):
        a, b = b, a
    if forms.is_bool(b):
        return _where(forms, b, _float(forms, a), forms.constant(0.0))
    for one, other in ((a, b), (b, a)):
        chosen = _or_zero(forms, one)
        if chosen is not None:
            condition, form, when = chosen
            return _choose(forms, condition, _apply(forms, ops.mul, (form, other)), when)
    c, factors = forms.factors(a)
    more, others = forms.factors(b)
    coefficient = c * more
    if not _finite(coefficient) or (coefficient == 0 and c != 0 and more != 0):
        return None
    return forms.product(coefficient, _join(factors, others, 1.0))


def _div(forms: Forms, a: Ref, b: Ref) -> Ref | None:
    a = _float(forms, a)
    chosen = _or_zero(forms, a)
    if chosen is not None:
        condition, form, when = chosen
        return _choose(forms, condition, _apply(forms, ops.div, (form, b)), when)
    c, factors = forms.factors(a)
    divisor, others = forms.factors(_float(forms, b))
    coefficient = c / divisor if divisor else math.inf
    if not _finite(coefficient) or (coefficient == 0 and c != 0):
        return None
    return forms.product(coefficient, _join(factors, others, -1.0))


def _neg(forms: Forms, a: Ref) -> Ref | None:
    return _mul(forms, forms.constant(-1.0), a)


def _pow(forms: Forms, a: Ref, b: Ref) -> Ref | None:
    exponent = forms.known(b)
    return None if exponent is None else _power(forms, a, float(exponent))


def _power(forms: Forms, a: Ref, exponent: float) -> Ref | None:
    a = _float(forms, a)
    if not math.isfinite(exponent):
        return None
    coefficient, factors = forms.factors(a)
    if not exponent.is_integer():  # (x**2)**0.5 is not x
        if coefficient <= 0:
            return forms.product(1.0, {a: exponent})
        factors = {forms.product(1.0, factors): 1.0}
    try:
        coefficient = coefficient**exponent
    except (OverflowError, ZeroDivisionError):
        return None
    if coefficient == 0 or not _finite(coefficient):
        return None
    return forms.product(coefficient, {base: e * exponent for base, e in factors.items()})


def _fixed(exponent: float) -> Callable[[Forms, Ref], Ref | None]:
    return lambda forms, a: _power(forms, a, exponent)


def _finite(*values: float) -> bool:
    return all(map(math.isfinite, values))


def _not(forms: Forms, a: Ref) -> Ref | None:
    form = forms.list[a]
    return form.args[0] if isinstance(form, Call) and form.op is ops.bitwise_not else None


def _logic(neutral: bool) -> Callable[[Forms, Ref, Ref], Ref | None]:
    def rule(forms: Forms, a: Ref, b: Ref) -> Ref | None:
        for one, other in ((a, b), (b, a)):
            known = forms.known(one)
            if known is not None and forms.is_bool(one) and forms.is_bool(other):
                return other if known is neutral else forms.constant(not neutral)
        return a if a == b and forms.is_bool(a) else None

    return rule


_COMPARISONS = frozenset({ops.eq, ops.ne, ops.lt, ops.le, ops.gt, ops.ge})
_RULES: dict[Op, Callable[..., Ref | None]] = {
    ops.add: _add,
    ops.bitwise_and: _logic(True),
    ops.bitwise_not: _not,
    ops.bitwise_or: _logic(False),
    ops.div: _div,
    ops.logical_and: _logic(True),
    ops.logical_or: _logic(False),
    ops.mul: _mul,
    ops.neg: _neg,
    ops.pow: _pow,
    ops.reciprocal: _fixed(-1.0),
    ops.rsqrt: _fixed(-0.5),
    ops.sqrt: _fixed(0.5),
    ops.square: _fixed(2.0),
    ops.sub: _sub,
    ops.where: _where,
}
