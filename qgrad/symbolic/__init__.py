"""Symbolic numbers: sizes that stay free in a trace, and numbers that know their derivatives."""

from __future__ import annotations

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

__all__ = [
    "Expr",
    "OnCompare",
    "SymInt",
    "compare_exprs",
    "dims_of",
    "evaluate_expr",
    "expr_of",
    "expr_to_json",
    "format_expr",
    "is_size",
    "rename_dims",
]
