"""A graph as text, one line per node: `name = op(args) : dtype[shape]  # path  source`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qgrad.symbolic import SymInt, format_expr

if TYPE_CHECKING:
    from qgrad.graph.ir import Node

__all__ = ["node_to_text", "value_to_text"]


def node_to_text(node: Node) -> str:
    """The line of one node; a size printed as `?` is free."""
    return f"{node.name} = {_call(node)}{_signature(node)}{_origin(node)}"


def _call(node: Node) -> str:
    if node.kind == "output":
        return f"output({value_to_text(node.args[0]) if node.args else ''})"
    if node.op is None:
        return f"{node.kind} {node.target}".rstrip()
    arguments = [value_to_text(arg) for arg in node.args]
    arguments += [f"{key}={value_to_text(value)}" for key, value in node.kwargs.items()]
    return f"{node.op.name}({', '.join(arguments)})"


def value_to_text(value: Any) -> str:
    """An argument as Python would write it, with nodes by name and free sizes as expressions."""
    if isinstance(value, SymInt):
        return format_expr(value.expr)
    if isinstance(value, (tuple, list)):
        inside = ", ".join(map(value_to_text, value))
        comma = "," if isinstance(value, tuple) and len(value) == 1 else ""
        return f"({inside}{comma})" if isinstance(value, tuple) else f"[{inside}]"
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{key!r}: {value_to_text(item)}" for key, item in value.items()) + "}"
        )
    if isinstance(value, slice):
        parts = [value.start, value.stop] + ([value.step] if value.step is not None else [])
        return ":".join("" if part is None else value_to_text(part) for part in parts)
    return "..." if value is Ellipsis else repr(value)


def _signature(node: Node) -> str:
    if node.dtype is None:
        return ""
    sizes = ",".join("?" if isinstance(size, SymInt) else str(size) for size in node.shape)
    return f" : {node.dtype.name}[{sizes}]"


def _origin(node: Node) -> str:
    origin = "  ".join(part for part in (node.path, node.source) if part)
    return f"  # {origin}" if origin else ""
