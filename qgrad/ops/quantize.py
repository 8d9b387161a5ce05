"""Ops of quantization-aware training."""

from __future__ import annotations

from typing import Any

import numpy as np

from qgrad import qparams
from qgrad.boxing import unbox
from qgrad.dtypes import qint32
from qgrad.ops.op import Value, op

__all__ = ["fake_quantize", "straight_through"]


@op(saves=True, constants=("scale", "zero_point"))
def fake_quantize(
    input: Value,
    scale: Value,
    zero_point: Value,
    qmin: int,
    qmax: int,
    axis: int | None = None,
) -> Value:
    """dequantize(quantize(input)); the gradient passes where the code was in [qmin, qmax].

    `scale` and `zero_point` are numbers or, per slice along `axis`, 1-d arrays.
    """
    params = qparams.QParams.of(
        unbox(scale), unbox(zero_point), dtype=qint32, qmin=qmin, qmax=qmax, axis=axis
    )
    y, mask = qparams.fake_quantize(np.asarray(input, np.float32), params)
    return y.astype(input.dtype, copy=False), mask


@fake_quantize.rule("input")
def fake_quantize_dinput(g: Value, saved: Any) -> Value:
    return g * saved


@op(constants=("value",))
def straight_through(input: Value, value: Value) -> Value:
    """`value`, with the gradient of `input`: for a `value` = f(input) that has no gradient."""
    return np.array(value, input.dtype)


@straight_through.rule("input")
def straight_through_dinput(g: Value) -> Value:
    return g
