"""Memory that a storage does not own alone: buffers, files, other processes."""

from __future__ import annotations

import array
import gc
import multiprocessing
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import storage_worker
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import qgrad
from qgrad.storage import (
    BoolStorage,
    ByteStorage,
    FloatStorage,
    IntStorage,
    QUInt8Storage,
    ShortStorage,
    UntypedStorage,
    storage_of,
)
from qgrad.storage.export import BufferExporter

needs_buffers = pytest.mark.skipif(
    sys.version_info < (3, 12) and BufferExporter.__module__ != "qgrad._core",
    reason="before Python 3.12 only the extension can export a buffer",
)
FOREIGN = "big" if sys.byteorder == "little" else "little"


@given(st.binary(min_size=1), st.integers(0, 255))
def test_from_buffer_is_the_same_memory(content: bytes, value: int) -> None:
    """A write on either side is seen on the other."""
    buffer = bytearray(content)
    s = QUInt8Storage.from_buffer(buffer)
    assert s.tolist() == list(content)
    s[-1] = value
    buffer[0] = value
    assert s[0] == buffer[0] == value
    assert s[-1] == buffer[-1] == value


@given(st.integers(0, 5), st.integers(-1, 5), st.integers(0, 20))
def test_from_buffer_extent(offset: int, count: int, size: int) -> None:
    """offset in bytes, count in elements, -1 for all: as numpy.frombuffer, or an error."""
    buffer = bytearray(range(size))
    rest = size - 2 * offset
    possible = rest >= 0 and (rest % 2 == 0 if count == -1 else 2 * count <= rest)
    if not possible:
        with pytest.raises(ValueError, match=r"ShortStorage.from_buffer: .*(bytes|multiple)"):
            ShortStorage.from_buffer(buffer, count=count, offset=2 * offset)
        return
    s = ShortStorage.from_buffer(buffer, "native", count, 2 * offset)
    expected = buffer[2 * offset :] if count == -1 else buffer[2 * offset :][: 2 * count]
    assert bytes(s.untyped().tolist()) == expected


def test_from_buffer_takes_any_contiguous_buffer() -> None:
    """bytes, array.array, numpy arrays and storages; what is none is named."""
    assert FloatStorage.from_buffer(array.array("f", [1, 2])).tolist() == [1, 2]
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    s = FloatStorage.from_buffer(x)
    s[5] = 9
    assert x[1, 2] == 9
    assert QUInt8Storage.from_buffer(QUInt8Storage([1, 2]), offset=1).tolist() == [2]
    assert QUInt8Storage.from_buffer(b"").tolist() == []
    assert FloatStorage.from_buffer(np.zeros((0, 3))).tolist() == []
    for wrong in (x[:, ::2], [1, 2], "ab", 3, None):
        with pytest.raises(TypeError, match="takes contiguous memory"):
            FloatStorage.from_buffer(wrong)


def test_read_only_buffers_stay_read_only() -> None:
    """bytes are never written to; the error says how to get a copy."""
    content = b"abc"
    s = QUInt8Storage.from_buffer(content)
    for write in (lambda: s.fill_(0), lambda: s.__setitem__(0, 0), lambda: s.copy_(s)):
        with pytest.raises(ValueError, match=r"can only be read.*clone\(\)"):
            write()
    assert content == b"abc"
    assert s.clone().fill_(1).tolist() == [1, 1, 1]


def test_byte_order() -> None:
    """Native order is the memory itself, the other order a swapped copy, nonsense an error."""
    buffer = bytearray(np.array([1, 2], np.int32).tobytes())
    swapped = bytearray(np.array([1, 2], np.int32).byteswap().tobytes())
    assert IntStorage.from_buffer(buffer, sys.byteorder).tolist() == [1, 2]
    foreign = IntStorage.from_buffer(swapped, FOREIGN)
    assert foreign.tolist() == [1, 2]
    assert foreign.resizable()
    assert QUInt8Storage.from_buffer(buffer, FOREIGN)[0] == buffer[0]
    with pytest.raises(ValueError, match="byte_order 'weird' is not one of"):
        IntStorage.from_buffer(buffer, "weird")


