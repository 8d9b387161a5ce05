"""Guards: which way `bool()` of a symbolic condition sent the Python code.

Every variable keeps a list of guards. When variables meet in one expression their lists become
one, so that a guard is noted in constant time however large its condition is.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from threading import Lock
from types import FrameType
from typing import Any, NamedTuple

__all__ = ["Guard", "GuardList", "caller"]


class Guard(NamedTuple):
    """A condition that decided a branch: what was computed after it is true on that branch only.

    >>> x = qgrad.SymFloat(5, name="x")
    >>> y = x * x if x > 3 else x
    >>> y.guards[0].condition, y.guards[0].holds
    (SymBool(True), True)
    >>> y.guards[0].accepts({x: 2})
    False
    """

    condition: Any
    holds: bool
    source: str

    def __str__(self) -> str:
        return f"{self.condition.expr} is {self.holds}  {self.source}".rstrip()

    def accepts(self, values: Mapping[Any, Any]) -> bool:
        """Whether the code would take the same branch with these values of variables."""
        condition = self.condition.subs(values)
        return bool(condition.value) == self.holds


class GuardList:
    """The guards of a group of variables; `joined` leads to the list of a larger group."""

    __slots__ = ("guards", "joined")

    def __init__(self) -> None:
        self.guards: dict[Any, Guard] = {}
        self.joined: GuardList | None = None

    def add(self, key: Any, guard: Guard) -> None:
        """Note a guard, unless there is one under this key."""
        with _lock:
            _last(self).guards.setdefault(key, guard)

    def all(self) -> list[Guard]:
        """The guards of the whole group, in the order in which they were noted."""
        return list(_last(self).guards.values())

    def join(self, other: GuardList) -> GuardList:
        """One list for both groups."""
        a, b = _last(self), _last(other)
        if a is b:
            return a
        with _lock:
            a, b = _last(a), _last(b)
            if a is not b:
                a.guards.update(b.guards)
                b.guards, b.joined = {}, a
        return a


_lock = Lock()


def _last(guards: GuardList) -> GuardList:
    """The list at the end of the chain; the way there is halved for the next time."""
    while guards.joined is not None:
        if guards.joined.joined is not None:
            guards.joined = guards.joined.joined
        guards = guards.joined
    return guards


def caller() -> str:
    """ "file:line" of the innermost code outside of qgrad that is running."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not frame.f_globals.get("__name__", "").startswith("qgrad."):
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back
    return ""
