"""Attention: its definition in NumPy, PyTorch's values, masks, layouts, errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qgrad
from qgrad import nn
from qgrad.autograd import grad
from qgrad.errors import ShapeError
from qgrad.graph import trace
from qgrad.nn import functional as F


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


# From PyTorch 2.13 for query, key and value of 3 x 2 vectors, fill(shape, 0.3), 0.6 and 0.9: the
# output, shape and values of the weights, the gradient of the query. That of the output is
# fill(shape, 0.2).
ATTENTION = [
    (
        lambda: nn.MultiheadAttention(4, 2),
        [-2.29499, -2.10713, -2.17347, -2.46162, -23.8691],
        (2, 3, 3), [0.0261928, 0.667219, 0.543017, 0.360984, 6.0],
        [-0.00788313, 0.0352941, 0.047762, -0.011862, -0.895169],
    ),
    (
        lambda: nn.MultiheadAttention(4, 2, bias=False, batch_first=True),
        [-0.0100169, 1.51947, -0.580262, -0.245712, -0.976452],
        (3, 2, 2), [0.610528, 0.602077, 0.824115, 0.166968, 6.0],
        [0.0115792, 0.154913, -0.0281099, -0.756534, -1.07684],
    ),
    (
        lambda: nn.MultiheadAttention(4, 2, add_bias_kv=True, add_zero_attn=True),
        [-1.05976, 2.31442, 1.32444, 0.282719, 12.7485],
        (2, 3, 5), [0.0256756, 0.0405775, 0.0236912, 0.321537, 6.0],
        [0.028355, -0.0316584, 0.134987, 0.28217, 7.24628],
    ),
    (
        lambda: nn.MultiheadAttention(4, 2, kdim=3, vdim=5),
        [1.03983, 0.106729, -0.524961, -1.29848, 7.40827],
        (2, 3, 3), [0.623111, 0.0331187, 0.486502, 0.180856, 6.0],
        [-0.0169926, 0.0503992, 0.239913, 0.354083, 0.890279],
    ),
]  # fmt: skip
# The same for x = fill((3, 2, 4), 0.3) and a causal mask: output and gradient of x.
ENCODER_LAYERS = [
    (
        lambda: nn.TransformerEncoderLayer(4, 2, 6, 0.0),
        [-1.20578, 1.24055, 1.29277, 1.39237, 3.905],
        [-0.126572, 0.0880754, 0.0341708, 0.0113077, -0.711993],
    ),
    (
        lambda: nn.TransformerEncoderLayer(4, 2, 6, 0.0, "gelu", norm_first=True, batch_first=True),
        [2.40704, -4.36863, -4.4105, -4.00991, -14.3222],
        [0.136526, -1.28613, -1.03186, -0.609875, 2.29939],
    ),
    (
        lambda: nn.TransformerEncoderLayer(4, 2, 6, 0.0, nn.SiLU(), bias=False),
        [-0.391094, 0.142698, 1.10203, -1.16058, 1.40909],
        [-0.174849, -0.314265, -0.0914905, 0.062387, -2.19303],
    ),
]


@pytest.mark.parametrize(("make", "values", "shape", "weights", "dq"), ATTENTION)
def test_multihead_attention_equals_pytorch(
    make: Any, values: Any, shape: Any, weights: Any, dq: Any
) -> None:
    """Output, weights and gradient are PyTorch's to float32 rounding."""
    layer = filled(make())
    query = fill((3, 2, 4), 0.3).requires_grad_()
    y, w = layer(query, fill((3, 2, layer.kdim), 0.6), fill((3, 2, layer.vdim), 0.9))
    assert tuple(w.shape) == shape
    (y * fill(tuple(y.shape), 0.2)).sum().backward()
    for tensor, expected in ((y, values), (w, weights), (query.grad, dq)):
        np.testing.assert_allclose(probe(tensor), expected, rtol=5e-5, atol=2e-5)


@pytest.mark.parametrize(("make", "values", "dx"), ENCODER_LAYERS)
def test_encoder_layers_equal_pytorch(make: Any, values: Any, dx: Any) -> None:
    """Output and gradient are PyTorch's to float32 rounding, with a causal mask."""
    layer = filled(make())
    x = fill((3, 2, 4), 0.3).requires_grad_()
    length = 2 if layer.self_attn.batch_first else 3
    y = layer(x, ~qgrad.ones(length, length, dtype=qgrad.bool).tril())
    (y * fill((3, 2, 4), 0.2)).sum().backward()
    for tensor, expected in ((y, values), (x.grad, dx)):
        np.testing.assert_allclose(probe(tensor), expected, rtol=1e-4, atol=5e-5)


def by_numpy(q: Any, k: Any, v: Any, mask: Any, scale: float) -> Any:
    """softmax(q k^T scale + mask) v; a row of -inf gives zeros."""
    scores = q @ np.swapaxes(k, -1, -2) * scale + mask
    top = scores.max(-1, keepdims=True)
    weights = np.exp(scores - np.where(np.isfinite(top), top, 0))
    total = weights.sum(-1, keepdims=True)
    return weights / np.where(total == 0, 1, total) @ v