def test_from_buffer_checks_truth_values_and_alignment() -> None:
    """A byte of 2 is no bool, and a float32 does not start at an odd address."""
    assert BoolStorage.from_buffer(b"\0\1").tolist() == [False, True]
    with pytest.raises(ValueError, match="byte 2 is no truth value"):
        BoolStorage.from_buffer(b"\0\1\2")
    with pytest.raises(ValueError, match="which is no multiple of 4; copy"):
        FloatStorage.from_buffer(bytearray(8), count=1, offset=1)


@needs_buffers
def test_numpy_and_memoryview_see_the_same_memory() -> None:
    """No copy in asarray, frombuffer and memoryview; asarray with a dtype or copy=True is one."""
    s = FloatStorage([1, 2])
    x = np.asarray(s)
    assert x.dtype == np.float32
    assert x.__array_interface__["data"][0] == s.data_ptr()
    view = memoryview(s)
    assert (view.format, view.nbytes, view.readonly) == ("f", 8, False)
    x[0], view[1] = 7, 8
    assert s.tolist() == np.frombuffer(s, np.float32).tolist() == [7, 8]
    assert bytes(QUInt8Storage([1, 2])) == b"\1\2"
    for copied in (np.array(s), np.asarray(s, np.float64), s.__array__(copy=True)):
        copied[0] = 0
    assert s[0] == 7
    with pytest.raises(ValueError, match="only by a copy"):
        s.__array__(np.dtype(np.float64), copy=False)


@needs_buffers
def test_arrays_outlive_the_memory_of_their_storage() -> None:
    """Resizing and deleting leaves old views valid, over the old memory."""
    s = QUInt8Storage([1, 2, 3])
    x, view = np.asarray(s), memoryview(s)
    s.resize_(100_000).fill_(9)
    del s
    gc.collect()
    assert x.tolist() == view.tolist() == [1, 2, 3]


@given(hnp.arrays(np.float32, (2, 3, 4)), st.permutations(range(3)), st.integers(0, 1))
def test_storage_of_an_array(x: np.ndarray, order: list[int], start: int) -> None:
    """Every view has the whole memory, and the offset at which its first element is."""
    whole, first = storage_of(x)
    assert (type(whole), first, whole.resizable()) == (FloatStorage, 0, False)
    view = x.transpose(order)[start:, ::-1, start]
    s, offset = storage_of(view)
    assert (len(s), s.data_ptr()) == (24, whole.data_ptr())
    s[offset] = 7
    assert view[0, 0] == 7


def test_storage_of_a_tensor() -> None:
    """Views of a tensor share its storage, which writes through; the type is the tensor's."""
    x = qgrad.zeros(2, 3)
    column = x.t()[1]
    assert (column.storage_offset(), len(column.storage()), x.storage_offset()) == (1, 6, 0)
    column.storage()[1] = 5.0
    assert column.tolist() == [5.0, 0.0]
    assert column.data_ptr() - x.data_ptr() == 4
    assert x.untyped_storage().nbytes() == 24
    assert qgrad.tensor([True]).storage().type() == "qgrad.BoolStorage"


def test_storage_of_memory_with_gaps() -> None:
    """An array that is itself a strided look at foreign memory has no storage."""
    x = np.frombuffer(bytearray(16), np.uint8)
    strided = np.ndarray((4,), np.uint8, bytearray(16), strides=(4,))
    assert len(storage_of(x[::2])[0]) == 16
    with pytest.raises(ValueError, match=r"has gaps; use .contiguous"):
        storage_of(strided)


