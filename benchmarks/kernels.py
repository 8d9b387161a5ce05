"""How much of this CPU's peak the integer kernels reach, one thread.

    python benchmarks/kernels.py [--isa avx512vnni] [--repeats 20] [--onnxruntime]

The peak is a loop of dot products on registers, timed right beside each kernel, because clocks
drift and other programs share the machine. GOPS counts a multiplication and an addition as two. The
times are those of packed weights, as a program uses them; `pack` is what packing costs once.
`--onnxruntime` adds the same operator there (needs the `bench` extra).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from qgrad import _core, kernels

GEMM_SHAPES = [  # M, K, N
    (1, 768, 768), (1, 4096, 4096), (4, 768, 768), (16, 768, 768), (128, 64, 64),
    (128, 384, 384), (128, 768, 3072), (512, 512, 512), (2048, 1024, 256),
]  # fmt: skip
CONV_SHAPES = [  # batch, size, in, out, kernel, stride, groups
    (1, 224, 3, 32, 3, 2, 1), (1, 112, 16, 32, 3, 1, 1), (1, 56, 64, 64, 3, 1, 1),
    (1, 28, 128, 128, 3, 1, 1), (1, 14, 256, 256, 3, 1, 1), (1, 7, 512, 512, 3, 1, 1),
    (1, 56, 64, 256, 1, 1, 1), (1, 56, 128, 128, 3, 1, 128), (1, 56, 128, 128, 3, 1, 4),
]  # fmt: skip
ELEMENTS = 1 << 20
OUT = (100, 0, 255)  # zy, qmin, qmax


class Case(NamedTuple):
    name: str
    operations: float
    pack: Callable[[], Any]
    run: Callable[[Any], Any]
    peer: Callable[[], Callable[[], Any]]


def best_time(call: Callable[[], Any], repeats: int) -> float:
    """Seconds of the fastest of `repeats` rounds, each of at least a millisecond."""
    start = time.perf_counter()
    call()
    rounds = max(1, int(1e-3 / max(time.perf_counter() - start, 1e-7)))
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(rounds):
            call()
        best = min(best, (time.perf_counter() - start) / rounds)
    return best


def peak_gops(repeats: int = 5) -> float:
    """Operations a second of a loop that does nothing but dot products."""
    best = 0.0
    for _ in range(repeats):
        start = time.perf_counter()
        operations, _ = _core.dot_peak(20_000)
        best = max(best, operations / (time.perf_counter() - start) / 1e9)
    return best


def codes(rng: np.random.Generator, *shape: int) -> np.ndarray[Any, Any]:
    return rng.integers(0, 256, shape, np.uint8)


def weights(rng: np.random.Generator, *shape: int) -> tuple[np.ndarray[Any, Any], ...]:
    """w, bias and mult that spread the outputs over their codes."""
    w = rng.integers(-127, 128, shape, np.int8)
    bias = rng.integers(-999, 999, shape[0], np.int32)
    return w, bias, np.full(shape[0], 1e-2 / w[0].size ** 0.5, np.float32)


def gemm_case(m: int, k: int, n: int) -> Case:
    rng = np.random.default_rng(0)
    x, parameters = codes(rng, m, k), weights(rng, n, k)
    return Case(
        f"gemm {m}x{k}x{n}",
        2.0 * m * k * n,
        lambda: _core.PackedGemm(*parameters, 128, *OUT),
        lambda gemm: gemm.run(x),
        lambda: onnx_session("QLinearMatMul", x, parameters[0].T.copy(), None),
    )


def conv_case(
    batch: int, size: int, channels: int, outputs: int, kernel: int, stride: int, groups: int
) -> Case:
    rng = np.random.default_rng(0)
    x = codes(rng, batch, size, size, channels)
    parameters = weights(rng, outputs, kernel, kernel, channels // groups)
    pad = kernel // 2
    geometry = ((stride, stride), (pad,) * 4, (1, 1), groups)
    y_pixels = batch * (((size + 2 * pad - kernel) // stride + 1) ** 2)
    attributes = {"strides": [stride] * 2, "pads": [pad] * 4, "group": groups}
    return Case(
        f"conv {size}x{size}x{channels}->{outputs} k{kernel} s{stride} g{groups}",
        2.0 * y_pixels * parameters[0].size,
        lambda: _core.PackedConv(*parameters, 128, *OUT, *geometry),
        lambda conv: conv.run(x),
        lambda: onnx_session(
            "QLinearConv",
            x.transpose(0, 3, 1, 2).copy(),
            parameters[0].transpose(0, 3, 1, 2).copy(),
            attributes,
        ),
    )


def onnx_session(
    op: str, x: np.ndarray[Any, Any], w: np.ndarray[Any, Any], attributes: dict[str, Any] | None
) -> Callable[[], Any]:
    """One QLinear operator in ONNX Runtime, one thread, weights constant."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    names = ["xs", "xz", "w", "ws", "wz", "ys", "yz"]
    values = [np.float32(0.1), np.uint8(128), w, np.float32(0.1), np.int8(0), np.float32(9)]
    values.append(np.uint8(100))
    constants = [
        numpy_helper.from_array(np.asarray(v), n) for n, v in zip(names, values, strict=True)
    ]
    node = helper.make_node(op, ["x", *names], ["y"], **(attributes or {}))
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, None)],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(None, {"x": x})


