"""Calls of elementwise ops."""

from __future__ import annotations

from typing import Any

import numpy as np
from ops.calls.draw import Call, Draw, calls_of
from scipy import special

UNARY: dict[str, tuple[Any, float, float]] = {
    "zeros_like": (np.zeros_like, -2, 2),
    "neg": (np.negative, -2, 2),
    "abs": (np.abs, -2, 2),
    "sign": (np.sign, -2, 2),
    "floor": (np.floor, -3, 3),
    "ceil": (np.ceil, -3, 3),
    "round": (np.round, -3, 3),
    "trunc": (np.trunc, -3, 3),
    "exp": (np.exp, -3, 3),
    "expm1": (np.expm1, -3, 3),
    "log": (np.log, 0.1, 3),
    "log1p": (np.log1p, -0.9, 3),
    "sqrt": (np.sqrt, 0.1, 3),
    "rsqrt": (lambda x: 1 / np.sqrt(x), 0.1, 3),
    "square": (np.square, -2, 2),
    "reciprocal": (lambda x: 1 / x, 0.3, 2),
    "sin": (np.sin, -4, 4),
    "cos": (np.cos, -4, 4),
    "tan": (np.tan, -1.2, 1.2),
    "sinh": (np.sinh, -2, 2),
    "cosh": (np.cosh, -2, 2),
    "tanh": (np.tanh, -2, 2),
    "asin": (np.arcsin, -0.9, 0.9),
    "acos": (np.arccos, -0.9, 0.9),
    "atan": (np.arctan, -3, 3),
    "asinh": (np.arcsinh, -3, 3),
    "acosh": (np.arccosh, 1.2, 4),
    "atanh": (np.arctanh, -0.9, 0.9),
    "exp2": (np.exp2, -3, 3),
    "log2": (np.log2, 0.1, 3),
    "log10": (np.log10, 0.1, 3),
    "lgamma": (special.gammaln, 0.2, 20),
    "digamma": (special.digamma, 0.2, 20),
    "nan_to_num": (lambda x: x, -2, 2),
    "erf": (special.erf, -2, 2),
    "erfc": (special.erfc, -2, 2),
    "isnan": (np.isnan, -2, 2),
    "isinf": (np.isinf, -2, 2),
    "isfinite": (np.isfinite, -2, 2),
    "logical_not": (np.logical_not, -2, 2),
    "relu": (lambda x: np.where(x > 0, x, 0), -2, 2),
    "relu6": (lambda x: np.clip(x, 0, 6), -2, 9),
    "sigmoid": (special.expit, -4, 4),
    "logsigmoid": (special.log_expit, -4, 4),
    "silu": (lambda x: x * special.expit(x), -4, 4),
    "hardsigmoid": (lambda x: np.clip(x / 6 + 0.5, 0, 1), -5, 5),
    "hardswish": (lambda x: x * np.clip(x / 6 + 0.5, 0, 1), -5, 5),
    "selu": (
        lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
        *(-3, 3),
    ),
    "identity": (lambda x: x, -2, 2),
    "detach": (lambda x: x, -2, 2),
    "clone": (lambda x: x, -2, 2),
    "contiguous": (lambda x: x, -2, 2),
}


@calls_of(*UNARY)
def unary(d: Draw) -> Call:
    """Any array in the range of interest."""
    function, low, high = UNARY[d.name]
    x = d.any_array(low, high)
    return Call((x,), {}, function(x))


@calls_of("leaky_relu")
def leaky_relu(d: Draw) -> Call:
    """Slopes of either sign."""
    x, slope = d.any_array(), d.one_of(0.01, 0.3, -0.5)
    return Call((x, slope), {}, np.where(x > 0, x, slope * x))


@calls_of("gelu")
def gelu(d: Draw) -> Call:
    """Both forms."""
    x, form = d.any_array(-4, 4), d.one_of("none", "tanh")
    inner = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
    expected = x * special.ndtr(x) if form == "none" else x / 2 * (1 + np.tanh(inner))
    return Call((x,), {"approximate": form}, expected)


@calls_of("elu")
def elu(d: Draw) -> Call:
    """Several alphas."""
    x, alpha = d.any_array(), d.one_of(1.0, 0.5, 2.0)
    return Call((x,), {"alpha": alpha}, np.where(x > 0, x, alpha * np.expm1(x)))


@calls_of("softplus")
def softplus(d: Draw) -> Call:
    """With and without the linear part in reach."""
    x, beta, threshold = d.any_array(-4, 4), d.one_of(1.0, 2.0), d.one_of(20.0, 3.0)
    smooth = np.log1p(np.exp(beta * x)) / beta
    return Call((x, beta, threshold), {}, np.where(beta * x > threshold, x, smooth))


