"""Observers: watch the tensors that flow through a place and choose its scale and zero point.

Names, arguments and formulas are PyTorch's. What differs, on purpose:

- an observer that saw nothing raises CalibrationError instead of answering scale 1;
- NaN and infinity raise CalibrationError with their count, first value and index;
- signed symmetric codes are -127..127 unless told otherwise;
- `reduce_range` is refused: it works around kernels that saturate, and qgrad's do not.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qgrad.boxing import box, unbox
from qgrad.dtypes import DType, qint8, quint8
from qgrad.errors import ConfigError, ShapeError
from qgrad.qparams import QParams
from qgrad.qtensor import (
    QScheme,
    per_channel_affine,
    per_channel_symmetric,
    per_tensor_affine,
    per_tensor_symmetric,
)
from qgrad.quantization import histogram
from qgrad.quantization.observer_base import (
    F32,
    PER_CHANNEL,
    SYMMETRIC,
    ObserverBase,
    UniformQuantizationObserverBase,
    finite_range,
)

__all__ = [
    "FixedQParamsObserver",
    "HistogramObserver",
    "MinMaxObserver",
    "MovingAverageMinMaxObserver",
    "MovingAveragePerChannelMinMaxObserver",
    "ObserverBase",
    "PerChannelMinMaxObserver",
    "UniformQuantizationObserverBase",
    "default_fixed_qparams_range_0to1_observer",
    "default_fixed_qparams_range_neg1to1_observer",
    "default_histogram_observer",
    "default_observer",
    "default_per_channel_weight_observer",
    "default_weight_observer",
]


class MinMaxObserver(UniformQuantizationObserverBase):
    """The smallest and largest value ever seen, over whole tensors.

    >>> observer = MinMaxObserver()
    >>> _ = observer(qgrad.tensor([-1.0, 2.0]))
    >>> observer.calculate_qparams()
    (tensor([0.0118]), tensor([85], dtype=qgrad.int32))
    """

    def _observe(self, values: F32) -> None:
        low, high = finite_range(values, None, type(self).__name__)
        seen_low, seen_high = self._range()
        self._set_range(np.minimum(seen_low, low), np.maximum(seen_high, high))


class MovingAverageMinMaxObserver(UniformQuantizationObserverBase):
    """An exponential moving average of each tensor's smallest and largest value.

    averaging_constant: the weight of the newest tensor, in (0, 1]; 1 forgets all earlier ones.
    """

    def __init__(
        self,
        averaging_constant: float = 0.01,
        dtype: DType = quint8,
        qscheme: QScheme = per_tensor_affine,
        **options: Any,
    ) -> None:
        super().__init__(dtype, qscheme, **options)
        self.averaging_constant = _averaging_constant(self, averaging_constant)

    def _observe(self, values: F32) -> None:
        newest = finite_range(values, None, type(self).__name__)
        _move_average(self, newest, self.averaging_constant)


class PerChannelMinMaxObserver(UniformQuantizationObserverBase):
    """The smallest and largest value ever seen in each slice along `ch_axis`."""

    qschemes = PER_CHANNEL

    def __init__(
        self,
        ch_axis: int = 0,
        dtype: DType = quint8,
        qscheme: QScheme = per_channel_affine,
        **options: Any,
    ) -> None:
        super().__init__(dtype, qscheme, **options)
        self.ch_axis = ch_axis

    def _observe(self, values: F32) -> None:
        low, high = self._channel_range(values)
        if self.observed:
            seen_low, seen_high = self._range()
            low, high = np.minimum(seen_low, low), np.maximum(seen_high, high)
        self._set_range(low, high)

    def _no_range(self) -> tuple[F32, F32]:
        return np.zeros(0, np.float32), np.zeros(0, np.float32)

    def _channel_range(self, values: F32) -> tuple[F32, F32]:
        """Minimum and maximum of each channel; also settles which axis a negative one means."""
        name, ndim = type(self).__name__, values.ndim
        if not -ndim <= self.ch_axis < ndim:
            raise ShapeError(
                f"{name}: ch_axis is {self.ch_axis}, but the tensor has shape {values.shape}; "
                "give the axis that holds the channels"
            )
        self.ch_axis %= ndim
        seen = self._range()[0].size
        if self.observed and seen != values.shape[self.ch_axis]:
            raise ShapeError(
                f"{name}: saw {seen} channels before, now {values.shape[self.ch_axis]} along axis "
                f"{self.ch_axis} of {values.shape}; per-channel ranges need a fixed size there"
            )
        axes = tuple(axis for axis in range(ndim) if axis != self.ch_axis)
        return finite_range(values, axes, name)


class MovingAveragePerChannelMinMaxObserver(PerChannelMinMaxObserver):
    """An exponential moving average of the smallest and largest value of each channel."""

    def __init__(
        self,
        averaging_constant: float = 0.01,
        ch_axis: int = 0,
        dtype: DType = quint8,
        qscheme: QScheme = per_channel_affine,
        **options: Any,
    ) -> None:
        super().__init__(ch_axis, dtype, qscheme, **options)
        self.averaging_constant = _averaging_constant(self, averaging_constant)

    def _observe(self, values: F32) -> None:
        _move_average(self, self._channel_range(values), self.averaging_constant)


class HistogramObserver(UniformQuantizationObserverBase):
    """A histogram of everything seen, and the clipped range that costs the least squared error.

    bins: how many; the histogram's memory does not grow with the data. Its counts are exact, and do
    not depend on the order of the data or on how it was cut into batches.
    """

    def __init__(
        self,
        bins: int = 2048,
        dtype: DType = quint8,
        qscheme: QScheme = per_tensor_affine,
        **options: Any,
    ) -> None:
        super().__init__(dtype, qscheme, **options)
        if not 2 <= bins <= 1 << 20:
            raise ConfigError(f"HistogramObserver: bins is {bins}; use 2 to {1 << 20}")
        self.bins = bins
        self.register_buffer("histogram", box(np.zeros(bins, np.int64)))

    def reset_min_max_vals(self) -> None:
        """Forget everything that was observed."""
        super().reset_min_max_vals()
        self.histogram = box(np.zeros(self.bins, np.int64))

    def _observe(self, values: F32) -> None:
        low, high = finite_range(values, None, type(self).__name__)
        seen_low, seen_high = self._range()
        low, high = np.minimum(seen_low, low), np.maximum(seen_high, high)
        counts, bins = unbox(self.histogram), unbox(self.histogram).size
        at = histogram.layout(float(low), float(high), bins)
        if self.observed:
            counts = histogram.rebin(
                counts, histogram.layout(float(seen_low), float(seen_high), bins), at
            )
        else:
            counts = np.zeros(bins, np.int64)
        histogram.count_into(counts, values.ravel(), at)
        self._set_range(low, high)
        self.histogram = box(counts)

    def _best_range(self) -> tuple[float, float]:
        low, high = (float(end) for end in self._range())
        counts = unbox(self.histogram)
        centers = histogram.bin_centers(
            histogram.layout(low, high, counts.size), counts.size, low, high
        )
        codes = histogram.CodeRange(
            self.quant_min,
            self.quant_max,
            self.qscheme in SYMMETRIC,
            self.dtype,
            float(unbox(self.eps)[0]),
        )
        return histogram.best_range(counts, centers, low, high, codes)


class FixedQParamsObserver(ObserverBase):
    """Observes nothing: scale and zero point are known, as for the output of a sigmoid."""

    def __init__(
        self,
        scale: float,
        zero_point: int,
        dtype: DType = quint8,
        qscheme: QScheme = per_tensor_affine,
        quant_min: int = 0,
        quant_max: int = 255,
        is_dynamic: bool = False,
    ) -> None:
        super().__init__(dtype, is_dynamic)
        fixed = QParams.of(scale, zero_point, dtype, quant_min, quant_max)
        self.qscheme = qscheme
        self.quant_min, self.quant_max = fixed.qmin, fixed.qmax
        self.register_buffer("scale", box(np.array(fixed.scale, ndmin=1)))
        self.register_buffer("zero_point", box(np.array(fixed.zero_point, ndmin=1)))

    @property
    def observed(self) -> bool:
        """True: there is nothing to wait for."""
        return True

    def forward(self, x: Any) -> Any:
        """Return `x` as it came."""
        return x

    def qparams(self) -> QParams:
        """The scale and zero point given at construction."""
        scale, zero_point = unbox(self.scale)[0], unbox(self.zero_point)[0]
        return QParams.of(scale, zero_point, self.dtype, self.quant_min, self.quant_max)

    def extra_repr(self) -> str:
        """The fixed scale and zero point."""
        return f"scale={unbox(self.scale)[0]}, zero_point={unbox(self.zero_point)[0]}"


def _averaging_constant(observer: ObserverBase, value: float) -> float:
    name = type(observer).__name__
    if not 0 < value <= 1:
        raise ConfigError(f"{name}: averaging_constant is {value!r}; it must be in (0, 1]")
    if observer.is_dynamic and value != 1:
        raise ConfigError(f"{name}: is_dynamic=True needs averaging_constant=1, got {value!r}")
    return float(value)


def _move_average(
    observer: UniformQuantizationObserverBase, newest: tuple[F32, F32], weight: float
) -> None:
    """Move the observed range towards the newest one by `weight` of the way."""
    low, high = newest
    if observer.observed and weight != 1:  # the weight 1 must give the newest range bit for bit
        share = np.float32(weight)
        seen_low, seen_high = observer._range()
        low, high = seen_low + share * (low - seen_low), seen_high + share * (high - seen_high)
    observer._set_range(low, high)


default_observer = MinMaxObserver.with_args(dtype=quint8)
default_histogram_observer = HistogramObserver.with_args(dtype=quint8)
default_weight_observer = MinMaxObserver.with_args(
    dtype=qint8, qscheme=per_tensor_symmetric, quant_min=-127, quant_max=127
)
default_per_channel_weight_observer = PerChannelMinMaxObserver.with_args(
    dtype=qint8, qscheme=per_channel_symmetric, quant_min=-127, quant_max=127
)
default_fixed_qparams_range_0to1_observer = FixedQParamsObserver.with_args(
    scale=1 / 256, zero_point=0
)
default_fixed_qparams_range_neg1to1_observer = FixedQParamsObserver.with_args(
    scale=1 / 128, zero_point=128
)
