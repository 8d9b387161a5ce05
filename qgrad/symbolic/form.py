"""The simplified form of an expression: sums of multiples, products of powers, calls of ops.

Constants are folded, 0 and 1 dropped, like terms and powers of one base joined, as for real
numbers on which the expression is defined. Products of sums are not multiplied out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from qgrad import ops
from qgrad.ops.op import Op
from qgrad.symbolic.node import Node
from qgrad.symbolic.scalar_ops import CONDITIONS

__all__ = [
    "Call",
    "Constant",
    "Form",
    "Forms",
    "Product",
    "Ref",
    "Sum",
    "Symbol",
    "needed",
    "parts_of",
    "shown_arguments",
]

# Longer sums and products are taken as one term of the next, so that the work stays linear.
LONGEST = 32


class Ref(int):
    """The place of a form in its list. Equal forms have one place."""

    __slots__ = ()


class Constant(NamedTuple):
    """A float or a bool."""

    value: Any


class Symbol(NamedTuple):
    """A variable."""

    node: Any

    @property
    def name(self) -> str:
        """How it is written."""
        return str(self.node._args.name)


class Sum(NamedTuple):
    """constant + coefficient * term + ..."""

    constant: float
    terms: Mapping[Ref, float]


class Product(NamedTuple):
    """base ** exponent * ..."""

    factors: Mapping[Ref, float]


class Call(NamedTuple):
    """An op on forms, and on what is not a number: None and strings."""

    op: Op
    args: tuple[Any, ...]


Form = Constant | Symbol | Sum | Product | Call


def needed(forms: Sequence[Form], root: Ref) -> list[Ref]:
    """The places of the forms that make up the one at `root`, parts before wholes."""
    found = {root}
    for place in range(root, -1, -1):
        if place in found:
            found.update(parts_of(forms[place]))
    return sorted(found)


def parts_of(form: Form) -> Iterator[Ref]:
    """The places of what a form is made of."""
    if isinstance(form, Sum):
        yield from form.terms
    elif isinstance(form, Product):
        yield from form.factors
    elif isinstance(form, Call):
        yield from (a for a in form.args if isinstance(a, Ref))


def shown_arguments(call: Call) -> tuple[Any, ...]:
    """The arguments of a call, without options at the end that have their default values."""
    op, args = call
    while len(args) > op.required and not isinstance(args[-1], Ref):
        if args[-1] != op.defaults[len(args) - 1 - op.required]:
            break
        args = args[:-1]
    return args


class Forms:
    """A growing list of forms without doubles, each after those it is made of."""

    def __init__(self) -> None:
        self.list: list[Form] = []
        self._is_bool: list[bool] = []
        self._places: dict[Any, Ref] = {}

    def _put(self, key: Any, make: Callable[..., Form], *fields: Any) -> Ref:
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = Ref(len(self.list))
            form = make(*fields)
            self.list.append(form)
            self._is_bool.append(self._makes_bool(form))
        return place

    def _makes_bool(self, form: Form) -> bool:
        if isinstance(form, Call):
            if form.op is ops.where:
                return all(map(self.is_bool, form.args[1:]))
            return form.op in CONDITIONS
        value = form.value if isinstance(form, Constant) else None
        return isinstance(form.node._value if isinstance(form, Symbol) else value, bool)

    def is_bool(self, place: Ref) -> bool:
        """Whether the form is a condition, not a number."""
        return self._is_bool[place]

    def symbol(self, node: Node) -> Ref:
        """A variable."""
        return self._put(node, Symbol, node)

    def constant(self, value: Any) -> Ref:
        """A number or a bool."""
        value = value if isinstance(value, bool) else float(value)
        return self._put((type(value), value), Constant, value)

    def call(self, op: Op, args: tuple[Any, ...]) -> Ref:
        """An op that is neither a sum nor a product."""
        key = (op, *((a.__class__, a) for a in args))  # a Ref equals an int
        return self._put(key, Call, op, args)

    def sum(self, constant: float, terms: Mapping[Ref, float]) -> Ref:
        """constant + coefficient * term + ..."""
        terms = {term: c for term, c in terms.items() if c != 0}
        if not terms:
            return self.constant(constant)
        if constant == 0 and len(terms) == 1:
            ((term, coefficient),) = terms.items()
            if coefficient == 1:
                return term
        return self._put((Sum, constant, frozenset(terms.items())), Sum, constant, terms)

    def product(self, coefficient: float, factors: Mapping[Ref, float]) -> Ref:
        """coefficient * base ** exponent * ..."""
        factors = {base: e for base, e in factors.items() if e != 0}
        if coefficient == 0 or not factors:
            return self.constant(coefficient)
        if len(factors) == 1:
            ((base, exponent),) = factors.items()
            if exponent == 1:
                return self.multiple(coefficient, base)
        place = self._put((Product, frozenset(factors.items())), Product, factors)
        return self.sum(0.0, {place: coefficient})

    def multiple(self, coefficient: float, place: Ref) -> Ref:
        """coefficient * form, into each term of a sum."""
        constant, terms = self.linear(place)
        numbers = [constant, *terms.values()]
        scaled = [number * coefficient for number in numbers]
        if not all(map(math.isfinite, scaled)) or scaled.count(0.0) > numbers.count(0.0):
            return self.sum(0.0, {place: coefficient})
        return self.sum(scaled[0], dict(zip(terms, scaled[1:], strict=True)))

    def linear(self, place: Ref) -> tuple[float, Mapping[Ref, float]]:
        """A form as a constant, and coefficients by term."""
        form = self.list[place]
        if isinstance(form, Constant):
            return float(form.value), {}
        if isinstance(form, Sum) and len(form.terms) <= LONGEST:
            return form.constant, form.terms
        return 0.0, {place: 1.0}

    def factors(self, place: Ref) -> tuple[float, Mapping[Ref, float]]:
        """A form as a coefficient, and exponents by base."""
        form = self.list[place]
        if isinstance(form, Constant):
            return float(form.value), {}
        coefficient = 1.0
        if isinstance(form, Sum) and form.constant == 0 and len(form.terms) == 1:
            ((place, coefficient),) = form.terms.items()
            form = self.list[place]
        if isinstance(form, Product) and len(form.factors) <= LONGEST:
            return coefficient, form.factors
        return coefficient, {place: 1.0}

    def known(self, place: Any) -> Any:
        """The value of a constant; None for every other form."""
        form = self.list[place] if isinstance(place, Ref) else None
        return form.value if isinstance(form, Constant) else None
