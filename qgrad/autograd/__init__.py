"""Gradients: grad mode, the engine, and the ways to ask for them."""

from __future__ import annotations

from qgrad.autograd import functional
from qgrad.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
from qgrad.autograd.function import Function
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
