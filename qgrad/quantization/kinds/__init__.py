"""How each quantizable op runs: one class a kind; an op's block in the table names its kind."""

from __future__ import annotations

from qgrad.quantization.kinds.base import Call, Kind, QuantSpec
from qgrad.quantization.kinds.elementwise import Add, Lut, Quantize
from qgrad.quantization.kinds.pool import AvgPool, MaxPool
from qgrad.quantization.kinds.view import Cat, View
from qgrad.quantization.kinds.weighted import Conv, Linear

KINDS: dict[str, Kind] = {
    "quantize": Quantize(),
    "linear": Linear(),
    "conv": Conv(),
    "add": Add(),
    "lut": Lut(),
    "max_pool": MaxPool(),
    "avg_pool": AvgPool(),
    "view": View(),
    "cat": Cat(),
}

__all__ = ["KINDS", "Call", "Kind", "QuantSpec"]
