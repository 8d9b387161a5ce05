"""Addition, and every unary activation as a table of 256 codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qgrad import kernels
from qgrad.errors import QParamError
from qgrad.ops.op import Op
from qgrad.qparams import QParams, dequantize, quantize
from qgrad.quantization.builder import Builder
from qgrad.quantization.fake_quantize import FakeQuantized
from qgrad.quantization.kinds.base import Call, apply_activation
from qgrad.tensor import Tensor

_CODES = np.arange(256, dtype=np.uint8)


class Add:
    """Sum of two quantized tensors of one shape, each with its own scale."""

    def compute(self, call: Call, quantize_weight: Callable[[Tensor], Tensor]) -> Tensor:
        return apply_activation(call, run_op(call))

    def integer(self, call: Call) -> FakeQuantized:
        a, b = call.arguments["input"], call.arguments["other"]
        y = call.output
        qmin, qmax = call.bounds()
        codes = kernels.add_s8(
            a.codes,
            b.codes,
            sa=float(a.qparams.scale),
            za=int(a.qparams.zero_point),
            sb=float(b.qparams.scale),
            zb=int(b.qparams.zero_point),
            sy=float(y.scale),
            zy=int(y.zero_point),
            qmin=qmin,
            qmax=qmax,
        )
        return FakeQuantized(codes, y)

    def lower(self, call: Call, builder: Builder) -> None:
        layout = builder.shared_layout([call.arguments["input"], call.arguments["other"]])
        a = builder.quantized(call.arguments["input"], layout=layout)
        b = builder.quantized(call.arguments["other"], layout=layout)
        qmin, qmax = call.bounds()
        builder.emit(
            "add_q",
            [a, b],
            call.node,
            qparams=call.output,
            layout=layout,
            attrs={"qmin": qmin, "qmax": qmax},
        )


class Quantize:
    """Where float values become codes."""

    def compute(self, call: Call, quantize_weight: Callable[[Tensor], Tensor]) -> Tensor:
        return run_op(call)

    def integer(self, call: Call) -> FakeQuantized:
        y = call.output
        x = np.asarray(call.arguments["input"].detach()._data, dtype=np.float32)
        return FakeQuantized(kernels.quantize(x, y.scale, y.zero_point, y.qmin, y.qmax), y)

    def lower(self, call: Call, builder: Builder) -> None:
        source = builder.floats(call.arguments["input"])
        layout = "cl" if builder.wants_channels_last(call.node) else "row"
        builder.emit("quantize", [source], call.node, qparams=call.output, layout=layout)


class Lut:
    """Any function of one value: 256 results, computed by the op's own forward."""

    def compute(self, call: Call, quantize_weight: Callable[[Tensor], Tensor]) -> Tensor:
        return run_op(call)

    def integer(self, call: Call) -> FakeQuantized:
        x = call.arguments["input"]
        return FakeQuantized(kernels.lut_u8(x.codes, table(call, x.qparams)), call.output)

    def lower(self, call: Call, builder: Builder) -> None:
        x = builder.quantized(call.arguments["input"])
        builder.emit(
            "lut",
            [x],
            call.node,
            qparams=call.output,
            layout=builder.layout(x),
            constants={"table": table(call, builder.qparams(x))},
        )


def table(call: Call, x: QParams) -> np.ndarray:
    """``y_q = quantize(f(dequantize(x_q)))`` for all 256 codes, uint8 ``(256,)``."""
    op, y = call.node.op, call.output
    assert op is not None
    attributes = {k: v for k, v in call.arguments.items() if k != "input"}
    return unary_table(op, attributes, x, y)


def unary_table(op: Op, attributes: dict[str, Any], x: QParams, y: QParams) -> np.ndarray:
    """The table of ``op`` from codes of ``x`` to codes of ``y``.

    Codes outside ``x``'s range cannot occur; they give what the nearest code in it gives. Raises
    QParamError where the function of a code that can occur is NaN.
    """
    values = np.asarray(op.compute(op.positional((dequantize(_CODES, x),), attributes)))
    values = values[np.clip(_CODES, x.qmin, x.qmax)]
    if np.isnan(values).any():
        code = int(np.argmax(np.isnan(values)))
        raise QParamError(
            f"{op.name}: is NaN at {float(dequantize(np.uint8(code), x)):g} (code {code}), a value "
            "its input may take; keep the module float: mapping.set_module_name(path, None)"
        )
    return quantize(values, y)


def requantize_table(x: QParams, y: QParams) -> np.ndarray:
    """Codes of ``y`` for the values that codes of ``x`` stand for."""
    return quantize(dequantize(_CODES, x), y)


def run_op(call: Call) -> Tensor:
    """The op itself, on floats."""
    op = call.node.op
    assert op is not None
    return op(**call.arguments)
