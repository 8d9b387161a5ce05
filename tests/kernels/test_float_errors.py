"""Bad arguments of the float32 kernels: which error, and that it shows the value and the rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from qgrad import kernels
from qgrad.errors import DTypeError, ShapeError


def f(*shape: int) -> np.ndarray[Any, Any]:
    """Zeros."""
    return np.zeros(shape, np.float32)


def i(*rows: Any) -> np.ndarray[Any, Any]:
    """An int32 array."""
    return np.array(rows, np.int32)


HALVES = i([0, 2, 1], [2, 4, 1])
IMAGE, WEIGHT = f(1, 3, 8, 8), f(4, 3, 3, 3)

# (kernel, arguments, keyword arguments, error, part of its message)
CASES: list[tuple[str, tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    ("matmul_f32", (f(2, 3), np.zeros((3, 2))), {}, DTypeError, "b must be a float32 array"),
    ("matmul_f32", (f(2, 3), np.zeros((3, 2))), {}, DTypeError, "float64[3, 2]"),
    ("matmul_f32", (f(2, 3), [[1.0]]), {}, DTypeError, "matmul: b"),
    ("matmul_f32", (f(2, 3), f(4, 2)), {}, ShapeError, "float32[4, 2]"),
    ("matmul_f32", (f(3), f(3, 2)), {}, ShapeError, "a[..., M, K]"),
    ("matmul_f32", (f(2, 1, 3), f(3, 3, 2)), {}, ShapeError, "broadcast"),
    ("linear_f32", (f(2, 3), f(5, 4)), {}, ShapeError, "weight float32[5, 4]"),
    ("linear_f32", (f(2, 3), f(5, 3), f(4)), {}, ShapeError, "bias[5]"),
    ("linear_grads_f32", (f(2, 3), f(5, 4)), {}, ShapeError, "one M"),
    ("conv2d_f32", (IMAGE, f(4, 8, 3, 3)), {}, ShapeError, "Did you forget groups?"),
    ("conv2d_f32", (f(1, 4, 8, 8), f(3, 2, 3, 3)), {"groups": 2}, ShapeError, "multiple of 2"),
    ("conv2d_f32", (f(3, 8, 8), WEIGHT), {}, ShapeError, "4 dimension"),
    ("conv2d_f32", (IMAGE, WEIGHT), {"stride": (0, 1)}, ShapeError, "stride=(0, 1)"),
    ("conv2d_f32", (IMAGE, WEIGHT), {"pads": (0, -1, 0, 0)}, ShapeError, "pads >= 0"),
    ("conv2d_f32", (f(1, 3, 2, 8), WEIGHT), {}, ShapeError, "spans 3 of 2"),
    ("conv2d_f32", (f(1, 3, 5, 5), WEIGHT), {"dilation": (3, 1)}, ShapeError, "spans 7 of 5"),
    ("conv2d_f32", (IMAGE, WEIGHT, f(3)), {}, ShapeError, "bias[4]"),
    ("conv2d_dinput_f32", (f(1, 4, 8, 8), WEIGHT, (8, 8)), {}, ShapeError, "[B, 4, *(6, 6)]"),
    ("conv2d_dweight_f32", (f(2, 4, 6, 6), IMAGE, (3, 3)), {}, ShapeError, "g must have"),
    ("unary_f32", ("swish", f(2)), {}, ValueError, "'swish' is not one of relu"),
    ("unary_f32", ("elu", f(2)), {"beta": 1.0}, ValueError, "it takes alpha"),
    ("binary_f32", ("atan2", f(2), f(2)), {}, ValueError, "'atan2' is not one of add"),
    ("binary_f32", ("add", f(2), f(3)), {}, ShapeError, "broadcast"),
    ("where_f32", (f(2) > 0, f(2), f(3)), {}, ShapeError, "b of condition's shape"),
    ("where_f32", (f(2), f(2), f(2)), {}, DTypeError, "condition must be an array of bool"),
    ("add_rows_f32", (f(2, 3), np.arange(3), 3), {}, ShapeError, "one row number for each"),
    ("add_rows_f32", (f(2, 3), np.array([0, 3]), 3), {}, IndexError, "must be in [0, 3)"),
    ("add_rows_f32", (f(2, 3), np.array([0, -1]), 3), {}, IndexError, "must be in [0, 3)"),
    ("gather_f32", (f(2, 3), np.zeros((3, 1), int), 1), {}, ShapeError, "beside axis 1"),
    ("gather_f32", (f(2, 3), np.full((2, 1), 3), 1), {}, IndexError, "must be in [0, 3)"),
    ("scatter_add_f32", (f(2, 3), np.zeros((2, 1), int), 1, 4), {}, ShapeError, "one place for"),
    ("affine_f32", (f(2, 3), f(2), f(2)), {}, ShapeError, "x's axis 1"),
    ("softmax_f32", (f(2, 3), 2), {}, ShapeError, "axis 2 is out of range"),
    ("layer_norm_f32", (f(2, 6), 3), {}, ShapeError, "size 3"),
    ("layer_norm_f32", (f(2, 6), 6, f(5)), {}, ShapeError, "6 elements"),
    (
        "conv2d_f32",
        (f(1, 1, 3, 3), f(1, 1, 2, 2)),
        {"out": f(1, 1, 3, 3)},
        ShapeError,
        "out must have the result's shape [1, 1, 2, 2]",
    ),
    ("conv2d_f32", (f(1, 1, 3, 3), f(1, 1, 2, 2)), {"out": 3}, DTypeError, "out must be a float32"),
    ("layer_norm_grads_f32", (f(2, 6), f(2, 6), 3), {}, ShapeError, "size 3"),
    ("layer_norm_grads_f32", (f(2, 5), f(2, 6), 6), {}, ShapeError, "one shape"),
    ("reduce_f32", ("prod", f(2)), {}, ValueError, "sum, mean, amax"),
    ("reduce_f32", ("sum", f(2, 3), (0, -2)), {}, ShapeError, "twice"),
    ("reduce_f32", ("amax", f(2, 0), 1), {}, ShapeError, "empty axis"),
    ("max_pool_f32", (f(1, 1, 3, 4), HALVES, HALVES), {}, ShapeError, "3 pixels"),
    ("max_pool_f32", (f(1, 1, 4, 4), HALVES, i([2, 2, 1])), {}, ShapeError, "is empty"),
    (
        "max_pool_dinput_f32",
        (f(1, 1, 2, 1), f(1, 1, 4, 4), HALVES, HALVES),
        {},
        ShapeError,
        "one g for each window",
    ),
    ("avg_pool_f32", (f(1, 1, 4, 4), HALVES, HALVES, i(1, 1), i(1)), {}, ShapeError, "one divisor"),
    ("avg_pool_f32", (f(1, 1, 4, 4), HALVES, HALVES, i(1, 1), i(1, 0)), {}, ShapeError, ">= 1"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}: {case[4]}")
def test_errors_say_what_was_wrong(case: Any) -> None:
    """The right class, the offending value, under 600 characters."""
    name, arguments, options, error, part = case
    with pytest.raises(error) as caught:
        getattr(kernels, name)(*arguments, **options)
    assert part in str(caught.value), str(caught.value)
    assert len(str(caught.value)) < 600
