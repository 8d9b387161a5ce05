"""A model that branched on a size runs for sizes that go the same way, else it is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import qgrad
from qgrad import nn
from qgrad.errors import ModelFormatError, ShapeError
from qgrad.program import Guard, Program
from qgrad.quantization import convert, get_default_qconfig_mapping, prepare


class Deeper(nn.Module):
    """One more layer for large batches."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x: Any) -> Any:
        y = self.first(x)
        return self.second(y) if y.shape[0] * 2 > 7 else y


def program() -> Program:
    """The program for batches above 3."""
    prepared = prepare(Deeper().eval(), get_default_qconfig_mapping(), qgrad.randn(8, 3))
    prepared(qgrad.randn(8, 3))
    return convert(prepared)


def test_other_sizes_are_refused(tmp_path: Path) -> None:
    """Before and after a file; the message says what was decided, where and the way out."""
    made = program()
    made.save(tmp_path / "p.safetensors")
    for each in (made, Program.load(tmp_path / "p.safetensors")):
        assert tuple(each(qgrad.randn(5, 3)).shape) == (5, 3)
        with pytest.raises(ShapeError, match=r"shape\[0\] \* 2\) > 7 is True.*test_guards.py"):
            each(qgrad.randn(3, 3))


@pytest.mark.parametrize(
    "guard",
    [
        Guard("=", 1, 1, True),
        Guard("==", ("dim", "nothing", 0), 1, True),
        Guard("==", 1, ["power", 1, 2], True),
        Guard("==", 1, 1, 1),  # type: ignore[arg-type]
    ],
)
def test_malformed_guards_are_refused(guard: Guard) -> None:
    """An unknown comparison, value, operation or type is a ModelFormatError."""
    made = program()
    values = {name: v for name, v in made.values.items() if name != made.inputs[0].name}
    parts = (made.inputs, made.outputs, values, made.instructions, made.constants)
    with pytest.raises(ModelFormatError, match="guard 0"):
        Program(*parts, guards=[guard])
