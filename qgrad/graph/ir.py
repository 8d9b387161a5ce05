"""The graph: what a traced model, an imported file and a prepared model all are.

A Graph is a list of Nodes in an order in which they can run. The last node is the output; the
others are inputs, parameters (and buffers) of the module that owns the graph, constants, and calls
of ops. Where a Node stands in another's `args` or `kwargs`, its value is meant. `verify` states
what is legal.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from qgrad.dtypes import DType
from qgrad.graph.guards import Guard
from qgrad.graph.printer import node_to_text
from qgrad.graph.structure import leaves, map_leaves
from qgrad.ops.op import Op
from qgrad.symbolic import SymInt, dims_of, rename_dims

__all__ = ["KINDS", "Graph", "Node"]

KINDS = ("input", "param", "const", "op", "output")


class _Edits:
    """A count of changes, shared by a graph and its nodes so that derived facts can be cached."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Node:
    """One value of a graph and how it comes about; two nodes are equal only if they are the same.

    - name: unique identifier; kind: one of KINDS; op: what a node of kind "op" calls
    - args, kwargs: nested tuples, lists, dicts and slices of Node, SymInt, TrainingFlag and plain
      values; assign anew to change them
    - path: the innermost module whose forward made the call, "" for the root
    - module_type: the class of that module
    - target: path of the parameter or buffer of a "param", name in `graph.constants` of a "const"
    - shape: ints, and SymInts `("dim", name, axis)` where free; dtype: None for the output node
    - source: "file:line" of the call
    - quant: for quantization to use; evaluate asks `run_node` where it is set
    """

    __slots__ = (
        "_args",
        "_edits",
        "_kwargs",
        "dtype",
        "kind",
        "module_type",
        "name",
        "op",
        "path",
        "quant",
        "shape",
        "source",
        "target",
    )

    def __init__(
        self,
        name: str,
        kind: str,
        *,
        op: Op | None = None,
        args: Iterable[Any] = (),
        kwargs: dict[str, Any] | None = None,
        path: str = "",
        module_type: type | None = None,
        target: str = "",
        shape: tuple[int, ...] = (),
        dtype: DType | None = None,
        source: str = "",
        quant: Any = None,
    ) -> None:
        self.name = name
        self.kind = kind
        self.op = op
        self._args = tuple(args)
        self._kwargs = dict(kwargs or {})
        self._edits: _Edits | None = None
        self.path = path
        self.module_type = module_type
        self.target = target
        self.shape = shape
        self.dtype = dtype
        self.source = source
        self.quant = quant

    @property
    def args(self) -> tuple[Any, ...]:
        """Positional arguments of the call; of the output node, the nested outputs alone."""
        return self._args

    @args.setter
    def args(self, args: Iterable[Any]) -> None:
        self._args = tuple(args)
        self._touch()

    @property
    def kwargs(self) -> dict[str, Any]:
        """Keyword arguments of the call. Assign a new dict to change them."""
        return self._kwargs

    @kwargs.setter
    def kwargs(self, kwargs: dict[str, Any]) -> None:
        self._kwargs = dict(kwargs)
        self._touch()

    def _touch(self) -> None:
        if self._edits is not None:
            self._edits.count += 1

    def replace_leaves(self, fn: Callable[[Any], Any]) -> None:
        """Put `fn(leaf)` in the place of every leaf of the arguments."""
        self.args = map_leaves(fn, self._args)
        self.kwargs = map_leaves(fn, self._kwargs)

    def __repr__(self) -> str:
        return self.name

    def __str__(self) -> str:
        return node_to_text(self)


