"""Recording: what the door does with a call that has Tensors among its arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from qgrad.autograd.mode import recording
from qgrad.autograd.saved import raw_items
from qgrad.autograd.variable import INFERENCE, Node, Variable, next_order, set_history, version
from qgrad.errors import DTypeError
from qgrad.kernels.extension import core
from qgrad.ops.op import Op

__all__ = [
    "alias",
    "check_savable",
    "edge_of",
    "make",
    "noted",
    "record",
    "refresh",
    "run_on_tensors",
    "set_note",
    "set_tensor_class",
    "shape_of",
    "shared_cell",
]

ndarray = np.ndarray
Array = np.ndarray[Any, Any]
new = object.__new__
_tensor_class: type[Any] = Variable
_note: Callable[[Node, Sequence[Any], Sequence[Array]], None] | None = None


def set_tensor_class(cls: type[Variable]) -> None:
    """Tell which class the results of ops have. Called once, by the module that defines it."""
    global _tensor_class
    _tensor_class = cls


def set_note(note: Callable[[Node, Sequence[Any], Sequence[Array]], None] | None) -> None:
    """Have `note(node, args, outputs)` called for every recorded operation; None: no longer."""
    global _note
    _note = note
    if core is not None:
        core.door_noting(note is not None)


def noted(node: Node, args: Sequence[Any], outputs: Sequence[Array]) -> None:
    """Tell of a recorded operation."""
    if _note is not None:
        _note(node, args, outputs)


def make(data: Any, cls: type[Any] | None = None) -> Any:
    """A tensor that shares the memory of the array `data` and has no history."""
    tensor = new(cls or _tensor_class)
    tensor._data = data if data.__class__ is ndarray else np.asarray(data)
    tensor._node = tensor._cell = tensor._hooks = tensor._view = tensor._grad = None
    tensor._requires_grad = False
    return tensor


def run_on_tensors(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The door's handler for Tensors: compute on their arrays, and record if a gradient is due."""
    if kwargs or len(args) != op.arity:
        args = op.positional(args, kwargs)
    arrays = []
    mask, bit, counted = 0, 1, False
    for a in args:
        if isinstance(a, Variable):
            if a._cell is not None:
                counted = True
                if a._view is not None:
                    refresh(a)
            if a._requires_grad:
                mask |= bit
            arrays.append(a._data)
        elif a.__class__ is tuple or a.__class__ is list:
            if any(isinstance(item, Variable) for item in a):
                counted = True
                if needs_grad(a):
                    mask |= bit
                a = raw_items(a)
            arrays.append(a)
        elif isinstance(a, np.generic):
            arrays.append(a.item())  # NumPy's scalars are numbers, which widen nothing
        else:
            arrays.append(a)
        bit += bit
    y = op.compute(arrays)
    if op.saves:
        y, extras = y
        return record(op, args, y, extras, mask, counted)
    return record(op, args, y, None, mask, counted)


def needs_grad(a: Any) -> bool:
    """Whether an argument, or a tensor in a list of them, requires grad."""
    if a.__class__ is tuple or a.__class__ is list:
        return any(needs_grad(item) for item in a)
    if not isinstance(a, Variable):
        return False
    if a._view is not None:
        refresh(a)
    return a._requires_grad


def record(
    op: Op,
    args: Sequence[Any],
    y: Any,
    extras: Any = None,
    mask: int | None = None,
    counted: bool = True,
) -> Any:
    """The array `y` = op(*args) as a Tensor with history.

    `args` are all parameters in order, with the tensors among them; `extras` is what the op's rules
    read as `saved`. Bit i of `mask` says that argument i requires grad (None: look). `counted` is
    false if no argument has a version counter yet.
    """
    tensor = new(_tensor_class)
    tensor._data = y = y if y.__class__ is ndarray else np.asarray(y)
    if y.dtype.kind not in "fiub":
        raise DTypeError(
            f"{op.name}: the arguments make {y.dtype}, but a tensor holds real numbers or bools; "
            "pass tensors and numbers"
        )
    tensor._node = tensor._cell = tensor._hooks = tensor._view = tensor._grad = None
    tensor._requires_grad = False
    if op.view:
        _share_memory(op, args, tensor)
    if mask is None:
        mask = sum(1 << i for i, a in enumerate(args) if needs_grad(a))
    mode = recording.get()
    if not mask or not mode:
        if mode is None and tensor._cell is None:
            tensor._cell = INFERENCE
        return tensor
    try:
        plan = op.plans[mask]
    except KeyError:
        plan = op.plan(mask)
    dtype = y.dtype
    if plan is None or dtype.kind != "f":
        return tensor
    tensor._requires_grad = True
    tensor._node = node = new(Node)
    node.op = op
    node.plan = plan
    node.edges = edges = []
    for i in plan.targets:
        a = args[i]
        if a.__class__ is tuple or a.__class__ is list:
            edges.append([edge_of(item) for item in a])
        else:
            source = a._node
            edges.append(a if source is None else source)
    node.shape = y.shape
    node.dtype = dtype
    node.order = next_order()
    node.versions = node.cell = node.hooks = None
    node.saved = saved = [args[i] for i in plan.keep]
    if counted:
        node.versions = [_version_to_save(v, op) for v in saved]
    if plan.keeps_more:
        _save_more(node, args, tensor, extras)
    if _note is not None:
        _note(node, args, (y,))
    return tensor


