"""The Hypothesis strategies: what they promise, how they shrink, what they refuse."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

import qgrad
from qgrad import nn
from qgrad.ops.rng import default_generator
from qgrad.quantization import QConfig, QConfigMapping, convert, prepare, prepare_qat
from qgrad.testing import count_differing_codes, strategies
from qgrad.testing.strategies import (
    Network,
    dtypes,
    modules,
    qconfig_mappings,
    qconfigs,
    qparams,
    quantized_tensors,
    tensors,
)

ROOT = Path(__file__).resolve().parent.parent

slow_draws = settings(
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def minimal(
    strategy: st.SearchStrategy[Any], condition: Any = lambda _: True, seed: int = 0
) -> Any:
    """The simplest example that Hypothesis finds, starting from random numbers of `seed`."""
    # Explaining a failure would go on to vary the example that was found; a database would start
    # from the one found before.
    quiet = settings(
        deadline=None, max_examples=2000, phases=[Phase.generate, Phase.shrink], database=None
    )
    return find(strategy, condition, settings=quiet, random=Random(seed))


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@given(st.data())
def test_qparams_keep_to_their_bounds(data: st.DataObject) -> None:
    """Dtype, scale, zero point, codes and channels are within what was asked for."""
    dtype = data.draw(st.sampled_from([qgrad.quint8, qgrad.qint8, qgrad.quint4x2]))
    channels = data.draw(st.none() | st.integers(1, 4))
    low, high = data.draw(st.tuples(*[st.integers(1, 7)] * 2).map(sorted))
    options: dict[str, Any] = {"scale_min": 0.25, "scale_max": 4.0, "qmin": 0, "qmax": 7}
    zero_points = {"zero_point_min": low, "zero_point_max": high}
    qp = data.draw(qparams(dtype, channels=channels, axis=2, **options, **zero_points))
    assert (qp.dtype, qp.qmin, qp.qmax) == (dtype, 0, 7)
    assert qp.scale.shape == (() if channels is None else (channels,))
    assert qp.axis == (None if channels is None else 2)
    assert ((qp.scale >= 0.25) & (qp.scale <= 4)).all()
    assert ((qp.zero_point >= low) & (qp.zero_point <= high)).all()


@given(dtypes(), dtypes(quantized=True), dtypes(quantized=False))
def test_dtypes_are_of_the_kind(
    any_: qgrad.dtype, quantized: qgrad.dtype, plain: qgrad.dtype
) -> None:
    """Quantized, plain, or either."""
    assert quantized.is_quantized
    assert not plain.is_quantized
    assert isinstance(any_, qgrad.dtype)


def test_qparams_shrink_to_the_simplest() -> None:
    """Scale 1, zero point 0, the first dtype; a condition moves only what it must."""
    assert minimal(qparams()) == qgrad.QParams.of(1.0, 0)
    qp = minimal(qparams(qgrad.qint8, channels=2), lambda qp: (qp.zero_point >= 3).any())
    assert sorted(qp.zero_point.tolist()) == [0, 3]
    assert qp.scale.tolist() == [1.0, 1.0]


@given(st.data())
def test_tensors_are_what_was_asked_for(data: st.DataObject) -> None:
    """Shape, dtype, elements and requires_grad."""
    dtype = data.draw(st.sampled_from([qgrad.float32, qgrad.float64, qgrad.int8, qgrad.bool]))
    shape = data.draw(st.none() | st.just((2, 0, 3)) | st.just(()))
    x = data.draw(tensors(shape, dtype=dtype))
    assert type(x) is qgrad.Tensor
    assert x.dtype is dtype
    assert shape is None or tuple(x.shape) == shape
    if dtype.is_floating_point:
        assert (np.abs(x.numpy()) <= 1000).all()
        assert data.draw(tensors(dtype=dtype, requires_grad=True)).requires_grad
    one = data.draw(tensors(st.just((2,)), elements=st.just(1), dtype=dtype))
    assert one.tolist() == [1, 1]


def test_tensors_shrink_to_few_small_elements() -> None:
    """One element, the smallest that the condition allows."""
    x = minimal(tensors(), lambda x: bool((x > 5).any()))
    assert (tuple(x.shape), x.tolist()) == ((), 6.0)
    x = minimal(tensors(min_dims=1), lambda x: x.shape[0] > 2)
    assert x.tolist() == [0.0, 0.0, 0.0]


@given(st.data(), st.sampled_from([None, True, False]))
def test_quantized_tensors_are_consistent(data: st.DataObject, per_channel: bool | None) -> None:
    """Codes are in range, and every channel axis fits the shape."""
    q = data.draw(quantized_tensors(per_channel=per_channel))
    codes = q.int_repr().numpy()
    assert (codes >= q.qparams.qmin).all()
    assert (codes <= q.qparams.qmax).all()
    assert per_channel in (None, q.qparams.per_channel)
    if q.qparams.per_channel:
        assert q.shape[q.q_per_channel_axis()] == len(q.q_per_channel_scales())
    qp = qgrad.QParams.of(0.5, 1, qgrad.qint8, -2, 1)
    q = data.draw(quantized_tensors((3,), qparams=qp))
    assert q.qparams == qp
    assert q.shape == (3,)


def test_quantized_tensors_shrink() -> None:
    """One code, of the first dtype, under scale 1 and zero point 0."""
    q = minimal(quantized_tensors(), lambda q: bool((q.int_repr() > 9).any()))
    assert (q.shape, q.int_repr().tolist(), q.qparams) == ((), 10, qgrad.QParams.of(1.0, 0))


@slow_draws
@given(modules(), st.integers(1, 3), st.integers(0, 3))
def test_modules_run_on_any_batch(network: Network, batch: int, seed: int) -> None:
    """Forward works in training and evaluation, gives finite values and gradients for weights."""
    x = network.example(batch + 1, seed)
    assert tuple(x.shape) == (batch + 1, *network.input_shape)
    np.testing.assert_array_equal(x.numpy(), network.example(batch + 1, seed).numpy())
    assert network.training
    y = network(x.requires_grad_())
    y.sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    alone = network.eval()(network.example(1))
    assert alone.shape[0] == 1
    assert np.isfinite(alone.detach().numpy()).all()
    assert tuple(alone.shape[1:]) == tuple(y.shape[1:])


@slow_draws
@given(modules((2, 5, 6), kinds=["conv", "pool"], min_blocks=2, max_blocks=3, max_channels=3))
def test_modules_keep_to_their_arguments(network: Network) -> None:
    """Input shape, kinds of blocks, their number and their channels."""
    assert network.input_shape == (2, 5, 6)
    assert 2 <= len(network) <= 3
    names = {type(m).__name__ for m in network.modules()}
    assert not names & {"Linear", "Residual", "Concat", "Flatten"}
    assert all(m.out_channels <= 3 for m in network.modules() if isinstance(m, nn.Conv2d))


def test_modules_shrink_to_one_plain_layer() -> None:
    """The smallest network with a convolution is one of 1 channel and kernel 1, and no more."""

    def has_conv(network: Network) -> bool:
        return any(type(m) is nn.Conv2d for m in network.modules())

    for seed in range(10):
        network = minimal(modules((1, 3, 3), kinds=["activation", "conv"]), has_conv, seed)
        (conv,) = network
        assert type(conv) is nn.Conv2d
        assert (conv.in_channels, conv.out_channels, conv.kernel_size) == (1, 1, (1, 1))
        assert (conv.stride, conv.padding, conv.groups) == ((1, 1), (0, 0), 1)
    network = minimal(modules())
    assert repr(network) == "Network(\n  (0): ReLU()\n)"
    assert network.input_shape == (1,)


def test_drawing_leaves_random_numbers_alone() -> None:
    """The same numbers come from qgrad's and NumPy's generators, drawn between or not."""
    qgrad.manual_seed(5)
    expected = qgrad.rand(3).tolist()
    qgrad.manual_seed(5)
    before = np.random.get_state()[1].tolist()
    minimal(modules(), lambda network: len(network) > 1)
    assert default_generator.initial_seed() == 5
    assert qgrad.rand(3).tolist() == expected
    assert np.random.get_state()[1].tolist() == before


@slow_draws
@given(qconfigs(min_bits=3, max_bits=4), qconfigs(qat=True))
def test_qconfigs_keep_to_their_bits(config: QConfig, qat: QConfig) -> None:
    """The number of codes is that of 3 or 4 bits; QAT configs build fake-quantizers."""
    for factory in config:
        observer = factory()
        assert 7 <= observer.quant_max - observer.quant_min + 1 <= 16
    assert type(qat.activation()).__name__ == type(qat.weight()).__name__ == "FakeQuantize"


@slow_draws
@given(st.data(), modules(max_blocks=3))
def test_mappings_match_their_module(data: st.DataObject, network: Network) -> None:
    """Every line is about a layer that is there, survives to_dict, and can be carried out."""
    mapping = data.draw(qconfig_mappings(network))
    assert QConfigMapping.from_dict(mapping.to_dict()) == mapping
    prepared = prepare(network.eval(), mapping, network.example())
    prepared(network.example(3))
    program = convert(prepared.eval())
    assert count_differing_codes(prepared, program, network.example(2, seed=1)) == 0


@slow_draws
@given(st.data(), modules(max_blocks=2))
def test_qat_mappings_train(data: st.DataObject, network: Network) -> None:
    """A drawn QAT mapping prepares a drawn network for training, and one step runs."""
    mapping = data.draw(qconfig_mappings(network, qat=True, min_bits=4))
    prepared = prepare_qat(network.train(), mapping, network.example(3))
    prepared(network.example(3).requires_grad_()).sum().backward()
    program = convert(prepared.eval())
    assert count_differing_codes(prepared, program, network.example(2, seed=1)) == 0


def test_mappings_shrink_to_the_global_config() -> None:
    """Without a reason there is no line but the global one, of the first observers and 2 bits."""
    network = Network(nn.Linear(2, 2), nn.ReLU())
    mapping = minimal(qconfig_mappings(network))
    assert mapping.to_dict()["module_name"] == mapping.to_dict()["object_type"] == []
    assert minimal(qconfig_mappings()) == mapping
    lines = minimal(qconfig_mappings(network), lambda m: m.module_name_qconfigs)
    assert len(lines.module_name_qconfigs) == 1


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: qparams(qgrad.float32), "must be quantized dtypes"),
        (lambda: qparams([]), "must be quantized dtypes"),
        (lambda: qparams(scale_min=0.0), "scale_min=0.0"),
        (lambda: qparams(scale_min=2.0, scale_max=1.0), "must be in order"),
        (lambda: qparams(scale_max=float("nan")), "scale_max=nan"),
        (lambda: qparams(qgrad.qint8, zero_point_min=-129), "zero point -129 lies outside"),
        (lambda: qparams(zero_point_min=3, zero_point_max=2), "the first is the smaller"),
        (lambda: qparams(qmin=5, qmax=5), "not a range of codes"),
        (lambda: qparams(channels=0), "channels=0 must be an integer of at least 1"),
        (lambda: qparams(axis=-1), "axis=-1 must be"),
        (lambda: dtypes(quantized=1.5), "quantized=1.5 must be"),
        (lambda: tensors((2, -1)), "size in shape=-1"),
        (lambda: tensors("ab"), "shape='ab' must be a tuple"),
        (lambda: tensors(dtype=qgrad.quint8), "must be a plain dtype"),
        (lambda: tensors(dtype=np.float32), "must be a plain dtype"),
        (lambda: tensors(elements=3), "elements=3 must be a strategy"),
        (lambda: tensors(min_dims=3, max_dims=2), "the first is the smaller"),
        (lambda: tensors(requires_grad=1), "requires_grad=1 must be a bool"),
        (lambda: tensors(dtype=qgrad.int8, requires_grad=True), "needs a float dtype"),
        (lambda: quantized_tensors(per_channel="yes"), "per_channel='yes'"),
        (lambda: quantized_tensors((), per_channel=True), "has no axis for channels"),
        (lambda: quantized_tensors(qparams=0.5), "qparams=0.5 must be a QParams"),
        (lambda: quantized_tensors(qparams=qparams(), dtype=qgrad.qint8), "one or the other"),
        (lambda: modules((2, 3)), "must be \\(features,\\) or"),
        (lambda: modules((0,)), "must be \\(features,\\) or"),
        (lambda: modules(kinds=["lstm"]), "kinds=\\['lstm'\\] must be some of activation"),
        (lambda: modules(kinds="conv"), "kinds='conv' must be"),
        (lambda: modules(min_blocks=3, max_blocks=2), "max_blocks=2 must be an integer of at"),
        (lambda: qconfigs(min_bits=1), "min_bits=1 must be .* at least 2 and at most 8"),
        (lambda: qconfigs(max_bits=9), "max_bits=9"),
        (lambda: qconfigs(qat=1), "qat=1 must be a bool"),
        (lambda: qconfig_mappings("fc"), "module='fc' must be a Module"),
        (lambda: qconfig_mappings(max_bits=2.5), "max_bits=2.5 must be an integer"),
    ],
)
def test_arguments_are_checked_at_once(make: Any, says: str) -> None:
    """A wrong argument raises where it is written, not when the first example is drawn."""
    with pytest.raises(InvalidArgument, match=says) as caught:
        make()
    assert len(str(caught.value)) < 600


KNOWN = """
few = hypothesis.settings(
    deadline=None, max_examples=5, suppress_health_check=list(hypothesis.HealthCheck)
)
for kind in (qgrad.Tensor, qgrad.QTensor, qgrad.QParams, qgrad.dtype):
    found = hypothesis.find(hypothesis.strategies.from_type(kind), lambda x: True, settings=few)
    assert type(found) is kind, found
