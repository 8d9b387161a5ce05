"""Running an op in the memory of its input, which many functions offer as `inplace=True`."""

from __future__ import annotations

from typing import Any

from qgrad.autograd.in_place import change
from qgrad.ops.op import Op
from qgrad.tensor import Tensor

__all__ = ["run"]


def run(op: Op, inplace: bool, input: Any, *args: Any) -> Any:
    """`op(input, ...)`, in the memory of `input` if `inplace`."""
    if inplace and isinstance(input, Tensor):
        return change(input, op, *args)
    return op(input, *args)
