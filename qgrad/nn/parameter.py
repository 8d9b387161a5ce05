"""Parameter: the tensor that a module trains."""

from __future__ import annotations

from typing import Any

import numpy as np

from qgrad.boxing import unbox
from qgrad.device import check_device
from qgrad.dtypes import DType, to_numpy
from qgrad.errors import DTypeError, ShapeError
from qgrad.ops.promotion import default_float
from qgrad.tensor import Tensor
from qgrad.tensor_interop import copied_memory

__all__ = ["Parameter", "empty_parameter"]


class Parameter(Tensor):
    """A tensor that, assigned to an attribute of a Module, is found by `module.parameters()`.

    Shares the memory of `data`, a Tensor or NumPy array; operations on it give plain Tensors.

    >>> import qgrad
    >>> qgrad.nn.Parameter(qgrad.ones(2))
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    """

    __slots__ = ()

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Any:
        """A leaf that shares the memory of `data`."""
        if data is None:
            data = np.empty(0, np.float32)
        if not isinstance(data, (Tensor, np.ndarray)):
            raise TypeError(
                f"Parameter: data is a {type(data).__name__}, but must be a Tensor or NumPy array. "
                "Wrap it: nn.Parameter(qgrad.tensor(data))."
            )
        array = unbox(data)
        if requires_grad and array.dtype.kind != "f":
            raise DTypeError(
                f"Parameter: data is {array.dtype}, but only floating-point parameters can be "
                "trained. Use data.float(), or Parameter(data, requires_grad=False)."
            )
        return cls._make(array, requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        # Without the gradient, as in PyTorch: a copied model starts afresh.
        copied = type(self)._make(copied_memory(self._data, memo), self.requires_grad)
        memo[id(self)] = copied
        return copied

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


def empty_parameter(
    where: str, shape: tuple[int, ...], *, device: Any = None, dtype: DType | None = None
) -> Parameter:
    """A parameter of unset values, in the default dtype if `dtype` is None."""
    kind = default_float() if dtype is None else to_numpy(dtype)
    check_device(device)
    if any(size < 0 for size in shape):
        raise ShapeError(f"{where}: a parameter would have shape {shape}; sizes must be >= 0.")
    return Parameter(np.empty(shape, kind))
