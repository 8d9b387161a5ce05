"""RNN, LSTM and GRU: layers that go through a sequence step by step."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any

from qgrad import creation, ops
from qgrad.dtypes import DType
from qgrad.errors import ShapeError
from qgrad.nn import functional as F
from qgrad.nn import init
from qgrad.nn.module import Module
from qgrad.nn.parameter import empty_parameter

__all__ = ["GRU", "LSTM", "RNN", "RNNBase"]


class RNNBase(Module):
    """What recurrent layers share: layers and directions, parameters, batch dims.

    Layer k has weight_ih_l{k}, weight_hh_l{k}, bias_ih_l{k}, bias_hh_l{k} (and weight_hr_l{k} with
    `proj_size`), the backward direction the same with _reverse.
    """

    _gates: int
    _states = 1

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._check()
        directions = ("", "_reverse") if bidirectional else ("",)
        out = proj_size or hidden_size
        for layer in range(num_layers):
            width = input_size if layer == 0 else out * len(directions)
            for suffix in directions:
                for name, shape in self._shapes(width, out):
                    param = empty_parameter(type(self).__name__, shape, device=device, dtype=dtype)
                    self.register_parameter(f"{name}_l{layer}{suffix}", param)
        self.reset_parameters()

    def _shapes(self, width: int, out: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        """The parameters of a layer in one direction, from `width` features to `out`."""
        rows = self._gates * self.hidden_size
        yield "weight_ih", (rows, width)
        yield "weight_hh", (rows, out)
        if self.bias:
            yield "bias_ih", (rows,)
            yield "bias_hh", (rows,)
        if self.proj_size:
            yield "weight_hr", (self.proj_size, self.hidden_size)

    def _check(self) -> None:
        name = type(self).__name__
        if self.hidden_size < 1 or self.num_layers < 1:
            raise ValueError(
                f"{name}: hidden_size is {self.hidden_size} and num_layers {self.num_layers}, but "
                "both must be >= 1."
            )
        if not 0.0 <= self.dropout <= 1.0:
            raise ValueError(
                f"{name}: dropout is {self.dropout!r}, but must be a probability in [0, 1]."
            )
        if not 0 <= self.proj_size < self.hidden_size:
            raise ValueError(
                f"{name}: proj_size is {self.proj_size}, but must be >= 0 and smaller than "
                f"hidden_size ({self.hidden_size})."
            )
        if self.dropout and self.num_layers == 1:
            warnings.warn(
                f"{name}: dropout={self.dropout} comes between layers, but there is only one.",
                UserWarning,
                stacklevel=4,
            )

    def reset_parameters(self) -> None:
        """Draw all parameters anew, uniform on +-1/sqrt(hidden_size)."""
        bound = 1 / math.sqrt(self.hidden_size)
        for param in self.parameters():
            init.uniform_(param, -bound, bound)

    def _of(self, layer: int, suffix: str, name: str) -> Any:
        return self._parameters.get(f"{name}_l{layer}{suffix}")

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """Sequence, state before -> sequence of the last layer's outputs, state after.

        input (L, N, input_size), or (N, L, input_size) if `batch_first`, or (L, input_size);
        output the same with hidden_size (proj_size, if given; twice that if `bidirectional`) last.
        A state has the shape (layers * directions, N, hidden_size), zeros if not given; that of an
        LSTM is a pair (h, c).
        """
        batched = self._check_input(input)
        x = input if batched else ops.unsqueeze(input, 1)
        if batched and self.batch_first:
            x = ops.transpose(x, 0, 1)
        states = self._initial(hx, x, batched)
        finals: list[list[Any]] = [[] for _ in states]
        for layer in range(self.num_layers):
            outputs = []
            for k, suffix in enumerate(("", "_reverse") if self.bidirectional else ("",)):
                at = layer * (2 if self.bidirectional else 1) + k
                start = tuple(state[at] for state in states)
                sequence, end = self._run(x, start, layer, suffix)
                outputs.append(sequence)
                for final, last in zip(finals, end, strict=True):
                    final.append(last)
            x = outputs[0] if len(outputs) == 1 else ops.cat(outputs, -1)
            if self.dropout and layer < self.num_layers - 1:
                x = F.dropout(x, self.dropout, self.training)
        after = [ops.stack(final, 0) for final in finals]
        if not batched:
            x, after = ops.squeeze(x, 1), [ops.squeeze(state, 1) for state in after]
        elif self.batch_first:
            x = ops.transpose(x, 0, 1)
        return x, after[0] if len(after) == 1 else tuple(after)

    def _run(
        self, x: Any, state: tuple[Any, ...], layer: int, suffix: str
    ) -> tuple[Any, tuple[Any, ...]]:
        """One layer in one direction: outputs of all steps, and the state after the last."""
        if suffix:
            x = ops.flip(x, 0)
        gates = ops.linear(x, self._of(layer, suffix, "weight_ih"), self._input_bias(layer, suffix))
        y, after = self._steps(gates, state, layer, suffix)
        return (ops.flip(y, 0) if suffix else y), after

    def _input_bias(self, layer: int, suffix: str) -> Any:
        """What is added once for all steps: both biases, where they only occur as a sum."""
        if not self.bias:
            return None
        return self._of(layer, suffix, "bias_ih") + self._of(layer, suffix, "bias_hh")

    def _steps(
        self, gates: Any, state: tuple[Any, ...], layer: int, suffix: str
    ) -> tuple[Any, tuple[Any, ...]]:
        """Outputs of all steps from the input's share of the gates, and the state at the end."""
        raise NotImplementedError

    def _check_input(self, input: Any) -> bool:
        """Whether the input has a batch dim."""
        ndim = len(input.shape)
        if ndim not in (2, 3) or input.shape[-1] != self.input_size:
            order = "(N, L, {0})" if self.batch_first else "(L, N, {0})"
            raise ShapeError(
                f"{type(self).__name__}: input has shape {tuple(input.shape)}, but must be "
                f"{order.format(self.input_size)} or (L, {self.input_size})."
            )
        return ndim == 3

    def _widths(self) -> Iterator[int]:
        """The last dim of each part of the state."""
        yield self.proj_size or self.hidden_size
        if self._states == 2:
            yield self.hidden_size

    def _initial(self, hx: Any, x: Any, batched: bool) -> list[Any]:
        """The parts of the state before the first step, (layers * directions, N, width) each."""
        count = self.num_layers * (2 if self.bidirectional else 1)
        shapes = [(count, x.shape[1], width) for width in self._widths()]
        if hx is None:
            return [creation.zeros(shape, dtype=x.dtype) for shape in shapes]
        parts = [hx] if self._states == 1 else list(hx)
        if not batched:
            parts = [ops.unsqueeze(part, 1) for part in parts]
        for part, shape in zip(parts, shapes, strict=True):
            if tuple(part.shape) != shape:
                raise ShapeError(
                    f"{type(self).__name__}: a part of the state has shape {tuple(part.shape)}, "
                    f"but must have {shape}: (layers * directions, batch, width)."
                )
        return parts

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        text = f"{self.input_size}, {self.hidden_size}"
        for name, plain in (
            ("proj_size", 0),
            ("num_layers", 1),
            ("bias", True),
            ("batch_first", False),
            ("dropout", 0),
            ("bidirectional", False),
        ):
            value = getattr(self, name)
            if value != plain:
                text += f", {name}={value}"
        return text


