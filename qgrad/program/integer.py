"""The kinds of instruction on uint8 codes; the arithmetic is that of `qgrad.qparams`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from .. import qparams
from ..dtypes import qint8
from ..kernels import reference
from ..kernels.extension import core
from ..qparams import QParams
from .fields import integer
from .kind import (
    Array,
    Attrs,
    Constant,
    Constants,
    Kind,
    Step,
    from_row,
    logical_steps,
    physical,
    same_order,
    to_row,
)
from .records import Env, Shape
from .windows import (
    CONV,
    check_conv,
    conv_shape,
    convolution,
)

if TYPE_CHECKING:
    from .lowering import Lowering

_MAX_RATIO = 1e30  # of scales; beyond, sums of codes would leave float32
_CODE = integer(0, 255)
CLAMP = {"qmin": _CODE, "qmax": _CODE}
_WEIGHTED = {"weight_scale": Constant("float32", (1,)), "bias": Constant("int32", (1,))}


def qparams_of(step: Step, which: int | None = None) -> QParams:
    """The quantization of input `which`, or of the output for None."""
    found = (step.output if which is None else step.inputs[which]).qparams
    assert found is not None  # build refuses uint8 values without
    return found


def check_clamp(step: Step) -> None:
    """The range of output codes holds the zero point and lies in the output's."""
    qp, low, high = qparams_of(step), step.attrs["qmin"], step.attrs["qmax"]
    if not qp.qmin <= low <= int(qp.zero_point) <= high <= qp.qmax:
        step.malformed(
            f"[qmin, qmax] = [{low}, {high}] must hold the output's zero point "
            f"{int(qp.zero_point)} and lie in its codes [{qp.qmin}, {qp.qmax}]"
        )


def _check_weighted(step: Step) -> None:
    """Sizes of weight, scale and bias agree, scales are usable, no sum can leave int32."""
    weight, scale, bias = (step.constants[r] for r in ("weight", "weight_scale", "bias"))
    if scale.shape != weight.shape[:1] or bias.shape != weight.shape[:1] or not scale.size:
        step.malformed(
            f"weight {weight.shape}, weight_scale {scale.shape} and bias {bias.shape} must agree "
            "on the number of outputs, at least 1"
        )
    QParams(scale, np.zeros(scale.shape, np.int32), -127, 127, qint8, 0)
    qparams.check_accumulator(int(np.prod(weight.shape[1:], dtype=object)), bias, step.where)
    weighted_multiplier(step)


def output_codes(step: Step) -> tuple[int, int, int]:
    """Zero point and bounds of the output codes."""
    return int(qparams_of(step).zero_point), step.attrs["qmin"], step.attrs["qmax"]


def _zero_and_codes(step: Step) -> tuple[int, tuple[int, int, int]]:
    return int(qparams_of(step, 0).zero_point), output_codes(step)


def weighted_multiplier(step: Step) -> NDArray[np.float32]:
    """What the accumulators of each output channel are scaled by."""
    x, y = qparams_of(step, 0), qparams_of(step)
    return qparams.multiplier(x.scale, step.constants["weight_scale"], y.scale)


class Quantize(Kind):
    """Codes of a float32 array: rne(x / s) + z, saturated; NaN is refused."""

    name = "quantize"
    inputs = ("float32",)
    output = "uint8"
    layouts = "any"

    def check(self, step: Step) -> None:
        """Floats lie in rows."""
        if step.inputs[0].layout != "row":
            step.malformed("takes a float32 value with layout 'row'")

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """That of the input."""
        return shapes[0]

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """`qparams.quantize`, then channels last if asked."""
        try:
            codes = qparams.quantize(arrays[0], qparams_of(step))
        except ValueError as error:
            raise ValueError(f"{step.where}: {error}"[:590]) from None
        return from_row(codes, step.output.layout)

    def lower(self, step: Step, to: Lowering) -> None:
        """Quantize, and move the channels in the same step if they move."""
        x, y, qp = step.inputs[0], step.output, qparams_of(step)
        shape = to.shape(x)
        to.executor.quantize(
            to.place(x),
            to.place(y),
            to.count(x),
            float(qp.scale),
            (int(qp.zero_point), qp.qmin, qp.qmax),
            _moved(shape, "row", y.layout),
        )


