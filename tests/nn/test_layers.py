"""Layers: PyTorch's values and gradients, naive loops, finite differences, arguments, errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from nn.pytorch_values import CASES
from nn.pytorch_values_more import MORE_CASES

import qgrad
from qgrad import nn
from qgrad.errors import DTypeError, ShapeError, UnsupportedOpError
from qgrad.nn import functional as F

ALL_CASES = CASES + MORE_CASES
IDS = [f"{i}-{type(case[0]()).__name__}" for i, case in enumerate(ALL_CASES)]


def fill(shape: tuple[int, ...], start: float = 0.0) -> np.ndarray[Any, Any]:
    """Numbers that are all different, without a random generator."""
    return np.sin(np.arange(math.prod(shape)) * 0.7 + start).reshape(shape).astype(np.float32)


def set_values(layer: Any) -> None:
    """Parameters and running statistics as pytorch_values.py says."""
    for i, param in enumerate(layer.parameters()):
        param._data[...] = fill(param.shape, i + 1.0)
    if getattr(layer, "running_mean", None) is not None:
        layer.running_mean._data[...] = fill(layer.running_mean.shape, 0.5)
        layer.running_var._data[...] = fill(layer.running_var.shape, 0.5) ** 2 + 0.5


def probe(array: np.ndarray[Any, Any]) -> list[float]:
    """Four elements and the sum."""
    flat = array.astype(np.float64).reshape(-1)
    places = np.unique(np.linspace(0, len(flat) - 1, 4).astype(int))
    return [*flat[places], flat.sum()]


@pytest.mark.parametrize(
    ("make", "x_shape", "y_shape", "y_values", "dx_values"),
    ALL_CASES,
    ids=IDS,
)
def test_equals_pytorch(
    make: Any, x_shape: Any, y_shape: Any, y_values: list[float], dx_values: list[float]
) -> None:
    """Output and input gradient are PyTorch's to float32 rounding (values have six digits)."""
    layer = make()
    set_values(layer)
    x = qgrad.from_numpy(3 * fill(x_shape, 0.3)).requires_grad_()
    y = layer(x)
    assert tuple(y.shape) == y_shape
    (y * qgrad.from_numpy(fill(y_shape, 0.2))).sum().backward()
    np.testing.assert_allclose(probe(y.detach().numpy()), y_values, rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(probe(x.grad.numpy()), dx_values, rtol=2e-5, atol=2e-5)
    assert y.dtype is qgrad.float32


@pytest.mark.parametrize(
    ("make", "x_shape"),
    [case[:2] for case in ALL_CASES],
    ids=IDS,
)
def test_gradients_match_finite_differences(make: Any, x_shape: Any) -> None:
    """In float64, the gradients of x and all parameters equal central differences."""
    layer = make()
    set_values(layer)
    layer.double()
    # Away from kinks: sin(0.7 k + 0.3) is not 0, and 3 sin(..) is neither 3 nor 6.
    x = qgrad.from_numpy(3 * fill(x_shape, 0.3).astype(np.float64)).requires_grad_()
    g = qgrad.from_numpy(fill(tuple(layer(x).shape), 0.2).astype(np.float64))
    leaves = [x, *layer.parameters()]
    loss = (layer(x) * g).sum()
    loss.backward()
    with qgrad.no_grad():
        for leaf in leaves:
            flat = leaf._data.reshape(-1)
            for k in {0, len(flat) // 2, len(flat) - 1}:
                kept, step = flat[k], 1e-6
                values = []
                for shift in (step, -step):
                    flat[k] = kept + shift
                    values.append((layer(x) * g).sum().item())
                flat[k] = kept
                slope = (values[0] - values[1]) / (2 * step)
                assert leaf.grad.numpy().reshape(-1)[k] == pytest.approx(slope, rel=1e-6, abs=1e-7)


# -- convolution against loops -------------------------------------------------------------------


def naive_conv2d(
    x: np.ndarray[Any, Any],
    w: np.ndarray[Any, Any],
    b: np.ndarray[Any, Any],
    stride: tuple[int, int],
    pads: tuple[int, int, int, int],
    dilation: tuple[int, int],
    groups: int,
) -> np.ndarray[Any, Any]:
    """The definition, one output element at a time."""
    x = np.pad(x, ((0, 0), (0, 0), pads[:2], pads[2:]))
    outs, per_group = w.shape[0], w.shape[1]
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, w.shape[2:], strict=True)]
    oh, ow = ((x.shape[2 + i] - spans[i]) // stride[i] + 1 for i in (0, 1))
    y = np.empty((len(x), outs, oh, ow), x.dtype)
    for n, o, i, j in np.ndindex(*y.shape):
        first = o // (outs // groups) * per_group
        top, left = i * stride[0], j * stride[1]
        window = x[
            n,
            first : first + per_group,
            top : top + spans[0] : dilation[0],
            left : left + spans[1] : dilation[1],
        ]
        y[n, o, i, j] = (window * w[o]).sum() + b[o]
    return y


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@given(
    batch=st.integers(1, 2),
    groups=st.integers(1, 3),
    per_group=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    size=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    kernel=pairs,
    stride=pairs,
    dilation=pairs,
    padding=st.one_of(st.tuples(st.integers(0, 2), st.integers(0, 2)), st.just("same")),
    double=st.booleans(),
)
@settings(deadline=None)
def test_conv2d_equals_the_loops(
    batch: int,
    groups: int,
    per_group: tuple[int, int],
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: Any,
    double: bool,
) -> None:
    """Conv2d equals the naive loops for all strides, paddings, dilations and groups."""
    if padding == "same":
        stride = (1, 1)
        totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        pads = tuple(p for t in totals for p in (t // 2, t - t // 2))
    else:
        pads = (padding[0], padding[0], padding[1], padding[1])
    for i in (0, 1):
        reach = dilation[i] * (kernel[i] - 1) + 1
        assume(size[i] + pads[2 * i] + pads[2 * i + 1] >= reach)
    channels, outs = groups * per_group[0], groups * per_group[1]
    conv = nn.Conv2d(channels, outs, kernel, stride, padding, dilation, groups)
    set_values(conv)
    x = fill((batch, channels, *size), 0.3)
    if double:
        conv.double()
        x = x.astype(np.float64)
    y = conv(qgrad.from_numpy(x)).detach().numpy()
    weight, bias = (p.detach().numpy() for p in conv.parameters())
    expected = naive_conv2d(x, weight, bias, stride, pads, dilation, groups)  # type: ignore[arg-type]
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
    assert y.shape[2:] == size if padding == "same" else True


# -- batch norm ----------------------------------------------------------------------------------


@pytest.mark.parametrize("momentum", [0.1, 0.5, None])
def test_batch_norm_tracks_statistics(momentum: float | None) -> None:
    """Running statistics move by momentum, or are the average over batches if it is None."""
    bn = nn.BatchNorm2d(2, momentum=momentum)
    mean, var = np.zeros(2), np.ones(2)
    for t in range(1, 4):
        x = t * fill((2, 2, 3, 3), t)
        bn(qgrad.from_numpy(x))
        m = 1 / t if momentum is None else momentum
        by_channel = x.astype(np.float64).transpose(1, 0, 2, 3).reshape(2, -1)
        mean = (1 - m) * mean + m * by_channel.mean(1)
        var = (1 - m) * var + m * by_channel.var(1, ddof=1)
        assert bn.num_batches_tracked.item() == t
    np.testing.assert_allclose(bn.running_mean.numpy(), mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(bn.running_var.numpy(), var, rtol=1e-5, atol=1e-6)
    before = bn.state_dict()["running_mean"].numpy().copy()
    bn.eval()(qgrad.from_numpy(x))
    np.testing.assert_array_equal(bn.running_mean.numpy(), before)
    assert bn.num_batches_tracked.item() == 3
    bn.reset_running_stats()
    assert bn.num_batches_tracked.item() == 0
    assert bn.running_var.numpy().all()


def test_batch_norm_keeps_its_buffers() -> None:
    """Updates are in place: the buffer objects, and a state dict taken before, stay current."""
    bn = nn.BatchNorm1d(2)
    mean, state = bn.running_mean, bn.state_dict()
    bn(qgrad.randn(8, 2) + 5)
    assert bn.running_mean is mean
    assert state["running_mean"].numpy().all()
    assert state["num_batches_tracked"].item() == 1


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (nn.BatchNorm2d(3), (2, 3), r"BatchNorm2d: x has shape \(2, 3\), but must have 4"),
        (nn.BatchNorm1d(3), (2, 3, 4, 4), r"BatchNorm1d: .*2 or 3 dimensions"),
        (nn.BatchNorm1d(3), (2, 4), "batch_norm: "),
        (nn.BatchNorm1d(3), (1, 3), "batch_norm: .*more than 1 value"),
        (nn.LayerNorm((3, 4)), (2, 4, 3), "layer_norm: "),
    ],
)
def test_norm_shape_errors(layer: Any, shape: tuple[int, ...], message: str) -> None:
    """Inputs that do not fit are refused with shapes and the module."""
    with pytest.raises(ShapeError, match=message) as info:
        layer(qgrad.zeros(*shape))
    assert "in module" in str(info.value)


# -- dropout and embedding -----------------------------------------------------------------------


def test_dropout_scales_what_it_keeps() -> None:
    """About p of the elements become 0, the rest x / (1 - p); the gradient has the same mask."""
    qgrad.manual_seed(0)
    x = qgrad.ones(10000).requires_grad_()
    layer = nn.Dropout(0.25)
    y = layer(x)
    values = y.detach().numpy()
    assert set(np.unique(values)) == {np.float32(0), np.float32(1) / np.float32(0.75)}
    assert abs((values == 0).mean() - 0.25) < 0.02
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy() == 0, values == 0)
    assert not np.array_equal(layer(x).detach().numpy(), values)
    np.testing.assert_array_equal(layer.eval()(x).detach().numpy(), x.detach().numpy())
    assert not nn.Dropout(1.0)(x).detach().numpy().any()
    with pytest.raises(ValueError, match=r"Dropout: p is 1.5, but must be a probability"):
        nn.Dropout(1.5)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(nn.Dropout2d(0.5), (60, 50, 3, 4)), (nn.Dropout1d(0.5), (60, 50, 3)),
     (nn.Dropout1d(0.5), (3000, 4)), (nn.Dropout2d(0.5), (60, 50, 3))],
)  # fmt: skip
def test_channels_are_dropped_whole(layer: Any, shape: tuple[int, ...]) -> None:
    """About half of the channels are 0, the others doubled, in place as well as not."""
    qgrad.manual_seed(0)
    x = qgrad.ones(*shape)
    rows = layer(x).numpy().reshape(3000, -1)
    assert ((rows == rows[:, :1]).all(1) & np.isin(rows[:, 0], (0, 2))).all()
    assert abs(rows.mean() - 1) < 0.1
    qgrad.manual_seed(0)
    layer = type(layer)(0.5, inplace=True)
    assert layer(x) is x
    np.testing.assert_array_equal(x.numpy().reshape(3000, -1), rows)
    leaf = qgrad.ones(*shape).requires_grad_()
    assert layer.eval()(leaf).sum().item() == leaf.numel()


