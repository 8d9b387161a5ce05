"""Running a graph: hooks on nodes, live parameters, memory, and constants on their own."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np

import qgrad
from qgrad import nn
from qgrad.graph import evaluate, evaluate_nodes, trace


def x(rows: int = 2) -> Any:
    """A small input."""
    return qgrad.from_numpy(np.arange(rows * 3, dtype=np.float32).reshape(rows, 3))


def test_run_node_takes_the_place_of_ops() -> None:
    """The hook sees every op with its arguments, and leaves only where quant is set."""
    traced = trace(nn.Sequential(nn.Linear(3, 3), nn.ReLU()), x())
    seen = []

    def run_node(node: Any, args: Any, kwargs: Any) -> Any:
        seen.append(node.name)
        return args[0] * 2 if node.op is None else node.op(*args, **kwargs)

    weight, bias = traced.get_parameter("0.weight"), traced.get_parameter("0.bias")
    expected = nn.functional.relu(nn.functional.linear(x(), weight * 2, bias))
    traced.graph.node("p_0_weight").quant = "set"
    out = evaluate(traced.graph, traced, (x(),), run_node=run_node)
    assert seen == ["p_0_weight", "linear_0", "relu_1"]
    np.testing.assert_array_equal(out.detach().numpy(), expected.detach().numpy())


def test_parameters_and_submodules_are_live() -> None:
    """Loading a state and replacing a submodule are seen by the next run."""
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    traced = trace(model, x())
    other = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    traced.load_state_dict(other.state_dict())
    np.testing.assert_array_equal(traced(x()).detach().numpy(), other(x()).detach().numpy())
    traced.set_submodule("1", model[1])
    mixed = nn.Sequential(other[0], model[1])
    np.testing.assert_array_equal(traced(x()).detach().numpy(), mixed(x()).detach().numpy())


def test_values_are_dropped_after_their_last_use() -> None:
    """Of a long chain, at most the values of the current step and the one before are alive."""

    def model(value: Any) -> Any:
        for _ in range(10):
            value = value + 1.0
        return value

    traced = trace(model, x())
    alive: list[weakref.ref[Any]] = []
    most = 0

    def run_node(node: Any, args: Any, kwargs: Any) -> Any:
        nonlocal most
        result = node.op(*args, **kwargs)
        alive.append(weakref.ref(result))
        most = max(most, sum(ref() is not None for ref in alive))
        return result

    gc.disable()
    try:
        evaluate(traced.graph, traced, (x(),), run_node=run_node)
    finally:
        gc.enable()
    assert len(alive) == 10
    assert most <= 3


def test_graphs_are_freed_without_the_cycle_collector() -> None:
    """Dropping the last reference to a traced module frees it, its graph and its parameters."""
    traced = trace(nn.Sequential(nn.Linear(3, 3), nn.ReLU()), x())
    traced(x())
    parts = [traced, traced.graph, traced.get_parameter("0.weight")]
    watched = [weakref.ref(part) for part in parts]
    gc.collect()
    gc.disable()
    try:
        del traced, parts
        assert [ref() for ref in watched] == [None] * 3
    finally:
        gc.enable()


def test_nodes_without_inputs_can_be_evaluated_alone() -> None:
    """evaluate_nodes gives what parameters alone determine."""

    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(x(3))

        def forward(self, value: Any) -> Any:
            return nn.functional.linear(value, self.weight * self.weight.shape[0] + 1.0)

    model = Scaled()
    graph = trace(model, x()).graph
    wanted = {graph.node(name) for name in ("weight", "mul", "add")}
    values = evaluate_nodes(graph, model, wanted)
    assert values.keys() == wanted
    np.testing.assert_array_equal(
        values[graph.node("add")].detach().numpy(), (model.weight * 3 + 1.0).detach().numpy()
    )
