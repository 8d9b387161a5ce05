"""One run of a model's Python code under the tracer: where it is, and who is told of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

from qgrad import ops
from qgrad.autograd.mode import is_grad_enabled
from qgrad.autograd.source import source_line
from qgrad.graph.guards import Guard
from qgrad.graph.ir import Node
from qgrad.graph.structure import map_leaves
from qgrad.graph.tracer import Tracer
from qgrad.nn import module as nn_module
from qgrad.nn.module import Module
from qgrad.ops.op import Op, register_handler
from qgrad.symbolic import Expr, SymInt, is_size

__all__ = ["Place", "Session"]

_MAX_MESSAGE = 590


class Place(NamedTuple):
    """A point in the model's code: the module whose forward runs, and the line of user code."""

    path: str
    module_type: type | None
    source: str

    def __str__(self) -> str:
        module = f"module {self.path!r}" if self.path else "the model"
        kind = f" ({self.module_type.__name__})" if self.module_type is not None else ""
        return f"{module}{kind}" + (f", {self.source}" if self.source else "")


class Session:
    """Base of what records a model and of what checks a record.

    `paths` has the path of each module of the running copy by id, `leaf_paths` those of modules
    without submodules. Subclasses answer for the calls of ops, for comparisons of sizes and for
    reads of `training`.
    """

    def __init__(self) -> None:
        self.paths: dict[int, str] = {}
        self.leaf_paths: set[str] = set()
        self.events: list[Guard] = []
        self._stack: list[tuple[str, type | None]] = [("", None)]
        self._closed = False
        self._grad_enabled = is_grad_enabled()

    def call(self, op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tracer:
        """The tracer for the value of an op call, cut off from gradients inside `no_grad`."""
        result = self.step(op, args, kwargs)
        base = args[0] if args else None
        if op.view and isinstance(base, Tracer):
            result.share_memory_with(base, args[1] if op is ops.getitem else None)
        if self._grad_enabled and not is_grad_enabled() and op is not ops.detach:
            cut = self.step(ops.detach, (result,), {})
            cut.share_memory_with(result)
            return cut
        return result

    def step(self, op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tracer:
        """The tracer for the value of one node."""
        raise NotImplementedError

    def visible(self, node: Node, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """The shape that the model's code sees: `sizes`, free ones telling of comparisons."""
        return tuple(
            SymInt(size, free.expr, self._compare) if isinstance(free, SymInt) else size
            for size, free in zip(sizes, node.shape, strict=True)
        )

    def _compare(self, op: str, left: Expr, right: Expr, holds: bool) -> bool:
        """What always holds needs no guard: n == n, and sizes are not negative (n == -1)."""
        if left == right or (is_size(left) and isinstance(right, int) and right < 0):
            return holds
        return self.compare(op, left, right, holds)

    def compare(self, op: str, left: Expr, right: Expr, holds: bool) -> bool:
        """The result of a comparison of sizes that has a free one among them."""
        raise NotImplementedError

    def read_training(self, path: str, value: bool) -> bool:
        """The result of `bool(module.training)` for the module at `path`."""
        raise NotImplementedError

    def output(self, value: Any) -> None:
        """What the model returned."""
        raise NotImplementedError

    def run(self, root: Module, fn: Callable[..., Any], args: Any, kwargs: Any) -> None:
        """Call fn(*args, **kwargs), where `fn` is or calls `root`, and be told of all it does."""
        modules = dict(root.named_modules())
        self.paths = {id(module): path for path, module in modules.items()}
        self.leaf_paths = {path for path, module in modules.items() if not module._modules}
        self._stack = [("", type(root))]
        try:
            with _observing(self):
                self.output(fn(*args, **kwargs))
        finally:
            self._closed = True

    def place(self) -> Place:
        """Where the model's code is now."""
        return Place(*self._stack[-1], source_line(Session.run.__code__))

    def explain(self, what: str, way_out: str) -> str:
        """An error's text: what cannot be recorded, in which module and line, and the way out."""
        if self._closed:
            place = "after the trace has ended"
            way_out = "forward keeps a traced tensor somewhere; keep values out of attributes."
        else:
            place = f"in {self.place()}"
        room = _MAX_MESSAGE - len(place) - len(way_out)
        what = what if len(what) <= room else what[: room - 3] + "..."
        return f"trace: {what} {place}. {way_out}"

    @contextmanager
    def enter(self, module: Module) -> Iterator[None]:
        """Around a module's call. One that is not part of the model counts as its caller."""
        path = self.paths.get(id(module))
        top = self._stack[-1]
        self._stack.append(top if path is None else (path, type(module)))
        try:
            yield
        finally:
            self._stack.pop()


# Modules tell an observer of their calls while any thread traces; each thread has its own session.
_local = threading.local()
_lock = threading.Lock()
_sessions = 0


def _observe(module: Module) -> AbstractContextManager[None]:
    session: Session | None = getattr(_local, "session", None)
    return nullcontext() if session is None else session.enter(module)


@contextmanager
def _observing(session: Session) -> Iterator[None]:
    global _sessions
    before = getattr(_local, "session", None)
    _local.session = session
    with _lock:
        _sessions += 1
        nn_module._call_observer = _observe
    try:
        yield
    finally:
        _local.session = before
        with _lock:
            _sessions -= 1
            if not _sessions:
                nn_module._call_observer = None


def _call(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The door's handler for tracers."""
    tracer = _first_tracer((*args, *kwargs.values()))
    assert tracer is not None
    if tracer.session._closed or tracer.session is not getattr(_local, "session", None):
        tracer.refuse(f"{op.name} outside of the trace", "")
    return tracer.session.call(op, args, kwargs)


def _call_with_size(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The door's handler for free sizes: an op on constants that takes one is recorded, too."""
    session: Session | None = getattr(_local, "session", None)
    if session is not None:
        return session.call(op, args, kwargs)
    args, kwargs = map_leaves(_as_int, (args, kwargs))
    return op(*args, **kwargs)


def _as_int(leaf: Any) -> Any:
    return int(leaf) if isinstance(leaf, SymInt) else leaf


def _first_tracer(value: Any) -> Tracer | None:
    if isinstance(value, Tracer):
        return value
    if isinstance(value, (tuple, list)):
        return next((found for item in value if (found := _first_tracer(item)) is not None), None)
    return None


register_handler(Tracer, 100, _call)
register_handler(SymInt, 90, _call_with_size)
