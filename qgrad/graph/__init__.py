"""Models as graphs: the small IR, tracing, running, checking and rewriting."""

from __future__ import annotations

from qgrad.graph.evaluate import evaluate, evaluate_nodes
from qgrad.graph.graph_module import GraphModule
from qgrad.graph.guards import SizeGuard, TrainingFlag, TrainingGuard
from qgrad.graph.ir import Graph, Node
from qgrad.graph.trace import trace
from qgrad.graph.verify import verify

__all__ = [
    "Graph",
    "GraphModule",
    "Node",
    "SizeGuard",
    "TrainingFlag",
    "TrainingGuard",
    "evaluate",
    "evaluate_nodes",
    "trace",
    "verify",
]
