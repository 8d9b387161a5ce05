"""The one door: spellings of a call, who runs it, and what its errors say."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import qgrad
from qgrad import ops
from qgrad.errors import DTypeError, ShapeError
from qgrad.ops.op import Op, register_handler


class Recorder:
    """A class of arguments with a handler of its own, which lists the calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []


class Child(Recorder):
    """Inherits the handler."""


def _record(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    found = [a for a in (*args, *kwargs.values()) if isinstance(a, Recorder)]
    nested = [i for a in args if isinstance(a, (list, tuple)) for i in a if isinstance(i, Recorder)]
    (found or nested)[0].calls.append((op.name, args, kwargs))
    return "recorded"


register_handler(Recorder, 100, _record)


@pytest.mark.parametrize("cls", [Recorder, Child])
def test_the_richest_argument_runs_the_call(cls: type[Recorder]) -> None:
    """A handler of higher priority gets calls with tensors too, from any place of the arguments."""
    x, r = qgrad.ones(2), cls()
    assert ops.add(x, r) == "recorded"
    assert ops.add(r, x) == "recorded"
    assert ops.sum(input=r) == "recorded"
    assert ops.cat([x, r]) == "recorded"
    assert ops.cat((x, r), dim=0) == "recorded"
    assert ops.getitem(x, (0, r)) == "recorded"
    assert ops.add(x, 1).tolist() == [2, 2]
    assert [name for name, _, _ in r.calls] == ["add", "add", "sum", "cat", "cat", "getitem"]


def test_spellings_of_a_call_bind_to_one() -> None:
    """Positions, names, NumPy's names and defaults all give the same arguments."""
    x = np.ones((2, 3))
    one = ((x,), {"dim": 1, "keepdim": False, "dtype": None})
    for args, kwargs in (
        ((x, 1), {}),
        ((x,), {"dim": 1}),
        ((x,), {"axis": 1}),
        ((x, 1, False), {}),
        ((), {"input": x, "dim": 1, "keepdims": False}),
    ):
        got = ops.sum.bind(args, kwargs)
        assert got[0][0] is x
        assert got[1] == one[1]
    assert ops.sum.positional((x, 1), {}) == (x, 1, False, None)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: ops.sum(x, 0, False, None, 1), "sum: takes 4 arguments .*got 5"),
        (lambda x: ops.sum(x, dims=0), "sum: no argument 'dims'; it takes"),
        (lambda x: ops.sum(x, 0, dim=0), "sum: argument 'dim' is given twice"),
        (lambda x: ops.mul(x), "mul: argument 'other' is missing"),
        (lambda x: ops.mul(other=x), "mul: argument 'input' is missing"),
    ],
)
def test_wrong_arguments(call: Any, text: str) -> None:
    """The error names the op and the argument."""
    with pytest.raises(TypeError, match=text):
        call(qgrad.ones(2))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda x: x + qgrad.ones(4),
            ShapeError,
            r"add: these shapes do not broadcast \(input f32\[2,3\], other f32\[4\]\)",
        ),
        (lambda x: x @ x, ShapeError, r"matmul: 3 columns meet 2 rows"),
        (lambda x: x @ qgrad.ones(3, dtype=qgrad.float64), DTypeError, "matmul: .*one dtype"),
        (lambda x: x.reshape(4, 2), ShapeError, r"reshape: cannot reshape .*\(input f32\[2,3\]"),
        (lambda x: x.sum(2), IndexError, r"sum: dim 2 is out of range \[-2, 1\]"),
        (lambda x: x.sum((0, 0)), ShapeError, "sum: dims .* name one dim twice"),
        (lambda x: x[5], IndexError, "getitem: index 5 is out of bounds"),
        (lambda x: x[0.5], IndexError, "getitem: only integers"),
        (lambda x: x.long().mean(), DTypeError, r"mean: .*use x\.float\(\)\.mean\(\)"),
        (lambda x: qgrad.cat([x, qgrad.ones(2, 2, 2)]), ShapeError, "cat: "),
        (lambda x: qgrad.cat([]), ValueError, "cat: needs at least one tensor"),
        (lambda x: qgrad.stack([x, x[0]]), ShapeError, "stack: "),
        (lambda x: qgrad.where(x, x, x), DTypeError, "where: condition must be bool"),
        (lambda x: x.clamp(), ValueError, "clamp: at least one of min and max"),
        (lambda x: x.gather(0, x), DTypeError, "gather: index must hold integers"),
        (lambda x: x.gather(0, x.long() * 9), IndexError, "gather: index 9 is out of range"),
        (lambda x: ops.embedding(x, x), DTypeError, "embedding: input must hold integers"),
        (lambda x: ops.embedding(x.long() * 7, x), IndexError, "embedding: index 7 is out of"),
        (lambda x: ops.linear(x, qgrad.ones(5, 4)), ShapeError, "linear: x has 3 features"),
        (
            lambda x: ops.conv2d(qgrad.ones(1, 3, 5, 5), qgrad.ones(4, 8, 3, 3)),
            ShapeError,
            r"conv2d: weight takes 8 input channels, x has 3 .*Did you forget groups\?",
        ),
        (
            lambda x: ops.conv2d(qgrad.ones(1, 1, 2, 2), qgrad.ones(1, 1, 3, 3)),
            ShapeError,
            "conv2d: the kernel is larger than the padded image",
        ),
        (
            lambda x: ops.conv2d(qgrad.ones(1, 1, 4, 4), qgrad.ones(1, 1, 3, 3), stride=0),
            ValueError,
            "conv2d: stride, dilation and groups must be >= 1",
        ),
        (
            lambda x: ops.conv1d(qgrad.ones(1, 1, 4), qgrad.ones(1, 1, 3), padding="full"),
            ValueError,
            "conv1d: padding must be 'same', 'valid' or ints, got 'full'",
        ),
        (lambda x: ops.max_pool2d(x, 2), ShapeError, r"max_pool2d: input must be \[B, C, H, W\]"),
        (lambda x: ops.layer_norm(x, (4,)), ShapeError, r"layer_norm: the last dims .* \[4\]"),
        (
            lambda x: ops.batch_norm(x, None, None, qgrad.ones(7)),
            ShapeError,
            "batch_norm: weight has 7 elements, input has 3 channels",
        ),
        (
            lambda x: ops.batch_norm(x[:1], None, None, training=True),
            ShapeError,
            "batch_norm: training needs more than 1 value a channel",
        ),
        (lambda x: ops.dropout(x, 1.5), ValueError, r"dropout: p must be in \[0, 1\], got 1.5"),
        (lambda x: x.long() // 0, ZeroDivisionError, "floor_divide: integer division by 0"),
        (lambda x: x.long() ** -1, ValueError, "pow: integers to negative"),
    ],
)
def test_errors_of_ops(call: Any, error: type[Exception], text: str) -> None:
    """Every refusal starts with the op's name and shows shapes or values."""
    with pytest.raises(error, match="^" + text) as raised:
        call(qgrad.ones(2, 3))
    assert len(str(raised.value)) < 600


