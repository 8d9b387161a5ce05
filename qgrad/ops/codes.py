"""What ops do with quantized tensors: look at them in other shapes, and nothing else."""

from __future__ import annotations

from typing import Any

from qgrad.ops.op import Op, register_handler
from qgrad.qtensor import QTensor
from qgrad.qtensor.refusals import refusal


def _run(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if not op.view or op.saves:
        raise refusal(op.name)
    return op.forward(*op.positional(args, kwargs))


register_handler(QTensor, 1000, _run)  # above all others: nothing else knows what codes are
