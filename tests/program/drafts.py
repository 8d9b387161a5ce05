"""Random small programs: one strategy for each kind of instruction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from qgrad.kernels import BINARY_F32, UNARY_F32
from qgrad.program import InputSpec, Instruction, Program, Value
from qgrad.qparams import QParams

Draw = Callable[[st.SearchStrategy[Any]], Any]
Array = NDArray[Any]


class Sample(NamedTuple):
    """A program and arrays that it takes."""

    program: Program
    arrays: tuple[Array, ...]


class Draft:
    """A program under construction; each method adds a value and returns its name."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.inputs: list[InputSpec] = []
        self.arrays: list[Array] = []
        self.values: dict[str, Value] = {}
        self.instructions: list[Instruction] = []
        self.constants: dict[str, Array] = {}

    def floats(self, *shape: int) -> Array:
        """Values that quantize to all codes and beyond."""
        return np.asarray(self.rng.normal(size=shape) * 8, np.float32)

    def qparams(self) -> QParams:
        """Any scale and zero point, 2 to 8 bits."""
        low, high = 0, 2 ** self.draw(st.sampled_from([8, 8, 8, 4, 2])) - 1
        scale = self.draw(st.floats(1 / 64, 1, width=32))
        return QParams.of(scale, self.draw(st.integers(low, high)), qmin=low, qmax=high)

    def input(self, array: Array, qparams: QParams | None = None) -> str:
        """An argument, sizes free or not."""
        name = f"x{len(self.inputs)}"
        shape = tuple(None if self.draw(st.booleans()) else size for size in array.shape)
        self.inputs.append(InputSpec(name, array.dtype.name, shape, qparams))
        self.arrays.append(array)
        return name

    def constant(self, array: Array) -> str:
        """A constant; returns its name."""
        name = f"c{len(self.constants)}"
        self.constants[name] = array
        return name

    def add(
        self,
        op: str,
        *inputs: str,
        dtype: str = "float32",
        qparams: QParams | None = None,
        layout: str = "row",
        constants: dict[str, Array | None] | None = None,
        **attrs: Any,
    ) -> str:
        """An instruction."""
        name = f"v{len(self.values)}"
        self.values[name] = Value(name, dtype, qparams, layout)
        roles = {
            role: self.constant(array)
            for role, array in (constants or {}).items()
            if array is not None
        }
        self.instructions.append(Instruction(op, inputs, name, attrs, roles, f"module.{name}"))
        return name

    def codes(self, shape: tuple[int, ...], layout: str = "row", qp: QParams | None = None) -> str:
        """A quantized value: a quantized input, or an argument that holds codes."""
        qp = qp or self.qparams()
        if layout == "row" and self.draw(st.booleans()):
            codes = self.rng.integers(qp.qmin, qp.qmax + 1, shape)
            return self.input(np.asarray(codes, np.uint8), qp)
        x = self.input(self.floats(*shape))
        return self.add("quantize", x, dtype="uint8", qparams=qp, layout=layout)

    def clamp(self, qp: QParams) -> dict[str, int]:
        """A range of output codes that holds the zero point."""
        zero = int(qp.zero_point)
        low, high = self.draw(st.integers(qp.qmin, zero)), self.draw(st.integers(zero, qp.qmax))
        return {"qmin": low, "qmax": high}

    def sample(self, *outputs: str) -> Sample:
        """The finished program."""
        parts = (self.inputs, list(outputs), self.values, self.instructions, self.constants)
        return Sample(Program(*parts), tuple(self.arrays))

    def qparams_of(self, name: str) -> QParams:
        """The quantization of a value."""
        found = [spec.qparams for spec in self.inputs if spec.name == name]
        qp = found[0] if found else self.values[name].qparams
        assert qp is not None
        return qp


def shape(draw: Draw, low: int = 0, high: int = 4) -> tuple[int, ...]:
    """A few small axes, now and then an empty one."""
    sizes = st.sampled_from([0, 1, 2, 3, 4, 5, 7, 16, 17])
    return tuple(draw(st.lists(sizes, min_size=low, max_size=high)))


def image(draw: Draw, channels: int, least: tuple[int, ...]) -> tuple[int, ...]:
    """(N, C, *spatial), no spatial size below `least`."""
    spatial = tuple(low + draw(st.integers(0, 6)) for low in least)
    return (draw(st.integers(0, 3)), channels, *spatial)


