"""The float32 kernels read their arguments and nothing around them; see test_guard_pages."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernels.float_cases import CASES
from kernels.integer_cases import Case
from kernels.test_guard_pages import beside_a_guard

from qgrad import kernels

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the C library's mprotect is called as on Linux"
)


@pytest.mark.parametrize("name", CASES)
def test_reads_nothing_outside_its_arguments(isa: str, name: str) -> None:
    """Every kernel, with all arguments against a guard behind or before them."""
    kernel = getattr(kernels, name)

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(CASES[name](), st.booleans())
    def run(case: Case, at_end: bool) -> None:
        guarded = [
            beside_a_guard(np.array(a, order="C"), at_end) if isinstance(a, np.ndarray) else a
            for a in case.arrays
        ]
        got, expected = (kernel(*a, **case.options) for a in (guarded, case.arrays))
        if not isinstance(expected, tuple):
            got, expected = (got,), (expected,)
        for result, free in zip(got, expected, strict=True):
            np.testing.assert_array_equal(result, free)

    run()
