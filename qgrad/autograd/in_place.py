"""Changing a tensor's memory: versions, and history for changes that are differentiated.

A recorded change gives the tensor a new node. If the tensor is a view, what it views gets a node
too, that of `overwrite`; other views of the same memory are recorded anew when they are next used.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qgrad.autograd.mode import recording
from qgrad.autograd.record import make, needs_grad, record
from qgrad.autograd.saved import raw_items
from qgrad.autograd.variable import INFERENCE, Variable, bump, set_history
from qgrad.errors import DTypeError, ShapeError
from qgrad.ops.arithmetic import add, div, mul, sub
from qgrad.ops.indexing import put, setitem
from qgrad.ops.op import Op, Value, describe, op

__all__ = ["assign", "change", "check_leaf", "overwrite", "rebase", "reshape"]

_DIRECT = {add: np.add, sub: np.subtract, mul: np.multiply, div: np.true_divide}


@op()
def overwrite(input: Value, value: Value, view: Op, args: tuple[Any, ...]) -> Value:
    """A copy of `input` in which the view `view(input, *args)` holds `value`."""
    y = np.array(input, order="C")  # of another layout, a reshape would be a copy
    view.compute((y, *args))[...] = value
    return y


@overwrite.rule("input")
def overwrite_dinput(g: Value, view: Op, args: tuple[Any, ...]) -> Value:
    return overwrite(g, 0.0, view, args)


@overwrite.rule("value")
def overwrite_dvalue(g: Value, view: Op, args: tuple[Any, ...]) -> Value:
    return view(g, *args)


def change(tensor: Any, op: Op, *rest: Any, **options: Any) -> Any:
    """tensor = op(tensor, ...) in the memory of `tensor`; gives `tensor`."""
    args = op.positional((tensor, *rest), options)
    if tensor._in_place is not None:
        return tensor._in_place(op, args)
    name = op.name + "_"
    mode = recording.get()
    recorded = mode and any(needs_grad(a) for a in args)
    if tensor._cell is not None:
        _check_shared(tensor, name, mode, recorded)
    if recorded:
        check_leaf(tensor, name)
    elif op in _DIRECT and _fits(tensor._data, args[1]):
        data, other = tensor._data, args[1]
        if not data.flags.writeable:
            raise _read_only(tensor, name)
        with np.errstate(all="ignore"):
            _DIRECT[op](data, other._data if isinstance(other, Variable) else other, out=data)
        bump(tensor)
        return tensor
    y = op.compute([_raw(a) for a in args])
    extras = None
    if op.saves:
        y, extras = y
    y = np.asarray(y)
    _check_result(tensor._data, y, name)
    if not tensor._data.flags.writeable:
        raise _read_only(tensor, name)
    result = record(op, args, y, extras) if recorded else None
    if result is not None:
        _keep_old(result._node, tensor)
    tensor._data[...] = y
    bump(tensor)
    if result is not None:
        rebase(tensor, result)
    return tensor


def assign(tensor: Any, index: Any, value: Any) -> None:
    """tensor[index] = value."""
    if tensor._in_place is not None:
        tensor._in_place(setitem, (tensor, index, value))
        return
    mode = recording.get()
    recorded = mode and (needs_grad(tensor) or needs_grad(value))
    if tensor._cell is not None:
        _check_shared(tensor, "setitem", mode, recorded)
    if recorded:
        check_leaf(tensor, "setitem")
    raw = _raw(value)
    try:
        put(tensor._data, _raw(index), raw)
    except (ValueError, IndexError, TypeError) as error:
        if not tensor._data.flags.writeable:
            raise _read_only(tensor, "setitem") from error
        raise setitem.explain(error, (tensor._data, _raw(index), raw)) from error
    result = record(setitem, (tensor, index, value), tensor._data) if recorded else None
    bump(tensor)
    if result is not None:
        rebase(tensor, result)


def reshape(tensor: Any, op: Op, *rest: Any) -> Any:
    """tensor = op(tensor, ...) where `op` gives a view: the same memory, seen in another shape."""
    if tensor._in_place is not None:
        return tensor._in_place(op, op.positional((tensor, *rest), {}))
    if recording.get() and tensor._requires_grad:
        check_leaf(tensor, op.name + "_")
    before = make(tensor._data)  # what the tensor was; the view that it becomes refers to that
    for slot in ("_node", "_requires_grad", "_cell", "_view"):
        setattr(before, slot, getattr(tensor, slot))
    after = op(before, *rest)
    tensor._data, tensor._cell, tensor._view = after._data, after._cell, after._view
    set_history(tensor, after._node, after._requires_grad)
    return tensor


def _read_only(tensor: Variable, name: str) -> ValueError:
    return ValueError(
        f"{name}: the memory of this tensor (shape {list(tensor._data.shape)}) is read-only: it is "
        "expanded, a gradient on its way, or from a read-only array; change its clone()"
    )


def _keep_old(node: Any, tensor: Any) -> None:
    """Let `node` hold a copy of `tensor` if its rules need the value before the change."""
    if node is not None and any(value is tensor for value in node.saved):
        old = make(tensor._data.copy())
        old._node, old._requires_grad = tensor._node, tensor._requires_grad
        node.saved = [old if value is tensor else value for value in node.saved]


def _raw(a: Any) -> Any:
    if isinstance(a, Variable):
        return a._data
    return raw_items(a) if a.__class__ in (tuple, list) else a


def _fits(data: Any, other: Any) -> bool:
    if data.dtype.kind != "f":
        return False
    if isinstance(other, Variable):
        return other._data.dtype is data.dtype and other._data.shape == data.shape
    return isinstance(other, (int, float))


def _check_shared(tensor: Variable, name: str, mode: bool | None, recorded: bool | None) -> None:
    """Refuse a change that would go unnoticed: of what others see, or what has no versions."""
    if tensor._cell is INFERENCE and mode is not None:
        raise RuntimeError(
            f"{name}: a tensor made in inference mode cannot be changed in place outside of it; "
            "change its clone()"
        )
    root, unrecorded = tensor, False
    while root._view is not None:
        unrecorded = unrecorded or root._view[0] is None
        root = root._view[1][0]
    if unrecorded and (recorded or (mode and root._requires_grad)):
        raise RuntimeError(
            f"{name}: the tensor is a view that was made under no_grad or returned by a Function, "
            "so the tensor that it views would not know of the change; change its clone(), or put "
            "both the view and the change inside, or both outside, of no_grad"
        )


def check_leaf(tensor: Variable, name: str) -> None:
    """Refuse a recorded change of a leaf that requires grad: its old value would be lost."""
    root = tensor
    while root._view is not None:
        root = root._view[1][0]
    if root._node is None and root._requires_grad:
        what = ("" if root is tensor else "a view of ") + "a leaf that requires grad"
        raise RuntimeError(
            f"{name}: {what} cannot be changed in place while operations are recorded; put the "
            "change into `with qgrad.no_grad():`, or make a new tensor (`x = x * 2`)"
        )


def _check_result(data: Any, y: Any, name: str) -> None:
    if y.shape != data.shape:
        raise ShapeError(
            f"{name}: the result {describe(y)} does not fit into the tensor {describe(data)}; "
            "write `x = x + y` instead of `x += y` to get a new tensor"
        )
    _check_kind(data, y, name)


def _check_kind(data: Any, y: Any, name: str) -> None:
    rank = "biuf"
    if rank.index(y.dtype.kind) > max(rank.index(data.dtype.kind), 2 * (data.dtype.kind == "i")):
        raise DTypeError(
            f"{name}: the result is {y.dtype}, the tensor {data.dtype}, and values would be lost; "
            "make a new tensor, or convert one with .to()"
        )


def rebase(tensor: Any, result: Any) -> None:
    """Give `tensor`, and what it views, the history of `result`, which its memory now holds."""
    while tensor._view is not None:
        op, args, _ = tensor._view
        base = args[0]
        result = record(overwrite, (base, result, op, args[1:]), base._data)
        tensor = base
    set_history(tensor, result._node, result._requires_grad)
