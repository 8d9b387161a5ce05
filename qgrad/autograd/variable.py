"""What the engine knows of a tensor, and the record of one operation."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

from qgrad.ops.op import Op, Plan

__all__ = ["Node", "Variable", "bump", "version"]

Array = np.ndarray[Any, Any]


class Variable:
    """The state of a tensor: its array, its place in the graph, and its gradient.

    `_cell` is the version counter of the memory, shared by all tensors that are views of it and
    made only when there is something to count. Hooks of a non-leaf are kept by its node.
    `_view` is (op, args, version) of a view that was recorded, args[0] being what it views; when
    the memory was changed in place since `version`, the view's history is out of date.
    """

    __slots__ = (
        "__weakref__",
        "_cell",
        "_data",
        "_hooks",
        "_node",
        "_requires_grad",
        "_view",
        "grad",
    )

    _data: Array
    _node: Node | None
    _requires_grad: bool
    _cell: list[int] | None
    _hooks: dict[int, Callable[..., Any]] | None
    _view: tuple[Op, tuple[Any, ...], int] | None
    grad: Any

    # What changes a tensor that has no memory of its own, such as a traced one: fn(op, args).
    _in_place: Callable[..., Any] | None = None


def version(variable: Variable) -> int:
    """How often the memory of `variable` was changed in place."""
    cell = variable._cell
    return 0 if cell is None else cell[0]


def bump(variable: Variable) -> None:
    """Note a change of the memory of `variable`."""
    cell = variable._cell
    if cell is None:
        variable._cell = [1]
    else:
        cell[0] += 1


# Newer nodes have lower numbers, so that a min-heap gives them in reverse order of creation.
next_order = count(0, -1).__next__


class Node:
    """One recorded operation: what made a tensor, and what its gradient rules need.

    edges:     for each rule its target: the node that made the argument, or the leaf itself
               (a list of those for an argument that is a list of tensors)
    saved:     values kept for the rules, laid out by `plan`; None after backward has freed them
    versions:  versions of the saved tensors when they were saved; None if all were 0
    cell:      version counter of the output, if the output is among the saved values
    """

    __slots__ = (
        "__weakref__",
        "cell",
        "dtype",
        "edges",
        "hooks",
        "op",
        "order",
        "plan",
        "saved",
        "shape",
        "versions",
    )

    op: Op
    plan: Plan
    edges: list[Any]
    saved: list[Any] | None
    versions: list[int] | None
    cell: list[int] | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    order: int
    hooks: dict[int, Callable[..., Any]] | None

    def name(self) -> str:
        """The name that PyTorch would give: `MulBackward0`."""
        return "".join(part.capitalize() for part in self.op.name.split("_")) + "Backward0"

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """The nodes that the gradient flows to; a leaf tensor stands for itself."""
        flat = [t for e in self.edges for t in (e if isinstance(e, list) else [e])]
        return tuple((target, 0) for target in flat)

    def __repr__(self) -> str:
        return f"<{self.name()}>"
