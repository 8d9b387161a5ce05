"""What nodes have saved for their gradient rules, if it is still there and as it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qgrad.autograd.variable import Node, Variable, version
from qgrad.boxing import box

__all__ = ["arrays", "changed_in_place", "freed", "holds_arrays", "raw_items", "tensors"]


def holds_arrays(values: Any) -> bool:
    """Whether there is an array or tensor among the values, or in a list of them."""
    return any(
        isinstance(v, (Variable, np.ndarray)) or (isinstance(v, (tuple, list)) and holds_arrays(v))
        for v in values
    )


def arrays(node: Node) -> list[Any]:
    """The saved values for the rules, with arrays for tensors."""
    if node.saved is None:
        raise freed(node.op.name)
    if node.cell is not None and node.cell[0]:
        raise changed_in_place(node, "its output", node.shape)
    values = node.saved.copy()
    for i in range(len(node.plan.keep)):  # what follows, shapes and extras, has no tensors
        value = values[i]
        if isinstance(value, Variable):
            values[i] = (value if value._cell is None else checked(node, value))._data
        elif value.__class__ is tuple or value.__class__ is list:
            values[i] = raw_items(checked_items(node, value))
    return values


def tensors(node: Node) -> list[Any]:
    """The saved values for the rules, with tensors that continue the graph."""
    if node.saved is None:
        raise freed(node.op.name)
    values = [
        checked(node, value)
        if isinstance(value, Variable)
        else checked_items(node, value)
        if value.__class__ is tuple or value.__class__ is list
        else value
        for value in node.saved
    ]
    if node.cell is not None:
        if node.cell[0]:
            raise changed_in_place(node, "its output", node.shape)
        i = len(values) - 1 - node.plan.keeps_extras
        values[i] = reattach(node, values[i])
    return values


def checked(node: Node, value: Variable) -> Variable:
    """`value`, if it is as it was when `node` saved it."""
    if value._cell is not None:
        i = place_of(node, value)
        if value._cell[0] != (0 if node.versions is None else node.versions[i]):
            raise changed_in_place(node, argument(node, i), value._data.shape)
    return value


def checked_items(node: Node, values: Any) -> Any:
    """A list or tuple of arguments, if the tensors in it are as they were."""
    if any(isinstance(v, Variable) and v._cell is not None for v in values):
        i = place_of(node, values)
        before = [0] * len(values) if node.versions is None else node.versions[i]
        for value, count in zip(values, before, strict=True):
            if isinstance(value, Variable) and version(value) != count:
                raise changed_in_place(node, argument(node, i), value._data.shape)
    return values


def place_of(node: Node, value: Any) -> int:
    """Where `node` has saved `value`."""
    assert node.saved is not None
    return next(i for i, saved in enumerate(node.saved) if saved is value)


def argument(node: Node, i: int) -> str:
    """The argument that is the saved value `i`, in words."""
    return f"its argument {node.op.params[node.plan.keep[i]]!r}"


def freed(name: str) -> RuntimeError:
    """The error for a graph that an earlier backward has freed; `name` is the operation's."""
    return RuntimeError(
        f"backward: the graph of {name} was freed by an earlier backward; pass "
        "retain_graph=True to that one, or compute the forward again"
    )


def raw_items(values: list[Any] | tuple[Any, ...]) -> Any:
    """A list or tuple of arguments with the arrays of its tensors."""
    raw = [v._data if isinstance(v, Variable) else v for v in values]
    return raw if values.__class__ is list else tuple(raw)


def reattach(node: Node, output: Any) -> Any:
    """The output of `node` as a tensor of the graph. The node keeps the bare array: a tensor would
    refer to the node, and only the cycle collector could free the two."""
    tensor = box(output)
    tensor._node, tensor._requires_grad, tensor._cell = node, True, node.cell
    return tensor


def changed_in_place(node: Node, what: str, shape: Sequence[int]) -> RuntimeError:
    """The error for something that `node` saved and that is not what it was."""
    return RuntimeError(
        f"{node.op.name}: {what} (shape {tuple(shape)}) was changed in place after the forward, "
        "but its gradient needs the old value. Change a copy (`x = x.clone()` first), or write "
        "`x = x + ...` instead of `x += ...`"
    )
