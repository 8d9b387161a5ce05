"""Random numbers: one default generator, and generators of one's own."""

from __future__ import annotations

import numpy as np

__all__ = ["Generator", "default_generator", "initial_seed", "manual_seed", "seed"]

_SEEDS = 2**64


class Generator:
    """A source of random numbers; a seed determines all that follows.

    >>> g = qgrad.Generator().manual_seed(0)
    >>> qgrad.randn(2, generator=g).shape
    (2,)
    """

    __slots__ = ("_numpy", "_seed")

    # NumPy loads its random numbers on first use, so nothing is drawn before then.
    _numpy: np.random.Generator | None
    _seed: int

    def __init__(self) -> None:
        self._numpy = None

    @property
    def numpy(self) -> np.random.Generator:
        """NumPy's generator, which draws the numbers."""
        if self._numpy is None:
            self.seed()
        assert self._numpy is not None
        return self._numpy

    def manual_seed(self, seed: int) -> Generator:
        """Start over from `seed`."""
        if not isinstance(seed, (int, np.integer)) or not -(2**63) <= seed < _SEEDS:
            raise ValueError(f"manual_seed: seed must be an int of at most 64 bits, got {seed!r}")
        self._seed = int(seed) % _SEEDS
        self._numpy = np.random.Generator(np.random.PCG64(self._seed))
        return self

    def seed(self) -> int:
        """Start over from a random seed, and give it."""
        entropy = np.random.SeedSequence().entropy
        assert isinstance(entropy, int)
        self.manual_seed(entropy % _SEEDS)
        return self._seed

    def initial_seed(self) -> int:
        """The seed that the generator was started from."""
        if self._numpy is None:
            self.seed()
        return self._seed

    def get_state(self) -> dict[str, object]:
        """The state, to go back to with `set_state`."""
        return {"seed": self.initial_seed(), "state": self.numpy.bit_generator.state}

    def set_state(self, state: dict[str, object]) -> Generator:
        """Go back to a state that `get_state` gave."""
        self._seed = int(state["seed"])  # type: ignore[call-overload]
        self.numpy.bit_generator.state = state["state"]  # type: ignore[assignment]
        return self


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Seed the default generator, and give it."""
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Seed the default generator at random, and give the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()
