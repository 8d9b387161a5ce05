"""The one rounding, against exact rational arithmetic that shares no code with it."""

from __future__ import annotations

import copy
import pickle
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qgrad import dtypes, qparams
from qgrad.errors import DTypeError, QParamError, ShapeError
from qgrad.qparams import QParams

INF = float("inf")
MAX_F32 = float(np.finfo(np.float32).max)

floats32 = st.floats(width=32, allow_nan=False)
finite32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
scales = st.floats(qparams.MIN_SCALE, MAX_F32, width=32)
ordinary_scales = st.floats(2.0**-20, 2.0**20, width=32)
int32s = st.integers(-(2**31), 2**31 - 1)
bytes_ = st.integers(0, 255)


def to_f32(value: Fraction) -> Fraction | float:
    """The nearest float32, ties to even, from the definition of the format; inf on overflow."""
    if value == 0:
        return Fraction(0)
    size = abs(value)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    if Fraction(2) ** exponent > size:
        exponent -= 1
    unit = Fraction(2) ** max(exponent - 23, -149)
    rounded = round(size / unit) * unit  # Fraction rounds halves to even
    if rounded >= 2**128:
        return INF if value > 0 else -INF
    return rounded if value > 0 else -rounded


def clamp(value: Fraction | float, low: int, high: int) -> int:
    """The nearest integer, ties to even, within [low, high]."""
    if value in (INF, -INF):
        return high if value > 0 else low
    return max(low, min(high, round(value)))


def exact_code(x: float, scale: float, zero_point: int, qmin: int, qmax: int) -> int:
    """rne(x / s) + z with a float32 division, by rational arithmetic."""
    if x in (INF, -INF):
        return qmax if x > 0 else qmin
    steps = to_f32(Fraction(x) / Fraction(scale))
    return clamp(steps, qmin - zero_point, qmax - zero_point) + zero_point


@st.composite
def any_qparams(draw: st.DrawFn, scales: st.SearchStrategy[float] = scales) -> QParams:
    """Per-tensor parameters of any dtype and code range."""
    dtype = draw(st.sampled_from([dtypes.quint8, dtypes.qint8, dtypes.qint32, dtypes.quint4x2]))
    qmin = draw(st.integers(dtype.qmin, dtype.qmax - 1))
    qmax = draw(st.integers(qmin + 1, dtype.qmax))
    return QParams.of(draw(scales), draw(st.integers(qmin, qmax)), dtype, qmin, qmax)


@st.composite
def channelwise(draw: st.DrawFn) -> tuple[np.ndarray, QParams]:
    """A float array and quint8 parameters for each index of one of its axes."""
    shape = draw(hnp.array_shapes(max_dims=4, max_side=4))
    axis = draw(st.integers(0, len(shape) - 1))
    size = shape[axis]
    scale = draw(st.lists(ordinary_scales, min_size=size, max_size=size))
    zero_point = draw(st.lists(bytes_, min_size=size, max_size=size))
    x = draw(hnp.arrays(np.float32, shape, elements=finite32))
    return x, QParams.of(scale, zero_point, axis=axis)


@given(floats32, any_qparams())
def test_quantize_equals_rational_arithmetic(x: float, qp: QParams) -> None:
    """Any float, infinite and denormal too, gets the code that exact arithmetic gives it."""
    code = qparams.quantize(np.float32([x]), qp)
    assert code.dtype == qp.dtype.numpy
    assert code[0] == exact_code(x, float(qp.scale), int(qp.zero_point), qp.qmin, qp.qmax)


@given(st.integers(-600, 600), any_qparams(st.integers(-60, 60).map(lambda e: 2.0**e)))
def test_ties_of_both_signs_go_to_the_even_step(step: int, qp: QParams) -> None:
    """x = (n + 1/2) s is a tie; the even neighbour wins before the zero point is added."""
    x = np.float32((step + 0.5) * float(qp.scale))
    even = step if step % 2 == 0 else step + 1
    expected = max(qp.qmin, min(qp.qmax, even + int(qp.zero_point)))
    assert qparams.quantize(np.float32([x]), qp)[0] == expected


@given(any_qparams(), st.sampled_from([INF, 3e38, 1e300]))
def test_infinite_and_huge_values_saturate(qp: QParams, huge: float) -> None:
    """Values beyond int32, beyond float32 and infinite end at qmin and qmax, never wrapped."""
    assume(huge == INF or huge / float(qp.scale) > 2.0**33)
    codes = qparams.quantize(np.array([huge, -huge]), qp)
    assert codes.tolist() == [qp.qmax, qp.qmin]


