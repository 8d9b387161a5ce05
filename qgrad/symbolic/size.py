"""SymInt: an int that remembers how it was computed from the free dimensions of a traced model.

`x.shape[0]` of a traced value is a SymInt. It behaves as the example's int everywhere, and
`+ - * // %` also build an expression, so that `x.reshape(x.shape[0], -1)` is recorded for any batch
size.

An expression is an int, `("dim", value name, axis)`, or `(op, left, right)` with op one of
`+ - * //`; its JSON form is the same with lists for tuples. Modulo is written with the other four.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Expr = int | tuple[Any, ...]
"""int | ("dim", value name, axis) | (op, Expr, Expr)."""

OnCompare = Callable[[str, Expr, Expr, bool], bool]
"""Told of a comparison (op, left, right, result); returns the result that Python is to see."""

_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
}
_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_DROPPED_RIGHT = {"+": 0, "-": 0, "*": 1, "//": 1}  # e op neutral == e
_DROPPED_LEFT = {"+": 0, "*": 1}


class SymInt(int):
    """An int with the expression of free dimensions that gave it.

    >>> n = SymInt(8, ("dim", "x", 0))
    >>> m = n // 2 + 1
    >>> m, m.expr
    (SymInt(5, 'x.shape[0] // 2 + 1'), ('+', ('//', ('dim', 'x', 0), 2), 1))
    >>> m.evaluate({"x": (20, 3)})
    11

    Arithmetic with a float, `int()`, `float()` and `math` functions give plain numbers. Comparisons
    give the bool of the example's value; `on_compare` is told of each one.
    """

    expr: Expr
    on_compare: OnCompare | None

    def __new__(cls, value: int, expr: Expr, on_compare: OnCompare | None = None) -> SymInt:
        """An int of this value and expression."""
        self = super().__new__(cls, value)
        self.expr = expr
        self.on_compare = on_compare
        return self

    def evaluate(self, shapes: Mapping[str, Sequence[int]]) -> int:
        """The int that this expression is for values of these shapes, by value name."""
        return evaluate_expr(self.expr, shapes)

    def to_json(self) -> Any:
        """The expression as nested lists."""
        return expr_to_json(self.expr)

    def __add__(self, other: int) -> int:
        return _arithmetic("+", self, other)

    def __radd__(self, other: int) -> int:
        return _arithmetic("+", other, self)

    def __sub__(self, other: int) -> int:
        return _arithmetic("-", self, other)

    def __rsub__(self, other: int) -> int:
        return _arithmetic("-", other, self)

    def __mul__(self, other: int) -> int:
        return _arithmetic("*", self, other)

    def __rmul__(self, other: int) -> int:
        return _arithmetic("*", other, self)

    def __floordiv__(self, other: int) -> int:
        return _arithmetic("//", self, other)

    def __rfloordiv__(self, other: int) -> int:
        return _arithmetic("//", other, self)

    def __mod__(self, other: int) -> int:
        return self - self // other * other if isinstance(other, int) else NotImplemented

    def __rmod__(self, other: int) -> int:
        return other - other // self * self if isinstance(other, int) else NotImplemented

    def __divmod__(self, other: int) -> tuple[int, int]:
        return (self // other, self % other) if isinstance(other, int) else NotImplemented

    def __neg__(self) -> int:
        return 0 - self

    def __pos__(self) -> SymInt:
        return self

    def __eq__(self, other: object) -> bool:
        return _compare("==", self, other)

    def __ne__(self, other: object) -> bool:
        return _compare("!=", self, other)

    def __lt__(self, other: int) -> bool:
        return _compare("<", self, other)

    def __le__(self, other: int) -> bool:
        return _compare("<=", self, other)

    def __gt__(self, other: int) -> bool:
        return _compare(">", self, other)

    def __ge__(self, other: int) -> bool:
        return _compare(">=", self, other)

    def __bool__(self) -> bool:
        return _compare("!=", self, 0)

    __hash__ = int.__hash__
    __str__ = int.__repr__  # text made from a size holds the size

    def __repr__(self) -> str:
        return f"SymInt({int(self)}, {format_expr(self.expr)!r})"

    def __getnewargs__(self) -> tuple[int, Expr]:  # type: ignore[override]
        return int(self), self.expr


def expr_of(value: int) -> Expr:
    """The expression of an int: its own for a SymInt, else the plain int."""
    return value.expr if isinstance(value, SymInt) else int(value)


def evaluate_expr(expr: Expr, shapes: Mapping[str, Sequence[int]]) -> int:
    """The int that `expr` is for values of these shapes, by value name."""
    if not isinstance(expr, tuple):
        return expr
    op, left, right = expr
    if op == "dim":
        return shapes[left][right]
    return _ARITHMETIC[op](evaluate_expr(left, shapes), evaluate_expr(right, shapes))


def compare_exprs(op: str, left: Expr, right: Expr, shapes: Mapping[str, Sequence[int]]) -> bool:
    """Whether `left op right` holds for values of these shapes."""
    return _COMPARISONS[op](evaluate_expr(left, shapes), evaluate_expr(right, shapes))


def dims_of(expr: Expr) -> set[str]:
    """The names of the values whose shapes `expr` reads."""
    if not isinstance(expr, tuple):
        return set()
    op, left, right = expr
    return {left} if op == "dim" else dims_of(left) | dims_of(right)


def is_size(expr: Expr) -> bool:
    """Whether `expr` cannot be negative by its form: sums, products, quotients of sizes."""
    if not isinstance(expr, tuple):
        return expr >= 0
    op, left, right = expr
    return op == "dim" or (op != "-" and is_size(left) and is_size(right))


def rename_dims(expr: Expr, old: str, new: str) -> Expr:
    """`expr` reading the shape of value `new` where it read that of `old`."""
    if not isinstance(expr, tuple):
        return expr
    op, left, right = expr
    if op == "dim":
        return (op, new if left == old else left, right)
    return (op, rename_dims(left, old, new), rename_dims(right, old, new))


def expr_to_json(expr: Expr) -> Any:
    """`expr` as nested lists, the form that files hold."""
    return [expr_to_json(part) for part in expr] if isinstance(expr, tuple) else expr


def format_expr(expr: Expr) -> str:
    """`expr` as Python would write it: `x.shape[0] // 2 + 1`."""
    if not isinstance(expr, tuple):
        return str(expr)
    op, left, right = expr
    if op == "dim":
        return f"{left}.shape[{right}]"
    return f"{_format_operand(op, left, False)} {op} {_format_operand(op, right, True)}"


def _format_operand(op: str, operand: Expr, is_right: bool) -> str:
    text = format_expr(operand)
    if not isinstance(operand, tuple) or operand[0] == "dim":
        return text
    binds_weaker = op in ("*", "//") and operand[0] in ("+", "-")
    same_rank = (op in ("*", "//")) == (operand[0] in ("*", "//"))
    return f"({text})" if binds_weaker or (is_right and same_rank) else text


def _arithmetic(op: str, left: Any, right: Any) -> int:
    if not (isinstance(left, int) and isinstance(right, int)):
        return NotImplemented
    value = _ARITHMETIC[op](int(left), int(right))
    left_expr, right_expr = expr_of(left), expr_of(right)
    on_compare = getattr(left, "on_compare", None) or getattr(right, "on_compare", None)
    if _DROPPED_RIGHT.get(op) == right_expr:
        return SymInt(value, left_expr, on_compare)
    if _DROPPED_LEFT.get(op) == left_expr:
        return SymInt(value, right_expr, on_compare)
    return SymInt(value, (op, left_expr, right_expr), on_compare)


def _compare(op: str, left: SymInt, right: Any) -> bool:
    if not isinstance(right, int):
        return NotImplemented
    result = _COMPARISONS[op](int(left), int(right))
    on_compare = left.on_compare or getattr(right, "on_compare", None)
    return result if on_compare is None else on_compare(op, left.expr, expr_of(right), result)
