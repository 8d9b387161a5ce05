"""The float32 functions of one value: what `unary_f32` and `binary_f32` mean, in NumPy.

A function made of several steps is computed in float64 by a fixed sequence of IEEE operations and
rounded to float32 once, so it has the same bits on every CPU and in C++ (csrc/simd/functions.h
mirrors this file line by line; no libm, whose last bit changes from machine to machine).
NaN gives NaN. The error is within 0.501 units in the last place unless said. The GELU, which weighs
in a training step, is computed in float32 with fused multiply-adds (csrc/simd/functions_f32.h).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F32 = NDArray[np.float32]
    F64 = NDArray[np.float64]


_F32 = np.float32

_LOG2E: Final = 1.4426950408889634
_LN2: Final = 0.6931471805599453
_LN2_HIGH: Final = 0.6931471803691238  # ln 2 in 32 bits: n * _LN2_HIGH is exact for |n| < 2**21
_LN2_LOW: Final = 1.9082149292705877e-10
_EXPM1: Final = tuple(1.0 / n for n in (2, 6, 24, 120, 720, 5040, 40320, 362880, 3628800, 39916800))
_ATANH: Final = tuple(2.0 / n for n in (3, 5, 7, 9, 11, 13, 15, 17, 19))
_ERF: Final = (  # erf(x) / x in x*x on [0, 1], error 4e-16
    1.1283791670955121, -0.376126389031744, 0.11283791670580423, -0.026866170586496874,
    0.005223977154105304, -0.0008548304871782741, 0.00012054681918310599, -1.4913300906316395e-05,
    1.631035651387174e-06, -1.5188281247335167e-07, 9.428596956834164e-09,
)  # fmt: skip
_ERFC: Final = (  # erfc(x) * exp(x*x) * (x+3) in (x-3)/(x+3) on [1, 12], error 4e-13
    1.0740069070881277, -0.8833944531675639, 0.5902283571611083, -0.3104672621776076,
    0.11952775884039198, -0.026827225178787727, -0.00121237940759575, 0.003033924197067764,
    -0.0005485461708252035, -0.0002757993998399561, 0.00010807334373921776,
    2.7025285994927877e-05, -1.688166413351385e-05,
)  # fmt: skip
_TWO_OVER_PI: Final = 0.6366197723675814
_HALF_PI_HIGH: Final = 1.5707963267341256  # 33 bits
_HALF_PI_LOW: Final = 6.077100506506192e-11
_ODD: Final = (6.0, 120.0, 5040.0, 362880.0, 39916800.0, 6227020800.0)  # 3!, 5!, ...
_EVEN: Final = (2.0, 24.0, 720.0, 40320.0, 3628800.0, 479001600.0)  # 2!, 4!, ...
_SIN: Final = tuple((-1.0) ** i / f for i, f in enumerate(_ODD, 1))
_COS: Final = tuple((-1.0) ** i / f for i, f in enumerate(_EVEN, 1))


def _polynomial(coefficients: tuple[float, ...], x: F64) -> F64:
    """c[0] + x*(c[1] + x*(c[2] + ...)), each step one multiplication and one addition."""
    y = np.full_like(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        y = y * x + c
    return y


def clip(x: F64, low: float, high: float) -> F64:
    """`x` kept inside [low, high]; NaN passes."""
    return np.where(x < low, low, np.where(x > high, high, x))


def _exp_parts(x: F64) -> tuple[F64, F64]:
    """(s, p) with exp(x) = s + s*p, s a power of two; x is kept inside [-300, 300]."""
    x = clip(x, -300.0, 300.0)
    n = np.rint(x * _LOG2E)
    r = (x - n * _LN2_HIGH) - n * _LN2_LOW
    exponent = np.where(n == n, n, 0.0).astype(np.int64) + 1023
    return (exponent << 52).view(np.float64), r + (r * r) * _polynomial(_EXPM1, r)


def exp(x: F64) -> F64:
    """e**x, never inf or 0: far outside float32's range, so rounding gives inf or 0."""
    s, p = _exp_parts(x)
    return s + s * p


def expm1(x: F64) -> F64:
    """e**x - 1 without cancellation near 0."""
    s, p = _exp_parts(x)
    return s * p + (s - 1.0)


