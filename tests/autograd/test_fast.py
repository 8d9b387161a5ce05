"""The C++ paths of the door and of the backward do what the Python ones do."""

from __future__ import annotations

import contextlib
import gc
import random
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qgrad
from qgrad import nn, ops
from qgrad.autograd.fast import without_fast_paths
from qgrad.errors import ShapeError
from qgrad.kernels.extension import core

pytestmark = pytest.mark.skipif(core is None, reason="there are no fast paths without C++")

UNARY = ("relu", "sigmoid", "tanh", "exp", "neg", "square", "detach", "clone", "double", "t")
BINARY = ("add", "mul", "sub", "maximum", "div", "matmul", "hypot")
NUMBERS = (2, 0.5, True, np.float64(3.0))


def both(fn: Callable[[], Any]) -> tuple[Any, Any]:
    """What `fn` gives on the fast paths and on the others; an error as its class and text."""

    def outcome() -> Any:
        try:
            return fn()
        except Exception as error:
            return type(error), str(error), repr(error.__cause__)

    fast = outcome()
    with without_fast_paths():
        return fast, outcome()


def assert_same(fast: Any, slow: Any) -> None:
    """The same values, dtypes and history."""
    assert type(fast) is type(slow)
    if isinstance(fast, qgrad.Tensor):
        assert fast._data.dtype == slow._data.dtype
        assert fast.requires_grad == slow.requires_grad
        assert (fast.grad_fn is None) == (slow.grad_fn is None)
        np.testing.assert_array_equal(fast._data, slow._data, strict=True)
        assert_same(fast.grad, slow.grad)
        assert_same_node(fast._node, slow._node)
    elif isinstance(fast, (list, tuple)):
        assert len(fast) == len(slow)
        for one, other in zip(fast, slow, strict=True):
            assert_same(one, other)
    elif isinstance(fast, np.ndarray):
        np.testing.assert_array_equal(fast, slow, strict=True)
    else:
        assert fast == slow


def assert_same_node(fast: Any, slow: Any) -> None:
    """Nodes that will do the same in a backward."""
    if fast is None:
        return
    for field in ("op", "plan", "shape", "dtype", "versions", "cell"):
        assert getattr(fast, field) == getattr(slow, field), field
    assert len(fast.edges) == len(slow.edges)
    assert (fast.saved is None) == (slow.saved is None)
    for one, other in zip(fast.saved or (), slow.saved or (), strict=True):
        assert type(one) is type(other)
        assert_same(getattr(one, "_data", one), getattr(other, "_data", other))


@st.composite
def programs(draw: Any) -> Any:
    """Leaves (dtype, requires grad) and steps: each makes a tensor of earlier ones."""
    leaves = draw(
        st.lists(
            st.tuples(st.sampled_from(["float32", "float64", "int64"]), st.booleans()),
            min_size=2,
            max_size=4,
        )
    )
    index = st.integers(0, 12)
    step = st.one_of(
        st.tuples(st.just("unary"), st.sampled_from(UNARY), index),
        st.tuples(st.just("binary"), st.sampled_from(BINARY), index, index),
        st.tuples(st.just("number"), st.sampled_from(BINARY), index, st.sampled_from(NUMBERS)),
        st.tuples(st.just("reduce"), st.sampled_from(["sum", "mean", "amax"]), index),
        st.tuples(st.just("in place"), st.sampled_from(["mul_", "add_"]), index, index),
        st.tuples(st.just("view"), st.sampled_from(["T", "row", "cat", "unbind"]), index),
        st.tuples(st.just("hook"), index),
    )
    return leaves, draw(st.lists(step, min_size=1, max_size=8)), draw(st.booleans())


