"""Writing files so that no reader ever sees half of one."""

from __future__ import annotations

import os
from threading import get_ident

__all__ = ["write_whole"]


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write to a temporary file beside `path`, then rename it; OSError leaves `path` as it was."""
    target = os.path.abspath(os.fspath(path))
    temporary = f"{target}.{os.getpid()}-{get_ident()}.tmp"
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