def test_slices_borrow() -> None:
    """A slice shares memory, so it can be neither resized nor moved to shared memory alone."""
    s = QUInt8Storage([1, 2, 3])
    part = s[1:]
    part[0] = 9
    assert s[1] == 9
    assert not part.resizable()
    with pytest.raises(RuntimeError, match="cannot resize part of another storage"):
        part.resize_(5)
    with pytest.raises(RuntimeError, match=r"clone\(\).share_memory_\(\)"):
        part.share_memory_()


@given(st.binary(max_size=64), st.integers(0, 64))
def test_private_mapping(tmp_path_factory: pytest.TempPathFactory, content: bytes, n: int) -> None:
    """shared=False reads the file, never changes it and needs all of its bytes there."""
    path = tmp_path_factory.mktemp("map") / "codes"
    path.write_bytes(content)
    if n > len(content):
        with pytest.raises(ValueError, match=f"has {len(content)} bytes, {n} are needed"):
            QUInt8Storage.from_file(path, shared=False, size=n)
        return
    s = QUInt8Storage.from_file(str(path), False, n)
    assert s.tolist() == list(content[:n])
    s.fill_(7)
    assert path.read_bytes() == content
    assert (s.filename, s.is_shared(), s.resizable()) == (None, False, False)


@given(st.binary(max_size=64), st.integers(0, 16))
def test_shared_mapping(tmp_path_factory: pytest.TempPathFactory, content: bytes, n: int) -> None:
    """shared=True writes through, makes the file larger with zeros and never smaller."""
    path = tmp_path_factory.mktemp("map") / "codes"
    path.write_bytes(content)
    s = IntStorage.from_file(path, shared=True, size=n)
    assert len(s) == n
    assert path.read_bytes() == content + bytes(max(0, 4 * n - len(content)))
    s.fill_(-1)
    assert path.read_bytes() == b"\xff" * 4 * n + content[4 * n :]
    other = IntStorage.from_file(path, shared=True, size=n)
    other.fill_(5)
    assert s.tolist() == [5] * n
    assert (s.filename, s.is_shared(), s.resizable()) == (str(path), True, False)


def test_mapped_storages_do_not_move(tmp_path: Path) -> None:
    """Resizing is refused, sharing again does nothing, a clone is ordinary memory."""
    path = tmp_path / "new"
    s = FloatStorage.from_file(path, True, 4)
    assert path.stat().st_size == 16
    for size in (0, 2, 10**6):
        with pytest.raises(RuntimeError, match="cannot resize a mapped file"):
            s.resize_(size)
    assert s.share_memory_() is s
    assert s.filename == str(path)
    assert s.clone().resize_(9).filename is None
    private = FloatStorage.from_file(path, False, 4)
    with pytest.raises(RuntimeError, match="cannot resize a mapped file"):
        private.resize_(2)
    assert private.share_memory_().is_shared()


def test_mapping_errors(tmp_path: Path) -> None:
    """What is no file, what cannot grow and wrong arguments; the file is left as it was."""
    with pytest.raises(FileNotFoundError, match="missing"):
        QUInt8Storage.from_file(tmp_path / "missing", False, 0)
    with pytest.raises(ValueError, match="is not a regular file"):
        QUInt8Storage.from_file(tmp_path, False, 1)
    with pytest.raises(IsADirectoryError):
        QUInt8Storage.from_file(tmp_path, True, 1)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'size'"):
        QUInt8Storage.from_file(tmp_path / "x", True)
    with pytest.raises(TypeError, match="shared is True or False, got 1"):
        QUInt8Storage.from_file(tmp_path / "x", 1, 1)
    with pytest.raises(ValueError, match="the size is at least 0, got -1"):
        QUInt8Storage.from_file(tmp_path / "x", True, -1)
    with pytest.raises(MemoryError, match="more than any process can map"):
        QUInt8Storage.from_file(tmp_path / "x", True, 2**70)
    path = tmp_path / "small"
    path.write_bytes(b"abc")
    with pytest.raises(OSError, match=r"cannot make the file .* bytes large"):
        QUInt8Storage.from_file(path, True, 2**62)
    assert path.read_bytes() == b"abc"


