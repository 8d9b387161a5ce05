"""Which QConfig, by which rule, each op node of a traced model gets."""

from __future__ import annotations

from dataclasses import dataclass

from qgrad import nn
from qgrad.errors import ConfigError
from qgrad.graph.ir import Graph, Node
from qgrad.quantization.qconfig import QConfig
from qgrad.quantization.qconfig_mapping import QConfigMapping
from qgrad.quantization.rules import CallCounter, Rule


@dataclass(frozen=True)
class Assignment:
    """The QConfig of one node (None: float) and the mapping's line that gave it."""

    qconfig: QConfig | None
    rule: Rule


def assign(
    graph: Graph, model: nn.Module, mapping: QConfigMapping, name: str
) -> dict[Node, Assignment]:
    """Resolve the mapping on every op node; a line that matches nothing raises ConfigError."""
    nodes = [node for node in graph.nodes if node.kind == "op" and node.op is not None]
    calls = [(node.path, node.module_type, node.op.name if node.op else "") for node in nodes]
    try:
        mapping.check(model, calls)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None
    counter = CallCounter()
    found: dict[Node, Assignment] = {}
    for node, call in zip(nodes, calls, strict=True):
        qconfig, rule = mapping.match(*call, counter.index(*call))
        found[node] = Assignment(qconfig, rule)
    return found
