"""Keywords, `out=`, other names, in-place twins, and values at the edges, as PyTorch has them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import qgrad
from qgrad import ops
from qgrad.autograd import grad
from qgrad.errors import DTypeError, ShapeError
from qgrad.nn import functional as F
from qgrad.ops import aliases

inf, nan = math.inf, math.nan


def test_keywords_that_mean_another_call() -> None:
    """alpha, rounding_mode and decimals, in functions, methods and twins."""
    x, y = qgrad.tensor([7.0, -7.0]), qgrad.tensor([2.0, 2.0])
    assert qgrad.add(x, y, alpha=3).tolist() == [13, -1]
    assert x.sub(y, alpha=0.5).tolist() == [6, -8]
    assert x.clone().add_(y, alpha=2).tolist() == [11, -3]
    assert qgrad.div(x, y, rounding_mode="floor").tolist() == [3, -4]
    assert qgrad.div(x, y, rounding_mode="trunc").tolist() == [3, -3]
    assert qgrad.div(x, y, rounding_mode=None).tolist() == [3.5, -3.5]
    assert x.clone().div_(y, rounding_mode="floor").tolist() == [3, -4]
    assert qgrad.div(qgrad.tensor([7, -7]), 2, rounding_mode="trunc").tolist() == [3, -3]
    assert qgrad.tensor([12.345, 25.0]).round(decimals=1).tolist() == pytest.approx([12.3, 25])
    assert qgrad.tensor([15.0, 25.0]).round(decimals=-1).tolist() == [20, 20]
    with pytest.raises(ValueError, match="rounding_mode must be None"):
        qgrad.div(x, y, rounding_mode="up")


def test_keywords_have_gradients() -> None:
    """Those of the call that they mean."""
    x, y = qgrad.ones(2, requires_grad=True), qgrad.ones(2, requires_grad=True)
    qgrad.add(x, y, alpha=3).sum().backward()
    assert (x.grad.tolist(), y.grad.tolist()) == ([1, 1], [3, 3])
    z = x.clone()
    z.sub_(y, alpha=2)
    z.sum().backward()
    assert y.grad.tolist() == [1, 1]
    assert qgrad.div(x, y, rounding_mode="floor").requires_grad


def test_out_takes_the_result() -> None:
    """Of its own shape and dtype, empty, or an array; the tensor itself is given back."""
    x = qgrad.tensor([1.0, 4.0])
    out = qgrad.zeros(2)
    before, version = out.data_ptr(), out._version
    assert qgrad.sqrt(x, out=out) is out
    assert out.tolist() == [1, 2]
    assert out.data_ptr() == before
    assert out._version == version + 1
    assert qgrad.add(x, 1, alpha=2, out=qgrad.empty(0)).tolist() == [3, 6]
    assert qgrad.add(x, 1, out=qgrad.empty(0, dtype=qgrad.float64)).dtype is qgrad.float64
    array = np.zeros(2)
    assert ops.exp(np.zeros(2), out=array) is array
    assert array.tolist() == [1, 1]


def test_out_refuses() -> None:
    """Other shapes, dtypes that lose values, gradients."""
    x = qgrad.ones(2)
    with pytest.raises(ShapeError, match=r"exp: the result has shape \[2\], out \[3\]"):
        qgrad.exp(x, out=qgrad.empty(3))
    with pytest.raises(DTypeError, match="exp: the result is float32, out is int64"):
        qgrad.exp(x, out=qgrad.empty(2, dtype=qgrad.int64))
    with pytest.raises(RuntimeError, match="exp: out= is not differentiable"):
        qgrad.exp(x.requires_grad_(), out=qgrad.empty(2))
    with pytest.raises(ValueError, match=r"exp: the result .* does not go into out"):
        ops.exp(np.zeros(2), out=np.zeros(3))


@pytest.mark.parametrize("name", aliases.__all__)
def test_other_names(name: str) -> None:
    """A function and, but for concat and concatenate, a method."""
    assert getattr(qgrad, name) is getattr(aliases, name)
    assert hasattr(qgrad.Tensor, name) == (not name.startswith("concat"))


TWINS = sorted(
    name
    for name, op in ops.registry.items()
    if op.in_place and op.params[0] == "input" and hasattr(qgrad.Tensor, name)
)
MORE: dict[str, tuple[Any, ...]] = {
    "clamp": (0.2, 0.6),
    "cumprod": (0,),
    "cumsum": (0,),
    "hardtanh": (0.1, 0.4),
    "masked_fill": (qgrad.tensor([True, False, False]), 2.0),
    "polygamma": (1,),
    "round_decimals": (1,),
    "scatter": (0, qgrad.tensor([0, 2]), qgrad.ones(3)),
    "scatter_add": (0, qgrad.tensor([0, 0, 2]), qgrad.ones(3)),
    "threshold": (0.4, 0.0),
    "tril": (),
    "triu": (),
}
BITS = {name for name in TWINS if name.startswith("bitwise")}


@pytest.mark.parametrize("name", TWINS)
def test_in_place_twins(name: str) -> None:
    """x.f_() is f(x) in the memory of x, and has its gradient."""
    op = ops.registry[name]
    start = qgrad.tensor([0.3, 0.5, 0.7])
    if name in BITS:
        start = qgrad.tensor([3, 5, 7])
    if name in ("acosh", "tril", "triu"):
        start = start + 1
    if name.startswith("tri"):
        start = start.reshape(1, 3)
    other = start / 2 if start.is_floating_point() else qgrad.tensor([1, 2, 1])
    rest = MORE.get(name)
    if rest is None:
        rest = (other,) * (op.required - 1) if op.broadcasts or op.required > 1 else ()
    expected = op(start, *rest)
    y = start.clone()
    memory = y.data_ptr()
    assert getattr(y, name + "_")(*rest) is y
    assert y.data_ptr() == memory
    assert y.dtype is start.dtype
    np.testing.assert_array_equal(y.numpy(), expected.numpy().astype(y.numpy().dtype))
    if op.rules and start.is_floating_point():
        leaf, twin = start.clone().requires_grad_(), start.clone().requires_grad_()
        op(leaf, *rest).sum().backward()
        changed = twin * 1
        getattr(changed, name + "_")(*rest)
        changed.sum().backward()
        np.testing.assert_array_equal(twin.grad.numpy(), leaf.grad.numpy())


def gradients(f: Callable[..., Any], *values: Any) -> list[list[float]]:
    """The gradients of the sum of f."""
    leaves = [qgrad.tensor(value, dtype=qgrad.float64).requires_grad_() for value in values]
    f(*leaves).sum().backward()
    return [leaf.grad.tolist() for leaf in leaves]


@pytest.mark.parametrize(
    ("f", "values", "expected"),
    [
        (qgrad.logaddexp, ([1e4, -1e4], [0.0, 0.0]), [[1, 0], [0, 1]]),
        (qgrad.logaddexp, ([-inf], [5.0]), [[0], [1]]),
        (qgrad.xlogy, ([0.0, 0.0], [0.0, -1.0]), [[0, 0], [nan, -0.0]]),
        (qgrad.xlogy, ([2.0], [1.0]), [[0], [2]]),
        (qgrad.atan2, ([0.0], [0.0]), [[0], [0]]),
        (qgrad.nan_to_num, ([nan, inf, -inf, 1.0],), [[0, 0, 0, 1]]),
        (lambda x: qgrad.norm(x, 1.5), ([0.0, 0.0],), [[0, 0]]),
        (lambda x: qgrad.norm(x), ([0.0, 0.0],), [[0, 0]]),
        (lambda x: qgrad.norm(x, inf), ([1.0, -1.0, 0.5],), [[0.5, -0.5, 0]]),
        (lambda x: qgrad.cumprod(x, 0), ([2.0, 0.0, 3.0],), [[1, 8, 0]]),
        (qgrad.prod, ([2.0, 0.0, 3.0],), [[0, 6, 0]]),
        (qgrad.clamp, ([1.0, 1.0, 0.0], [1.0, 2.0, -1.0], [1.0, 0.0, 1.0]),
         [[1, 0, 1], [0, 0, 0], [0, 1, 0]]),
        (qgrad.maximum, ([1.0, nan], [1.0, 0.0]), [[0.5, 1], [0.5, 1]]),
        (lambda x, y: qgrad.lerp(x, y, 0.75), ([1.0], [3.0]), [[0.25], [0.75]]),
        (lambda x: x.std(), ([2.0, 2.0],), [[0, 0]]),
    ],
)  # fmt: skip
def test_gradients_at_edges(f: Any, values: Any, expected: Any) -> None:
    """At ties, bounds, zeros and infinities the gradient is PyTorch's."""
    for got, wanted in zip(gradients(f, *values), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


LINES: dict[str, Callable[..., Any]] = {
    "max_pool1d": lambda x: qgrad.max_pool1d(x[None, None], 2, 1),
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": F.leaky_relu,
    "hardtanh": F.hardtanh,
    "hardsigmoid": F.hardsigmoid,
    "threshold": lambda x: F.threshold(x, 0.3, 0.0),
    "prelu": lambda x: F.prelu(x, qgrad.tensor([0.2], dtype=x.dtype)),
}


@pytest.mark.parametrize("dtype", [qgrad.float32, qgrad.float64])
@pytest.mark.parametrize("name", LINES)
def test_straight_lines_have_second_derivatives(name: str, dtype: qgrad.dtype) -> None:
    """Zeros with a graph, as PyTorch's, so that a Laplacian of any network can be taken."""
    x = qgrad.tensor([0.5, -0.7, 2.0], dtype=dtype, requires_grad=True)
    (g,) = grad(LINES[name](x).sum(), x, create_graph=True)
    assert g.requires_grad
    assert grad(g.sum(), x)[0].tolist() == [0, 0, 0]
    function = LINES[name]
    square = qgrad.autograd.functional.hessian(lambda x: function(x).sum(), x, strict=True)
    assert square.tolist() == [[0, 0, 0]] * 3


@pytest.mark.parametrize("dtype", [qgrad.float32, qgrad.float64])
@pytest.mark.parametrize("name", ["relu", "relu6", "hardtanh", "hardsigmoid"])
def test_flat_parts_stop_infinite_gradients(name: str, dtype: qgrad.dtype) -> None:
    """The gradient of sqrt(relu(x)) is 0 for x < 0, though that of sqrt at 0 is infinite."""
    for create_graph in (False, True):
        x = qgrad.tensor([-9.0, -4.0], dtype=dtype, requires_grad=True)
        y = LINES[name](x)
        (g,) = grad(y, x, qgrad.full_like(y, inf), create_graph=create_graph)
        assert g.tolist() == [0, 0]


def test_powers_run_out_of_derivatives() -> None:
    """Those of x**2 are 2x, 2 and 0, not an error."""
    x = qgrad.tensor(3.0, requires_grad=True)
    y, derivatives = x**2, []
    for _ in range(3):
        (y,) = grad(y, x, create_graph=True)
        derivatives.append(y.item())
    assert derivatives == [6, 2, 0]


@pytest.mark.parametrize(
    ("f", "values", "expected"),
    [
        (qgrad.xlogy, (0.0, nan), nan),
        (qgrad.xlogy, (0.0, inf), 0),
        (qgrad.hypot, (3e200, 4e200), 5e200),
        (qgrad.logaddexp, (inf, inf), inf),
        (qgrad.logaddexp, (-inf, -inf), -inf),
        (qgrad.lgamma, (-1.0,), inf),
        (qgrad.digamma, (0.0,), -inf),
        (qgrad.digamma, (-2.0,), nan),
        (qgrad.fmod, (-7.0, 3.0), -1),
        (qgrad.remainder, (-7.0, 3.0), 2),
    ],
)
def test_values_at_edges(f: Any, values: Any, expected: Any) -> None:
    """Neither overflow nor NaN where the limit is known."""
    y = f(*(qgrad.tensor(value, dtype=qgrad.float64) for value in values))
    np.testing.assert_allclose(y.item(), expected, rtol=1e-15)


@pytest.mark.parametrize("name", ["expm1", "log1p"])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_two_units_in_the_last_place(name: str, kind: type[np.floating[Any]]) -> None:
    """expm1 and log1p are accurate near 0, and for large negative or small positive results."""
    random = np.random.default_rng(0)
    tiny = 10.0 ** random.uniform(-30, 0, 4000) * random.choice([-0.99, 1], 4000)
    wide = random.uniform(-700, 80, 4000) if name == "expm1" else random.uniform(-1, 1e6, 4000)
    x = np.concatenate([tiny, wide]).astype(kind)
    exact = getattr(np, name)(x.astype(np.longdouble))
    y = getattr(qgrad, name)(qgrad.tensor(x)).numpy()
    assert y.dtype == kind
    assert np.max(np.abs(y - exact) / np.spacing(np.abs(y))) <= 2


def test_nonzero_and_masked_select() -> None:
    """Rows of indices, or a tuple of them that is an index."""
    x = qgrad.tensor([[1.0, 0.0], [2.0, 3.0]])
    assert x.nonzero().tolist() == [[0, 0], [1, 0], [1, 1]]
    assert x[x.nonzero(as_tuple=True)].tolist() == [1, 2, 3]
    assert x.masked_select(x > 1).tolist() == [2, 3]
    assert x.masked_select(qgrad.tensor([True, False])).tolist() == [1, 2]
    with pytest.raises(ShapeError, match="masked_select: input"):
        x.masked_select(qgrad.tensor([True] * 3))


def test_any_and_all_of_no_dims() -> None:
    """An empty tuple means no dim for them, where it means every dim for sum."""
    x = qgrad.tensor([[0, 2]])
    assert x.any(()).tolist() == [[False, True]]
    assert x.sum(()).tolist() == 2
    assert x.byte().any().dtype is qgrad.uint8
    with pytest.raises(TypeError, match="dim must be an integer"):
        x.sum(True)


def test_small_functions() -> None:
    """numel, one-sided clamps, a vector's t, arange's ends."""
    x = qgrad.tensor([1.0, 2.0, 3.0])
    assert qgrad.numel(x) == 3
    assert x.clamp_min(2).tolist() == [2, 2, 3]
    assert qgrad.clamp_max(x, 2).tolist() == [1, 2, 2]
    assert x.t().tolist() == [1, 2, 3]
    assert qgrad.arange(end=3).tolist() == [0, 1, 2]
    assert [row.tolist() for row in reversed(x)] == [3, 2, 1]
    for call, text in (
        (lambda: qgrad.arange(1, 0), "arange: from 1 there is no way to 0 in steps of 1"),
        (lambda: qgrad.arange(), "arange: end is missing"),
    ):
        with pytest.raises((ValueError, TypeError), match=text):
            call()


def test_values_of_unusual_dtypes() -> None:
    """Signs of NaN and of bools, squares of bools, numbers beyond uint8, sums in int32."""
    x = qgrad.tensor([nan, -2.0, 0.0, inf], requires_grad=True)
    assert x.sign().tolist() == [0, -1, 0, 1]
    x.abs().sum().backward()
    assert x.grad.tolist() == [0, -1, 0, 1]
    flags = qgrad.tensor([True, False])
    assert flags.sign().tolist() == [True, False]
    assert flags.square().dtype is qgrad.int64
    codes = qgrad.tensor([5], dtype=qgrad.uint8)
    assert (codes * -1).tolist() == [251]
    assert (codes - 300).tolist() == [217]
    assert qgrad.where(codes > 9, codes, -1).tolist() == [255]
    assert codes.sum(dtype=qgrad.int32).dtype is qgrad.int32


def test_numbers_are_formatted() -> None:
    """A tensor of one number prints as that number, also a loss with a graph."""
    x = qgrad.tensor(1.5, requires_grad=True)
    assert f"{x}, {x * 2:.3f}" == "1.5, 3.000"
    assert f"{qgrad.nn.Parameter(x)}".startswith("Parameter containing")


def test_integers_take_no_gradient_in_place() -> None:
    """An integer tensor changed by a float one that requires grad does not require grad."""
    z = qgrad.tensor([1, 0])
    z.logical_and_(qgrad.ones(2, requires_grad=True))
    assert not z.requires_grad


def test_spellings_of_dims() -> None:
    """As keywords, of 0-d and of empty tensors."""
    x = qgrad.arange(6).reshape(2, 3)
    assert qgrad.max(x, axis=1).values.tolist() == x.max(dim=1).values.tolist() == [2, 5]
    assert qgrad.min(x, other=x).tolist() == x.tolist()
    with pytest.raises(TypeError, match="max: no argument 'size'"):
        x.max(size=1)
    assert x.permute(dims=(1, 0)).shape == (3, 2)
    assert x.flip(dims=(0,)).tolist() == [[3, 4, 5], [0, 1, 2]]
    assert [part.shape for part in x.split(split_size=2, dim=1)] == [(2, 2), (2, 1)]
    assert qgrad.tensor(3).movedim(0, -1).item() == 3
    assert [part.shape for part in qgrad.zeros(0, 3).chunk(2)] == [(0, 3), (0, 3)]
    assert x.index_select(1, qgrad.tensor(2)).tolist() == [[2], [5]]
    assert [i.tolist() for i in qgrad.where(x > 3)] == [[1, 1], [1, 2]]


@pytest.mark.parametrize("f", [qgrad.var, qgrad.std])
def test_variance_with_too_few_elements(f: Any) -> None:
    """The gradients are PyTorch's where nothing is left to divide by; x.var(False) is biased."""
    x = qgrad.tensor([[1.0, 2.0]], dtype=qgrad.float64, requires_grad=True)
    assert f(x, False).item() == f(x, correction=0).item()
    (g,) = grad(f(x, dim=1, correction=4).sum(), x)
    expected = [0.5, -0.5] if f is qgrad.var else [0, 0]
    assert g.tolist() == [expected]
    (g,) = grad(f(x, correction=2), x)
    assert g.tolist() == [[inf, inf]] if f is qgrad.var else [[0, 0]]
