"""Every test that takes `isa` runs once for each instruction set this CPU has."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from qgrad import kernels


@pytest.fixture(params=kernels.available_isas(), scope="module")
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """The instruction set in use during the test."""
    before = kernels.isa()
    kernels.set_isa(request.param)
    yield request.param
    kernels.set_isa(before)
