"""The demo's table: what each version of the model scores, weighs, costs, and if it is exact."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Row", "latency", "table"]

REPEATS = 30


@dataclass(frozen=True)
class Row:
    """One version of the model.

    accuracy: percent of the test digits. file: where it is saved. latency: seconds a batch.
    differing, codes: how many codes of the program differ from the prepared model's, of how many;
    None for the float model, which has no codes.
    """

    name: str
    accuracy: float
    file: Path
    latency: float
    differing: int | None = None
    codes: int = 0

    def cells(self) -> tuple[str, str, str, str, str]:
        """What the table shows."""
        differ = "-" if self.differing is None else f"{self.differing:,} of {self.codes:,}"
        return (
            self.name,
            f"{self.accuracy:.2f} %",
            f"{self.file.stat().st_size / 1000:.1f} kB",
            f"{self.latency * 1000:.2f} ms",
            differ,
        )


def table(rows: Sequence[Row], batch: int) -> str:
    """The rows under their titles, columns aligned."""
    titles = ("", "test accuracy", "file size", f"latency ({batch} digits)", "codes that differ")
    cells = [titles, *(row.cells() for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(titles))]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
        for line in cells
    )


def latency(run: Callable[[Any], Any], batch: Any) -> float:
    """The median time of one call, in seconds."""
    run(batch)
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run(batch)
        times.append(time.perf_counter() - start)
    return statistics.median(times)
