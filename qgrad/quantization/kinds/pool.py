"""Pooling on codes, channels last. The maximum keeps its input's codes; the average has its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qgrad import kernels
from qgrad.kernels.windows import adaptive_windows, pool_windows
from qgrad.qparams import QParams
from qgrad.quantization.builder import Builder
from qgrad.quantization.fake_quantize import FakeQuantized
from qgrad.quantization.kinds.base import Call
from qgrad.quantization.kinds.elementwise import run_op
from qgrad.tensor import Tensor


class MaxPool:
    """Quantization is monotone: the largest code is the code of the largest value."""

    def compute(self, call: Call, quantize_weight: Callable[[Tensor], Tensor]) -> Tensor:
        return run_op(call)

    def integer(self, call: Call) -> FakeQuantized:
        x = call.arguments["input"]
        codes = _channels_last(x.codes)
        windows = _Windows(call.arguments, x.codes.ndim - 2)
        rows, cols = (w[0] for w in windows.on(codes.shape[1:3]))
        return FakeQuantized(
            _channels_first(kernels.max_pool_s8(codes, rows, cols), x.codes.ndim), x.qparams
        )

    def lower(self, call: Call, builder: Builder) -> None:
        x = builder.quantized(call.arguments["input"], layout="cl")
        attrs = _Windows(call.arguments, len(call.arguments["input"].shape) - 2).attrs()
        builder.emit(
            "max_pool_q",
            [x],
            call.node,
            qparams=builder.qparams(x),
            layout="cl",
            attrs={k: attrs[k] for k in ("kernel", "stride", "padding", "dilation", "ceil_mode")},
        )


class AvgPool:
    """Mean over windows, fixed or adaptive: an exact integer sum, then one rounding."""

    def compute(self, call: Call, quantize_weight: Callable[[Tensor], Tensor]) -> Tensor:
        return run_op(call)

    def integer(self, call: Call) -> FakeQuantized:
        x, y = call.arguments["input"], call.output
        codes = _channels_last(x.codes)
        windows = _Windows(call.arguments, x.codes.ndim - 2)
        (rows, row_div), (cols, col_div) = windows.on(codes.shape[1:3])
        result = kernels.avg_pool_s8(codes, rows, cols, row_div, col_div, **_scales(x.qparams, y))
        return FakeQuantized(_channels_first(result, x.codes.ndim), y)

    def lower(self, call: Call, builder: Builder) -> None:
        x = builder.quantized(call.arguments["input"], layout="cl")
        y = call.output
        attrs = _Windows(call.arguments, len(call.arguments["input"].shape) - 2).attrs()
        attrs.pop("dilation", None)
        builder.emit(
            "avg_pool_q",
            [x],
            call.node,
            qparams=y,
            layout="cl",
            attrs={**attrs, "qmin": y.qmin, "qmax": y.qmax},
        )


class _Windows:
    """The windows of a pooling call with PyTorch's arguments, in one or two dimensions."""

    def __init__(self, arguments: dict[str, Any], dims: int) -> None:
        self.a, self.dims = arguments, dims
        self.adaptive = "output_size" in arguments

    def _pair(self, name: str, default: int) -> tuple[int, ...]:
        value = self.a.get(name, default)
        return (int(value),) * self.dims if isinstance(value, int) else tuple(map(int, value))

    def attrs(self) -> dict[str, Any]:
        """What the instruction stores."""
        if self.adaptive:
            size = self.a["output_size"]
            sizes = (size,) * self.dims if size is None or isinstance(size, int) else tuple(size)
            return {"output_size": [None if s is None else int(s) for s in sizes]}
        kernel = self._pair("kernel_size", 1)
        stride = self.a.get("stride")
        empty = stride is None or stride == () or stride == []
        attrs: dict[str, Any] = {
            "kernel": list(kernel),
            "stride": list(kernel if empty else self._pair("stride", 1)),
            "padding": list(self._pair("padding", 0)),
            "ceil_mode": bool(self.a.get("ceil_mode", False)),
        }
        if "count_include_pad" in self.a:
            attrs["count_include_pad"] = bool(self.a["count_include_pad"])
            attrs["divisor_override"] = self.a.get("divisor_override")
        else:
            attrs["dilation"] = list(self._pair("dilation", 1))
        return attrs

    def on(self, size: tuple[int, ...]) -> list[tuple[np.ndarray, np.ndarray]]:
        """(triples, divisors) for rows and for columns of an image of ``size``."""
        attrs = self.attrs()
        if self.adaptive:
            wanted = [None] * (2 - self.dims) + attrs["output_size"]
            return [
                adaptive_windows(n, n if w is None else w)
                for n, w in zip(size, wanted, strict=True)
            ]
        lead = 2 - self.dims
        windows = [
            pool_windows(n, k, s, p, d, attrs["ceil_mode"], attrs.get("count_include_pad", False))
            for n, k, s, p, d in zip(
                size,
                [1] * lead + attrs["kernel"],
                [1] * lead + attrs["stride"],
                [0] * lead + attrs["padding"],
                [1] * lead + attrs.get("dilation", [1] * self.dims),
                strict=True,
            )
        ]
        override = attrs.get("divisor_override")
        if override is not None:
            (rows, row_div), (cols, col_div) = windows
            return [(rows, np.full_like(row_div, override)), (cols, np.ones_like(col_div))]
        return windows


def pool_attrs(call: Call) -> dict[str, Any]:
    """The attributes of a float pooling instruction."""
    return _Windows(call.arguments, len(call.arguments["input"].shape) - 2).attrs()


def _scales(x: QParams, y: QParams) -> dict[str, Any]:
    return {
        "sx": x.scale,
        "zx": int(x.zero_point),
        "sy": y.scale,
        "zy": int(y.zero_point),
        "qmin": y.qmin,
        "qmax": y.qmax,
    }


def _channels_last(codes: np.ndarray) -> np.ndarray:
    if codes.ndim == 3:
        codes = codes[:, :, None, :]
    return np.ascontiguousarray(codes.transpose(0, 2, 3, 1))


def _channels_first(codes: np.ndarray, ndim: int) -> np.ndarray:
    codes = codes.transpose(0, 3, 1, 2)
    return codes[:, :, 0, :] if ndim == 3 else codes
