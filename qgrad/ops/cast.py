"""Change of dtype."""

from __future__ import annotations

from typing import Any

from qgrad.dtypes import to_numpy
from qgrad.ops.op import Value, op

__all__ = ["cast"]


@op(onnx="Cast", name="to")
def cast(input: Value, dtype: Any) -> Value:
    """The elements converted to `dtype`; floats are cut towards 0 by an integer dtype."""
    return input.astype(to_numpy(dtype))


@cast.rule("input")
def cast_dinput(g: Value) -> Value:
    return g  # the engine casts it to the dtype of the input
