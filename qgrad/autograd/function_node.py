"""The place of a Function in the graph: its node, what it saved, and how its backward is run.

A Function with one differentiable output has one node. With several, its node is a Join, to which
the nodes of the outputs lead. Either holds a `Call`, which the engine frees with the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar
from weakref import ref

import numpy as np

from qgrad.autograd.engine import read_only
from qgrad.autograd.in_place import check_leaf, rebase
from qgrad.autograd.mode import recording
from qgrad.autograd.record import alias, check_savable, edge_of, make, noted, shared_cell
from qgrad.autograd.saved import changed_in_place, freed
from qgrad.autograd.variable import Join, Node, Variable, bump, next_order, version
from qgrad.boxing import box
from qgrad.errors import ShapeError
from qgrad.ops.op import Plan, Value

__all__ = ["connect", "connect_undifferentiable", "load_saved"]

Edge = Any  # a node, a leaf, or None
N = TypeVar("N", bound=Node)
new = object.__new__


class SavedTensor:
    """A saved tensor that is no output of the Function."""

    __slots__ = ("tensor", "version")

    def __init__(self, tensor: Variable) -> None:
        self.tensor, self.version = tensor, version(tensor)

    def load(self, node: Node, call: Call, i: int) -> Any:
        """The tensor, if it is as it was."""
        if version(self.tensor) != self.version:
            raise changed_in_place(node, f"its saved tensor {i}", self.tensor._data.shape)
        return self.tensor


class SavedOutput:
    """A saved output. Only its array is kept: the tensor would refer to the node, and only the
    cycle collector could free the two."""

    __slots__ = ("array", "cell", "place", "version")

    def __init__(self, tensor: Variable, place: int) -> None:
        self.cell = shared_cell(tensor)
        self.array, self.place, self.version = tensor._data, place, self.cell[0]

    def load(self, node: Node, call: Call, i: int) -> Any:
        """A tensor with the history of the output, if that is as it was."""
        if self.cell[0] != self.version:
            raise changed_in_place(node, f"its saved tensor {i}", self.array.shape)
        tensor = make(self.array)
        tensor._node, tensor._requires_grad = call.output_node(node, self.place), True
        tensor._cell = self.cell
        return tensor


class Call:
    """One application of a Function: all that its backward needs.

    shapes:   of the arguments, None for those without a gradient
    outputs:  shape and dtype of each output, None for what is not a tensor
    places:   which outputs are differentiable
    nodes:    weak references to the nodes of the outputs, if there are several
    """

    __slots__ = ("backward", "ctx", "name", "nodes", "outputs", "places", "saved", "shapes")

    backward: Callable[..., Any]
    ctx: Any
    name: str
    nodes: dict[int, Callable[[], Node | None]]
    outputs: list[tuple[tuple[int, ...], np.dtype[Any]] | None]
    places: list[int]
    saved: list[SavedTensor | SavedOutput | None]
    shapes: list[tuple[int, ...] | None]

    def output_node(self, node: Node, place: int) -> Node:
        """The node of one output, a new one if nobody has kept it."""
        if not isinstance(node, Join):
            return node
        known = self.nodes[place]()
        if known is None:
            known = _output_node(node, place, self.outputs[place])
            self.nodes[place] = ref(known)
        return known


class FunctionPlan(Plan):
    """The plan of a node whose one rule gives the gradients of all edges at once."""

    __slots__ = ()

    def __init__(self, rule: Callable[..., Any], picks: tuple[int, ...], *, holds: bool) -> None:
        self.targets, self.rules, self.holds = (0,), ((rule, picks),), holds
        self.frees = holds
        self.keep = self.shapes = ()
        self.keeps_output = self.keeps_extras = self.keeps_more = False


def run_backward(g: Any, call: Call) -> list[Value]:
    """The gradients of the arguments, from that of the one output, or from the list of them all."""
    several = len(call.places) > 1
    given = []
    for i, output in enumerate(call.outputs):
        part = g[i] if several else g if i == call.places[0] else None
        if part is not None:
            part = part if isinstance(part, Variable) else box(read_only(part))
        elif output is not None and call.ctx._materialize:
            part = box(np.zeros(*output))
        given.append(part)
    result = call.backward(call.ctx, *given)
    results = result if isinstance(result, tuple) else (result,)
    count = len(call.shapes)
    if len(results) < count or any(extra is not None for extra in results[count:]):
        raise RuntimeError(
            f"{call.name}: backward returned {len(results)} gradients, but forward took {count} "
            "arguments; return one for each, None where there is none"
        )
    return [_checked(call, i, shape, results[i]) for i, shape in enumerate(call.shapes)]


def _checked(call: Call, i: int, shape: tuple[int, ...] | None, g: Any) -> Value:
    """The gradient of argument `i` as the engine takes it."""
    if g is None or shape is None:
        return None
    if not isinstance(g, Variable):
        raise TypeError(
            f"{call.name}: backward returned a {type(g).__name__} as the gradient of argument "
            f"{i}, but must return a tensor or None"
        )
    found = g._data.shape
    if found != shape and not _broadcasts(shape, found):
        raise ShapeError(
            f"{call.name}: backward returned a gradient of shape {list(found)} for argument {i}, "
            f"which has shape {list(shape)}; return one of the argument's shape"
        )
    # A view, since the array may be the user's; the engine does not take it over then.
    return g if recording.get() else g._data.view()


def _broadcasts(shape: tuple[int, ...], larger: tuple[int, ...]) -> bool:
    pairs = zip(shape[::-1], larger[::-1], strict=False)
    return len(shape) <= len(larger) and all(n in (1, m) for n, m in pairs)


def refuse(g: Value, name: str) -> Any:
    """Raise: the backward of `name` is not differentiable."""
    raise RuntimeError(
        f"{name}: its backward is marked once_differentiable, and is now differentiated a second "
        "time; write it with differentiable operations and remove the mark, or do not pass "
        "create_graph=True"
    )


_KEEPING = FunctionPlan(run_backward, (0,), holds=True)
_REPEATABLE = FunctionPlan(run_backward, (0,), holds=False)
_REFUSING = FunctionPlan(refuse, (0,), holds=False)


@lru_cache(maxsize=64)
def _placing(place: int) -> FunctionPlan:
    return FunctionPlan(lambda g: (place, g), (), holds=False)


def _node(kind: type[N], op: Any, plan: Plan, edges: list[Any], saved: list[Any], output: Any) -> N:
    node = new(kind)
    node.op, node.plan, node.edges, node.saved = op, plan, edges, saved
    node.shape, node.dtype = output
    node.versions = node.cell = node.hooks = None
    node.order = next_order()
    return node


def _output_node(join: Join, place: int, output: Any) -> Node:
    """A node for one of several outputs."""
    return _node(Node, join.op, _placing(place), [join], [], output)


def connect(
    op: Any,
    backward: Callable[..., Any],
    ctx: Any,
    args: tuple[Any, ...],
    edges: list[Edge],
    outputs: tuple[Any, ...],
) -> list[Any]:
    """The outputs of a Function with their history; `edges` are those of its arguments."""
    places = [i for i, value in enumerate(outputs) if _differentiable(value, ctx)]
    results = _with_identity(op.name, args, outputs, places, ctx)
    if not places:
        ctx._to_save = ()
        return results
    call = Call()
    call.backward, call.ctx, call.name, call.places = backward, ctx, op.name, places
    call.shapes = [
        None if edge is None else a._data.shape for a, edge in zip(args, edges, strict=True)
    ]
    call.outputs = [
        (v._data.shape, v._data.dtype) if isinstance(v, Variable) else None for v in outputs
    ]
    call.saved = [_saved(op.name, tensor, results, places) for tensor in ctx._to_save]
    ctx._to_save = ()
    plan = _KEEPING if call.saved else _REPEATABLE
    if len(places) == 1:
        node: Node = _node(Node, op, plan, [edges], [call], call.outputs[places[0]])
        call.nodes, owners = {}, [node]
    else:
        node = join = _node(Join, op, plan, [edges], [call], ((), None))
        join.width = len(outputs)
        owners = [_output_node(join, i, call.outputs[i]) for i in places]
        call.nodes = {i: ref(owner) for i, owner in zip(places, owners, strict=True)}
    ctx._node = ref(node)
    noted(node, args, [results[i]._data for i in places])
    for i, owner in zip(places, owners, strict=True):
        _give_history(results[i], owner, ctx)
    return results


def _differentiable(value: Any, ctx: Any) -> bool:
    return (
        isinstance(value, Variable)
        and value._data.dtype.kind == "f"
        and all(value is not tensor for tensor in ctx._constant)
    )


def _with_identity(
    name: str, args: tuple[Any, ...], outputs: tuple[Any, ...], places: list[int], ctx: Any
) -> list[Any]:
    """The outputs as tensors that can be given a history: inputs are kept only if changed."""
    results: list[Any] = []
    for i, value in enumerate(outputs):
        if not isinstance(value, Variable):
            _check_no_tensors(name, i, value)
            results.append(value)
        elif any(value is tensor for tensor in ctx._dirty):
            if i in places:
                check_leaf(value, name)
            else:
                value._node, value._requires_grad = None, False
            bump(value)
            results.append(value)
        elif value._requires_grad or any(value is other for other in (*args, *results)):
            results.append(alias(value))
        else:
            results.append(value)
    return results


def _check_no_tensors(name: str, i: int, value: Any) -> None:
    """Refuse tensors that would be left without a gradient."""
    items = value.values() if isinstance(value, dict) else value
    if isinstance(value, (list, tuple, dict)) and any(isinstance(v, Variable) for v in items):
        raise TypeError(
            f"{name}: forward returned tensors inside a {type(value).__name__} (output {i}), where "
            "no gradient reaches them; return a tensor or a tuple of tensors"
        )


def _saved(
    name: str, tensor: Any, results: list[Any], places: list[int]
) -> SavedTensor | SavedOutput | None:
    if tensor is None:
        return None
    check_savable(tensor, name)
    for i in places:
        if results[i] is tensor:
            return SavedOutput(tensor, i)
    return SavedTensor(tensor)


def _give_history(tensor: Any, node: Node, ctx: Any) -> None:
    """Let `tensor` be what `node` made."""
    if any(tensor is dirty for dirty in ctx._dirty):
        result = make(tensor._data)
        result._node, result._requires_grad = node, True
        rebase(tensor, result)
    else:
        tensor._node, tensor._requires_grad = node, True


def connect_undifferentiable(
    node: Node, grad_outputs: Sequence[Any], grads: Sequence[Any]
) -> list[Any]:
    """`grads`, computed by the backward of `node`, as tensors that refuse to be differentiated."""
    targets = [*node.edges[0], *[edge_of(g) for g in grad_outputs]]
    edges = [target for target in targets if target is not None]
    results = list(grads)
    for i, tensor in enumerate(grads):
        if isinstance(tensor, Variable) and tensor._data.dtype.kind == "f":
            data = tensor._data
            results[i] = made = make(data)
            output = (data.shape, data.dtype)
            made._node = _node(Node, node.op, _REFUSING, [edges], [node.op.name], output)
            made._requires_grad = True
    return results


def load_saved(node: Node | None) -> tuple[Any, ...]:
    """The saved tensors of a Function's node."""
    if node is None or node.saved is None:
        raise freed("Function" if node is None else node.op.name)
    call: Call = node.saved[0]
    return tuple(
        None if saved is None else saved.load(node, call, i) for i, saved in enumerate(call.saved)
    )
