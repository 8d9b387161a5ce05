"""Hooks on modules: what is stored, the handle that removes it, and how the hooks are run."""

from __future__ import annotations

import itertools
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

__all__ = [
    "Hook",
    "HookDict",
    "RemovableHandle",
    "add_hook",
    "run_after",
    "run_anyway",
    "run_before",
]

_ids = itertools.count()


class Hook(NamedTuple):
    """A function to call, whether it also takes the keyword arguments of the module's call, and
    whether it is called also if the call raises."""

    fn: Callable[..., Any]
    with_kwargs: bool = False
    always_call: bool = False


HookDict = OrderedDict[int, Hook]


class RemovableHandle:
    """What `register_..._hook` returns: `remove()` takes the hook off; also a context manager."""

    __slots__ = ("_hooks", "id")

    def __init__(self, hooks: HookDict, hook_id: int) -> None:
        self._hooks = hooks
        self.id = hook_id

    def remove(self) -> None:
        """Take the hook off; a second call does nothing."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def add_hook(hooks: HookDict, hook: Hook, *, prepend: bool = False) -> RemovableHandle:
    """Store `hook` last in `hooks`, or first if `prepend`; the handle removes it."""
    hook_id = next(_ids)
    hooks[hook_id] = hook
    if prepend:
        hooks.move_to_end(hook_id, last=False)
    return RemovableHandle(hooks, hook_id)


def run_before(
    hooks: HookDict, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Call the forward pre-hooks in order; each may replace the arguments of the next."""
    for hook in tuple(hooks.values()):
        if hook.with_kwargs:
            result = hook.fn(module, args, kwargs)
            if result is not None:
                args, kwargs = _args_and_kwargs(module, result)
        else:
            result = hook.fn(module, args)
            if result is not None:
                args = result if isinstance(result, tuple) else (result,)
    return args, kwargs


def run_after(
    hooks: HookDict, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
) -> Any:
    """Call the forward hooks in order; each may replace the output."""
    called: list[Hook] = []
    try:
        for hook in tuple(hooks.values()):
            called.append(hook)
            result = _called_after(hook, module, args, kwargs, output)
            if result is not None:
                output = result
    except Exception:
        run_anyway(hooks, module, args, kwargs, called)
        raise
    return output


def run_anyway(
    hooks: HookDict,
    module: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    called: Sequence[Hook] = (),
) -> None:
    """Call the `always_call` hooks not yet `called`, with no output, while an error is raised."""
    for hook in tuple(hooks.values()):
        if hook.always_call and hook not in called:
            try:
                _called_after(hook, module, args, kwargs, None)
            except Exception as error:
                name = type(module).__name__
                warnings.warn(
                    f"{name}: a forward hook with always_call raised {error!r} while another error "
                    "was raised; that one goes on, this one is dropped",
                    stacklevel=2,
                )


def _called_after(
    hook: Hook, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
) -> Any:
    if hook.with_kwargs:
        return hook.fn(module, args, kwargs, output)
    return hook.fn(module, args, output)


def _args_and_kwargs(module: Any, result: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict):
        args, kwargs = result
        return (args if isinstance(args, tuple) else (args,)), kwargs
    raise RuntimeError(
        f"{type(module).__name__}: a forward pre-hook registered with with_kwargs=True returned "
        f"{type(result).__name__}; it must return None or a pair (args, kwargs)."
    )
