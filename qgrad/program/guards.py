"""Comparisons of sizes that decided which way a traced model's Python code went.

The instructions are the model's only where they come out as they did then; a call with other sizes
is refused.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Collection, Sequence
from typing import Any

from ..errors import ShapeError
from .build import fail
from .fields import Fault, evaluate, expression, references, shown
from .records import Env

__all__ = ["Guard", "check_guards", "checked_guards"]

_COMPARE = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
MAX_GUARDS = 10_000


@dataclasses.dataclass(frozen=True)
class Guard:
    """`left op right`, both expressions of sizes, must be `holds`; source: "file:line" of it."""

    op: str
    left: Any
    right: Any
    holds: bool
    source: str = ""


def checked_guards(guards: Sequence[Guard], known: Collection[str]) -> tuple[Guard, ...]:
    """Guards in canonical form; ModelFormatError if one is malformed or reads unknown values."""
    if len(guards) > MAX_GUARDS:
        fail("program", f"{len(guards)} guards, at most {MAX_GUARDS} are allowed")
    return tuple(_checked(i, guard, known) for i, guard in enumerate(guards))


def _checked(index: int, guard: Guard, known: Collection[str]) -> Guard:
    where = f"program: guard {index}"
    if guard.op not in _COMPARE:
        fail(where, f"op must be one of {', '.join(_COMPARE)}, got {shown(guard.op)}")
    if type(guard.holds) is not bool or not isinstance(guard.source, str):
        fail(where, "holds must be true or false and source a string")
    try:
        left, right = expression(guard.left), expression(guard.right)
    except Fault as fault:
        fail(where, f"a side {fault}")
    for name in references(left) | references(right):
        if name not in known:
            fail(where, f"reads the size of {shown(name)}, which is not a value")
    return dataclasses.replace(guard, left=left, right=right)


def check_guards(guards: Sequence[Guard], env: Env) -> None:
    """Raise ShapeError for the first guard that these shapes break."""
    for guard in guards:
        try:
            left, right = evaluate(guard.left, env), evaluate(guard.right, env)
        except Fault as fault:
            raise ShapeError(f"program: a guard cannot be read, {fault}") from None
        if _COMPARE[guard.op](left, right) is not guard.holds:
            raise ShapeError(
                f"program: was made for sizes where {_text(guard)} is {guard.holds}, here it is "
                f"{left} {guard.op} {right} (decided in {guard.source[:120] or 'the model'}). Make "
                "a program from an example of this size, or take the branch out of forward"
            )


def _text(guard: Guard) -> str:
    return f"{_side(guard.left)} {guard.op} {_side(guard.right)}"[:200]


def _side(expr: Any) -> str:
    if not isinstance(expr, tuple):
        return str(expr)
    if expr[0] == "dim":
        return f"{expr[1]}.shape[{expr[2]}]"
    return f"({_side(expr[1])} {expr[0]} {_side(expr[2])})"
