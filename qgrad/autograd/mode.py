"""Grad mode: whether operations are recorded. Every thread starts with recording on.

`recording` holds True, False, or None in inference mode: nothing is recorded then, and what is made
is marked as unfit for gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from types import TracebackType
from typing import Any, TypeVar

__all__ = [
    "enable_grad",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "recording",
    "set_grad_enabled",
]

F = TypeVar("F", bound=Callable[..., Any])
Mode = bool | None
_GENERATOR = 0x20  # the flag of generator functions' code

recording: ContextVar[Mode] = ContextVar("qgrad_recording", default=True)
# The modes outside of the `with` blocks that this thread is in, as (mode, those further out); not
# kept by the mode objects, which threads may share.
_outside: ContextVar[Any] = ContextVar("qgrad_recording_outside", default=None)


def is_grad_enabled() -> bool:
    """Whether operations on tensors that require grad are recorded now, in this thread."""
    return bool(recording.get())


def is_inference_mode_enabled() -> bool:
    """Whether tensors made now, in this thread, are unfit for gradients."""
    return recording.get() is None


class _GradMode:
    """Sets the mode in a `with` block or in every call of a decorated function.

    Inside inference mode only another inference mode does.
    """

    _ends_inference = False

    def __init__(self, mode: Mode) -> None:
        self.mode = mode

    def __enter__(self) -> None:
        before = recording.get()
        _outside.set((before, _outside.get()))
        recording.set(self._next(before))

    def _enter(self, before: Mode) -> None:
        """Set the mode until `__exit__` sets `before`."""
        _outside.set((before, _outside.get()))
        recording.set(self._next(recording.get()))

    def _next(self, before: Mode) -> Mode:
        return None if before is None and not self._ends_inference else self.mode

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        before, outer = _outside.get()
        _outside.set(outer)
        recording.set(before)

    def __call__(self, fn: F) -> F:
        """Decorate `fn`: every call runs in this mode, and so does the body of a generator."""
        if getattr(getattr(fn, "__code__", None), "co_flags", 0) & _GENERATOR:
            return _generator_in_mode(fn, self)

        @wraps(fn)
        def inner(*args: Any, **kwargs: Any) -> Any:
            self._enter(recording.get())
            try:
                return fn(*args, **kwargs)
            finally:
                self.__exit__(None, None, None)

        return inner  # type: ignore[return-value]


def _generator_in_mode(fn: F, mode: _GradMode) -> F:
    """`fn` whose generators run in `mode` between yields; the caller's mode stays as it is."""

    @wraps(fn)
    def inner(*args: Any, **kwargs: Any) -> Any:
        generator = fn(*args, **kwargs)
        step, argument = generator.send, None
        while True:
            mode._enter(recording.get())
            try:
                value = step(argument)
            except StopIteration as end:
                return end.value
            finally:
                mode.__exit__(None, None, None)
            try:
                argument = yield value
                step = generator.send
            except GeneratorExit:
                generator.close()
                raise
            except BaseException as error:
                step, argument = generator.throw, error

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
    """Record again inside a `no_grad` block (not inside inference mode); used like `no_grad`."""

    _mode = True


class inference_mode(_GradMode):
    """Record nothing and keep no versions: `with inference_mode(): ...`, or as a decorator.

    Tensors made inside can be computed with, but not saved for a gradient, changed in place
    outside, or made to require grad; `clone()` gives a tensor that can. Views of tensors from
    outside are tensors like those. Inside, no_grad and enable_grad have no effect, and
    `inference_mode(False)` records again.

    >>> with qgrad.inference_mode():
    ...     x = qgrad.ones(2)
    >>> x.is_inference()
    True
    """

    _ends_inference = True

    def __new__(cls, mode: Any = True) -> Any:
        """The mode, or the function `mode` in that mode."""
        instance = super().__new__(cls)
        if not callable(mode):
            return instance
        _GradMode.__init__(instance, None)
        return instance(mode)

    def __init__(self, mode: bool = True) -> None:
        super().__init__(None if mode else True)


class set_grad_enabled(_GradMode):
    """Set the mode at once, and set it back at the end if used as a `with` block."""

    def __init__(self, mode: bool) -> None:
        super().__init__(bool(mode))
        self._initial = recording.get()
        recording.set(self._next(self._initial))

    def __enter__(self) -> None:
        self._enter(self._initial)

    def __call__(self, fn: F) -> F:
        """Decorate `fn`; the mode outside of it stays as it was."""
        recording.set(self._initial)
        return super().__call__(fn)
