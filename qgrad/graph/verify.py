"""What a legal graph is: each rule below is a sentence and the check of that sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from qgrad.dtypes import DType
from qgrad.errors import ModelFormatError
from qgrad.graph.guards import SizeGuard, TrainingFlag, TrainingGuard
from qgrad.graph.ir import KINDS, Graph, Node
from qgrad.graph.structure import leaves
from qgrad.nn.module import Module
from qgrad.ops.op import registry
from qgrad.symbolic import Expr, SymInt
from qgrad.tensor import Tensor

__all__ = ["RULES", "verify"]

Rule = Callable[[Graph, Module | None], Iterator[str]]

_PLAIN = (type(None), bool, int, float, complex, str, type, np.generic, np.dtype, DType)


def verify(graph: Graph, module: Module | None = None) -> None:
    """Raise ModelFormatError unless `graph` keeps all `RULES`; paths are checked in `module`."""
    for rule in RULES:
        broken = list(rule(graph, module))
        if broken:
            more = f" (and {len(broken) - 3} more)" if len(broken) > 3 else ""
            raise ModelFormatError(
                f"verify: {rule.__doc__} Broken by: {'; '.join(broken[:3])}{more}."[:599]
            )


def names_are_unique(graph: Graph, module: Module | None) -> Iterator[str]:
    """Every node has a name that is an identifier and is no other node's."""
    seen: set[str] = set()
    for node in graph.nodes:
        if not node.name.isidentifier():
            yield f"{node.name!r} is not an identifier"
        if node.name in seen or node not in graph:
            yield f"{node.name!r} is used twice or not known to the graph"
        seen.add(node.name)


def kinds_are_known(graph: Graph, module: Module | None) -> Iterator[str]:
    """A node's kind is input, param, const, op or output; only an op has an op."""
    for node in graph.nodes:
        if node.kind not in KINDS:
            yield f"{node.name} is of kind {node.kind!r}"
        elif (node.op is not None) != (node.kind == "op"):
            yield f"{node.name} of kind {node.kind!r} has op {node.op!r}"


def output_is_last(graph: Graph, module: Module | None) -> Iterator[str]:
    """There is one output node; it is last and holds the nested outputs as its one argument."""
    if [node.kind for node in graph.nodes].count("output") != 1:
        yield f"{[node.name for node in graph.nodes if node.kind == 'output']}"
    elif graph.nodes[-1].kind != "output":
        yield f"{graph.nodes[-1].name} is last"
    elif len(graph.nodes[-1].args) != 1 or graph.nodes[-1].kwargs:
        yield f"{graph.nodes[-1]}"


def only_calls_have_arguments(graph: Graph, module: Module | None) -> Iterator[str]:
    """Inputs, parameters and constants have no arguments."""
    for node in graph.nodes:
        if node.kind in ("input", "param", "const") and (node.args or node.kwargs):
            yield f"{node.name} has arguments {node.args} {node.kwargs}"


def uses_follow_definitions(graph: Graph, module: Module | None) -> Iterator[str]:
    """A node takes values of earlier nodes of the same graph only."""
    known: set[Node] = set()
    for node in graph.nodes:
        for used in graph.inputs_of(node):
            if used not in known:
                yield f"{node.name} takes {used.name}, which does not come before it"
        known.add(node)


def sizes_follow_definitions(graph: Graph, module: Module | None) -> Iterator[str]:
    """A SymInt among the arguments reads existing dimensions of earlier nodes."""
    known: dict[str, Node] = {}
    for node in graph.nodes:
        for leaf in leaves((node.args, node.kwargs)):
            if isinstance(leaf, SymInt):
                for problem in _unknown_dims(leaf.expr, known):
                    yield f"{node.name} takes {leaf!r}: {problem}"
        known[node.name] = node


def arguments_are_plain(graph: Graph, module: Module | None) -> Iterator[str]:
    """Leaves of arguments are nodes, SymInts, TrainingFlags, numbers, strings, dtypes or None."""
    for node in graph.nodes:
        for leaf in leaves((node.args, node.kwargs)):
            if not isinstance(leaf, (*_PLAIN, Node, TrainingFlag, type(Ellipsis))):
                yield f"{node.name} takes a {type(leaf).__name__}"


