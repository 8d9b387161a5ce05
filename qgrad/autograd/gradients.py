"""backward and grad: the ways to ask for gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from qgrad.autograd import engine
from qgrad.autograd.record import make, refresh
from qgrad.autograd.variable import Node, Variable
from qgrad.errors import ShapeError
from qgrad.ops.shape import stack

__all__ = ["backward", "grad", "set_symbolic"]

Tensors = Any  # one tensor or a sequence of them
_symbolic: Any = None


def set_symbolic(module: Any) -> None:
    """Tell who knows symbolic numbers: `is_symbolic(values)` and `grad(...)`, once it is loaded."""
    global _symbolic
    _symbolic = module


def backward(
    tensors: Tensors,
    grad_tensors: Tensors = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensors = None,
) -> None:
    """Add the gradients of `tensors` to the `.grad` of the leaves, or of `inputs` only.

    grad_tensors: the gradients of the tensors themselves; None for scalars.
    retain_graph: keep what the graph has saved, for another backward; by default if `create_graph`.
    create_graph: record the gradients, so that they can be differentiated again. A `.grad` and its
        leaf refer to each other then, until the `.grad` is set to None; `grad` has no such cycle.
    inputs: one or several tensors, leaves or not, that get a gradient; all others get none.
    """
    roots = _roots("backward", _listed(tensors, "backward: tensors"), grad_tensors, create_graph)
    retain = create_graph if retain_graph is None else retain_graph
    if inputs is None:
        state = engine.run(roots, retain_graph=retain, create_graph=create_graph)
        engine.accumulate(state.sums, state.owned, create_graph)
        return
    targets = _listed(inputs, "backward: inputs")
    if not targets:
        raise RuntimeError("backward: inputs is empty; leave it out to reach all leaves")
    gradients = _gradients("backward", roots, targets, retain, create_graph, hooks=False)
    found = {t: g for t, g in zip(targets, gradients, strict=True) if g is not None}
    engine.accumulate(found, found.keys(), create_graph)


def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Tensors = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """The gradients of `outputs` (summed) for each of `inputs`; no `.grad` is touched.

    grad_outputs: the gradients of the outputs themselves; None for scalars.
    retain_graph, create_graph: as for `backward`.
    only_inputs: always True, since no `.grad` is touched; as in PyTorch.
    allow_unused: None for an input that the outputs do not depend on, instead of an error.
    is_grads_batched: `grad_outputs` have a first dim more, and the results too: one row for each.
    materialize_grads: zeros for an input that the outputs do not depend on.

    >>> x = qgrad.tensor(3.0, requires_grad=True)
    >>> qgrad.autograd.grad(x * x, x)
    (tensor(6.),)

    Of SymFloats the derivatives are SymFloats, and always differentiable again; one that the
    outputs do not depend on has derivative 0.
    """
    if _symbolic is not None and (_symbolic.is_symbolic(outputs) or _symbolic.is_symbolic(inputs)):
        return _symbolic.grad(outputs, inputs, grad_outputs, allow_unused)
    if not only_inputs:
        raise ValueError("grad: only_inputs must be True; use backward to fill the .grad of leaves")
    if materialize_grads and allow_unused is False:
        raise ValueError("grad: materialize_grads=True needs allow_unused to be True or left out")
    if is_grads_batched:
        one = partial(
            grad,
            outputs,
            inputs,
            create_graph=create_graph,
            allow_unused=allow_unused,
            materialize_grads=materialize_grads,
        )
        return _batched(one, grad_outputs, retain_graph)
    targets = _listed(inputs, "grad: inputs")
    roots = _roots("grad", _listed(outputs, "grad: outputs"), grad_outputs, create_graph)
    retain = create_graph if retain_graph is None else retain_graph
    gradients = _gradients("grad", roots, targets, retain, create_graph)
    result = []
    for i, (target, g) in enumerate(zip(targets, gradients, strict=True)):
        if g is None and materialize_grads:
            g = np.zeros_like(target._data)
        elif g is None and not allow_unused:
            raise RuntimeError(
                f"grad: the outputs do not depend on input {i} (shape "
                f"{list(target._data.shape)}); pass allow_unused=True to get None for it"
            )
        result.append(g if g is None or isinstance(g, Variable) else make(g))
    return tuple(result)


def _batched(
    one: Callable[..., tuple[Any, ...]], grad_outputs: Tensors, retain_graph: bool | None
) -> tuple[Any, ...]:
    """The results of `one`, a call of `grad`, for each row of `grad_outputs`."""
    given: list[Any] = [grad_outputs] if isinstance(grad_outputs, Variable) else [*grad_outputs]
    lengths = {len(g) for g in given if g is not None}
    if len(lengths) != 1 or 0 in lengths:
        raise ShapeError(
            "grad: is_grads_batched needs grad_outputs whose first dims have one length >= 1, got "
            f"{sorted(lengths)}"
        )
    (count,) = lengths
    rows = []
    for i in range(count):
        row = [g if g is None else g[i] for g in given]
        rows.append(one(grad_outputs=row, retain_graph=retain_graph if i == count - 1 else True))
    return tuple(None if parts[0] is None else stack(parts) for parts in zip(*rows, strict=True))


def _listed(tensors: Tensors, what: str) -> list[Variable]:
    several = not isinstance(tensors, Variable) and isinstance(tensors, Iterable)
    listed = list(tensors) if several else [tensors]
    for one in listed:
        if not isinstance(one, Variable):
            raise TypeError(
                f"{what}: a {type(one).__name__} is no tensor; pass a tensor or a sequence of them"
            )
    return listed


def _roots(
    name: str, tensors: Sequence[Variable], gradients: Tensors, create_graph: bool
) -> list[tuple[Any, Any]]:
    """Pairs of a node or leaf and the gradient to start from."""
    if gradients is None:
        given: list[Any] = [None] * len(tensors)
    else:
        given = [gradients] if not isinstance(gradients, (tuple, list)) else list(gradients)
    if len(given) != len(tensors):
        raise ValueError(f"{name}: {len(tensors)} tensors, but {len(given)} gradients for them")
    roots = []
    for tensor, gradient in zip(tensors, given, strict=True):
        if tensor._view is not None:
            refresh(tensor)
        if not tensor._requires_grad:
            raise RuntimeError(
                f"{name}: the tensor (shape {list(tensor._data.shape)}) does not require grad and "
                "has no history; call requires_grad_() on an input before computing with it"
            )
        start = _start(name, tensor, gradient, create_graph)
        roots.append((tensor if tensor._node is None else tensor._node, start))
    return roots


def _start(name: str, tensor: Variable, gradient: Any, create_graph: bool) -> Any:
    data = tensor._data
    if gradient is None:
        if data.size != 1:
            raise RuntimeError(
                f"{name}: a gradient starts from a scalar, this tensor has shape "
                f"{list(data.shape)}; reduce it first (x.sum()), or pass its gradient"
            )
        g = _one(data)
        return make(g) if create_graph else g
    g = gradient._data if isinstance(gradient, Variable) else np.asarray(gradient)
    if g.shape != data.shape:
        made = "the leaf" if tensor._node is None else f"the result of {tensor._node.op.name}"
        raise ShapeError(
            f"{name}: the gradient has shape {list(g.shape)}, the tensor ({made}) "
            f"{list(data.shape)}; pass one of the tensor's shape"
        )
    if create_graph:
        return gradient if isinstance(gradient, Variable) else make(g)
    return g


_ONES: dict[np.dtype[Any], Any] = {}  # making one costs as much as three small ops


def _one(like: Any) -> Any:
    """The gradient of a scalar for itself: 1, in the shape of `like`."""
    if like.shape != ():
        return np.ones_like(like)
    one = _ONES.get(like.dtype)
    if one is None:
        one = _ONES[like.dtype] = np.ones((), like.dtype)
        one.flags.writeable = False
    return one


def _gradients(
    name: str,
    roots: Sequence[tuple[Any, Any]],
    targets: Sequence[Variable],
    retain: bool,
    create_graph: bool,
    *,
    hooks: bool = True,
) -> list[Any]:
    """The gradients of the targets, in arrays that nobody else has; `hooks` runs those of leaves"""
    for i, target in enumerate(targets):
        if target._view is not None:
            refresh(target)
        if not target._requires_grad:
            raise RuntimeError(f"{name}: input {i} does not require grad; use requires_grad_()")
    places = [t if t._node is None else t._node for t in targets]
    captures: dict[Node, Any] = {p: None for p in places if isinstance(p, Node)}
    wanted = engine.reachable([root for root, _ in roots], set(places))
    state = engine.run(
        roots, retain_graph=retain, create_graph=create_graph, wanted=wanted, captures=captures
    )
    found: dict[Any, Any] = {**state.sums, **captures}
    owned = set(state.owned)
    for leaf in state.sums:
        if hooks and leaf._hooks is not None:
            found[leaf] = engine.run_hooks(leaf._hooks, found[leaf], "a leaf", leaf=True)
            owned.discard(leaf)
    results = []
    for place in places:
        g = found.get(place)
        if g is not None and not isinstance(g, Variable) and place not in owned:
            g = np.array(g)  # others may refer to it
        owned.discard(place)
        results.append(g)
    return results
