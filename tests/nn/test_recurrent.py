"""RNN, LSTM, GRU and their cells: PyTorch's values, one step after the other, shapes, errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qgrad
from qgrad import nn
from qgrad.errors import ShapeError
from qgrad.graph import trace


def fill(shape: tuple[int, ...], start: float) -> Any:
    """Numbers that are all different, without a random generator."""
    data = np.sin(np.arange(math.prod(shape)) * 0.7 + start).reshape(shape)
    return qgrad.from_numpy(data.astype(np.float32))


def filled(layer: Any) -> Any:
    """The layer, its i-th parameter being fill(shape, 1 + i)."""
    for i, param in enumerate(layer.parameters()):
        param._data[...] = fill(tuple(param.shape), i + 1.0)._data
    return layer


def probe(tensor: Any) -> list[float]:
    """Four elements and the sum."""
    flat = tensor.detach().numpy().astype(np.float64).reshape(-1)
    places = np.unique(np.linspace(0, len(flat) - 1, 4).astype(int))
    return [*flat[places], flat.sum()]


def parts(state: Any) -> tuple[Any, ...]:
    """(h, c) of an LSTM, (h,) of the others."""
    return state if isinstance(state, tuple) else (state,)


# From PyTorch 2.13 for x = fill((5, 2, 3), 0.3): shape and values of the output and of the last
# part of the state; gradients of x and of the first parameter for fill(shape, 0.2) as the gradient
# of the output and fill(shape, 0.5) as that of each part of the state.
LAYERS = [
    (
        lambda: nn.LSTM(3, 4),
        (5, 2, 4), [0.164498, -0.00702937, -0.338889, -0.84379, -8.46059],
        (1, 2, 4), [-0.0872596, -0.323444, -0.347752, -1.49822, -4.61113],
        [-0.151364, -0.234796, 0.109488, -0.0488714, 0.847597],
        [-0.0216743, -6.74366e-05, -0.153255, 0.0454336, 2.47713],
    ),
    (
        lambda: nn.LSTM(3, 4, 2, bidirectional=True),
        (5, 2, 8), [-0.17631, -0.231739, 0.0543105, -0.175613, -12.6441],
        (4, 2, 4), [-0.0872596, 0.366465, -0.920729, -1.10374, -4.75379],
        [0.0307498, -0.260419, -0.208223, 0.0204913, 1.85155],
        [-0.0469593, 0.00368476, -0.0361993, 0.0553249, 3.9178],
    ),
    (
        lambda: nn.LSTM(3, 4, 2, bias=False, batch_first=True, proj_size=2),
        (5, 2, 2), [-0.0554059, -0.0139434, -0.0582121, 0.0138089, -0.0168919],
        (2, 5, 4), [-0.515609, 0.269138, -0.0293225, 0.0152158, -2.46425],
        [-0.146001, 0.391342, 0.0149789, 0.0976317, 1.03679],
        [-0.0815603, 0.0584642, -0.148339, -0.0247125, -0.879801],
    ),
    (
        lambda: nn.GRU(3, 4, 2),
        (5, 2, 4), [0.715284, 0.87309, 0.785248, 0.588757, 21.9007],
        (2, 2, 4), [0.204627, 0.388757, 0.847903, 0.588757, 3.18897],
        [1.47357, -1.29623, 0.344106, 0.16427, 1.83332],
        [0.0137735, 0.00346827, -0.071119, -0.0140951, -1.64943],
    ),
    (
        lambda: nn.GRU(3, 4, bidirectional=True, batch_first=True),
        (5, 2, 8), [0.307333, 0.00479114, -0.344602, -0.0713853, 19.4827],
        (2, 5, 4), [0.0585135, 0.279467, -0.422446, 0.620908, 9.14702],
        [0.323943, 0.238189, -0.624973, -0.419505, 0.102589],
        [-0.0332064, -0.0129642, 0.261436, 0.0920645, 1.00236],
    ),
    (
        lambda: nn.RNN(3, 4, 2),
        (5, 2, 4), [0.936698, 0.951618, 0.923327, -0.288734, 21.6164],
        (2, 2, 4), [-0.99633, -0.961942, 0.778759, -0.288734, 1.15042],
        [-0.0260112, -0.0599852, -1.32584, 0.048391, -5.17991],
        [-1.01088, -0.800958, -0.075387, -0.822107, -5.61731],
    ),
    (
        lambda: nn.RNN(3, 4, nonlinearity="relu", bidirectional=True),
        (5, 2, 8), [1.13728, 0.0, 2.38286, 0.0, 78.7655],
        (2, 2, 4), [0.0, 0.0, 0.0, 2.34447, 17.3267],
        [0.935489, -2.10029, 1.48634, 0.82235, -5.83081],
        [0.326335, 0.0, -0.750232, -0.33058, -0.618208],
    ),
]  # fmt: skip
CELLS = [
    (lambda: nn.RNNCell(3, 4), [0.901549, -0.306511, -0.167937, 0.698813, -2.16733]),
    (lambda: nn.RNNCell(3, 4, False, "relu"), [2.09612, 1.40768, 0.44614, 1.97296, 7.03019]),
    (lambda: nn.LSTMCell(3, 4), [1.13361, 0.320743, -0.497962, -1.15684, -1.32595]),
    (lambda: nn.GRUCell(3, 4), [0.604759, 0.899707, -0.521194, -0.712051, -0.477475]),
]


@pytest.mark.parametrize(("make", "shape", "values", "end", "last", "dx", "dw"), LAYERS)
def test_layers_equal_pytorch(
    make: Any, shape: Any, values: Any, end: Any, last: Any, dx: Any, dw: Any
) -> None:
    """Output, state and gradients are PyTorch's to float32 rounding."""
    layer = filled(make())
    x = fill((5, 2, 3), 0.3).requires_grad_()
    y, state = layer(x)
    assert tuple(y.shape) == shape
    assert tuple(parts(state)[-1].shape) == end
    loss = (y * fill(shape, 0.2)).sum()
    for part in parts(state):
        loss = loss + (part * fill(tuple(part.shape), 0.5)).sum()
    loss.backward()
    for tensor, expected in (
        (y, values), (parts(state)[-1], last), (x.grad, dx), (next(layer.parameters()).grad, dw)
    ):  # fmt: skip
        np.testing.assert_allclose(probe(tensor), expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(("make", "values"), CELLS)
def test_cells_equal_pytorch(make: Any, values: list[float]) -> None:
    """The state after one step (c of an LSTM) is PyTorch's."""
    cell = filled(make())
    h = fill((2, 4), 0.6)
    after = cell(fill((2, 3), 0.3), (h, fill((2, 4), 0.9)) if "LSTM" in repr(cell) else h)
    np.testing.assert_allclose(probe(parts(after)[-1]), values, rtol=2e-5, atol=2e-5)


KINDS = {"RNN": nn.RNNCell, "LSTM": nn.LSTMCell, "GRU": nn.GRUCell}


def by_cells(layer: Any, x: Any, states: list[Any]) -> tuple[Any, list[Any]]:
    """What a layer computes, by cells that run one step at a time, in float64."""
    directions = ("", "_reverse") if layer.bidirectional else ("",)
    ends: list[Any] = [[] for _ in states]
    for k in range(layer.num_layers):
        sequences = []
        for d, suffix in enumerate(directions):
            names = ("weight_ih", "weight_hh") + ("bias_ih", "bias_hh") * bool(layer.bias)
            own = {name: getattr(layer, f"{name}_l{k}{suffix}") for name in names}
            width = own["weight_ih"].shape[1]
            cell = KINDS[type(layer).__name__](width, layer.hidden_size, layer.bias).double()
            cell.load_state_dict(own)
            state = tuple(s[k * len(directions) + d] for s in states)
            outputs = []
            for t in reversed(range(len(x))) if suffix else range(len(x)):
                state = parts(cell(x[t], state if len(state) > 1 else state[0]))
                outputs.append(state[0])
            sequences.append(qgrad.stack(outputs[::-1] if suffix else outputs))
            for end, part in zip(ends, state, strict=True):
                end.append(part)
        x = qgrad.cat(sequences, -1)
    return x, [qgrad.stack(end) for end in ends]


@given(
    kind=st.sampled_from(sorted(KINDS)),
    layers=st.integers(1, 3),
    bidirectional=st.booleans(),
    bias=st.booleans(),
    steps=st.integers(1, 4),
    batch=st.one_of(st.none(), st.integers(0, 3)),
    batch_first=st.booleans(),
    given_state=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
@settings(deadline=None)
def test_layers_are_cells_step_by_step(
    kind: str, layers: int, bidirectional: bool, bias: bool, steps: int, batch: int | None,
    batch_first: bool, given_state: bool, seed: int,
) -> None:  # fmt: skip
    """Every layer and direction is its cell, one step after the other; also without a batch."""
    rng = np.random.default_rng(seed)
    layer = getattr(nn, kind)(
        3, 2, layers, bias=bias, batch_first=batch_first, bidirectional=bidirectional
    ).double()
    n = 1 if batch is None else batch
    x = qgrad.from_numpy(rng.uniform(-1, 1, (steps, n, 3)))
    shape = (layers * (1 + bidirectional), n, 2)
    count = 2 if kind == "LSTM" else 1
    states = [qgrad.from_numpy(rng.uniform(-1, 1, shape) * given_state) for _ in range(count)]
    expected, ends = by_cells(layer, x, states)
    if batch is None:
        x, expected = x[:, 0], expected[:, 0]
        states, ends = [s[:, 0] for s in states], [e[:, 0] for e in ends]
    elif batch_first:
        x, expected = x.transpose(0, 1), expected.transpose(0, 1)
    hx = None if not given_state else tuple(states) if count > 1 else states[0]
    y, after = layer(x, hx)
    np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy(), rtol=0, atol=1e-12)
    for part, end in zip(parts(after), ends, strict=True):
        np.testing.assert_allclose(part.detach().numpy(), end.detach().numpy(), rtol=0, atol=1e-12)


def test_dropout_comes_between_layers() -> None:
    """In training the result varies, though no output is 0; in evaluation it does not."""
    qgrad.manual_seed(0)
    layer = nn.RNN(3, 50, 2, dropout=0.5)
    y, _ = layer(qgrad.randn(1, 1, 3))
    assert y.detach().numpy().all()
    layer.eval()
    first, _ = layer(qgrad.ones(2, 1, 3))
    second, _ = layer(qgrad.ones(2, 1, 3))
    np.testing.assert_array_equal(first.detach().numpy(), second.detach().numpy())
    layer.train()
    third, _ = layer(qgrad.ones(2, 1, 3))
    assert not np.array_equal(first.detach().numpy(), third.detach().numpy())
    with pytest.warns(UserWarning, match="RNN: dropout=0.5 comes between layers"):
        nn.RNN(3, 4, dropout=0.5)


def test_initial_values_and_names() -> None:
    """Uniform on +-1/sqrt(hidden_size), under PyTorch's names in PyTorch's order."""
    qgrad.manual_seed(0)
    layer = nn.LSTM(8, 16, 2, bidirectional=True, proj_size=4)
    for param in layer.parameters():
        values = param.detach().numpy()
        assert np.abs(values).max() <= 0.25
        assert values.std() == pytest.approx(0.25 / math.sqrt(3), rel=0.25)
    first = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "weight_hr_l0"]
    names = list(layer.state_dict())
    assert names[:5] == first
    assert names[5:10] == [f"{name}_reverse" for name in first]
    assert names[10:15] == [name.replace("l0", "l1") for name in first]
    assert list(nn.GRUCell(2, 3, bias=False).state_dict()) == ["weight_ih", "weight_hh"]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_traced_for_any_batch_and_length(kind: str) -> None:
    """A layer is one node for each direction, and runs on sequences of any length."""
    layer = getattr(nn, kind)(3, 4, 2, batch_first=True, bidirectional=True)
    graph = trace(layer, qgrad.randn(2, 5, 3), dynamic_dims={0: (0, 1)})
    steps = [node for node in graph.graph.nodes if node.op is not None and "layer" in node.op.name]
    assert len(steps) == 4
    for x in (qgrad.randn(7, 5, 3), qgrad.randn(1, 9, 3)):
        for mine, expected in zip(parts(graph(x)[1]), parts(layer(x)[1]), strict=True):
            np.testing.assert_array_equal(mine.detach().numpy(), expected.detach().numpy())
        np.testing.assert_array_equal(graph(x)[0].detach().numpy(), layer(x)[0].detach().numpy())


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: nn.LSTM(3, 4)(qgrad.ones(5, 2, 2)), ShapeError, r"LSTM: input has shape \(5, 2"),
        (lambda: nn.GRU(3, 4)(qgrad.ones(3)), ShapeError, r"must be \(L, N, 3\) or \(L, 3\)"),
        (
            lambda: nn.GRU(3, 4)(qgrad.ones(5, 2, 3), qgrad.ones(1, 3, 4)),
            ShapeError,
            r"GRU: a part of the state has shape \(1, 3, 4\), but must have \(1, 2, 4\)",
        ),
        (lambda: nn.RNN(3, 4)(qgrad.ones(0, 2, 3)), ShapeError, "rnn_layer: .* with L >= 1"),
        (lambda: nn.RNN(3, 4, nonlinearity="gelu"), ValueError, "nonlinearity is 'gelu'"),
        (lambda: nn.LSTM(3, 4, proj_size=4), ValueError, "proj_size is 4"),
        (lambda: nn.LSTM(3, 0), ValueError, "hidden_size is 0"),
        (lambda: nn.GRU(3, 4, dropout=2), ValueError, "dropout is 2"),
        (lambda: nn.GRUCell(3, 4)(qgrad.ones(2, 2)), ShapeError, r"GRUCell: input has shape"),
        (
            lambda: nn.RNNCell(3, 4)(qgrad.ones(2, 3), qgrad.ones(3, 4)),
            ShapeError,
            r"RNNCell: the state has shape \(3, 4\), but must have \(2, 4\)",
        ),
    ],
)
def test_errors(call: Any, kind: type[Exception], message: str) -> None:
    """Inputs, states and options that do not fit are refused with what would."""
    with pytest.raises(kind, match=message):
        call()