def _log_of_parts(exponent: F64, f: F64) -> F64:
    """exponent * ln 2 + log(1 + f), for f in [-0.3, 0.42]."""
    s = f / (2.0 + f)
    u = s * s
    log1p_f = 2.0 * s + s * (u * _polynomial(_ATANH, u))
    return exponent * _LN2_HIGH + (exponent * _LN2_LOW + log1p_f)


def log(x: F64) -> F64:
    """Natural logarithm of a value that is 0 or a normal float64 (every float32 is)."""
    bits = x.view(np.int64)
    # Add so that the mantissa passes 1.0 where it exceeds sqrt(2), then read off the exponent.
    exponent = ((bits + 0x00095F6200000000) >> 52) - 1023
    mantissa = (bits - (exponent << 52)).view(np.float64)
    y = _log_of_parts(exponent.astype(np.float64), mantissa - 1.0)
    y = np.where(x == 0.0, -np.inf, np.where(x < 0.0, np.nan, y))
    return np.where((x == np.inf) | (x != x), x, y)


def log1p(x: F64) -> F64:
    """log(1 + x) without cancellation near 0."""
    small = (x > -0.29) & (x < 0.41)
    near = _log_of_parts(np.zeros_like(x), np.where(small, x, 0.0))
    return np.where(small, near, log(1.0 + x))


def _erf_near(x: F64) -> F64:
    return x * _polynomial(_ERF, x * x)


def _erfc_far(x: F64) -> F64:
    """erfc for x >= 1; below 1e-62 it stays there."""
    x = clip(x, 1.0, 12.0)
    return exp(-(x * x)) * _polynomial(_ERFC, (x - 3.0) / (x + 3.0)) / (x + 3.0)


def erf(x: F64) -> F64:
    """The error function."""
    a = np.abs(x)
    near = _erf_near(clip(x, -1.0, 1.0))
    far = 1.0 - _erfc_far(a)
    return np.where(a > 1.0, np.where(x < 0.0, -far, far), near)


def erfc(x: F64) -> F64:
    """1 - erf(x), accurate where erf is close to 1."""
    far = _erfc_far(np.abs(x))
    near = 1.0 - _erf_near(clip(x, -1.0, 1.0))
    return np.where(np.abs(x) > 1.0, np.where(x < 0.0, 2.0 - far, far), near)


def exp2(x: F64) -> F64:
    """2**x."""
    return exp(x * _LN2)


def log2(x: F64) -> F64:
    """The logarithm to base 2."""
    return log(x) * 1.4426950408889634


def log10(x: F64) -> F64:
    """The logarithm to base 10."""
    return log(x) * 0.4342944819032518


def sigmoid(x: F64) -> F64:
    """1 / (1 + exp(-x))."""
    return 1.0 / (1.0 + exp(-x))


def tanh(x: F64) -> F64:
    """Hyperbolic tangent: e / (e + 2) with e = exp(2x) - 1, for |x|; the sign goes back last."""
    e = expm1(2.0 * clip(np.abs(x), 0.0, 25.0))
    y = e / (e + 2.0)
    return np.where(x < 0.0, -y, np.where(x == 0.0, x, y))


def gelu_tanh(x: F64) -> F64:
    """0.5*x*(1 + tanh(u)), u = sqrt(2/pi)*(x + 0.044715*x**3), written as x*sigmoid(2u)."""
    c = clip(x, -40.0, 40.0)
    u = 1.5957691216057308 * (c + 0.044715 * ((c * c) * c))
    return np.where(x < -40.0, -0.0, x * sigmoid(u))


def silu(x: F64) -> F64:
    """x * sigmoid(x)."""
    return np.where(x < -250.0, -0.0, x * sigmoid(x))


def mish(x: F64) -> F64:
    """x * tanh(softplus(x)), by t = exp(x)*(exp(x) + 2): x * t / (t + 2)."""
    e = exp(clip(x, -250.0, 40.0))
    t = e * (e + 2.0)
    return np.where(x < -250.0, -0.0, x * (t / (t + 2.0)))


def softplus(x: F64, beta: float, threshold: float) -> F64:
    """log(1 + exp(beta*x)) / beta, and x itself where beta*x > threshold."""
    t = beta * x
    return np.where(t > threshold, x, log1p(exp(t)) / beta)


