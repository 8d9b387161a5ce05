"""backward and grad: what reaches which leaf, hooks, and the errors on the way."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qgrad
from qgrad import autograd, ops
from qgrad.autograd import grad
from qgrad.errors import DTypeError, ShapeError, UnsupportedOpError
from qgrad.nn import functional as F
from qgrad.ops.op import Op
from qgrad.tensor import Tensor


def leaf(*values: float) -> Tensor:
    """A vector that requires grad."""
    return qgrad.tensor([float(v) for v in values], requires_grad=True)


def test_gradients_accumulate_until_zeroed() -> None:
    """Two backwards add up in .grad; zeroing starts over."""
    x = leaf(1, 2)
    (x * x).sum().backward()
    (x * 3).sum().backward()
    assert x.grad.tolist() == [5, 7]
    first = x.grad
    first.zero_()
    (x * 3).sum().backward()
    assert x.grad is first
    assert first.tolist() == [3, 3]


def test_a_value_used_many_times() -> None:
    """The gradients of all uses are summed, over diamonds and repeated arguments."""
    x = leaf(2.0)
    y = x * x
    z = y * y + y + x
    z.sum().backward()
    assert x.grad.tolist() == [4 * 8 + 4 + 1]


@given(st.lists(st.sampled_from(["add", "mul", "sub", "tanh", "branch"]), max_size=30))
def test_any_graph_equals_forward_differences(steps: list[str]) -> None:
    """A graph of any form has the gradient that two values measure."""

    def run(x: Any) -> Any:
        old, new = x, x * 0.5
        for step in steps:
            if step == "branch":
                old, new = new, old
            elif step == "tanh":
                old, new = new, new.tanh()
            else:
                old, new = new, getattr(ops, step)(new, old) * 0.5
        return (new + old).sum()

    x = qgrad.tensor([0.3, -0.7], dtype=qgrad.float64, requires_grad=True)
    run(x).backward()
    direction = qgrad.tensor([0.6, 0.8], dtype=qgrad.float64)
    with qgrad.no_grad():
        measured = (run(x + 1e-6 * direction) - run(x - 1e-6 * direction)) / 2e-6
    np.testing.assert_allclose((x.grad * direction).sum().item(), measured.item(), 1e-6, 1e-8)


def test_grad_touches_no_leaf() -> None:
    """grad gives gradients of leaves and of values in between, and sets no .grad."""
    x, w = leaf(1, 2), leaf(3, 4)
    y = x * w
    z = (y * y).sum()
    gx, gy = grad(z, (x, y))
    assert gy.tolist() == [6, 16]
    assert gx.tolist() == [18, 64]
    assert x.grad is None
    assert w.grad is None


def test_grad_of_several_outputs_with_given_gradients() -> None:
    """Outputs are summed, each weighted by its own gradient."""
    x = leaf(1, 2)
    (g,) = grad((x * 2, x * x), x, (qgrad.ones(2), qgrad.tensor([10.0, 100.0])))
    assert g.tolist() == [22, 402]


def test_unused_inputs() -> None:
    """An input without a path is an error, None or zeros, as asked."""
    x, other = leaf(1), leaf(1)
    y = x * 2
    with pytest.raises(RuntimeError, match="grad: the outputs do not depend on input 1"):
        grad(y, (x, other), retain_graph=True)
    assert grad(y, (x, other), retain_graph=True, allow_unused=True)[1] is None
    assert grad(y, (x, other), materialize_grads=True)[1].tolist() == [0]


def test_backward_into_chosen_inputs() -> None:
    """With inputs=, other leaves get nothing."""
    x, w = leaf(1, 2), leaf(3, 4)
    (x * w).sum().backward(inputs=[x])
    assert x.grad.tolist() == [3, 4]
    assert w.grad is None
    y = x * 2
    y.sum().backward(inputs=y)
    assert y.grad.tolist() == [1, 1]


def test_derivatives_of_derivatives() -> None:
    """create_graph makes gradients part of the graph, to any order."""
    x = leaf(2.0)
    y = x**4
    for expected in (32, 48, 48, 24):
        (y,) = grad(y, x, create_graph=True)
        assert y.tolist() == [expected]
    x.grad = None
    (x**3).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    penalty = (x.grad * x.grad).sum()
    (second,) = grad(penalty, x)
    assert second.tolist() == [2 * 12 * 12]


def test_requires_grad_follows_the_inputs() -> None:
    """A result requires grad if an input does, is recorded, and is floating point."""
    x = leaf(1.0)
    assert (x * 2).requires_grad
    assert not (x > 0).requires_grad
    assert not x.argmax().requires_grad
    assert not x.detach().requires_grad
    assert x.is_leaf
    assert not (x * 2).is_leaf
    assert (x * 2).grad_fn.name() == "MulBackward0"
    with qgrad.no_grad():
        assert not (x * 2).requires_grad
        with qgrad.enable_grad():
            assert (x * 2).requires_grad


def test_grad_mode_decorators() -> None:
    """The modes decorate functions, and set_grad_enabled acts at once."""

    @qgrad.no_grad()
    def f(x: Tensor) -> bool:
        return bool((x * 2).requires_grad)

    @qgrad.no_grad
    def g(x: Tensor) -> bool:
        return bool((x * 2).requires_grad)

    @qgrad.set_grad_enabled(False)
    def h(x: Tensor) -> bool:
        return bool((x * 2).requires_grad)

    x = leaf(1)
    assert not f(x)
    assert not g(x)
    assert not h(x)
    assert f.__name__ == "f"
    assert qgrad.is_grad_enabled()
    qgrad.set_grad_enabled(False)
    assert not qgrad.is_grad_enabled()
    qgrad.set_grad_enabled(True)
    with qgrad.set_grad_enabled(False):
        assert not qgrad.is_grad_enabled()
    assert qgrad.is_grad_enabled()


def test_grad_mode_is_each_threads_own() -> None:
    """no_grad in one thread does not reach another."""
    seen: list[bool] = []
    with qgrad.no_grad():
        thread = threading.Thread(target=lambda: seen.append(qgrad.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_independent_graphs_in_threads() -> None:
    """Threads that each train on their own data get the gradients of one thread."""

    def work(seed: int) -> list[float]:
        x = qgrad.tensor(np.random.default_rng(seed).normal(size=8), requires_grad=True)
        for _ in range(50):
            ((x * x).tanh() * x).sum().backward()
        return x.grad.tolist()  # type: ignore[no-any-return]

    expected = [work(seed) for seed in range(4)]
    results: dict[int, list[float]] = {}
    threads = [
        threading.Thread(target=lambda seed=seed: results.update({seed: work(seed)}))
        for seed in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [results[seed] for seed in range(4)] == expected


def test_hooks_see_and_replace_gradients() -> None:
    """A hook is called once with the whole gradient; what it gives replaces it."""
    x = leaf(1, 2)
    seen: list[list[float]] = []
    y = x * 2
    y.register_hook(lambda g: seen.append(g.tolist()))
    handle = x.register_hook(lambda g: g * 10)
    (y + y).sum().backward()
    assert seen == [[2, 2]]
    assert x.grad.tolist() == [40, 40]
    handle.remove()
    handle.remove()
    x.grad = None
    (x * 1).sum().backward()
    assert x.grad.tolist() == [1, 1]
    with pytest.raises(RuntimeError, match="register_hook: this tensor does not require grad"):
        qgrad.ones(1).register_hook(print)


def test_retain_grad() -> None:
    """A value in between keeps its gradient if asked to."""
    x = leaf(1, 2)
    y = x * 3
    y.retain_grad()
    y.retain_grad()
    (y * y).sum().backward()
    assert y.grad.tolist() == [6, 12]


def test_gradients_are_cast_and_summed_to_the_arguments() -> None:
    """Broadcasting and promotion are undone: a gradient has its tensor's shape and dtype."""
    x = qgrad.ones(3, 1, requires_grad=True)
    w = qgrad.ones(4, dtype=qgrad.float64, requires_grad=True)
    y = x * w
    assert y.dtype is qgrad.float64
    y.sum().backward()
    assert x.grad.dtype is qgrad.float32
    assert x.grad.tolist() == [[4]] * 3
    assert w.grad.tolist() == [3] * 4


