"""Reading the arguments of `Module.to`."""

from __future__ import annotations

from typing import Any

from qgrad.device import check_device
from qgrad.dtypes import DType
from qgrad.errors import DTypeError
from qgrad.tensor import Tensor

__all__ = ["parse_to"]


def parse_to(where: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> DType | None:
    """The dtype that `to(device)`, `to(dtype)`, `to(device, dtype)` or `to(tensor)` asks for."""
    unknown = kwargs.keys() - {"device", "dtype", "non_blocking"}
    if unknown:
        raise TypeError(
            f"{where}.to: unknown argument {sorted(unknown)[0]!r}; it takes device and dtype."
        )
    wanted = [*args, kwargs.get("device"), kwargs.get("dtype")]
    dtype: DType | None = None
    for value in wanted:
        if isinstance(value, Tensor):
            dtype = value.dtype
        elif isinstance(value, DType):
            dtype = value
        elif not isinstance(value, bool):  # a bool is PyTorch's non_blocking
            check_device(value)
    if dtype is not None and not dtype.is_floating_point:
        raise DTypeError(
            f"{where}.to: dtype is {dtype!r}, but a module's parameters must stay floating point. "
            "To make an integer model, see qgrad.quantization."
        )
    return dtype
