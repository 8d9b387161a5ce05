"""What the engine knows of a tensor, and the record of one operation."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any, NoReturn

import numpy as np

from qgrad.boxing import box
from qgrad.errors import DTypeError, ShapeError
from qgrad.ops.op import Op, Plan
from qgrad.ops.promotion import default_float

__all__ = ["INFERENCE", "Hooks", "Join", "Node", "Variable", "bump", "set_history", "version"]

Array = np.ndarray[Any, Any]

INFERENCE: list[int] = [0]  # the version counter of all tensors made in inference mode


class Hooks(dict[int, Callable[..., Any]]):
    """The functions to call with a gradient, by key.

    retain:  called last, keeps the gradient of a tensor that is not a leaf
    after:   called with a leaf when its .grad has changed
    """

    __slots__ = ("after", "retain")

    def __init__(self) -> None:
        super().__init__()
        self.retain: Callable[..., Any] | None = None
        self.after: dict[int, Callable[..., Any]] = {}


class Variable:
    """What every tensor is: `isinstance(x, Variable)`; `Variable(x)` is a tensor on x's memory.

    As in PyTorch, tensors and variables are one. The state of a tensor is kept here: its array, its
    place in the graph, and its gradient.

    `_cell` is the version counter of the memory, shared by all tensors that are views of it and
    made only when there is something to count. Hooks of a non-leaf are kept by its node.
    `_view` is (op, args, version) of a view that was recorded, args[0] being what it views; when
    the memory was changed in place since `version`, the view's history is out of date. `op` is None
    for a view made while nothing was recorded, or by a Function: its history is not renewed.
    """

    __slots__ = (
        "__weakref__",
        "_cell",
        "_data",
        "_grad",
        "_hooks",
        "_node",
        "_requires_grad",
        "_view",
    )

    _data: Array
    _node: Node | None
    _requires_grad: bool
    _cell: list[int] | None
    _hooks: Hooks | None
    _view: tuple[Op | None, tuple[Any, ...], int] | None
    _grad: Any

    # What changes a tensor that has no memory of its own, such as a traced one: fn(op, args).
    _in_place: Callable[..., Any] | None = None
    # What raises for a use that such a tensor does not have: fn(what, way_out).
    _refuse: Callable[..., NoReturn] | None = None

    def __new__(cls, data: Any = None, requires_grad: bool = False) -> Any:
        """A tensor without history that shares the memory of the tensor `data`."""
        if data is not None and not isinstance(data, Variable):
            raise TypeError(
                f"Variable: data is a {type(data).__name__}, but must be a tensor; use "
                "qgrad.tensor(data, requires_grad=True)"
            )
        tensor = box(np.zeros(0, default_float()) if data is None else data._data)
        tensor.requires_grad = requires_grad
        return tensor

    @property
    def grad(self) -> Any:
        """The gradient that backwards have added up, None if there is none yet."""
        return self._grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            _check_grad(self, value)
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None


def _check_grad(variable: Variable, value: Any) -> None:
    """Raise if `value` cannot be the gradient of `variable`."""
    if not isinstance(value, Variable):
        raise TypeError(
            f"grad: a {type(value).__name__} is no gradient; assign a tensor, or None to drop it"
        )
    if value is variable:
        raise ValueError("grad: a tensor cannot be its own gradient; assign its clone()")
    if value._data.shape != variable._data.shape:
        raise ShapeError(
            f"grad: the gradient has shape {list(value._data.shape)}, the tensor "
            f"{list(variable._data.shape)}; assign one of the tensor's shape"
        )
    if value._data.dtype != variable._data.dtype:
        raise DTypeError(
            f"grad: the gradient is {value._data.dtype}, the tensor {variable._data.dtype}; assign "
            "g.to(x.dtype)"
        )


def set_history(variable: Variable, node: Node | None, requires_grad: bool) -> None:
    """Let `node` be what made `variable`, whose memory was changed; what retains its gradient
    goes with it."""
    before = variable._node
    variable._node, variable._requires_grad = node, requires_grad
    if before is not None and before.hooks is not None and before.hooks.retain is not None:
        retain, before.hooks.retain = before.hooks.retain, None
        if node is not None:
            node.hooks = node.hooks or Hooks()
            node.hooks.retain = retain


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
    versions:  versions of the saved tensors when they were saved, in a list for a list of tensors;
               None if all were 0
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
        "source",
        "versions",
    )

    op: Op
    plan: Plan
    edges: list[Any]
    saved: list[Any] | None
    versions: list[Any] | None
    cell: list[int] | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    order: int
    hooks: Hooks | None
    source: Any  # where the forward ran, set by anomaly mode only

    def name(self) -> str:
        """The name that PyTorch would give: `MulBackward0`."""
        given: str | None = getattr(self.op, "grad_name", None)
        return given or "".join(part.capitalize() for part in self.op.name.split("_")) + "Backward0"

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """The nodes that the gradient flows to; a leaf tensor stands for itself."""
        flat = [t for e in self.edges for t in (e if isinstance(e, list) else [e])]
        if len(flat) == 1 and isinstance(flat[0], Join):
            return flat[0].next_functions
        return tuple((target, 0) for target in flat)

    def __repr__(self) -> str:
        return f"<{self.name()}>"


class Join(Node):
    """An operation with several outputs. Each output has a node of its own, whose one edge leads
    here and whose rule gives (place, gradient); the rule of the join gets the list of all `width`
    gradients, None where there is none."""

    __slots__ = ("width",)

    width: int
