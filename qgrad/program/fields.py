"""Checks for the attributes of instructions, built from small parts.

A field takes what a file or caller gave and returns it in canonical form (tuples for lists), or
raises `Fault` with the rule that was broken; `build` adds which instruction it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .records import Env

__all__ = [
    "Fault",
    "Field",
    "boolean",
    "evaluate",
    "expression",
    "integer",
    "integers",
    "number",
    "numbers_by_name",
    "one_of",
    "optional",
    "references",
    "shown",
    "sizes",
]

Field = Callable[[Any], Any]
INT_LIMIT = 2**31 - 1  # every stored integer fits int32, so that C++ may multiply two of them
MAX_DEPTH = 32
MAX_RANK = 16


class Fault(Exception):
    """A broken rule, before it is known where."""


def shown(value: Any) -> str:
    """A value for a message, never long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def integer(low: int = -INT_LIMIT, high: int = INT_LIMIT) -> Field:
    """A whole number in [low, high]."""

    def check(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise Fault(f"must be an integer in [{low}, {high}], got {shown(value)}")
        return value

    return check


def integers(lengths: tuple[int, ...], low: int, high: int = INT_LIMIT) -> Field:
    """A list of whole numbers in [low, high], its length one of `lengths` (empty: any)."""
    item = integer(low, high)

    def check(value: Any) -> tuple[int, ...]:
        if not isinstance(value, (list, tuple)) or len(value) > MAX_RANK:
            raise Fault(f"must be a list of at most {MAX_RANK} integers, got {shown(value)}")
        if lengths and len(value) not in lengths:
            wanted = " or ".join(map(str, lengths))
            raise Fault(f"must have {wanted} entries, got {shown(value)}")
        return tuple(item(v) for v in value)

    return check


def number(value: Any) -> float:
    """A finite real number."""
    if type(value) not in (int, float) or not math.isfinite(value):
        raise Fault(f"must be a finite number, got {shown(value)}")
    return float(value)


def numbers_by_name(value: Any) -> dict[str, float]:
    """A dict of finite numbers."""
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise Fault(f"must be a dict of numbers, got {shown(value)}")
    return {name: number(v) for name, v in value.items()}


def boolean(value: Any) -> bool:
    """True or False."""
    if type(value) is not bool:
        raise Fault(f"must be true or false, got {shown(value)}")
    return value


def one_of(*names: str) -> Field:
    """One of a few words."""

    def check(value: Any) -> str:
        if type(value) is not str or value not in names:
            raise Fault(f"must be one of {', '.join(names)}, got {shown(value)}")
        return value

    return check


def optional(field: Field) -> Field:
    """What `field` takes, or None."""
    return lambda value: None if value is None else field(value)


def expression(value: Any) -> Any:
    """A size: an integer, ["dim", value name, axis] or [operator, size, size]."""
    return _expression(value, 0)


def _expression(value: Any, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise Fault(f"is nested deeper than {MAX_DEPTH}")
    if type(value) is int:
        return integer()(value)
    if isinstance(value, (list, tuple)) and len(value) == 3 and isinstance(value[0], str):
        head, left, right = value
        if head == "dim" and isinstance(left, str):
            return (head, left, integer(-MAX_RANK, MAX_RANK)(right))
        if head in ("+", "-", "*", "//"):
            return (head, _expression(left, depth + 1), _expression(right, depth + 1))
    raise Fault(f'must be an integer, ["dim", value, axis] or [+|-|*|//, a, b], got {shown(value)}')


def sizes(value: Any) -> tuple[Any, ...]:
    """A list of sizes for a reshape; one may be -1."""
    if not isinstance(value, (list, tuple)) or len(value) > MAX_RANK:
        raise Fault(f"must be a list of at most {MAX_RANK} sizes, got {shown(value)}")
    checked = tuple(expression(v) for v in value)
    if sum(1 for v in checked if v == -1) > 1:
        raise Fault(f"may hold one -1, got {shown(value)}")
    return checked


def references(expr: Any) -> set[str]:
    """The names of the values whose sizes an expression uses."""
    if not isinstance(expr, tuple):
        return set()
    return {expr[1]} if expr[0] == "dim" else references(expr[1]) | references(expr[2])


def evaluate(expr: Any, env: Env) -> int:
    """The size that an expression stands for, given the shapes of the values before it."""
    if isinstance(expr, int):
        return expr
    if expr[0] == "dim":
        shape = env[expr[1]]
        if not -len(shape) <= expr[2] < len(shape):
            raise Fault(f"axis {expr[2]} of {expr[1]!r} does not exist, its shape is {shape}")
        return shape[expr[2]]
    left, right = evaluate(expr[1], env), evaluate(expr[2], env)
    if expr[0] == "//":
        if right == 0:
            raise Fault(f"{left} // 0 in a size")
        return left // right
    result = left + right if expr[0] == "+" else left - right if expr[0] == "-" else left * right
    if abs(result) > 2**62:
        raise Fault(f"the size {left} {expr[0]} {right} is too large")
    return result
