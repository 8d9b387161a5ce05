"""How much a result depends on each of its inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from qgrad.symbolic.gradient import grad
from qgrad.symbolic.value import SymFloat

__all__ = ["Sensitivity", "SensitivityRow", "sensitivity"]


class SensitivityRow(NamedTuple):
    """One input: its derivative, and its elasticity, derivative * input / output.

    The elasticity is the change of the output in percent for a change of the input by 1 %.
    """

    input: SymFloat
    derivative: SymFloat
    elasticity: SymFloat


class Sensitivity:
    """A table with a `SensitivityRow` for each input; `table[x]` or `table["x"]` is that of x."""

    def __init__(self, output: SymFloat, rows: Sequence[SensitivityRow]) -> None:
        self.output = output
        self.rows = tuple(rows)

    def __iter__(self) -> Iterator[SensitivityRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> SensitivityRow:
        for row in self.rows:
            if row.input is key or (isinstance(key, str) and _title(row) == key):
                return row
        titles = ", ".join(map(_title, self.rows))
        raise KeyError(f"sensitivity: no input {key!r}; the inputs are {titles}")

    def __repr__(self) -> str:
        cells: list[tuple[str, ...]] = [("input", "value", "derivative", "elasticity")]
        for row in self.rows:
            numbers = (row.input, row.derivative, row.elasticity)
            cells.append((_title(row), *(f"{float(number):.6g}" for number in numbers)))
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
            for line in cells
        ]
        return "\n".join([f"output {float(self.output):.6g}", *lines])


def sensitivity(output: SymFloat, inputs: Sequence[SymFloat] | SymFloat) -> Sensitivity:
    """The derivatives and elasticities of `output` for each of `inputs`, as a table.

    >>> price, rate = qgrad.SymFloat(100, name="price"), qgrad.SymFloat(0.05, name="rate")
    >>> table = qgrad.sensitivity(price * (1 + rate) ** 2, [price, rate])
    >>> table
    output 110.25
    input  value  derivative  elasticity
    price    100      1.1025           1
    rate    0.05         210   0.0952381
    >>> table["price"].derivative.expr
    '(rate + 1)**2'
    """
    listed = [inputs] if isinstance(inputs, SymFloat) else list(inputs)
    derivatives = grad(output, listed)
    rows = [SensitivityRow(x, d, d * x / output) for x, d in zip(listed, derivatives, strict=True)]
    return Sensitivity(output, rows)


def _title(row: SensitivityRow) -> str:
    return row.input.name or row.input.expr
