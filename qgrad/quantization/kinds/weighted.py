"""Linear and convolution with folded batch norm and fused ReLU: one integer kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qgrad import kernels, ops
from qgrad.errors import ShapeError
from qgrad.qparams import QParams, multiplier
from qgrad.quantization.builder import Builder
from qgrad.quantization.fake_quantize import FakeQuantized
from qgrad.quantization.integer_weights import IntegerWeights, integer_weights
from qgrad.quantization.kinds.base import Call, apply_activation
from qgrad.tensor import Tensor


class Weighted:
    """Shared by linear and convolution: the float meaning and the weights as integers."""

    def compute(self, call: Call, quantize_weight: Callable[[Tensor], Tensor]) -> Tensor:
        """Float result, the weight passed through ``quantize_weight`` (identity to calibrate)."""
        norm = call.batch_norm
        if norm is not None and bool(norm["training"]):
            return apply_activation(call, _with_batch_statistics(call, quantize_weight))
        weight, bias = folded(call)
        return apply_activation(call, _float_op(call, quantize_weight(weight), bias))

    def weights(self, call: Call, x: QParams) -> IntegerWeights:
        """The integer weights for an input with QParams ``x``."""
        assert call.weight_quantizer is not None
        weight, bias = folded(call)
        data = _array(weight)
        qparams = call.weight_quantizer.weight_qparams(data)
        return integer_weights(
            data, None if bias is None else _array(bias), x.scale, qparams, describe(call)
        )

    def kernel_arguments(self, call: Call, x: QParams) -> dict[str, Any]:
        """Everything but the input that the integer kernel is called with."""
        y = call.output
        integers = self.weights(call, x)
        qmin, qmax = call.bounds()
        return {
            "w": integers.codes,
            "bias": integers.bias,
            "mult": multiplier(x.scale, integers.scale, y.scale),
            "zx": int(x.zero_point),
            "zy": int(y.zero_point),
            "qmin": qmin,
            "qmax": qmax,
        }


class Linear(Weighted):
    """``y = x W^T + b`` over the last dimension."""

    def integer(self, call: Call) -> FakeQuantized:
        x = call.arguments["input"]
        arguments = self.kernel_arguments(call, x.qparams)
        features = arguments["w"].shape[1]
        if x.codes.shape[-1] != features:
            raise ShapeError(
                f"{describe(call)}: linear: the weight takes {features} features, x has "
                f"{x.codes.shape[-1]} (x {list(x.codes.shape)})"
            )
        y = kernels.gemm_s8(x.codes.reshape(-1, features), **arguments)
        return FakeQuantized(y.reshape(*x.codes.shape[:-1], y.shape[1]), call.output)

    def lower(self, call: Call, builder: Builder) -> None:
        x = builder.quantized(call.arguments["input"], layout="row")
        integers = self.weights(call, builder.qparams(x))
        qmin, qmax = call.bounds()
        builder.emit(
            "linear_q",
            [x],
            call.node,
            qparams=call.output,
            attrs={"qmin": qmin, "qmax": qmax},
            constants=_constants(integers),
        )


class Conv(Weighted):
    """One- and two-dimensional convolution, grouped and depthwise too; codes live channels last."""

    def integer(self, call: Call) -> FakeQuantized:
        x = call.arguments["input"]
        arguments = self.kernel_arguments(call, x.qparams)
        geometry = Geometry(call)
        codes, weight = x.codes, arguments.pop("w")
        if codes.ndim == 3:
            codes, weight = codes[:, :, None, :], weight[:, :, None, :]
        y = kernels.conv2d_s8(
            np.ascontiguousarray(codes.transpose(0, 2, 3, 1)),
            np.ascontiguousarray(weight.transpose(0, 2, 3, 1)),
            stride=geometry.stride,
            pads=geometry.pads,
            dilation=geometry.dilation,
            groups=geometry.groups,
            **arguments,
        ).transpose(0, 3, 1, 2)
        return FakeQuantized(y[:, :, 0, :] if x.codes.ndim == 3 else y, call.output)

    def lower(self, call: Call, builder: Builder) -> None:
        x = builder.quantized(call.arguments["input"], layout="cl")
        integers = self.weights(call, builder.qparams(x))
        qmin, qmax = call.bounds()
        builder.emit(
            "conv_q",
            [x],
            call.node,
            qparams=call.output,
            layout="cl",
            attrs={**Geometry(call).attrs(), "qmin": qmin, "qmax": qmax},
            constants=_constants(integers),
        )


class Geometry:
    """Stride, padding, dilation and groups of a convolution call, for one or two dimensions."""

    def __init__(self, call: Call) -> None:
        a = call.arguments
        self.dims = len(a["weight"].shape) - 2
        kernel = a["weight"].shape[2:]
        self.groups = int(a["groups"])
        stride = _spread(a["stride"], self.dims)
        dilation = _spread(a["dilation"], self.dims)
        begin_end = ops.conv_padding(a["padding"], kernel, stride, dilation)
        lead = 2 - self.dims
        self.stride = _pair((1,) * lead + stride)
        self.dilation = _pair((1,) * lead + dilation)
        (top, bottom), (left, right) = ((0, 0),) * lead + tuple(begin_end)
        self.pads = (top, bottom, left, right)

    def attrs(self) -> dict[str, Any]:
        """As the instruction stores them: only the real dimensions."""
        return {
            "stride": list(self.stride[-self.dims :]),
            "padding": list(self.pads[-2 * self.dims :]),
            "dilation": list(self.dilation[-self.dims :]),
            "groups": self.groups,
        }


def folded(call: Call) -> tuple[Tensor, Tensor | None]:
    """Weight and bias with batch norm's running statistics folded in, differentiable.

    w' = w * gamma / sqrt(var + eps),  b' = (b - mean) * gamma / sqrt(var + eps) + beta
    """
    weight, bias, norm = call.arguments["weight"], call.arguments["bias"], call.batch_norm
    if norm is None:
        return weight, bias
    factor = _norm_factor(norm)
    shifted = -norm["running_mean"] if bias is None else bias - norm["running_mean"]
    bias = shifted * factor
    if norm["bias"] is not None:
        bias = bias + norm["bias"]
    return weight * _per_channel(factor, weight), bias


def _with_batch_statistics(call: Call, quantize_weight: Callable[[Tensor], Tensor]) -> Tensor:
    """QAT training: quantize the weight as it will be deployed, normalise by the batch.

    The weight is quantized after the running factor was multiplied in, and the result divided by
    it again (Jacob et al. 2018, section 3.2). A factor of exactly 0 counts as 1 there: nothing is
    lost, since a symmetric per-channel grid scales with its weights, and gamma still learns.
    """
    norm = dict(call.batch_norm or {})
    weight, bias = call.arguments["weight"], call.arguments["bias"]
    factor = _norm_factor(norm).detach()
    factor = ops.where(factor == 0, 1.0, factor)
    y = _float_op(call, quantize_weight(weight * _per_channel(factor, weight)), None)
    shape = (1, -1) + (1,) * (y.ndim - 2)
    y = y / factor.reshape(shape)
    if bias is not None:
        y = y + bias.reshape(shape)
    return ops.registry["batch_norm"](y, **norm)


def _norm_factor(norm: dict[str, Any]) -> Tensor:
    inverse = 1.0 / ops.sqrt(norm["running_var"] + norm["eps"])
    return inverse if norm["weight"] is None else inverse * norm["weight"]


def _per_channel(factor: Tensor, weight: Tensor) -> Tensor:
    return factor.reshape((-1,) + (1,) * (weight.ndim - 1))


def _float_op(call: Call, weight: Tensor, bias: Tensor | None) -> Tensor:
    op = call.node.op
    assert op is not None
    return op(**{**call.arguments, "weight": weight, "bias": bias})


def _constants(integers: IntegerWeights) -> dict[str, np.ndarray]:
    return {"weight": integers.codes, "weight_scale": integers.scale, "bias": integers.bias}


def _array(value: Tensor) -> np.ndarray:
    return np.ascontiguousarray(value.detach()._data, dtype=np.float32)


def _pair(values: tuple[int, ...]) -> tuple[int, int]:
    rows, columns = values
    return rows, columns


def _spread(value: Any, dims: int) -> tuple[int, ...]:
    return (int(value),) * dims if isinstance(value, int) else tuple(int(v) for v in value)


def describe(call: Call) -> str:
    """Where a message points: the module's path, else the node's name."""
    return f"module '{call.node.path}'" if call.node.path else f"node '{call.node.name}'"
