"""Tensors and other libraries: NumPy, DLPack; copies and pickles with gradients and views."""

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
from qgrad.autograd.function import once_differentiable
from qgrad.errors import DTypeError
from qgrad.nn import Parameter
from qgrad.tensor import Tensor

Array = np.ndarray[Any, Any]

ARRAYS = hnp.arrays(
    st.sampled_from([np.float16, np.float32, np.float64, np.int8, np.int64, np.uint8, np.bool_]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
LAYOUTS = st.sampled_from(["plain", "transposed", "strided", "reversed"])


def laid_out(array: Array, layout: str) -> Array:
    """The array in one of several memory layouts."""
    if layout == "transposed":
        return array.T
    if array.ndim and layout in ("strided", "reversed"):
        return array[:: 2 if layout == "strided" else -1]
    return array


def same_memory(a: Array, b: Array) -> bool:
    """Whether two arrays look at the same elements in the same places."""
    one, other = a.__array_interface__, b.__array_interface__
    return not a.size or (one["data"][0] == other["data"][0] and a.strides == b.strides)


@given(ARRAYS, LAYOUTS)
def test_zero_copy_with_numpy(array: Array, layout: str) -> None:
    """from_numpy, numpy, asarray and NumPy's from_dlpack all look at the same memory."""
    array = laid_out(array, layout)
    x = qgrad.from_numpy(array)
    for other in (x.numpy(), np.asarray(x), np.from_dlpack(x)):
        assert same_memory(other, array)
        assert other.dtype == array.dtype
        np.testing.assert_array_equal(other, array)


@given(ARRAYS, LAYOUTS)
def test_dlpack_both_ways(array: Array, layout: str) -> None:
    """A tensor of another library's memory, and of a tensor's: changes are seen on both sides."""
    array = laid_out(array, layout)
    for source in (array, qgrad.from_numpy(array), array.__dlpack__(max_version=(1, 0))):
        x = qgrad.from_dlpack(source)
        assert same_memory(x.numpy(), array)
        assert x.dtype is qgrad.from_numpy(array).dtype
        assert x.shape == array.shape
    x.fill_(1)
    assert (array == 1).all()
    own = qgrad.from_dlpack(array, copy=True)
    own.fill_(0)
    assert (array == 1).all()


def test_dlpack_protocol() -> None:
    """The arguments of the array API standard, and what cannot be exported."""
    x = qgrad.ones(2)
    assert x.__dlpack_device__() == (1, 0)
    copied = np.from_dlpack(x, copy=True)
    copied[0] = 5
    assert x.tolist() == [1, 1]
    assert x.__dlpack__(stream=None, max_version=(1, 0), dl_device=(1, 0), copy=False) is not None
    with pytest.raises(BufferError, match=r"requires grad.*x\.detach\(\)"):
        np.from_dlpack(x.requires_grad_())
    with pytest.raises(TypeError, match="from_dlpack: a list has no __dlpack__"):
        qgrad.from_dlpack([1.0])

    class Strange:
        """What has a dtype unknown to NumPy says."""

        def __dlpack_device__(self) -> tuple[int, int]:
            return 1, 0

        def __dlpack__(self, **options: Any) -> Any:
            raise RuntimeError("Unsupported dtype in DLTensor.")

    with pytest.raises(DTypeError, match=r"from_dlpack: Unsupported dtype.*float32"):
        qgrad.from_dlpack(Strange())
    with pytest.raises(DTypeError, match="complex128"):
        qgrad.from_dlpack(np.ones(2, complex))


def test_read_only_memory() -> None:
    """It is seen, exported to who can say so, and not written to."""
    array = np.ones(2)
    array.flags.writeable = False
    for x in (qgrad.from_numpy(array), qgrad.from_dlpack(array)):
        assert x.sum().item() == 2
        with pytest.raises(ValueError, match="read-only"):
            x.add_(1)
        assert not np.from_dlpack(x).flags.writeable


def test_numpy_of_a_tensor_that_requires_grad() -> None:
    """Refused with the way out; `force` gives the values."""
    x = qgrad.ones(2, requires_grad=True)
    for convert in (x.numpy, lambda: np.asarray(x), lambda: np.from_dlpack(x * 1)):
        with pytest.raises((RuntimeError, BufferError), match=r"use x\.detach\(\)"):
            convert()
    assert x.numpy(force=True).tolist() == [1, 1]
    assert np.asarray(x.detach()).tolist() == [1, 1]


@pytest.mark.parametrize("mode", [qgrad.no_grad, qgrad.inference_mode])
def test_numpy_where_nothing_is_recorded(mode: Any) -> None:
    """Under no_grad no gradient is lost, so arrays are given as PyTorch gives them."""
    x = qgrad.ones(2, requires_grad=True)
    with mode():
        assert np.shares_memory(x.numpy(), np.asarray(x))
    with pytest.raises(RuntimeError, match=r"x\.detach\(\)\.numpy\(\)"):
        x.numpy()


def test_functions_compute_with_numpy() -> None:
    """forward and a once_differentiable backward may use the arrays of what requires grad."""

    class Sin(qgrad.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return qgrad.from_numpy(np.sin(x.numpy()))

        @staticmethod
        @once_differentiable
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return qgrad.from_numpy(g.numpy() * np.cos(np.asarray(x)))

    x = qgrad.tensor([0.0, np.pi], requires_grad=True)
    Sin.apply(x).sum().backward()
    assert x.grad.tolist() == [1, -1]


def test_asarray_arguments() -> None:
    """dtype and copy mean what they mean for arrays."""
    x = qgrad.ones(2)
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    assert np.asarray(x, copy=True) is not x.numpy()
    assert not np.shares_memory(np.array(x), x.numpy())
    assert np.asarray(x, copy=False) is x.numpy()
    with pytest.raises(ValueError, match="float32 to float64 needs a copy"):
        np.asarray(x, dtype=np.float64, copy=False)


class Tagged(Tensor):
    """A tensor class of a user's own, with attributes."""


def prepared(kind: str) -> Any:
    """A leaf of some class, with a gradient."""
    data = qgrad.arange(6, dtype=qgrad.float64).reshape(2, 3).T
    x: Any = {
        "tensor": lambda: data.detach().requires_grad_(),
        "parameter": lambda: Parameter(data),
        "frozen": lambda: Parameter(data, requires_grad=False),
        "tagged": lambda: Tagged._make(data.numpy(), True),
        "plain": lambda: data,
    }[kind]()
    if x.requires_grad:
        (x * x).sum().backward()
    if kind == "tagged":
        x.tag = ["a"]
    return x


@pytest.mark.parametrize("kind", ["tensor", "parameter", "frozen", "tagged", "plain"])
@pytest.mark.parametrize(
    "how",
    [copy.deepcopy, copy.copy, *(lambda x, n=n: pickle.loads(pickle.dumps(x, n)) for n in (2, 5))],
    ids=["deepcopy", "copy", "pickle2", "pickle5"],
)
def test_copies_and_pickles(kind: str, how: Any) -> None:
    """Class, values, dtype, requires_grad and attributes stay; a deep copy shares nothing."""
    x = prepared(kind)
    y = how(x)
    assert type(y) is type(x)
    assert y.dtype is x.dtype
    assert y.tolist() == x.tolist()
    assert y.requires_grad == x.requires_grad
    assert y.is_leaf
    assert getattr(y, "tag", None) == getattr(x, "tag", None)
    assert np.shares_memory(x._data, y._data) == (how is copy.copy)
    if y.requires_grad:
        y.sum().backward()
        assert (
            x.grad is None or not np.shares_memory(x.grad._data, y.grad._data) or (how is copy.copy)
        )


def test_deep_copies_keep_gradients_of_tensors() -> None:
    """.grad is copied with a tensor, and not with a parameter, as in PyTorch."""
    x, p = prepared("tensor"), prepared("parameter")
    copied = copy.deepcopy(x)
    assert copied.grad.tolist() == x.grad.tolist()
    assert copied.grad is not x.grad
    assert copy.deepcopy(p).grad is None


@given(LAYOUTS, LAYOUTS)
def test_deep_copies_keep_shared_memory_shared(first: str, second: str) -> None:
    """What looked at one memory in a structure does so in its copy, in the same places."""
    base = qgrad.arange(24.0).reshape(4, 6)
    parts = [qgrad.from_numpy(laid_out(base.numpy(), layout)) for layout in (first, second)]
    before = [part.tolist() for part in parts]
    base2, one, other, again = copy.deepcopy([base, *parts, parts[0]])
    assert again is one
    assert [one.tolist(), other.tolist()] == before
    base2.fill_(7)
    assert set(np.ravel(one.tolist())) == set(np.ravel(other.tolist())) == {7.0}
    assert [part.tolist() for part in parts] == before


def test_deep_copies_of_tied_parameters() -> None:
    """Weights tied through memory stay tied; an expanded tensor becomes a plain one."""
    net = qgrad.nn.Sequential(qgrad.nn.Linear(2, 2), qgrad.nn.Linear(2, 2))
    net[1].weight.data = net[0].weight.data
    copied = copy.deepcopy(net)
    with qgrad.no_grad():
        copied[0].weight.fill_(3)
    assert copied[1].weight.tolist() == [[3, 3], [3, 3]]
    assert net[1].weight.tolist() != [[3, 3], [3, 3]]
    wide = copy.deepcopy(qgrad.ones(1).expand(3))
    wide[0] = 5
    assert wide.tolist() == [5, 1, 1]


def test_history_is_not_copied() -> None:
    """A deep copy of a result is refused; a pickle is a leaf; a shallow copy is the same value."""
    x = qgrad.ones(2, requires_grad=True)
    y = x * 2
    with pytest.raises(RuntimeError, match=r"made by mul.*x\.detach\(\)\.clone\(\)"):
        copy.deepcopy(y)
    loaded = pickle.loads(pickle.dumps(y))
    assert loaded.is_leaf
    assert loaded.requires_grad
    twin = copy.copy(y)
    twin.sum().backward()
    assert x.grad.tolist() == [2, 2]
    saved = y.sin()
    twin.add_(1)  # the same memory: noticed
    with pytest.raises(RuntimeError, match="changed in place"):
        saved.sum().backward()
