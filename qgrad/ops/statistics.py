"""Medians, counts and sums that leave NaN out: made of other ops."""

from __future__ import annotations

from typing import Any

import numpy as np

from qgrad.boxing import box, unbox
from qgrad.ops.arithmetic import where
from qgrad.ops.composed import ValuesIndices, narrow
from qgrad.ops.elementwise import isnan
from qgrad.ops.indexing import gather
from qgrad.ops.op import Value
from qgrad.ops.reduction import Dims, amax, amin, argsort, mean, std, sum
from qgrad.ops.shape import normalize_dim, reshape, squeeze

__all__ = [
    "aminmax",
    "bincount",
    "count_nonzero",
    "median",
    "nanmean",
    "nansum",
    "std_mean",
    "unique",
]


def median(input: Value, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle element, of two the lower; with `dim` (values, indices) along it. NaN wins."""
    if dim is None:
        return median(reshape(input, (-1,)), 0).values
    if input.ndim == 0:
        return ValuesIndices(input, argsort(input))
    order = argsort(input, dim)
    size = input.shape[normalize_dim(dim, input.ndim)]
    if not size:
        raise ValueError(f"median: no elements over dim {dim} of shape {tuple(input.shape)}")
    last = narrow(order, dim, size - 1, 1)
    middle = narrow(order, dim, (size - 1) // 2, 1)
    indices = where(isnan(gather(input, dim, last)), last, middle)
    values = gather(input, dim, indices)
    if keepdim:
        return ValuesIndices(values, indices)
    return ValuesIndices(squeeze(values, dim), squeeze(indices, dim))


def aminmax(input: Value, *, dim: int | None = None, keepdim: bool = False) -> tuple[Value, Value]:
    """(smallest, largest) element over `dim`, or over all."""
    return amin(input, dim, keepdim), amax(input, dim, keepdim)


def std_mean(
    input: Value,
    dim: Dims = None,
    correction: float = 1,
    keepdim: bool = False,
    unbiased: bool | None = None,
) -> tuple[Value, Value]:
    """(standard deviation, mean) over `dim`, or over all."""
    if unbiased is not None:
        correction = int(unbiased)
    return std(input, dim, correction, keepdim), mean(input, dim, keepdim)


def nansum(input: Value, dim: Dims = None, keepdim: bool = False, dtype: Any = None) -> Value:
    """The sum over `dim`, or over all, of what is not NaN."""
    return sum(where(isnan(input), 0, input), dim, keepdim, dtype)


def nanmean(input: Value, dim: Dims = None, keepdim: bool = False, dtype: Any = None) -> Value:
    """The mean over `dim`, or over all, of what is not NaN."""
    return nansum(input, dim, keepdim, dtype) / sum(input == input, dim, keepdim)


def count_nonzero(input: Value, dim: Dims = None) -> Value:
    """How many elements over `dim`, or of all, are not 0."""
    return sum(input != 0, dim)


def bincount(input: Value, weights: Value = None, minlength: int = 0) -> Value:
    """How often each of 0, 1, ... occurs in a vector of integers, or the sums of their weights."""
    counts = np.bincount(unbox(input), None if weights is None else unbox(weights), minlength)
    if weights is not None and unbox(weights).dtype == np.float32:
        counts = counts.astype(np.float32)
    return box(counts)


def unique(
    input: Value,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different elements (or slices along `dim`) in order; where each is, how often."""
    array = unbox(input)
    y, inverse, counts = np.unique(array, return_inverse=True, return_counts=True, axis=dim)
    inverse = inverse.reshape(array.shape if dim is None else -1)
    if not return_inverse and not return_counts:
        return box(y)
    asked = ((y, True), (inverse, return_inverse), (counts, return_counts))
    return tuple(box(part) for part, wanted in asked if wanted)
