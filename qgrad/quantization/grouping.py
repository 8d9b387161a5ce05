"""Which nodes run as integers, and which neighbours one kernel takes along (batch norm, ReLU)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from qgrad import dtypes
from qgrad.graph.ir import Graph, Node
from qgrad.ops.op import Op
from qgrad.quantization.kinds import KINDS

_RANKS = {
    "conv1d": (3,),
    "max_pool1d": (3,),
    "avg_pool1d": (3,),
    "adaptive_avg_pool1d": (3,),
    "conv2d": (4,),
    "max_pool2d": (4,),
    "avg_pool2d": (4,),
    "adaptive_avg_pool2d": (4,),
}


def arguments_of(op: Op, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by PyTorch's names, defaults filled in."""
    return dict(zip(op.params, op.positional(tuple(args), dict(kwargs)), strict=True))


def nodes_in(value: Any) -> Iterable[Node]:
    """Every node inside nested tuples, lists and dicts."""
    if isinstance(value, Node):
        yield value
    elif isinstance(value, (tuple, list)):
        for entry in value:
            yield from nodes_in(entry)
    elif isinstance(value, dict):
        for entry in value.values():
            yield from nodes_in(entry)


def constant_nodes(graph: Graph) -> set[Node]:
    """Nodes that no input reaches: parameters, constants, and what is computed from them alone."""
    found: set[Node] = set()
    for node in graph.nodes:
        given = node.kind in ("param", "const")
        if given or (node.kind == "op" and found.issuperset(graph.inputs_of(node))):
            found.add(node)
    return found


def why_not_integer(node: Node, constants: set[Node]) -> str | None:
    """None if the node has an integer form, else the reason why it has not."""
    op = node.op
    assert op is not None
    if op.quantize not in KINDS:
        return f"{op.name} has no integer form"
    a = arguments_of(op, node.args, node.kwargs)
    if op.name in _RANKS and len(a["input"].shape) not in _RANKS[op.name]:
        return f"its input has {len(a['input'].shape)} dimensions, not {_RANKS[op.name][0]}"
    check = _CHECKS.get(op.quantize)
    if check is not None:
        return check(node, a, constants)
    others = {k: v for k, v in a.items() if k not in ("input", "tensors")}
    if any(True for _ in nodes_in(others)):
        return "an argument beside its input is computed from data"
    return None


def _weighted(node: Node, a: dict[str, Any], constants: set[Node]) -> str | None:
    if a["input"] in constants:
        return "its input is a constant"
    if not isinstance(a["weight"], Node) or a["weight"] not in constants:
        return "its weight is computed from data"
    if a["bias"] is not None and a["bias"] not in constants:
        return "its bias is computed from data"
    if node.dtype is not dtypes.float32:
        return f"it computes in {node.dtype!r}"
    return None


def _add(node: Node, a: dict[str, Any], constants: set[Node]) -> str | None:
    x, y = a["input"], a["other"]
    for operand in (x, y):
        if not isinstance(operand, Node) or operand in constants:
            return "one side of the addition is a constant"
    if tuple(x.shape) != tuple(y.shape):
        return "its sides have different shapes"
    if a.get("alpha", 1) != 1:
        return f"alpha is {a['alpha']}"
    return None if node.dtype is dtypes.float32 else f"it computes in {node.dtype!r}"


def _pool(node: Node, a: dict[str, Any], constants: set[Node]) -> str | None:
    return "it returns indices too" if a.get("return_indices") else None


def _cat(node: Node, a: dict[str, Any], constants: set[Node]) -> str | None:
    if all(isinstance(t, Node) and t not in constants for t in a["tensors"]):
        return None if node.dtype is dtypes.float32 else f"it joins {node.dtype!r}"
    return "a part is a constant"


_CHECKS = {"linear": _weighted, "conv": _weighted, "add": _add, "max_pool": _pool, "cat": _cat}


def single_user(graph: Graph, node: Node) -> Node | None:
    """The one op node that reads ``node``, if there is exactly one reader."""
    users = list(graph.users(node))
    if len(users) == 1 and users[0].kind == "op":
        return users[0]
    return None


def batch_norm_after(graph: Graph, node: Node, constants: set[Node]) -> Node | None:
    """The batch norm that can be folded into the weights of ``node``."""
    user = single_user(graph, node)
    if user is None or user.op is None or user.op.name != "batch_norm":
        return None
    assert node.op is not None
    if node.op.quantize == "linear" and len(node.shape) != 2:
        return None
    a = arguments_of(user.op, user.args, user.kwargs)
    if a["input"] is not node or a["running_mean"] is None or a["running_var"] is None:
        return None
    rest = {k: v for k, v in a.items() if k != "input"}
    return user if all(n in constants for n in nodes_in(rest)) else None


def activation_after(graph: Graph, node: Node) -> Node | None:
    """The ReLU or ReLU6 that becomes a bound on the codes of ``node``."""
    user = single_user(graph, node)
    if user is not None and user.op is not None and user.op.name in ("relu", "relu6"):
        return user
    return None
