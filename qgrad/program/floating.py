"""The kinds of instruction on float32 rows; each calls the kernel that training calls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .. import kernels
from ..kernels.extension import core
from .fields import boolean, integer, integers, number, numbers_by_name, one_of
from .integer import check_avg_pool
from .kind import Array, Attrs, Constant, Constants, Defaults, Kind, Step
from .movement import axis_of
from .records import Env, Shape
from .windows import (
    AVG_POOL,
    AVG_POOL_DEFAULTS,
    CONV,
    MAX_POOL,
    avg_windows,
    check_conv,
    check_pool,
    conv_shape,
    convolution,
    max_windows,
    pool_shape,
)

if TYPE_CHECKING:
    from .lowering import Lowering

_REDUCE = ("sum", "mean", "amax")
_FLOAT = ("float32",)
_AXIS = integer(-16, 15)
_BIAS = Constant("float32", (1,), optional=True)


def _check_bias(step: Step) -> None:
    weight, bias = step.constants["weight"], step.constants.get("bias")
    if bias is not None and bias.shape != weight.shape[:1]:
        step.malformed(f"bias {bias.shape} must have one value for each output of {weight.shape}")


class _SameShape(Kind):
    """Base of the kinds whose output has the shape of the input."""

    inputs = _FLOAT

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """That of the input."""
        return shapes[0]


class Linear(Kind):
    """x[..., K] times weight[N, K] transposed, plus bias."""

    name = "linear"
    inputs = _FLOAT
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
    inputs = _FLOAT
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
            _four(c["weight"]),
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
        return (*_broadcast(step, a[:-2], b[:-2]), a[-2], b[-1])

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


def _broadcast(step: Step, a: Shape, b: Shape) -> Shape:
    rank = max(len(a), len(b))
    a, b = (1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b
    if any(x != y and x != 1 and y != 1 for x, y in zip(a, b, strict=True)):
        step.misfit(f"the shapes {a} and {b} do not broadcast")
    return tuple(y if x == 1 else x for x, y in zip(a, b, strict=True))


class Binary(Kind):
    """fn(a, b) of each pair of elements, broadcast; `fn` one of `kernels.BINARY_F32`."""

    name = "binary"
    inputs = ("float32", "float32")
    attrs: ClassVar[Attrs] = {"fn": one_of(*kernels.BINARY_F32)}

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """The two shapes broadcast."""
        return _broadcast(step, *shapes)

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """`binary_f32`."""
        return kernels.binary_f32(step.attrs["fn"], *arrays)

    def lower(self, step: Step, to: Lowering) -> None:
        """Element by element, broadcast."""
        a, b = step.inputs
        to.executor.binary(
            to.place(a),
            to.place(b),
            to.place(step.output),
            to.shape(a),
            to.shape(b),
            list(kernels.BINARY_F32).index(step.attrs["fn"]),
        )


class Unary(_SameShape):
    """fn(x) of each element; `fn` and its parameters as in `kernels.UNARY_F32`."""

    name = "unary"
    attrs: ClassVar[Attrs] = {"fn": one_of(*kernels.UNARY_F32), "params": numbers_by_name}
    defaults: ClassVar[Defaults] = {"params": {}}

    def check(self, step: Step) -> None:
        """Only parameters that the function has."""
        known = kernels.UNARY_F32[step.attrs["fn"]].params
        for name in step.attrs["params"]:
            if name not in known:
                step.malformed(
                    f"{step.attrs['fn']} has no parameter {name[:40]!r}, it takes "
                    f"{', '.join(known) or 'none'}"
                )

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """`unary_f32`."""
        return kernels.unary_f32(step.attrs["fn"], arrays[0], **step.attrs["params"])

    def lower(self, step: Step, to: Lowering) -> None:
        """Element by element."""
        fn, y = step.attrs["fn"], step.output
        params = kernels.UNARY_F32[fn].params | step.attrs["params"]
        to.executor.unary(
            to.place(step.inputs[0]),
            to.place(y),
            to.count(y),
            list(kernels.UNARY_F32).index(fn),
            list(params.values()),
        )


class Softmax(_SameShape):
    """Softmax along `dim`, or its logarithm."""

    name = "softmax"
    attrs: ClassVar[Attrs] = {"dim": _AXIS, "log": boolean}
    defaults: ClassVar[Defaults] = {"log": False}

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """That of the input."""
        axis_of(step, "dim", len(shapes[0]))
        return shapes[0]

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """`softmax_f32` or `log_softmax_f32`."""
        function = kernels.log_softmax_f32 if step.attrs["log"] else kernels.softmax_f32
        return function(arrays[0], step.attrs["dim"])

    def lower(self, step: Step, to: Lowering) -> None:
        """All rows or columns."""
        shape = to.shape(step.output)
        split = _split(shape, axis_of(step, "dim", len(shape)))
        places = to.place(step.inputs[0]), to.place(step.output)
        to.executor.softmax(*places, split, step.attrs["log"])


def _split(shape: Shape, axis: int) -> tuple[int, int, int]:
    """Elements before, along and after an axis."""
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])


class LayerNorm(_SameShape):
    """Normalize the last `size` elements (one or more axes), scale and shift."""

    name = "layer_norm"
    attrs: ClassVar[Attrs] = {"size": integer(1), "eps": number}
    constants: ClassVar[Constants] = {
        "weight": Constant("float32", optional=True),
        "bias": Constant("float32", optional=True),
    }

    def check(self, step: Step) -> None:
        """Weight and bias have `size` elements."""
        for role, array in step.constants.items():
            if array.size != step.attrs["size"]:
                step.malformed(f"{role} {array.shape} must have {step.attrs['size']} elements")
        if step.attrs["eps"] < 0:
            step.malformed(f"eps {step.attrs['eps']} must be >= 0")

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """That of the input, whose last axes multiply to `size`."""
        size, tails = step.attrs["size"], [math.prod(shapes[0][i:]) for i in range(len(shapes[0]))]
        if size not in tails:
            step.misfit(f"size {size} is not a product of the last axes of {shapes[0]}")
        return shapes[0]

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """`layer_norm_f32`."""
        a, c = step.attrs, step.constants
        return kernels.layer_norm_f32(
            arrays[0], a["size"], c.get("weight"), c.get("bias"), a["eps"]
        )

    def lower(self, step: Step, to: Lowering) -> None:
        """All rows."""
        a, c, y = step.attrs, step.constants, step.output
        to.executor.layer_norm(
            to.place(step.inputs[0]),
            to.place(y),
            to.count(y) // a["size"],
            a["size"],
            c.get("weight"),
            c.get("bias"),
            a["eps"],
        )


class Affine(_SameShape):
    """y = x * scale + shift along `axis`, two roundings: a batch norm in eval mode."""

    name = "affine"
    attrs: ClassVar[Attrs] = {"axis": _AXIS}
    constants: ClassVar[Constants] = {
        "scale": Constant("float32", (1,)),
        "shift": Constant("float32", (1,)),
    }

    def check(self, step: Step) -> None:
        """Scale and shift have one size."""
        scale, shift = step.constants["scale"], step.constants["shift"]
        if scale.shape != shift.shape:
            step.malformed(f"scale {scale.shape} and shift {shift.shape} must have one shape")

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """That of the input."""
        axis = axis_of(step, "axis", len(shapes[0]))
        if shapes[0][axis] != step.constants["scale"].size:
            step.misfit(
                f"axis {axis} of {shapes[0]} must have {step.constants['scale'].size} elements"
            )
        return shapes[0]

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """`affine_f32`."""
        c = step.constants
        return kernels.affine_f32(arrays[0], c["scale"], c["shift"], step.attrs["axis"])

    def lower(self, step: Step, to: Lowering) -> None:
        """Element by element."""
        c, shape = step.constants, to.shape(step.output)
        split = _split(shape, axis_of(step, "axis", len(shape)))
        places = to.place(step.inputs[0]), to.place(step.output)
        to.executor.affine(*places, split, c["scale"], c["shift"])


class MaxPool(Kind):
    """Largest value of each window; rank 3 or 4."""

    name = "max_pool"
    inputs = _FLOAT
    attrs: ClassVar[Attrs] = MAX_POOL

    def check(self, step: Step) -> None:
        """Attributes agree."""
        check_pool(step)

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """By PyTorch's rules."""
        return pool_shape(max_windows(step, shapes[0]), shapes[0])

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """`max_pool_f32`."""
        windows = max_windows(step, arrays[0].shape)
        y = kernels.max_pool_f32(_four(arrays[0]), windows.rows, windows.cols)
        return y.reshape(env[step.output.name])

    def lower(self, step: Step, to: Lowering) -> None:
        """All windows."""
        x = step.inputs[0]
        windows = max_windows(step, to.shape(x))
        places = to.place(x), to.place(step.output)
        to.executor.max_pool(*places, _planes(to.images(x)), windows.rows, windows.cols)


