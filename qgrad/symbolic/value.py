"""SymFloat and SymBool: numbers that remember how they were computed."""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np

from qgrad.ops.op import Op
from qgrad.symbolic import flat, node
from qgrad.symbolic.guards import Guard, GuardList, caller
from qgrad.symbolic.node import Node, Variable
from qgrad.symbolic.operators import Operators
from qgrad.symbolic.simplify import rebuild, simplified
from qgrad.symbolic.size import Expr, SymInt, dims_of, evaluate_expr, format_expr
from qgrad.symbolic.text import to_text
from qgrad.symbolic.to_sympy import to_sympy

__all__ = ["SymBool", "SymFloat", "Symbolic", "constant", "make", "size_variable"]

_next_name = count().__next__
# The variables that may be met again under the same key: sizes, and those that were pickled.
_known: WeakValueDictionary[Any, Any] = WeakValueDictionary()


class Symbolic(Operators):
    """What SymFloat and SymBool have in common. Immutable; arithmetic makes new ones."""

    __slots__ = ()

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """The methods made from the op table."""

    def __init__(self, value: Any, name: str | None = None) -> None:
        kind = type(self).__name__
        if name is None:
            name = f"x{_next_name()}"
        elif not isinstance(name, str) or not name.isidentifier():
            raise ValueError(
                f"{kind}: name {name!r} is not an identifier, and would not read as one in an "
                "expression; give letters, digits and _"
            )
        if isinstance(value, Node):
            raise TypeError(
                f"{kind}: the value is already symbolic ({value!r}); use it as it is, or "
                f"{kind}(x.value) for a new variable"
            )
        _fill(self, self._plain(value), None, Variable(name), GuardList())

    @property
    def value(self) -> Any:
        """The float or bool that it is for the variables' values; reading it records no guard."""
        return self._value

    @property
    def name(self) -> str | None:
        """The name of a variable; None for everything else."""
        return self._args.name if isinstance(self._args, Variable) else None

    @property
    def is_constant(self) -> bool:
        """Whether it depends on no variable."""
        return self._args is None

    @property
    def variables(self) -> tuple[Symbolic, ...]:
        """The variables that it depends on, oldest first."""
        return tuple(node.variables(self))  # type: ignore[arg-type]

    @property
    def expr(self) -> str:
        """The simplified expression as Python would write it; a very long one ends in `...`.

        Constants are folded, 0 and 1 dropped, like terms and powers joined, as for real numbers.

        >>> x = qgrad.SymFloat(5, name="x")
        >>> (x * x + x * (x + 0) - 3 + 1).expr
        '2*x**2 - 2'
        """
        return to_text(*simplified(self))

    @property
    def guards(self) -> tuple[Guard, ...]:
        """The branches that conditions on its variables have decided, oldest first.

        >>> x = qgrad.SymFloat(5, name="x")
        >>> y = 2 * x if x > 3 else x
        >>> y.guards[0].condition.expr
        'x > 3'
        """
        if self._seen is None:
            return ()
        mine = set(node.variables(self))
        found = [g for g in self._seen.all() if mine & set(node.variables(g.condition))]
        return tuple(sorted(found, key=lambda guard: guard.condition._order))

    def subs(self, values: Mapping[Any, Any]) -> Any:
        """The same computation with other values for variables: numbers, or other expressions.

        Variables are given themselves or by name.

        >>> x = qgrad.SymFloat(5, name="x")
        >>> (2 * x ** 3).subs({x: 3})
        SymFloat(54.0)
        """
        mine = node.variables(self)
        sizes = {key: value for key, value in values.items() if isinstance(key, SymInt)}
        new: dict[Node, Node] = _new_sizes(mine, sizes) if sizes else {}
        for key, value in values.items():
            for variable in () if isinstance(key, SymInt) else _variables_of(key, mine):
                new[variable] = _replacement(variable, value)
        return node.replay(self, new)

    def simplify(self) -> Any:
        """The same value computed as `expr` shows it; derivatives of it are shorter, too."""
        return rebuild(*simplified(self), constant)

    def to_sympy(self) -> Any:
        """The simplified expression for SymPy, with `sympy.Symbol(name)` for variables."""
        return to_sympy(*simplified(self))

    def __float__(self) -> float:
        return float(self._value)

    def __int__(self) -> int:
        return int(self._value)

    __trunc__ = __int__

    def __round__(self, ndigits: int | None = None) -> Any:
        return round(self._value, ndigits)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._value!r})"

    def __format__(self, spec: str) -> str:
        return format(self._value, spec) if spec else repr(self)

    def __copy__(self) -> Symbolic:
        return self

    def __deepcopy__(self, memo: Any) -> Symbolic:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        nodes = node.ancestors([self])
        for one in nodes:
            _know(one)
        return _unflatten, (flat.flatten(nodes),)


