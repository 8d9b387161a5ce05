"""The C++ extension. Its callers check their arguments first; wrong ones raise ValueError here."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
S8 = NDArray[np.int8]
U8 = NDArray[np.uint8]
Pair = tuple[int, int]

def isa() -> str: ...
def set_isa(name: str) -> None: ...
def known_isas() -> list[str]: ...
def usable_isas() -> list[str]: ...
def thread_count() -> int: ...
def set_thread_count(count: int) -> None: ...
def cpu_features() -> list[str]: ...
def door_install(type: type, call: Any) -> None: ...
def door_connect(given: dict[str, Any]) -> None: ...
def door_caller(op: Any) -> Any: ...
def door_noting(noting: bool) -> None: ...
def door_enabled(enabled: bool) -> bool: ...
def unused_bytes() -> int: ...
def drop_unused_blocks() -> None: ...
def flow(state: Any, retain_graph: bool) -> bool: ...
def dot_peak(iterations: int) -> tuple[int, int]: ...
def quantize(
    x: F32,
    scale: F32,
    zero_point: I32,
    qmin: int,
    qmax: int,
    axis: int,
    dtype: np.dtype[Any],
) -> NDArray[Any] | None: ...
def dequantize(codes: NDArray[Any], scale: F32, zero_point: I32, axis: int) -> F32: ...
def gemm_s8(x: U8, w: S8, bias: I32, mult: F32, zx: int, zy: int, qmin: int, qmax: int) -> U8: ...

class PackedGemm:
    def __init__(
        self, w: S8, bias: I32, mult: F32, zx: int, zy: int, qmin: int, qmax: int
    ) -> None: ...
    def run(self, x: U8) -> U8: ...

class PackedConv:
    def __init__(
        self,
        w: S8,
        bias: I32,
        mult: F32,
        zx: int,
        zy: int,
        qmin: int,
        qmax: int,
        stride: Pair,
        pads: tuple[int, int, int, int],
        dilation: Pair,
        groups: int,
    ) -> None: ...
    def run(self, x: U8) -> U8: ...

def conv2d_s8(
    x: U8,
    w: S8,
    bias: I32,
    mult: F32,
    zx: int,
    zy: int,
    qmin: int,
    qmax: int,
    stride: Pair,
    pads: tuple[int, int, int, int],
    dilation: Pair,
    groups: int,
) -> U8: ...
def add_s8(
    a: U8,
    b: U8,
    sa: float,
    za: int,
    sb: float,
    zb: int,
    sy: float,
    zy: int,
    qmin: int,
    qmax: int,
) -> U8: ...
def max_pool_s8(x: U8, rows: I32, cols: I32) -> U8: ...
def avg_pool_s8(
    x: U8,
    rows: I32,
    cols: I32,
    row_div: I32,
    col_div: I32,
    sx: float,
    zx: int,
    sy: float,
    zy: int,
    qmin: int,
    qmax: int,
) -> U8: ...
def lut_u8(x: U8, table: U8) -> U8: ...