def elementwise(repeats: int) -> list[tuple[str, float]]:
    """Seconds for `ELEMENTS` elements, through the checked door."""
    rng = np.random.default_rng(0)
    a, b, table = codes(rng, ELEMENTS), codes(rng, ELEMENTS), codes(rng, 256)
    x = rng.normal(size=ELEMENTS).astype(np.float32)
    image = codes(rng, 1, 64, 64, 256)
    windows, divisors = kernels.pool_windows(64, 2, 2, 0)
    add = {"sa": 0.1, "za": 3, "sb": 0.2, "zb": 7, "sy": 0.3, "zy": 5, "qmin": 0, "qmax": 255}
    pool = {"sx": 0.1, "zx": 3, "sy": 0.1, "zy": 3, "qmin": 0, "qmax": 255}
    calls: dict[str, Callable[[], Any]] = {
        "quantize": lambda: kernels.quantize(x, 0.02, 128, 0, 255),
        "dequantize": lambda: kernels.dequantize(a, 0.02, 128),
        "add_s8": lambda: kernels.add_s8(a, b, **add),
        "lut_u8": lambda: kernels.lut_u8(a, table),
        "max_pool_s8 2x2": lambda: kernels.max_pool_s8(image, windows, windows),
        "avg_pool_s8 2x2": lambda: kernels.avg_pool_s8(
            image, windows, windows, divisors, divisors, **pool
        ),
    }
    return [(name, best_time(call, repeats)) for name, call in calls.items()]


def measured(case: Case, repeats: int, with_peer: bool) -> str:
    """One line of the table."""
    packed = case.pack()
    speed = case.operations / 1e9 / best_time(lambda: case.run(packed), repeats)
    peak = peak_gops()
    line = f"{case.name:38}{speed:7.0f}{peak:7.0f}{speed / peak:9.2f}"
    line += f"{1e6 * best_time(case.pack, 3):9.1f}"
    if with_peer:
        peer = case.operations / 1e9 / best_time(case.peer(), repeats)
        line += f"{peer:10.0f}{speed / peer:7.2f}"
    return line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--isa", choices=kernels.available_isas(), default=kernels.isa())
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--onnxruntime", action="store_true")
    options = parser.parse_args()
    kernels.set_isa(options.isa)
    print(f"instruction set {options.isa}, best of {options.repeats}\n")
    header = f"{'':38}{'GOPS':>7}{'peak':>7}{'of peak':>9}{'pack us':>9}"
    print(header + (f"{'ORT GOPS':>10}{'ratio':>7}" if options.onnxruntime else ""))
    cases = [gemm_case(*s) for s in GEMM_SHAPES] + [conv_case(*s) for s in CONV_SHAPES]
    for case in cases:
        print(measured(case, options.repeats, options.onnxruntime), flush=True)
    print(f"\n{'':38}{'Gelem/s':>8}")
    for name, seconds in elementwise(options.repeats):
        print(f"{name:38}{ELEMENTS / seconds / 1e9:8.2f}", flush=True)


if __name__ == "__main__":
    main()