def _version_to_save(value: Any, op: Op) -> Any:
    if value.__class__ is tuple or value.__class__ is list:
        return [_version_to_save(item, op) for item in value]
    if not isinstance(value, Variable):
        return 0
    check_savable(value, op.name)
    return version(value)


def check_savable(tensor: Variable, name: str) -> None:
    """Raise for a tensor made in inference mode, which no gradient of `name` may need."""
    if tensor._cell is INFERENCE:
        raise RuntimeError(
            f"{name}: a tensor made in inference mode (shape {list(tensor._data.shape)}) cannot be "
            "saved for the backward; use its clone(), or make it under qgrad.no_grad()"
        )


def _save_more(node: Node, args: Sequence[Any], tensor: Variable, extras: Any) -> None:
    """Save what is not an argument's value: shapes, the output, the forward's extras."""
    plan, saved = node.plan, node.saved
    assert saved is not None
    for i in plan.shapes:
        saved.append(shape_of(args[i]))
    if plan.keeps_output:
        saved.append(tensor._data)
        if tensor._cell is None:
            tensor._cell = [0]
        node.cell = tensor._cell
    if plan.keeps_extras:
        saved.append(extras)


def edge_of(a: Any) -> Any:
    """Where the gradient of `a` goes: the node that made it, the leaf itself, or nowhere."""
    if not isinstance(a, Variable) or not a._requires_grad:
        return None
    return a if a._node is None else a._node


def shape_of(a: Any) -> Any:
    """The shape of an argument, or those of the items of a list."""
    return [v._data.shape for v in a] if isinstance(a, (list, tuple)) else np.shape(_raw(a))


def _raw(a: Any) -> Any:
    return a._data if isinstance(a, Variable) else a


def _share_memory(op: Op, args: Sequence[Any], tensor: Variable) -> None:
    """If `tensor` is a view of the first argument, let both count changes together."""
    base = args[0]
    if not isinstance(base, Variable):
        return
    data, seen = base._data, tensor._data
    if seen is data:
        tensor._data = seen = data.view()
    elif seen.base is None or (seen.base is not data and seen.base is not data.base):
        return
    tensor._cell = cell = shared_cell(base)
    if op.rules:  # detach() has none: what happens to its result is no business of the argument
        if recording.get():
            tensor._view = (op, tuple(args), cell[0])
        else:
            _mark_unrecorded(base, tensor)


def shared_cell(tensor: Variable) -> list[int]:
    """The version counter of the memory of `tensor`, for others that look at it."""
    cell = tensor._cell
    if cell is None:
        cell = tensor._cell = [0]
    return cell


def _mark_unrecorded(base: Variable, tensor: Variable) -> None:
    """Note that `tensor` is a view of `base` that has no history, or one of its own."""
    if tensor._cell is not INFERENCE:
        known = base._view
        root = known[1][0] if known is not None and known[0] is None else base
        tensor._view = (None, (root,), version(base))


def alias(tensor: Variable) -> Any:
    """Another tensor on the memory of `tensor`, without its history."""
    result = make(tensor._data.view())
    result._cell = shared_cell(tensor)
    _mark_unrecorded(tensor, result)
    return result


def refresh(view: Variable) -> None:
    """Record a view anew if its memory was changed in place, maybe through what it views."""
    stale = []
    while view._view is not None and view._view[2] != version(view):
        stale.append(view)
        view = view._view[1][0]
    for view in reversed(stale):
        assert view._view is not None
        op, args, _ = view._view
        if op is None:
            view._view = (None, args, version(view))
            continue
        again = record(op, args, view._data)
        set_history(view, again._node, again._requires_grad)
        view._view = (op, args, version(view))
