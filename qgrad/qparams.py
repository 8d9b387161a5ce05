"""Scale, zero point and every rounding from real numbers to codes: the meaning, in NumPy.

    quantize     q = clamp(rne(x / s) + z, qmin, qmax)     float32 division, round half to even
    dequantize   x = float32(q - z) * s
    bias         b_q[n] = rne(b[n] / (sx * sw[n]))          int32, zero point 0
    multiplier   m[n] = (sx * sw[n]) / sy                   float32, in this order
    requantize   q = rne(clamp(float32(acc) * m[n], qmin - zy, qmax - zy)) + zy

This is the arithmetic of ONNX's QuantizeLinear. The kernels repeat it in C++ and are compared with
it byte by byte. NaN has no code and is refused; infinity saturates.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .dtypes import DType, quint8
from .errors import DTypeError, QParamError, ShapeError

__all__ = [
    "QParams",
    "check_accumulator",
    "choose_qparams",
    "dequantize",
    "fake_quantize",
    "multiplier",
    "quantize",
    "quantize_bias",
    "refuse_nan",
    "requantize",
    "weight_scale_floor",
]

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]

# Below this a float32 is denormal: its reciprocal may be infinite and some CPUs flush it to zero.
MIN_SCALE = float(np.finfo(np.float32).tiny)
INT32_MAX = 2**31 - 1
MAX_PRODUCT = 255 * 128  # the largest |x_q - zx| times the largest |w_q|


@dataclasses.dataclass(frozen=True, eq=False)
class QParams:
    """How real numbers map to codes: per tensor, or per channel along `axis`.

    scale: float32 array of shape () or (channels,); finite and at least 2**-126.
    zero_point: int32 array of the same shape; the code of 0.0, within [qmin, qmax].
    qmin, qmax: the codes in use, within those of `dtype`.
    dtype: a quantized dtype.
    axis: the channel axis, or None when one scale serves the whole tensor.

    >>> QParams.of(0.5, 3)
    QParams(scale=0.5, zero_point=3, qmin=0, qmax=255, dtype=qgrad.quint8)
    """

    scale: F32
    zero_point: I32
    qmin: int
    qmax: int
    dtype: DType = quint8
    axis: int | None = None

    def __post_init__(self) -> None:
        _check_codes(self.qmin, self.qmax, self.dtype)
        scale = _checked_scale(self.scale)
        zero_point = _checked_zero_point(self.zero_point, self.qmin, self.qmax)
        _check_axis(self.axis, scale, zero_point)
        set_field = object.__setattr__  # the dataclass is frozen for everyone else
        set_field(self, "scale", scale)
        set_field(self, "zero_point", zero_point)
        set_field(self, "qmin", int(self.qmin))
        set_field(self, "qmax", int(self.qmax))

    @classmethod
    def of(
        cls,
        scale: ArrayLike,
        zero_point: ArrayLike,
        dtype: DType = quint8,
        qmin: int | None = None,
        qmax: int | None = None,
        axis: int | None = None,
    ) -> QParams:
        """QParams from numbers or sequences; the code range defaults to all of `dtype`."""
        _check_quantized(dtype)
        low = dtype.qmin if qmin is None else qmin
        high = dtype.qmax if qmax is None else qmax
        return cls(scale, zero_point, low, high, dtype, axis)  # type: ignore[arg-type]

    @property
    def per_channel(self) -> bool:
        """Whether every index of `axis` has its own scale."""
        return self.axis is not None

    def _key(self) -> tuple[Any, ...]:
        codes = (self.qmin, self.qmax, self.dtype.name, self.axis)
        return (self.scale.tobytes(), self.zero_point.tobytes(), *codes)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, QParams) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies are checked and read-only like the original."""
        codes = (self.qmin, self.qmax, self.dtype, self.axis)
        return QParams, (self.scale, self.zero_point, *codes)

    def __repr__(self) -> str:
        axis = "" if self.axis is None else f", axis={self.axis}"
        return (
            f"QParams(scale={_shown(self.scale)}, zero_point={_shown(self.zero_point)}, "
            f"qmin={self.qmin}, qmax={self.qmax}, dtype={self.dtype!r}{axis})"
        )

    def along(self, shape: tuple[int, ...], op: str) -> tuple[F32, I32]:
        """Scale and zero point shaped to broadcast against a tensor of `shape`."""
        if self.axis is None:
            return self.scale, self.zero_point
        if self.axis >= len(shape) or shape[self.axis] != self.scale.size:
            raise ShapeError(
                f"{op}: {self.scale.size} scales along axis {self.axis} do not fit a tensor of "
                f"shape {shape}; its size along that axis must equal the number of scales"
            )
        along = tuple(-1 if i == self.axis else 1 for i in range(len(shape)))
        return self.scale.reshape(along), self.zero_point.reshape(along)


