"""The fast paths of the door and of the backward, in C++: what they are told of the classes here.

They take the usual call and the usual node, and leave all else to the Python they are the twins of:
`Op.__call__`, `record.run_on_tensors` and `engine.flow`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from heapq import heappop, heappush
from typing import Any

import numpy as np

from qgrad.autograd.engine import run_node
from qgrad.autograd.mode import recording
from qgrad.autograd.record import record, shape_of
from qgrad.autograd.variable import INFERENCE, Node, Variable, next_order
from qgrad.kernels.extension import core
from qgrad.ops.arithmetic import add
from qgrad.ops.op import Op, Plan, handlers, raise_explained
from qgrad.ops.quiet import QUIET, restore, silence

__all__ = ["connect", "without_fast_paths"]


def connect(tensor_class: type[Variable], handler: Any) -> None:
    """Let calls on tensors of this class, which `handler` would take, be recorded in C++."""
    if core is None:
        return
    core.door_connect(
        {
            "array": np.ndarray,
            "tensor": tensor_class,
            "variable": Variable,
            "node": Node,
            "plan": Plan,
            "op": Op,
            "handlers": handlers,
            "tensor_handler": handler,
            "compute": Op.compute,
            "explain": raise_explained,
            "record": record,
            "shape_of": shape_of,
            "silence": silence,
            "restore": restore,
            "quiet": QUIET,
            "recording": recording,
            "inference": INFERENCE,
            "next_order": next_order,
            "asarray": np.asarray,
            "heappush": heappush,
            "heappop": heappop,
            "run_node": run_node,
            "plus": add.forward,
        }
    )


@contextmanager
def without_fast_paths() -> Iterator[None]:
    """Take the Python paths inside the block, in every thread: the results are the same."""
    before = core is not None and core.door_enabled(False)
    try:
        yield
    finally:
        if core is not None:
            core.door_enabled(before)