def test_backward_twice() -> None:
    """A freed graph says so; a retained one, or one that kept no values, works again."""
    x = leaf(1, 2)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4, 8]
    with pytest.raises(RuntimeError, match=r"the graph of \w+ was freed.*retain_graph=True"):
        y.backward()
    s = x + x
    for _ in range(2):
        s.backward(qgrad.ones(2))
    assert x.grad.tolist() == [8, 12]


def test_paths_that_were_freed() -> None:
    """A freed part of the graph is an error if it leads to an input, and no matter if not."""
    x, w = leaf(1, 2), leaf(3, 4)
    hidden = x * x
    hidden.sum().backward()
    y = (hidden * w).sum()
    assert grad(y, w, retain_graph=True)[0].tolist() == [1, 4]
    with pytest.raises(RuntimeError, match="the graph of mul was freed"):
        grad(y, (x, w))


def test_what_keeps_only_numbers_is_not_freed() -> None:
    """Sums, reshapes and concatenations keep dims and shapes, and work again."""
    x = leaf(1, 2)
    y = qgrad.cat([x.reshape(2, 1), (x + 1).reshape(2, 1)]).transpose(0, 1).sum(dim=1).mean()
    for count in (1, 2):
        y.backward()
        assert x.grad.tolist() == [2 * count, 2 * count]


