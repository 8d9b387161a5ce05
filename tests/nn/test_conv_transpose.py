"""ConvTranspose1d, ConvTranspose2d, Fold and Unfold: transposes, sizes, first values, errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import qgrad
from qgrad import nn
from qgrad.errors import DTypeError, ShapeError
from qgrad.nn import functional as F


@given(
    rank=st.sampled_from([1, 2]),
    groups=st.integers(1, 2),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 3),
    extra=st.integers(0, 2),
    size=st.integers(1, 4),
    kernel=st.integers(1, 3),
    seed=st.integers(0, 2**32 - 1),
)
@settings(deadline=None)
def test_it_is_the_transpose(
    rank: int, groups: int, stride: int, padding: int, dilation: int, extra: int, size: int,
    kernel: int, seed: int,
) -> None:  # fmt: skip
    """<conv(y), x> = <y, conv_transpose(x)> for the same weight and options."""
    assume(extra < max(stride, dilation))
    out = (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + extra + 1
    assume(out >= 1)
    rng = np.random.default_rng(seed)
    x = qgrad.from_numpy(rng.uniform(-1, 1, (2, 2 * groups, *(size,) * rank)))
    w = qgrad.from_numpy(rng.uniform(-1, 1, (2 * groups, 3, *(kernel,) * rank)))
    transposed, conv = (getattr(F, f"{name}{rank}d") for name in ("conv_transpose", "conv"))
    y = transposed(x, w, None, stride, padding, extra, groups, dilation)
    assert tuple(y.shape) == (2, 3 * groups, *(out,) * rank)
    g = qgrad.from_numpy(rng.uniform(-1, 1, tuple(y.shape)))
    back = conv(g, w, None, stride, padding, dilation, groups)
    within = back[(..., *(slice(size),) * rank)]  # an output padding >= stride leaves some more
    assert (within * x).sum().item() == pytest.approx((y * g).sum().item(), abs=1e-9)


@pytest.mark.parametrize("wanted", [7, 8, 9])
def test_output_size_chooses_among_sizes(wanted: int) -> None:
    """All sizes that the convolution would make as small as x can be asked for."""
    layer = nn.ConvTranspose1d(2, 3, 3, stride=3, padding=1, output_padding=2)
    x = qgrad.ones(1, 2, 3)
    assert tuple(layer(x).shape) == (1, 3, 9)
    y = layer(x, output_size=[wanted])
    assert tuple(y.shape) == (1, 3, wanted)
    np.testing.assert_array_equal(y.detach().numpy(), layer(x).detach().numpy()[..., :wanted])
    assert tuple(layer(x, output_size=(1, 3, wanted)).shape) == (1, 3, wanted)


def test_first_values_of_the_weight() -> None:
    """Weight (in, out/groups, K) and bias are uniform on +-1/sqrt(out/groups * K)."""
    qgrad.manual_seed(0)
    layer = nn.ConvTranspose2d(8, 32, 3, groups=2)
    bound = 1 / math.sqrt(16 * 9)
    assert tuple(layer.weight.shape) == (8, 16, 3, 3)
    assert tuple(layer.bias.shape) == (32,)
    for param in layer.parameters():
        values = np.abs(param.detach().numpy())
        assert bound * 0.9 < values.max() <= bound


def test_fold_counts_what_unfold_takes() -> None:
    """fold(unfold(x)) is x times the number of windows that see each pixel."""
    x = qgrad.from_numpy(np.arange(1.0, 25.0).reshape(1, 1, 4, 6))
    options = {"kernel_size": (2, 3), "padding": (1, 0), "stride": (1, 2)}
    seen = F.fold(F.unfold(qgrad.ones_like(x), **options), (4, 6), **options)
    y = nn.Fold((4, 6), **options)(nn.Unfold(**options)(x))
    np.testing.assert_array_equal(y.numpy(), (x * seen).numpy())
    assert seen.numpy().max() == 4


X = qgrad.ones(1, 4, 3, 3)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: nn.ConvTranspose2d(4, 4, 3, output_padding=1)(X),
            ValueError,
            "output_padding must be smaller than stride or dilation",
        ),
        (lambda: nn.ConvTranspose2d(3, 4, 3)(X), ShapeError, "takes 3 input channels, input has 4"),
        (lambda: nn.ConvTranspose2d(4, 4, 1, padding=2)(X), ShapeError, r"have size \[-1, -1\]"),
        (lambda: nn.ConvTranspose1d(4, 4, 1)(X), ShapeError, r"conv_transpose1d: needs input \[B"),
        (lambda: nn.ConvTranspose2d(4, 4, 1).double()(X), DTypeError, "one dtype"),
        (
            lambda: nn.ConvTranspose2d(4, 4, 3, stride=2)(X, output_size=(9, 9)),
            ShapeError,
            r"output_size is \(9, 9\), but must be from \(7, 7\)",
        ),
        (
            lambda: nn.ConvTranspose2d(4, 4, 3, padding_mode="reflect"),
            ValueError,
            "padding_mode is 'reflect', but must be 'zeros'",
        ),
        (lambda: nn.ConvTranspose2d(4, 4, 3, padding="same"), ValueError, "padding is 'same'"),
        (lambda: nn.Conv3d(4, 4, 3)(X), ShapeError, r"conv3d: needs input|conv3d: weight takes"),
        (lambda: F.unfold(X, 5), ShapeError, "im2col: the window is larger"),
        (lambda: F.unfold(X, 2, stride=0), ValueError, "im2col: kernel_size, dilation and stride"),
        (
            lambda: F.fold(qgrad.ones(1, 8, 3), (3, 3), 2),
            ShapeError,
            r"col2im: input must be \[B, C \* 4, 4\]",
        ),
    ],
)
def test_errors(call: Any, kind: type[Exception], message: str) -> None:
    """What does not fit is refused with the numbers."""
    with pytest.raises(kind, match=message):
        call()
