"""backward and grad: the ways to ask for gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qgrad.autograd import engine
from qgrad.autograd.record import make, refresh
from qgrad.autograd.variable import Node, Variable
from qgrad.errors import ShapeError
from qgrad.symbolic import gradient as symbolic

__all__ = ["backward", "grad"]

Tensors = Any  # one tensor or a sequence of them


def backward(
    tensors: Tensors,
    grad_tensors: Tensors = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensors = None,
) -> None:
    """Add the gradients of `tensors` to the `.grad` of the leaves, or of `inputs` only.

    `grad_tensors` are the gradients of the tensors themselves, None for scalars.
    """
    roots = _roots("backward", _listed(tensors), grad_tensors, create_graph)
    retain = create_graph if retain_graph is None else retain_graph
    if inputs is None:
        state = engine.run(roots, retain_graph=retain, create_graph=create_graph)
        engine.accumulate(state.sums, state.owned, create_graph)
        return
    targets = _listed(inputs)
    gradients = _gradients(roots, targets, retain, create_graph, run_leaf_hooks=False)
    found = {t: g for t, g in zip(targets, gradients, strict=True) if g is not None}
    engine.accumulate(found, set(), create_graph)


def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Tensors = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """The gradients of `outputs` (summed) for each of `inputs`; no `.grad` is touched.

    An input that the outputs do not depend on is an error, unless `allow_unused` (None in its
    place) or `materialize_grads` (zeros).

    >>> x = qgrad.tensor(3.0, requires_grad=True)
    >>> qgrad.autograd.grad(x * x, x)
    (tensor(6.),)

    Of SymFloats the derivatives are SymFloats, and always differentiable again; one that the
    outputs do not depend on has derivative 0.
    """
    if symbolic.is_symbolic(outputs) or symbolic.is_symbolic(inputs):
        return symbolic.grad(outputs, inputs, grad_outputs, allow_unused)
    targets = _listed(inputs)
    roots = _roots("grad", _listed(outputs), grad_outputs, create_graph)
    retain = create_graph if retain_graph is None else retain_graph
    gradients = _gradients(roots, targets, retain, create_graph)
    result = []
    for i, (target, g) in enumerate(zip(targets, gradients, strict=True)):
        if g is None and materialize_grads:
            g = np.zeros_like(target._data)
        elif g is None and not allow_unused:
            raise RuntimeError(
                f"grad: the outputs do not depend on input {i} (shape "
                f"{list(target._data.shape)}); pass allow_unused=True to get None for it"
            )
        result.append(make(g) if isinstance(g, (np.ndarray, np.generic)) else g)
    return tuple(result)


def _listed(tensors: Tensors) -> list[Variable]:
    return [tensors] if isinstance(tensors, Variable) else list(tensors)


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
        raise ShapeError(
            f"{name}: the gradient has shape {list(g.shape)}, the tensor {list(data.shape)}"
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
    roots: Sequence[tuple[Any, Any]], targets: Sequence[Variable], retain: bool, create_graph: bool,
    run_leaf_hooks: bool = True,
) -> list[Any]:  # fmt: skip
    for i, target in enumerate(targets):
        if target._view is not None:
            refresh(target)
        if not target._requires_grad:
            raise RuntimeError(f"grad: input {i} does not require grad; use requires_grad_()")
    places = [t if t._node is None else t._node for t in targets]
    captures: dict[Node, Any] = {p: None for p in places if isinstance(p, Node)}
    wanted = engine.reachable([root for root, _ in roots], set(places))
    state = engine.run(
        roots, retain_graph=retain, create_graph=create_graph, wanted=wanted, captures=captures
    )
    for leaf, g in state.sums.items():
        if run_leaf_hooks and leaf._hooks is not None:
            state.sums[leaf] = engine.run_hooks(leaf._hooks, g)
            state.owned.discard(leaf)
    # A leaf's sum may be an array that others refer to; what the user gets must be its own.
    return [captures[p] if isinstance(p, Node) else _own(state, p) for p in places]


def _own(state: engine.Gradients, leaf: Variable) -> Any:
    g = state.sums.get(leaf)
    return g if g is None or isinstance(g, Variable) or leaf in state.owned else np.array(g)
