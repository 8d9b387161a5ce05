"""One strategy for each op of the table: calls with random shapes, values and options.

A strategy gives a `Call`: the op's arguments with float64 (or integer, bool) arrays for tensors, and
the result that an independent formula expects, where there is one. The grids in test_grid.py do the
rest, so a new op is tested by adding one block here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st
from scipy import signal, special

from qgrad import ops

Array = np.ndarray[Any, Any]
UNKNOWN = object()


class Call(NamedTuple):
    """The arguments of one call, and what it is expected to give."""

    args: tuple[Any, ...]
    options: dict[str, Any]
    expected: Any = UNKNOWN


class Draw:
    """What strategies are made of; arrays hold random numbers of a drawn seed."""

    def __init__(self, draw: Any, name: str) -> None:
        self.draw, self.name = draw, name
        self.random = np.random.default_rng(draw(st.integers(0, 2**32)))

    def int(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        return self.draw(st.integers(low, high))

    def bool(self) -> bool:
        """True or False."""
        return self.draw(st.booleans())

    def one_of(self, *choices: Any) -> Any:
        """One of the values."""
        return self.draw(st.sampled_from(choices))

    def shape(self, min_dims: int = 0, max_dims: int = 3, min_size: int = 0) -> tuple[int, ...]:
        """A small shape; a length may be 0 unless `min_size` says otherwise."""
        dims = self.int(min_dims, max_dims)
        return tuple(self.int(min_size, 4) for _ in range(dims))

    def array(self, shape: tuple[int, ...], low: float = -2.0, high: float = 2.0) -> Array:
        """Floats in [low, high) in one of several memory layouts."""
        layout = self.one_of("plain", "transposed", "strided", "reversed")
        if layout == "transposed":
            return np.asarray(self.random.uniform(low, high, shape[::-1])).T
        if layout == "strided" and shape:
            return self.random.uniform(low, high, (*shape[:-1], 2 * shape[-1]))[..., ::2]
        if layout == "reversed" and shape:
            return self.random.uniform(low, high, shape)[::-1]
        return np.asarray(self.random.uniform(low, high, shape))

    def any_array(self, low: float = -2.0, high: float = 2.0, **shape: int) -> Array:
        """Floats in a drawn shape."""
        return self.array(self.shape(**shape), low, high)

    def pair(self, low: float = -2.0, high: float = 2.0) -> tuple[Array, Array]:
        """Two arrays that broadcast."""
        shape = self.shape()
        return tuple(  # type: ignore[return-value]
            self.array(
                tuple(1 if self.int(0, 3) == 0 else n for n in shape[self.int(0, len(shape)) :]),
                low,
                high,
            )
            for _ in range(2)
        )

    def dim(self, ndim: int) -> int:
        """A dim, from the front or from the back."""
        return self.int(-max(ndim, 1), max(ndim, 1) - 1)

    def dims(self, ndim: int) -> Any:
        """The dims of a reduction: None, one, or several."""
        kind = self.one_of("all", "one", "some")
        if kind == "all" or not ndim:
            return None
        if kind == "one":
            return self.dim(ndim)
        chosen = self.draw(st.sets(st.integers(0, ndim - 1), min_size=1))
        return tuple(d - ndim if self.bool() else d for d in sorted(chosen))

    def bools(self, shape: tuple[int, ...]) -> Array:
        """Random bools."""
        return np.asarray(self.random.random(shape) < 0.5)

    def ints(self, shape: tuple[int, ...], low: int, high: int) -> Array:
        """Random integers in [low, high)."""
        return np.asarray(self.random.integers(low, high, shape))


CALLS: dict[str, st.SearchStrategy[Call]] = {}


def calls_of(*names: str) -> Callable[[Callable[[Draw], Call]], Callable[[Draw], Call]]:
    """Decorator: the strategy of these ops, given by a function of a Draw."""

    def register(function: Callable[[Draw], Call]) -> Callable[[Draw], Call]:
        for name in names:
            CALLS[name] = _strategy(function, name)
        return function

    return register


def _strategy(function: Callable[[Draw], Call], name: str) -> st.SearchStrategy[Call]:
    @st.composite
    def calls(draw: Any) -> Call:
        return function(Draw(draw, name))

    return calls()


def as_dims(dims: Any) -> Any:
    """dims as NumPy's axis."""
    return tuple(dims) if isinstance(dims, list) else dims


# One operand