def test_shared_memory_keeps_the_elements_and_refuses_to_grow() -> None:
    """The crash of PyTorch: a shared storage cannot be resized, smaller or larger, and says so."""
    s = ByteStorage(range(10))
    untyped = s.untyped()
    assert s.share_memory_() is s
    address = s.data_ptr()
    assert s.share_memory_().data_ptr() == address == untyped.data_ptr()
    assert (s.tolist(), s.is_shared(), s.resizable(), s.filename) == (
        list(range(10)), True, False, None
    )  # fmt: skip
    for size in (0, 5, 10, 10_000):
        with pytest.raises(RuntimeError, match="cannot resize memory shared between processes"):
            s.resize_(size)
    assert ByteStorage(0).share_memory_().tolist() == []


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_processes_share_what_is_shared(method: str) -> None:
    """A child's write is seen here if the storage is shared, and only then."""
    context = multiprocessing.get_context(method)
    shared, own = QUInt8Storage(3).share_memory_(), QUInt8Storage(3)
    for s in (shared[1:], own):
        child = context.Process(target=storage_worker.write, args=(s, 0, 42))
        child.start()
        child.join()
        assert child.exitcode == 0
    assert shared.tolist() == [0, 42, 0]
    assert own.tolist() == [0, 0, 0]


def test_mapped_files_are_shared_even_when_deleted(tmp_path: Path) -> None:
    """The descriptor travels, not the name; memory sent together stays together."""
    path = tmp_path / "codes"
    s = QUInt8Storage.from_file(path, True, 4)
    path.unlink()
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    received = context.Event()
    child = context.Process(
        target=storage_worker.write_back, args=((s, s.untyped()), queue, received)
    )
    child.start()
    was_shared, elements, back = queue.get(timeout=60)
    received.set()
    child.join()
    queue.close()
    queue.join_thread()
    assert (was_shared, elements) == (True, [9, 0, 0, 0])
    assert s[0] == 9
    back[1] = 8
    assert s[1] == 8
    assert back.is_shared()


def test_plain_pickle_of_shared_memory_is_a_copy() -> None:
    """Only multiprocessing's pickler shares; bytes on disk hold the elements."""
    s = QUInt8Storage([1, 2]).share_memory_()
    twin = pickle.loads(pickle.dumps(s))
    twin[0] = 9
    assert s.tolist() == [1, 2]
    assert (twin.is_shared(), twin.resizable()) == (False, True)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors in /proc")
def test_descriptors_and_mappings_are_released(tmp_path: Path) -> None:
    """Nothing stays open or mapped after the last view is gone, and after errors."""

    def used() -> tuple[int, int]:
        gc.collect()
        maps = Path("/proc/self/maps").read_text()
        return len(os.listdir("/proc/self/fd")), maps.count("qgrad") + maps.count(str(tmp_path))

    path = tmp_path / "codes"
    before = used()
    for _ in range(3):
        s = QUInt8Storage([1]).share_memory_()
        mapped = QUInt8Storage.from_file(path, True, 4)
        private = QUInt8Storage.from_file(path, False, 4)
        x = np.asarray(s)
        for wrong in (5, 2**62):
            with pytest.raises((ValueError, OSError)):
                QUInt8Storage.from_file(path, wrong > 5, wrong)
        del s, mapped, private
        assert used()[1] > before[1]
        assert x.tolist() == [1]
        del x
    assert used() == before


def test_untyped_reads_the_bytes_of_a_file(tmp_path: Path) -> None:
    """UntypedStorage maps bytes, and typed storages over it share them."""
    path = tmp_path / "codes"
    path.write_bytes(np.array([1, -1], np.int32).tobytes())
    untyped = UntypedStorage.from_file(path, False, 8)
    assert IntStorage(wrap_storage=untyped).tolist() == [1, -1]
