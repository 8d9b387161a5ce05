"""prepare and prepare_qat: from a float model to one that can be calibrated or trained for int8."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qgrad import dtypes, nn, ops
from qgrad.errors import ConfigError, UnsupportedOpError
from qgrad.graph import trace
from qgrad.graph.ir import Graph, Node
from qgrad.graph.passes import remove_dead_code
from qgrad.quantization.assignment import Assignment, assign
from qgrad.quantization.fake_quantize import FakeQuantize
from qgrad.quantization.grouping import (
    activation_after,
    arguments_of,
    batch_norm_after,
    constant_nodes,
    nodes_in,
    why_not_integer,
)
from qgrad.quantization.kinds import QuantSpec
from qgrad.quantization.prepared import ACTIVATIONS, WEIGHTS, PreparedModel, where
from qgrad.quantization.qconfig import QConfig
from qgrad.quantization.qconfig_mapping import QConfigMapping
from qgrad.quantization.report import NodeReport, PrepareReport
from qgrad.symbolic import SymInt

_PASSES_CODES = ("view", "max_pool")  # kinds whose output keeps the codes of their input


def prepare(
    model: nn.Module,
    qconfig_mapping: QConfigMapping | Mapping[str, Any],
    example_inputs: Any,
    *,
    dynamic_dims: Mapping[int, Sequence[int]] | None = None,
) -> PreparedModel:
    """Make a model ready for calibration (quantization after training).

    model: any Module that can be traced; it is copied, never changed.
    qconfig_mapping: which QConfig each module gets.
    example_inputs: a Tensor, array or tuple of them, as the model is called with; the batch
    dimension stays free.
    dynamic_dims: the free dimensions of inputs where they are not the first one alone, as in
    `trace`: ``{input index: (axes, ...)}``.

    Call the result on calibration batches, then `convert` it. Raises ConfigError if a rule of the
    mapping matches nothing, UnsupportedOpError if one matches only what cannot be quantized,
    TraceError if the model branches on data.

    >>> model, x = qgrad.nn.Linear(4, 2), qgrad.rand(8, 4)
    >>> prepared = prepare(model, qgrad.quantization.get_default_qconfig_mapping(), (x,))
    >>> for batch in (x, x + 1):
    ...     y = prepared(batch)
    >>> program = qgrad.quantization.convert(prepared)
    """
    return _prepare(model, qconfig_mapping, example_inputs, dynamic_dims, training=False)


def prepare_qat(
    model: nn.Module,
    qconfig_mapping: QConfigMapping | Mapping[str, Any],
    example_inputs: Any,
    *,
    dynamic_dims: Mapping[int, Sequence[int]] | None = None,
) -> PreparedModel:
    """Make a model ready for quantization-aware training.

    Arguments and errors are those of `prepare`. The result is in `train()` mode; its parameters
    have the model's names and values: give them to an optimizer and train as before. In `eval()`
    mode it computes with the integer kernels of the program that `convert` makes from it.
    """
    return _prepare(model, qconfig_mapping, example_inputs, dynamic_dims, training=True)


def _prepare(
    model: nn.Module, mapping: Any, example_inputs: Any, dynamic_dims: Any, *, training: bool
) -> PreparedModel:
    name = "prepare_qat" if training else "prepare"
    mapping = _as_mapping(mapping, name)
    if isinstance(model, PreparedModel):
        raise ConfigError(f"{name}: the model is prepared already; give it the float model")
    traced = trace(model, example_inputs, dynamic_dims=dynamic_dims)
    remove_dead_code(traced.graph)
    assignments = assign(traced.graph, traced, mapping, name)
    plan = _Planner(traced.graph, assignments, name)
    report = plan.run()
    _refuse_unmet(report, mapping, name)
    prepared = PreparedModel(
        traced, traced.graph, plan.containers(), calibrating=not training, report=report
    )
    return prepared.train(training)


def _as_mapping(mapping: Any, name: str) -> QConfigMapping:
    if isinstance(mapping, QConfigMapping):
        return mapping
    if isinstance(mapping, Mapping):
        return QConfigMapping.from_dict(mapping)
    raise ConfigError(
        f"{name}: qconfig_mapping is a {type(mapping).__name__}; give a QConfigMapping, for "
        "example get_default_qconfig_mapping(), as the second argument"
    )


@dataclass
class _Planner:
    """Walks the graph once in running order, deciding for each node how it runs."""

    graph: Graph
    assignments: dict[Node, Assignment]
    name: str

    def __post_init__(self) -> None:
        self.constants = constant_nodes(self.graph)
        self.quantized: set[Node] = set()
        self.activations: dict[str, nn.Module] = {}
        self.weights: dict[str, nn.Module] = {}
        self.boundaries: dict[Node, Node] = {}
        self.report = PrepareReport()

    def run(self) -> PrepareReport:
        for node in list(self.graph.nodes):
            if node.kind == "op" and node in self.graph and node not in self.constants:
                self._plan(node)
        return self.report

    def containers(self) -> dict[str, nn.Module]:
        """The fake quantizers, to be added to the prepared model."""
        return {ACTIVATIONS: nn.ModuleDict(self.activations), WEIGHTS: nn.ModuleDict(self.weights)}

    def _plan(self, node: Node) -> None:
        assignment = self.assignments[node]
        reason = why_not_integer(node, self.constants)
        assert node.op is not None
        if reason is None and node.op.quantize in _PASSES_CODES:
            source = _input(node)
            if source in self.quantized:
                node.quant = QuantSpec(node.op.quantize)
                self._done(node, assignment, "int8, codes unchanged")
            else:
                self._done(node, assignment, "float, as its input is", passive=True)
        elif assignment.qconfig is None:
            self._done(node, assignment, "float, by configuration", passive=True)
        elif reason is not None:
            self._done(node, assignment, f"float: {reason}", unmet=True)
        else:
            self._quantize(node, assignment, assignment.qconfig)

    def _quantize(self, node: Node, assignment: Assignment, qconfig: QConfig) -> None:
        assert node.op is not None and node.op.quantize is not None
        for source in dict.fromkeys(_data_inputs(node)):
            if source not in self.quantized:
                self._replace_input(node, source, self._boundary(source, node, qconfig))
        parts, output_config, spoken_for = self._absorb(node, qconfig)
        weight = None
        if node.op.quantize in ("linear", "conv"):
            weight = f"{WEIGHTS}.{node.name}"
            self.weights[node.name] = self._weight_quantizer(node, qconfig)
        self.activations[node.name] = self._activation_quantizer(node, output_config)
        activation = parts[-1] if parts and parts[-1] in ("relu", "relu6") else None
        node.quant = QuantSpec(node.op.quantize, f"{ACTIVATIONS}.{node.name}", weight, activation)
        bits = self.activations[node.name], self.weights.get(node.name)
        self._done(node, assignment, "int8 " + "+".join([node.op.name, *parts]), bits=bits)
        for other in spoken_for:
            self._done_absorbed(other, node)

    def _absorb(
        self, node: Node, qconfig: QConfig
    ) -> tuple[list[str], QConfig, list[tuple[str, str, Assignment]]]:
        """Fuse batch norm and ReLU into ``node``; gives their names and the output's QConfig."""
        parts: list[str] = []
        output_config, absorbed = qconfig, []
        assert node.op is not None
        if node.op.quantize in ("linear", "conv"):
            norm = batch_norm_after(self.graph, node, self.constants)
            if norm is not None and self.assignments[norm].qconfig is not None:
                self._take_batch_norm(node, norm)
                absorbed.append((norm.name, norm.path, self.assignments[norm]))
                parts.append("batch_norm")
        if node.op.quantize in ("linear", "conv", "add"):
            relu = activation_after(self.graph, node)
            if relu is not None and self.assignments[relu].qconfig is not None:
                theirs = self.assignments[relu]
                if theirs.rule.kind != "global":
                    assert theirs.qconfig is not None
                    output_config = theirs.qconfig
                absorbed.append((relu.name, relu.path, theirs))
                assert relu.op is not None
                parts.append(relu.op.name)
                self._take_over(node, relu)
        return parts, output_config, absorbed

    def _take_batch_norm(self, node: Node, norm: Node) -> None:
        assert norm.op is not None
        arguments = arguments_of(norm.op, norm.args, norm.kwargs)
        arguments.pop("input")
        # What batch norm reads may stand behind the convolution: let that run first.
        needed = _with_inputs(self.graph, nodes_in(arguments))
        self.graph.move_before(node, needed)
        node.kwargs = {**node.kwargs, "batch_norm": arguments}
        self._take_over(node, norm)

    def _take_over(self, node: Node, follower: Node) -> None:
        self.graph.replace_uses(follower, node)
        self.graph.erase(follower)

    def _boundary(self, source: Node, user: Node, qconfig: QConfig) -> Node:
        """The node that turns a float value into codes, shared by all who need them."""
        if source not in self.boundaries:
            name = self.graph.unique_name(f"{source.name}_quantized")
            node = Node(
                name,
                "op",
                op=ops.registry["identity"],
                args=(source,),
                path=user.path,
                module_type=user.module_type,
                shape=_renamed(source, name),
                dtype=source.dtype,
                source=user.source,
                quant=QuantSpec("quantize", f"{ACTIVATIONS}.{name}"),
            )
            self.graph.insert_after(source, node)
            self.activations[name] = self._activation_quantizer(user, qconfig)
            self.quantized.add(node)
            self.boundaries[source] = node
        return self.boundaries[source]

    def _replace_input(self, node: Node, source: Node, boundary: Node) -> None:
        node.replace_leaves(lambda leaf: boundary if leaf is source else leaf)

    def _activation_quantizer(self, node: Node, qconfig: QConfig) -> FakeQuantize:
        quantizer = FakeQuantize.around(qconfig.activation(), observe_in_eval=self._after_training)
        if quantizer.dtype is not dtypes.quint8 or quantizer.is_per_channel:
            raise ConfigError(
                f"{self.name}: {where(node)}: activations are per-tensor quint8, but the "
                f"qconfig's activation is {quantizer.dtype!r}, {quantizer.qscheme}; use for "
                "example HistogramObserver.with_args(dtype=qgrad.quint8)"
            )
        return quantizer

    def _weight_quantizer(self, node: Node, qconfig: QConfig) -> FakeQuantize:
        quantizer = FakeQuantize.around(qconfig.weight(), observe_in_eval=self._after_training)
        if quantizer.dtype is not dtypes.qint8 or not quantizer.is_symmetric:
            raise ConfigError(
                f"{self.name}: {where(node)}: weights are symmetric qint8, but the qconfig's "
                f"weight is {quantizer.dtype!r}, {quantizer.qscheme}; use for example "
                "default_per_channel_weight_observer"
            )
        return quantizer

    @property
    def _after_training(self) -> bool:
        return self.name == "prepare"

    def _done(
        self,
        node: Node,
        assignment: Assignment,
        how: str,
        *,
        unmet: bool = False,
        passive: bool = False,
        bits: Any = None,
    ) -> None:
        if node.quant is not None:
            self.quantized.add(node)
        self.report.add(
            NodeReport(node.name, node.path, assignment.rule, how, unmet, passive, bits)
        )

    def _done_absorbed(self, absorbed: tuple[str, str, Assignment], into: Node) -> None:
        name, path, assignment = absorbed
        self.report.add(
            NodeReport(name, path, assignment.rule, f"int8, inside {into.name}", False, False, None)
        )


