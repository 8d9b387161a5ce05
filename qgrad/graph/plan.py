"""What `evaluate` works out once for a graph: argument templates, last uses, guards."""

from __future__ import annotations

from typing import Any, NamedTuple

from qgrad.graph.guards import SizeGuard, TrainingFlag, TrainingGuard
from qgrad.graph.ir import Graph, Node
from qgrad.graph.structure import leaves
from qgrad.symbolic import SymInt, dims_of

__all__ = ["Plan", "Step", "make_plan"]


class Step(NamedTuple):
    """One node: its arguments are `template` with the values of `holes` and `nested` put in.

    - holes: (position, node) of the arguments that are a node's value
    - nested: (position, argument) of those that hold values, sizes or modes further inside
    - kwargs: the keyword arguments if they hold such, None if they are as they stand
    - target: the path of a parameter, in parts
    - dead: the nodes whose values are not needed any more afterwards
    - watched: whether the shape is asked for later, or by `guards`
    """

    node: Node
    template: list[Any]
    holes: tuple[tuple[int, Node], ...]
    nested: tuple[tuple[int, Any], ...]
    kwargs: dict[str, Any] | None
    target: tuple[str, ...]
    dead: tuple[Node, ...]
    watched: bool
    guards: tuple[SizeGuard, ...]


class Plan(NamedTuple):
    """The steps of a graph in order, its inputs, and the modes that the trace relied on."""

    inputs: list[Node]
    steps: list[Step]
    training_guards: list[TrainingGuard]


def make_plan(graph: Graph) -> Plan:
    """The plan of a graph; `graph.derived(make_plan)` keeps it until the graph changes."""
    dead, guards = _dead_after(graph), _guards_after(graph)
    watched = {name for node in graph.nodes for name in _shapes_read(node)}
    for guard in graph.guards:
        if isinstance(guard, SizeGuard):
            watched |= dims_of(guard.left) | dims_of(guard.right)
    steps = []
    for node in graph.nodes:
        holes = [(i, arg) for i, arg in enumerate(node.args) if isinstance(arg, Node)]
        nested = [(i, a) for i, a in enumerate(node.args) if type(a) is not Node and _varies(a)]
        steps.append(
            Step(
                node,
                list(node.args),
                tuple(holes),
                tuple(nested),
                node.kwargs if _varies(node.kwargs) else None,
                tuple(node.target.split(".")),
                tuple(dead.get(node, ())),
                node.name in watched,
                tuple(guards.get(node, ())),
            )
        )
    training_guards = [guard for guard in graph.guards if isinstance(guard, TrainingGuard)]
    return Plan(graph.inputs, steps, training_guards)


def _varies(value: Any) -> bool:
    return any(isinstance(leaf, (Node, SymInt, TrainingFlag)) for leaf in leaves(value))


def _shapes_read(node: Node) -> set[str]:
    exprs = [leaf.expr for leaf in leaves((node.args, node.kwargs)) if isinstance(leaf, SymInt)]
    return set().union(*map(dims_of, exprs))


def _dead_after(graph: Graph) -> dict[Node, list[Node]]:
    """For each node, those whose values it is the last to use, itself if nobody does."""
    last_use = {node: node for node in graph.nodes}
    for node in graph.nodes:
        for used in graph.inputs_of(node):
            last_use[used] = node
    dead: dict[Node, list[Node]] = {}
    for used, node in last_use.items():
        dead.setdefault(node, []).append(used)
    return dead


def _guards_after(graph: Graph) -> dict[Node, list[SizeGuard]]:
    """For each node, the guards that can be checked when its shape is known."""
    order = {node.name: i for i, node in enumerate(graph.nodes)}
    guards: dict[Node, list[SizeGuard]] = {}
    for guard in graph.guards:
        if isinstance(guard, SizeGuard):
            last = max(order[name] for name in dims_of(guard.left) | dims_of(guard.right))
            guards.setdefault(graph.nodes[last], []).append(guard)
    return guards
