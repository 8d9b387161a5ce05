"""Remove what does not reach the output."""

from __future__ import annotations

from qgrad.graph.guards import SizeGuard, TrainingFlag
from qgrad.graph.ir import Graph, Node
from qgrad.graph.structure import leaves
from qgrad.symbolic import SymInt, dims_of

__all__ = ["remove_dead_code"]


def remove_dead_code(graph: Graph) -> list[Node]:
    """Erase nodes on which neither the output nor a guard depends; returns them.

    Inputs stay, as they are the signature. So do ops that take a TrainingFlag: they may have an
    effect beside their value, such as new running statistics or a step of the random generator.
    """
    live: set[Node] = set()
    waiting = [node for node in graph.nodes if _is_root(node)]
    for guard in graph.guards:
        if isinstance(guard, SizeGuard):
            names = dims_of(guard.left) | dims_of(guard.right)
            waiting += [graph.node(name) for name in names]
    while waiting:
        node = waiting.pop()
        if node not in live:
            live.add(node)
            waiting += graph.inputs_of(node)
            waiting += [graph.node(name) for name in _shapes_read(node)]
    dead = [node for node in graph.nodes if node not in live]
    graph.erase(*dead)
    return dead


def _is_root(node: Node) -> bool:
    if node.kind in ("input", "output"):
        return True
    return any(isinstance(leaf, TrainingFlag) for leaf in leaves((node.args, node.kwargs)))


def _shapes_read(node: Node) -> set[str]:
    exprs = [leaf.expr for leaf in leaves((node.args, node.kwargs)) if isinstance(leaf, SymInt)]
    return set().union(*map(dims_of, exprs))
