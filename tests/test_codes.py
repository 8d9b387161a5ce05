"""assert_codes_equal and count_differing_codes: the numbers they find and what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import qgrad
from qgrad.errors import DTypeError
from qgrad.testing import CodeReport, NodeCodes, assert_codes_equal, count_differing_codes

bytes_ = hnp.arrays(np.uint8, st.tuples(st.integers(0, 4), st.integers(0, 4)))


class Fixed:
    """Gives the same codes whatever it is asked, and remembers what it was asked."""

    def __init__(self, **codes: Any) -> None:
        self.given = {name: np.asarray(c, np.uint8) for name, c in codes.items()}
        self.inputs: tuple[Any, ...] = ()

    def codes(self, *inputs: Any) -> dict[str, np.ndarray]:
        """The codes given at the start."""
        self.inputs = inputs
        return self.given


@given(bytes_, st.data())
def test_all_differing_codes_are_counted(codes: np.ndarray, data: st.DataObject) -> None:
    """Both functions find exactly the changed elements, and equal codes pass."""
    changed = data.draw(hnp.arrays(np.bool_, codes.shape))
    other = np.where(changed, codes ^ 1, codes)
    report = count_differing_codes(Fixed(a=codes, b=[1]), Fixed(a=other, b=[1]), "x", "y")
    assert report.differing == int(report) == changed.sum()
    assert report.total == codes.size + 1
    assert report == changed.sum()
    assert bool(report) == changed.any()
    assert list(report) == [NodeCodes("a", changed.sum(), codes.size), NodeCodes("b", 0, 1)]
    assert_codes_equal(codes, codes.copy())
    if changed.any():
        first = tuple(np.argwhere(changed)[0].tolist())
        with pytest.raises(AssertionError) as caught:
            assert_codes_equal(codes, other)
        assert str(caught.value) == (
            f"{changed.sum()} of {codes.size} codes differ, the first at index {first}: "
            f"{codes[first]} and {other[first]}; the largest difference is 1"
        )


def test_the_largest_difference_does_not_wrap() -> None:
    """0 and 255 are 255 apart, not 1."""
    with pytest.raises(AssertionError, match="largest difference is 255"):
        assert_codes_equal(np.uint8([0, 3]), np.uint8([255, 4]))


def test_tensors_of_codes_are_compared_by_codes() -> None:
    """Quantized tensors with other scales may have the same codes; floats have none."""
    q = qgrad.quantize_per_tensor([1.0, 2.0], 1.0, 0, qgrad.quint8)
    assert_codes_equal(q, qgrad.quantize_per_tensor([2.0, 4.0], 2.0, 0, qgrad.quint8))
    assert_codes_equal(q, q.int_repr())
    with pytest.raises(DTypeError, match="codes are integers, got float32; quantize"):
        assert_codes_equal(q, q.dequantize())


def test_codes_of_another_kind_are_not_equal() -> None:
    """Neither another shape nor another type passes, even if the numbers agree."""
    for other in (np.uint8([[1, 2]]), np.int8([1, 2]), np.uint8([1])):
        with pytest.raises(AssertionError, match=r"not comparable: uint8 of shape \(2,\)"):
            assert_codes_equal(np.uint8([1, 2]), other)


def test_inputs_reach_both() -> None:
    """All inputs are passed on."""
    prepared, program = Fixed(a=[1]), Fixed(a=[1])
    count_differing_codes(prepared, program, 1, 2)
    assert prepared.inputs == program.inputs == (1, 2)


def test_nodes_must_agree() -> None:
    """Other node names or shapes are an error that names them, not zero differences."""
    with pytest.raises(ValueError, match="only the first: a, only the second: b, c, d and 1 more"):
        count_differing_codes(Fixed(a=[1], z=[1]), Fixed(b=[], c=[], d=[], e=[], z=[1]))
    with pytest.raises(ValueError, match=r"node 'a' has codes of shape \(1,\) .* and \(2,\)"):
        count_differing_codes(Fixed(a=[1]), Fixed(a=[1, 2]))


def test_report_prints_the_worst_nodes() -> None:
    """A line for all, then at most ten nodes that differ, worst first."""
    report = CodeReport((NodeCodes("conv", 1, 4), NodeCodes("add_1", 3, 4), NodeCodes("fc", 0, 2)))
    assert repr(report) == "4 of 10 codes differ (3 nodes)\n  add_1  3 of 4\n  conv   1 of 4"
    many = CodeReport(tuple(NodeCodes(f"n{i}", 1, 1) for i in range(13)))
    assert repr(many).splitlines()[-1] == "  ... and 3 more nodes"
    assert len(repr(many).splitlines()) == 12
    assert report != many
    assert report == CodeReport(report.nodes)
