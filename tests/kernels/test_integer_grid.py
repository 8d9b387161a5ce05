"""Every integer kernel, on every instruction set, gives the bytes of the NumPy reference."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernels.integer_cases import CASES, Case

from qgrad import kernels
from qgrad.kernels import integer, reference


def check(name: str, case: Case) -> None:
    """The kernel equals the reference, and leaves its arguments alone."""
    for array in case.arrays:
        array.setflags(write=False)
    expected = getattr(reference, name)(*case.arrays, **case.options)
    got = getattr(kernels, name)(*case.arrays, **case.options)
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    assert got.flags.c_contiguous
    differ = np.flatnonzero(as_bytes(got) != as_bytes(expected))
    assert differ.size == 0, f"{len(differ)} of {got.nbytes} bytes differ, the first at {differ[0]}"


def as_bytes(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The memory of an array."""
    return np.frombuffer(array.tobytes(), np.uint8)


def test_every_kernel_is_in_the_grid() -> None:
    """A kernel that has a door but no case here would never be compared."""
    assert set(CASES) == set(integer.__all__)


@pytest.mark.parametrize("name", CASES)
def test_equals_reference(isa: str, name: str) -> None:
    """Random shapes, extremes, ties, code ranges and empty tensors."""

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(CASES[name]())
    def run(case: Case) -> None:
        check(name, case)

    run()


