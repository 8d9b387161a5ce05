"""Products of matrices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from qgrad import kernels
from qgrad.errors import DTypeError, ShapeError
from qgrad.ops.elementwise import is_float32
from qgrad.ops.op import Value, describe, op
from qgrad.ops.shape import reshape, squeeze, transpose, unsqueeze
from qgrad.ops.together import one_of

__all__ = ["linear", "linear_shape_error", "matmul", "multiply", "product"]


@op(quantize="matmul", onnx="MatMul")
def matmul(input: Value, other: Value) -> Value:
    """The matrix product; 1-d arguments count as a row (first) or column (second).

    Dims before the last two are batch dims and are broadcast.
    """
    if input.ndim == 0 or other.ndim == 0:
        raise ShapeError("matmul: both arguments must have at least 1 dim; use * for scalars")
    rows = input.shape[-2] if input.ndim > 1 else 1
    inner = other.shape[-2] if other.ndim > 1 else other.shape[0]
    if input.shape[-1] != inner:
        raise ShapeError(
            f"matmul: {input.shape[-1]} columns meet {inner} rows "
            f"({describe(input)} @ {describe(other)})"
        )
    if input.dtype != other.dtype:
        raise DTypeError(
            f"matmul: both arguments must have one dtype, got {describe(input)} and "
            f"{describe(other)}; convert one with .to()"
        )
    if not is_float32(input):
        return np.matmul(input, other)
    a = input if input.ndim > 1 else input[None]
    b = other if other.ndim > 1 else other[:, None]
    y = kernels.matmul_f32(a, b)
    if input.ndim == 1 or other.ndim == 1:
        rows_out = () if input.ndim == 1 else (rows,)
        columns_out = () if other.ndim == 1 else (b.shape[-1],)
        y = y.reshape((*y.shape[:-2], *rows_out, *columns_out))
    return y


@matmul.rule("input")
def matmul_dinput(g: Value, input_shape: tuple[int, ...], other: Value) -> Value:
    if other.ndim == 1:
        return g * other if len(input_shape) == 1 else unsqueeze(g, -1) * other
    if len(input_shape) == 1:
        return squeeze(product(unsqueeze(g, -2), transpose(other, -1, -2)), -2)
    return product(g, transpose(other, -1, -2))


@matmul.rule("other")
def matmul_dother(g: Value, input: Value, other_shape: tuple[int, ...]) -> Value:
    if len(other_shape) == 1:
        if input.ndim == 1:
            return g * input
        return squeeze(product(unsqueeze(g, -2), input), -2)
    if input.ndim == 1:
        return unsqueeze(input, -1) * unsqueeze(g, -2)
    return product(transpose(input, -1, -2), g)


def product(a: Value, b: Value) -> Value:
    """The matrix product in a gradient: on arrays without the checks of the op."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return multiply(a, b)
    return matmul(a, b)


def multiply(a: Any, b: Any) -> Any:
    """The product of two arrays of at least 2 dims.

    Not by NumPy for float32: its BLAS starts threads that fight over busy cores, and its last bits
    depend on their number.
    """
    if is_float32(a) and is_float32(b):
        return kernels.matmul_f32(a, b)
    return np.matmul(a, b)


@op(quantize="linear", onnx="Gemm", saves=True)
def linear(input: Value, weight: Value, bias: Value = None) -> Value:
    """input[..., K] @ weight[N, K] transposed, plus bias[N]."""
    if weight.ndim == 2 and input.ndim and is_float32(input) and is_float32(weight):
        if input.shape[-1] != weight.shape[1]:
            raise linear_shape_error(input, weight)
        return kernels.linear_f32(input, weight, bias), None if bias is None else {}
    if weight.ndim not in (1, 2) or not input.ndim or input.shape[-1] != weight.shape[-1]:
        raise linear_shape_error(input, weight)
    if input.dtype != weight.dtype:
        raise DTypeError(
            f"linear: input and weight must have one dtype, got {describe(input)} and "
            f"{describe(weight)}; convert one with .to()"
        )
    y = np.matmul(input, weight.T)
    return y if bias is None else y + bias, None


@linear.rule("input")
def linear_dinput(g: Value, weight: Value) -> Value:
    if weight.ndim == 1:
        return unsqueeze(g, -1) * weight
    return product(g, weight) if g.ndim > 1 else squeeze(product(unsqueeze(g, 0), weight), 0)


@linear.rule("weight")
def linear_dweight(g: Value, input: Value, weight_shape: tuple[int, ...], saved: Any) -> Value:
    if len(weight_shape) == 1:
        return unsqueeze(g, -1) * input  # the engine sums it to the shape of the weight
    outputs, inputs = weight_shape
    rows = math.prod(input.shape[:-1])
    if isinstance(g, np.ndarray) and isinstance(input, np.ndarray):
        grads, taken = g.reshape(rows, outputs), input.reshape(rows, inputs)
        if saved is None or not is_float32(grads):
            return multiply(grads.T, taken)
        return one_of(
            *("weight", ("weight", "bias"), g, saved),
            lambda: kernels.linear_grads_f32(grads, taken),
        )
    return product(transpose(reshape(g, (rows, outputs)), 0, 1), reshape(input, (rows, inputs)))


@linear.rule("bias")
def linear_dbias(g: Value, saved: Any) -> Value:
    summed = one_of("bias", (), g, saved, None) if saved else None
    return g if summed is None else summed  # the engine sums g over all but the last dim


def linear_shape_error(x: Any, weight: Any) -> ShapeError:
    """What to raise when the features of `x` are not the columns of `weight`."""
    have = x.shape[-1] if len(x.shape) else "no"
    return ShapeError(
        f"linear: x has {have} features in its last dim, weight takes {weight.shape[-1]} "
        f"(x {list(x.shape)}, weight {list(weight.shape)}). Did you forget flatten(1)?"
    )
