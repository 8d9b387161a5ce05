"""The C++ extension, or None: this package is its only importer besides the program executor."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
import warnings
from typing import Any

__all__ = ["core"]


def _beside_the_source() -> Any:
    """The extension of an installed qgrad, for a source tree that has not built its own.

    `python -m qgrad` in a checkout finds the checkout first, although the package is installed.
    """
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for entry in sys.path:
        folder = os.path.join(os.path.abspath(entry), "qgrad")
        if folder == own:
            continue
        for suffix in importlib.machinery.EXTENSION_SUFFIXES:
            path = os.path.join(folder, f"_core{suffix}")
            if os.path.exists(path):
                spec = importlib.util.spec_from_file_location("qgrad._core", path)
                if spec is not None and spec.loader is not None:
                    module = importlib.util.module_from_spec(spec)
                    spec.loader.exec_module(module)
                    return module
    return None


core: Any = None
try:
    from qgrad import _core
except ImportError as error:
    core = _beside_the_source()
    if core is None:
        warnings.warn(
            f"qgrad: the C++ extension cannot be imported ({error}); kernels run in NumPy, with "
            "the same results but many times slower. `pip install .` builds it",
            RuntimeWarning,
            stacklevel=2,
        )
else:
    core = _core
