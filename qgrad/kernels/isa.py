"""Which instruction set the kernels use: the best this CPU has, QGRAD_ISA, or `set_isa`."""

from __future__ import annotations

import os

from .extension import core

__all__ = ["available_isas", "cpu_features", "isa", "set_isa"]


def available_isas() -> tuple[str, ...]:
    """The instruction sets that kernels exist for and this CPU runs, slowest first.

    `("reference",)` when the C++ extension is missing.
    """
    return tuple(core.usable_isas()) if core is not None else ("reference",)


def isa() -> str:
    """The instruction set in use; all give the same bytes."""
    return core.isa() if core is not None else "reference"


def set_isa(name: str) -> None:
    """Use `name`, one of `available_isas()`, from now on in every thread."""
    _choose(name, "set_isa")


def cpu_features() -> tuple[str, ...]:
    """The CPU's features that matter to kernels, whether or not a kernel uses them."""
    return tuple(core.cpu_features()) if core is not None else ()


def _choose(name: str, where: str) -> None:
    if name in available_isas():
        if core is not None:
            core.set_isa(name)
        return
    known = core is not None and name in core.known_isas()
    what = "cannot run on this CPU" if known else "is no instruction set that kernels exist for"
    raise ValueError(f"{where}: {name!r} {what}; choose one of {', '.join(available_isas())}")


if "QGRAD_ISA" in os.environ:
    _choose(os.environ["QGRAD_ISA"], "QGRAD_ISA")
