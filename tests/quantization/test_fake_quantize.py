"""FakeQuantize: PyTorch's behaviour, frozen ranges in eval mode, and codes that agree."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

import qgrad
from qgrad import nn
from qgrad.errors import CalibrationError, ConfigError, QParamError
from qgrad.qparams import QParams, dequantize, quantize
from qgrad.quantization import (
    FakeQuantize,
    FakeQuantized,
    HistogramObserver,
    MinMaxObserver,
    MovingAverageMinMaxObserver,
    default_fake_quant,
    default_fixed_qparams_range_0to1_fake_quant,
    default_per_channel_weight_fake_quant,
    default_weight_fake_quant,
    disable_fake_quant,
    disable_observer,
    enable_fake_quant,
    enable_observer,
)

FIRST = np.array([[-1.5, 0.25, 2.0], [0.5, -0.125, 3.0]], np.float32)
SECOND = np.array([[-0.5, 4.0, 1.0], [0.75, -2.5, 0.0]], np.float32)
FACTORIES = [default_fake_quant, default_weight_fake_quant, default_per_channel_weight_fake_quant]


def finite(shape):
    """Arrays of ordinary float32 values."""
    return arrays(np.float32, shape, elements=st.floats(-1e6, 1e6, width=32))


def test_pytorch_numbers():
    """Values and gradients of a 4-bit FakeQuantize are those of torch 2.13."""
    fake = FakeQuantize(quant_min=0, quant_max=15)
    x = qgrad.tensor(FIRST.tolist(), requires_grad=True)
    y = fake(x)
    y.sum().backward()
    want = [[-1.5, 0.30000001192092896, 2.1000001430511475], [0.6000000238418579, 0.0, 3.0]]
    assert y.tolist() == want
    assert x.grad.tolist() == [[1, 1, 1], [1, 1, 1]]

    fake.disable_observer()
    x = qgrad.tensor(SECOND.tolist(), requires_grad=True)
    y = fake(x)
    y.sum().backward()
    want = [[-0.6000000238418579, 3.0, 0.9000000357627869], [0.6000000238418579, -1.5, 0.0]]
    assert y.tolist() == want
    assert x.grad.tolist() == [[1, 0, 1], [1, 0, 1]]  # none where the value was clipped
    assert fake.scale.tolist() == [np.float32(0.3)]
    assert fake.zero_point.tolist() == [5]


@pytest.mark.parametrize("factory", FACTORIES)
@given(finite(array_shapes(min_dims=1, max_dims=4, max_side=5)))
def test_forward_is_the_meaning(factory, x):
    """forward is dequantize(quantize(x)), and `quantized` holds exactly those codes."""
    fake = factory()
    y = fake(qgrad.from_numpy(x))
    qp = fake.qparams()
    codes = quantize(x, qp)
    assert np.array_equal(y.numpy(), dequantize(codes, qp))
    held = fake.eval().quantized(x)
    assert np.array_equal(held.codes, codes)
    assert np.array_equal(held.numpy(), y.numpy())


@given(finite((2, 3)), finite((2, 3)))
def test_eval_does_not_observe(first, second):
    """In eval mode ranges are frozen, unless `observe_in_eval` says otherwise."""
    fake = FakeQuantize(observer=MinMaxObserver)
    fake(first)
    before = fake.qparams()
    fake.eval()
    fake(second)
    assert fake.qparams() == before
    fake.observe_in_eval = True
    fake(second)
    both = MinMaxObserver()
    both(np.stack([first, second]))
    assert fake.qparams() == both.qparams()


def test_weight_ranges_are_the_newest():
    """A weight's scale follows its current values, up and down."""
    fake = default_per_channel_weight_fake_quant()
    fake(FIRST * 100)
    fake(FIRST)
    assert fake.scale.tolist() == [np.float32(2.0) / 127, np.float32(3.0) / 127]


