"""How many threads the kernels use: the CPUs that are there for us, QGRAD_NUM_THREADS, or
`set_num_threads`. Results do not depend on it."""

from __future__ import annotations

import operator
import os

from .extension import core

__all__ = ["get_num_threads", "set_num_threads", "usable_cpus"]

_MOST = 1024


def set_num_threads(num_threads: int) -> None:
    """Use up to `num_threads` threads inside one kernel, the calling one among them.

    They are started when work first needs them. Results are the same, bit for bit, for any number.
    """
    try:
        count = None if isinstance(num_threads, bool) else operator.index(num_threads)
    except TypeError:
        count = None
    if count is None:
        raise TypeError(
            f"set_num_threads: needs a whole number of threads, got {num_threads!r} "
            f"({type(num_threads).__name__})"
        )
    _choose(count, "set_num_threads")


def get_num_threads() -> int:
    """How many threads one kernel may use, the calling one among them."""
    return core.thread_count() if core is not None else 1


def usable_cpus() -> int:
    """The CPUs that this process may use: its affinity, and its control group's share of time."""
    affinity = getattr(os, "sched_getaffinity", None)
    cpus = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return max(1, min(cpus, _quota() or cpus))


def _quota() -> int | None:
    """CPUs' worth of time that the control group gives, rounded up; None: no limit is known."""
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:
            quota, period = file.read().split()
        return None if quota == "max" else -(-int(quota) // int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _choose(num_threads: int, where: str) -> None:
    if not 1 <= num_threads <= _MOST:
        raise ValueError(f"{where}: {num_threads} threads; give 1 to {_MOST}")
    if core is not None:
        core.set_thread_count(num_threads)


def _first_choice() -> None:
    own, shared = (os.environ.get(f"{who}_NUM_THREADS", "").strip() for who in ("QGRAD", "OMP"))
    if own and not own.isdecimal():
        raise ValueError(f"QGRAD_NUM_THREADS: {own!r} is no number of threads; give 1 to {_MOST}")
    if own:
        return _choose(int(own), "QGRAD_NUM_THREADS")
    # The other variable is meant for others too: a value that means nothing here is no error.
    meant = shared.isdecimal() and 1 <= int(shared) <= _MOST
    return _choose(int(shared) if meant else min(usable_cpus(), _MOST), "qgrad")


_first_choice()
