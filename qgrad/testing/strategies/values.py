"""Strategies for quantization parameters and for tensors, float and quantized."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument
from hypothesis.extra import numpy as hnp

from qgrad.dtypes import DType, float32, to_numpy
from qgrad.qparams import MIN_SCALE, QParams
from qgrad.qtensor import QTensor
from qgrad.tensor import Tensor
from qgrad.testing.strategies.arguments import (
    PLAIN,
    QUANTIZED,
    Shape,
    as_strategy,
    check_range,
    check_shape,
    check_whole,
    quantized_dtypes,
)

__all__ = ["dtypes", "qparams", "quantized_tensors", "tensors"]

ORDINARY = 1000.0  # the largest default float: products and sums of a few thousand stay finite


def dtypes(*, quantized: bool | None = None) -> st.SearchStrategy[DType]:
    """The dtypes of tensors: plain or quantized ones, or (None) both."""
    if quantized not in (None, False, True):
        raise InvalidArgument(f"dtypes: quantized={quantized!r} must be a bool or None")
    both = (*PLAIN, *QUANTIZED)
    return st.sampled_from([d for d in both if quantized in (None, d.is_quantized)])


def qparams(
    dtype: DType | Sequence[DType] | None = None,
    *,
    scale_min: float = 2.0**-20,
    scale_max: float = 2.0**10,
    zero_point_min: int | None = None,
    zero_point_max: int | None = None,
    qmin: int | None = None,
    qmax: int | None = None,
    channels: int | None = None,
    axis: int = 0,
) -> st.SearchStrategy[QParams]:
    """Valid scales and zero points.

    dtype: one or several quantized dtypes to choose from; all by default.
    qmin, qmax: the codes in use, all of the dtype's by default.
    channels: one scale and zero point for each, along `axis`; None for one of each.

    Examples shrink to a scale of 1 and a zero point of 0.
    """
    chosen = quantized_dtypes("qparams", dtype)
    largest = float(np.finfo(np.float32).max)
    if not MIN_SCALE <= scale_min <= scale_max <= largest:
        raise InvalidArgument(
            f"qparams: scale_min={scale_min!r} and scale_max={scale_max!r} must be in order, at "
            f"least {MIN_SCALE:.3g} and at most {largest:.3g}"
        )
    if channels is not None:
        check_whole("qparams", "channels", channels, 1)
    check_whole("qparams", "axis", axis, 0)
    scales = st.floats(np.float32(scale_min).item(), np.float32(scale_max).item(), width=32)
    one_of = [
        _qparams_of(d, scales, (zero_point_min, zero_point_max), (qmin, qmax), channels, axis)
        for d in chosen
    ]
    return st.one_of(one_of)


def tensors(
    shape: Shape | st.SearchStrategy[Shape] | None = None,
    *,
    dtype: DType = float32,
    elements: st.SearchStrategy[Any] | None = None,
    fill: st.SearchStrategy[Any] | None = None,
    requires_grad: bool | st.SearchStrategy[bool] = False,
    min_dims: int = 0,
    max_dims: int = 4,
    min_side: int = 1,
    max_side: int = 6,
) -> st.SearchStrategy[Tensor]:
    """Tensors of a plain dtype.

    shape: a tuple or a strategy for one; by default any within min_dims ... max_side.
    elements: a strategy for the values; by default all of an integer dtype, and floats from -1000
        to 1000 without NaN and infinity.
    fill: a strategy for the value of most elements, as in `hypothesis.extra.numpy.arrays`.
    """
    if not isinstance(dtype, DType) or dtype.is_quantized:
        raise InvalidArgument(f"tensors: dtype={dtype!r} must be a plain dtype, as qgrad.float32")
    shapes = _shapes("tensors", shape, min_dims, max_dims, min_side, max_side)
    if elements is None:
        elements = _ordinary(dtype)
    elif not isinstance(elements, st.SearchStrategy):
        raise InvalidArgument(f"tensors: elements={elements!r} must be a strategy")
    grads = as_strategy("tensors", "requires_grad", requires_grad, bool)
    if requires_grad is not False and not dtype.is_floating_point:
        raise InvalidArgument(f"tensors: requires_grad needs a float dtype, got {dtype!r}")
    arrays = hnp.arrays(to_numpy(dtype), shapes, elements=elements, fill=fill)
    return st.builds(Tensor._make, arrays, grads)


def quantized_tensors(
    shape: Shape | st.SearchStrategy[Shape] | None = None,
    *,
    qparams: QParams | st.SearchStrategy[QParams] | None = None,
    dtype: DType | Sequence[DType] | None = None,
    per_channel: bool | None = None,
    min_dims: int = 0,
    max_dims: int = 4,
    min_side: int = 1,
    max_side: int = 6,
) -> st.SearchStrategy[QTensor]:
    """Quantized tensors of any codes.

    shape: a tuple or a strategy for one; by default any within min_dims ... max_side.
    qparams: parameters or a strategy for them, which must fit the shape if they are per channel;
        by default any of `dtype`.
    per_channel: whether each index of some axis has its own scale; None for either.
    """
    shapes = _shapes("quantized_tensors", shape, min_dims, max_dims, min_side, max_side)
    if qparams is not None:
        if dtype is not None or per_channel is not None:
            raise InvalidArgument(
                "quantized_tensors: qparams decide dtype and per_channel; give one or the other"
            )
        given = as_strategy("quantized_tensors", "qparams", qparams, QParams)
        return shapes.flatmap(lambda size: given.flatmap(lambda qp: _coded(size, qp)))
    chosen = quantized_dtypes("quantized_tensors", dtype)
    if per_channel not in (None, False, True):
        raise InvalidArgument(f"quantized_tensors: per_channel={per_channel!r} must be a bool")
    if per_channel and shape is None:
        shapes = _shapes("quantized_tensors", None, max(min_dims, 1), max_dims, min_side, max_side)
    if per_channel and isinstance(shape, (tuple, list)) and not any(shape):
        raise InvalidArgument(f"quantized_tensors: shape {shape} has no axis for channels")
    return shapes.flatmap(lambda size: _quantized(size, chosen, per_channel))


def _qparams_of(
    dtype: DType,
    scales: st.SearchStrategy[float],
    zero_point: tuple[int | None, int | None],
    codes: tuple[int | None, int | None],
    channels: int | None,
    axis: int,
) -> st.SearchStrategy[QParams]:
    """QParams of one dtype; the error for bounds that leave it is that of QParams itself."""
    low, high = zero_point
    try:
        whole = QParams.of(1.0, _within(0, dtype, codes), dtype, *codes)
        low = whole.qmin if low is None else int(QParams.of(1.0, low, dtype, *codes).zero_point)
        high = whole.qmax if high is None else int(QParams.of(1.0, high, dtype, *codes).zero_point)
    except ValueError as error:
        raise InvalidArgument(f"qparams: {error}") from None
    check_range("qparams", "zero_point_min and zero_point_max", low, high)
    zero_points = st.integers(low, high)
    if channels is None:
        return st.builds(lambda s, z: QParams.of(s, z, dtype, *codes), scales, zero_points)
    lists = (st.lists(part, min_size=channels, max_size=channels) for part in (scales, zero_points))
    return st.builds(lambda s, z: QParams.of(s, z, dtype, *codes, axis), *lists)


def _within(value: int, dtype: DType, codes: tuple[int | None, int | None]) -> int:
    """The code nearest to `value`, for bounds that are checked later."""
    low, high = (
        given if isinstance(given, int) else default or 0
        for given, default in zip(codes, (dtype.qmin, dtype.qmax), strict=True)
    )
    return max(low, min(high, value))


def _shapes(
    op: str,
    shape: Shape | st.SearchStrategy[Shape] | None,
    min_dims: int,
    max_dims: int,
    min_side: int,
    max_side: int,
) -> st.SearchStrategy[Shape]:
    check_whole(op, "min_dims", min_dims, 0)
    check_whole(op, "min_side", min_side, 0)
    check_range(op, "min_dims and max_dims", min_dims, check_whole(op, "max_dims", max_dims, 0))
    check_range(op, "min_side and max_side", min_side, check_whole(op, "max_side", max_side, 0))
    if isinstance(shape, st.SearchStrategy):
        return shape.map(lambda drawn: check_shape(op, drawn))
    if shape is not None:
        return st.just(check_shape(op, shape))
    return hnp.array_shapes(
        min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side
    )


def _ordinary(dtype: DType) -> st.SearchStrategy[Any]:
    """Values that ordinary arithmetic survives."""
    if dtype.is_floating_point:
        return st.floats(-ORDINARY, ORDINARY, width=dtype.itemsize * 8)  # type: ignore[arg-type]
    return hnp.from_dtype(dtype.numpy)


def _quantized(
    shape: Shape, dtypes: tuple[DType, ...], per_channel: bool | None
) -> st.SearchStrategy[QTensor]:
    """A tensor of a known shape, with parameters that fit it."""
    whole = qparams(dtypes).flatmap(lambda qp: _coded(shape, qp))
    axes = [axis for axis, size in enumerate(shape) if size]
    if per_channel is False or not axes:
        return whole
    along = st.sampled_from(axes).flatmap(
        lambda axis: qparams(dtypes, channels=shape[axis], axis=axis)
    )
    channelwise = along.flatmap(lambda qp: _coded(shape, qp))
    return channelwise if per_channel else st.one_of(whole, channelwise)


def _coded(shape: Shape, qp: QParams) -> st.SearchStrategy[QTensor]:
    codes = hnp.arrays(qp.dtype.numpy, shape, elements=st.integers(qp.qmin, qp.qmax))
    return codes.map(lambda drawn: QTensor(drawn, qp))
