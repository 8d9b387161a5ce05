"""Optimizers: the numbers that PyTorch computes, groups, state, errors."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qgrad
from qgrad import nn, optim

# (optimizer, options, parameters after five steps), computed by PyTorch 2.13 from [1, -2, 3] on
# loss(t) = sum(p^2 * [1/4, 1/2, 1]) + t/10 * sum(p), t = 0..4.
PYTORCH = [
    ("SGD", {"lr": 0.1}, [0.67865717, -1.27147, 0.90112007]),
    ("SGD", {"lr": 0.1, "momentum": 0.9}, [0.24118969, -0.10840006, -1.89059]),
    (
        "SGD",
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.3},
        [0.39892954, -0.38806161, -1.3780539],
    ),
    (
        "SGD",
        {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
        [0.063498817, 0.0026478218, -1.4282577],
    ),
    (
        "SGD",
        {"lr": 0.01, "weight_decay": 0.1, "maximize": True},
        [1.0302006, -2.0815442, 3.3062296],
    ),
    (
        "SGD",
        {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.1, "maximize": True},
        [1.4983926, -3.6288867, 10.183647],
    ),
    ("Adam", {}, [0.99498236, -1.9950299, 2.9949937]),
    (
        "Adam",
        {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-06},
        [0.49744016, -1.5087038, 2.500879],
    ),
    ("Adam", {"lr": 0.1, "weight_decay": 0.1}, [0.49815235, -1.5074353, 2.500844]),
    (
        "Adam",
        {"lr": 0.1, "amsgrad": True, "betas": (0.5, 0.6)},
        [0.49657363, -1.5230066, 2.5010064],
    ),
    (
        "Adam",
        {"lr": 0.1, "maximize": True, "weight_decay": 0.1},
        [1.4991499, -2.4997499, 3.5015762],
    ),
    (
        "Adam",
        {"lr": 0.1, "decoupled_weight_decay": True, "weight_decay": 0.1},
        [0.45878649, -1.4210685, 2.3641968],
    ),
    ("AdamW", {}, [0.99493241, -1.9949299, 2.9948435]),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.5}, [0.3196938, -1.1096915, 1.8727156]),
    ("AdamW", {"lr": 0.1, "amsgrad": True, "maximize": True}, [1.4941889, -2.488975, 3.4855666]),
    ("RMSprop", {}, [0.64968622, -1.7014674, 2.6775455]),
    ("RMSprop", {"lr": 0.1, "alpha": 0.9}, [-0.038748264, -1.1162413, 1.9896178]),
    ("RMSprop", {"lr": 0.1, "centered": True}, [-0.7912904, -0.37709501, 0.50388825]),
    ("RMSprop", {"lr": 0.1, "momentum": 0.9}, [-0.78379059, 1.2130952, -2.6463277]),
    (
        "RMSprop",
        {"lr": 0.1, "momentum": 0.9, "centered": True, "weight_decay": 0.1, "maximize": True},
        [13.042115, -13.380808, 14.130235],
    ),
]


FIVE = range(5)


def start() -> Any:
    """The parameter that PYTORCH starts from."""
    return nn.Parameter(qgrad.tensor([1.0, -2.0, 3.0]))


def train(param: Any, optimizer: Any, steps: range = FIVE) -> None:
    """Some of the steps that PYTORCH takes."""
    for t in steps:
        optimizer.zero_grad()
        loss = (param * param * qgrad.tensor([0.25, 0.5, 1.0])).sum() + 0.1 * t * param.sum()
        loss.backward()
        optimizer.step()


@pytest.mark.parametrize(("name", "options", "expected"), PYTORCH)
def test_equals_pytorch(name: str, options: dict[str, Any], expected: list[float]) -> None:
    """Five steps give PyTorch's numbers to float32 rounding, whose order may differ."""
    param = start()
    train(param, getattr(optim, name)([param], **options))
    np.testing.assert_allclose(param.detach().numpy(), expected, rtol=3e-6, atol=3e-7)
    assert param.dtype is qgrad.float32


