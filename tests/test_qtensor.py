"""Quantized tensors: what their codes mean, views over one storage, and what they refuse."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import qgrad
from qgrad import dtypes, qparams, qtensor
from qgrad.boxing import unbox
from qgrad.dtypes import qint8, qint32, quint4x2, quint8
from qgrad.errors import DTypeError, QParamError, ShapeError
from qgrad.qparams import QParams
from qgrad.qtensor import (
    QTensor,
    per_channel_affine,
    per_tensor_affine,
    quantize_per_channel,
    quantize_per_tensor,
    quantize_per_tensor_dynamic,
)
from qgrad.storage import QInt8Storage, QUInt4x2Storage, QUInt8Storage

X = np.array([[0.5, -1.0, 2.0], [3.0, 4.0, -5.0]], np.float32)

floats = st.floats(-100, 100, width=32)
scales = st.floats(2.0**-10, 2.0**10, width=32)


@st.composite
def quantized(draw: st.DrawFn, min_dims: int = 0) -> QTensor:
    """A tensor of any 8-bit or 4-bit dtype, per tensor or per channel."""
    shape = draw(hnp.array_shapes(min_dims=min_dims, max_dims=4, max_side=4))
    dtype = draw(st.sampled_from([quint8, qint8, quint4x2, qint32]))
    low, high = max(dtype.qmin, -200), min(dtype.qmax, 200)
    codes = draw(hnp.arrays(dtype.numpy, shape, elements=st.integers(low, high)))
    axis = draw(st.none() | st.integers(0, len(shape) - 1)) if shape else None
    if axis is None:
        return QTensor(codes, QParams.of(draw(scales), draw(st.integers(low, high)), dtype))
    n = shape[axis]
    scale = draw(st.lists(scales, min_size=n, max_size=n))
    zero_point = draw(st.lists(st.integers(low, high), min_size=n, max_size=n))
    return QTensor(codes, QParams.of(scale, zero_point, dtype, axis=axis))


def spread(q: QTensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes, and the scale and zero point of every element."""
    scale, zero_point = q.qparams.along(q.shape, "test")
    full = (np.broadcast_to(part, q.shape) for part in (scale, zero_point))
    return (unbox(q.int_repr()), *full)


