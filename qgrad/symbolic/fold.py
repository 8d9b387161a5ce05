"""What need not be recorded: x + 0, x * 1, x ** 1 and the like, decided in constant time.

What is dropped cannot change the value, so that it stays that of the same code on floats.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from qgrad import ops
from qgrad.ops.op import Op
from qgrad.symbolic.node import Node

__all__ = ["fold"]

Inputs = tuple[Any, ...]


def fold(op: Op, inputs: Inputs) -> Any:
    """The Node or number that `op(*inputs)` is without being recorded, None if there is none."""
    rule = _RULES.get(op)
    if rule is None or rule.__code__.co_argcount != len(inputs):
        return None
    return rule(*inputs)


def _number(a: Any) -> bool:
    return not isinstance(a, Node)


def _is_float(a: Any) -> bool:
    return isinstance(a, Node) and isinstance(a._value, float)


def _add(a: Any, b: Any) -> Any:
    if _number(b) and b == 0 and _is_float(a):
        return a
    return b if _number(a) and a == 0 and _is_float(b) else None


def _sub(a: Any, b: Any) -> Any:
    return a if _number(b) and b == 0 and _is_float(a) else None


def _mul(a: Any, b: Any) -> Any:
    if _number(b):
        a, b = b, a
    if not (_number(a) and _is_float(b)):
        return None
    if a == 0 and math.isfinite(b._value):
        return 0.0
    return b if a == 1 else None


def _div(a: Any, b: Any) -> Any:
    if _number(a) and a == 0 and _is_float(b) and math.isfinite(b._value) and b._value != 0:
        return 0.0
    return a if _number(b) and b == 1 and _is_float(a) else None


def _pow(a: Any, b: Any) -> Any:
    if not (_number(b) and _is_float(a)):
        return None
    return 1.0 if b == 0 else a if b == 1 else None


def _twice(op: Op) -> Callable[..., Any]:
    """f(f(x)) is x."""

    def rule(a: Any) -> Any:
        return a._args[0] if isinstance(a, Node) and a._op is op else None

    return rule


def _where(condition: Any, a: Any, b: Any) -> Any:
    if _number(condition):
        return a if condition else b
    return a if a is b else None


def _and(a: Any, b: Any) -> Any:
    return _logic(a, b, neutral=True)


def _or(a: Any, b: Any) -> Any:
    return _logic(a, b, neutral=False)


def _logic(a: Any, b: Any, neutral: bool) -> Any:
    if b.__class__ is bool:
        a, b = b, a
    if a.__class__ is not bool or not isinstance(b, Node) or b._value.__class__ is not bool:
        return None
    return b if a is neutral else not neutral


def _same(a: Any) -> Any:
    return a if isinstance(a, Node) else None


_RULES: dict[Op, Callable[..., Any]] = {
    ops.add: _add,
    ops.bitwise_and: _and,
    ops.bitwise_not: _twice(ops.bitwise_not),
    ops.bitwise_or: _or,
    ops.clone: _same,
    ops.div: _div,
    ops.identity: _same,
    ops.logical_and: _and,
    ops.logical_or: _or,
    ops.mul: _mul,
    ops.neg: _twice(ops.neg),
    ops.pow: _pow,
    ops.sub: _sub,
    ops.where: _where,
    ops.zeros_like: lambda a: 0.0,
}
