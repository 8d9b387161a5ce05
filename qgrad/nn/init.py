"""Filling parameters in place: PyTorch's initialisation formulas, drawn from qgrad's generator.

Each function changes the tensor it is given, outside of autograd, and returns it.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qgrad.autograd.variable import bump
from qgrad.errors import ShapeError
from qgrad.ops.rng import Generator, default_generator
from qgrad.tensor import Tensor

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_LINEAR = ("linear", "conv1d", "conv2d", "conv3d")


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the variance of activations through `nonlinearity`.

    linear, conv and sigmoid: 1; tanh: 5/3; relu: sqrt(2); leaky_relu: sqrt(2 / (1 + slope^2)) with
    the slope in `param` (0.01 if None); selu: 3/4.
    """
    if nonlinearity in (*_LINEAR, "sigmoid"):
        return 1.0
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else float(param)
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(
        f"calculate_gain: nonlinearity is {nonlinearity!r}, but must be one of "
        f"{', '.join((*_LINEAR, 'sigmoid', 'tanh', 'relu', 'leaky_relu', 'selu'))}."
    )


def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Draw from the uniform distribution on [a, b)."""
    return _fill(tensor, a + (b - a) * _random(tensor, generator))


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Draw from the normal distribution."""
    return _fill(tensor, mean + std * _standard_normal(tensor, generator))


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Draw from the normal distribution restricted to [a, b], which are not in units of std."""
    if not a < b:
        raise ValueError(f"trunc_normal_: bounds are a={a}, b={b}, but a must be below b.")
    if not a - 2 * std <= mean <= b + 2 * std:
        warnings.warn(
            f"trunc_normal_: mean {mean} is more than 2 std ({std}) outside of [{a}, {b}]; far out "
            "there, the values are not distributed as they should be.",
            UserWarning,
            stacklevel=2,
        )
    low, high = (math.erf((bound - mean) / (std * math.sqrt(2.0))) for bound in (a, b))
    u = low + (high - low) * _random(tensor, generator).astype(np.float64)
    values = mean + std * math.sqrt(2.0) * _erfinv(u)
    return _fill(tensor, np.clip(values, a, b))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with `val`."""
    return _fill(tensor, val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1."""
    return _fill(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0."""
    return _fill(tensor, 0.0)


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix: a linear layer that keeps its input, as far as its shape allows."""
    _require_ndim("eye_", tensor, 2)
    return _fill(tensor, np.eye(tensor.shape[0], tensor.shape[1]))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A delta at the kernel's centre: a convolution that keeps its input channels."""
    if tensor.ndim not in (3, 4, 5) or tensor.shape[0] % groups:
        raise ShapeError(
            f"dirac_: tensor has shape {tuple(tensor.shape)} with groups={groups}, but must be a "
            "convolution's weight of 3 to 5 dimensions whose first is a multiple of groups."
        )
    weight = np.zeros(tensor.shape)
    out_per_group = tensor.shape[0] // groups
    centre = tuple(size // 2 for size in tensor.shape[2:])
    for group in range(groups):
        for channel in range(min(out_per_group, tensor.shape[1])):
            index = (group * out_per_group + channel, channel, *centre)
            weight[index] = 1.0
    return _fill(tensor, weight)


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Uniform on [-bound, bound] with bound = gain * sqrt(6 / (fan_in + fan_out))."""
    fan_in, fan_out = _fans("xavier_uniform_", tensor)
    bound = math.sqrt(3.0) * gain * math.sqrt(2.0 / (fan_in + fan_out))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normal with std = gain * sqrt(2 / (fan_in + fan_out))."""
    fan_in, fan_out = _fans("xavier_normal_", tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / (fan_in + fan_out)), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Uniform on [-bound, bound] with bound = gain * sqrt(3 / fan); `a` is the leaky slope."""
    fan = _fan("kaiming_uniform_", tensor, mode)
    bound = math.sqrt(3.0) * calculate_gain(nonlinearity, a) / math.sqrt(fan)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Normal with std = gain / sqrt(fan); `a` is the leaky slope."""
    fan = _fan("kaiming_normal_", tensor, mode)
    return normal_(tensor, 0.0, calculate_gain(nonlinearity, a) / math.sqrt(fan), generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """A (semi-)orthogonal matrix times `gain`; dimensions after the first count as one."""
    if tensor.ndim < 2:
        raise ShapeError(
            f"orthogonal_: tensor has shape {tuple(tensor.shape)}, but needs at least 2 dimensions."
        )
    if not tensor.numel():
        return tensor
    rows = tensor.shape[0]
    flat = _standard_normal(tensor, generator).astype(np.float64).reshape(rows, -1)
    tall = flat.T if rows < flat.shape[1] else flat
    q, r = np.linalg.qr(tall)
    # Signs from r make the distribution uniform (https://arxiv.org/abs/math-ph/0609050).
    q *= np.sign(np.diag(r))
    return _fill(tensor, gain * (q.T if rows < flat.shape[1] else q).reshape(tensor.shape))


def sparse_(
    tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None
) -> Tensor:
    """Normal with std `std`, and the fraction `sparsity` of each column set to zero."""
    _require_ndim("sparse_", tensor, 2)
    values = std * _standard_normal(tensor, generator)
    zeros = math.ceil(sparsity * tensor.shape[0])
    order = np.argsort(_random(tensor, generator), axis=0)
    np.put_along_axis(values, order[:zeros], 0.0, axis=0)
    return _fill(tensor, values)


def _fill(tensor: Tensor, values: Any) -> Tensor:
    tensor._data[...] = values
    bump(tensor)
    return tensor


def _random(tensor: Tensor, generator: Generator | None) -> NDArray[Any]:
    """Uniform on [0, 1) in the shape and precision of `tensor`."""
    return (generator or default_generator).numpy.random(tensor.shape, _precision(tensor))


def _standard_normal(tensor: Tensor, generator: Generator | None) -> NDArray[Any]:
    numbers = (generator or default_generator).numpy
    return numbers.standard_normal(tensor.shape, _precision(tensor))


def _precision(tensor: Tensor) -> Any:
    return np.float64 if tensor._data.dtype == np.float64 else np.float32


def _require_ndim(where: str, tensor: Tensor, ndim: int) -> None:
    if tensor.ndim != ndim:
        raise ShapeError(
            f"{where}: tensor has shape {tuple(tensor.shape)}, but must have {ndim} dimensions."
        )


def _fans(where: str, tensor: Tensor) -> tuple[int, int]:
    """How many inputs reach one output, and how many outputs one input reaches."""
    shape = tuple(tensor.shape)
    if len(shape) < 2:
        raise ShapeError(
            f"{where}: tensor has shape {shape}, but fan_in and fan_out need at least 2 dimensions "
            "(out, in, *kernel). For biases use zeros_ or uniform_."
        )
    field = math.prod(shape[2:])
    return shape[1] * field, shape[0] * field


def _fan(where: str, tensor: Tensor, mode: str) -> int:
    modes = dict(zip(("fan_in", "fan_out"), _fans(where, tensor), strict=True))
    if mode not in modes:
        raise ValueError(f"{where}: mode is {mode!r}, but must be 'fan_in' or 'fan_out'.")
    return max(modes[mode], 1)  # an empty weight has nothing to draw


# M. Giles, "Approximating the erfinv function" (2010): coefficients of the polynomials in
# w = -log(1 - x^2), highest power first, for |x| < 0.99663 and beyond; relative error under 4e-7.
_CENTRAL = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
    -0.00125372503, -0.00417768164, 0.246640727, 1.50140941,
)  # fmt: skip
_TAIL = (
    -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
    -0.0076224613, 0.00943887047, 1.00167406, 2.83297682,
)  # fmt: skip


def _erfinv(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse of erf on [-1, 1]; infinite at the ends."""
    with np.errstate(divide="ignore", invalid="ignore"):  # infinite at +-1, as it should be
        w = -np.log((1.0 - x) * (1.0 + x))
        central = np.polyval(_CENTRAL, w - 2.5)
        tail = np.polyval(_TAIL, np.sqrt(np.maximum(w, 5.0)) - 3.0)
    return np.where(np.isinf(w), np.copysign(np.inf, x), np.where(w < 5.0, central, tail) * x)