def run(program: Any) -> list[Any]:
    """All tensors of a program after its backward."""
    leaves, steps, retain = program
    rng = np.random.default_rng(0)
    values = []
    for dtype, requires_grad in leaves:
        data = rng.integers(1, 9, (3, 3)).astype(dtype)
        leaf = qgrad.from_numpy(data)
        values.append(leaf.requires_grad_() if requires_grad and dtype != "int64" else leaf)
    for kind, *rest in steps:
        name, *places = rest if kind != "hook" else ("", *rest)
        taken = [values[i % len(values)] if isinstance(i, int) else i for i in places]
        if kind == "number":
            taken[1] = places[1]
        x = taken[0]
        if kind == "view":
            if name == "cat":
                values.append(qgrad.cat([x, x]))
            elif name == "unbind":
                values.extend(qgrad.unbind(x, 0))
            else:
                values.append(x.T if name == "T" else x[0])
        elif kind == "hook":
            if x.requires_grad:
                x.register_hook(lambda g: g * 2)
        elif kind == "in place":
            getattr(x, name)(taken[1])
        elif kind in ("unary", "reduce"):
            values.append(getattr(x, name)())
        else:
            values.append(getattr(qgrad, name)(*taken))
    loss = sum((v.float().mean() for v in values if v.requires_grad), qgrad.tensor(0.0))
    if loss.requires_grad:
        loss.backward(retain_graph=retain)
    return values


@settings(max_examples=400, deadline=None)
@given(programs())
def test_random_programs(program: Any) -> None:
    """Values, histories, gradients and errors of programs that mix all kinds of calls."""
    with np.errstate(all="ignore"):
        assert_same(*both(lambda: run(program)))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x + qgrad.ones(5),
        lambda x: x @ qgrad.ones(5, 2),
        lambda x: qgrad.relu(),
        lambda x: qgrad.relu(x, x, x),
        lambda x: qgrad.add(x, other=x),
        lambda x: qgrad.add(x, x, out=qgrad.empty(3, 3)),
        lambda x: qgrad.add(x, x, nonsense=1),
        lambda x: qgrad.ops.sum(x, 7),
        lambda x: qgrad.ops.mul("text", x),
        lambda x: qgrad.ops.mul([x], x),
        lambda x: qgrad.ops.mul([[1, 2, 3]], x),
        lambda x: qgrad.ops.mul(x._data, 2.0),
        lambda x: qgrad.ops.mul(x._data, x._data),
        lambda x: qgrad.ops.sqrt(x.long()),
        lambda x: qgrad.floor_divide(x.long(), 0),
        lambda x: qgrad.ops.linear(x, qgrad.ones(2, 4)),
        lambda x: qgrad.ops.where(x, x, x),
        lambda x: qgrad.ops.take_along_dim(x, x, 0),
    ],
)
def test_unusual_calls_and_errors(call: Any) -> None:
    """Keywords, wrong arguments and calls on arrays."""
    x = qgrad.arange(9.0).reshape(3, 3).requires_grad_()
    assert_same(*both(lambda: call(x)))


def test_modes() -> None:
    """What is not recorded, and what inference mode makes."""
    x = qgrad.ones(3, requires_grad=True)

    def in_modes():
        with qgrad.no_grad():
            a = x * x
        with qgrad.inference_mode():
            b = x * x
        return a, b, b.is_inference(), x * b.clone()

    assert_same(*both(in_modes))
    b = in_modes()[1]
    assert_same(*both(lambda: x * b))  # cannot be saved for the backward


def test_freed_and_changed_graphs() -> None:
    """The errors name the same op in the same words."""

    def again():
        x = qgrad.ones(3, requires_grad=True)
        y = (x * x).sum()
        y.backward()
        y.backward()

    def changed():
        x = qgrad.ones(3, requires_grad=True)
        a = x.exp()
        y = (a * a).sum()
        with qgrad.no_grad():
            a.add_(1)
        y.backward()

    for fn in (again, changed):
        fast, slow = both(fn)
        assert fast == slow
        assert fast[0] is RuntimeError


def test_parameters_and_subclasses() -> None:
    """Subclasses of Tensor are tensors."""

    class Mine(qgrad.Tensor):
        pass

    layer = nn.Linear(3, 2)
    mine = Mine([[1.0, 2.0, 3.0]])
    for x in (qgrad.ones(1, 3), mine):
        assert_same(*both(lambda x=x: layer(x) * layer.bias))


