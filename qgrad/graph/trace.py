"""trace: run a model once on tracers and give the graph of what it did."""

from __future__ import annotations

import copy
import inspect
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from qgrad.boxing import unbox
from qgrad.errors import TraceError
from qgrad.graph.graph_module import GraphModule
from qgrad.graph.guards import Guard, SizeGuard, TrainingFlag, TrainingGuard
from qgrad.graph.recorder import Recorder
from qgrad.graph.replay import WAY_OUT, Replay
from qgrad.graph.tracer import Tracer
from qgrad.nn.module import Module
from qgrad.tensor import Tensor

__all__ = ["trace"]

Array = np.ndarray[Any, Any]
_POSITIONAL = inspect.Parameter.POSITIONAL_OR_KEYWORD


def trace(
    model: Callable[..., Any],
    example_inputs: Any,
    *,
    dynamic_dims: Mapping[int, Iterable[int]] | None = None,
) -> GraphModule:
    """Run `model` once on `example_inputs` and give a GraphModule that computes the same.

    model: a Module, a method of one, or a function of tensors; it is not changed, and the
    GraphModule has its own copy of the parameters.
    example_inputs: a Tensor or array, a tuple of them for several arguments, or a dict by name.
    dynamic_dims: input index -> axes whose size stays free; otherwise axis 0 is free and the rest
    is as in the example.

    Functional calls, `x + y`, reshapes and branches by `x.shape`, and modules used twice are fine.
    What depends on data raises TraceError, with the module, the line and the way out. So does what
    is not the same in a second run with other sizes: random numbers, state kept between calls, and
    sizes turned into plain numbers.

    >>> import qgrad
    >>> net = qgrad.nn.Sequential(qgrad.nn.Linear(4, 2), qgrad.nn.ReLU())
    >>> print(trace(net, qgrad.zeros(1, 4)).graph)
    input = input : float32[?,4]
    p_0_weight = param 0.weight : float32[2,4]
    p_0_bias = param 0.bias : float32[2]
    linear_0 = linear(input, p_0_weight, p_0_bias) : float32[?,2]  # 0
    relu_1 = relu(linear_0) : float32[?,2]  # 1
    output = output(relu_1)
    """
    if type(model) is GraphModule and dynamic_dims is None:
        return copy.deepcopy(model)
    source = _Source(model)
    arrays = source.bind(example_inputs)
    shadows = _shadows(list(arrays.values()), dynamic_dims or {})
    recorder = Recorder()
    inputs = {name: recorder.input(name, *pair) for name, pair in zip(arrays, shadows, strict=True)}
    source.run(recorder, inputs)
    _replay(source, recorder)
    recorder.graph.guards = _guards(source, recorder)
    return GraphModule(source.copy_module({}), recorder.graph)


def _replay(source: _Source, recorder: Recorder, *, flip: bool = False) -> None:
    """Run again and compare; what the model raises only now is a difference, too."""
    replay = Replay(recorder, flip=flip)
    inputs = {node.name: replay.tracer(node) for node in recorder.graph.inputs}
    try:
        source.run(replay, inputs)
    except TraceError:
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {error}"[:200]
        raise TraceError(f"trace: run again, {source.name} raises {what}. {WAY_OUT}") from error


def _guards(source: _Source, recorder: Recorder) -> list[Guard]:
    """The guards of the trace. Those on the mode are dropped if the other one records the same."""
    sizes: list[Guard] = [event for event in recorder.events if isinstance(event, SizeGuard)]
    modes: list[Guard] = [event for event in recorder.events if isinstance(event, TrainingGuard)]
    if modes:
        try:
            _replay(source, recorder, flip=True)
            modes = []
        except TraceError:
            pass
    return list(dict.fromkeys(sizes + modes))


