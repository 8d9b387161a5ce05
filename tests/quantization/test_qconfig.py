"""QConfig and factories: values that compare, print and refuse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import qgrad
from qgrad.errors import ConfigError
from qgrad.qtensor import per_channel_symmetric
from qgrad.quantization import (
    FakeQuantize,
    HistogramObserver,
    MinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
    PerChannelMinMaxObserver,
    QConfig,
    default_per_channel_qconfig,
    default_qat_qconfig,
    default_qconfig,
    default_weight_observer,
    get_default_qat_qconfig,
    get_default_qconfig,
    qconfig_equals,
)

arguments = st.fixed_dictionaries(
    {}, optional={"quant_max": st.sampled_from([15, 255]), "eps": st.floats(1e-9, 1.0)}
)


@given(arguments, arguments)
def test_with_args_adds_up(first, second):
    """Later arguments replace earlier ones; equal arguments make equal factories."""
    factory = MinMaxObserver.with_args(quant_min=0, quant_max=3).with_args(**first)
    both = factory.with_args(**second)
    merged = {"quant_min": 0, "quant_max": 3, **first, **second}
    assert both == MinMaxObserver.with_args(**merged)
    assert hash(both) == hash(MinMaxObserver.with_args(**merged))
    assert both().quant_max == merged["quant_max"]
    assert (factory == both) == (factory.kwargs == both.kwargs)


def test_each_call_builds_anew():
    """Two calls of a factory share nothing."""
    factory = MinMaxObserver.with_args(quant_min=0, quant_max=15)
    assert factory() is not factory()
    assert factory(quant_max=7).quant_max == 7


def test_callable_args_are_called_at_every_build():
    """with_callable_args calls its functions once for each instance."""
    limits = iter([15, 31])
    factory = MinMaxObserver.with_args(quant_min=0).with_callable_args(
        quant_max=lambda: next(limits)
    )
    assert [factory().quant_max, factory().quant_max] == [15, 31]
    assert factory.with_args(quant_max=3)().quant_max == 3
    with pytest.raises(ConfigError, match="not callable"):
        MinMaxObserver.with_callable_args(quant_max=15)


def test_class_equals_its_empty_factory():
    """A bare class and a factory without arguments are the same choice."""
    assert MinMaxObserver.with_args() == MinMaxObserver
    assert hash(MinMaxObserver.with_args()) == hash(MinMaxObserver)
    assert QConfig(MinMaxObserver, default_weight_observer) == QConfig(
        MinMaxObserver.with_args(), default_weight_observer
    )
    assert MinMaxObserver.with_args() != HistogramObserver
    assert MinMaxObserver.with_args(eps=1) != MinMaxObserver.with_args(eps=True)


def test_repr_is_what_one_would_write():
    """No partials and no addresses: the repr reads as the code that makes it."""
    factory = MinMaxObserver.with_args(dtype=qgrad.qint8, quant_min=-7, quant_max=7)
    assert repr(factory) == "MinMaxObserver.with_args(dtype=qgrad.qint8, quant_min=-7, quant_max=7)"
    nested = FakeQuantize.with_args(observer=HistogramObserver)
    qconfig = QConfig(activation=nested, weight=PerChannelMinMaxObserver)
    assert repr(qconfig) == (
        "QConfig(activation=FakeQuantize.with_args(observer=HistogramObserver), "
        "weight=PerChannelMinMaxObserver)"
    )
    for known in (default_qconfig, default_qat_qconfig, get_default_qat_qconfig()):
        assert "0x" not in repr(known)
        assert "partial" not in repr(known)


def test_is_a_named_tuple():
    """As PyTorch's: fields by name, by position and by unpacking."""
    activation, weight = default_qconfig
    assert activation is default_qconfig.activation is default_qconfig[0]
    assert default_qconfig._replace(weight=MinMaxObserver) == QConfig(activation, MinMaxObserver)
    assert weight is default_weight_observer


@pytest.mark.parametrize(
    ("activation", "message"),
    [
        (MinMaxObserver(), r"instance of MinMaxObserver.*MinMaxObserver.with_args"),
        (None, "None; give an observer"),
        ("MinMaxObserver", "'MinMaxObserver'; give"),
        (MinMaxObserver.with_args(quant_min=0, quant_max=256), "leave qgrad.quint8"),
        (MinMaxObserver.with_args(dtpye=qgrad.qint8), "dtpye"),
    ],
)
def test_bad_factories(activation, message):
    """Instances, non-factories and wrong arguments are refused where they are written."""
    with pytest.raises(ConfigError, match=message) as error:
        QConfig(activation=activation, weight=default_weight_observer)
    assert len(str(error.value)) < 600


def test_equality():
    """qconfig_equals compares by what is built, and takes None."""
    assert qconfig_equals(get_default_qconfig(), get_default_qconfig("qnnpack"))
    assert not qconfig_equals(get_default_qconfig(), get_default_qconfig(weight_bits=4))
    assert qconfig_equals(None, None)
    assert not qconfig_equals(default_qconfig, None)
    assert default_qconfig != default_per_channel_qconfig


@pytest.mark.parametrize("bits", range(2, 9))
def test_default_widths(bits):
    """Both defaults make per-channel symmetric weights and full-range activations of that width."""
    for qconfig in (
        get_default_qconfig(weight_bits=bits, activation_bits=bits),
        get_default_qat_qconfig(weight_bits=bits, activation_bits=bits),
    ):
        activation, weight = qconfig.activation(), qconfig.weight()
        assert (activation.quant_min, activation.quant_max) == (0, 2**bits - 1)
        assert (weight.quant_min, weight.quant_max) == (1 - 2 ** (bits - 1), 2 ** (bits - 1) - 1)
        assert activation.dtype is qgrad.quint8
        assert weight.qscheme is per_channel_symmetric


def test_default_observers():
    """After training: histogram and min-max; in training: moving averages, weights as they are."""
    after, during = get_default_qconfig(), get_default_qat_qconfig()
    assert isinstance(after.activation(), HistogramObserver)
    assert isinstance(after.weight(), PerChannelMinMaxObserver)
    weight = during.weight().activation_post_process
    assert isinstance(weight, MovingAveragePerChannelMinMaxObserver)
    assert weight.averaging_constant == 1
    assert during.activation().activation_post_process.averaging_constant == 0.01


@pytest.mark.parametrize("bits", [1, 9, 0, -4, 2.5, None])
def test_bad_widths(bits):
    """Widths are integers from 2 to 8."""
    with pytest.raises(ConfigError, match="from 2 to 8"):
        get_default_qconfig(weight_bits=bits)
    with pytest.raises(ConfigError, match="from 2 to 8"):
        get_default_qat_qconfig(activation_bits=bits)


def test_backends():
    """PyTorch's backend names are taken, others named with the known ones."""
    with pytest.raises(ConfigError, match=r"unknown backend 'cuda'.*x86, fbgemm, qnnpack, onednn"):
        get_default_qconfig("cuda")