def test_ops_pickle_by_name_and_show_their_arguments() -> None:
    """An op is one object for the process; its repr is its signature."""
    import pickle

    assert pickle.loads(pickle.dumps(ops.conv2d)) is ops.conv2d
    assert repr(ops.mul) == "<op mul(input, other)>"


def test_rules_are_checked_when_they_are_written() -> None:
    """A rule for an unknown argument, or one that asks for an unknown value, is refused."""

    def forward(input: Any) -> Any:
        return input

    def wrong(g: Any, other: Any) -> Any:
        return g

    op = Op(forward)
    with pytest.raises(ValueError, match="no parameter 'other'"):
        op.rule("other")
    with pytest.raises(ValueError, match="rule wrong"):
        op.rule("input")(wrong)


def test_gradients_at_kinks_are_pytorchs() -> None:
    """maximum and amax share ties, clamp passes at its bounds, relu and abs stop at 0."""
    x = qgrad.tensor([0.0, 1.0, 1.0], requires_grad=True)

    def slope(y: Any) -> Any:
        x.grad = None
        y.sum().backward()
        return x.grad.tolist()

    assert slope(x.relu()) == [0, 1, 1]
    assert slope(x.abs()) == [0, 1, 1]
    assert slope(x.clamp(0.0, 1.0)) == [1, 1, 1]
    assert slope(qgrad.maximum(x, qgrad.zeros(3))) == [0.5, 1, 1]
    assert slope(qgrad.minimum(x, qgrad.ones(3))) == [1, 0.5, 0.5]
    assert slope(x.max()) == [0, 0.5, 0.5]
    assert slope(x.max(0).values) == [0, 1, 0]
    assert slope(ops.relu6(x * 6)) == [0, 0, 0]
    assert slope(ops.leaky_relu(x, 0.25)) == [0.25, 1, 1]
    assert slope(x**0) == [0, 0, 0]
    assert slope((x - x).std()) == [0, 0, 0]


