"""Hooks on tensors and modules: when they run, what they may replace, and what they keep alive."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

import qgrad
from qgrad.autograd import grad
from qgrad.errors import ShapeError
from qgrad.tensor import Tensor


def leaf(*values: float) -> Tensor:
    """A vector that requires grad."""
    return qgrad.tensor([float(v) for v in values], requires_grad=True)


def test_order() -> None:
    """Hooks run in the order of registration, each on the result of the one before."""
    x = leaf(1)
    y = x * 1
    seen: list[Any] = []
    y.retain_grad()
    for name in "ab":
        y.register_hook(lambda g, name=name: seen.append(name) or g * 2)
    x.register_hook(lambda g: seen.append("x"))
    x.register_post_accumulate_grad_hook(lambda t: seen.append(("after", t.grad.item())))
    y.backward()
    assert seen == ["a", "b", "x", ("after", 4.0)]
    assert y.grad.tolist() == [4]  # retained last, whenever it was asked for


def test_a_hook_is_called_with_the_sum_of_all_uses() -> None:
    """Also for the outputs of a Function and for grad."""
    x = leaf(2)
    seen = []
    y = x * 3
    y.register_hook(lambda g: seen.append(g.item()))
    x.register_hook(lambda g: g + 100)
    (g,) = grad((y * y + y).sum(), x)
    assert seen == [13]
    assert g.tolist() == [139]
    assert x.grad is None


def test_hooks_in_higher_derivatives() -> None:
    """With create_graph the hook's operations are part of the gradient's graph."""
    x = leaf(2)
    y = x * 1
    y.register_hook(lambda g: g * y)
    (g,) = grad((y * y).sum(), x, create_graph=True)  # 2y * y
    assert g.tolist() == [8]
    (second,) = grad(g, x)  # 4y, and the hook on the way back: * y
    assert second.tolist() == [16]


def test_post_accumulate_hooks() -> None:
    """Called with the leaf after each backward, not by grad, and not on other tensors."""
    x = leaf(1, 2)
    seen: list[list[float]] = []
    handle = x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.tolist()))
    (x * 2).sum().backward()
    (x * 2).sum().backward(inputs=[x])
    grad((x * 2).sum(), x)
    assert seen == [[2, 2], [4, 4]]
    handle.remove()
    (x * 2).sum().backward()
    assert len(seen) == 2
    with pytest.raises(RuntimeError, match=r"leaves only.*made by mul; use register_hook"):
        (x * 2).register_post_accumulate_grad_hook(print)


def test_a_step_in_the_hook() -> None:
    """The leaf may be changed and its gradient dropped in the hook: the optimizer in backward."""
    x = leaf(1, 2)

    def step(t: Tensor) -> None:
        with qgrad.no_grad():
            t -= 0.5 * t.grad
        t.grad = None

    x.register_post_accumulate_grad_hook(step)
    for expected in ([0.5, 1.0], [0.25, 0.5]):
        (x * x).sum().backward() if expected[0] == 0 else (x * x / 2).sum().backward()
        assert x.tolist() == expected
        assert x.grad is None


@pytest.mark.parametrize(
    ("result", "error", "text"),
    [
        (3.0, TypeError, "a hook on mul's result returned a float"),
        (qgrad.ones(3), ShapeError, r"a hook on mul's result returned f32\[3\].*f32\[2\]"),
        (qgrad.ones(2, dtype=qgrad.float64), ShapeError, r"returned f64\[2\].*f32\[2\]"),
    ],
)
def test_wrong_results(result: Any, error: type[Exception], text: str) -> None:
    """What a hook returns must be a gradient like the one that it got."""
    y = leaf(1, 2) * 2
    y.register_hook(lambda g: result)
    with pytest.raises(error, match=text):
        y.sum().backward()


def test_changes_in_place() -> None:
    """A leaf's gradient may be changed in place; another belongs to others too, and may not."""
    x, w = leaf(1, 2), leaf(3, 4)
    kept: list[Tensor] = []
    x.register_hook(lambda g: kept.append(g.mul_(10)))
    (x + w).sum().backward()
    assert x.grad.tolist() == [10, 10]
    assert w.grad.tolist() == [1, 1]
    x.grad.zero_()
    assert kept[0].tolist() == [10, 10]
    y = x * 2
    y.register_hook(lambda g: g.mul_(10))
    with pytest.raises(ValueError, match="read-only"):
        (y + w).sum().backward()


