"""Every float32 kernel, on every instruction set, gives the bits of the NumPy reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from kernels.float_cases import CASES
from kernels.integer_cases import Case
from numpy.typing import NDArray

from qgrad import kernels
from qgrad.kernels import BINARY_F32, UNARY_F32, float_images, float_reference
from qgrad.kernels import float as float_kernels
from qgrad.kernels.extension import core

F32 = NDArray[np.float32]
RNG = np.random.default_rng(3)


def assert_same_bits(got: F32, expected: F32) -> None:
    """Equal bit for bit; any NaN for any NaN, since which payload survives is the CPU's choice."""
    assert got.dtype == np.float32
    assert got.shape == expected.shape
    assert got.flags.c_contiguous
    differ = (got.view(np.uint32) != expected.view(np.uint32)) & ~(
        np.isnan(got) & np.isnan(expected)
    )
    assert not differ.any(), f"{got[differ][:3]} instead of {expected[differ][:3]}"


def check(name: str, case: Case) -> None:
    """The kernel equals the reference, and leaves its arguments alone."""
    before = [array.tobytes() for array in case.arrays if isinstance(array, np.ndarray)]
    got = getattr(kernels, name)(*case.arrays, **case.options)
    assert before == [array.tobytes() for array in case.arrays if isinstance(array, np.ndarray)]
    arrays = [on_axis(array, case) for array in case.arrays]
    expected = getattr(float_reference, name)(*arrays, **case.options)
    if not isinstance(expected, tuple):
        got, expected = (got,), (expected,)
    for result, meaning in zip(got, expected, strict=True):
        assert_same_bits(result, np.asarray(meaning))


def on_axis(argument: object, case: Case) -> object:
    """The door makes a negative axis positive before it calls the reference."""
    if type(argument) is int and argument < 0:
        return argument % next(a.ndim for a in case.arrays if isinstance(a, np.ndarray))
    return argument


def test_every_kernel_is_in_the_grid() -> None:
    """A kernel that has a door but no case here would never be compared."""
    assert set(CASES) == {*float_kernels.__all__, *float_images.__all__}


@pytest.mark.parametrize("name", CASES)
def test_equals_reference(isa: str, name: str) -> None:
    """Random shapes, strides, parameters, special values and empty arrays."""

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(CASES[name]())
    def run(case: Case) -> None:
        check(name, case)

    run()


@pytest.mark.skipif(core is None, reason="compares the extension's lists with Python's")
def test_lists_of_functions_agree() -> None:
    """C++ knows a function by its index in a list of its own."""
    assert core.unary_f32_names() == list(UNARY_F32)
    assert core.binary_f32_names() == list(BINARY_F32)


@pytest.mark.parametrize("name", UNARY_F32)
def test_functions_on_every_kind_of_float(isa: str, name: str) -> None:
    """100,000 bit patterns, which no drawn shape holds: all exponents, both signs, NaN."""
    x = np.random.default_rng(1).integers(0, 2**32, 100_000, np.uint32).view(np.float32)
    if name in ("sin", "cos"):  # beyond, the system's float64 function is asked
        x = x[np.abs(x) < 2**20]
    check("unary_f32", Case((name, x), {}))


@pytest.mark.parametrize("m", [*range(1, 14), 40])
def test_every_tile_shape(isa: str, m: int) -> None:
    """Row and column counts around every tile and vector, operands transposed or not."""
    for n in (1, 3, 4, 5, 8, 9, 15, 16, 17, 31, 33, 48, 49, 63, 64, 65, 97, 129):
        for k in (1, 2, 15, 16, 17, 40):
            a, b = RNG.normal(size=(m, k)), RNG.normal(size=(k, n))
            for left in (a.astype(np.float32), np.asfortranarray(a, np.float32)):
                for right in (b.astype(np.float32), np.asfortranarray(b, np.float32)):
                    check("matmul_f32", Case((left, right), {}))


