"""Sizes of convolutions and pools, shared by the integer and the float kinds."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..kernels.windows import adaptive_windows, pool_windows
from .fields import Fault, boolean, integer, integers, optional, shown
from .kind import Attrs, Defaults, Step
from .records import Shape

__all__ = [
    "AVG_POOL",
    "AVG_POOL_DEFAULTS",
    "CONV",
    "MAX_POOL",
    "Convolution",
    "Windows",
    "avg_windows",
    "check_avg_pool",
    "check_conv",
    "check_pool",
    "conv_shape",
    "four_axes",
    "max_windows",
    "pool_shape",
]

_SIZE = optional(integer(1, 2**20))


def _output_size(value: Any) -> tuple[int | None, ...]:
    """One or two sizes, or None where the input's size stays."""
    if not isinstance(value, (list, tuple)) or len(value) not in (1, 2):
        raise Fault(f"must have 1 or 2 entries, got {shown(value)}")
    return tuple(_SIZE(v) for v in value)


_MAX_WINDOWS = 2**24
_SPATIAL = (1, 2)  # one or two spatial axes: inputs of rank 3 or 4

CONV: Attrs = {
    "stride": integers(_SPATIAL, 1),
    "padding": integers((2, 4), 0),
    "dilation": integers(_SPATIAL, 1),
    "groups": integer(1),
}
MAX_POOL: Attrs = {
    "kernel": integers(_SPATIAL, 1),
    "stride": integers(_SPATIAL, 1),
    "padding": integers(_SPATIAL, 0),
    "dilation": integers(_SPATIAL, 1),
    "ceil_mode": boolean,
}
AVG_POOL: Attrs = {
    "kernel": optional(integers(_SPATIAL, 1)),
    "stride": optional(integers(_SPATIAL, 1)),
    "padding": optional(integers(_SPATIAL, 0)),
    "ceil_mode": boolean,
    "count_include_pad": boolean,
    "divisor_override": optional(integer(1)),
    "output_size": optional(_output_size),
}
AVG_POOL_DEFAULTS: Defaults = {
    "kernel": None,
    "stride": None,
    "padding": None,
    "ceil_mode": False,
    "count_include_pad": True,
    "divisor_override": None,
    "output_size": None,
}


class Convolution(NamedTuple):
    """A convolution's settings as the two-dimensional kernels take them."""

    stride: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilation: tuple[int, int]
    groups: int


def check_conv(step: Step, spatial: int) -> None:
    """The attributes' lengths agree with the weight's rank, and the groups with its outputs."""
    weight, attrs = step.constants["weight"], step.attrs
    for name, want in (("stride", spatial), ("padding", 2 * spatial), ("dilation", spatial)):
        if len(attrs[name]) != want:
            step.malformed(
                f"{name} {attrs[name]} must have {want} entries for a weight of shape "
                f"{weight.shape}"
            )
    if min(weight.shape) < 1 or weight.shape[0] % attrs["groups"]:
        step.malformed(
            f"a weight of shape {weight.shape} does not divide into {attrs['groups']} groups"
        )


def convolution(step: Step) -> Convolution:
    """The settings, those of one dimension lifted to two (height 1)."""
    a = step.attrs
    if len(a["stride"]) == 2:
        return Convolution(a["stride"], a["padding"], a["dilation"], a["groups"])
    return Convolution(
        (1, a["stride"][0]), (0, 0, *a["padding"]), (1, a["dilation"][0]), a["groups"]
    )


