"""What is worked out once for each combination of input shapes: shapes, memory, executor."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError
from .arena import Lifetime, place
from .build import infer
from .kind import Step, physical
from .records import DTYPES, Env, InputSpec, Shape, Value

__all__ = ["ITEMSIZE", "NUMPY", "Memory", "check_budget", "plan_memory", "value_bytes"]

NUMPY: dict[str, np.dtype[Any]] = {name: np.dtype(name) for name in DTYPES}
ITEMSIZE = {name: dtype.itemsize for name, dtype in NUMPY.items()}


@dataclasses.dataclass(frozen=True)
class Memory:
    """Where every value of one call lies.

    env: logical shapes. roots: the value whose memory each value uses, itself unless it is a view.
    offsets: in the arena, by root; roots that are inputs, outputs or constants have none.
    outputs: shape in memory and dtype of each output array. total: bytes of arena and outputs.
    """

    env: Env
    roots: dict[str, str]
    offsets: dict[str, int]
    arena: int
    outputs: tuple[tuple[Shape, np.dtype[Any]], ...]
    total: int


def value_bytes(value: Value, env: Env) -> int:
    """The bytes that a value takes."""
    return math.prod(env[value.name]) * ITEMSIZE[value.dtype]


def plan_memory(
    inputs: Sequence[InputSpec],
    steps: Sequence[Step],
    outputs: Sequence[Value],
    shapes: Sequence[Shape],
    budget: int,
) -> Memory:
    """Shapes and places of all values; ShapeError if they misfit or pass the budget."""
    env = infer(inputs, steps, shapes)
    for step in steps:
        check_budget(step.where, value_bytes(step.output, env), budget)
    kept = {value.name for value in outputs}
    roots = {spec.name: spec.name for spec in inputs}
    for step in steps:
        view = step.kind.is_view(step, env) and step.output.name not in kept
        roots[step.output.name] = roots[step.inputs[0].name] if view else step.output.name
    offsets, arena = place(_lifetimes(steps, kept, roots, env))
    total = arena + sum(value_bytes(value, env) for value in outputs)
    check_budget("program", total, budget)
    arrays = tuple(
        (physical(env[value.name], value.layout), NUMPY[value.dtype]) for value in outputs
    )
    return Memory(env, roots, offsets, arena, arrays, total)


def check_budget(where: str, needed: int, budget: int) -> None:
    """Raise ShapeError if a call would take more memory than it may."""
    if needed > budget:
        raise ShapeError(
            f"{where}: needs {needed:,} bytes for inputs of these shapes, the budget is "
            f"{budget:,}; use smaller inputs, or raise the program's memory_budget"
        )


def _lifetimes(
    steps: Sequence[Step], kept: set[str], roots: dict[str, str], env: Env
) -> list[Lifetime]:
    """The values that live in the arena: those made and used up by steps."""
    last = {}
    for step in steps:
        for value in step.inputs:
            last[roots[value.name]] = step.index
    return [
        Lifetime(name, value_bytes(step.output, env), step.index, last.get(name, step.index))
        for step in steps
        if roots[name := step.output.name] == name and name not in kept and step.kind.inputs
    ]
