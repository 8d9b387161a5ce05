"""Making tensors: from data, filled with one value, in ranges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qgrad.autograd.variable import Variable
from qgrad.device import check_device
from qgrad.dtypes import to_numpy
from qgrad.errors import DTypeError
from qgrad.ops.promotion import default_float
from qgrad.tensor import Tensor
from qgrad.tensor_filling import has_free_size, spread

__all__ = [
    "arange",
    "as_tensor",
    "empty",
    "empty_like",
    "eye",
    "from_dlpack",
    "from_numpy",
    "full",
    "full_like",
    "is_floating_point",
    "is_tensor",
    "linspace",
    "ones",
    "ones_like",
    "tensor",
    "tril_indices",
    "triu_indices",
    "zeros",
    "zeros_like",
]

Array = np.ndarray[Any, Any]


def tensor(data: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A new tensor with a copy of `data`: numbers, nested lists, an array or a tensor.

    Python floats get the default dtype, ints int64; arrays keep theirs.

    >>> qgrad.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    check_device(device)
    return Tensor._make(_array(data, dtype, copy=True), requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a tensor; memory is shared where possible, and a tensor keeps its history."""
    check_device(device)
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    return Tensor._make(_array(data, dtype, copy=False))


def from_numpy(array: Array) -> Tensor:
    """A tensor that shares the memory of a NumPy array."""
    if not isinstance(array, np.ndarray):
        raise TypeError(
            f"from_numpy: needs a NumPy array, got {type(array).__name__}; use qgrad.tensor"
        )
    if not array.dtype.isnative:
        raise DTypeError(
            f"from_numpy: {array.dtype} has foreign byte order; use "
            "array.astype(array.dtype.newbyteorder('='))"
        )
    return Tensor._make(array.view(to_numpy(array.dtype)))


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor on the memory of another library's, by its `__dlpack__`; or of a DLPack capsule.

    copy: True always copies, False never; by default memory is shared. Memory that the other
        library may not have meant to be written to is read-only: NumPy says which.

    >>> import numpy as np
    >>> qgrad.from_dlpack(np.ones(2, np.float32))
    tensor([1., 1.])
    """
    check_device(device)
    if type(ext_tensor).__name__ == "PyCapsule":
        ext_tensor = _Capsule(ext_tensor)
    if not hasattr(ext_tensor, "__dlpack__"):
        raise TypeError(
            f"from_dlpack: a {type(ext_tensor).__name__} has no __dlpack__; use qgrad.tensor"
        )
    try:
        array = np.from_dlpack(ext_tensor)
    except RuntimeError as error:
        raise DTypeError(
            f"from_dlpack: {error} NumPy has no such type; convert it first, for example to float32"
        ) from error
    return from_numpy(array.copy() if copy else array)


class _Capsule:
    """A bare capsule, as older libraries give it, in the form that NumPy takes."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __dlpack__(self, **options: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0


def _array(data: Any, dtype: Any, copy: bool) -> Array:
    if isinstance(data, Variable):
        data = data._data
    if isinstance(data, (list, tuple)):
        data = _plain(data)
    target = None if dtype is None else to_numpy(dtype)
    try:
        array = np.array(data, target) if copy else np.asarray(data, target)
    except (ValueError, TypeError, OverflowError) as error:
        raise type(error)(f"tensor: {error}; data is {_shown(data)}") from error
    if target is None and not isinstance(data, (np.ndarray, np.generic)):
        target = _natural(array, data)
    else:
        target = to_numpy(array.dtype)
    return array if array.dtype is target else array.astype(target)


def _natural(array: Array, data: Any) -> np.dtype[Any]:
    """The dtype for Python numbers and lists of them, or of arrays and tensors."""
    first = data
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    if isinstance(first, (np.ndarray, np.generic)):
        return to_numpy(array.dtype)
    if array.dtype.kind == "f":
        return default_float()
    if array.dtype.kind not in "biu":
        raise TypeError(
            f"tensor: data must be numbers, got {_shown(data)} (NumPy sees {array.dtype})"
        )
    return np.dtype(np.bool_ if array.dtype.kind == "b" else np.int64)


def _plain(data: Any) -> Any:
    """Nested lists with the arrays of the tensors in them."""
    if isinstance(data, Variable):
        return data._data
    return [_plain(item) for item in data] if isinstance(data, (list, tuple)) else data


def _shown(data: Any) -> str:
    text = repr(data)
    return text if len(text) <= 100 else text[:97] + "..."


