"""Gradients that depend on a value in steps only, as those of functions made of straight lines.

Where the slope is constant the second derivative is 0, which is not "none": PyTorch's gradient of
`relu` has a graph whose gradient is 0, so that a Hessian or a Laplacian of a network can be taken.
"""

from __future__ import annotations

import numpy as np

from qgrad.ops.elementwise import zeros_like
from qgrad.ops.op import Value, op

__all__ = ["in_steps", "stepwise", "unchanged"]


def in_steps(g: Value, input: Value) -> Value:
    """The gradient `g`, whose own gradient for `input` is 0; arrays and numbers need no graph."""
    return stepwise(g, input) if hasattr(input, "grad_fn") else g


@op(view=True)
def unchanged(input: Value) -> Value:
    """`input` itself. Its gradient has a graph of zeros: for functions that are linear in `input`,
    where PyTorch's gradient has one."""
    return input.view()


@unchanged.rule("input")
def unchanged_dinput(g: Value, input: Value) -> Value:
    return in_steps(g, input)


@op()
def stepwise(input: Value, other: Value) -> Value:
    """`input`, which `other` changes in steps only: the gradient for `other` is 0."""
    return np.array(input)


@stepwise.rule("input")
def stepwise_dinput(g: Value) -> Value:
    return g


@stepwise.rule("other")
def stepwise_dother(g: Value, other: Value) -> Value:
    return zeros_like(other)