@pytest.mark.parametrize(("name", "options", "expected"), PYTORCH)
def test_state_dict_continues(name: str, options: dict[str, Any], expected: list[float]) -> None:
    """Saving after two steps and loading into a fresh optimizer continues as if uninterrupted."""
    param = start()
    optimizer = getattr(optim, name)([param], **options)
    train(param, optimizer, range(2))
    state = pickle.loads(pickle.dumps(optimizer.state_dict()))
    resumed = nn.Parameter(param.detach().clone())
    other = getattr(optim, name)([resumed], lr=123.0)
    other.load_state_dict(state)
    train(resumed, other, range(2, 5))
    train(param, optimizer, range(2, 5))
    np.testing.assert_array_equal(resumed.detach().numpy(), param.detach().numpy())
    assert repr(other) == repr(optimizer)


@given(st.sampled_from(PYTORCH), st.permutations(range(4)))
def test_order_and_layout_do_not_matter(
    case: tuple[str, dict[str, Any], Any], order: list[int]
) -> None:
    """Each parameter's update depends on it alone, also when its memory is not contiguous."""
    name, options, _ = case
    rng = np.random.default_rng(0)
    values = [rng.standard_normal((3, 4)).astype(np.float32) for _ in range(4)]
    results = []
    for indices in (range(4), order):
        params = {
            i: nn.Parameter(qgrad.from_numpy(values[i].copy().T if i % 2 else values[i].copy()))
            for i in indices
        }
        optimizer = getattr(optim, name)(params.values(), **options)
        for _ in range(2):
            for i, param in params.items():
                param.grad = qgrad.from_numpy(np.full(param.shape, i + 1, np.float32))
            optimizer.step()
        results.append([params[i].detach().numpy() for i in range(4)])
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dtype", [qgrad.float32, qgrad.float64])
@pytest.mark.parametrize(("name", "options"), [case[:2] for case in PYTORCH])
def test_a_single_number_is_learned(name: str, options: dict[str, Any], dtype: qgrad.dtype) -> None:
    """A 0-d parameter takes the steps of a vector of one element."""
    found = []
    for shape in ((), (1,)):
        param = nn.Parameter(qgrad.full(shape, 2.0, dtype=dtype))
        optimizer = getattr(optim, name)([param], **options)
        for _ in range(3):
            optimizer.zero_grad()
            (param * param).sum().backward()
            optimizer.step()
        found.append(param.item())
    assert found[0] == found[1] != 2


def test_state_layout_is_pytorchs() -> None:
    """state_dict has PyTorch's keys: state by number, groups with options and numbers."""
    param = start()
    optimizer = optim.Adam([("w", param)], amsgrad=True)
    train(param, optimizer)
    state = optimizer.state_dict()
    assert set(state) == {"state", "param_groups"}
    assert set(state["state"][0]) == {"step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"}
    assert state["state"][0]["step"] == 5
    assert state["param_groups"][0]["params"] == [0]
    assert state["param_groups"][0]["param_names"] == ["w"]
    assert isinstance(optimizer.state[param]["exp_avg"], qgrad.Tensor)


def test_groups_have_their_own_options() -> None:
    """Options of a group win over the defaults; a group can be added later."""
    first, second, third = (nn.Parameter(qgrad.ones(1)) for _ in range(3))
    optimizer = optim.SGD([{"params": [first]}, {"params": second, "lr": 0.5}], lr=0.25)
    optimizer.add_param_group({"params": [third], "lr": 0.0})
    for param in (first, second, third):
        param.grad = qgrad.ones(1)
    optimizer.step()
    assert [p.item() for p in (first, second, third)] == [0.75, 0.5, 1.0]


def test_parameters_without_gradient_stay() -> None:
    """A parameter whose grad is None is neither moved nor given state."""
    used, unused = nn.Parameter(qgrad.ones(1)), nn.Parameter(qgrad.ones(1))
    optimizer = optim.AdamW([used, unused], weight_decay=0.5)
    used.grad = qgrad.ones(1)
    optimizer.step()
    assert unused.item() == 1.0
    assert unused not in optimizer.state


def test_step_leaves_gradients_and_history_alone() -> None:
    """step changes no gradient, records nothing, and is noticed by the version check."""
    for name in ("SGD", "Adam", "AdamW", "RMSprop"):
        param = start()
        optimizer = getattr(optim, name)([param], weight_decay=0.1, maximize=True)
        y = (param * param).sum()
        y.backward(retain_graph=True)
        before = param.grad.numpy().copy()
        optimizer.step()
        np.testing.assert_array_equal(param.grad.numpy(), before)
        assert param.is_leaf
        with pytest.raises(RuntimeError, match="changed in place"):
            y.backward()


