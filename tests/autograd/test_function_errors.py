"""Wrong Functions and wrong uses of them: each is an error that names the class and the way out."""

from __future__ import annotations

from typing import Any

import pytest
from autograd.functions import Cube, Exp, Polar, leaf

import qgrad
from qgrad.autograd import Function, grad
from qgrad.errors import ShapeError, TraceError


def test_changed_saved_tensors_are_noticed() -> None:
    """A saved input or output that is changed before the backward is an error with a way out."""
    x = leaf(1, 2)
    base = x * 1
    y = Cube.apply(base)
    base.add_(1)
    with pytest.raises(RuntimeError, match=r"Cube: its saved tensor 0.*changed in place.*clone"):
        y.sum().backward()
    y = Exp.apply(x)
    y.add_(1)
    with pytest.raises(RuntimeError, match="Exp: its saved tensor 0"):
        y.sum().backward()


def test_freed_graphs() -> None:
    """Saved tensors are freed by backward; without any, the graph can be used again."""
    x = leaf(1, 2)
    y = Cube.apply(x).sum()
    y.backward(retain_graph=True)
    y.backward()
    with pytest.raises(RuntimeError, match=r"the graph of \w+ was freed"):
        y.backward()
    with pytest.raises(RuntimeError, match="the graph of Cube was freed"):
        grad(Polar.apply(x, y.detach())[0].sum() + y, x)

    class Plain(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    z = Plain.apply(x)
    for _ in range(2):
        z.backward(qgrad.ones(2))


def returning(value: Any) -> type[Function]:
    """A Function of two arguments whose backward returns `value`."""

    class Wrong(Function):
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            return x * y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return value

    return Wrong


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (qgrad.ones(2), RuntimeError, "Wrong: backward returned 1 gradients, but forward took 2"),
        ((None, None, qgrad.ones(2)), RuntimeError, "returned 3 gradients"),
        ((None, 1.0), TypeError, "returned a float as the gradient of argument 1"),
        ((qgrad.ones(3), None), ShapeError, r"shape \[3\] for argument 0, which has shape \[2\]"),
        ((qgrad.ones(1), None), ShapeError, r"shape \[1\] for argument 0, which has shape \[2\]"),
    ],
)
def test_wrong_gradients(value: Any, error: type[Exception], text: str) -> None:
    """What backward returns is checked, and the message names the class and the argument."""
    x = leaf(1, 2)
    with pytest.raises(error, match=text):
        returning(value).apply(x, x).sum().backward()


def test_wrong_uses() -> None:
    """Instances, saving what is no tensor, missing methods: each says what to write."""
    x = leaf(1)
    with pytest.raises(TypeError, match=r"Cube: .*call Cube\.apply"):
        Cube()

    class SavesNumber(Cube):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x, 3)
            return x

    with pytest.raises(TypeError, match=r"save_for_backward: argument 1 is a int.*ctx\.name"):
        SavesNumber.apply(x)

    class ReturnsList(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return [x * 2, x * 3]

    with pytest.raises(TypeError, match=r"ReturnsList: .*inside a list \(output 0\).*tuple"):
        ReturnsList.apply(x)
    assert len(ReturnsList.apply(x.detach())) == 2
    with qgrad.inference_mode():
        unfit = qgrad.ones(1, dtype=qgrad.float64)
    with pytest.raises(RuntimeError, match="Polar: a tensor made in inference mode"):
        Polar.apply(x, unfit)

    class NoBackward(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

    with pytest.raises(NotImplementedError, match="backward is not defined"):
        NoBackward.apply(x).backward()
    with pytest.raises(NotImplementedError, match="forward is not defined"):
        Function.apply(x)


def test_incoming_gradients_are_read_only() -> None:
    """They may belong to others too: an in-place change is an error instead of a wrong gradient."""

    class Rude(Cube):
        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g.mul_(2)

    x = leaf(1)
    with pytest.raises(ValueError, match="read-only"):
        Rude.apply(x).backward()


def test_the_users_arrays_stay_the_users() -> None:
    """A gradient that backward keeps or saved is copied into .grad."""
    kept = qgrad.ones(2, dtype=qgrad.float64)
    x = leaf(1, 2)
    Kept = returning((kept, None))
    Kept.apply(x, x).sum().backward()
    x.grad.zero_()
    assert kept.tolist() == [1, 1]


def test_traced_models_refuse_functions() -> None:
    """A graph holds ops of the table; the error names the Function and its place."""

    class Net(qgrad.nn.Module):
        def forward(self, x: Any) -> Any:
            return Cube.apply(x)

    with pytest.raises(TraceError, match=r"the Function Cube of a traced tensor.*Net"):
        qgrad.graph.trace(Net(), qgrad.ones(1, 2))
