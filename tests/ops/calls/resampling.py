"""Strategies of interpolation: each mode by its definition, one output at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from ops.calls.draw import Array, Call, Draw, calls_of

DIMS = {"linear": 1, "bilinear": 2, "trilinear": 3, "bicubic": 2}


def matrix(size: int, out: int, step: float, mode: str, align: bool) -> Array:
    """The weights [out, size] of a mode along one dim, `step` inputs from output to output."""
    weights = np.zeros((out, size))
    for i in range(out):
        if mode == "nearest":
            weights[i, min(math.floor(i * step + 1e-9), size - 1)] = 1
            continue
        if mode == "nearest-exact":
            weights[i, min(math.floor((i + 0.5) * step + 1e-9), size - 1)] = 1
            continue
        at = i * step if align else (i + 0.5) * step - 0.5
        if mode == "bicubic":
            for j in range(math.floor(at) - 1, math.floor(at) + 3):
                weights[i, min(max(j, 0), size - 1)] += keys(abs(at - j))
        else:
            at = min(max(at, 0), size - 1)
            for j in range(size):
                weights[i, j] += max(1 - abs(at - j), 0)
    return weights


def keys(t: float) -> float:
    """Keys' cubic kernel with a = -3/4."""
    a = -0.75
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * (t**3 - 5 * t**2 + 8 * t - 4) if t < 2 else 0.0


def resize_case(d: Draw) -> tuple[Array, dict[str, Any], list[Array]]:
    """An input, the options, and the weights of each dim."""
    mode = d.one_of("nearest", "nearest-exact", *DIMS)
    dims = DIMS.get(mode) or d.int(1, 3)
    x = d.array((2, 2, *(d.int(1, 4) for _ in range(dims))))
    options: dict[str, Any] = {"mode": mode}
    align = not mode.startswith("nearest") and d.bool()
    if align:
        options["align_corners"] = True
    if d.bool():
        sizes = options["size"] = tuple(d.int(1, 6) for _ in range(dims))
        steps = [n / out for n, out in zip(x.shape[2:], sizes, strict=True)]
    else:
        factors = options["scale_factor"] = tuple(d.one_of(1.0, 1.5, 2.0) for _ in range(dims))
        sizes = tuple(math.floor(n * f) for n, f in zip(x.shape[2:], factors, strict=True))
        steps = [1 / f for f in factors]
        if d.bool():
            options["recompute_scale_factor"] = True
            steps = [n / out for n, out in zip(x.shape[2:], sizes, strict=True)]
    if align:
        steps = [(n - 1) / max(out - 1, 1) for n, out in zip(x.shape[2:], sizes, strict=True)]
    cases = zip(x.shape[2:], sizes, steps, strict=True)
    return x, options, [matrix(n, out, step, mode, align) for n, out, step in cases]


def multiply(x: Array, matrices: list[Array]) -> Array:
    """Each dim after the second times its matrix."""
    for axis, weights in enumerate(matrices, 2):
        x = np.moveaxis(np.tensordot(weights, x, (1, axis)), 0, axis)
    return x


@calls_of("interpolate")
def interpolate(d: Draw) -> Call:
    """All modes, by size and by scale."""
    x, options, matrices = resize_case(d)
    return Call((x,), options, multiply(x, matrices))


@calls_of("interpolate_transpose")
def interpolate_transpose(d: Draw) -> Call:
    """The matrices transposed."""
    x, options, matrices = resize_case(d)
    y = d.array((2, 2, *(len(weights) for weights in matrices)))
    defaults = dict.fromkeys(
        ("size", "scale_factor", "mode", "align_corners", "recompute_scale_factor")
    )
    args = (y, x.shape, *(defaults | options).values())
    return Call(args, {}, multiply(y, [weights.T for weights in matrices]))