def test_embedding_looks_up_and_sums_gradients() -> None:
    """Rows are picked by index; repeated rows add up; the padding row gets nothing."""
    table = nn.Embedding(5, 3, padding_idx=-4)
    assert table.padding_idx == 1
    assert not table.weight.detach().numpy()[1].any()
    index = qgrad.tensor([[0, 1], [3, 3]])
    y = table(index)
    np.testing.assert_array_equal(y.detach().numpy(), table.weight.detach().numpy()[index.numpy()])
    y.sum().backward()
    np.testing.assert_array_equal(table.weight.grad.numpy()[:, 0], [1, 0, 0, 2, 0])


def test_embedding_scales_rows_and_gradients() -> None:
    """max_norm shortens the rows that are named, in the table; frequent rows share a gradient."""
    table = nn.Embedding.from_pretrained(
        qgrad.from_numpy(3 * fill((4, 2))), False, max_norm=1.0, norm_type=1.0
    )
    before, version = table.weight.detach().numpy().copy(), table.weight._version
    y = table(qgrad.tensor([1, 3, 1])).detach().numpy()
    assert np.abs(y).sum(1).max() <= 1
    after = table.weight.detach().numpy()
    assert table.weight._version > version
    np.testing.assert_array_equal(after[[0, 2]], before[[0, 2]])
    lengths = np.abs(before).sum(1, keepdims=True)
    np.testing.assert_allclose(after[[1, 3]], (before / lengths)[[1, 3]], rtol=1e-6)
    fair = nn.Embedding(4, 2, scale_grad_by_freq=True)
    fair(qgrad.tensor([[1, 3], [1, 1]])).sum().backward()
    np.testing.assert_array_equal(fair.weight.grad.numpy()[:, 0], [0, 1, 0, 1])
    assert repr(table) == "Embedding(4, 2, max_norm=1.0, norm_type=1.0)"


