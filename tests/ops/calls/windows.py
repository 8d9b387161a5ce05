"""Calls of pooling ops and of those of quantization-aware training."""

from __future__ import annotations

from typing import Any

import numpy as np
from ops.calls.draw import Call, Draw, calls_of


def windows(size: int, k: int, s: int, p: int, dil: int, ceil: bool) -> list[list[int]]:
    """For each window its positions, those in the padding too."""
    steps = size + 2 * p - dil * (k - 1) - 1
    count = (-(-steps // s) if ceil else steps // s) + 1
    if ceil and (count - 1) * s >= size + p:
        count -= 1
    return [[i * s - p + j * dil for j in range(k)] for i in range(count)]


@calls_of("max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d")
def pool(d: Draw) -> Call:
    """Every option, by loops over windows and positions."""
    dims, is_max = int(d.name[-2]), d.name.startswith("max")
    kernel = tuple(d.int(1, 3) for _ in range(dims))
    stride = tuple(d.int(1, 3) for _ in range(dims))
    padding = tuple(d.int(0, k // 2) for k in kernel)
    dilation = tuple(d.int(1, 2) if is_max else 1 for _ in range(dims))
    ceil = d.bool()
    size = tuple(dil * (k - 1) + 1 + d.int(0, 4) for k, dil in zip(kernel, dilation, strict=True))
    x = d.array((*((2, 2) if d.bool() else (3,)), *size))
    count_pad = d.bool()
    per_dim = [
        windows(*case, ceil) for case in zip(size, kernel, stride, padding, dilation, strict=True)
    ]
    expected = np.zeros((*x.shape[:-dims], *(len(w) for w in per_dim)))
    for place in np.ndindex(*(len(w) for w in per_dim)):
        spans = [w[i] for w, i in zip(per_dim, place, strict=True)]
        inside = [[q for q in span if 0 <= q < n] for span, n in zip(spans, size, strict=True)]
        window = x[(..., *np.ix_(*inside))]
        last = tuple(range(-dims, 0))
        if is_max:
            expected[(..., *place)] = window.max(last)
        else:
            padded = [
                sum(q < n + p for q in span)
                for span, n, p in zip(spans, size, padding, strict=True)
            ]
            count = np.prod(padded if count_pad else [len(q) for q in inside])
            expected[(..., *place)] = window.sum(last) / count
    options: dict[str, Any] = {"padding": padding, "ceil_mode": ceil}
    options |= {"dilation": dilation} if is_max else {"count_include_pad": count_pad}
    return Call((x, kernel, stride), options, expected)


@calls_of("max_pool1d_indices", "max_pool2d_indices")
def pool_indices(d: Draw) -> Call:
    """The places of the values, which are all different."""
    d.name = d.name.removesuffix("_indices")
    call = pool(d)
    x, dims = call.args[0], int(d.name[-2])
    planes = x.reshape(*x.shape[:-dims], 1, -1)
    values = call.expected.reshape(*x.shape[:-dims], -1, 1)
    places = (planes == values).argmax(-1).reshape(call.expected.shape)
    return Call(call.args, call.options, places)


@calls_of("adaptive_avg_pool1d", "adaptive_avg_pool2d")
def adaptive_pool(d: Draw) -> Call:
    """To smaller, equal and larger sizes, None too."""
    dims = int(d.name[-2])
    size = tuple(d.int(1, 6) for _ in range(dims))
    wanted = tuple(d.one_of(None, d.int(1, 6)) for _ in range(dims))
    x = d.array((2, 2, *size))
    out = [n if w is None else w for n, w in zip(size, wanted, strict=True)]
    expected = np.zeros((2, 2, *out))
    for place in np.ndindex(*out):
        spans = [
            range(i * n // o, -(-(i + 1) * n // o))
            for i, n, o in zip(place, size, out, strict=True)
        ]
        expected[(..., *place)] = x[(..., *np.ix_(*spans))].mean(tuple(range(-dims, 0)))
    return Call((x, wanted), {}, expected)


@calls_of("fake_quantize")
def fake_quantize(d: Draw) -> Call:
    """Per tensor and per channel."""
    x = d.array((3, 4)).astype(np.float32).astype(np.float64)
    if d.bool():
        return Call((x, 0.25, 3, 0, 7), {})
    return Call((x, np.array([0.25, 0.5, 1.0]), np.array([0, 0, 0]), -4, 3, 0), {})


@calls_of("straight_through")
def straight_through(d: Draw) -> Call:
    """The value, whatever it is."""
    x = d.any_array()
    return Call((x, np.round(x)), {}, np.round(x))
