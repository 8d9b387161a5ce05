"""Tensors are printed as PyTorch prints them; the texts below are PyTorch 2.13's."""

from __future__ import annotations

import numpy as np
import pytest

import qgrad
from qgrad.tensor import Tensor


def ramp(*shape: int, first: float = 0) -> Tensor:
    """first, first + 1, first + 2, ... in a shape."""
    return qgrad.arange(first, first + int(np.prod(shape))).reshape(*shape)


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (qgrad.tensor(3.5), "tensor(3.5000)"),
        (qgrad.tensor(3), "tensor(3)"),
        (qgrad.tensor([True, False]), "tensor([ True, False])"),
        (qgrad.tensor([1.0, 2.0]), "tensor([1., 2.])"),
        (qgrad.tensor([-1.0, 2.5]), "tensor([-1.0000,  2.5000])"),
        (qgrad.tensor([1e-5, 1.0]), "tensor([1.0000e-05, 1.0000e+00])"),
        (qgrad.tensor([1e9, 1.0]), "tensor([1.0000e+09, 1.0000e+00])"),
        (qgrad.tensor([float("nan"), float("inf")]), "tensor([nan, inf])"),
        (qgrad.tensor([float("-inf"), 1.0]), "tensor([-inf, 1.])"),
        (qgrad.tensor([]), "tensor([])"),
        (qgrad.zeros(0, 3), "tensor([], size=(0, 3))"),
        (qgrad.zeros(0, dtype=qgrad.int64), "tensor([], dtype=qgrad.int64)"),
        (qgrad.zeros(2, dtype=qgrad.float64), "tensor([0., 0.], dtype=qgrad.float64)"),
        (qgrad.tensor([1, 20], dtype=qgrad.uint8), "tensor([ 1, 20], dtype=qgrad.uint8)"),
        (qgrad.ones(2, requires_grad=True), "tensor([1., 1.], requires_grad=True)"),
        (
            qgrad.ones(1, 2, requires_grad=True) * 3,
            "tensor([[3., 3.]], grad_fn=<MulBackward0>)",
        ),
        (ramp(2, 2), "tensor([[0, 1],\n        [2, 3]])"),
        (
            ramp(2, 1, 2),
            "tensor([[[0, 1]],\n\n        [[2, 3]]])",
        ),
        (
            ramp(1001),
            "tensor([   0,    1,    2,  ...,  998,  999, 1000])",
        ),
        (
            ramp(101, 10, first=2.5),
            "tensor([[   2.5000,    3.5000,    4.5000,  ...,    9.5000,   10.5000,\n"
            "           11.5000],\n"
            "        [  12.5000,   13.5000,   14.5000,  ...,   19.5000,   20.5000,\n"
            "           21.5000],\n"
            "        [  22.5000,   23.5000,   24.5000,  ...,   29.5000,   30.5000,\n"
            "           31.5000],\n"
            "        ...,\n"
            "        [ 982.5000,  983.5000,  984.5000,  ...,  989.5000,  990.5000,\n"
            "          991.5000],\n"
            "        [ 992.5000,  993.5000,  994.5000,  ...,  999.5000, 1000.5000,\n"
            "         1001.5000],\n"
            "        [1002.5000, 1003.5000, 1004.5000,  ..., 1009.5000, 1010.5000,\n"
            "         1011.5000]])",
        ),
        (
            ramp(16).double(),
            "tensor([ 0.,  1.,  2.,  3.,  4.,  5.,  6.,  7.,  8.,  9., 10., 11., 12., 13.,\n"
            "        14., 15.], dtype=qgrad.float64)",
        ),
    ],
)
def test_text(x: Tensor, text: str) -> None:
    """Precision, alignment, line breaks, summaries and suffixes."""
    assert repr(x) == text


def test_long_suffixes_go_to_their_own_line() -> None:
    """A suffix that would pass column 80 starts a new line under the first bracket."""
    x = ramp(13, first=0.5).double().requires_grad_() * 1
    assert repr(x).splitlines()[-1] == "       grad_fn=<MulBackward0>)"


def test_format_of_a_scalar() -> None:
    """Format specs apply to the number."""
    assert f"{qgrad.tensor(2.0):.3f} {qgrad.tensor([1])}" == "2.000 tensor([1])"
