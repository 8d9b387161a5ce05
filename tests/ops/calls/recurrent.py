"""Strategies of recurrent layers: their definitions, one step at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from ops.calls.draw import Array, Call, Draw, calls_of
from scipy import special


def sizes(d: Draw) -> tuple[int, int, int]:
    """Steps, batch and width."""
    return d.int(1, 3), d.int(0, 2), d.int(1, 3)


def parts(x: Array, count: int) -> list[Array]:
    """The last dim in equal parts."""
    return np.split(x, count, -1)


@calls_of("rnn_layer")
def rnn_layer(d: Draw) -> Call:
    """Both nonlinearities."""
    steps, batch, width = sizes(d)
    gates, h = d.array((steps, batch, width)), d.array((batch, width))
    weight = d.array((width, width))
    name, f = d.one_of(("tanh", np.tanh), ("relu", lambda x: np.maximum(x, 0)))
    states: list[Any] = [h]
    for share in gates:
        states.append(f(share + states[-1] @ weight.T))
    return Call((gates, h, weight, name), {}, np.stack(states[1:]))


@calls_of("lstm_layer")
def lstm_layer(d: Draw) -> Call:
    """With and without projection."""
    steps, batch, hidden = sizes(d)
    width = d.int(1, 3) if d.bool() else None
    projection = None if width is None else d.array((width, hidden))
    width = width or hidden
    gates, weight = d.array((steps, batch, 4 * hidden)), d.array((4 * hidden, width))
    start_h, start_c = h, c = d.array((batch, width)), d.array((batch, hidden))
    outputs = []
    for share in gates:
        i, f, g, o = parts(share + h @ weight.T, 4)
        c = special.expit(f) * c + special.expit(i) * np.tanh(g)
        h = special.expit(o) * np.tanh(c)
        h = h if projection is None else h @ projection.T
        outputs.append(np.concatenate([h, c], -1))
    return Call((gates, start_h, start_c, weight, projection), {}, np.stack(outputs))


@calls_of("gru_layer")
def gru_layer(d: Draw) -> Call:
    """With and without bias."""
    steps, batch, width = sizes(d)
    gates, weight = d.array((steps, batch, 3 * width)), d.array((3 * width, width))
    bias = d.array((3 * width,)) if d.bool() else None
    start = h = d.array((batch, width))
    outputs = []
    for share in gates:
        mine, state = parts(share, 3), parts(h @ weight.T + (0 if bias is None else bias), 3)
        r, z = special.expit(mine[0] + state[0]), special.expit(mine[1] + state[1])
        n = np.tanh(mine[2] + r * state[2])
        h = (1 - z) * n + z * h
        outputs.append(h)
    return Call((gates, start, weight, bias), {}, np.stack(outputs))
