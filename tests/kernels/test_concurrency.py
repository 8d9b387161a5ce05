"""Kernels run without the GIL, from many threads, in any floating-point environment."""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from qgrad import kernels
from qgrad.kernels import reference

OUT = {"zy": 100, "qmin": 0, "qmax": 255}


def gemm_arguments(seed: int, m: int, k: int, n: int) -> tuple[np.ndarray[Any, Any], ...]:
    """x, w, bias and mult of a GEMM whose outputs use the whole range."""
    rng = np.random.default_rng(seed)
    x, w = rng.integers(0, 256, (m, k), np.uint8), rng.integers(-128, 128, (n, k), np.int8)
    mult = np.full(n, 1 / (k + 1) ** 0.5 / 100, np.float32)
    return x, w, rng.integers(-999, 999, n, np.int32), mult


def test_threads_at_once_give_the_same_bytes(isa: str) -> None:
    """Four threads, while a fifth keeps changing the instruction set under them."""
    arguments = [gemm_arguments(seed, 30, 40 + seed, 70) for seed in range(40)]
    expected = [reference.gemm_s8(*case, zx=3, **OUT) for case in arguments]
    done = threading.Event()

    def switch() -> None:
        while not done.is_set():
            for name in kernels.available_isas():
                kernels.set_isa(name)

    switcher = threading.Thread(target=switch)
    switcher.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            got = list(pool.map(lambda case: kernels.gemm_s8(*case, zx=3, **OUT), arguments * 5))
    finally:
        done.set()
        switcher.join()
        kernels.set_isa(isa)
    assert all(np.array_equal(y, expected[i % 40]) for i, y in enumerate(got))


def test_other_threads_run_during_a_kernel() -> None:
    """The GIL is released: this thread sees time pass while another is inside a long GEMM."""
    kernels.set_isa("scalar")
    case = gemm_arguments(0, 2000, 1000, 1000)
    span: list[float] = []

    def work() -> None:
        span.append(time.perf_counter())
        kernels.gemm_s8(*case, zx=3, **OUT)
        span.append(time.perf_counter())

    worker = threading.Thread(target=work)
    worker.start()
    seen = []
    while worker.is_alive():
        seen.append(time.perf_counter())
        time.sleep(0.001)
    kernels.set_isa(kernels.available_isas()[-1])
    begin, end = span
    margin = (end - begin) / 10
    assert any(begin + margin < moment < end - margin for moment in seen)


@pytest.mark.skipif(sys.platform == "win32", reason="fesetround is looked up as in a Unix libm")
@pytest.mark.parametrize("mode", [0x400, 0x800, 0xC00])
def test_the_rounding_mode_of_the_thread_does_not_matter(isa: str, mode: int) -> None:
    """Kernels set round-to-nearest for themselves and give the caller's mode back (x86 values)."""
    if np.dtype(np.intp).itemsize != 8 or not kernels.cpu_features()[0].startswith("sse"):
        pytest.skip("the numbers of rounding modes are those of x86-64")
    libm = ctypes.CDLL(ctypes.util.find_library("m"))
    gemm = gemm_arguments(1, 20, 50, 30)
    x = (np.arange(-300, 300) / 8).astype(np.float32)
    codes = np.arange(256, dtype=np.uint8)
    scale = np.float32(0.3)  # rounded before the mode changes
    add = {"sa": scale, "za": 3, "sb": np.float32(0.1), "zb": 5, "sy": np.float32(0.7)} | OUT
    calls = [
        lambda: kernels.gemm_s8(*gemm, zx=3, **OUT),
        lambda: kernels.quantize(x, scale, 128, 0, 255),
        lambda: kernels.dequantize(codes, scale, 128),
        lambda: kernels.add_s8(codes, codes[::-1], **add),
    ]
    for call in calls:
        expected = call()
        assert libm.fesetround(mode) == 0
        try:
            got = call()
            mode_after = libm.fegetround()
        finally:
            libm.fesetround(0)
        assert mode_after == mode
        assert np.array_equal(got, expected)
