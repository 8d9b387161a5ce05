"""What cannot be traced says so: where in the model, on which line, and what to do instead."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import qgrad
from qgrad import nn
from qgrad.errors import ShapeError, TraceError
from qgrad.graph import trace
from qgrad.nn import functional as F
from qgrad.nn import module as nn_module


def x(*shape: int) -> Any:
    """Numbers to trace with."""
    shape = shape or (4, 3)
    return qgrad.from_numpy(
        np.linspace(-1, 1, int(np.prod(shape)), dtype=np.float32).reshape(shape)
    )


class Inner(nn.Module):
    """Calls a function in its forward."""

    def __init__(self, body: Any) -> None:
        super().__init__()
        self.body = body

    def forward(self, value: Any) -> Any:
        return self.body(value)


def error_of(body: Any, *inputs: Any, **options: Any) -> str:
    """The TraceError's text when `body` is called by the module 'stage.0.inner'."""
    model = nn.Sequential()
    model.add_module("stage", nn.Sequential(nn.Sequential()))
    model.stage[0].add_module("inner", Inner(body))
    with pytest.raises(TraceError) as raised:
        trace(model, inputs or (x(),), **options)
    message = str(raised.value)
    assert message.startswith("trace: ")
    assert len(message) < 600
    assert nn_module._call_observer is None
    return message


def branch(value: Any) -> Any:
    """A branch on data."""
    return value if value.sum() > 0 else -value


READS = {
    "bool()": branch,
    "item()": lambda value: value * value.max().item(),
    "float()": lambda value: value * float(value.sum()),
    "int()": lambda value: value * int(value.sum()),
    "numpy()": lambda value: value * value.numpy().max(),
    "tolist()": lambda value: value * value.tolist()[0][0],
    "NumPy array": lambda value: value * np.exp(np.asarray(value)),
    "use as an index": lambda value: value * [1, 2, 3][value.sum()],
    "backward()": lambda value: value.sum().backward(),
}


@pytest.mark.parametrize("what", READS)
def test_reading_data(what: str) -> None:
    """Whatever asks for a value names itself, the module, the line, the tensor and the way out."""
    message = error_of(READS[what])
    line = READS[what].__code__.co_firstlineno + (2 if what == "bool()" else 0)
    assert what in message
    assert f"in module 'stage.0.inner' (Inner), tests/graph/test_trace_errors.py:{line}." in message
    assert ", shape (" in message
    assert "where(" in message or "out of forward" in message or "returns" in message


def test_data_branch_in_full() -> None:
    """The message of the most common case, word for word."""
    line = branch.__code__.co_firstlineno + 2
    assert error_of(branch) == (
        "trace: bool() of a traced tensor (stage_0_inner_gt, qgrad.bool, shape ()) in module "
        f"'stage.0.inner' (Inner), tests/graph/test_trace_errors.py:{line}. A graph has one path, "
        "but the code decides on data. Use qgrad.where(condition, a, b), or move the decision out "
        "of forward; decisions on shapes are fine."
    )


SIZES = {
    "a loop over the batch": lambda value: sum((value[i] for i in range(value.shape[0])), value),
    "a float of a size": lambda value: value * (1.0 / value.shape[0]),
    "a square root of a size": lambda value: value / value.shape[0] ** 0.5,
    "a constant that broadcasts": lambda value: value.sum(0) + qgrad.eye(value.shape[0]).sum(),
    "a length of a list": lambda value: qgrad.cat([value] * value.shape[0]),
}


@pytest.mark.parametrize("what", SIZES)
def test_sizes_frozen_into_numbers(what: str) -> None:
    """What would only be right for one batch size is found by the second run."""
    message = error_of(SIZES[what])
    assert "run again, the model does something else" in message
    assert "x.shape and + - * //" in message
    assert "dynamic_dims" in message
    trace(Inner(SIZES[what]), x(), dynamic_dims={0: ()})


def test_random_numbers() -> None:
    """A tensor of fresh random numbers is no constant."""
    message = error_of(lambda value: value + qgrad.rand(3))
    assert "add gets a constant of shape (3,) where" in message
    assert "keep random numbers and changing state out of forward" in message


def test_state_kept_between_calls() -> None:
    """A module that does something else at its second call is refused."""
    calls: list[int] = []
    message = error_of(lambda value: calls.append(1) or value * len(calls))
    assert "mul gets 2 where 1 was recorded" in message


def test_errors_of_the_second_run() -> None:
    """Code that only fails on the second run is refused with its error."""
    layers = [nn.ReLU() for _ in range(4)]

    def body(value: Any) -> Any:
        for index in range(value.shape[0]):
            value = layers[index](value)
        return value

    message = error_of(body)
    assert "run again, Sequential raises IndexError: list index out of range" in message