@pytest.mark.parametrize("k", [*range(10), 63, 64, 65, 255, 256, 518, 519, 1023, 4999, 5000])
def test_extreme_sums(isa: str, k: int) -> None:
    """255 * 127 and 255 * -128 at every depth: sums that saturate int16 pairs and leave 2^24."""
    x = np.array([[255] * k, [0] * k, [255, 0] * (k // 2) + [255] * (k % 2)], np.uint8)
    w = np.array([[-128] * k, [127] * k, [127, -128] * (k // 2) + [127] * (k % 2)], np.int8)
    bias = np.array([-(2**20), 0, 2**20 + 1], np.int32)
    for zx in (0, 128, 255):
        for mult in (1e-3, 1 / 255 / max(k, 1), 2.0**-16):
            options = {"zx": zx, "zy": 128, "qmin": 0, "qmax": 255}
            check("gemm_s8", Case((x, w, bias, np.full(3, mult, np.float32)), options))


@pytest.mark.parametrize("m", range(1, 14))
def test_every_tile_shape(isa: str, m: int) -> None:
    """Row and column counts around every tile and vector, and depths around the group of four."""
    rng = np.random.default_rng(m)
    for n in (1, 3, 4, 5, 8, 9, 15, 16, 17, 31, 33, 47, 48, 49, 63, 64, 65, 80, 97, 128, 129):
        for k in range(1, 10):
            x = rng.integers(0, 256, (m, k), np.uint8)
            w = rng.integers(-128, 128, (n, k), np.int8)
            bias = rng.integers(-9999, 9999, n, np.int32)
            mult = rng.uniform(1e-3, 1e-2, n).astype(np.float32)
            check("gemm_s8", Case((x, w, bias, mult), {"zx": 3, "zy": 9, "qmin": 2, "qmax": 250}))


def only_bias(acc: np.ndarray[Any, Any], mult: float, **out: int) -> Case:
    """Accumulators at will: a GEMM of depth 0 is nothing but its bias."""
    n = len(acc)
    empty = np.empty((1, 0), np.uint8), np.empty((n, 0), np.int8)
    return Case((*empty, acc.astype(np.int32), np.full(n, mult, np.float32)), {"zx": 7, **out})


@pytest.mark.parametrize("out", [(128, 0, 255), (0, 0, 255), (255, 0, 255), (3, 1, 14)])
def test_ties_of_both_signs(isa: str, out: tuple[int, int, int]) -> None:
    """Halves go to the even code on both sides of zero, before the zero point is added."""
    options = dict(zip(("zy", "qmin", "qmax"), out, strict=True))
    check("gemm_s8", only_bias(np.arange(-1200, 1201), 0.5, **options))
    check("gemm_s8", only_bias(np.arange(-1200, 1201) * 3, 0.25, **options))
    if out == (128, 0, 255):
        codes = kernels.gemm_s8(*only_bias(np.arange(-3, 6), 0.5).arrays, zx=7, **options)
        assert codes.tolist() == [[126, 127, 128, 128, 128, 129, 130, 130, 130]]


def test_accumulators_beyond_float32(isa: str) -> None:
    """Past 2^24 an accumulator rounds to even on its way to float32, up to both ends of int32."""
    near = np.concatenate([2**e + np.arange(-9, 10) for e in range(20, 31)])
    ends = np.array([2**31 - 1, 2**31 - 2, 2**31 - 65])
    acc = np.concatenate([near, ends, -near, -ends])
    for mult in (2.0**-24, 2.0**-17 * 1.1, 1e-7, 1.0, 3e38, 0.0, 1e-42):
        check("gemm_s8", only_bias(acc, mult, zy=128, qmin=0, qmax=255))


def test_add_of_every_pair_of_codes(isa: str) -> None:
    """All 65,536 pairs; where scales tie, two roundings or another order would change codes."""
    a, b = (codes.astype(np.uint8) for codes in np.meshgrid(np.arange(256), np.arange(256)))
    ordinary = [(1, 1, 2), (0.5, 0.25, 1), (3, 1e-3, 7), (1, 1, 1)]
    zeros = [(0, 0, 0), (128, 127, 3), (255, 1, 255)]
    ties = [((0.2, 0.05, 0.3), (19, 106, 72)), ((0.3, 0.6, 1.0), (66, 69, 61))]
    ties += [((1.1, 0.1, 0.6), (12, 216, 0)), ((0.9, 0.15, 0.3), (195, 167, 124))]
    for scales, codes in [*product(ordinary, zeros), *ties]:
        options = dict(zip(("sa", "sb", "sy", "za", "zb", "zy"), (*scales, *codes), strict=True))
        check("add_s8", Case((a, b), {**options, "qmin": 0, "qmax": 255}))


def test_every_depthwise_kernel_size(isa: str) -> None:
    """One to twenty-five taps in groups of four, channels around the block, odd pixel counts."""
    rng = np.random.default_rng(5)
    for kernel in (1, 2, 3, 5):
        for channels in (2, 15, 16, 17, 63, 64, 65, 130):
            x = rng.choice(np.array([0, 255, 77], np.uint8), (2, 6, 7, channels))
            w = rng.choice(np.array([-128, 127, 5], np.int8), (channels, kernel, kernel, 1))
            bias = rng.integers(-999, 999, channels, np.int32)
            mult = rng.uniform(1e-3, 1e-2, channels).astype(np.float32)
            options = {"zx": 200, "zy": 100, "qmin": 0, "qmax": 255, "stride": (1, 1)}
            options |= {"pads": (2, 2, 2, 2), "dilation": (1, 1), "groups": channels}
            check("conv2d_s8", Case((x, w, bias, mult), options))


def test_windows_larger_than_a_block_of_rows(isa: str) -> None:
    """Images whose output pixels fill several blocks, so that a block spans rows and images."""
    rng = np.random.default_rng(6)
    for channels, outputs, groups in [(3, 10, 1), (4, 6, 1), (8, 8, 2), (6, 6, 6), (1, 70, 1)]:
        x = rng.integers(0, 256, (3, 13, 11, channels), np.uint8)
        w = rng.integers(-128, 128, (outputs, 3, 3, channels // groups), np.int8)
        bias = rng.integers(-999, 999, outputs, np.int32)
        mult = rng.uniform(1e-3, 1e-2, outputs).astype(np.float32)
        for stride in ((1, 1), (2, 3)):
            options = {"zx": 1, "zy": 100, "qmin": 0, "qmax": 255, "stride": stride}
            options |= {"pads": (1, 0, 2, 1), "dilation": (1, 2), "groups": groups}
            check("conv2d_s8", Case((x, w, bias, mult), options))


@pytest.mark.parametrize("name", CASES)
def test_any_strides(isa: str, name: str) -> None:
    """Reversed, stepped, transposed and unaligned arguments are copied, not misread."""

    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(CASES[name](), st.sampled_from([reverse, step, transpose, unalign]))
    def run(case: Case, change: Any) -> None:
        changed = tuple(change(array) for array in case.arrays)
        for array, same in zip(case.arrays, changed, strict=True):
            assert np.array_equal(array, same)
        check(name, Case(changed, case.options))

    run()


def reverse(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Negative strides."""
    backwards = (..., *(slice(None, None, -1),) * array.ndim)
    return array[backwards].copy()[backwards]


def step(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Every other element of something larger."""
    return np.repeat(array[..., None], 2, axis=-1)[..., 0]


def transpose(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Fortran order."""
    return array.copy(order="F")


def unalign(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """One byte past an aligned address."""
    memory = np.empty(array.nbytes + 1, np.uint8)
    view = memory[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view