class Graph:
    """Nodes in an order in which they can run, the constants they read, the guards of the trace.

    `constants` maps the target of each "const" node to its Tensor. `guards` are conditions under
    which the recorded calls are the model's; `evaluate` checks them.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.constants: dict[str, Any] = {}
        self.guards: list[Guard] = []
        self._edits = _Edits()
        self._by_name: dict[str, Node] = {}
        self._facts: dict[Callable[[Graph], Any], tuple[int, Any]] = {}

    # -- reading ---------------------------------------------------------------------------------

    @property
    def inputs(self) -> list[Node]:
        """The input nodes, in the order of the arguments."""
        return [node for node in self.nodes if node.kind == "input"]

    @property
    def output_node(self) -> Node:
        """The output node, always last."""
        if not self.nodes or self.nodes[-1].kind != "output":
            raise ValueError("Graph: there is no output node yet; add one of kind 'output' last.")
        return self.nodes[-1]

    @property
    def output(self) -> Any:
        """What the graph returns: a Node, or nested tuples, lists and dicts of Nodes."""
        return self.output_node.args[0]

    def node(self, name: str) -> Node:
        """The node of this name."""
        try:
            return self._by_name[name]
        except KeyError:
            known = ", ".join(list(self._by_name)[:8])
            raise KeyError(f"Graph: no node is called {name!r}; there are {known}, ...") from None

    def __contains__(self, node: object) -> bool:
        return isinstance(node, Node) and self._by_name.get(node.name) is node

    def inputs_of(self, node: Node) -> list[Node]:
        """The nodes whose values `node` takes, each once, in the order of the arguments."""
        return list(dict.fromkeys(_nodes_in(node)))

    def users(self, node: Node) -> list[Node]:
        """The nodes that take `node`'s value, each once, in running order."""
        return list(self.derived(_users_of_all).get(node, ()))

    def shape_users(self, node: Node) -> list[Node]:
        """The nodes that take `node`'s shape, through a SymInt among their arguments."""
        return list(self.derived(_shape_users_of_all).get(node.name, ()))

    def derived(self, fact: Callable[[Graph], Any]) -> Any:
        """`fact(self)`, kept until the graph changes."""
        known = self._facts.get(fact)
        if known is None or known[0] != self._edits.count:
            known = self._facts[fact] = (self._edits.count, fact(self))
        return known[1]

    # -- changing --------------------------------------------------------------------------------

    def unique_name(self, base: str) -> str:
        """`base` as an identifier, with a number behind it if a node has that name already."""
        base = re.sub(r"\W", "_", base) or "value"
        base = f"_{base}" if base[0].isdigit() else base
        name, count = base, 0
        while name in self._by_name:
            count += 1
            name = f"{base}_{count}"
        return name

    def add(self, node: Node) -> Node:
        """Append a node, before the output node if there is one."""
        has_output = bool(self.nodes) and self.nodes[-1].kind == "output"
        return self._insert(len(self.nodes) - has_output, node)

    def insert_before(self, anchor: Node, node: Node) -> Node:
        """Put a new `node` before `anchor`."""
        return self._insert(self._index(anchor), node)

    def insert_after(self, anchor: Node, node: Node) -> Node:
        """Put a new `node` after `anchor`."""
        return self._insert(self._index(anchor) + 1, node)

    def move_before(self, anchor: Node, nodes: set[Node]) -> None:
        """Let those of `nodes` that stand behind `anchor` run just before it, in their order."""
        at = self._index(anchor)
        moved = [node for node in self.nodes[at + 1 :] if node in nodes]
        kept = [node for node in self.nodes[at + 1 :] if node not in nodes]
        self.nodes[at:] = [*moved, anchor, *kept]
        self._edits.count += 1

    def erase(self, *nodes: Node) -> None:
        """Remove nodes that no other node uses, and the constants of those removed."""
        gone = set(nodes)
        for node in nodes:
            users = {*self.users(node), *self.shape_users(node)} - gone
            if users:
                raise ValueError(
                    f"Graph.erase: {node.name} is used by "
                    f"{', '.join(sorted(user.name for user in users)[:8])}; "
                    "call replace_uses(old, new) first."
                )
        for node in nodes:
            del self.nodes[self._index(node)]
            del self._by_name[node.name]
            node._edits = None
            if node.kind == "const":
                self.constants.pop(node.target, None)
        self._edits.count += 1

    def replace_uses(self, old: Node, new: Node) -> None:
        """Let every user of `old`'s value or shape take `new` instead, except `new` itself."""

        def swap(leaf: Any) -> Any:
            if leaf is old:
                return new
            if isinstance(leaf, SymInt):
                return SymInt(int(leaf), rename_dims(leaf.expr, old.name, new.name))
            return leaf

        for user in {*self.users(old), *self.shape_users(old)} - {new}:
            user.replace_leaves(swap)
        self.guards = [guard.renamed(old.name, new.name) for guard in self.guards]
        self._edits.count += 1

    def copy(self) -> Graph:
        """New nodes in a new graph; constants and `quant` are shared."""
        return self._copy(lambda value: value)

    def __deepcopy__(self, memo: dict[int, Any]) -> Graph:
        return self._copy(lambda value: copy.deepcopy(value, memo))

    def _copy(self, copy_value: Callable[[Any], Any]) -> Graph:
        twin = Graph()
        twins: dict[Any, Node] = {}

        def swap(leaf: Any) -> Any:
            return twins[leaf] if isinstance(leaf, Node) else leaf

        for node in self.nodes:
            fields = {name: getattr(node, name) for name in _COPIED_FIELDS}
            twins[node] = twin._insert(
                len(twin.nodes),
                Node(
                    node.name,
                    node.kind,
                    args=map_leaves(swap, node.args),
                    kwargs=map_leaves(swap, node.kwargs),
                    quant=copy_value(node.quant),
                    **fields,
                ),
            )
        twin.constants = {name: copy_value(value) for name, value in self.constants.items()}
        twin.guards = list(self.guards)
        return twin

    def _index(self, node: Node) -> int:
        if node not in self:
            raise ValueError(f"Graph: {node.name} is not a node of this graph.")
        return self.nodes.index(node)

    def _insert(self, index: int, node: Node) -> Node:
        if node.name in self._by_name:
            raise ValueError(
                f"Graph: there is a node called {node.name!r} already; "
                f"graph.unique_name({node.name!r}) gives a free name."
            )
        self.nodes.insert(index, node)
        self._by_name[node.name] = node
        node._edits = self._edits
        self._edits.count += 1
        return node

    # -- printing --------------------------------------------------------------------------------

    def __str__(self) -> str:
        return "\n".join([*map(str, self.nodes), *(f"assuming {guard}" for guard in self.guards)])

    def __repr__(self) -> str:
        ops = sum(node.kind == "op" for node in self.nodes)
        inputs = ", ".join(node.name for node in self.inputs)
        return f"Graph({inputs}: {ops} ops, {len(self.nodes)} nodes)"


_COPIED_FIELDS = ("op", "path", "module_type", "target", "shape", "dtype", "source")


def _nodes_in(node: Node) -> Iterator[Node]:
    for leaf in leaves((node.args, node.kwargs)):
        if isinstance(leaf, Node):
            yield leaf


def _users_of_all(graph: Graph) -> dict[Node, dict[Node, None]]:
    users: dict[Node, dict[Node, None]] = {}
    for node in graph.nodes:
        for used in _nodes_in(node):
            users.setdefault(used, {})[node] = None
    return users


def _shape_users_of_all(graph: Graph) -> dict[str, dict[Node, None]]:
    users: dict[str, dict[Node, None]] = {}
    for node in graph.nodes:
        for leaf in leaves((node.args, node.kwargs)):
            if isinstance(leaf, SymInt):
                for name in dims_of(leaf.expr):
                    users.setdefault(name, {})[node] = None
    return users
