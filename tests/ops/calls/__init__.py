"""One strategy for each op of the table: calls with random shapes, values and options.

A strategy gives a `Call`: the op's arguments with float64 (or integer, bool) arrays for tensors,
and the result that an independent formula expects, where there is one. The grids in test_grid.py do
the rest, so a new op is tested by adding one block here.
"""

from __future__ import annotations

from ops.calls import (
    convolutions,
    elementwise,
    indexing,
    layers,
    matrices,
    products,
    rearrangements,
    recurrent,
    reductions,
    resampling,
    shapes,
    windows,
)
from ops.calls.draw import CALLS, UNKNOWN, Call, Draw

__all__ = [
    "CALLS",
    "UNKNOWN",
    "Call",
    "Draw",
    "convolutions",
    "elementwise",
    "indexing",
    "layers",
    "matrices",
    "products",
    "rearrangements",
    "recurrent",
    "reductions",
    "resampling",
    "shapes",
    "windows",
]
