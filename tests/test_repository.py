"""The repository keeps its own rules: floors, a light import, no code from files, a true README."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import io
import json
import os
import re
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import qgrad

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "qgrad"
SOURCES = sorted(PACKAGE.rglob("*.py"))

# A module imports from its own floor or from lower ones. Part of qgrad -> floor.
FLOORS = {
    "_core": 0,
    "boxing": 0,
    "device": 0,
    "dtypes": 0,
    "errors": 0,
    "files": 0,
    "kernels": 0,
    "later": 0,
    "qparams": 0,
    "qtensor": 0,
    "storage": 0,
    "version": 0,
    "ops": 1,
    "program": 1,
    "autograd": 2,
    "creation": 2,
    "random": 2,
    "symbolic": 2,
    "tensor": 2,
    "tensor_filling": 2,
    "tensor_interop": 2,
    "tensor_operators": 2,
    "tensor_repr": 0,
    "distributions": 3,
    "graph": 3,
    "in_place_functions": 2,
    "limits": 2,
    "linalg": 2,
    "nn": 3,
    "optim": 3,
    "utils": 3,
    "quantization": 4,
    "onnx": 5,
    "serialize": 5,
    "testing": 5,
    "__init__": 6,
    "__main__": 6,
    "cli": 6,
    "config": 6,
    "demo": 6,
}
# Parts that may import less than their floor allows: the parts they may import.
NARROW = {
    "program": {part for part, floor in FLOORS.items() if floor == 0} | {"program"},
    "nn": {part for part, floor in FLOORS.items() if floor < 3} | {"nn"},
    "optim": {part for part, floor in FLOORS.items() if floor < 3} | {"optim"},
    "graph": {part for part, floor in FLOORS.items() if floor < 3} | {"graph", "nn"},
}
OPTIONAL = {
    "hypothesis",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "safetensors",
    "scipy",
    "sklearn",
    "sympy",
    "torch",
    "tqdm",
}


def part_of(source: Path) -> str:
    """The first name below qgrad: "nn" for qgrad/nn/linear.py."""
    return source.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(source: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted module) of every import anywhere in the file, functions included."""
    package = ["qgrad", *source.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"


def test_every_part_has_a_floor() -> None:
    """A new module or package at the top is put on a floor before anything else."""
    assert {part_of(source) for source in SOURCES} - FLOORS.keys() == set()


def test_imports_go_downward() -> None:
    """No file imports from a higher floor, sideways where it need not, or the face of the house."""
    wrong = []
    for source in SOURCES:
        part = part_of(source)
        allowed = NARROW.get(part, {p for p, floor in FLOORS.items() if floor <= FLOORS[part]})
        for line, module in imports_of(source):
            if module.split(".")[0] == "qgrad":
                target = [*module.split("."), "__init__"][1]
                target = target if target in FLOORS else "__init__"
                if target not in allowed:
                    wrong.append(f"{source.relative_to(ROOT)}:{line} imports {module}")
    assert wrong == []


def test_only_kernels_import_the_extension() -> None:
    """The compiled module has one door, qgrad/kernels and the program beside it."""
    users = {
        part_of(source)
        for source in SOURCES
        for _, module in imports_of(source)
        if module.startswith("qgrad._core")
    }
    assert users <= {"kernels", "program"}


IMPORT_PROBE = """
import json, os, sys, threading, time
import numpy
before = set(sys.modules)
threads = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0
numpy_seconds = time.thread_time()
start = time.thread_time()
import qgrad
seconds = time.thread_time() - start
tasks = len(os.listdir("/proc/self/task")) if threads else 0
print(json.dumps({
    "seconds": seconds,
    "numpy_seconds": numpy_seconds,
    "new": sorted(set(sys.modules) - before),
    "threads": [tasks - threads, threading.active_count() - 1],
}))
"""


def probe_import(cache: Path) -> dict[str, Any]:
    """What `import qgrad` costs and loads beyond NumPy, in a fresh interpreter.

    Compiled bytecode is kept in `cache`, so that the second probe sees what a user sees.
    """
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(cache)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_PROBE],
        cwd=cache,  # not the source tree: the installed package is meant
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_import_loads_only_qgrad_and_numpy(tmp_path: Path) -> None:
    """No optional library and no new thread."""
    probe = probe_import(tmp_path)
    loaded = {name.split(".")[0] for name in probe["new"]}
    assert loaded & OPTIONAL == set()
    assert probe["threads"] == [0, 0]
    assert "qgrad" in loaded
    waiting = ("nn", "ops.conv", "optim", "qparams", "qtensor", "quantization", "storage")
    assert {f"qgrad.{part}" for part in waiting} & set(probe["new"]) == set()


