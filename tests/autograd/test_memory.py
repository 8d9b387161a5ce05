"""Graphs of any depth are built, run and freed without recursion, and leave nothing behind."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import qgrad
from qgrad.autograd import grad


@pytest.mark.parametrize("depth", [100_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_deep_chains(depth: int) -> None:
    """A chain goes forward, backward and is destroyed, without overflowing the stack."""
    x = qgrad.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(depth):
        y = y + x
    del y
    y = x
    for _ in range(depth):
        y = y * 1.0
    y.backward()
    assert x.grad.item() == 1.0
    del y


def test_deep_chains_of_views_and_gradients() -> None:
    """Views of views changed in place, and gradients of gradients, go as deep."""
    x = qgrad.ones(2, requires_grad=True)
    base = x * 1
    view = base
    for _ in range(20_000):
        view = view.view(2)
    view.mul_(3)
    base.sum().backward()
    assert x.grad.tolist() == [3, 3]
    del view, base
    y = x
    for _ in range(5_000):
        y = y.sin()
    (g,) = grad(y.sum(), x, create_graph=True)
    (second,) = grad(g.sum(), x)
    assert second[0].item() < 0


def test_intermediate_values_die_with_the_graph() -> None:
    """Arrays kept for backward are freed by it, while the result lives on."""
    x = qgrad.ones(1000, requires_grad=True)
    hidden = x * 2
    y = (hidden * hidden).sum()
    watched = weakref.ref(hidden)
    del hidden
    assert watched() is not None
    y.backward()
    assert watched() is None


def test_only_what_rules_need_is_kept() -> None:
    """Sums keep no arrays; a product with a constant keeps the constant only."""
    x = qgrad.ones(10, requires_grad=True)
    constant = qgrad.ones(10)
    a = x + 1
    b = a * constant
    watched = weakref.ref(a), weakref.ref(constant)
    del a, constant
    assert watched[0]() is None
    assert watched[1]() is not None
    b.sum().backward()


def test_training_leaves_nothing_for_the_collector() -> None:
    """With the cycle collector off, the number of live objects stays the same over many steps."""
    w = qgrad.randn(8, 8, requires_grad=True)
    x = qgrad.randn(4, 8)

    def step() -> None:
        hidden = qgrad.relu(x @ w)
        loss = (hidden.softmax(-1) * hidden).sum()
        loss.backward(create_graph=True)
        penalty = (w.grad * w.grad).sum()
        w.grad = None
        penalty.backward()
        with qgrad.no_grad():
            w.sub_(0.001 * w.grad)
        w.grad = None

    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            step()
        before = len(gc.get_objects())
        for _ in range(200):
            step()
        assert abs(len(gc.get_objects()) - before) < 50
    finally:
        gc.enable()


def test_accumulated_gradients_keep_their_memory() -> None:
    """A second backward adds into the same array, so that memory stays flat."""
    x = qgrad.ones(3, requires_grad=True)
    (x * 2).sum().backward()
    memory = x.grad._data
    (x * 2).sum().backward()
    assert x.grad._data is memory
    assert x.grad.tolist() == [4, 4, 4]


def test_gradient_arrays_are_not_shared() -> None:
    """x + w gives both the same gradient, in two arrays; the start gradient stays as it was."""
    x, w = qgrad.ones(2, requires_grad=True), qgrad.ones(2, requires_grad=True)
    start = qgrad.ones(2)
    (x + w).backward(start)
    x.grad.mul_(5)
    assert w.grad.tolist() == [1, 1]
    assert start.tolist() == [1, 1]
    one = qgrad.ones((), requires_grad=True)
    one.backward()
    one.grad.add_(1)
    one.backward()
    assert one.grad.item() == 3
    assert not np.shares_memory(x.grad._data, w.grad._data)