def test_free_dimensions_that_are_not_free() -> None:
    """An op that only works for the example's size names the dims that were tried."""
    for body in (
        lambda value: value + qgrad.from_numpy(np.ones((4, 1), np.float32)),
        lambda value: value + qgrad.ones(int(value.shape[0]), 3),
        lambda value: value.reshape(int(value.shape[0]), 3),
    ):
        message = error_of(body)
        assert "fails when the free dimensions are twice as large" in message
        assert "compute with x.shape and + - * //" in message
        assert "dynamic_dims={input index: (free axes)}" in message
    message = error_of(lambda value: value.squeeze(), x(1, 3))
    assert "the rank or dtype of squeeze's result depends on the free dimensions" in message


def test_assigning_state() -> None:
    """A buffer that forward replaces would not be updated by the graph."""

    class Counter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", qgrad.zeros(3))

        def forward(self, value: Any) -> Any:
            self.seen = self.seen + value.sum(0)
            return value

    with pytest.raises(TraceError, match=r"forward assigns '0\.seen', but a graph only reads"):
        trace(nn.Sequential(Counter()), x())


def test_changing_parameters_and_views_in_place() -> None:
    """In-place changes that others may see through shared memory are refused."""
    linear = nn.Linear(3, 3)

    class Sets(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = linear

        def forward(self, value: Any) -> Any:
            with qgrad.no_grad():
                self.linear.weight.mul_(0.5)
            return self.linear(value)

    with pytest.raises(TraceError, match=r"in-place mul of .*linear\.weight.*not change param"):
        trace(Sets(), x())

    def through_a_view(value: Any) -> Any:
        value = value * 2
        view = value.reshape(-1)
        view += 1
        return value

    message = error_of(through_a_view)
    assert "in-place add of a traced tensor" in message
    assert "Another tensor shares its memory: write `x = x + y` instead of `x += y`." in message


def test_unknown_outputs_and_arguments() -> None:
    """Objects that are no tensors can be neither returned nor passed to ops."""
    assert "the model returned a value of type object" in error_of(lambda value: object())
    assert "ndarray" in error_of(lambda value: np.ones(3))
    message = error_of(lambda value: qgrad.ops.dropout(value, 0.5, object()))
    assert "an argument of type object cannot be recorded in module" in message


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((x(), x()), r"Linear takes 1 inputs \(input\), but example_inputs has 2"),
        ((), r"Linear needs 1 inputs \(input\), but example_inputs has 0"),
        ((3.0,), r"example input 'input' of Linear is a float, but must be a Tensor or array"),
        (([x()],), r"example input 'input' of Linear is a list"),
        ({"wrong": x()}, r"unexpected keyword argument 'wrong'"),
    ],
)
def test_wrong_example_inputs(inputs: Any, message: str) -> None:
    """Too many, too few, or something else than tensors: told by argument name."""
    with pytest.raises(TypeError, match=message) as raised:
        trace(nn.Linear(3, 3), inputs)
    assert len(str(raised.value)) < 600


def test_wrong_models_and_dims() -> None:
    """The other arguments are checked at the door, too."""
    with pytest.raises(TypeError, match="model is a str, but must be a Module"):
        trace("model", x())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"dynamic_dims has input index 1, but there are 1 inputs"):
        trace(nn.ReLU(), x(), dynamic_dims={1: (0,)})
    with pytest.raises(ValueError, match=r"dynamic_dims\[0\] has axis 2, .* shape \(4, 3\)"):
        trace(nn.ReLU(), x(), dynamic_dims={0: (2,)})


def test_errors_of_the_model_itself() -> None:
    """A wrong shape is the error that eager mode raises, with the module's path."""
    model = nn.Sequential(nn.Linear(3, 5), nn.Sequential(nn.Linear(4, 2)))
    with pytest.raises(ShapeError, match=r"linear: .*\n.*'1\.0'") as raised:
        trace(model, x())
    with pytest.raises(ShapeError) as eager:
        model(x())
    assert str(raised.value).splitlines()[-1] == str(eager.value).splitlines()[-1]


def test_models_that_cannot_be_copied() -> None:
    """A lock among the attributes is named as what it is: not copyable."""
    model = nn.ReLU()
    model.lock = threading.Lock()  # type: ignore[assignment]
    with pytest.raises(TraceError, match=r"copy\.deepcopy fails: .*lock.*Keep what cannot be"):
        trace(model, x())


def test_tracers_do_not_outlive_the_trace() -> None:
    """A traced tensor that the model keeps is of no use afterwards, and says so."""
    kept: list[Any] = []

    def keep(value: Any) -> Any:
        kept.append(value)
        return value * 2

    trace(keep, x())
    with pytest.raises(TraceError, match="after the trace has ended"):
        kept[0] + 1
    with pytest.raises(TraceError, match="after the trace has ended"):
        bool(kept[0])


@pytest.mark.parametrize("body", [branch, SIZES["a float of a size"]])
def test_a_failed_trace_leaves_nothing_behind(body: Any) -> None:
    """After an error, the model computes as before and can be traced once mended."""
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), Inner(body))
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    with pytest.raises(TraceError):
        trace(model, x())
    assert all(module.training is True for module in model.modules())
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])
    model[2].body = F.relu
    trace(model, x())
