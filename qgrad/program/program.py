"""Program: a model lowered to instructions, run by one call into C++."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..boxing import box, unbox
from ..errors import DTypeError, QParamError, ShapeError
from ..kernels.extension import core
from ..qtensor import QTensor
from . import file, table
from .build import build, check_constants
from .guards import Guard, check_guards, checked_guards
from .kind import to_row
from .lowering import Packed, Plan, lower
from .plan import NUMPY, Memory, check_budget, plan_memory
from .records import InputSpec, Instruction, Shape, Value

__all__ = ["Program"]

Array = NDArray[Any]
DEFAULT_BUDGET = 4 * 2**30
MAX_PLANS = 32  # combinations of input shapes remembered; the oldest is forgotten


class Program:
    """A flat list of instructions with their constants: what `convert` gives and a file holds.

    inputs: what it takes; a None in a shape is free, and a call may have any size there.
    outputs: the names of the values it returns.
    values: every value that instructions compute, by name.
    instructions: in the order they run.
    constants: the arrays that instructions refer to, by name; they are copied.
    guards: comparisons of sizes that a call must meet, else it raises ShapeError.

    Raises ModelFormatError or QParamError, naming the instruction and its module path, if anything
    does not fit. Calling it is thread-safe. Results are the same on every CPU, and those of
    `run_reference`.

    Example:
        program = quantization.convert(prepared)
        y = program(x)
        program.save("model.safetensors")
        y = Program.load("model.safetensors")(x)
    """

    def __init__(
        self,
        inputs: Sequence[InputSpec],
        outputs: Sequence[str],
        values: Mapping[str, Value],
        instructions: Sequence[Instruction],
        constants: Mapping[str, Array],
        guards: Sequence[Guard] = (),
    ) -> None:
        self.constants = check_constants(constants)
        self.steps = build(inputs, outputs, values, instructions, self.constants)
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self.values = {spec.name: spec.value for spec in inputs} | dict(values)
        self.instructions = tuple(step.instruction for step in self.steps)
        self.guards = checked_guards(guards, self.values)
        self.memory_budget = DEFAULT_BUDGET
        self._forget()

    def _forget(self) -> None:
        """Start without plans."""
        self._lock = threading.Lock()
        self._plans: dict[tuple[Any, ...], Plan] = {}
        self._packed: Packed = {}
        self._pool = None if core is None else core.ArenaPool()

    def __reduce__(self) -> tuple[Any, ...]:
        made = (self.inputs, self.outputs, self.values, self.instructions, self.constants)
        return Program, (*made, self.guards), {"memory_budget": self.memory_budget}

    def __call__(self, *inputs: Any) -> Any:
        """Run on Tensors, arrays or quantized tensors; several outputs come as a tuple.

        A quantized tensor must have the scale and zero point that its input is quantized with, and
        so saves the caller a rounding. An output of codes is a quantized tensor.
        """
        results = self.run(*self._taken(inputs))
        boxed = [self._given(*pair) for pair in zip(self.outputs, results, strict=True)]
        return boxed[0] if len(boxed) == 1 else tuple(boxed)

    def run(self, *arrays: Array) -> list[Array]:
        """The outputs for input arrays, in logical layout.

        Raises ShapeError or DTypeError for inputs that do not fit, ValueError for NaN where codes
        are made and for an index outside an embedding.
        """
        checked = self._checked(arrays)
        if core is None:
            return self._reference(checked)
        return self._execute(checked, self.outputs)

    def run_reference(self, *arrays: Array) -> list[Array]:
        """The same outputs, computed in NumPy one instruction at a time: the meaning of `run`."""
        return self._reference(self._checked(arrays))

    def codes(self, *inputs: Any) -> dict[str, NDArray[np.uint8]]:
        """The codes of every quantized value for these inputs, by name, in logical layout.

        Copies that `convert` makes on the way (another layout) have an `@` in their name; they are
        left out.
        """
        names = [
            name
            for name, value in self.values.items()
            if value.dtype == "uint8" and "@" not in name
        ]
        arrays = self._checked(self._taken(inputs))
        if core is None:
            return self._interpret(arrays, names)
        return dict(zip(names, self._execute(arrays, tuple(names)), strict=True))

    @property
    def nbytes(self) -> int:
        """The bytes of all constants: about the size of the saved file."""
        return sum(array.nbytes for array in self.constants.values())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a safetensors file, all or nothing; see `qgrad.program.file` for the format."""
        file.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Program:
        """Read a program from a file; ModelFormatError if it is not a valid one."""
        return cls(*file.load(path))

    def summary(self) -> str:
        """A table with one line for each instruction."""
        return table.summary(self)

    def __repr__(self) -> str:
        arguments = ", ".join(_shown_input(spec) for spec in self.inputs)
        return (
            f"Program({arguments} -> {', '.join(self.outputs)}; "
            f"{len(self.instructions)} instructions, {self.nbytes:,} bytes)"
        )

    def _taken(self, inputs: Sequence[Any]) -> list[Array]:
        """The arrays inside the arguments."""
        if not any(isinstance(x, QTensor) for x in inputs):
            return [unbox(x) for x in inputs]
        self._check_arguments(len(inputs))
        return [
            self._codes_or_values(spec, x) if isinstance(x, QTensor) else unbox(x)
            for spec, x in zip(self.inputs, inputs, strict=True)
        ]

    def _codes_or_values(self, spec: InputSpec, x: QTensor) -> Array:
        """What an input takes of a quantized tensor with the right parameters."""
        users = [step for step in self.steps if spec.value in step.inputs]
        wanted = [step.output.qparams if spec.qparams is None else spec.qparams for step in users]
        quantizes = spec.qparams is not None or all(s.kind.name == "quantize" for s in users)
        for qp in wanted if quantizes else [None]:
            if qp is None or qp.scale != x.qparams.scale or qp.zero_point != x.qparams.zero_point:
                rule = "takes no codes" if qp is None else f"takes {qp}"
                raise QParamError(
                    f"program: input {spec.name!r} {rule}, got {x.qparams}; pass .dequantize(), "
                    "which the program then quantizes itself"
                )
        return unbox(x.int_repr() if spec.qparams is not None else x.dequantize())

    def _given(self, name: str, array: Array) -> Any:
        """An output as callers see it."""
        qparams = self.values[name].qparams
        return box(array) if qparams is None else QTensor(array, qparams)

    def _check_arguments(self, count: int) -> None:
        if count != len(self.inputs):
            raise ShapeError(f"program: takes {len(self.inputs)} inputs, got {count}")

    def _checked(self, arrays: Sequence[Array]) -> list[Array]:
        """The inputs as C-contiguous arrays that fit their specs."""
        self._check_arguments(len(arrays))
        return [_check_input(spec, array) for spec, array in zip(self.inputs, arrays, strict=True)]

    def _reference(self, arrays: Sequence[Array]) -> list[Array]:
        found = self._interpret(arrays, self.outputs)
        return [found[name] for name in self.outputs]

    def _execute(self, arrays: Sequence[Array], names: tuple[str, ...]) -> list[Array]:
        """Run in C++; the named values in logical layout."""
        key = (core.isa(), names, *(array.shape for array in arrays))
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plan(key)
        check_budget("program", plan.total, self.memory_budget)
        refused, outputs = plan.run(arrays)
        if refused >= 0:
            self._interpret(arrays, self.outputs)
            raise ValueError(f"{self.steps[refused].where}: cannot compute these inputs")
        return outputs if plan.direct else self._arranged(plan, arrays, outputs, names)

    def _plan(self, key: tuple[Any, ...]) -> Plan:
        """A new plan for an instruction set, outputs and input shapes, remembered."""
        inputs = {spec.name for spec in self.inputs}
        names = tuple(dict.fromkeys(name for name in key[1] if name not in inputs))
        kept = [self.values[name] for name in names]
        with self._lock:
            memory = self._memory(key[2:], names)
            plan = lower(self.inputs, self.steps, kept, memory, self._packed, self._pool)
            plan.direct = names == key[1] and all(value.layout == "row" for value in kept)
            if len(self._plans) >= MAX_PLANS:
                del self._plans[next(iter(self._plans))]
            self._plans[key] = plan
        return plan

    def _arranged(
        self,
        plan: Plan,
        arrays: Sequence[Array],
        outputs: Sequence[Array],
        names: Sequence[str],
    ) -> list[Array]:
        """Outputs that are inputs, come twice or lie in memory otherwise than they look."""
        found = {spec.name: array for spec, array in zip(self.inputs, arrays, strict=True)}
        found |= dict(zip(plan.names, outputs, strict=True))
        return [
            np.array(to_row(found[name], self.values[name].layout), order="C") for name in names
        ]

    def _memory(self, shapes: tuple[Shape, ...], outputs: Sequence[str]) -> Memory:
        kept = [self.values[name] for name in outputs]
        memory = plan_memory(self.inputs, self.steps, kept, shapes, self.memory_budget)
        check_guards(self.guards, memory.env)
        return memory

    def _interpret(self, arrays: Sequence[Array], wanted: Sequence[str]) -> dict[str, Array]:
        """Run the steps in NumPy; the wanted values in logical layout, others freed after use."""
        env = self._memory(tuple(a.shape for a in arrays), self.outputs).env
        found = {spec.name: array for spec, array in zip(self.inputs, arrays, strict=True)}
        last_use = {value.name: step.index for step in self.steps for value in step.inputs}
        for step in self.steps:
            operands = [found[value.name] for value in step.inputs]
            found[step.output.name] = step.kind.compute(step, operands, env)
            for value in (*step.inputs, step.output):
                if last_use.get(value.name, -1) <= step.index and value.name not in wanted:
                    found.pop(value.name, None)
        return {
            name: np.array(to_row(found[name], self.values[name].layout), order="C")
            for name in wanted
        }


def _check_input(spec: InputSpec, array: Any) -> Array:
    if isinstance(array, np.generic):
        array = np.asarray(array)
    if not isinstance(array, np.ndarray) or array.dtype != NUMPY[spec.dtype]:
        got = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise DTypeError(
            f"program: input {spec.name!r} must be {spec.dtype}, got {got}; convert it first"
        )
    fits = len(array.shape) == len(spec.shape)
    for want, size in zip(spec.shape, array.shape, strict=False):
        fits = fits and (want is None or want == size)
    if not fits:
        raise ShapeError(
            f"program: input {_shown_input(spec)} got shape {array.shape}; only sizes shown as ? "
            "may differ. Reshape the input, or prepare the model with more dynamic_dims"
        )
    flags = array.flags
    return array if flags.c_contiguous and flags.aligned else np.array(array, order="C")


def _shown_input(spec: InputSpec) -> str:
    sizes = ", ".join("?" if size is None else str(size) for size in spec.shape)
    return f"{spec.name}: {spec.dtype}[{sizes}]"
