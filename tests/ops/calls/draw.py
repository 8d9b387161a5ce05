"""What the strategies of calls are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

Array = np.ndarray[Any, Any]
UNKNOWN = object()


class Call(NamedTuple):
    """The arguments of one call, and what it is expected to give."""

    args: tuple[Any, ...]
    options: dict[str, Any]
    expected: Any = UNKNOWN


class Draw:
    """What strategies are made of; arrays hold random numbers of a drawn seed."""

    def __init__(self, draw: Any, name: str) -> None:
        self.draw, self.name = draw, name
        self.random = np.random.default_rng(draw(st.integers(0, 2**32)))

    def int(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        return self.draw(st.integers(low, high))

    def bool(self) -> bool:
        """True or False."""
        return self.draw(st.booleans())

    def one_of(self, *choices: Any) -> Any:
        """One of the values."""
        return self.draw(st.sampled_from(choices))

    def shape(self, min_dims: int = 0, max_dims: int = 3, min_size: int = 0) -> tuple[int, ...]:
        """A small shape; a length may be 0 unless `min_size` says otherwise."""
        dims = self.int(min_dims, max_dims)
        return tuple(self.int(min_size, 4) for _ in range(dims))

    def array(self, shape: tuple[int, ...], low: float = -2.0, high: float = 2.0) -> Array:
        """Floats in [low, high) in one of several memory layouts."""
        layout = self.one_of("plain", "transposed", "strided", "reversed")
        if layout == "transposed":
            return np.asarray(self.random.uniform(low, high, shape[::-1])).T
        if layout == "strided" and shape:
            return self.random.uniform(low, high, (*shape[:-1], 2 * shape[-1]))[..., ::2]
        if layout == "reversed" and shape:
            return self.random.uniform(low, high, shape)[::-1]
        return np.asarray(self.random.uniform(low, high, shape))

    def any_array(self, low: float = -2.0, high: float = 2.0, **shape: int) -> Array:
        """Floats in a drawn shape."""
        return self.array(self.shape(**shape), low, high)

    def pair(self, low: float = -2.0, high: float = 2.0) -> tuple[Array, Array]:
        """Two arrays that broadcast."""
        shape = self.shape()
        return tuple(  # type: ignore[return-value]
            self.array(
                tuple(1 if self.int(0, 3) == 0 else n for n in shape[self.int(0, len(shape)) :]),
                low,
                high,
            )
            for _ in range(2)
        )

    def dim(self, ndim: int) -> int:
        """A dim, from the front or from the back."""
        return self.int(-max(ndim, 1), max(ndim, 1) - 1)

    def dims(self, ndim: int) -> Any:
        """The dims of a reduction: None, one, or several."""
        kind = self.one_of("all", "one", "some")
        if kind == "all" or not ndim:
            return None
        if kind == "one":
            return self.dim(ndim)
        chosen = self.draw(st.sets(st.integers(0, ndim - 1), min_size=1))
        return tuple(d - ndim if self.bool() else d for d in sorted(chosen))

    def bools(self, shape: tuple[int, ...]) -> Array:
        """Random bools."""
        return np.asarray(self.random.random(shape) < 0.5)

    def ints(self, shape: tuple[int, ...], low: int, high: int) -> Array:
        """Random integers in [low, high)."""
        return np.asarray(self.random.integers(low, high, shape))


CALLS: dict[str, st.SearchStrategy[Call]] = {}


def calls_of(*names: str) -> Callable[[Callable[[Draw], Call]], Callable[[Draw], Call]]:
    """Decorator: the strategy of these ops, given by a function of a Draw."""

    def register(function: Callable[[Draw], Call]) -> Callable[[Draw], Call]:
        for name in names:
            CALLS[name] = _strategy(function, name)
        return function

    return register


def _strategy(function: Callable[[Draw], Call], name: str) -> st.SearchStrategy[Call]:
    @st.composite
    def calls(draw: Any) -> Call:
        return function(Draw(draw, name))

    return calls()
