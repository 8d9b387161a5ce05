"""Float instructions: what has no integer form, or stays float, in the same program.

Each entry calls the kernel that the op's own forward calls, so the bits are equal by construction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from qgrad import ops
from qgrad.graph.ir import Node
from qgrad.kernels import UNARY_F32
from qgrad.quantization.builder import Builder
from qgrad.quantization.grouping import arguments_of
from qgrad.quantization.kinds.base import Call
from qgrad.quantization.kinds.pool import pool_attrs
from qgrad.quantization.kinds.view import lower_view
from qgrad.quantization.kinds.weighted import Geometry
from qgrad.tensor import Tensor

Lowering = Callable[[Call, Builder], None]
_CONSTANT_ROLES = {
    "linear": ("weight", "bias"),
    "conv1d": ("weight", "bias"),
    "conv2d": ("weight", "bias"),
    "layer_norm": ("weight", "bias"),
    "batch_norm": ("running_mean", "running_var", "weight", "bias"),
    "embedding": ("weight",),
}
"""Arguments that an instruction keeps as constants: they must not depend on the inputs."""

FLOAT: dict[str, Lowering] = {}
"""Op name to the function that adds its float instruction."""


def can_lower(node: Node, constants: set[Node]) -> bool:
    """Whether the program has a float instruction for this node."""
    assert node.op is not None
    name = node.op.name
    if name not in FLOAT and name not in UNARY_F32:
        return False
    arguments = arguments_of(node.op, node.args, node.kwargs)
    if name in _CONSTANT_ROLES:
        roles = [arguments[role] for role in _CONSTANT_ROLES[name]]
        return all(not isinstance(value, Node) or value in constants for value in roles)
    return name != "getitem" or basic_index(arguments["index"])


def lower_float(call: Call, builder: Builder) -> None:
    """Add the float instruction of ``call``'s op; `can_lower` was asked before."""
    assert call.node.op is not None
    FLOAT.get(call.node.op.name, _unary)(call, builder)


def _lowers(*names: str) -> Callable[[Lowering], Lowering]:
    def register(function: Lowering) -> Lowering:
        FLOAT.update(dict.fromkeys(names, function))
        return function

    return register


def _unary(call: Call, builder: Builder) -> None:
    assert call.node.op is not None
    name = call.node.op.name
    params = {k: v for k, v in call.arguments.items() if k != "input"}
    if name == "gelu":
        name = "gelu_tanh" if params.pop("approximate", "none") == "tanh" else "gelu"
    params = {k: float(v) for k, v in params.items() if isinstance(v, (int, float))}
    params.pop("inplace", None)
    _emit(call, builder, "unary", ["input"], {"fn": name, "params": params})


@_lowers("hardtanh")
def _hardtanh(call: Call, builder: Builder) -> None:
    bounds = {"min": float(call.arguments["min_val"]), "max": float(call.arguments["max_val"])}
    _emit(call, builder, "unary", ["input"], {"fn": "clamp", "params": bounds})


def _emit(
    call: Call,
    builder: Builder,
    op: str,
    roles: Sequence[str],
    attrs: dict[str, Any],
    constants: dict[str, Any] | None = None,
) -> str:
    inputs = [operand(call.arguments[role], call, builder, role) for role in roles]
    arrays = {k: as_float32(v) for k, v in (constants or {}).items() if v is not None}
    return builder.emit(op, inputs, call.node, attrs=attrs, constants=arrays)


def operand(value: Any, call: Call, builder: Builder, role: str) -> str:
    """A float value for an argument: a node's, or a constant of the program."""
    if isinstance(value, Node):
        return builder.floats(value)
    name = f"{call.node.name}@{role}"
    array = as_float32(value)
    return builder.emit("constant", [], call.node, name=name, constants={"value": array})


def as_float32(value: Any) -> np.ndarray:
    """A Tensor, array or number as float32."""
    data = value.detach()._data if isinstance(value, Tensor) else value
    return np.asarray(data, dtype=np.float32)


@_lowers("linear")
def _linear(call: Call, builder: Builder) -> None:
    a = call.arguments
    _emit(call, builder, "linear", ["input"], {}, {"weight": a["weight"], "bias": a["bias"]})


@_lowers("conv1d", "conv2d")
def _conv(call: Call, builder: Builder) -> None:
    a = call.arguments
    constants = {"weight": a["weight"], "bias": a["bias"]}
    _emit(call, builder, "conv", ["input"], Geometry(call).attrs(), constants)


@_lowers("matmul", "mm", "bmm")
def _matmul(call: Call, builder: Builder) -> None:
    roles = [name for name in ("input", "other", "mat2") if name in call.arguments]
    _emit(call, builder, "matmul", roles, {})


@_lowers("add", "sub", "mul", "div", "maximum", "minimum", "pow")
def _binary(call: Call, builder: Builder) -> None:
    assert call.node.op is not None
    name = call.node.op.name
    second = "exponent" if "exponent" in call.arguments else "other"
    _emit(call, builder, "binary", ["input", second], {"fn": name})


@_lowers("softmax", "log_softmax")
def _softmax(call: Call, builder: Builder) -> None:
    assert call.node.op is not None
    attrs = {"dim": int(call.arguments["dim"]), "log": call.node.op.name == "log_softmax"}
    _emit(call, builder, "softmax", ["input"], attrs)


