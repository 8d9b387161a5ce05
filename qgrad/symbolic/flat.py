"""An expression as a list without nesting, for pickle: it may be deeper than Python's stack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from qgrad.ops.op import Op
from qgrad.symbolic.node import Node, Variable

__all__ = ["FlatCall", "FlatVariable", "Place", "flatten"]


class Place(NamedTuple):
    """The value of an earlier entry."""

    entry: int


class FlatVariable(NamedTuple):
    """A variable; `uid` or `size` tells which."""

    name: str
    uid: bytes | None
    size: Any
    value: Any


class FlatCall(NamedTuple):
    """An op on plain values and earlier entries."""

    op: Op
    args: tuple[Any, ...]
    value: Any


def flatten(nodes: Sequence[Node]) -> list[Any]:
    """One entry for each Node, arguments before users: a plain value is a constant."""
    places: dict[Node, Place] = {}
    entries: list[Any] = []
    for node in nodes:
        places[node] = Place(len(entries))
        entries.append(_entry(node, places))
    return entries


def _entry(node: Node, places: dict[Node, Place]) -> Any:
    if isinstance(node._args, Variable):
        return FlatVariable(node._args.name, node._args.uid, node._args.size, node._value)
    if node._op is None:
        return node._value
    args = tuple(places[a] if isinstance(a, Node) else a for a in node._args or ())
    return FlatCall(node._op, args, node._value)
