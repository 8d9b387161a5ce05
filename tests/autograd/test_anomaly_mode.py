"""Anomaly mode names the line of the forward whose gradient is NaN or fails."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from typing import Any

import pytest

import qgrad
from qgrad.autograd import Function, detect_anomaly, grad, set_detect_anomaly
from qgrad.autograd.anomaly_mode import is_anomaly_check_nan_enabled, is_anomaly_enabled
from qgrad.tensor import Tensor


@pytest.fixture(autouse=True)
def _off() -> Iterator[None]:
    yield
    assert not is_anomaly_enabled(), "a test left anomaly mode on"


def leaf(*values: float) -> Tensor:
    """A vector that requires grad."""
    return qgrad.tensor([float(v) for v in values], requires_grad=True)


def line() -> int:
    """The number of the line that calls this."""
    frame = inspect.currentframe()
    assert frame is not None and frame.f_back is not None
    return frame.f_back.f_lineno


def message(y: Tensor) -> str:
    """The text of the error that the backward of y raises."""
    with pytest.raises(RuntimeError) as raised:
        y.sum().backward()
    assert len(str(raised.value)) < 600
    return str(raised.value)


def test_the_line_of_the_forward_is_named() -> None:
    """Operation, argument, count, first index, file, line and code of the call."""
    with detect_anomaly():
        x = leaf(1, 0, 0)
        here = line() + 1
        y = x.sqrt()
        text = message(y * 0)
    assert text.startswith("backward: sqrt's gradient for 'input' has NaN in 2 of 3 elements")
    assert "first at [1]" in text
    assert f"test_anomaly_mode.py:{here} (`y = x.sqrt()`)" in text
    assert "NaN before" not in text
    (x.sqrt() * 0).sum().backward()  # silent outside


def test_the_first_nan_of_the_forward_is_named() -> None:
    """NaN in values shows late in gradients; the operation that made it is named, too."""
    with detect_anomaly():
        x = leaf(1, -1)
        first = line() + 1
        a = x.log()
        b = a * 2
        here = line() + 1
        c = b.exp()
        text = message(c)
    assert "exp's gradient for 'input'" in text
    assert f":{here} (" in text
    assert "the first NaN of the forward was made by log at" in text
    assert f"test_anomaly_mode.py:{first} (`a = x.log()`)" in text


def test_an_operation_that_makes_nan_itself() -> None:
    """If the culprit made the NaN, the text says so."""
    with detect_anomaly():
        text = message(leaf(-1).sqrt())
    assert "the first NaN of the forward was made by this operation" in text


def test_gradients_of_gradients() -> None:
    """What a backward recorded is named with the operation whose gradient it is part of."""
    with detect_anomaly():
        x = leaf(0.0)
        here = line() + 1
        y = x**1.5
        (g,) = grad(y.sum(), x, create_graph=True)
        text = message(g * 0)
    assert "part of the gradient of pow, its forward ran at" in text
    assert f":{here} (" in text


class Explodes(Function):
    """A Function whose backward gives NaN, or fails."""

    @staticmethod
    def forward(ctx: Any, x: Any, y: Any, fails: bool) -> Any:
        ctx.fails = fails
        return x * y, x + y

    @staticmethod
    def backward(ctx: Any, a: Any, b: Any) -> Any:
        if ctx.fails:
            raise KeyError("no such thing")
        return a, b * float("nan"), None


def test_functions() -> None:
    """A Function is named by its class and the place of the argument."""
    with detect_anomaly():
        x = leaf(1, 2)
        here = line() + 1
        a, b = Explodes.apply(x, x, False)
        text = message(a + b)
    assert "Explodes's gradient for argument 1 has NaN in 2 of 2" in text
    assert f":{here} (" in text


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exceptions take notes from Python 3.11 on")
def test_other_errors_get_a_note() -> None:
    """An exception from a backward is raised as it is, with the line of the forward as a note."""
    with detect_anomaly(check_nan=False):
        assert not is_anomaly_check_nan_enabled()
        x = leaf(1, 2)
        here = line() + 1
        a, _ = Explodes.apply(x, x, True)
        with pytest.raises(KeyError) as raised:
            a.sum().backward()
    (note,) = raised.value.__notes__  # type: ignore[attr-defined]
    assert note.startswith("backward of Explodes: its forward ran at")
    assert f":{here} (" in note


def test_a_forward_before_the_mode() -> None:
    """There is no line to name, and the text says what to do."""
    y = leaf(0).sqrt() * 0
    with detect_anomaly():
        assert "put the forward into it too" in message(y)


def test_nesting() -> None:
    """The mode before comes back, also after an error; set_detect_anomaly acts at once."""
    with detect_anomaly():
        with set_detect_anomaly(False):
            assert not is_anomaly_enabled()
        with pytest.raises(ZeroDivisionError), detect_anomaly(check_nan=False):
            raise ZeroDivisionError
        assert is_anomaly_check_nan_enabled()
    set_detect_anomaly(True, check_nan=False)
    assert (is_anomaly_enabled(), is_anomaly_check_nan_enabled()) == (True, False)
    set_detect_anomaly(False)


def test_healthy_gradients_stay_the_same() -> None:
    """The mode changes no result, inf is no anomaly, and integers are not looked at."""
    x = leaf(1, 2, 0)
    with detect_anomaly():
        (x.log().sum() + x[x.argsort()].sum()).backward()
    assert x.grad.tolist() == [2, 1.5, float("inf")]
