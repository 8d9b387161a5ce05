"""Changes in place: what is allowed, what is recorded, what is noticed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qgrad
from qgrad.autograd import gradgradcheck
from qgrad.errors import DTypeError, ShapeError
from qgrad.tensor import Tensor


def leaf(*values: float) -> Tensor:
    """A vector that requires grad."""
    return qgrad.tensor([float(v) for v in values], requires_grad=True)


def test_a_step_of_gradient_descent() -> None:
    """`w -= lr * w.grad` under no_grad changes the leaf's own memory."""
    w = leaf(1, 2)
    memory = w._data
    (w * w).sum().backward()
    with qgrad.no_grad():
        w -= 0.5 * w.grad
    assert w._data is memory
    assert w.tolist() == [0, 0]
    assert w.is_leaf
    assert w.requires_grad


def test_a_leaf_that_requires_grad_is_not_changed_while_recording() -> None:
    """The error says where to put the change; the leaf stays as it was."""
    w = leaf(1, 2)
    for change in (
        lambda: w.add_(1),
        lambda: w.zero_(),
        lambda: w.__setitem__(0, 5.0),
        lambda: w[0].mul_(2),
        lambda: w.view(1, 2).T.add_(1),
    ):
        with pytest.raises(RuntimeError, match=r"leaf that requires grad.*no_grad"):
            change()
    assert w.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda x: x.add_(1), "sin: its argument 'input'"),
        (lambda x: x.detach().mul_(2), "sin: its argument 'input'"),
        (lambda x: x[0].zero_(), "sin: its argument 'input'"),
        (lambda x: x.view(2, 1).fill_(3.0), "sin: its argument 'input'"),
    ],
)
def test_a_changed_saved_value_is_noticed(change: Callable[[Tensor], Any], text: str) -> None:
    """Backward refuses values that were changed, also through views and detached twins."""
    w = leaf(1, 2)
    x = w * 2
    y = x.sin()
    change(x)
    with pytest.raises(RuntimeError, match=text + ".*changed in place.*clone"):
        y.sum().backward()


def test_a_changed_saved_output_is_noticed() -> None:
    """exp keeps its output for the backward."""
    w = leaf(1, 2)
    y = w.exp()
    y += 1
    with pytest.raises(RuntimeError, match="exp: its output"):
        y.sum().backward()


def test_changed_indices_are_noticed() -> None:
    """Tensors in a tuple of arguments are looked at, too, in every order of derivatives."""
    for create_graph in (False, True):
        for late in (False, True):
            w, rows = qgrad.ones(3, 3, requires_grad=True), qgrad.tensor([0, 1])
            rows.add_(0)  # counted from before
            y = w[rows, :, None] if late else w[:, rows]
            rows.add_(1)
            with pytest.raises(RuntimeError, match=r"getitem: its argument 'index' \(sh"):
                y.sum().backward(create_graph=create_graph)


def test_changes_of_what_is_not_saved_are_fine() -> None:
    """Adding keeps nothing, so what was added may change."""
    w = leaf(1, 2)
    x = w * 2
    y = x + 1
    x.mul_(10)
    (y.sum() + x.sum()).backward()
    assert w.grad.tolist() == [22, 22]


def test_views_share_the_count() -> None:
    """_version counts changes of the memory, through any view of it."""
    x = qgrad.zeros(4)
    before = x._version
    x.view(2, 2)[0].add_(1)
    x.detach().mul_(2)
    x.T.zero_()
    assert x._version == before + 3
    assert x.clone()._version == 0


def test_a_view_is_not_detached_in_place() -> None:
    """What it views would not know of changes to it; anything else forgets its history."""
    x = leaf(1, 2) * 2
    with pytest.raises(RuntimeError, match=r"detach_: this tensor is a view.*x\.detach\(\)"):
        x[:1].detach_()
    assert qgrad.ones(2)[:1].detach_().is_leaf
    assert x.detach_() is x
    assert not x.requires_grad


def test_gradients_of_any_layout_pass_a_change_of_a_view() -> None:
    """What a view has overwritten gets no gradient, also where the gradient comes transposed."""
    x = qgrad.ones(2, 3, requires_grad=True)
    y = x * 1
    y.view(6)[2:5] = 7.0
    weights = qgrad.arange(6.0).reshape(3, 2)
    (y.t() * weights).sum().backward()
    assert x.grad.tolist() == [[0, 2, 0], [0, 0, 5]]


def test_in_place_ops_are_recorded() -> None:
    """An in-place op has the gradient of the op, for every elementwise op."""
    for name, args in (
        ("add_", (3.0,)),
        ("mul_", (3.0,)),
        ("pow_", (3,)),
        ("sin_", ()),
        ("relu_", ()),
        ("exp_", ()),
        ("clamp_", (0.5, 3.0)),
        ("sigmoid_", ()),
        ("div_", (qgrad.tensor([2.0, 4.0]),)),
    ):
        w, v = leaf(1, 2), leaf(1, 2)
        x = w * 1
        assert getattr(x, name)(*args) is x
        x.sum().backward()
        getattr(v, name[:-1])(*args).sum().backward()
        assert w.grad.tolist() == v.grad.tolist(), name