def _input(node: Node) -> Node:
    assert node.op is not None
    found = arguments_of(node.op, node.args, node.kwargs)["input"]
    assert isinstance(found, Node)
    return found


def _data_inputs(node: Node) -> list[Node]:
    """The inputs that an integer kernel reads as codes: not weights and biases."""
    assert node.op is not None
    values = arguments_of(node.op, node.args, node.kwargs)
    if node.op.quantize in ("linear", "conv"):
        return [values["input"]]
    return list(nodes_in(values))


def _with_inputs(graph: Graph, nodes: Any) -> set[Node]:
    found: set[Node] = set()
    pending = list(nodes)
    while pending:
        node = pending.pop()
        if node not in found:
            found.add(node)
            pending.extend(graph.inputs_of(node))
    return found


def _renamed(source: Node, name: str) -> tuple[Any, ...]:
    return tuple(
        SymInt(int(s), ("dim", name, i)) if isinstance(s, SymInt) else s
        for i, s in enumerate(source.shape)
    )


def _refuse_unmet(report: PrepareReport, mapping: QConfigMapping, name: str) -> None:
    """A rule that names things, but quantizes none of them, was meant otherwise."""
    for rule, nodes in report.by_rule().items():
        asked = [n for n in nodes if not n.passive]
        if rule.kind == "global" or not asked or not all(n.unmet for n in asked):
            continue
        first = asked[0]
        place = f"module '{first.path}'" if first.path else f"node '{first.name}'"
        raise UnsupportedOpError(
            f"{name}: {place} is to be quantized by {rule}, but it runs as {first.how}. Keep it "
            f"float: mapping.set_module_name({first.path!r}, None), or drop the rule"
        )
