"""Graphs of any depth are built, run and freed without recursion, and leave nothing behind."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import qgrad
from qgrad.autograd import Function, detect_anomaly, functional, grad
from qgrad.tensor import Tensor


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Only reference counts free memory."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


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


class Scale(Function):
    """x * 2, with all that a Function may keep."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        y = x * 2
        ctx.save_for_backward(x, y)
        return y, x

    @staticmethod
    def backward(ctx: Any, g: Any, _: Any) -> Any:
        x, y = ctx.saved_tensors
        return g * y / x


def in_place(x: Tensor) -> Tensor:
    """Changes of a value that was saved nowhere."""
    y = x * 1
    y.mul_(x).sin_()
    return y


def in_place_on_views(x: Tensor) -> Tensor:
    """Changes of views of views, seen by the base and by other views."""
    y = x * 1
    other = y[1:]
    y.view(2, 2)[0].mul_(x[:2])
    y[2:] = x[:2].exp()
    return y * qgrad.cat([other, other[:1]])


def rows_of_a_buffer(x: Tensor) -> Tensor:
    """Assignments into a tensor without history."""
    rows = qgrad.zeros(2, 4)
    rows[0] = x
    rows[1] += x * x
    return rows


def hooked(x: Tensor) -> Tensor:
    """Hooks of all kinds, and a retained gradient."""
    y = x * 2
    y.register_hook(lambda g: g * 2)
    y.retain_grad()
    x.register_hook(lambda g: g + 1)
    x.register_post_accumulate_grad_hook(lambda t: None)
    return y.sin()


def hooked_module(x: Tensor) -> Tensor:
    """A module with hooks before and after its backward."""
    net = qgrad.nn.Linear(4, 3)
    net.register_full_backward_hook(lambda *_: None)
    net.register_full_backward_pre_hook(lambda *_: None)
    return net(x)


def watched(x: Tensor) -> Tensor:
    """Operations recorded, and differentiated, in anomaly mode."""
    with detect_anomaly():
        (g,) = grad((x**3).sum(), x, create_graph=True)
        return g * x


def hessian(x: Tensor) -> Tensor:
    """Derivatives of derivatives, with their graph."""
    return functional.hessian(lambda t: (t**3).sum(), x, create_graph=True)


GRAPHS: list[Callable[[Tensor], Tensor]] = [
    in_place,
    in_place_on_views,
    rows_of_a_buffer,
    hooked,
    hooked_module,
    watched,
    hessian,
    lambda x: x.view(2, 2).T[0].expand(3, 2),
    lambda x: Scale.apply(x)[0] * Scale.apply(x)[1],
    lambda x: Scale.apply(x * 1)[1],
]


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("how", ["forward", "backward", "retain_graph", "grad", "create_graph"])
@pytest.mark.parametrize("graph", GRAPHS)
def test_graphs_of_all_kinds_are_freed_without_the_collector(
    graph: Callable[[Tensor], Tensor], how: str
) -> None:
    """Whatever a graph is made of and was used for, it dies with the last reference."""
    x = qgrad.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    y = graph(x)
    refs = [weakref.ref(x), weakref.ref(y), weakref.ref(y.grad_fn)]
    if how in ("backward", "retain_graph"):
        y.sum().backward(retain_graph=how == "retain_graph")
    elif how != "forward":
        (g,) = grad(y.sum(), x, create_graph=how == "create_graph")
        if g.requires_grad:
            refs.append(weakref.ref(g))
            (g * g).sum().backward()
        del g
    del x, y
    assert [ref() for ref in refs] == [None] * len(refs)


def resident() -> int:
    """The memory of this process that is in RAM, in bytes."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * 4096


@pytest.mark.slow
@pytest.mark.usefixtures("no_collector")
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc (Linux)")
def test_memory_is_flat_over_many_steps() -> None:
    """10,000 training steps with every feature of the engine take no more than the first 1,000."""
    net = qgrad.nn.Sequential(qgrad.nn.Linear(4, 8), qgrad.nn.BatchNorm1d(8), qgrad.nn.GELU())
    net[0].register_full_backward_hook(lambda *_: None)
    optimizer = qgrad.optim.Adam(net.parameters())
    data = qgrad.randn(8, 4)
    running = qgrad.zeros(8)

    def step(i: int) -> None:
        graph = GRAPHS[i % len(GRAPHS)]
        x = data[i % 8].detach().requires_grad_()
        hidden = net(data + graph(x).sum() * 0.001)
        hidden.retain_grad()
        loss = (hidden * hidden).mean()
        (penalty,) = grad(loss, x, create_graph=True)
        optimizer.zero_grad()
        (loss + (penalty * penalty).sum()).backward()
        optimizer.step()
        with qgrad.no_grad():
            running.view(-1).mul_(0.9).add_(hidden.mean(0).view(-1), alpha=0.1)
        with qgrad.inference_mode():
            float(net(data).sum())

    for i in range(1000):
        step(i)
    before = resident()
    for i in range(9000):
        step(i)
    assert resident() - before < 2 * 2**20


def test_threads_share_parameters_and_nothing_else() -> None:
    """Graphs of different threads over the same leaves, with hooks, modes, versions, Functions and
    changes in place, give the gradients that one thread gives."""
    shared = qgrad.tensor([0.5, 1.0, 1.5, 2.0], dtype=qgrad.float64, requires_grad=True)

    def work(seed: int) -> list[Any]:
        random = np.random.default_rng(seed)
        results = []
        for i in range(30):
            x = qgrad.tensor(random.uniform(0.5, 1.5, 4), requires_grad=True)
            seen: list[float] = []
            y = GRAPHS[i % 3](x * shared)  # in place, on views, into a buffer
            y.register_hook(lambda g, seen=seen: seen.append(g.sum().item()))
            with qgrad.no_grad() if i % 3 == 0 else qgrad.inference_mode(i % 3 == 1):
                recorded = (x * 2).requires_grad
            a, b = Scale.apply(x)
            gs = grad((y.sum() * a * b).sum(), (x, shared), create_graph=True)
            second = grad(gs[0].sum(), (x, shared))
            results.append((seen, recorded, [g.tolist() for g in (*gs, *second)], x._version))
        return results

    expected = [work(seed) for seed in range(8)]
    results: dict[int, Any] = {}
    start = threading.Barrier(8)

    def run(seed: int) -> None:
        start.wait()
        results[seed] = work(seed)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(8)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert [results.get(seed) for seed in range(8)] == expected
    assert shared.grad is None
