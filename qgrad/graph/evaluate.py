"""Run a graph on tensors: the meaning of the graph, and how a GraphModule computes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from qgrad.boxing import box, unbox
from qgrad.errors import ShapeError, TraceError
from qgrad.graph.guards import SizeGuard, TrainingFlag, TrainingGuard
from qgrad.graph.ir import Graph, Node
from qgrad.graph.plan import Plan, make_plan
from qgrad.symbolic import SymInt, compare_exprs
from qgrad.tensor import Tensor

if TYPE_CHECKING:
    from qgrad.nn.module import Module

RunNode = Callable[[Node, tuple[Any, ...], dict[str, Any]], Any]


def evaluate(
    graph: Graph, module: Module, inputs: Iterable[Any], *, run_node: RunNode | None = None
) -> Any:
    """The output of `graph` for these inputs, with the parameters that `module` holds now.

    A value is dropped after its last use. `run_node(node, args, kwargs)`, if given, computes every
    "op" node in the place of `node.op(*args, **kwargs)`, and is asked for the value of each other
    node whose `quant` is set, with the value itself as the one argument.

    Raises ShapeError if an input does not have the traced rank and fixed sizes, or if its sizes
    would have sent the traced Python code another way; TraceError if train or eval mode would.
    """
    plan: Plan = graph.derived(make_plan)
    values = _bind_inputs(plan.inputs, inputs)
    run = _Run(module, values)
    for guard in plan.training_guards:
        _check_training(guard, module)
    for node, template, holes, nested, changing, target, dead, watched, guards in plan.steps:
        if node.op is not None:
            args = template.copy()
            for position, used in holes:
                args[position] = values[used]
            for position, arg in nested:
                args[position] = run.resolve(arg)
            kwargs = node.kwargs if changing is None else run.resolve(changing)
            if run_node is None:
                value = node.op(*args, **kwargs)
            else:
                value = run_node(node, tuple(args), kwargs)
        elif node.kind == "output":
            return run.resolve(node.args[0])
        else:
            value = run.leaf(node, graph, target)
            if run_node is not None and node.quant is not None:
                value = run_node(node, (value,), {})
        values[node] = value
        if watched:
            run.shapes[node.name] = value.shape
            for size_guard in guards:
                _check_sizes(size_guard, run.shapes)
        for used in dead:
            del values[used]
    raise ValueError("evaluate: the graph has no output node.")


def evaluate_nodes(graph: Graph, module: Module, nodes: set[Node]) -> dict[Node, Any]:
    """The values of `nodes`, which no input may reach: parameters and what is made of them."""
    values: dict[Node, Any] = {}
    run = _Run(module, values)
    for node in graph.nodes:
        if node not in nodes:
            continue
        if node.kind == "op":
            args, kwargs = run.resolve(node.args), run.resolve(node.kwargs)
            values[node] = node.op(*args, **kwargs)  # type: ignore[misc]
        else:
            values[node] = run.leaf(node, graph, tuple(node.target.split(".")))
        run.shapes[node.name] = values[node].shape
    return values


class _Run:
    """The values and shapes known so far, and how arguments are looked up in them."""

    __slots__ = ("module", "shapes", "values")

    def __init__(self, module: Module, values: dict[Node, Any]) -> None:
        self.module = module
        self.values = values
        self.shapes: dict[str, tuple[int, ...]] = {}

    def leaf(self, node: Node, graph: Graph, target: tuple[str, ...]) -> Any:
        """The value of an input, constant, parameter or buffer."""
        if node.kind == "param":
            *parents, name = target
            module: Any = self.module
            for parent in parents:
                module = module._modules[parent]
            held = module._parameters
            return held[name] if name in held else module._buffers[name]
        return self.values[node] if node.kind == "input" else graph.constants[node.target]

    def resolve(self, arg: Any) -> Any:
        """An argument with the values, sizes and modes of this run."""
        kind = type(arg)
        if kind is Node:
            return self.values[arg]
        if kind is tuple or kind is list:
            return kind([self.resolve(item) for item in arg])
        if kind is dict:
            return {key: self.resolve(item) for key, item in arg.items()}
        if kind is SymInt:
            return arg.evaluate(self.shapes)
        if kind is TrainingFlag:
            return self.module.get_submodule(arg.path).training
        if kind is slice:
            return slice(*(self.resolve(part) for part in (arg.start, arg.stop, arg.step)))
        if isinstance(arg, tuple) and hasattr(arg, "_fields"):
            return kind(*(self.resolve(item) for item in arg))
        return arg


def _bind_inputs(nodes: list[Node], inputs: Iterable[Any]) -> dict[Node, Any]:
    given = tuple(inputs)
    if len(given) != len(nodes):
        names = ", ".join(node.name for node in nodes)
        raise TypeError(f"graph: got {len(given)} inputs, but it takes {len(nodes)}: {names}.")
    return {node: _checked(node, value) for node, value in zip(nodes, given, strict=True)}


def _checked(node: Node, value: Any) -> Any:
    tensor = value if isinstance(value, Tensor) else box(unbox(value))
    shape = tensor.shape
    if len(shape) != len(node.shape):
        raise ShapeError(
            f"graph: input {node.name} has {len(shape)} dimensions (shape {tuple(shape)}), but was "
            f"traced with {len(node.shape)} (shape {_sizes(node)})."
        )
    for axis, (size, wanted) in enumerate(zip(shape, node.shape, strict=True)):
        if type(wanted) is int and size != wanted:
            raise ShapeError(
                f"graph: input {node.name} has size {size} in dimension {axis} (shape "
                f"{tuple(shape)}), but was traced with {wanted} (shape {_sizes(node)}, ? is free). "
                "Trace with this dimension free: dynamic_dims={input index: (0, "
                f"{axis})}}."
            )
    return tensor


def _sizes(node: Node) -> str:
    return "(" + ", ".join("?" if type(size) is SymInt else str(size) for size in node.shape) + ")"


def _check_sizes(guard: SizeGuard, shapes: dict[str, tuple[int, ...]]) -> None:
    if compare_exprs(guard.op, guard.left, guard.right, shapes) != guard.holds:
        raise ShapeError(
            f"graph: the trace went the way of `{guard}`; with these inputs it is "
            f"{not guard.holds}. Trace again with an example of this size, or take the branch out "
            "of forward."
        )


def _check_training(guard: TrainingGuard, module: Module) -> None:
    if module.get_submodule(guard.path).training != guard.value:
        mode, other = ("train()", "eval()") if guard.value else ("eval()", "train()")
        raise TraceError(
            f"graph: the trace went the way of `{guard}`, in {mode}; the module is in {other} now. "
            f"Trace the model in {other}, or pass self.training to the op that needs it instead "
            "of branching on it."
        )