class RNN(RNNBase):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu with nonlinearity="relu"."""

    _gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        check_nonlinearity("RNN", nonlinearity)
        super().__init__(
            f"RNN_{nonlinearity.upper()}",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            0,
            device,
            dtype,
        )
        self.nonlinearity = nonlinearity

    def _steps(
        self, gates: Any, state: tuple[Any, ...], layer: int, suffix: str
    ) -> tuple[Any, tuple[Any, ...]]:
        weight = self._of(layer, suffix, "weight_hh")
        y = ops.rnn_layer(gates, state[0], weight, self.nonlinearity)
        return y, (y[-1],)


class LSTM(RNNBase):
    """c' = f * c + i * g, h' = o * tanh(c') with gates i, f, o and candidates g.

    Each is a quarter of W_ih x + b_ih + W_hh h + b_hh, through sigmoid, the candidates through
    tanh. With `proj_size` h' is projected by weight_hr.
    """

    _gates = 4
    _states = 2

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(
            "LSTM",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            device,
            dtype,
        )

    def _steps(
        self, gates: Any, state: tuple[Any, ...], layer: int, suffix: str
    ) -> tuple[Any, tuple[Any, ...]]:
        weight, projection = (self._of(layer, suffix, n) for n in ("weight_hh", "weight_hr"))
        both = ops.lstm_layer(gates, *state, weight, projection)
        width = self.proj_size or self.hidden_size
        return both[..., :width], (both[-1, :, :width], both[-1, :, width:])


class GRU(RNNBase):
    """h' = (1 - z) * n + z * h with gates r, z and candidates n.

    r and z are thirds of W_ih x + b_ih + W_hh h + b_hh, through sigmoid;
    n = tanh(W_in x + b_in + r * (W_hn h + b_hn)).
    """

    _gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(
            "GRU",
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            0,
            device,
            dtype,
        )

    def _input_bias(self, layer: int, suffix: str) -> Any:
        return self._of(layer, suffix, "bias_ih")

    def _steps(
        self, gates: Any, state: tuple[Any, ...], layer: int, suffix: str
    ) -> tuple[Any, tuple[Any, ...]]:
        weight, bias = (self._of(layer, suffix, name) for name in ("weight_hh", "bias_hh"))
        y = ops.gru_layer(gates, state[0], weight, bias)
        return y, (y[-1],)


def check_nonlinearity(where: str, nonlinearity: str) -> None:
    """Raise ValueError unless it is one that recurrent layers know."""
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(
            f"{where}: nonlinearity is {nonlinearity!r}, but must be 'tanh' or 'relu'."
        )
