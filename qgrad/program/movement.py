"""The kinds of instruction that move values of any type without computing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from .fields import Fault, evaluate, expression, integer, integers, optional, sizes
from .kind import Array, Attrs, Constant, Constants, Kind, Step, from_row, physical_axis, to_row
from .records import Env, Shape

_AXIS = integer(-16, 15)


class Layout(Kind):
    """The same codes, stored in the output's layout."""

    name = "layout"
    inputs = ("uint8",)
    layouts = "any"
    keeps_qparams = True

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """That of the input."""
        return shapes[0]

    def is_view(self, step: Step, env: Env) -> bool:
        """Where channels first and last are the same order."""
        shape = env[step.output.name]
        same = step.inputs[0].layout == step.output.layout
        return same or len(shape) <= 2 or shape[1] == 1 or math.prod(shape[2:]) == 1

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """Move the channels."""
        return from_row(to_row(arrays[0], step.inputs[0].layout), step.output.layout)


class Reshape(Kind):
    """The same values in rows of another shape; a size may be -1 or an expression."""

    name = "reshape"
    inputs = ("*",)
    attrs: ClassVar[Attrs] = {"shape": sizes}
    keeps_qparams = True

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """The sizes evaluated, -1 filled in."""
        try:
            wanted = [evaluate(size, env) for size in step.attrs["shape"]]
        except Fault as fault:
            step.misfit(str(fault))
        count = math.prod(shapes[0])
        if -1 in wanted:
            known = math.prod(size for size in wanted if size != -1)
            wanted[wanted.index(-1)] = count // known if known > 0 else 0
        if min(wanted, default=0) < 0 or math.prod(wanted) != count:
            step.misfit(f"{count} values of shape {shapes[0]} do not fill {tuple(wanted)}")
        return tuple(wanted)

    def is_view(self, step: Step, env: Env) -> bool:
        """Always."""
        return True

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """A view."""
        return arrays[0].reshape(env[step.output.name])


class Permute(Kind):
    """Axes in another order: output axis i is input axis dims[i]."""

    name = "permute"
    inputs = ("*",)
    attrs: ClassVar[Attrs] = {"dims": integers((), -16, 15)}
    keeps_qparams = True

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """The sizes in the new order."""
        return tuple(shapes[0][axis] for axis in permutation(step, len(shapes[0])))

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """Transpose and copy."""
        return np.ascontiguousarray(arrays[0].transpose(permutation(step, arrays[0].ndim)))


def permutation(step: Step, rank: int) -> tuple[int, ...]:
    """`dims` without negative entries."""
    dims = step.attrs["dims"]
    axes = tuple(d + rank if d < 0 else d for d in dims)
    if sorted(axes) != list(range(rank)):
        step.misfit(f"dims {dims} is not an order of the {rank} axes of its input")
    return axes


def axis_of(step: Step, name: str, rank: int) -> int:
    """A single-axis attribute without sign, checked against the rank."""
    axis: int = step.attrs[name]
    if not -rank <= axis < rank:
        step.misfit(f"{name} {axis} does not exist, the input has {rank} axes")
    return axis % rank


class Cat(Kind):
    """Arrays joined along `dim`; the other sizes agree."""

    name = "cat"
    inputs = ("*",)
    variadic = True
    attrs: ClassVar[Attrs] = {"dim": _AXIS}
    layouts = "same"
    keeps_qparams = True

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """The sizes along `dim` added."""
        axis = axis_of(step, "dim", len(shapes[0]))
        for shape in shapes:
            if len(shape) != len(shapes[0]) or any(
                a != b for i, (a, b) in enumerate(zip(shape, shapes[0], strict=True)) if i != axis
            ):
                step.misfit(f"joins shapes that differ only on axis {axis}, got {list(shapes)}")
        total = sum(shape[axis] for shape in shapes)
        return (*shapes[0][:axis], total, *shapes[0][axis + 1 :])

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """Concatenate along the axis as it lies in memory."""
        rank = arrays[0].ndim
        axis = axis_of(step, "dim", rank)
        return np.concatenate(arrays, physical_axis(axis, rank, step.output.layout))


class Slice(Kind):
    """x[start:stop:step] along `dim`; start and stop as in Python, sizes, or None."""

    name = "slice"
    inputs = ("*",)
    attrs: ClassVar[Attrs] = {
        "dim": _AXIS,
        "start": optional(expression),
        "stop": optional(expression),
        "step": integer(1),
    }
    layouts = "same"
    keeps_qparams = True

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """The number of indices left."""
        axis = axis_of(step, "dim", len(shapes[0]))
        taken = len(range(*self.indices(step, shapes[0][axis], env)))
        return (*shapes[0][:axis], taken, *shapes[0][axis + 1 :])

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """Slice along the axis as it lies in memory and copy."""
        x = arrays[0]
        axis = axis_of(step, "dim", x.ndim)
        at = physical_axis(axis, x.ndim, step.output.layout)
        taken = slice(*self.indices(step, x.shape[at], env))
        return np.ascontiguousarray(x[(slice(None),) * at + (taken,)])

    def indices(self, step: Step, size: int, env: Env) -> tuple[int, int, int]:
        """(first, end, step) inside [0, size]."""
        try:
            start, stop = (
                None if end is None else evaluate(end, env)
                for end in (step.attrs["start"], step.attrs["stop"])
            )
        except Fault as fault:
            step.misfit(str(fault))
        return slice(start, stop, step.attrs["step"]).indices(size)


class ConstantValue(Kind):
    """A value stored in the program."""

    name = "constant"
    output = "*"
    constants: ClassVar[Constants] = {"value": Constant(None)}

    def check(self, step: Step) -> None:
        """The stored array has the value's dtype."""
        stored = step.constants["value"].dtype.name
        if stored != step.output.dtype:
            step.malformed(f"the stored array is {stored}, the value {step.output.dtype}")

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """That of the stored array."""
        return step.constants["value"].shape

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """The stored array itself."""
        return step.constants["value"]