def conv_shape(step: Step, x: Shape) -> Shape:
    """Logical output shape of a convolution."""
    weight, a = step.constants["weight"], step.attrs
    if len(x) != weight.ndim or x[1] != weight.shape[1] * a["groups"]:
        step.misfit(
            f"x has shape {x}, but the weight wants rank {weight.ndim} and "
            f"{weight.shape[1] * a['groups']} channels on axis 1"
        )
    out = []
    for i, size in enumerate(x[2:]):
        room = size + a["padding"][2 * i] + a["padding"][2 * i + 1]
        reach = a["dilation"][i] * (weight.shape[2 + i] - 1) + 1
        if size < 1 or reach > room:
            step.misfit(f"the kernel spans {reach} of {room} padded pixels (x has shape {x})")
        out.append((room - reach) // a["stride"][i] + 1)
    return (x[0], weight.shape[0], *out)


class Windows(NamedTuple):
    """The windows of a pool over two axes: (start, stop, step) and divisor of each."""

    rows: NDArray[np.int32]
    cols: NDArray[np.int32]
    row_div: NDArray[np.int32]
    col_div: NDArray[np.int32]


_ONE = (np.array([[0, 1, 1]], np.int32), np.array([1], np.int32))


def check_pool(step: Step) -> None:
    """The attributes' lengths agree, padding is at most half the kernel."""
    a = step.attrs
    kernel, padding = a["kernel"], a["padding"]
    lengths = {len(a[name]) for name in ("kernel", "stride", "padding", "dilation") if name in a}
    if len(lengths) != 1:
        step.malformed("kernel, stride, padding and dilation must have one length")
    for k, p in zip(kernel, padding, strict=True):
        if 2 * p > k:
            step.malformed(f"padding {padding} must be at most half of kernel {kernel}")


def _spatial(step: Step, x: Shape, count: int) -> Shape:
    if len(x) != count + 2 or min(x[1:]) < 1:
        step.misfit(f"needs x of rank {count + 2}, not empty beyond the batch, got shape {x}")
    return x[2:]


def max_windows(step: Step, x: Shape) -> Windows:
    """The windows of a max pool on x."""
    a = step.attrs
    axes = []
    for i, size in enumerate(_spatial(step, x, len(a["kernel"]))):
        axes.append(
            _windows(step, x, size, a["kernel"][i], a["stride"][i], a["padding"][i],
                     a["dilation"][i], a["ceil_mode"], False)
        )  # fmt: skip
    return _two_axes(axes)


def avg_windows(step: Step, x: Shape) -> Windows:
    """The windows of an average pool on x, adaptive when `output_size` is set."""
    a = step.attrs
    axes = []
    if a["output_size"] is not None:
        sizes = _spatial(step, x, len(a["output_size"]))
        for size, out in zip(sizes, a["output_size"], strict=True):
            _check_count(step, size if out is None else out)
            axes.append(adaptive_windows(size, size if out is None else out))
        return _two_axes(axes)
    for i, size in enumerate(_spatial(step, x, len(a["kernel"]))):
        axes.append(
            _windows(step, x, size, a["kernel"][i], a["stride"][i], a["padding"][i], 1,
                     a["ceil_mode"], a["count_include_pad"])
        )  # fmt: skip
    override = a["divisor_override"]
    if override is not None:
        triples, divisors = axes[-1]
        axes = [(t, np.ones_like(d)) for t, d in axes[:-1]]
        axes.append((triples, np.full_like(divisors, override)))
    return _two_axes(axes)


def _windows(
    step: Step, x: Shape, size: int, kernel: int, stride: int, pad: int, dilation: int,
    ceil_mode: bool, count_include_pad: bool,
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:  # fmt: skip
    reach = dilation * (kernel - 1) + 1
    if reach > size + 2 * pad:
        step.misfit(f"the window spans {reach} of {size + 2 * pad} padded pixels (x has shape {x})")
    _check_count(step, (size + 2 * pad - reach) // stride + 2)
    # The dilation of a single row has no effect, and may be too large for a step.
    step_of_rows = dilation if kernel > 1 else 1
    return pool_windows(size, kernel, stride, pad, step_of_rows, ceil_mode, count_include_pad)


def _check_count(step: Step, windows: int) -> None:
    if windows > _MAX_WINDOWS:
        step.misfit(f"{windows} windows along one axis, at most {_MAX_WINDOWS} are allowed")


def _two_axes(axes: list[tuple[NDArray[np.int32], NDArray[np.int32]]]) -> Windows:
    (rows, row_div), (cols, col_div) = axes if len(axes) == 2 else (_ONE, axes[0])
    return Windows(rows, cols, row_div, col_div)


def pool_shape(windows: Windows, x: Shape) -> Shape:
    """Logical output shape of a pool."""
    out = (len(windows.rows), len(windows.cols))
    return (*x[:2], *out[len(out) - (len(x) - 2) :])


def four_axes(x: NDArray[Any]) -> NDArray[Any]:
    """Rows of rank 3 or 4 with a height, 1 if there was none."""
    return x if x.ndim == 4 else x[:, :, None]


def check_avg_pool(step: Step) -> None:
    """Either the window's settings or `output_size` are given."""
    adaptive = step.attrs["output_size"] is not None
    for name in ("kernel", "stride", "padding"):
        if (step.attrs[name] is None) != adaptive:
            step.malformed("needs either kernel, stride and padding, or output_size")
    if not adaptive:
        check_pool(step)
