"""What the other process does in the tests of shared storages; importable by a spawned child."""

from __future__ import annotations

from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from typing import Any

from qgrad.storage import StorageBase


def write(storage: StorageBase, index: int, value: int) -> None:
    """Set one element."""
    storage[index] = value


def write_back(
    storages: tuple[StorageBase, StorageBase], queue: Queue[Any], received: Event
) -> None:
    """Write to the first of two storages over the same memory, and send the second back."""
    first, second = storages
    first[0] = 9
    queue.put((first.is_shared(), second.tolist(), second))
    received.wait(60)
