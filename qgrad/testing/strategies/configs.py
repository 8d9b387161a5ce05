"""Strategies for how to quantize: QConfig and QConfigMapping."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from qgrad import nn
from qgrad.dtypes import qint8, quint8
from qgrad.qtensor import per_channel_symmetric, per_tensor_symmetric
from qgrad.quantization import (
    FakeQuantize,
    HistogramObserver,
    MinMaxObserver,
    MovingAverageMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
    PerChannelMinMaxObserver,
    QConfig,
    QConfigMapping,
)
from qgrad.testing.strategies.arguments import check_whole

__all__ = ["qconfig_mappings", "qconfigs"]

ACTIVATIONS = (MinMaxObserver, MovingAverageMinMaxObserver, HistogramObserver)
WEIGHTS = (
    (PerChannelMinMaxObserver, per_channel_symmetric),
    (MovingAveragePerChannelMinMaxObserver, per_channel_symmetric),
    (MinMaxObserver, per_tensor_symmetric),
)

# Layers that always have an integer form, so that a line about one can be met; a batch norm, for
# example, has one only behind a convolution.
INTEGER = (
    *(nn.Conv1d, nn.Conv2d, nn.Linear, nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d),
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.ReLU, nn.ReLU6, nn.Sigmoid, nn.Tanh, nn.GELU),
    *(nn.SiLU, nn.Hardswish, nn.Hardsigmoid, nn.LeakyReLU, nn.ELU, nn.Softplus),
)


def qconfigs(
    *, qat: bool = False, min_bits: int = 2, max_bits: int = 8
) -> st.SearchStrategy[QConfig]:
    """Any observers for activations and weights, with min_bits to max_bits.

    qat: FakeQuantize around the observers, for `prepare_qat`.
    """
    check_whole("qconfigs", "min_bits", min_bits, 2, 8)
    check_whole("qconfigs", "max_bits", max_bits, min_bits, 8)
    if not isinstance(qat, bool):
        raise InvalidArgument(f"qconfigs: qat={qat!r} must be a bool")
    return _qconfigs(qat, st.integers(min_bits, max_bits))


def qconfig_mappings(
    module: nn.Module | None = None,
    *,
    qat: bool = False,
    min_bits: int = 2,
    max_bits: int = 8,
    allow_float: bool = True,
) -> st.SearchStrategy[QConfigMapping]:
    """Mappings with a global config and lines by type, regex and name.

    module: lines are about its layers, so that all of them match; without it there is only the
        global one.
    allow_float: some lines may keep a part float.

    Examples shrink to a global config alone.
    """
    if module is not None and not isinstance(module, nn.Module):
        raise InvalidArgument(f"qconfig_mappings: module={module!r:.80} must be a Module or None")
    configs = qconfigs(qat=qat, min_bits=min_bits, max_bits=max_bits)
    lines = st.one_of(configs, st.none()) if allow_float else configs
    return _mappings(module, configs, lines)


@st.composite
def _qconfigs(draw: st.DrawFn, qat: bool, bits: st.SearchStrategy[int]) -> QConfig:
    activation_bits, weight_bits = draw(bits), draw(bits)
    largest = 2 ** (weight_bits - 1) - 1
    lowest = draw(st.sampled_from([-largest, -largest - 1]))
    observer = draw(st.sampled_from(ACTIVATIONS))
    weight_observer, scheme = draw(st.sampled_from(WEIGHTS))
    activation = {"dtype": quint8, "quant_min": 0, "quant_max": 2**activation_bits - 1}
    weight = {"dtype": qint8, "qscheme": scheme, "quant_min": lowest, "quant_max": largest}
    return QConfig(_factory(observer, activation, qat), _factory(weight_observer, weight, qat))


def _factory(observer: Any, arguments: dict[str, Any], qat: bool) -> Any:
    if qat:
        return FakeQuantize.with_args(observer=observer, **arguments)
    return observer.with_args(**arguments)


@st.composite
def _mappings(
    draw: st.DrawFn,
    module: nn.Module | None,
    configs: st.SearchStrategy[QConfig],
    lines: st.SearchStrategy[QConfig | None],
) -> QConfigMapping:
    mapping = QConfigMapping().set_global(draw(configs))
    named = {} if module is None else dict(module.named_modules())
    layers = {path: layer for path, layer in named.items() if path and isinstance(layer, INTEGER)}
    for _ in range(draw(st.integers(0, 3)) if layers else 0):
        path = draw(st.sampled_from(sorted(layers)))
        kind = draw(st.sampled_from(["name", "type", "regex"]))
        if kind == "name":
            mapping.set_module_name(path, draw(lines))
        elif kind == "type":
            mapping.set_object_type(type(layers[path]), draw(lines))
        else:
            mapping.set_module_name_regex(re.escape(path), draw(lines))
    return mapping
