"""The record behind a symbolic value: a variable, a constant, or an op on other records.

Nothing here recurses: expressions may be chains of any length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any

from qgrad.ops.op import Op
from qgrad.symbolic.guards import GuardList

__all__ = ["Node", "Variable", "ancestors", "depending", "replay", "variables"]

next_order = count().__next__


class Variable:
    """What a variable is besides its value: its name, and the size that it stands for, if any.

    `uid` is given to it by the first pickle, so that all its copies are one variable.
    """

    __slots__ = ("name", "size", "uid")

    def __init__(self, name: str, size: Any = None, uid: bytes | None = None) -> None:
        self.name, self.size, self.uid = name, size, uid


class Node:
    """One value of an expression, immutable.

    op, args:   the op of the table that made it and all its arguments in order, Nodes among them;
                a variable has no op and a `Variable`, a constant neither
    value:      the float or bool that it is for the variables' present values
    order:      larger than that of every argument
    seen:       where guards on this value's variables are kept; None for constants
    """

    __slots__ = ("__weakref__", "_args", "_op", "_order", "_seen", "_value")

    _op: Op | None
    _args: Any
    _value: Any
    _order: int
    _seen: GuardList | None


def arguments(node: Node) -> Iterator[Node]:
    """The Nodes among the arguments of `node`, once for each place."""
    if node._op is not None:
        yield from (a for a in node._args if isinstance(a, Node))


def ancestors(roots: Iterable[Node]) -> list[Node]:
    """The roots and all that they were computed from, each once, arguments before users."""
    stack = list(roots)
    found = set()
    while stack:
        node = stack.pop()
        if node not in found:
            found.add(node)
            stack.extend(arguments(node))
    return sorted(found, key=lambda node: node._order)


def depending(nodes: Iterable[Node], sources: Iterable[Node]) -> set[Node]:
    """The sources, and those of `nodes` (arguments before users) that are computed from them."""
    found = set(sources)
    for node in nodes:
        if any(a in found for a in arguments(node)):
            found.add(node)
    return found


def variables(root: Node) -> list[Node]:
    """The variables that `root` depends on, oldest first."""
    return [node for node in ancestors([root]) if isinstance(node._args, Variable)]


def replay(root: Node, replacements: Mapping[Node, Node]) -> Node:
    """`root` computed again with other Nodes in place of some."""
    nodes = ancestors([root])
    changed = depending(nodes, replacements)
    new = dict(replacements)
    for node in nodes:
        if node in changed and node not in new:
            assert node._op is not None
            args = [new.get(a, a) if isinstance(a, Node) else a for a in node._args]
            new[node] = node._op(*args)
    return new.get(root, root)
