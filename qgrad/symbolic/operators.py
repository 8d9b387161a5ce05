"""What Python's operators and NumPy's functions do on symbolic values: they call the op table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qgrad import ops
from qgrad.ops.op import Op, registry
from qgrad.symbolic.node import Node

__all__ = ["Operators"]

# NumPy's names of ufuncs that are called otherwise in the op table.
_UFUNCS = {
    "absolute": "abs",
    "arccos": "acos",
    "arccosh": "acosh",
    "arcsin": "asin",
    "arcsinh": "asinh",
    "arctan": "atan",
    "arctan2": "atan2",
    "arctanh": "atanh",
    "divide": "div",
    "equal": "eq",
    "greater": "gt",
    "greater_equal": "ge",
    "invert": "bitwise_not",
    "less": "lt",
    "less_equal": "le",
    "multiply": "mul",
    "negative": "neg",
    "not_equal": "ne",
    "power": "pow",
    "rint": "round",
    "subtract": "sub",
}


def _takes(other: Any) -> bool:
    """Whether `other` is for the op table. It refuses tensors, and says what to do with them."""
    if isinstance(other, (Node, int, float, np.generic)):
        return True
    return other.ndim == 0 if isinstance(other, np.ndarray) else hasattr(other, "requires_grad")


def _binary(op: Op) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        return op(self, other) if _takes(other) else NotImplemented

    return method


def _reflected(op: Op) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        return op(other, self) if _takes(other) else NotImplemented

    return method


def _unary(op: Op) -> Callable[[Any], Any]:
    def method(self: Any) -> Any:
        return op(self)

    return method


class Operators(Node):
    """The operators; the other operand may be symbolic, a number, or a NumPy array.

    An array gives an object array with one symbolic value for each element.
    """

    __slots__ = ()

    shape = ()  # composed functions, such as qgrad.max, ask
    ndim = 0

    __add__ = _binary(ops.add)
    __sub__ = _binary(ops.sub)
    __mul__ = _binary(ops.mul)
    __truediv__ = _binary(ops.div)
    __floordiv__ = _binary(ops.floor_divide)
    __mod__ = _binary(ops.remainder)
    __pow__ = _binary(ops.pow)
    __and__ = _binary(ops.bitwise_and)
    __or__ = _binary(ops.bitwise_or)
    __xor__ = _binary(ops.bitwise_xor)

    __radd__ = _reflected(ops.add)
    __rsub__ = _reflected(ops.sub)
    __rmul__ = _reflected(ops.mul)
    __rtruediv__ = _reflected(ops.div)
    __rfloordiv__ = _reflected(ops.floor_divide)
    __rmod__ = _reflected(ops.remainder)
    __rpow__ = _reflected(ops.pow)
    __rand__ = _reflected(ops.bitwise_and)
    __ror__ = _reflected(ops.bitwise_or)
    __rxor__ = _reflected(ops.bitwise_xor)

    __eq__ = _binary(ops.eq)
    __ne__ = _binary(ops.ne)
    __lt__ = _binary(ops.lt)
    __le__ = _binary(ops.le)
    __gt__ = _binary(ops.gt)
    __ge__ = _binary(ops.ge)

    __neg__ = _unary(ops.neg)
    __abs__ = _unary(ops.abs)
    __invert__ = _unary(ops.bitwise_not)

    __hash__ = object.__hash__

    def __divmod__(self, other: Any) -> Any:
        return (self // other, self % other) if _takes(other) else NotImplemented

    def __rdivmod__(self, other: Any) -> Any:
        return (other // self, other % self) if _takes(other) else NotImplemented

    def __pos__(self) -> Any:
        return self

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        op = registry.get(_UFUNCS.get(ufunc.__name__, ufunc.__name__))
        if op is None or method != "__call__" or options:
            return NotImplemented
        if any(isinstance(value, np.ndarray) and value.ndim for value in inputs):
            return np.frompyfunc(op, len(inputs), 1)(*map(_as_object, inputs))
        return op(*inputs)


def _as_object(value: Any) -> Any:
    """As an array that NumPy takes the elements of without asking them."""
    if isinstance(value, np.ndarray):
        return value
    array = np.empty((), object)
    array[()] = value
    return array
