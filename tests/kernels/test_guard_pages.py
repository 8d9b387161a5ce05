"""Kernels read their arguments and nothing around them.

SIMD code likes to read whole vectors. Here every argument ends, or begins, at a page that cannot be
read, so that one byte too many is a crash instead of luck.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernels.integer_cases import CASES, Case

from qgrad import kernels
from qgrad.kernels import reference

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the C library's mprotect is called as on Linux"
)
PAGE = mmap.PAGESIZE
PROT_NONE = 0


def beside_a_guard(array: np.ndarray[Any, Any], at_end: bool) -> np.ndarray[Any, Any]:
    """A copy whose last byte is before, or whose first byte is behind, an unreadable page."""
    pages = max(1, -(-array.nbytes // PAGE))
    memory = mmap.mmap(-1, (pages + 2) * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for guard in (start, start + (pages + 1) * PAGE):
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        assert protect(ctypes.c_void_p(guard), ctypes.c_size_t(PAGE), PROT_NONE) == 0
    offset = PAGE + (pages * PAGE - array.nbytes if at_end else 0)
    copy = np.frombuffer(memory, array.dtype, array.size, offset).reshape(array.shape)
    copy[...] = array
    return copy


def test_a_guard_page_cannot_be_read(tmp_path: Any) -> None:
    """The guard itself works: reading one element too many ends a child process by a signal."""
    import subprocess

    script = (
        "import sys, numpy as np; sys.path[:0] = %r\n"
        "from kernels.test_guard_pages import beside_a_guard\n"
        "x = beside_a_guard(np.zeros(10, np.uint8), at_end=True)\n"
        "np.lib.stride_tricks.as_strided(x, (11,)).sum()\n"
    )
    child = subprocess.run([sys.executable, "-c", script % sys.path], capture_output=True)
    assert child.returncode < 0, child.stderr


@pytest.mark.parametrize("name", CASES)
def test_reads_nothing_outside_its_arguments(isa: str, name: str) -> None:
    """Every kernel, with all arguments against a guard behind or before them."""

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(CASES[name](), st.booleans())
    def run(case: Case, at_end: bool) -> None:
        arrays = tuple(beside_a_guard(array, at_end) for array in case.arrays)
        expected = getattr(reference, name)(*case.arrays, **case.options)
        assert np.array_equal(getattr(kernels, name)(*arrays, **case.options), expected)

    run()
