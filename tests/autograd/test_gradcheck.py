"""gradcheck and gradgradcheck find wrong gradients, and say which."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qgrad
from qgrad import ops
from qgrad.autograd import Function, gradcheck, gradgradcheck
from qgrad.autograd.finite_differences import GradcheckError
from qgrad.tensor import Tensor


def leaf(*shape: int, seed: int = 0) -> Tensor:
    """Random float64 numbers that require grad."""
    array = np.random.default_rng(seed).uniform(0.5, 1.5, shape)
    return qgrad.tensor(array, requires_grad=True)


def wrong_by(error: float, *, only: bool = False, second: bool = False) -> Any:
    """x * y with an error in the gradient for y (of one element), or in the gradient's gradient."""

    class Multiply(Function):
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any) -> Any:
            ctx.save_for_backward(x, y)
            return x * y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            x, y = ctx.saved_tensors
            if second:
                return g * y, g * x + error * (x * g).detach() - error * x * g
            factor = np.zeros(y.shape)
            factor.flat[-1 if only else slice(None)] = error
            return g * y, g * x + g * qgrad.tensor(factor)

    def multiply(x: Tensor, y: Tensor) -> Any:
        return Multiply.apply(x, y)

    return multiply


@given(st.sampled_from([(), (3,), (2, 2), (0,)]), st.booleans())
def test_right_gradients_pass(shape: tuple[int, ...], fast: bool) -> None:
    """Functions with several inputs and outputs, other arguments, and constants."""

    def function(x: Tensor, factor: float, y: Tensor) -> Any:
        return (x * y).sin() * factor, x.detach(), (x > 1), y.exp().sum()

    x, y = leaf(*shape), leaf(*shape, seed=1)
    assert gradcheck(function, (x, 2.0, y), fast_mode=fast)
    assert gradgradcheck(function, (x, 2.0, y), fast_mode=fast)
    assert gradgradcheck(function, (x, 2.0, y), gen_non_contig_grad_outputs=True)
    assert gradcheck(qgrad.exp, x)
    assert x.grad is None


@pytest.mark.parametrize("fast", [False, True])
def test_a_wrong_entry_is_named(fast: bool) -> None:
    """Function, output, op, argument by name, indices, both numbers and the tolerance."""
    x, y = leaf(2, 2), leaf(2, 2, seed=1)
    before = x.tolist(), y.tolist()
    with pytest.raises(GradcheckError) as raised:
        gradcheck(wrong_by(0.25, only=True), (x, y), fast_mode=fast)
    text = str(raised.value)
    assert text.startswith("gradcheck: output 0 of multiply, made by Multiply: the gradient for ")
    assert "argument 1 ('y') is wrong in 1 of 16 entries" in text
    assert "output[1, 1], input[1, 1]" in text
    expected = x[1, 1].item()
    analytic, numeric = (
        float(part.split()[0].rstrip(",")) for part in text.split("analytic ")[1].split("numeric ")
    )
    np.testing.assert_allclose([analytic, numeric], [expected + 0.25, expected], 1e-6)
    assert len(text) < 600
    assert (x.tolist(), y.tolist()) == before
    assert not gradcheck(wrong_by(0.25), (x, y), raise_exception=False, fast_mode=fast)


