"""Kernels share work among threads: the same bits for any number, in forked children too."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import qgrad
from qgrad import kernels
from qgrad.kernels.extension import core

Array = np.ndarray[Any, Any]

pytestmark = pytest.mark.skipif(core is None, reason="the NumPy kernels have no threads")


@pytest.fixture(autouse=True)
def restored_threads() -> Iterator[None]:
    """The number of threads is that of before after each test."""
    before = kernels.get_num_threads()
    yield
    kernels.set_num_threads(before)


def f32(seed: int, *shape: int) -> Array:
    """Normal numbers, the same for a seed."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


MATRIX, OTHER = f32(0, 300, 170), f32(1, 170, 199)
IMAGES, WEIGHTS, GRADS = f32(2, 9, 12, 20, 20), f32(3, 20, 6, 3, 3), f32(4, 9, 20, 10, 10)
HOW: dict[str, Any] = {"stride": (2, 2), "pads": (1, 1, 1, 1), "groups": 2}
PLANES = f32(23, 5, 7, 37, 71)
CUBE, CHANNELS = f32(5, 40, 37, 71), f32(6, 37)
(COLS, COL_DIV), (ROWS, ROW_DIV) = (
    kernels.pool_windows(71, 3, 2, 1),
    kernels.pool_windows(37, 2, 1, 0),
)

MANY = f32(29, 40, 6, 16, 16)
# All large enough to be split.
CASES: dict[str, Callable[[], Any]] = {
    "matmul": lambda: kernels.matmul_f32(MATRIX, OTHER),
    "matmul, tall": lambda: kernels.matmul_f32(f32(7, 9000, 40), f32(8, 40, 17)),
    "matmul, columns ready": lambda: kernels.matmul_f32(MATRIX[:90], np.asfortranarray(OTHER)),
    "matmul, rows not ready": lambda: kernels.matmul_f32(np.asfortranarray(MATRIX), OTHER),
    "matmul, batch": lambda: kernels.matmul_f32(f32(9, 5, 3, 60, 90), f32(10, 3, 90, 70)),
    "linear_grads": lambda: kernels.linear_grads_f32(MATRIX, MATRIX[:, ::2]),
    "linear": lambda: kernels.linear_f32(MATRIX, f32(11, 150, 170), f32(12, 150)),
    "conv2d": lambda: kernels.conv2d_f32(IMAGES, WEIGHTS, f32(13, 20), **HOW),
    "conv2d_dinput": lambda: kernels.conv2d_dinput_f32(GRADS, WEIGHTS, (20, 20), **HOW),
    "conv2d, many images": lambda: kernels.conv2d_f32(
        MANY, f32(30, 64, 6, 3, 3), pads=(1, 1, 1, 1)
    ),
    "conv2d_dinput_by_phase": lambda: kernels.conv2d_dinput_by_phase_f32(
        MANY, f32(31, 6, 20, 3, 3), (32, 32), stride=(2, 2), pads=(1, 1, 1, 1)
    ),
    "conv2d_dinput_by_phase, one image": lambda: kernels.conv2d_dinput_by_phase_f32(
        f32(32, 1, 6, 80, 80), f32(31, 6, 20, 3, 3), (80, 80), pads=(1, 1, 1, 1)
    ),
    "conv2d_dweight, many outputs": lambda: kernels.conv2d_dweight_f32(
        f32(33, 40, 100, 16, 16), MANY, (3, 3), pads=(1, 1, 1, 1)
    ),
    "conv2d_dweight": lambda: kernels.conv2d_dweight_f32(GRADS, IMAGES, (3, 3), **HOW),
    "relu": lambda: kernels.unary_f32("relu", f32(14, 300_001)),
    "gelu": lambda: kernels.unary_f32("gelu", CUBE),
    "add": lambda: kernels.binary_f32("add", f32(15, 300_001), f32(16, 300_001)),
    "add, broadcast": lambda: kernels.binary_f32("add", f32(17, 600, 1, 71), CUBE[0]),
    "gelu_dinput": lambda: kernels.binary_f32("gelu_dinput", CUBE, CUBE[::-1].copy()),
    "relu_dinput": lambda: kernels.binary_f32("relu_dinput", f32(18, 300_001), f32(19, 300_001)),
    "softmax_dinput": lambda: kernels.softmax_dinput_f32(CUBE, CUBE[::-1].copy()),
    "affine": lambda: kernels.affine_f32(f32(20, 99, 37, 71), CHANNELS, CHANNELS),
    "where": lambda: kernels.where_f32(CUBE > 0, CUBE, f32(25, 1)),
    "add_rows": lambda: kernels.add_rows_f32(f32(26, 900, 600), np.arange(900) % 70, 70),
    "gather": lambda: kernels.gather_f32(CUBE, np.zeros(CUBE.shape, np.int64), 2),
    "scatter_add": lambda: kernels.scatter_add_f32(CUBE, np.zeros(CUBE.shape, np.int64), 1, 3),
    "softmax": lambda: kernels.softmax_f32(CUBE),
    "softmax of columns": lambda: kernels.log_softmax_f32(CUBE, 1),
    "layer_norm": lambda: kernels.layer_norm_f32(CUBE, 71),
    "layer_norm_grads": lambda: kernels.layer_norm_grads_f32(CUBE, -CUBE, 71, f32(24, 71)),
    "sum of rows": lambda: kernels.reduce_f32("sum", CUBE, 2),
    "mean between": lambda: kernels.reduce_f32("mean", f32(21, 9, 40, 1000), 1),
    "amax of columns": lambda: kernels.reduce_f32("amax", f32(22, 90, 1500), 0),
    "batch_norm_stats": lambda: kernels.batch_norm_stats_f32(CUBE),
    "batch_norm_grads": lambda: kernels.batch_norm_grads_f32(CUBE, -CUBE, CHANNELS, CHANNELS),
    "max_pool_dinput": lambda: kernels.max_pool_dinput_f32(
        kernels.max_pool_f32(PLANES, ROWS, COLS), PLANES, ROWS, COLS
    ),
    "max_pool": lambda: kernels.max_pool_f32(PLANES, ROWS, COLS),
    "avg_pool": lambda: kernels.avg_pool_f32(PLANES, ROWS, COLS, ROW_DIV, COL_DIV),
}


