"""The base class that makes `memoryview(storage)` work.

From Python 3.12 on `__buffer__` is enough (PEP 688); before, only a type of the extension can
export a buffer. Without both, `numpy.asarray(storage)` still sees the memory through `__array__`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..kernels.extension import core

__all__ = ["BufferExporter"]

if TYPE_CHECKING:

    class BufferExporter:
        """Exports the buffer of its attribute `_array`."""

        __slots__ = ()

else:
    if core is None:

        class BufferExporter:
            """Exports nothing: the best there is without the extension."""

            __slots__ = ()
    else:
        BufferExporter = core.BufferExporter