def test_embedding_from_pretrained() -> None:
    """A given table is used as it is, frozen unless asked otherwise."""
    weight = qgrad.from_numpy(fill((4, 2)))
    table = nn.Embedding.from_pretrained(weight)
    assert not table.weight.requires_grad
    assert nn.Embedding.from_pretrained(weight, freeze=False).weight.requires_grad
    np.testing.assert_array_equal(table(qgrad.tensor([2])).numpy(), fill((4, 2))[2:3])
    with pytest.raises(ShapeError, match=r"embeddings has shape \(2,\)"):
        nn.Embedding.from_pretrained(qgrad.zeros(2))


def test_embedding_errors() -> None:
    """Indices out of range, of the wrong type, and options that do not exist are refused."""
    table = nn.Embedding(5, 3)
    with pytest.raises(IndexError, match=r"embedding: index 5 is out of range.*\n.*Embedding"):
        table(qgrad.tensor([5]))
    with pytest.raises(DTypeError, match="embedding: input must hold integers"):
        table(qgrad.tensor([1.0]))
    with pytest.raises(ValueError, match=r"padding_idx is 7.*\[-5, 5\)"):
        nn.Embedding(5, 3, padding_idx=7)
    with pytest.raises(UnsupportedOpError, match="Embedding: sparse is True"):
        nn.Embedding(5, 3, sparse=True)


