"""F.pad: NumPy's result, its transpose, second derivatives, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qgrad
from qgrad import nn
from qgrad.errors import ShapeError
from qgrad.nn import functional as F

MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@st.composite
def padded(draw: st.DrawFn) -> tuple[Any, list[int], str]:
    """An array, widths of its last dimensions, and a mode that allows them."""
    mode = draw(st.sampled_from(sorted(MODES)))
    shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    dims = draw(st.integers(1, len(shape)))
    pad = []
    for size in shape[::-1][:dims]:
        longest = {"constant": 3, "replicate": 3, "reflect": size - 1, "circular": size}[mode]
        pad += [draw(st.integers(0, longest)), draw(st.integers(0, longest))]
    x = np.arange(1, np.prod(shape) + 1, dtype=np.float64).reshape(shape)
    return x, pad, mode


def by_numpy(x: Any, pad: list[int], mode: str) -> Any:
    """The same by numpy.pad, which lists the first dimension first."""
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)][::-1]
    return np.pad(x, [(0, 0)] * (x.ndim - len(pairs)) + pairs, MODES[mode])  # type: ignore[call-overload]


@given(padded())
def test_equals_numpy(case: tuple[Any, list[int], str]) -> None:
    """Every mode gives what numpy.pad gives."""
    x, pad, mode = case
    np.testing.assert_array_equal(F.pad(qgrad.from_numpy(x), pad, mode).numpy(), by_numpy(*case))


@given(padded())
def test_gradient_is_the_transpose(case: tuple[Any, list[int], str]) -> None:
    """<pad(x), g> = <x, dx> for the linear part, and the gradient's gradient is pad again."""
    x, pad, mode = case
    tensor = qgrad.from_numpy(x).requires_grad_()
    y = F.pad(tensor, pad, mode)
    g = qgrad.from_numpy(np.cos(np.arange(y.numel())).reshape(y.shape)).requires_grad_()
    (dx,) = qgrad.autograd.grad(y, [tensor], g, create_graph=True)
    inner = (y.detach() * g.detach()).sum().item()
    assert (dx.detach() * tensor.detach()).sum().item() == pytest.approx(inner, abs=1e-9)
    (dg,) = qgrad.autograd.grad((dx * qgrad.from_numpy(x)).sum(), [g])
    np.testing.assert_allclose(dg.numpy(), by_numpy(*case))


def test_negative_widths_cut() -> None:
    """A constant pad of negative width narrows, and gives zero gradient to what it cut."""
    x = qgrad.arange(5, dtype=qgrad.float32).requires_grad_()
    y = F.pad(x, (-1, 2), value=9.0)
    assert y.tolist() == [1, 2, 3, 4, 9, 9]
    y.sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("reflect", [1, 2, 3, 2, 1]), ("replicate", [1, 2, 3, 3, 3]), ("circular", [1, 2, 3, 1, 2])],
)
def test_what_is_cut_may_be_seen_in_the_mirror(mode: str, expected: list[int]) -> None:
    """Negative widths in all modes: only "circular" cuts before it widens, as in PyTorch."""
    x = qgrad.arange(4, dtype=qgrad.float32)[None]
    assert F.pad(x, (-1, 2), mode).tolist() == [expected]
    assert F.pad(x, (-1, -1), mode).tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("pad", "mode", "message"),
    [
        ((1,), "constant", "pad must hold"),
        ((1, 1, 1, 1, 1, 1), "constant", "at most 2 dims"),
        ((3, 0), "reflect", "at most 2 on each side of dim 1 of length 3"),
        ((4, 0), "circular", "at most 3 on each side"),
        ((-2, -2), "replicate", "cut more than there is of dim 1"),
        ((-4, 0), "constant", "cut more than there is"),
        ((1, 1), "wrap", "mode must be one of"),
    ],
)
def test_errors(pad: tuple[int, ...], mode: str, message: str) -> None:
    """Widths and modes that cannot be are refused."""
    with pytest.raises(ValueError, match=f"pad: .*{message}|pad: {message}"):
        F.pad(qgrad.zeros(2, 3), pad, mode)


def test_padding_that_is_too_wide_is_a_shape_error() -> None:
    """The same class as for all sizes that do not fit."""
    with pytest.raises(ShapeError):
        F.pad(qgrad.zeros(2, 3), (3, 3), "reflect")


LAYERS = {"Constant": "constant", "Zero": "constant", "Reflection": "reflect",
          "Replication": "replicate", "Circular": "circular"}  # fmt: skip


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_layers(kind: str, dims: int) -> None:
    """Each is F.pad; one number is all widths."""
    make = getattr(nn, f"{kind}Pad{dims}d")
    value = (2.5,) if kind == "Constant" else ()
    x = qgrad.randn(2, 3, *(4, 5, 6)[:dims])
    widths = (1, 2, 0, 1, 2, 2)[: 2 * dims]
    for padding, all_widths in ((widths, widths), (1, (1,) * (2 * dims))):
        expected = F.pad(x, all_widths, LAYERS[kind], *value)
        np.testing.assert_array_equal(make(padding, *value)(x).numpy(), expected.numpy())
    assert str(widths) in repr(make(widths, *value))
    with pytest.raises(ShapeError, match=rf"{kind}Pad{dims}d: padding \(1, 2, 3\) has 3 widths"):
        make((1, 2, 3), *value)
    if kind not in ("Constant", "Zero"):
        with pytest.raises(ShapeError, match=f"x has {dims} dimensions, but must have"):
            make(1)(x[0, 0])