@given(
    lead=st.lists(st.integers(1, 3), max_size=2),
    length=st.integers(1, 4),
    source=st.integers(1, 4),
    kind=st.sampled_from(["none", "causal", "bool", "float", "row"]),
    scale=st.sampled_from([None, 0.3]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(deadline=None)
def test_scaled_dot_product_attention_is_its_definition(
    lead: list[int], length: int, source: int, kind: str, scale: float | None, seed: int
) -> None:
    """Any batch dims, any mask; a query that may look nowhere gives zeros and no gradient."""
    rng = np.random.default_rng(seed)
    q, k, v = (
        rng.uniform(-1, 1, (*lead, n, width))
        for n, width in ((length, 5), (source, 5), (source, 3))
    )
    mask, options = np.zeros((length, source)), {}
    if kind == "causal":
        options = {"is_causal": True}
        mask = np.where(np.tril(np.ones((length, source), bool)), 0, -np.inf)
    elif kind in ("bool", "row"):
        allowed = rng.random((length, source)) < 0.6
        allowed[0] &= kind == "bool"
        options = {"attn_mask": qgrad.from_numpy(allowed)}
        mask = np.where(allowed, 0, -np.inf)
    elif kind == "float":
        mask = rng.uniform(-2, 2, (length, source))
        options = {"attn_mask": qgrad.from_numpy(mask)}
    tensors = [qgrad.from_numpy(a).requires_grad_() for a in (q, k, v)]
    y = F.scaled_dot_product_attention(*tensors, scale=scale, **options)
    factor = 1 / math.sqrt(5) if scale is None else scale
    np.testing.assert_allclose(
        y.detach().numpy(), by_numpy(q, k, v, mask, factor), rtol=1e-10, atol=1e-12
    )
    gs = grad(y.sum(), tensors, create_graph=True)
    assert all(np.isfinite(g.detach().numpy()).all() for g in gs)
    if kind == "row":
        assert not gs[0].detach().numpy()[..., 0, :].any()
    assert all(np.isfinite(g.numpy()).all() for g in grad(sum(g.sum() for g in gs), tensors))


def test_fewer_heads_of_keys() -> None:
    """With enable_gqa each head of key and value serves several of the query."""
    q, k, v = fill((2, 4, 3, 5), 0.1), fill((2, 2, 6, 5), 0.2), fill((2, 2, 6, 5), 0.3)
    y = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    for head in range(4):
        one = F.scaled_dot_product_attention(q[:, head], k[:, head // 2], v[:, head // 2])
        np.testing.assert_allclose(y[:, head].numpy(), one.numpy(), rtol=1e-6, atol=1e-7)
    with pytest.raises(ShapeError, match="4 heads of query must be a multiple of the 3"):
        F.scaled_dot_product_attention(q, q[:, :3], q[:, :3], enable_gqa=True)


def test_dropout_drops_weights() -> None:
    """What is dropped is a weight; the rest are scaled so that their mean stays."""
    qgrad.manual_seed(0)
    one = qgrad.ones(1, 1, 2000, 1)
    y = F.scaled_dot_product_attention(one, one[:, :, :1], one[:, :, :1], dropout_p=0.25)
    values = y.numpy()
    assert set(np.unique(values)) == {np.float32(0), np.float32(1) / np.float32(0.75)}
    assert abs(values.mean() - 1) < 0.05


def test_masks_of_multihead_attention() -> None:
    """Padding, a mask for all heads, one for each head, and floats: what is masked has weight 0."""
    layer = nn.MultiheadAttention(4, 2, batch_first=True)
    x = fill((3, 5, 4), 0.3)
    padding = qgrad.zeros(3, 5, dtype=qgrad.bool)
    padding[1, 3:] = True
    causal = ~qgrad.ones(5, 5, dtype=qgrad.bool).tril()
    _, w = layer(x, x, x, padding, attn_mask=causal, average_attn_weights=False)
    weights = w.detach().numpy()
    assert weights.shape == (3, 2, 5, 5)
    assert not weights[1, :, :, 3:].any()
    assert not weights[:, :, np.triu(np.ones((5, 5), bool), 1)].any()
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-6)
    floats = qgrad.where(causal, -math.inf, qgrad.zeros(()))
    _, same = layer(x, x, x, padding, attn_mask=floats, average_attn_weights=False)
    np.testing.assert_array_equal(same.detach().numpy(), weights)
    each = qgrad.cat([causal[None]] * 6)
    y, none = layer(x, x, x, padding, attn_mask=each, need_weights=False, is_causal=True)
    assert none is None
    expected, _ = layer(x, x, x, padding, attn_mask=causal)
    np.testing.assert_array_equal(y.detach().numpy(), expected.detach().numpy())


def test_layouts_of_multihead_attention() -> None:
    """With the batch first, second or absent the numbers are the same."""
    layer = nn.MultiheadAttention(4, 2)
    first = nn.MultiheadAttention(4, 2, batch_first=True)
    first.load_state_dict(layer.state_dict())
    q, k = fill((3, 2, 4), 0.3), fill((5, 2, 4), 0.6)
    y, w = layer(q, k, k)
    y_first, w_first = first(q.transpose(0, 1), k.transpose(0, 1), k.transpose(0, 1))
    np.testing.assert_allclose(
        y_first.transpose(0, 1).detach().numpy(), y.detach().numpy(), rtol=1e-6, atol=1e-7
    )
    np.testing.assert_allclose(w_first.detach().numpy(), w.detach().numpy(), rtol=1e-6)
    one, weights = first(q[:, 1], k[:, 1], k[:, 1])
    np.testing.assert_allclose(one.detach().numpy(), y[:, 1].detach().numpy(), rtol=1e-6, atol=1e-7)
    assert tuple(weights.shape) == (3, 5)


def test_parameters_of_multihead_attention() -> None:
    """PyTorch's names and first values: Xavier for the projections, 0 for their biases."""
    qgrad.manual_seed(0)
    layer = nn.MultiheadAttention(64, 4, add_bias_kv=True)
    names = ["in_proj_weight", "in_proj_bias", "bias_k", "bias_v"]
    assert list(layer.state_dict()) == [*names, "out_proj.weight", "out_proj.bias"]
    bound = math.sqrt(6 / (4 * 64))
    values = layer.in_proj_weight.detach().numpy()
    assert bound * 0.95 < np.abs(values).max() <= bound
    assert not layer.in_proj_bias.detach().numpy().any()
    assert not layer.out_proj.bias.detach().numpy().any()
    separate = nn.MultiheadAttention(4, 2, kdim=3, vdim=5, bias=False).state_dict()
    shapes = [tuple(tensor.shape) for tensor in separate.values()]
    assert shapes == [(4, 4), (4, 3), (4, 5), (4, 4)]


def test_the_encoder_is_its_layers() -> None:
    """num_layers copies with parameters of their own, then the norm."""
    layer = nn.TransformerEncoderLayer(4, 2, 6, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2, nn.LayerNorm(4)).eval()
    x = fill((3, 5, 4), 0.3)
    y = encoder.norm(encoder.layers[1](encoder.layers[0](x)))
    np.testing.assert_array_equal(encoder(x).detach().numpy(), y.detach().numpy())
    params = [id(p) for p in encoder.parameters()]
    assert len(set(params)) == len(params) == 2 * 12 + 2
    with pytest.raises(ValueError, match="activation is 'tanh'"):
        nn.TransformerEncoderLayer(4, 2, activation="tanh")


def test_traced_for_any_batch_and_length() -> None:
    """One graph for all sizes, in training and in evaluation."""
    layer = nn.TransformerEncoderLayer(4, 2, 6, batch_first=True, norm_first=True)
    graph = trace(layer, fill((2, 5, 4), 0.3), dynamic_dims={0: (0, 1)})
    x = fill((3, 7, 4), 0.1)
    for mode in (True, False):
        qgrad.manual_seed(0)
        expected = layer.train(mode)(x)
        qgrad.manual_seed(0)
        y = graph.train(mode)(x)
        np.testing.assert_array_equal(y.detach().numpy(), expected.detach().numpy())


X = fill((3, 2, 4), 0.3)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: nn.MultiheadAttention(6, 4), ValueError, r"num_heads is 4.*embed_dim \(6\)"),
        (lambda: nn.MultiheadAttention(6, 2)(X, X, X), ShapeError, "embed_dim 6"),
        (lambda: nn.MultiheadAttention(4, 2)(X, X[0], X), ShapeError, "all have 3 dims, or all 2"),
        (lambda: nn.MultiheadAttention(4, 2)(X, X, X[:2]), ShapeError, "one length and one batch"),
        (
            lambda: nn.MultiheadAttention(4, 2)(X, X, X, is_causal=True),
            ValueError,
            "is_causal is a hint about attn_mask",
        ),
        (
            lambda: nn.MultiheadAttention(4, 2)(X, X, X, attn_mask=X[0, 0] > 0),
            ShapeError,
            "attn_mask must have shape",
        ),
        (
            lambda: F.scaled_dot_product_attention(X, X, X, X, is_causal=True),
            ValueError,
            "exclude each other",
        ),
        (lambda: F.scaled_dot_product_attention(X, X[..., :3], X), ShapeError, "one width"),
        (lambda: F.scaled_dot_product_attention(X, X, X[:, :1]), ShapeError, "one length"),
        (lambda: F.scaled_dot_product_attention(X[0, 0], X, X), ShapeError, "at least 2 dims"),
    ],
)
def test_errors(call: Any, kind: type[Exception], message: str) -> None:
    """Shapes and options that do not fit are refused with all shapes."""
    with pytest.raises(kind, match=message):
        call()
