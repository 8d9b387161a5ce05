"""Programs as safetensors files.

- The file's tensors are the program's constants, by name. No pickle, no code, no paths.
- Its metadata has "format": "qgrad.program", "version": "1" and "program": JSON text, a dict of
    inputs        list of {name, dtype, shape (null: free), qparams}
    outputs       list of names
    values        list of {name, dtype, layout, qparams}, those that instructions compute
    instructions  list of {op, inputs, output, attrs, constants, path}
    guards        list of {op, left, right, holds, source}
  with qparams null or {scale, zero_point, qmin, qmax}; scales are exact (float32 as decimal).
- Unknown keys are refused, so a newer file is never half understood. The version rises whenever a
  file may hold what older versions do not know.
- Everything read is then checked like any other program (`build`).
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ..files import write_whole
from ..qparams import QParams
from .build import MAX_INSTRUCTIONS, fail
from .fields import shown
from .guards import Guard
from .records import InputSpec, Instruction, Value

if TYPE_CHECKING:
    from .program import Program

__all__ = ["FORMAT", "VERSION", "load", "save"]

FORMAT = "qgrad.program"
VERSION = 1

Parts = tuple[
    list[InputSpec],
    list[str],
    dict[str, Value],
    list[Instruction],
    dict[str, NDArray[Any]],
    list[Guard],
]


def save(program: Program, path: str | os.PathLike[str]) -> None:
    """Write to a temporary file beside `path`, then rename it: never half a file."""
    from safetensors.numpy import save as to_bytes

    data = to_bytes(dict(program.constants), metadata=_metadata(program))
    write_whole(path, data)


def load(path: str | os.PathLike[str]) -> Parts:
    """The parts of the program in a file, for `Program(*parts)`.

    Raises ModelFormatError if the file is no program; OSError if it cannot be read at all.
    """
    name = os.fspath(path)
    with open(name, "rb"):  # a missing or unreadable file is the system's error, as it stands
        pass
    metadata, constants = _read(name)
    inputs, outputs, values, instructions, guards = _parse(f"{shown(name)}", metadata)
    return inputs, outputs, values, instructions, constants, guards


def _read(name: str) -> tuple[dict[str, str], dict[str, NDArray[Any]]]:
    from safetensors import safe_open

    try:
        with safe_open(name, framework="numpy") as stream:
            metadata = stream.metadata() or {}
            constants = {key: stream.get_tensor(key) for key in stream.keys()}  # noqa: SIM118
    # The library raises its own error, and TypeError or others for dtypes NumPy does not have.
    except Exception as error:
        fail(shown(name), f"is not a safetensors file of known types ({str(error)[:200]})")
    return metadata, constants


def _metadata(program: Program) -> dict[str, str]:
    import json

    names = {spec.name for spec in program.inputs}
    body = {
        "inputs": [_typed(s) | {"shape": s.shape} for s in program.inputs],
        "outputs": program.outputs,
        "values": [
            {
                "name": v.name,
                "dtype": v.dtype,
                "layout": v.layout,
                "qparams": _qparams_out(v.qparams),
            }
            for v in program.values.values()
            if v.name not in names
        ],
        "instructions": [
            {
                "op": i.op,
                "inputs": i.inputs,
                "output": i.output,
                "attrs": dict(i.attrs),
                "constants": dict(i.constants),
                "path": i.path,
            }
            for i in program.instructions
        ],
        "guards": [dataclasses.asdict(guard) for guard in program.guards],
    }
    text = json.dumps(body, allow_nan=False, separators=(",", ":"))
    return {"format": FORMAT, "version": str(VERSION), "program": text}


def _typed(record: InputSpec | Value) -> dict[str, Any]:
    """What inputs and values share."""
    qparams = _qparams_out(record.qparams)
    return {"name": record.name, "dtype": record.dtype, "qparams": qparams}


def _qparams_out(qp: QParams | None) -> dict[str, Any] | None:
    if qp is None:
        return None
    scale, zero_point = float(qp.scale), int(qp.zero_point)
    return {"scale": scale, "zero_point": zero_point, "qmin": qp.qmin, "qmax": qp.qmax}


def _parse(
    where: str, metadata: dict[str, str]
) -> tuple[list[InputSpec], list[str], dict[str, Value], list[Instruction], list[Guard]]:
    if metadata.get("format") != FORMAT:
        fail(where, f"holds no program (its format is {shown(metadata.get('format'))})")
    version = metadata.get("version", "")
    if not (version.isascii() and version.isdecimal() and len(version) < 10) or int(version) < 1:
        fail(where, f"has no valid version: {shown(version)}")
    if int(version) > VERSION:
        fail(where, f"has version {version}, this qgrad reads up to {VERSION}; install a newer one")
    body = _json(where, metadata.get("program", ""))
    _keys(where, body, ("inputs", "outputs", "values", "instructions", "guards"))
    values = _records(where, body, "values", _value)
    if len({value.name for value in values}) != len(values):
        fail(where, "lists a value twice")
    return (
        _records(where, body, "inputs", _input),
        _records(where, body, "outputs", _text),
        {value.name: value for value in values},
        _records(where, body, "instructions", _instruction),
        _records(where, body, "guards", _guard),
    )


def _json(where: str, text: str) -> Any:
    import json

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key appears twice")
        return found

    def refuse(literal: str) -> float:
        raise ValueError(f"{literal} is not a number")

    try:
        return json.loads(text, object_pairs_hook=once, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        fail(where, f"its description is not valid JSON ({str(error)[:200]})")


def _keys(where: str, record: Any, names: Sequence[str]) -> None:
    """A dict with exactly these keys."""
    if not isinstance(record, dict):
        fail(where, f"must be a dict, got {shown(record)}")
    for name in names:
        if name not in record:
            fail(where, f"key {name!r} is missing")
    for name in record:
        if name not in names:
            fail(where, f"unknown key {shown(name)}; it may come from a newer qgrad")


def _records(where: str, body: Any, name: str, read: Callable[[str, Any], Any]) -> list[Any]:
    items, most = body[name], 2 * MAX_INSTRUCTIONS
    if not isinstance(items, list) or len(items) > most:
        fail(where, f"{name} must be a list of at most {most}, got {shown(items)}")
    return [read(f"{where}: {name}[{i}]", item) for i, item in enumerate(items)]


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str):
        fail(where, f"must be a string, got {shown(value)}")
    return value


def _texts(where: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        fail(where, f"must be a list of strings, got {shown(value)}")
    return tuple(_text(where, item) for item in value)


def _checked(where: str, make: Callable[[], Any]) -> Any:
    """What `make` gives; errors of a record's own checks get the place in front."""
    try:
        return make()
    except ValueError as error:
        raise type(error)(f"{where}: {error}"[:590]) from None


