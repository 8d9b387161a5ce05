"""What the door does with a call that has symbolic arguments: compute its value and record it."""

from __future__ import annotations

from typing import Any

import numpy as np

from qgrad.errors import UnsupportedOpError
from qgrad.ops.op import Op, register_handler, registry
from qgrad.symbolic.fold import fold
from qgrad.symbolic.node import Node
from qgrad.symbolic.scalar_ops import options, takes_bools, takes_numbers
from qgrad.symbolic.size import SymInt
from qgrad.symbolic.value import Symbolic, constant, make, size_variable

__all__ = ["run_on_symbols"]


def run_on_symbols(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The door's handler for SymFloat and SymBool."""
    args = op.positional(args, kwargs)
    if not takes_numbers(op):
        raise UnsupportedOpError(
            f"{op.name}: takes tensors, not symbolic numbers; compute with the numbers themselves, "
            "for example sum([...]) in Python, or give float(x)"
        )
    inputs = tuple([_input(op, a) for a in args])
    folded = fold(op, inputs)
    if folded is not None:
        return folded if isinstance(folded, Node) else constant(folded)
    y = op.compute([_array(op, *pair) for pair in zip(inputs, options(op), strict=True)])
    value = bool(y) if y.dtype.kind == "b" else float(y)
    if not any(isinstance(a, Node) for a in inputs):
        return make(value, None, None)
    return make(value, op, inputs)


def _input(op: Op, a: Any) -> Any:
    """An argument as expressions keep it: a Node that is not constant, or a plain value."""
    if isinstance(a, Node):
        return a._value if a._args is None else a
    if isinstance(a, SymInt):
        return size_variable(a)
    if a is None or a.__class__ in (float, int, bool, str):
        return a
    if isinstance(a, (np.generic, np.ndarray)) and a.ndim == 0 and a.dtype.kind in "biuf":
        return a.item()
    if isinstance(a, (bool, int, float)):
        return a
    raise TypeError(
        f"{op.name}: one argument is symbolic and one is a {type(a).__name__}, and neither knows "
        "of the other's derivatives; give float(x) for the symbolic x, or t.item() for a tensor t "
        "of one element"
    )


def _array(op: Op, a: Any, is_option: bool) -> Any:
    if isinstance(a, Node):
        a = a._value
    elif is_option or a is None:
        return a
    is_bool = a.__class__ is bool and takes_bools(op)
    return np.array(a, np.bool_ if is_bool else np.float64)


def _attach_methods() -> None:
    """Every op on numbers whose first parameter is `input` is a method, as of Tensor."""
    taken = set(dir(Symbolic))
    for name, op in registry.items():
        if takes_numbers(op) and op.params[0] == "input" and name not in taken:
            setattr(Symbolic, name, _method(op))


def _method(op: Op) -> Any:
    def method(self: Symbolic, *args: Any, **kwargs: Any) -> Any:
        return op(self, *args, **kwargs)

    method.__name__ = op.name
    method.__qualname__ = f"Symbolic.{op.name}"
    method.__doc__ = op.doc
    return method


_attach_methods()
register_handler(Symbolic, 110, run_on_symbols)