UNARY: dict[str, tuple[Any, float, float]] = {
    "zeros_like": (np.zeros_like, -2, 2),
    "neg": (np.negative, -2, 2),
    "abs": (np.abs, -2, 2),
    "sign": (np.sign, -2, 2),
    "floor": (np.floor, -3, 3),
    "ceil": (np.ceil, -3, 3),
    "round": (np.round, -3, 3),
    "trunc": (np.trunc, -3, 3),
    "exp": (np.exp, -3, 3),
    "expm1": (np.expm1, -3, 3),
    "log": (np.log, 0.1, 3),
    "log1p": (np.log1p, -0.9, 3),
    "sqrt": (np.sqrt, 0.1, 3),
    "rsqrt": (lambda x: 1 / np.sqrt(x), 0.1, 3),
    "square": (np.square, -2, 2),
    "reciprocal": (lambda x: 1 / x, 0.3, 2),
    "sin": (np.sin, -4, 4),
    "cos": (np.cos, -4, 4),
    "tan": (np.tan, -1.2, 1.2),
    "sinh": (np.sinh, -2, 2),
    "cosh": (np.cosh, -2, 2),
    "tanh": (np.tanh, -2, 2),
    "erf": (special.erf, -2, 2),
    "erfc": (special.erfc, -2, 2),
    "isnan": (np.isnan, -2, 2),
    "isinf": (np.isinf, -2, 2),
    "isfinite": (np.isfinite, -2, 2),
    "logical_not": (np.logical_not, -2, 2),
    "relu": (lambda x: np.where(x > 0, x, 0), -2, 2),
    "relu6": (lambda x: np.clip(x, 0, 6), -2, 9),
    "sigmoid": (special.expit, -4, 4),
    "logsigmoid": (special.log_expit, -4, 4),
    "silu": (lambda x: x * special.expit(x), -4, 4),
    "hardsigmoid": (lambda x: np.clip(x / 6 + 0.5, 0, 1), -5, 5),
    "hardswish": (lambda x: x * np.clip(x / 6 + 0.5, 0, 1), -5, 5),
    "selu": (
        lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
        *(-3, 3),
    ),
    "identity": (lambda x: x, -2, 2),
    "detach": (lambda x: x, -2, 2),
    "clone": (lambda x: x, -2, 2),
    "contiguous": (lambda x: x, -2, 2),
}


@calls_of(*UNARY)
def unary(d: Draw) -> Call:
    """Any array in the range of interest."""
    function, low, high = UNARY[d.name]
    x = d.any_array(low, high)
    return Call((x,), {}, function(x))


@calls_of("leaky_relu")
def leaky_relu(d: Draw) -> Call:
    """Slopes of either sign."""
    x, slope = d.any_array(), d.one_of(0.01, 0.3, -0.5)
    return Call((x, slope), {}, np.where(x > 0, x, slope * x))


@calls_of("gelu")
def gelu(d: Draw) -> Call:
    """Both forms."""
    x, form = d.any_array(-4, 4), d.one_of("none", "tanh")
    inner = np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)
    expected = x * special.ndtr(x) if form == "none" else x / 2 * (1 + np.tanh(inner))
    return Call((x,), {"approximate": form}, expected)


@calls_of("elu")
def elu(d: Draw) -> Call:
    """Several alphas."""
    x, alpha = d.any_array(), d.one_of(1.0, 0.5, 2.0)
    return Call((x,), {"alpha": alpha}, np.where(x > 0, x, alpha * np.expm1(x)))


@calls_of("softplus")
def softplus(d: Draw) -> Call:
    """With and without the linear part in reach."""
    x, beta, threshold = d.any_array(-4, 4), d.one_of(1.0, 2.0), d.one_of(20.0, 3.0)
    smooth = np.log1p(np.exp(beta * x)) / beta
    return Call((x, beta, threshold), {}, np.where(beta * x > threshold, x, smooth))


# Two operands

BINARY: dict[str, tuple[Any, float, float]] = {
    "add": (np.add, -2, 2),
    "sub": (np.subtract, -2, 2),
    "mul": (np.multiply, -2, 2),
    "div": (np.divide, 0.5, 2),
    "floor_divide": (np.floor_divide, 0.5, 4),
    "remainder": (np.mod, 0.5, 4),
    "pow": (np.power, 0.5, 2),
    "maximum": (np.maximum, -2, 2),
    "minimum": (np.minimum, -2, 2),
    "eq": (np.equal, -2, 2),
    "ne": (np.not_equal, -2, 2),
    "lt": (np.less, -2, 2),
    "le": (np.less_equal, -2, 2),
    "gt": (np.greater, -2, 2),
    "ge": (np.greater_equal, -2, 2),
    "logical_and": (np.logical_and, -2, 2),
    "logical_or": (np.logical_or, -2, 2),
    "logical_xor": (np.logical_xor, -2, 2),
}


