"""The kinds of instruction on float32 rows that work on elements or reduce them.

Each calls the kernel that training calls.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from .. import kernels
from .fields import boolean, integer, integers, number, numbers_by_name, one_of
from .kind import Array, Attrs, Constant, Constants, Defaults, Kind, Step
from .movement import axis_of
from .products import broadcast
from .records import Env, Shape

if TYPE_CHECKING:
    from .lowering import Lowering

_REDUCE = ("sum", "mean", "amax")
_AXIS = integer(-16, 15)


class _SameShape(Kind):
    """Base of the kinds whose output has the shape of the input."""

    inputs = ("float32",)

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """That of the input."""
        return shapes[0]


class Binary(Kind):
    """fn(a, b) of each pair of elements, broadcast; `fn` one of `kernels.BINARY_F32`."""

    name = "binary"
    inputs = ("float32", "float32")
    attrs: ClassVar[Attrs] = {"fn": one_of(*kernels.BINARY_F32)}

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """The two shapes broadcast."""
        return broadcast(step, *shapes)

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


class Reduce(Kind):
    """Sum, mean or largest value over `dims`."""

    name = "reduce"
    inputs = ("float32",)
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
