"""Linear and Identity."""

from __future__ import annotations

import math
from typing import Any

from qgrad import ops
from qgrad.dtypes import DType
from qgrad.nn import init
from qgrad.nn.module import Module
from qgrad.nn.parameter import Parameter, empty_parameter

__all__ = ["Identity", "Linear", "NonDynamicallyQuantizableLinear"]


class Identity(Module):
    """The input itself; takes and ignores any arguments, so it can stand in for other layers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Any) -> Any:
        """The input."""
        return input


class Linear(Module):
    """y = x @ weight.T + bias, on the last dimension.

    x (..., in_features) -> (..., out_features); weight (out_features, in_features),
    bias (out_features), both uniform on +-1/sqrt(in_features) at first.
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        shape = (out_features, in_features)
        self.weight = empty_parameter("Linear", shape, device=device, dtype=dtype)
        if bias:
            self.bias = empty_parameter("Linear", shape[:1], device=device, dtype=dtype)
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features else 0.0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Any) -> Any:
        """(..., in_features) -> (..., out_features)."""
        return ops.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class NonDynamicallyQuantizableLinear(Linear):
    """A Linear under the name that PyTorch gives to the last one of MultiheadAttention."""
