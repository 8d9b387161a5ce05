"""A strategy for small networks as people write them, with every kind of layer that quantizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from qgrad import nn, ops
from qgrad.autograd import no_grad
from qgrad.ops.rng import default_generator
from qgrad.tensor import Tensor
from qgrad.testing.strategies.arguments import Shape, check_shape, check_whole

__all__ = ["KINDS", "Network", "modules"]

ACTIVATIONS: tuple[Callable[[], nn.Module], ...] = (
    nn.ReLU,
    nn.ReLU6,
    nn.Sigmoid,
    nn.Tanh,
    nn.GELU,
    nn.SiLU,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.LeakyReLU,
    nn.ELU,
    nn.Softplus,
)
KINDS = ("activation", "linear", "conv", "pool", "residual", "cat", "head")


class Network(nn.Sequential):
    """A drawn network; `input_shape` is the shape of one input, without the batch."""

    input_shape: Shape

    def example(self, batch: int = 2, seed: int = 0) -> Tensor:
        """A batch of inputs from the normal distribution, always the same for a seed."""
        values = np.random.default_rng(seed).standard_normal((batch, *self.input_shape))
        return Tensor._make(values.astype(np.float32))


class Residual(nn.Module):
    """x + f(x), and perhaps a ReLU."""

    def __init__(self, inner: nn.Module, relu: bool) -> None:
        super().__init__()
        self.inner = inner
        self.relu = relu

    def forward(self, x: Any) -> Any:
        """The sum."""
        y = x + self.inner(x)
        return nn.functional.relu(y) if self.relu else y


class Concat(nn.Module):
    """The channels of two branches side by side."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first = first
        self.second = second

    def forward(self, x: Any) -> Any:
        """Both outputs along dimension 1."""
        return ops.cat([self.first(x), self.second(x)], 1)


def modules(
    input_shape: Shape | None = None,
    *,
    kinds: Sequence[str] = KINDS,
    min_blocks: int = 1,
    max_blocks: int = 4,
    max_channels: int = 8,
) -> st.SearchStrategy[Network]:
    """Small networks with random weights, in training mode as all new modules.

    input_shape: of one input without the batch, (features,) or (channels, height, width); by
        default either, and `network.input_shape` tells.
    kinds: the blocks to choose from: activation, linear, conv (stride, padding, dilation, groups,
        depthwise, batch norm), pool, residual, cat, head (flatten or pooling, then linear).
    min_blocks, max_blocks: how many of them.

    The default generator of random numbers is left as it was.
    """
    check_whole("modules", "max_channels", max_channels, 1)
    check_whole("modules", "min_blocks", min_blocks, 1)
    check_whole("modules", "max_blocks", max_blocks, min_blocks)
    if isinstance(kinds, str) or not kinds or not set(kinds) <= set(KINDS):
        raise InvalidArgument(f"modules: kinds={kinds!r} must be some of {', '.join(KINDS)}")
    if input_shape is not None:
        shape = check_shape("modules", input_shape)
        if len(shape) not in (1, 3) or 0 in shape:
            raise InvalidArgument(
                f"modules: input_shape={shape} must be (features,) or (channels, height, width)"
            )
        shapes = st.just(shape)
    else:
        side, channels = st.integers(3, 8), st.integers(1, max_channels)
        shapes = st.one_of(st.tuples(channels), st.tuples(channels, side, side))
    return _networks(shapes, tuple(kinds), min_blocks, max_blocks, max_channels)


@st.composite
def _networks(
    draw: st.DrawFn,
    shapes: st.SearchStrategy[Shape],
    kinds: tuple[str, ...],
    min_blocks: int,
    max_blocks: int,
    max_channels: int,
) -> Network:
    shape = input_shape = draw(shapes)
    with _own_random_numbers(draw(st.integers(0, 2**16))) as numbers:
        blocks: list[nn.Module] = []
        while len(blocks) < max_blocks:
            block, shape = draw(_block(shape, kinds, len(blocks) < min_blocks, max_channels))
            if block is None:
                break
            blocks.append(block)
        network = Network(*blocks)
        _settle(network, numbers)
    network.input_shape = input_shape
    return network


Block = tuple[nn.Module, Shape]
Draw = st.DrawFn


@st.composite
def _block(
    draw: Draw, shape: Shape, kinds: tuple[str, ...], required: bool, max_channels: int
) -> tuple[nn.Module | None, Shape]:
    """One more block, or None: a draw of its own, so that shrinking can leave it out."""
    if not required and not draw(st.integers(0, 3)):
        return None, shape
    possible = [kind for kind in kinds if kind in _POSSIBLE[len(shape)]]
    kind = draw(st.sampled_from(possible or ["activation"]))
    return _BLOCKS[kind](draw, shape, max_channels)


def _activation(draw: Draw, shape: Shape, max_channels: int) -> Block:
    return draw(st.sampled_from(ACTIVATIONS))(), shape


def _linear(draw: Draw, shape: Shape, max_channels: int) -> Block:
    """Linear, maybe with BatchNorm1d and an activation."""
    out = draw(st.integers(1, max_channels))
    linear = nn.Linear(shape[0], out, bias=draw(st.booleans()))
    norm = [nn.BatchNorm1d(out)] if draw(st.booleans()) else []
    return _followed(draw, linear, *norm), (out,)


