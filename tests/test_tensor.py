"""Tensors as values: how they are made, what they tell of themselves, and their ways to NumPy."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import qgrad
from qgrad.errors import DTypeError
from qgrad.tensor import Tensor

NUMBERS = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.int64, np.int32, np.uint8, np.bool_]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


@given(NUMBERS)
def test_from_numpy_shares_memory_and_tensor_copies(array: np.ndarray[Any, Any]) -> None:
    """A change of the array is seen through from_numpy and not through tensor."""
    shared, own = qgrad.from_numpy(array), qgrad.tensor(array)
    assert np.shares_memory(shared.numpy(), array) or array.size == 0
    assert not np.shares_memory(own.numpy(), array)
    np.testing.assert_array_equal(own.numpy(), array)
    assert own.numpy().dtype == array.dtype


@given(NUMBERS)
def test_round_trips(array: np.ndarray[Any, Any]) -> None:
    """Lists, pickles and copies give the same elements, shape and dtype."""
    x = qgrad.from_numpy(array)
    assert repr(x.tolist()) == repr(array.tolist())  # NaN is not equal to itself
    for other in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x), x.clone(), copy.copy(x)):
        assert type(other) is Tensor
        assert other.dtype is x.dtype
        np.testing.assert_array_equal(other.numpy(), array)
    assert np.asarray(x) is x.numpy()
    assert np.array(x).dtype == array.dtype


def test_dtypes_of_python_numbers() -> None:
    """Floats get the default dtype, ints int64, bools bool; a given dtype wins."""
    assert qgrad.tensor(1.5).dtype is qgrad.float32
    assert qgrad.tensor([1, 2]).dtype is qgrad.int64
    assert qgrad.tensor([True]).dtype is qgrad.bool
    assert qgrad.tensor([1, 2.5]).dtype is qgrad.float32
    assert qgrad.tensor([]).dtype is qgrad.float32
    assert qgrad.tensor([1], dtype=qgrad.float64).dtype is qgrad.float64
    assert qgrad.tensor(np.float64(1)).dtype is qgrad.float64
    assert qgrad.tensor([qgrad.tensor(1), qgrad.tensor(2)]).tolist() == [1, 2]


def test_default_dtype() -> None:
    """The default dtype decides what Python floats become, and integers divided."""
    qgrad.set_default_dtype(qgrad.float64)
    try:
        assert qgrad.get_default_dtype() is qgrad.float64
        assert qgrad.tensor(1.5).dtype is qgrad.float64
        assert (qgrad.tensor(1) / 2).dtype is qgrad.float64
        assert qgrad.zeros(1).dtype is qgrad.float64
        assert repr(qgrad.tensor(1.5)) == "tensor(1.5000)"
    finally:
        qgrad.set_default_dtype(qgrad.float32)
    with pytest.raises(DTypeError, match="not a floating-point dtype"):
        qgrad.set_default_dtype(qgrad.int64)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (qgrad.zeros(2, 3), np.zeros((2, 3), np.float32)),
        (qgrad.ones((2, 3), dtype=qgrad.int64), np.ones((2, 3), np.int64)),
        (qgrad.full((2,), 7), np.array([7, 7])),
        (qgrad.full((2,), 0.5), np.array([0.5, 0.5], np.float32)),
        (qgrad.arange(4), np.arange(4)),
        (qgrad.arange(1, 2, 0.25), np.array([1, 1.25, 1.5, 1.75], np.float32)),
        (qgrad.arange(3, dtype=qgrad.float32), np.arange(3, dtype=np.float32)),
        (qgrad.linspace(0, 1, 5), np.linspace(0, 1, 5, dtype=np.float32)),
        (qgrad.eye(2, 3), np.eye(2, 3, dtype=np.float32)),
        (qgrad.zeros_like(qgrad.ones(2, dtype=qgrad.int32)), np.zeros(2, np.int32)),
        (qgrad.full_like(qgrad.ones(2), 3), np.array([3, 3], np.float32)),
        (qgrad.tensor([1.0]).new_zeros(2), np.zeros(2, np.float32)),
        (qgrad.tensor([1]).new_ones((2, 1)), np.ones((2, 1), np.int64)),
    ],
)
def test_creation(made: Tensor, expected: np.ndarray[Any, Any]) -> None:
    """Values and dtypes as in PyTorch."""
    np.testing.assert_array_equal(made.numpy(), expected)
    assert made.numpy().dtype == expected.dtype


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: qgrad.zeros(2, -1), "zeros: sizes must be ints >= 0"),
        (lambda: qgrad.tensor(["a"]), "tensor: data must be numbers"),
        (lambda: qgrad.tensor([[1], [2, 3]]), "tensor: .*inhomogeneous"),
        (lambda: qgrad.arange(0, 1, 0), "arange: step must not be 0"),
        (lambda: qgrad.from_numpy([1]), "from_numpy: needs a NumPy array, got list"),
        (lambda: qgrad.from_numpy(np.zeros(1, ">f4")), "foreign byte order"),
        (lambda: qgrad.zeros(1, device="cuda"), "device: 'cuda' is not available"),
        (lambda: qgrad.zeros(2).item(), "item: only a tensor of one element"),
        (lambda: bool(qgrad.zeros(2)), "bool: a tensor of shape \\[2\\]"),
        (lambda: len(qgrad.tensor(1)), "len: a 0-d tensor"),
        (lambda: list(qgrad.tensor(1)), "iter: a 0-d tensor"),
        (lambda: [1, 2][qgrad.tensor(0.5)], "index: only an integer tensor"),
        (lambda: qgrad.randint(3, 3, (2,)), "randint: needs low < high"),
        (lambda: qgrad.tensor(1, requires_grad=True), "requires_grad: only floating-point"),
    ],
)
def test_errors_name_the_function_and_the_value(make: Any, text: str) -> None:
    """Every mistake is refused with the function's name, the value and the rule."""
    with pytest.raises((ValueError, TypeError), match=text) as raised:
        make()
    assert len(str(raised.value)) < 600


