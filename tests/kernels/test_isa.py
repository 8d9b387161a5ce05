"""The instruction set: chosen once, overridden by QGRAD_ISA, never silently another one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import qgrad
from qgrad import _core, kernels

ROOT = str(Path(qgrad.__file__).parents[1])


def run_python(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a child process that imports this same qgrad; QGRAD_ISA only if given."""
    inherited = {name: value for name, value in os.environ.items() if name != "QGRAD_ISA"}
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[0] = {ROOT!r}\n{script}"],
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_best_set_is_the_default() -> None:
    """Without an override the last, fastest set that this CPU has is used."""
    child = run_python("from qgrad import kernels; print(kernels.isa())")
    assert child.stdout.split() == [kernels.available_isas()[-1]], child.stderr


@pytest.mark.parametrize("name", kernels.available_isas())
def test_the_environment_chooses(name: str) -> None:
    """QGRAD_ISA names any set that this CPU has."""
    child = run_python("from qgrad import kernels; print(kernels.isa())", QGRAD_ISA=name)
    assert child.stdout.split() == [name], child.stderr


@pytest.mark.parametrize("name", ["avx9000", "", "SCALAR"])
def test_an_unknown_set_in_the_environment_is_an_error(name: str) -> None:
    """A misspelt QGRAD_ISA stops the import and lists the choices."""
    child = run_python("import qgrad.kernels", QGRAD_ISA=name)
    assert child.returncode == 1
    last = child.stderr.splitlines()[-1]
    assert last.startswith(f"ValueError: QGRAD_ISA: {name!r} is no instruction set")
    assert ", ".join(kernels.available_isas()) in last


def test_set_isa_refuses_unknown_names() -> None:
    """set_isa keeps what was chosen when the name is wrong."""
    before = kernels.isa()
    with pytest.raises(ValueError, match=r"^set_isa: 'neon9' is no instruction set .* scalar"):
        kernels.set_isa("neon9")
    assert kernels.isa() == before


def test_the_chosen_set_is_what_runs() -> None:
    """Dispatch follows set_isa: wider vectors do more multiplications in one round."""
    before, work = kernels.isa(), []
    for name in kernels.available_isas():
        kernels.set_isa(name)
        work.append(_core.dot_peak(1)[0])
    kernels.set_isa(before)
    assert sorted(set(work)) == work


def test_features_explain_the_choice() -> None:
    """A set beyond scalar is only offered when the CPU reports what it is built from."""
    if "avx512vnni" in kernels.available_isas():
        assert {"avx512f", "avx512bw", "avx512vnni"} <= set(kernels.cpu_features())


def test_without_the_extension_the_reference_runs() -> None:
    """A missing extension is one visible warning, and the same bytes."""
    child = run_python(
        "import sys, warnings\n"
        "sys.modules['qgrad._core'] = None\n"
        "warnings.simplefilter('always')\n"
        "import numpy as np\n"
        "from qgrad import kernels\n"
        "print(kernels.isa(), kernels.available_isas(), kernels.lut_u8(np.uint8([1, 9]),"
        " np.arange(256, dtype=np.uint8)[::-1]))\n"
    )
    assert child.stdout == "reference ('reference',) [254 246]\n", child.stderr
    assert child.stderr.count("RuntimeWarning: qgrad: the C++ extension cannot be imported") == 1
