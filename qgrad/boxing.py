"""How the lower floors take and give tensors without importing the floor that defines them.

The Tensor floor registers its constructor once with `set_box`; until then results are arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["box", "set_box", "unbox"]

_box: Callable[[NDArray[Any]], Any] | None = None


def set_box(fn: Callable[[NDArray[Any]], Any] | None) -> None:
    """Register how an array becomes what users see; None goes back to plain arrays."""
    global _box
    _box = fn


def box(array: NDArray[Any]) -> Any:
    """A Tensor sharing `array`'s memory, or `array` itself when no Tensor floor is loaded."""
    return array if _box is None else _box(array)


def unbox(x: Any) -> NDArray[Any]:
    """The array inside a Tensor, or `numpy.asarray(x)` of an array, number or nested list."""
    data = getattr(x, "_data", None)
    return data if isinstance(data, np.ndarray) else np.asarray(x)