def assert_is(q: QTensor, parts: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Codes, values and layout are those of the arrays."""
    codes, scale, zero_point = parts
    np.testing.assert_array_equal(unbox(q.int_repr()), codes)
    steps = codes.astype(np.int64) - zero_point
    np.testing.assert_array_equal(unbox(q.dequantize()), steps.astype(np.float32) * scale)
    assert (q.shape, q.size(), q.dim(), q.ndim, q.numel()) == (
        codes.shape, codes.shape, codes.ndim, codes.ndim, codes.size
    )  # fmt: skip
    assert q.is_contiguous() == q._codes.flags.c_contiguous


@given(hnp.arrays(np.float32, hnp.array_shapes(max_dims=3), elements=floats), scales)
def test_quantize_per_tensor_is_the_contract(x: np.ndarray, scale: float) -> None:
    """Codes, values and parameters are those of qparams.quantize and dequantize."""
    qp = QParams.of(scale, 7, quint8)
    q = quantize_per_tensor(x, scale, 7, quint8)
    codes = qparams.quantize(x, qp)
    np.testing.assert_array_equal(unbox(q.int_repr()), codes)
    np.testing.assert_array_equal(unbox(q.dequantize()), qparams.dequantize(codes, qp))
    assert (q.q_scale(), q.q_zero_point(), q.qscheme()) == (scale, 7, per_tensor_affine)
    assert (q.dtype, q.is_quantized, q.requires_grad) == (quint8, True, False)
    assert unbox(qtensor.dequantize(q)).tolist() == q.tolist()


@given(st.data(), hnp.arrays(np.float32, hnp.array_shapes(max_dims=3), elements=floats))
def test_quantize_per_channel_is_the_contract(data: st.DataObject, x: np.ndarray) -> None:
    """Each index of the axis, counted from either end, is quantized with its own scale."""
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    n = x.shape[axis]
    scale = np.array(data.draw(st.lists(scales, min_size=n, max_size=n)))
    q = quantize_per_channel(x, scale, [1] * n, axis, qint8)
    positive = axis % x.ndim
    assert q.qparams == QParams.of(scale, [1] * n, qint8, axis=positive)
    np.testing.assert_array_equal(unbox(q.int_repr()), qparams.quantize(x, q.qparams))
    got = unbox(q.q_per_channel_scales()), unbox(q.q_per_channel_zero_points())
    assert [part.dtype for part in got] == [np.float64, np.int64]
    assert got[0].tolist() == scale.tolist()
    assert (q.q_per_channel_axis(), q.qscheme()) == (positive, per_channel_affine)


@pytest.mark.parametrize(
    ("dtype", "codes"),
    [
        (quint8, [[15, 0, 30], [40, 50, 0]]),
        (qint8, [[15, 0, 30], [40, 50, -40]]),
        (qint32, [[15, 0, 30], [40, 50, -40]]),
        (quint4x2, [[15, 0, 15], [15, 15, 0]]),
    ],
)
def test_values_of_pytorch(dtype: dtypes.DType, codes: list[list[int]]) -> None:
    """torch 2.13's int_repr of the same tensor with scale 0.1 and zero point 10."""
    q = quantize_per_tensor(X, 0.1, 10, dtype)
    assert unbox(q.int_repr()).tolist() == codes
    assert unbox(q.int_repr()).dtype == dtype.numpy
    assert q.storage().type() == {
        quint8: "qgrad.QUInt8Storage", qint8: "qgrad.QInt8Storage",
        qint32: "qgrad.QInt32Storage", quint4x2: "qgrad.QUInt4x2Storage",
    }[dtype]  # fmt: skip


@pytest.mark.parametrize(
    ("x", "dtype", "reduce_range", "scale", "zero_point"),
    [
        (X, quint8, False, 0.03529411764705882, 142),
        (X, qint8, False, 0.03529411764705882, 14),
        (X, quint8, True, 0.07086614173228346, 71),
        (X, qint8, True, 0.07086614173228346, 7),
        ([0.3, 0.9], quint8, False, 0.0035294116712084, 0),
    ],
)
def test_dynamic_parameters_are_those_of_pytorch(
    x: Any, dtype: dtypes.DType, reduce_range: bool, scale: float, zero_point: int
) -> None:
    """torch 2.13's quantize_per_tensor_dynamic, whose scale is a double."""
    q = quantize_per_tensor_dynamic(x, dtype, reduce_range)
    assert q.q_scale() == pytest.approx(scale, rel=1e-7)
    assert q.q_zero_point() == zero_point


def test_dynamic_needs_values() -> None:
    """Empty tensors, NaN, infinity and wide dtypes have no dynamic scale."""
    with pytest.raises(ShapeError, match="has no values to choose a scale from"):
        quantize_per_tensor_dynamic([], quint8)
    with pytest.raises(ValueError, match=r"holds NaN \(1 of 2 values, the first at index \(1,\)\)"):
        quantize_per_tensor_dynamic([1.0, np.nan], quint8)
    with pytest.raises(QParamError, match="max=inf"):
        quantize_per_tensor_dynamic([1.0, np.inf], quint8)
    with pytest.raises(DTypeError, match=r"takes quint8 or qint8, got qgrad\.qint32"):
        quantize_per_tensor_dynamic([1.0], qint32)


VIEWS = ["index", "permute", "transpose", "unsqueeze", "squeeze", "expand", "reshape", "flatten"]


def look(data: st.DataObject, q: QTensor) -> tuple[Any, Any]:
    """A view method with arguments that fit `q`, on QTensors and on arrays."""
    name, n = data.draw(st.sampled_from(VIEWS)), q.ndim
    dims = st.integers(-n, n - 1) if n else st.nothing()
    if name == "index":
        key = data.draw(hnp.basic_indices(q.shape, allow_newaxis=True, min_dims=0, max_dims=5))
        return lambda t: t[key], lambda a: a[key]
    if name == "permute":
        order = data.draw(st.permutations(range(n)))
        return lambda t: t.permute(*order), lambda a: a.transpose(order)
    if name == "transpose" and n:
        i, j = data.draw(dims), data.draw(dims)
        return lambda t: t.transpose(i, j), lambda a: a.swapaxes(i, j)
    if name == "squeeze":
        return lambda t: t.squeeze(), lambda a: a.squeeze()
    if name == "expand":
        size = data.draw(st.integers(1, 3))
        shape = (size, *(3 if side == 1 else -1 for side in q.shape))
        full = (size, *(3 if side == 1 else side for side in q.shape))
        return lambda t: t.expand(*shape), lambda a: np.broadcast_to(a, full)
    if name == "reshape":
        shape = data.draw(st.permutations([*q.shape, 1]))
        return lambda t: t.reshape(shape), lambda a: a.reshape(shape)
    if name == "flatten":
        return lambda t: t.flatten(), lambda a: a.reshape(-1)
    at = data.draw(st.integers(-n - 1, n))
    return lambda t: t.unsqueeze(at), lambda a: np.expand_dims(a, at)


@given(st.data(), quantized())
def test_views_are_views_of_codes_and_scales(data: st.DataObject, q: QTensor) -> None:
    """Any chain of views acts on codes as NumPy's, and every element keeps its own scale."""
    parts = spread(q)
    for _ in range(data.draw(st.integers(1, 4))):
        on_tensor, on_array = look(data, q)
        after = tuple(np.asarray(on_array(part)) for part in parts)
        try:
            seen = on_tensor(q)
        except ShapeError:  # the channels would not stay one axis
            assert q.qparams.per_channel
            return
        assert_is(seen, after)
        copied = seen.storage() is not q.storage()
        assert not copied or not np.shares_memory(after[0], parts[0]) or seen.numel() == 0
        q, parts = seen, after


@given(st.data(), quantized(min_dims=1))
def test_writing_through_a_view(data: st.DataObject, q: QTensor) -> None:
    """copy_ into a slice changes those codes of the whole tensor and no others."""
    key = data.draw(hnp.basic_indices(q.shape, min_dims=0))
    expected = unbox(q.int_repr())
    try:
        part = q[key]
    except ShapeError:  # no channel left
        return
    low = max(q.qparams.qmin, -100)
    new = QTensor(np.full(part.shape, low, q.dtype.numpy), part.qparams)
    assert part.copy_(new) is part
    expected[key] = low
    np.testing.assert_array_equal(unbox(q.int_repr()), expected)


def test_copy_quantizes_floats_and_checks_codes() -> None:
    """Floats are rounded to the tensor's own scale; codes with another scale are refused."""
    q = quantize_per_tensor(X, 0.5, 10, quint8)
    q.copy_(np.ones((2, 3)))
    assert q.tolist() == np.ones((2, 3)).tolist()
    with pytest.raises(QParamError, match=r"copy_: the source has .* copy source.dequantize\(\)"):
        q.copy_(quantize_per_tensor(X, 0.25, 10, quint8))
    with pytest.raises(ShapeError, match=r"cannot copy shape \(3,\) into shape \(2, 3\)"):
        q.copy_(np.ones(3))
    with pytest.raises(ShapeError, match="clone"):
        q[:1].expand(2, 3).copy_(X)


def test_views_that_would_need_a_copy() -> None:
    """view refuses, reshape copies, contiguous copies only if it must."""
    q = quantize_per_tensor(X, 0.1, 10, quint8)
    with pytest.raises(ShapeError, match=r"view: strides \(1, 3\) .* use reshape"):
        q.t().view(6)
    assert q.t().reshape(6).storage() is not q.storage()
    assert q.view(-1, 2).storage() is q.storage()
    assert q.contiguous() is q
    assert q.t().contiguous().stride() == (2, 1)
    assert (q.t().stride(), q.stride(0), q.size(-1)) == ((1, 3), 3, 3)
    assert (q[1:].storage_offset(), q[1:].data_ptr() - q.data_ptr()) == (3, 3)
    with pytest.raises(ShapeError, match="reshape: cannot reshape array of size 6"):
        q.reshape(4)


def test_channels_follow_their_axis() -> None:
    """The axis moves with permute, shifts with index, and one picked channel is per tensor."""
    q = quantize_per_channel(X, [0.5, 0.25], [0, 1], 0, qint8)
    assert q.t().q_per_channel_axis() == 1
    assert q[None, :, 1:].q_per_channel_axis() == 1
    assert (q[1].q_scale(), q[1].q_zero_point()) == (0.25, 1)
    assert unbox(q[::-1].q_per_channel_scales()).tolist() == [0.25, 0.5]
    assert unbox(q[1:].q_per_channel_scales()).tolist() == [0.25]
    assert q.view(2, 3, 1).q_per_channel_axis() == 0
    assert q[:, None].expand(2, 4, 3).q_per_channel_axis() == 0
    for wrong in (lambda: q.flatten(), lambda: q.view(3, 2)):
        with pytest.raises(ShapeError, match=r"spread the 2 channels of axis 0 .*dequantize\(\)"):
            wrong()
    with pytest.raises(ShapeError, match="leaves none of 2 channels"):
        q[2:]


def test_scales_are_asked_for_by_the_right_name() -> None:
    """q_scale on a per-channel tensor is an error that names the other method, and vice versa."""
    whole = quantize_per_tensor(X, 0.5, 0, quint8)
    channel = quantize_per_channel(X, [0.5, 0.25], [0, 1], 0, quint8)
    for name in ("q_scale", "q_zero_point"):
        with pytest.raises(QParamError, match=rf"{name}: .* 2 scales.*use .q_per_channel_"):
            getattr(qtensor, name)(channel)
    for name in ("q_per_channel_scales", "q_per_channel_zero_points", "q_per_channel_axis"):
        with pytest.raises(QParamError, match=rf"{name}: .*one scale for all .*use .q_"):
            getattr(qtensor, name)(whole)
    for name in ("q_scale", "q_per_channel_axis", "int_repr", "dequantize"):
        with pytest.raises(DTypeError, match=f"{name}: takes a quantized tensor, got ndarray"):
            getattr(qtensor, name)(X)


@pytest.mark.parametrize(
    "use",
    [
        lambda q: q + 1,
        lambda q: 1 + q,
        lambda q: q + q,
        lambda q: X * q,
        lambda q: np.float32(2) - q,
        lambda q: q @ q,
        lambda q: -q,
        lambda q: q < 1,
        lambda q: np.asarray(q),
        lambda q: q.numpy(),
        lambda q: np.add(q, 1),
        lambda q: np.exp(q),
        lambda q: qgrad.relu(q),
        lambda q: qgrad.ones(3) + q,
    ],
)
def test_codes_are_not_computed_with(use: Any) -> None:
    """Arithmetic and conversion to an array are errors that name dequantize and int_repr."""
    with pytest.raises(TypeError, match=r"a quantized tensor .*q.dequantize\(\).*q.int_repr\(\)"):
        use(quantize_per_tensor(X, 0.5, 0, quint8))


def test_float_methods_point_to_dequantize() -> None:
    """An unknown method explains itself; an unknown private name is a plain AttributeError."""
    q = quantize_per_tensor(X, 0.5, 0, quint8)
    with pytest.raises(AttributeError, match=r"no attribute 'relu'. Call q.dequantize\(\)"):
        q.relu()
    assert not hasattr(q, "_data")


@given(quantized())
def test_copies_keep_codes_and_parameters(q: QTensor) -> None:
    """clone, pickle, copy and deepcopy are equal; all but copy.copy have their own storage."""
    for twin in (q.clone(), pickle.loads(pickle.dumps(q)), copy.deepcopy(q), copy.copy(q)):
        assert q.equal(twin)
        assert twin.equal(q)
        assert twin.qparams == q.qparams
        assert bool(unbox(q == twin).all())
        assert not bool(unbox(q != twin).any())
    assert copy.copy(q).storage() is q.storage()
    assert copy.deepcopy(q).storage() is not q.storage()


def test_pickled_views_still_share() -> None:
    """A tensor and its slice, pickled or copied together, stay one memory."""
    q = quantize_per_tensor(X, 0.5, 10, quint8)
    for whole, row in (pickle.loads(pickle.dumps((q, q[0]))), copy.deepcopy((q, q[0]))):
        row.copy_(np.zeros(3))
        assert whole.tolist()[0] == [0, 0, 0]
    assert q.tolist()[0] == [0.5, -1, 2]


def test_equality() -> None:
    """`equal` compares parameters and codes, `==` values; tensors are hashed by identity."""
    q = quantize_per_tensor([1.0, 2.0], 0.5, 0, quint8)
    other = quantize_per_tensor([1.0, 2.0], 0.25, 3, quint8)
    assert not q.equal(other)
    assert not q.equal(q[:1])
    assert not q.equal(None)
    assert unbox(q == other).tolist() == [True, True]
    assert unbox(q == 2).tolist() == [False, True]
    assert unbox(q != np.array([1.0, 3.0])).tolist() == [False, True]
    assert unbox(np.array([1.0, 3.0]) == q).tolist() == [True, False]
    assert unbox(np.array([1.0, 3.0]) != q).tolist() == [False, True]
    assert (q == "x") is False
    assert len({q, q, other}) == 2


def test_sequence_protocol() -> None:
    """len, iteration, bool, float, item and tolist, as of float tensors."""
    q = quantize_per_tensor(X, 0.5, 10, quint8)
    assert len(q) == 2
    assert [row.tolist() for row in q] == q.tolist()
    scalar = q[0, 1]
    assert (scalar.shape, scalar.item(), float(scalar), bool(scalar)) == ((), -1.0, -1.0, True)
    for wrong in (lambda: len(scalar), lambda: list(scalar)):
        with pytest.raises(TypeError, match="0 dimensions"):
            wrong()


def test_storage_is_shared_and_resizable_only_with_care() -> None:
    """The storage shows the codes; a tensor whose storage shrank says so instead of crashing."""
    q = quantize_per_tensor(X, 0.5, 10, quint8)
    s = q.storage()
    s[0] = 255
    assert unbox(q.int_repr())[0, 0] == 255
    assert q.untyped_storage().data_ptr() == s.data_ptr() == q.data_ptr()
    assert q.share_memory_().is_shared()
    other = q.clone()
    other.storage().resize_(3)
    with pytest.raises(RuntimeError, match="has 3 codes, too few for a tensor of shape"):
        other.int_repr()


def test_tensors_over_a_mapped_file(tmp_path: Path) -> None:
    """from_storage reads codes where they are: in a file, through any shape that fits."""
    path = tmp_path / "codes"
    path.write_bytes(bytes(range(12)))
    qp = QParams.of([1.0, 2.0], [0, 0], axis=0)
    q = QTensor.from_storage(QUInt8Storage.from_file(path, True, 12), qp, (2, 5))
    assert unbox(q.int_repr()).tolist() == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    q[1].copy_(np.zeros(5))
    assert path.read_bytes() == bytes([0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 10, 11])
    four = QTensor.from_storage(QUInt4x2Storage([0x21]), QParams.of(1.0, 0, quint4x2))
    assert unbox(four.int_repr()).tolist() == [1, 2]
    whole = QParams.of(1.0, 0)
    with pytest.raises(DTypeError, match=r"quint8 codes are in a QUInt8Storage, got a QInt8"):
        QTensor.from_storage(QInt8Storage(3), whole)
    for shape in ((4,), (-1, 3)):
        with pytest.raises(ShapeError, match="3 codes cannot fill shape"):
            QTensor.from_storage(QUInt8Storage(3), whole, shape)
    with pytest.raises(QParamError, match=r"from_storage: codes from 7 to 9 leave \[0, 8\]"):
        QTensor.from_storage(QUInt8Storage([7, 9]), QParams.of(1.0, 0, qmax=8))


def test_four_bit_codes_are_packed() -> None:
    """Two codes a byte, the earlier in the low half; an odd one leaves a half empty."""
    q = QTensor([1, 2, 15], QParams.of(1.0, 0, quint4x2))
    assert q.storage().tolist() == [0x21, 0x0F]
    assert q[1:].storage_offset() == 1
    q[1:2].copy_([9.0])
    assert q.storage().tolist() == [0x91, 0x0F]


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: quantize_per_tensor(X, 0.0, 0, quint8), QParamError, "scale 0.0 cannot be used"),
        (lambda: quantize_per_tensor(X, -1, 0, quint8), QParamError, "scale -1"),
        (lambda: quantize_per_tensor(X, np.nan, 0, quint8), QParamError, "scale nan"),
        (lambda: quantize_per_tensor(X, 1, 256, quint8), QParamError, "zero point 256 lies"),
        (lambda: quantize_per_tensor(X, 1, 128, qint8), QParamError, "zero point 128 lies"),
        (lambda: quantize_per_tensor(X, 1, 0.5, qint8), QParamError, "zero point is an integer"),
        (lambda: quantize_per_tensor(X, 1, 0, dtypes.float32), QParamError, "holds no codes"),
        (lambda: quantize_per_tensor(X * np.nan, 1, 0, quint8), ValueError, "6 of 6 values"),
        (lambda: quantize_per_tensor(X.astype(int), 1, 0, quint8), DTypeError, "got int64"),
        (lambda: quantize_per_tensor(["a"], 1, 0, quint8), DTypeError, "takes a float tensor"),
        (lambda: quantize_per_channel(X, [1], [0], 0, quint8), ShapeError, "1 scales along axis 0"),
        (lambda: quantize_per_channel(X, [1, 1], [0, 0], 2, quint8), IndexError, "dimension 2"),
        (lambda: QTensor([1.0], QParams.of(1, 0)), DTypeError, "codes are integers"),
        (lambda: QTensor([256], QParams.of(1, 0)), QParamError, "codes from 256 to 256 leave"),
        (lambda: QTensor([3], QParams.of(1, 0, qmax=2)), QParamError, r"leave \[0, 2\]"),
    ],
)
def test_bad_input_is_refused(make: Any, error: type[Exception], says: str) -> None:
    """Scales, zero points, values and shapes that PyTorch takes without a word."""
    with pytest.raises(error, match=says) as caught:
        make()
    assert len(str(caught.value)) < 600


