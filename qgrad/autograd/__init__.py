"""Gradients: grad mode, the engine, and the ways to ask for them."""

from __future__ import annotations

from qgrad.autograd.gradients import backward, grad
from qgrad.autograd.mode import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from qgrad.autograd.record import record

__all__ = [
    "backward",
    "enable_grad",
    "grad",
    "is_grad_enabled",
    "no_grad",
    "record",
    "set_grad_enabled",
]