def test_rules_that_fail_leave_the_graph() -> None:
    """An error in a rule is the error of the backward."""

    class Failing(qgrad.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            raise KeyError("mine")

    x = qgrad.ones(2, requires_grad=True)
    y = (Failing.apply(x * 3) * 2).sum()
    for _ in range(2):
        with pytest.raises(KeyError, match="mine"):
            y.backward(retain_graph=True)
    assert x.grad is None


def test_references_are_counted() -> None:
    """Nothing is leaked, neither by calls nor by their errors."""

    def step(a, b):
        ((a * b + 2.0).relu() * a).sum().backward()
        with contextlib.suppress(ShapeError):
            a + qgrad.ones(7)
        with contextlib.suppress(TypeError):
            qgrad.relu(a, nonsense=1)
        return qgrad.autograd.grad((a * b).exp().sum(), [b])

    a, b = (qgrad.rand(4, requires_grad=True) for _ in range(2))
    shared = (a, b, a._data, None, True, False, 0, qgrad.ops.mul, qgrad.ops.mul.plans[3])
    gc.disable()
    try:
        for _ in range(500):  # until the free lists of Python are full
            step(a, b)
        before = [sys.getrefcount(x) for x in shared]
        blocks = sys.getallocatedblocks()
        for _ in range(1000):
            step(a, b)
        after = [sys.getrefcount(x) for x in shared]
        assert max(abs(x - y) for x, y in zip(before, after, strict=True)) < 100
        assert sys.getallocatedblocks() - blocks < 500
        y = a * b
        seen = weakref.ref(y), weakref.ref(y._node)
        y.sum().backward()
        del y
        assert [ref() for ref in seen] == [None, None]
    finally:
        gc.enable()


def test_one_graph_in_many_threads() -> None:
    """Backwards of one graph at once have their own sums."""
    x = qgrad.rand(50, requires_grad=True)
    loss = (x.exp() * x).sum()
    (expected,) = qgrad.autograd.grad(loss, x, retain_graph=True)
    wrong = []

    def work():
        for _ in range(100):
            (g,) = qgrad.autograd.grad(loss, x, retain_graph=True)
            if not np.array_equal(g.numpy(), expected.numpy()):
                wrong.append(g)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


SHAPES: list[tuple[int, ...]] = [(), (0,), (1,), (3,), (2, 3), (3, 2), (2, 2, 3), (1, 2, 4, 4)]
OTHERS: list[Any] = [
    *(None, True, 0, 1, -1, 2, 10**30, -3.5, float("nan"), "mean", np.float32(2), np.int64(1)),
    *((0,), (1, 2), [0, 1], [], slice(0, 1), object),
]


def anything(rng: random.Random) -> Any:
    """A tensor, mostly: of any dtype, a view or not; or an array, a number, a tuple, a class."""
    if rng.random() < 0.5:
        return rng.choice(OTHERS)
    dtype = rng.choice(["float32", "float64", "int64", "bool", "float16", "uint8"])
    values = np.random.default_rng(rng.randrange(99)).normal(0, 3, rng.choice(SHAPES))
    data = np.asarray(values).astype(dtype)
    if rng.random() < 0.1:
        return data
    tensor = qgrad.from_numpy(data)
    if data.dtype.kind == "f" and rng.random() < 0.6:
        tensor.requires_grad_()
    return tensor.transpose(0, -1) if data.ndim > 1 and rng.random() < 0.3 else tensor


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(4))
def test_ops_called_with_anything(seed: int) -> None:
    """No call crashes, and each gives, or raises, what the Python path does."""
    rng = random.Random(seed)
    names = sorted(ops.registry)
    succeeded = 0
    for _ in range(1500):
        op = ops.registry[rng.choice(names)]
        args = [anything(rng) for _ in range(rng.randint(1, min(op.arity + 1, 6)))]

        def call(op: Any = op, args: Any = args) -> Any:
            qgrad.manual_seed(0)
            y = op(*args)
            first = y[0] if isinstance(y, (tuple, list)) and y else y
            if not isinstance(first, qgrad.Tensor) or not first.requires_grad:
                return y
            leaves = [a for a in args if isinstance(a, qgrad.Tensor) and a.requires_grad]
            total = first.sum()
            return y, qgrad.autograd.grad(total, leaves, retain_graph=True, allow_unused=True)

        fast, slow = both(call)
        if isinstance(fast, tuple) and isinstance(fast[0], type):
            assert fast[:2] == slow[:2]
        elif not isinstance(fast, dict):
            succeeded += 1
            assert str(type(fast)) == str(type(slow))
            if isinstance(fast, (qgrad.Tensor, tuple)):
                assert repr(fast) == repr(slow)
    assert succeeded > 100
