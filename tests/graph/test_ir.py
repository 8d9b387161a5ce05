"""The graph as a data structure: reading, changing, copying and printing it."""

from __future__ import annotations

import copy

import pytest

import qgrad
from qgrad import ops
from qgrad.graph import Graph, Node, SizeGuard
from qgrad.symbolic import SymInt


def small_graph() -> Graph:
    """relu(x) * x, and a reshape of it that reads the size of relu's result."""
    graph = Graph()
    f32 = qgrad.float32
    x = graph.add(Node("x", "input", dtype=f32, shape=(SymInt(2, ("dim", "x", 0)), 3)))
    free = (SymInt(2, ("dim", "act", 0)), 3)
    act = graph.add(
        Node(
            "act", "op", op=ops.relu, args=(x,), dtype=f32, shape=free, path="a.b", source="m.py:3"
        )
    )
    free = (SymInt(2, ("dim", "prod", 0)), 3)
    prod = graph.add(Node("prod", "op", op=ops.mul, args=(act, x), dtype=f32, shape=free))
    sizes = (SymInt(2, ("dim", "act", 0)) * 3,)
    free_flat = (SymInt(6, ("dim", "flat", 0)),)
    flat = graph.add(
        Node("flat", "op", op=ops.reshape, args=(prod, sizes), dtype=f32, shape=free_flat)
    )
    graph.add(Node("output", "output", args=({"flat": flat},)))
    return graph


def test_users_and_inputs() -> None:
    """Readers of a value and of a shape are told apart; each comes once, in running order."""
    graph = small_graph()
    x, act, prod, flat = (graph.node(name) for name in ("x", "act", "prod", "flat"))
    assert graph.users(x) == [act, prod]
    assert graph.users(act) == [prod]
    assert graph.shape_users(act) == [flat]
    assert graph.inputs_of(prod) == [act, x]
    assert graph.users(flat) == [graph.output_node]
    assert graph.output == {"flat": flat}


def test_users_follow_changes() -> None:
    """Assigning arguments and inserting nodes is seen by the next `users`."""
    graph = small_graph()
    x, act, prod = (graph.node(name) for name in ("x", "act", "prod"))
    assert graph.users(act) == [prod]
    prod.args = (x, x)
    assert graph.users(act) == []
    prod.kwargs = {"other": act}
    assert graph.users(act) == [prod]


def test_replace_uses_moves_values_shapes_and_guards() -> None:
    """Everyone who took the old node takes the new one, except the new one itself."""
    graph = small_graph()
    act = graph.node("act")
    graph.guards = [SizeGuard(">", ("dim", "act", 0), 1, True, "m.py:4")]
    twice = graph.insert_after(
        act, Node("twice", "op", op=ops.add, args=(act, act), dtype=act.dtype, shape=(2, 3))
    )
    graph.replace_uses(act, twice)
    assert graph.node("prod").args[0] is twice
    assert twice.args == (act, act)
    assert graph.shape_users(act) == []
    assert graph.shape_users(twice) == [graph.node("flat")]
    assert graph.guards[0].left == ("dim", "twice", 0)


def test_a_used_node_cannot_be_erased() -> None:
    """erase names the users, of the value or of the shape, and the way out."""
    graph = small_graph()
    act, prod, flat = (graph.node(name) for name in ("act", "prod", "flat"))
    with pytest.raises(ValueError, match=r"act is used by flat, prod; call replace_uses"):
        graph.erase(act)
    graph.output_node.args = (graph.node("x"),)
    graph.erase(act, prod, flat)
    assert [node.name for node in graph.nodes] == ["x", "output"]
    assert act not in graph


def test_names_are_unique() -> None:
    """A second node of one name is refused, and unique_name gives a free identifier."""
    graph = small_graph()
    with pytest.raises(ValueError, match="there is a node called 'act' already"):
        graph.add(Node("act", "input"))
    assert graph.unique_name("act") == "act_1"
    assert graph.unique_name("0.conv-1") == "_0_conv_1"
    with pytest.raises(KeyError, match="no node is called 'nope'"):
        graph.node("nope")


def test_nodes_go_where_they_are_put() -> None:
    """add stays before the output; insert_before and insert_after are relative to a node."""
    graph = small_graph()
    for insert, name in ((graph.insert_before, "b"), (graph.insert_after, "c")):
        insert(graph.node("act"), Node(name, "input"))
    graph.add(Node("d", "input"))
    assert [n.name for n in graph.nodes] == ["x", "b", "act", "c", "prod", "flat", "d", "output"]


@pytest.mark.parametrize("twin_of", [Graph.copy, copy.deepcopy])
def test_copies_are_independent(twin_of: object) -> None:
    """A copy has nodes of its own, prints the same, and does not change with the original."""
    graph = small_graph()
    graph.node("act").quant = ["spec"]
    twin = twin_of(graph)  # type: ignore[operator]
    text = str(graph)
    assert str(twin) == text
    assert not set(twin.nodes) & set(graph.nodes)
    assert twin.node("prod").args == (twin.node("act"), twin.node("x"))
    assert twin.node("act").op is ops.relu
    assert (twin.node("act").quant is graph.node("act").quant) == (twin_of is Graph.copy)
    graph.node("prod").args = (graph.node("x"),) * 2
    assert str(twin) == text


def test_printed_form() -> None:
    """One readable line per node: name, call, dtype and sizes, path and source."""
    graph = small_graph()
    graph.guards = [SizeGuard(">", ("dim", "x", 0), 1, True, "m.py:4")]
    assert str(graph) == (
        "x = input : float32[?,3]\n"
        "act = relu(x) : float32[?,3]  # a.b  m.py:3\n"
        "prod = mul(act, x) : float32[?,3]\n"
        "flat = reshape(prod, (act.shape[0] * 3,)) : float32[?]\n"
        "output = output({'flat': flat})\n"
        "assuming x.shape[0] > 1 is True  m.py:4"
    )
    assert repr(graph) == "Graph(x: 3 ops, 5 nodes)"
    assert repr(graph.node("act")) == "act"
