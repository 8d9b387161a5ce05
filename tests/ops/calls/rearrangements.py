"""Calls of ops that shift elements and see them through windows."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from ops.calls.draw import Call, Draw, calls_of


@calls_of("roll")
def roll(d: Draw) -> Call:
    """One dim, several, one dim twice, or the flattened array; shifts beyond the length."""
    x = d.any_array()
    kind = d.one_of("flat", "one", "two", "twice")
    if kind == "flat" or not x.ndim:
        shift = d.int(-5, 5)
        return Call((x, shift), {}, np.roll(x, shift))
    count = {"one": 1, "two": 2, "twice": 2}[kind]
    dims = tuple(d.dim(x.ndim) for _ in range(count))
    dims = dims[:1] * 2 if kind == "twice" else dims
    shifts = tuple(d.int(-5, 5) for _ in range(count))
    expected = np.roll(x, shifts, dims)
    return Call((x, shifts[0], dims[0]) if kind == "one" else (x, shifts, dims), {}, expected)


@calls_of("unfold")
def unfold(d: Draw) -> Call:
    """Windows that overlap, touch, or leave gaps."""
    x = d.any_array(min_dims=1, min_size=1)
    dim, step = d.dim(x.ndim), d.int(1, 3)
    size = d.int(1, x.shape[dim])
    windows = sliding_window_view(x, size, dim)
    part = [slice(None)] * x.ndim
    part[dim] = slice(None, None, step)
    return Call((x, dim, size, step), {}, windows[tuple(part)])


@calls_of("fold_windows")
def fold_windows(d: Draw) -> Call:
    """The transpose of unfold."""
    call = unfold(d)
    x, dim, _, step = call.args
    windows = d.array(call.expected.shape)
    expected = np.zeros(x.shape)
    axis = dim % x.ndim
    rows, parts = np.moveaxis(expected, axis, 0), np.moveaxis(windows, axis, 0)
    for i, part in enumerate(parts):
        for j in range(windows.shape[-1]):
            rows[i * step + j] += part[..., j]
    return Call((windows, x.shape, dim, step), {}, expected)


@calls_of("argwhere")
def argwhere(d: Draw) -> Call:
    """Numbers or bools."""
    x = d.any_array()
    x = x > 0 if d.bool() else np.where(x > 0, x, 0)
    return Call((x,), {}, np.argwhere(x))
