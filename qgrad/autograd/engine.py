"""The backward pass: one loop over the recorded nodes, newest first. Nothing here recurses.

With create_graph=False the rules run on plain arrays. With create_graph=True they run on Tensors
and are recorded themselves, so that the gradient can be differentiated again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from qgrad.autograd.mode import recording
from qgrad.autograd.variable import Node, Variable, bump
from qgrad.boxing import box
from qgrad.ops.op import Value
from qgrad.ops.quiet import reset_errors, silence_errors
from qgrad.ops.reduction import sum_to_size

__all__ = ["Gradients", "run"]

ndarray = np.ndarray


class Gradients:
    """Gradients on their way: for nodes still to be run, and the sums that reached leaves.

    `owned` holds the leaves whose sum is an array that nothing else refers to.
    """

    __slots__ = ("heap", "leaves", "owned", "pending", "wanted")

    def __init__(self, wanted: set[Any] | None) -> None:
        self.pending: dict[Node, Value] = {}
        self.heap: list[tuple[int, Node]] = []
        self.leaves: dict[Variable, Value] = {}
        self.owned: set[Variable] = set()
        self.wanted = wanted

    def give(self, target: Any, g: Value, source: Value) -> None:
        """Add `g`, computed from `source`, to the gradient of a node or leaf."""
        if g is None or (self.wanted is not None and target not in self.wanted):
            return
        if target.__class__ is Node:
            if g.shape != target.shape:
                g = sum_to_size(g, target.shape)
            if raw_dtype(g) is not target.dtype:
                g = cast(g, target.dtype)
            pending = self.pending
            if target in pending:
                pending[target] = pending[target] + g
            else:
                pending[target] = g
                heappush(self.heap, (target.order, target))
            return
        data = target._data
        if g.shape != data.shape:
            g = sum_to_size(g, data.shape)
        if raw_dtype(g) is not data.dtype:
            g = cast(g, data.dtype)
        if target in self.leaves:
            self.leaves[target] = self.leaves[target] + g
            self.owned.add(target)
        else:
            self.leaves[target] = g
            if g is not source and g.__class__ is ndarray and g.base is None:
                self.owned.add(target)


def raw_dtype(g: Value) -> Any:
    return g._data.dtype if isinstance(g, Variable) else g.dtype


def cast(g: Value, dtype: np.dtype[Any]) -> Value:
    return g.to(dtype) if isinstance(g, Variable) else g.astype(dtype)


def run(
    roots: Sequence[tuple[Any, Value]],
    *,
    retain_graph: bool,
    create_graph: bool,
    wanted: set[Any] | None = None,
    captures: dict[Node, Value] | None = None,
) -> Gradients:
    """Flow the gradients of `roots` (pairs of node or leaf, gradient) back to the leaves.

    Only the nodes and leaves in `wanted` are visited, all if it is None. The gradients of the
    nodes that are keys of `captures` are written there. Gives the gradients of the leaves.
    """
    state = Gradients(wanted)
    mode = recording.get()
    recording.set(create_graph)
    token = silence_errors()
    try:
        for target, g in roots:
            state.give(target, g, g)
        heap, pending = state.heap, state.pending
        while heap:
            node = heappop(heap)[1]
            g = pending.pop(node)
            if node.hooks is not None:
                g = run_hooks(node.hooks, g)
            if captures is not None and node in captures:
                captures[node] = g
            step(node, g, state, create_graph)
            if not retain_graph and node.plan.holds:
                node.saved = None
                node.edges = []
    finally:
        reset_errors(token)
        recording.set(mode)
    return state


def step(node: Node, g: Value, state: Gradients, create_graph: bool) -> None:
    """Run the gradient rules of one node."""
    values = unpack(node, create_graph)
    give = state.give
    for target, (fn, picks) in zip(node.edges, node.plan.rules, strict=True):
        try:
            result = fn(g, *[values[i] for i in picks])
        except Exception as error:
            error.add_note(f"in the gradient of {node.op.name}") if hasattr(
                error, "add_note"
            ) else None
            raise
        if target.__class__ is list:
            for one, part in zip(target, result, strict=True):
                if one is not None:
                    give(one, part, g)
        else:
            give(target, result, g)


def unpack(node: Node, as_tensors: bool) -> list[Any]:
    """The saved values for the rules: arrays, or Tensors that continue the graph."""
    saved = node.saved
    if saved is None:
        raise RuntimeError(
            f"backward: the graph of {node.op.name} was freed by an earlier backward; pass "
            "retain_graph=True to that one, or compute the forward again"
        )
    versions, values = node.versions, []
    for i, value in enumerate(saved):
        if isinstance(value, Variable):
            cell = value._cell
            if cell is not None and cell[0] != (0 if versions is None else versions[i]):
                raise modified(node, value, i)
            value = value if as_tensors else value._data
        elif not as_tensors and value.__class__ in (tuple, list):
            value = raw_items(value)
        values.append(value)
    if node.cell is not None:
        if node.cell[0]:
            raise modified(node, None, -1)
        if as_tensors:
            i = len(values) - 1 - node.plan.keeps_extras
            values[i] = reattach(node, values[i])
    return values


def raw_items(values: Iterable[Any]) -> Any:
    """A list or tuple of arguments with the arrays of its tensors."""
    return values.__class__(v._data if isinstance(v, Variable) else v for v in values)


def reattach(node: Node, output: Any) -> Any:
    """The output of `node` as a tensor of the graph. The node keeps the bare array: a tensor would
    refer to the node, and only the cycle collector could free the two."""
    tensor = box(output)
    tensor._node, tensor._requires_grad, tensor._cell = node, True, node.cell
    return tensor


def modified(node: Node, value: Variable | None, i: int) -> RuntimeError:
    """The error for a value that was changed in place after it was saved."""
    if value is None:
        what, shape = "its output", node.shape
    else:
        param = node.op.params[node.plan.keep[i]]
        what, shape = f"its argument {param!r}", value._data.shape
    return RuntimeError(
        f"{node.op.name}: {what} (shape {tuple(shape)}) was changed in place after the forward, "
        "but its gradient needs the old value. Change a copy (`x = x.clone()` first), or write "
        "`x = x + ...` instead of `x += ...`"
    )


def run_hooks(hooks: dict[int, Any], g: Value) -> Value:
    """Call the hooks of a tensor on its gradient; what a hook returns replaces it."""
    was_array = not isinstance(g, Variable)
    tensor = box(np.asarray(g)) if was_array else g
    for hook in list(hooks.values()):
        result = hook(tensor)
        if result is not None:
            tensor = result
    return tensor._data if was_array else tensor


def accumulate(
    gradients: Mapping[Variable, Value], owned: Collection[Variable], create_graph: bool
) -> None:
    """Add gradients to the `.grad` of their tensors. Those of `owned` are nobody else's arrays."""
    for leaf, g in gradients.items():
        mine = leaf in owned
        if leaf._hooks is not None and leaf._node is None:
            g, mine = run_hooks(leaf._hooks, g), False
        before = leaf.grad
        if create_graph:
            leaf.grad = g if before is None else before + g
        elif before is None:
            leaf.grad = box(g if mine else np.array(g))
        elif before._requires_grad or not before._data.flags.writeable:
            leaf.grad = box(before._data + g)
        else:
            np.add(before._data, g, out=before._data)
            bump(before)


def reachable(roots: Iterable[Any], targets: set[Any]) -> set[Any]:
    """Those of the roots' ancestors that lie on a path to a target, and the targets."""
    nodes, stack = set(), [root for root in roots if isinstance(root, Node)]
    while stack:
        node = stack.pop()
        if node not in nodes:
            nodes.add(node)
            stack.extend(t for t in flat(node.edges) if t.__class__ is Node)
    wanted = set(targets)
    for node in sorted(nodes, key=lambda n: -n.order):  # oldest first: arguments before users
        if any(target in wanted for target in flat(node.edges)):
            wanted.add(node)
    return wanted


def flat(edges: Iterable[Any]) -> Iterable[Any]:
    for edge in edges:
        if edge.__class__ is list:
            yield from edge
        else:
            yield edge
