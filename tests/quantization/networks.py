"""Random small networks for end-to-end tests: what users write, with every quantizable op in it."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

import qgrad
from qgrad import nn

ACTIVATIONS = [
    nn.ReLU,
    nn.ReLU6,
    nn.GELU,
    nn.SiLU,
    nn.Sigmoid,
    nn.Tanh,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.LeakyReLU,
    nn.ELU,
    nn.Softplus,
    nn.Hardtanh,
    nn.Mish,
    nn.SELU,
    nn.LogSigmoid,
]


class Residual(nn.Module):
    """x + f(x), with an activation behind the sum or not."""

    def __init__(self, inner: nn.Module, relu: bool) -> None:
        super().__init__()
        self.inner = inner
        self.relu = relu

    def forward(self, x: Any) -> Any:
        y = self.inner(x) + x
        return nn.functional.relu(y) if self.relu else y


class Concat(nn.Module):
    """Channels of two branches side by side."""

    def __init__(self, a: nn.Module, b: nn.Module) -> None:
        super().__init__()
        self.a, self.b = a, b

    def forward(self, x: Any) -> Any:
        return qgrad.cat([self.a(x), self.b(x)], dim=1)


class Reshape(nn.Module):
    """Flatten by the batch size, as people write it."""

    def forward(self, x: Any) -> Any:
        return x.reshape(x.shape[0], -1)


@st.composite
def convolutions(draw: st.DrawFn, channels: int, size: int) -> tuple[nn.Module, int, int]:
    """A convolution that fits (channels, size, size); gives (module, channels, size) after it."""
    kernel = draw(st.integers(1, 3))
    dilation = draw(st.integers(1, 2)) if size > 4 else 1
    padding = draw(st.integers(0, kernel - 1)) if kernel > 1 else 0
    stride = draw(st.integers(1, 2))
    reach = dilation * (kernel - 1) + 1
    if size + 2 * padding < reach:
        kernel, padding, dilation, reach = 1, 0, 1, 1
    kind = draw(st.sampled_from(["plain", "grouped", "depthwise"]))
    if kind == "depthwise":
        out, groups = channels, channels
    elif kind == "grouped" and channels % 2 == 0:
        out, groups = 2 * draw(st.integers(1, 4)), 2
    else:
        out, groups = draw(st.integers(1, 9)), 1
    conv = nn.Conv2d(
        channels,
        out,
        kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        bias=draw(st.booleans()),
    )
    return conv, out, (size + 2 * padding - reach) // stride + 1


@st.composite
def blocks(draw: st.DrawFn, channels: int, size: int) -> tuple[nn.Module, int, int]:
    """One piece of an image network, with the channels and size behind it."""
    kind = draw(st.sampled_from(["conv", "conv", "conv", "residual", "cat", "pool", "act"]))
    if kind == "conv":
        conv, channels, size = draw(convolutions(channels, size))
        parts: list[nn.Module] = [conv]
        if draw(st.booleans()):
            parts.append(nn.BatchNorm2d(channels))
        if draw(st.booleans()):
            parts.append(draw(st.sampled_from(ACTIVATIONS))())
        return nn.Sequential(*parts), channels, size
    if kind == "residual":
        inner = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels))
        return Residual(inner, draw(st.booleans())), channels, size
    if kind == "cat":
        a, b = nn.Conv2d(channels, 3, 1), nn.Sequential(nn.Conv2d(channels, 2, 1), nn.ReLU())
        return Concat(a, b), 5, size
    if kind == "pool" and size >= 2:
        pad = draw(st.integers(0, 1)) if size > 2 else 0
        ceil = draw(st.booleans())
        if draw(st.booleans()):
            pool: nn.Module = nn.MaxPool2d(2 + pad, stride=2, padding=pad, ceil_mode=ceil)
        else:
            pool = nn.AvgPool2d(
                2 + pad,
                stride=2,
                padding=pad,
                ceil_mode=ceil,
                count_include_pad=draw(st.booleans()),
            )
        probe = pool(qgrad.zeros(1, channels, size, size))
        return pool, channels, int(probe.shape[2])
    return draw(st.sampled_from(ACTIVATIONS))(), channels, size


@st.composite
def image_networks(draw: st.DrawFn) -> tuple[nn.Module, tuple[int, ...]]:
    """A network and the shape of one of its inputs (channels, height, width)."""
    qgrad.manual_seed(draw(st.integers(0, 2**16)))
    channels = in_channels = draw(st.integers(1, 5))
    size = in_size = draw(st.integers(4, 9))
    layers: list[nn.Module] = []
    for _ in range(draw(st.integers(1, 4))):
        block, channels, size = draw(blocks(channels, size))
        layers.append(block)
    tail = draw(st.sampled_from(["none", "adaptive", "flatten", "reshape"]))
    if tail == "adaptive":
        layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 4)]
    elif tail != "none":
        flat: nn.Module = nn.Flatten() if tail == "flatten" else Reshape()
        layers += [
            nn.Dropout2d(0.2),
            flat,
            nn.Linear(channels * size * size, 5),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(5, 3),
        ]
    model = nn.Sequential(*layers)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            with qgrad.no_grad():
                module.running_mean.copy_(qgrad.randn(module.num_features) * 0.2)
                module.running_var.copy_(qgrad.rand(module.num_features) + 0.3)
                module.weight.copy_(qgrad.randn(module.num_features))
                module.bias.copy_(qgrad.randn(module.num_features) * 0.3)
    return model, (in_channels, in_size, in_size)
