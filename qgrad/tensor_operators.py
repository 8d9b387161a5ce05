"""What Python's operators do on a Tensor: each calls its op through the one door."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from qgrad import ops
from qgrad.autograd.in_place import assign, change
from qgrad.autograd.variable import Variable
from qgrad.dtypes import uint8
from qgrad.ops.op import Op, caller

__all__ = ["Operators"]

OPERANDS = (Variable, bool, int, float, np.ndarray, np.generic)


def _binary(op: Op) -> Callable[[Any, Any], Any]:
    call = caller(op)

    def method(self: Any, other: Any) -> Any:
        if isinstance(other, OPERANDS):
            return call(self, other)
        return NotImplemented

    return method


def _reflected(op: Op) -> Callable[[Any, Any], Any]:
    call = caller(op)

    def method(self: Any, other: Any) -> Any:
        if isinstance(other, OPERANDS):
            return call(other, self)
        return NotImplemented

    return method


def _augmented(op: Op) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        if isinstance(other, OPERANDS):
            return change(self, op, other)
        return NotImplemented

    return method


def _unary(op: Op) -> Callable[[Any], Any]:
    call = caller(op)

    def method(self: Any) -> Any:
        return call(self)

    return method


class Operators(Variable):
    """The operators of Tensor. NumPy arrays and numbers are taken as operands on both sides."""

    __slots__ = ()

    __add__ = _binary(ops.add)
    __sub__ = _binary(ops.sub)
    __mul__ = _binary(ops.mul)
    __truediv__ = _binary(ops.div)
    __floordiv__ = _binary(ops.floor_divide)
    __mod__ = _binary(ops.remainder)
    __pow__ = _binary(ops.pow)
    __matmul__ = _binary(ops.matmul)
    __and__ = _binary(ops.bitwise_and)
    __or__ = _binary(ops.bitwise_or)
    __xor__ = _binary(ops.bitwise_xor)
    __lshift__ = _binary(ops.bitwise_left_shift)
    __rshift__ = _binary(ops.bitwise_right_shift)

    __radd__ = _reflected(ops.add)
    __rsub__ = _reflected(ops.sub)
    __rmul__ = _reflected(ops.mul)
    __rtruediv__ = _reflected(ops.div)
    __rfloordiv__ = _reflected(ops.floor_divide)
    __rmod__ = _reflected(ops.remainder)
    __rpow__ = _reflected(ops.pow)
    __rmatmul__ = _reflected(ops.matmul)
    __rand__ = _reflected(ops.bitwise_and)
    __ror__ = _reflected(ops.bitwise_or)
    __rxor__ = _reflected(ops.bitwise_xor)
    __rlshift__ = _reflected(ops.bitwise_left_shift)
    __rrshift__ = _reflected(ops.bitwise_right_shift)

    __iadd__ = _augmented(ops.add)
    __isub__ = _augmented(ops.sub)
    __imul__ = _augmented(ops.mul)
    __itruediv__ = _augmented(ops.div)
    __ifloordiv__ = _augmented(ops.floor_divide)
    __imod__ = _augmented(ops.remainder)
    __ipow__ = _augmented(ops.pow)
    __iand__ = _augmented(ops.bitwise_and)
    __ior__ = _augmented(ops.bitwise_or)
    __ixor__ = _augmented(ops.bitwise_xor)
    __ilshift__ = _augmented(ops.bitwise_left_shift)
    __irshift__ = _augmented(ops.bitwise_right_shift)

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

    def __pos__(self) -> Any:
        return self

    def __reversed__(self) -> Any:
        return ops.flip(self, 0) if self._data.ndim else self

    def __getitem__(self, index: Any) -> Any:
        return ops.getitem(self, as_index(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        assign(self, as_index(index), value)


def as_index(index: Any) -> Any:
    """An index in the form that ops keep: lists of numbers as arrays, uint8 masks as bool ones."""
    if isinstance(index, list):
        return _list_as_array(index)
    if isinstance(index, Variable):
        return _as_mask(index)
    if isinstance(index, tuple):
        return tuple(
            _list_as_array(i)
            if isinstance(i, list)
            else _as_mask(i)
            if isinstance(i, Variable)
            else i
            for i in index
        )
    return index


def _as_mask(index: Any) -> Any:
    """A tensor that is an index, in bool if it is uint8: in PyTorch that once was the mask."""
    if index.dtype is not uint8:
        return index
    warnings.warn(
        "indexing with a uint8 tensor takes it for a mask; use a bool tensor (mask.bool()), or "
        "index.long() if you mean numbers of elements",
        UserWarning,
        stacklevel=4,
    )
    return index.bool()


def _list_as_array(index: list[Any]) -> Any:
    return np.asarray(index) if index else np.empty(0, np.int64)