def logsigmoid(x: F64) -> F64:
    """log(sigmoid(x)) = min(x, 0) - log(1 + exp(-|x|))."""
    return np.where(x > 0.0, 0.0, x) - log1p(exp(-np.abs(x)))


def elu(x: F64, alpha: float) -> F64:
    """x for x > 0, else alpha * (exp(x) - 1)."""
    return np.where(x > 0.0, x, alpha * expm1(x))


def selu(x: F64) -> F64:
    """ELU with the two constants of self-normalizing networks."""
    return 1.0507009873554805 * elu(x, 1.6732632423543772)


def hardsigmoid(x: F64) -> F64:
    """clip(x + 3, 0, 6) / 6."""
    return clip(x + 3.0, 0.0, 6.0) / 6.0


def hardswish(x: F64) -> F64:
    """x * hardsigmoid(x)."""
    return np.where(x < -3.0, -0.0, x * hardsigmoid(x))


def _sin_cos(x: F64, quadrant: int) -> F64:
    """sin(x + quadrant*pi/2), for |x| up to 2**20; beyond, NumPy's float64 function."""
    small = np.abs(x) < 1048576.0
    n = np.rint(np.where(small, x, 0.0) * _TWO_OVER_PI)
    r = (np.where(small, x, 0.0) - n * _HALF_PI_HIGH) - n * _HALF_PI_LOW
    u = r * r
    sine = r + r * (u * _polynomial(_SIN, u))
    cosine = 1.0 + u * _polynomial(_COS, u)
    q = (n.astype(np.int64) + quadrant) & 3
    y = np.where(q & 1, cosine, sine)
    y = np.where(q & 2, -y, y)
    return np.where(small, y, np.sin(x) if quadrant == 0 else np.cos(x))


def sin(x: F64) -> F64:
    """Sine of an angle in radians."""
    return np.where(x == 0.0, x, _sin_cos(x, 0))


def cos(x: F64) -> F64:
    """Cosine of an angle in radians."""
    return _sin_cos(x, 1)


# --- In float32

_RNE_F32: Final = np.float32(12582912.0)  # 1.5 * 2**23: adding it rounds to a whole number
_EXP_F32: Final = tuple(np.float32(1.0) / np.float32(n) for n in (2, 6, 24, 120, 720, 5040))
_NORMAL_END: Final = np.float32(14.5)
_NORMAL_TAIL: Final = (  # (1 - Phi(a)) * exp(a*a/2) * (a+4.25) in (a-4.25)/(a+4.25), error 3e-8
    0.759554207,
    -0.625129819,
    0.418227524,
    -0.220515057,
    0.0852723643,
    -0.0193680413,
    -0.000752550317,
    0.00218593003,
    -0.000361457933,
    -0.000232938299,
)
_NORMAL_NEAR: Final = (  # (Phi(x) - 1/2) / x in x*x on [0, 1], error 4e-8
    0.398942292, -0.0664903596, 0.00997333042, -0.0011863485, 0.000113507478, -7.66260837e-06,
)  # fmt: skip


def fma(a: F64, b: F64, c: F32) -> F32:
    """float32(a*b + c) with one rounding; `a` and `b` hold float32 values.

    The product is exact in float64. The sum is rounded to odd (an inexact sum keeps a set last
    bit), so that the final rounding to float32 sees on which side of a tie the exact value lies.
    """
    product = a * b
    wide = c.astype(np.float64)
    total = product + wide
    part = total - product
    error = (product - (total - part)) + (wide - part)
    bits = total.view(np.int64)
    nudge = np.isfinite(total) & (error != 0) & ((bits & 1) == 0)
    away = (error > 0) == (total > 0)
    bits += np.where(nudge, np.where(away, 1, -1), 0)
    return total.astype(np.float32)


def _fma(a: F32, b: Any, c: Any) -> F32:
    """`fma` of float32 arrays, `b` and `c` of a's shape or numbers."""
    b, c = (np.broadcast_to(np.asarray(v, np.float32), a.shape) for v in (b, c))
    return fma(a.astype(np.float64), b.astype(np.float64), c)


