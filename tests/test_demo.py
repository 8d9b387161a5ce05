"""`qgrad demo` and the example do the main job on real data, and keep what they promise."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import qgrad
from qgrad import cli
from qgrad.demo import run as demo_run
from qgrad.demo.data import load_digits
from qgrad.demo.results import Row

EXAMPLE = Path(__file__).parents[1] / "examples" / "quantize_digits.py"


class Demo(NamedTuple):
    """What one run left behind."""

    rows: list[Row]
    stdout: str
    stderr: str
    out: Path


@pytest.fixture(scope="module", params=[0, 1, 2])
def demo(request, tmp_path_factory):
    """The whole demo, for each of three seeds."""
    out = tmp_path_factory.mktemp(f"seed{request.param}")
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        rows = demo_run.run_demo(out, request.param, quiet=False)
    return Demo(rows, stdout.getvalue(), stderr.getvalue(), out)


def test_accuracy(demo):
    """int8 costs at most half a point; few bits cost 3 or more, and training brings them back."""
    float32, int8, few_bits, repaired = (row.accuracy for row in demo.rows)
    assert float32 >= 98
    assert int8 >= float32 - 0.5
    assert few_bits <= float32 - 3
    assert repaired >= float32 - 1


def test_no_code_differs(demo):
    """The prepared model and the program agree in every code of every version."""
    assert [row.differing for row in demo.rows] == [None, 0, 0, 0]
    assert all(row.codes > 1_000_000 for row in demo.rows[1:])


def test_file_sizes(demo):
    """The int8 file is at most 0.30 times the float one."""
    float32, *others = (row.file.stat().st_size for row in demo.rows)
    assert max(others) <= 0.30 * float32


def test_output(demo):
    """All six steps are told, each rule wins somewhere, and the table has a line a version."""
    for step in range(1, 7):
        assert f"\n{step}. " in f"\n{demo.stdout}"
    for rule in ("global", "type nn.Conv2d", 'regex "', 'name "block2.conv2"', 'name "head"'):
        assert rule in demo.stdout
    for row in demo.rows:
        assert f"\n{row.name} " in demo.stdout
        assert f"{row.accuracy:.2f} %" in demo.stdout
    assert "bit for bit" in demo.stdout
    assert "training in float32" in demo.stderr
    assert "\r" not in demo.stderr  # plain lines, where there is no terminal for bars


def test_files_load(demo):
    """The files that are kept are the ones that were measured."""
    pixels = load_digits(int(demo.out.name[4])).test.pixels
    program = qgrad.Program.load(demo.rows[1].file)
    assert np.array_equal(program.run(pixels)[0], np.load(demo.out / "scores.npy"))
    assert set(qgrad.load_file(demo.rows[0].file)) >= {"stem.0.weight", "head.bias"}


def test_split():
    """No scan is in two parts, every scan is in one, and the seed decides which."""
    first, again, other = load_digits(0), load_digits(0), load_digits(1)
    assert [len(part) for part in first] == [1200, 128, 469]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first.test.labels, other.test.labels)
    total = sum(float(part.pixels.sum()) for part in first)
    assert total == pytest.approx(sum(float(part.pixels.sum()) for part in other))


class TestCommand:
    """The command line around it."""

    @pytest.fixture
    def calls(self, monkeypatch):
        """Runs of the demo, noted instead of done."""
        calls = []
        monkeypatch.setattr(
            demo_run, "run_demo", lambda out, seed, quiet: calls.append((out, seed, quiet))
        )
        return calls

    def test_arguments(self, calls, tmp_path):
        """--out, --seed and --quiet reach the demo; the folder is made."""
        out = tmp_path / "a" / "b"
        assert cli.main(["demo", "--out", str(out), "--seed", "7", "--quiet"]) == 0
        assert calls == [(out, 7, True)]
        assert out.is_dir()

    def test_defaults(self, calls):
        """Without --out the files go to a folder that is removed."""
        assert cli.main(["demo"]) == 0
        ((out, seed, quiet),) = calls
        assert (seed, quiet) == (0, False)
        assert not out.exists()

    def test_bad_seed(self, calls, capsys):
        """A seed that is no whole number is a usage error."""
        with pytest.raises(SystemExit) as end:
            cli.main(["demo", "--seed", "-1"])
        assert end.value.code == 2
        assert "'-1' is not a whole number" in capsys.readouterr().err
        assert not calls

    def test_version(self, capsys):
        """--version tells the version and ends."""
        with pytest.raises(SystemExit) as end:
            cli.main(["--version"])
        assert end.value.code == 0
        assert capsys.readouterr().out == f"qgrad {qgrad.__version__}\n"

    def test_without_scikit_learn(self, monkeypatch, capsys, tmp_path):
        """The missing extra is named, without a traceback."""
        monkeypatch.setitem(sys.modules, "sklearn", None)
        assert cli.main(["demo", "--out", str(tmp_path)]) == 2
        assert "pip install 'qgrad[demo]'" in capsys.readouterr().err

    def test_interrupt(self, monkeypatch):
        """Ctrl-C ends with the status shells expect."""

        def interrupted(*args, **kwargs):
            raise KeyboardInterrupt

        monkeypatch.setattr(demo_run, "run_demo", interrupted)
        assert cli.main(["demo"]) == 130

    def test_as_a_module(self):
        """`python -m qgrad` is the same command."""
        run = subprocess.run(
            [sys.executable, "-m", "qgrad", "--version"], capture_output=True, text=True, check=True
        )
        assert run.stdout == f"qgrad {qgrad.__version__}\n"


def test_example(tmp_path):
    """The example is under 100 lines and does the same through the public API."""
    assert len(EXAMPLE.read_text().splitlines()) < 100
    run = subprocess.run(
        [sys.executable, str(EXAMPLE)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    scores = {
        name: float(line.split()[-1].rstrip("%"))
        for line in run.stdout.splitlines()
        for name in ("float32", "int8 PTQ", "2-bit PTQ", "2-bit QAT")
        if line.startswith(name)
    }
    assert scores["float32"] >= 97
    assert scores["int8 PTQ"] >= scores["float32"] - 1
    assert scores["2-bit QAT"] >= scores["2-bit PTQ"] + 3
    assert (tmp_path / "digits-int8.safetensors").exists()
