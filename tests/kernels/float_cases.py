"""Arguments for every float32 kernel: the one list that the grids of tests draw from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from kernels.integer_cases import Case, Draw
from numpy.typing import NDArray

from qgrad.kernels import BINARY_F32, UNARY_F32, adaptive_windows, pool_windows

F32 = NDArray[np.float32]
SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 0.5, np.inf, -np.inf, np.nan, 1e-45, 3e38], np.float32)


def values(draw: Draw, *shape: int) -> F32:
    """Floats: normal, any bit pattern at all, or small whole numbers (sums that are exact)."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["normal", "normal", "bits", "whole", "special"]))
    if kind == "bits":
        return rng.integers(0, 2**32, shape, np.uint32).view(np.float32)
    if kind == "whole":
        return rng.integers(-9, 10, shape).astype(np.float32)
    x = rng.normal(0, 3, shape).astype(np.float32)
    return (
        x if kind == "normal" else np.where(rng.random(shape) < 0.1, rng.choice(SPECIAL, shape), x)
    )


def shapes(draw: Draw, max_rank: int = 4, least: int = 0) -> tuple[int, ...]:
    """Up to four axes, sizes around the vectors of every instruction set."""
    sizes = st.sampled_from([s for s in (0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33) if s >= least])
    return tuple(draw(st.lists(sizes, max_size=max_rank)))


