"""Shapes: the same elements, seen differently. Most results share the argument's memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np

from qgrad.ops.op import Value, op

__all__ = [
    "cat",
    "clone",
    "contiguous",
    "detach",
    "expand",
    "flatten",
    "flip",
    "identity",
    "movedim",
    "normalize_dim",
    "normalize_dims",
    "permute",
    "reshape",
    "squeeze",
    "stack",
    "transpose",
    "unsqueeze",
]


def normalize_dim(dim: int, ndim: int) -> int:
    """`dim` counted from the front; a 0-d array has the dims 0 and -1, as in PyTorch."""
    bound = ndim or 1
    if dim.__class__ is bool:
        raise TypeError(f"dim must be an integer, got {dim}")
    if not -bound <= dim < bound:
        raise IndexError(f"dim {dim} is out of range [{-bound}, {bound - 1}] for {ndim} dims")
    return index(dim) % bound


def normalize_dims(dims: Any, ndim: int) -> tuple[int, ...]:
    """The dims of a reduction; None and () mean all of them."""
    if dims is None or dims == () or dims == []:
        return tuple(range(ndim))
    if isinstance(dims, (tuple, list)):
        result = tuple(normalize_dim(dim, ndim) for dim in dims)
        if len(set(result)) != len(result):
            raise ValueError(f"dims {tuple(dims)} name one dim twice")
    else:
        result = (normalize_dim(dims if dims.__class__ is bool else index(dims), ndim),)
    return result if ndim else ()


def along(dim: int, part: Any) -> tuple[Any, ...]:
    """The index that takes `part` of dimension `dim` (>= 0) and all of the others."""
    return (*(slice(None),) * dim, part)


@op(quantize="view", onnx="Identity", view=True)
def identity(input: Value) -> Value:
    """The same tensor again, as a step of its own."""
    return input


@identity.rule("input")
def identity_dinput(g: Value) -> Value:
    return g


@op(quantize="view", onnx="Identity", view=True)
def detach(input: Value) -> Value:
    """The same elements, through which no gradient flows: it has no rule."""
    return input


@op(quantize="view", onnx="Identity")
def clone(input: Value) -> Value:
    """A copy in memory of its own."""
    return input.copy(order="K")


@clone.rule("input")
def clone_dinput(g: Value) -> Value:
    return g


@op(quantize="view", onnx="Identity", view=True)
def contiguous(input: Value) -> Value:
    """The elements in row-major order in memory; a copy only if they are not."""
    return np.asarray(input, order="C")


@contiguous.rule("input")
def contiguous_dinput(g: Value) -> Value:
    return g


@op(quantize="view", onnx="Reshape", view=True)
def reshape(input: Value, shape: tuple[int, ...]) -> Value:
    """The elements in a new shape, in which one -1 is worked out."""
    return input.reshape(shape)


@reshape.rule("input")
def reshape_dinput(g: Value, input_shape: tuple[int, ...]) -> Value:
    return reshape(g, input_shape)


@op(quantize="view", onnx="Flatten", view=True)
def flatten(input: Value, start_dim: int = 0, end_dim: int = -1) -> Value:
    """The dims from `start_dim` to `end_dim` made one."""
    start, end = normalize_dim(start_dim, input.ndim), normalize_dim(end_dim, input.ndim)
    if start > end:
        raise ValueError(f"start_dim {start_dim} comes after end_dim {end_dim}")
    shape = input.shape
    middle = math.prod(shape[start : end + 1])
    return input.reshape((*shape[:start], middle, *shape[end + 1 :]))


@flatten.rule("input")
def flatten_dinput(g: Value, input_shape: tuple[int, ...]) -> Value:
    return reshape(g, input_shape)


@op(quantize="view", onnx="Transpose", view=True)
def permute(input: Value, dims: tuple[int, ...]) -> Value:
    """The dims in a new order."""
    if len(dims) != input.ndim:
        raise ValueError(f"{len(dims)} dims given for a tensor of {input.ndim}")
    return input.transpose(normalize_dims(dims, input.ndim))


@permute.rule("input")
def permute_dinput(g: Value, dims: tuple[int, ...]) -> Value:
    order = normalize_dims(dims, len(dims))
    return permute(g, tuple(order.index(i) for i in range(len(order))))


@op(quantize="view", onnx="Transpose", view=True)
def transpose(input: Value, dim0: int, dim1: int) -> Value:
    """Two dims swapped."""
    if input.ndim == 0:
        return input
    return input.swapaxes(normalize_dim(dim0, input.ndim), normalize_dim(dim1, input.ndim))


@transpose.rule("input")
def transpose_dinput(g: Value, dim0: int, dim1: int) -> Value:
    return transpose(g, dim0, dim1)


@op(quantize="view", onnx="Transpose", view=True)
def movedim(input: Value, source: int | Sequence[int], destination: int | Sequence[int]) -> Value:
    """Dims moved to other places, the rest in their order."""
    return np.moveaxis(input, source, destination) if input.ndim else input


@movedim.rule("input")
def movedim_dinput(
    g: Value, source: int | Sequence[int], destination: int | Sequence[int]
) -> Value:
    return movedim(g, destination, source)


@op(quantize="view", onnx="Squeeze", view=True)
def squeeze(input: Value, dim: int | Sequence[int] | None = None) -> Value:
    """Without the dims of length 1: all such, or those among `dim`."""
    dims = normalize_dims(dim, input.ndim)
    kept = [n for i, n in enumerate(input.shape) if n != 1 or i not in dims]
    return input.reshape(kept)


@squeeze.rule("input")
def squeeze_dinput(g: Value, input_shape: tuple[int, ...]) -> Value:
    return reshape(g, input_shape)


@op(quantize="view", onnx="Unsqueeze", view=True)
def unsqueeze(input: Value, dim: int) -> Value:
    """With a new dim of length 1 at `dim`."""
    return np.expand_dims(input, normalize_dim(dim, input.ndim + 1))


@unsqueeze.rule("input")
def unsqueeze_dinput(g: Value, input_shape: tuple[int, ...]) -> Value:
    return reshape(g, input_shape)


@op(onnx="Expand", view=True)
def expand(input: Value, size: tuple[int, ...]) -> Value:
    """Dims of length 1 repeated to `size` without copying; -1 keeps a dim."""
    extra = len(size) - input.ndim
    if extra < 0 or -1 in size[:extra]:
        raise ValueError(f"size {tuple(size)} does not fit a tensor of {input.ndim} dims")
    if input.size == 1 and -1 not in size:
        return repeat_one(input, size)
    kept = (input.shape[i] if n == -1 else n for i, n in enumerate(size[extra:]))
    return np.broadcast_to(input, (*size[:extra], *kept))


def repeat_one(input: Any, size: tuple[int, ...]) -> Any:
    """An array of one element seen in a shape; 4 times faster than np.broadcast_to."""
    y = np.ndarray(size, input.dtype, input, 0, (0,) * len(size))
    y.flags.writeable = False
    return y


@expand.rule("input")
def expand_dinput(g: Value) -> Value:
    return g  # the engine sums it to the shape of the input


@op()
def flip(input: Value, dims: int | Sequence[int]) -> Value:
    """The elements in reverse order along `dims`."""
    return np.flip(input, normalize_dims(dims, input.ndim)).copy()


@flip.rule("input")
def flip_dinput(g: Value, dims: int | Sequence[int]) -> Value:
    return flip(g, dims)


@op(quantize="cat", onnx="Concat", saves=True)
def cat(tensors: Sequence[Value], dim: int = 0) -> Value:
    """Tensors one after the other along `dim`; saves their lengths there."""
    arrays = _one_dtype(tensors, "cat")
    # As in PyTorch, an empty 1-d tensor fits anywhere.
    full = [a for a in arrays if a.shape != (0,)] or arrays
    axis = normalize_dim(dim, full[0].ndim)
    lengths = [a.shape[axis] if a.ndim == full[0].ndim else None for a in arrays]
    return np.concatenate(full, axis=axis), (axis, lengths)


@cat.rule("tensors")
def cat_dtensors(g: Value, saved: tuple[int, list[int | None]]) -> list[Value]:
    axis, lengths = saved
    parts, start = [], 0
    for length in lengths:
        part = g[along(axis, slice(start, start + (length or 0)))]
        parts.append(reshape(part, (0,)) if length is None else part)
        start += length or 0
    return parts


@op(onnx="SequenceConstruct")
def stack(tensors: Sequence[Value], dim: int = 0) -> Value:
    """Tensors of one shape along a new dim."""
    arrays = _one_dtype(tensors, "stack")
    return np.stack(arrays, axis=normalize_dim(dim, arrays[0].ndim + 1))


@stack.rule("tensors")
def stack_dtensors(g: Value, dim: int) -> list[Value]:
    axis = normalize_dim(dim, g.ndim)
    return [g[along(axis, i)] for i in range(g.shape[axis])]


def _one_dtype(tensors: Sequence[Value], name: str) -> list[Value]:
    if not tensors:
        raise ValueError(f"{name}: needs at least one tensor")
    arrays = [np.asarray(t) for t in tensors]
    dtype = np.result_type(*{a.dtype for a in arrays})
    if dtype.kind == "f":  # an integer does not widen a float
        dtype = np.result_type(*{a.dtype for a in arrays if a.dtype.kind == "f"})
    return [a.astype(dtype, copy=False) for a in arrays]
