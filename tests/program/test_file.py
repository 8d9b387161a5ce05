"""Program files: what is saved comes back, and nothing that a file says can do harm."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from program.drafts import DRAFTS, Sample, networks, samples
from program.hostile import EDITS, small_program
from safetensors.numpy import save

from qgrad.errors import ModelFormatError, QParamError
from qgrad.program import InputSpec, Instruction, Program, Value
from qgrad.program.file import FORMAT, VERSION, _metadata
from qgrad.qparams import QParams

QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck)}


def write(path: Path, description: Any, constants: dict[str, Any], **metadata: str) -> Path:
    """A safetensors file of any content at all."""
    text = description if isinstance(description, str) else json.dumps(description)
    header = {"format": FORMAT, "version": str(VERSION), "program": text} | metadata
    path.write_bytes(save(constants, metadata={k: v for k, v in header.items() if v is not None}))
    return path


def described(program: Program) -> Any:
    """The description in a program's file."""
    return json.loads(_metadata(program)["program"])


def check_round_trip(sample: Sample, path: Path) -> None:
    """Loaded, it has the same parts and gives the same bits."""
    sample.program.save(path)
    loaded = Program.load(path)
    for part in ("inputs", "outputs", "values", "instructions"):
        assert getattr(loaded, part) == getattr(sample.program, part)
    assert loaded.constants.keys() == sample.program.constants.keys()
    results = loaded.run(*sample.arrays), sample.program.run(*sample.arrays)
    for got, expected in zip(*results, strict=True):
        np.testing.assert_array_equal(got, expected)
    assert loaded.summary() == sample.program.summary()


@pytest.mark.parametrize("name", DRAFTS)
def test_round_trip(name: str, tmp_path: Path) -> None:
    """Every kind of instruction, with every attribute it can have."""

    @settings(max_examples=10, **QUIET)
    @given(samples(name))
    def run(sample: Sample) -> None:
        check_round_trip(sample, tmp_path / "program.safetensors")

    run()


def test_round_trip_of_networks(tmp_path: Path) -> None:
    """Several instructions; a path with any characters; the old file is replaced."""
    path = tmp_path / "ein Modell ü.safetensors"

    @settings(max_examples=15, **QUIET)
    @given(networks())
    def run(sample: Sample) -> None:
        check_round_trip(sample, path)

    run()
    assert os.listdir(tmp_path) == [path.name]


def test_scales_are_exact(tmp_path: Path) -> None:
    """A float32 scale survives as decimal text, whatever its bits."""
    for bits in np.random.default_rng(0).integers(0x00800000, 0x7F800000, 100, np.uint32):
        qp = QParams.of(bits.view(np.float32), 3)
        value, step = Value("q", "uint8", qp), Instruction("quantize", ("x",), "q")
        program = Program([InputSpec("x", "float32", ())], ["q"], {"q": value}, [step], {})
        program.save(tmp_path / "p")
        assert Program.load(tmp_path / "p").values["q"] == value


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: Any) -> None:
    """A full disk, say, must not destroy the model that is there; no temporary file stays."""
    program, _ = small_program()
    path = tmp_path / "program.safetensors"
    program.save(path)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        program.save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


def test_missing_files_are_the_systems_error(tmp_path: Path) -> None:
    """Not a format error: the message names the path."""
    with pytest.raises(FileNotFoundError, match=r"nothing\.safetensors"):
        Program.load(tmp_path / "nothing.safetensors")
    with pytest.raises(IsADirectoryError):
        Program.load(tmp_path)


@pytest.mark.parametrize("name", EDITS)
def test_hostile_descriptions(name: str, tmp_path: Path) -> None:
    """Each rule broken once: a documented error that says so, under 600 characters."""
    program, _ = small_program()
    description, constants = described(program), dict(program.constants)
    edit, part = EDITS[name]
    changed = edit(description, constants)
    path = write(tmp_path / "bad", description if changed is None else changed, constants)
    with pytest.raises((ModelFormatError, QParamError)) as caught:
        Program.load(path)
    assert part in str(caught.value), str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("metadata", "part"),
    [
        ({"format": "pt"}, "holds no program"),
        ({"format": None}, "holds no program"),
        ({"version": None}, "no valid version"),
        ({"version": "1.0"}, "no valid version"),
        ({"version": "-1"}, "no valid version"),
        ({"version": "²"}, "no valid version"),
        ({"version": "2"}, "install a newer one"),
        ({"version": "9" * 5000}, "no valid version"),
    ],
)
def test_other_formats_and_versions(metadata: Any, part: str, tmp_path: Path) -> None:
    """A file of weights, or of a later qgrad, is refused for what it is."""
    program, _ = small_program()
    path = write(tmp_path / "bad", described(program), dict(program.constants), **metadata)
    with pytest.raises(ModelFormatError, match=part):
        Program.load(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04\x95",
        b"PK\x03\x04" + bytes(100),
        (2**63).to_bytes(8, "little") + b"{}",
        (10**8 + 1).to_bytes(8, "little"),
        (2).to_bytes(8, "little") + b"{}",
        (10).to_bytes(8, "little") + b'{"a":[[[[[',
        (8).to_bytes(8, "little") + b"\xff" * 8,
    ],
)
def test_no_safetensors_at_all(content: bytes, tmp_path: Path) -> None:
    """Empty, pickled, zipped, cut, enormous headers."""
    path = tmp_path / "bad"
    path.write_bytes(content)
    with pytest.raises(ModelFormatError):
        Program.load(path)


@settings(max_examples=100, **QUIET)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    )
)
def test_any_json(tmp_path_factory: Any, description: Any) -> None:
    """Whatever the description is, it is refused by name."""
    path = tmp_path_factory.getbasetemp() / "any"
    with pytest.raises(ModelFormatError):
        Program.load(write(path, description, {}))