class Dequantize(Kind):
    """float32(q - z) * s."""

    name = "dequantize"
    inputs = ("uint8",)
    output = "float32"
    layouts = "any"

    def check(self, step: Step) -> None:
        """Floats lie in rows."""
        if step.output.layout != "row":
            step.malformed("gives a float32 value with layout 'row'")

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """That of the input."""
        return shapes[0]

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """`qparams.dequantize` in logical order."""
        row = from_row(to_row(arrays[0], step.inputs[0].layout), "row")
        return qparams.dequantize(row, qparams_of(step, 0))

    def lower(self, step: Step, to: Lowering) -> None:
        """Move the channels if they move, and dequantize."""
        x, y, qp = step.inputs[0], step.output, qparams_of(step, 0)
        moved = _moved(to.shape(x), x.layout, "row")
        scale, zero_point = float(qp.scale), int(qp.zero_point)
        to.executor.dequantize(to.place(x), to.place(y), to.count(x), scale, zero_point, moved)


def _moved(shape: Shape, source: str, target: str) -> tuple[Sequence[int], ...] | None:
    """Sizes and steps of a copy between layouts, None if the bytes stay in order."""
    if same_order(shape, source, target):
        return None
    return shape, logical_steps(shape, source), logical_steps(shape, target)


class LinearQ(Kind):
    """Codes of x[..., K] times weight s8[N, K] transposed, plus the int32 bias, requantized."""

    name = "linear_q"
    inputs = ("uint8",)
    output = "uint8"
    attrs: ClassVar[Attrs] = CLAMP
    constants: ClassVar[Constants] = {"weight": Constant("int8", (2,)), **_WEIGHTED}

    def check(self, step: Step) -> None:
        """Constants agree and no sum can leave int32."""
        check_clamp(step)
        _check_weighted(step)

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """(..., N)."""
        weight = step.constants["weight"]
        if not shapes[0] or shapes[0][-1] != weight.shape[1]:
            step.misfit(f"x has shape {shapes[0]}, but the weight takes {weight.shape[1]} features")
        return (*shapes[0][:-1], weight.shape[0])

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """`reference.gemm_s8` on rows."""
        x, weight = arrays[0], step.constants["weight"]
        rows = x.reshape(math.prod(x.shape[:-1]), weight.shape[1])
        return reference.gemm_s8(
            rows,
            weight,
            step.constants["bias"],
            weighted_multiplier(step),
            zx=int(qparams_of(step, 0).zero_point),
            zy=int(qparams_of(step).zero_point),
            **step.attrs,
        ).reshape(env[step.output.name])

    def lower(self, step: Step, to: Lowering) -> None:
        """One product of all rows with the packed weight."""
        c = step.constants
        packed = to.packed(
            step,
            lambda: core.pack_linear_s8(
                c["weight"], c["bias"], weighted_multiplier(step), *_zero_and_codes(step)
            ),
        )
        rows = math.prod(to.shape(step.output)[:-1])
        to.executor.linear_q(packed, to.place(step.inputs[0]), to.place(step.output), rows)