@calls_of(*BINARY)
def binary(d: Draw) -> Call:
    """Two arrays that broadcast, or an array and a number on either side."""
    function, low, high = BINARY[d.name]
    x, y = d.pair(low, high)
    kind = d.one_of("arrays", "arrays", "number left", "number right")
    if kind == "number left":
        return Call((1.5, y), {}, function(1.5, y))
    if kind == "number right":
        return Call((x, 1.5), {}, function(x, 1.5))
    return Call((x, y), {}, function(x, y))


@calls_of("bitwise_and", "bitwise_or", "bitwise_xor")
def bitwise(d: Draw) -> Call:
    """Integers or bools."""
    shape = d.shape()
    x, y = d.ints(shape, 0, 8), d.ints(shape, 0, 8)
    if d.bool():
        x, y = x > 3, y > 3
    return Call((x, y), {}, getattr(np, d.name)(x, y))


@calls_of("bitwise_not")
def bitwise_not(d: Draw) -> Call:
    """Integers or bools."""
    x = d.ints(d.shape(), 0, 8)
    x = x > 3 if d.bool() else x
    return Call((x,), {}, ~x)


@calls_of("clamp")
def clamp(d: Draw) -> Call:
    """Bounds that are numbers, arrays or absent, in either order."""
    x, bound = d.pair()
    kind = d.one_of("both", "min", "max", "arrays", "crossed")
    low, high = {
        "both": (-0.5, 0.7),
        "min": (-0.5, None),
        "max": (None, 0.7),
        "arrays": (bound, bound + 1),
        "crossed": (bound + 0.5, bound),
    }[kind]
    with_low = x if low is None else np.maximum(x, low)
    expected = with_low if high is None else np.minimum(with_low, high)
    return Call((x, low, high), {}, expected)


@calls_of("where")
def where(d: Draw) -> Call:
    """Arrays, or a number for one of them."""
    x, y = d.pair()
    condition = d.bools(np.broadcast_shapes(x.shape, y.shape))
    if d.bool():
        return Call((condition, x, 0.5), {}, np.where(condition, x, 0.5))
    return Call((condition, x, y), {}, np.where(condition, x, y))


@calls_of("to")
def cast(d: Draw) -> Call:
    """To other dtypes."""
    x, kind = d.any_array(-9, 9), d.one_of(np.float32, np.int64, np.bool_)
    return Call((x, np.dtype(kind)), {}, x.astype(kind))


# Shapes


