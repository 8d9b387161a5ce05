"""Nodes that only move codes: reshapes, permutations, what is nothing at run time; and joining."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from qgrad import kernels
from qgrad.graph.ir import Node
from qgrad.quantization.builder import Builder
from qgrad.quantization.fake_quantize import FakeQuantized
from qgrad.quantization.kinds.base import Call
from qgrad.quantization.kinds.elementwise import requantize_table, run_op
from qgrad.tensor import Tensor


class View:
    """Codes keep their meaning, only their order or shape changes; exact, so no quantizer."""

    def compute(self, call: Call, quantize_weight: Callable[[Tensor], Tensor]) -> Tensor:
        return run_op(call)

    def integer(self, call: Call) -> FakeQuantized:
        op, x = call.node.op, call.arguments["input"]
        assert op is not None
        if op.name in _NOTHING:
            return x
        attributes = {k: v for k, v in call.arguments.items() if k != "input"}
        return FakeQuantized(op.forward(x.codes, **attributes), x.qparams)

    def lower(self, call: Call, builder: Builder) -> None:
        lower_view(call.node, call.arguments, builder, builder.quantized(call.arguments["input"]))


class Cat:
    """Joined codes share one scale: each input passes through a table where its scale differs."""

    def compute(self, call: Call, quantize_weight: Callable[[Tensor], Tensor]) -> Tensor:
        return run_op(call)

    def integer(self, call: Call) -> FakeQuantized:
        y = call.output
        parts = [
            kernels.lut_u8(x.codes, requantize_table(x.qparams, y))
            for x in call.arguments["tensors"]
        ]
        return FakeQuantized(np.concatenate(parts, axis=call.arguments["dim"]), y)

    def lower(self, call: Call, builder: Builder) -> None:
        y = call.output
        nodes = call.arguments["tensors"]
        layout = builder.shared_layout(nodes)
        parts = [
            builder.emit(
                "lut",
                [builder.quantized(n, layout=layout)],
                call.node,
                name=f"{call.node.name}@{i}",
                qparams=y,
                layout=layout,
                constants={"table": requantize_table(builder.qparams(n.name), y)},
            )
            for i, n in enumerate(nodes)
        ]
        builder.emit(
            "cat",
            parts,
            call.node,
            qparams=y,
            layout=layout,
            attrs={"dim": int(call.arguments["dim"])},
        )


def lower_view(node: Node, arguments: dict[str, Any], builder: Builder, x: str) -> None:
    """Add the instruction of a view, on codes and on floats alike; ``x`` is the input's value."""
    assert node.op is not None
    name, source = node.op.name, arguments["input"]
    if name in _NOTHING:
        builder.alias(node, x)
        return
    rank = len(source.shape)
    qparams = builder.qparams_or_none(x)
    if name in _PERMUTATIONS:
        dims = _PERMUTATIONS[name](arguments, rank)
        builder.emit("permute", [builder.row(x)], node, qparams=qparams, attrs={"dims": dims})
    else:
        shape = _RESHAPES[name](source, arguments)
        builder.emit(
            "reshape",
            [builder.row(x)],
            node,
            qparams=qparams,
            attrs={"shape": [builder.expression(s) for s in shape]},
        )


def _moved(arguments: dict[str, Any], rank: int) -> list[int]:
    source, destination = arguments["source"], arguments["destination"]
    return [int(d) for d in np.moveaxis(np.empty((0, *range(1, rank))), source, destination).shape]


def _transposed(arguments: dict[str, Any], rank: int) -> list[int]:
    dims = list(range(rank))
    a, b = arguments["dim0"] % rank, arguments["dim1"] % rank
    dims[a], dims[b] = dims[b], dims[a]
    return dims


def _flattened(x: Node, arguments: dict[str, Any]) -> list[Any]:
    rank = len(x.shape)
    if rank == 0:
        return [1]
    start, end = arguments["start_dim"] % rank, arguments["end_dim"] % rank
    product = functools.reduce(operator.mul, x.shape[start : end + 1])
    return [*x.shape[:start], product, *x.shape[end + 1 :]]


def _squeezed(x: Node, arguments: dict[str, Any]) -> list[Any]:
    dim = arguments.get("dim")
    if dim is None:
        dims = set(range(len(x.shape)))
    else:
        dims = {d % len(x.shape) for d in ([dim] if isinstance(dim, int) else dim)}
    return [s for i, s in enumerate(x.shape) if i not in dims or s != 1]


def _unsqueezed(x: Node, arguments: dict[str, Any]) -> list[Any]:
    shape = list(x.shape)
    shape.insert(arguments["dim"] % (len(shape) + 1), 1)
    return shape


def _reshaped(x: Node, arguments: dict[str, Any]) -> list[Any]:
    return list(arguments["shape"])


_NOTHING = {"dropout", "feature_dropout", "identity", "contiguous", "clone", "detach"}
_PERMUTATIONS: dict[str, Callable[[dict[str, Any], int], list[int]]] = {
    "permute": lambda a, rank: [int(d) % rank for d in a["dims"]],
    "transpose": _transposed,
    "movedim": _moved,
}
_RESHAPES: dict[str, Callable[[Node, dict[str, Any]], list[Any]]] = {
    "reshape": _reshaped,
    "flatten": _flattened,
    "squeeze": _squeezed,
    "unsqueeze": _unsqueezed,
}
