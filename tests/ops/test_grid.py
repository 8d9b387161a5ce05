"""Every op of the table, by the strategies in calls.py: values, gradients, memory, errors."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from ops.calls import CALLS, UNKNOWN, Call

import qgrad
from qgrad import ops
from qgrad.autograd import grad
from qgrad.ops.op import Op
from qgrad.tensor import Tensor

OPS = sorted(ops.registry)
DIFFERENTIABLE = sorted(name for name, op in ops.registry.items() if op.rules)
# Their gradient is not the derivative of their value, on purpose.
STRAIGHT_THROUGH = {"fake_quantize", "straight_through"}
EPS = 1e-6

grid = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def arrays_to(value: Any, convert: Callable[[np.ndarray[Any, Any]], Any]) -> Any:
    """`value` with `convert` applied to the arrays in it."""
    if isinstance(value, (np.ndarray, np.generic)):
        return convert(np.asarray(value))
    if isinstance(value, list):
        return [arrays_to(item, convert) for item in value]
    if isinstance(value, tuple):
        return tuple(arrays_to(item, convert) for item in value)
    return value


def tensors_of(op: Op, call: Call) -> tuple[list[Any], list[Tensor]]:
    """The call's arguments with tensors for arrays, and those of them that get a gradient."""
    leaves: list[Tensor] = []

    def plain(array: np.ndarray[Any, Any]) -> Tensor:
        return qgrad.from_numpy(array.copy(order="K"))

    def leaf(array: np.ndarray[Any, Any]) -> Tensor:
        tensor = plain(array)
        if array.dtype.kind == "f":
            leaves.append(tensor.requires_grad_())
        return tensor

    args = [
        arrays_to(value, leaf if param in op.rules else plain)
        for param, value in zip(op.params, call.args, strict=False)
    ]
    return args, leaves


def run(op: Op, call: Call) -> tuple[Any, list[Tensor]]:
    """The op on tensors with a fixed seed: the result, and the leaves that get a gradient."""
    qgrad.manual_seed(0)
    args, leaves = tensors_of(op, call)
    return op(*args, **call.options), leaves


def value_of(op: Op, call: Call) -> np.ndarray[Any, Any]:
    """The op's result as an array."""
    y, _ = run(op, call)
    return np.array(y.detach()._data)


def gradients(op: Op, call: Call) -> list[np.ndarray[Any, Any]]:
    """The gradients of the sum of the result."""
    y, leaves = run(op, call)
    if not leaves or not y.requires_grad:
        return []
    gs = grad(y, leaves, qgrad.ones_like(y), allow_unused=True)
    return [g._data for g in gs if g is not None]


