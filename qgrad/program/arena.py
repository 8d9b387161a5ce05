"""Where intermediate values lie: one block of memory, reused as values die.

Greedy by size (Pisarchyk and Lee 2020): the largest value first, each at the lowest offset where
it overlaps no value that is alive at the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["ALIGNMENT", "SLACK", "Lifetime", "place"]

ALIGNMENT = 64
SLACK = 64  # readable bytes after each value, so that a kernel may load a whole vector at its end


class Lifetime(NamedTuple):
    """A block of memory and the steps, first to last inclusive, in which it holds a value."""

    name: str
    size: int
    first: int
    last: int


def place(blocks: Sequence[Lifetime]) -> tuple[dict[str, int], int]:
    """(offset of every block, total bytes); blocks alive at one time never overlap."""
    placed: list[tuple[int, int, Lifetime]] = []  # (offset, end, block), by offset
    offsets: dict[str, int] = {}
    total = 0
    for block in sorted(blocks, key=lambda b: (-b.size, b.first)):
        size = (block.size + SLACK + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
        offset = 0
        for start, end, other in placed:
            if other.first <= block.last and block.first <= other.last:
                if start >= offset + size:
                    break
                offset = max(offset, end)
        placed.append((offset, offset + size, block))
        placed.sort(key=lambda item: item[0])
        offsets[block.name] = offset
        total = max(total, offset + size)
    return offsets, total
