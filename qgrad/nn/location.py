"""Tell the user which module an error came from, at no cost to calls that succeed."""

from __future__ import annotations

from typing import Any

from qgrad.errors import DTypeError, ShapeError, UnsupportedOpError

__all__ = ["LOCATED", "locate"]

# Errors about the data a module was given; the others name their place themselves.
LOCATED = (ShapeError, DTypeError, UnsupportedOpError, IndexError)

_MAX_REPR = 100


def locate(error: BaseException, module: Any) -> None:
    """Note on `error`, on its way out through `module`, the path of the module it started in.

    The innermost module is recorded first; each module around it, up to the one the user called,
    then puts its own part in front of the path.
    """
    place = getattr(error, "_place", None)
    if place is None:
        if len(error.args) != 1 or not isinstance(error.args[0], str):
            return
        place = error._place = _Place(error.args[0], module)  # type: ignore[attr-defined]
    else:
        place.climb(module)
    error.args = (place.message(),)


class _Place:
    """The message without a place, the innermost module, and its path below the outermost one."""

    __slots__ = ("base", "innermost", "outermost", "path")

    def __init__(self, base: str, module: Any) -> None:
        self.base = base
        self.innermost = _one_line(module)
        self.outermost = module
        self.path = ""

    def climb(self, parent: Any) -> None:
        for name, module in parent.named_modules():
            if module is self.outermost and name:
                self.path = f"{name}.{self.path}" if self.path else name
                self.outermost = parent
                return

    def message(self) -> str:
        where = f"'{self.path}', " if self.path else ""
        return f"{self.base}\n  in module {where}{self.innermost}"


def _one_line(module: Any) -> str:
    """`Conv2d(3, 8, kernel_size=(3, 3))`, or the bare class name if the repr is long."""
    text = repr(module)
    if "\n" in text or len(text) > _MAX_REPR:
        return type(module).__name__
    return text
