"""qgrad: train models for int8 and ship exactly what was trained, bit for bit."""

from __future__ import annotations

__version__ = "0.1.0"
