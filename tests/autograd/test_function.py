"""Function: the user's own gradients, their marks, and their derivatives."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from autograd.functions import Cube, Exp, Polar, leaf
from hypothesis import given
from hypothesis import strategies as st

import qgrad
from qgrad.autograd import Function, grad
from qgrad.autograd.function import once_differentiable


@given(st.integers(0, 2**32), st.sampled_from(["both", "first", "second", "again"]))
def test_any_order_of_derivatives(seed: int, use: str) -> None:
    """Derivatives up to the third, through saved inputs and outputs, are those of the same ops."""
    random = np.random.default_rng(seed)
    start = random.uniform(0.5, 1.5, 3), random.uniform(-1, 1, 3)

    def plain(r: Any, angle: Any) -> Any:
        return r * angle.cos(), r * angle.sin()

    def total(polar: Any, cube: Any, exp: Any) -> list[list[float]]:
        r, angle = (qgrad.tensor(s, requires_grad=True) for s in start)
        x, y = polar(r, angle)
        if use == "again":
            x, y = polar(cube(x), exp(y))
        value = {"first": x, "second": y}.get(use, x * y)
        found = []
        scalar = (exp(cube(value)) * r).sum()
        for _ in range(3):
            gs = grad(scalar, (r, angle), create_graph=True)
            found += [g.tolist() for g in gs]
            scalar = sum((g * g).sum() for g in gs)
        return found

    ours = total(Polar.apply, Cube.apply, Exp.apply)
    np.testing.assert_allclose(ours, total(plain, lambda x: x**3, qgrad.exp), 1e-9, 1e-9)


def test_without_recording_nothing_is_kept() -> None:
    """Under no_grad, or without inputs that require grad, the output has no history."""
    x = leaf(1, 2)
    with qgrad.no_grad():
        assert not Cube.apply(x).requires_grad
    assert not Cube.apply(x.detach()).requires_grad
    assert repr(Cube.apply(x).grad_fn) == "<CubeBackward>"
    assert Cube.apply(x).grad_fn.next_functions == ((x, 0),)
    assert Polar.apply(x, x)[1].grad_fn.next_functions == ((x, 0), (x, 0))


def test_gradients_are_off_inside() -> None:
    """Neither forward nor, without create_graph, backward is recorded."""
    seen = []

    class Watch(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            seen.append(((x * 2).requires_grad, ctx.needs_input_grad))
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            seen.append(((g * 2).requires_grad, qgrad.is_grad_enabled()))
            return g * 2

    x = leaf(1)
    Watch.apply(x).backward()
    grad(Watch.apply(x) ** 2, x, create_graph=True)
    assert seen == [(False, (True,)), (False, False), (False, (True,)), (True, True)]
    assert qgrad.is_grad_enabled()


def test_arguments_of_any_kind() -> None:
    """Numbers, strings and None pass through; their gradients are None; names work too."""

    class Scale(Function):
        @staticmethod
        def forward(ctx: Any, x: Any, factor: Any, how: Any = None, shift: float = 0.0) -> Any:
            ctx.factor = factor
            return x * factor + shift, how

        @staticmethod
        def backward(ctx: Any, g: Any, nothing: Any) -> Any:
            assert nothing is None
            return g * ctx.factor, None, None, None, None

    x = leaf(1, 2)
    y, how = Scale.apply(x, 3, how="up", shift=1.0)
    assert (y.tolist(), how) == ([4, 7], "up")
    y.sum().backward()
    assert x.grad.tolist() == [3, 3]
    with pytest.raises(TypeError, match=r"Scale.apply: arguments factor are missing"):
        Scale.apply(x, how=1)
    with pytest.raises(TypeError, match=r"Scale.apply: arguments scale.*\(x, factor, how, shift\)"):
        Scale.apply(x, scale=1)


def test_outputs_without_a_gradient() -> None:
    """Integers and what is marked require none; their gradients arrive as zeros."""

    class Both(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            mask = (x > 0).double()
            ctx.mark_non_differentiable(mask)
            return x * 2, x.argsort(), mask

        @staticmethod
        def backward(ctx: Any, g: Any, g_order: Any, g_mask: Any) -> Any:
            assert g_order.dtype is qgrad.int64
            assert g_mask.tolist() == [0, 0]
            return g * 2

    x = leaf(2, -1)
    y, order, mask = Both.apply(x)
    assert (y.requires_grad, order.requires_grad, mask.requires_grad) == (True, False, False)
    y.sum().backward()
    assert x.grad.tolist() == [2, 2]


@pytest.mark.parametrize("materialize", [True, False])
def test_materialized_gradients(materialize: bool) -> None:
    """An output that nobody used has a gradient of zeros, or None."""
    seen: list[Any] = []

    class Two(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.set_materialize_grads(materialize)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx: Any, a: Any, b: Any) -> Any:
            seen.append(b if b is None else b.tolist())
            return a

    x = leaf(1, 2)
    Two.apply(x)[0].sum().backward()
    assert seen == [[0, 0] if materialize else None]


def test_gradients_are_summed_to_broadcast_arguments() -> None:
    """A gradient may have the shape that the argument was broadcast to."""

    class Add(Function):
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            return x + y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g, g

    x, y = leaf(1), qgrad.ones(3, 2, requires_grad=True)
    Add.apply(x, y).sum().backward()
    assert x.grad.tolist() == [6]
    assert y.grad.dtype is qgrad.float32


def test_in_place() -> None:
    """mark_dirty: the argument itself is returned, with the new history, also through views."""

    class Double(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    x = leaf(1, 2, 3)
    y = x * 1
    assert Double.apply(y) is y
    (y * y).sum().backward()
    assert x.grad.tolist() == [8, 16, 24]
    x.grad = None
    y = x * 1
    Double.apply(y[1:])
    assert y.tolist() == [1, 4, 6]
    (y * y).sum().backward()
    assert x.grad.tolist() == [2, 16, 24]
    with pytest.raises(RuntimeError, match=r"Double: a leaf that requires grad.*no_grad"):
        Double.apply(x)

    class Forgets(Double):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.mark_dirty(x)
            return x * 2

    with pytest.raises(RuntimeError, match=r"Forgets: mark_dirty.*not returned as an output"):
        Forgets.apply(x * 1)


def test_an_input_returned_as_it_is() -> None:
    """The output is another tensor on the same memory, and may not be changed in place."""

    class Same(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 10

    x = leaf(1, 2)
    y = Same.apply(x)
    assert y is not x
    assert y._data.ctypes.data == x._data.ctypes.data
    with pytest.raises(RuntimeError, match=r"mul_: .*returned by a Function.*clone"):
        y.mul_(2)
    y.sum().backward()
    assert x.grad.tolist() == [10, 10]
    with qgrad.no_grad():
        assert Same.apply(x) is not x


def test_once_differentiable() -> None:
    """The gradient is computed without recording; its gradient raises instead of being wrong."""

    class Once(Cube):
        @staticmethod
        @once_differentiable
        def backward(ctx: Any, g: Any) -> Any:
            assert not qgrad.is_grad_enabled()
            (x,) = ctx.saved_tensors
            return g * qgrad.from_numpy(3 * x.numpy(force=True) ** 2)

    x = leaf(1, 2)
    Once.apply(x).sum().backward()
    assert x.grad.tolist() == [3, 12]
    (g,) = grad(Once.apply(x).sum(), x, create_graph=True)
    assert g.tolist() == [3, 12]
    with pytest.raises(RuntimeError, match=r"Once: .*once_differentiable.*create_graph"):
        g.sum().backward()


def test_vjp_is_another_name_of_backward() -> None:
    """One of the two is defined, not both."""

    class Named(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def vjp(ctx: Any, g: Any) -> Any:
            return g * 2

    x = leaf(1)
    Named.apply(x).backward()
    assert x.grad.tolist() == [2]

    class Twice(Named):
        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    with pytest.raises(TypeError, match="Twice: defines both backward and vjp"):
        Twice.apply(x)


def test_no_cycles() -> None:
    """With the collector off, results, inputs and contexts die with the last reference."""
    contexts: list[weakref.ref[Any]] = []

    class Watched(Polar):
        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            contexts.append(weakref.ref(ctx))
            ctx.save_for_backward(*inputs, *output)

    gc.collect()
    gc.disable()
    try:
        for how in ("forward", "backward", "create_graph", "one output"):
            r, angle = leaf(1, 2), leaf(3, 4)
            x, y = Watched.apply(r, angle)
            watched = [weakref.ref(t) for t in (r, angle, x, y, x.grad_fn, y.grad_fn)]
            if how == "one output":
                del y
            total = x.sum() if how == "one output" else (x * y).sum()
            if how != "forward":
                gs = grad(total, (r, angle), create_graph=how == "create_graph")
                del gs
            del r, angle, x, total
            if how != "one output":
                del y
            assert [ref() for ref in watched] == [None] * 6, how
            assert contexts.pop()() is None, how
    finally:
        gc.enable()


def test_backward_frees_what_was_saved() -> None:
    """The result lives on, the saved values do not."""
    x = leaf(1, 2)
    hidden = x * 2
    y = Cube.apply(hidden).sum()
    watched = weakref.ref(hidden)
    del hidden
    assert watched() is not None
    y.backward()
    assert watched() is None


def test_backward_inside_backward() -> None:
    """A Function may run the engine itself: recomputation instead of saving."""

    class Checkpoint(Function):
        @staticmethod
        def forward(ctx: Any, fn: Any, x: Any) -> Any:
            ctx.fn = fn
            ctx.save_for_backward(x)
            return fn(x)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            x = x.detach().requires_grad_()
            with qgrad.enable_grad():
                y = ctx.fn(x)
            y.backward(g)
            return None, x.grad

    x = leaf(0.5, 1.5)
    Checkpoint.apply(lambda t: (t.sin() * t).exp(), x * 1).sum().backward()
    expected = grad((x.sin() * x).exp().sum(), x)[0]
    np.testing.assert_allclose(x.grad.numpy(), expected.numpy(), 1e-12)


@pytest.mark.parametrize("outputs", [1, 2])
def test_long_chains(outputs: int) -> None:
    """A chain of Functions, with one output or two, goes back and is destroyed."""

    class Twice(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return (x + x).detach() if outputs == 1 else (x + x, x)

        @staticmethod
        def backward(ctx: Any, g: Any, *rest: Any) -> Any:
            return g if len(ctx.saved_tensors) == 1 else None

    x = y = leaf(0.0)
    for _ in range(20_000):
        y = Twice.apply(y) if outputs == 1 else Twice.apply(y)[0]
    y.backward(retain_graph=True)
    assert x.grad.item() == 1
    del y
