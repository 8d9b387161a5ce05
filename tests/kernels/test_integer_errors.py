"""Wrong arguments of integer kernels: the op, the value, the rule and the way out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from qgrad import _core, kernels
from qgrad.errors import DTypeError, QParamError, ShapeError

X = np.zeros((2, 3), np.uint8)
W = np.zeros((4, 3), np.int8)
BIAS = np.zeros(4, np.int32)
MULT = np.ones(4, np.float32)
OUT = {"zy": 0, "qmin": 0, "qmax": 255}
IMAGE = np.zeros((1, 5, 5, 6), np.uint8)
KERNEL = np.zeros((4, 3, 3, 6), np.int8)
ADD = {"sa": 1.0, "za": 0, "sb": 1.0, "zb": 0, "sy": 1.0} | OUT
ROWS, DIV = kernels.pool_windows(5, 2, 2, 0)
POOL = {"sx": 1.0, "zx": 0, "sy": 1.0} | OUT


def gemm(**change: Any) -> Any:
    """gemm_s8 with one argument changed."""
    options = {"x": X, "w": W, "bias": BIAS, "mult": MULT, "zx": 0} | OUT | change
    return kernels.gemm_s8(**options)


def conv(**change: Any) -> Any:
    """conv2d_s8 with one argument changed."""
    options = {"x": IMAGE, "w": KERNEL, "bias": BIAS, "mult": MULT, "zx": 0} | OUT | change
    return kernels.conv2d_s8(**options)


CASES: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: gemm(x=X.astype(int)), DTypeError, r"x must be an array of uint8, got int64\[2, 3\]"),
    (lambda: gemm(x=[[1, 2]]), DTypeError, r"x must be an array of uint8, got \[\[1, 2\]\]"),
    (lambda: gemm(x=X[0]), ShapeError, r"x must have 2 dimension.*uint8\[3\]"),
    (lambda: gemm(w=W[:, :2]), ShapeError, r"one K \(x uint8\[2, 3\], w int8\[4, 2\]\)"),
    (lambda: gemm(bias=BIAS[1:]), ShapeError, r"4 outputs.*bias int32\[3\]"),
    (lambda: gemm(mult=MULT * np.nan), QParamError, "mult holds nan"),
    (lambda: gemm(mult=-MULT), QParamError, "mult holds -1"),
    (lambda: gemm(zx=256), QParamError, r"zero point 256 and codes \[0, 255\]"),
    (lambda: gemm(zy=3, qmin=4), QParamError, r"zero point 3 and codes \[4, 255\]"),
    (lambda: gemm(qmax=256), QParamError, r"codes \[0, 256\]"),
    (lambda: gemm(bias=np.full(4, -(2**31), np.int32)), QParamError, "k=3 products .* int32 end"),
    (lambda: gemm(x=np.zeros((1, 65794), np.uint8), w=np.zeros((4, 65794), np.int8)),
     QParamError, "k=65794 products"),
    (lambda: conv(x=IMAGE[..., :3]), ShapeError, r"6 input channels.*x has 3.*forget groups\?"),
    (lambda: conv(groups=0), ShapeError, "groups=0 must be at least 1"),
    (lambda: conv(w=KERNEL[:3, ..., :3], groups=2), ShapeError, "groups=2 does not divide the 3"),
    (lambda: conv(stride=(0, 1)), ShapeError, r"stride must be 2 integers of at least 1.*\(0, 1\)"),
    (lambda: conv(stride=1), ShapeError, "stride must be 2 integers of at least 1, got 1"),
    (lambda: conv(pads=(0, 0, -1, 0)), ShapeError, "pads must be 4 integers of at least 0"),
    (lambda: conv(dilation=(3, 1)), ShapeError, "spans 7 pixels along axis 1, the image .* only 5"),
    (lambda: conv(w=KERNEL[:, :0]), ShapeError, "kernel must be at least 1 by 1"),
    (lambda: kernels.add_s8(X, X[:1], **ADD), ShapeError, r"one shape.*b uint8\[1, 3\]"),
    (lambda: kernels.add_s8(X, X, **ADD | {"sa": 0}), QParamError, "sa is 0; a scale is finite"),
    (lambda: kernels.add_s8(X, X, **ADD | {"sy": np.inf}), QParamError, "sy is inf"),
    (lambda: kernels.add_s8(X, X, **ADD | {"sb": 1e-39}), QParamError, "sb is 1e-39"),
    (lambda: kernels.add_s8(X, X, **ADD | {"sa": 1e38, "sy": 0.1}), QParamError, "too large"),
    (lambda: kernels.max_pool_s8(IMAGE, ROWS + 4, ROWS), ShapeError, r"= \[4, 6, 5\].*<= 5 \(the"),
    (lambda: kernels.max_pool_s8(IMAGE, ROWS[:, :2], ROWS), ShapeError, r"\[windows, 3\]"),
    (lambda: kernels.avg_pool_s8(IMAGE, ROWS, ROWS, DIV, DIV[1:], **POOL), ShapeError, "col_div"),
    (lambda: kernels.avg_pool_s8(IMAGE, ROWS, ROWS, DIV * 0, DIV, **POOL), ShapeError, "row_div"),
    (lambda: kernels.avg_pool_s8(IMAGE, ROWS, ROWS, DIV, DIV, **POOL | {"sx": 1e38, "sy": 1e-2}),
     QParamError, "sx=.* is too large"),
    (lambda: kernels.lut_u8(X, np.zeros(255, np.uint8)), ShapeError, r"256 entries.*uint8\[255\]"),
    (lambda: kernels.quantize(X, 1.0, 0, 0, 255), DTypeError, "x must be an array of float32"),
    (lambda: kernels.quantize(MULT, 0.0, 0, 0, 255), QParamError, "scale 0.0 cannot be used"),
    (lambda: kernels.quantize(MULT, 1.0, 9, 0, 7), QParamError, "zero point 9 lies outside"),
    (lambda: kernels.quantize(MULT, 1.0, 0, 0, 300), QParamError, "qmax=300"),
    (lambda: kernels.quantize(MULT, [1.0], [0], 0, 7, axis=1), ShapeError, "axis=1 is not an axis"),
    (lambda: kernels.quantize(MULT, [1.0], [0], 0, 7, axis=0), ShapeError, "1 scales along axis 0"),
    (lambda: kernels.quantize(MULT, 1.0, 0, 0, 7, dtype=np.int16), DTypeError, "not int16"),
    (lambda: kernels.dequantize(MULT, 1.0, 0), DTypeError, "codes are uint8, int8 or int32"),
    (lambda: kernels.dequantize([1], 1.0, 0), DTypeError, "codes must be an array"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), CASES)
def test_wrong_arguments(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    """Each wrong argument is refused at the door, in under 600 characters."""
    with pytest.raises(error, match=message) as caught:
        call()
    assert len(str(caught.value)) < 600
    assert str(caught.value).split(":")[0] in {*kernels.__all__, "qparams"}


@pytest.mark.parametrize("position", [0, 15, 16, 17, 99])
def test_nan_is_refused_wherever_it_stands(isa: str, position: int) -> None:
    """NaN has no code, in whole vectors and in the tail; the message says where it is."""
    x = np.zeros(100, np.float32)
    x[position] = np.nan
    for dtype in (np.uint8, np.int8, np.int32):
        with pytest.raises(ValueError, match=rf"^quantize: .* holds NaN .*\({position},\)"):
            kernels.quantize(x, 1.0, 0, 0, 100, dtype=dtype)


def test_an_output_too_large_for_memory_is_an_exception() -> None:
    """Absurd padding asks for 2^60 bytes; that is MemoryError or ValueError, never a crash."""
    with pytest.raises((MemoryError, ValueError)):
        kernels.conv2d_s8(IMAGE, KERNEL, BIAS, MULT, zx=0, pads=(2**30 - 1,) * 4, **OUT)


WRONG_CALLS: list[Callable[[], Any]] = [
    lambda: _core.gemm_s8(X, W[:, :2].copy(), BIAS, MULT, 0, 0, 0, 255),
    lambda: _core.gemm_s8(X[0], W, BIAS, MULT, 0, 0, 0, 255),
    lambda: _core.gemm_s8(X[:, ::-1], W, BIAS, MULT, 0, 0, 0, 255),
    lambda: _core.gemm_s8(X, W, BIAS[1:], MULT, 0, 0, 0, 255),
    lambda: _core.gemm_s8(X, W, BIAS, MULT[1:], 0, 0, 0, 255),
    lambda: _core.gemm_s8(X, W, np.full(4, -(2**31), np.int32), MULT, 0, 0, 0, 255),
    lambda: _core.gemm_s8(X, W, BIAS, MULT * np.nan, 0, 0, 0, 255),
    lambda: _core.gemm_s8(X, W, BIAS, MULT, 0, 300, 0, 255),
    lambda: _core.gemm_s8(X, W, BIAS, MULT, -1, 0, 0, 255),
    lambda: _core.conv2d_s8(IMAGE, KERNEL, BIAS, MULT, 0, 0, 0, 255, (1, 0), (0,) * 4, (1, 1), 1),
    lambda: _core.conv2d_s8(IMAGE, KERNEL, BIAS, MULT, 0, 0, 0, 255, (1, 1), (-9,) * 4, (1, 1), 1),
    lambda: _core.conv2d_s8(IMAGE, KERNEL, BIAS, MULT, 0, 0, 0, 255, (1, 1), (0,) * 4, (9, 9), 1),
    lambda: _core.conv2d_s8(IMAGE, KERNEL, BIAS, MULT, 0, 0, 0, 255, (1, 1), (0,) * 4, (1, 1), 0),
    lambda: _core.conv2d_s8(IMAGE, KERNEL, BIAS, MULT, 0, 0, 0, 255, (1, 1), (0,) * 4, (1, 1), 2),
    lambda: _core.conv2d_s8(
        IMAGE, KERNEL, BIAS, MULT, 0, 0, 0, 255, (1, 1), (2**40,) * 4, (1, 1), 1
    ),
    lambda: _core.max_pool_s8(IMAGE, ROWS + 4, ROWS),
    lambda: _core.max_pool_s8(IMAGE, ROWS - 1, ROWS),
    lambda: _core.max_pool_s8(IMAGE, ROWS * np.int32([1, 1, 0]), ROWS),
    lambda: _core.avg_pool_s8(IMAGE, ROWS, ROWS, DIV[1:], DIV, 1, 0, 1, 0, 0, 255),
    lambda: _core.avg_pool_s8(IMAGE, ROWS, ROWS, DIV * 0, DIV, 1, 0, 1, 0, 0, 255),
    lambda: _core.lut_u8(X, np.zeros(255, np.uint8)),
    lambda: _core.add_s8(X, X[:1].copy(), 1, 0, 1, 0, 1, 0, 0, 255),
    lambda: _core.add_s8(X, X, 3e38, 0, 1, 0, 1e-3, 0, 0, 255),
    lambda: _core.quantize(MULT, MULT, BIAS, 0, 255, 1, np.dtype(np.uint8)),
    lambda: _core.quantize(MULT, MULT[1:], BIAS, 0, 255, 0, np.dtype(np.uint8)),
    lambda: _core.quantize(MULT, MULT, BIAS, 0, 256, 0, np.dtype(np.uint8)),
    lambda: _core.quantize(MULT, MULT, BIAS, 0, 255, 0, np.dtype(np.int64)),
    lambda: _core.dequantize(MULT, MULT, BIAS, 0),
    lambda: _core.dequantize(BIAS[::2], MULT[:1], BIAS[:1], -1),
    lambda: _core.set_isa("avx9000"),
]


@pytest.mark.parametrize("call", WRONG_CALLS)
def test_the_extension_trusts_no_caller(call: Callable[[], Any]) -> None:
    """Even past the door, a wrong size is an exception and not a read out of bounds."""
    with pytest.raises((ValueError, TypeError)):
        call()
