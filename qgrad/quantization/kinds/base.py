"""What a quantized kind of node knows: float meaning, integer kernel, instruction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from qgrad import ops
from qgrad.graph.ir import Node
from qgrad.qparams import QParams, quantize
from qgrad.quantization.builder import Builder
from qgrad.quantization.fake_quantize import FakeQuantize, FakeQuantized
from qgrad.tensor import Tensor


@dataclass(frozen=True)
class QuantSpec:
    """How one node of a prepared graph is quantized; ``node.quant`` holds it.

    ``output`` and ``weight`` are the paths of its fake quantizers in the prepared model (None: the
    node keeps the codes of its input, or has no weight). ``activation``: a fused "relu" or "relu6".
    """

    kind: str
    output: str | None = None
    weight: str | None = None
    activation: str | None = None


@dataclass(frozen=True)
class Call:
    """One execution of a quantized node: arguments by name, with the quantizers that it uses."""

    node: Node
    arguments: dict[str, Any]
    batch_norm: dict[str, Any] | None
    weight_quantizer: FakeQuantize | None
    output_qparams: QParams | None

    @property
    def spec(self) -> QuantSpec:
        """What `prepare` decided for the node."""
        spec = self.node.quant
        assert isinstance(spec, QuantSpec)
        return spec

    @property
    def output(self) -> QParams:
        """The QParams of the output's codes."""
        assert self.output_qparams is not None
        return self.output_qparams

    def bounds(self) -> tuple[int, int]:
        """Codes that the output may take, given the fused activation."""
        return activation_bounds(self.spec.activation, self.output)


class Kind(Protocol):
    """One way to quantize: the same node as float arithmetic, as integer kernel, as instruction."""

    def compute(self, call: Call, quantize_weight: Callable[[Tensor], Tensor]) -> Tensor:
        """The float result before the output is quantized, differentiable."""

    def integer(self, call: Call) -> FakeQuantized:
        """The result of the deployed kernel on the codes of the inputs."""

    def lower(self, call: Call, builder: Builder) -> None:
        """Add the instruction that computes what ``integer`` does."""


def activation_bounds(activation: str | None, qparams: QParams) -> tuple[int, int]:
    """Fold a ReLU or ReLU6 into the range of codes: quantization is monotone, so this is exact."""
    low, high = qparams.qmin, qparams.qmax
    if activation is not None:
        low = max(low, int(qparams.zero_point))
    if activation == "relu6":
        high = min(high, int(quantize(np.float32(6.0), qparams)))
    return low, high


def apply_activation(call: Call, y: Tensor) -> Tensor:
    """The fused activation as a float op."""
    name = call.spec.activation
    return y if name is None else ops.registry[name](y)
