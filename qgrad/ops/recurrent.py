"""Recurrent layers in one direction, a whole sequence as one op.

    h[t] = f(gates[t] + h[t-1] @ weight.T, ...)

`gates` is the input's share, x @ w_ih.T + b_ih, of all steps [L, N, gates * H]. The gradient goes
through the sequence once, from its end: what each step needs of the forward is worked out for all
steps beforehand, so that the loop is short.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qgrad.errors import DTypeError, ShapeError
from qgrad.ops.activation import sigmoid
from qgrad.ops.elementwise import tanh
from qgrad.ops.matmul import linear, product
from qgrad.ops.op import Value, describe, op
from qgrad.ops.reduction import sum
from qgrad.ops.shape import cat, reshape, stack, transpose, unsqueeze

__all__ = ["gru_layer", "lstm_layer", "rnn_layer"]

Gradients = tuple[Value, ...]


class _Tape:
    """What a forward keeps for its gradients, and the gradients once they are known.

    All arguments' gradients come out of one pass, so the rule that is asked first runs it and the
    others find the result. Only arrays are kept: a Tensor would refer to the node that holds this.
    """

    __slots__ = ("gates", "key", "result")

    def __init__(self, *gates: Any) -> None:
        self.gates = gates
        self.key: Any = None
        self.result: Gradients = ()

    def gradients(self, g: Value, compute: Callable[[Any], Gradients]) -> Gradients:
        """compute(gates), of which each array `g` asks once; compute(None) for Tensors."""
        if not isinstance(g, np.ndarray):
            return compute(None)
        if self.key is not g:
            self.key, self.result = g, compute(self.gates)
        return self.result


def _before(start: Value, sequence: Value) -> Value:
    """The sequence one step earlier: `start`, then all but its last element."""
    return cat([unsqueeze(start, 0), sequence[:-1]], 0)


def _part(x: Value, i: int, width: int) -> Value:
    return x[..., i * width : (i + 1) * width]


def _dweight(grads: Value, inputs: Value) -> Value:
    """The gradient of a weight [O, K] that was applied at every step: [L, N, O], [L, N, K]."""
    rows, columns = (reshape(x, (-1, x.shape[-1])) for x in (grads, inputs))
    return product(transpose(rows, 0, 1), columns)


def _check(name: str, gates: Any, h: Any, weight: Any, count: int) -> None:
    shown = f"(gates {describe(gates)}, h {describe(h)}, weight {describe(weight)})"
    if gates.ndim != 3 or h.ndim != 2 or weight.ndim != 2 or not len(gates):
        raise ShapeError(
            f"{name}: needs gates [L, N, {count} * H] with L >= 1, h [N, H] and weight "
            f"[{count} * H, H] {shown}"
        )
    rows, width = weight.shape
    if gates.shape[1] != h.shape[0] or gates.shape[2] != rows or width != h.shape[1]:
        raise ShapeError(f"{name}: gates, state and weight do not fit {shown}")
    if rows % count:
        raise ShapeError(f"{name}: {rows} rows are not {count} gates {shown}")
    if not gates.dtype == h.dtype == weight.dtype:
        raise DTypeError(f"{name}: gates, state and weight must have one dtype {shown}")


@op(saves=True)
def rnn_layer(gates: Value, h: Value, weight: Value, nonlinearity: str = "tanh") -> Value:
    """h[t] = nonlinearity(gates[t] + h[t-1] @ weight.T) for all t: [L, N, H] from h [N, H]."""
    _check("rnn_layer", gates, h, weight, 1)
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"rnn_layer: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}")
    y = np.empty_like(gates, order="C")
    for t, share in enumerate(gates):
        total = share + linear.forward(h, weight)[0]
        h = y[t] = tanh.forward(total) if nonlinearity == "tanh" else np.maximum(total, 0)
    return y, _Tape()


def _rnn_gradients(g: Value, h: Value, weight: Value, nonlinearity: str, y: Value) -> Gradients:
    """The gradients of gates, h and weight."""
    slope = 1 - y * y if nonlinearity == "tanh" else (y > 0) * 1.0
    steps: list[Value] = []
    dh: Value = None
    for t in reversed(range(len(g))):
        dh = g[t] if dh is None else g[t] + dh
        steps.append(dh * slope[t])
        dh = product(steps[-1], weight)
    dgates = stack(steps[::-1], 0)
    return dgates, dh, _dweight(dgates, _before(h, y))


def _rnn(g: Value, h: Value, weight: Value, nonlinearity: str, y: Value, saved: Any) -> Gradients:
    return saved.gradients(g, lambda _: _rnn_gradients(g, h, weight, nonlinearity, y))


@rnn_layer.rule("gates")
def rnn_layer_dgates(
    g: Value, h: Value, weight: Value, nonlinearity: str, y: Value, saved: Any
) -> Value:
    return _rnn(g, h, weight, nonlinearity, y, saved)[0]


@rnn_layer.rule("h")
def rnn_layer_dh(
    g: Value, h: Value, weight: Value, nonlinearity: str, y: Value, saved: Any
) -> Value:
    return _rnn(g, h, weight, nonlinearity, y, saved)[1]


@rnn_layer.rule("weight")
def rnn_layer_dweight(
    g: Value, h: Value, weight: Value, nonlinearity: str, y: Value, saved: Any
) -> Value:
    return _rnn(g, h, weight, nonlinearity, y, saved)[2]


@op(saves=True)
def lstm_layer(gates: Value, h: Value, c: Value, weight: Value, projection: Value = None) -> Value:
    """c[t] = f * c[t-1] + i * g and h[t] = o * tanh(c[t]) for all t: [L, N, P + H] of (h, c).

    i, f, g, o are the quarters of gates[t] + h[t-1] @ weight.T, g through tanh, the others through
    sigmoid. With `projection` [P, H], h[t] = (o * tanh(c[t])) @ projection.T; else P is H.
    """
    _check("lstm_layer", gates, h, weight, 4)
    width, hidden = h.shape[1], weight.shape[0] // 4
    if c.shape != (len(h), hidden):
        raise ShapeError(f"lstm_layer: c must be [{len(h)}, {hidden}], got {describe(c)}")
    if width != hidden and projection is None:
        raise ShapeError(f"lstm_layer: h must be as wide as c {describe(c)}, got {describe(h)}")
    if projection is not None and projection.shape != (width, hidden):
        raise ShapeError(
            f"lstm_layer: projection must be [{width}, {hidden}], got {describe(projection)}"
        )
    y = np.empty((*gates.shape[:2], width + hidden), gates.dtype)
    kept = np.empty_like(gates, order="C")
    for t, share in enumerate(gates):
        a = share + linear.forward(h, weight)[0]
        candidate = tanh.forward(_part(a, 2, hidden))
        a = kept[t] = sigmoid.forward(a)
        _part(kept[t], 2, hidden)[...] = candidate
        c = _part(a, 1, hidden) * c + _part(a, 0, hidden) * candidate
        h = _part(a, 3, hidden) * tanh.forward(c)
        if projection is not None:
            h = linear.forward(h, projection)[0]
        y[t, :, :width], y[t, :, width:] = h, c
    return y, _Tape(kept)


def _lstm_gates(gates: Value, h: Value, weight: Value, hidden: int, y: Value) -> Value:
    """(i, f, g, o) of all steps, so that they can be differentiated."""
    outputs = y[..., : h.shape[-1]]
    total = gates + linear(_before(h, outputs), weight)
    parts = [_part(total, i, hidden) for i in range(4)]
    return [tanh(part) if i == 2 else sigmoid(part) for i, part in enumerate(parts)]


def _lstm_gradients(
    g: Value, gates: Value, h: Value, c: Value, weight: Value, projection: Value, y: Value,
    kept: Any,
) -> Gradients:  # fmt: skip
    """The gradients of gates, h, c, weight and projection."""
    width, hidden = h.shape[-1], c.shape[-1]
    cells = y[..., width:]
    if kept is None:
        i, f, candidate, o = _lstm_gates(gates, h, weight, hidden, y)
    else:
        i, f, candidate, o = (_part(kept[0], k, hidden) for k in range(4))
    seen = tanh(cells)
    # The slopes of i, f, g by the gradient of c, and those of o and c by that of o * tanh(c).
    slopes = stack(
        [candidate * i * (1 - i), _before(c, cells) * f * (1 - f), i * (1 - candidate * candidate)],
        -2,
    )
    o_slope, c_slope = seen * o * (1 - o), o * (1 - seen * seen)
    steps: list[Value] = []
    projected: list[Value] = []
    dh: Value = 0.0
    dc: Value = 0.0
    for t in reversed(range(len(g))):
        dh = g[t][:, :width] + dh
        projected.append(dh)
        dout = dh if projection is None else product(dh, projection)
        dc = g[t][:, width:] + dc + dout * c_slope[t]
        three = reshape(unsqueeze(dc, 1) * slopes[t], (len(dc), 3 * hidden))
        steps.append(cat([three, dout * o_slope[t]], 1))
        dc = dc * f[t]
        dh = product(steps[-1], weight)
    dgates = stack(steps[::-1], 0)
    dweight = _dweight(dgates, _before(h, y[..., :width]))
    if projection is None:
        return dgates, dh, dc, dweight
    return dgates, dh, dc, dweight, _dweight(stack(projected[::-1], 0), o * seen)


def _lstm(
    g: Value, gates: Value, h: Value, c: Value, weight: Value, projection: Value, y: Value,
    saved: Any,
) -> Gradients:  # fmt: skip
    return saved.gradients(
        g, lambda kept: _lstm_gradients(g, gates, h, c, weight, projection, y, kept)
    )


@lstm_layer.rule("gates")
def lstm_layer_dgates(
    g: Value, gates: Value, h: Value, c: Value, weight: Value, projection: Value, y: Value,
    saved: Any,
) -> Value:  # fmt: skip
    return _lstm(g, gates, h, c, weight, projection, y, saved)[0]


@lstm_layer.rule("h")
def lstm_layer_dh(
    g: Value, gates: Value, h: Value, c: Value, weight: Value, projection: Value, y: Value,
    saved: Any,
) -> Value:  # fmt: skip
    return _lstm(g, gates, h, c, weight, projection, y, saved)[1]


@lstm_layer.rule("c")
def lstm_layer_dc(
    g: Value, gates: Value, h: Value, c: Value, weight: Value, projection: Value, y: Value,
    saved: Any,
) -> Value:  # fmt: skip
    return _lstm(g, gates, h, c, weight, projection, y, saved)[2]


@lstm_layer.rule("weight")
def lstm_layer_dweight(
    g: Value, gates: Value, h: Value, c: Value, weight: Value, projection: Value, y: Value,
    saved: Any,
) -> Value:  # fmt: skip
    return _lstm(g, gates, h, c, weight, projection, y, saved)[3]


@lstm_layer.rule("projection")
def lstm_layer_dprojection(
    g: Value, gates: Value, h: Value, c: Value, weight: Value, projection: Value, y: Value,
    saved: Any,
) -> Value:  # fmt: skip
    return _lstm(g, gates, h, c, weight, projection, y, saved)[4]


@op(saves=True)
def gru_layer(gates: Value, h: Value, weight: Value, bias: Value = None) -> Value:
    """h[t] = n + z * (h[t-1] - n) for all t: [L, N, H] from h [N, H].

    With (r, z, n) the thirds of gates[t] and of the state's share, h[t-1] @ weight.T + bias:
    r and z = sigmoid(gates + share), n = tanh(gates + r * share).
    """
    _check("gru_layer", gates, h, weight, 3)
    hidden = h.shape[1]
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ShapeError(
            f"gru_layer: bias must have {weight.shape[0]} elements, got {describe(bias)}"
        )
    y = np.empty((*gates.shape[:2], hidden), gates.dtype)
    rz, n_share = np.empty((*gates.shape[:2], 2 * hidden), gates.dtype), np.empty_like(y)
    candidates = np.empty_like(y)
    for t, mine in enumerate(gates):
        share = linear.forward(h, weight, bias)[0]
        gate = rz[t] = sigmoid.forward(mine[:, : 2 * hidden] + share[:, : 2 * hidden])
        state = n_share[t] = _part(share, 2, hidden)
        n = candidates[t] = tanh.forward(_part(mine, 2, hidden) + _part(gate, 0, hidden) * state)
        h = y[t] = n + _part(gate, 1, hidden) * (h - n)
    return y, _Tape(rz, n_share, candidates)


def _gru_gradients(
    g: Value, gates: Value, h: Value, weight: Value, bias: Value, y: Value, kept: Any
) -> Gradients:
    """The gradients of gates, h, weight and bias."""
    hidden = h.shape[-1]
    before = _before(h, y)
    if kept is None:
        share = linear(before, weight, bias)
        rz = sigmoid(gates[..., : 2 * hidden] + share[..., : 2 * hidden])
        state = _part(share, 2, hidden)
        n = tanh(_part(gates, 2, hidden) + _part(rz, 0, hidden) * state)
    else:
        rz, state, n = kept
    r, z = _part(rz, 0, hidden), _part(rz, 1, hidden)
    n_slope = (1 - z) * (1 - n * n)
    z_slope, r_slope = (before - n) * (z * (1 - z)), state * (r * (1 - r))
    steps: list[Value] = []
    shares: list[Value] = []
    dh: Value = 0.0
    for t in reversed(range(len(g))):
        dh = g[t] + dh
        dn = dh * n_slope[t]
        drz = cat([dn * r_slope[t], dh * z_slope[t]], 1)
        steps.append(cat([drz, dn], 1))
        shares.append(cat([drz, dn * r[t]], 1))
        dh = dh * z[t] + product(shares[-1], weight)
    dshare = stack(shares[::-1], 0)
    return stack(steps[::-1], 0), dh, _dweight(dshare, before), sum(dshare, (0, 1))


def _gru(
    g: Value, gates: Value, h: Value, weight: Value, bias: Value, y: Value, saved: Any
) -> Gradients:
    return saved.gradients(g, lambda kept: _gru_gradients(g, gates, h, weight, bias, y, kept))


@gru_layer.rule("gates")
def gru_layer_dgates(
    g: Value, gates: Value, h: Value, weight: Value, bias: Value, y: Value, saved: Any
) -> Value:
    return _gru(g, gates, h, weight, bias, y, saved)[0]


@gru_layer.rule("h")
def gru_layer_dh(
    g: Value, gates: Value, h: Value, weight: Value, bias: Value, y: Value, saved: Any
) -> Value:
    return _gru(g, gates, h, weight, bias, y, saved)[1]


@gru_layer.rule("weight")
def gru_layer_dweight(
    g: Value, gates: Value, h: Value, weight: Value, bias: Value, y: Value, saved: Any
) -> Value:
    return _gru(g, gates, h, weight, bias, y, saved)[2]


@gru_layer.rule("bias")
def gru_layer_dbias(
    g: Value, gates: Value, h: Value, weight: Value, bias: Value, y: Value, saved: Any
) -> Value:
    return _gru(g, gates, h, weight, bias, y, saved)[3]
