"""Random tensors, from the default generator or one's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qgrad.autograd.mode import no_grad
from qgrad.creation import _float, _shape
from qgrad.device import check_device
from qgrad.dtypes import to_numpy
from qgrad.ops.rng import Generator, default_generator, initial_seed, manual_seed, seed
from qgrad.tensor import Tensor

__all__ = [
    "Generator",
    "bernoulli",
    "default_generator",
    "initial_seed",
    "manual_seed",
    "multinomial",
    "normal",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "seed",
]


def _numpy(generator: Generator | None) -> np.random.Generator:
    return (generator or default_generator).numpy


def _standard(kind: str, shape: tuple[int, ...], dtype: Any, generator: Generator | None) -> Any:
    target = _float(dtype)
    draw = getattr(_numpy(generator), kind)
    if target.type in (np.float32, np.float64):
        return np.asarray(draw(shape, target))
    return np.asarray(draw(shape)).astype(target)


def randn(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers from the normal distribution of mean 0 and variance 1: `randn(2, 3)`."""
    check_device(device)
    array = _standard("standard_normal", _shape(size, "randn"), dtype, generator)
    return Tensor._make(array, requires_grad)


def rand(
    *size: Any,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers uniform in [0, 1): `rand(2, 3)`."""
    check_device(device)
    return Tensor._make(_standard("random", _shape(size, "rand"), dtype, generator), requires_grad)


def randint(
    low: int,
    high: Any = None,
    size: Sequence[int] | None = None,
    *,
    generator: Generator | None = None,
    dtype: Any = None,
    device: Any = None,
) -> Tensor:
    """Integers from `low` (0 if left out) up to, not including, `high`: `randint(10, (2, 3))`."""
    check_device(device)
    if size is None:
        low, high, size = 0, low, high
    if size is None or high <= low:
        raise ValueError(f"randint: needs low < high and a size, got {low}, {high}, {size}")
    array = _numpy(generator).integers(low, high, _shape((size,), "randint"))
    return Tensor._make(array.astype(np.int64 if dtype is None else to_numpy(dtype), copy=False))


def randperm(
    n: int, *, generator: Generator | None = None, dtype: Any = None, device: Any = None
) -> Tensor:
    """The integers from 0 to n - 1 in random order."""
    check_device(device)
    array = _numpy(generator).permutation(n)
    return Tensor._make(array.astype(np.int64 if dtype is None else to_numpy(dtype), copy=False))


def normal(
    mean: Any, std: Any, size: Sequence[int] | None = None, *, generator: Generator | None = None
) -> Tensor:
    """Numbers from normal distributions; `mean` and `std` are numbers or tensors."""
    with no_grad():
        if size is None:
            like = mean if isinstance(mean, Tensor) else std
            shape = np.broadcast_shapes(np.shape(_raw(mean)), np.shape(_raw(std)))
            dtype = like.dtype if isinstance(like, Tensor) else None
        else:
            shape, dtype = _shape((size,), "normal"), None
        result: Tensor = randn(shape, generator=generator, dtype=dtype) * std + mean
        return result


def _raw(x: Any) -> Any:
    return x._data if isinstance(x, Tensor) else x


def bernoulli(input: Tensor, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that `input` holds, else 0."""
    drawn = _numpy(generator).random(input.shape) < input._data
    return Tensor._make(np.asarray(drawn).astype(input._data.dtype))


def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Indices drawn with the weights in the last dim of `input`."""
    weights = np.atleast_2d(input._data.astype(np.float64))
    if np.any(weights < 0) or not np.all(np.isfinite(weights)) or np.any(weights.sum(-1) <= 0):
        raise ValueError("multinomial: weights must be finite, not negative, and not all 0")
    source = _numpy(generator)
    rows = [source.choice(row.size, num_samples, replacement, row / row.sum()) for row in weights]
    array = np.stack(rows) if input.ndim == 2 else rows[0]
    return Tensor._make(array.astype(np.int64))


def rand_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Uniform numbers in the shape and dtype of `input`."""
    kind = input.dtype if dtype is None else dtype
    return rand(input.shape, dtype=kind, device=device, requires_grad=requires_grad)


def randn_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Normal numbers in the shape and dtype of `input`."""
    kind = input.dtype if dtype is None else dtype
    return randn(input.shape, dtype=kind, device=device, requires_grad=requires_grad)