def test_quantizing_twice_is_refused() -> None:
    """A quantized tensor has no float values to round until it is dequantized."""
    with pytest.raises(DTypeError, match="quantized already"):
        quantize_per_tensor(quantize_per_tensor(X, 0.5, 0, quint8), 0.5, 0, quint8)


@pytest.mark.parametrize("key", [[0, 1], np.array([True, False]), True, 1.0, "a"])
def test_indices_that_are_no_views(key: Any) -> None:
    """Lists, masks and floats are refused, with the way out."""
    with pytest.raises(TypeError, match=r"takes integers, slices, None and .*q.int_repr\(\)"):
        quantize_per_tensor(X, 0.5, 0, quint8)[key]


@pytest.mark.parametrize("key", [2, (0, 3), (0, 0, 0), (..., 0, ...)])
def test_indices_out_of_range(key: Any) -> None:
    """IndexError, as for any sequence."""
    with pytest.raises(IndexError, match=r"^index: "):
        quantize_per_tensor(X, 0.5, 0, quint8)[key]


def test_repr_is_that_of_pytorch() -> None:
    """Values, size, dtype, scheme, scale and zero point, in PyTorch's layout."""
    assert repr(quantize_per_tensor(X, 0.1, 10, quint8)) == (
        "tensor([[ 0.5000, -1.0000,  2.0000],\n"
        "        [ 3.0000,  4.0000, -1.0000]], size=(2, 3), dtype=qgrad.quint8,\n"
        "       quantization_scheme=qgrad.per_tensor_affine, scale=0.1, zero_point=10)"
    )
    assert repr(quantize_per_channel(X, [0.1, 0.2], [0, 1], 0, qint8)) == (
        "tensor([[ 0.5000, -1.0000,  2.0000],\n"
        "        [ 3.0000,  4.0000, -5.0000]], size=(2, 3), dtype=qgrad.qint8,\n"
        "       quantization_scheme=qgrad.per_channel_affine,\n"
        "       scale=tensor([0.1000, 0.2000], dtype=qgrad.float64),\n"
        "       zero_point=tensor([0, 1]), axis=0)"
    )
    assert repr(quantize_per_tensor([], 0.1, 10, quint8)).startswith("tensor([], size=(0,)")


@pytest.mark.parametrize(
    "scheme",
    [qtensor.per_tensor_affine, qtensor.per_tensor_symmetric, qtensor.per_channel_affine],
)
def test_schemes_are_single_objects(scheme: qtensor.QScheme) -> None:
    """`is` survives pickle and copies."""
    assert pickle.loads(pickle.dumps(scheme)) is copy.deepcopy(scheme) is scheme
    assert repr(scheme) == f"qgrad.{scheme.name}"