# -- activations ---------------------------------------------------------------------------------

IN_PLACE = [
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SiLU, nn.Hardsigmoid, nn.Hardswish),
    *(nn.CELU, nn.SELU, nn.Mish, nn.Hardtanh),
    lambda **options: nn.Threshold(0.5, -1.0, **options),
]


@pytest.mark.parametrize("layer", IN_PLACE)
def test_in_place_activations_change_their_input(layer: Any) -> None:
    """With inplace=True, the tensor that went in holds the result, and gradients stay right."""
    x = qgrad.from_numpy(3 * fill((6,), 0.3)).requires_grad_()
    expected = layer()(x * 2)
    (dx,) = qgrad.autograd.grad(expected.sum(), [x])
    h = x * 2
    y = layer(inplace=True)(h)
    np.testing.assert_array_equal(y.detach().numpy(), expected.detach().numpy())
    np.testing.assert_array_equal(h.detach().numpy(), expected.detach().numpy())
    h.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), dx.numpy())


@pytest.mark.parametrize(("ndim", "dim"), [(1, 0), (2, 1), (3, 0), (4, 1)])
def test_softmax_guesses_its_dim(ndim: int, dim: int) -> None:
    """Without dim it is PyTorch's guess, with a warning that says so."""
    x = qgrad.randn((2, 3, 4, 5)[:ndim])
    for layer, function in (
        (nn.Softmax, F.softmax), (nn.Softmin, F.softmin), (nn.LogSoftmax, F.log_softmax)
    ):  # fmt: skip
        with pytest.warns(UserWarning, match=f"dim is not given, so dim={dim} is normalised"):
            y = layer()(x)
        np.testing.assert_array_equal(y.numpy(), function(x, dim).numpy())


