"""A program as a table, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import ShapeError
from ..qparams import QParams
from .build import infer
from .records import Value

if TYPE_CHECKING:
    from .program import Program

__all__ = ["summary"]


def summary(program: Program) -> str:
    """One line an instruction: what, where in the model, what it gives, bytes of its constants."""
    rows = [("#", "instruction", "module", "output", "type", "quantization", "bytes")]
    shapes = _shapes(program)
    for step in program.steps:
        y = step.output
        size = sum(array.nbytes for array in step.constants.values())
        rows.append(
            (
                str(step.index),
                step.kind.name,
                _short(step.instruction.path),
                _short(y.name),
                _type(y, shapes),
                _quantization(y.qparams),
                f"{size:,}" if size else "",
            )
        )
    total = f"{len(program.instructions)} instructions, {program.nbytes:,} bytes of constants"
    return f"{_aligned(rows)}\n{total}"


def _short(text: str) -> str:
    return text if len(text) <= 32 else "…" + text[-31:]


def _shapes(program: Program) -> dict[str, str]:
    """Every value's shape as text, "?" for sizes that follow the free sizes of the inputs."""
    found = []
    for size in (2, 3):
        sizes = [tuple(size if n is None else n for n in spec.shape) for spec in program.inputs]
        try:
            found.append(infer(program.inputs, program.steps, sizes))
        except ShapeError:  # free sizes may have to be larger, or multiples of something
            return {}
    first, second = found
    return {
        name: ", ".join(
            str(a) if a == b else "?" for a, b in zip(first[name], second[name], strict=True)
        )
        for name in first
        if len(first[name]) == len(second[name])
    }


def _type(value: Value, shapes: dict[str, str]) -> str:
    shape = f"[{shapes[value.name]}]" if value.name in shapes else ""
    return f"{value.dtype}{shape}{' channels last' if value.layout == 'cl' else ''}"


def _quantization(qp: QParams | None) -> str:
    return "" if qp is None else f"{float(qp.scale):.6g} @ {int(qp.zero_point)}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rules = [tuple("-" * width for width in widths)]
    lines = []
    for row in [rows[0], *rules, *rows[1:]]:
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        lines.append("  ".join([*cells, row[-1].rjust(widths[-1])]).rstrip())
    return "\n".join(lines)
