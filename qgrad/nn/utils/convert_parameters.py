"""All parameters as one vector, and back."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from qgrad import ops
from qgrad.autograd.variable import bump
from qgrad.errors import ShapeError
from qgrad.tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Any:
    """The elements of all parameters, one after the other, as a tensor of one dimension."""
    return ops.cat([ops.reshape(param, (-1,)) for param in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copy consecutive elements of `vec` into the parameters in place."""
    params = list(parameters)
    total = sum(math.prod(param.shape) for param in params)
    if tuple(vec.shape) != (total,):
        raise ShapeError(
            f"vector_to_parameters: vec has shape {tuple(vec.shape)}, but the parameters hold "
            f"{total} elements, so it must be ({total},)."
        )
    start = 0
    for param in params:
        size = math.prod(param.shape)
        param._data[...] = vec._data[start : start + size].reshape(param.shape)
        bump(param)
        start += size
