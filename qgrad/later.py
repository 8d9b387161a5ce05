"""Names that a package loads when they are first asked for, so that `import qgrad` stays quick."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["later"]


def later(
    package: str, homes: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of `package`, for the names that wait in other modules.

    `homes` tells which names are in which module; a module's own name means the module.
    """
    home_of = {name: module for module, names in homes.items() for name in names}
    known = vars(sys.modules[package])

    def load(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: Any = importlib.import_module(home_of[name])
        if home_of[name] != f"{package}.{name}":
            value = getattr(value, name)
        known[name] = value
        return value

    def names() -> list[str]:
        return sorted({*known, *home_of})

    return load, names
