"""Hooks: functions called with the gradient of a tensor, or when it has arrived.

They are kept by the tensor if it is a leaf, else by the node that made it.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any
from weakref import ref

import numpy as np

from qgrad.autograd.record import make, refresh
from qgrad.autograd.variable import Hooks, Variable

__all__ = ["RemovableHook", "register", "register_after", "retain_grad"]

_next_key = count().__next__


class RemovableHook:
    """What `register_hook` gives; `remove()` takes the hook away."""

    __slots__ = ("_hooks", "_key")

    def __init__(self, hooks: dict[int, Callable[..., Any]], hook: Callable[..., Any]) -> None:
        self._hooks, self._key = hooks, _next_key()
        hooks[self._key] = hook

    def remove(self) -> None:
        """Take the hook away; a second time does nothing."""
        self._hooks.pop(self._key, None)

    def __enter__(self) -> RemovableHook:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


def register(tensor: Variable, hook: Callable[[Any], Any]) -> RemovableHook:
    """Call `hook` with the gradient of `tensor` in every backward."""
    return RemovableHook(_hooks_of(tensor, "register_hook"), hook)


def register_after(tensor: Variable, hook: Callable[[Any], Any]) -> RemovableHook:
    """Call `hook` with `tensor` whenever a backward has added to its `.grad`."""
    name = "register_post_accumulate_grad_hook"
    hooks = _hooks_of(tensor, name)
    if tensor._node is not None:
        raise RuntimeError(
            f"{name}: backward fills the .grad of leaves only, this tensor was made by "
            f"{tensor._node.op.name}; use register_hook"
        )
    return RemovableHook(hooks.after, hook)


def retain_grad(tensor: Variable) -> None:
    """Keep the gradient of a tensor that is not a leaf in its `.grad`."""
    hooks = _hooks_of(tensor, "retain_grad")
    if tensor._node is None or hooks.retain is not None:
        return
    tensor_ref = ref(tensor)  # the node must not keep its tensor alive: the tensor keeps the node

    def keep(g: Any) -> None:
        kept = tensor_ref()
        if kept is None:
            return
        if kept._grad is not None:
            kept._grad = kept._grad + g
        else:
            kept._grad = g if g._requires_grad else make(np.array(g._data))

    hooks.retain = keep


def _hooks_of(tensor: Variable, name: str) -> Hooks:
    if tensor._view is not None:
        refresh(tensor)
    if not tensor._requires_grad:
        raise RuntimeError(
            f"{name}: this tensor does not require grad, so no gradient will reach it; call "
            "x.requires_grad_() first"
        )
    if tensor._node is None:
        if tensor._hooks is None:
            tensor._hooks = Hooks()
        return tensor._hooks
    if tensor._node.hooks is None:
        tensor._node.hooks = Hooks()
    return tensor._node.hooks