def test_grad_in_batches() -> None:
    """is_grads_batched: a row of the result for each row of the given gradients."""
    x, w = leaf(1, 2), leaf(3, 4)
    weights = qgrad.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 3.0]])
    y = x * x * w
    gx, gw = grad(y, (x, w), weights, is_grads_batched=True)
    assert gx.tolist() == [[6, 0], [0, 16], [12, 48]]
    assert gw.tolist() == [[1, 0], [0, 4], [2, 12]]
    z = x * 2
    assert grad(z, (x, w), weights, is_grads_batched=True, allow_unused=True)[1] is None
    with pytest.raises(ShapeError, match="one length"):
        grad((y, y), x, (weights, weights[:2]), is_grads_batched=True)


def test_results_are_nobody_elses() -> None:
    """Gradients of one value asked for twice, and the given gradient, are different arrays."""
    x, w = leaf(1, 2), leaf(3, 4)
    a, start = x * 1, qgrad.ones(2)
    results = [*grad(a + w, (a, a, w, w), start), start]
    for i, one in enumerate(results):
        one.fill_(i)
    assert [one.tolist() for one in results] == [[i, i] for i in range(5)]


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (lambda x: grad(3.0, x), "grad: outputs: a float is no tensor"),
        (lambda x: grad(x.sum(), [x, None]), "grad: inputs: a NoneType is no tensor"),
        (lambda x: x.sum().backward(inputs=[]), "backward: inputs is empty"),
        (lambda x: grad(x.sum(), x, only_inputs=False), "only_inputs must be True"),
        (
            lambda x: grad(x.sum(), x, allow_unused=False, materialize_grads=True),
            "materialize_grads=True needs allow_unused",
        ),
        (lambda x: (x * x).backward(), r"starts from a scalar, this tensor has shape \[2\]"),
        (lambda x: x.detach().sum().backward(), "does not require grad and has no history"),
        (
            lambda x: (x * x).backward(qgrad.ones(3)),
            r"the tensor \(the result of mul\) \[2\]",
        ),
        (lambda x: grad(x.sum(), qgrad.ones(1)), "input 0 does not require grad"),
        (lambda x: autograd.backward([x, x], [None]), "2 tensors, but 1 gradients"),
        (lambda x: x.long().requires_grad_(), "only floating-point tensors"),
        (lambda x: (x * 2).requires_grad_(False), r"made by mul; use x\.detach\(\)"),
        (
            lambda x: ops.fake_quantize(qgrad.ones(2), x.sum(), 0, 0, 255).sum().backward(),
            "does not require grad",
        ),
    ],
)
def test_errors_say_what_to_do(wrong: Any, text: str) -> None:
    """Each mistake names the function, the value and the way out."""
    errors = (RuntimeError, ShapeError, DTypeError, ValueError, TypeError)
    with pytest.raises(errors, match=text) as raised:
        wrong(leaf(1, 2))
    assert len(str(raised.value)) < 600


