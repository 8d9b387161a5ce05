"""The first run of a model under the tracer: every call of an op becomes a node.

Each value has two shadows, computed with the free dimensions at two sizes (the example's and twice
that). A dimension that differs between the shadows is free, and becomes a SymInt.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qgrad import dtypes
from qgrad.errors import TraceError
from qgrad.graph.guards import SizeGuard, TrainingFlag, TrainingGuard
from qgrad.graph.ir import Graph, Node
from qgrad.graph.session import Place, Session
from qgrad.graph.structure import leaves, map_leaves
from qgrad.graph.tracer import Tracer
from qgrad.ops.op import Op
from qgrad.symbolic import Expr, SymInt
from qgrad.tensor import Tensor

__all__ = ["Recorder"]

Array = np.ndarray[Any, Any]

_PLAIN = (type(None), bool, int, float, complex, str, type, np.generic, np.dtype, dtypes.DType)

_FIX = (
    "If a size became a number or a constant, compute with x.shape and + - * //; if a dimension "
    "cannot be free, fix it: dynamic_dims={input index: (free axes)}, () for none."
)


class Recorder(Session):
    """Records into `graph`; `sizes` has every node's shape for the second size of the free dims."""

    def __init__(self) -> None:
        super().__init__()
        self.graph = Graph()
        self.sizes: dict[str, tuple[int, ...]] = {}
        self._constants: dict[int, tuple[Any, Node]] = {}  # by id of the tensor, which is kept

    # -- what a trace starts and ends with -------------------------------------------------------

    def input(self, name: str, first: Array, second: Array) -> Tracer:
        """A new input with its two shadows."""
        return self._add(Node(self.graph.unique_name(name), "input"), first, second)

    def parameter(self, path: str, tensor: Tensor) -> Tracer:
        """A tracer of a parameter; it gets a node when an op takes it first."""
        shadow = tensor._data.view()
        shadow.flags.writeable = False
        return self._leaf(path, tensor, shadow)

    def buffer(self, path: str, tensor: Tensor) -> Tracer:
        """A tracer of a buffer; ops that update their buffers work on a copy."""
        return self._leaf(path, tensor, np.array(tensor._data))

    def _leaf(self, path: str, tensor: Tensor, shadow: Array) -> Tracer:
        tracer: Tracer = Tracer(self, None, tensor.shape, tensor.dtype, path)
        tracer.shadows = (shadow, shadow)
        return tracer

    def output(self, value: Any) -> None:
        """End the graph with what the model returned."""
        recorded = map_leaves(self._output_leaf, value)
        self.graph.add(Node(self.graph.unique_name("output"), "output", args=(recorded,)))

    def _output_leaf(self, leaf: Any) -> Any:
        if isinstance(leaf, Tensor) or leaf is None or type(leaf) in (bool, int, float, SymInt):
            return self._recorded(leaf)
        raise TraceError(
            f"trace: the model returned a value of type {type(leaf).__name__}, which a graph "
            "cannot. Return tensors, alone or in tuples, lists and dicts."
        )

    # -- what the model's code does --------------------------------------------------------------

    def compare(self, op: str, left: Expr, right: Expr, holds: bool) -> bool:
        """The example's result, noted as a guard."""
        self.events.append(SizeGuard(op, left, right, holds, self.place().source))
        return holds

    def read_training(self, path: str, value: bool) -> bool:
        """The model's mode, noted as a guard."""
        self.events.append(TrainingGuard(path, value, self.place().source))
        return value

    def step(self, op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tracer:
        """Add a node for the call."""
        place = self.place()
        values = op.positional(args, kwargs)
        first = second = self._compute(op, values, 0)
        if any(_is_free(leaf) for leaf in leaves(values)):
            second = self._second(op, values, first)
        node = Node(
            self.graph.unique_name(self._name(op, place)),
            "op",
            op=op,
            args=map_leaves(self._recorded, args),
            kwargs=map_leaves(self._recorded, kwargs),
            path=place.path,
            module_type=place.module_type,
            source=place.source,
        )
        return self._add(node, first, second)

    def _compute(self, op: Op, values: tuple[Any, ...], which: int) -> Array:
        """The op on shadows, always in evaluation mode: no random numbers, no new statistics."""
        shadows = [
            False if name == "training" else self._shadow(value, which)
            for name, value in zip(op.params, values, strict=True)
        ]
        return np.asarray(op(*shadows))

    def _second(self, op: Op, values: tuple[Any, ...], first: Array) -> Array:
        """The result for the second size of the free dimensions."""
        try:
            second = self._compute(op, values, 1)
        except Exception as error:
            what = f"{op.name} fails when the free dimensions are twice as large ({error})"
            raise TraceError(self.explain(what, _FIX)) from error
        if second.ndim != first.ndim or second.dtype != first.dtype:
            what = f"the rank or dtype of {op.name}'s result depends on the free dimensions"
            raise TraceError(self.explain(what, _FIX))
        return second

    def _shadow(self, value: Any, which: int) -> Any:
        def shadow(leaf: Any) -> Any:
            if isinstance(leaf, Tracer):
                return leaf.shadows[which]
            if isinstance(leaf, Tensor):
                return leaf._data
            if isinstance(leaf, SymInt):
                return leaf.evaluate(self.sizes) if which else int(leaf)
            return leaf

        return map_leaves(shadow, value)

    def _recorded(self, leaf: Any) -> Any:
        """The leaf as the graph holds it."""
        if isinstance(leaf, Tracer):
            return leaf.node if leaf.node is not None else self._add_parameter(leaf)
        if isinstance(leaf, (Tensor, np.ndarray)):
            return self._constant(leaf)
        if isinstance(leaf, SymInt):
            return SymInt(int(leaf), leaf.expr)
        if isinstance(leaf, TrainingFlag):
            return TrainingFlag(leaf.path, leaf.value)
        if leaf is Ellipsis or isinstance(leaf, _PLAIN):
            return leaf
        what = f"an argument of type {type(leaf).__name__} cannot be recorded"
        raise TraceError(self.explain(what, "Pass tensors, numbers, strings and nests of them."))

    def _add_parameter(self, tracer: Tracer) -> Node:
        path = tracer.target
        base = f"p_{path}" if path[0].isdigit() else path
        node = Node(self.graph.unique_name(base), "param", target=path)
        tracer.node = self._add(node, *tracer.shadows).node
        return node

    def _constant(self, value: Tensor | Array) -> Node:
        known = self._constants.get(id(value))
        if known is not None:
            return known[1]
        if isinstance(value, Tensor) and not value.is_leaf:
            what = "a tensor computed from others outside of the model cannot be recorded"
            way_out = "Compute it in forward from the model's parameters, or detach() it."
            raise TraceError(self.explain(what, way_out))
        tensor = value if isinstance(value, Tensor) else Tensor._make(np.array(value))
        node = Node(self.graph.unique_name("const"), "const", path=self.place().path)
        node.target = node.name
        self.graph.constants[node.name] = tensor
        self._add(node, tensor._data, tensor._data)
        self._constants[id(value)] = (value, node)
        return node

    def _add(self, node: Node, first: Array, second: Array) -> Tracer:
        node.dtype = dtypes.from_numpy(first.dtype)
        node.shape = _sizes(node.name, first, second)
        self.sizes[node.name] = second.shape
        self.graph.add(node)
        tracer: Tracer = Tracer(self, node, self.visible(node, first.shape), node.dtype)
        tracer.shadows = (first, second)
        return tracer

    def _name(self, op: Op, place: Place) -> str:
        base = place.path.replace(".", "_")
        if not base:
            return op.name
        if base[0].isdigit() and place.module_type is not None:
            base = f"{place.module_type.__name__.lower()}_{base}"
        is_layer = place.path in self.leaf_paths and _is_ours(place.module_type)
        return base if is_layer else f"{base}_{op.name}"


def _is_ours(module_type: type | None) -> bool:
    return module_type is not None and module_type.__module__.startswith("qgrad.nn.")


def _is_free(leaf: Any) -> bool:
    if isinstance(leaf, Tracer):
        return leaf.shadows[0] is not leaf.shadows[1]
    return isinstance(leaf, SymInt)


def _sizes(name: str, first: Array, second: Array) -> tuple[int, ...]:
    return tuple(
        a if a == b else SymInt(a, ("dim", name, axis))
        for axis, (a, b) in enumerate(zip(first.shape, second.shape, strict=True))
    )
