"""Observers: PyTorch's numbers, plus refusals where PyTorch answers nonsense."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import qgrad
from qgrad.errors import CalibrationError, ConfigError, DTypeError, ShapeError
from qgrad.qparams import dequantize, quantize
from qgrad.qtensor import (
    per_channel_affine,
    per_channel_symmetric,
    per_tensor_affine,
    per_tensor_symmetric,
)
from qgrad.quantization import (
    FixedQParamsObserver,
    HistogramObserver,
    MinMaxObserver,
    MovingAverageMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
    PerChannelMinMaxObserver,
    default_per_channel_weight_observer,
    default_weight_observer,
)

FIRST = np.array([[-1.5, 0.25, 2.0], [0.5, -0.125, 3.0]], np.float32)
SECOND = np.array([[-0.5, 4.0, 1.0], [0.75, -2.5, 0.0]], np.float32)

OBSERVERS = [
    MinMaxObserver,
    MovingAverageMinMaxObserver,
    PerChannelMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
    HistogramObserver,
]

# What torch 2.13 computes after seeing FIRST and then SECOND.
PYTORCH = [
    (MinMaxObserver, {}, [0.02549019642174244], [98]),
    (MinMaxObserver, {"qscheme": per_tensor_symmetric}, [0.0313725508749485], [128]),
    (MinMaxObserver, {"dtype": qgrad.qint8}, [0.02549019642174244], [-30]),
    (MinMaxObserver, {"quant_min": 0, "quant_max": 15}, [0.4333333373069763], [6]),
    (
        MinMaxObserver,
        {"qscheme": per_tensor_symmetric, "quant_min": 0, "quant_max": 15},
        [0.5333333611488342],
        [7],
    ),
    (default_weight_observer, {}, [0.031496062874794006], [0]),
    (MovingAverageMinMaxObserver, {}, [0.017725490033626556], [85]),
    (MovingAverageMinMaxObserver, {"averaging_constant": 0.5}, [0.021568628028035164], [93]),
    (PerChannelMinMaxObserver, {}, [0.021568628028035164, 0.021568628028035164], [70, 116]),
    (
        default_per_channel_weight_observer,
        {"ch_axis": 1, "quant_min": -7, "quant_max": 7},
        [0.2142857164144516, 0.5714285969734192, 0.4285714328289032],
        [0, 0, 0],
    ),
    (
        MovingAveragePerChannelMinMaxObserver,
        {"averaging_constant": 0.25},
        [0.014705882407724857, 0.012377451173961163],
        [85, 58],
    ),
]


def finite(shape, width=32, limit=1e6):
    """Arrays of ordinary float32 values."""
    return arrays(np.float32, shape, elements=st.floats(-limit, limit, width=width))


batches = st.lists(finite(array_shapes(min_dims=1, max_dims=3, max_side=6)), min_size=1, max_size=5)


@pytest.mark.parametrize(("make", "kwargs", "scale", "zero_point"), PYTORCH)
def test_pytorch_numbers(make, kwargs, scale, zero_point):
    """Scale and zero point are PyTorch's, to the bit."""
    observer = make(**kwargs)
    observer(qgrad.from_numpy(FIRST))
    observer(SECOND)
    got_scale, got_zero_point = observer.calculate_qparams()
    assert got_scale.tolist() == scale
    assert got_zero_point.tolist() == zero_point


@pytest.mark.parametrize(
    ("values", "scale", "zero_point"),
    [
        ([1.0, 3.0], 0.0117647061124444, 0),
        ([-1.0, -3.0], 0.0117647061124444, 255),
        ([0.0, 0.0], 2.0**-23, 0),
    ],
)
def test_range_holds_zero(values, scale, zero_point):
    """The range is widened to hold 0, and all zeros give the smallest scale."""
    observer = MinMaxObserver()
    observer(np.array(values, np.float32))
    assert [t.item() for t in observer.calculate_qparams()] == [scale, zero_point]


@given(batches)
def test_min_max_is_the_range_of_all_data(data):
    """MinMaxObserver's range is that of all batches together."""
    observer = MinMaxObserver()
    for batch in data:
        assert observer(batch) is batch
    flat = np.concatenate([batch.ravel() for batch in data])
    assert observer.min_val.item() == flat.min()
    assert observer.max_val.item() == flat.max()


