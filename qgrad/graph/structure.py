"""Nested tuples, lists, dicts and slices, and what stands at their leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["leaves", "map_leaves"]


def map_leaves(fn: Callable[[Any], Any], value: Any) -> Any:
    """`value` with `fn(leaf)` for every leaf of its nested tuples, lists, dicts and slices."""
    kind = type(value)
    if kind is tuple or kind is list:
        return kind([map_leaves(fn, item) for item in value])
    if kind is dict:
        return {key: map_leaves(fn, item) for key, item in value.items()}
    if kind is slice:
        return slice(*(map_leaves(fn, part) for part in (value.start, value.stop, value.step)))
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return kind(*(map_leaves(fn, item) for item in value))
    return fn(value)


def leaves(value: Any) -> Iterator[Any]:
    """The leaves of nested tuples, lists, dicts and slices, in order."""
    if isinstance(value, (tuple, list)):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, dict):
        yield from leaves(list(value.values()))
    elif isinstance(value, slice):
        yield from leaves((value.start, value.stop, value.step))
    else:
        yield value