def weighted(d: Draft, weight_shape: tuple[int, ...]) -> dict[str, Array | None]:
    """Constants of an integer linear or convolution, extremes included."""
    outputs = weight_shape[0]
    low = d.draw(st.sampled_from([-127, -128, -3]))
    return {
        "weight": d.rng.integers(low, -low if low > -128 else 128, weight_shape).astype(np.int8),
        "weight_scale": d.rng.uniform(1e-3, 0.1, outputs).astype(np.float32),
        "bias": d.rng.integers(-5000, 5000, outputs).astype(np.int32),
    }


def conv_settings(d: Draft, rank: int) -> tuple[dict[str, Any], tuple[int, ...], tuple[int, ...]]:
    """Attributes, kernel size, and the least image that fits."""
    draw = d.draw
    few = st.integers(1, 3)
    stride, dilation, kernel = (tuple(draw(few) for _ in range(rank)) for _ in range(3))
    padding = [draw(st.integers(0, 2)) for _ in range(2 * rank)]
    attrs = {"stride": stride, "padding": padding, "dilation": dilation, "groups": draw(few)}
    reach = [dilation[i] * (kernel[i] - 1) + 1 for i in range(rank)]
    least = tuple(max(1, reach[i] - padding[2 * i] - padding[2 * i + 1]) for i in range(rank))
    return attrs, kernel, least