def _qparams_in(where: str, value: Any) -> QParams | None:
    if value is None:
        return None
    _keys(f"{where}: qparams", value, ("scale", "zero_point", "qmin", "qmax"))
    scale = value["scale"]
    if type(scale) not in (int, float):
        fail(f"{where}: qparams", f"scale must be a number, got {shown(scale)}")
    for name in ("zero_point", "qmin", "qmax"):
        if type(value[name]) is not int or abs(value[name]) > 2**31:
            fail(f"{where}: qparams", f"{name} must be a small integer, got {shown(value[name])}")
    codes = (value["zero_point"], value["qmin"], value["qmax"])
    if type(scale) is int and abs(scale) > 2**127:
        fail(f"{where}: qparams", "scale must be a float32")
    qp = _checked(where, lambda: QParams.of(scale, codes[0], qmin=codes[1], qmax=codes[2]))
    return qp if isinstance(qp, QParams) else None


def _value(where: str, record: Any) -> Value:
    _keys(where, record, ("name", "dtype", "layout", "qparams"))
    return Value(
        _text(where, record["name"]),
        _text(where, record["dtype"]),
        _qparams_in(where, record["qparams"]),
        _text(where, record["layout"]),
    )


def _input(where: str, record: Any) -> InputSpec:
    _keys(where, record, ("name", "dtype", "shape", "qparams"))
    if not isinstance(record["shape"], list):
        fail(where, f"shape must be a list, got {shown(record['shape'])}")
    return InputSpec(
        _text(where, record["name"]),
        _text(where, record["dtype"]),
        tuple(record["shape"]),
        _qparams_in(where, record["qparams"]),
    )


def _instruction(where: str, record: Any) -> Instruction:
    _keys(where, record, ("op", "inputs", "output", "attrs", "constants", "path"))
    return Instruction(
        _text(where, record["op"]),
        _texts(where, record["inputs"]),
        _text(where, record["output"]),
        record["attrs"],
        record["constants"],
        _text(where, record["path"]),
    )


def _guard(where: str, record: Any) -> Guard:
    _keys(where, record, ("op", "left", "right", "holds", "source"))
    return Guard(**record)
