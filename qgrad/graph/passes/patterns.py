"""Find chains of ops that one kernel may run."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from qgrad.graph.ir import Graph, Node

__all__ = ["single_user_chain"]


def single_user_chain(
    graph: Graph, node: Node, op_names: Sequence[str | Collection[str]]
) -> list[Node] | None:
    """The nodes from `node` on that call these ops, each link read by the next one alone; or None.

    An entry of `op_names` is a name or a collection of alternatives.

    >>> import qgrad
    >>> net = qgrad.nn.Sequential(qgrad.nn.Linear(3, 3), qgrad.nn.Tanh())
    >>> graph = qgrad.graph.trace(net, qgrad.zeros(1, 3)).graph
    >>> single_user_chain(graph, graph.node("linear_0"), ["linear", ("relu", "tanh")])
    [linear_0, tanh_1]
    """
    chain = [node]
    for names in op_names[1:]:
        users = graph.users(chain[-1])
        if len(users) != 1 or not _calls(users[0], names):
            return None
        if any(user is not users[0] for user in graph.shape_users(chain[-1])):
            return None
        chain.append(users[0])
    return chain if _calls(node, op_names[0]) else None


def _calls(node: Node, names: str | Collection[str]) -> bool:
    if node.op is None:
        return False
    return node.op.name == names if isinstance(names, str) else node.op.name in names
