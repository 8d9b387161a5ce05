"""Rewrites of graphs, and what they are written with."""

from __future__ import annotations

from qgrad.graph.passes.dead_code import remove_dead_code
from qgrad.graph.passes.patterns import single_user_chain

__all__ = ["remove_dead_code", "single_user_chain"]
