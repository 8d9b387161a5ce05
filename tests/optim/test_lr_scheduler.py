"""Learning rate schedules: PyTorch's values, chaining, resuming, errors."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import qgrad
from qgrad import nn, optim
from qgrad.optim import lr_scheduler as sched


def make_optimizer(lr: float = 0.5) -> Any:
    """SGD with one parameter."""
    return optim.SGD([nn.Parameter(qgrad.ones(1))], lr=lr)


def rates(optimizer: Any, scheduler: Any, steps: int) -> list[float]:
    """The learning rate used at each of the next steps."""
    used = []
    for _ in range(steps):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return used


# The first twelve rates that PyTorch 2.13 gives from 0.5.
PYTORCH = [
    (lambda o: sched.LinearLR(o, 0.2, 1.0, 4), [0.1, 0.2, 0.3, 0.4] + [0.5] * 8),
    (lambda o: sched.LinearLR(o, 1.0, 0.0, 3), [0.5, 1 / 3, 1 / 6] + [0.0] * 9),
    (
        lambda o: sched.StepLR(o, 3, 0.5),
        [0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125, 0.125, 0.0625, 0.0625, 0.0625],
    ),
    (
        lambda o: sched.MultiStepLR(o, [2, 5, 5], 0.1),
        [0.5, 0.5, 0.05, 0.05, 0.05] + [0.0005] * 7,
    ),
    (
        lambda o: sched.ExponentialLR(o, 0.9),
        [
            0.5, 0.45, 0.405, 0.3645, 0.32805, 0.295245, 0.2657205, 0.23914845, 0.215233605,
            0.1937102445, 0.17433922005, 0.156905298045,
        ],
    ),
    (
        lambda o: sched.CosineAnnealingLR(o, 4, 0.05),
        [
            0.5, 0.434099025767, 0.275, 0.115900974233, 0.05, 0.115900974233, 0.275,
            0.434099025767, 0.5, 0.434099025767, 0.275, 0.115900974233,
        ],
    ),
    (lambda o: sched.LambdaLR(o, lambda epoch: 1 / (1 + epoch)), [0.5 / i for i in range(1, 13)]),
]  # fmt: skip


@pytest.mark.parametrize(("make", "expected"), PYTORCH)
def test_equals_pytorch(make: Any, expected: list[float]) -> None:
    """Twelve epochs give PyTorch's rates."""
    optimizer = make_optimizer()
    assert rates(optimizer, make(optimizer), 12) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("make", "expected"), PYTORCH)
@given(cut=st.integers(1, 11))
def test_resumes_from_state(make: Any, expected: list[float], cut: int) -> None:
    """Saving optimizer and scheduler at any epoch and loading them continues the schedule."""
    optimizer = make_optimizer()
    scheduler = make(optimizer)
    rates(optimizer, scheduler, cut)
    other_optimizer = make_optimizer(7.0)
    other = make(other_optimizer)
    other_optimizer.load_state_dict(optimizer.state_dict())
    other.load_state_dict(scheduler.state_dict())
    assert other.get_last_lr() == scheduler.get_last_lr()
    rest = rates(other_optimizer, other, 12 - cut)
    assert rest == pytest.approx(expected[cut:], rel=1e-9)


@given(t_max=st.integers(1, 20), low=st.floats(0, 0.4))
def test_cosine_closed_form(t_max: int, low: float) -> None:
    """The recursion equals eta_min + (lr - eta_min) * (1 + cos(pi t / T_max)) / 2."""
    optimizer = make_optimizer()
    used = rates(optimizer, sched.CosineAnnealingLR(optimizer, t_max, low), 3 * t_max)
    closed = [low + (0.5 - low) * (1 + math.cos(math.pi * t / t_max)) / 2 for t in range(3 * t_max)]
    assert used == pytest.approx(closed, rel=1e-6, abs=1e-9)


def test_last_epoch_resumes_with_initial_lr() -> None:
    """last_epoch restarts a cosine in the middle, from the group's initial_lr."""
    optimizer = make_optimizer()
    with pytest.raises(KeyError, match=r"CosineAnnealingLR: last_epoch is 3.*initial_lr"):
        sched.CosineAnnealingLR(optimizer, 8, last_epoch=3)
    optimizer.param_groups[0]["initial_lr"] = 0.5
    scheduler = sched.CosineAnnealingLR(optimizer, 8, last_epoch=3)
    assert scheduler.get_last_lr() == pytest.approx([0.25])


