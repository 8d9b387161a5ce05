"""Strategies of convolution's relatives: volumes, transposed convolutions, columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from ops.calls.draw import Array, Call, Draw, calls_of
from ops.calls.products import conv_case, naive_conv


@calls_of("conv3d")
def conv3d(d: Draw) -> Call:
    """Stride, padding, dilation, groups."""
    x, weight, bias, options, pairs = conv_case(d, 3)
    expected = naive_conv(
        x, weight, bias, options["stride"], pairs, options["dilation"], options["groups"]
    )
    return Call((x, weight, bias), options, expected)


@calls_of("conv3d_dinput", "conv3d_dweight")
def conv3d_gradient(d: Draw) -> Call:
    """The shapes of a random convolution; values are covered by the gradients of conv3d."""
    x, weight, _, options, pairs = conv_case(d, 3)
    y = naive_conv(
        x, weight, None, options["stride"], pairs, options["dilation"], options["groups"]
    )
    grad = d.array(y.shape)
    if d.name == "conv3d_dinput":
        return Call((grad, weight, x.shape), options)
    return Call((grad, x, weight.shape), options)


def naive_transposed(
    x: Array,
    weight: Array,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> Array:
    """Every input element times the kernel, added where it falls, one at a time."""
    inputs, outputs = weight.shape[0] // groups, weight.shape[1]
    y = np.zeros((len(x), outputs * groups, *size))
    for b, c, *place in np.ndindex(*x.shape):
        first = c // inputs * outputs
        for tap in np.ndindex(*weight.shape[2:]):
            to = [
                i * s - p + t * d
                for i, s, p, t, d in zip(place, stride, padding, tap, dilation, strict=True)
            ]
            if all(0 <= i < n for i, n in zip(to, size, strict=True)):
                y[(b, slice(first, first + outputs), *to)] += (
                    x[(b, c, *place)] * weight[(c, slice(None), *tap)]
                )
    return y


@calls_of("conv_transpose1d", "conv_transpose2d")
def conv_transpose(d: Draw) -> Call:
    """Every option, output paddings larger than the stride too, with and without a batch."""
    dims = int(d.name[-2])
    groups = d.one_of(1, 1, 2)
    inputs, outputs = groups * d.int(1, 2), d.int(1, 2)
    kernel = tuple(d.int(1, 3) for _ in range(dims))
    stride = tuple(d.int(1, 3) for _ in range(dims))
    dilation = tuple(d.int(1, 3) for _ in range(dims))
    extra = tuple(d.int(0, max(s, k) - 1) for s, k in zip(stride, dilation, strict=True))
    padding = tuple(d.int(0, 1) for _ in range(dims))
    size = tuple(d.int(2 + p, 4) for p in padding)
    out = tuple(
        (n - 1) * s - 2 * p + j * (k - 1) + e + 1
        for n, s, p, j, k, e in zip(size, stride, padding, dilation, kernel, extra, strict=True)
    )
    x = d.array((d.int(1, 2), inputs, *size))
    weight = d.array((inputs, outputs, *kernel))
    bias = d.array((outputs * groups,)) if d.bool() else None
    expected = naive_transposed(x, weight, out, stride, padding, dilation, groups)
    if bias is not None:
        expected += bias.reshape(-1, *(1,) * dims)
    if len(x) == 1 and d.bool():
        x, expected = x[0], expected[0]
    options = {"stride": stride, "padding": padding, "output_padding": extra}
    return Call((x, weight, bias), {**options, "groups": groups, "dilation": dilation}, expected)


def column_case(d: Draw) -> tuple[tuple[int, int], tuple[Any, ...], tuple[int, ...], Array]:
    """Image size, (kernel, dilation, padding, stride), counts of windows, pixel of each tap.

    The last is [KH * KW, windows] of indices into the flattened padded image.
    """
    kernel = (d.int(1, 3), d.int(1, 3))
    dilation, padding = (d.int(1, 2), d.int(1, 2)), (d.int(0, 2), d.int(0, 2))
    stride = (d.int(1, 3), d.int(1, 3))
    size = tuple(j * (k - 1) + 1 + d.int(0, 3) for j, k in zip(dilation, kernel, strict=True))
    padded = tuple(n + 2 * p for n, p in zip(size, padding, strict=True))
    counts = tuple(
        (n - j * (k - 1) - 1) // s + 1
        for n, j, k, s in zip(padded, dilation, kernel, stride, strict=True)
    )
    pixels = np.arange(padded[0] * padded[1]).reshape(padded)
    taps = [
        [
            pixels[y * stride[0] + i * dilation[0], x * stride[1] + j * dilation[1]]
            for y in range(counts[0])
            for x in range(counts[1])
        ]
        for i in range(kernel[0])
        for j in range(kernel[1])
    ]
    return (size[0], size[1]), (kernel, dilation, padding, stride), padded, np.array(taps)


@calls_of("im2col")
def im2col(d: Draw) -> Call:
    """Every option, with and without a batch."""
    size, options, _, taps = column_case(d)
    x = d.array((2, 3, *size))
    pads = [(p, p) for p in options[2]]
    flat = np.pad(x, [(0, 0), (0, 0), *pads]).reshape(2, 3, -1)
    expected = flat[:, :, taps].reshape(2, 3 * len(taps), -1)
    if d.bool():
        return Call((x[0], *options), {}, expected[0])
    return Call((x, *options), {}, expected)


@calls_of("col2im")
def col2im(d: Draw) -> Call:
    """Every option, with and without a batch."""
    size, options, padded, taps = column_case(d)
    columns = d.array((2, 3 * len(taps), taps.shape[1]))
    images = np.zeros((6, padded[0] * padded[1]))
    for image, parts in zip(images, columns.reshape(6, *taps.shape), strict=True):
        np.add.at(image, taps, parts)
    (top, left), (height, width) = options[2], size
    expected = images.reshape(2, 3, *padded)[:, :, top : top + height, left : left + width]
    if d.bool():
        return Call((columns[0], size, *options), {}, expected[0])
    return Call((columns, size, *options), {}, expected)
