"""RNNCell, LSTMCell and GRUCell: one step of a recurrent layer."""

from __future__ import annotations

import math
from typing import Any

from qgrad import creation, ops
from qgrad.dtypes import DType
from qgrad.errors import ShapeError
from qgrad.nn import init
from qgrad.nn.functional.recurrent import gru_step, lstm_step, rnn_step
from qgrad.nn.module import Module
from qgrad.nn.parameter import Parameter, empty_parameter
from qgrad.nn.recurrent import check_nonlinearity

__all__ = ["GRUCell", "LSTMCell", "RNNCell"]


class _Cell(Module):
    """weight_ih (gates * hidden_size, input_size), weight_hh (gates * hidden_size, hidden_size),
    bias_ih and bias_hh (gates * hidden_size)."""

    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None
    _gates: int

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = self._gates * hidden_size
        for name, shape, present in (
            ("weight_ih", (rows, input_size), True),
            ("weight_hh", (rows, hidden_size), True),
            ("bias_ih", (rows,), bias),
            ("bias_hh", (rows,), bias),
        ):
            param = None
            if present:
                param = empty_parameter(type(self).__name__, shape, device=device, dtype=dtype)
            self.register_parameter(name, param)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew, uniform on +-1/sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size else 0.0
        for param in self.parameters():
            init.uniform_(param, -bound, bound)

    def _prepare(self, input: Any, parts: Any, count: int) -> tuple[Any, list[Any], bool]:
        """(input (N, input_size), parts of the state (N, hidden_size), whether there was an N)."""
        name, batched = type(self).__name__, len(input.shape) == 2
        if len(input.shape) not in (1, 2) or input.shape[-1] != self.input_size:
            raise ShapeError(
                f"{name}: input has shape {tuple(input.shape)}, but must be (N, {self.input_size}) "
                f"or ({self.input_size},)."
            )
        x = input if batched else ops.unsqueeze(input, 0)
        shape = (x.shape[0], self.hidden_size)
        if parts is None:
            return x, [creation.zeros(shape, dtype=x.dtype)] * count, batched
        states = [part if batched else ops.unsqueeze(part, 0) for part in parts]
        for state in states:
            if tuple(state.shape) != shape:
                raise ShapeError(
                    f"{name}: the state has shape {tuple(state.shape)}, but must have {shape}."
                )
        return x, states, batched

    def _input_share(self, x: Any) -> Any:
        return ops.linear(x, self.weight_ih, self.bias_ih)

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        text = f"{self.input_size}, {self.hidden_size}"
        return text if self.bias else f"{text}, bias={self.bias}"


class RNNCell(_Cell):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu with nonlinearity="relu"."""

    _gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        check_nonlinearity("RNNCell", nonlinearity)
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Any = None) -> Any:
        """(N, input_size), (N, hidden_size) -> (N, hidden_size); or all without N."""
        x, (h,), batched = self._prepare(input, None if hx is None else [hx], 1)
        gates, act = self._input_share(x), getattr(ops, self.nonlinearity)
        h = rnn_step(gates, h, self.weight_hh, self.bias_hh, act)
        return h if batched else ops.squeeze(h, 0)

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        text = super().extra_repr()
        return text if self.nonlinearity == "tanh" else f"{text}, nonlinearity={self.nonlinearity}"


class LSTMCell(_Cell):
    """One step of LSTM: (h', c') from (h, c)."""

    _gates = 4

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """(N, input_size), (h, c) of (N, hidden_size) each -> (h', c'); or all without N."""
        x, (h, c), batched = self._prepare(input, hx, 2)
        h, c = lstm_step(self._input_share(x), h, c, self.weight_hh, self.bias_hh)
        return (h, c) if batched else (ops.squeeze(h, 0), ops.squeeze(c, 0))


class GRUCell(_Cell):
    """One step of GRU: h' from h."""

    _gates = 3

    def forward(self, input: Any, hx: Any = None) -> Any:
        """(N, input_size), (N, hidden_size) -> (N, hidden_size); or all without N."""
        x, (h,), batched = self._prepare(input, None if hx is None else [hx], 1)
        h = gru_step(self._input_share(x), h, self.weight_hh, self.bias_hh)
        return h if batched else ops.squeeze(h, 0)