def quantize(x: NDArray[Any], qp: QParams) -> NDArray[Any]:
    """The codes of a float array, in the integer type of `qp.dtype`; float64 is first rounded.

    Raises ValueError for NaN, DTypeError for an array that is not of floats.
    """
    steps, zero_point = _steps(x, qp, "quantize")
    return _codes(steps, zero_point, qp)


def dequantize(codes: NDArray[Any], qp: QParams) -> F32:
    """The float32 values that integer codes stand for."""
    if codes.dtype.kind not in "iu":
        raise DTypeError(f"dequantize: codes are integers, got an array of {codes.dtype}")
    scale, zero_point = qp.along(codes.shape, "dequantize")
    # 8-bit codes stay exact in int32; the difference of two int32 needs int64.
    wide = np.int32 if qp.dtype.itemsize == 1 else np.int64
    steps = codes.astype(wide) - zero_point.astype(wide)
    with np.errstate(over="ignore"):
        return np.asarray(steps.astype(np.float32) * scale)


def fake_quantize(x: NDArray[Any], qp: QParams) -> tuple[F32, NDArray[np.bool_]]:
    """`dequantize(quantize(x))`, and where the rounded code lay inside [qmin, qmax]."""
    steps, zero_point = _steps(x, qp, "fake_quantize")
    mask = (steps >= qp.qmin - zero_point) & (steps <= qp.qmax - zero_point)
    return dequantize(_codes(steps, zero_point, qp), qp), np.asarray(mask)


def multiplier(sx: ArrayLike, sw: ArrayLike, sy: ArrayLike) -> F32:
    """`(sx * sw) / sy` in float32, in this order: what an accumulator is scaled by."""
    with np.errstate(over="ignore", under="ignore"):
        product: F32 = np.asarray(sx, np.float32) * np.asarray(sw, np.float32)
        result: F32 = np.asarray(product / np.asarray(sy, np.float32))
    if not np.isfinite(result).all():
        raise QParamError(
            f"requantize: (sx * sw) / sy is not finite for sx={_shown(sx)}, sw={_shown(sw)}, "
            f"sy={_shown(sy)}; calibrate again, the output's range is too small for its inputs"
        )
    return result


def quantize_bias(b: F32 | None, sx: ArrayLike, sw: F32) -> I32:
    """The int32 codes of a bias under scale `sx * sw[n]`; zeros of `sw`'s shape for None.

    Raises QParamError when a code leaves int32; `weight_scale_floor` gives scales that prevent it.
    """
    if b is None:
        return np.zeros(np.shape(sw), np.int32)
    steps, scale = _bias_steps(b, sx, sw)
    bad = ~(np.abs(steps) < np.float32(2**31))
    if bad.any():
        n = int(np.argmax(bad))
        raise QParamError(
            f"bias: {np.broadcast_to(b, bad.shape).flat[n]!s} at index {n} over a scale of "
            f"{np.broadcast_to(scale, bad.shape).flat[n]!s} (input's times weight's) does not fit "
            "int32; raise the weight's scale (weight_scale_floor) or keep the layer float"
        )
    return steps.astype(np.int32)


def requantize(acc: I32, mult: ArrayLike, zy: int, qmin: int, qmax: int) -> NDArray[np.uint8]:
    """The uint8 output codes of int32 accumulators; `mult` broadcasts along the last axis."""
    with np.errstate(over="ignore"):
        real = acc.astype(np.float32) * np.asarray(mult, np.float32)
    low, high = np.float32(qmin - zy), np.float32(qmax - zy)
    return np.asarray((np.rint(np.clip(real, low, high)) + np.float32(zy)).astype(np.uint8))


def choose_qparams(
    min: ArrayLike,
    max: ArrayLike,
    *,
    qmin: int,
    qmax: int,
    symmetric: bool,
    dtype: DType,
    eps: float = 2.0**-23,
) -> tuple[F32, I32]:
    """Scale and zero point that cover the observed range [min, max], by PyTorch's formulas.

    The range is widened to hold 0, so that 0.0 has a code. Symmetric puts the zero point in the
    middle of the codes: 0 for signed types, 128 for the full uint8. All zeros give `eps`.
    """
    _check_codes(qmin, qmax, dtype)
    low, high = _checked_range(min, max)
    low, high = np.minimum(low, np.float32(0)), np.maximum(high, np.float32(0))
    if symmetric:
        scale = np.asarray(np.maximum(-low, high) / np.float32((qmax - qmin) / 2), np.float32)
    else:
        scale = _span_over(low, high, np.float32(qmax - qmin))
    scale = np.maximum(scale, np.float32(eps))
    if symmetric:
        zero_point = np.full(scale.shape, _middle(qmin, qmax, dtype), np.int32)
    else:
        zero_point = np.clip(qmin - np.rint(low / scale).astype(np.int64), qmin, qmax)
    return np.asarray(scale), np.asarray(zero_point, np.int32)