def test_scalar_protocols() -> None:
    """One-element tensors are numbers to Python."""
    x = qgrad.tensor(3)
    assert int(x) == 3
    assert float(qgrad.tensor([2.5])) == 2.5
    assert [10, 20, 30, 40][x] == 40
    assert f"{qgrad.tensor(1.23456):.2f}" == "1.23"
    assert 3 in qgrad.tensor([1, 2, 3])
    assert 4 not in qgrad.tensor([1, 2, 3])
    assert qgrad.tensor(2.0)
    assert not qgrad.tensor(0)
    assert [t.item() for t in qgrad.tensor([1, 2])] == [1, 2]
    assert len(qgrad.zeros(3, 2)) == 3


def test_properties() -> None:
    """Shape, strides and the like, counted in elements."""
    x = qgrad.zeros(2, 3, 4)
    assert x.shape == (2, 3, 4) == x.size()
    assert x.size(-1) == 4
    assert x.dim() == x.ndim == 3
    assert x.numel() == 24
    assert x.stride() == (12, 4, 1)
    assert x.transpose(0, 2).stride() == (1, 4, 12)
    assert x.is_contiguous()
    assert not x.transpose(0, 2).is_contiguous()
    assert x.transpose(0, 2).contiguous().is_contiguous()
    assert x.element_size() == 4
    assert x.nbytes == 96
    assert x.device == qgrad.device("cpu")
    assert x.T.shape == (4, 3, 2)
    assert x.mT.shape == (2, 4, 3)
    assert x[0].t().shape == (4, 3)


def test_views_share_memory() -> None:
    """Shape ops and basic indices give views; masks and integer arrays give copies."""
    x = qgrad.zeros(2, 3)
    for view in (x.reshape(6), x.view(3, 2), x.T, x[0], x[:, 1:], x[0, 1], x.flatten(), x.detach()):
        assert np.shares_memory(view.numpy(), x.numpy())
    for copied in (x[x == 0], x[qgrad.tensor([0])], x.clone(), x + 0, x.T.reshape(6)):
        assert not np.shares_memory(copied.numpy(), x.numpy())


