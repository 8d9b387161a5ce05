"""A kind of instruction, and the one table of them.

Each kind is one block: what it takes, what its attributes and constants must be, the shape it
gives, what it computes (in NumPy) and how it is handed to the C++ executor. Everything else about
instructions, from checking a file to the summary, is derived from these blocks.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelFormatError, ShapeError
from .fields import Field
from .records import Env, Instruction, Shape, Value

if TYPE_CHECKING:
    from .lowering import Lowering

__all__ = [
    "KINDS",
    "Attrs",
    "Constant",
    "Constants",
    "Defaults",
    "Kind",
    "Step",
    "contiguous_steps",
    "from_row",
    "logical_steps",
    "physical",
    "physical_axis",
    "same_order",
    "to_row",
]

Array = NDArray[Any]
Attrs = dict[str, Field]
Defaults = dict[str, Any]
KINDS: dict[str, Kind] = {}


@dataclasses.dataclass(frozen=True)
class Constant:
    """What a constant of an instruction must be; `dtype` None takes any that values can have."""

    dtype: str | None
    ranks: tuple[int, ...] = ()
    optional: bool = False


Constants = dict[str, Constant]


@dataclasses.dataclass(frozen=True, eq=False)
class Step:
    """A checked instruction with its names resolved."""

    index: int
    kind: Kind
    instruction: Instruction
    attrs: dict[str, Any]
    inputs: tuple[Value, ...]
    output: Value
    constants: dict[str, Array]

    @property
    def where(self) -> str:
        """How messages name this step."""
        path = self.instruction.path
        at = f" at {path[:80]!r}" if path else ""
        return f"program: instruction {self.index} {self.kind.name}{at}"

    def malformed(self, message: str) -> NoReturn:
        """Raise ModelFormatError: the program itself breaks a rule."""
        raise ModelFormatError(f"{self.where}: {message}"[:590])

    def misfit(self, message: str) -> NoReturn:
        """Raise ShapeError: the sizes of this call do not fit."""
        raise ShapeError(f"{self.where}: {message}"[:590])

    def check_codes(self, codes: Array) -> None:
        """Stored codes must be ones that the output may have."""
        qp = self.output.qparams
        if qp is not None and codes.size and not qp.qmin <= codes.min() <= codes.max() <= qp.qmax:
            self.malformed(f"holds codes outside the output's [{qp.qmin}, {qp.qmax}]")


class Kind:
    """Base of all kinds; a subclass is the definition of the instruction named `name`."""

    name: ClassVar[str]
    inputs: ClassVar[tuple[str, ...]] = ()
    """One entry an input: the dtypes it may have, as "uint8" or "int32|int64", "*" for any."""
    variadic: ClassVar[bool] = False
    """Whether the last entry of `inputs` may repeat."""
    output: ClassVar[str] = "="
    """The output's dtype, "=" for that of the first input."""
    attrs: ClassVar[Attrs] = {}
    defaults: ClassVar[Defaults] = {}
    """The attributes that may be left out."""
    constants: ClassVar[Constants] = {}
    layouts: ClassVar[str] = "row"
    """"row", "cl": every value has this layout; "same": all the same; "any"."""
    keeps_qparams: ClassVar[bool] = False
    """Whether codes pass through unchanged, so that scale and zero point must."""

    def __init_subclass__(cls) -> None:
        if "name" in cls.__dict__:
            KINDS[cls.name] = cls()

    def check(self, step: Step) -> None:
        """Rules beyond the declared ones; call `step.malformed` where one is broken."""

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """The output's logical shape, or `step.misfit`."""
        raise NotImplementedError

    def is_view(self, step: Step, env: Env) -> bool:
        """Whether the output is the first input's memory, byte for byte."""
        return False

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """The output from arrays as they lie in memory; `env` holds the logical shapes."""
        raise NotImplementedError

    def lower(self, step: Step, to: Lowering) -> None:
        """Append this step to the C++ executor's list."""
        raise NotImplementedError


def physical(shape: Shape, layout: str) -> Shape:
    """The shape in memory: channels last for "cl"."""
    if layout == "cl" and len(shape) > 2:
        return (shape[0], *shape[2:], shape[1])
    return shape


def physical_axis(axis: int, rank: int, layout: str) -> int:
    """Where a logical axis lies in memory."""
    if layout == "row" or rank <= 2 or axis == 0:
        return axis
    return rank - 1 if axis == 1 else axis - 1


def to_row(array: Array, layout: str) -> Array:
    """An array as it lies in memory, seen with its logical shape."""
    return np.moveaxis(array, -1, 1) if layout == "cl" and array.ndim > 2 else array


def from_row(array: Array, layout: str) -> Array:
    """An array of logical shape, laid out in memory."""
    moved = np.moveaxis(array, 1, -1) if layout == "cl" and array.ndim > 2 else array
    return np.asarray(moved, order="C")


def contiguous_steps(shape: Shape) -> list[int]:
    """How far one index of each axis moves in a contiguous array, in elements."""
    steps = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        steps[axis] = steps[axis + 1] * shape[axis + 1]
    return steps


def logical_steps(shape: Shape, layout: str) -> list[int]:
    """The same for each logical axis of an array in some layout."""
    steps = contiguous_steps(physical(shape, layout))
    return [steps[physical_axis(axis, len(shape), layout)] for axis in range(len(shape))]


def same_order(shape: Shape, a: str, b: str) -> bool:
    """Whether arrays of this logical shape lie in memory alike in two layouts."""
    return a == b or len(shape) <= 2 or shape[1] == 1 or math.prod(shape[2:]) == 1
