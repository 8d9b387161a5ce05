"""The cases of benchmarks/autograd.py run, and learn."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
CASES = ("expression", "tiny MLP", "MLP", "CNN", "transformer")


@pytest.fixture
def cases(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The training cases in qgrad."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from training import qgrad_cases

    yield qgrad_cases.CASES
    for name in [name for name in sys.modules if name.split(".")[0] == "training"]:
        del sys.modules[name]


@pytest.mark.parametrize("name", CASES)
def test_training_cases(cases: dict[str, Any], name: str) -> None:
    """A few steps make the loss smaller than at the start."""
    step = cases[name]()
    losses = [step() for _ in range(8)]
    if losses[0] is not None:
        assert all(math.isfinite(loss.item()) for loss in losses)
        assert losses[-1].item() < losses[0].item()


def test_every_case_is_tested(cases: dict[str, Any]) -> None:
    """A new case of the benchmark is one here."""
    assert set(cases) == set(CASES)