def test_retained_gradients_are_nobody_elses() -> None:
    """What retain_grad keeps accumulates, and shares no memory with other gradients."""
    x = leaf(1, 2)
    y = x * 1
    y.retain_grad()
    total = y.sum()
    total.backward(retain_graph=True)
    y.grad.mul_(5)
    assert x.grad.tolist() == [1, 1]
    total.backward()
    assert y.grad.tolist() == [6, 6]


def test_retains_grad() -> None:
    """Tells of what retain_grad was asked of, and that is never a leaf."""
    x = leaf(1, 2)
    y = x * 2
    assert not y.retains_grad
    for tensor in (x, y):
        tensor.retain_grad()
    assert y.retains_grad
    assert not x.retains_grad


def test_retain_grad_and_changes_in_place() -> None:
    """After a change in place, .grad is that of the value the tensor has now."""
    x = leaf(1, 2)
    y = x * 1
    y.retain_grad()
    seen: list[Any] = []
    y.register_hook(lambda g: seen.append(g.tolist()))  # stays with the value it was registered on
    y.mul_(3)
    (y * 2).sum().backward()
    assert y.grad.tolist() == [2, 2]
    assert seen == [[6, 6]]


def test_hooks_make_no_cycles() -> None:
    """Tensors with hooks and retained gradients are freed without the cycle collector."""
    gc.collect()
    gc.disable()
    try:
        x = leaf(1, 2)
        y = x * 2
        y.retain_grad()
        y.register_hook(lambda g: g * 2)
        x.register_hook(lambda g: g * 2)
        x.register_post_accumulate_grad_hook(lambda t: None)
        y.sum().backward()
        watched = [weakref.ref(t) for t in (x, y, x.grad, y.grad, y.grad_fn)]
        del x, y
        assert [ref() for ref in watched] == [None] * 5
    finally:
        gc.enable()


class Two(qgrad.nn.Module):
    """Two inputs, two outputs."""

    def forward(self, x: Any, y: Any) -> Any:
        return x * y, x + y


def test_module_hooks() -> None:
    """Full backward hooks see the gradients of outputs and inputs, and may replace both."""
    net = Two()
    seen: list[Any] = []
    net.register_full_backward_pre_hook(lambda m, g: (g[0] * 10, g[1]))
    net.register_full_backward_hook(lambda m, gi, go: seen.append([g.tolist() for g in (*gi, *go)]))
    net.register_full_backward_hook(lambda m, gi, go: (gi[0], gi[1] * 0))
    x = leaf(2)
    y = qgrad.tensor([3.0], dtype=qgrad.float64, requires_grad=True)
    a, b = net(x, y)
    (a.sum() + b.sum()).backward()
    assert seen == [[[31], [21], [10], [1]]]
    assert (x.grad.tolist(), y.grad.tolist()) == ([31], [0])
    assert (x.grad.dtype, y.grad.dtype) == (qgrad.float32, qgrad.float64)


def test_module_hooks_in_higher_derivatives() -> None:
    """Hooks of modules run in every order of differentiation."""
    net = Two()
    calls: list[int] = []
    net.register_full_backward_hook(lambda m, gi, go: calls.append(len(gi)))
    x, y = leaf(2), leaf(3)
    a, _ = net(x, y)
    (g,) = grad((a * a).sum(), x, create_graph=True)  # 2 x y^2
    (second,) = grad(g, y)
    assert g.tolist() == [36]
    assert second.tolist() == [24]
    assert calls[0] == 2