def test_straight_through_estimators() -> None:
    """fake_quantize passes gradients where the code was in range; straight_through everywhere."""
    x = qgrad.tensor([-10.0, 0.3, 0.6, 10.0], requires_grad=True)
    y = ops.fake_quantize(x, 0.5, 1, 0, 3)
    assert y.tolist() == [-0.5, 0.5, 0.5, 1.0]
    y.sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 0]
    x.grad = None
    z = ops.straight_through(x, x.detach().round())
    assert z.tolist() == [-10, 0, 1, 10]
    (z * 2).sum().backward()
    assert x.grad.tolist() == [2, 2, 2, 2]


def test_dropout() -> None:
    """Zeros of the right share, the rest scaled, the same mask for the gradient."""
    qgrad.manual_seed(0)
    x = qgrad.ones(10000, requires_grad=True)
    y = ops.dropout(x, 0.25)
    assert abs((y == 0).float().mean().item() - 0.25) < 0.02
    assert set(y.tolist()) == {0.0, y.max().item()}
    y.sum().backward()
    assert x.grad.equal(y.detach())
    assert ops.dropout(x, 0.25, False).tolist() == x.tolist()
    assert ops.dropout(x, 1.0).sum().item() == 0


def test_batch_norm_updates_running_statistics() -> None:
    """Training moves them towards the batch's mean and unbiased variance; eval leaves them."""
    x = qgrad.randn(8, 3, 4)
    mean, var = qgrad.zeros(3), qgrad.ones(3)
    ops.batch_norm(x, mean, var, training=True, momentum=0.25)
    flat = x.numpy().transpose(1, 0, 2).reshape(3, -1)
    np.testing.assert_allclose(mean.numpy(), 0.25 * flat.mean(1), rtol=1e-4, atol=1e-6)
    expected = 0.75 + 0.25 * flat.var(1, ddof=1)
    np.testing.assert_allclose(var.numpy(), expected, rtol=1e-4)
    before = mean.tolist(), var.tolist()
    ops.batch_norm(x, mean, var, training=False)
    assert (mean.tolist(), var.tolist()) == before


def test_embedding_padding_gets_no_gradient() -> None:
    """The row padding_idx stays as it is."""
    weight = qgrad.ones(4, 2, requires_grad=True)
    index = qgrad.tensor([[0, 1], [1, 3]])
    ops.embedding(index, weight, 1).sum().backward()
    assert weight.grad.tolist() == [[1, 1], [0, 0], [0, 0], [1, 1]]


@pytest.mark.parametrize(
    "call",
    [
        lambda x: ops.add(x, "text"),
        lambda x: ops.add(x, 1j),
        lambda x: ops.logical_and(x, None),
        lambda x: ops.where(x > 0, None, None),
        lambda x: ops.add(x.long(), 10**30),
    ],
)
def test_results_are_numbers(call: Any) -> None:
    """NumPy would make arrays of objects, strings or complex numbers of these."""
    with pytest.raises((DTypeError, TypeError, OverflowError)):
        call(qgrad.ones(2, requires_grad=True))


def test_signatures_are_those_of_the_forward() -> None:
    """What an editor shows, and tools that look at a callable see."""
    assert [*inspect.signature(ops.add).parameters] == ["input", "other"]
    dim = inspect.signature(qgrad.sum).parameters["dim"]
    assert dim.default is None
