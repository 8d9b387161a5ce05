"""Memory of large results is used again, and is NumPy's to resize, share and free."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

from qgrad import kernels
from qgrad.kernels.extension import core

pytestmark = pytest.mark.skipif(core is None, reason="the blocks are the extension's")

MIB = 1 << 20


def result(n: int) -> np.ndarray:
    """A kernel's result of `n` ones."""
    return kernels.unary_f32("exp", np.zeros(n, np.float32))


def test_large_results_are_aligned_and_used_again() -> None:
    """The address of a freed result is that of the next of its size."""
    core.drop_unused_blocks()
    first = result(MIB)
    address = first.ctypes.data
    assert address % 64 == 0
    assert first.base is None
    assert first.flags.owndata
    del first
    assert core.unused_bytes() == 4 * MIB
    second = result(MIB - 1000)
    assert second.ctypes.data == address
    assert core.unused_bytes() == 0
    np.testing.assert_array_equal(second, np.ones(MIB - 1000, np.float32))
    third = result(MIB)
    assert third.ctypes.data != address


def test_a_block_is_not_wasted_on_much_less() -> None:
    """A block serves what fills three quarters of it."""
    core.drop_unused_blocks()
    del_me = result(MIB)
    del del_me
    small = result(MIB // 2)
    assert core.unused_bytes() == 4 * MIB
    assert small.size == MIB // 2


def test_what_lies_unused_is_bounded() -> None:
    """Old blocks go first, and those over half of the bound at once."""
    core.drop_unused_blocks()
    kept = [result(5 * MIB) for _ in range(10)]
    del kept
    assert 0 < core.unused_bytes() <= 128 * MIB
    core.drop_unused_blocks()
    huge = result(20 * MIB)
    del huge
    assert core.unused_bytes() == 0
    many = [result(9000 + 5000 * i) for i in range(300)]
    del many
    assert core.unused_bytes() <= 128 * MIB


def test_numpy_may_resize_a_result() -> None:
    """What was there stays, in more and in less memory."""
    a = result(100_000)
    a[:] = np.arange(100_000)
    a.resize(200_000, refcheck=False)
    np.testing.assert_array_equal(a[:100_000], np.arange(100_000, dtype=np.float32))
    assert not a[100_000:].any()
    a.resize(10, refcheck=False)
    np.testing.assert_array_equal(a, np.arange(10, dtype=np.float32))


def test_other_arrays_are_not_concerned() -> None:
    """NumPy's own arrays get NumPy's memory, after a result and after an error too."""
    core.drop_unused_blocks()
    result(MIB)
    with pytest.raises(Exception, match="unary"):
        kernels.unary_f32("exp", np.zeros(MIB))
    before = core.unused_bytes()
    own = np.empty(MIB, np.float32)
    own[:] = 1
    del own
    assert core.unused_bytes() == before == 4 * MIB


def test_threads_and_views() -> None:
    """A view keeps its memory; threads take and give at once."""
    view = result(MIB)[::2]
    wrong = []

    def work(value: float) -> None:
        for n in (20_000, 50_000, 300_000):
            for _ in range(20):
                a = kernels.unary_f32("relu", np.full(n, value, np.float32))
                if not (a == value).all():
                    wrong.append((value, n))

    threads = [threading.Thread(target=work, args=(float(i + 1),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert (view == 1).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_blocks_of_its_own() -> None:
    """The lock is free in the child, whose blocks are its copies."""
    kept = result(MIB)
    for _ in range(5):
        child = os.fork()
        if child == 0:
            again = result(MIB)
            os._exit(0 if (again == 1).all() and (kept == 1).all() else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