def test_an_argument_without_a_rule() -> None:
    """A gradient that would silently be lost is an error, unless the op declares it constant."""

    def half(input: Any, other: Any) -> Any:
        return input * other

    def half_dother(g: Any, input: Any) -> Any:
        return g * input

    op = Op(half)
    op.rule("other")(half_dother)
    x = leaf(1)
    assert op(x.detach(), x).requires_grad
    with pytest.raises(UnsupportedOpError, match=r"argument 'input'.*pass input\.detach\(\)"):
        op(x, x)


def test_an_error_in_a_rule_names_the_op() -> None:
    """An exception on the way back carries a note that says where."""
    x = leaf(1, 2)
    y = x.reshape(2, 1)
    y.register_hook(lambda g: qgrad.ones(3, 7))
    with pytest.raises(Exception, match="reshape"):
        y.sum().backward()


@pytest.mark.parametrize("create_graph", [False, True])
def test_what_made_an_input_is_not_freed(create_graph: bool) -> None:
    """The way back ends at the input asked for: what made it is neither read nor freed."""
    x = leaf(1, 2)
    y = x.exp()
    z = y * y
    (g,) = grad(z.sum(), y, retain_graph=False, create_graph=create_graph)
    np.testing.assert_array_equal(g.detach().numpy(), 2 * y.detach().numpy())
    y.backward(qgrad.ones(2), inputs=[y])
    y.sum().backward()  # exp is still there
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())
    assert grad((y * 3).sum(), y)[0].tolist() == [3, 3]  # and no longer asked for
    with pytest.raises(RuntimeError, match="the graph of exp was freed"):
        grad((y * 3).sum(), (x, y))


def test_only_a_gradient_is_assigned() -> None:
    """`.grad` takes a tensor of the same shape and dtype, or None, and can be deleted."""
    x = qgrad.ones(2, requires_grad=True)
    for wrong, kind, message in (
        (3.0, TypeError, "a float is no gradient"),
        (x, ValueError, "its own gradient"),
        (qgrad.ones(3), ShapeError, r"shape \[3\], the tensor \[2\]"),
        (qgrad.ones(2, dtype=qgrad.float64), DTypeError, "float64, the tensor float32"),
    ):
        with pytest.raises(kind, match=f"grad: .*{message}"):
            x.grad = wrong
    x.grad = qgrad.ones(2)
    x.sum().backward()
    assert x.grad.tolist() == [2, 2]
    del x.grad
    assert x.grad is None


@pytest.mark.parametrize("dtype", [qgrad.float32, qgrad.float64])
def test_gradients_at_nan(dtype: Any) -> None:
    """As in PyTorch, relu lets them pass; NaN that is the extreme makes all of them NaN."""
    x = qgrad.tensor([math.nan, -1.0, 2.0], dtype=dtype, requires_grad=True)
    (g,) = grad(qgrad.relu(x).sum(), x)
    assert g.tolist() == [1, 0, 1]
    for extreme in (qgrad.amax, qgrad.amin):
        (g,) = grad(extreme(x), x)
        assert g.isnan().all()


POOLED = {
    "avg_pool2d": lambda x: F.avg_pool2d(x, 2),
    "avg_pool1d": lambda x: F.avg_pool1d(x[0], 2),
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, 3),
    "adaptive_avg_pool1d": lambda x: F.adaptive_avg_pool1d(x[0], 3),
    "max_pool2d": lambda x: F.max_pool2d(x, 2),
    "reflect": lambda x: F.pad(x, (1, 1), "reflect"),
    "replicate": lambda x: F.pad(x, (1, 1), "replicate"),
    "nll_loss": lambda x: F.nll_loss(x, qgrad.zeros(1, 4, 4, dtype=qgrad.int64)),
}


@pytest.mark.parametrize("name", POOLED)
def test_linear_functions_whose_gradient_has_a_graph(name: str) -> None:
    """Where PyTorch's second derivatives are zeros, ours are, not an error."""
    x = qgrad.randn(1, 2, 4, 4, requires_grad=True)
    (g,) = grad(POOLED[name](x).sum(), x, create_graph=True)
    (second,) = grad(g.sum(), x)
    assert second.shape == x.shape
    assert not second.numpy().any()
