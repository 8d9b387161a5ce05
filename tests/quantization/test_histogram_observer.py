"""HistogramObserver: exact streaming counts, and a range no worse than min-max."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import qgrad
from qgrad.errors import ConfigError
from qgrad.qparams import QParams, dequantize, quantize
from qgrad.qtensor import per_tensor_affine, per_tensor_symmetric
from qgrad.quantization import HistogramObserver, MinMaxObserver
from qgrad.quantization.histogram import layout

values = st.floats(width=32, allow_nan=False, allow_infinity=False)
batches = st.lists(arrays(np.float32, st.integers(1, 40), elements=values), min_size=1, max_size=5)


def counted(batches, bins=64):
    """A HistogramObserver that saw `batches`."""
    observer = HistogramObserver(bins=bins)
    for batch in batches:
        observer(batch)
    return observer


def squared_error(x: np.ndarray, qp: QParams) -> float:
    """What rounding `x` costs under `qp`."""
    return float(np.square(dequantize(quantize(x, qp), qp).astype(np.float64) - x).sum())


@given(batches, st.randoms())
@example([np.array([-1e-45], np.float32), np.array([3e38], np.float32)], None)
def test_counts_depend_on_the_data_alone(data, random):
    """Any order of the batches, and all of them at once, give the same histogram."""
    at_once = counted([np.concatenate(data)])
    in_turn = counted(data)
    shuffled = list(data)
    (random.shuffle if random else list.reverse)(shuffled)
    for other in (in_turn, counted(shuffled)):
        assert other.histogram.tolist() == at_once.histogram.tolist()
        assert other.min_val.item() == at_once.min_val.item()
        assert other.max_val.item() == at_once.max_val.item()
    assert sum(at_once.histogram.tolist()) == sum(batch.size for batch in data)


@given(batches)
def test_every_value_is_in_its_bin(data):
    """The counts are those of bins 2**e wide whose edges are multiples of 2**e."""
    observer = counted(data)
    flat = np.concatenate(data).astype(np.float64)
    exponent, first = layout(flat.min(), flat.max(), 64)
    bins = np.floor(np.ldexp(flat, -exponent)) - first
    want = np.bincount(bins.astype(int), minlength=64)
    assert observer.histogram.tolist() == want.tolist()


@given(values, values, st.integers(2, 300))
def test_bins_are_as_narrow_as_they_can_be(a, b, bins):
    """The range fits in the bins, and with bins half as wide it would not."""
    low, high = min(a, b), max(a, b)
    exponent, first = layout(low, high, bins)

    def needed(e: int) -> int:
        return int(np.floor(np.ldexp(high, -e)) - np.floor(np.ldexp(low, -e))) + 1

    assert needed(exponent) <= bins
    assert first == np.floor(np.ldexp(low, -exponent))
    finer_than_float32 = exponent <= max(-149, np.frexp(max(-low, high))[1] - 30)
    assert finer_than_float32 or needed(exponent - 1) > bins


@pytest.mark.parametrize("qscheme", [per_tensor_affine, per_tensor_symmetric])
@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("name", ["normal", "laplace", "outliers", "relu", "uniform"])
def test_beats_min_max(name, bits, qscheme):
    """Less squared error than min-max on long tails, never noticeably more anywhere."""
    rng = np.random.default_rng(7)
    x = rng.standard_normal(20_000).astype(np.float32)
    data = {
        "normal": x,
        "laplace": rng.laplace(size=20_000).astype(np.float32),
        "outliers": np.concatenate([x, np.float32([60.0, -45.0])]),
        "relu": np.maximum(x, 0),
        "uniform": rng.random(20_000, np.float32),
    }[name]
    errors = []
    for cls in (HistogramObserver, MinMaxObserver):
        observer = cls(qscheme=qscheme, quant_min=0, quant_max=2**bits - 1)
        for batch in np.array_split(data, 7):
            observer(batch)
        errors.append(squared_error(data, observer.qparams()))
    assert errors[0] <= errors[1] * 1.02  # 2 %: within a bin, values count as its middle
    if name == "outliers":
        assert errors[0] < errors[1] * (0.97 if bits == 8 else 0.6)


def test_near_the_best_range_there_is():
    """Within 5 % of the least error an exhaustive search of ranges finds, normal data, 4 bits."""
    x = np.random.default_rng(3).standard_normal(5_000).astype(np.float32)
    observer = HistogramObserver(quant_min=0, quant_max=15)
    observer(x)
    best = np.inf
    for low in np.linspace(0.3, 1, 30) * x.min():
        for high in np.linspace(0.3, 1, 30) * x.max():
            ends = MinMaxObserver(quant_min=0, quant_max=15)
            ends(np.array([low, high], np.float32))
            best = min(best, squared_error(x, ends.qparams()))
    assert squared_error(x, observer.qparams()) <= best * 1.05


@given(st.integers(-100, 100))
def test_scale_of_the_data_does_not_matter(exponent):
    """Data times a power of two gives the scale times that power: the search is scale free."""
    power = np.float32(2.0**exponent)
    x = np.random.default_rng(0).standard_normal(500).astype(np.float32)
    scales = []
    for data in (x, x * power):
        observer = HistogramObserver(eps=2e-38)
        observer(data)
        scales.append(observer.qparams().scale)
    assert scales[1] == scales[0] * power


def test_counts_are_exact_integers():
    """Counts stay exact beyond 2**24, where float32 counts would stop growing."""
    observer = HistogramObserver(bins=4)
    observer(np.array([0.0, 1.0], np.float32))
    state = observer.state_dict()
    state["histogram"] = state["histogram"] + 2**24
    observer.load_state_dict(state)
    observer(np.array([0.0], np.float32))
    assert observer.histogram.dtype is qgrad.int64
    assert 2**24 + 2 in observer.histogram.tolist()


@pytest.mark.parametrize("bins", [0, 1, -5, 2**30])
def test_bins_are_limited(bins):
    """A histogram has at least two bins, and fits in memory."""
    with pytest.raises(ConfigError, match="bins"):
        HistogramObserver(bins=bins)