class _Source:
    """What is traced: a callable, the module whose parameters it uses, and its argument names."""

    def __init__(self, model: Callable[..., Any]) -> None:
        owner = getattr(model, "__self__", None)
        self.name = getattr(model, "__name__", type(model).__name__)
        if isinstance(model, Module):
            self.module = model
            self._call = lambda module: module
            self._signature = model.forward
        elif isinstance(owner, Module):
            self.module = owner
            self._call = operator.attrgetter(self.name)
            self._signature = model
        elif callable(model):
            self.module = Module()
            self._call = lambda module: model
            self._signature = model
        else:
            raise TypeError(
                f"trace: model is a {type(model).__name__}, but must be a Module, a method of one, "
                "or a function of tensors."
            )

    def bind(self, example_inputs: Any) -> dict[str, Array]:
        """The example inputs as arrays, by argument name."""
        if isinstance(example_inputs, Mapping):
            given = dict(example_inputs)
        elif isinstance(example_inputs, (tuple, list)):
            given = dict(zip(self._names(len(example_inputs)), example_inputs, strict=True))
        else:
            given = {self._names(1)[0]: example_inputs}
        self._by_name = isinstance(example_inputs, Mapping)
        for name, value in given.items():
            if not isinstance(value, (Tensor, np.ndarray)):
                raise TypeError(
                    f"trace: example input {name!r} of {self.name} is a {type(value).__name__}, "
                    "but must be a Tensor or array. Give a tuple with one for each argument; fix "
                    "other arguments first: trace(lambda x: model(x, flag=True), (x,))."
                )
        return {name: unbox(value) for name, value in given.items()}

    def _names(self, count: int) -> list[str]:
        """Names for the first `count` positional arguments."""
        parameters = inspect.signature(self._signature).parameters.values()
        names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, _POSITIONAL)]
        if count > len(names) and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
            raise TypeError(
                f"trace: {self.name} takes {len(names)} inputs ({', '.join(names)}), but "
                f"example_inputs has {count}. Give a tuple with one example for each argument."
            )
        required = [p.name for p in parameters if p.default is p.empty and p.name in names]
        if count < len(required):
            raise TypeError(
                f"trace: {self.name} needs {len(required)} inputs ({', '.join(required)}), but "
                f"example_inputs has {count}. Give a tuple with one example for each argument."
            )
        return (names + [f"input_{i}" for i in range(len(names), count)])[:count]

    def run(self, session: Recorder | Replay, inputs: Mapping[str, Tracer]) -> None:
        """Call a copy of the model whose parameters, buffers and modes are the session's."""
        tracers: dict[int, Any] = {}
        for path, tensor in self.module.named_parameters():
            tracers[id(tensor)] = session.parameter(path, tensor)
        for path, buffer in self.module.named_buffers():
            tracers[id(buffer)] = session.buffer(path, buffer)
        module = self.copy_module(tracers)
        for path, child in module.named_modules():
            child.__dict__["training"] = TrainingFlag(path, child.training, session.read_training)
        state = _state(module)
        args, kwargs = ((), inputs) if self._by_name else (inputs.values(), {})
        session.run(module, self._call(module), args, kwargs)
        _check_state(state, _state(module))

    def copy_module(self, replacements: dict[int, Any]) -> Module:
        """A copy of the module, in which other objects stand for those of the given ids."""
        try:
            return copy.deepcopy(self.module, replacements)
        except TraceError:
            raise
        except Exception as error:
            raise TraceError(
                f"trace: a copy of {self.name} is traced, but copy.deepcopy fails: {error}. Keep "
                "what cannot be copied (locks, files, generators) out of the model's attributes."
            ) from error


def _state(module: Module) -> dict[str, Any]:
    parameters = module.named_parameters(remove_duplicate=False)
    return {**dict(parameters), **dict(module.named_buffers(remove_duplicate=False))}


def _check_state(before: dict[str, Any], after: dict[str, Any]) -> None:
    for path in before.keys() | after.keys():
        if before.get(path) is not after.get(path):
            raise TraceError(
                f"trace: forward assigns {path!r}, but a graph only reads parameters and buffers. "
                "Return the new value, or update it outside of forward."
            )


def _shadows(
    arrays: list[Array], dynamic_dims: Mapping[int, Iterable[int]]
) -> list[tuple[Array, Array]]:
    """Each input as it is, and with its free dimensions at twice the size."""
    for index in dynamic_dims:
        if index not in range(len(arrays)):
            raise ValueError(
                f"trace: dynamic_dims has input index {index}, but there are {len(arrays)} inputs. "
                "Use {input index: (axes,)}, counted from 0."
            )
    shadows = []
    for index, array in enumerate(arrays):
        second = array
        for axis in dynamic_dims.get(index, (0,) if array.ndim else ()):
            if not -array.ndim <= axis < array.ndim:
                raise ValueError(
                    f"trace: dynamic_dims[{index}] has axis {axis}, but the input has shape "
                    f"{array.shape}. Use axes in [0, {array.ndim - 1}]."
                )
            second = _twice(second, axis)
        shadows.append((array, second))
    return shadows


def _twice(array: Array, axis: int) -> Array:
    if array.shape[axis]:
        return np.concatenate([array, array], axis)
    return np.zeros_like(array, shape=[n or 1 for n in array.shape])
