"""What a program is made of: values, inputs, instructions. Plain records, checked by `build`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..qparams import QParams

__all__ = ["DTYPES", "LAYOUTS", "Env", "InputSpec", "Instruction", "Shape", "Value"]

Shape = tuple[int, ...]
Env = dict[str, Shape]
"""The logical shape of every value so far, by name."""

DTYPES = ("float32", "uint8", "int32", "int64", "bool")
LAYOUTS = ("row", "cl")


@dataclasses.dataclass(frozen=True)
class Value:
    """What is known of an array before its shape is: its type and how it lies in memory.

    dtype: "float32"; "uint8" (codes, needs per-tensor qparams); "int32", "int64", "bool".
    layout: "row", or "cl": stored channels last. The logical shape is (N, C, *spatial) in both.
    """

    name: str
    dtype: str
    qparams: QParams | None = None
    layout: str = "row"


@dataclasses.dataclass(frozen=True)
class InputSpec:
    """An argument of the program; None in `shape` is a size that may differ from call to call."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    qparams: QParams | None = None

    @property
    def value(self) -> Value:
        """The value that the argument becomes."""
        return Value(self.name, self.dtype, self.qparams)


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One step: `output` = `op`(`inputs`), with attributes and constants by role.

    attrs: JSON-able settings, as the kind of instruction lists them (`integer`, `floating`, ...).
    constants: role -> name in the program's constants, for example {"weight": "conv1.weight"}.
    path: the module this came from, for messages.
    """

    op: str
    inputs: tuple[str, ...]
    output: str
    attrs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    constants: Mapping[str, str] = dataclasses.field(default_factory=dict)
    path: str = ""
