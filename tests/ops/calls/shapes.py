"""Calls of ops that move elements."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from ops.calls.draw import Call, Draw, calls_of


@calls_of("reshape")
def reshape(d: Draw) -> Call:
    """With and without -1."""
    x = d.any_array(min_size=1)
    size = x.size
    a = d.one_of(*[n for n in range(1, size + 1) if size % n == 0])
    shape = d.one_of((a, size // a), (a, -1), (-1,), (1, a, size // a))
    return Call((x, shape), {}, x.reshape(shape))


@calls_of("flatten")
def flatten(d: Draw) -> Call:
    """Any range of dims."""
    x = d.any_array(min_dims=1)
    start = d.int(0, x.ndim - 1)
    end = d.int(start, x.ndim - 1)
    middle = int(np.prod(x.shape[start : end + 1]))
    expected = x.reshape((*x.shape[:start], middle, *x.shape[end + 1 :]))
    return Call((x, start, end - x.ndim), {}, expected)


@calls_of("permute")
def permute(d: Draw) -> Call:
    """Any order."""
    x = d.any_array()
    dims = tuple(d.draw(st.permutations(range(x.ndim))))
    return Call((x, tuple(i - x.ndim if d.bool() else i for i in dims)), {}, x.transpose(dims))


@calls_of("transpose")
def transpose(d: Draw) -> Call:
    """Any two dims."""
    x = d.any_array(min_dims=1)
    a, b = d.dim(x.ndim), d.dim(x.ndim)
    return Call((x, a, b), {}, np.swapaxes(x, a, b))


@calls_of("movedim")
def movedim(d: Draw) -> Call:
    """One dim or two."""
    x = d.array((2, 3, 4))
    a, b = (d.int(-3, 2), d.int(-3, 2)) if d.bool() else ((0, 1), (2, 0))
    return Call((x, a, b), {}, np.moveaxis(x, a, b))


@calls_of("squeeze")
def squeeze(d: Draw) -> Call:
    """All dims of length 1, one, or a dim that stays."""
    x = d.array(d.one_of((1, 3, 1), (1,), (2, 1), (), (1, 1)))
    dim = d.one_of(None, *range(-x.ndim, x.ndim))
    stays = dim is not None and x.shape[dim] != 1
    return Call((x, dim), {}, x if stays else np.squeeze(x, dim))


@calls_of("unsqueeze")
def unsqueeze(d: Draw) -> Call:
    """At any place."""
    x = d.any_array()
    dim = d.int(-x.ndim - 1, x.ndim)
    return Call((x, dim), {}, np.expand_dims(x, dim))


@calls_of("expand")
def expand(d: Draw) -> Call:
    """More dims, longer dims, kept dims."""
    x = d.array(d.one_of((3, 1), (1,), (), (1, 4), (1, 1)))
    shape = tuple(4 if n == 1 else n for n in x.shape)
    lead = d.one_of((), (2,), (2, 0))
    size = tuple(-1 if n == m and d.bool() else n for n, m in zip(shape, x.shape, strict=True))
    return Call((x, (*lead, *size)), {}, np.broadcast_to(x, (*lead, *shape)))


@calls_of("flip")
def flip(d: Draw) -> Call:
    """One dim or several."""
    x = d.any_array(min_dims=1)
    dims = d.dims(x.ndim) or 0
    return Call((x, dims), {}, np.flip(x, dims))


@calls_of("cat")
def cat(d: Draw) -> Call:
    """Different lengths, and an empty 1-d tensor that fits everywhere."""
    shape, dim = d.shape(min_dims=1), 0
    dim = d.dim(len(shape))
    arrays = []
    for _ in range(d.int(1, 3)):
        lengths = list(shape)
        lengths[dim] = d.int(0, 3)
        arrays.append(d.array(tuple(lengths)))
    expected = np.concatenate(arrays, dim)
    if d.bool():
        arrays.append(np.zeros(0))
    return Call((arrays, dim), {}, expected)


@calls_of("stack")
def stack(d: Draw) -> Call:
    """A list or a tuple."""
    shape = d.shape()
    arrays = [d.array(shape) for _ in range(d.int(1, 3))]
    dim = d.int(-len(shape) - 1, len(shape))
    return Call((tuple(arrays) if d.bool() else arrays, dim), {}, np.stack(arrays, dim))


@calls_of("pad")
def pad(d: Draw) -> Call:
    """All modes."""
    x = d.array((2, 4, 5))
    mode = d.one_of("constant", "reflect", "replicate", "circular")
    widths = tuple(d.int(-1, 2) for _ in range(4))
    if mode == "constant":
        return Call((x, widths), {"value": 0.5})
    if min(widths) < 0:
        return Call((x, widths, mode), {})
    names = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    numpy_widths = ((0, 0), widths[2:], widths[:2])
    return Call((x, widths, mode), {}, np.pad(x, numpy_widths, names[mode]))


@calls_of("pad_transpose")
def pad_transpose(d: Draw) -> Call:
    """All modes."""
    mode = d.one_of("constant", "reflect", "replicate", "circular")
    return Call((d.array((2, 6, 8)), (2, 4, 5), (2, 1, 1, 1), mode), {})