def weight_scale_floor(sw: F32, b: F32 | None, sx: ArrayLike, k: int) -> F32:
    """`sw`, raised where the bias plus a sum of `k` products could leave int32.

    A tiny weight scale makes the code of an ordinary bias huge; a coarser scale costs that channel
    some precision instead of its sign. Channels that are safe keep their scale bit for bit.
    """
    check_accumulator(k, np.zeros(1, np.int32), "weight_scale_floor")
    raised: F32 = np.array(sw, np.float32)
    if b is None:
        return raised
    limit = min(2**30, INT32_MAX - k * MAX_PRODUCT)
    over = _bias_overflows(b, sx, raised, limit)
    if over.any():
        step = np.asarray(sx, np.float64)
        with np.errstate(over="ignore"):
            needed = np.maximum(np.abs(b) / (limit * step), MIN_SCALE / step)
            floor = needed.astype(np.float32)
        raised = np.where(over, np.maximum(raised, floor), raised)
    # The division above may round below what float32 needs; a few neighbours settle it.
    while (over := _bias_overflows(b, sx, raised, limit)).any():
        raised = np.where(over, np.nextafter(raised, np.float32(np.inf)), raised)
    if not np.isfinite(raised).all():
        raise QParamError(
            f"bias: {_shown(b)} over an input scale of {_shown(sx)} does not fit int32 under any "
            "weight scale; the bias must be finite and comparable to the layer's outputs"
        )
    return raised


def check_accumulator(k: int, bias_q: I32, where: str) -> None:
    """Raise QParamError unless `k` products of codes and any of `bias_q` always fit in int32."""
    bias = int(np.abs(bias_q.astype(np.int64)).max(initial=0))
    worst = k * MAX_PRODUCT + bias
    if worst > INT32_MAX:
        raise QParamError(
            f"{where}: summing k={k} products of codes can reach {worst} (k * 255 * 128 plus the "
            f"largest bias code, {bias}), but int32 ends at {INT32_MAX}; split the layer along "
            "its input, or keep it float"
        )


def refuse_nan(x: NDArray[Any], op: str) -> None:
    """Raise ValueError with the number and place of NaN, if there is one: it has no code."""
    nan = np.isnan(x)
    if nan.any():
        at = tuple(map(int, np.argwhere(nan)[0])) if x.ndim else ()
        raise ValueError(
            f"{op}: the input holds NaN ({int(nan.sum())} of {x.size} values, the first at index "
            f"{at}); NaN has no code. Remove it, or find the operation that made it"
        )


