"""What this installation is and what it runs on: the first thing to put into a bug report."""

from __future__ import annotations

import platform

import numpy as np

from qgrad import kernels
from qgrad.version import __version__


def show_config() -> None:
    """Print version, instruction set in use and available, CPU features and threads."""
    print(config_text())


def config_text() -> str:
    """The lines that `show_config` prints."""
    rows = {
        "qgrad": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": f"{platform.system()} {platform.machine()}",
        "extension": "missing (NumPy kernels, slow)" if kernels.isa() == "reference" else "loaded",
        "isa": f"{kernels.isa()} (of {', '.join(kernels.available_isas())})",
        "cpu features": ", ".join(kernels.cpu_features()) or "none known",
        "threads": f"{kernels.get_num_threads()} for kernels, {kernels.usable_cpus()} CPUs usable",
    }
    width = max(map(len, rows))
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in rows.items())
