"""GraphModule: a module whose forward runs a graph."""

from __future__ import annotations

from typing import Any

from qgrad.graph.evaluate import evaluate
from qgrad.graph.ir import Graph
from qgrad.nn.module import Module

__all__ = ["GraphModule"]


class GraphModule(Module):
    """A module tree with the graph that computes with its parameters.

    It takes over the parameters, buffers, submodules and mode of `root`, under their names; so
    `state_dict`, optimizers, `train()` and `eval()` work as on the model that was traced. The
    submodules keep the state; their `forward` is not called.

    >>> import qgrad
    >>> traced = qgrad.graph.trace(qgrad.nn.Linear(3, 2), qgrad.zeros(1, 3))
    >>> traced(qgrad.zeros(5, 3)).shape
    (5, 2)
    >>> [node.name for node in traced.graph.nodes]
    ['input', 'weight', 'bias', 'linear', 'output']
    """

    graph: Graph

    def __init__(self, root: Module, graph: Graph) -> None:
        super().__init__()
        for name in ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"):
            getattr(self, name).update(getattr(root, name))
        self.training = root.training
        self.graph = graph

    def forward(self, *inputs: Any, **named_inputs: Any) -> Any:
        """Run the graph on its inputs, given by position or by name."""
        return evaluate(self.graph, self, self.bind(inputs, named_inputs))

    def bind(self, inputs: tuple[Any, ...], named_inputs: dict[str, Any]) -> tuple[Any, ...]:
        """The inputs in the graph's order; raises TypeError if one is missing or unknown."""
        if not named_inputs:
            return inputs
        names = [node.name for node in self.graph.inputs]
        unknown = named_inputs.keys() - set(names[len(inputs) :])
        missing = set(names[len(inputs) :]) - named_inputs.keys()
        if unknown or missing:
            raise TypeError(
                f"graph: the inputs are {', '.join(names)}; got {len(inputs)} by position and "
                f"{', '.join(sorted(named_inputs))} by name."
            )
        return inputs + tuple(named_inputs[name] for name in names[len(inputs) :])

    def __repr__(self) -> str:
        lines = str(self.graph).replace("\n", "\n  ")
        return f"{type(self).__name__}(\n  {lines}\n)"
