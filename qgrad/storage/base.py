"""What every storage can do, written once over `Memory` and an element type."""

from __future__ import annotations

import copy
import operator
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from .. import dtypes
from ..device import Device, cpu
from ..dtypes import DType
from ..errors import ShapeError, UnsupportedOpError
from . import memory, values
from .arguments import bytes_of, extent, shown_index, size_of
from .export import BufferExporter
from .memory import Memory

Self = TypeVar("Self", bound="StorageBase")

BYTE_ORDERS = ("native", "little", "big")


class StorageBase(BufferExporter):
    """A flat run of elements of one type: indexed, filled, mapped, shared; no shape, no maths.

    Two storages are equal only if they are the same object. `numpy.asarray(storage)` and
    `memoryview(storage)` see the same memory; they keep it when the storage is resized or moved.
    """

    __slots__ = ("__weakref__", "_memory")

    dtype: ClassVar[DType]
    _memory: Memory

    # -- making one ---------------------------------------------------------------------------

    @classmethod
    def _over(cls: type[Self], memory: Memory) -> Self:
        """A storage of this class over memory that may have other users."""
        storage = cls.__new__(cls)
        storage._memory = memory
        if storage.data_ptr() % cls.dtype.numpy.alignment:
            raise ValueError(
                f"{cls.__name__}: the memory starts at {hex(storage.data_ptr())}, which is no "
                f"multiple of {cls.dtype.numpy.alignment}; copy that part of the buffer first"
            )
        return storage

    @classmethod
    def _zeros(cls: type[Self], size: Any, where: str) -> Self:
        count = size_of(size, where)
        return cls._over(memory.allocate(count * cls.dtype.itemsize, where))

    @classmethod
    def _holding(cls: type[Self], array: NDArray[Any]) -> Self:
        """A storage with memory of its own that holds the elements of an array, in C order."""
        storage = cls._zeros(array.size, cls.__name__)
        storage._array[:] = array.reshape(-1)
        return storage

    @classmethod
    def from_buffer(
        cls: type[Self],
        buffer: Any,
        byte_order: str | None = None,
        count: int = -1,
        offset: int = 0,
    ) -> Self:
        """A storage over the memory of a buffer (bytes, bytearray, array, mmap...): no copy.

        offset: bytes to skip. count: elements to take, -1 for all that follow.
        byte_order: "native" (also the default), "little" or "big"; elements in the order of
        another machine are swapped into a copy.

        Writing needs a writable buffer; the storage of a `bytes` object can only be read.
        """
        where = f"{cls.__name__}.from_buffer"
        if byte_order is not None and byte_order not in BYTE_ORDERS:
            raise ValueError(f"{where}: byte_order {byte_order!r} is not one of {BYTE_ORDERS}")
        own = isinstance(buffer, StorageBase)
        available = buffer._memory.bytes if own else bytes_of(buffer, where)
        start, stop = extent(available.size, count, offset, cls.dtype.itemsize, where)
        chosen = available[start:stop]
        if cls.dtype is dtypes.bool_ and chosen.size and chosen.max() > 1:
            raise ValueError(f"{where}: byte {chosen.max()} is no truth value; they are 0 and 1")
        if byte_order in (None, "native", sys.byteorder) or cls.dtype.itemsize == 1:
            return cls._over(memory.borrowed(chosen))
        swapped = chosen.reshape(-1, cls.dtype.itemsize)[:, ::-1].reshape(-1)
        return cls._over(memory.copied(swapped))

    @classmethod
    def from_file(
        cls: type[Self], filename: str | os.PathLike[str], shared: bool, size: int
    ) -> Self:
        """A storage of `size` elements over a file, mapped and not read.

        shared=True writes through to the file, which is created and made larger as needed, and is
        seen by every process that maps it. shared=False never changes the file: memory is copied
        when it is written to. The file must not be cut while it is mapped.
        """
        where = f"{cls.__name__}.from_file"
        count = size_of(size, where)
        if not isinstance(shared, bool):
            raise TypeError(f"{where}: shared is True or False, got {shared!r}")
        nbytes = count * cls.dtype.itemsize
        if nbytes > sys.maxsize:
            raise MemoryError(f"{where}: {nbytes} bytes are more than any process can map")
        return cls._over(memory.mapped_file(os.fspath(filename), shared, nbytes, where))

    # -- elements -----------------------------------------------------------------------------

    @property
    def _array(self) -> NDArray[Any]:
        """The elements as an array over the current memory."""
        whole = self._memory.bytes
        itemsize = self.dtype.itemsize
        if itemsize == 1:
            return whole.view(self.dtype.numpy)
        return whole[: whole.size // itemsize * itemsize].view(self.dtype.numpy)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        array = self._array
        if dtype is not None and array.dtype != dtype:
            if copy is False:
                raise ValueError(f"{self._name}: {array.dtype} becomes {dtype} only by a copy")
            return array.astype(dtype)
        return array.copy() if copy else array

    def __buffer__(self, flags: int) -> memoryview:
        return self._array.data

    def __len__(self) -> int:
        return self._memory.bytes.size // self.dtype.itemsize

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __getitem__(self: Self, index: Any) -> Any:
        if isinstance(index, slice):
            start, stop = self._span(index)
            itemsize = self.dtype.itemsize
            return self._over(self._memory.part(start * itemsize, stop * itemsize))
        return self._array[self._position(index)].item()

    def __setitem__(self, index: Any, value: Any) -> None:
        where = f"{self._name}[{shown_index(index)}]"
        array = self._writable(where)
        if not isinstance(index, slice):
            array[self._position(index)] = values.number(value, self.dtype, where)
            return
        target = array[index]
        new = self._elements(value, where)
        if new.ndim and new.size != target.size:
            raise ShapeError(f"{where}: {target.size} elements cannot hold {new.size} values")
        target[...] = new

    def tolist(self) -> list[Any]:
        """The elements as Python numbers."""
        return list(self._array.tolist())

    def fill_(self: Self, value: Any) -> Self:
        """Set every element to one number."""
        where = f"{self._name}.fill_"
        self._writable(where)[...] = values.number(value, self.dtype, where)
        return self

    def copy_(self: Self, source: StorageBase, non_blocking: bool | None = None) -> Self:
        """Take the elements of a storage of the same size, converting their type."""
        where = f"{self._name}.copy_"
        if not isinstance(source, StorageBase):
            raise TypeError(
                f"{where}: the source is a storage, got {type(source).__name__}; use "
                "storage[:] = values for a sequence or an array"
            )
        if len(source) != len(self):
            raise ShapeError(f"{where}: cannot copy {len(source)} elements into {len(self)}")
        self._writable(where)[...] = values.cast(source._array, self.dtype, where)
        return self

    # -- memory -------------------------------------------------------------------------------

    def size(self) -> int:
        """The number of elements."""
        return len(self)

    def nbytes(self) -> int:
        """The number of bytes."""
        return self._memory.bytes.size

    def element_size(self) -> int:
        """The number of bytes of one element."""
        return self.dtype.itemsize

    def data_ptr(self) -> int:
        """The address of the first element; 0 if there is none."""
        current = self._memory.bytes
        return memory.address(current) if current.size else 0

    def resizable(self) -> bool:
        """Whether `resize_` can work: not for shared, mapped, borrowed memory or a slice."""
        return self._memory.fixed is None

    def resize_(self: Self, size: int) -> Self:
        """Change the number of elements; the first ones are kept, new ones are zero.

        Raises RuntimeError if the memory is not this storage's own. Arrays and memoryviews made
        before keep the old memory.
        """
        where = f"{self._name}.resize_"
        self._memory.resize(size_of(size, where) * self.dtype.itemsize, where)
        return self

    def share_memory_(self: Self) -> Self:
        """Move to memory that processes share, and give this storage back.

        Sent through multiprocessing it is then not copied; as with any descriptor, the sender must
        live until the other side has received it. Plain pickle still copies.
        """
        self._memory.share(f"{self._name}.share_memory_")
        return self

    def is_shared(self) -> bool:
        """Whether other processes can see what is written here."""
        return self._memory.segment is not None

    @property
    def filename(self) -> str | None:
        """The file that writes go through to, for `from_file(..., shared=True)`."""
        return self._memory.filename

    def clone(self: Self) -> Self:
        """An independent copy in memory of its own."""
        return self._over(memory.copied(self._memory.bytes))

    def __copy__(self: Self) -> Self:
        return self.clone()

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self._memory)

    def __deepcopy__(self: Self, memo: dict[int, Any]) -> Self:
        return self._over(copy.deepcopy(self._memory, memo))

    def __sizeof__(self) -> int:
        return object.__sizeof__(self) + self.nbytes()

    # -- device -------------------------------------------------------------------------------

    @property
    def device(self) -> Device:
        """Where the memory is: always the CPU."""
        return cpu

    @property
    def is_cuda(self) -> bool:
        """False: there is no CUDA storage."""
        return False

    @property
    def is_hpu(self) -> bool:
        """False: there is no HPU storage."""
        return False

    @property
    def is_sparse(self) -> bool:
        """False: storages are dense."""
        return False

    def get_device(self) -> int:
        """-1: the CPU has no device index."""
        return -1

    def is_pinned(self, device: str | None = None) -> bool:
        """False: only memory for a GPU is pinned."""
        return False

    def cpu(self: Self) -> Self:
        """This storage, which is on the CPU."""
        return self

    def to(self: Self, *, device: Any, non_blocking: bool = False) -> Self:
        """This storage, for device "cpu"; no other exists."""
        if str(device) == "cpu":
            return self
        raise self._unsupported("to", f"device {device!r}", "the only device is 'cpu'")

    def cuda(self, device: Any = None, non_blocking: bool = False) -> StorageBase:
        """Raises: there is no CUDA storage."""
        raise self._unsupported("cuda", "CUDA", "the only device is 'cpu'")

    def hpu(self, device: Any = None, non_blocking: bool = False) -> StorageBase:
        """Raises: there is no HPU storage."""
        raise self._unsupported("hpu", "HPU", "the only device is 'cpu'")

    def pin_memory(self, device: Any = None) -> StorageBase:
        """Raises: memory is pinned for a GPU only."""
        raise self._unsupported("pin_memory", "pinned memory", "it serves a GPU only")

    # -- helpers ------------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        array = self._array
        if array.size <= 16:
            lines = [f" {item}" for item in array.tolist()]
        else:
            first, last = array[:8].tolist(), array[-8:].tolist()
            lines = [*(f" {item}" for item in first), " ...", *(f" {item}" for item in last)]
        return "\n".join([*lines, f"[qgrad.{self._name} of size {array.size}]"])

    def _elements(self, value: Any, where: str) -> NDArray[Any]:
        """What a slice is set to: one number, a storage, an array or a sequence."""
        if isinstance(value, StorageBase):
            return values.cast(value._array, self.dtype, where)
        if isinstance(value, np.ndarray) and value.ndim == 1:
            return values.cast(value, self.dtype, where)
        if isinstance(value, Sequence) and not isinstance(value, str):
            return values.sequence(value, self.dtype, where)
        return np.asarray(values.number(value, self.dtype, where))

    def _writable(self, where: str) -> NDArray[Any]:
        array = self._array
        if not array.flags.writeable:
            raise ValueError(
                f"{where}: this memory can only be read, as the buffer it came from; "
                "use .clone() for a copy to write to"
            )
        return array

    def _position(self, index: Any) -> int:
        try:
            position = operator.index(index)
        except TypeError:
            raise TypeError(
                f"{self._name}: the index is an integer or a slice, got {shown_index(index)} of "
                f"type {type(index).__name__}"
            ) from None
        size = len(self)
        if not -size <= position < size:
            raise IndexError(f"{self._name}: index {position} is out of range for size {size}")
        return position

    def _span(self, index: slice) -> tuple[int, int]:
        start, stop, step = index.indices(len(self))
        if step != 1:
            raise ValueError(
                f"{self._name}: a slice shares memory, so its step is 1, got {step}; use "
                "tolist() or numpy.asarray(storage) for a strided copy or view"
            )
        return start, max(start, stop)

    def _unsupported(self, method: str, what: str, why: str) -> UnsupportedOpError:
        return UnsupportedOpError(f"{self._name}.{method}: no {what}; {why}")


def _restored(cls: type[Self], memory: Memory) -> Self:
    return cls._over(memory)