BINARY: dict[str, tuple[Any, float, float]] = {
    "add": (np.add, -2, 2),
    "sub": (np.subtract, -2, 2),
    "mul": (np.multiply, -2, 2),
    "div": (np.divide, 0.5, 2),
    "floor_divide": (np.floor_divide, 0.5, 4),
    "remainder": (np.mod, 0.5, 4),
    "trunc_divide": (lambda x, y: np.trunc(np.divide(x, y)), 0.5, 4),
    "fmod": (np.fmod, 0.5, 4),
    "pow": (np.power, 0.5, 2),
    "atan2": (np.arctan2, 0.1, 2),
    "hypot": (np.hypot, 0.1, 2),
    "logaddexp": (np.logaddexp, -2, 2),
    "xlogy": (special.xlogy, 0.1, 2),
    "maximum": (np.maximum, -2, 2),
    "minimum": (np.minimum, -2, 2),
    "eq": (np.equal, -2, 2),
    "ne": (np.not_equal, -2, 2),
    "lt": (np.less, -2, 2),
    "le": (np.less_equal, -2, 2),
    "gt": (np.greater, -2, 2),
    "ge": (np.greater_equal, -2, 2),
    "logical_and": (np.logical_and, -2, 2),
    "logical_or": (np.logical_or, -2, 2),
    "logical_xor": (np.logical_xor, -2, 2),
}


@calls_of(*BINARY)
def binary(d: Draw) -> Call:
    """Two arrays that broadcast, or an array and a number on either side."""
    function, low, high = BINARY[d.name]
    x, y = d.pair(low, high)
    kind = d.one_of("arrays", "arrays", "number left", "number right")
    if kind == "number left":
        return Call((1.5, y), {}, function(1.5, y))
    if kind == "number right":
        return Call((x, 1.5), {}, function(x, 1.5))
    return Call((x, y), {}, function(x, y))


@calls_of("bitwise_and", "bitwise_or", "bitwise_xor")
def bitwise(d: Draw) -> Call:
    """Integers or bools."""
    shape = d.shape()
    x, y = d.ints(shape, 0, 8), d.ints(shape, 0, 8)
    if d.bool():
        x, y = x > 3, y > 3
    return Call((x, y), {}, getattr(np, d.name)(x, y))


@calls_of("bitwise_left_shift", "bitwise_right_shift")
def shift(d: Draw) -> Call:
    """Integers, moved by arrays or numbers."""
    shape = d.shape()
    x, y = d.ints(shape, -9, 9), d.one_of(2, d.ints(shape, 0, 4))
    return Call((x, y), {}, getattr(np, d.name.removeprefix("bitwise_"))(x, y))


@calls_of("unchanged")
def unchanged(d: Draw) -> Call:
    """The array itself."""
    x = d.any_array()
    return Call((x,), {}, x)


@calls_of("stepwise")
def stepwise(d: Draw) -> Call:
    """The first of two arrays of one shape."""
    x = d.any_array()
    return Call((x, np.cos(x)), {}, x)


@calls_of("bitwise_not")
def bitwise_not(d: Draw) -> Call:
    """Integers or bools."""
    x = d.ints(d.shape(), 0, 8)
    x = x > 3 if d.bool() else x
    return Call((x,), {}, ~x)


@calls_of("clamp")
def clamp(d: Draw) -> Call:
    """Bounds that are numbers, arrays or absent, in either order."""
    x, bound = d.pair()
    kind = d.one_of("both", "min", "max", "arrays", "crossed")
    low, high = {
        "both": (-0.5, 0.7),
        "min": (-0.5, None),
        "max": (None, 0.7),
        "arrays": (bound, bound + 1),
        "crossed": (bound + 0.5, bound),
    }[kind]
    with_low = x if low is None else np.maximum(x, low)
    expected = with_low if high is None else np.minimum(with_low, high)
    return Call((x, low, high), {}, expected)


@calls_of("lerp")
def lerp(d: Draw) -> Call:
    """A weight that is a number or an array, on both sides of 1/2."""
    x, y = d.pair()
    weight = d.one_of(0.25, 0.75, 1.0, -1.0, d.array(()), np.abs(x))
    return Call((x, y, weight), {}, x + weight * (y - x))


@calls_of("addcmul", "addcdiv")
def product_added(d: Draw) -> Call:
    """A multiple of a product or quotient, added."""
    x, y = d.pair()
    z, value = d.array((), 0.5, 2), d.one_of(1, -0.5)
    return Call((x, y, z, value), {}, x + value * (y * z if d.name == "addcmul" else y / z))


@calls_of("round_decimals")
def round_decimals(d: Draw) -> Call:
    """Digits before and after the point."""
    x, decimals = d.any_array(-50, 50), d.int(-1, 2)
    return Call((x, decimals), {}, np.round(x, decimals))


@calls_of("polygamma")
def polygamma(d: Draw) -> Call:
    """Several orders, on both sides of 0."""
    x, n = d.any_array(0.3, 9), d.int(0, 3)
    return Call((x, n), {}, special.polygamma(n, x))


@calls_of("where")
def where(d: Draw) -> Call:
    """Arrays, or a number for one of them."""
    x, y = d.pair()
    condition = d.bools(np.broadcast_shapes(x.shape, y.shape))
    if d.bool():
        return Call((condition, x, 0.5), {}, np.where(condition, x, 0.5))
    return Call((condition, x, y), {}, np.where(condition, x, y))


@calls_of("to")
def cast(d: Draw) -> Call:
    """To other dtypes."""
    x, kind = d.any_array(-9, 9), d.one_of(np.float32, np.int64, np.bool_)
    return Call((x, np.dtype(kind)), {}, x.astype(kind))
