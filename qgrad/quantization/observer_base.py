"""What all observers share: arguments, their checks, and the way from a range to QParams."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qgrad.boxing import box, unbox
from qgrad.dtypes import DType, quint8
from qgrad.errors import CalibrationError, ConfigError, DTypeError
from qgrad.nn import Module
from qgrad.qparams import MIN_SCALE, QParams, choose_qparams
from qgrad.qtensor import (
    QScheme,
    per_channel_affine,
    per_channel_symmetric,
    per_tensor_affine,
    per_tensor_symmetric,
)
from qgrad.quantization.factory import WithArgs

__all__ = ["ObserverBase", "UniformQuantizationObserverBase"]

F32 = NDArray[np.float32]
EPS = float(np.finfo(np.float32).eps)

PER_TENSOR = (per_tensor_affine, per_tensor_symmetric)
PER_CHANNEL = (per_channel_affine, per_channel_symmetric)
QSCHEMES = PER_TENSOR + PER_CHANNEL
SYMMETRIC = (per_tensor_symmetric, per_channel_symmetric)

MIN_CODES = 3  # 2 bits, symmetric: -1, 0, 1
MAX_CODES = 256


class ObserverBase(WithArgs, Module):
    """A module that returns its input unchanged and remembers something about it.

    dtype: the quantized type its scale and zero point are for.
    is_dynamic: whether they are meant for the tensor at hand only.
    """

    quant_min: int
    quant_max: int
    qscheme: QScheme
    ch_axis: int = -1  # PyTorch's value for "per tensor"

    def __init__(self, dtype: DType, is_dynamic: bool = False) -> None:
        super().__init__()
        self.dtype = dtype
        self.is_dynamic = is_dynamic

    @property
    def observed(self) -> bool:
        """Whether `qparams()` has an answer."""
        raise NotImplementedError

    @property
    def channel_axis(self) -> int | None:
        """The axis along which each index has its own scale, or None for one scale."""
        return self.ch_axis if self.qscheme in PER_CHANNEL else None

    def forward(self, x: Any) -> Any:
        """Observe a Tensor or array of float values and return it as it came."""
        raise NotImplementedError

    def qparams(self) -> QParams:
        """Scale and zero point for what was observed; CalibrationError if that was nothing."""
        raise NotImplementedError

    def calculate_qparams(self) -> tuple[Any, Any]:
        """`(scale, zero_point)` as Tensors of shape (1,), or (channels,) per channel."""
        qp = self.qparams()
        return box(np.array(qp.scale, ndmin=1)), box(np.array(qp.zero_point, ndmin=1))


class UniformQuantizationObserverBase(ObserverBase):
    """Evenly spaced codes over an observed range, kept in the buffers `min_val` and `max_val`.

    qscheme: affine or symmetric; per tensor, or per channel where the class says so.
    quant_min, quant_max: the codes in use, 3 to 256 of them (2 to 8 bits), within those of `dtype`.
    eps: the smallest scale.
    reduce_range, factory_kwargs: PyTorch's, refused unless left at their defaults.
    """

    qschemes: tuple[QScheme, ...] = PER_TENSOR

    def __init__(
        self,
        dtype: DType = quint8,
        qscheme: QScheme = per_tensor_affine,
        reduce_range: bool = False,
        quant_min: int | None = None,
        quant_max: int | None = None,
        factory_kwargs: None = None,
        eps: float = EPS,
        is_dynamic: bool = False,
    ) -> None:
        super().__init__(dtype, is_dynamic)
        name = type(self).__name__
        _refuse_legacy(name, reduce_range, factory_kwargs)
        if qscheme not in self.qschemes:
            allowed = " or ".join(map(repr, self.qschemes))
            raise ConfigError(f"{name}: qscheme is {qscheme!r}; this observer takes {allowed}")
        if not MIN_SCALE <= eps <= 1e30:
            raise ConfigError(
                f"{name}: eps is {eps!r}; the smallest scale must be from {MIN_SCALE} to 1e30"
            )
        self.qscheme = qscheme
        self.quant_min, self.quant_max = _code_range(name, dtype, qscheme, quant_min, quant_max)
        self.register_buffer("eps", box(np.array([eps], np.float32)))
        self.register_buffer("min_val", box(self._no_range()[0]))
        self.register_buffer("max_val", box(self._no_range()[1]))

    def forward(self, x: Any) -> Any:
        """Observe a Tensor or array of float values; empty ones are skipped.

        Raises CalibrationError for NaN and infinity, DTypeError for anything but floats.
        """
        values = _float_values(x, type(self).__name__)
        if values.size:
            self._observe(values)
        return x

    def reset_min_max_vals(self) -> None:
        """Forget everything that was observed."""
        self._set_range(*self._no_range())

    @property
    def observed(self) -> bool:
        """Whether any value was observed."""
        low, high = self._range()
        return low.size > 0 and bool(np.all(low <= high))

    def qparams(self) -> QParams:
        """Scale and zero point for the observed range; CalibrationError if nothing was observed."""
        if not self.observed:
            raise CalibrationError(
                f"{type(self).__name__}: never observed any data, so it has no scale. Run the "
                "prepared model on calibration data (or in training mode) before asking for it"
            )
        low, high = self._best_range()
        scale, zero_point = choose_qparams(
            low,
            high,
            qmin=self.quant_min,
            qmax=self.quant_max,
            symmetric=self.qscheme in SYMMETRIC,
            dtype=self.dtype,
            eps=float(unbox(self.eps)[0]),
        )
        codes = (self.quant_min, self.quant_max, self.dtype)
        return QParams(scale, zero_point, *codes, self.channel_axis)

    def extra_repr(self) -> str:
        """The codes in use and the range seen so far."""
        codes = f"{self.dtype.name} {self.quant_min}..{self.quant_max}, {self.qscheme.name}"
        if not self.observed:
            return f"{codes}, nothing observed yet"
        low, high = (np.array2string(end, precision=4, threshold=6) for end in self._range())
        return f"{codes}, min_val={low}, max_val={high}"

    def _observe(self, values: F32) -> None:
        """Take in one array, not empty."""
        raise NotImplementedError

    def _no_range(self) -> tuple[F32, F32]:
        """The range before any data: any minimum or maximum with it is the other operand."""
        return np.array(np.inf, np.float32), np.array(-np.inf, np.float32)

    def _range(self) -> tuple[F32, F32]:
        return unbox(self.min_val), unbox(self.max_val)

    def _best_range(self) -> tuple[Any, Any]:
        """The range to spread the codes over."""
        return self._range()

    def _set_range(self, low: Any, high: Any) -> None:
        self.min_val = box(np.asarray(low, np.float32))
        self.max_val = box(np.asarray(high, np.float32))

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        adopt_shapes(self, state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *rest)


def finite_range(values: F32, axes: tuple[int, ...] | None, name: str) -> tuple[F32, F32]:
    """Minimum and maximum over `axes`; CalibrationError where they are NaN or infinite."""
    low, high = np.asarray(values.min(axis=axes)), np.asarray(values.max(axis=axes))
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        bad = ~np.isfinite(values)
        at = tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), values.shape))
        raise CalibrationError(
            f"{name}: {int(bad.sum())} of {values.size} observed values are NaN or infinite, the "
            f"first is {values[at]} at index {at}; a scale cannot cover them. Clean the data, or "
            "look for the operation that overflowed"
        )
    return low, high


def adopt_shapes(module: Module, state_dict: Any, prefix: str) -> None:
    """Give `module`'s buffers the shapes found in `state_dict`: they depend on observed data.

    Only scalars and vectors are adopted; any other shape is left for the loader to refuse.
    """
    for name, buffer in list(module.named_buffers(recurse=False)):
        saved = state_dict.get(prefix + name)
        if saved is None:
            continue
        shape = np.shape(unbox(saved))
        if len(shape) <= 1 and shape != tuple(buffer.shape):
            setattr(module, name, box(np.zeros(shape, unbox(buffer).dtype)))


def _float_values(x: Any, name: str) -> F32:
    values = unbox(x)
    if values.dtype.kind != "f":
        raise DTypeError(f"{name}: observes floating-point values, got an array of {values.dtype}")
    with np.errstate(over="ignore"):  # what overflows float32 is reported as infinite
        return values.astype(np.float32, copy=False)


def _refuse_legacy(name: str, reduce_range: bool, factory_kwargs: object) -> None:
    if reduce_range:
        raise ConfigError(
            f"{name}: reduce_range=True is refused. It halves the range of codes to keep kernels "
            "that saturate from doing so; qgrad's are exact over the full range. Leave it out, or "
            "set quant_min and quant_max if you want fewer codes"
        )
    if factory_kwargs is not None:
        raise ConfigError(
            f"{name}: factory_kwargs={factory_kwargs!r} has no meaning here; leave it out"
        )


def _code_range(
    name: str, dtype: DType, qscheme: QScheme, quant_min: int | None, quant_max: int | None
) -> tuple[int, int]:
    """The checked code range; signed symmetric codes default to -127..127, as weights need."""
    if dtype.name not in ("quint8", "qint8"):
        raise ConfigError(f"{name}: dtype is {dtype!r}; observers choose codes of quint8 or qint8")
    if (quant_min is None) != (quant_max is None):
        raise ConfigError(
            f"{name}: quant_min={quant_min} and quant_max={quant_max}; give both, or neither"
        )
    lowest, highest = int(np.iinfo(dtype.numpy).min), int(np.iinfo(dtype.numpy).max)
    if quant_min is None or quant_max is None:
        return (-highest if lowest < 0 and qscheme in SYMMETRIC else lowest), highest
    if not (lowest <= quant_min and quant_max <= highest):
        raise ConfigError(
            f"{name}: codes {quant_min}..{quant_max} leave {dtype!r}, which holds "
            f"{lowest}..{highest}"
        )
    if not MIN_CODES <= quant_max - quant_min + 1 <= MAX_CODES:
        raise ConfigError(
            f"{name}: quant_min={quant_min}, quant_max={quant_max} is not 2 to 8 bits; "
            f"use {MIN_CODES} to {MAX_CODES} codes, for example -7..7 for 4-bit weights"
        )
    return int(quant_min), int(quant_max)