def test_schedules_chain_and_groups_differ() -> None:
    """Two schedules multiply; each group keeps its own rate."""
    params = [nn.Parameter(qgrad.ones(1)) for _ in range(2)]
    optimizer = optim.SGD([{"params": params[0]}, {"params": params[1], "lr": 0.1}], lr=1.0)
    schedules = [sched.ExponentialLR(optimizer, 0.5), sched.StepLR(optimizer, 2, 0.1)]
    for _ in range(2):
        optimizer.step()
        for schedule in schedules:
            schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.025, 0.0025])


def test_stepping_before_the_optimizer_warns() -> None:
    """The first value would be skipped: say so."""
    scheduler = sched.StepLR(make_optimizer(), 1)
    with pytest.warns(UserWarning, match=r"StepLR.step was called before SGD.step"):
        scheduler.step()


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda o: sched.StepLR(o, 0), ValueError, "StepLR: step_size is 0"),
        (lambda o: sched.CosineAnnealingLR(o, 0), ValueError, "T_max is 0"),
        (lambda o: sched.StepLR([], 1), TypeError, "optimizer is a list"),
        (lambda o: sched.LambdaLR(o, []), ValueError, "holds 0 functions.*has 1"),
    ],
)
def test_errors(make: Any, kind: type[Exception], message: str) -> None:
    """Bad arguments are refused with the value and the rule."""
    with pytest.raises(kind, match=message):
        make(make_optimizer())


METRICS = [1.0, 0.9, 0.9, 0.9, 0.95, 0.85, 0.8499, 0.9, 0.9, 0.9, 0.9, -1.0, -1.00001, -1.0, -1.0]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"patience": 1, "factor": 0.5},
            [
                0.5,
                0.5,
                0.5,
                0.25,
                0.25,
                0.25,
                0.25,
                0.25,
                0.125,
                0.125,
                0.0625,
                0.0625,
                0.0625,
                0.0625,
                0.0625,
            ],
        ),
        (
            {"patience": 0, "factor": 0.5, "cooldown": 2},
            [
                0.5,
                0.5,
                0.25,
                0.25,
                0.25,
                0.25,
                0.25,
                0.125,
                0.125,
                0.125,
                0.0625,
                0.0625,
                0.0625,
                0.0625,
                0.0625,
            ],
        ),
        (
            {
                "mode": "max",
                "patience": 1,
                "factor": 0.5,
                "threshold": 0.01,
                "threshold_mode": "abs",
            },
            [
                0.5,
                0.5,
                0.25,
                0.25,
                0.125,
                0.125,
                0.0625,
                0.0625,
                0.03125,
                0.03125,
                0.015625,
                0.015625,
                0.0078125,
                0.0078125,
                0.00390625,
            ],
        ),
        (
            {"mode": "max", "patience": 2, "min_lr": 0.2, "threshold": 0.1},
            [0.5, 0.5, 0.5, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2],
        ),
    ],
)
def test_plateaus(options: dict[str, Any], expected: list[float]) -> None:
    """The rates that PyTorch 2.13 gives for these metrics, also after a state is loaded."""
    optimizer = make_optimizer()
    scheduler, found = sched.ReduceLROnPlateau(optimizer, **options), []
    for metric in METRICS:
        scheduler.step(qgrad.tensor(metric, dtype=qgrad.float64))
        found.append(optimizer.param_groups[0]["lr"])
        state = scheduler.state_dict()
        scheduler = sched.ReduceLROnPlateau(optimizer, **options)
        scheduler.load_state_dict(state)
    assert found == pytest.approx(expected)


def test_plateau_errors() -> None:
    """Bad arguments are refused with the value and the rule; the metric must be given."""
    with pytest.raises(ValueError, match=r"factor is 1.0, but must be < 1"):
        sched.ReduceLROnPlateau(make_optimizer(), factor=1.0)
    with pytest.raises(ValueError, match=r"mode must be 'min' or 'max'.*got 'low'"):
        sched.ReduceLROnPlateau(make_optimizer(), "low")
    with pytest.raises(TypeError, match="step needs the metric"):
        sched.ReduceLROnPlateau(make_optimizer()).step()
    with pytest.raises(ValueError, match=r"LinearLR: start_factor must be in \(0, 1\]"):
        sched.LinearLR(make_optimizer(), 0.0)