INDICES = st.sampled_from([0, -1, slice(1, 3), slice(None, None, 2), (slice(None), 1), Ellipsis])
CHANGES = st.sampled_from(["set", "add", "mul", "view", "transposed", "copy"])


@given(st.lists(st.tuples(CHANGES, INDICES), min_size=1, max_size=6))
def test_any_changes_of_parts_have_the_right_gradient(changes: list[tuple[str, Any]]) -> None:
    """Assignments and in-place ops on views of views, checked by differences of values."""

    def run(w: Any) -> Any:
        x = w * 1.0
        kept = x[1:]  # a view from before the changes must see them
        for kind, index in changes:
            part = w[index] * 0.5
            if kind == "set":
                x[index] = part
            elif kind == "add":
                x[index] += part
            elif kind == "mul":
                x[index].mul_(part + 1)
            elif kind == "view":
                x.view(-1)[2:5].add_(part.sum())
            elif kind == "transposed":
                x.transpose(0, 1)[0].mul_(2)
            else:
                x[index].copy_(part)
        return (x * x).sum() + (kept * kept * kept).sum()

    start = np.arange(1.0, 10.0).reshape(3, 3) / 5
    w = qgrad.tensor(start, requires_grad=True)
    run(w).backward()
    direction = np.cos(np.arange(9.0)).reshape(3, 3)
    with qgrad.no_grad():
        up, down = (run(qgrad.tensor(start + eps * direction)).item() for eps in (1e-6, -1e-6))
    slope = (w.grad.numpy() * direction).sum()
    np.testing.assert_allclose(slope, (up - down) / 2e-6, rtol=1e-6, atol=1e-6)


@given(st.lists(st.tuples(CHANGES, INDICES), min_size=1, max_size=4))
def test_any_changes_of_parts_have_the_right_second_derivative(
    changes: list[tuple[str, Any]],
) -> None:
    """Gradients through changed views are part of the graph, and right, too."""

    def run(w: Any) -> Any:
        x = (w * 1.0).exp_()
        kept = x[1:]
        for kind, index in changes:
            part = w[index] * 0.5
            if kind == "set":
                x[index] = part
            elif kind == "add":
                x[index] += part
            elif kind == "mul":
                x[index].mul_(part + 1)
            elif kind == "view":
                x.view(-1)[2:5].pow_(2)
            elif kind == "transposed":
                x.transpose(0, 1)[0].sigmoid_()
            else:
                x[index].copy_(part)
        return (x * x).sum() + (kept * kept * kept).sum()

    w = qgrad.tensor(np.arange(1.0, 10.0).reshape(3, 3) / 10, requires_grad=True)
    assert gradgradcheck(run, w, fast_mode=True, rtol=1e-2, atol=1e-4)


def test_a_buffer_filled_row_by_row() -> None:
    """A tensor without history takes over that of what is put into it."""
    w = leaf(2, 3)
    rows = qgrad.zeros(2, 2)
    rows[0] = w * w
    rows[1] += w
    assert rows.requires_grad
    rows.sum().backward()
    assert w.grad.tolist() == [5, 7]


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (lambda x, i: x.add_(qgrad.ones(3, 2)), ShapeError, r"add_: the result f32\[3,2\]"),
        (lambda x, i: i.add_(0.5), DTypeError, "add_: the result is float32, the tensor int64"),
        (lambda x, i: i.div_(2), DTypeError, "div_: the result is float32"),
        (lambda x, i: x.__setitem__(0, qgrad.ones(3)), ShapeError, "setitem: "),
        (lambda x, i: x.__setitem__(7, 1.0), IndexError, "setitem: .*out of bounds"),
        (lambda x, i: x[:1].expand(5).add_(1), ValueError, "read-only"),
    ],
)
def test_errors(change: Any, error: type[Exception], text: str) -> None:
    """Results that do not fit are refused, and the tensor is left alone."""
    x, i = qgrad.ones(2), qgrad.ones(2, dtype=qgrad.int64)
    with pytest.raises(error, match=text):
        change(x, i)
    assert x.tolist() == [1, 1]
    assert i.tolist() == [1, 1]


def test_augmented_assignment_keeps_the_object() -> None:
    """+= and its kin change the tensor itself, whatever the operand."""
    x = same = qgrad.tensor([1.0, 2.0])
    x += 1
    x -= qgrad.tensor([1.0, 1.0])
    x *= np.array([2.0, 3.0])
    x /= 2
    x **= 2
    assert x is same
    assert x.tolist() == [1, 9]
    i = same = qgrad.tensor([7, 8])
    i //= 2
    i %= 3
    i |= 4
    assert i is same
    assert i.tolist() == [4, 5]