class SymFloat(Symbolic):
    """A float that remembers how it was computed, so that it can be printed and differentiated.

    `SymFloat(value, name=None)` is a variable; operators and qgrad's elementwise functions compute
    with it in float64, to the bit as with tensors, by the same op table. Without a name it is
    called x0, x1, ...

    >>> x = qgrad.SymFloat(5, name="x")
    >>> y = 2 * x ** 3
    >>> y
    SymFloat(250.0)
    >>> slope, = qgrad.autograd.grad(y, x)
    >>> slope, slope.expr
    (SymFloat(150.0), '6*x**2')
    >>> y.subs({x: 3})
    SymFloat(54.0)

    `==`, `<` and the like give a SymBool. Where `if` asks it which way to go, a guard is recorded,
    see `guards`. `float()` gives the plain number. Like a tensor, a SymFloat is hashed by identity.
    """

    __slots__ = ()

    @staticmethod
    def _plain(value: Any) -> float:
        if not isinstance(value, (str, bytes)):
            try:
                return float(value)
            except (TypeError, ValueError):
                pass
        raise TypeError(f"SymFloat: the value {value!r} is not one real number")

    def __bool__(self) -> bool:
        return bool(self != 0)


class SymBool(Symbolic):
    """The result of comparing symbolic numbers; `&`, `|`, `^`, `~` combine it.

    `bool()`, and so `if`, `and`, `or`, `not`, gives its value and records a guard.

    >>> x = qgrad.SymFloat(5, name="x")
    >>> inside = (x > 0) & ~(x > 10)
    >>> inside, inside.expr
    (SymBool(True), '(x > 0) & ~(x > 10)')
    """

    __slots__ = ()

    @staticmethod
    def _plain(value: Any) -> bool:
        if isinstance(value, (bool, np.bool_)):
            return bool(value)
        raise TypeError(f"SymBool: the value {value!r} is not a bool")

    def __bool__(self) -> bool:
        if self._seen is not None:
            key = (self._op, *map(_guard_key, self._args)) if self._op else id(self)
            self._seen.add(key, Guard(self, self._value, caller()))
        return self._value


def make(value: Any, op: Op | None, args: Any) -> Any:
    """A SymFloat or SymBool of this value, made by `op` from `args`; a constant without both."""
    result = object.__new__(SymBool if value.__class__ is bool else SymFloat)
    seen = None
    for a in args or ():
        if isinstance(a, Node) and a._seen is not None:
            seen = a._seen if seen is None else seen.join(a._seen)
    _fill(result, value, op, args, seen)
    return result


def constant(value: Any) -> Any:
    """A SymFloat that depends on nothing, or a SymBool if the value is a bool."""
    return make(bool(value) if isinstance(value, (bool, np.bool_)) else float(value), None, None)


