"""A class with arguments chosen: what a QConfig holds and `prepare` calls for each tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from qgrad.errors import ConfigError

__all__ = ["Factory", "WithArgs"]


class Factory:
    """Builds a fresh instance of `cls` at every call; made by `with_args`, compared by value.

    cls: the observer or fake-quantizer class.
    kwargs: arguments for its constructor.
    callables: functions whose results become arguments, called anew at every build.

    >>> qgrad.quantization.MinMaxObserver.with_args(quant_min=0, quant_max=15)
    MinMaxObserver.with_args(quant_min=0, quant_max=15)
    """

    __slots__ = ("callables", "cls", "kwargs")

    def __init__(
        self,
        cls: type,
        kwargs: Mapping[str, Any] | None = None,
        callables: Mapping[str, Callable[[], Any]] | None = None,
    ) -> None:
        self.cls = cls
        self.kwargs = dict(kwargs or {})
        self.callables = dict(callables or {})

    def with_args(self, **kwargs: Any) -> Factory:
        """A factory with these arguments added to, or replacing, the ones chosen before."""
        callables = {name: fn for name, fn in self.callables.items() if name not in kwargs}
        return Factory(self.cls, {**self.kwargs, **kwargs}, callables)

    def with_callable_args(self, **callables: Callable[[], Any]) -> Factory:
        """A factory whose named arguments come from calling these functions at every build."""
        for name, fn in callables.items():
            if not callable(fn):
                raise ConfigError(
                    f"with_callable_args: {name}={fn!r} is not callable; "
                    "use with_args for plain values"
                )
        kwargs = {name: value for name, value in self.kwargs.items() if name not in callables}
        return Factory(self.cls, kwargs, {**self.callables, **callables})

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """A fresh instance; arguments given here go before the chosen ones."""
        fresh = {name: fn() for name, fn in self.callables.items() if name not in kwargs}
        return self.cls(*args, **{**self.kwargs, **fresh, **kwargs})

    def __eq__(self, other: object) -> bool:
        if isinstance(other, type):  # a bare class builds the same thing as its empty factory
            other = Factory(other)
        if not isinstance(other, Factory):
            return NotImplemented
        return (
            self.cls is other.cls
            and self.callables == other.callables
            and self.kwargs.keys() == other.kwargs.keys()
            and all(_same(value, other.kwargs[name]) for name, value in self.kwargs.items())
        )

    def __hash__(self) -> int:
        names = frozenset((*self.kwargs, *self.callables))
        return hash((self.cls, names)) if names else hash(self.cls)

    def __repr__(self) -> str:
        chosen = [f"{name}={_shown(value)}" for name, value in self.kwargs.items()]
        chosen += [f"{name}={_shown(fn)}()" for name, fn in self.callables.items()]
        return f"{self.cls.__name__}.with_args({', '.join(chosen)})" if chosen else _shown(self.cls)


class WithArgs:
    """Gives a class `with_args` and `with_callable_args`, which make factories of it."""

    @classmethod
    def with_args(cls, **kwargs: Any) -> Factory:
        """A factory of this class with these constructor arguments."""
        return Factory(cls, kwargs)

    @classmethod
    def with_callable_args(cls, **callables: Callable[[], Any]) -> Factory:
        """A factory of this class that calls these functions for arguments at every build."""
        return Factory(cls).with_callable_args(**callables)


def _same(a: Any, b: Any) -> bool:
    if a is b:
        return True
    same_kind = isinstance(a, bool) == isinstance(b, bool)  # True is not the quant_min 1
    return same_kind and (np.array_equal(a, b) if np.ndim(a) or np.ndim(b) else bool(a == b))


def _shown(value: Any) -> str:
    """`repr`, but classes and functions by their name, without addresses."""
    name = getattr(value, "__qualname__", None)
    return name if isinstance(name, str) and callable(value) else repr(value)