def test_import_is_quick(tmp_path: Path) -> None:
    """At most 50 ms of CPU time beyond NumPy, or half of NumPy's where that is slow too."""
    probes = [probe_import(tmp_path) for _ in range(6)]
    best = min(probes, key=lambda probe: probe["seconds"])
    assert best["seconds"] <= max(0.050, best["numpy_seconds"] / 2)


NAMES_PROBE = """
import importlib, pkgutil, types
import qgrad
for found in pkgutil.walk_packages(qgrad.__path__, "qgrad."):
    if not found.name.endswith(("__main__", "hypothesis_plugin")):
        try:
            importlib.import_module(found.name)
        except ImportError:
            pass  # an extra is missing
for package in (qgrad, qgrad.autograd, qgrad.kernels, qgrad.ops):
    for name in package.__all__:
        if isinstance(getattr(package, name), types.ModuleType):
            print(f"{package.__name__}.{name}")
"""


def test_no_module_hides_a_name_that_loads_late() -> None:
    """Importing a module binds it in its package: it must not be called as what waits in it."""
    done = subprocess.run(
        [sys.executable, "-c", NAMES_PROBE], capture_output=True, text=True, check=True
    )
    modules = set(done.stdout.split())
    names = ("autograd", "graph", "linalg", "nn", "ops", "optim", "quantization", "testing")
    assert modules == {*(f"qgrad.{name}" for name in names), "qgrad.autograd.functional"}


UNSAFE_CALLS = {"eval", "exec", "compile", "__import__"}
UNSAFE_MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}


def test_no_code_from_data() -> None:
    """Nothing in qgrad evaluates text or unpickles; pickling is offered by __reduce__ only."""
    wrong = []
    for source in SOURCES:
        where = source.relative_to(ROOT)
        for line, module in imports_of(source):
            if module.split(".")[0] in UNSAFE_MODULES:
                wrong.append(f"{where}:{line} imports {module}")
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call):
                if isinstance(node.func, ast.Name) and node.func.id in UNSAFE_CALLS:
                    wrong.append(f"{where}:{node.lineno} calls {node.func.id}")
                if any(keyword.arg == "allow_pickle" for keyword in node.keywords):
                    wrong.append(f"{where}:{node.lineno} passes allow_pickle")
    assert wrong == []


def test_versions_agree() -> None:
    """pyproject.toml and the package name one version, and the changelog knows it."""
    project = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.M)
    assert project is not None
    assert qgrad.__version__ == project[1]
    assert project[1] in (ROOT / "CHANGELOG.md").read_text()


def text_files() -> Iterator[Path]:
    """The files of the repository that people read and write."""
    folders = ("qgrad", "csrc", "tests", "examples", "benchmarks", ".ci")
    suffixes = {".py", ".pyi", ".cpp", ".h", ".inc", ".def", ".md", ".toml", ".in", ".sh", ""}
    candidates = list(ROOT.glob("*"))
    for folder in folders:
        candidates += (ROOT / folder).rglob("*")
    for path in candidates:
        if path.is_file() and path.suffix in suffixes and "__pycache__" not in path.parts:
            yield path


def test_no_machine_paths() -> None:
    """No file mentions a place that only exists on someone's machine."""
    machine = re.compile(r"(?<![\w.])/(home|work|opt|root|Users)/\w")
    wrong = []
    for path in text_files():
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if machine.search(line):
                wrong.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert wrong == []


@pytest.mark.parametrize("name", sorted(qgrad.__all__))
def test_public_names_are_documented(name: str) -> None:
    """Every name in qgrad.__all__ exists and says what it is."""
    value = getattr(qgrad, name)
    documented = isinstance(value, (type, types.ModuleType)) or callable(value)
    text = value.__doc__ if documented else inspect.getdoc(value)
    assert text
    assert len(text.split()) >= 2


def modules() -> list[str]:
    """The modules of qgrad that can be imported with nothing but the test requirements."""
    names = [".".join(source.relative_to(ROOT).with_suffix("").parts) for source in SOURCES]
    return [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]


@pytest.mark.parametrize("name", modules())
def test_docstring_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a docstring shows is what comes out; `qgrad` is imported, all else is in the example."""
    monkeypatch.chdir(tmp_path)
    report = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for example in doctest.DocTestFinder(exclude_empty=True).find(
        importlib.import_module(name), extraglobs={"qgrad": qgrad}
    ):
        runner.run(example, out=report.write)
    assert runner.failures == 0, report.getvalue()[-3000:]


def readme_blocks() -> list[str]:
    """The python code blocks of the README."""
    return re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)


def test_readme_code_runs(tmp_path: Path) -> None:
    """The README's python blocks run as they stand, one after the other, in an empty folder."""
    blocks = readme_blocks()
    assert blocks, "README.md has no python block"
    script = tmp_path / "readme.py"
    script.write_text("\n".join(blocks))
    done = subprocess.run(
        [sys.executable, script.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