def bits(result: Any) -> list[bytes]:
    """The bytes of one or several arrays."""
    return [y.tobytes() for y in (result if isinstance(result, tuple) else (result,))]


@pytest.mark.parametrize("name", CASES)
def test_bits_do_not_depend_on_the_number_of_threads(isa: str, name: str) -> None:
    """1, 2, 3 and 7 threads, more than there are CPUs, several times."""
    kernels.set_num_threads(1)
    expected = bits(CASES[name]())
    for count in (2, 3, 7, 2, 7):
        kernels.set_num_threads(count)
        assert bits(CASES[name]()) == expected, count


def test_work_is_really_shared() -> None:
    """After a large product, the process has as many threads as were asked for, not before."""
    code = (
        "import os, numpy as np, qgrad\n"
        "def count(): return len(os.listdir('/proc/self/task'))\n"
        "before = count()\n"
        "qgrad.set_num_threads(3)\n"
        "a = np.ones((8, 8), np.float32); qgrad.kernels.matmul_f32(a, a)\n"
        "small = count()\n"
        "a = np.ones((700, 700), np.float32); qgrad.kernels.matmul_f32(a, a)\n"
        "print(small - before, count() - before)\n"
    )
    if not os.path.isdir("/proc/self/task"):
        pytest.skip("needs Linux's list of threads")
    assert run(code, {}).split() == ["0", "2"]


def test_callers_at_once() -> None:
    """Python threads that all want the pool: one gets it, the others work alone."""
    kernels.set_num_threads(2)
    expected = bits(CASES["matmul"]())
    with ThreadPoolExecutor(4) as callers:
        results = list(callers.map(lambda _: bits(CASES["matmul"]()), range(40)))
    assert all(result == expected for result in results)