def test_gelu_needs_a_known_form() -> None:
    """As PyTorch names them."""
    with pytest.raises(ValueError, match="GELU: approximate is 'erf'"):
        nn.GELU("erf")


# -- arguments, repr, errors ---------------------------------------------------------------------


REPRS = [
    (nn.Linear(2, 3), "Linear(in_features=2, out_features=3, bias=True)"),
    (nn.Conv1d(1, 2, 3), "Conv1d(1, 2, kernel_size=(3,), stride=(1,))"),
    (
        nn.Conv2d(4, 8, 3, padding="same", groups=2, bias=False, dilation=2),
        "Conv2d(4, 8, kernel_size=(3, 3), stride=(1, 1), padding=same, dilation=(2, 2), groups=2, "
        "bias=False)",
    ),
    (
        nn.BatchNorm2d(3),
        "BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)",
    ),
    (nn.LayerNorm(3), "LayerNorm((3,), eps=1e-05, elementwise_affine=True, bias=True)"),
    (nn.Embedding(3, 4, padding_idx=-1), "Embedding(3, 4, padding_idx=2)"),
    (nn.ReLU(), "ReLU()"),
    (nn.ReLU(inplace=True), "ReLU(inplace=True)"),
    (nn.LeakyReLU(0.1, True), "LeakyReLU(negative_slope=0.1, inplace=True)"),
    (nn.ELU(), "ELU(alpha=1.0)"),
    (nn.GELU(), "GELU(approximate='none')"),
    (nn.Softplus(), "Softplus(beta=1.0, threshold=20.0)"),
    (nn.Softmax(1), "Softmax(dim=1)"),
    (
        nn.MaxPool2d((2, 1), 2, 1, ceil_mode=True),
        "MaxPool2d(kernel_size=(2, 1), stride=2, padding=1, dilation=1, ceil_mode=True)",
    ),
    (nn.AvgPool1d(2), "AvgPool1d(kernel_size=(2,), stride=(2,), padding=(0,))"),
    (nn.AvgPool2d(2), "AvgPool2d(kernel_size=2, stride=2, padding=0)"),
    (nn.AdaptiveAvgPool2d((1, None)), "AdaptiveAvgPool2d(output_size=(1, None))"),
    (nn.Flatten(), "Flatten(start_dim=1, end_dim=-1)"),
    (nn.Unflatten(1, [2, 3]), "Unflatten(dim=1, unflattened_size=(2, 3))"),
    (nn.Dropout(), "Dropout(p=0.5, inplace=False)"),
    (nn.CrossEntropyLoss(), "CrossEntropyLoss()"),
    (nn.Conv3d(2, 4, 3), "Conv3d(2, 4, kernel_size=(3, 3, 3), stride=(1, 1, 1))"),
    (
        nn.ConvTranspose2d(4, 8, 3, 2, output_padding=1, groups=2, dilation=2, bias=False),
        "ConvTranspose2d(4, 8, kernel_size=(3, 3), stride=(2, 2), dilation=(2, 2), "
        "output_padding=(1, 1), groups=2, bias=False)",
    ),
    (nn.GroupNorm(2, 4), "GroupNorm(2, 4, eps=1e-05, affine=True, bias=True)"),
    (
        nn.InstanceNorm2d(3),
        "InstanceNorm2d(3, eps=1e-05, momentum=0.1, affine=False, bias=False, "
        "track_running_stats=False)",
    ),
    (nn.RMSNorm((2, 3), 1e-3, False), "RMSNorm((2, 3), eps=0.001, elementwise_affine=False)"),
    (nn.PReLU(3), "PReLU(num_parameters=3)"),
    (nn.CELU(2.0), "CELU(alpha=2.0)"),
    (nn.Hardtanh(-2, 2, True), "Hardtanh(min_val=-2, max_val=2, inplace=True)"),
    (nn.ReLU6(True), "ReLU6(inplace=True)"),
    (nn.Threshold(0.1, 2), "Threshold(threshold=0.1, value=2)"),
    (nn.GLU(1), "GLU(dim=1)"),
    (nn.Softmin(1), "Softmin(dim=1)"),
    (nn.Upsample(2), "Upsample(size=2, mode='nearest')"),
    (nn.Upsample(scale_factor=2), "Upsample(scale_factor=2.0, mode='nearest')"),
    (nn.UpsamplingBilinear2d(4), "UpsamplingBilinear2d(size=4, mode='bilinear')"),
    (nn.PixelShuffle(2), "PixelShuffle(upscale_factor=2)"),
    (nn.Dropout2d(0.2), "Dropout2d(p=0.2, inplace=False)"),
    (nn.Fold(4, 2), "Fold(output_size=4, kernel_size=2, dilation=1, padding=0, stride=1)"),
    (nn.CosineSimilarity(), "CosineSimilarity()"),
    (
        nn.LSTM(3, 4, 2, bias=False, batch_first=True, dropout=0.1, bidirectional=True),
        "LSTM(3, 4, num_layers=2, bias=False, batch_first=True, dropout=0.1, bidirectional=True)",
    ),
    (nn.RNN(3, 4, nonlinearity="relu"), "RNN(3, 4)"),
    (nn.RNNCell(3, 4, False, "relu"), "RNNCell(3, 4, bias=False, nonlinearity=relu)"),
    (
        nn.MultiheadAttention(4, 2),
        "MultiheadAttention(\n  (out_proj): NonDynamicallyQuantizableLinear(in_features=4, "
        "out_features=4, bias=True)\n)",
    ),
    (nn.HuberLoss(), "HuberLoss()"),
]