@given(st.lists(finite((3, 4)), min_size=1, max_size=4), st.sampled_from([0, 1, -1, -2]))
def test_per_channel_is_min_max_of_each_channel(data, axis):
    """A per-channel observer is one MinMaxObserver a channel."""
    observer = PerChannelMinMaxObserver(ch_axis=axis)
    for batch in data:
        observer(batch)
    scale, zero_point = observer.calculate_qparams()
    channels = np.moveaxis(np.stack(data), axis % 2 + 1, 0)
    for n, channel in enumerate(channels):
        single = MinMaxObserver()
        single(channel)
        want = [t.item() for t in single.calculate_qparams()]
        assert [scale[n].item(), zero_point[n].item()] == want
    assert observer.qparams().axis == axis % 2


@given(finite((2, 5)), finite((2, 5)))
def test_averaging_constant_one_keeps_the_newest(old, new):
    """With averaging_constant=1 only the newest tensor counts, bit for bit."""
    averaged = MovingAverageMinMaxObserver(averaging_constant=1.0)
    averaged(old)
    averaged(new)
    assert averaged.min_val.item() == new.min()
    assert averaged.max_val.item() == new.max()


@pytest.mark.parametrize("cls", OBSERVERS)
def test_never_observed(cls):
    """Without data there is no scale, even after empty batches or a reset."""
    observer = cls()
    observer(np.zeros((0, 3), np.float32))
    with pytest.raises(CalibrationError, match=f"^{cls.__name__}: never observed"):
        observer.qparams()
    observer(FIRST)
    observer.qparams()
    observer.reset_min_max_vals()
    with pytest.raises(CalibrationError, match="never observed"):
        observer.calculate_qparams()


@pytest.mark.parametrize("cls", OBSERVERS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite(cls, bad):
    """NaN and infinity are refused with count, value and index, and leave the state as it was."""
    observer = cls()
    observer(FIRST)
    before = observer.calculate_qparams()
    x = SECOND.copy()
    x[0, 2] = x[1, 1] = bad
    with pytest.raises(CalibrationError) as error:
        observer(x)
    assert f"2 of 6 observed values are NaN or infinite, the first is {bad} at index (0, 2)" in str(
        error.value
    )
    assert len(str(error.value)) < 600
    for old, new in zip(before, observer.calculate_qparams(), strict=True):
        assert old.tolist() == new.tolist()


def test_float64_is_rounded_first():
    """float64 data is observed as float32; what that cannot hold is reported as infinite."""
    observer = MinMaxObserver()
    observer(np.array([0.1, -0.2]))
    assert observer.max_val.item() == np.float32(0.1)
    with pytest.raises(CalibrationError, match="inf"):
        observer(np.array([1e300]))


def test_only_floats():
    """Integers are a mistake, not data."""
    with pytest.raises(DTypeError, match="got an array of int64"):
        MinMaxObserver()(np.arange(3))


@pytest.mark.parametrize("cls", OBSERVERS)
def test_state_survives(cls):
    """A fresh observer that loads the state answers the same, whatever shapes it started with."""
    observer = cls()
    observer(FIRST)
    observer(SECOND)
    fresh = cls()
    fresh.load_state_dict(observer.state_dict())
    for old, new in zip(observer.calculate_qparams(), fresh.calculate_qparams(), strict=True):
        assert old.tolist() == new.tolist()
    fresh(FIRST * 2)
    observer(FIRST * 2)
    assert fresh.qparams() == observer.qparams()


def test_state_of_a_matrix_is_refused():
    """Only scalars and vectors are states; anything else is reported by the loader."""
    observer = PerChannelMinMaxObserver()
    state = observer.state_dict()
    state["min_val"] = qgrad.zeros(2, 2)
    with pytest.raises(RuntimeError, match="size mismatch for min_val"):
        observer.load_state_dict(state)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"reduce_range": True}, "reduce_range=True is refused"),
        ({"factory_kwargs": {"device": "cpu"}}, "factory_kwargs"),
        ({"quant_min": 0}, "give both"),
        ({"quant_min": 0, "quant_max": 256}, "leave qgrad.quint8"),
        ({"quant_min": -1, "quant_max": 254}, "leave qgrad.quint8"),
        ({"quant_min": 0, "quant_max": 1}, "is not 2 to 8 bits"),
        ({"quant_min": 5, "quant_max": 5}, "is not 2 to 8 bits"),
        ({"dtype": qgrad.qint32}, "quint8 or qint8"),
        ({"dtype": qgrad.float32}, "quint8 or qint8"),
        ({"qscheme": per_channel_affine}, "takes"),
        ({"eps": 0.0}, "eps"),
    ],
)
def test_bad_arguments(kwargs, message):
    """Every argument is checked where it is given, with its value and the rule."""
    with pytest.raises(ConfigError, match=message) as error:
        MinMaxObserver(**kwargs)
    assert str(error.value).startswith("MinMaxObserver: ")
    assert len(str(error.value)) < 600


