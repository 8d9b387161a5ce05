"""Builds the C++ extension `qgrad._core`; pyproject.toml says everything else."""

from __future__ import annotations

import sys
from glob import glob
from os.path import exists, getmtime
from re import MULTILINE, findall

from pybind11.setup_helpers import ParallelCompile, Pybind11Extension, build_ext
from setuptools import setup

SOURCES = sorted(glob("csrc/**/*.cpp", recursive=True))
HEADERS = sorted(glob("csrc/**/*.h", recursive=True) + glob("csrc/**/*.def", recursive=True))

# Portable baseline for every file: target regions in csrc/simd/ enable instruction sets, no flags,
# so that no inline function of a faster build can leak into code that runs everywhere.
# -ffp-contract=off: an automatic fused multiply-add would change the codes.
FLAGS = [
    "-O3",
    "-g0",
    "-fno-plt",
    "-fvisibility=hidden",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-Wall",
    "-Wextra",
    "-Wno-uninitialized",  # g++ 12 reports both inside its own intrinsics
    "-Wno-maybe-uninitialized",
    "-Wno-unknown-warning-option",  # clang has never heard of the last one
]


# Symbols that nothing needs at run time are a fifth of the file.
LINK_FLAGS = ["-Wl,-s"] if sys.platform.startswith("linux") else []


def included(path: str, found: set[str]) -> set[str]:
    """`path` and the project's own headers that it includes, and what they include."""
    if path not in found and exists(path):
        found.add(path)
        with open(path, encoding="utf-8") as file:
            for name in findall(r'^#include "(.+)"', file.read(), MULTILINE):
                included(f"csrc/{name}", found)
    return found


def needs_recompile(object_file: str, source: str) -> bool:
    """Whether the object is older than its source or than a header that goes into it."""
    if not exists(object_file):
        return True
    built = getmtime(object_file)
    return any(getmtime(path) > built for path in included(source, set()))


ParallelCompile("QGRAD_BUILD_JOBS", needs_recompile=needs_recompile).install()

extension = Pybind11Extension(
    "qgrad._core",
    SOURCES,
    include_dirs=["csrc"],
    depends=HEADERS,
    cxx_std=17,
    extra_compile_args=FLAGS,
    extra_link_args=LINK_FLAGS,
)

setup(ext_modules=[extension], cmdclass={"build_ext": build_ext})
