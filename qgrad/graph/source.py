"""Which line of the user's code is running."""

from __future__ import annotations

import os
import sys
from types import CodeType, FrameType

__all__ = ["source_line"]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_OURS = tuple(
    os.path.join(_PACKAGE, part)
    for part in ("autograd", "graph", "nn", "ops", "symbolic", "tensor")
)


def source_line(stop: CodeType) -> str:
    """`file:line` of the innermost frame outside of qgrad's machinery, looking up to `stop`.

    "" if there is none below the frame that runs `stop`.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not stop:
        if not frame.f_code.co_filename.startswith(_OURS):
            return f"{_short(frame.f_code.co_filename)}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def _short(path: str) -> str:
    """A path below the working directory relative to it, another as its last two parts."""
    if not os.path.isabs(path):
        return path
    relative = os.path.relpath(path)
    return os.path.join(*path.split(os.sep)[-2:]) if relative.startswith("..") else relative