@given(hnp.arrays(np.float64, hnp.array_shapes(max_dims=2), elements=st.floats(allow_nan=False)))
def test_float64_is_rounded_to_float32_first(x: np.ndarray) -> None:
    """A float64 array has the codes of its float32 cast: one rule for every caller."""
    qp = QParams.of(0.1, 7)
    with np.errstate(over="ignore"):
        rounded = x.astype(np.float32)
    np.testing.assert_array_equal(qparams.quantize(x, qp), qparams.quantize(rounded, qp))


@given(st.integers(-(2**31), 2**31 - 1), any_qparams())
def test_dequantize_equals_rational_arithmetic(code: int, qp: QParams) -> None:
    """float32(q - z) times s, both rounded once, for every code of every dtype."""
    code = max(qp.qmin, min(qp.qmax, code))
    value = qparams.dequantize(np.array([code], qp.dtype.numpy), qp)
    assert value.dtype == np.float32
    steps = to_f32(Fraction(code - int(qp.zero_point)))
    assert float(value[0]) == float(to_f32(steps * Fraction(float(qp.scale))))


@given(hnp.arrays(np.float32, hnp.array_shapes(max_dims=3), elements=floats32), any_qparams())
def test_fake_quantize_is_quantize_then_dequantize(x: np.ndarray, qp: QParams) -> None:
    """What training sees is exactly what the codes mean, and the mask marks the unclamped."""
    y, mask = qparams.fake_quantize(x, qp)
    np.testing.assert_array_equal(y, qparams.dequantize(qparams.quantize(x, qp), qp))
    wide = QParams.of(qp.scale, qp.zero_point, dtypes.qint32)
    rounded = qparams.quantize(x, wide)
    inside = (rounded >= qp.qmin) & (rounded <= qp.qmax)
    edge = np.isinf(x) | (rounded == wide.qmin) | (rounded == wide.qmax)
    np.testing.assert_array_equal(mask[~edge], inside[~edge])
    if qp.dtype.itemsize == 1:
        assert not mask[edge].any()


@given(any_qparams(ordinary_scales))
def test_every_code_survives_a_round_trip(qp: QParams) -> None:
    """quantize(dequantize(q)) == q for all codes of a byte."""
    assume(qp.dtype.itemsize == 1)
    codes = np.arange(qp.qmin, qp.qmax + 1).astype(qp.dtype.numpy)
    np.testing.assert_array_equal(qparams.quantize(qparams.dequantize(codes, qp), qp), codes)


@given(channelwise())
def test_per_channel_is_per_tensor_of_each_channel(case: tuple[np.ndarray, QParams]) -> None:
    """Slicing one index of the axis and using its own scale gives the same values."""
    x, qp = case
    codes = qparams.quantize(x, qp)
    y, mask = qparams.fake_quantize(x, qp)
    for i in range(x.shape[qp.axis]):
        one = QParams.of(qp.scale[i], qp.zero_point[i])
        part = np.take(x, i, qp.axis)
        np.testing.assert_array_equal(np.take(codes, i, qp.axis), qparams.quantize(part, one))
        expected, inside = qparams.fake_quantize(part, one)
        np.testing.assert_array_equal(np.take(y, i, qp.axis), expected)
        np.testing.assert_array_equal(np.take(mask, i, qp.axis), inside)


@given(st.lists(finite32, max_size=5), st.integers(0, 5))
def test_nan_is_refused_and_located(values: list[float], at: int) -> None:
    """NaN has no code: the error says how many there are and where the first is."""
    at = min(at, len(values))
    x = np.array([*values[:at], np.nan, *values[at:]], np.float32)
    for operation in (qparams.quantize, qparams.fake_quantize):
        with pytest.raises(ValueError, match=rf"NaN \(1 of {x.size} .* index \({at},\)"):
            operation(x, QParams.of(0.1, 0))


@given(scales, scales, scales)
def test_multiplier_rounds_the_product_first(sx: float, sw: float, sy: float) -> None:
    """(sx * sw) / sy with both roundings to float32, or an error where that is not finite."""
    product = to_f32(Fraction(sx) * Fraction(sw))
    expected = INF if product == INF else to_f32(product / Fraction(sy))
    if expected == INF:
        with pytest.raises(QParamError, match="not finite"):
            qparams.multiplier(sx, np.float32([sw]), sy)
    else:
        assert qparams.multiplier(sx, np.float32([sw]), sy).tolist() == [float(expected)]


