"""Grad mode: whether operations are recorded. Every thread starts with recording on."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from types import TracebackType
from typing import Any, TypeVar

__all__ = ["enable_grad", "is_grad_enabled", "no_grad", "recording", "set_grad_enabled"]

F = TypeVar("F", bound=Callable[..., Any])

recording: ContextVar[bool] = ContextVar("qgrad_recording", default=True)


def is_grad_enabled() -> bool:
    """Whether operations on tensors that require grad are recorded now, in this thread."""
    return recording.get()


class _GradMode:
    """Sets the mode in a `with` block or in every call of a decorated function."""

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        self._before: list[bool] = []

    def __enter__(self) -> None:
        self._before.append(recording.get())
        recording.set(self.mode)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        recording.set(self._before.pop())

    def __call__(self, fn: F) -> F:
        """Decorate `fn`: every call runs in this mode."""
        mode = self.mode

        @wraps(fn)
        def inner(*args: Any, **kwargs: Any) -> Any:
            with _GradMode(mode):
                return fn(*args, **kwargs)

        return inner  # type: ignore[return-value]


class no_grad(_GradMode):
    """Record nothing: `with no_grad(): ...`, or `@no_grad()` (also `@no_grad`) on a function.

    >>> w = qgrad.ones(2, requires_grad=True)
    >>> with qgrad.no_grad():
    ...     (w * 2).requires_grad
    False
    """

    def __new__(cls, fn: Callable[..., Any] | None = None) -> Any:
        """The mode, or the function `fn` in that mode."""
        instance = super().__new__(cls)
        if fn is None:
            return instance
        _GradMode.__init__(instance, cls._mode)
        return instance(fn)

    _mode = False

    def __init__(self) -> None:
        super().__init__(self._mode)


class enable_grad(no_grad):
    """Record again inside a `no_grad` block; used like `no_grad`."""

    _mode = True


class set_grad_enabled(_GradMode):
    """Set the mode at once, and set it back at the end if used as a `with` block."""

    def __init__(self, mode: bool) -> None:
        super().__init__(bool(mode))
        self._initial = recording.get()
        recording.set(self.mode)

    def __enter__(self) -> None:
        self._before.append(self._initial)
        recording.set(self.mode)

    def __call__(self, fn: F) -> F:
        """Decorate `fn`; the mode outside of it stays as it was."""
        recording.set(self._initial)
        return super().__call__(fn)
