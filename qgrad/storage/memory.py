"""Runs of bytes: owned, borrowed from a buffer, mapped from a file, or shared between processes.

A `Memory` is what every storage over the same bytes holds in common, so that resizing or sharing
through one of them is seen by all. Only memory it owns alone can move; the rest says why not.
"""

from __future__ import annotations

import os
import stat
import sys
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

ALIGNMENT = 64  # one cache line, and the widest vector register

BORROWED = "memory borrowed from another object"
MAPPED = "a mapped file"
PART = "part of another storage"
SHARED = "memory shared between processes"


class Segment:
    """Memory that other processes can map too, because a file descriptor names it."""

    __slots__ = ("__weakref__", "bytes", "fd")

    fd: int
    bytes: Bytes

    def __init__(self, fd: int, nbytes: int) -> None:
        """Map `nbytes` of `fd` and own the descriptor from here on."""
        weakref.finalize(self, os.close, fd)
        self.fd = fd
        self.bytes = _mapped(fd, nbytes, private=False)

    @classmethod
    def create(cls, nbytes: int) -> Segment:
        """A new anonymous segment, of zeros; it lives as long as somebody maps it."""
        if hasattr(os, "memfd_create"):
            fd = os.memfd_create("qgrad")
        else:
            import tempfile

            with tempfile.TemporaryFile() as file:
                fd = os.dup(file.fileno())
        os.ftruncate(fd, nbytes)
        return cls(fd, nbytes)


class Memory:
    """A run of bytes that may be replaced by a larger or a shared one.

    bytes: the bytes, uint8 of one dimension.
    fixed: why they cannot be resized, or None.
    segment, start: the shared segment that holds them, and where, if any.
    filename: the file they write through to, if any.
    """

    __slots__ = ("bytes", "filename", "fixed", "segment", "start")

    def __init__(
        self,
        bytes: Bytes,
        fixed: str | None = None,
        segment: Segment | None = None,
        start: int = 0,
        filename: str | None = None,
    ) -> None:
        self.bytes = bytes
        self.fixed = fixed
        self.segment = segment
        self.start = start
        self.filename = filename

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and deepcopy make independent memory, once for all storages that share it."""
        return copied, (np.array(self.bytes),)

    def part(self, start: int, stop: int) -> Memory:
        """Bytes [start, stop) of this memory, shared with it."""
        inside = self.bytes[start:stop]
        return Memory(inside, self.fixed or PART, self.segment, self.start + start, self.filename)

    def resize(self, nbytes: int, where: str) -> None:
        """Move to `nbytes` bytes: the first ones are kept, new ones are zero."""
        if self.fixed is not None:
            raise RuntimeError(
                f"{where}: cannot resize {self.fixed} ({self.bytes.size} bytes now, {nbytes} "
                "wanted); other users of it would be left behind. Use .clone().resize_(...)"
            )
        moved = allocate(nbytes, where).bytes
        kept = min(nbytes, self.bytes.size)
        moved[:kept] = self.bytes[:kept]
        self.bytes = moved

    def share(self, where: str) -> None:
        """Move to memory that other processes can map; nothing happens if it is there already."""
        if self.segment is not None:
            return
        if self.fixed in (BORROWED, PART):
            raise RuntimeError(
                f"{where}: cannot move {self.fixed} to shared memory, because it would no longer "
                "be the same memory; use .clone().share_memory_()"
            )
        enable_sharing()
        segment = Segment.create(self.bytes.size)
        segment.bytes[:] = self.bytes
        self.bytes, self.segment, self.start = segment.bytes, segment, 0
        self.fixed = SHARED


def allocate(nbytes: int, where: str) -> Memory:
    """Zeroed memory of its own, aligned to `ALIGNMENT`."""
    try:
        if nbytes > sys.maxsize - ALIGNMENT:
            raise MemoryError
        raw = np.zeros(nbytes + ALIGNMENT - 1, np.uint8)
    except MemoryError:
        raise MemoryError(
            f"{where}: cannot allocate {nbytes} bytes; ask for fewer elements, or map a file with "
            "from_file"
        ) from None
    start = -address(raw) % ALIGNMENT
    return Memory(raw[start : start + nbytes])


def copied(source: Bytes) -> Memory:
    """Memory of its own that holds a copy of `source`."""
    memory = allocate(source.size, "storage")
    memory.bytes[:] = source
    return memory


def borrowed(source: Bytes) -> Memory:
    """The bytes of another object, which they keep alive."""
    return Memory(source, BORROWED)


def mapped_file(filename: str, shared: bool, nbytes: int, where: str) -> Memory:
    """The first `nbytes` of a file: written through when shared, else copied when written to."""
    access = os.O_RDWR | os.O_CREAT if shared else os.O_RDONLY
    fd = os.open(filename, access | os.O_CLOEXEC, 0o666)
    try:
        _check_file(fd, filename, shared, nbytes, where)
        if not shared:
            return Memory(_mapped(fd, nbytes, private=True), MAPPED)
        enable_sharing()
        segment = Segment(os.dup(fd), nbytes)
        return Memory(segment.bytes, MAPPED, segment, 0, filename)
    finally:
        os.close(fd)


def address(array: NDArray[Any]) -> int:
    """Where an array's first element is in memory."""
    return int(array.__array_interface__["data"][0])


def enable_sharing() -> None:
    """Teach the pickler of multiprocessing to send descriptors where plain pickle copies bytes."""
    from multiprocessing.reduction import ForkingPickler

    ForkingPickler.register(Memory, _send_memory)
    ForkingPickler.register(Segment, _send_segment)


def _send_memory(memory: Memory) -> tuple[Any, ...]:
    if memory.segment is None:
        return memory.__reduce__()
    where = (memory.segment, memory.start, memory.bytes.size)
    return _received_memory, (*where, memory.fixed, memory.filename)


def _send_segment(segment: Segment) -> tuple[Any, ...]:
    from multiprocessing.reduction import DupFd

    return _received_segment, (DupFd(segment.fd), segment.bytes.size)


def _received_memory(
    segment: Segment, start: int, nbytes: int, fixed: str, filename: str | None
) -> Memory:
    return Memory(segment.bytes[start : start + nbytes], fixed, segment, start, filename)


def _received_segment(sent: Any, nbytes: int) -> Segment:
    enable_sharing()
    return Segment(sent.detach(), nbytes)


def _mapped(fd: int, nbytes: int, private: bool) -> Bytes:
    import mmap

    if nbytes == 0:  # there is no empty mapping
        return np.zeros(0, np.uint8)
    access = mmap.ACCESS_COPY if private else mmap.ACCESS_WRITE
    return np.frombuffer(mmap.mmap(fd, nbytes, access=access), np.uint8)


def _check_file(fd: int, filename: str, shared: bool, nbytes: int, where: str) -> None:
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{where}: {filename!r} is not a regular file and cannot be mapped")
    if status.st_size >= nbytes:
        return
    if not shared:
        raise ValueError(
            f"{where}: {filename!r} has {status.st_size} bytes, {nbytes} are needed; only "
            "shared=True makes a file larger"
        )
    _grow(fd, filename, status.st_size, nbytes, where)


def _grow(fd: int, filename: str, size: int, nbytes: int, where: str) -> None:
    """Reserve the disk space now: a write to a full disk through a mapping kills the process."""
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(fd, size, nbytes - size)
        else:
            os.ftruncate(fd, nbytes)
    except (OSError, OverflowError) as error:
        os.ftruncate(fd, size)
        raise OSError(
            getattr(error, "errno", None),
            f"{where}: cannot make the file {nbytes} bytes large ({error})",
            filename,
        ) from None