def test_multiplier_order_matters() -> None:
    """An example where dividing first gives another float32, so the order is part of the rule."""
    sx, sw, sy = np.float32([0.1, 0.7, 0.3])
    assert qparams.multiplier(sx, sw, sy) != sx * (sw / sy)


@given(finite32, ordinary_scales, ordinary_scales)
def test_bias_equals_rational_arithmetic(b: float, sx: float, sw: float) -> None:
    """rne(b / (sx * sw)) with float32 product and division; refused when it leaves int32."""
    steps = to_f32(Fraction(b) / to_f32(Fraction(sx) * Fraction(sw)))
    bias, weight = np.float32([0.0, b]), np.float32([1.0, sw])
    if abs(steps) >= 2**31:
        with pytest.raises(QParamError, match=r"bias: .* at index 1 .* does not fit int32"):
            qparams.quantize_bias(bias, sx, weight)
    else:
        assert qparams.quantize_bias(bias, sx, weight).tolist() == [0, round(steps)]


def test_no_bias_is_zeros() -> None:
    """A layer without bias has one zero for each output channel."""
    assert qparams.quantize_bias(None, 0.1, np.ones(3, np.float32)).tolist() == [0, 0, 0]


@given(int32s, st.floats(0, MAX_F32, width=32), bytes_, bytes_, bytes_)
def test_requantize_equals_rational_arithmetic(
    acc: int, mult: float, zy: int, qmin: int, qmax: int
) -> None:
    """One rounding of the accumulator, one of the product, one to an integer; then clamp."""
    qmin, zy, qmax = sorted([qmin, zy, qmax])
    scaled = to_f32(to_f32(Fraction(acc)) * Fraction(mult))
    code = qparams.requantize(np.array([acc], np.int32), np.float32([mult]), zy, qmin, qmax)
    assert code.dtype == np.uint8
    assert code[0] == clamp(scaled, qmin - zy, qmax - zy) + zy


@given(st.integers(-300, 300))
def test_requantize_ties_go_to_even(half_steps: int) -> None:
    """acc / 2 hits ties of both signs; Python's round is half to even too."""
    code = qparams.requantize(np.array([half_steps], np.int32), 0.5, 128, 0, 255)
    assert code[0] == max(0, min(255, round(half_steps / 2) + 128))


@given(
    st.tuples(finite32, finite32).map(sorted),
    st.booleans(),
    st.sampled_from([(dtypes.quint8, 0, 255), (dtypes.qint8, -127, 127), (dtypes.qint8, -2, 1)]),
)
def test_chosen_qparams_cover_the_range(
    ends: list[float], symmetric: bool, codes: tuple[dtypes.DType, int, int]
) -> None:
    """The result is valid, 0.0 is exact, and no point of the range is clamped by over a step."""
    dtype, qmin, qmax = codes
    scale, zero_point = qparams.choose_qparams(
        *ends, qmin=qmin, qmax=qmax, symmetric=symmetric, dtype=dtype
    )
    qp = QParams(scale, zero_point, qmin, qmax, dtype)
    assert qparams.fake_quantize(np.zeros(1), qp)[0][0] == 0.0
    assume(max(map(abs, ends)) < 1e37)  # beyond, the steps' own sum leaves float32
    error = qparams.fake_quantize(np.float32(ends), qp)[0] - np.float32(ends)
    assert (np.abs(error) <= qp.scale * 1.001).all()


@pytest.mark.parametrize(
    ("ends", "qmin", "qmax", "symmetric", "dtype", "scale", "zero_point"),
    [
        ((-1.0, 2.0), 0, 255, False, dtypes.quint8, 0.0117647061124444, 85),
        ((0.5, 2.0), 0, 255, False, dtypes.quint8, 0.007843137718737125, 0),
        ((-3.0, -1.0), 0, 255, False, dtypes.quint8, 0.0117647061124444, 255),
        ((-1.0, 2.0), 0, 127, False, dtypes.quint8, 0.023622047156095505, 42),
        ((-1.0, 2.0), -127, 127, True, dtypes.qint8, 0.015748031437397003, 0),
        ((-1.0, 2.0), -128, 127, True, dtypes.qint8, 0.01568627543747425, 0),
        ((-1.0, 2.0), 0, 255, True, dtypes.quint8, 0.01568627543747425, 128),
        ((-1.0, 2.0), 0, 15, True, dtypes.quint8, 0.2666666805744171, 7),
        ((0.0, 0.0), 0, 255, False, dtypes.quint8, 2.0**-23, 0),
        ((0.0, 0.0), -8, 7, True, dtypes.qint8, 2.0**-23, 0),
    ],
)
def test_chosen_qparams_are_those_of_pytorch(
    ends: tuple[float, float],
    qmin: int,
    qmax: int,
    symmetric: bool,
    dtype: dtypes.DType,
    scale: float,
    zero_point: int,
) -> None:
    """Values computed by torch 2.13's MinMaxObserver for the same range."""
    got = qparams.choose_qparams(*ends, qmin=qmin, qmax=qmax, symmetric=symmetric, dtype=dtype)
    assert (float(got[0]), int(got[1])) == (float(np.float32(scale)), zero_point)