def test_zero_grad() -> None:
    """Gradients are dropped, or zeroed on request."""
    param = start()
    optimizer = optim.SGD([param])
    (param * param).sum().backward()
    optimizer.zero_grad(set_to_none=False)
    assert not param.grad.numpy().any()
    optimizer.zero_grad()
    assert param.grad is None


def test_closure_is_called_with_gradients_on() -> None:
    """step(closure) computes the loss even inside no_grad, and returns it."""
    param = start()
    optimizer = optim.SGD([param], lr=0.1)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = param.sum()
        loss.backward()
        return loss

    with qgrad.no_grad():
        assert optimizer.step(closure).item() == 2.0
    np.testing.assert_allclose(param.detach().numpy(), [0.9, -2.1, 2.9], rtol=1e-6)


def test_double_precision_stays_double() -> None:
    """State and updates take the parameter's dtype."""
    param = nn.Parameter(qgrad.ones(2, dtype=qgrad.float64))
    optimizer = optim.Adam([param])
    param.grad = qgrad.ones(2, dtype=qgrad.float64)
    optimizer.step()
    assert param.dtype is qgrad.float64
    assert optimizer.state[param]["exp_avg"].dtype is qgrad.float64


def test_deepcopy_of_model_and_optimizer_together() -> None:
    """A copy of both trains its own parameters."""
    param = start()
    optimizer = optim.SGD([param], lr=0.1, momentum=0.9)
    train(param, optimizer, range(1))
    other_param, other = copy.deepcopy((param, optimizer))
    train(other_param, other, range(1, 5))
    train(param, optimizer, range(1, 2))
    assert not np.array_equal(param.detach().numpy(), other_param.detach().numpy())


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda p: optim.SGD(p), TypeError, r"SGD: params is a Parameter.*\[tensor\]"),
        (lambda p: optim.SGD([]), ValueError, "SGD: params is empty"),
        (lambda p: optim.SGD([p, p]), ValueError, r"params\[1\], shape \(3,\), appears twice"),
        (lambda p: optim.SGD([p * 2]), ValueError, r"params\[0\].*result of an operation"),
        (lambda p: optim.SGD([3]), TypeError, r"params\[0\] is a int"),
        (lambda p: optim.SGD([p], lr=-1), ValueError, "SGD: lr is -1, but must be >= 0"),
        (lambda p: optim.SGD([p], nesterov=True), ValueError, "nesterov needs momentum > 0"),
        (lambda p: optim.Adam([p], betas=(0.9, 1.0)), ValueError, r"betas is \(0.9, 1.0\)"),
        (lambda p: optim.AdamW([p], eps=float("nan")), ValueError, "AdamW: eps is nan"),
        (lambda p: optim.RMSprop([p], alpha=-0.1), ValueError, "RMSprop: alpha is -0.1"),
        (
            lambda p: optim.SGD([{"params": [p], "momentun": 0.9}]),
            ValueError,
            "has the option 'momentun'; it takes lr, momentum",
        ),
        (lambda p: optim.SGD([{"lr": 0.1}]), TypeError, 'it must be a dict with the key "params"'),
    ],
)
def test_errors(make: Any, kind: type[Exception], message: str) -> None:
    """Bad parameters and options are refused when the optimizer is made."""
    with pytest.raises(kind, match=message):
        make(start())


def test_loading_a_state_of_another_shape() -> None:
    """A state dict for other groups is refused with both sizes."""
    state = optim.SGD([start(), start()]).state_dict()
    with pytest.raises(ValueError, match=r"SGD.load_state_dict: .*\[2\].*\[1\]"):
        optim.SGD([start()]).load_state_dict(state)


def test_repr_is_pytorchs() -> None:
    """The repr lists each group's options in alphabetical order."""
    assert repr(optim.SGD([start()], lr=0.1)).startswith(
        "SGD (\nParameter Group 0\n    dampening: 0\n    lr: 0.1\n"
    )
