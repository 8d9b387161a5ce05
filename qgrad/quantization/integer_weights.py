"""From float weights to what the integer kernel reads; for the prepared model and for convert."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from qgrad.errors import QParamError
from qgrad.qparams import QParams, check_accumulator, quantize, quantize_bias, weight_scale_floor


@dataclass(frozen=True)
class IntegerWeights:
    """Codes int8 ``(N, ...)``, their scales float32 ``(N,)`` and the bias int32 ``(N,)``."""

    codes: np.ndarray
    scale: np.ndarray
    bias: np.ndarray


def integer_weights(
    weight: np.ndarray,
    bias: np.ndarray | None,
    sx: np.floating[Any] | np.ndarray,
    qparams: QParams,
    where: str,
) -> IntegerWeights:
    """Quantize a float32 weight ``(N, ...)`` and its bias for an input of scale ``sx``.

    A channel whose scale is so small that its bias would not fit 32 bits gets a larger scale; every
    other channel keeps the scale it was given. Raises QParamError, starting with ``where``.
    """
    if np.any(qparams.zero_point):
        raise QParamError(
            f"{where}: weight zero points must be 0, got {qparams.zero_point.tolist()!r:.80}; "
            "use a symmetric qscheme for weights"
        )
    if qparams.axis not in (None, 0):
        raise QParamError(
            f"{where}: weights are quantized per output channel (axis 0), got axis "
            f"{qparams.axis}; set ch_axis=0 on the weight observer"
        )
    channels, taps = weight.shape[0], int(np.prod(weight.shape[1:]))
    given = np.broadcast_to(qparams.scale, (channels,)).astype(np.float32)
    scale = weight_scale_floor(given, bias, sx, taps)
    per_channel = QParams(
        scale, np.zeros(channels, np.int32), qparams.qmin, qparams.qmax, qparams.dtype, axis=0
    )
    bias_codes = quantize_bias(bias, sx, scale)
    check_accumulator(taps, bias_codes, where)
    return IntegerWeights(quantize(weight, per_channel), scale, bias_codes)