def test_chosen_qparams_survive_the_widest_range() -> None:
    """max - min overflows float32 here, the scale does not."""
    scale, _ = qparams.choose_qparams(
        [-MAX_F32, -1.0], [MAX_F32, 1.0], qmin=0, qmax=255, symmetric=False, dtype=dtypes.quint8
    )
    np.testing.assert_allclose(scale, [2 * (MAX_F32 / 255), 2 / 255], rtol=1e-6)


@pytest.mark.parametrize("ends", [(np.nan, 1), (0, INF), (1, 0), (INF, -INF), ([0, 0], [1])])
def test_ranges_that_are_none_are_refused(ends: tuple[float, float]) -> None:
    """NaN, inf, min > max and an observer that saw nothing: an error, never a scale of NaN."""
    with pytest.raises(QParamError, match="choose_qparams: min"):
        qparams.choose_qparams(*ends, qmin=0, qmax=255, symmetric=False, dtype=dtypes.quint8)


@given(
    st.lists(st.tuples(scales, st.floats(-1e6, 1e6, width=32)), min_size=1, max_size=4),
    ordinary_scales,
    st.integers(0, 60_000),
)
def test_weight_scales_are_raised_only_as_far_as_needed(
    channels: list[tuple[float, float]], sx: float, k: int
) -> None:
    """The bias fits beside k products; a channel that already did keeps its scale's bits."""
    sw, b = (np.float32(column) for column in zip(*channels, strict=True))
    limit = min(2**30, 2**31 - 1 - k * 255 * 128)
    raised = qparams.weight_scale_floor(sw, b, sx, k)
    assert raised.dtype == np.float32
    codes = qparams.quantize_bias(b, sx, raised)
    assert (np.abs(codes.astype(np.int64)) <= limit).all()
    qparams.check_accumulator(k, codes, "test")
    with np.errstate(all="ignore"):
        step = sw * np.float32(sx)
        safe = (step >= qparams.MIN_SCALE) & (np.abs(np.rint(b / step)) <= limit)
    np.testing.assert_array_equal(raised[safe], sw[safe])
    floor = np.maximum(np.abs(b) / (limit * np.float64(sx)), qparams.MIN_SCALE / np.float64(sx))
    # Codes near 2**30 are rounded to multiples of 64, and the floor itself to float32.
    assert (raised[~safe] <= floor[~safe] * (1 + 1e-6) + 2.0**-149).all()


def test_weight_scale_floor_without_bias_changes_nothing() -> None:
    """Without a bias there is nothing to overflow but the products."""
    sw = np.float32([1e-37, 1.0])
    np.testing.assert_array_equal(qparams.weight_scale_floor(sw, None, 1e-3, 100), sw)


def test_accumulator_check_is_exact_at_the_edge() -> None:
    """65,793 products and a bias of 127 just fit; one more product or code does not."""
    assert 65_793 * 255 * 128 + 127 == 2**31 - 1
    qparams.check_accumulator(65_793, np.array([3, -127], np.int32), "fc")
    with pytest.raises(QParamError, match=r"fc: summing k=65793 .* bias code, 128"):
        qparams.check_accumulator(65_793, np.array([3, -128], np.int32), "fc")
    with pytest.raises(QParamError, match=r"fc: summing k=65794"):
        qparams.check_accumulator(65_794, np.zeros(0, np.int32), "fc")


@given(any_qparams())
def test_qparams_compare_and_hash_by_value(qp: QParams) -> None:
    """Equal fields mean equal and one dict key, through pickle and copies; any change does not."""
    twin = QParams.of(np.float64(qp.scale), int(qp.zero_point), qp.dtype, qp.qmin, qp.qmax)
    for same in (twin, pickle.loads(pickle.dumps(qp)), copy.copy(qp), copy.deepcopy(qp)):
        assert same == qp
        assert hash(same) == hash(qp)
        assert same.dtype is qp.dtype
        assert not same.scale.flags.writeable
    other = qp.scale * (np.float32(0.5) if qp.scale > 1 else np.float32(2))
    assert QParams.of(other, qp.zero_point, qp.dtype, qp.qmin, qp.qmax) != qp
    assert QParams.of([qp.scale], [qp.zero_point], qp.dtype, qp.qmin, qp.qmax, axis=0) != qp
    assert qp != "qparams"


