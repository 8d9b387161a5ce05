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
from qgrad.autograd.saved import arrays, holds_arrays, tensors
from qgrad.autograd.variable import Hooks, Join, Node, Variable, bump
from qgrad.boxing import box
from qgrad.errors import ShapeError
from qgrad.kernels.extension import core
from qgrad.ops.arithmetic import add
from qgrad.ops.cast import cast as change_dtype
from qgrad.ops.indexing import Part
from qgrad.ops.op import Value, describe
from qgrad.ops.quiet import QUIET, restore, silence
from qgrad.ops.reduction import sum_to_size
from qgrad.ops.shape import normalize_dims, permute

__all__ = ["Gradients", "accumulate", "run", "set_watch"]

ndarray = np.ndarray
_MOST_ENTRIES = 1024  # of the first dim of a sum, to keep account of
_watch: Any = None


def set_watch(watch: Any) -> None:
    """Tell `watch` of every node and gradient (see anomaly_mode); None: no longer."""
    global _watch
    _watch = watch


class Gradients:
    """Gradients on their way: the sums that reached nodes still to be run, and leaves.

    `owned` holds the leaves whose sum is an array that nothing else refers to, `collecting` the
    nodes and leaves whose sum is such an array, to which parts were added, `unwritten` which
    entries of such a sum are still undefined. Only what is in `wanted` is given a gradient,
    everything if it is None.
    """

    __slots__ = ("collecting", "heap", "owned", "sums", "unwritten", "wanted")

    def __init__(self, wanted: set[Any] | None) -> None:
        self.sums: dict[Any, Value] = {}
        self.heap: list[tuple[int, Node]] = []
        self.owned: set[Variable] = set()
        self.collecting: set[Any] = set()
        self.unwritten: dict[Any, set[int]] = {}
        self.wanted = wanted

    def give(self, target: Any, g: Value, source: Value) -> None:
        """Add `g`, computed from `source`, to the gradient of a node or leaf."""
        if g is None or (self.wanted is not None and target not in self.wanted):
            return
        if g.__class__ is ndarray:
            raw = g
        elif isinstance(g, Variable):
            raw = g._data
        elif target.__class__ is Join:
            self.collect(target, *g)
            return
        elif g.__class__ is Part:
            self.add_part(target, g)
            return
        else:
            raw = g = np.asarray(g)  # NumPy makes scalars of 0-d results
        is_node = target.__class__ is Node
        like = target if is_node else target._data
        if raw.shape != like.shape:
            reduce = sum_to_size.forward if g is raw else sum_to_size
            g = reduce(g, like.shape)
        if raw.dtype is not like.dtype:
            g = cast(g, like.dtype)
        sums = self.sums
        if target in sums:
            if target in self.unwritten:
                self.complete(target)
            sums[target] = plus(sums[target], g)
            if not is_node:
                self.owned.add(target)
        elif is_node:
            sums[target] = g
            heappush(self.heap, (target.order, target))
        else:
            sums[target] = g
            if g is not source and g.__class__ is ndarray and g.base is None:
                self.owned.add(target)

    def add_part(self, target: Any, part: Part) -> None:
        """Add the gradient of a part of `target` where it belongs, in place.

        Entries of the first dim that have got nothing yet are not even zeroed: of a tensor that is
        unbound, each is written once.
        """
        sums, is_node, index = self.sums, target.__class__ is Node, part.index
        total = sums.get(target)
        if total is None:
            like = target if is_node else target._data
            whole = index.__class__ is int and like.shape[0] <= _MOST_ENTRIES
            total = sums[target] = new_sum(target if is_node else None, like, zeroed=not whole)
            if whole:
                self.unwritten[target] = set(range(like.shape[0]))
            if is_node:
                heappush(self.heap, (target.order, target))
        elif target not in self.collecting or total.__class__ is not ndarray:
            total = sums[target] = np.array(total)
        self.collecting.add(target)
        if not is_node:
            self.owned.add(target)
        if target in self.unwritten:
            missing = self.unwritten[target]
            if index.__class__ is int and index % len(total) in missing:
                missing.remove(index % len(total))
                total[index] = part.value
                return
            self.complete(target)
        total[index] += part.value

    def complete(self, target: Any) -> None:
        """Zero what no part has written of the sum of `target`."""
        for i in self.unwritten.pop(target, ()):
            self.sums[target][i] = 0

    def collect(self, join: Join, place: int, g: Value) -> None:
        """Add `g` to the gradient of one output of an operation that has several."""
        parts = self.sums.get(join)
        if parts is None:
            parts = self.sums[join] = [None] * join.width
            heappush(self.heap, (join.order, join))
        parts[place] = g if parts[place] is None else plus(parts[place], g)