def moved(op: Op, call: Call, directions: list[np.ndarray[Any, Any]], step: float) -> Call:
    """The call with its differentiable arrays moved by `step` along the directions."""
    left = iter(directions)

    def move(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return array + step * next(left) if array.dtype.kind == "f" else array

    args = [
        arrays_to(value, move) if param in op.rules else value
        for param, value in zip(op.params, call.args, strict=False)
    ]
    return Call(tuple(args), call.options)


def test_every_op_has_a_strategy() -> None:
    """An op that is not tested by the grids is a mistake."""
    assert sorted(CALLS) == OPS


@pytest.mark.parametrize("name", OPS)
def test_value(name: str) -> None:
    """In float64 the result equals the independent formula, on tensors and on bare arrays."""
    op = ops.registry[name]

    @grid
    @given(CALLS[name])
    def check(call: Call) -> None:
        y = value_of(op, call)
        if call.expected is not UNKNOWN:
            np.testing.assert_allclose(y, call.expected, rtol=1e-9, atol=1e-9)
            assert y.shape == np.shape(call.expected)
        qgrad.manual_seed(0)
        bare = op(*arrays_to(call.args, np.copy), **call.options)
        np.testing.assert_array_equal(bare, y)

    check()


@pytest.mark.parametrize("name", OPS)
def test_float32_is_close_to_float64(name: str) -> None:
    """The float32 kernels compute what the float64 code computes, and keep the dtype."""
    op = ops.registry[name]

    @grid
    @given(CALLS[name])
    def check(call: Call) -> None:
        def narrow(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            return array.astype(np.float32) if array.dtype == np.float64 else array

        call32 = Call(arrays_to(call.args, narrow), call.options)
        call64 = Call(
            arrays_to(call32.args, lambda a: a.astype(np.float64) if a.dtype.kind == "f" else a),
            call.options,
        )
        wide, single = value_of(op, call64), value_of(op, call32)
        if name in ("floor_divide", "remainder"):  # discontinuous: rounding decides
            return
        for g32, g64 in zip(gradients(op, call32), gradients(op, call64), strict=True):
            np.testing.assert_allclose(g32, g64, rtol=1e-4, atol=1e-4)
            assert g32.dtype == np.float32
        np.testing.assert_allclose(single, wide, rtol=2e-5, atol=2e-5)
        if wide.dtype == np.float64:
            assert single.dtype == np.float32
        else:
            assert single.dtype == wide.dtype

    check()


@pytest.mark.parametrize("name", sorted(set(DIFFERENTIABLE) - STRAIGHT_THROUGH))
def test_gradient(name: str) -> None:
    """The gradient in a random direction equals the difference of two values."""
    op = ops.registry[name]

    @grid
    @given(CALLS[name])
    def check(call: Call) -> None:
        y, leaves = run(op, call)
        if not leaves or not y.requires_grad:
            return
        random = np.random.default_rng(0)
        weight = np.asarray(random.uniform(-1, 1, y.shape))
        directions = [np.asarray(random.uniform(-1, 1, leaf.shape)) for leaf in leaves]
        y.backward(qgrad.tensor(weight.astype(y._data.dtype)))
        slope = 0.0
        for leaf, direction in zip(leaves, directions, strict=True):
            if leaf.grad is not None:
                assert leaf.grad.shape == leaf.shape
                assert leaf.grad.dtype is leaf.dtype
                slope += float(np.sum(leaf.grad._data * direction))
        if y.dtype is not qgrad.float64:
            return
        up = value_of(op, moved(op, call, directions, EPS))
        down = value_of(op, moved(op, call, directions, -EPS))
        measured = np.sum((up - down) * weight) / (2 * EPS)
        np.testing.assert_allclose(slope, measured, rtol=1e-5, atol=1e-6)

    check()


@pytest.mark.parametrize("name", sorted(set(DIFFERENTIABLE) - STRAIGHT_THROUGH))
def test_gradient_of_the_gradient(name: str) -> None:
    """Rules are made of ops: the gradient's own gradient equals the difference of two gradients."""
    op = ops.registry[name]

    @grid
    @given(CALLS[name])
    def check(call: Call) -> None:
        random = np.random.default_rng(0)

        def graph(call: Call, create_graph: bool) -> tuple[list[Tensor], list[Tensor], Any]:
            y, leaves = run(op, call)
            if not leaves or not y.requires_grad or y.dtype is not qgrad.float64:
                return [], [], None
            weight = np.asarray(np.random.default_rng(1).uniform(-1, 1, y.shape))
            seed = qgrad.tensor(weight).requires_grad_()
            gs = grad(y, leaves, seed, create_graph=create_graph, materialize_grads=True)
            return list(gs), leaves, seed

        gs, leaves, seed = graph(call, True)
        if not any(g.requires_grad for g in gs):
            return
        weights = [np.asarray(random.uniform(-1, 1, g.shape)) for g in gs]
        total = sum(
            ((g * qgrad.tensor(w)).sum() for g, w in zip(gs, weights, strict=True)),
            start=qgrad.tensor(0.0, dtype=qgrad.float64),
        )
        second = grad(total, [*leaves, seed], allow_unused=True, materialize_grads=True)
        directions = [np.asarray(random.uniform(-1, 1, leaf.shape)) for leaf in leaves]
        slope = sum(float(np.sum(s._data * d)) for s, d in zip(second, directions, strict=False))
        sums = []
        for step in (EPS, -EPS):
            there, _, _ = graph(moved(op, call, directions, step), False)
            sums.append(sum(np.sum(g._data * w) for g, w in zip(there, weights, strict=True)))
        np.testing.assert_allclose(slope, (sums[0] - sums[1]) / (2 * EPS), rtol=2e-4, atol=1e-5)

    check()


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_graph_is_freed_without_the_collector(name: str) -> None:
    """No reference cycle keeps a result, its node or its inputs, before and after backward."""
    op = ops.registry[name]

    @settings(grid, max_examples=4)
    @given(CALLS[name])
    def check(call: Call) -> None:
        gc.disable()
        try:
            for how in ("forward", "backward", "create_graph"):
                y, leaves = run(op, call)
                watched = [weakref.ref(leaf) for leaf in leaves] + [weakref.ref(y)]
                if y.grad_fn is not None:
                    watched.append(weakref.ref(y.grad_fn))
                if leaves and y.requires_grad and how != "forward":
                    create = how == "create_graph"
                    gs = grad(y, leaves, qgrad.ones_like(y), create_graph=create, allow_unused=True)
                    del gs
                del y, leaves
                assert [ref() for ref in watched] == [None] * len(watched), how
        finally:
            gc.enable()

    check()


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_accumulated_gradients_are_nobody_elses(name: str) -> None:
    """Changing a leaf's gradient in place changes no other leaf's gradient and no input."""
    op = ops.registry[name]

    @settings(grid, max_examples=4)
    @given(CALLS[name])
    def check(call: Call) -> None:
        y, leaves = run(op, call)
        if not leaves or not y.requires_grad:
            return
        start = qgrad.ones_like(y)
        y.backward(start)
        arrays = [leaf.grad._data for leaf in leaves if leaf.grad is not None]
        arrays += [leaf._data for leaf in leaves] + [start._data]
        for i, one in enumerate(arrays):
            for other in arrays[:i]:
                assert not np.shares_memory(one, other)

    check()