def test_methods_name_their_arguments() -> None:
    """The object that a method is bound to is no argument: of Function.apply, none has a name."""
    wrong = wrong_by(0.25)

    class Model:
        def multiply(self, x: Tensor, y: Tensor) -> Any:
            return wrong(x, y)

    class Double(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    with pytest.raises(GradcheckError, match=r"for argument 1 \('y'\) is wrong"):
        gradcheck(Model().multiply, (leaf(2), leaf(2)))
    with pytest.raises(GradcheckError, match="for argument 0 is wrong"):
        gradcheck(Double.apply, leaf(2))


def test_tolerances() -> None:
    """atol and rtol decide what is wrong; only the wrong argument is."""
    x, y = leaf(3), leaf(3, seed=1)
    assert gradcheck(wrong_by(1e-6), (x, y))
    assert not gradcheck(wrong_by(0.1), (x, y), raise_exception=False)
    assert gradcheck(wrong_by(0.1), (x, y), atol=0.2)
    assert gradcheck(wrong_by(0.1), (x, y), rtol=0.5)
    assert gradcheck(wrong_by(0.1), (x, y.detach()))


def test_wrong_second_derivatives() -> None:
    """gradcheck passes, gradgradcheck does not."""
    x, y = leaf(3), leaf(3, seed=1)
    function = wrong_by(0.5, second=True)
    assert gradcheck(function, (x, y))
    with pytest.raises(GradcheckError, match=r"of the gradient of multiply.*numeric"):
        gradgradcheck(function, (x, y))
    assert not gradgradcheck(function, (x, y), raise_exception=False)


def test_given_gradients_of_outputs() -> None:
    """gradgradcheck checks by the weights it is given, too."""
    x = leaf(3)
    weight = leaf(3, seed=2)
    assert gradgradcheck(lambda x: x**3, x, weight)
    assert gradgradcheck(lambda x: x**3, (x,), (weight.detach(),))


def test_lost_gradients() -> None:
    """A value that changes with an input, without a gradient, is wrong."""
    x = leaf(2)
    with pytest.raises(GradcheckError, match="does not require grad, but its value changes with"):
        gradcheck(lambda x: x.detach() * 2, x)
    assert gradcheck(lambda x: qgrad.ones(2), x)
    with pytest.raises(GradcheckError, match=r"wrong in 4 of 4"):
        gradcheck(lambda x: x.detach().exp().outer(x.detach()).sum(0) * 2 + 0 * x, x)


def test_unstable_functions() -> None:
    """Backwards that differ, and outputs that come and go, are named."""
    noise = np.random.default_rng(0)

    class Noisy(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * (2 + 1e-7 * noise.random())

    x = leaf(2)
    with pytest.raises(GradcheckError, match=r"two backwards of the same values.*nondet_tol"):
        gradcheck(Noisy.apply, x)
    assert gradcheck(Noisy.apply, x, nondet_tol=1e-6)
    sizes = iter([1, 2, 2])
    with pytest.raises(GradcheckError, match="returned 1 outputs, and 2 when called again"):
        gradcheck(lambda x: (x,) * next(sizes), x)


def test_gradients_of_zero() -> None:
    """A backward that does not multiply by what comes in is found, unless that is not asked for."""

    class Stubborn(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2, x * 3

        @staticmethod
        def backward(ctx: Any, a: Any, b: Any) -> Any:
            return a * 2 + b * 3 + (1 if not a.any() and not b.any() else 0)

    x = leaf(2)
    with pytest.raises(GradcheckError, match="a gradient of 0 gives a gradient that is not 0"):
        gradcheck(Stubborn.apply, x)
    assert gradcheck(Stubborn.apply, x, check_undefined_grad=False)


def test_wrong_uses() -> None:
    """What cannot be checked is refused before anything is computed."""
    x = leaf(2)
    with pytest.raises(ValueError, match="no argument requires grad"):
        gradcheck(qgrad.exp, x.detach())
    with pytest.raises(ValueError, match=r"argument 0 \('input'\) has elements that share memory"):
        gradcheck(ops.exp, qgrad.tensor([1.0], dtype=qgrad.float64).expand(3).requires_grad_())
    with pytest.raises(NotImplementedError, match="no forward mode"):
        gradcheck(qgrad.exp, x, check_forward_ad=True)
    with pytest.raises(NotImplementedError, match="no forward mode"):
        gradgradcheck(qgrad.exp, x, check_fwd_over_rev=True)
    with pytest.warns(UserWarning, match=r"argument 0 \('x'\) is float32"):
        gradcheck(lambda x: x * 2, x.detach().float().requires_grad_(), eps=1e-2, atol=1e-2)


def test_closures_see_the_moved_values() -> None:
    """Inputs are moved in place, so that a module's parameters can be checked."""
    layer = qgrad.nn.Linear(2, 3).double()
    x = leaf(4, 2)
    assert gradcheck(lambda x, *parameters: layer(x).tanh(), (x, *layer.parameters()))
