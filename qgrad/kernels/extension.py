"""The C++ extension, or None: this package is its only importer besides the program executor."""

from __future__ import annotations

import warnings
from typing import Any

__all__ = ["core"]

core: Any = None
try:
    from qgrad import _core
except ImportError as error:
    warnings.warn(
        f"qgrad: the C++ extension cannot be imported ({error}); kernels run in NumPy, with the "
        "same results but many times slower. `pip install .` builds it",
        RuntimeWarning,
        stacklevel=2,
    )
else:
    core = _core
