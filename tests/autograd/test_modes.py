"""Grad modes: no_grad, inference mode, their decorators, and what views made in them forbid."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import qgrad
from qgrad.autograd import Variable, grad
from qgrad.tensor import Tensor


def leaf(*values: float) -> Tensor:
    """A vector that requires grad."""
    return qgrad.tensor([float(v) for v in values], requires_grad=True)


def test_inference_mode_marks_what_is_made_in_it() -> None:
    """Results and new tensors are marked, also by views; views of other tensors are not."""
    w = leaf(1, 2)
    with qgrad.inference_mode():
        assert qgrad.is_inference_mode_enabled()
        assert not qgrad.is_grad_enabled()
        a, b, view = qgrad.ones(2), w * 2, w.view(2, 1)
        made = (a, b, a[0], a.clone(), qgrad.from_numpy(a.numpy()), a.detach())
        assert all(t.is_inference() for t in made)
        assert not any(t.is_inference() or t.is_leaf is False for t in (w, view))
        a.add_(1)
        a[0] = 5
    assert a.tolist() == [5, 2]
    assert not any(t.is_inference() for t in (a * 2, a.clone(), w * 2))
    assert a.view(2, 1).is_inference()
    assert not b.requires_grad


def test_inference_tensors_stay_out_of_gradients() -> None:
    """Saving, changing and requiring grad are refused outside; sums and clones are fine."""
    w = leaf(1, 2)
    with qgrad.inference_mode():
        a = qgrad.ones(2)
    (w + a).sum().backward()
    (w * a.clone()).sum().backward()
    assert w.grad.tolist() == [2, 2]
    for wrong, text in (
        (lambda: w * a, "mul: a tensor made in inference mode.*clone"),
        (lambda: a.add_(1), "add_: a tensor made in inference mode.*clone"),
        (lambda: a.view(2, 1).zero_(), "setitem: a tensor made in inference mode"),
        (lambda: a.requires_grad_(), "requires_grad: a tensor made in inference mode"),
        (lambda: a._version, "_version: tensors made in inference mode"),
    ):
        with pytest.raises(RuntimeError, match=text):
            wrong()
    assert a.tolist() == [1, 1]


def test_modes_inside_inference_mode() -> None:
    """no_grad and enable_grad have no effect, inference_mode(False) records; all put it back."""
    w = leaf(1)
    with qgrad.inference_mode():
        with qgrad.no_grad():
            assert (w * 2).is_inference()
        with qgrad.set_grad_enabled(False):
            assert (w * 2).is_inference()
        with qgrad.enable_grad():
            assert (w * 2).is_inference()
            assert not (w * 2).requires_grad
        with qgrad.inference_mode(False):
            assert not qgrad.is_inference_mode_enabled()
            assert (w * 2).requires_grad
        assert qgrad.inference_mode(False)(lambda: (w * 2).requires_grad)()
        assert not qgrad.enable_grad()(lambda: (w * 2).requires_grad)()
        assert (w * 2).is_inference()
    assert qgrad.is_grad_enabled()


def test_a_model_in_inference_mode() -> None:
    """A forward gives the same values; training goes on afterwards."""
    net = qgrad.nn.Sequential(qgrad.nn.Linear(2, 3), qgrad.nn.BatchNorm1d(3), qgrad.nn.ReLU())
    x = qgrad.randn(4, 2)
    net.eval()
    with qgrad.inference_mode():
        y = net(x)
    assert y.tolist() == net(x).tolist()
    net.train()
    net(x).sum().backward()
    assert all(p.grad is not None for p in net.parameters())


@pytest.mark.parametrize(
    ("mode", "recorded"),
    [
        (qgrad.no_grad, False),
        (qgrad.no_grad(), False),
        (qgrad.enable_grad, True),
        (qgrad.inference_mode, False),
        (qgrad.inference_mode(), False),
        (qgrad.inference_mode(False), True),
        (qgrad.set_grad_enabled, None),
    ],
)
def test_decorated_functions_and_generators(mode: Any, recorded: bool | None) -> None:
    """Every call runs in the mode; of a generator, every step, and the caller's mode stays."""
    if recorded is None:
        mode, recorded = qgrad.set_grad_enabled(False), False

    @mode
    def function() -> bool:
        return qgrad.is_grad_enabled()

    @mode
    def steps() -> Iterator[Any]:
        received = []
        for _ in range(2):
            received.append((yield qgrad.is_grad_enabled()))
        try:
            yield received
        except KeyError:
            yield "caught"
        return "end"

    for outer in (True, False):
        with qgrad.set_grad_enabled(outer):
            assert function() is recorded
            generator: Any = steps()
            assert next(generator) is recorded
            assert qgrad.is_grad_enabled() is outer
            assert generator.send("a") is recorded
            assert generator.send("b") == ["a", "b"]
            assert generator.throw(KeyError()) == "caught"
            with pytest.raises(StopIteration) as stop:
                next(generator)
            assert stop.value.value == "end"
            unfinished: Any = steps()
            next(unfinished)
            unfinished.close()
            assert qgrad.is_grad_enabled() is outer
    assert qgrad.is_grad_enabled()


