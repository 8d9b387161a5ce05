"""Random expressions as trees, computed alike on SymFloats, tensors and floats."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

import qgrad
from qgrad import ops

UNARY = (
    *("neg", "abs", "square", "exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "reciprocal"),
    *("sin", "cos", "tan", "tanh", "sinh", "cosh", "erf", "sigmoid", "relu", "softplus", "gelu"),
    *("asin", "acos", "atan", "asinh", "acosh", "atanh"),
)
BINARY = ("add", "sub", "mul", "div", "maximum", "minimum", "pow", "remainder")
COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")
NAMES = ("x", "y")

# A tree is a name, a number, or (op, tree, ...).
numbers = st.sampled_from([0, 1, 2, 3, -1, 0.5, -2.0, 0.1, 1 / 3, 1.7])
values = st.floats(-3, 3).map(lambda v: round(v, 3))
points = st.fixed_dictionaries(dict.fromkeys(NAMES, values))


def _extend(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    condition = st.tuples(st.sampled_from(COMPARISONS), inner, inner)
    return st.one_of(
        st.tuples(st.sampled_from(UNARY), inner),
        st.tuples(st.sampled_from(BINARY), inner, inner),
        st.tuples(st.just("pow"), inner, st.sampled_from([2, 3, -1, 0.5, 1, 0])),
        st.tuples(st.just("where"), condition, inner, inner),
    )


trees: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.sampled_from(NAMES), st.sampled_from(NAMES), numbers), _extend, max_leaves=10
)
polynomials: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.sampled_from(NAMES), numbers),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["add", "sub", "mul"]), inner, inner),
        st.tuples(st.just("neg"), inner),
        st.tuples(st.just("pow"), inner, st.sampled_from([0, 1, 2, 3])),
    ),
    max_leaves=12,
)


def compute(tree: Any, at: Mapping[str, Any]) -> Any:
    """The tree's value; `at` has a SymFloat or a tensor for each name."""
    if isinstance(tree, str):
        return at[tree]
    if not isinstance(tree, tuple):
        return tree
    args = [compute(part, at) for part in tree[1:]]
    operands = args[1:] if tree[0] == "where" else args
    if not any(isinstance(a, (qgrad.SymFloat, qgrad.SymBool, qgrad.Tensor)) for a in operands):
        args[-1] = at["x"] * 0 + args[-1]  # numbers alone would be arrays, and of float32
    return ops.registry[tree[0]](*args)


def symbols(at: Mapping[str, float]) -> dict[str, Any]:
    """A SymFloat for each name."""
    return {name: qgrad.SymFloat(value, name=name) for name, value in at.items()}


def tensors(at: Mapping[str, float]) -> dict[str, Any]:
    """A float64 tensor that requires grad for each name."""
    return {
        name: qgrad.tensor(value, dtype=qgrad.float64, requires_grad=True)
        for name, value in at.items()
    }


def derivatives(y: Any, inputs: list[Any]) -> list[Any]:
    """The first derivatives, differentiable again; None where there is no path."""
    if isinstance(y, qgrad.Tensor) and not y.requires_grad:
        return [None] * len(inputs)
    return list(qgrad.autograd.grad(y, inputs, create_graph=True, allow_unused=True))


def number(value: Any) -> float:
    """A derivative as a float, 0 for None."""
    return 0.0 if value is None else float(value)


def finite(*numbers: float) -> bool:
    """Whether all are finite."""
    return all(map(math.isfinite, numbers))
