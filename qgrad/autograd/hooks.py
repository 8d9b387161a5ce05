"""Hooks: functions called with the gradient of a tensor."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any
from weakref import ref

from qgrad.autograd.record import refresh
from qgrad.autograd.variable import Variable

__all__ = ["RemovableHook", "register", "retain_grad"]

_next_key = count().__next__
_RETAIN = -1  # key of the hook that keeps the gradient


class RemovableHook:
    """What `register_hook` gives; `remove()` takes the hook away."""

    __slots__ = ("_hooks", "_key")

    def __init__(self, hooks: dict[int, Callable[..., Any]], key: int) -> None:
        self._hooks, self._key = hooks, key

    def remove(self) -> None:
        """Take the hook away; a second time does nothing."""
        self._hooks.pop(self._key, None)

    def __enter__(self) -> RemovableHook:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


def register(tensor: Variable, hook: Callable[[Any], Any]) -> RemovableHook:
    """Call `hook` with the gradient of `tensor` in every backward."""
    hooks = _hooks_of(tensor, "register_hook")
    key = _next_key()
    hooks[key] = hook
    return RemovableHook(hooks, key)


def retain_grad(tensor: Variable) -> None:
    """Keep the gradient of a tensor that is not a leaf in its `.grad`."""
    hooks = _hooks_of(tensor, "retain_grad")
    if tensor._node is None or _RETAIN in hooks:
        return
    tensor_ref = ref(tensor)  # the node must not keep its tensor alive: the tensor keeps the node

    def keep(g: Any) -> None:
        kept = tensor_ref()
        if kept is not None:
            kept.grad = g if kept.grad is None else kept.grad + g

    hooks[_RETAIN] = keep


def _hooks_of(tensor: Variable, name: str) -> dict[int, Callable[..., Any]]:
    if tensor._view is not None:
        refresh(tensor)
    if not tensor._requires_grad:
        raise RuntimeError(
            f"{name}: this tensor does not require grad, so no gradient will reach it; call "
            "x.requires_grad_() first"
        )
    owner: Any = tensor if tensor._node is None else tensor._node
    attribute = "_hooks" if owner is tensor else "hooks"
    hooks = getattr(owner, attribute)
    if hooks is None:
        hooks = {}
        setattr(owner, attribute, hooks)
    return hooks