@pytest.mark.parametrize("training", [True, False])
def test_never_observed(training):
    """Rounding without a scale is an error, in both modes."""
    fake = FakeQuantize().train(training)
    fake.disable_observer()
    with pytest.raises(CalibrationError, match=r"^FakeQuantize: never observed"):
        fake(FIRST)
    with pytest.raises(CalibrationError, match="never observed"):
        fake.calculate_qparams()
    with pytest.raises(CalibrationError, match="never observed"):
        fake.quantized(FIRST)


def test_switches():
    """Observing and rounding can be switched off and on, alone and by `apply`."""
    model = nn.Sequential(FakeQuantize(), nn.Sequential(FakeQuantize()))
    model.apply(disable_fake_quant)
    assert model(FIRST) is FIRST
    model.apply(disable_observer)
    before = model[0].qparams()
    model(FIRST * 9)
    assert model[0].qparams() == before
    model.apply(enable_fake_quant)
    assert not np.array_equal(model(FIRST), FIRST)
    model.apply(enable_observer)
    model(FIRST * 9)
    assert model[1][0].scale.item() > before.scale


def test_scale_is_current_whenever_it_is_read():
    """The buffers are right after observing without rounding, in state_dict too."""
    fake = FakeQuantize(observer=HistogramObserver)
    fake.disable_fake_quant()
    fake(FIRST)
    want = [t.tolist() for t in fake.calculate_qparams()]
    assert fake.state_dict()["scale"].tolist() == want[0]
    fake(SECOND)
    want = [t.tolist() for t in fake.calculate_qparams()]
    assert [fake.scale.tolist(), fake.zero_point.tolist()] == want


def test_scale_changed_in_place():
    """A scale that is edited in place is used from then on."""
    fake = FakeQuantize()
    fake(FIRST)
    fake.eval()
    fake.qparams()
    with qgrad.no_grad():
        fake.scale *= 2
    assert fake.qparams().scale == np.float32(4.5 / 255) * 2


