"""What a traced graph knows of the Python code's choices: train or eval mode, and sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from qgrad.symbolic import Expr, format_expr, rename_dims

__all__ = ["Guard", "SizeGuard", "TrainingFlag", "TrainingGuard"]


class TrainingFlag:
    """`module.training` of the submodule at `path`, read when the graph runs.

    `bool()` gives the value that it had during the trace, and tells `on_read` of it.
    """

    __slots__ = ("on_read", "path", "value")

    def __init__(
        self, path: str, value: bool, on_read: Callable[[str, bool], bool] | None = None
    ) -> None:
        self.path = path
        self.value = value
        self.on_read = on_read

    def __bool__(self) -> bool:
        return self.value if self.on_read is None else self.on_read(self.path, self.value)

    def __eq__(self, other: object) -> bool:
        return self.path == other.path if isinstance(other, TrainingFlag) else NotImplemented

    def __hash__(self) -> int:
        return hash((TrainingFlag, self.path))

    def __repr__(self) -> str:
        return f"{self.path}.training" if self.path else "training"


class SizeGuard(NamedTuple):
    """A comparison of sizes that decided which way the traced Python code went."""

    op: str
    left: Expr
    right: Expr
    holds: bool
    source: str

    def __str__(self) -> str:
        comparison = f"{format_expr(self.left)} {self.op} {format_expr(self.right)}"
        return f"{comparison} is {self.holds}  {self.source}".rstrip()

    def renamed(self, old: str, new: str) -> SizeGuard:
        """The guard reading the shape of value `new` where it read that of `old`."""
        left, right = rename_dims(self.left, old, new), rename_dims(self.right, old, new)
        return self._replace(left=left, right=right)


class TrainingGuard(NamedTuple):
    """A `module.training` that decided which way the traced Python code went."""

    path: str
    value: bool
    source: str

    def __str__(self) -> str:
        return f"{TrainingFlag(self.path, self.value)!r} is {self.value}  {self.source}".rstrip()

    def renamed(self, old: str, new: str) -> TrainingGuard:
        """The guard itself: it reads no shapes."""
        return self


Guard = SizeGuard | TrainingGuard