@pytest.mark.parametrize(("layer", "text"), REPRS, ids=[type(layer).__name__ for layer, _ in REPRS])
def test_repr_is_pytorchs(layer: nn.Module, text: str) -> None:
    """The repr is what PyTorch 2.13 prints."""
    assert repr(layer) == text


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: nn.Conv2d(3, 8, 3, groups=2), ValueError, r"groups is 2.*divide in_channels \(3"),
        (lambda: nn.Conv2d(3, 8, (3,)), ValueError, r"kernel_size is \(3,\).*tuple of 2"),
        (lambda: nn.Conv2d(3, 8, 0), ValueError, "kernel_size is 0, but must be an int >= 1"),
        (lambda: nn.Conv2d(3, 8, 3, padding="full"), ValueError, "padding is 'full'"),
        (lambda: nn.Conv2d(3, 8, 3, 2, "same"), ValueError, "'same' needs stride 1"),
        (lambda: nn.Conv1d(3, 8, 3, padding_mode="wrap"), ValueError, "padding_mode is 'wrap'"),
        (lambda: nn.Linear(-1, 2), ShapeError, r"Linear: .*\(2, -1\)"),
        (lambda: nn.Linear(1, 2, device="cuda"), ValueError, "cuda"),
        (lambda: nn.MSELoss(reduction="avg"), ValueError, "MSELoss: reduction is 'avg'"),
        (lambda: nn.Hardtanh(1.0, 1.0), ValueError, "Hardtanh: max_val is 1.0"),
        (lambda: nn.GLU()(qgrad.ones(2, 3)), ShapeError, "glu: input has length 3 along dim -1"),
        (lambda: nn.PReLU(2)(qgrad.ones(2, 3)), ShapeError, "prelu: weight must have 1 element"),
        (lambda: nn.CELU(0.0)(qgrad.ones(2)), ValueError, "celu: alpha must not be 0"),
        (lambda: nn.Softmax2d()(qgrad.ones(2)), ShapeError, r"Softmax2d: x has shape \(2,\)"),
        (lambda: nn.Dropout1d()(qgrad.ones(2)), ShapeError, "dropout1d: input must be"),
        (lambda: F.dropout2d(qgrad.ones(2, 2)), ShapeError, "dropout2d: input must be"),
        (lambda: F.pad(qgrad.ones(2, 2), (1, 1), "reflect", 1.0), ValueError, "has no meaning"),
        (lambda: nn.Unflatten("a", (1, 2)), TypeError, "Unflatten: dim is 'a'"),
    ],
)
def test_argument_errors(make: Any, kind: type[Exception], message: str) -> None:
    """Arguments that cannot work are refused when the layer is made."""
    with pytest.raises(kind, match=message):
        make()


