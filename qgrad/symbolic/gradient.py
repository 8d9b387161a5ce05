"""Derivatives of symbolic values: one loop over the expression, newest first, by the op table's
rules. Nothing here recurses, and a shared subexpression is visited once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qgrad.symbolic.node import Node, ancestors, depending
from qgrad.symbolic.value import Symbolic, SymFloat, constant

__all__ = ["grad", "is_symbolic"]


def is_symbolic(values: Any) -> bool:
    """Whether `values` is a symbolic number, or a list or tuple with one."""
    if isinstance(values, (list, tuple)):
        return any(isinstance(value, Symbolic) for value in values)
    return isinstance(values, Symbolic)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    allow_unused: bool | None = None,
) -> tuple[Any, ...]:
    """The derivatives of the sum of `outputs` for each of `inputs`, themselves expressions.

    `grad_outputs` are factors of the outputs. An input that the outputs do not depend on has
    derivative 0, or None if `allow_unused`.

    >>> x = qgrad.SymFloat(5, name="x")
    >>> slope, = qgrad.autograd.grad(2 * x ** 3, x)
    >>> qgrad.autograd.grad(slope, x)[0].expr
    '12*x'
    """
    roots = [_float(y, "outputs") for y in _listed(outputs)]
    targets = [_float(x, "inputs") for x in _listed(inputs)]
    seeds = [None] * len(roots) if grad_outputs is None else _listed(grad_outputs)
    if len(seeds) != len(roots):
        raise ValueError(f"grad: {len(roots)} outputs, but {len(seeds)} grad_outputs for them")
    sums: dict[Node, Any] = {}
    for root, seed in zip(roots, seeds, strict=True):
        _give(sums, root, constant(1.0) if seed is None else seed)
    _flow(sums, roots, targets)
    unused = None if allow_unused else constant(0.0)
    return tuple(sums.get(target, unused) for target in targets)


def _listed(values: Any) -> list[Any]:
    return list(values) if isinstance(values, (list, tuple)) else [values]


def _float(value: Any, role: str) -> SymFloat:
    if not isinstance(value, SymFloat):
        raise TypeError(
            f"grad: of symbolic numbers, so all {role} must be SymFloat, got "
            f"{type(value).__name__}; take the derivatives of tensors in a call of their own"
        )
    return value


def _flow(sums: dict[Node, Any], roots: Sequence[Node], targets: Sequence[Node]) -> None:
    """Carry the derivatives in `sums` from the roots to all that depends on a target."""
    nodes = ancestors(roots)
    wanted = depending(nodes, targets)
    keep = set(targets)
    for node in reversed(nodes):
        if node in wanted and node in sums and node._op is not None:
            _through(sums, node, wanted)
            if node not in keep:
                del sums[node]


def _through(sums: dict[Node, Any], node: Any, wanted: set[Node]) -> None:
    """Give the arguments of `node` their shares of its derivative."""
    op, args = node._op, node._args
    g = sums[node]
    for i, a in enumerate(args):
        # Without a rule the op is flat; where other arguments have one, `plan` raises.
        if isinstance(a, SymFloat) and a in wanted and op.plan(1 << i) is not None:
            rule = op.rules[op.params[i]]
            saved = [_saved(node, name) for name in op.needs(op.params[i])]
            _give(sums, a, rule(g, *saved))


def _saved(node: Any, name: str) -> Any:
    """What a rule asks for by `name`: the output, an argument, or an argument's shape."""
    if name == "y":
        return node
    params = node._op.params
    return node._args[params.index(name)] if name in params else ()


def _give(sums: dict[Node, Any], target: Node, g: Any) -> None:
    if target in sums:
        sums[target] = sums[target] + g
    else:
        sums[target] = g if isinstance(g, Symbolic) else constant(g)
