"""From records to checked steps: everything that must hold before a program may run.

Nothing given here is trusted: a file may say anything. Every broken rule is a ModelFormatError (or
QParamError, for scales and accumulators) that names the instruction, its module and the way out.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from ..dtypes import quint8
from ..errors import ModelFormatError, QParamError, ShapeError
from ..qparams import QParams
from . import floating, integer, movement, pooling, products  # noqa: F401  (they fill KINDS)
from .fields import MAX_RANK, Fault, references, shown
from .kind import KINDS, Array, Kind, Step
from .records import DTYPES, LAYOUTS, Env, InputSpec, Instruction, Shape, Value

__all__ = ["build", "check_constants", "infer"]

MAX_INSTRUCTIONS = 100_000
MAX_NAME = 300
_CONSTANT_DTYPES = (*DTYPES, "int8")
_LIMIT = 2**31 - 1


def fail(where: str, message: str) -> NoReturn:
    """Raise ModelFormatError."""
    raise ModelFormatError(f"{where}: {message}"[:590])


def build(
    inputs: Sequence[InputSpec],
    outputs: Sequence[str],
    values: Mapping[str, Value],
    instructions: Sequence[Instruction],
    constants: Mapping[str, Array],
) -> tuple[Step, ...]:
    """Check everything and resolve names; `values` need not repeat the inputs."""
    if len(instructions) > MAX_INSTRUCTIONS:
        fail("program", f"{len(instructions)} instructions, at most {MAX_INSTRUCTIONS} are allowed")
    known = _inputs(inputs, values)
    for name, value in values.items():
        _value(name, value)
    steps = []
    for index, instruction in enumerate(instructions):
        step = _step(index, instruction, known, values, constants)
        known[step.output.name] = step.output
        steps.append(step)
    _all_used(known, values, steps, constants)
    if not isinstance(outputs, (list, tuple)) or not outputs:
        fail("program", "must have at least one output")
    for name in outputs:
        if not isinstance(name, str) or name not in known:
            fail("program", f"output {shown(name)} is not a value; {_nearest(name, known)}")
    return tuple(steps)


def infer(inputs: Sequence[InputSpec], steps: Sequence[Step], shapes: Sequence[Shape]) -> Env:
    """The logical shape of every value, for inputs of these shapes; ShapeError if they misfit."""
    env: Env = {spec.name: shape for spec, shape in zip(inputs, shapes, strict=True)}
    for step in steps:
        shape = step.kind.shape(step, [env[value.name] for value in step.inputs], env)
        if len(shape) > MAX_RANK or max(shape, default=0) > _LIMIT:
            raise ShapeError(f"{step.where}: the output's shape {shown(shape)} is too large")
        env[step.output.name] = shape
    return env


def check_constants(constants: Mapping[str, Any]) -> dict[str, Array]:
    """The constants as read-only C-contiguous arrays, of a known dtype, without NaN."""
    if not isinstance(constants, Mapping):
        fail("program", "constants must be a dict of arrays")
    return {_name("constant", name): _constant(name, a) for name, a in constants.items()}


def _constant(name: str, array: Any) -> Array:
    if not isinstance(array, np.ndarray) or array.dtype.name not in _CONSTANT_DTYPES:
        got = array.dtype.name if isinstance(array, np.ndarray) else type(array).__name__
        fail(
            f"program: constant {shown(name)}",
            f"must be an array of {', '.join(_CONSTANT_DTYPES)}, got {got}",
        )
    if array.ndim > MAX_RANK or max(array.shape, default=0) > _LIMIT:
        fail(f"program: constant {shown(name)}", f"has a shape too large: {shown(array.shape)}")
    if array.dtype == np.float32 and np.isnan(array).any():
        fail(f"program: constant {shown(name)}", "holds NaN")
    own = np.array(array, array.dtype.newbyteorder("="), order="C")
    own.setflags(write=False)
    return own


def _name(what: str, name: Any) -> str:
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME:
        fail("program", f"a {what}'s name is 1 to {MAX_NAME} characters, got {shown(name)}")
    return name


def _inputs(inputs: Sequence[InputSpec], values: Mapping[str, Value]) -> dict[str, Value]:
    if not isinstance(inputs, (list, tuple)):
        fail("program", "inputs must be a list")
    known: dict[str, Value] = {}
    for spec in inputs:
        if not isinstance(spec, InputSpec):
            fail("program", f"inputs must be InputSpec records, got {shown(spec)}")
        name = _name("input", spec.name)
        where = f"program: input {shown(name)}"
        if name in known:
            fail(where, "is listed twice")
        if (
            not isinstance(spec.shape, tuple)
            or len(spec.shape) > MAX_RANK
            or not all(
                size is None or (type(size) is int and 0 <= size <= _LIMIT) for size in spec.shape
            )
        ):
            fail(where, f"shape must be a list of sizes or null, got {shown(spec.shape)}")
        _value(name, spec.value)
        if name in values and values[name] != spec.value:
            fail(where, "differs from the value of the same name; an input is stored in rows")
        known[name] = spec.value
    return known


def _value(name: Any, value: Any) -> None:
    _name("value", name)
    where = f"program: value {shown(name)}"
    if not isinstance(value, Value) or value.name != name:
        fail(where, f"must be a Value record of this name, got {shown(value)}")
    if value.dtype not in DTYPES:
        fail(where, f"dtype must be one of {', '.join(DTYPES)}, got {shown(value.dtype)}")
    if value.layout not in LAYOUTS:
        fail(where, f"layout must be one of {', '.join(LAYOUTS)}, got {shown(value.layout)}")
    if (value.qparams is not None) != (value.dtype == "uint8"):
        fail(where, "uint8 values have qparams, other values have none")
    if value.qparams is not None:
        qp = value.qparams
        if not isinstance(qp, QParams) or qp.per_channel or qp.dtype is not quint8:
            fail(where, f"qparams must be per tensor and quint8, got {shown(qp)}")


def _step(
    index: int,
    instruction: Instruction,
    known: Mapping[str, Value],
    values: Mapping[str, Value],
    constants: Mapping[str, Array],
) -> Step:
    where = f"program: instruction {index}"
    if not isinstance(instruction, Instruction):
        fail(where, f"must be an Instruction record, got {shown(instruction)}")
    kind = KINDS.get(instruction.op) if isinstance(instruction.op, str) else None
    if kind is None:
        fail(where, f"unknown op {shown(instruction.op)}; {_nearest(instruction.op, KINDS)}")
    if not isinstance(instruction.path, str) or len(instruction.path) > MAX_NAME:
        fail(where, f"path must be a string of at most {MAX_NAME} characters")
    where = f"{where} {kind.name} at {shown(instruction.path)}"
    inputs = _step_inputs(where, kind, instruction, known, values)
    output = _step_output(where, kind, instruction, known, values, inputs)
    attrs = _attrs(where, kind, instruction, known)
    found = _step_constants(where, kind, instruction, constants)
    canonical = dataclasses.replace(
        instruction,
        inputs=tuple(instruction.inputs),
        attrs=attrs,
        constants=dict(instruction.constants),
    )
    step = Step(index, kind, canonical, attrs, inputs, output, found)
    _check_layouts(step)
    _check_qparams(step)
    try:
        kind.check(step)
    except QParamError as error:
        text = str(error)
        raise QParamError((text if text.startswith(where) else f"{where}: {text}")[:590]) from None
    return step


def _step_inputs(
    where: str,
    kind: Kind,
    instruction: Instruction,
    known: Mapping[str, Value],
    values: Mapping[str, Value],
) -> tuple[Value, ...]:
    names, wanted = instruction.inputs, kind.inputs
    if not isinstance(names, (list, tuple)) or not all(isinstance(n, str) for n in names):
        fail(where, f"inputs must be a list of value names, got {shown(names)}")
    if kind.variadic and len(names) > len(wanted):
        wanted = (*wanted, *wanted[-1:] * (len(names) - len(wanted)))
    if len(names) != len(wanted):
        least = "at least " if kind.variadic else ""
        fail(where, f"takes {least}{len(wanted)} inputs, got {len(names)}")
    for name, dtype in zip(names, wanted, strict=True):
        if name in values and name not in known:
            fail(where, f"uses {shown(name)} before it is defined; is there a cycle?")
        if name not in known:
            fail(where, f"input {shown(name)} is not a value; {_nearest(name, known)}")
        if dtype != "*" and known[name].dtype not in dtype.split("|"):
            fail(where, f"input {shown(name)} must be {dtype}, it is {known[name].dtype}")
    found = tuple(known[name] for name in names)
    if "*" in wanted and len({value.dtype for value in found}) > 1:
        fail(where, f"inputs must have one dtype, got {shown([value.dtype for value in found])}")
    return found


def _step_output(
    where: str,
    kind: Kind,
    instruction: Instruction,
    known: Mapping[str, Value],
    values: Mapping[str, Value],
    inputs: tuple[Value, ...],
) -> Value:
    name = instruction.output
    if not isinstance(name, str) or name not in values:
        fail(where, f"output {shown(name)} is not among the values")
    if name in known:
        fail(where, f"output {shown(name)} is already defined; names are used once")
    wanted = inputs[0].dtype if kind.output == "=" else kind.output
    if wanted not in ("*", values[name].dtype):
        fail(where, f"output {shown(name)} must be {wanted}, it is {values[name].dtype}")
    return values[name]


def _attrs(
    where: str, kind: Kind, instruction: Instruction, known: Mapping[str, Value]
) -> dict[str, Any]:
    given = instruction.attrs
    if not isinstance(given, Mapping):
        fail(where, f"attrs must be a dict, got {shown(given)}")
    for name in given:
        if name not in kind.attrs:
            fail(where, f"unknown attribute {shown(name)}; {_nearest(name, kind.attrs)}")
    checked = dict(kind.defaults)
    for name, field in kind.attrs.items():
        if name not in given:
            if name not in checked:
                fail(where, f"attribute {name!r} is missing")
            continue
        try:
            checked[name] = field(given[name])
        except Fault as fault:
            fail(where, f"attribute {name!r} {fault}")
        for used in _sizes_used(field, checked[name]):
            if used not in known:
                fail(where, f"attribute {name!r} uses the size of {shown(used)}, not defined yet")
    return checked


def _sizes_used(field: Any, value: Any) -> set[str]:
    """The values that an attribute made of expressions refers to."""
    if isinstance(value, tuple) and value and isinstance(value[0], str):
        return references(value)
    if isinstance(value, tuple):
        return set().union(*(references(v) for v in value))
    return set()


def _step_constants(
    where: str, kind: Kind, instruction: Instruction, constants: Mapping[str, Array]
) -> dict[str, Array]:
    given = instruction.constants
    if not isinstance(given, Mapping):
        fail(where, f"constants must be a dict of names, got {shown(given)}")
    for role in given:
        if role not in kind.constants:
            fail(where, f"unknown constant role {shown(role)}; {_nearest(role, kind.constants)}")
    found = {}
    for role, wanted in kind.constants.items():
        if role not in given:
            if not wanted.optional:
                fail(where, f"constant {role!r} is missing")
            continue
        name = given[role]
        if not isinstance(name, str) or name not in constants:
            fail(where, f"constant {role!r} is {shown(name)}, which the program does not hold")
        array = constants[name]
        if wanted.dtype is not None and array.dtype.name != wanted.dtype:
            fail(where, f"constant {role!r} must be {wanted.dtype}, it is {array.dtype.name}")
        if wanted.ranks and array.ndim not in wanted.ranks:
            ranks = " or ".join(map(str, wanted.ranks))
            fail(where, f"constant {role!r} must have {ranks} axes, its shape is {array.shape}")
        if wanted.dtype == "float32" and not np.isfinite(array).all():
            fail(where, f"constant {role!r} must be finite")
        found[role] = array
    return found


def _check_layouts(step: Step) -> None:
    layouts = {value.layout for value in (*step.inputs, step.output)}
    rule = step.kind.layouts
    if rule == "same" and len(layouts) > 1:
        step.malformed("inputs and output must have one layout")
    if rule in LAYOUTS and layouts != {rule}:
        step.malformed(f"inputs and output must have layout {rule!r}; convert with 'layout'")
    if step.output.layout == "cl" and step.output.dtype != "uint8":
        step.malformed("only uint8 values may have layout 'cl'")


def _check_qparams(step: Step) -> None:
    if not step.kind.keeps_qparams or step.output.qparams is None:
        return
    y = step.output.qparams
    for value in step.inputs:
        x = value.qparams
        assert x is not None  # it has the output's dtype, uint8
        same = x.scale == y.scale and x.zero_point == y.zero_point
        if not same or x.qmin < y.qmin or x.qmax > y.qmax:
            step.malformed(
                f"passes codes on, so {shown(value.name)} and {shown(step.output.name)} must have "
                "one scale, zero point and range of codes"
            )


def _all_used(
    known: Mapping[str, Value],
    values: Mapping[str, Value],
    steps: Sequence[Step],
    constants: Mapping[str, Array],
) -> None:
    for name in values:
        if name not in known:
            fail("program", f"value {shown(name)} is computed by no instruction")
    used = {name for step in steps for name in step.instruction.constants.values()}
    for name in constants:
        if name not in used:
            fail("program", f"constant {shown(name)} is used by no instruction")


def _nearest(name: Any, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(name)[:MAX_NAME], list(known), 3, 0.0)
    return f"nearest: {', '.join(map(shown, close))}" if close else "there are none"
