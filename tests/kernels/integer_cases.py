"""Arguments for every integer kernel: the one list that the grids of tests draw from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from qgrad.kernels import adaptive_windows, pool_windows

Draw = Callable[[st.SearchStrategy[Any]], Any]


class Case(NamedTuple):
    """One call of a kernel: positional and keyword arguments."""

    arrays: tuple[NDArray[Any], ...]
    options: dict[str, Any]


def filled(draw: Draw, dtype: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """Codes or weights: uniform, or only the extremes, which overflow what is too narrow."""
    info = np.iinfo(dtype)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["uniform", "extremes", "lowest", "highest"]))
    if kind == "uniform":
        return rng.integers(info.min, info.max, shape, dtype, endpoint=True)
    choices = {"extremes": [info.min, info.max], "lowest": [info.min], "highest": [info.max]}[kind]
    return rng.choice(np.array(choices, dtype), shape)


def output_codes(draw: Draw) -> dict[str, int]:
    """zy, qmin and qmax, often the whole range."""
    if draw(st.booleans()):
        return {"zy": draw(st.integers(0, 255)), "qmin": 0, "qmax": 255}
    qmin, zy, qmax = sorted(draw(st.tuples(*[st.integers(0, 255)] * 3)))
    return {"zy": zy, "qmin": qmin, "qmax": qmax}


def epilogue(draw: Draw, outputs: int, depth: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """bias int32 and mult float32: ordinary, on ties, above 1, or with sums far beyond 2^24."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    room = 2**31 - 1 - depth * 255 * 128
    largest = min(room, draw(st.sampled_from([0, 1000, 2**24, 2**31 - 1])))
    bias = rng.integers(-largest, largest, outputs, np.int32, endpoint=True)
    reach = max(1.0, largest / 128, depth * 50.0)
    mult = {
        "ordinary": rng.uniform(0.1, 2, outputs) / reach,
        "ties": np.full(outputs, 0.5),
        "powers": 2.0 ** rng.integers(-26, 3, outputs),
        "above one": rng.uniform(1, 4e4, outputs),
        "huge": np.full(outputs, 3e38),
        "zero": np.zeros(outputs),
    }[draw(st.sampled_from(["ordinary", "ties", "powers", "above one", "huge", "zero"]))]
    return bias, mult.astype(np.float32)


def scale(draw: Draw) -> float:
    """A scale, often one whose multiples lie on ties."""
    return draw(
        st.sampled_from([1.0, 0.5, 2.0, 0.1, 1.5, 2**-10, 1e-30, 1e30]) | st.floats(1e-4, 1e4)
    )


@st.composite
def gemm_s8(draw: Draw) -> Case:
    """x[M, K], w[N, K] on and off every tile, with empty sizes."""
    m, n = draw(st.integers(0, 20)), draw(st.integers(0, 150))
    k = draw(st.integers(0, 70) | st.integers(0, 5000))
    x, w = filled(draw, np.uint8, (m, k)), filled(draw, np.int8, (n, k))
    options = {"zx": draw(st.integers(0, 255)), **output_codes(draw)}
    return Case((x, w, *epilogue(draw, n, k)), options)