def test_casts() -> None:
    """Casts by name, by dtype, by another tensor; the same dtype is the tensor itself."""
    x = qgrad.tensor([1.7, -1.7])
    assert x.long().tolist() == [1, -1]
    assert x.int().dtype is qgrad.int32
    assert x.double().dtype is qgrad.float64
    assert x.bool().tolist() == [True, True]
    assert x.to(qgrad.float32) is x
    assert x.to("cpu") is x
    assert x.to(qgrad.ones(1, dtype=qgrad.float64)).dtype is qgrad.float64
    assert x.to(dtype=qgrad.uint8).dtype is qgrad.uint8
    assert x.to(qgrad.float32, copy=True) is not x
    assert x.type(qgrad.float64).dtype is qgrad.float64
    x.requires_grad_()
    x.double().sum().backward()
    assert x.grad.dtype is qgrad.float32


def test_numpy_arrays_meet_tensors() -> None:
    """Arrays are operands on either side, and the tensor decides."""
    x = qgrad.tensor([1.0, 2.0], requires_grad=True)
    array = np.array([3.0, 4.0], np.float32)
    for y in (array * x, x * array, array + x, array - x, array / x, array @ x):
        assert type(y) is Tensor
        assert y.requires_grad
    with pytest.raises(RuntimeError, match=r"x\.detach\(\)\.numpy\(\)"):
        x.numpy()
    with pytest.raises(RuntimeError, match=r"x\.detach\(\)\.numpy\(\)"):
        np.asarray(x)
    assert x.numpy(force=True).tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="needs a copy"):
        np.array(x.detach(), dtype=np.float64, copy=False)


def test_operators_refuse_strangers() -> None:
    """Operands that are no tensors, arrays or numbers are TypeErrors; == is False."""
    x = qgrad.zeros(2)
    for other in ([1, 2], "a", None):
        with pytest.raises(TypeError):
            x + other
    assert (x == None) is False  # noqa: E711
    assert (x != None) is True  # noqa: E711
    assert x in {x}


def test_python_numbers_do_not_widen() -> None:
    """Promotion by PyTorch's rules: kind first, then dims, then numbers."""
    f, i = qgrad.ones(2), qgrad.ones(2, dtype=qgrad.int64)
    assert (f * 2.5).dtype is qgrad.float32
    assert (f * np.float64(2.5)).dtype is qgrad.float32
    assert (i * 2.5).dtype is qgrad.float32
    assert (i / 2).dtype is qgrad.float32
    assert (i * f).dtype is qgrad.float32
    assert (f * qgrad.tensor(1.0, dtype=qgrad.float64)).dtype is qgrad.float32
    assert (qgrad.ones(2, dtype=qgrad.int8) + 1).dtype is qgrad.int8
    assert (qgrad.tensor([True]) + True).dtype is qgrad.bool
    assert (qgrad.ones(2, dtype=qgrad.uint8) * qgrad.ones(1, dtype=qgrad.int8)).dtype is qgrad.int16
    assert (i + qgrad.tensor(0.5)).dtype is qgrad.float32
    assert i.sum().dtype is qgrad.int64
    assert qgrad.tensor([True, True]).sum().item() == 2


def test_no_floating_point_warnings() -> None:
    """inf and NaN are values: no op warns, and the user's NumPy settings stay as they are."""
    before = np.geterr()
    x = qgrad.tensor([0.0, -1.0, 1e30], requires_grad=True)
    y = (1 / x + x.log() + x.exp() + x * 1e30 - float("inf") + x.sqrt()).sum()
    y.backward(create_graph=True)
    x.grad.sum().backward()
    assert np.geterr() == before


