"""Which line of a QConfigMapping decided something, and what a model's modules resolved to."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from qgrad.quantization.factory import Factory
from qgrad.quantization.object_types import ObjectType, is_leaf, name_of
from qgrad.quantization.qconfig import QConfig

__all__ = ["CallCounter", "Resolution", "Resolved", "Rule", "call_scope", "short"]


@dataclass(frozen=True)
class Rule:
    """One line of a mapping.

    kind: "global", "type", "regex", "name" or "order"; "none" if no line applied.
    key: what the line is about: None, a class or op name, a pattern, a path, or
    (path, class or op name, index).
    """

    kind: str
    key: Any = None

    def __str__(self) -> str:
        if self.kind in ("global", "none"):
            return self.kind
        if self.kind == "type":
            return f"type {name_of(self.key)}"
        if self.kind == "order":
            path, what, index = self.key
            return f'order "{path}" {name_of(what)} {index}'
        return f'{self.kind} "{self.key}"'


@dataclass(frozen=True)
class Resolved:
    """What one module got: its path and class, the QConfig (None: stays float), and why."""

    path: str
    module_type: type
    qconfig: QConfig | None
    rule: Rule


class Resolution(Mapping[str, Resolved]):
    """Path -> Resolved for the modules of a model; prints as a table."""

    def __init__(self, entries: dict[str, Resolved]) -> None:
        self._entries = entries

    def __getitem__(self, path: str) -> Resolved:
        return self._entries[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def rows(self) -> list[tuple[str, str, str, str]]:
        """The cells of the table: module, type, rule, QConfig."""
        return [
            (at.path or "(model)", name_of(at.module_type), str(at.rule), short(at.qconfig))
            for at in self.values()
        ]

    def __str__(self) -> str:
        rows = [("module", "type", "rule", "qconfig"), *self.rows()]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])

    __repr__ = __str__


class CallCounter:
    """Counts calls as order rules do: per scope, the calls of one layer class or of one op.

    Ask for each node of a graph in running order. A layer's scope is the module that holds it; an
    op's scope is the module whose forward calls it. One call of a layer may take several nodes.
    """

    def __init__(self) -> None:
        self._counts: dict[tuple[str, ObjectType], int] = {}
        self._path: str | None = None
        self._ops: set[str] = set()  # of the layer call that is running

    def index(self, path: str, module_type: type | None, op_name: str) -> int:
        """How many calls like this node's came before it in its scope."""
        scope, key = call_scope(path, module_type, op_name)
        same_call = key != op_name and path == self._path and op_name not in self._ops
        if not same_call:
            self._counts[scope, key] = self._counts.get((scope, key), -1) + 1
            self._path, self._ops = path, set()
        self._ops.add(op_name)
        return self._counts[scope, key]


def call_scope(path: str, module_type: type | None, op_name: str) -> tuple[str, ObjectType]:
    """Where calls are counted and as what: a layer in its parent, an op in the calling module."""
    if module_type is not None and is_leaf(module_type):
        return path.rpartition(".")[0], module_type
    return path, op_name


def short(qconfig: QConfig | None) -> str:
    """A QConfig in a few words: bits and observer of activations (A) and weights (W)."""
    if qconfig is None:
        return "float"
    return f"A{_factory_short(qconfig.activation)}, W{_factory_short(qconfig.weight)}"


def _factory_short(factory: Callable[..., Any]) -> str:
    if not isinstance(factory, (Factory, type)):
        return f" {factory.__qualname__}"
    instance = factory()
    observer = getattr(instance, "activation_post_process", instance)
    name = type(observer).__name__.removesuffix("Observer")
    codes = getattr(observer, "quant_max", 0) - getattr(observer, "quant_min", 0) + 1
    return f"{math.ceil(math.log2(codes))} {name}" if codes > 1 else f" {name}"