def _in_child(queue: Any) -> None:
    queue.put(bits(CASES["matmul"]()) + bits(CASES["conv2d"]()))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_has_threads_of_its_own() -> None:
    """A child forked after the pool has run computes the same and does not hang."""
    kernels.set_num_threads(2)
    expected = bits(CASES["matmul"]()) + bits(CASES["conv2d"]())
    context = multiprocessing.get_context("fork")
    with warnings.catch_warnings():
        # Newer Pythons warn of a fork beside threads: that this one is safe is the point.
        warnings.simplefilter("ignore", DeprecationWarning)
        queue = context.Queue()
        child = context.Process(target=_in_child, args=(queue,))
        child.start()
    try:
        assert queue.get(timeout=60) == expected
    finally:
        child.join(timeout=10)
        hung = child.is_alive()
        child.kill()
    assert not hung
    assert bits(CASES["matmul"]()) + bits(CASES["conv2d"]()) == expected


def test_signals_are_left_to_python() -> None:
    """Every signal is blocked in a worker, so that Ctrl-C reaches the interpreter."""
    if not os.path.isdir("/proc/self/task"):
        pytest.skip("needs Linux's list of threads")
    code = (
        "import os, numpy as np, qgrad\n"
        "qgrad.set_num_threads(2)\n"
        "before = set(os.listdir('/proc/self/task'))\n"
        "a = np.ones((700, 700), np.float32); qgrad.kernels.matmul_f32(a, a)\n"
        "(worker,) = set(os.listdir('/proc/self/task')) - before\n"
        "status = open(f'/proc/self/task/{worker}/status').read()\n"
        "blocked = int(status.split('SigBlk:')[1].split()[0], 16)\n"
        "print(blocked >> 1 & 1, blocked >> 14 & 1)\n"  # SIGINT, SIGTERM
    )
    assert run(code, {}).split() == ["1", "1"]


def run(code: str, variables: dict[str, str]) -> str:
    """What a fresh interpreter with these environment variables prints, or its last error line."""
    env = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")} | variables
    root = Path(qgrad.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=env, capture_output=True, text=True
    )
    return done.stdout.strip() if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"QGRAD_NUM_THREADS": "3"}, "3"),
        ({"QGRAD_NUM_THREADS": "3", "OMP_NUM_THREADS": "5"}, "3"),
        ({"OMP_NUM_THREADS": "5"}, "5"),
        ({"OMP_NUM_THREADS": "4,2"}, str(kernels.usable_cpus())),
        ({"OMP_NUM_THREADS": "0"}, str(kernels.usable_cpus())),
        ({"OMP_NUM_THREADS": "100000"}, str(kernels.usable_cpus())),
        ({}, str(kernels.usable_cpus())),
    ],
)
def test_the_environment_chooses(variables: dict[str, str], expected: str) -> None:
    """QGRAD_NUM_THREADS, else OMP_NUM_THREADS, else the CPUs that are there for this process."""
    code = "import qgrad; print(qgrad.get_num_threads())"
    assert run(code, variables) == expected


@pytest.mark.parametrize("value", ["two", "0", "-1", "1.5", "100000"])
def test_a_wrong_environment_is_an_error(value: str) -> None:
    """The message names the variable and the value."""
    message = run("import qgrad", {"QGRAD_NUM_THREADS": value})
    assert message.startswith("ValueError: QGRAD_NUM_THREADS: ")
    assert value in message


@pytest.mark.parametrize(
    ("count", "kind"), [(0, ValueError), (-2, ValueError), (2.0, TypeError), (True, TypeError)]
)
def test_wrong_numbers_of_threads_are_refused(count: Any, kind: type[Exception]) -> None:
    """Only whole numbers from 1 on; the setting stays."""
    before = qgrad.get_num_threads()
    with pytest.raises(kind, match="set_num_threads: "):
        qgrad.set_num_threads(count)
    assert qgrad.get_num_threads() == before


def test_numbers_of_threads_may_be_numpys() -> None:
    """What is an index is a whole number."""
    before = qgrad.get_num_threads()
    qgrad.set_num_threads(np.int64(2))  # type: ignore[arg-type]
    assert qgrad.get_num_threads() == 2
    qgrad.set_num_threads(before)
