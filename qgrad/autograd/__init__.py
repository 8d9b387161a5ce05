"""Gradients: grad mode, the engine, and the ways to ask for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from qgrad.later import later

if TYPE_CHECKING:
    from qgrad.autograd import functional
    from qgrad.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
    from qgrad.autograd.finite_differences import gradcheck, gradgradcheck
    from qgrad.autograd.function import Function

# Loaded when first asked for, so that `import qgrad` stays quick.
__getattr__, __dir__ = later(
    __name__,
    {
        "qgrad.autograd.anomaly_mode": ("detect_anomaly", "set_detect_anomaly"),
        "qgrad.autograd.finite_differences": ("gradcheck", "gradgradcheck"),
        "qgrad.autograd.function": ("Function",),
        "qgrad.autograd.functional": ("functional",),
    },
)

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