def ops_are_in_the_table(graph: Graph, module: Module | None) -> Iterator[str]:
    """An op is one of the op table, and the arguments fit its parameters."""
    for node in graph.nodes:
        if node.op is None:
            continue
        if registry.get(node.op.name) is not node.op:
            yield f"{node.name} calls {node.op.name!r}, which is not in the table"
            continue
        try:
            node.op.positional(node.args, node.kwargs)
        except TypeError as error:
            yield f"{node.name}: {error}"


def shapes_and_dtypes_are_known(graph: Graph, module: Module | None) -> Iterator[str]:
    """All but the output have a dtype and a shape of sizes >= 0, free ones being the node's own."""
    for node in graph.nodes:
        if (node.dtype is None) != (node.kind == "output"):
            yield f"{node.name} of kind {node.kind!r} has dtype {node.dtype!r}"
        for axis, size in enumerate(node.shape):
            if not isinstance(size, int) or size < 0:
                yield f"{node.name} has size {size!r} in dimension {axis}"
            elif isinstance(size, SymInt) and size.expr != ("dim", node.name, axis):
                yield f"{node.name} has size {size!r} in dimension {axis}, of another node"


def constants_are_held(graph: Graph, module: Module | None) -> Iterator[str]:
    """Every const node's target is a Tensor of its shape and dtype in `constants`; none is idle."""
    targets = {node.target for node in graph.nodes if node.kind == "const"}
    for node in graph.nodes:
        if node.kind == "const":
            yield from _mismatch(node, graph.constants.get(node.target))
    for name in graph.constants.keys() - targets:
        yield f"constant {name!r} has no node"


def parameters_are_in_the_module(graph: Graph, module: Module | None) -> Iterator[str]:
    """Every param node's target is a parameter or buffer of the module, of its shape and dtype."""
    if module is not None:
        parameters = module.named_parameters(remove_duplicate=False)
        held = {**dict(parameters), **dict(module.named_buffers(remove_duplicate=False))}
        for node in graph.nodes:
            if node.kind == "param":
                yield from _mismatch(node, held.get(node.target))


def paths_are_in_the_module(graph: Graph, module: Module | None) -> Iterator[str]:
    """Every path, of a node or of a TrainingFlag, is that of a submodule."""
    if module is None:
        return
    paths = {path for path, _ in module.named_modules(remove_duplicate=False)}
    for node in graph.nodes:
        if node.path not in paths:
            yield f"{node.name} has path {node.path!r}"
        for leaf in leaves((node.args, node.kwargs)):
            if isinstance(leaf, TrainingFlag) and leaf.path not in paths:
                yield f"{node.name} takes {leaf!r}"
    for guard in graph.guards:
        if isinstance(guard, TrainingGuard) and guard.path not in paths:
            yield f"guard {guard}"


def guards_read_the_graph(graph: Graph, module: Module | None) -> Iterator[str]:
    """Every guard on sizes reads existing dimensions of nodes, at least one."""
    known = {node.name: node for node in graph.nodes}
    for guard in graph.guards:
        if isinstance(guard, SizeGuard):
            if not isinstance(guard.left, tuple) and not isinstance(guard.right, tuple):
                yield f"guard {guard} reads none"
            for problem in _unknown_dims((guard.op, guard.left, guard.right), known):
                yield f"guard {guard}: {problem}"


RULES: tuple[Rule, ...] = (
    names_are_unique,
    kinds_are_known,
    output_is_last,
    only_calls_have_arguments,
    uses_follow_definitions,
    arguments_are_plain,
    sizes_follow_definitions,
    ops_are_in_the_table,
    shapes_and_dtypes_are_known,
    constants_are_held,
    parameters_are_in_the_module,
    paths_are_in_the_module,
    guards_read_the_graph,
)


def _mismatch(node: Node, held: Any) -> Iterator[str]:
    if not isinstance(held, Tensor):
        yield f"{node.name} has target {node.target!r}, where there is {type(held).__name__}"
    elif tuple(held.shape) != tuple(node.shape) or held.dtype is not node.dtype:
        yield f"{node.name} is {node.dtype!r} {node.shape}, its target {held.dtype!r} {held.shape}"


def _unknown_dims(expr: Expr, known: dict[str, Node]) -> Iterator[str]:
    if not isinstance(expr, tuple):
        return
    op, left, right = expr
    if op != "dim":
        yield from _unknown_dims(left, known)
        yield from _unknown_dims(right, known)
    elif left not in known:
        yield f"{left!r} does not come before it"
    elif not 0 <= right < len(known[left].shape):
        yield f"{left!r} has {len(known[left].shape)} dimensions, not {right + 1}"
