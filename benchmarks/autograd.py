"""Training speed and memory against PyTorch (eager and compiled) and JAX, whichever is installed.

    python benchmarks/autograd.py [--threads 1 2] [--repeats N] [--compile]

Every framework runs the same steps in one process, interleaved, best of many; what is printed is
the time and its ratio to PyTorch eager. The qgrad and PyTorch cases are the same source file. The
first losses must agree, about log(classes) for all. Peak memory is measured in a process of its own
for each framework: what a case adds to its imports.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).parent
FRAMEWORKS = ("qgrad", "torch", "torch.compile", "jax")
MEMORY_CASES = ("MLP", "CNN", "transformer")

# Seconds before a turn: idle threads of the one before spin for some milliseconds, on our CPUs.
PAUSE = 0.02


def installed(framework: str) -> bool:
    return importlib.util.find_spec(framework.split(".")[0]) is not None


def cpu_name() -> str:
    """As Linux calls the CPU; elsewhere as Python does."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def print_setting(frameworks: list[str], repeats: int) -> None:
    """What ran where: versions, the CPU, and qgrad's instruction set."""
    import qgrad
    from qgrad import kernels

    packages = [name for name in frameworks if name not in ("qgrad", "torch.compile")]
    versions = [f"{name} {version(name)}" for name in ("numpy", *packages)]
    print(", ".join([f"qgrad {qgrad.__version__}", *versions]))
    print(f"{cpu_name()}, instruction set of qgrad {kernels.isa()}, best of {repeats}")


def cases(framework: str) -> dict[str, Callable[[], Callable[[], Any]]]:
    sys.path.insert(0, str(HERE))
    if framework == "qgrad":
        from training import qgrad_cases

        return qgrad_cases.CASES
    if framework == "jax":
        from training import jax_cases

        return jax_cases.CASES
    return torch_cases(framework == "torch.compile")


def torch_cases(compiled: bool) -> dict[str, Callable[[], Callable[[], Any]]]:
    """The source of the qgrad cases, with PyTorch in qgrad's place."""
    import torch

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    source = (HERE / "training" / "qgrad_cases.py").read_text()
    source = source.replace("from qgrad import", "from torch import").replace("qgrad", "torch")
    if compiled:
        source = source.replace(
            "    optimizer =", "    model = torch.compile(model)\n    optimizer ="
        )
        source = source.replace('    "expression": expression,\n', "")
    # A module like any other: torch.compile imports it again for the globals of Block.forward.
    module = ModuleType("torch_compile_cases" if compiled else "torch_cases")
    sys.modules[module.__name__] = module
    exec(compile(source, module.__name__, "exec"), module.__dict__)
    found: dict[str, Callable[[], Callable[[], Any]]] = module.CASES
    return found


def time_all(frameworks: list[str], repeats: int) -> dict[str, dict[str, float]]:
    """Best seconds of a step, by case and framework; frameworks take turns."""
    made = {name: cases(name) for name in frameworks}
    best: dict[str, dict[str, float]] = {}
    for case in made["qgrad"]:
        steps = {name: made[name][case]() for name in frameworks if case in made[name]}
        check_first_losses(case, {name: step() for name, step in steps.items()})
        for step in steps.values():
            step()
            step()
        number = {}
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            number[name] = max(1, int(0.02 / max(time.perf_counter() - start, 1e-6)))
        best[case] = dict.fromkeys(steps, float("inf"))
        for _ in range(repeats):
            for name, step in steps.items():
                time.sleep(PAUSE)
                start = time.perf_counter()
                for _ in range(number[name]):
                    step()
                took = (time.perf_counter() - start) / number[name]
                best[case][name] = min(best[case][name], took)
    return best


def check_first_losses(case: str, losses: dict[str, Any]) -> None:
    """Cases that do the same start with nearly the same loss, whatever was drawn."""
    found = {name: float(loss) for name, loss in losses.items() if loss is not None}
    if found and max(found.values()) - min(found.values()) > 0.3:
        raise ValueError(f"{case}: first losses {found} differ; the cases are not the same")


def peak_memory(framework: str, case: str) -> float:
    """MiB that ten steps of a case add to the peak of the process."""
    import resource

    make = cases(framework)[case]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step = make()
    for _ in range(10):
        step()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def child(arguments: list[str], threads: int) -> Any:
    env = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "QGRAD_NUM_THREADS": str(threads),
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=" + ("true" if threads > 1 else "false"),
    }
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def print_times(threads: int, best: dict[str, dict[str, float]], frameworks: list[str]) -> None:
    print(f"\n{threads} thread{'s' * (threads > 1)}: ms a step (ratio to PyTorch eager)")
    print("".join([f"{'':14}", *(f"{name:>22}" for name in frameworks)]))
    for case, times in best.items():
        line = f"{case:14}"
        for name in frameworks:
            if name not in times:
                line += f"{'-':>22}"
                continue
            ratio = f" ({times[name] / times['torch']:.2f})" if "torch" in times else ""
            line += f"{times[name] * 1e3:.4g}{ratio}".rjust(22)
        print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--compile", action="store_true", help="also torch.compile (slow to start)")
    parser.add_argument("--time", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--memory", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.time:
        print(json.dumps(time_all(options.time, options.repeats)))
        return
    if options.memory:
        print(json.dumps(peak_memory(*options.memory)))
        return
    frameworks = [
        name
        for name in FRAMEWORKS
        if installed(name) and (name != "torch.compile" or options.compile)
    ]
    print_setting(frameworks, options.repeats)
    for threads in options.threads:
        arguments = ["--time", *frameworks, "--repeats", str(options.repeats)]
        print_times(threads, child(arguments, threads), frameworks)
    eager = [name for name in frameworks if name in ("qgrad", "torch")]
    print("\npeak memory that ten steps add, MiB (one thread)")
    for case in MEMORY_CASES:
        used = {name: child(["--memory", name, case], 1) for name in eager}
        shown = "  ".join(f"{name} {mib:.0f}" for name, mib in used.items())
        ratio = f"  ratio {used['qgrad'] / used['torch']:.2f}" if "torch" in used else ""
        print(f"{case:14}{shown}{ratio}")


if __name__ == "__main__":
    main()
