"""Function: operations with a gradient of the user's own, in PyTorch's form."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from qgrad.autograd.function_node import connect, connect_undifferentiable, load_saved
from qgrad.autograd.mode import no_grad, recording
from qgrad.autograd.record import alias, edge_of, refresh
from qgrad.autograd.variable import Node, Variable

__all__ = ["Function", "FunctionCtx", "once_differentiable"]

F = TypeVar("F", bound=Callable[..., Any])


class FunctionCtx:
    """What `forward` hands on to `backward`: saved tensors, marks, and attributes of any name.

    needs_input_grad: for each argument of `apply`, whether it requires grad.
    """

    needs_input_grad: tuple[bool, ...] = ()
    _to_save: tuple[Variable | None, ...] = ()
    _dirty: tuple[Variable, ...] = ()
    _constant: tuple[Variable, ...] = ()
    _materialize: bool = True
    _node: Callable[[], Node | None] | None = None  # weak: the node keeps this context

    def save_for_backward(self, *tensors: Variable | None) -> None:
        """Keep tensors, or None, for `backward`. Inputs and outputs belong here, not in attributes:

        what is saved here is freed with the graph, and a later change in place is noticed.
        """
        for i, tensor in enumerate(tensors):
            if tensor is not None and not isinstance(tensor, Variable):
                raise TypeError(
                    f"save_for_backward: argument {i} is a {type(tensor).__name__}, but only "
                    "tensors are saved; keep other values as attributes: ctx.name = value"
                )
        self._to_save = tensors

    def save_for_forward(self, *tensors: Variable | None) -> None:
        """Accepted for PyTorch's sake: there is no forward mode here that would read them."""

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What `save_for_backward` was given. Raises if any of it was changed in place since."""
        return self._to_save if self._node is None else load_saved(self._node())

    def mark_dirty(self, *tensors: Variable) -> None:
        """Say which inputs `forward` changes in place; each must be among its outputs."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Variable) -> None:
        """Say which outputs get no gradient."""
        self._constant = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether `backward` gets zeros (default) or None for outputs without a gradient."""
        self._materialize = bool(value)


class FunctionOp:
    """What made a tensor, as errors and reprs name it."""

    __slots__ = ("grad_name", "name")

    def __init__(self, name: str) -> None:
        self.name, self.grad_name = name, f"{name}Backward"


class Function:
    """Base of operations with a gradient of their own.

    Subclasses define static methods: `forward(ctx, *args)` computes, with gradients off, one value
    or a tuple; `backward(ctx, *grad_outputs)` returns one gradient for each argument of `forward`,
    None where there is none. Or, separately, `forward(*args)` and `setup_context(ctx, inputs,
    output)`. Call `apply`, not the class. Where `backward` is made of differentiable operations,
    the gradient can be differentiated again.

    >>> class Cube(qgrad.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x ** 3
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return g * 3 * x ** 2
    >>> x = qgrad.tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor(12.)
    """

    _op = FunctionOp("Function")

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls._op = FunctionOp(cls.__name__)

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Refused: a Function has no instances."""
        raise TypeError(
            f"{cls.__name__}: a Function has static methods and no instances; call "
            f"{cls.__name__}.apply(...)"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the output; every subclass defines its own."""
        raise NotImplementedError(
            "Function: forward is not defined; write a static method forward(ctx, *args)"
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Save what `backward` needs, if `forward` takes no ctx."""
        raise NotImplementedError(
            "Function: setup_context is not defined; write a static method "
            "setup_context(ctx, inputs, output), or let forward take ctx first"
        )

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradients of the arguments; a subclass that is differentiated defines its own."""
        raise NotImplementedError(
            "Function: backward is not defined; write a static method backward(ctx, *grad_outputs)"
        )

    vjp = backward  # PyTorch's other name for it; a subclass may define either

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run `forward` on `args`, and record its `backward` if an argument requires grad."""
        separate = cls.setup_context is not Function.setup_context
        if kwargs:
            args = _positional(cls, args, kwargs, separate)
        edges = [_edge(cls, a) for a in args]
        ctx = FunctionCtx()
        ctx.needs_input_grad = tuple([edge is not None for edge in edges])
        mode = recording.get()
        recording.set(mode and False)
        try:
            if separate:
                output = cls.forward(*args)
                cls.setup_context(ctx, args, output)
            else:
                output = cls.forward(ctx, *args)
        finally:
            recording.set(mode)
        outputs = output if isinstance(output, tuple) else (output,)
        _check_dirty(cls, ctx, args, outputs)
        if mode and any(ctx.needs_input_grad):
            results = connect(cls._op, _backward_of(cls), ctx, args, edges, outputs)
        else:
            ctx._to_save = ()
            results = [_own_tensor(value, args, ctx) for value in outputs]
        return tuple(results) if isinstance(output, tuple) else results[0]


def once_differentiable(backward: F) -> F:
    """Decorator for a `backward` that is not made of differentiable operations.

    It runs with gradients off, and what it returns raises when it is differentiated again.
    """

    @wraps(backward)
    def inner(ctx: FunctionCtx, *grad_outputs: Any) -> Any:
        with no_grad():
            grads = backward(ctx, *grad_outputs)
        node = None if ctx._node is None else ctx._node()
        if node is None or not recording.get():
            return grads
        results = connect_undifferentiable(
            node, grad_outputs, grads if isinstance(grads, tuple) else (grads,)
        )
        return tuple(results) if isinstance(grads, tuple) else results[0]

    return inner  # type: ignore[return-value]


def _edge(cls: type[Function], a: Any) -> Any:
    """Where the gradient of an argument goes, None if nowhere."""
    if not isinstance(a, Variable):
        return None
    if a._refuse is not None:
        a._refuse(
            f"the Function {cls.__name__}",
            "A graph holds operations of the table only: write its forward with those, or apply "
            "it outside of the traced module.",
        )
    if a._view is not None:
        refresh(a)
    return edge_of(a)


def _backward_of(cls: type[Function]) -> Callable[..., Any]:
    if cls.vjp is Function.vjp:
        return cls.backward
    if cls.backward is not Function.backward:
        raise TypeError(f"{cls.__name__}: defines both backward and vjp; define one of them")
    return cls.vjp


def _positional(
    cls: type[Function], args: tuple[Any, ...], kwargs: dict[str, Any], separate: bool
) -> tuple[Any, ...]:
    """All arguments of `forward` in order; for those by name, forward must be an open book."""
    forward = cls.forward
    names = forward.__code__.co_varnames[: forward.__code__.co_argcount][not separate :]
    values = dict(zip(names, args, strict=False))
    if len(args) > len(names) or values.keys() & kwargs.keys() or kwargs.keys() - set(names):
        raise TypeError(
            f"{cls.__name__}.apply: arguments {', '.join(kwargs)} are given by name, and do not "
            f"fit forward's ({', '.join(names)})"
        )
    defaults = forward.__defaults__ or ()
    values = {**dict(zip(names[::-1], defaults[::-1], strict=False)), **values, **kwargs}
    missing = [name for name in names if name not in values]
    if missing:
        raise TypeError(f"{cls.__name__}.apply: arguments {', '.join(missing)} are missing")
    return tuple(values[name] for name in names)


def _check_dirty(
    cls: type[Function], ctx: FunctionCtx, args: tuple[Any, ...], outputs: tuple[Any, ...]
) -> None:
    for tensor in ctx._dirty:
        for group, what in ((args, "an input"), (outputs, "returned as an output")):
            if all(tensor is not value for value in group):
                raise RuntimeError(
                    f"{cls.__name__}: mark_dirty was given a tensor that is not {what}; it takes "
                    "inputs that forward changes in place and returns"
                )


def _own_tensor(value: Any, args: tuple[Any, ...], ctx: FunctionCtx) -> Any:
    """An output without history. An input that was not changed is returned as another tensor."""
    if any(value is tensor for tensor in ctx._dirty):
        return value
    given = isinstance(value, Variable) and any(value is a for a in args)
    return alias(value) if given else value
