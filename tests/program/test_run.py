"""Programs in C++ give what the NumPy interpreter gives, bit for bit."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from program.drafts import DRAFTS, Draft, Sample, networks, samples

from qgrad import kernels
from qgrad.program.kind import KINDS

QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@pytest.fixture(params=kernels.available_isas())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """The instruction set in use during the test."""
    before = kernels.isa()
    kernels.set_isa(request.param)
    yield request.param
    kernels.set_isa(before)


def assert_same(got: Any, expected: Any) -> None:
    """Equal dtype, shape and bits; any NaN for any NaN."""
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(got, expected)


def check(sample: Sample) -> None:
    """Outputs and all codes, twice: a plan is made, then used again."""
    for _ in range(2):
        got = sample.program.run(*sample.arrays)
        expected = sample.program.run_reference(*sample.arrays)
        assert len(got) == len(expected) == len(sample.program.outputs)
        for pair in zip(got, expected, strict=True):
            assert_same(*pair)


def test_every_kind_has_a_draft() -> None:
    """A kind of instruction that no draft makes would never be run."""
    assert set(DRAFTS) == set(KINDS)


@pytest.mark.parametrize("name", DRAFTS)
def test_one_instruction(isa: str, name: str) -> None:
    """Every kind: random attributes, shapes, layouts, empty arrays."""

    @settings(max_examples=60, **QUIET)
    @given(samples(name))
    def run(sample: Sample) -> None:
        check(sample)

    run()


def test_networks(isa: str) -> None:
    """Many instructions share the arena; codes inside are those of the interpreter too."""

    @settings(max_examples=60, **QUIET)
    @given(networks())
    def run(sample: Sample) -> None:
        check(sample)
        program = sample.program
        codes = program.codes(*sample.arrays)
        assert set(codes) == {v.name for v in program.values.values() if v.dtype == "uint8"}
        arrays = program._checked(sample.arrays)
        for name, expected in program._interpret(arrays, list(codes)).items():
            assert_same(codes[name], expected)

    run()


@settings(max_examples=20, **QUIET)
@given(networks())
def test_instruction_sets_agree(sample: Sample) -> None:
    """All variants give the same bytes, though the weights are packed for one of them first."""
    before = kernels.isa()
    try:
        results = []
        for name in (*kernels.available_isas(), *kernels.available_isas()):
            kernels.set_isa(name)
            results.append([a.tobytes() for a in sample.program.run(*sample.arrays)])
    finally:
        kernels.set_isa(before)
    assert all(result == results[0] for result in results)


@settings(max_examples=20, **QUIET)
@given(networks())
def test_inputs_are_not_written(sample: Sample) -> None:
    """Arguments may be read-only, and stay as they were."""
    before = [array.tobytes() for array in sample.arrays]
    for array in sample.arrays:
        array.setflags(write=False)
    sample.program.run(*sample.arrays)
    assert before == [array.tobytes() for array in sample.arrays]


@settings(max_examples=20, **QUIET)
@given(networks(), st.data())
def test_strided_inputs(sample: Sample, data: st.DataObject) -> None:
    """Views with any strides give what their copies give."""
    reversed_axes = [data.draw(st.integers(0, a.ndim - 1)) for a in sample.arrays]
    views = [
        np.flip(np.flip(a, i).copy(), i) for a, i in zip(sample.arrays, reversed_axes, strict=True)
    ]
    for pair in zip(sample.program.run(*views), sample.program.run(*sample.arrays), strict=True):
        assert_same(*pair)


@settings(max_examples=10, **QUIET)
@given(networks())
def test_threads_share_a_program(sample: Sample) -> None:
    """Calls that overlap have arenas of their own."""
    expected = [a.tobytes() for a in sample.program.run(*sample.arrays)]
    results: list[list[bytes]] = []

    def call() -> None:
        for _ in range(20):
            results.append([a.tobytes() for a in sample.program.run(*sample.arrays)])

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 80
    assert all(result == expected for result in results)


@settings(max_examples=10, **QUIET)
@given(networks())
def test_pickled_programs_run(sample: Sample) -> None:
    """A program can be sent to another process, its budget included."""
    sample.program.memory_budget = 2**25
    copy = pickle.loads(pickle.dumps(sample.program))
    assert copy.memory_budget == 2**25
    for pair in zip(copy.run(*sample.arrays), sample.program.run(*sample.arrays), strict=True):
        assert_same(*pair)


@settings(max_examples=30, **QUIET)
@given(st.data())
def test_views_and_repeats_as_outputs(data: st.DataObject) -> None:
    """An input, a view, a constant, and a value twice can all be outputs; none shares memory."""
    d = Draft(data.draw)
    x = d.input(d.floats(2, 3))
    flat = d.add("reshape", x, shape=[6])
    flatter = d.add("reshape", flat, shape=[1, 6])
    stored = d.add("constant", constants={"value": d.floats(4)})
    names = data.draw(st.permutations([x, flat, flat, flatter, stored, stored]))
    sample = d.sample(*names)
    check(sample)
    results = sample.program.run(*sample.arrays)
    for i, result in enumerate(results):
        assert result.flags.writeable
        for other in (*results[:i], *sample.arrays, *sample.program.constants.values()):
            assert not np.shares_memory(result, other)
