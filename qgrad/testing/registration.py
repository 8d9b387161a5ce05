"""Make `st.from_type` and `@given(...)` know qgrad's types: what the `hypothesis` entry point runs.

Hypothesis runs it at the end of its own import, perhaps on behalf of `qgrad.testing.strategies`
itself. So strategies are loaded when the first value is drawn, and nothing from Hypothesis here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qgrad.dtypes import DType
from qgrad.nn import Module
from qgrad.qparams import QParams
from qgrad.qtensor import QTensor
from qgrad.quantization import QConfig, QConfigMapping
from qgrad.tensor import Tensor

__all__ = ["register"]

STRATEGIES: dict[type[Any], str] = {
    DType: "dtypes",
    QParams: "qparams",
    Tensor: "tensors",
    QTensor: "quantized_tensors",
    Module: "modules",
    QConfig: "qconfigs",
    QConfigMapping: "qconfig_mappings",
}


def register() -> None:
    """Called by Hypothesis when it finds qgrad installed; calling it again does no harm."""
    from hypothesis.strategies import register_type_strategy

    for kind, name in STRATEGIES.items():
        register_type_strategy(kind, _later(name))


def _later(name: str) -> Callable[[type[Any]], Any]:
    """The strategy with its default arguments, made when it is asked for."""

    def make(_: type[Any]) -> Any:
        from qgrad.testing import strategies

        return getattr(strategies, name)()

    return make
