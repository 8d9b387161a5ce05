"""Collects a Program's values, instructions and constants while a graph is lowered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from qgrad.errors import UnsupportedOpError
from qgrad.graph.ir import Graph, Node
from qgrad.program import Instruction, Value
from qgrad.qparams import QParams
from qgrad.symbolic import SymInt


class Builder:
    """Values carry the names of the graph's nodes; copies on the way have an ``@`` in theirs."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.values: dict[str, Value] = {}
        self.instructions: list[Instruction] = []
        self.constants: dict[str, np.ndarray] = {}
        self._aliases: dict[str, str] = {}

    def name(self, node: Node | str) -> str:
        """The value that holds a node's result."""
        name = node if isinstance(node, str) else node.name
        while name in self._aliases:
            name = self._aliases[name]
        return name

    def alias(self, node: Node, value: str) -> None:
        """A node that does nothing: its result is ``value``."""
        self._aliases[node.name] = value

    def layout(self, value: str) -> str:
        """Where the channels of a value lie: "row" or "cl" (last)."""
        return self.values[value].layout

    def qparams_or_none(self, value: str) -> QParams | None:
        """The QParams of a value, None for floats."""
        return self.values[value].qparams

    def qparams(self, value: str) -> QParams:
        """The QParams of a quantized value."""
        qparams = self.values[self.name(value)].qparams
        assert qparams is not None, f"{value} is not quantized"
        return qparams

    def wants_channels_last(self, node: Node) -> bool:
        """Whether a reader of ``node`` is a convolution or a pool."""
        kinds = {user.quant.kind for user in self._graph.users(node) if user.quant is not None}
        return bool(kinds & {"conv", "max_pool", "avg_pool"})

    def shared_layout(self, nodes: Sequence[Node]) -> str:
        """The layout that asks for the fewest copies: the inputs' own if they agree, else row."""
        layouts = {self.layout(self.name(n)) for n in nodes}
        return layouts.pop() if len(layouts) == 1 else "row"

    def add_value(
        self, name: str, dtype: str, qparams: QParams | None = None, layout: str = "row"
    ) -> str:
        """Declare a value that an input or an instruction defines."""
        self.values[name] = Value(name, dtype, qparams, layout)
        return name

    def emit(
        self,
        op: str,
        inputs: Sequence[str],
        node: Node,
        *,
        name: str | None = None,
        dtype: str | None = None,
        qparams: QParams | None = None,
        layout: str = "row",
        attrs: Mapping[str, Any] | None = None,
        constants: Mapping[str, np.ndarray] | None = None,
    ) -> str:
        """Append an instruction whose output is named after ``node`` (or ``name``)."""
        output = name or node.name
        kept = {
            role: self.constant(f"{output}.{role}", array)
            for role, array in (constants or {}).items()
        }
        kind = dtype or ("uint8" if qparams is not None else "float32")
        self.add_value(output, kind, qparams, layout)
        self.instructions.append(
            Instruction(op, tuple(inputs), output, dict(attrs or {}), kept, node.path)
        )
        return output

    def constant(self, name: str, array: np.ndarray) -> str:
        """Keep an array under ``name``."""
        self.constants[name] = np.ascontiguousarray(array)
        return name

    def quantized(self, node: Node, layout: str | None = None) -> str:
        """The codes of ``node``, in ``layout`` where the kernel asks for one."""
        value = self.name(node)
        if layout is None or self.values[value].layout == layout or len(node.shape) < 3:
            return value
        return self._in_layout(value, layout, node)

    def row(self, value: str) -> str:
        """``value`` as its logical shape says."""
        return value if self.layout(value) == "row" else self._in_layout(value, "row", None)

    def floats(self, node: Node) -> str:
        """The float32 values of ``node``, dequantized once."""
        value = self.name(node)
        if self.values[value].dtype != "uint8":
            return value
        name = f"{value}@float"
        if name not in self.values:
            self.emit("dequantize", [value], node, name=name, dtype="float32")
        return name

    def expression(self, size: Any) -> Any:
        """A dimension as the program stores it: an int, or nested lists over values' sizes."""
        if isinstance(size, (SymInt, tuple)):
            return self._expression(size)
        if isinstance(size, (int, np.integer)):
            return int(size)
        raise UnsupportedOpError(f"convert: shape entry {size!r} is neither an int nor x.shape[i]")

    def _expression(self, expr: Any) -> Any:
        if isinstance(expr, SymInt):
            return self._expression(expr.expr)
        if isinstance(expr, int):
            return int(expr)
        if expr[0] == "dim":
            return ["dim", self.name(expr[1]), int(expr[2])]
        return [expr[0], self._expression(expr[1]), self._expression(expr[2])]

    def _in_layout(self, value: str, layout: str, node: Node | None) -> str:
        name = f"{value}@{layout}"
        if name not in self.values:
            path = node.path if node is not None else ""
            qparams = self.values[value].qparams
            self.add_value(name, "uint8", qparams, layout)
            self.instructions.append(Instruction("layout", (value,), name, {}, {}, path))
        return name
