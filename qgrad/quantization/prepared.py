"""The prepared model: a GraphModule whose nodes know how they will run as integers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from qgrad import nn, ops
from qgrad.autograd.mode import is_grad_enabled, no_grad
from qgrad.errors import CalibrationError, DTypeError, QParamError
from qgrad.graph import GraphModule, evaluate
from qgrad.graph.ir import Graph, Node
from qgrad.qparams import QParams
from qgrad.quantization.fake_quantize import FakeQuantize, FakeQuantized
from qgrad.quantization.grouping import arguments_of
from qgrad.quantization.kinds import KINDS, Call, QuantSpec
from qgrad.tensor import Tensor

ACTIVATIONS = "activation_post_process"
WEIGHTS = "weight_fake_quant"


class PreparedModel(GraphModule):
    """What `prepare` and `prepare_qat` give: calibrate or train it, then `convert` it.

    - after `prepare`, each call computes in float and the observers watch (calibration), until
      `convert` or `freeze()`;
    - after `prepare_qat`, a call in `train()` mode computes with fake-quantized weights and
      activations, whose observers follow along;
    - otherwise (`eval()` after `prepare_qat`, or any time after `freeze()`) a call runs the integer
      kernels that will be deployed, and its codes are those of the converted program.

    Parameters keep the names they have in the model. Fake quantizers are found under
    ``activation_post_process`` and ``weight_fake_quant``, named after the node they belong to.
    """

    def __init__(
        self,
        root: nn.Module,
        graph: Graph,
        quantizers: Mapping[str, nn.Module],
        *,
        calibrating: bool,
        report: Any = None,
    ) -> None:
        super().__init__(root, graph)
        for name, container in quantizers.items():
            self.add_module(name, container)
        self.calibrating = calibrating
        self.batches_seen = 0
        self.report = report

    def forward(self, *inputs: Any, **named_inputs: Any) -> Any:
        """Run the graph; which arithmetic, the class's docstring says.

        Raises CalibrationError naming module and batch if a value is NaN or infinite.
        """
        bound = self._checked(self.bind(inputs, named_inputs))
        if self.calibrating:
            with no_grad():
                output = evaluate(self.graph, self, bound, run_node=self._calibrate)
            self.batches_seen += 1
            return output
        if self.training:
            output = evaluate(self.graph, self, bound, run_node=self._simulate)
            self.batches_seen += 1
            return output
        return evaluate(self.graph, self, bound, run_node=self._integer)

    def freeze(self) -> PreparedModel:
        """End the calibration: from now on ranges are fixed and calls run the integer kernels."""
        if self.calibrating:
            self._settle()
        self.calibrating = False
        return self.eval()

    def _checked(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Inputs as Tensors of the dtypes that the model was prepared with."""
        tensors = tuple(x if isinstance(x, Tensor) else Tensor(x) for x in inputs)
        for node, tensor in zip(self.graph.inputs, tensors, strict=False):
            if tensor.dtype is not node.dtype:
                raise DTypeError(
                    f"prepared model: input '{node.name}' is {tensor.dtype!r}, but the example was "
                    f"{node.dtype!r}; convert it: x.to({node.dtype!r})"
                )
        return tensors

    def _settle(self) -> None:
        for module in self.modules():
            if isinstance(module, FakeQuantize):
                module.settle()

    def codes(self, *inputs: Any) -> dict[str, np.ndarray]:
        """The uint8 codes of every quantized node, by node name, as the integer kernels give them.

        Nothing is observed; during calibration, the ranges seen so far are used.
        """
        found: dict[str, np.ndarray] = {}

        def record(node: Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            value = self._integer(node, args, kwargs)
            if isinstance(value, FakeQuantized) and value is not (args[0] if args else None):
                found[node.name] = value.codes
            return value

        if self.calibrating:
            self._settle()
        training = {m: m.training for m in self.modules()}
        self.eval()
        try:
            with no_grad():
                evaluate(self.graph, self, inputs, run_node=record)
        finally:
            for module, mode in training.items():
                module.training = mode
        return found

    def call(
        self,
        node: Node,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        with_output: bool = True,
    ) -> Call:
        """The record that the node's kind computes or lowers from."""
        spec, op = node.quant, node.op
        assert isinstance(spec, QuantSpec) and op is not None
        options = dict(kwargs)
        batch_norm = options.pop("batch_norm", None)
        arguments = arguments_of(op, args, options)
        weight = None if spec.weight is None else self.quantizer(spec.weight)
        output = None
        if spec.output is not None and with_output:
            output = self._output_qparams(node, self.quantizer(spec.output))
        return Call(node, arguments, batch_norm, weight, output)

    def quantizer(self, path: str) -> FakeQuantize:
        """The fake quantizer at ``path``."""
        found = self.get_submodule(path)
        assert isinstance(found, FakeQuantize)
        return found

    def uncalibrated(self) -> list[Node]:
        """Nodes whose output was never observed."""
        return [
            node
            for node in self.graph.nodes
            if isinstance(node.quant, QuantSpec)
            and node.quant.output is not None
            and not self.quantizer(node.quant.output).observed
        ]

    def _output_qparams(self, node: Node, quantizer: FakeQuantize) -> Any:
        try:
            return quantizer.qparams()
        except CalibrationError as error:
            raise CalibrationError(f"{where(node)}: {error}") from None

    def _calibrate(self, node: Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if node.quant is None:
            return _call_op(node, args, kwargs)
        call = self.call(node, args, kwargs, with_output=False)
        y = KINDS[call.spec.kind].compute(call, _unchanged)
        if call.spec.output is not None:
            self._observe(node, self.quantizer(call.spec.output), y)
        return y

    def _simulate(self, node: Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if node.quant is None:
            return _call_op(node, args, kwargs)
        call = self.call(node, args, kwargs, with_output=False)
        y = KINDS[call.spec.kind].compute(call, _rounding(call))
        if call.spec.output is None:
            return y
        try:
            return self.quantizer(call.spec.output)(y)
        except (CalibrationError, QParamError) as error:
            raise self._located(error, node) from None

    def _integer(self, node: Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if node.quant is None:
            return _call_op(node, args, kwargs)
        call = self.call(node, args, kwargs)
        try:
            with no_grad():
                value = KINDS[call.spec.kind].integer(call)
        except (CalibrationError, QParamError, ValueError) as error:
            raise type(error)(f"{where(node)}: {error}") from None
        if is_grad_enabled() and any(_requires_grad((args, kwargs))):
            simulated = self._rounded(node, KINDS[call.spec.kind].compute(call, _rounding(call)))
            return value.attached_to(ops.straight_through(simulated, value))
        return value

    def _rounded(self, node: Node, y: Tensor) -> Tensor:
        """``y`` rounded to its codes as they are now, differentiable; nothing is observed."""
        if node.quant.output is None:
            return y
        return _fake_quantize(y, self.quantizer(node.quant.output).qparams())

    def _observe(self, node: Node, quantizer: FakeQuantize, y: Tensor) -> None:
        try:
            quantizer.observe(y)
        except (CalibrationError, QParamError) as error:
            raise self._located(error, node) from None

    def _located(self, error: Exception, node: Node) -> Exception:
        return type(error)(f"{where(node)}, batch {self.batches_seen}: {error}")


def where(node: Node) -> str:
    """How messages name a node: by its module's path where it has one."""
    if isinstance(node.quant, QuantSpec) and node.quant.kind == "quantize":
        return f"the input of module '{node.path}'" if node.path else "the model's input"
    label = node.name if node.op is None else node.op.name
    return f"module '{node.path}' ({label})" if node.path else f"node '{node.name}' ({label})"


def _call_op(node: Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    assert node.op is not None
    return node.op(*args, **kwargs)


def _unchanged(weight: Tensor) -> Tensor:
    return weight


def _fake_quantize(x: Tensor, qp: QParams) -> Tensor:
    return ops.fake_quantize(x, qp.scale, qp.zero_point, qp.qmin, qp.qmax, qp.axis)


def _rounding(call: Call) -> Callable[[Tensor], Tensor]:
    quantizer = call.weight_quantizer
    if quantizer is None or not quantizer.fake_quant_enabled:
        return _unchanged

    def rounded(weight: Tensor) -> Tensor:
        return _fake_quantize(weight, quantizer.weight_qparams(weight))

    return rounded


def _requires_grad(value: Any) -> Any:
    if isinstance(value, Tensor):
        yield value.requires_grad
    elif isinstance(value, (tuple, list)):
        for entry in value:
            yield from _requires_grad(entry)
    elif isinstance(value, dict):
        for entry in value.values():
            yield from _requires_grad(entry)


__all__ = ["ACTIVATIONS", "WEIGHTS", "PreparedModel", "where"]