def test_modes_survive_exceptions_and_reuse() -> None:
    """A mode object may be entered many times, also inside itself."""
    mode = qgrad.no_grad()
    with pytest.raises(ZeroDivisionError), mode:
        raise ZeroDivisionError
    assert qgrad.is_grad_enabled()
    with mode, mode:
        assert not qgrad.is_grad_enabled()
    assert qgrad.is_grad_enabled()


def test_inference_mode_is_each_threads_own() -> None:
    """Another thread records while this one does not."""
    seen: list[bool] = []
    with qgrad.inference_mode():
        thread = threading.Thread(target=lambda: seen.append(qgrad.ones(1).is_inference()))
        thread.start()
        thread.join()
    assert seen == [False]


def test_a_mode_shared_by_threads() -> None:
    """One object entered by two threads puts back the mode of each."""
    mode = qgrad.no_grad()
    inside, leave = threading.Event(), threading.Event()
    seen: list[bool] = []

    def other() -> None:
        with qgrad.inference_mode():
            with mode:
                inside.set()
                leave.wait()
            seen.append(qgrad.is_inference_mode_enabled())
        seen.append(qgrad.is_grad_enabled())

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait()
    with mode:
        leave.set()
        thread.join()
    assert seen == [True, True]
    assert qgrad.is_grad_enabled()


@pytest.mark.parametrize(
    "change",
    [
        lambda view, w: view.mul_(w),
        lambda view, w: view.mul_(2),
        lambda view, w: view.__setitem__(0, 1.0),
        lambda view, w: view[0].add_(1),
        lambda view, w: view.zero_(),
    ],
)
def test_views_made_under_no_grad(change: Callable[..., Any]) -> None:
    """What they view would not know of a change that is recorded or should be: refused."""
    w = leaf(1, 2)
    x = w * 2
    with qgrad.no_grad():
        view = x.view(2)
    with pytest.raises(RuntimeError, match=r"view that was made under no_grad.*clone"):
        change(view, w)
    assert x.tolist() == [2, 4]
    with qgrad.no_grad():
        change(view, w.detach())


def test_views_made_under_no_grad_of_plain_memory() -> None:
    """Changes without history are fine, those with one are refused."""
    buffer = qgrad.zeros(4)
    with qgrad.no_grad():
        rows = buffer.view(2, 2)
    rows[0] = 5.0
    assert buffer.tolist() == [5, 5, 0, 0]
    with pytest.raises(RuntimeError, match=r"setitem: .*no_grad"):
        rows[0] = leaf(1, 2)


def test_views_under_no_grad_keep_no_chain() -> None:
    """A view of a view refers to the first tensor only, so that memory stays flat."""
    first = x = qgrad.ones(2)
    with qgrad.no_grad():
        for _ in range(1000):
            x = x.view(2)
    assert x._view is not None
    assert x._view[1][0] is first


def test_detached_twins_may_be_changed() -> None:
    """A detached tensor takes over a history without giving it to the tensor it came from."""
    w = leaf(1, 2)
    x = w * 1
    for twin in (x.detach(), qgrad.ops.detach(x)):
        twin.mul_(w)
        assert twin.requires_grad
        assert x.grad_fn.name() == "MulBackward0"
    assert grad(x.sum(), w)[0].tolist() == [1, 1]


def test_variable_is_tensor() -> None:
    """Variable(x) is a tensor on the memory of x, and every tensor is a Variable."""
    x = qgrad.ones(2)
    v = Variable(x, requires_grad=True)
    assert type(v) is Tensor
    assert v.numpy(force=True) is x.numpy()
    assert v.requires_grad
    assert not Variable(leaf(1) * 2).requires_grad
    assert isinstance(x, Variable)
    assert isinstance(qgrad.nn.Parameter(x), Variable)
    assert not isinstance(x.numpy(), Variable)
    assert Variable().tolist() == []
    with pytest.raises(TypeError, match="Variable: data is a list"):
        Variable([1.0])
