"""Dead code and chains of ops."""

from __future__ import annotations

from typing import Any

import numpy as np

import qgrad
from qgrad import nn
from qgrad.graph import Node, trace, verify
from qgrad.graph.passes import remove_dead_code, single_user_chain


def x(rows: int = 2) -> Any:
    """A small input."""
    return qgrad.from_numpy(np.arange(rows * 3, dtype=np.float32).reshape(rows, 3))


def test_dead_code_goes_and_the_rest_computes_the_same() -> None:
    """Unused ops, parameters and constants are removed; what only a size depends on stays."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, a: Any, b: Any) -> Any:
            self.unused(a).relu() + qgrad.tensor([1.0, 2.0, 3.0])
            sized = b * 2
            return self.used(a).reshape(sized.shape[0], 3)

    model = Net()
    traced = trace(model, (x(), x()))
    dead = remove_dead_code(traced.graph)
    assert {node.name for node in dead} == {
        "unused",
        "unused_weight",
        "unused_bias",
        "relu",
        "const",
        "add",
    }
    assert traced.graph.constants == {}
    assert [node.name for node in traced.graph.inputs] == ["a", "b"]
    verify(traced.graph, traced)
    np.testing.assert_array_equal(
        traced(x(5), x(5)).detach().numpy(), model(x(5), x(5)).detach().numpy()
    )
    assert remove_dead_code(traced.graph) == []


def test_dead_code_keeps_effects_and_guards() -> None:
    """A batch norm that nobody reads still updates its statistics; a guard keeps what it reads."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bn = nn.BatchNorm1d(3)

        def forward(self, a: Any) -> Any:
            self.bn(a)
            if (a * 2).shape[0] > 1:
                return a + 1
            return a

    traced = trace(Net(), x())
    assert remove_dead_code(traced.graph) == []
    traced(x(4))
    assert int(traced.bn.num_batches_tracked) == 1


def chain_of(model: Any) -> list[Node] | None:
    """The chain linear, relu or tanh, that starts at the first linear."""
    graph = trace(model, x()).graph
    first = next(n for n in graph.nodes if n.op is not None)
    return single_user_chain(graph, first, ["linear", ("relu", "tanh")])


def test_single_user_chain() -> None:
    """A chain is found by op names, and only if each link is read by the next alone."""
    linear = nn.Linear(3, 3)
    found = chain_of(nn.Sequential(linear, nn.Tanh(), nn.ReLU()))
    assert found is not None
    assert [node.op.name for node in found if node.op] == ["linear", "tanh"]
    assert chain_of(nn.Sequential(linear, nn.Sigmoid())) is None
    assert chain_of(nn.Sequential(nn.ReLU(), linear)) is None
    w, b = linear.weight.detach(), linear.bias.detach()

    def two_readers(a: Any) -> Any:
        y = nn.functional.linear(a, w, b)
        return y.relu() + y

    def size_reader(a: Any) -> Any:
        y = nn.functional.linear(a, w, b)
        return y.relu().reshape(y.shape[0] * 3)

    def returned_too(a: Any) -> Any:
        y = nn.functional.linear(a, w, b)
        return y.relu(), y

    assert chain_of(two_readers) is None
    assert chain_of(size_reader) is None
    assert chain_of(returned_too) is None
