"""Jacobians, Hessians and products with them, against each other and against differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qgrad
from qgrad.autograd import grad
from qgrad.autograd.functional import hessian, hvp, jacobian, jvp, vhp, vjp
from qgrad.errors import ShapeError
from qgrad.tensor import Tensor

Array = np.ndarray[Any, Any]

SHAPES = st.lists(st.lists(st.integers(0, 3), max_size=2).map(tuple), min_size=1, max_size=2)


def double(array: Any) -> Tensor:
    """A float64 tensor."""
    return qgrad.tensor(np.asarray(array, np.float64))


def smooth(count: int, *, scalar: bool) -> Callable[..., Any]:
    """A function of `count` tensors with two outputs of different shapes, or one number."""

    def function(*xs: Tensor) -> Any:
        total = sum((x.sin() * (i + 1)).sum() for i, x in enumerate(xs))
        if scalar:
            return total * total + sum((x**3).sum() for x in xs)
        return xs[0] * total, qgrad.stack([total, total.exp() * xs[-1].sum()]).reshape(2, 1)

    return function


def drawn(shapes: list[tuple[int, ...]], seed: int) -> tuple[Tensor, ...]:
    """Random tensors of these shapes."""
    random = np.random.default_rng(seed)
    return tuple(double(random.uniform(-1, 1, shape)) for shape in shapes)


def flat(value: Any) -> Array:
    """A nest of tensors as one vector."""
    if isinstance(value, Tensor):
        return value.numpy().reshape(-1)
    return np.concatenate([flat(item) for item in value]) if value else np.zeros(0)


def matrix(blocks: Any, outputs: Any, inputs: Any) -> Array:
    """A nest of Jacobian blocks as one matrix."""
    rows = []
    for row, o in zip(blocks, outputs, strict=True):
        pairs = zip(row, inputs, strict=True)
        rows.append([block.numpy().reshape(o.numel(), i.numel()) for block, i in pairs])
    return np.block(rows)


@given(SHAPES, st.integers(0, 2**32), st.sampled_from(["reverse-mode", "forward-mode"]))
def test_jacobian_and_products(shapes: list[tuple[int, ...]], seed: int, strategy: str) -> None:
    """The Jacobian equals differences of values, and vjp and jvp are its products."""
    function, inputs = smooth(len(shapes), scalar=False), drawn(shapes, seed)
    outputs = function(*inputs)
    blocks = jacobian(function, inputs, strategy=strategy)
    assert [b.shape for row in blocks for b in row] == [
        (*o.shape, *i.shape) for o in outputs for i in inputs
    ]
    full = matrix(blocks, outputs, inputs)
    v, u = drawn([o.shape for o in outputs], seed + 1), drawn(shapes, seed + 2)
    values, pulled = vjp(function, inputs, v)
    np.testing.assert_array_equal(flat(values), flat(outputs))
    np.testing.assert_allclose(flat(pulled), flat(v) @ full, 1e-9, 1e-9)
    values, pushed = jvp(function, inputs, u)
    np.testing.assert_array_equal(flat(values), flat(outputs))
    np.testing.assert_allclose(flat(pushed), full @ flat(u), 1e-9, 1e-9)
    up, down = (
        flat(function(*(x + step * d for x, d in zip(inputs, u, strict=True))))
        for step in (1e-6, -1e-6)
    )
    np.testing.assert_allclose(full @ flat(u), (up - down) / 2e-6, 1e-6, 1e-6)
    assert not any(t.requires_grad for row in blocks for t in row)


@given(SHAPES, st.integers(0, 2**32), st.sampled_from(["reverse-mode", "forward-mode"]))
def test_hessian_and_products(shapes: list[tuple[int, ...]], seed: int, strategy: str) -> None:
    """The Hessian is symmetric, equals differences of gradients, and vhp and hvp are products."""
    function, inputs = smooth(len(shapes), scalar=True), drawn(shapes, seed)
    full = matrix(hessian(function, inputs, outer_jacobian_strategy=strategy), inputs, inputs)
    np.testing.assert_allclose(full, full.T, 1e-9, 1e-9)
    v = drawn(shapes, seed + 1)
    for product in (vhp, hvp):
        value, found = product(function, inputs, v)
        assert value.item() == function(*inputs).item()
        np.testing.assert_allclose(flat(found), full @ flat(v), 1e-9, 1e-9)

    def gradient(step: float) -> Array:
        moved = tuple(x + step * d for x, d in zip(inputs, v, strict=True))
        return flat(vjp(function, moved)[1])

    measured = (gradient(1e-6) - gradient(-1e-6)) / 2e-6
    np.testing.assert_allclose(full @ flat(v), measured, 1e-5, 1e-5)


def test_single_tensors_are_not_put_into_tuples() -> None:
    """One input and one output: one tensor; tuples nest by outputs, then inputs, as in PyTorch."""
    x, y = double([1.0, 2.0]), double([3.0])
    assert jacobian(qgrad.square, x).tolist() == [[2, 0], [0, 4]]
    assert jacobian(lambda x: (x * 2,), x)[0].tolist() == [[2, 0], [0, 2]]
    by_inputs = jacobian(lambda x, y: x * y, (x, y))
    assert [b.tolist() for b in by_inputs] == [[[3, 0], [0, 3]], [[1], [2]]]
    assert hessian(lambda x: (x**3).sum(), x).tolist() == [[6, 0], [0, 12]]
    nested = hessian(lambda x, y: (x * y).sum(), (x, y))
    assert nested[0][1].tolist() == [[1], [1]]
    assert vjp(lambda x: x.sum(), x)[1].tolist() == [1, 1]
    assert vjp(lambda x: x.sum(), (x,))[1][0].tolist() == [1, 1]
    assert jvp(lambda y: y * 2, y)[1].tolist() == [2]
    assert vhp(lambda y: y**2, y)[1].tolist() == [2]


def test_results_are_part_of_a_graph_if_asked() -> None:
    """With create_graph, derivatives of the results flow to the caller's tensors."""
    x = double([1.0, 2.0]).requires_grad_()
    v = double([1.0, 1.0]).requires_grad_()
    for strategy in ("reverse-mode", "forward-mode"):
        full = jacobian(lambda x: x**3, x, create_graph=True, strategy=strategy)
        assert grad(full.sum(), x)[0].tolist() == [6, 12]
    assert grad(hessian(lambda x: (x**4).sum(), x, create_graph=True).sum(), x)[0].tolist() == (
        [24, 48]
    )
    for product in (vjp, jvp):
        value, found = product(lambda x: x**3, x, v, create_graph=True)
        assert grad(value.sum() + found.sum(), (x, v))[0].tolist() == [9, 24]
    for product in (vhp, hvp):
        _, found = product(lambda x: (x**3).sum(), x, v, create_graph=True)
        gx, gv = grad(found.sum(), (x, v))
        assert (gx.tolist(), gv.tolist()) == ([6, 6], [6, 12])
    assert x.grad is None