def _steps(x: NDArray[Any], qp: QParams, op: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """rne(x / s), and the zero point in the same float type: the smallest that is exact here."""
    if x.dtype.kind != "f":
        raise DTypeError(f"{op}: takes an array of floats, got {x.dtype}; convert it first")
    scale, zero_point = qp.along(x.shape, op)
    with np.errstate(over="ignore"):
        steps = np.rint(x.astype(np.float32, copy=False) / scale)
    refuse_nan(steps, op)
    exact = np.float32 if qp.dtype.itemsize == 1 else np.float64
    return np.asarray(steps, exact), zero_point.astype(exact)


def _codes(steps: NDArray[Any], zero_point: NDArray[Any], qp: QParams) -> NDArray[Any]:
    """Clamp as floats, where nothing wraps, and only then convert to integers."""
    inside = np.clip(steps, qp.qmin - zero_point, qp.qmax - zero_point)
    return np.asarray((inside + zero_point).astype(qp.dtype.numpy))


def _bias_steps(b: F32, sx: ArrayLike, sw: F32) -> tuple[F32, F32]:
    with np.errstate(all="ignore"):
        scale = np.asarray(sx, np.float32) * np.asarray(sw, np.float32)
        return np.asarray(np.rint(np.asarray(b, np.float32) / scale)), np.asarray(scale)


def _bias_overflows(b: F32, sx: ArrayLike, sw: F32, limit: int) -> NDArray[np.bool_]:
    steps, scale = _bias_steps(b, sx, sw)
    return np.asarray((scale < MIN_SCALE) | ~(np.abs(steps.astype(np.float64)) <= limit))


def _checked_range(low: ArrayLike, high: ArrayLike) -> tuple[F32, F32]:
    with np.errstate(over="ignore"):
        low32, high32 = np.asarray(low, np.float32), np.asarray(high, np.float32)
    if low32.shape != high32.shape:
        raise QParamError(
            f"choose_qparams: min has shape {low32.shape} and max {high32.shape}; they must agree"
        )
    bad = ~(np.isfinite(low32) & np.isfinite(high32) & (low32 <= high32))
    if bad.any():
        i = int(np.argmax(bad))
        raise QParamError(
            f"choose_qparams: min={low32.flat[i]!s} and max={high32.flat[i]!s} (channel {i}) are "
            "not a range; both must be finite float32 with min <= max. Is there NaN or inf in the "
            "data, or was nothing observed?"
        )
    return low32, high32


def _span_over(low: F32, high: F32, steps: np.float32) -> F32:
    """(high - low) / steps, also where the difference alone would leave float32."""
    with np.errstate(over="ignore"):
        span = (high - low) / steps
    return np.asarray(np.where(np.isfinite(span), span, high / steps - low / steps))


def _middle(qmin: int, qmax: int, dtype: DType) -> int:
    if dtype.is_signed:
        return 0
    return 128 if (qmin, qmax) == (0, 255) else (qmin + qmax) // 2


def _checked_scale(value: Any) -> F32:
    given = np.asarray(value)
    if given.dtype.kind not in "fiu" or given.ndim > 1 or given.size == 0:
        raise QParamError(
            f"qparams: scale is a positive number or a sequence of them, got {_shown(value)}"
        )
    with np.errstate(over="ignore", under="ignore"):
        scale = given.astype(np.float32)
    bad = ~((scale >= MIN_SCALE) & np.isfinite(scale))
    if bad.any():
        i = int(np.argmax(bad))
        channel = f" of channel {i}" if given.ndim else ""
        raise QParamError(
            f"qparams: scale {given.flat[i]!s}{channel} cannot be used; a scale is finite, above 0 "
            f"and at least {MIN_SCALE:.3g} (float32's smallest normal number). Take it from an "
            "observer, or clamp it to a small positive number"
        )
    scale.setflags(write=False)
    return scale


def _checked_zero_point(value: Any, qmin: int, qmax: int) -> I32:
    given = np.asarray(value)
    huge = given.dtype.kind == "O" and all(type(item) is int for item in given.flat)
    if (given.dtype.kind not in "iu" and not huge) or given.ndim > 1:
        raise QParamError(
            f"qparams: zero point is an integer or a sequence of them, got {_shown(value)}"
        )
    bad = (given < qmin) | (given > qmax)
    if np.any(bad):
        i = int(np.argmax(bad))
        channel = f" of channel {i}" if given.ndim else ""
        raise QParamError(
            f"qparams: zero point {given.flat[i]!s}{channel} lies outside the codes "
            f"[{qmin}, {qmax}]; 0.0 must have a code, so clamp it or choose a wider range"
        )
    zero_point = given.astype(np.int32)
    zero_point.setflags(write=False)
    return zero_point


def _check_quantized(dtype: DType) -> None:
    if not isinstance(dtype, DType) or not dtype.is_quantized:
        raise QParamError(
            f"qparams: dtype {dtype!r} holds no codes; use qgrad.quint8, qint8, qint32 or quint4x2"
        )


def _check_codes(qmin: int, qmax: int, dtype: DType) -> None:
    _check_quantized(dtype)
    lowest, highest = dtype.qmin or 0, dtype.qmax or 0
    whole = all(isinstance(q, (int, np.integer)) and not isinstance(q, bool) for q in (qmin, qmax))
    if not whole or not lowest <= qmin < qmax <= highest:
        raise QParamError(
            f"qparams: qmin={qmin!r}, qmax={qmax!r} is not a range of codes; they are integers "
            f"with {lowest} <= qmin < qmax <= {highest} for {dtype!r}"
        )


def _check_axis(axis: int | None, scale: F32, zero_point: I32) -> None:
    if scale.shape != zero_point.shape:
        raise QParamError(
            f"qparams: scale has shape {scale.shape} and zero point {zero_point.shape}; give one "
            "zero point for each scale"
        )
    if (axis is None) != (scale.ndim == 0):
        raise QParamError(
            f"qparams: axis={axis} does not go with {scale.size} scale(s) of shape {scale.shape}; "
            "per channel needs an axis and a sequence, per tensor neither"
        )
    if axis is not None and (not isinstance(axis, (int, np.integer)) or axis < 0):
        raise QParamError(f"qparams: axis={axis!r} is not a tensor's axis; it is an integer >= 0")


def _shown(value: Any) -> str:
    """A number, or the first few of many."""
    array = np.asarray(value)
    if array.ndim == 0:
        return str(array)
    few = ", ".join(str(item) for item in array.flat[:3])
    return f"[{few}]" if array.size <= 3 else f"[{few}, ... {array.size} values]"
