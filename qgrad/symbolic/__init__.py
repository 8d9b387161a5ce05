"""Symbolic numbers: sizes that stay free in a trace, and numbers that know their derivatives."""

from __future__ import annotations

from qgrad.autograd.gradients import set_symbolic
from qgrad.symbolic import gradient
from qgrad.symbolic.gradient import grad, is_symbolic
from qgrad.symbolic.guards import Guard
from qgrad.symbolic.record import run_on_symbols
from qgrad.symbolic.sensitivity import Sensitivity, SensitivityRow, sensitivity
from qgrad.symbolic.size import (
    Expr,
    OnCompare,
    SymInt,
    compare_exprs,
    dims_of,
    evaluate_expr,
    expr_of,
    expr_to_json,
    format_expr,
    is_size,
    rename_dims,
)
from qgrad.symbolic.value import Symbolic, SymBool, SymFloat

__all__ = [
    "Expr",
    "Guard",
    "OnCompare",
    "Sensitivity",
    "SensitivityRow",
    "SymBool",
    "SymFloat",
    "SymInt",
    "Symbolic",
    "compare_exprs",
    "dims_of",
    "evaluate_expr",
    "expr_of",
    "expr_to_json",
    "format_expr",
    "grad",
    "is_size",
    "is_symbolic",
    "rename_dims",
    "run_on_symbols",
    "sensitivity",
]

set_symbolic(gradient)
