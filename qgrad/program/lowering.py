"""From checked steps to the C++ executor: a program ready to run for inputs of given shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..kernels.extension import core
from .kind import Array, Step, contiguous_steps, logical_steps, physical
from .plan import ITEMSIZE, Memory, value_bytes
from .records import InputSpec, Shape, Value

__all__ = ["Lowering", "Packed", "Plan", "lower"]

Packed = dict[tuple[int, str], Any]
"""Packed weights by step and instruction set, shared by all plans of a program."""


class Lowering:
    """What the kinds use to append themselves to an executor (`Kind.lower`)."""

    def __init__(self, memory: Memory, packed: Packed, pool: Any) -> None:
        self.memory = memory
        self.executor = core.Executor(pool)
        self._packed = packed
        self._isa = core.isa()
        self._places: dict[str, int] = {}
        self._constants: set[str] = set()

    def add_place(self, value: Value, kind: str, offset: int) -> None:
        """Give a value memory of its own."""
        size = value_bytes(value, self.memory.env)
        self._places[value.name] = self.executor.place(kind, offset, size)

    def add_constant(self, name: str, array: Array) -> None:
        """Give a value the memory of a constant."""
        self._places[name] = self.executor.constant(array)
        self._constants.add(name)

    def copy_constant(self, array: Array, target: Value) -> None:
        """Fill an output with a constant; a constant that is no output needs no memory."""
        if target.name not in self._constants:
            source, size = self.executor.constant(array), (array.size,)
            place, itemsize = self.place(target), ITEMSIZE[target.dtype]
            self.executor.copy(source, place, size, 0, (1,), 0, (1,), itemsize)

    def place(self, value: Value) -> int:
        """The executor's number for the memory of a value."""
        return self._places[self.memory.roots[value.name]]

    def shape(self, value: Value) -> Shape:
        """The logical shape of a value."""
        return self.memory.env[value.name]

    def count(self, value: Value) -> int:
        """The number of elements of a value."""
        return value_bytes(value, self.memory.env) // ITEMSIZE[value.dtype]

    def images(self, value: Value) -> tuple[int, int, int, int]:
        """The shape in memory of a value of rank 3 or 4, a missing height being 1."""
        shape = physical(self.shape(value), value.layout)
        if len(shape) == 4:
            return shape
        axis = 1 if value.layout == "cl" else 2
        return (*shape[:axis], 1, *shape[axis:])  # type: ignore[return-value]

    def packed(self, step: Step, pack: Callable[[], Any]) -> Any:
        """The step's packed weights for the instruction set in use, made once."""
        key = (step.index, self._isa)
        if key not in self._packed:
            self._packed[key] = pack()
        return self._packed[key]

    def copy(
        self,
        source: Value,
        target: Value,
        shape: Shape,
        *,
        source_steps: Sequence[int] | None = None,
        source_begin: int = 0,
        target_steps: Sequence[int] | None = None,
        target_begin: int = 0,
    ) -> None:
        """Copy elements; steps and begins count elements, and default to those of a whole array."""
        self.executor.copy(
            self.place(source),
            self.place(target),
            shape,
            source_begin,
            contiguous_steps(shape) if source_steps is None else source_steps,
            target_begin,
            contiguous_steps(shape) if target_steps is None else target_steps,
            ITEMSIZE[source.dtype],
        )

    def relayout(self, source: Value, target: Value) -> None:
        """Copy an array to another layout of the same logical shape."""
        shape = self.shape(source)
        self.copy(
            source,
            target,
            shape,
            source_steps=logical_steps(shape, source.layout),
            target_steps=logical_steps(shape, target.layout),
        )


class Plan:
    """A program for inputs of given shapes: its memory and its executor."""

    def __init__(self, memory: Memory, names: tuple[str, ...], executor: Any) -> None:
        self.names = names
        self.direct = True
        """Whether the outputs are what the caller asked for, as they come."""
        self.total = memory.total - memory.arena + executor.arena_bytes
        """Bytes of outputs, values and the steps' scratch space."""
        self._outputs = memory.outputs
        self._run = executor.run

    def run(self, arrays: Sequence[Array]) -> tuple[int, list[Array]]:
        """(-1, output arrays as they lie in memory), or the number of the step that refused."""
        outputs = [np.empty(shape, dtype) for shape, dtype in self._outputs]
        return self._run(arrays, outputs), outputs


def lower(
    inputs: Sequence[InputSpec],
    steps: Sequence[Step],
    outputs: Sequence[Value],
    memory: Memory,
    packed: Packed,
    pool: Any,
) -> Plan:
    """Hand the steps to a new executor; `outputs` have distinct names."""
    to = Lowering(memory, packed, pool)
    for index, spec in enumerate(inputs):
        to.add_place(spec.value, "input", index)
    for index, value in enumerate(outputs):
        to.add_place(value, "output", index)
    kept = {value.name for value in outputs}
    for step in steps:
        y = step.output
        if memory.roots[y.name] != y.name or y.name in kept:
            continue
        if y.name in memory.offsets:
            to.add_place(y, "arena", memory.offsets[y.name])
        else:
            to.add_constant(y.name, step.constants["value"])
    for step in steps:
        if memory.roots[step.output.name] == step.output.name:
            step.kind.lower(step, to)
    return Plan(memory, tuple(value.name for value in outputs), to.executor)
