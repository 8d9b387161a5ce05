"""Which line of the user's code is running."""

from __future__ import annotations

import os
import sys
from types import CodeType, FrameType

__all__ = ["source_line", "user_frame"]

_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")
_DEMO = os.path.join(_PACKAGE, "demo")  # a user of the package that lives inside it


def user_frame(stop: CodeType | None = None) -> tuple[str, int] | None:
    """File and line of the innermost frame outside of qgrad, and below `stop` if that is given."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not stop:
        path = frame.f_code.co_filename
        if not path.startswith(_PACKAGE) or path.startswith(_DEMO):
            return path, frame.f_lineno
        frame = frame.f_back
    return None


def source_line(stop: CodeType | None = None) -> str:
    """The place of `user_frame` as `file:line`, or "" if there is none."""
    found = user_frame(stop)
    return f"{_short(found[0])}:{found[1]}" if found else ""


def _short(path: str) -> str:
    """A path below the working directory relative to it, another as its last two parts."""
    if not os.path.isabs(path):
        return path
    relative = os.path.relpath(path)
    return os.path.join(*path.split(os.sep)[-2:]) if relative.startswith("..") else relative
