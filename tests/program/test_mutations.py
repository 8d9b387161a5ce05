"""Thousands of broken files, each tried in a child process: an error with a name, never a crash."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from program import mutations
from program.hostile import small_program

COUNT = 1000


@pytest.mark.parametrize("seed", range(3))
def test_broken_files_do_no_harm(seed: int, tmp_path: Path) -> None:
    """Bytes, bits, cuts, fields: the file is refused, or the program runs as its meaning says."""
    program, _ = small_program()
    source = tmp_path / "program.safetensors"
    program.save(source)
    arguments = [mutations.__file__, str(source), str(tmp_path), str(seed), str(COUNT)]
    child = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert child.returncode == 0, f"seed {seed}: {child.stderr[-2000:]}"
    tally = json.loads(child.stdout)
    assert sum(tally.values()) == COUNT
    assert not [outcome for outcome in tally if outcome.startswith("long")]
    # The mutations must reach every outcome, or they test less than they seem to.
    assert tally["ModelFormatError"] > COUNT / 10, tally
    assert tally["ran"] > COUNT / 20, tally
    assert tally["QParamError"] > 0, tally
    assert tally["run: ShapeError"] > 0, tally