@pytest.mark.parametrize("draw", ["randn", "rand", "randint", "randperm", "normal", "bernoulli"])
def test_seeds_decide_random_tensors(draw: str) -> None:
    """The same seed gives the same numbers, from the default generator and from one's own."""
    make = {
        "randn": lambda **kw: qgrad.randn(100, **kw),
        "rand": lambda **kw: qgrad.rand((10, 10), **kw),
        "randint": lambda **kw: qgrad.randint(0, 1000, (100,), **kw),
        "randperm": lambda **kw: qgrad.randperm(100, **kw),
        "normal": lambda **kw: qgrad.normal(0.0, 1.0, (100,), **kw),
        "bernoulli": lambda **kw: qgrad.bernoulli(qgrad.full((100,), 0.5), **kw),
    }[draw]
    qgrad.manual_seed(3)
    first, second = make(), make()
    qgrad.manual_seed(3)
    assert make().tolist() == first.tolist()
    assert second.tolist() != first.tolist()
    own = qgrad.Generator().manual_seed(3)
    assert make(generator=own).tolist() == first.tolist()
    state = own.get_state()
    third = make(generator=own)
    assert make(generator=own.set_state(state)).tolist() == third.tolist()


def test_random_distributions() -> None:
    """Means and spreads are those promised (fixed seed, 4 standard errors)."""
    g = qgrad.Generator().manual_seed(0)
    normal, uniform = qgrad.randn(10000, generator=g), qgrad.rand(10000, generator=g)
    assert abs(normal.mean().item()) < 0.04
    assert abs(normal.std().item() - 1) < 0.04
    assert abs(uniform.mean().item() - 0.5) < 0.012
    assert 0 <= uniform.min().item() < uniform.max().item() < 1
    assert sorted(qgrad.randperm(10, generator=g).tolist()) == list(range(10))
    drawn = qgrad.multinomial(qgrad.tensor([0.0, 1.0, 3.0]), 1000, True, generator=g)
    assert set(drawn.tolist()) == {1, 2}
    picked = qgrad.multinomial(qgrad.ones(2, 5), 5, generator=g)
    assert [sorted(row) for row in picked.tolist()] == [list(range(5))] * 2


def test_max_and_min_forms() -> None:
    """Of all elements, along a dim with indices, and of two tensors."""
    x = qgrad.tensor([[1.0, 5.0], [7.0, 2.0]])
    assert x.max().item() == 7
    values, indices = x.max(dim=1)
    assert values.tolist() == [5, 7]
    assert indices.tolist() == [1, 0]
    assert x.min(0, keepdim=True).values.tolist() == [[1, 2]]
    assert qgrad.max(x, qgrad.tensor(3.0)).tolist() == [[3, 5], [7, 3]]
    assert x.sort(descending=True).values.tolist() == [[5, 1], [7, 2]]
    assert x.topk(1, dim=0).indices.tolist() == [[1, 0]]


def test_pieces() -> None:
    """split, chunk, unbind and narrow give views of the right sizes."""
    x = qgrad.arange(7)
    assert [p.tolist() for p in x.split(3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [p.tolist() for p in x.split([2, 5])] == [[0, 1], [2, 3, 4, 5, 6]]
    assert [len(p) for p in x.chunk(3)] == [3, 3, 1]
    assert [p.item() for p in x.unbind()] == list(range(7))
    assert x.narrow(0, -2, 2).tolist() == [5, 6]
    with pytest.raises(ValueError, match="split: sections"):
        x.split([2, 2])
    with pytest.raises(IndexError, match="narrow: start 5"):
        x.narrow(0, 5, 3)


def test_comparisons_of_whole_tensors() -> None:
    """equal wants the same shape and bits, allclose a tolerance."""
    x = qgrad.tensor([1.0, float("nan")])
    assert not x.equal(x)
    assert x.allclose(x, equal_nan=True)
    assert not qgrad.ones(2).equal(qgrad.ones(2, 1))
    assert qgrad.isclose(qgrad.tensor([1.0, float("inf")]), 1.0).tolist() == [True, False]
