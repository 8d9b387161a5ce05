"""One step of a recurrent layer, from the input's share of the gates and the state before.

The input's share is x @ w_ih.T + b_ih. A whole sequence is one op, `ops.lstm_layer` and kin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qgrad import ops

__all__ = ["gru_step", "lstm_step", "rnn_step"]


def rnn_step(gates: Any, h: Any, w_hh: Any, b_hh: Any, nonlinearity: Callable[[Any], Any]) -> Any:
    """h' = nonlinearity(gates + h @ w_hh.T + b_hh): (N, H), (N, H) -> (N, H)."""
    return nonlinearity(gates + ops.linear(h, w_hh, b_hh))


def lstm_step(
    gates: Any, h: Any, c: Any, w_hh: Any, b_hh: Any, w_hr: Any = None
) -> tuple[Any, Any]:
    """(h', c') with c' = f * c + i * g and h' = o * tanh(c'): (N, 4H), (N, P), (N, H).

    i, f, g, o are the quarters of gates + h @ w_hh.T + b_hh, g through tanh, the others through
    sigmoid. `w_hr` (P, H) projects h'.
    """
    i, f, g, o = ops.chunk(gates + ops.linear(h, w_hh, b_hh), 4, -1)
    c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
    h = ops.sigmoid(o) * ops.tanh(c)
    return (h if w_hr is None else ops.linear(h, w_hr)), c


def gru_step(gates: Any, h: Any, w_hh: Any, b_hh: Any) -> Any:
    """h' = n + z * (h - n): (N, 3H), (N, H) -> (N, H).

    With (r, z, n) the thirds of the input's share and of the state's, h @ w_hh.T + b_hh:
    r and z = sigmoid(input + state), n = tanh(input + r * state).
    """
    r_input, z_input, n_input = ops.chunk(gates, 3, -1)
    r_state, z_state, n_state = ops.chunk(ops.linear(h, w_hh, b_hh), 3, -1)
    r = ops.sigmoid(r_input + r_state)
    z = ops.sigmoid(z_input + z_state)
    n = ops.tanh(n_input + r * n_state)
    return n + z * (h - n)