def new_sum(node: Node | None, like: Any, zeroed: bool) -> np.ndarray[Any, Any]:
    """An array for the gradient of what is `like`; for a permutation, in the order of its input.

    So the gradient of the input is contiguous, and a reshape behind it copies nothing.
    """
    new, shape = np.zeros if zeroed else np.empty, like.shape
    if node is None or node.op is not permute or not node.saved:
        return new(shape, like.dtype)
    order = normalize_dims(node.saved[0], len(shape))
    return new([shape[order.index(i)] for i in range(len(shape))], like.dtype).transpose(order)


def plus(a: Value, b: Value) -> Value:
    """The sum of two gradients."""
    if a.__class__ is ndarray and b.__class__ is ndarray and a.dtype is b.dtype:
        return add.forward(a, b)
    return a + b


def cast(g: Value, dtype: np.dtype[Any]) -> Value:
    """`g` in another dtype."""
    return change_dtype(g, dtype) if isinstance(g, Variable) else g.astype(dtype)


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
    nodes that are keys of `captures` are written there. In the end `sums` holds leaves only.
    """
    state, watch = Gradients(wanted), _watch
    mode = recording.get()
    recording.set(create_graph)
    token = silence(QUIET)
    try:
        for target, g in roots:
            state.give(target, g, g)
        plain = core is not None and not create_graph and captures is None and watch is None
        if not (plain and core.flow(state, retain_graph)):  # the same loop in C++
            flow(state, retain_graph, create_graph, captures, watch)
        for target in list(state.unwritten):
            state.complete(target)
    except Exception as error:
        if watch is not None:
            watch.failed(error)
        raise
    finally:
        if watch is not None:
            watch.enter(None)
        restore(token)
        recording.set(mode)
    return state


def flow(
    state: Gradients,
    retain_graph: bool,
    create_graph: bool,
    captures: dict[Node, Value] | None,
    watch: Any,
) -> None:
    """Run the nodes that a gradient has reached, newest first, until there is none."""
    heap, sums, unwritten = state.heap, state.sums, state.unwritten
    while heap:
        node = heappop(heap)[1]
        if unwritten and node in unwritten:
            state.complete(node)
        run_node(state, node, sums.pop(node), retain_graph, create_graph, captures, watch)


def run_node(
    state: Gradients,
    node: Node,
    g: Value,
    retain_graph: bool,
    create_graph: bool = False,
    captures: dict[Node, Value] | None = None,
    watch: Any = None,
) -> None:
    """Give what the gradient `g` of a node's output is for its arguments."""
    wanted = state.wanted
    if node.hooks is not None:
        g = run_hooks(node.hooks, g, f"{node.op.name}'s result")
    if captures is not None and node in captures:
        captures[node] = g
        if ends_at(node, wanted):
            return  # what made an input is neither read nor freed
    if watch is not None:
        watch.enter(node)
    plan = node.plan
    values = node.saved
    if values or values is None:
        values = tensors(node) if create_graph else arrays(node)
    for target, (fn, picks) in zip(node.edges, plan.rules):  # noqa: B905 (strict is slow)
        if wanted is not None and not is_wanted(target, wanted):
            continue
        result = fn(g, *[values[i] for i in picks]) if picks else fn(g)
        if watch is not None:
            watch.check(node, fn, result)
        if target.__class__ is list:
            for one, part in zip(target, result, strict=True):
                if one is not None:
                    state.give(one, part, g)
        else:
            state.give(target, result, g)
    if plan.holds and not retain_graph and (plan.frees or holds_arrays(node.saved)):
        node.saved = None  # the edges stay: whether a path was freed must be known


