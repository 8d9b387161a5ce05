"""The kinds of instruction that move values of any type without computing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .fields import Fault, evaluate, expression, integer, integers, optional, sizes
from .kind import (
    Array,
    Attrs,
    Constant,
    Constants,
    Kind,
    Step,
    contiguous_steps,
    from_row,
    logical_steps,
    physical_axis,
    same_order,
    to_row,
)
from .records import Env, Shape

if TYPE_CHECKING:
    from .lowering import Lowering

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
        return same_order(env[step.output.name], step.inputs[0].layout, step.output.layout)

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """Move the channels."""
        return from_row(to_row(arrays[0], step.inputs[0].layout), step.output.layout)

    def lower(self, step: Step, to: Lowering) -> None:
        """One copy."""
        to.relayout(step.inputs[0], step.output)


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

    def lower(self, step: Step, to: Lowering) -> None:
        """A copy, needed where the result is an output."""
        to.copy(step.inputs[0], step.output, to.shape(step.output))


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
        return np.asarray(arrays[0].transpose(permutation(step, arrays[0].ndim)), order="C")

    def lower(self, step: Step, to: Lowering) -> None:
        """One copy with the steps in the new order."""
        x, shape = to.shape(step.inputs[0]), to.shape(step.output)
        steps = contiguous_steps(x)
        order = permutation(step, len(x))
        to.copy(step.inputs[0], step.output, shape, source_steps=[steps[axis] for axis in order])


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

    def lower(self, step: Step, to: Lowering) -> None:
        """One copy for each input, to its part of the output."""
        shape, layout = to.shape(step.output), step.output.layout
        axis = axis_of(step, "dim", len(shape))
        steps = logical_steps(shape, layout)
        begin = 0
        for value in step.inputs:
            x = to.shape(value)
            to.copy(
                value,
                step.output,
                x,
                source_steps=logical_steps(x, layout),
                target_steps=steps,
                target_begin=begin * steps[axis],
            )
            begin += x[axis]


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
        return np.asarray(x[(slice(None),) * at + (taken,)], order="C")

    def lower(self, step: Step, to: Lowering) -> None:
        """One copy of a part of the input."""
        x, layout = to.shape(step.inputs[0]), step.output.layout
        axis = axis_of(step, "dim", len(x))
        first, _, stride = self.indices(step, x[axis], to.memory.env)
        steps = logical_steps(x, layout)
        to.copy(
            step.inputs[0],
            step.output,
            to.shape(step.output),
            source_steps=[s * stride if i == axis else s for i, s in enumerate(steps)],
            source_begin=first * steps[axis],
            target_steps=logical_steps(to.shape(step.output), layout),
        )

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
        step.check_codes(step.constants["value"])

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """That of the stored array."""
        return step.constants["value"].shape

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """The stored array itself."""
        return step.constants["value"]

    def lower(self, step: Step, to: Lowering) -> None:
        """Nothing, unless the value is an output."""
        to.copy_constant(step.constants["value"], step.output)
