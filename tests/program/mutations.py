"""Breaks a program's file in random places and loads it, again and again, in a child process."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import deserialize
from safetensors.numpy import save

from qgrad.errors import ModelFormatError, QParamError
from qgrad.program import Program
from qgrad.program.plan import ITEMSIZE

Rng = np.random.Generator
NASTY: list[Any] = [
    None, True, False, 0, 1, -1, 2, 3, 127, 128, 255, 256, -128, 2**15, 2**31 - 1, 2**31, -(2**31),
    2**62, 2**63, 2**64, 10**30, 0.0, -0.0, 1e-45, 1e-38, 1e38, 1e39, 1e308, 0.5, "", "x", "q",
    "float32", "uint8", "int64", "cl", "row", "conv.weight", "table", [], {}, [1, 1], [2, 2],
    [0, 0], [-1], ["dim", "x", 0], ["//", 1, 0], ["*", 2147483647, 2147483647],
    [["dim", "q", -9]], [1] * 17,
]  # fmt: skip


def byte_set(data: bytearray, rng: Rng) -> None:
    """One byte becomes any other."""
    data[rng.integers(len(data))] = rng.integers(256)


def header_byte_set(data: bytearray, rng: Rng) -> None:
    """The same, inside the header, where it hurts."""
    length = int.from_bytes(data[:8], "little")
    data[rng.integers(8 + length)] = rng.choice(list(b'0123456789-[]{},:"x'))


def payload_byte_set(data: bytearray, rng: Rng) -> None:
    """The same, inside the constants: weights, scales, biases, tables."""
    start = 8 + int.from_bytes(data[:8], "little")
    data[rng.integers(start, len(data))] = rng.integers(256)


def bit_flip(data: bytearray, rng: Rng) -> None:
    """One bit turns."""
    data[rng.integers(len(data))] ^= 1 << rng.integers(8)


def cut(data: bytearray, rng: Rng) -> None:
    """The end is missing."""
    del data[rng.integers(len(data)) :]


def hole(data: bytearray, rng: Rng) -> None:
    """A few bytes are missing."""
    start = rng.integers(len(data))
    del data[start : start + rng.integers(1, 9)]


def doubled(data: bytearray, rng: Rng) -> None:
    """A few bytes come twice."""
    start = rng.integers(len(data))
    data[start:start] = data[start : start + rng.integers(1, 99)]


def leaves(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values in a JSON document, containers included."""
    items = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    return [path, *(leaf for key, child in items for leaf in leaves(child, (*path, key)))]


def changed(data: bytearray, change: Callable[[Any], None]) -> None:
    """The file with another description."""
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    description = json.loads(metadata["program"])
    change(description)
    metadata["program"] = json.dumps(description)
    types = {"I8": np.int8, "U8": np.uint8, "I32": np.int32, "F32": np.float32}
    constants = {
        name: np.frombuffer(part["data"], types[part["dtype"]]).reshape(part["shape"])
        for name, part in deserialize(bytes(data))
    }
    data[:] = save(constants, metadata)


def at(node: Any, path: tuple[Any, ...]) -> Any:
    """The part of a JSON document at a path."""
    for key in path:
        node = node[key]
    return node


def field_set(data: bytearray, rng: Rng) -> None:
    """One field of the description becomes something else: nasty, or another field's value."""

    def change(description: Any) -> None:
        paths = leaves(description)[1:]
        path, other = paths[rng.integers(len(paths))], paths[rng.integers(len(paths))]
        value = NASTY[rng.integers(len(NASTY))] if rng.random() < 0.5 else at(description, other)
        at(description, path[:-1])[path[-1]] = copy.deepcopy(value)

    changed(data, change)


def number_nudged(data: bytearray, rng: Rng) -> None:
    """One number of the description becomes a little larger or smaller."""

    def change(description: Any) -> None:
        paths = [p for p in leaves(description) if type(at(description, p)) in (int, float)]
        path = paths[rng.integers(len(paths))]
        node = at(description, path[:-1])
        node[path[-1]] += type(node[path[-1]])(rng.integers(-2, 3))

    changed(data, change)


MUTATIONS: list[Callable[[bytearray, Rng], None]] = [
    byte_set,
    header_byte_set,
    payload_byte_set,
    bit_flip,
    cut,
    hole,
    doubled,
    field_set,
    field_set,
    number_nudged,
    number_nudged,
]


def arguments(program: Program, rng: Rng) -> list[np.ndarray[Any, Any]] | None:
    """Arrays that the program takes, unless they would be large."""
    arrays = []
    for spec in program.inputs:
        shape = tuple(2 if size is None else size for size in spec.shape)
        if (
            np.prod(shape, dtype=float) * ITEMSIZE[spec.dtype] > 2**20
            or max(shape, default=0) > 2**20
        ):
            return None
        arrays.append(np.asarray(rng.integers(0, 9, shape), spec.dtype))
    return arrays


def outcome(run: Callable[..., Any], arrays: list[np.ndarray[Any, Any]]) -> Any:
    """The outputs' bytes, or which documented error."""
    try:
        return [(a.dtype.name, a.shape, a.tobytes()) for a in run(*arrays)]
    except ValueError as error:  # ShapeError is one
        return type(error).__name__


def try_file(path: Path, rng: Rng) -> str:
    """What became of one file; any other exception is a bug and passes."""
    try:
        program = Program.load(path)
    except (ModelFormatError, QParamError) as error:
        return type(error).__name__ if len(str(error)) < 600 else f"long: {error}"
    program.memory_budget = 2**22
    arrays = arguments(program, rng)
    if arrays is None:
        return "too large"
    got, expected = outcome(program.run, arrays), outcome(program.run_reference, arrays)
    assert got == expected, f"run and run_reference differ: {program.summary()}"
    return "ran" if isinstance(got, list) else f"run: {got}"


def main(source: str, directory: str, seed: int, count: int) -> None:
    """Print the tally of `count` mutations; a file that kills the process stays behind."""
    original = Path(source).read_bytes()
    path = Path(directory) / f"mutant{seed}"
    rng = np.random.default_rng(seed)
    tally: dict[str, int] = {}
    for _ in range(count):
        data = bytearray(original)
        MUTATIONS[rng.integers(len(MUTATIONS))](data, rng)
        path.write_bytes(data)
        result = try_file(path, rng)
        tally[result] = tally.get(result, 0) + 1
    print(json.dumps(tally))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