def test_fills() -> None:
    """fill_, zero_, copy_, normal_, uniform_ and bernoulli_ change the memory."""
    x = qgrad.empty(1000)
    assert x.fill_(3).tolist() == [3] * 1000
    assert x.zero_().sum().item() == 0
    assert x.copy_(qgrad.arange(1000)).sum().item() == 499500
    g = qgrad.Generator().manual_seed(0)
    assert abs(x.normal_(5.0, 0.5, generator=g).mean().item() - 5) < 0.1
    assert x.uniform_(2.0, 3.0, generator=g).min().item() >= 2
    assert set(x.bernoulli_(0.5, generator=g).tolist()) == {0, 1}


def test_diagonals_are_views() -> None:
    """K.diagonal().add_(noise) changes K, and the noise gets its gradient."""
    k, noise = qgrad.zeros(2, 3), qgrad.tensor(2.0, requires_grad=True)
    k.diagonal().add_(1)
    k.diag().add_(1)  # a copy
    assert k.tolist() == [[1, 0, 0], [0, 1, 0]]
    changed = k * 1
    changed.diagonal(1).add_(noise)
    (changed * qgrad.arange(6).reshape(2, 3)).sum().backward()
    assert changed.tolist() == [[1, 2, 0], [0, 1, 2]]
    assert noise.grad.item() == 1 + 5
    with pytest.raises(ValueError, match="read-only"):
        qgrad.ones(1, 1).expand(2, 2).diagonal().add_(1)


SHAPED = {
    "squeeze_": (),
    "unsqueeze_": (1,),
    "t_": (),
    "transpose_": (0, -1),
    "swapaxes_": (0, 1),
    "swapdims_": (1, 0),
}


@pytest.mark.parametrize("name", SHAPED)
def test_shapes_change_in_place(name: str) -> None:
    """The tensor keeps its memory and its history, and gets the shape of the view."""
    args = SHAPED[name]
    plain = qgrad.arange(3.0).reshape(3, 1)
    memory = plain._data
    expected = getattr(plain, name[:-1])(*args)
    assert getattr(plain, name)(*args) is plain
    assert plain.shape == expected.shape
    assert np.shares_memory(plain._data, memory)

    x = leaf(1, 2, 3)
    h = x[:, None] * x[:, None]
    assert getattr(h, name)(*args) is h
    assert h.shape == expected.shape
    (h * qgrad.arange(3.0).reshape(h.shape)).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 4, 12]


def test_shapes_of_views_change_in_place() -> None:
    """What is written through the reshaped view is seen, and differentiated, by what it views."""
    x = leaf(1, 2, 3, 4)
    h = x * 1
    row = h[1:3]
    row.unsqueeze_(0)
    row.mul_(qgrad.tensor([[10.0, 100.0]]))
    h.sum().backward()
    assert h.tolist() == [1, 20, 300, 4]
    assert x.grad is not None
    assert x.grad.tolist() == [1, 10, 100, 1]
    with pytest.raises(RuntimeError, match=r"unsqueeze_: a leaf that requires grad"):
        x.unsqueeze_(0)
    with pytest.raises(ShapeError, match="t_: needs at most 2 dims"):
        qgrad.zeros(1, 2, 3).t_()
    with qgrad.no_grad():
        assert x.unsqueeze_(0).shape == (1, 4)


def test_products_in_place() -> None:
    """addmm_, addmv_ and baddbmm_ are their functions in the tensor's memory."""
    a, b = qgrad.randn(2, 3), qgrad.randn(3, 4)
    for name, start, args in (
        ("addmm", qgrad.randn(2, 4), (a, b)),
        ("addmv", qgrad.randn(2), (a, b[:, 0])),
        ("baddbmm", qgrad.randn(1, 2, 4), (a[None], b[None])),
    ):
        expected = getattr(qgrad, name)(start, *args, beta=0.5, alpha=2)
        memory = start._data
        assert getattr(start, name + "_")(*args, beta=0.5, alpha=2) is start
        assert start._data is memory
        np.testing.assert_array_equal(start.numpy(), expected.numpy())


def test_in_place_methods_are_functions_too() -> None:
    """`qgrad.relu_(x)` is `x.relu_()`."""
    x = qgrad.tensor([-1.0, 2.0])
    assert qgrad.relu_(x) is x
    assert x.tolist() == [0, 2]
    assert qgrad.clamp_(x, max=1.5).tolist() == [0, 1.5]
    assert qgrad.fill_(x, 3).tolist() == [3, 3]
    assert qgrad.zero_(x).tolist() == [0, 0]
    with pytest.raises(TypeError, match="relu_: input is a list"):
        qgrad.relu_([1.0])  # type: ignore[arg-type]
    with pytest.raises(AttributeError, match="nonsense_"):
        qgrad.nonsense_  # noqa: B018
