"""Backward hooks of modules: what flows into and out of a module in the backward pass.

The tensors that enter and leave the module pass through one extra node each way, which sees their
gradients. Those of several tensors arrive together, and the user's hook can replace them all; None
stands for an output that the loss does not depend on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qgrad import ops
from qgrad.autograd import Function
from qgrad.nn.hooks import HookDict
from qgrad.tensor import Tensor

__all__ = ["call_with_backward_hooks"]

Grads = tuple[Tensor | None, ...]


def call_with_backward_hooks(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`module.forward`, with the module's backward hooks attached to this call."""
    grad_output: Grads | None = None

    def at_input(grad_input: Grads) -> Grads | None:
        nonlocal grad_output
        given, grad_output = grad_output, None
        if given is None:  # a second derivative, that did not come through the output
            return None
        return _run(module._backward_hooks, module, grad_input, given)

    def at_output(grads: Grads) -> Grads:
        nonlocal grad_output
        grad_output = changed = _run(module._backward_pre_hooks, module, grads)
        if not entered:
            at_input((None,) * len(args))
        return changed

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


def _through(tensors: list[Any], on_grads: Callable[[list[Any]], list[Any]]) -> Sequence[Any]:
    if len(tensors) > 1:
        found: tuple[Any, ...] = _Together.apply(on_grads, *tensors)
        return found
    out = ops.identity(tensors[0])
    out.register_hook(lambda g: on_grads([g])[0])
    return [out]


class _Together(Function):
    """Several tensors as they are, and their gradients all at once, None where there is none."""

    @staticmethod
    def forward(ctx: Any, on_grads: Callable[[list[Any]], list[Any]], *tensors: Any) -> Any:
        ctx.on_grads = on_grads
        ctx.set_materialize_grads(False)
        return tensors

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return None, *ctx.on_grads(list(grads))