@pytest.mark.parametrize("k", [511, 512, 513, 1025, 3000])
def test_sums_that_span_blocks(isa: str, k: int) -> None:
    """A chain that goes on in the next block of the depth is still one chain."""
    a = RNG.normal(size=(7, k)).astype(np.float32)
    b = RNG.normal(size=(k, 300)).astype(np.float32)
    check("matmul_f32", Case((a, b), {}))
    check("linear_f32", Case((a, np.ascontiguousarray(b.T), b[0].copy()), {}))
    x = RNG.normal(size=(2, k // 9 + 1, 5, 6)).astype(np.float32)
    w = RNG.normal(size=(3, k // 9 + 1, 3, 3)).astype(np.float32)
    check("conv2d_f32", Case((x, w, None), {"stride": (1, 1), "pads": (1, 1, 1, 1), **PLAIN}))


PLAIN = {"dilation": (1, 1), "groups": 1}


@pytest.mark.parametrize("size", [8, 15, 16, 17, 24, 33])
def test_convolutions_over_many_panels(isa: str, size: int) -> None:
    """Images larger and smaller than a block of columns, in one batch."""
    how = {"stride": (1, 1), "pads": (1, 1, 1, 1), **PLAIN}
    x = RNG.normal(size=(3, 5, size, size)).astype(np.float32)
    w = RNG.normal(size=(7, 5, 3, 3)).astype(np.float32)
    g = RNG.normal(size=(3, 7, size, size)).astype(np.float32)
    check("conv2d_f32", Case((x, w, w[:, 0, 0, 0].copy()), how))
    check("conv2d_dinput_f32", Case((g, w, (size, size)), how))
    check("conv2d_dweight_f32", Case((g, x, (3, 3)), how))
    for stride in ((1, 1), (2, 2), (3, 2)):
        phased = {"stride": stride, "pads": (1, 0, 2, 1), "groups": 1}
        h, width = ((size + 1 - 3) // stride[0] + 1, (size + 3 - 3) // stride[1] + 1)
        gradient = RNG.normal(size=(5, 7, h, width)).astype(np.float32)
        check("conv2d_dinput_by_phase_f32", Case((gradient, w, (size, size)), phased))


@pytest.mark.parametrize("name", ["matmul_f32", "conv2d_f32", "softmax_f32", "layer_norm_f32"])
def test_rows_do_not_know_their_batch(isa: str, name: str) -> None:
    """Each image or row alone gives the bits that it gives in a batch of 37."""
    x = RNG.normal(size=(37, 4, 6, 8)).astype(np.float32)
    rest = {
        "matmul_f32": (RNG.normal(size=(8, 70)).astype(np.float32),),
        "conv2d_f32": (RNG.normal(size=(9, 4, 3, 3)).astype(np.float32),),
        "softmax_f32": (1,),
        "layer_norm_f32": (48,),
    }[name]
    together = getattr(kernels, name)(x, *rest)
    for i in (0, 17, 36):
        assert_same_bits(getattr(kernels, name)(x[i : i + 1], *rest), together[i : i + 1])


@pytest.mark.parametrize(
    ("size", "stride", "pad"),
    [((16, 16), 1, 1), ((32, 33), 2, 1), ((3, 4), 1500, 4200)],
    ids=["a block is an image", "parted rows", "more padding than is worth storing"],
)
def test_convolutions_of_chosen_sizes(
    isa: str, size: tuple[int, int], stride: int, pad: int
) -> None:
    """Paths that random sizes seldom take."""
    x = RNG.normal(size=(2, 4, *size)).astype(np.float32)
    w = RNG.normal(size=(6, 2, 3, 3)).astype(np.float32)
    how = {"stride": (stride, stride), "pads": (pad,) * 4, "dilation": (1, 1), "groups": 2}
    check("conv2d_f32", Case((x, w, None), how))
    g = kernels.conv2d_f32(x, w, **how)
    check("conv2d_dweight_f32", Case((g, x, (3, 3)), how))


def test_no_products_and_a_negative_zero(isa: str) -> None:
    """An empty sum is +0, and +0 plus a bias of -0 is +0."""
    empty, bias = np.zeros((2, 0), np.float32), np.array([-0.0, 1e-45], np.float32)
    check("linear_f32", Case((empty, empty, bias), {}))


@pytest.mark.parametrize("size", [5, 8, 16, 17])
def test_convolutions_into_parts_of_arrays(isa: str, size: int) -> None:
    """`out` may have any strides; nothing beside its elements is written."""
    x = RNG.normal(size=(3, 4, size, size)).astype(np.float32)
    w = RNG.normal(size=(6, 4, 3, 3)).astype(np.float32)
    for bias in (None, w[:, 0, 0, 0].copy()):
        expected = kernels.conv2d_f32(x, w, bias, pads=(1, 1, 1, 1))
        whole = np.full((3, 12, 2 * size + 1, 3 * size), np.float32(7))
        part = whole[:, ::2, 1::2, 2::3]
        assert kernels.conv2d_f32(x, w, bias, pads=(1, 1, 1, 1), out=part) is part
        np.testing.assert_array_equal(part.copy(), expected)
        part[...] = 7
        assert (whole == 7).all()