def test_qparams_do_not_alias_the_caller() -> None:
    """Changing the array given, or the one held, cannot change the parameters."""
    scale = np.float32([0.5, 0.25])
    qp = QParams.of(scale, [1, 2], axis=0)
    scale[0] = 9
    assert qp.scale.tolist() == [0.5, 0.25]
    assert qp.per_channel
    with pytest.raises(ValueError, match="read-only"):
        qp.scale[0] = 9
    with pytest.raises(AttributeError):
        qp.qmin = 3  # type: ignore[misc]


def test_repr_is_short_for_many_channels() -> None:
    """Sixty-four scales print as three and a count."""
    text = repr(QParams.of(np.full(64, 0.5), np.zeros(64, int), dtypes.qint8, axis=1))
    assert text == (
        "QParams(scale=[0.5, 0.5, 0.5, ... 64 values], zero_point=[0, 0, 0, ... 64 values], "
        "qmin=-128, qmax=127, dtype=qgrad.qint8, axis=1)"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"scale": 0}, "scale 0 cannot be used"),
        ({"scale": -0.5}, "scale -0.5 cannot be used"),
        ({"scale": np.nan}, "scale nan"),
        ({"scale": INF}, "scale inf"),
        ({"scale": 1e39}, "scale 1e[+]39"),
        ({"scale": 1e-40}, "scale 1e-40 .* smallest normal"),
        ({"scale": [1, 0.0], "zero_point": [0, 0], "axis": 0}, "scale 0.0 of channel 1"),
        ({"scale": "0.5"}, "scale is a positive number"),
        ({"scale": [], "zero_point": [], "axis": 0}, "scale is a positive number"),
        ({"scale": True}, "scale is a positive number"),
        ({"zero_point": 256}, r"zero point 256 lies outside the codes \[0, 255\]"),
        ({"zero_point": -1}, "zero point -1 lies outside"),
        ({"zero_point": 2**70}, "zero point 1180591620717411303424 lies outside"),
        ({"zero_point": 1.0}, "zero point is an integer"),
        ({"zero_point": True}, "zero point is an integer"),
        ({"zero_point": None}, "zero point is an integer"),
        ({"scale": [1, 1], "zero_point": [0, 300], "axis": 0}, "zero point 300 of channel 1"),
        ({"scale": [1, 1], "zero_point": [0], "axis": 0}, "one zero point for each scale"),
        ({"scale": [1, 1], "zero_point": [0, 0]}, "per channel needs an axis"),
        ({"axis": 0}, "per channel needs an axis"),
        ({"scale": [1], "zero_point": [0], "axis": -1}, "axis=-1 is not a tensor's axis"),
        ({"qmin": 5, "qmax": 5}, "qmin=5, qmax=5 is not a range of codes"),
        ({"qmax": 256}, "qmax=256 is not a range of codes"),
        ({"qmin": 0.0}, "qmin=0.0, qmax=255 is not a range of codes"),
        ({"dtype": dtypes.float32}, "qgrad.float32 holds no codes"),
        ({"dtype": "quint8"}, "'quint8' holds no codes"),
    ],
)
def test_bad_qparams_are_refused(arguments: dict[str, object], says: str) -> None:
    """Each rule of QParams has an error with the value, the rule and the way out."""
    with pytest.raises(QParamError, match=f"qparams: .*{says}") as caught:
        QParams.of(**{"scale": 1.0, "zero_point": 0, **arguments})
    assert len(str(caught.value)) < 600


def test_arrays_that_do_not_fit_are_refused() -> None:
    """Integers to quantize, floats to dequantize, and channels of the wrong number."""
    qp = QParams.of([0.5, 0.5], [0, 0], axis=1)
    with pytest.raises(DTypeError, match="quantize: takes an array of floats, got int64"):
        qparams.quantize(np.zeros((2, 2), np.int64), qp)
    with pytest.raises(DTypeError, match="dequantize: codes are integers"):
        qparams.dequantize(np.zeros((2, 2)), qp)
    for shape in ((2, 3), (2,)):
        with pytest.raises(ShapeError, match="2 scales along axis 1 do not fit"):
            qparams.quantize(np.zeros(shape, np.float32), qp)