@pytest.mark.parametrize("factory", FACTORIES)
@pytest.mark.parametrize("copy_by", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_independent(factory, copy_by):
    """deepcopy and pickle give the same qparams, and stay apart."""
    fake = factory()
    fake(FIRST)
    twin = copy_by(fake)
    assert twin.qparams() == fake.qparams()
    twin(FIRST * 3)
    assert twin.qparams() != fake.qparams()


@pytest.mark.parametrize("factory", FACTORIES)
def test_state_survives(factory):
    """A fresh module loads the state and answers the same in eval mode."""
    fake = factory()
    fake(FIRST)
    fake.disable_observer()
    fresh = factory().eval()
    fresh.load_state_dict(fake.state_dict())
    assert fresh.qparams() == fake.qparams()
    assert np.array_equal(fresh(SECOND), fake(SECOND))
    assert fresh.observer_enabled.tolist() == [0]
    assert set(fake.state_dict()) == {
        "fake_quant_enabled",
        "observer_enabled",
        "scale",
        "zero_point",
        "activation_post_process.eps",
        "activation_post_process.min_val",
        "activation_post_process.max_val",
    }


def test_fixed_qparams():
    """A fixed scale is there from the start, in eval mode too."""
    fake = default_fixed_qparams_range_0to1_fake_quant().eval()
    assert fake(np.array([0.5, 2.0, -1.0], np.float32)).tolist() == [0.5, 255 / 256, 0.0]


def test_arguments_reach_the_observer():
    """quant_min, quant_max and further arguments are the observer's; a factory works too."""
    fake = FakeQuantize(
        observer=MovingAverageMinMaxObserver.with_args(averaging_constant=0.5),
        quant_min=-3,
        quant_max=3,
        dtype=qgrad.qint8,
    )
    observer = fake.activation_post_process
    assert (observer.quant_min, observer.quant_max, observer.averaging_constant) == (-3, 3, 0.5)
    assert (fake.quant_min, fake.quant_max, fake.dtype, fake.ch_axis) == (-3, 3, qgrad.qint8, -1)
    with pytest.raises(ConfigError, match="observer makes a ReLU"):
        FakeQuantize(observer=nn.ReLU)


def test_repr():
    """The repr shows the scale, or that there is none, and the observer."""
    fake = FakeQuantize()
    assert "not calibrated" in repr(fake)
    fake(FIRST)
    fake.disable_observer()
    text = repr(fake)
    assert "scale=[0.0176], zero_point=[85], observer disabled" in text
    assert "MovingAverageMinMaxObserver(quint8 0..255" in text


class TestFakeQuantized:
    """A tensor of codes behaves as the float tensor they stand for."""

    per_tensor = QParams.of(0.5, 3)
    per_channel = QParams.of([0.5, 0.25], [0, 0], qgrad.qint8, axis=0)

    def test_is_a_tensor(self):
        """Ops take it, and their results are ordinary Tensors."""
        codes = np.array([[3, 5], [0, 255]], np.uint8)
        x = FakeQuantized(codes, self.per_tensor)
        assert isinstance(x, qgrad.Tensor)
        y = x + 1.0
        assert type(y) is qgrad.Tensor
        assert y.tolist() == [[1.0, 2.0], [-0.5, 127.0]]
        w = qgrad.ones(2, 2, requires_grad=True)
        (x * w).sum().backward()
        assert w.grad.tolist() == [[0.0, 1.0], [-1.5, 126.0]]

    def test_is_lazy(self):
        """Shape and dtype are known, and codes read, without making float values."""
        x = FakeQuantized(np.zeros((2, 3, 4), np.uint8), self.per_tensor)
        assert (tuple(x.shape), x.dtype, x.ndim) == ((2, 3, 4), qgrad.float32, 3)
        assert x.int_repr().dtype is qgrad.uint8
        assert x._values is None
        assert x.sum().item() == -1.5 * 24
        assert x._values is not None

    def test_strides_do_not_matter(self):
        """Codes kept channels last read as their logical layout says."""
        codes = np.arange(24, dtype=np.uint8).reshape(2, 3, 4).transpose(2, 0, 1)
        x = FakeQuantized(codes, self.per_tensor)
        assert np.array_equal(x.numpy(), dequantize(codes, self.per_tensor))

    def test_int_repr_is_a_copy(self):
        """Changing int_repr's result does not change the tensor."""
        x = FakeQuantized(np.array([3], np.uint8), self.per_tensor)
        codes = x.int_repr()
        codes[0] = 9
        assert x.codes[0] == 3

    def test_values_are_read_only(self):
        """A change in place would leave the codes behind, so it is refused."""
        x = FakeQuantized(np.array([3], np.uint8), self.per_tensor)
        with pytest.raises(RuntimeError, match="add_: a tensor of codes"):
            x += 1.0
        with pytest.raises(ValueError, match="read-only"):
            x._data[0] = 1.0
        y = x.dequantize()
        y += 1.0
        assert (x.tolist(), y.tolist()) == ([0.0], [1.0])

    def test_scale_and_zero_point(self):
        """q_scale and q_zero_point are numbers, and refuse a per-channel tensor."""
        x = FakeQuantized(np.array([3], np.uint8), self.per_tensor)
        assert (x.q_scale(), x.q_zero_point()) == (0.5, 3)
        y = FakeQuantized(np.zeros((2, 1), np.int8), self.per_channel)
        for read in (y.q_scale, y.q_zero_point):
            with pytest.raises(QParamError, match="2 scales along axis 0"):
                read()

    def test_repr(self):
        """The repr shows values, scale and zero point."""
        x = FakeQuantized(np.array([3, 5], np.uint8), self.per_tensor)
        assert repr(x) == "tensor([0., 1.], scale=0.5, zero_point=3)"
        y = FakeQuantized(np.zeros((2, 1), np.int8), self.per_channel)
        assert repr(y).endswith("scale=[0.5 , 0.25], zero_point=[0, 0], axis=0)")

    def test_copies(self):
        """deepcopy and pickle keep codes and qparams."""
        x = FakeQuantized(np.array([3, 5], np.uint8), self.per_tensor)
        for twin in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
            assert isinstance(twin, FakeQuantized)
            assert twin.codes.tolist() == [3, 5]
            assert twin.qparams == x.qparams