def test_works_under_no_grad_and_leaves_the_inputs_alone() -> None:
    """The derivatives are taken whatever the mode, and without create_graph nothing is recorded."""
    x = double([1.0, 2.0]).requires_grad_()
    with qgrad.no_grad():
        assert jacobian(qgrad.square, x).tolist() == [[2, 0], [0, 4]]
        value, found = vjp(qgrad.square, x, qgrad.ones(2))
    assert not value.requires_grad
    assert not found.requires_grad
    assert x.is_leaf


def test_independent_outputs() -> None:
    """Without a path the derivative is 0; strict says so instead."""
    x, y = double([1.0]), double([2.0])
    assert jacobian(lambda x, y: x * 2, (x, y))[1].tolist() == [[0]]
    assert jacobian(lambda x: double([3.0]), x).tolist() == [[0]]
    assert hessian(lambda x: (2 * x).sum(), x).tolist() == [[0]]
    assert jvp(lambda x: double([3.0]), x)[1].tolist() == [0]
    for call in (jacobian, vjp, jvp):
        with pytest.raises(RuntimeError, match=r"input 1, which strict=True forbids"):
            call(lambda x, y: x * 2, (x, y), strict=True, **({"v": (x, y)} if call is jvp else {}))
        with pytest.raises(RuntimeError, match=r"output 0 of the function does not require grad"):
            call(lambda x: double([3.0]), x, strict=True)
    for call in (hessian, vhp, hvp):
        with pytest.raises(RuntimeError, match=r"derivative does not depend on input 0"):
            call(lambda x: (2 * x).sum(), x, strict=True)


@pytest.mark.parametrize(
    ("wrong", "error", "text"),
    [
        (lambda x: jacobian(qgrad.square, 3.0), TypeError, "jacobian: inputs must be a tensor"),
        (lambda x: jacobian(lambda x: 3.0, x), TypeError, "the outputs of the function must be"),
        (lambda x: jacobian(qgrad.square, (x, 1)), TypeError, r"got a int \(place 1\)"),
        (
            lambda x: vjp(qgrad.square, x),
            RuntimeError,
            "vjp: v may be left out only for",
        ),
        (lambda x: jvp(qgrad.square, x), RuntimeError, "jvp: v may be left out only for one input"),
        (lambda x: vjp(qgrad.square, x, qgrad.ones(3)), ShapeError, r"\[\[3\]\], the outputs have"),
        (lambda x: hvp(qgrad.square, x, x), RuntimeError, r"one element, got shapes \[2\]"),
        (lambda x: hessian(qgrad.square, x), RuntimeError, "hessian: the function must return one"),
        (lambda x: jacobian(qgrad.square, x, strategy="up"), ValueError, "got 'up'"),
        (lambda x: jacobian(qgrad.square, x.long()), TypeError, "only floating-point"),
    ],
)
def test_errors(wrong: Any, error: type[Exception], text: str) -> None:
    """Each mistake names the function and what it got."""
    with pytest.raises(error, match=text):
        wrong(double([1.0, 2.0]))