def _fma_polynomial(coefficients: Sequence[Any], x: F32) -> F32:
    """c[0] + x*(c[1] + x*(c[2] + ...))."""
    y = np.full_like(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        y = _fma(y, x, c)
    return y


def _scaled_exp(high: F32, low: F32) -> tuple[F32, F32, F32]:
    """(e, s1, s2): exp(high + low) = e*s1*s2, for high in [-110, 0] and low within its last place.

    2**n is two factors, as n goes down to -159.
    """
    shifted = _fma(high, 1.44269502, _RNE_F32)
    n = shifted - _RNE_F32
    r = _fma(n, 1.90465421e-9, _fma(n, -0.693147182, high)) + low
    e = _fma(r * r, _fma_polynomial(_EXP_F32, r), r) + _F32(1)
    power = shifted.view(np.int32) - _RNE_F32.view(np.int32)
    first = power >> 1
    s1, s2 = (((p + 127) << 23).view(np.float32) for p in (first, power - first))
    return e, s1, s2


def exp_difference(a: F32, b: F32) -> F32:
    """exp(a - b) for a <= b, within 1 unit in the last place.

    What the difference loses by rounding is added to the exponent: of a difference of -80 it would
    be 30 units in the last place of the result.
    """
    difference = a - b
    back = difference - a
    low = (a - (difference - back)) - (b + back)
    far = difference < _F32(-104)  # where the result is 0
    e, s1, s2 = _scaled_exp(np.where(far, _F32(-104), difference), np.where(far, _F32(0), low))
    return (e * s1) * s2


def _normal_tail(a: F32) -> tuple[F32, F32, F32, F32]:
    """(e, s1, s2, ratio): exp(-a*a/2) = e*s1*s2, and 1 - Phi(a) = ratio times that; 0 <= a <= 14.5.

    a*a is taken in two parts, as an error of the exponent would be one of every digit.
    """
    half = _F32(-0.5)
    square = a * a
    e, s1, s2 = _scaled_exp(square * half, _fma(a, a, -square) * half)
    inverse = _F32(1) / (a + _F32(4.25))
    return e, s1, s2, _fma_polynomial(_NORMAL_TAIL, (a - _F32(4.25)) * inverse) * inverse


def _normal_near(x: F32) -> F32:
    """Phi(x) - 1/2 for |x| <= 1, where the tail would lose digits."""
    return x * _fma_polynomial(_NORMAL_NEAR, x * x)


def gelu(x: F32) -> F32:
    """x * Phi(x), Phi the normal distribution function.

    The error is within 3 units in the last place for x > -1, and 8 for x << 0, where PyTorch's
    0.5 * (1 + erf) has no right digit.
    """
    e, s1, s2, ratio = _normal_tail(np.where(np.abs(x) < _NORMAL_END, np.abs(x), _NORMAL_END))
    lost = ((x * (e * ratio)) * s1) * s2
    far = np.where(x < 0, lost, x - lost)
    y = np.where(np.abs(x) < 1, x * (_normal_near(x) + _F32(0.5)), far)
    return np.where(x > _NORMAL_END, x, np.where(x < -_NORMAL_END, _F32(-0.0), y))


def gelu_dinput(g: F32, x: F32) -> F32:
    """g times the derivative of gelu: Phi(x) + x * exp(-x*x/2) / sqrt(2*pi)."""
    c = np.where(x < -_NORMAL_END, -_NORMAL_END, np.where(x > _NORMAL_END, _NORMAL_END, x))
    e, s1, s2, ratio = _normal_tail(np.abs(c))
    gauss = (e * s1) * s2
    tail = gauss * ratio
    far = np.where(x < 0, tail, _F32(1) - tail)
    mass = np.where(np.abs(x) < 1, _normal_near(x) + _F32(0.5), far)
    return g * (mass + c * (gauss * _F32(0.398942292)))


class Unary(NamedTuple):
    """A function of one value: on float64 (`wide`, then rounded once) or on float32 directly."""

    function: Callable[..., Any]
    params: dict[str, float]
    wide: bool


def _wide(function: Callable[..., F64], **params: float) -> Unary:
    return Unary(function, params, True)


def _single(function: Callable[..., Any], **params: float) -> Unary:
    return Unary(function, params, False)


# The one list of unary functions: name -> meaning, parameters and their defaults.
# "Single" functions are float32 operations.
UNARY_F32: Final[dict[str, Unary]] = {
    "relu": _single(lambda x: np.where(x <= 0, _F32(0), x)),
    "relu6": _single(lambda x: np.where(x < 0, _F32(0), np.where(x > 6, _F32(6), x))),
    "clamp": _single(
        lambda x, min, max: np.where(x < min, _F32(min), np.where(x > max, _F32(max), x)),
        min=-float("inf"),
        max=float("inf"),
    ),
    "neg": _single(np.negative),
    "abs": _single(np.abs),
    "square": _single(lambda x: x * x),
    "sqrt": _single(np.sqrt),
    "reciprocal": _single(lambda x: _F32(1) / x),
    "sign": _single(lambda x: np.where(x > 0, _F32(1), np.where(x < 0, _F32(-1), x))),
    "floor": _single(np.floor),
    "ceil": _single(np.ceil),
    "round": _single(np.rint),
    "rsqrt": _wide(lambda x: 1.0 / np.sqrt(x)),
    "exp": _wide(exp),
    "exp2": _wide(exp2),
    "expm1": _wide(expm1),
    "log": _wide(log),
    "log2": _wide(log2),
    "log10": _wide(log10),
    "log1p": _wide(log1p),
    "erf": _wide(erf),
    "erfc": _wide(erfc),
    "sin": _wide(sin),
    "cos": _wide(cos),
    "sigmoid": _wide(sigmoid),
    "logsigmoid": _wide(logsigmoid),
    "tanh": _wide(tanh),
    "gelu": _single(gelu),
    "gelu_tanh": _wide(gelu_tanh),
    "silu": _wide(silu),
    "mish": _wide(mish),
    "softplus": _wide(softplus, beta=1.0, threshold=20.0),
    "hardsigmoid": _wide(hardsigmoid),
    "hardswish": _wide(hardswish),
    "leaky_relu": _wide(lambda x, negative_slope: np.where(x < 0, x * negative_slope, x),
                        negative_slope=0.01),
    "elu": _wide(elu, alpha=1.0),
    "selu": _wide(selu),
}  # fmt: skip


def power(a: F64, b: F64) -> F64:
    """a**b by IEEE 754's rules for zeros, infinities and negative bases."""
    magnitude = exp(b * log(np.abs(a)))
    whole = np.floor(b) == b
    odd = whole & (np.floor(b * 0.5) * 2.0 != b)
    y = np.where(odd & (np.signbit(a)), -magnitude, magnitude)
    y = np.where((a < 0.0) & ~whole & (np.abs(a) != np.inf), np.nan, y)
    y = np.where((np.abs(a) == 1.0) & (np.abs(b) == np.inf), 1.0, y)
    y = np.where(b == 2.0, a * a, y)  # exactly x*x
    return np.where((b == 0.0) | (a == 1.0), 1.0, y)


def hypot(a: F64, b: F64) -> F64:
    """sqrt(a*a + b*b) of float32 values, whose squares neither overflow nor vanish in float64."""
    infinite = (np.abs(a) == np.inf) | (np.abs(b) == np.inf)
    return np.where(infinite, np.inf, np.sqrt(a * a + b * b))


def logaddexp(a: F64, b: F64) -> F64:
    """log(exp(a) + exp(b)); equal infinities give themselves."""
    larger = np.where(a > b, a, b)
    return np.where(a == b, a + _LN2, larger + log1p(exp(-np.abs(a - b))))


def _wide_pair(fn: Callable[[F64, F64], F64]) -> Callable[..., Any]:
    return lambda a, b: fn(a.astype(np.float64), b.astype(np.float64)).astype(_F32)


# The one list of binary functions. Those of `_wide_pair` are computed in float64.
BINARY_F32: Final[dict[str, Callable[..., Any]]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "maximum": lambda a, b: np.where((a > b) | (a != a), a, b),
    "minimum": lambda a, b: np.where((a < b) | (a != a), a, b),
    "pow": _wide_pair(power),
    "hypot": _wide_pair(hypot),
    "logaddexp": _wide_pair(logaddexp),
    "gelu_dinput": lambda g, x: gelu_dinput(*np.broadcast_arrays(g, x)),
    "relu_dinput": lambda g, y: np.where(y <= 0, _F32(0), g),
}
