"""Steps of optimizers: one pass in C++ gives the bits of NumPy's many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qgrad import kernels
from qgrad.kernels import optimizer
from qgrad.kernels.extension import core

Array = np.ndarray[Any, Any]

pytestmark = pytest.mark.skipif(core is None, reason="compares the extension with NumPy")
numbers = st.sampled_from([1e-4, 0.01, 0.3, 0.9, 0.999])


def arrays(seed: int, count: int, size: int) -> list[Array]:
    """`count` arrays of float32, the last one without negative numbers."""
    made = np.random.default_rng(seed).standard_normal((count, size)).astype(np.float32)
    return [*made[:-1].copy(), np.abs(made[-1])]


def same(name: str, start: list[Any], options: dict[str, Any]) -> None:
    """The step in C++, in three threads, and in NumPy change copies of the arrays alike."""
    fused, plain = ([None if a is None else a.copy() for a in start] for _ in range(2))
    before = kernels.get_num_threads()
    kernels.set_num_threads(3)
    try:
        assert optimizer._fused(*fused)
        getattr(kernels, name)(*fused, **options)
    finally:
        kernels.set_num_threads(before)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimizer, "core", None)
        getattr(kernels, name)(*plain, **options)
    for i, (got, expected) in enumerate(zip(fused, plain, strict=True)):
        if got is None:
            continue
        np.testing.assert_array_equal(got.view(np.int32), expected.view(np.int32), str(i))
    np.testing.assert_array_equal(fused[1], start[1])  # the gradient


@settings(max_examples=150, deadline=None)
@given(st.data(), st.integers(0, 99), st.sampled_from([0, 1, 7, 65, 1000]))
def test_sgd(data: st.DataObject, seed: int, size: int) -> None:
    """Every combination of momentum, dampening, Nesterov, decay and direction."""
    options = {
        "lr": data.draw(numbers),
        "weight_decay": data.draw(st.sampled_from([0, 0.01])),
        "maximize": data.draw(st.booleans()),
    }
    start = arrays(seed, 3, size)
    if data.draw(st.booleans()):
        nesterov = data.draw(st.booleans())
        dampening = 0 if nesterov else data.draw(st.sampled_from([0, 0.5]))
        options |= {"momentum": data.draw(numbers), "nesterov": nesterov, "dampening": dampening}
        same("sgd_step", start, options | {"first": data.draw(st.booleans())})
    else:
        same("sgd_step", [*start[:2], None], options)


@settings(max_examples=100, deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "lr": numbers,
            "step": st.integers(1, 1000),
            "betas": st.sampled_from([(0.9, 0.999), (0.0, 0.5)]),
            "eps": st.sampled_from([1e-8, 0.0, 0.1]),
            "weight_decay": st.sampled_from([0, 0.01]),
            "decoupled": st.booleans(),
            "maximize": st.booleans(),
        }
    ),
    st.integers(0, 99),
    st.sampled_from([0, 1, 7, 65, 1000]),
)
def test_adam(options: dict[str, Any], seed: int, size: int) -> None:
    """Adam and AdamW, early and late steps."""
    same("adam_step", arrays(seed, 4, size), options)


def test_large_arrays_in_threads() -> None:
    """Enough elements to be shared."""
    same("sgd_step", arrays(1, 3, 400_001), {"lr": 0.1, "momentum": 0.9})
    options = {"lr": 0.1, "step": 3, "betas": (0.9, 0.999), "eps": 1e-8}
    same("adam_step", arrays(1, 4, 100_001), options)


def test_other_arrays_take_the_formula() -> None:
    """float64, and float32 with gaps, which the kernel does not take."""
    wide = [a.astype(np.float64) for a in arrays(2, 3, 30)]
    gaps = [a[::2] for a in arrays(2, 3, 30)]
    for p, g, b in (wide, gaps):
        expected_b = b * 0.5 + g
        expected_p = p - 0.1 * expected_b
        kernels.sgd_step(p, g, b, lr=0.1, momentum=0.5)
        np.testing.assert_allclose(b, expected_b, 1e-6)
        np.testing.assert_allclose(p, expected_p, 1e-6)
