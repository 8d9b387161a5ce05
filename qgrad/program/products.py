"""The kinds of instruction on float32 rows that multiply by matrices, or look rows up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .. import kernels
from ..kernels.extension import core
from .kind import Array, Attrs, Constant, Constants, Kind, Step
from .records import Env, Shape
from .windows import (
    CONV,
    check_conv,
    conv_shape,
    convolution,
    four_axes,
)

if TYPE_CHECKING:
    from .lowering import Lowering

_BIAS = Constant("float32", (1,), optional=True)


def _check_bias(step: Step) -> None:
    weight, bias = step.constants["weight"], step.constants.get("bias")
    if bias is not None and bias.shape != weight.shape[:1]:
        step.malformed(f"bias {bias.shape} must have one value for each output of {weight.shape}")


class Linear(Kind):
    """x[..., K] times weight[N, K] transposed, plus bias."""

    name = "linear"
    inputs = ("float32",)
    constants: ClassVar[Constants] = {"weight": Constant("float32", (2,)), "bias": _BIAS}

    def check(self, step: Step) -> None:
        """The bias fits the weight."""
        _check_bias(step)

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """(..., N)."""
        weight = step.constants["weight"]
        if not shapes[0] or shapes[0][-1] != weight.shape[1]:
            step.misfit(f"x has shape {shapes[0]}, but the weight takes {weight.shape[1]} features")
        return (*shapes[0][:-1], weight.shape[0])

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """`linear_f32`."""
        return kernels.linear_f32(arrays[0], step.constants["weight"], step.constants.get("bias"))

    def lower(self, step: Step, to: Lowering) -> None:
        """One product of all rows with the packed weight."""
        c = step.constants
        packed = to.packed(step, lambda: core.pack_linear_f32(c["weight"], c.get("bias")))
        rows = math.prod(to.shape(step.output)[:-1])
        to.executor.linear(packed, to.place(step.inputs[0]), to.place(step.output), rows)


class Conv(Kind):
    """Convolution with weight[O, C/groups, *kernel]; rank 3 or 4."""

    name = "conv"
    inputs = ("float32",)
    attrs: ClassVar[Attrs] = CONV
    constants: ClassVar[Constants] = {"weight": Constant("float32", (3, 4)), "bias": _BIAS}

    def check(self, step: Step) -> None:
        """Constants and attributes agree."""
        check_conv(step, step.constants["weight"].ndim - 2)
        _check_bias(step)

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """(N, O, *out)."""
        return conv_shape(step, shapes[0])

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """`conv2d_f32`; one spatial axis is lifted to two."""
        x, weight = arrays[0], step.constants["weight"]
        if x.ndim == 3:
            x, weight = x[:, :, None], weight[:, :, None]
        y = kernels.conv2d_f32(x, weight, step.constants.get("bias"), **convolution(step)._asdict())
        return y.reshape(env[step.output.name])

    def lower(self, step: Step, to: Lowering) -> None:
        """One convolution."""
        c, x = step.constants, step.inputs[0]
        to.executor.conv(
            to.place(x),
            to.place(step.output),
            to.images(x),
            four_axes(c["weight"]),
            c.get("bias"),
            *convolution(step),
        )


class Matmul(Kind):
    """a[..., M, K] times b[..., K, N], batch dimensions broadcast."""

    name = "matmul"
    inputs = ("float32", "float32")

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """(..., M, N)."""
        a, b = shapes
        if len(a) < 2 or len(b) < 2 or a[-1] != b[-2]:
            step.misfit(f"needs shapes [..., M, K] and [..., K, N], got {a} and {b}")
        return (*broadcast(step, a[:-2], b[:-2]), a[-2], b[-1])

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """`matmul_f32`."""
        return kernels.matmul_f32(*arrays)

    def lower(self, step: Step, to: Lowering) -> None:
        """One product for each matrix of the batch."""
        a, b, y = (to.shape(value) for value in (*step.inputs, step.output))
        if 0 in y:
            return
        to.executor.matmul(
            *(to.place(value) for value in (*step.inputs, step.output)),
            (a[-2], a[-1], b[-1]),
            _matrix_of_each_product(a[:-2], y[:-2]),
            _matrix_of_each_product(b[:-2], y[:-2]),
        )


def _matrix_of_each_product(batch: Shape, products: Shape) -> list[int]:
    """Which matrix of an operand with these batch dimensions each product takes."""
    index = np.arange(math.prod(batch)).reshape(batch)
    return [int(i) for i in np.broadcast_to(index, products).flat]


def broadcast(step: Step, a: Shape, b: Shape) -> Shape:
    """The shape that two shapes broadcast to, or a ShapeError."""
    rank = max(len(a), len(b))
    a, b = (1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b
    if any(x != y and x != 1 and y != 1 for x, y in zip(a, b, strict=True)):
        step.misfit(f"the shapes {a} and {b} do not broadcast")
    return tuple(y if x == 1 else x for x, y in zip(a, b, strict=True))


class Embedding(Kind):
    """weight[index] for each index; an index outside [0, rows) is a ValueError."""

    name = "embedding"
    inputs = ("int32|int64",)
    output = "float32"
    constants: ClassVar[Constants] = {"weight": Constant("float32", (2,))}

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """(..., columns)."""
        return (*shapes[0], step.constants["weight"].shape[1])

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """Rows taken."""
        weight, index = step.constants["weight"], arrays[0]
        bad = (index < 0) | (index >= weight.shape[0])
        if bad.any():
            raise ValueError(
                f"{step.where}: index {int(index[bad][0])} is outside the {weight.shape[0]} rows "
                "of the table"
            )
        return np.asarray(weight[index])

    def lower(self, step: Step, to: Lowering) -> None:
        """Rows copied."""
        index, y = step.inputs[0], step.output
        add = getattr(to.executor, f"embedding_{index.dtype}")
        add(to.place(index), to.place(y), step.constants["weight"], to.count(index))