def size_variable(size: SymInt) -> Any:
    """The variable that stands for a free size, or for an expression of free sizes."""
    key = ("size", size.expr, int(size))
    found = _known.get(key)
    if found is None:
        found = object.__new__(SymFloat)
        text = format_expr(size.expr)
        variable = Variable(text if _is_dim(size.expr) else f"({text})", size.expr)
        _fill(found, float(int(size)), None, variable, GuardList())
        found = _known.setdefault(key, found)
    return found


def _fill(new: Symbolic, value: Any, op: Op | None, args: Any, seen: GuardList | None) -> None:
    new._value, new._op, new._args, new._seen = value, op, args, seen
    new._order = node.next_order()


def _guard_key(a: Any) -> Any:
    return id(a) if isinstance(a, Node) else a


def _variables_of(key: Any, mine: list[Node]) -> list[Node]:
    """The variables among `mine` that a key of `subs` means."""
    if isinstance(key, str):
        found = [v for v in mine if v._args.name == key]
        if not found:
            names = ", ".join(sorted(v._args.name for v in mine)) or "none"
            raise ValueError(f"subs: no variable is named {key!r}; those here: {names}")
        return found
    if not isinstance(key, Symbolic) or key.name is None:
        raise TypeError(
            f"subs: {key!r} is not a variable; give SymFloat(...) itself or its name, and compute "
            "with the new value to replace more than a variable"
        )
    return [key] if any(variable is key for variable in mine) else []


def _is_dim(expr: Expr) -> bool:
    return isinstance(expr, tuple) and expr[0] == "dim"


def _new_sizes(mine: list[Node], sizes: Mapping[SymInt, Any]) -> dict[Node, Node]:
    """The constants for those variables that stand for expressions of the given sizes."""
    shapes: dict[str, Any] = {}
    for size, value in sizes.items():
        if not _is_dim(size.expr):
            raise TypeError(f"subs: {size!r} is computed from sizes; give the sizes themselves")
        _, name, axis = size.expr  # type: ignore[misc]
        shapes.setdefault(name, {})[axis] = operator.index(value)
    new: dict[Node, Node] = {}
    for variable in mine:
        if variable._args.size is not None and dims_of(variable._args.size) & shapes.keys():
            try:
                new[variable] = constant(evaluate_expr(variable._args.size, shapes))
            except KeyError as error:
                raise ValueError(
                    f"subs: {variable._args.name} needs more sizes than those given"
                ) from error
    return new


def _replacement(variable: Node, value: Any) -> Node:
    kind = type(variable)
    if isinstance(value, SymInt):
        value = size_variable(value)
    if isinstance(value, Node):
        if type(value) is not kind:
            raise TypeError(f"subs: {value!r} for {variable!r}; give a {kind.__name__} or a number")
        return value
    return constant(kind._plain(value))  # type: ignore[attr-defined]


def _know(one: Any) -> None:
    """Make sure that a variable will be found again when it is unpickled."""
    variable = one._args
    if isinstance(variable, Variable) and variable.size is None and variable.uid is None:
        variable.uid = os.urandom(16)
        _known[variable.uid] = one


def _unflatten(entries: Any) -> Any:
    """The value that `flat.flatten` took apart."""
    made: list[Any] = []
    for entry in entries:
        made.append(_unflatten_one(entry, made))
    return made[-1]


def _unflatten_one(entry: Any, made: list[Any]) -> Any:
    if isinstance(entry, flat.FlatVariable):
        if entry.size is not None:
            return size_variable(SymInt(int(entry.value), entry.size))
        found = _known.get(entry.uid)
        if found is None:
            found = object.__new__(SymBool if isinstance(entry.value, bool) else SymFloat)
            variable = Variable(entry.name, None, entry.uid)
            _fill(found, entry.value, None, variable, GuardList())
            _known[entry.uid] = found
        return found
    if isinstance(entry, flat.FlatCall):
        args = tuple(made[a.entry] if isinstance(a, flat.Place) else a for a in entry.args)
        return make(entry.value, entry.op, args)
    return constant(entry)
