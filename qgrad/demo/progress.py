"""Progress on stderr: a bar in a terminal, one line a task elsewhere, nothing when quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from tqdm import tqdm

__all__ = ["Progress"]

T = TypeVar("T")


class Progress:
    """Reports on loops; `steps` wraps one."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet
        self.in_terminal = sys.stderr.isatty()

    def steps(self, items: Iterable[T], task: str) -> Iterator[T]:
        """The items, while a bar or a line tells of the task."""
        if self.quiet:
            yield from items
        elif self.in_terminal:
            yield from tqdm(items, desc=task, leave=False, file=sys.stderr)
        else:
            count = f" ({len(items)} steps)" if isinstance(items, Sized) else ""
            print(f"{task}{count} ...", end=" ", flush=True, file=sys.stderr)
            start = time.perf_counter()
            yield from items
            print(f"{time.perf_counter() - start:.1f} s", flush=True, file=sys.stderr)
