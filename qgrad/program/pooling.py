"""The kinds of instruction that pool windows: of codes, channels last, and of float32 rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from .. import kernels, qparams
from ..kernels import reference
from .integer import CLAMP, check_clamp, output_codes, qparams_of
from .kind import Array, Attrs, Defaults, Kind, Step, physical
from .records import Env, Shape
from .windows import (
    AVG_POOL,
    AVG_POOL_DEFAULTS,
    MAX_POOL,
    avg_windows,
    check_avg_pool,
    check_pool,
    four_axes,
    max_windows,
    pool_shape,
)

if TYPE_CHECKING:
    from .lowering import Lowering

_MAX_WINDOW = 8_000_000  # codes; beyond, their sum could leave int32


class MaxPoolQ(Kind):
    """Largest code of each window; rank 3 or 4, channels last."""

    name = "max_pool_q"
    inputs = ("uint8",)
    attrs: ClassVar[Attrs] = MAX_POOL
    layouts = "cl"
    keeps_qparams = True

    def check(self, step: Step) -> None:
        """Attributes agree."""
        check_pool(step)

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """By PyTorch's rules."""
        return pool_shape(max_windows(step, shapes[0]), shapes[0])

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """`reference.max_pool_s8`."""
        x = arrays[0] if arrays[0].ndim == 4 else arrays[0][:, None]
        windows = max_windows(step, env[step.inputs[0].name])
        y = reference.max_pool_s8(x, windows.rows, windows.cols)
        return y.reshape(physical(env[step.output.name], "cl"))

    def lower(self, step: Step, to: Lowering) -> None:
        """All windows."""
        x = step.inputs[0]
        windows = max_windows(step, to.shape(x))
        places = to.place(x), to.place(step.output)
        to.executor.max_pool_q(*places, to.images(x), windows.rows, windows.cols)


class AvgPoolQ(Kind):
    """Mean of each window, requantized; adaptive when `output_size` is set (None keeps a size)."""

    name = "avg_pool_q"
    inputs = ("uint8",)
    output = "uint8"
    attrs: ClassVar[Attrs] = {**AVG_POOL, **CLAMP}
    defaults: ClassVar[Defaults] = AVG_POOL_DEFAULTS
    layouts = "cl"

    def check(self, step: Step) -> None:
        """Attributes agree, the scales' ratio is finite."""
        check_clamp(step)
        check_avg_pool(step)
        qparams.multiplier(qparams_of(step, 0).scale, np.float32(1), qparams_of(step).scale)

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """By PyTorch's rules; the sum of a window must fit int32."""
        windows = avg_windows(step, shapes[0])
        area = [int((w[:, 1] - w[:, 0]).max(initial=0)) for w in (windows.rows, windows.cols)]
        if area[0] * area[1] > _MAX_WINDOW:
            step.misfit(f"a window of {area[0]} x {area[1]} codes can sum to more than int32 holds")
        return pool_shape(windows, shapes[0])

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """`reference.avg_pool_s8`."""
        x = arrays[0] if arrays[0].ndim == 4 else arrays[0][:, None]
        qx, qy = qparams_of(step, 0), qparams_of(step)
        y = reference.avg_pool_s8(
            x,
            *avg_windows(step, env[step.inputs[0].name]),
            sx=float(qx.scale),
            zx=int(qx.zero_point),
            sy=float(qy.scale),
            zy=int(qy.zero_point),
            qmin=step.attrs["qmin"],
            qmax=step.attrs["qmax"],
        )
        return y.reshape(physical(env[step.output.name], "cl"))

    def lower(self, step: Step, to: Lowering) -> None:
        """All windows."""
        x, qx = step.inputs[0], qparams_of(step, 0)
        to.executor.avg_pool_q(
            to.place(x),
            to.place(step.output),
            to.images(x),
            *avg_windows(step, to.shape(x)),
            float(qx.scale),
            int(qx.zero_point),
            float(qparams_of(step).scale),
            output_codes(step),
        )


class MaxPool(Kind):
    """Largest value of each window; rank 3 or 4."""

    name = "max_pool"
    inputs = ("float32",)
    attrs: ClassVar[Attrs] = MAX_POOL

    def check(self, step: Step) -> None:
        """Attributes agree."""
        check_pool(step)

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """By PyTorch's rules."""
        return pool_shape(max_windows(step, shapes[0]), shapes[0])

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """`max_pool_f32`."""
        windows = max_windows(step, arrays[0].shape)
        y = kernels.max_pool_f32(four_axes(arrays[0]), windows.rows, windows.cols)
        return y.reshape(env[step.output.name])

    def lower(self, step: Step, to: Lowering) -> None:
        """All windows."""
        x = step.inputs[0]
        windows = max_windows(step, to.shape(x))
        places = to.place(x), to.place(step.output)
        to.executor.max_pool(*places, _planes(to.images(x)), windows.rows, windows.cols)


def _planes(images: Shape) -> Shape:
    """Batch and channels as one axis."""
    return (images[0] * images[1], *images[2:])


class AvgPool(Kind):
    """Mean of each window; adaptive when `output_size` is set (None keeps a size)."""

    name = "avg_pool"
    inputs = ("float32",)
    attrs: ClassVar[Attrs] = AVG_POOL
    defaults: ClassVar[Defaults] = AVG_POOL_DEFAULTS

    def check(self, step: Step) -> None:
        """Attributes agree."""
        check_avg_pool(step)

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """By PyTorch's rules."""
        return pool_shape(avg_windows(step, shapes[0]), shapes[0])

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """`avg_pool_f32`."""
        windows = avg_windows(step, arrays[0].shape)
        return kernels.avg_pool_f32(four_axes(arrays[0]), *windows).reshape(env[step.output.name])

    def lower(self, step: Step, to: Lowering) -> None:
        """All windows."""
        x = step.inputs[0]
        windows = avg_windows(step, to.shape(x))
        places = to.place(x), to.place(step.output)
        to.executor.avg_pool(*places, _planes(to.images(x)), *windows)