@st.composite
def conv2d_s8(draw: Draw) -> Case:
    """Groups from one to depthwise, every stride, dilation and one-sided padding."""
    groups = draw(st.sampled_from([1, 1, 2, 3, 8]) | st.integers(1, 130))
    small = st.just(1) if draw(st.booleans()) else st.integers(1, 160 // groups + 1)
    per_group, outputs = draw(small), draw(small)
    kernel, stride, dilation = (draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
                                for _ in range(3))  # fmt: skip
    pads = draw(st.tuples(*[st.integers(0, 3)] * 4))
    span = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    least = [max(0, span[0] - pads[0] - pads[1]), max(0, span[1] - pads[2] - pads[3])]
    h, w = (draw(st.integers(size, size + 9)) for size in least)
    x = filled(draw, np.uint8, (draw(st.integers(0, 3)), h, w, groups * per_group))
    weight = filled(draw, np.int8, (groups * outputs, *kernel, per_group))
    bias, mult = epilogue(draw, groups * outputs, weight[:1].size)
    options = {"zx": draw(st.integers(0, 255)), **output_codes(draw)}
    options |= {"stride": stride, "pads": pads, "dilation": dilation, "groups": groups}
    return Case((x, weight, bias, mult), options)


@st.composite
def add_s8(draw: Draw) -> Case:
    """Two tensors; scales within a factor that keeps the sum finite."""
    shape = tuple(draw(st.lists(st.integers(0, 9), max_size=4)))
    a, b = filled(draw, np.uint8, shape), filled(draw, np.uint8, shape)
    sy = scale(draw)
    sa, sb = (sy * draw(st.sampled_from([0.5, 1.0, 1.5, 0.01, 300.0]) | st.floats(1e-3, 1e3))
              for _ in range(2))  # fmt: skip
    zeros = {"za": draw(st.integers(0, 255)), "zb": draw(st.integers(0, 255))}
    return Case((a, b), {"sa": sa, "sb": sb, "sy": sy, **zeros, **output_codes(draw)})


def pool_input(draw: Draw) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], list[NDArray[Any]]]:
    """x, rows, cols and their divisors: ordinary windows, dilated ones, or adaptive ones."""
    h, w = draw(st.integers(3, 12)), draw(st.integers(3, 12))
    x = filled(draw, np.uint8, (draw(st.integers(0, 3)), h, w, draw(st.integers(0, 140))))
    axes = []
    for size in (h, w):
        if draw(st.booleans()):
            axes.append(adaptive_windows(size, draw(st.integers(1, 8))))
            continue
        kernel, stride = draw(st.integers(1, 3)), draw(st.integers(1, 3))
        pad, ceil = draw(st.integers(0, kernel // 2)), draw(st.booleans())
        axes.append(pool_windows(size, kernel, stride, pad, 1, ceil, draw(st.booleans())))
    (rows, row_div), (cols, col_div) = axes
    return x, rows, cols, [row_div, col_div]


@st.composite
def max_pool_s8(draw: Draw) -> Case:
    """Windows of every kind over channels on and off the vector."""
    x, rows, cols, _ = pool_input(draw)
    return Case((x, rows, cols), {})


@st.composite
def avg_pool_s8(draw: Draw) -> Case:
    """The same windows with divisors and scales."""
    x, rows, cols, divisors = pool_input(draw)
    sy = scale(draw)
    sx = sy * draw(st.sampled_from([1.0, 0.5, 2.0]) | st.floats(1e-3, 1e3))
    options = {"sx": sx, "sy": sy, "zx": draw(st.integers(0, 255)), **output_codes(draw)}
    return Case((x, rows, cols, *divisors), options)


@st.composite
def lut_u8(draw: Draw) -> Case:
    """Any table."""
    shape = tuple(draw(st.lists(st.integers(0, 40), max_size=3)))
    return Case((filled(draw, np.uint8, shape), filled(draw, np.uint8, (256,))), {})


def code_range(draw: Draw, dtype: Any) -> tuple[int, int]:
    """qmin < qmax among the codes of a dtype."""
    info = np.iinfo(dtype)
    low, high = sorted(draw(st.lists(st.integers(info.min, info.max), min_size=2, max_size=2)))
    return (info.min, info.max) if draw(st.booleans()) or low == high else (low, high)


def qparam_arrays(draw: Draw, shape: tuple[int, ...], qmin: int, qmax: int) -> dict[str, Any]:
    """scale, zero_point and axis for a tensor, per tensor or along one of its axes."""
    axis = draw(st.none() | st.integers(-len(shape), len(shape) - 1)) if shape else None
    if axis is None or shape[axis] == 0:
        return {"scale": scale(draw), "zero_point": draw(st.integers(qmin, qmax)), "axis": None}
    zeros = [draw(st.integers(qmin, qmax)) for _ in range(shape[axis])]
    return {"scale": [scale(draw) for _ in zeros], "zero_point": zeros, "axis": axis}


@st.composite
def quantize(draw: Draw) -> Case:
    """Values near ties of their scale, huge ones and infinities."""
    dtype = draw(st.sampled_from([np.uint8, np.int8, np.int32]))
    qmin, qmax = code_range(draw, dtype)
    shape = tuple(draw(st.lists(st.integers(0, 12), max_size=4)))
    params = qparam_arrays(draw, shape, qmin, qmax)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    steps = rng.integers(-600, 600, shape) / 2  # halves are ties
    steps = np.where(
        rng.random(shape) < 0.1, rng.choice([np.inf, -np.inf, 3e9, -1e38], shape), steps
    )
    with np.errstate(over="ignore"):
        x = (steps * np.float64(np.resize(params["scale"], 1))).astype(np.float32)
    return Case((x,), {**params, "qmin": qmin, "qmax": qmax, "dtype": dtype})


@st.composite
def dequantize(draw: Draw) -> Case:
    """Codes of all three types."""
    dtype = draw(st.sampled_from([np.uint8, np.int8, np.int32]))
    shape = tuple(draw(st.lists(st.integers(0, 12), max_size=4)))
    info = np.iinfo(dtype)
    params = qparam_arrays(draw, shape, int(info.min), int(info.max))
    return Case((filled(draw, dtype, shape),), params)


CASES: dict[str, Callable[[], st.SearchStrategy[Case]]] = {
    "add_s8": add_s8,
    "avg_pool_s8": avg_pool_s8,
    "conv2d_s8": conv2d_s8,
    "dequantize": dequantize,
    "gemm_s8": gemm_s8,
    "lut_u8": lut_u8,
    "max_pool_s8": max_pool_s8,
    "quantize": quantize,
}