def test_wrong_channels_say_where_and_why() -> None:
    """The issue's example: op, shapes, rule, way out, and the module's path."""
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3))
    with pytest.raises(ShapeError) as info:
        net(qgrad.zeros(1, 8, 32, 32))
    text = str(info.value)
    assert text.startswith("conv2d: weight")
    assert "Did you forget groups?" in text
    assert "in module '0', Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))" in text
    assert len(text) < 600


def test_wrong_dtype_says_where() -> None:
    """An integer image is refused by the convolution, with the module."""
    with pytest.raises((TypeError, ShapeError), match=r"(?s)conv2d: .*in module Conv2d\(1, 1"):
        nn.Conv2d(1, 1, 1)(qgrad.zeros(1, 1, 2, 2, dtype=qgrad.uint8))


def test_default_dtype_and_dtype_argument() -> None:
    """Parameters have the dtype asked for."""
    assert nn.Linear(1, 1, dtype=qgrad.float64).weight.dtype is qgrad.float64
    assert nn.BatchNorm1d(1, dtype=qgrad.float64).running_mean.dtype is qgrad.float64
    assert nn.Linear(1, 1).bias.dtype is qgrad.float32


def test_functional_twins_take_keywords() -> None:
    """The functions take PyTorch's keyword names."""
    x = qgrad.from_numpy(fill((1, 2, 4, 4)))
    w = qgrad.from_numpy(fill((2, 1, 2, 2)))
    y = F.conv2d(input=x, weight=w, bias=None, stride=1, padding=0, dilation=1, groups=2)
    assert tuple(F.max_pool2d(y, kernel_size=3).shape) == (1, 2, 1, 1)
    assert tuple(F.adaptive_avg_pool2d(y, output_size=1).shape) == (1, 2, 1, 1)
    assert F.softmax(x, dim=1).sum().item() == pytest.approx(16, rel=1e-6)
    assert tuple(F.layer_norm(x, normalized_shape=[4]).shape) == (1, 2, 4, 4)
    rows = F.normalize(qgrad.from_numpy(fill((3, 4))), dim=1)
    np.testing.assert_allclose((rows * rows).sum(1).numpy(), np.ones(3), rtol=1e-6)
    values, places = F.max_pool2d(x, 2, return_indices=True)
    flat = x.flatten(2).gather(-1, places.flatten(2))
    np.testing.assert_array_equal(flat.numpy(), values.flatten(2).numpy())


@pytest.mark.parametrize("dtype", [qgrad.float32, qgrad.float64])
@pytest.mark.parametrize(
    "layer", [nn.Conv1d(2, 4, 3, 2, 1), nn.Conv1d(2, 4, 3, groups=2), nn.MaxPool1d(2)]
)
def test_empty_batches(layer: Any, dtype: qgrad.dtype) -> None:
    """A batch of no images goes through, and the weights get gradients of zeros."""
    layer.to(dtype)
    x = qgrad.zeros(0, 2, 7, dtype=dtype, requires_grad=True)
    y = layer(x)
    assert y.shape == (0, *layer(qgrad.zeros(1, 2, 7, dtype=dtype)).shape[1:])
    y.sum().backward()
    assert x.grad.shape == x.shape
    assert all(not param.grad.any() for param in layer.parameters())