class ConvQ(Kind):
    """Convolution of channels-last codes with a weight s8[O, C/groups, *kernel], requantized.

    Rank 3 or 4. `padding` is [left, right] or [top, bottom, left, right]; padding pixels are 0.0.
    """

    name = "conv_q"
    inputs = ("uint8",)
    output = "uint8"
    attrs: ClassVar[Attrs] = {**CONV, **CLAMP}
    constants: ClassVar[Constants] = {"weight": Constant("int8", (3, 4)), **_WEIGHTED}
    layouts = "cl"

    def check(self, step: Step) -> None:
        """Constants and attributes agree and no sum can leave int32."""
        check_clamp(step)
        check_conv(step, step.constants["weight"].ndim - 2)
        _check_weighted(step)

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """(N, O, *out)."""
        return conv_shape(step, shapes[0])

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """`reference.conv2d_s8`; one spatial axis is lifted to two."""
        conv = convolution(step)
        x = arrays[0] if arrays[0].ndim == 4 else arrays[0][:, None]
        y = reference.conv2d_s8(
            x,
            channels_last_weight(step.constants["weight"]),
            step.constants["bias"],
            weighted_multiplier(step),
            zx=int(qparams_of(step, 0).zero_point),
            zy=int(qparams_of(step).zero_point),
            qmin=step.attrs["qmin"],
            qmax=step.attrs["qmax"],
            **conv._asdict(),
        )
        return y.reshape(physical(env[step.output.name], "cl"))

    def lower(self, step: Step, to: Lowering) -> None:
        """One convolution with the packed weight."""
        c = step.constants
        packed = to.packed(
            step,
            lambda: core.pack_conv_s8(
                channels_last_weight(c["weight"]),
                c["bias"],
                weighted_multiplier(step),
                *_zero_and_codes(step),
                *convolution(step),
            ),
        )
        batch, height, width, _ = to.images(step.inputs[0])
        x, y = to.place(step.inputs[0]), to.place(step.output)
        to.executor.conv_q(packed, x, y, batch, height, width)


def channels_last_weight(weight: Array) -> Array:
    """PyTorch's (O, C, [KH,] KW) as the kernels' (O, KH, KW, C)."""
    four = weight if weight.ndim == 4 else weight[:, :, None]
    return np.ascontiguousarray(four.transpose(0, 2, 3, 1))


class AddQ(Kind):
    """Codes of the sum of two arrays of one shape, each with its own quantization."""

    name = "add_q"
    inputs = ("uint8", "uint8")
    output = "uint8"
    attrs: ClassVar[Attrs] = CLAMP
    layouts = "same"

    def check(self, step: Step) -> None:
        """The clamp is a range, the scales' ratios are finite."""
        check_clamp(step)
        sy = float(qparams_of(step).scale)
        ratio = max(float(qparams_of(step, which).scale) / sy for which in (0, 1))
        if ratio > _MAX_RATIO:
            step.malformed(
                f"an input's scale is {ratio:.3g} times the output's, must be at most "
                f"{_MAX_RATIO:.3g}"
            )

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """That of both."""
        if shapes[0] != shapes[1]:
            step.misfit(f"adds two arrays of one shape, got {shapes[0]} and {shapes[1]}")
        return shapes[0]

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """`reference.add_s8`."""
        a, b, y = qparams_of(step, 0), qparams_of(step, 1), qparams_of(step)
        return reference.add_s8(
            *arrays,
            sa=float(a.scale),
            za=int(a.zero_point),
            sb=float(b.scale),
            zb=int(b.zero_point),
            sy=float(y.scale),
            zy=int(y.zero_point),
            **step.attrs,
        )

    def lower(self, step: Step, to: Lowering) -> None:
        """Element by element, whatever the layout."""
        a, b = (qparams_of(step, which) for which in (0, 1))
        to.executor.add_q(
            *(to.place(value) for value in (*step.inputs, step.output)),
            to.count(step.output),
            (float(a.scale), int(a.zero_point)),
            (float(b.scale), int(b.zero_point)),
            float(qparams_of(step).scale),
            output_codes(step),
        )


class Lut(Kind):
    """Each code replaced by table[code]: any function of one quantized value."""

    name = "lut"
    inputs = ("uint8",)
    output = "uint8"
    constants: ClassVar[Constants] = {"table": Constant("uint8", (1,))}
    layouts = "same"

    def check(self, step: Step) -> None:
        """The table has an entry for every code."""
        if step.constants["table"].shape != (256,):
            step.malformed(f"the table has {step.constants['table'].size} entries, must have 256")
        step.check_codes(step.constants["table"])

    def shape(self, step: Step, shapes: Sequence[Shape], env: Env) -> Shape:
        """That of the input."""
        return shapes[0]

    def compute(self, step: Step, arrays: Sequence[Array], env: Env) -> Array:
        """`reference.lut_u8`."""
        return reference.lut_u8(arrays[0], step.constants["table"])

    def lower(self, step: Step, to: Lowering) -> None:
        """Element by element, whatever the layout."""
        x, y = to.place(step.inputs[0]), to.place(step.output)
        to.executor.lut(x, y, to.count(step.output), step.constants["table"])
