"""Backward hooks of modules: what flows into and out of a module in the backward pass.

The tensors that enter and leave the module pass through one extra node each way, and hooks on those
nodes see the gradients. Several tensors are laid end to end there, so that their gradients arrive
together and the user's hook can replace them all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from qgrad import ops
from qgrad.nn.hooks import HookDict
from qgrad.tensor import Tensor

__all__ = ["call_with_backward_hooks"]

Grads = tuple[Tensor | None, ...]


def call_with_backward_hooks(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`module.forward`, with the module's backward hooks attached to this call."""
    grad_output: Grads = ()

    def at_input(grad_input: Grads) -> Grads | None:
        return _run(module._backward_hooks, module, grad_input, grad_output)

    def at_output(grads: Grads) -> Grads:
        nonlocal grad_output
        grad_output = _run(module._backward_pre_hooks, module, grads)
        if not entered:
            at_input((None,) * len(args))
        return grad_output

    args, entered = _watch(args, at_input)
    output = module.forward(*args, **kwargs)
    if isinstance(output, (tuple, list)):
        watched, _ = _watch(tuple(output), at_output)
        return watched if type(output) is tuple else type(output)(watched)
    return _watch((output,), at_output)[0][0]


def _run(hooks: HookDict, module: Any, grads: Grads, *more: Grads) -> Grads:
    """Call the hooks in order; a result that is not None replaces the first tuple of gradients."""
    for hook in tuple(hooks.values()):
        result = hook.fn(module, grads, *more)
        if result is None:
            continue
        result = result if isinstance(result, tuple) else (result,)
        if len(result) != len(grads):
            raise RuntimeError(
                f"{type(module).__name__}: a backward hook returned {len(result)} gradients, but "
                f"must return None or {len(grads)}, one for each tensor."
            )
        grads = result
    return grads


def _watch(
    values: tuple[Any, ...], on_grads: Callable[[Grads], Grads | None]
) -> tuple[tuple[Any, ...], bool]:
    """Send the tensors that require grad through one node; False if there is none.

    `on_grads` gets their gradients, with None for the other values, and may replace them.
    """
    places = [i for i, v in enumerate(values) if isinstance(v, Tensor) and v.requires_grad]
    if not places:
        return values, False

    def spread(grads: list[Any]) -> list[Any]:
        found: list[Tensor | None] = [None] * len(values)
        for place, grad in zip(places, grads, strict=True):
            found[place] = grad
        changed = on_grads(tuple(found)) or tuple(found)
        return [
            grad if changed[i] is None else changed[i]
            for i, grad in zip(places, grads, strict=True)
        ]

    passed = list(values)
    for place, tensor in zip(places, _through([values[i] for i in places], spread), strict=True):
        passed[place] = tensor
    return tuple(passed), True


def _through(tensors: list[Any], on_grads: Callable[[list[Any]], list[Any]]) -> list[Any]:
    if len(tensors) == 1:
        out = ops.identity(tensors[0])
        out.register_hook(lambda g: on_grads([g])[0])
        return [out]
    shapes = [tensor.shape for tensor in tensors]
    joined = _join(tensors)
    joined.register_hook(lambda g: _join(on_grads(_split(g, shapes))))
    return _split(joined, shapes)


def _join(tensors: list[Any]) -> Any:
    return ops.cat([ops.reshape(tensor, (-1,)) for tensor in tensors])


def _split(flat: Any, shapes: list[tuple[int, ...]]) -> list[Any]:
    parts, start = [], 0
    for shape in shapes:
        size = math.prod(shape)
        parts.append(ops.reshape(flat[start : start + size], shape))
        start += size
    return parts
