"""Every rule of the legality spec, each with a graph that breaks it and no other before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import qgrad
from qgrad import nn
from qgrad.errors import ModelFormatError
from qgrad.graph import Graph, GraphModule, Node, SizeGuard, TrainingFlag, TrainingGuard, trace
from qgrad.graph import verify as verify_graph
from qgrad.graph.verify import RULES, verify
from qgrad.ops.op import Op
from qgrad.symbolic import SymInt

BREAKERS: dict[str, list[Callable[[Graph], Any]]] = {}


def breaks(rule: str) -> Callable[[Callable[[Graph], Any]], Callable[[Graph], Any]]:
    """Decorator: the function makes a graph illegal by this rule."""

    def register(breaker: Callable[[Graph], Any]) -> Callable[[Graph], Any]:
        BREAKERS.setdefault(rule, []).append(breaker)
        return breaker

    return register


class Net(nn.Module):
    """A parameter, a constant, a size and a mode: something for every rule."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.drop = nn.Dropout(0.5)
        self.offset = qgrad.tensor([1.0, 2.0, 3.0])

    def forward(self, x: Any) -> Any:
        y = self.drop(self.linear(x)) + self.offset
        return y.reshape(y.shape[0] * 3)


def legal() -> GraphModule:
    """A traced module that verify accepts."""
    return trace(Net(), qgrad.zeros(2, 3))


@breaks("names_are_unique")
def _not_an_identifier(graph: Graph) -> None:
    graph.add(Node("a b", "input", dtype=qgrad.float32))


@breaks("names_are_unique")
def _renamed_behind_the_graphs_back(graph: Graph) -> None:
    graph.node("linear").name = "x"


@breaks("kinds_are_known")
def _unknown_kind(graph: Graph) -> None:
    graph.add(Node("what", "buffer", dtype=qgrad.float32))


@breaks("kinds_are_known")
def _op_without_an_op(graph: Graph) -> None:
    graph.node("linear").op = None


@breaks("output_is_last")
def _no_output(graph: Graph) -> None:
    graph.erase(graph.output_node)


@breaks("output_is_last")
def _node_after_output(graph: Graph) -> None:
    graph.insert_after(graph.output_node, Node("late", "input", dtype=qgrad.float32))


@breaks("output_is_last")
def _output_of_nothing(graph: Graph) -> None:
    graph.output_node.args = ()


@breaks("only_calls_have_arguments")
def _parameter_with_argument(graph: Graph) -> None:
    graph.node("linear_weight").args = (1,)


@breaks("uses_follow_definitions")
def _use_before_definition(graph: Graph) -> None:
    graph.nodes.insert(0, graph.nodes.pop(graph.nodes.index(graph.node("linear"))))


@breaks("uses_follow_definitions")
def _use_of_a_stranger(graph: Graph) -> None:
    stranger = Node("x", "input", dtype=qgrad.float32)
    graph.node("linear").args = (stranger, *graph.node("linear").args[1:])


@breaks("arguments_are_plain")
def _tensor_as_argument(graph: Graph) -> None:
    graph.node("add").args = (graph.node("drop"), qgrad.zeros(3))


@breaks("sizes_follow_definitions")
def _size_of_a_stranger(graph: Graph) -> None:
    graph.node("reshape").args = (graph.node("add"), (SymInt(6, ("dim", "gone", 0)),))


@breaks("sizes_follow_definitions")
def _size_of_a_missing_dimension(graph: Graph) -> None:
    graph.node("reshape").args = (graph.node("add"), (SymInt(6, ("*", ("dim", "x", 5), 3)),))


@breaks("ops_are_in_the_table")
def _op_of_ones_own(graph: Graph) -> None:
    graph.node("add").op = Op(lambda input, other: input, name="add")


@breaks("ops_are_in_the_table")
def _missing_argument(graph: Graph) -> None:
    graph.node("add").args = (graph.node("drop"),)


@breaks("ops_are_in_the_table")
def _unknown_argument(graph: Graph) -> None:
    graph.node("add").kwargs = {"nope": 1}


@breaks("shapes_and_dtypes_are_known")
def _no_dtype(graph: Graph) -> None:
    graph.node("add").dtype = None


@breaks("shapes_and_dtypes_are_known")
def _negative_size(graph: Graph) -> None:
    graph.node("add").shape = (2, -1)


@breaks("shapes_and_dtypes_are_known")
def _size_of_another_node(graph: Graph) -> None:
    graph.node("add").shape = graph.node("x").shape


@breaks("constants_are_held")
def _constant_without_value(graph: Graph) -> None:
    graph.constants.clear()


@breaks("constants_are_held")
def _constant_of_other_shape(graph: Graph) -> None:
    graph.constants["const"] = qgrad.zeros(4)


@breaks("constants_are_held")
def _idle_constant(graph: Graph) -> None:
    graph.constants["idle"] = qgrad.zeros(4)


@breaks("parameters_are_in_the_module")
def _parameter_of_nothing(graph: Graph) -> None:
    graph.node("linear_weight").target = "linear.wait"


@breaks("parameters_are_in_the_module")
def _parameter_of_other_shape(graph: Graph) -> None:
    graph.node("linear_weight").target = "linear.bias"


@breaks("paths_are_in_the_module")
def _path_of_nothing(graph: Graph) -> None:
    graph.node("linear").path = "lineal"


@breaks("paths_are_in_the_module")
def _flag_of_nothing(graph: Graph) -> None:
    graph.node("drop").args = (graph.node("linear"), 0.5, TrainingFlag("drip", True))


@breaks("paths_are_in_the_module")
def _guard_of_nothing(graph: Graph) -> None:
    graph.guards.append(TrainingGuard("drip", True, ""))


@breaks("guards_read_the_graph")
def _guard_on_a_stranger(graph: Graph) -> None:
    graph.guards.append(SizeGuard("==", ("dim", "gone", 0), 1, True, ""))


@breaks("guards_read_the_graph")
def _guard_on_numbers(graph: Graph) -> None:
    graph.guards.append(SizeGuard("==", 1, 1, True, ""))


def test_a_traced_graph_is_legal() -> None:
    """What trace gives keeps every rule, with and without the module."""
    traced = legal()
    verify(traced.graph, traced)
    verify_graph(traced.graph)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_rule_is_enforced(rule: Any) -> None:
    """Each way to break a rule raises its sentence, naming the culprit, in under 600 characters."""
    assert BREAKERS[rule.__name__]
    for breaker in BREAKERS[rule.__name__]:
        traced = legal()
        breaker(traced.graph)
        with pytest.raises(ModelFormatError) as raised:
            verify(traced.graph, traced)
        message = str(raised.value)
        assert message.startswith(f"verify: {rule.__doc__} Broken by: "), breaker.__name__
        assert len(message) < 600


def test_many_violations_are_counted() -> None:
    """Only the first three are listed, and the others counted."""
    graph = Graph()
    for index in range(5):
        graph.add(Node(f"n{index}", "nonsense"))
    with pytest.raises(ModelFormatError, match=r"and 2 more"):
        verify(graph)
