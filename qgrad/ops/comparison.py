"""Comparisons, logic and bits: no gradients."""

from __future__ import annotations

import numpy as np

from qgrad.ops.op import Value, op

__all__ = [
    "bitwise_and",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "eq",
    "ge",
    "gt",
    "le",
    "logical_and",
    "logical_or",
    "logical_xor",
    "lt",
    "ne",
]


@op(onnx="Equal", broadcasts=True)
def eq(input: Value, other: Value) -> Value:
    """input == other, element by element."""
    return np.equal(input, other)


@op(broadcasts=True)
def ne(input: Value, other: Value) -> Value:
    """input != other, element by element."""
    return np.not_equal(input, other)


@op(onnx="Less", broadcasts=True)
def lt(input: Value, other: Value) -> Value:
    """input < other, element by element."""
    return np.less(input, other)


@op(onnx="LessOrEqual", broadcasts=True)
def le(input: Value, other: Value) -> Value:
    """input <= other, element by element."""
    return np.less_equal(input, other)


@op(onnx="Greater", broadcasts=True)
def gt(input: Value, other: Value) -> Value:
    """input > other, element by element."""
    return np.greater(input, other)


@op(onnx="GreaterOrEqual", broadcasts=True)
def ge(input: Value, other: Value) -> Value:
    """input >= other, element by element."""
    return np.greater_equal(input, other)


@op(onnx="And", broadcasts=True)
def logical_and(input: Value, other: Value) -> Value:
    """Where both are nonzero."""
    return np.logical_and(input, other)


@op(onnx="Or", broadcasts=True)
def logical_or(input: Value, other: Value) -> Value:
    """Where one is nonzero."""
    return np.logical_or(input, other)


@op(onnx="Xor", broadcasts=True)
def logical_xor(input: Value, other: Value) -> Value:
    """Where exactly one is nonzero."""
    return np.logical_xor(input, other)


@op(broadcasts=True)
def bitwise_and(input: Value, other: Value) -> Value:
    """The bits set in both; logical and on bools."""
    return np.bitwise_and(input, other)


@op(broadcasts=True)
def bitwise_or(input: Value, other: Value) -> Value:
    """The bits set in one; logical or on bools."""
    return np.bitwise_or(input, other)


@op(broadcasts=True)
def bitwise_xor(input: Value, other: Value) -> Value:
    """The bits set in exactly one."""
    return np.bitwise_xor(input, other)


@op(broadcasts=True)
def bitwise_left_shift(input: Value, other: Value) -> Value:
    """The bits moved up by `other` places: input * 2**other."""
    return np.left_shift(input, other)


@op(broadcasts=True)
def bitwise_right_shift(input: Value, other: Value) -> Value:
    """The bits moved down by `other` places: floor(input / 2**other)."""
    return np.right_shift(input, other)


@op(in_place=True)
def bitwise_not(input: Value) -> Value:
    """All bits flipped; logical not on bools."""
    return np.invert(input)
