"""From floats to quantized tensors and back, under PyTorch's names."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import dtypes, kernels
from ..boxing import unbox
from ..dtypes import DType
from ..errors import DTypeError, ShapeError
from ..qparams import QParams, choose_qparams, refuse_nan
from .channels import dim_of
from .qtensor import QTensor

__all__ = [
    "dequantize",
    "int_repr",
    "q_per_channel_axis",
    "q_per_channel_scales",
    "q_per_channel_zero_points",
    "q_scale",
    "q_zero_point",
    "quantize_per_channel",
    "quantize_per_tensor",
    "quantize_per_tensor_dynamic",
]

Floats = NDArray[Any]


def quantize_per_tensor(input: Any, scale: Any, zero_point: Any, dtype: DType) -> QTensor:
    """A quantized copy of a float tensor, array or list, with one scale for all elements.

    q = clamp(round_half_even(input / scale) + zero_point), over all the codes of `dtype`.
    Raises ValueError for NaN, QParamError for a scale or zero point that cannot be used.
    """
    qp = QParams.of(_scalar(scale), _scalar(zero_point), dtype)
    return _quantized(_floats(input, "quantize_per_tensor"), qp)


def quantize_per_channel(
    input: Any, scales: Any, zero_points: Any, axis: int, dtype: DType
) -> QTensor:
    """A quantized copy of a float tensor with one scale for each index of `axis`."""
    x = _floats(input, "quantize_per_channel")
    axis = dim_of(axis, x.ndim, "quantize_per_channel")
    qp = QParams.of(unbox(scales), unbox(zero_points), dtype, axis=axis)
    qp.along(x.shape, "quantize_per_channel")
    return _quantized(x, qp)


def quantize_per_tensor_dynamic(input: Any, dtype: DType, reduce_range: bool = False) -> QTensor:
    """A quantized copy whose scale and zero point cover the values at hand.

    dtype: quint8 or qint8. reduce_range: leave out the outer half of the codes, as for kernels
    that would overflow; qgrad's do not.
    """
    x = _floats(input, "quantize_per_tensor_dynamic")
    if dtype not in (dtypes.quint8, dtypes.qint8):
        raise DTypeError(f"quantize_per_tensor_dynamic: takes quint8 or qint8, got {dtype!r}")
    if x.size == 0:
        raise ShapeError(
            f"quantize_per_tensor_dynamic: a tensor of shape {x.shape} has no values to choose a "
            "scale from; use quantize_per_tensor"
        )
    low, high = (0, 255) if dtype is dtypes.quint8 else (-128, 127)
    if reduce_range:
        low, high = -(-low // 2), high // 2
    refuse_nan(x, "quantize_per_tensor_dynamic")
    scale, zero_point = choose_qparams(
        x.min(), x.max(), qmin=low, qmax=high, symmetric=False, dtype=dtype
    )
    return _quantized(x, QParams.of(scale, zero_point, dtype))


def dequantize(input: QTensor) -> Any:
    """The float32 tensor that a quantized one stands for."""
    return _checked(input, "dequantize").dequantize()


def int_repr(input: QTensor) -> Any:
    """A copy of the codes."""
    return _checked(input, "int_repr").int_repr()


def q_scale(input: QTensor) -> float:
    """The one scale of a tensor that is quantized per tensor."""
    return _checked(input, "q_scale").q_scale()


def q_zero_point(input: QTensor) -> int:
    """The one zero point of a tensor that is quantized per tensor."""
    return _checked(input, "q_zero_point").q_zero_point()


def q_per_channel_scales(input: QTensor) -> Any:
    """The scale of each channel, float64."""
    return _checked(input, "q_per_channel_scales").q_per_channel_scales()


def q_per_channel_zero_points(input: QTensor) -> Any:
    """The zero point of each channel, int64."""
    return _checked(input, "q_per_channel_zero_points").q_per_channel_zero_points()


def q_per_channel_axis(input: QTensor) -> int:
    """The axis along which the channels lie."""
    return _checked(input, "q_per_channel_axis").q_per_channel_axis()


def _quantized(x: Floats, qp: QParams) -> QTensor:
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, and saturates
        x32 = x.astype(np.float32, copy=False)
    codes = kernels.quantize(
        x32, qp.scale, qp.zero_point, qp.qmin, qp.qmax, qp.axis, qp.dtype.numpy
    )
    return QTensor._of(codes, qp)


def _floats(input: Any, op: str) -> Floats:
    """The floats of a tensor or array; numbers and lists of Python are floats already."""
    if isinstance(input, QTensor):
        raise DTypeError(f"{op}: the tensor is quantized already; call .dequantize() first")
    x = unbox(input)
    if x.dtype.kind in "iu" and isinstance(input, (int, list, tuple)):
        return x.astype(np.float64)
    if x.dtype.kind != "f":
        raise DTypeError(f"{op}: takes a float tensor, got {x.dtype}; convert it with .float()")
    return x


def _scalar(value: Any) -> Any:
    array = unbox(value)
    return array.reshape(()) if array.size == 1 else array


def _checked(input: Any, op: str) -> QTensor:
    if isinstance(input, QTensor):
        return input
    raise DTypeError(
        f"{op}: takes a quantized tensor, got {type(input).__name__}; quantize_per_tensor makes one"
    )
