"""Gradients: grad mode, the engine, and the ways to ask for them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from qgrad.autograd.gradcheck import gradcheck, gradgradcheck
from qgrad.autograd.gradients import backward, grad
from qgrad.autograd.mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from qgrad.autograd.record import record
from qgrad.autograd.variable import Variable

if TYPE_CHECKING:
    from qgrad.autograd import functional
    from qgrad.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
    from qgrad.autograd.function import Function

# Loaded when first asked for, so that `import qgrad` stays quick.
_LAZY = {
    "Function": "function",
    "detect_anomaly": "anomaly_mode",
    "functional": "functional",
    "set_detect_anomaly": "anomaly_mode",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'qgrad.autograd' has no attribute {name!r}")
    module = importlib.import_module(f"qgrad.autograd.{_LAZY[name]}")
    value = module if name == _LAZY[name] else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


__all__ = [
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "record",
    "set_detect_anomaly",
    "set_grad_enabled",
]