def pool_settings(d: Draft, rank: int) -> tuple[dict[str, Any], tuple[int, ...]]:
    """Attributes of a max pool and the least image that fits."""
    draw = d.draw
    kernel = [draw(st.integers(1, 3)) for _ in range(rank)]
    dilation = [draw(st.integers(1, 2)) for _ in range(rank)]
    attrs = {
        "kernel": kernel,
        "stride": [draw(st.integers(1, 3)) for _ in range(rank)],
        "padding": [draw(st.integers(0, k // 2)) for k in kernel],
        "dilation": dilation,
        "ceil_mode": draw(st.booleans()),
    }
    return attrs, tuple(dl * (k - 1) + 1 for k, dl in zip(kernel, dilation, strict=True))


def avg_settings(d: Draft, rank: int) -> tuple[dict[str, Any], tuple[int, ...]]:
    """Attributes of an average pool, adaptive or not, and the least image that fits."""
    if d.draw(st.booleans()):
        sizes = st.none() | st.integers(1, 4)
        return {"output_size": [d.draw(sizes) for _ in range(rank)]}, (1,) * rank
    attrs, _ = pool_settings(d, rank)
    del attrs["dilation"]
    attrs["count_include_pad"] = d.draw(st.booleans())
    attrs["divisor_override"] = d.draw(st.none() | st.integers(1, 9))
    return attrs, tuple(attrs["kernel"])


def quantize(d: Draft) -> Sample:
    """Floats to codes, stored either way."""
    layout = d.draw(st.sampled_from(["row", "cl"]))
    x = d.input(d.floats(*shape(d.draw)))
    return d.sample(d.add("quantize", x, dtype="uint8", qparams=d.qparams(), layout=layout))


def dequantize(d: Draft) -> Sample:
    """Codes stored either way to floats."""
    x = d.codes(shape(d.draw), d.draw(st.sampled_from(["row", "cl"])))
    return d.sample(d.add("dequantize", x))


def layout(d: Draft) -> Sample:
    """There and back."""
    qp = d.qparams()
    x = d.codes(shape(d.draw, 2), "row", qp)
    cl = d.add("layout", x, dtype="uint8", qparams=qp, layout="cl")
    return d.sample(d.add("layout", cl, dtype="uint8", qparams=qp), cl)


def linear_q(d: Draft) -> Sample:
    """Rows of any rank."""
    n, k = d.draw(st.integers(1, 70)), d.draw(st.integers(0, 70))
    x, qp = d.codes((*shape(d.draw, 0, 2), k)), d.qparams()
    options = {"dtype": "uint8", "qparams": qp, "constants": weighted(d, (n, k))}
    return d.sample(d.add("linear_q", x, **options, **d.clamp(qp)))


def conv_q(d: Draft) -> Sample:
    """One or two axes, groups and depthwise."""
    attrs, kernel, least = conv_settings(d, d.draw(st.sampled_from([1, 2])))
    channels = d.draw(st.integers(1, 5))
    outputs = attrs["groups"] * d.draw(st.integers(1, 20))
    x = d.codes(image(d.draw, channels * attrs["groups"], least), "cl")
    qp = d.qparams()
    constants = weighted(d, (outputs, channels, *kernel))
    options = {"dtype": "uint8", "qparams": qp, "layout": "cl", "constants": constants}
    return d.sample(d.add("conv_q", x, **options, **d.clamp(qp), **attrs))


def add_q(d: Draft) -> Sample:
    """Two quantizations into a third."""
    sizes, form = shape(d.draw), d.draw(st.sampled_from(["row", "cl"]))
    a, b, qp = d.codes(sizes, form), d.codes(sizes, form), d.qparams()
    return d.sample(d.add("add_q", a, b, dtype="uint8", qparams=qp, layout=form, **d.clamp(qp)))


def max_pool_q(d: Draft) -> Sample:
    """One or two axes."""
    attrs, least = pool_settings(d, d.draw(st.sampled_from([1, 2])))
    qp = d.qparams()
    x = d.codes(image(d.draw, d.draw(st.integers(1, 20)), least), "cl", qp)
    return d.sample(d.add("max_pool_q", x, dtype="uint8", qparams=qp, layout="cl", **attrs))


def avg_pool_q(d: Draft) -> Sample:
    """One or two axes, adaptive or not."""
    attrs, least = avg_settings(d, d.draw(st.sampled_from([1, 2])))
    x = d.codes(image(d.draw, d.draw(st.integers(1, 20)), least), "cl")
    options = {"dtype": "uint8", "qparams": d.qparams(), "layout": "cl"}
    return d.sample(d.add("avg_pool_q", x, **options, **d.clamp(options["qparams"]), **attrs))


def lut(d: Draft) -> Sample:
    """Any table."""
    x, qp = d.codes(shape(d.draw)), d.qparams()
    table = d.rng.integers(qp.qmin, qp.qmax + 1, 256).astype(np.uint8)
    return d.sample(d.add("lut", x, dtype="uint8", qparams=qp, constants={"table": table}))


def anything(d: Draft, sizes: tuple[int, ...], form: str = "row") -> tuple[str, dict[str, Any]]:
    """A value of any dtype, and what its copies must have in common with it."""
    dtype = d.draw(st.sampled_from(["float32", "uint8", "int32", "int64", "bool"]))
    if dtype == "uint8" or form == "cl":
        qp = d.qparams()
        return d.codes(sizes, form, qp), {"dtype": "uint8", "qparams": qp, "layout": form}
    whole = np.asarray(d.rng.integers(0, 2, sizes), dtype)
    array = d.floats(*sizes) if dtype == "float32" else whole
    return d.input(array), {"dtype": dtype}


def reshape(d: Draft) -> Sample:
    """Sizes, -1 and expressions; the result an output or a view."""
    a, b, c = (d.draw(st.integers(1, 5)) for _ in range(3))
    x, like = anything(d, (a, b, c))
    new = d.draw(
        st.sampled_from(
            [
                [a, b * c],
                [-1, c],
                [["dim", x, 0], ["*", ["dim", x, -1], b]],
                [["//", ["*", a, ["dim", x, 1]], b], ["+", b * c, ["-", 2, 2]]],
                [a * b * c],
            ]
        )
    )
    y = d.add("reshape", x, shape=new, **like)
    return (
        d.sample(y) if d.draw(st.booleans()) else d.sample(d.add("reshape", y, shape=[-1], **like))
    )


def permute(d: Draft) -> Sample:
    """Any order of up to four axes."""
    sizes = shape(d.draw)
    x, like = anything(d, sizes)
    order = d.draw(st.permutations(range(len(sizes))))
    dims = [axis - len(sizes) * d.draw(st.integers(0, 1)) for axis in order]
    return d.sample(d.add("permute", x, dims=dims, **like))


def cat(d: Draft) -> Sample:
    """One to three parts along any axis, stored either way."""
    sizes, form = list(shape(d.draw, 1)), d.draw(st.sampled_from(["row", "cl"]))
    axis = d.draw(st.integers(0, len(sizes) - 1))
    qp = d.qparams()
    parts = []
    for _ in range(d.draw(st.integers(1, 3))):
        sizes[axis] = d.draw(st.integers(0, 4))
        parts.append(d.codes(tuple(sizes), form, qp))
    dim = axis - len(sizes) * d.draw(st.integers(0, 1))
    return d.sample(d.add("cat", *parts, dim=dim, dtype="uint8", qparams=qp, layout=form))


def slice_(d: Draft) -> Sample:
    """Ends as in Python: negative, beyond, expressions, None."""
    sizes = shape(d.draw, 1)
    x, like = anything(d, sizes, d.draw(st.sampled_from(["row", "cl"])))
    ends = st.none() | st.integers(-20, 20) | st.just(["-", ["dim", x, 0], 1])
    dim = d.draw(st.integers(-len(sizes), len(sizes) - 1))
    attrs = {"start": d.draw(ends), "stop": d.draw(ends), "step": d.draw(st.integers(1, 3))}
    return d.sample(d.add("slice", x, dim=dim, **attrs, **like))


def constant(d: Draft) -> Sample:
    """A stored array, as an output and as an operand."""
    sizes = shape(d.draw)
    y = d.add("constant", constants={"value": d.floats(*sizes)})
    x = d.input(d.floats(*sizes))
    total = d.add("binary", x, y, fn="add")
    return d.sample(total, y) if d.draw(st.booleans()) else d.sample(total)


def linear(d: Draft) -> Sample:
    """Rows of any rank, with and without bias."""
    n, k = d.draw(st.integers(0, 70)), d.draw(st.integers(0, 70))
    x = d.input(d.floats(*shape(d.draw, 0, 2), k))
    bias = d.floats(n) if d.draw(st.booleans()) else None
    return d.sample(d.add("linear", x, constants={"weight": d.floats(n, k), "bias": bias}))


def conv(d: Draft) -> Sample:
    """One or two axes, groups."""
    attrs, kernel, least = conv_settings(d, d.draw(st.sampled_from([1, 2])))
    channels, outputs = d.draw(st.integers(1, 3)), attrs["groups"] * d.draw(st.integers(1, 8))
    x = d.input(d.floats(*image(d.draw, channels * attrs["groups"], least)))
    bias = d.floats(outputs) if d.draw(st.booleans()) else None
    constants = {"weight": d.floats(outputs, channels, *kernel), "bias": bias}
    return d.sample(d.add("conv", x, constants=constants, **attrs))


def matmul(d: Draft) -> Sample:
    """Batches that broadcast."""
    m, k, n = (d.draw(st.integers(0, 9)) for _ in range(3))
    batch = shape(d.draw, 0, 2)
    a = d.input(d.floats(*(s if d.draw(st.booleans()) else 1 for s in batch), m, k))
    b = d.input(d.floats(*batch[d.draw(st.integers(0, len(batch))) :], k, n))
    return d.sample(d.add("matmul", a, b))


def binary(d: Draft) -> Sample:
    """Every function, broadcast."""
    sizes = shape(d.draw)
    a = d.input(d.floats(*(s if d.draw(st.booleans()) else 1 for s in sizes)))
    b = d.input(d.floats(*sizes[d.draw(st.integers(0, len(sizes))) :]))
    return d.sample(d.add("binary", a, b, fn=d.draw(st.sampled_from(list(BINARY_F32)))))


def unary(d: Draft) -> Sample:
    """Every function, with its parameters or their defaults."""
    fn = d.draw(st.sampled_from(list(UNARY_F32)))
    params = {p: d.draw(st.floats(0.1, 4)) for p in UNARY_F32[fn].params if d.draw(st.booleans())}
    return d.sample(d.add("unary", d.input(d.floats(*shape(d.draw))), fn=fn, params=params))


def softmax(d: Draft) -> Sample:
    """Along any axis, or its logarithm."""
    sizes = shape(d.draw, 1)
    dim = d.draw(st.integers(-len(sizes), len(sizes) - 1))
    x = d.input(d.floats(*sizes))
    return d.sample(d.add("softmax", x, dim=dim, log=d.draw(st.booleans())))


def layer_norm(d: Draft) -> Sample:
    """Over one or two axes."""
    tail = tuple(d.draw(st.lists(st.integers(1, 9), min_size=1, max_size=2)))
    x = d.input(d.floats(*shape(d.draw, 0, 2), *tail))
    terms = {r: d.floats(*tail) if d.draw(st.booleans()) else None for r in ("weight", "bias")}
    return d.sample(d.add("layer_norm", x, size=int(np.prod(tail)), eps=1e-5, constants=terms))


def affine(d: Draft) -> Sample:
    """Along any axis."""
    sizes = shape(d.draw, 1)
    axis = d.draw(st.integers(-len(sizes), len(sizes) - 1))
    terms = {role: d.floats(sizes[axis]) for role in ("scale", "shift")}
    return d.sample(d.add("affine", d.input(d.floats(*sizes)), axis=axis, constants=terms))


def max_pool(d: Draft) -> Sample:
    """One or two axes."""
    attrs, least = pool_settings(d, d.draw(st.sampled_from([1, 2])))
    x = d.input(d.floats(*image(d.draw, d.draw(st.integers(1, 3)), least)))
    return d.sample(d.add("max_pool", x, **attrs))


def avg_pool(d: Draft) -> Sample:
    """One or two axes, adaptive or not."""
    attrs, least = avg_settings(d, d.draw(st.sampled_from([1, 2])))
    x = d.input(d.floats(*image(d.draw, d.draw(st.integers(1, 3)), least)))
    return d.sample(d.add("avg_pool", x, **attrs))


def reduce(d: Draft) -> Sample:
    """Any axes; the largest of nothing does not exist."""
    fn = d.draw(st.sampled_from(["sum", "mean", "amax"]))
    sizes = tuple(max(s, 1) if fn == "amax" else s for s in shape(d.draw))
    dims = [axis for axis in range(len(sizes)) if d.draw(st.booleans())]
    x = d.input(d.floats(*sizes))
    return d.sample(d.add("reduce", x, fn=fn, dims=dims, keepdim=d.draw(st.booleans())))


def embedding(d: Draft) -> Sample:
    """Indices of both types."""
    rows, columns = d.draw(st.integers(1, 9)), d.draw(st.integers(0, 9))
    dtype = d.draw(st.sampled_from(["int32", "int64"]))
    x = d.input(np.asarray(d.rng.integers(0, rows, shape(d.draw)), dtype))
    return d.sample(d.add("embedding", x, constants={"weight": d.floats(rows, columns)}))


DRAFTS: dict[str, Callable[[Draft], Sample]] = {
    "quantize": quantize,
    "dequantize": dequantize,
    "layout": layout,
    "linear_q": linear_q,
    "conv_q": conv_q,
    "add_q": add_q,
    "max_pool_q": max_pool_q,
    "avg_pool_q": avg_pool_q,
    "lut": lut,
    "reshape": reshape,
    "permute": permute,
    "cat": cat,
    "slice": slice_,
    "constant": constant,
    "linear": linear,
    "conv": conv,
    "matmul": matmul,
    "binary": binary,
    "unary": unary,
    "softmax": softmax,
    "layer_norm": layer_norm,
    "affine": affine,
    "max_pool": max_pool,
    "avg_pool": avg_pool,
    "reduce": reduce,
    "embedding": embedding,
}


@st.composite
def samples(draw: Draw, name: str) -> Sample:
    """A program around one instruction of this kind."""
    return DRAFTS[name](Draft(draw))


@st.composite
def networks(draw: Draw) -> Sample:
    """A small network: conv, residual add, pools, lut, linear, floats at the end, two outputs."""
    d = Draft(draw)
    channels, size = draw(st.integers(1, 4)), draw(st.integers(3, 7))
    qp, qy = d.qparams(), d.qparams()
    form = {"dtype": "uint8", "layout": "cl"}
    conv_attrs = {"stride": [1, 1], "padding": [1, 1, 1, 1], "dilation": [1, 1], "groups": 1}
    x = d.codes((draw(st.integers(0, 3)), channels, size, size), "cl", qp)
    h = x
    for _ in range(draw(st.integers(1, 3))):
        weights = weighted(d, (channels, channels, 3, 3))
        h = d.add("conv_q", h, **form, qparams=qp, constants=weights, **d.clamp(qp), **conv_attrs)
        if draw(st.booleans()):
            h = d.add("add_q", h, x, **form, qparams=qp, **d.clamp(qp))
    table = d.rng.integers(qy.qmin, qy.qmax + 1, 256).astype(np.uint8)
    h = d.add("lut", h, **form, qparams=qy, constants={"table": table})
    h = d.add("avg_pool_q", h, **form, qparams=qy, output_size=[2, None], **d.clamp(qy))
    row = d.add("layout", h, dtype="uint8", qparams=qy)
    flat = d.add(
        "reshape", row, dtype="uint8", qparams=qy, shape=[["dim", x, 0], channels * 2 * size]
    )
    weights = weighted(d, (5, channels * 2 * size))
    y = d.add("linear_q", flat, dtype="uint8", qparams=qp, constants=weights, **d.clamp(qp))
    logits = d.add("dequantize", y)
    return d.sample(d.add("softmax", logits, dim=-1), y, flat)
