"""A histogram that grows with its data and never forgets, and the range that quantizes it best.

Bins are `2**e` wide and bin edges are multiples of `2**e`, with the smallest `e` for which the
observed range fits in the bins. Doubling `e` merges neighbours exactly, so the counts depend on
the data alone: not on its order, nor on how it was cut into batches.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qgrad.dtypes import DType
from qgrad.qparams import choose_qparams

__all__ = ["CodeRange", "best_range", "bin_centers", "count_into", "layout", "rebin"]

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

MIN_EXPONENT = -149  # float32 has no smaller steps, near zero
FINEST_BIN = 30  # nor relative to the largest value, where 24 bits would do
CHUNK = 1 << 16  # values counted at a time, to stay within the cache


@dataclass(frozen=True)
class CodeRange:
    """What `choose_qparams` needs to know besides the range."""

    qmin: int
    qmax: int
    symmetric: bool
    dtype: DType
    eps: float


def layout(low: float, high: float, bins: int) -> tuple[int, int]:
    """`(exponent, first)`: bins are `2**exponent` wide, the first is number `first` from zero."""
    finest = math.frexp(max(-low, high))[1] - FINEST_BIN
    narrowest = math.frexp((high - low) / bins)[1] - 1 if high > low else finest
    exponent = max(narrowest, finest, MIN_EXPONENT)
    while math.floor(math.ldexp(high, -exponent)) - math.floor(math.ldexp(low, -exponent)) >= bins:
        exponent += 1
    return exponent, math.floor(math.ldexp(low, -exponent))


def rebin(counts: I64, old: tuple[int, int], new: tuple[int, int]) -> I64:
    """The same counts in the wider or shifted bins of another layout."""
    occupied = np.flatnonzero(counts)
    index = occupied + old[1]
    index >>= min(new[0] - old[0], 62)
    result = np.zeros_like(counts)
    np.add.at(result, index - new[1], counts[occupied])
    return result


def count_into(counts: I64, values: NDArray[np.float32], at: tuple[int, int]) -> None:
    """Add the values of a flat array to `counts`, laid out as `at`."""
    exponent, first = at
    for start in range(0, values.size, CHUNK):
        # In float64 the product with a power of two is exact, so floor finds the true bin.
        scaled = np.floor(np.ldexp(values[start : start + CHUNK].astype(np.float64), -exponent))
        counts += np.bincount((scaled - first).astype(np.int64), minlength=counts.size)


def bin_centers(at: tuple[int, int], bins: int, low: float, high: float) -> F64:
    """The middle of every bin; the outer bins reach no further than the observed range."""
    exponent, first = at
    edges = np.ldexp(first + np.arange(bins + 1, dtype=np.float64), exponent).clip(low, high)
    return np.asarray((edges[:-1] + edges[1:]) / 2)


def best_range(
    counts: I64, centers: F64, low: float, high: float, codes: CodeRange
) -> tuple[float, float]:
    """The range within [low, high] whose codes have the least squared error over the histogram.

    Clipping rare large values costs them precision and gives it to all others. The search shrinks
    both ends together, then each alone, on a geometric grid that is then refined. The full range
    is among the candidates and wins ties, so the answer is never worse than min-max.
    """
    occupied = counts > 0
    weights, values = counts[occupied].astype(np.float64), centers[occupied]
    ends = np.array([min(low, 0.0), max(high, 0.0)])
    factors = np.ones(2)
    best = _errors(weights, values, ends[None, :], codes)[0]
    for which, ladder in _steps(codes.symmetric):
        tried = np.repeat(factors[None, :], ladder.size, axis=0)
        tried[:, which] = np.minimum(tried[:, which] * ladder[:, None], 1.0)
        errors = _errors(weights, values, tried * ends, codes)
        winner = int(np.argmin(errors))
        if errors[winner] < best:
            best, factors = errors[winner], tried[winner]
    return float(factors[0] * ends[0]), float(factors[1] * ends[1])


def _steps(symmetric: bool) -> Iterator[tuple[list[int], F64]]:
    """Which ends to scale, and the factors to try: 1 down to 1/256, then close to the best."""
    coarse = 2.0 ** (-np.arange(65) / 8)
    fine = 2.0 ** (np.arange(-8, 9) / 64)
    yield [0, 1], coarse
    if not symmetric:
        yield [0], coarse
        yield [1], coarse
        yield [0], fine
        yield [1], fine
    yield [0, 1], fine


def _errors(weights: F64, values: F64, ends: F64, codes: CodeRange) -> F64:
    """The squared error of quantizing the histogram under each range (rows of `ends`)."""
    scale, zero_point = choose_qparams(
        ends[:, 0],
        ends[:, 1],
        qmin=codes.qmin,
        qmax=codes.qmax,
        symmetric=codes.symmetric,
        dtype=codes.dtype,
        eps=codes.eps,
    )
    step = scale.astype(np.float64)[:, None]
    shift = zero_point[:, None]
    rounded = np.rint(values / step).clip(codes.qmin - shift, codes.qmax - shift) * step
    return np.asarray(np.square(rounded - values) @ weights)
