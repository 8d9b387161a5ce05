"""`qgrad.relu_(x)` and the like: the in-place methods of Tensor as functions."""

from __future__ import annotations

from typing import Any

from qgrad.tensor import Tensor

__all__: list[str] = []  # made when asked for


def __getattr__(name: str) -> Any:
    """The function that calls the method `name` of its first argument."""
    method = getattr(Tensor, name, None)
    if not name.endswith("_") or name.startswith("_") or method is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def function(input: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(input, Tensor):
            raise TypeError(f"{name}: input is a {type(input).__name__}, but must be a tensor")
        return getattr(input, name)(*args, **kwargs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = method.__doc__
    return function
