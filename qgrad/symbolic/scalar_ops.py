"""Which ops of the table compute with single numbers, and which of their arguments are options."""

from __future__ import annotations

from qgrad import ops
from qgrad.ops.op import Op

__all__ = ["CONDITIONS", "options", "takes_bools", "takes_numbers"]

# Elementwise ops that neither broadcast nor become tables by quantization.
_ALSO = {
    *(ops.where, ops.zeros_like, ops.clone, ops.identity, ops.detach),
    *(ops.isnan, ops.isinf, ops.isfinite, ops.logical_not, ops.bitwise_not),
}
_OF_INTEGERS = {ops.bitwise_left_shift, ops.bitwise_right_shift}
# Ops that give a bool.
CONDITIONS = frozenset(
    {
        *(ops.eq, ops.ne, ops.lt, ops.le, ops.gt, ops.ge),
        *(ops.bitwise_and, ops.bitwise_or, ops.bitwise_xor, ops.bitwise_not),
        *(ops.logical_and, ops.logical_or, ops.logical_xor, ops.logical_not),
        *(ops.isnan, ops.isinf, ops.isfinite),
    }
)
_options: dict[Op, tuple[bool, ...]] = {}


def takes_numbers(op: Op) -> bool:
    """Whether the op makes one number from numbers, so that it has symbolic values."""
    return (op.elementwise and op not in _OF_INTEGERS) or op in _ALSO


def takes_bools(op: Op) -> bool:
    """Whether the op computes with bools as such; all others take them as 0 and 1."""
    return op in CONDITIONS or op is ops.where


def options(op: Op) -> tuple[bool, ...]:
    """For each parameter whether it is an option, and not a number that is computed with."""
    known = _options.get(op)
    if known is None:
        plain = op.broadcasts or op in _ALSO
        known = _options[op] = tuple(
            param not in op.rules and not (plain and i < op.required)
            for i, param in enumerate(op.params)
        )
    return known
