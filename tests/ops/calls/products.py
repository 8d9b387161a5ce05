"""Calls of products and convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np
from ops.calls.draw import Array, Call, Draw, calls_of
from scipy import signal


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
    spaced = np.zeros(
        (
            *weight.shape[:2],
            *(d * (k - 1) + 1 for d, k in zip(dilation, weight.shape[2:], strict=True)),
        )
    )
    spaced[(..., *(slice(None, None, d) for d in dilation))] = weight
    outputs, inputs = weight.shape[:2]
    step = (..., *(slice(None, None, s) for s in stride))
    y = np.stack(
        [
            np.stack(
                [
                    sum(
                        signal.correlate(image[first + c], spaced[o, c], "valid")
                        for c in range(inputs)
                    )[step]
                    for o in range(outputs)
                    for first in [o // (outputs // groups) * inputs]
                ]
            )
            for image in x
        ]
    )
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