def _shape(size: Sequence[Any], name: str) -> tuple[int, ...]:
    """f(2, 3) and f((2, 3)) mean the same."""
    shape = size[0] if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
    result = tuple(shape)
    if any(not hasattr(n, "__index__") or n < 0 for n in result):
        raise ValueError(f"{name}: sizes must be ints >= 0, got {result}")
    return result


def _float(dtype: Any) -> np.dtype[Any]:
    return default_float() if dtype is None else to_numpy(dtype)


def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros: `zeros(2, 3)` or `zeros((2, 3))`."""
    check_device(device)
    shape, kind = _shape(size, "zeros"), _float(dtype)
    if has_free_size(shape):
        return spread(0, shape, kind)
    return Tensor._make(np.zeros(shape, kind), requires_grad)


def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones."""
    check_device(device)
    shape, kind = _shape(size, "ones"), _float(dtype)
    if has_free_size(shape):
        return spread(1, shape, kind)
    return Tensor._make(np.ones(shape, kind), requires_grad)


def empty(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor whose elements are whatever the memory held."""
    check_device(device)
    return Tensor._make(np.empty(_shape(size, "empty"), _float(dtype)), requires_grad)


def full(
    size: Sequence[int],
    fill_value: Any,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor filled with one value, of the value's dtype unless one is given."""
    check_device(device)
    value = _array(fill_value, dtype, copy=False)
    shape = _shape((size,), "full")
    if has_free_size(shape):
        return spread(value, shape, value.dtype)
    return Tensor._make(np.full(shape, value, value.dtype), requires_grad)


def arange(
    start: Any = None,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The numbers from `start` (0 if one number is given) up to, not including, `end`."""
    check_device(device)
    if end is None:
        start, end = None, start
    if end is None:
        raise TypeError("arange: end is missing; write arange(5), or arange(1, 5)")
    numbers = [_number(n) for n in (0 if start is None else start, end, step)]
    if numbers[2] == 0:
        raise ValueError("arange: step must not be 0")
    if (numbers[1] - numbers[0]) * numbers[2] < 0:
        raise ValueError(
            f"arange: from {numbers[0]} there is no way to {numbers[1]} in steps of {numbers[2]}; "
            "change the sign of step, or swap start and end"
        )
    whole = all(isinstance(n, int) for n in numbers)
    target = np.dtype(np.int64) if whole else default_float()
    if dtype is not None:
        target = to_numpy(dtype)
    return Tensor._make(np.arange(*numbers).astype(target, copy=False), requires_grad)


def _number(n: Any) -> Any:
    return n.item() if hasattr(n, "item") else n


def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """`steps` numbers from `start` to `end`, both included, at equal distances."""
    check_device(device)
    array = np.linspace(_number(start), _number(end), steps).astype(_float(dtype))
    return Tensor._make(array, requires_grad)


def eye(
    n: int, m: int | None = None, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A matrix with ones on the diagonal and zeros elsewhere."""
    check_device(device)
    return Tensor._make(np.eye(n, m, dtype=_float(dtype)), requires_grad)


def tril_indices(row: int, col: int, offset: int = 0) -> Tensor:
    """The indices of a matrix's lower triangle, up to diagonal `offset`: rows, then columns."""
    return Tensor._make(np.stack(np.tril_indices(row, offset, col)))


def triu_indices(row: int, col: int, offset: int = 0) -> Tensor:
    """The indices of a matrix's upper triangle, from diagonal `offset`: rows, then columns."""
    return Tensor._make(np.stack(np.triu_indices(row, offset, col)))


def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a tensor."""
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """Whether the elements are floats."""
    return input.is_floating_point()


def _like(input: Tensor, dtype: Any) -> np.dtype[Any]:
    return to_numpy(input.dtype if dtype is None else dtype)


def zeros_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Zeros in the shape and dtype of `input`."""
    return zeros(input.shape, dtype=_like(input, dtype), device=device, requires_grad=requires_grad)


def ones_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Ones in the shape and dtype of `input`."""
    return ones(input.shape, dtype=_like(input, dtype), device=device, requires_grad=requires_grad)


def empty_like(
    input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor in the shape and dtype of `input` with whatever the memory held."""
    return empty(input.shape, dtype=_like(input, dtype), device=device, requires_grad=requires_grad)


def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """One value in the shape and dtype of `input`."""
    kind = _like(input, dtype)
    return full(input.shape, fill_value, dtype=kind, device=device, requires_grad=requires_grad)