def _conv(draw: Draw, shape: Shape, max_channels: int) -> Block:
    """Conv2d with all its options, maybe with BatchNorm2d and an activation."""
    # The draws do not depend on each other, so that each can shrink alone.
    channels = shape[0]
    kernel = min(draw(st.integers(1, 3)), *shape[1:])
    padding = min(draw(st.integers(0, 2)), kernel - 1)
    dilation = draw(st.integers(1, 2))
    if 2 * (kernel - 1) >= min(shape[1:]) + 2 * padding:
        dilation = 1
    stride = draw(st.integers(1, 2))
    groups = draw(st.sampled_from([g for g in (1, 2, channels) if channels % g == 0]))
    out = groups * draw(st.integers(1, max(1, max_channels // groups)))
    conv = nn.Conv2d(
        channels, out, kernel, stride, padding, dilation, groups, bias=draw(st.booleans())
    )
    norm = [nn.BatchNorm2d(out)] if draw(st.booleans()) else []
    return _followed(draw, conv, *norm), (out, *(_slid(conv, side) for side in shape[1:]))


def _slid(conv: nn.Conv2d, side: int) -> int:
    """The size of a side after a square convolution."""
    reach = conv.dilation[0] * (conv.kernel_size[0] - 1) + 1
    padding = conv.padding[0]
    assert isinstance(padding, int)
    return (side + 2 * padding - reach) // conv.stride[0] + 1


def _pool(draw: Draw, shape: Shape, max_channels: int) -> Block:
    """Max or average pooling, or pooling to a given size."""
    kind = draw(st.sampled_from(["max", "avg", "adaptive"]))
    if kind == "adaptive":
        side = draw(st.integers(1, min(shape[1:])))
        return nn.AdaptiveAvgPool2d(side), (shape[0], side, side)
    kernel = min(draw(st.integers(1, 3)), *shape[1:])
    options: dict[str, Any] = {
        "stride": draw(st.integers(1, 2)),
        "padding": min(draw(st.integers(0, 1)), kernel // 2),
        "ceil_mode": draw(st.booleans()),
    }
    pool: nn.Module = nn.MaxPool2d(kernel, **options)
    if kind == "avg":
        pool = nn.AvgPool2d(kernel, **options, count_include_pad=draw(st.booleans()))
    return pool, _shape_after(pool, shape)


def _residual(draw: Draw, shape: Shape, max_channels: int) -> Block:
    """A layer that keeps the shape, and its input added."""
    channels = shape[0]
    if len(shape) == 1:
        inner: nn.Module = nn.Linear(channels, channels)
    else:
        inner = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels))
    return Residual(inner, draw(st.booleans())), shape


def _cat(draw: Draw, shape: Shape, max_channels: int) -> Block:
    """Two branches beside each other."""
    sizes = [draw(st.integers(1, max_channels)) for _ in range(2)]
    if len(shape) == 1:
        layers: list[nn.Module] = [nn.Linear(shape[0], size) for size in sizes]
    else:
        layers = [nn.Conv2d(shape[0], size, 1) for size in sizes]
    block = Concat(layers[0], nn.Sequential(layers[1], nn.ReLU()))
    return block, (sum(sizes), *shape[1:])


def _head(draw: Draw, shape: Shape, max_channels: int) -> Block:
    """From an image to features: flatten, or pool every channel, then Linear."""
    out = draw(st.integers(1, max_channels))
    if draw(st.booleans()):
        layers = [nn.Flatten(), nn.Linear(int(np.prod(shape)), out)]
    else:
        layers = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(shape[0], out)]
    return nn.Sequential(*layers), (out,)


_BLOCKS = {
    "activation": _activation,
    "linear": _linear,
    "conv": _conv,
    "pool": _pool,
    "residual": _residual,
    "cat": _cat,
    "head": _head,
}
_POSSIBLE = {  # by the number of dimensions of an input
    1: ("activation", "linear", "residual", "cat"),
    3: ("activation", "conv", "pool", "residual", "cat", "head"),
}


def _followed(draw: Draw, *layers: nn.Module) -> nn.Module:
    """The layers, maybe with an activation behind them."""
    if draw(st.booleans()):
        layers = (*layers, draw(st.sampled_from(ACTIVATIONS))())
    return layers[0] if len(layers) == 1 else nn.Sequential(*layers)


def _shape_after(module: nn.Module, shape: Shape) -> Shape:
    with no_grad():
        return tuple(module(Tensor._make(np.zeros((1, *shape), np.float32))).shape[1:])


def _settle(network: nn.Module, numbers: np.random.Generator) -> None:
    """Give batch norms the statistics and scales of a trained network."""
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            n = module.num_features
            values = {
                "running_mean": numbers.normal(0, 0.3, n),
                "running_var": numbers.uniform(0.3, 1.5, n),
                "weight": numbers.normal(0, 1, n),
                "bias": numbers.normal(0, 0.3, n),
            }
            with no_grad():
                for name, value in values.items():
                    getattr(module, name).copy_(Tensor._make(value.astype(np.float32)))


@contextmanager
def _own_random_numbers(seed: int) -> Iterator[np.random.Generator]:
    """Seed the default generator for a while: layers draw their first weights from it."""
    before = default_generator.get_state()
    try:
        yield default_generator.manual_seed(seed).numpy
    finally:
        default_generator.set_state(before)
