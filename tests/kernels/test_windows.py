"""Pooling windows against PyTorch's loops, written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from qgrad.errors import ShapeError
from qgrad.kernels import adaptive_windows, pool_windows

sizes = st.integers(1, 30)


@given(sizes, st.integers(1, 7), st.integers(1, 5), st.integers(0, 3), st.integers(1, 3),
       st.booleans(), st.booleans())  # fmt: skip
def test_pool_windows_follow_pytorch(
    size: int, kernel: int, stride: int, pad: int, dilation: int, ceil_mode: bool, with_pad: bool
) -> None:
    """Number of windows, their positions and their divisors, one window at a time."""
    span = dilation * (kernel - 1) + 1
    assume(2 * pad <= span <= size + 2 * pad)
    count = (size + 2 * pad - span + (stride - 1 if ceil_mode else 0)) // stride + 1
    if ceil_mode and (count - 1) * stride >= size + pad:
        count -= 1
    positions = [
        [p for p in range(i * stride - pad, i * stride - pad + span, dilation) if 0 <= p < size]
        for i in range(count)
    ]
    if not all(positions):
        with pytest.raises(ShapeError, match="wholly in the padding"):
            pool_windows(size, kernel, stride, pad, dilation, ceil_mode, with_pad)
        return
    triples, divisors = pool_windows(size, kernel, stride, pad, dilation, ceil_mode, with_pad)
    assert triples.dtype == divisors.dtype == np.int32
    assert [list(range(*window)) for window in triples.tolist()] == positions
    if dilation == 1:
        ends = [min(i * stride - pad + kernel, size + pad) for i in range(count)]
        padded = [end - (i * stride - pad) for i, end in enumerate(ends)]
        assert divisors.tolist() == (padded if with_pad else [len(p) for p in positions])


@given(sizes, sizes)
def test_adaptive_windows_follow_pytorch(size: int, out: int) -> None:
    """From floor(i * size / out) to ceil((i + 1) * size / out)."""
    triples, divisors = adaptive_windows(size, out)
    expected = [[i * size // out, ((i + 1) * size + out - 1) // out, 1] for i in range(out)]
    assert triples.tolist() == expected
    assert divisors.tolist() == [stop - start for start, stop, _ in expected]


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ((5, 0, 1, 0), "at least 1"),
        ((5, 3, 0, 0), "at least 1"),
        ((5, 3, 1, -1), "at least 0"),
        ((5, 3, 1, 2), "at most half"),
        ((2, 3, 1, 0), "larger than the padded axis"),
        ((5, 2**40, 1, 0), "larger than the padded axis"),
        ((2**40, 2, 1, 0), "below 2\\^31"),
    ],
)
def test_bad_windows_are_refused(arguments: tuple[int, int, int, int], rule: str) -> None:
    """Each broken rule names itself and the values."""
    with pytest.raises(ShapeError, match=rf"^pool: .*{rule}.*axis of {arguments[0]}"):
        pool_windows(*arguments)
    with pytest.raises(ShapeError, match=r"^adaptive pool: 5 positions cannot be pooled to 0"):
        adaptive_windows(5, 0)