def run_hooks(hooks: Hooks, g: Value, what: str, *, leaf: bool = False) -> Value:
    """Call the hooks of `what` on its gradient; what a hook returns replaces it.

    That of a leaf may be changed in place; others' belong to the engine, which has them elsewhere.
    """
    was_array = not isinstance(g, Variable)
    tensor = box(np.array(g) if leaf else read_only(g)) if was_array else g
    for hook in list(hooks.values()):
        result = hook(tensor)
        if result is not None:
            tensor = checked_replacement(result, tensor, what)
    if hooks.retain is not None:
        hooks.retain(tensor)
    return tensor._data if was_array else tensor


def read_only(g: Any) -> Any:
    """A view of a gradient that cannot be written to."""
    view = np.asarray(g).view()
    view.flags.writeable = False
    return view


def checked_replacement(result: Any, g: Variable, what: str) -> Any:
    """The result of a hook, if it can stand for the gradient `g`."""
    if not isinstance(result, Variable):
        raise TypeError(
            f"backward: a hook on {what} returned a {type(result).__name__}, but must return a "
            "tensor, or None to leave the gradient as it is"
        )
    found, expected = result._data, g._data
    if found.shape != expected.shape or found.dtype != expected.dtype:
        raise ShapeError(
            f"backward: a hook on {what} returned {describe(found)} for a gradient "
            f"{describe(expected)}; return a tensor of the same shape and dtype"
        )
    return result


def accumulate(
    gradients: Mapping[Variable, Value], owned: Collection[Variable], create_graph: bool
) -> None:
    """Add gradients to the `.grad` of their tensors. Those of `owned` are nobody else's arrays."""
    for leaf, g in gradients.items():
        mine = leaf in owned
        hooks = leaf._hooks if leaf._node is None else None
        if hooks:
            g, mine = run_hooks(hooks, g, "a leaf", leaf=True), False
        before = leaf._grad
        if create_graph:
            leaf._grad = g if before is None else before + g
        elif before is None:
            leaf._grad = box(g if mine else np.array(g))
        elif before._requires_grad or not before._data.flags.writeable:
            leaf._grad = box(before._data + g)
        else:
            np.add(before._data, g, out=before._data)
            bump(before)
        if hooks is not None:
            for hook in list(hooks.after.values()):
                hook(leaf)


def reachable(roots: Iterable[Any], targets: set[Any]) -> set[Any]:
    """Those of the roots' ancestors that lie on a path to a target, and the targets."""
    nodes, stack = set(), [root for root in roots if isinstance(root, Node)]
    while stack:
        node = stack.pop()
        if node not in nodes:
            nodes.add(node)
            stack.extend(t for t in flat(node.edges) if isinstance(t, Node))
    wanted = set(targets)
    for node in sorted(nodes, key=lambda n: -n.order):  # oldest first: arguments before users
        if any(target in wanted for target in flat(node.edges)):
            wanted.add(node)
    return wanted


def is_wanted(target: Any, wanted: set[Any]) -> bool:
    """Whether the gradient of a target, or of one in a list of them, is asked for."""
    if target.__class__ is list:
        return any(one in wanted for one in target)
    return target in wanted


def ends_at(node: Node, wanted: set[Any] | None) -> bool:
    """Whether no gradient is asked for that flows on from `node`."""
    return wanted is not None and not any(is_wanted(target, wanted) for target in node.edges)


def flat(edges: Iterable[Any]) -> Iterable[Any]:
    """The targets of edges, those in lists too."""
    for edge in edges:
        if edge.__class__ is list:
            yield from edge
        else:
            yield edge
