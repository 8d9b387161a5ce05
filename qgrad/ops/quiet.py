"""Floating-point warnings off while an op computes: inf and NaN are values here, as in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

__all__ = ["quiet", "reset_errors", "silence_errors"]

Token = Any


def quiet() -> AbstractContextManager[Any]:
    """A context in which NumPy reports no floating-point errors."""
    return np.errstate(all="ignore")


def _enter() -> Token:
    context = quiet()
    context.__enter__()
    return context


def _leave(token: Token) -> None:
    token.__exit__(None, None, None)


def _direct() -> tuple[Callable[[], Token], Callable[[Token], None]]:
    # np.errstate costs as much as three small ufuncs. NumPy keeps the state in a context variable;
    # setting that directly is 9 times cheaper. Without these names, the public way is used.
    try:
        from numpy._core import umath

        variable, make = umath._extobj_contextvar, umath._make_extobj
        state = make(all="ignore")
        token = variable.set(state)
        silent = all(value == "ignore" for value in np.geterr().values())
        variable.reset(token)
    except (ImportError, AttributeError, TypeError):
        return _enter, _leave
    if not silent:
        return _enter, _leave

    def silence() -> Token:
        return variable.set(state)

    return silence, variable.reset


silence_errors, reset_errors = _direct()