@_lowers("layer_norm")
def _layer_norm(call: Call, builder: Builder) -> None:
    a = call.arguments
    shape = a["normalized_shape"]
    size = int(shape) if isinstance(shape, int) else int(np.prod(shape))
    constants = {"weight": a["weight"], "bias": a["bias"]}
    _emit(call, builder, "layer_norm", ["input"], {"size": size, "eps": float(a["eps"])}, constants)


@_lowers("batch_norm")
def _batch_norm(call: Call, builder: Builder) -> None:
    mean, var, weight, bias = (
        None if call.arguments[name] is None else as_float32(call.arguments[name])
        for name in ("running_mean", "running_var", "weight", "bias")
    )
    scale, shift = ops.batch_norm_affine(mean, var, weight, bias, call.arguments["eps"])
    _emit(call, builder, "affine", ["input"], {"axis": 1}, {"scale": scale, "shift": shift})


@_lowers("max_pool1d", "max_pool2d")
def _max_pool(call: Call, builder: Builder) -> None:
    attrs = pool_attrs(call)
    _emit(call, builder, "max_pool", ["input"], attrs)


@_lowers("avg_pool1d", "avg_pool2d", "adaptive_avg_pool1d", "adaptive_avg_pool2d")
def _avg_pool(call: Call, builder: Builder) -> None:
    _emit(call, builder, "avg_pool", ["input"], pool_attrs(call))


@_lowers("mean", "sum", "amax")
def _reduce(call: Call, builder: Builder) -> None:
    assert call.node.op is not None
    a, rank = call.arguments, len(call.arguments["input"].shape)
    dims = a.get("dim")
    every = list(range(rank)) if dims is None or dims == () else dims
    listed = [every] if isinstance(every, int) else list(every)
    attrs = {
        "fn": call.node.op.name,
        "dims": [int(d) % rank for d in listed],
        "keepdim": bool(a.get("keepdim", False)),
    }
    _emit(call, builder, "reduce", ["input"], attrs)


@_lowers("embedding")
def _embedding(call: Call, builder: Builder) -> None:
    indices = builder.name(call.arguments["input"])
    weight = as_float32(call.arguments["weight"])
    builder.emit("embedding", [indices], call.node, constants={"weight": weight})


@_lowers("cat")
def _cat(call: Call, builder: Builder) -> None:
    parts = [operand(t, call, builder, f"{i}") for i, t in enumerate(call.arguments["tensors"])]
    builder.emit("cat", parts, call.node, attrs={"dim": int(call.arguments["dim"])})


@_lowers(
    "reshape",
    "movedim",
    "flatten",
    "squeeze",
    "unsqueeze",
    "permute",
    "transpose",
    "dropout",
    "feature_dropout",
    "identity",
    "contiguous",
    "clone",
    "detach",
)
def _view(call: Call, builder: Builder) -> None:
    source = call.arguments["input"]
    value = builder.name(source)
    if builder.values[value].dtype == "uint8":
        value = builder.floats(source)
    lower_view(call.node, call.arguments, builder, value)


@_lowers("getitem")
def _getitem(call: Call, builder: Builder) -> None:
    source, index = call.arguments["input"], call.arguments["index"]
    entries = _full_index(index if isinstance(index, tuple) else (index,), len(source.shape))
    value = builder.floats(source)
    shape: list[Any] = []
    for axis, entry in enumerate(entries):
        attrs = _slice_attrs(entry, axis)
        if attrs is not None:
            value = builder.emit(
                "slice",
                [builder.row(value)],
                call.node,
                attrs=attrs,
                name=f"{call.node.name}@{axis}",
            )
        if isinstance(entry, slice):
            shape.append(["dim", value, axis])
    builder.emit("reshape", [builder.row(value)], call.node, attrs={"shape": shape})


def _full_index(index: tuple[Any, ...], rank: int) -> list[Any]:
    if Ellipsis in index:
        at = index.index(Ellipsis)
        fill = (slice(None),) * (rank - len(index) + 1)
        index = index[:at] + fill + index[at + 1 :]
    return list(index) + [slice(None)] * (rank - len(index))


def _slice_attrs(entry: Any, axis: int) -> dict[str, Any] | None:
    if isinstance(entry, slice):
        if entry == slice(None):
            return None
        start, stop, step = entry.start, entry.stop, entry.step
    else:
        start, stop, step = int(entry), None if entry == -1 else int(entry) + 1, 1
    return {"dim": axis, "start": start, "stop": stop, "step": 1 if step is None else int(step)}


def supported_ops() -> list[str]:
    """Names of the ops that a program can run, in float at least."""
    return sorted(set(FLOAT) | {name for name in UNARY_F32 if name in ops.registry})


def basic_index(index: Any) -> bool:
    """Whether an index is made of ints, slices with positive steps and Ellipsis only."""
    entries = index if isinstance(index, tuple) else (index,)
    return all(
        entry is Ellipsis
        or isinstance(entry, int)
        or (isinstance(entry, slice) and (entry.step is None or entry.step > 0))
        for entry in entries
    )
