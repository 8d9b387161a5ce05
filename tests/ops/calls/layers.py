"""Strategies of normalization within an example, activations with a kink, losses."""

from __future__ import annotations

import numpy as np
from ops.calls.draw import UNKNOWN, Array, Call, Draw, calls_of
from scipy import special

SMOOTH = {
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "tanhshrink": lambda x: x - np.tanh(x),
}


@calls_of(*SMOOTH)
def smooth(d: Draw) -> Call:
    """Any array."""
    x = d.any_array(-4, 4)
    return Call((x,), {}, SMOOTH[d.name](x))


@calls_of("celu")
def celu(d: Draw) -> Call:
    """Alphas of either sign."""
    x, alpha = d.any_array(), d.one_of(1.0, 0.5, 2.0, -0.5)
    return Call((x, alpha), {}, np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha)))


@calls_of("hardtanh")
def hardtanh(d: Draw) -> Call:
    """Several bounds."""
    x, (low, high) = d.any_array(), d.one_of((-1.0, 1.0), (0.0, 0.5), (-2, 1))
    return Call((x,), {"min_val": low, "max_val": high}, np.clip(x, low, high))


@calls_of("threshold")
def threshold(d: Draw) -> Call:
    """Several thresholds and values."""
    x, at, value = d.any_array(), d.one_of(0.0, -0.5, 1), d.one_of(0.0, 7, -1.5)
    return Call((x, at, value), {}, np.where(x > at, x, value))


@calls_of("prelu")
def prelu(d: Draw) -> Call:
    """One slope, or one for each channel."""
    x = d.any_array(min_size=1)
    channels = x.shape[1] if x.ndim > 1 else 1
    weight = d.array(d.one_of((), (1,), (channels,)))
    column = weight.reshape((-1,) + (1,) * max(x.ndim - 2, 0))
    negative = (x * column).reshape(x.shape)
    return Call((x, weight), {}, np.where(x > 0, x, negative))


@calls_of("binary_cross_entropy")
def binary_cross_entropy(d: Draw) -> Call:
    """Probabilities, and targets between 0 and 1."""
    shape = d.shape()
    x, target = d.array(shape, 0.05, 0.95), d.array(shape, 0, 1)
    expected = -special.xlogy(target, x) - special.xlog1py(1 - target, -x)
    return Call((x, target), {}, expected)


@calls_of("class_cross_entropy")
def class_cross_entropy(d: Draw) -> Call:
    """Rows of scores, a class for each."""
    rows, columns = d.int(1, 4), d.int(1, 5)
    x, classes = d.array((rows, columns)), d.ints((rows,), 0, columns)
    divisor = d.one_of(1, rows, 2.5)
    picked = special.log_softmax(x, 1)[np.arange(rows), classes]
    return Call((x, classes, divisor), {}, -picked.sum() / divisor)


def standard(x: Array, axes: tuple[int, ...]) -> Array:
    """Mean 0 and variance 1 (less eps) over the axes."""
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)


def affine(x: Array, weight: Array | None, bias: Array | None) -> Array:
    """Times weight plus bias for each channel."""
    column = (-1,) + (1,) * (x.ndim - 2)
    x = x if weight is None else x * weight.reshape(column)
    return x if bias is None else x + bias.reshape(column)


@calls_of("group_norm")
def group_norm(d: Draw) -> Call:
    """1, 2 and 4 groups of 4 channels, with and without weight and bias."""
    x = d.array((2, 4, *d.one_of((5,), (3, 2), (2, 2, 2))))
    groups = d.one_of(1, 2, 4)
    weight, bias = (d.array((4,)) if d.bool() else None for _ in range(2))
    rows = x.reshape(2, groups, -1)
    expected = affine(standard(rows, (2,)).reshape(x.shape), weight, bias)
    return Call((x, groups, weight, bias), {}, expected)


@calls_of("instance_norm")
def instance_norm(d: Draw) -> Call:
    """The example's statistics or the running ones."""
    x = d.array((3, 2, *d.one_of((6,), (2, 3))))
    weight, bias = (d.array((2,)) if d.bool() else None for _ in range(2))
    axes = tuple(range(2, x.ndim))
    if d.bool():
        mean, var = (d.array((2,)), d.array((2,), 0.5, 2)) if d.bool() else (None, None)
        return Call((x, mean, var, weight, bias), {}, affine(standard(x, axes), weight, bias))
    mean, var = d.array((2,)), d.array((2,), 0.5, 2)
    column = (-1,) + (1,) * len(axes)
    y = (x - mean.reshape(column)) / np.sqrt(var.reshape(column) + 1e-5)
    return Call((x, mean, var, weight, bias, False), {}, affine(y, weight, bias))


@calls_of("rms_norm")
def rms_norm(d: Draw) -> Call:
    """Over one or two last dims."""
    x, shape = d.array((2, 3, 4)), d.one_of((4,), (3, 4))
    weight = d.array(shape) if d.bool() else None
    eps = d.one_of(None, 1e-3)
    axes = tuple(range(-len(shape), 0))
    e = np.finfo(np.float64).eps if eps is None else eps
    y = x / np.sqrt((x * x).mean(axes, keepdims=True) + e)
    return Call((x, shape, weight, eps), {}, y if weight is None else y * weight)


@calls_of("safe_softmax")
def safe_softmax(d: Draw) -> Call:
    """Rows of -inf among others."""
    x = d.array((3, 4))
    dim = d.dim(2)
    expected = special.softmax(x, dim)
    if d.bool():
        index = (slice(None), 1) if dim % 2 == 0 else 1
        x = x.copy()
        x[index], expected[index] = -np.inf, 0
    return Call((x, dim), {}, expected)


@calls_of("feature_dropout")
def feature_dropout(d: Draw) -> Call:
    """The mask is the same for every call of a test, which seeds the generator."""
    x, training = d.any_array(min_dims=2), d.bool()
    return Call((x, 0.3, training), {}, UNKNOWN if training else x)