@pytest.mark.parametrize("constant", [0.0, -1.0, 1.5, math.nan])
def test_bad_averaging_constant(constant):
    """The averaging constant is a share of one."""
    with pytest.raises(ConfigError, match="averaging_constant"):
        MovingAverageMinMaxObserver(averaging_constant=constant)


@pytest.mark.parametrize("axis", [2, -3, -1250999896764])
def test_bad_channel_axis(axis):
    """A channel axis that the tensor does not have is named with the shape."""
    with pytest.raises(ShapeError, match=r"ch_axis is .* shape \(2, 3\)"):
        PerChannelMinMaxObserver(ch_axis=axis)(FIRST)


def test_channels_must_not_change():
    """Per-channel ranges cannot follow a tensor whose channels come and go."""
    observer = PerChannelMinMaxObserver()
    observer(FIRST)
    with pytest.raises(ShapeError, match="saw 2 channels before, now 3"):
        observer(FIRST.T)


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("qscheme", [per_tensor_affine, per_tensor_symmetric])
@pytest.mark.parametrize("cls", [MinMaxObserver, HistogramObserver])
def test_any_width(cls, bits, qscheme):
    """2 to 8 bits, signed or not: 0.0 has a code and every value is near one."""
    for dtype, low in ((qgrad.quint8, 0), (qgrad.qint8, -(2 ** (bits - 1)))):
        high = low + 2**bits - 1
        observer = cls(dtype=dtype, qscheme=qscheme, quant_min=low, quant_max=high)
        observer(FIRST)
        qp = observer.qparams()
        assert (qp.qmin, qp.qmax, qp.dtype) == (low, high, dtype)
        assert dequantize(quantize(np.zeros(1, np.float32), qp), qp)[0] == 0
        if cls is MinMaxObserver:
            error = np.abs(dequantize(quantize(FIRST, qp), qp) - FIRST)
            assert error.max() <= qp.scale * 1.001


def test_signed_symmetric_defaults_to_127():
    """Weights never use -128, so that every CPU's kernel can take them; told to, they do."""
    observer = PerChannelMinMaxObserver(dtype=qgrad.qint8, qscheme=per_channel_symmetric)
    assert (observer.quant_min, observer.quant_max) == (-127, 127)
    wide = MinMaxObserver(
        dtype=qgrad.qint8, qscheme=per_tensor_symmetric, quant_min=-128, quant_max=127
    )
    assert wide.quant_min == -128
    assert MinMaxObserver(dtype=qgrad.qint8).quant_min == -128


def test_fixed():
    """FixedQParamsObserver answers without data and keeps its answer."""
    observer = FixedQParamsObserver(scale=1 / 256, zero_point=0)
    observer(FIRST)
    assert observer.qparams().scale == np.float32(1 / 256)
    assert [t.tolist() for t in observer.calculate_qparams()] == [[1 / 256], [0]]


def test_repr_before_and_after_data():
    """The repr shows codes and range, and no infinities before there is data."""
    observer = MinMaxObserver()
    assert repr(observer) == (
        "MinMaxObserver(quint8 0..255, per_tensor_affine, nothing observed yet)"
    )
    observer(FIRST)
    assert repr(observer) == (
        "MinMaxObserver(quint8 0..255, per_tensor_affine, min_val=-1.5, max_val=3.)"
    )