def _planes(images: Shape) -> Shape:
    """Batch and channels as one axis."""
    return (images[0] * images[1], *images[2:])


class AvgPool(Kind):
    """Mean of each window; adaptive when `output_size` is set (None keeps a size)."""

    name = "avg_pool"
    inputs = _FLOAT
    attrs: ClassVar[Attrs] = AVG_POOL
    defaults: ClassVar[Defaults] = AVG_POOL_DEFAULTS

    def check(self, step: Step) -> None:
        """Attributes agree."""
        check_avg_pool(step)

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """By PyTorch's rules."""
        return pool_shape(avg_windows(step, shapes[0]), shapes[0])

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """`avg_pool_f32`."""
        windows = avg_windows(step, arrays[0].shape)
        return kernels.avg_pool_f32(_four(arrays[0]), *windows).reshape(env[step.output.name])

    def lower(self, step: Step, to: Lowering) -> None:
        """All windows."""
        x = step.inputs[0]
        windows = avg_windows(step, to.shape(x))
        places = to.place(x), to.place(step.output)
        to.executor.avg_pool(*places, _planes(to.images(x)), *windows)


def _four(x: Array) -> Array:
    return x if x.ndim == 4 else x[:, :, None]


class Reduce(Kind):
    """Sum, mean or largest value over `dims`."""

    name = "reduce"
    inputs = _FLOAT
    attrs: ClassVar[Attrs] = {
        "fn": one_of(*_REDUCE),
        "dims": integers((), -16, 15),
        "keepdim": boolean,
    }
    defaults: ClassVar[Defaults] = {"keepdim": False}

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """The sizes that are left."""
        dropped = reduced_axes(step, len(shapes[0]))
        if step.attrs["fn"] == "amax" and any(shapes[0][axis] == 0 for axis in dropped):
            step.misfit(f"an empty axis of {shapes[0]} has no largest value")
        sizes = [1 if axis in dropped else size for axis, size in enumerate(shapes[0])]
        if step.attrs["keepdim"]:
            return tuple(sizes)
        return tuple(size for axis, size in enumerate(sizes) if axis not in dropped)

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """`reduce_f32`."""
        axes = reduced_axes(step, arrays[0].ndim)
        return kernels.reduce_f32(step.attrs["fn"], arrays[0], axes, step.attrs["keepdim"])

    def lower(self, step: Step, to: Lowering) -> None:
        """All sums; kept axes of size 1 make no difference in memory."""
        shape = to.shape(step.inputs[0])
        axes = reduced_axes(step, len(shape))
        to.executor.reduce(
            to.place(step.inputs[0]),
            to.place(step.output),
            shape,
            [axis in axes for axis in range(len(shape))],
            _REDUCE.index(step.attrs["fn"]),
        )


def reduced_axes(step: Step, rank: int) -> tuple[int, ...]:
    """`dims` without negative entries, each once."""
    dims = step.attrs["dims"]
    axes = {d % rank for d in dims if -rank <= d < rank}
    if len(axes) != len(dims):
        step.misfit(f"dims {dims} must name different axes of an input with {rank}")
    return tuple(sorted(axes))


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