@calls_of("reshape")
def reshape(d: Draw) -> Call:
    """With and without -1."""
    x = d.any_array(min_size=1)
    size = x.size
    a = d.one_of(*[n for n in range(1, size + 1) if size % n == 0])
    shape = d.one_of((a, size // a), (a, -1), (-1,), (1, a, size // a))
    return Call((x, shape), {}, x.reshape(shape))


@calls_of("flatten")
def flatten(d: Draw) -> Call:
    """Any range of dims."""
    x = d.any_array(min_dims=1)
    start = d.int(0, x.ndim - 1)
    end = d.int(start, x.ndim - 1)
    middle = int(np.prod(x.shape[start : end + 1]))
    expected = x.reshape((*x.shape[:start], middle, *x.shape[end + 1 :]))
    return Call((x, start, end - x.ndim), {}, expected)


@calls_of("permute")
def permute(d: Draw) -> Call:
    """Any order."""
    x = d.any_array()
    dims = tuple(d.draw(st.permutations(range(x.ndim))))
    return Call((x, tuple(i - x.ndim if d.bool() else i for i in dims)), {}, x.transpose(dims))


@calls_of("transpose")
def transpose(d: Draw) -> Call:
    """Any two dims."""
    x = d.any_array(min_dims=1)
    a, b = d.dim(x.ndim), d.dim(x.ndim)
    return Call((x, a, b), {}, np.swapaxes(x, a, b))


@calls_of("movedim")
def movedim(d: Draw) -> Call:
    """One dim or two."""
    x = d.array((2, 3, 4))
    a, b = (d.int(-3, 2), d.int(-3, 2)) if d.bool() else ((0, 1), (2, 0))
    return Call((x, a, b), {}, np.moveaxis(x, a, b))


@calls_of("squeeze")
def squeeze(d: Draw) -> Call:
    """All dims of length 1, one, or a dim that stays."""
    x = d.array(d.one_of((1, 3, 1), (1,), (2, 1), (), (1, 1)))
    dim = d.one_of(None, *range(-x.ndim, x.ndim))
    stays = dim is not None and x.shape[dim] != 1
    return Call((x, dim), {}, x if stays else np.squeeze(x, dim))


@calls_of("unsqueeze")
def unsqueeze(d: Draw) -> Call:
    """At any place."""
    x = d.any_array()
    dim = d.int(-x.ndim - 1, x.ndim)
    return Call((x, dim), {}, np.expand_dims(x, dim))


@calls_of("expand")
def expand(d: Draw) -> Call:
    """More dims, longer dims, kept dims."""
    x = d.array(d.one_of((3, 1), (1,), (), (1, 4), (1, 1)))
    shape = tuple(4 if n == 1 else n for n in x.shape)
    lead = d.one_of((), (2,), (2, 0))
    size = tuple(-1 if n == m and d.bool() else n for n, m in zip(shape, x.shape, strict=True))
    return Call((x, (*lead, *size)), {}, np.broadcast_to(x, (*lead, *shape)))


@calls_of("flip")
def flip(d: Draw) -> Call:
    """One dim or several."""
    x = d.any_array(min_dims=1)
    dims = d.dims(x.ndim) or 0
    return Call((x, dims), {}, np.flip(x, dims))


@calls_of("cat")
def cat(d: Draw) -> Call:
    """Different lengths, and an empty 1-d tensor that fits everywhere."""
    shape, dim = d.shape(min_dims=1), 0
    dim = d.dim(len(shape))
    arrays = []
    for _ in range(d.int(1, 3)):
        lengths = list(shape)
        lengths[dim] = d.int(0, 3)
        arrays.append(d.array(tuple(lengths)))
    expected = np.concatenate(arrays, dim)
    if d.bool():
        arrays.append(np.zeros(0))
    return Call((arrays, dim), {}, expected)


@calls_of("stack")
def stack(d: Draw) -> Call:
    """A list or a tuple."""
    shape = d.shape()
    arrays = [d.array(shape) for _ in range(d.int(1, 3))]
    dim = d.int(-len(shape) - 1, len(shape))
    return Call((tuple(arrays) if d.bool() else arrays, dim), {}, np.stack(arrays, dim))


@calls_of("pad")
def pad(d: Draw) -> Call:
    """All modes."""
    x = d.array((2, 4, 5))
    mode = d.one_of("constant", "reflect", "replicate", "circular")
    widths = tuple(d.int(-1 if mode == "constant" else 0, 2) for _ in range(4))
    if mode == "constant":
        return Call((x, widths), {"value": 0.5})
    names = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    numpy_widths = ((0, 0), widths[2:], widths[:2])
    return Call((x, widths, mode), {}, np.pad(x, numpy_widths, names[mode]))


@calls_of("pad_transpose")
def pad_transpose(d: Draw) -> Call:
    """All modes."""
    mode = d.one_of("constant", "reflect", "replicate", "circular")
    return Call((d.array((2, 6, 8)), (2, 4, 5), (2, 1, 1, 1), mode), {})


# Indexing


def basic_index(d: Draw, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Ints, slices, None and Ellipsis."""
    index: list[Any] = []
    for n in shape[: d.int(0, len(shape))]:
        kind = d.one_of("int", "slice", "step", "new")
        if kind == "int" and n:
            index.append(d.int(-n, n - 1))
        elif kind == "step":
            index.append(slice(d.int(0, n), None, d.int(1, 2)))
        elif kind == "new":
            index.extend([None, slice(None)])
        else:
            index.append(slice(d.int(-n - 1, n), d.int(-n - 1, n + 1)))
    if d.bool():
        index.append(Ellipsis)
    return tuple(index)


def any_index(d: Draw, shape: tuple[int, ...]) -> Any:
    """A basic index, a mask, or integer arrays."""
    kind = d.one_of("basic", "mask", "integers", "mixed")
    if kind == "basic" or not shape or 0 in shape:
        return basic_index(d, shape)
    if kind == "mask":
        return d.bools(shape[: d.int(1, len(shape))])
    picked = d.ints(d.shape(max_dims=2), -shape[0], shape[0])
    if kind == "integers" or len(shape) == 1:
        return picked
    return (picked, slice(None, 1))


@calls_of("getitem")
def getitem(d: Draw) -> Call:
    """Every kind of index."""
    x = d.any_array()
    index = any_index(d, x.shape)
    return Call((x, index), {}, x[index])


@calls_of("put_zeros")
def put_zeros(d: Draw) -> Call:
    """Every kind of index; repeated places add up."""
    shape = d.shape()
    index = any_index(d, shape)
    x = d.array(np.zeros(shape)[index].shape)
    expected = np.zeros(shape)
    np.add.at(expected, index, x)
    return Call((x, shape, index), {}, expected)


@calls_of("setitem")
def setitem(d: Draw) -> Call:
    """Every index that names no place twice; the value is broadcast."""
    x = d.any_array()
    index = basic_index(d, x.shape) if d.bool() or not x.shape else d.bools(x.shape)
    value = d.array(x[index].shape) if d.bool() else d.array(())
    expected = x.copy()
    expected[index] = value
    return Call((x, index, value), {}, expected)


@calls_of("overwrite")
def overwrite(d: Draw) -> Call:
    """A transposed view and a part."""
    from qgrad import ops

    x = d.array((3, 4))
    view, args = d.one_of((ops.transpose, (0, 1)), (ops.getitem, (slice(1, 3),)))
    shape = (4, 3) if view is ops.transpose else (2, 4)
    value = d.array(shape)
    expected = x.copy()
    (expected.T if view is ops.transpose else expected[1:3])[...] = value
    return Call((x, value, view, args), {}, expected)


def gather_case(d: Draw) -> tuple[tuple[int, ...], int, Array]:
    """A shape, a dim and an index array that fits."""
    shape = d.shape(min_dims=1, min_size=1)
    dim = d.dim(len(shape))
    sizes = [d.int(0, n) for n in shape]
    sizes[dim] = d.int(0, 5)
    return shape, dim, d.ints(tuple(sizes), 0, shape[dim])


def on_part(shape: tuple[int, ...], like: Array, dim: int) -> tuple[slice, ...]:
    """The part of `shape` that a smaller index covers in the other dims."""
    dim %= len(shape)
    return tuple(slice(None if i == dim else n) for i, n in enumerate(like.shape))


@calls_of("gather")
def gather(d: Draw) -> Call:
    """An index that may be smaller than the input."""
    shape, dim, index = gather_case(d)
    x = d.array(shape)
    expected = np.take_along_axis(x[on_part(shape, index, dim)], index, dim)
    return Call((x, dim, index), {}, expected)


@calls_of("scatter_zeros", "scatter_add")
def scatter(d: Draw) -> Call:
    """Repeated places add up."""
    shape, dim, index = gather_case(d)
    source = d.array(index.shape)
    base = d.array(shape)
    added = np.zeros(shape)
    for place in np.ndindex(index.shape):
        target = list(place)
        target[dim] = index[place]
        added[tuple(target)] += source[place]
    if d.name == "scatter_zeros":
        return Call((source, shape, dim, index), {}, added)
    return Call((base, dim, index, source), {}, base + added)


@calls_of("index_select")
def index_select(d: Draw) -> Call:
    """A vector of positions along a dim."""
    x = d.any_array(min_dims=1, min_size=1)
    dim = d.dim(x.ndim)
    index = d.ints((d.int(0, 5),), 0, x.shape[dim])
    return Call((x, dim, index), {}, np.take(x, index, dim))


@calls_of("embedding")
def embedding(d: Draw) -> Call:
    """Indices of any shape."""
    weight = d.array((5, 3))
    index = d.ints(d.shape(), 0, 5)
    return Call((index, weight), {}, weight[index])


@calls_of("add_rows")
def add_rows(d: Draw) -> Call:
    """The transpose of embedding."""
    index = d.ints(d.shape(), 0, 5)
    x = d.array((*index.shape, 3))
    expected = np.zeros((5, 3))
    np.add.at(expected, index, x)
    return Call((x, index, (5, 3)), {}, expected)


@calls_of("one_hot")
def one_hot(d: Draw) -> Call:
    """A given number of classes."""
    index = d.ints(d.shape(), 0, 4)
    return Call((index, 5), {}, np.eye(5, dtype=np.int64)[index])


@calls_of("masked_fill")
def masked_fill(d: Draw) -> Call:
    """A number or a 0-d array."""
    x = d.any_array()
    mask, value = d.bools(x.shape), d.one_of(0.5, np.array(0.5))
    return Call((x, mask, value), {}, np.where(mask, 0.5, x))


@calls_of("tril", "triu")
def triangle(d: Draw) -> Call:
    """Any diagonal."""
    x, k = d.any_array(min_dims=2), d.int(-3, 3)
    return Call((x, k), {}, getattr(np, d.name)(x, k))


@calls_of("diagonal")
def diagonal(d: Draw) -> Call:
    """Any pair of dims."""
    x, k = d.array((3, 4, 2)), d.int(-1, 1)
    a, b = d.one_of((0, 1), (1, 2), (-1, 0))
    return Call((x, k, a, b), {}, np.diagonal(x, k, a, b))


@calls_of("put_diagonal")
def put_diagonal(d: Draw) -> Call:
    """The transpose of diagonal."""
    k = d.int(-1, 1)
    size = np.zeros((3, 4)).diagonal(k).size
    x = d.array((2, size))
    expected = np.zeros((3, 4, 2))
    for i in range(size):
        expected[i + max(-k, 0), i + max(k, 0)] = x[:, i]
    return Call((x, (3, 4, 2), k, 0, 1), {}, expected)


# Products


@calls_of("matmul")
def matmul(d: Draw) -> Call:
    """Vectors, matrices, and batches that broadcast."""
    inner = d.int(0, 4)
    a = d.one_of((inner,), (3, inner), (2, 3, inner), (4, 1, 2, inner))
    b = d.one_of((inner,), (inner, 2), (2, inner, 3), (1, inner, 2))
    x, y = d.array(a), d.array(b)
    return Call((x, y), {}, x @ y)


@calls_of("linear")
def linear(d: Draw) -> Call:
    """Inputs of 1 to 4 dims, with and without bias."""
    k, n = d.int(0, 4), d.int(0, 3)
    x = d.array((*d.shape(max_dims=3), k))
    weight = d.array((n, k))
    bias = d.array((n,)) if d.bool() else None
    return Call((x, weight, bias), {}, x @ weight.T + (0 if bias is None else bias))


def naive_conv(
    x: Array, weight: Array, bias: Any, stride: Any, pads: Any, dilation: Any, groups: int
) -> Array:
    """Convolution by SciPy's correlate on one image and channel at a time."""
    x = np.pad(x, ((0, 0), (0, 0), *pads))
    dims = weight.ndim - 2
    spaced = np.zeros((
        *weight.shape[:2],
        *(d * (k - 1) + 1 for d, k in zip(dilation, weight.shape[2:], strict=True)),
    ))
    spaced[(..., *(slice(None, None, d) for d in dilation))] = weight
    outputs, inputs = weight.shape[:2]
    step = (..., *(slice(None, None, s) for s in stride))
    y = np.stack([
        np.stack([
            sum(
                signal.correlate(image[o // (outputs // groups) * inputs + c], spaced[o, c], "valid")
                for c in range(inputs)
            )[step]
            for o in range(outputs)
        ])
        for image in x
    ])
    return y if bias is None else y + bias.reshape(-1, *(1,) * dims)


def conv_case(d: Draw, dims: int) -> tuple[Array, Array, Any, dict[str, Any], Any]:
    """Input, weight, bias, options, and padding as pairs."""
    groups = d.one_of(1, 1, 2)
    inputs, outputs = groups * d.int(1, 2), groups * d.int(1, 2)
    kernel = tuple(d.int(1, 3) for _ in range(dims))
    dilation = tuple(d.int(1, 2) for _ in range(dims))
    size = tuple(k * s + d.int(0, 3) for k, s in zip(kernel, dilation, strict=True))
    padding = d.one_of("same", "valid", 1, tuple(d.int(0, 2) for _ in range(dims)))
    stride = (1,) * dims if padding == "same" else tuple(d.int(1, 3) for _ in range(dims))
    if padding == "same":
        total = [s * (k - 1) for k, s in zip(kernel, dilation, strict=True)]
        pairs = [(t // 2, t - t // 2) for t in total]
    elif padding == "valid":
        pairs = [(0, 0)] * dims
    else:
        each = (1,) * dims if padding == 1 else padding
        pairs = [(p, p) for p in each]
    x = d.array((d.int(1, 2), inputs, *size))
    weight = d.array((outputs, inputs // groups, *kernel))
    bias = d.array((outputs,)) if d.bool() else None
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return x, weight, bias, options, pairs


@calls_of("conv1d", "conv2d")
def conv(d: Draw) -> Call:
    """Stride, padding, dilation, groups."""
    x, weight, bias, options, pairs = conv_case(d, int(d.name[4]))
    expected = naive_conv(
        x, weight, bias, options["stride"], pairs, options["dilation"], options["groups"]
    )
    return Call((x, weight, bias), options, expected)


@calls_of("conv2d_dinput", "conv2d_dweight")
def conv_gradient(d: Draw) -> Call:
    """The shapes of a random convolution; values are covered by the gradients of conv2d."""
    x, weight, _, options, pairs = conv_case(d, 2)
    y = naive_conv(x, weight, None, options["stride"], pairs, options["dilation"],
                   options["groups"])  # fmt: skip
    grad = d.array(y.shape)
    if d.name == "conv2d_dinput":
        return Call((grad, weight, x.shape), options)
    return Call((grad, x, weight.shape), options)


# Reductions

REDUCTIONS: dict[str, Any] = {
    "sum": np.sum,
    "mean": np.mean,
    "amax": np.amax,
    "amin": np.amin,
    "any": np.any,
    "all": np.all,
    "logsumexp": lambda x, **kw: np.log(np.sum(np.exp(x), **kw)),
}


@calls_of(*REDUCTIONS)
def reduction(d: Draw) -> Call:
    """One dim, several, or all; with and without keepdim."""
    x = d.any_array(min_size=0 if d.name in ("sum", "any", "all") else 1)
    dims, keepdim = d.dims(x.ndim), d.bool()
    expected = REDUCTIONS[d.name](x, axis=dims, keepdims=keepdim)
    return Call((x, dims, keepdim), {}, expected)


@calls_of("var", "std")
def spread(d: Draw) -> Call:
    """With and without Bessel's correction."""
    x = d.any_array(min_dims=1, min_size=2)
    dims, keepdim, correction = d.dims(x.ndim), d.bool(), d.one_of(0, 1)
    expected = getattr(np, d.name)(x, axis=dims, keepdims=keepdim, ddof=correction)
    return Call((x, dims, correction, keepdim), {}, expected)


@calls_of("prod")
def prod(d: Draw) -> Call:
    """Also with zeros among the factors."""
    x = d.any_array()
    if x.size and d.bool():
        x = x.copy()
        x[(0,) * x.ndim] = 0
    dim = d.one_of(None, *range(-x.ndim, x.ndim))
    return Call((x, dim), {}, np.prod(x, axis=dim))


@calls_of("cumsum")
def cumsum(d: Draw) -> Call:
    """Along any dim."""
    x = d.any_array(min_dims=1)
    dim = d.dim(x.ndim)
    return Call((x, dim), {}, np.cumsum(x, dim))


@calls_of("argmax", "argmin")
def arg(d: Draw) -> Call:
    """Along a dim or in the flattened array."""
    x = d.any_array(min_size=1)
    dim = d.one_of(None, *range(-x.ndim, x.ndim))
    return Call((x, dim), {}, getattr(np, d.name)(x, dim))


@calls_of("argsort")
def argsort(d: Draw) -> Call:
    """Both directions; there are no ties."""
    x, descending = d.any_array(min_dims=1), d.bool()
    dim = d.dim(x.ndim)
    expected = np.argsort(-x if descending else x, axis=dim)
    return Call((x, dim, descending), {}, expected)


@calls_of("sum_to_size")
def sum_to_size(d: Draw) -> Call:
    """To a shape that broadcasts to the input's."""
    x = d.any_array()
    size = tuple(1 if d.bool() else n for n in x.shape[d.int(0, x.ndim) :])
    extra = x.ndim - len(size)
    y = x.sum(tuple(range(extra)))
    kept = tuple(i for i, n in enumerate(size) if n == 1)
    return Call((x, size), {}, y.sum(kept, keepdims=True) if kept else y)


@calls_of("softmax", "log_softmax")
def softmax(d: Draw) -> Call:
    """Along any dim, large values too."""
    x = d.any_array(-3, 3, min_dims=1, min_size=1) * d.one_of(1, 100)
    dim = d.dim(x.ndim)
    return Call((x, dim), {}, getattr(special, d.name)(x, axis=dim))


# Normalization


@calls_of("batch_norm")
def batch_norm(d: Draw) -> Call:
    """Training and evaluation, with and without weight and bias."""
    x = d.array((3, 2, *d.shape(max_dims=2, min_size=1)))
    mean, var = d.array((2,)), d.array((2,), 0.5, 2)
    weight, bias = (d.array((2,)), d.array((2,))) if d.bool() else (None, None)
    training = d.bool()
    axes = (0, *range(2, x.ndim))
    column = (1, 2, *(1,) * (x.ndim - 2))
    center = x.mean(axes) if training else mean
    scale = 1 / np.sqrt((x.var(axes) if training else var) + 1e-5)
    expected = (x - center.reshape(column)) * scale.reshape(column)
    if weight is not None and bias is not None:
        expected = expected * weight.reshape(column) + bias.reshape(column)
    return Call((x, mean, var, weight, bias, training), {}, expected)


@calls_of("layer_norm")
def layer_norm(d: Draw) -> Call:
    """Over one or two last dims."""
    x = d.array((2, 3, 4))
    shape = d.one_of((4,), (3, 4))
    weight = d.array(shape) if d.bool() else None
    bias = d.array(shape) if d.bool() else None
    axes = tuple(range(-len(shape), 0))
    y = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)
    y = y * (1 if weight is None else weight) + (0 if bias is None else bias)
    return Call((x, shape, weight, bias), {}, y)


@calls_of("dropout")
def dropout(d: Draw) -> Call:
    """The mask is the same for every call of a test, which seeds the generator."""
    x, training = d.any_array(), d.bool()
    return Call((x, 0.3, training), {}, UNKNOWN if training else x)


# Pooling


def windows(size: int, k: int, s: int, p: int, dil: int, ceil: bool) -> list[list[int]]:
    """For each window its positions, those in the padding too."""
    steps = size + 2 * p - dil * (k - 1) - 1
    count = (-(-steps // s) if ceil else steps // s) + 1
    if ceil and (count - 1) * s >= size + p:
        count -= 1
    return [[i * s - p + j * dil for j in range(k)] for i in range(count)]


@calls_of("max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d")
def pool(d: Draw) -> Call:
    """Every option, by loops over windows and positions."""
    dims, is_max = int(d.name[-2]), d.name.startswith("max")
    kernel = tuple(d.int(1, 3) for _ in range(dims))
    stride = tuple(d.int(1, 3) for _ in range(dims))
    padding = tuple(d.int(0, k // 2) for k in kernel)
    dilation = tuple(d.int(1, 2) if is_max else 1 for _ in range(dims))
    ceil = d.bool()
    size = tuple(
        dil * (k - 1) + 1 + d.int(0, 4) for k, dil in zip(kernel, dilation, strict=True)
    )
    x = d.array((*((2, 2) if d.bool() else (3,)), *size))
    count_pad = d.bool()
    per_dim = [
        windows(*case, ceil)
        for case in zip(size, kernel, stride, padding, dilation, strict=True)
    ]
    expected = np.zeros((*x.shape[:-dims], *(len(w) for w in per_dim)))
    for place in np.ndindex(*(len(w) for w in per_dim)):
        spans = [w[i] for w, i in zip(per_dim, place, strict=True)]
        inside = [[q for q in span if 0 <= q < n] for span, n in zip(spans, size, strict=True)]
        window = x[(..., *np.ix_(*inside))]
        last = tuple(range(-dims, 0))
        if is_max:
            expected[(..., *place)] = window.max(last)
        else:
            padded = [
                sum(q < n + p for q in span)
                for span, n, p in zip(spans, size, padding, strict=True)
            ]
            count = np.prod(padded if count_pad else [len(q) for q in inside])
            expected[(..., *place)] = window.sum(last) / count
    options: dict[str, Any] = {"padding": padding, "ceil_mode": ceil}
    options |= {"dilation": dilation} if is_max else {"count_include_pad": count_pad}
    return Call((x, kernel, stride), options, expected)


@calls_of("adaptive_avg_pool1d", "adaptive_avg_pool2d")
def adaptive_pool(d: Draw) -> Call:
    """To smaller, equal and larger sizes, None too."""
    dims = int(d.name[-2])
    size = tuple(d.int(1, 6) for _ in range(dims))
    wanted = tuple(d.one_of(None, d.int(1, 6)) for _ in range(dims))
    x = d.array((2, 2, *size))
    out = [n if w is None else w for n, w in zip(size, wanted, strict=True)]
    expected = np.zeros((2, 2, *out))
    for place in np.ndindex(*out):
        spans = [
            range(i * n // o, -(-(i + 1) * n // o))
            for i, n, o in zip(place, size, out, strict=True)
        ]
        expected[(..., *place)] = x[(..., *np.ix_(*spans))].mean(tuple(range(-dims, 0)))
    return Call((x, wanted), {}, expected)


# Quantization


@calls_of("fake_quantize")
def fake_quantize(d: Draw) -> Call:
    """Per tensor and per channel."""
    x = d.array((3, 4)).astype(np.float32).astype(np.float64)
    if d.bool():
        return Call((x, 0.25, 3, 0, 7), {})
    return Call((x, np.array([0.25, 0.5, 1.0]), np.array([0, 0, 0]), -4, 3, 0), {})


@calls_of("straight_through")
def straight_through(d: Draw) -> Call:
    """The value, whatever it is."""
    x = d.any_array()
    return Call((x, np.round(x)), {}, np.round(x))
