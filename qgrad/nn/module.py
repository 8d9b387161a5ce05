"""Module: a tree of layers that holds parameters and buffers under PyTorch's names."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from qgrad.dtypes import DType, float32, float64
from qgrad.nn import state_dict as _state
from qgrad.nn.backward_hooks import call_with_backward_hooks
from qgrad.nn.conversion import parse_to
from qgrad.nn.hooks import (
    Hook,
    HookDict,
    RemovableHandle,
    add_hook,
    run_after,
    run_anyway,
    run_before,
)
from qgrad.nn.location import LOCATED, locate
from qgrad.nn.tree import ModuleTree
from qgrad.tensor import Tensor

__all__ = ["Module", "indented"]

Self = TypeVar("Self", bound="Module")

# While a model is traced, the tracer puts here what gives a context manager for each module called.
_call_observer: Callable[[Module], AbstractContextManager[Any]] | None = None


class Module(ModuleTree):
    """Base class of all layers and models.

    Assign Parameters and Modules to attributes in `__init__` (after `super().__init__()`), write
    `forward`, and call the module itself. They are then found by `parameters()`, `named_modules()`
    and `state_dict()`.

    >>> import qgrad
    >>> class Scale(qgrad.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.weight = qgrad.nn.Parameter(qgrad.ones(3))
    ...     def forward(self, x):
    ...         return x * self.weight
    >>> [name for name, _ in Scale().named_parameters()]
    ['weight']
    """

    # Raised by a subclass when the keys of its state change; see _load_from_state_dict.
    _version: int = 1

    _forward_pre_hooks: HookDict
    _forward_hooks: HookDict
    _backward_pre_hooks: HookDict
    _backward_hooks: HookDict

    def __init__(self) -> None:
        super().__init__()
        self.__dict__.update(
            _forward_pre_hooks=OrderedDict(),
            _forward_hooks=OrderedDict(),
            _backward_pre_hooks=OrderedDict(),
            _backward_hooks=OrderedDict(),
        )

    # -- calling ---------------------------------------------------------------------------------

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; every subclass defines its own."""
        raise NotImplementedError(
            f"{type(self).__name__}: forward is not defined. Write `def forward(self, ...)` in the "
            "class, or call a module that has one."
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run `forward` with the hooks around it."""
        observer = _call_observer  # read once: another thread may end its trace meanwhile
        try:
            if observer is not None:
                with observer(self):
                    return self._call_with_hooks(args, kwargs)
            if (
                self._forward_hooks
                or self._forward_pre_hooks
                or self._backward_hooks
                or self._backward_pre_hooks
            ):
                return self._call_with_hooks(args, kwargs)
            return self.forward(*args, **kwargs)
        except LOCATED as error:
            locate(error, self)
            raise

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            args, kwargs = run_before(self._forward_pre_hooks, self, args, kwargs)
            if self._backward_hooks or self._backward_pre_hooks:
                output = call_with_backward_hooks(self, args, kwargs)
            else:
                output = self.forward(*args, **kwargs)
        except Exception:
            run_anyway(self._forward_hooks, self, args, kwargs)
            raise
        return run_after(self._forward_hooks, self, args, kwargs, output)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before each `forward`; a result that is not None replaces args.

        With `with_kwargs`, it is called as `hook(module, args, kwargs)` and may return such a pair.
        """
        return add_hook(self._forward_pre_hooks, Hook(hook, with_kwargs), prepend=prepend)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after each `forward`; a result replaces the output.

        With `with_kwargs`, the hook is called as `hook(module, args, kwargs, output)`; with
        `always_call` also when the call raises, and the output is None then.
        """
        return add_hook(self._forward_hooks, Hook(hook, with_kwargs, always_call), prepend=prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_output)` when the gradient of the output is known.

        `grad_output` is a tuple; a result that is not None replaces it for the backward pass.
        """
        return add_hook(self._backward_pre_hooks, Hook(hook), prepend=prepend)

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` when the gradient of the inputs is known.

        Both are tuples, with None where a positional input carries no gradient; a result that is
        not None replaces `grad_input`.
        """
        return add_hook(self._backward_hooks, Hook(hook), prepend=prepend)

    # -- modes and conversion --------------------------------------------------------------------

    def train(self: Self, mode: bool = True) -> Self:
        """Set training mode on this module and all below it: BatchNorm and Dropout act on it."""
        if not isinstance(mode, bool):
            raise TypeError(
                f"{type(self).__name__}.train: mode is {mode!r}, but must be True or False."
            )
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self: Self) -> Self:
        """Set evaluation mode: the same as `train(False)`."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Say for all parameters whether they are trained; False freezes the module."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or fill them with zero if not `set_to_none`."""
        for param in self.parameters():
            if param.grad is not None:
                param.grad = None if set_to_none else param.grad.detach().zero_()

    def apply(self: Self, fn: Callable[[Module], object]) -> Self:
        """Call `fn` on each module, children before parents; used for custom initialisation."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def to(self: Self, *args: Any, **kwargs: Any) -> Self:
        """Convert floating-point parameters and buffers in place: `to(dtype)`, `to(tensor)`.

        A device is accepted if it is "cpu", the only one there is.
        """
        dtype = parse_to(type(self).__name__, args, kwargs)
        return self if dtype is None else self.type(dtype)

    def type(self: Self, dst_type: DType) -> Self:
        """Convert floating-point parameters and buffers to `dst_type` in place."""
        return self._apply(lambda t: t.to(dst_type) if t.is_floating_point() else t)

    def float(self: Self) -> Self:
        """Convert floating-point parameters and buffers to float32 in place."""
        return self.type(float32)

    def double(self: Self) -> Self:
        """Convert floating-point parameters and buffers to float64 in place."""
        return self.type(float64)

    def cpu(self: Self) -> Self:
        """This module: there is no other device."""
        return self

    def _apply(self: Self, fn: Callable[[Tensor], Tensor]) -> Self:
        """Replace the data of each parameter (and its gradient) and buffer by `fn` of it.

        The tensor objects stay the same, so optimizers and tied weights keep working.
        """
        tensors = {id(t): t for t in (*self.parameters(), *self.buffers())}
        for tensor in tensors.values():
            tensor.data = fn(tensor.data)
            if tensor.grad is not None:
                tensor.grad = fn(tensor.grad)
        return self

    # -- state -----------------------------------------------------------------------------------

    def state_dict(
        self,
        *,
        destination: dict[str, Any] | None = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> dict[str, Any]:
        """All parameters and persistent buffers by path, sharing memory with the module.

        Keys and layouts are PyTorch's. The tensors are detached unless `keep_vars`.
        """
        if destination is None:
            destination = _state.StateDict()
        metadata = getattr(destination, "_metadata", None)
        if metadata is not None:
            metadata[prefix[:-1]] = {"version": self._version}
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        return destination

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _state.IncompatibleKeys:
        """Copy tensors (or arrays) into the parameters and buffers of the same path.

        Raises RuntimeError that lists all missing, unexpected and mismatched keys at once. With
        `strict=False`, missing and unexpected keys are only returned. With `assign`, the given
        tensors take the place of the module's own instead of being copied.
        """
        return _state.load_into(self, state_dict, strict=strict, assign=assign)

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        """Put this module's own tensors into `destination`; subclasses may add to it."""
        _state.save_own(self, destination, prefix, keep_vars)

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load this module's own tensors; subclasses may read older keys or sizes first.

        `local_metadata["version"]` is the `_version` of the class that wrote the state, if known.
        """
        assign = bool(local_metadata.get("assign_to_params_buffers", False))
        _state.load_own(self, state_dict, prefix, missing_keys, unexpected_keys, error_msgs, assign)

    # -- showing ---------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What stands between the parentheses of the repr; subclasses show their arguments."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({name}): {indented(repr(m))}" for name, m in self._modules.items()]
        if not children and len(lines) <= 1:
            return f"{self._get_name()}({extra})"
        body = "".join(f"  {line}\n" for line in lines + children)
        return f"{self._get_name()}(\n{body})"


def indented(text: str) -> str:
    """`text` with all lines but the first moved right by two."""
    return text.replace("\n", "\n  ")
