"""convert: from a prepared model to the integer program that is deployed."""

from __future__ import annotations

from typing import Any

from qgrad.autograd.mode import no_grad
from qgrad.errors import CalibrationError, ConfigError, QParamError, UnsupportedOpError
from qgrad.graph import SizeGuard, evaluate_nodes
from qgrad.graph.ir import Graph, Node
from qgrad.graph.structure import map_leaves
from qgrad.program import Guard, InputSpec, Program
from qgrad.quantization.builder import Builder
from qgrad.quantization.float_lowering import can_lower, lower_float
from qgrad.quantization.grouping import arguments_of, constant_nodes
from qgrad.quantization.kinds import KINDS, Call
from qgrad.quantization.prepared import PreparedModel, where
from qgrad.symbolic import SymInt


def convert(prepared: PreparedModel) -> Program:
    """Lower a calibrated or trained model to a Program of integer instructions.

    Ends the calibration: `prepared` is in `eval()` mode afterwards and computes the same codes as
    the program. Raises CalibrationError naming every node that never saw data, UnsupportedOpError
    naming every op that has no instruction.
    """
    if not isinstance(prepared, PreparedModel):
        raise ConfigError(
            f"convert: the model is a {type(prepared).__name__}, not a prepared one; call "
            "prepared = prepare(model, qconfig_mapping, example_inputs) and calibrate it first"
        )
    _check_calibrated(prepared)
    graph = prepared.graph
    constants = constant_nodes(graph)
    _check_lowerable(graph, constants)
    prepared.freeze()
    with no_grad():
        values = evaluate_nodes(graph, prepared, constants)
        builder = Builder(graph)
        inputs = [_input(node, builder) for node in graph.inputs]
        for node in graph.nodes:
            if node.kind == "op" and node not in constants:
                _lower(node, prepared, values, builder)
        outputs = _outputs(graph, builder, values)
    given = {spec.name for spec in inputs}
    return Program(
        inputs=inputs,
        outputs=outputs,
        values={name: v for name, v in builder.values.items() if name not in given},
        instructions=builder.instructions,
        constants=builder.constants,
        guards=[_guard(g, builder) for g in graph.guards if isinstance(g, SizeGuard)],
    )


def _check_calibrated(prepared: PreparedModel) -> None:
    missing = prepared.uncalibrated()
    if missing:
        named = ", ".join(where(node) for node in missing[:4])
        more = f" and {len(missing) - 4} more" if len(missing) > 4 else ""
        raise CalibrationError(
            f"convert: {len(missing)} of the model's nodes never saw data: {named}{more}. Call the "
            "prepared model on calibration batches (or train it) before converting it"
        )


def _check_lowerable(graph: Graph, constants: set[Node]) -> None:
    found: dict[str, list[Node]] = {}
    for node in graph.nodes:
        if node.kind == "op" and node not in constants and node.quant is None:
            assert node.op is not None
            if not can_lower(node, constants):
                found.setdefault(node.op.name, []).append(node)
    if found:
        listed = "; ".join(
            f"{name} ({len(nodes)}x, first in {where(nodes[0])} at {nodes[0].source})"
            for name, nodes in list(found.items())[:4]
        )
        raise UnsupportedOpError(
            f"convert: the program has no instruction for {listed}. Compute it before or after "
            "the model, or write it with supported ops (qgrad.quantization.supported_ops())"
        )


def _input(node: Node, builder: Builder) -> InputSpec:
    assert node.dtype is not None
    builder.add_value(node.name, node.dtype.name)
    shape = tuple(None if isinstance(size, SymInt) else int(size) for size in node.shape)
    return InputSpec(node.name, node.dtype.name, shape)


def _lower(node: Node, prepared: PreparedModel, values: dict[Node, Any], builder: Builder) -> None:
    args = map_leaves(lambda leaf: _known(leaf, values), node.args)
    kwargs = map_leaves(lambda leaf: _known(leaf, values), node.kwargs)
    if node.quant is not None:
        try:
            call = prepared.call(node, args, kwargs)
            KINDS[call.spec.kind].lower(call, builder)
        except (CalibrationError, QParamError, ValueError) as error:
            raise type(error)(f"convert: {where(node)}: {error}") from None
        return
    assert node.op is not None
    arguments = arguments_of(node.op, args, kwargs)
    lower_float(Call(node, arguments, None, None, None), builder)


def _known(leaf: Any, values: dict[Node, Any]) -> Any:
    """Constants by value; what is computed at run time stays a node."""
    if isinstance(leaf, Node):
        return values.get(leaf, leaf)
    return leaf


def _guard(guard: SizeGuard, builder: Builder) -> Guard:
    sides = builder.expression(guard.left), builder.expression(guard.right)
    return Guard(guard.op, *sides, guard.holds, guard.source)


def _outputs(graph: Graph, builder: Builder, values: dict[Node, Any]) -> list[str]:
    output = graph.output
    nodes = (
        [output]
        if isinstance(output, Node)
        else list(output)
        if isinstance(output, (tuple, list))
        else None
    )
    if nodes is None or not all(isinstance(n, Node) and n not in values for n in nodes):
        raise UnsupportedOpError(
            "convert: a program returns tensors that depend on its inputs, alone or in one tuple; "
            f"the model returns {type(output).__name__}. Return a tuple of tensors from forward"
        )
    return [builder.row(builder.floats(n)) for n in nodes]
