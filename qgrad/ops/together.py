"""Gradients of several arguments that one kernel computes together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import ref

from qgrad.ops.op import Value

__all__ = ["one_of"]


def one_of(
    want: str,
    names: Sequence[str],
    g: Value,
    shared: dict[str, Any],
    run: Callable[[], Sequence[Any]] | None,
) -> Any:
    """The gradient `want` of those that `run` computes at once, in the order of `names`.

    The rules of one backward share the run through the dict `shared`, which is kept by the node and
    holds what was not asked for yet. Without a `run`, None if nobody has computed it.
    """
    source = shared.get("g")
    if source is None or source() is not g or want not in shared:
        if run is None:
            return None
        shared.clear()
        shared.update(zip(names, run(), strict=True), g=ref(g))
    return shared.pop(want)
