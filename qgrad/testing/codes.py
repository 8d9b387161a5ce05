"""Are two ways of computing the same codes really the same? Count, locate, explain."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qgrad.boxing import unbox
from qgrad.errors import DTypeError
from qgrad.qtensor import QTensor

__all__ = ["CodeReport", "GivesCodes", "NodeCodes", "assert_codes_equal", "count_differing_codes"]

Codes = NDArray[Any]


class GivesCodes(Protocol):
    """What can be compared: a prepared model, a program, or anything with the same method."""

    def codes(self, *inputs: Any) -> Mapping[str, Codes]:
        """The codes of every quantized node, by name."""


@dataclasses.dataclass(frozen=True)
class NodeCodes:
    """How many codes of one node differ, out of how many."""

    name: str
    differing: int
    total: int


@dataclasses.dataclass(frozen=True, eq=False)
class CodeReport:
    """What `count_differing_codes` found, node by node; compares and converts as the number.

    >>> report = CodeReport((NodeCodes("conv", 0, 640), NodeCodes("linear", 1, 10)))
    >>> report == 1, report.total
    (True, 650)
    """

    nodes: tuple[NodeCodes, ...]

    @property
    def differing(self) -> int:
        """How many codes differ in all nodes."""
        return sum(node.differing for node in self.nodes)

    @property
    def total(self) -> int:
        """How many codes were compared."""
        return sum(node.total for node in self.nodes)

    def __int__(self) -> int:
        return self.differing

    __index__ = __int__

    def __bool__(self) -> bool:
        return self.differing != 0

    def __eq__(self, other: object) -> bool:
        if isinstance(other, CodeReport):
            return self.nodes == other.nodes
        return self.differing == other if isinstance(other, (int, np.integer)) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[NodeCodes]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    def __repr__(self) -> str:
        """The nodes that differ, worst first and at most ten, under one line for all."""
        worst = sorted((n for n in self.nodes if n.differing), key=lambda n: -n.differing)
        lines = [f"{self.differing} of {self.total} codes differ ({len(self.nodes)} nodes)"]
        width = max((len(node.name) for node in worst[:10]), default=0)
        lines += [f"  {n.name.ljust(width)}  {n.differing} of {n.total}" for n in worst[:10]]
        if len(worst) > 10:
            lines.append(f"  ... and {len(worst) - 10} more nodes")
        return "\n".join(lines)


def count_differing_codes(prepared: GivesCodes, program: GivesCodes, *inputs: Any) -> CodeReport:
    """Run both on the same inputs and count, node by node, the codes that are not equal.

    Raises ValueError if they do not have the same nodes, or codes of another shape for one.
    """
    ours, theirs = prepared.codes(*inputs), program.codes(*inputs)
    if ours.keys() != theirs.keys():
        raise ValueError(
            "count_differing_codes: the two do not have the same nodes; "
            f"only the first: {_some(ours.keys() - theirs.keys())}, "
            f"only the second: {_some(theirs.keys() - ours.keys())}. "
            "Was the program converted from this model?"
        )
    return CodeReport(tuple(_compared(name, codes, theirs[name]) for name, codes in ours.items()))


def assert_codes_equal(a: Any, b: Any) -> None:
    """Raise AssertionError unless two arrays or tensors of codes are equal in all elements.

    The message says how many differ, where the first one is, its two codes, and the largest
    difference. Of quantized tensors the codes are compared, not the values.
    """
    __tracebackhide__ = True
    left, right = _codes(a), _codes(b)
    if left.dtype != right.dtype or left.shape != right.shape:
        raise AssertionError(
            f"codes are not comparable: {left.dtype} of shape {left.shape} and {right.dtype} of "
            f"shape {right.shape}"
        )
    different = left != right
    count = int(different.sum())
    if count:
        first = tuple(map(int, np.argwhere(different)[0]))
        gap = np.abs(left.astype(np.int64) - right.astype(np.int64)).max()
        raise AssertionError(
            f"{count} of {left.size} codes differ, the first at index {first}: {left[first]} and "
            f"{right[first]}; the largest difference is {gap}"
        )


def _compared(name: str, left: Codes, right: Codes) -> NodeCodes:
    if left.shape != right.shape:
        raise ValueError(
            f"count_differing_codes: node {name!r} has codes of shape {left.shape} in the first "
            f"and {right.shape} in the second"
        )
    return NodeCodes(name, int(np.count_nonzero(left != right)), left.size)


def _codes(value: Any) -> Codes:
    codes = unbox(value.int_repr() if isinstance(value, QTensor) else value)
    if codes.dtype.kind not in "iu":
        raise DTypeError(
            f"assert_codes_equal: codes are integers, got {codes.dtype}; quantize the values first"
        )
    return codes


def _some(names: set[str]) -> str:
    shown = ", ".join(sorted(names)[:3]) or "none"
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
