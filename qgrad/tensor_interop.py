"""Tensors and the world outside: Python numbers and lists, NumPy, DLPack, pickle, copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from qgrad.autograd.mode import recording
from qgrad.autograd.record import make, refresh, shared_cell
from qgrad.autograd.variable import Variable

if TYPE_CHECKING:
    from qgrad.storage import TypedStorage, UntypedStorage

__all__ = ["Interop", "copied_memory"]

Array = np.ndarray[Any, Any]


class Interop(Variable):
    """The conversions of Tensor."""

    __slots__ = ()

    __array_ufunc__ = None  # so that `array * tensor` asks the tensor
    __array_priority__ = 1000

    def numpy(self, *, force: bool = False) -> Array:
        """The array, sharing memory. Raises for a tensor that requires grad while operations are
        recorded, unless `force`."""
        if self._requires_grad and not force and recording.get():
            raise RuntimeError(
                "numpy: this tensor requires grad, and gradients do not flow through arrays; use "
                "x.detach().numpy()"
            )
        return self._data

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self._requires_grad and recording.get():
            raise RuntimeError(
                "numpy.asarray: this tensor requires grad, and gradients do not flow through "
                "arrays; use x.detach().numpy()"
            )
        if copy is None:
            return self._data if dtype is None else self._data.astype(dtype, copy=False)
        if copy:
            return np.array(self._data, dtype)
        if dtype is not None and np.dtype(dtype) != self._data.dtype:
            raise ValueError(f"numpy.asarray: {self._data.dtype} to {dtype} needs a copy")
        return self._data

    def __dlpack__(
        self,
        *,
        stream: Any = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """The memory as a DLPack capsule, by which other libraries look at it without copying."""
        if self._requires_grad:
            raise BufferError(
                "__dlpack__: this tensor requires grad, and gradients do not flow through DLPack; "
                "use x.detach()"
            )
        asked = {"max_version": max_version, "dl_device": dl_device, "copy": copy}
        given: Any = {name: value for name, value in asked.items() if value is not None}
        return self._data.__dlpack__(stream=stream, **given)

    def __dlpack_device__(self) -> tuple[int, int]:
        """The device in DLPack's numbers: the CPU."""
        return 1, 0

    def storage(self) -> TypedStorage:
        """The memory that this tensor and its views look at; writing there writes to them."""
        return _storage_of(self._data)[0]

    def untyped_storage(self) -> UntypedStorage:
        """The storage as bytes."""
        return self.storage().untyped()

    def storage_offset(self) -> int:
        """How many elements of the storage lie before the first one."""
        return _storage_of(self._data)[1]

    def data_ptr(self) -> int:
        """The address of the first element."""
        return _address(self._data)

    def item(self) -> Any:
        """The one element as a Python number."""
        if self._data.size != 1:
            raise ValueError(
                f"item: only a tensor of one element is a number, this one has shape "
                f"{list(self._data.shape)}; use x.tolist()"
            )
        return self._data.item()

    def tolist(self) -> Any:
        """The elements as Python numbers in nested lists."""
        return self._data.tolist()

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise ValueError(
                f"bool: a tensor of shape {list(self._data.shape)} is neither true nor false; use "
                "x.any() or x.all()"
            )
        return bool(self._data.item())

    def __int__(self) -> int:
        return int(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __index__(self) -> int:
        if self._data.dtype.kind not in "iub" or self._data.size != 1:
            raise TypeError(
                f"index: only an integer tensor of one element is an index, this one is "
                f"{self._data.dtype} of shape {list(self._data.shape)}"
            )
        return int(self._data.item())

    def __len__(self) -> int:
        if not self._data.ndim:
            raise TypeError("len: a 0-d tensor has no length")
        return len(self._data)

    def __contains__(self, element: Any) -> bool:
        other = element._data if isinstance(element, Variable) else element
        return bool(np.any(self._data == other))

    def __format__(self, spec: str) -> str:
        if not self._data.ndim and type(self) is type(make(self._data)):
            return format(self._data.item(), spec)
        return object.__format__(self, spec)

    def __copy__(self) -> Any:
        if self._view is not None:
            refresh(self)
        copied = make(self._data, type(self))
        copied._cell, copied._view = shared_cell(self), self._view
        copied._node, copied._requires_grad = self._node, self._requires_grad
        copied.grad = self.grad
        _attributes(copied).update(_attributes(self))
        return copied

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if self._view is not None:
            refresh(self)
        if self._node is not None:
            raise RuntimeError(
                f"deepcopy: a tensor with history (made by {self._node.op.name}) cannot be copied; "
                "use x.detach().clone()"
            )
        from copy import deepcopy

        copied = make(copied_memory(self._data, memo), type(self))
        memo[id(self)] = copied
        copied._requires_grad = self._requires_grad
        if self.grad is not None:
            copied.grad = deepcopy(self.grad, memo)
        _attributes(copied).update(deepcopy(_attributes(self), memo))
        return copied

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        if self._view is not None:
            refresh(self)
        array = np.asarray(self._data, order="C")
        state = _attributes(self) or None
        return rebuild, (type(self), array, self._requires_grad), state


def _storage_of(array: Array) -> tuple[TypedStorage, int]:
    from qgrad.storage import storage_of  # not before it is needed: `import qgrad` stays quick

    return storage_of(array)


def _attributes(tensor: Any) -> dict[str, Any]:
    """The attributes that a user has given to a tensor of a class of their own."""
    return getattr(tensor, "__dict__", {})


def copied_memory(array: Array, memo: dict[int, Any]) -> Array:
    """A copy of `array` for a deep copy, in which what has shared memory shares it again.

    So all the memory that the array is a view of is copied, once.
    """
    root = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    inside = array.size and all(
        s or n == 1 for s, n in zip(array.strides, array.shape, strict=True)
    )
    if not inside:
        return array.copy()  # expanded: elements that share memory among themselves
    if id(root) not in memo:
        memo[id(root)] = root.copy(order="K")
    copied: Array = memo[id(root)]
    flat = copied.ravel(order="K")
    if root is array or copied.strides != root.strides or flat.base is not copied:
        return copied if root is array else array.copy(order="K")
    offset = _address(array) - _address(root)
    return np.ndarray(array.shape, array.dtype, flat.view(np.uint8), offset, array.strides)


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


def rebuild(cls: type[Any], data: Array, requires_grad: bool) -> Any:
    """A tensor from its pickle, in which history is not kept."""
    tensor = make(np.asarray(data, data.dtype.type), cls)  # pickled dtypes are not NumPy's own
    tensor._requires_grad = requires_grad
    return tensor