@few
@hypothesis.given(...)
def test(x: qgrad.Tensor, m: qgrad.nn.Module, c: qgrad.quantization.QConfigMapping):
    assert x.dtype is qgrad.float32 and isinstance(m, qgrad.nn.Module) and c.global_qconfig
test()
print("known")
"""


@pytest.mark.parametrize("first", ["qgrad", "hypothesis", "qgrad.testing.strategies"])
def test_types_are_known_to_hypothesis(tmp_path: Path, first: str) -> None:
    """An installed qgrad needs no import of strategies, whichever package is imported first."""
    section = r"\[project.entry-points.hypothesis\]\n(qgrad = )\"(.+)\""
    entry = re.search(section, (ROOT / "pyproject.toml").read_text())
    assert entry is not None
    installed = tmp_path / "qgrad-0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: qgrad\nVersion: 0\n")
    (installed / "entry_points.txt").write_text(f"[hypothesis]\n{entry[1]}{entry[2]}\n")
    start = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import {first}, hypothesis, qgrad"
    assert run(f"{start}\n{KNOWN}") == "known"


def test_registering_again_does_no_harm() -> None:
    """`register` may be called by hand too, more than once."""
    code = "import hypothesis, qgrad; from qgrad.testing.strategies import register; register()"
    assert run(f"{code}; register()\n{KNOWN}") == "known"


def test_importing_has_no_side_effects() -> None:
    """Settings, profiles and known types of Hypothesis are those from before."""
    code = """
import hypothesis, hypothesis.extra.numpy
from hypothesis.strategies._internal import types

def state():
    settings = hypothesis.settings
    return repr(settings()), dict(settings._profiles), set(types._global_type_lookup)

before = state()
import qgrad.testing.strategies
print(state() == before)
"""
    assert run(code) == "True"


def test_hypothesis_is_needed_for_strategies_only() -> None:
    """Without it qgrad.testing works, and the strategies say what to install."""
    code = """
import sys
sys.modules["hypothesis"] = None
import qgrad.testing
try:
    import qgrad.testing.strategies
except ImportError as error:
    print(error)
"""
    assert run(code) == (
        'qgrad.testing.strategies: Hypothesis is not installed; pip install "qgrad[test]"'
    )


def test_every_public_strategy_is_exported() -> None:
    """The names that the documentation promises."""
    assert {"qparams", "tensors", "quantized_tensors", "modules", "qconfig_mappings"} <= set(
        strategies.__all__
    )