def broadcast(draw: Draw, shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that broadcasts to `shape`: some axes 1, leading ones missing."""
    kept = shape[draw(st.integers(0, len(shape))) :]
    return tuple(size if draw(st.booleans()) else 1 for size in kept)


def strided(draw: Draw, array: NDArray[Any]) -> NDArray[Any]:
    """The same values as another view: transposed, reversed, or every second element of a copy."""
    kind = draw(st.sampled_from(["contiguous", "transposed", "reversed", "spaced"]))
    if array.ndim == 0:
        return array
    if kind == "transposed":
        return np.ascontiguousarray(array.T).T
    if kind == "reversed":
        return np.ascontiguousarray(array[..., ::-1])[..., ::-1]
    if kind == "spaced":
        wide = np.empty((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        wide[..., ::2] = array
        return wide[..., ::2]
    return array


@st.composite
def matmul_f32(draw: Draw) -> Case:
    """Batches that broadcast, K from 0, sizes off every tile."""
    m, k, n = (
        draw(st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 13, 16, 17, 65, 70])) for _ in range(3)
    )
    batch = tuple(draw(st.lists(st.integers(0, 3), max_size=2)))
    a = values(draw, *broadcast(draw, batch), m, k)
    b = values(draw, *broadcast(draw, batch), k, n)
    return Case((strided(draw, a), strided(draw, b)), {})


@st.composite
def linear_f32(draw: Draw) -> Case:
    """Inputs of any rank, with and without bias."""
    n, k = (draw(st.sampled_from([0, 1, 2, 5, 16, 17, 65])) for _ in range(2))
    x = values(draw, *shapes(draw, 2), k)
    bias = values(draw, n) if draw(st.booleans()) else None
    return Case((strided(draw, x), strided(draw, values(draw, n, k)), bias), {})


@st.composite
def linear_grads_f32(draw: Draw) -> Case:
    """Any sizes, and more rows than a block of the product has."""
    m = draw(st.sampled_from([0, 1, 2, 7, 8, 9, 33, 513, 1030]))
    n, k = (draw(st.sampled_from([0, 1, 2, 5, 16, 17, 65])) for _ in range(2))
    return Case((strided(draw, values(draw, m, n)), strided(draw, values(draw, m, k))), {})


def windows(draw: Draw) -> tuple[dict[str, Any], tuple[int, int], tuple[int, int]]:
    """(stride, pads, dilation, groups), the kernel's size and a size of image that it fits."""
    sizes = st.tuples(st.integers(1, 3), st.integers(1, 3))
    how = {
        "stride": draw(sizes),
        "pads": draw(st.tuples(*[st.integers(0, 2)] * 4)),
        "dilation": draw(st.tuples(st.integers(1, 2), st.integers(1, 2))),
        "groups": draw(st.integers(1, 3)),
    }
    kernel = draw(sizes)
    reach = [how["dilation"][i] * (kernel[i] - 1) + 1 for i in (0, 1)]
    size = reach[0] + draw(st.integers(0, 7)), reach[1] + draw(st.sampled_from([0, 1, 5, 14, 40]))
    return how, kernel, size


def out_size(how: dict[str, Any], kernel: tuple[int, int], size: tuple[int, int]) -> list[int]:
    """Height and width of the result."""
    return [
        (size[i] + sum(how["pads"][2 * i : 2 * i + 2]) - how["dilation"][i] * (kernel[i] - 1) - 1)
        // how["stride"][i]
        + 1
        for i in (0, 1)
    ]


@st.composite
def conv2d_f32(draw: Draw) -> Case:
    """Strides, padding, dilation, groups; images that share a panel of columns."""
    how, kernel, size = windows(draw)
    batch, channels, outputs = (
        draw(st.integers(0, 3)),
        draw(st.integers(1, 4)),
        draw(st.integers(1, 4)),
    )
    x = values(draw, batch, channels * how["groups"], *size)
    w = values(draw, outputs * how["groups"], channels, *kernel)
    bias = values(draw, outputs * how["groups"]) if draw(st.booleans()) else None
    return Case((strided(draw, x), strided(draw, w), bias), how)


@st.composite
def conv2d_dinput_f32(draw: Draw) -> Case:
    """A gradient of the result and a weight."""
    how, kernel, size = windows(draw)
    batch, channels, outputs = (
        draw(st.integers(0, 3)),
        draw(st.integers(1, 4)),
        draw(st.integers(1, 4)),
    )
    g = values(draw, batch, outputs * how["groups"], *out_size(how, kernel, size))
    w = values(draw, outputs * how["groups"], channels, *kernel)
    return Case((strided(draw, g), strided(draw, w), size), how)


@st.composite
def conv2d_dinput_by_phase_f32(draw: Draw) -> Case:
    """The same without dilation."""
    how, kernel, size = windows(draw)
    how = {**how, "dilation": (1, 1)}
    batch, channels, outputs = (draw(st.integers(0 if i == 0 else 1, 4)) for i in range(3))
    g = values(draw, batch, outputs * how["groups"], *out_size(how, kernel, size))
    w = values(draw, outputs * how["groups"], channels, *kernel)
    del how["dilation"]
    return Case((strided(draw, g), strided(draw, w), size), how)


@st.composite
def conv2d_dweight_f32(draw: Draw) -> Case:
    """A gradient of the result and an input."""
    how, kernel, size = windows(draw)
    batch, channels, outputs = (
        draw(st.integers(0, 3)),
        draw(st.integers(1, 4)),
        draw(st.integers(1, 4)),
    )
    g = values(draw, batch, outputs * how["groups"], *out_size(how, kernel, size))
    x = values(draw, batch, channels * how["groups"], *size)
    return Case((strided(draw, g), strided(draw, x), kernel), how)


@st.composite
def unary_f32(draw: Draw) -> Case:
    """Every function, with its parameters or their defaults."""
    name = draw(st.sampled_from(list(UNARY_F32)))
    numbers = st.floats(-4, 4, width=32).filter(lambda p: abs(p) > 0.01)
    params = {p: draw(numbers) for p in UNARY_F32[name].params if draw(st.booleans())}
    return Case((name, strided(draw, values(draw, *shapes(draw)))), params)


@st.composite
def binary_f32(draw: Draw) -> Case:
    """Every function, either side broadcast."""
    shape = shapes(draw)
    a, b = values(draw, *broadcast(draw, shape)), values(draw, *broadcast(draw, shape))
    return Case((draw(st.sampled_from(list(BINARY_F32))), strided(draw, a), strided(draw, b)), {})


@st.composite
def where_f32(draw: Draw) -> Case:
    """Operands of the condition's shape, or of one element."""
    shape = shapes(draw)
    condition = values(draw, *shape) > 0
    a, b = (
        values(draw, *(shape if draw(st.booleans()) else draw(st.sampled_from([(), (1,)]))))
        for _ in range(2)
    )
    return Case((condition, strided(draw, a), strided(draw, b)), {})


@st.composite
def add_rows_f32(draw: Draw) -> Case:
    """Rows that repeat; none at all."""
    count, width, n = (draw(st.integers(1 if i == 0 else 0, 40)) for i in range(3))
    rows = np.array(draw(st.lists(st.integers(0, count - 1), min_size=n, max_size=n)), np.int64)
    return Case((strided(draw, values(draw, n, width)), rows, count), {})


def places(draw: Draw, shape: list[int], axis: int, size: int) -> Any:
    """Numbers in [0, size), as many along the axis as drawn, in `shape` beside it."""
    shape[axis] = draw(st.integers(0, 5 if size else 0))
    seed = draw(st.integers(0, 2**32))
    return np.random.default_rng(seed).integers(0, max(size, 1), shape, np.int64)


@st.composite
def gather_f32(draw: Draw) -> Case:
    """Along any axis; places that repeat."""
    x = values(draw, *shapes(draw), draw(st.integers(1, 20)))
    axis = draw(st.integers(0, x.ndim - 1))
    return Case((strided(draw, x), places(draw, list(x.shape), axis, x.shape[axis]), axis), {})


@st.composite
def scatter_add_f32(draw: Draw) -> Case:
    """Along any axis; places that repeat."""
    shape = [*shapes(draw), draw(st.integers(1, 20))]
    axis, size = draw(st.integers(0, len(shape) - 1)), draw(st.integers(1, 6))
    where = places(draw, shape, axis, size)
    return Case((strided(draw, values(draw, *where.shape)), where, axis, size), {})


@st.composite
def affine_f32(draw: Draw) -> Case:
    """Along any axis."""
    x = values(draw, *shapes(draw), draw(st.integers(0, 20)))
    axis = draw(st.integers(-x.ndim, x.ndim - 1))
    size = x.shape[axis]
    return Case((strided(draw, x), values(draw, size), values(draw, size), axis), {})


@st.composite
def softmax_f32(draw: Draw) -> Case:
    """Along any axis."""
    x = values(draw, *shapes(draw), draw(st.integers(0, 40)))
    return Case((strided(draw, x), draw(st.integers(-x.ndim, x.ndim - 1))), {})


@st.composite
def layer_norm_f32(draw: Draw) -> Case:
    """Over one or more axes, weight and bias or not."""
    tail = shapes(draw, 2, 1) or (1,)
    size = int(np.prod(tail))
    weight, bias = (values(draw, *tail) if draw(st.booleans()) else None for _ in range(2))
    eps = draw(st.sampled_from([0.0, 1e-5, 1.0]))
    return Case((strided(draw, values(draw, *shapes(draw, 2), *tail)), size, weight, bias, eps), {})


@st.composite
def layer_norm_grads_f32(draw: Draw) -> Case:
    """With and without weight."""
    tail = shapes(draw, 2, 1) or (1,)
    size, shape = int(np.prod(tail)), (*shapes(draw, 2), *tail)
    g, x = (strided(draw, values(draw, *shape)) for _ in range(2))
    weight = values(draw, *tail) if draw(st.booleans()) else None
    eps = draw(st.sampled_from([0.0, 1e-5, 1.0]))
    return Case((g, x, size, weight, eps), {})


def channels(draw: Draw) -> tuple[int, ...]:
    """A shape [B, C, ...] that is not empty, channels of lengths around the lanes of a sum."""
    return (draw(st.integers(1, 5)), draw(st.integers(1, 4)), *shapes(draw, 2, 1))


@st.composite
def batch_norm_stats_f32(draw: Draw) -> Case:
    """Images, sequences and single values."""
    return Case((strided(draw, values(draw, *channels(draw))),), {})


@st.composite
def batch_norm_grads_f32(draw: Draw) -> Case:
    """With and without weight."""
    shape = channels(draw)
    g, x = (strided(draw, values(draw, *shape)) for _ in range(2))
    weight = values(draw, shape[1]) if draw(st.booleans()) else None
    return Case((g, x, values(draw, shape[1]), values(draw, shape[1]), weight), {})


@st.composite
def softmax_dinput_f32(draw: Draw) -> Case:
    """Any shape of at least one axis."""
    shape = (*shapes(draw, 3), draw(st.integers(0, 70)))
    return Case((strided(draw, values(draw, *shape)), strided(draw, values(draw, *shape))), {})


@st.composite
def reduce_f32(draw: Draw) -> Case:
    """Any axes: rows, columns, and both around a kept axis."""
    fn = draw(st.sampled_from(["sum", "mean", "amax"]))
    x = values(draw, *shapes(draw, least=1 if fn == "amax" else 0))
    axes = [axis for axis in range(x.ndim) if draw(st.booleans())]
    return Case((fn, strided(draw, x), axes, draw(st.booleans())), {})


def pooled_axis(draw: Draw, size: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Windows and divisors along an axis."""
    if draw(st.booleans()):
        return adaptive_windows(size, draw(st.integers(1, 5)))
    kernel = draw(st.integers(1, size))
    settings = draw(st.tuples(st.integers(1, 3), st.integers(0, kernel // 2)))
    return pool_windows(size, kernel, *settings, 1, draw(st.booleans()), draw(st.booleans()))


@st.composite
def max_pool_f32(draw: Draw) -> Case:
    """Windows as pools make them."""
    x = values(draw, draw(st.integers(0, 2)), 2, draw(st.integers(1, 9)), draw(st.integers(1, 20)))
    rows, cols = (pooled_axis(draw, size)[0] for size in x.shape[2:])
    return Case((strided(draw, x), rows, cols), {})


@st.composite
def max_pool_dinput_f32(draw: Draw) -> Case:
    """Windows as pools make them, with ties, NaN and zeros of both signs."""
    x = values(draw, draw(st.integers(0, 2)), 2, draw(st.integers(1, 9)), draw(st.integers(1, 20)))
    if draw(st.booleans()):
        with np.errstate(invalid="ignore"):  # signalling NaN
            x = np.rint(np.clip(x, -2, 2))
    rows, cols = (pooled_axis(draw, size)[0] for size in x.shape[2:])
    g = values(draw, *x.shape[:2], len(rows), len(cols))
    return Case((strided(draw, g), strided(draw, x), rows, cols), {})


@st.composite
def avg_pool_f32(draw: Draw) -> Case:
    """Windows and divisors as pools make them."""
    x = values(draw, draw(st.integers(0, 2)), 2, draw(st.integers(1, 9)), draw(st.integers(1, 20)))
    (rows, row_div), (cols, col_div) = (pooled_axis(draw, size) for size in x.shape[2:])
    return Case((strided(draw, x), rows, cols, row_div, col_div), {})


CASES: dict[str, Callable[[], st.SearchStrategy[Case]]] = {
    "add_rows_f32": add_rows_f32,
    "affine_f32": affine_f32,
    "gather_f32": gather_f32,
    "scatter_add_f32": scatter_add_f32,
    "where_f32": where_f32,
    "avg_pool_f32": avg_pool_f32,
    "batch_norm_grads_f32": batch_norm_grads_f32,
    "batch_norm_stats_f32": batch_norm_stats_f32,
    "binary_f32": binary_f32,
    "conv2d_dinput_f32": conv2d_dinput_f32,
    "conv2d_dinput_by_phase_f32": conv2d_dinput_by_phase_f32,
    "conv2d_dweight_f32": conv2d_dweight_f32,
    "conv2d_f32": conv2d_f32,
    "layer_norm_f32": layer_norm_f32,
    "layer_norm_grads_f32": layer_norm_grads_f32,
    "linear_f32": linear_f32,
    "linear_grads_f32": linear_grads_f32,
    "log_softmax_f32": softmax_f32,
    "matmul_f32": matmul_f32,
    "max_pool_dinput_f32": max_pool_dinput_f32,
    "max_pool_f32": max_pool_f32,
    "reduce_f32": reduce_f32,
    "softmax_dinput_f32": softmax_dinput_f32,
    "softmax_f32": softmax_f32,
    "unary_f32": unary_f32,
}
