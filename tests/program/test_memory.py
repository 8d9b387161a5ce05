"""The arena: values that are alive together never overlap, and budgets are kept."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from program.hostile import small_program

from qgrad.errors import ShapeError
from qgrad.kernels.extension import core
from qgrad.program import InputSpec, Instruction, Program, Value
from qgrad.program.arena import ALIGNMENT, SLACK, Lifetime, place
from qgrad.program.program import MAX_PLANS

needs_extension = pytest.mark.skipif(core is None, reason="plans are for the C++ extension")


@st.composite
def lifetimes(draw: Any) -> list[Lifetime]:
    """Blocks of any size, alive at any time."""
    spans = st.tuples(st.integers(0, 20), st.integers(0, 6), st.integers(0, 5000))
    found = draw(st.lists(spans, max_size=30))
    return [Lifetime(str(i), size, at, at + n) for i, (at, n, size) in enumerate(found)]


@given(lifetimes())
def test_blocks_alive_together_are_apart(blocks: list[Lifetime]) -> None:
    """Aligned, inside the total, and with slack after each before the next begins."""
    offsets, total = place(blocks)
    assert offsets.keys() == {block.name for block in blocks}
    for i, a in enumerate(blocks):
        start = offsets[a.name]
        assert start % ALIGNMENT == 0
        assert start + a.size + SLACK <= total
        for b in blocks[:i]:
            if a.first <= b.last and b.first <= a.last:
                low, high = sorted((a, b), key=lambda block: offsets[block.name])
                assert offsets[low.name] + low.size + SLACK <= offsets[high.name]


@given(st.lists(st.integers(1, 10_000), min_size=2, max_size=30))
def test_a_chain_needs_its_two_largest_neighbours(sizes: list[int]) -> None:
    """Values that live one step each take turns: at most half more than the least possible."""
    blocks = [Lifetime(str(i), size, i, i + 1) for i, size in enumerate(sizes)]
    _, total = place(blocks)
    padded = [(size + SLACK + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT for size in sizes]
    least = max(a + b for a, b in itertools.pairwise(padded))
    assert least <= total <= least * 3 / 2


def chain(length: int) -> Program:
    """relu of relu of ... of x."""
    names = ["x", *(f"v{i}" for i in range(length))]
    values = {name: Value(name, "float32") for name in names[1:]}
    steps = [Instruction("unary", (a,), b, {"fn": "relu"}) for a, b in itertools.pairwise(names)]
    return Program([InputSpec("x", "float32", (None, 1000))], [names[-1]], values, steps, {})


def test_a_long_chain_lives_in_two_blocks() -> None:
    """100 values of 400 kB need 0.8 MB and the output, not 40 MB."""
    program = chain(100)
    program.memory_budget = 1_300_000
    x = np.random.default_rng(0).normal(size=(100, 1000)).astype(np.float32)
    np.testing.assert_array_equal(program.run(x)[0], np.maximum(x, 0))


def test_budget_is_checked_before_memory_is_taken() -> None:
    """The error says how much is needed, what the budget is, and how to raise it."""
    program = chain(2)
    program.memory_budget = 10_000
    program.run(np.zeros((1, 1000), np.float32))
    for call in (program.run, program.run_reference, program.codes):
        with pytest.raises(
            ShapeError, match=r"needs 12,000 bytes.*budget is\s+10,000.*memory_budget"
        ):
            call(np.zeros((3, 1000), np.float32))
    program.memory_budget = 100
    with pytest.raises(ShapeError, match="the budget is 100"):  # a plan that exists is no excuse
        program.run(np.zeros((1, 1000), np.float32))


def test_huge_shapes_are_refused_not_tried() -> None:
    """A batch of nothing may still ask for 2^60 bytes in the middle."""
    attrs = {"stride": [1, 1], "padding": [2**31 - 1] * 4, "dilation": [1, 1], "groups": 1}
    step = Instruction("conv", ("x",), "y", attrs, {"weight": "w"}, "features.0")
    x, weight = InputSpec("x", "float32", (None, 1, 1, 1)), np.ones((1, 1, 1, 1), np.float32)
    program = Program([x], ["y"], {"y": Value("y", "float32")}, [step], {"w": weight})
    for batch in (0, 1):
        with pytest.raises(ShapeError, match=r"instruction 0 conv at 'features\.0'"):
            program.run(np.zeros((batch, 1, 1, 1), np.float32))


@needs_extension
def test_plans_are_forgotten() -> None:
    """A program that meets many shapes does not remember them all, and stays right."""
    program = chain(2)
    for batch in (*range(100), 3):
        x = np.full((batch, 1000), batch - 50, np.float32)
        np.testing.assert_array_equal(program.run(x)[0], np.maximum(x, 0))
    assert len(program._plans) == MAX_PLANS


@needs_extension
def test_weights_are_packed_once() -> None:
    """Plans for other shapes use the weights that the first one packed."""
    program, x = small_program()
    program.run(x)
    packed = dict(program._packed)
    assert len(packed) == 2  # conv and linear
    program.run(x[:1])
    program.codes(x)
    assert program._packed == packed
