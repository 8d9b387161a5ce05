"""Ops on arrays that are large enough for the kernels, against NumPy: the grid's are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import qgrad
from qgrad.autograd import grad
from qgrad.errors import DTypeError

SHAPE = (40, 300)


def numbers(seed: int, *shape: int) -> Any:
    """Float32 with ties, zeros of both signs, infinities and NaN among them."""
    rng = np.random.default_rng(seed)
    x = np.rint(rng.normal(0, 3, shape or SHAPE)).astype(np.float32)
    special = rng.random(x.shape)
    x[special < 0.02] = np.nan
    x[(special > 0.02) & (special < 0.04)] = np.inf
    x[(special > 0.04) & (special < 0.06)] = -0.0
    return x


def assert_same(found: Any, expected: Any) -> None:
    """Equal in value and dtype."""
    np.testing.assert_array_equal(found.numpy(), expected.astype(found.numpy().dtype))
    assert found.shape == expected.shape


data, other = numbers(1), numbers(2)
MASK = np.random.default_rng(3).random(SHAPE) < 0.5


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (data, other), (data, other[0]), (data[:, :1], other), (data, np.float32(2)),
        (np.zeros((1, 1, 1), np.float32), data),
        (data.astype(np.float64), other), (data.T.copy().T, other[::-1]),
    ],
)  # fmt: skip
def test_where(a: Any, b: Any) -> None:
    """Operands of one shape, of one element, broadcast, strided, of two dtypes."""
    condition = qgrad.from_numpy(MASK)
    y = qgrad.where(condition, qgrad.from_numpy(np.array(a)), qgrad.from_numpy(np.array(b)))
    assert_same(y, np.where(MASK, a, b))


def test_where_with_numbers_and_its_gradients() -> None:
    """What is not chosen gets 0, even where the gradient is not finite."""
    x = qgrad.from_numpy(data).requires_grad_()
    y = qgrad.where(qgrad.from_numpy(MASK), x, 2.0)
    assert_same(y.detach(), np.where(MASK, data, np.float32(2)))
    (g,) = grad(y, x, qgrad.from_numpy(other))
    assert_same(g, np.where(MASK, other, np.float32(0)))
    filled = qgrad.from_numpy(data).masked_fill(qgrad.from_numpy(MASK), -1)
    assert_same(filled, np.where(MASK, np.float32(-1), data))


@pytest.mark.parametrize("bounds", [(-1, 2), (None, 0.5), (0, None), (2, -2), (np.nan, 1)])
def test_clamp(bounds: tuple[Any, Any]) -> None:
    """Both bounds or one; crossed ones give the upper, NaN gives NaN."""
    low, high = bounds
    expected = data if low is None else np.maximum(data, np.float32(low))
    expected = expected if high is None else np.minimum(expected, np.float32(high))
    x = qgrad.from_numpy(data).requires_grad_()
    y = qgrad.clamp(x, low, high)
    assert_same(y.detach(), expected)
    inside = (data >= (-np.inf if low is None else low)) & (
        data <= (np.inf if high is None else high)
    )
    assert_same(grad(y.sum(), x)[0], inside.astype(np.float32))


def test_piecewise_activations() -> None:
    """relu6 and hardtanh and their gradients, which are 0 at the bounds."""
    x = qgrad.from_numpy(data).requires_grad_()
    for y, low, high in (
        (qgrad.nn.functional.relu6(x), 0, 6), (qgrad.nn.functional.hardtanh(x, -2, 3), -2, 3)
    ):  # fmt: skip
        assert_same(y.detach(), np.clip(data, np.float32(low), np.float32(high)))
        inside = (data > low) & (data < high)
        (g,) = grad(y.sum(), x)
        assert_same(
            g[qgrad.from_numpy(~np.isnan(data))], inside[~np.isnan(data)].astype(np.float32)
        )


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_gather_and_scatter(dim: int) -> None:
    """Along either dim; fewer places than elements, and on fewer rows."""
    rng = np.random.default_rng(4)
    for shape in (SHAPE, (7, 300), (40, 9), (5, 6)):
        places = rng.integers(0, shape[dim] if shape == SHAPE else 5, shape)
        x = qgrad.from_numpy(data).requires_grad_()
        index = qgrad.from_numpy(places)
        cut = data[: shape[0], : shape[1]]
        lines = cut if dim in (1, -1) else data[:, : shape[1]]
        lines = data[: shape[0]] if dim in (1, -1) else lines
        y = qgrad.gather(x, dim, index)
        assert_same(y.detach(), np.take_along_axis(lines, places, dim))
        (g,) = grad(y.sum(), x)
        counts = np.zeros(SHAPE, np.float32)
        grid = list(np.ogrid[tuple(slice(n) for n in shape)])
        grid[dim] = places
        np.add.at(counts, tuple(grid), 1)
        assert_same(g, counts)
        start = qgrad.zeros(SHAPE)
        assert_same(qgrad.scatter_add(start, dim, index, qgrad.ones(shape)), counts)


def test_indices_beside_the_dim_must_fit() -> None:
    """More rows than there are would be read out of bounds."""
    x = qgrad.from_numpy(data)
    with pytest.raises((ValueError, IndexError), match="gather"):
        qgrad.gather(x, 1, qgrad.zeros(41, 3, dtype=qgrad.int64))
    with pytest.raises((ValueError, IndexError), match="scatter_add"):
        qgrad.scatter_add(x, 1, qgrad.zeros(41, 3, dtype=qgrad.int64), qgrad.ones(41, 3))


@pytest.mark.parametrize("dtype", [np.int64, np.int32])
def test_rows_by_number(dtype: Any) -> None:
    """index_select, integer indices (negative ones too) and embeddings add up in the gradient."""
    rng = np.random.default_rng(5)
    rows = rng.integers(0, 40, (3, 50)).astype(dtype)
    x = qgrad.from_numpy(np.nan_to_num(data)).requires_grad_()
    weights = rng.normal(size=(3, 50, 300)).astype(np.float32)
    expected = np.zeros(SHAPE, np.float32)
    np.add.at(expected, rows, weights)
    by_index = x[qgrad.from_numpy(np.where(rows % 2, rows, rows - 40).astype(dtype))]
    looked_up = qgrad.nn.functional.embedding(qgrad.from_numpy(rows), x)
    selected = qgrad.index_select(x, 0, qgrad.from_numpy(rows.reshape(-1))).reshape(3, 50, 300)
    for y in (by_index, looked_up, selected):
        assert_same(y.detach(), np.nan_to_num(data)[rows])
        assert_same(grad(y, x, qgrad.from_numpy(weights))[0], expected)
    columns = qgrad.index_select(x, 1, qgrad.from_numpy(rows[0]))
    counts = np.bincount(rows[0], minlength=300).astype(np.float32)
    assert_same(grad(columns.sum(), x)[0], np.broadcast_to(counts, SHAPE))


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_padding(mode: str) -> None:
    """The gradient of every border is added where it came from."""
    x = qgrad.from_numpy(np.nan_to_num(data)[None]).requires_grad_()
    y = qgrad.nn.functional.pad(x, (3, 5, 2, 1), mode)
    kind: Any = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode]
    places = np.pad(np.arange(data.size).reshape(SHAPE), ((2, 1), (3, 5)), kind)
    weights = np.random.default_rng(6).integers(-4, 5, places.shape).astype(np.float32)
    expected = np.bincount(places.reshape(-1), weights.reshape(-1), data.size).reshape(SHAPE)
    assert_same(grad(y, x, qgrad.from_numpy(weights[None]))[0], expected[None])


def test_resampling_spreads_nothing_that_is_not_finite() -> None:
    """An infinite gradient reaches the pixels it came from, and no others."""
    x = qgrad.zeros(1, 1, 8, 8, requires_grad=True)
    y = qgrad.nn.functional.interpolate(x, scale_factor=2, mode="bilinear")
    g = np.zeros((1, 1, 16, 16), np.float32)
    g[0, 0, 9, 9] = np.inf
    (dx,) = grad(y, x, qgrad.from_numpy(g))
    assert np.isinf(dx.numpy()).sum() == 4
    assert not np.isnan(dx.numpy()).any()


@pytest.mark.parametrize("shape", [(3,), SHAPE])
def test_scatter_add_loses_nothing(shape: tuple[int, ...]) -> None:
    """Floats are not cut to integers on their way into an integer tensor."""
    index = qgrad.zeros(shape, dtype=qgrad.int64)
    start = qgrad.zeros(shape, dtype=qgrad.int64)
    with pytest.raises(DTypeError, match="scatter_add: src"):
        qgrad.scatter_add(start, 0, index, qgrad.full(shape, 0.7))
    assert start.sum().item() == 0
    added = qgrad.scatter_add(start, 0, index, qgrad.ones(shape, dtype=qgrad.int64))
    assert added.sum().item() == index.numel()
