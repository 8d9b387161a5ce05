"""Anomaly mode: find the line of the forward whose gradient is NaN, or fails.

While it is on, every recorded operation notes the line that called it, and every gradient is looked
at. It is for debugging: it takes time, and it is on for all threads.
"""

from __future__ import annotations

import linecache
import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from qgrad.autograd.engine import flat, set_watch
from qgrad.autograd.record import set_note
from qgrad.autograd.source import source_line, user_frame
from qgrad.autograd.variable import Node, Variable

__all__ = [
    "detect_anomaly",
    "is_anomaly_check_nan_enabled",
    "is_anomaly_enabled",
    "set_detect_anomaly",
]

Array = np.ndarray[Any, Any]
_MAX_CODE = 80


class Origin(NamedTuple):
    """Where a recorded operation was called, and whether it made NaN of values without.

    `parent` is the node whose gradient it is part of, if a backward with create_graph recorded it.
    """

    where: str
    code: str
    made_nan: bool
    parent: Node | None

    def __str__(self) -> str:
        return f"{self.where} (`{self.code}`)" if self.code else self.where or "an unknown line"


class Watch:
    """What the engine tells of each node and gradient while anomaly mode is on."""

    def __init__(self, check_nan: bool) -> None:
        self.check_nan = check_nan
        self._local = threading.local()

    def note(self, node: Node, args: Sequence[Any], outputs: Sequence[Array]) -> None:
        """Remember where `node` was recorded."""
        frame = user_frame()
        code = linecache.getline(*frame).strip() if frame else ""
        code = code if len(code) <= _MAX_CODE else code[: _MAX_CODE - 3] + "..."
        made_nan = self.check_nan and any(map(_has_nan, outputs)) and not _has_nan(args)
        parent: Node | None = getattr(self._local, "node", None)
        node.source = Origin(source_line(), code, made_nan, parent)

    def enter(self, node: Node | None) -> None:
        """The engine goes on to `node`; None at the end."""
        self._local.node = node

    def check(self, node: Node, rule: Callable[..., Any], result: Any) -> None:
        """Raise if a gradient that the rule of `node` gave has NaN."""
        if not self.check_nan or isinstance(result, tuple):  # a tuple: from an output to its Join
            return
        for i, g in enumerate(result if isinstance(result, list) else [result]):
            if _has_nan(g):
                self.enter(None)
                raise RuntimeError(_explain(node, rule, i, result, g))

    def failed(self, error: BaseException) -> None:
        """Add to an error the place of the forward whose gradient raised it."""
        node: Node | None = getattr(self._local, "node", None)
        add_note = getattr(error, "add_note", None)  # Python 3.11
        if node is not None and add_note is not None:
            add_note(f"backward of {node.op.name}: {_place(node)}")


def _arrays(value: Any) -> Iterator[Array]:
    if isinstance(value, Variable):
        value = value._data
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _arrays(item)
    elif isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind == "f":
        yield np.asarray(value)


def _has_nan(value: Any) -> bool:
    return any(bool(np.isnan(array).any()) for array in _arrays(value))


def _place(node: Node) -> str:
    """Where the forward of `node` ran, in words."""
    origin: Origin | None = getattr(node, "source", None)
    if origin is None:
        return "its forward ran before anomaly mode was on; put the forward into it too"
    if origin.parent is not None:
        return f"part of the gradient of {origin.parent.op.name}, {_place(origin.parent)}"
    return f"its forward ran at {origin}"


def _explain(node: Node, rule: Callable[..., Any], i: int, result: Any, g: Any) -> str:
    (array,) = _arrays(g)
    nan = np.isnan(array)
    first = [int(k) for k in np.argwhere(nan)[0]]
    text = (
        f"backward: {node.op.name}'s gradient for {_argument(node, rule, i, result)} has NaN in "
        f"{int(nan.sum())} of {nan.size} elements, first at {first}; {_place(node)}."
    )
    source = _first_nan(node)
    if source is not None:
        how = "this operation" if source is node else f"{source.op.name} at {source.source}"
        text += f" The values were NaN before: the first NaN of the forward was made by {how}."
    return text


def _argument(node: Node, rule: Callable[..., Any], i: int, result: Any) -> str:
    params: Sequence[str] = getattr(node.op, "params", ())
    if not params:
        return f"argument {i}"
    rules = [fn for fn, _ in node.plan.rules]
    name = repr(params[node.plan.targets[rules.index(rule)]])
    return f"{name}[{i}]" if isinstance(result, list) else name


def _first_nan(node: Node) -> Node | None:
    """The oldest operation on the way to `node` that made NaN of values without."""
    seen: set[Node] = set()
    stack, found = [node], None
    while stack:
        one = stack.pop()
        if one in seen:
            continue
        seen.add(one)
        stack.extend(t for t in flat(one.edges) if isinstance(t, Node))
        origin = getattr(one, "source", None)
        if origin is not None and origin.made_nan and (found is None or one.order > found.order):
            found = one
    return found


_watch: Watch | None = None


def _set(watch: Watch | None) -> None:
    global _watch
    _watch = watch
    set_watch(watch)
    set_note(None if watch is None else watch.note)


def is_anomaly_enabled() -> bool:
    """Whether anomaly mode is on."""
    return _watch is not None


def is_anomaly_check_nan_enabled() -> bool:
    """Whether anomaly mode is on and looks for NaN."""
    return _watch is not None and _watch.check_nan


class set_detect_anomaly:
    """Turn anomaly mode on or off at once; a `with` block puts it back at its end."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = _watch
        _set(Watch(check_nan) if mode else None)

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _set(self._before)


class detect_anomaly(set_detect_anomaly):
    """Find what makes gradients NaN: `with detect_anomaly(): ...` around forward and backward.

    A gradient with NaN raises RuntimeError that names the operation, the line of your code that
    called it in the forward, and the operation that made the first NaN of the forward, if there
    was one. Other exceptions in a backward get a note with the line; with `check_nan=False`, that
    is all.
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._check_nan = check_nan

    def __enter__(self) -> None:
        self._before = _watch
        _set(Watch(self._check_nan))
