"""Runs after the first: check that the model does again what was recorded.

The free dimensions have their second size here, and random numbers and kept state are those of a
later call. What the model does otherwise than recorded would be wrong in the graph.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np

from qgrad.errors import TraceError
from qgrad.graph.guards import Guard, SizeGuard, TrainingFlag, TrainingGuard
from qgrad.graph.ir import Node
from qgrad.graph.printer import value_to_text
from qgrad.graph.recorder import Recorder
from qgrad.graph.session import Session
from qgrad.graph.tracer import Tracer
from qgrad.ops.op import Op
from qgrad.symbolic import Expr, SymInt
from qgrad.tensor import Tensor

__all__ = ["WAY_OUT", "Replay"]

WAY_OUT = (
    "If it depends on a size, compute with x.shape and + - * //, and with qgrad.sqrt for "
    "math.sqrt, or fix the dimension by dynamic_dims; keep random numbers and changing state out "
    "of forward."
)


class Replay(Session):
    """Compares a run with what `recorder` recorded; raises TraceError at the first difference.

    Comparisons of sizes are answered as recorded, since guards keep them. `flip` answers reads of
    `module.training` by the other mode.
    """

    def __init__(self, recorder: Recorder, *, flip: bool = False) -> None:
        super().__init__()
        self._graph = recorder.graph
        self._sizes = recorder.sizes
        self._flip = flip
        self._calls = iter([node for node in recorder.graph.nodes if node.kind == "op"])
        self._expected_events = iter(recorder.events)

    def tracer(self, node: Node) -> Tracer:
        """The tracer of a recorded node, with its second sizes."""
        assert node.dtype is not None
        return Tracer(self, node, self.visible(node, self._sizes[node.name]), node.dtype)

    def parameter(self, path: str, tensor: Tensor) -> Tracer:
        """A tracer of a parameter or buffer."""
        return Tracer(self, None, tensor.shape, tensor.dtype, path)

    buffer = parameter

    def step(self, op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tracer:
        """The tracer of the next recorded node, which must be for this call."""
        node = next(self._calls, None)
        if node is None or node.op is not op:
            recorded = "nothing more" if node is None or node.op is None else node.op.name
            self._differs(f"{op.name} is called where {recorded} was recorded")
        for difference in _differences((node.args, node.kwargs), (args, kwargs), self._same):
            self._differs(f"{op.name} gets {difference}")
        return self.tracer(node)

    def output(self, value: Any) -> None:
        """Compare what the model returned."""
        node = next(self._calls, None)
        if node is not None:
            self._differs(f"{node.op!r} is not called")
        for difference in _differences(self._graph.output, value, self._same):
            self._differs(f"the model returns {difference}")

    def compare(self, op: str, left: Expr, right: Expr, holds: bool) -> bool:
        """The recorded answer to this comparison."""
        event = self._next_event()
        if not isinstance(event, SizeGuard) or (event.op, event.left, event.right) != (
            op,
            left,
            right,
        ):
            self._differs(f"sizes are compared otherwise than `{event}`")
        return event.holds

    def read_training(self, path: str, value: bool) -> bool:
        """The recorded mode, or the other one."""
        event = self._next_event()
        if not isinstance(event, TrainingGuard) or event.path != path:
            self._differs(f"{TrainingFlag(path, value)!r} decides")
        return event.value != self._flip

    def _next_event(self) -> Guard | None:
        return next(self._expected_events, None)

    def _differs(self, what: str) -> NoReturn:
        raise TraceError(
            self.explain(f"run again, the model does something else: {what},", WAY_OUT)
        )

    def _same(self, recorded: Any, now: Any) -> bool:
        """Whether a leaf of the recorded arguments is what the model passes now."""
        if isinstance(now, Tracer):
            if now.node is not None:
                return now.node is recorded
            return isinstance(recorded, Node) and recorded.target == now.target
        if isinstance(now, (Tensor, np.ndarray)):
            if not isinstance(recorded, Node) or recorded.kind != "const":
                return False
            return _same_data(self._graph.constants[recorded.target], now)
        if isinstance(recorded, SymInt) or isinstance(now, SymInt):
            return isinstance(now, SymInt) and recorded.expr == now.expr
        if isinstance(now, float) and math.isnan(now):
            return isinstance(recorded, float) and math.isnan(recorded)
        return type(recorded) is type(now) and bool(recorded == now)


def _same_data(recorded: Tensor, now: Any) -> bool:
    before, after = recorded._data, now._data if isinstance(now, Tensor) else now
    return (
        before.dtype == after.dtype
        and before.shape == after.shape
        and before.tobytes() == after.tobytes()
    )


def _differences(recorded: Any, now: Any, same: Any) -> Iterator[str]:
    """Where two nested values differ, in words."""
    if isinstance(recorded, slice) and isinstance(now, slice):
        recorded = (recorded.start, recorded.stop, recorded.step)
        now = (now.start, now.stop, now.step)
    if isinstance(recorded, dict) and isinstance(now, dict) and list(recorded) == list(now):
        recorded, now = tuple(recorded.values()), tuple(now.values())
    if isinstance(recorded, (tuple, list)) and type(recorded) is type(now):
        if len(recorded) == len(now):
            for one, other in zip(recorded, now, strict=True):
                yield from _differences(one, other, same)
            return
    elif not isinstance(recorded, (tuple, list, dict)) and same(recorded, now):
        return
    yield f"{_describe(now)} where {_describe(recorded)} was recorded"


def _describe(value: Any) -> str:
    text = (
        f"a constant of shape {value.shape}" if isinstance(value, Tensor) else value_to_text(value)
    )
    return text if len(text) <= 60 else text[:57] + "..."
