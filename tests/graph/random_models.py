"""Random models written as people write forward: modules, functions, operators, sizes, state."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

import qgrad
from qgrad import nn
from qgrad.nn import functional as F

WIDTH = 4
UNARY = ["relu", "gelu", "tanh", "sigmoid", "silu", "softplus", "exp", "neg", "abs"]
BINARY = ["add", "sub", "mul", "iadd", "maximum", "cat", "attend", "stack"]
STEPS = [
    "linear",
    "norm",
    "batch_norm",
    "dropout",
    "functional_dropout",
    "conv",
    "fold",
    "center",
    "by_size",
    "shift",
    "scale",
    "roll",
    "tail",
    "detached",
    "branch",
]


class Program(nn.Module):
    """Runs a list of steps, each on earlier values of shape (N, T, WIDTH), for any N and T >= 1."""

    def __init__(self, steps: list[tuple[str, int, int]], output: str) -> None:
        super().__init__()
        self.steps = steps
        self.output = output
        self.linears = nn.ModuleList([nn.Linear(WIDTH, WIDTH, bias=i > 0) for i in range(2)])
        self.norm = nn.LayerNorm(WIDTH)
        self.parts = nn.ModuleDict({"bn": nn.BatchNorm1d(WIDTH), "3x3": nn.Dropout(0.25)})
        self.conv = nn.Sequential(nn.Conv1d(WIDTH, WIDTH, 3, padding=1, groups=2), nn.ReLU())
        self.scale = nn.Parameter(qgrad.randn(WIDTH))
        self.register_buffer("shift", qgrad.randn(WIDTH), persistent=False)

    def forward(self, x: Any, y: Any) -> Any:
        """The last value; the last two in a tuple or dict."""
        values = [x, y]
        for name, first, second in self.steps:
            a, b = values[first % len(values)], values[second % len(values)]
            values.append(self.step(name, a, b))
        if self.output == "one":
            return values[-1]
        if self.output == "tuple":
            return values[-1], [values[-2]]
        return {"last": values[-1], "sizes": values[-1].shape[0] + 1, "none": None}

    def step(self, name: str, a: Any, b: Any) -> Any:
        """One step on two values; most look at the first only."""
        if name in UNARY:
            return getattr(F if name in ("relu", "gelu", "silu", "softplus") else qgrad, name)(a)
        if name in BINARY:
            return self.combine(name, a, b)
        modules = {
            "linear": self.linears[len(a.shape) % 2],
            "norm": self.norm,
            "dropout": self.parts["3x3"],
        }
        if name in modules:
            return modules[name](a)
        return getattr(self, name + "_step")(a)

    def combine(self, name: str, a: Any, b: Any) -> Any:
        """The steps of two values."""
        if name == "iadd":
            a = a * 2
            a += b
            return a
        if name == "cat":
            return qgrad.cat([a, b], dim=1)[:, b.shape[1] :]
        if name == "stack":
            return qgrad.stack((a, b), dim=-1).mean(-1)
        if name == "attend":
            scores = F.softmax(a @ b.transpose(1, 2) / WIDTH**0.5, dim=-1)
            return scores @ b
        return getattr(qgrad, name)(a, b)

    def batch_norm_step(self, a: Any) -> Any:
        return self.parts["bn"](a.transpose(1, 2)).transpose(1, 2)

    def functional_dropout_step(self, a: Any) -> Any:
        return F.dropout(a, p=0.5, training=self.training)

    def conv_step(self, a: Any) -> Any:
        return self.conv(a.permute(0, 2, 1)).permute(0, 2, 1)

    def fold_step(self, a: Any) -> Any:
        batch, length, width = a.shape
        return self.linears[1](a.reshape(batch * length, width)).reshape(batch, length, -1)

    def center_step(self, a: Any) -> Any:
        return a - a.mean(dim=1, keepdim=True)

    def by_size_step(self, a: Any) -> Any:
        return a / a.shape[1] + (a.shape[0] - 1) // 2

    def shift_step(self, a: Any) -> Any:
        return a + self.shift.abs() - qgrad.tensor([0.5, 1.0, -1.0, 2.0])

    def scale_step(self, a: Any) -> Any:
        return a * (self.scale.exp() + 1.0)

    def roll_step(self, a: Any) -> Any:
        return qgrad.cat([a[:, 1:], a[:, :1]], dim=1)

    def tail_step(self, a: Any) -> Any:
        return a[:, a.shape[1] - 1 :, :].expand(a.shape[0], a.shape[1], WIDTH)

    def detached_step(self, a: Any) -> Any:
        with qgrad.no_grad():
            return a * self.scale

    def branch_step(self, a: Any) -> Any:
        return a * 2 if a.ndim == 3 and a.shape[2] == WIDTH else a


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """A random Program with random parameters and running statistics."""
    qgrad.manual_seed(draw(st.integers(0, 2**16)))
    step = st.tuples(st.sampled_from(UNARY + BINARY + STEPS), st.integers(0, 9), st.integers(0, 9))
    steps = draw(st.lists(step, min_size=1, max_size=7))
    model = Program(steps, draw(st.sampled_from(["one", "tuple", "dict"])))
    with qgrad.no_grad():
        model.parts["bn"].running_mean.copy_(qgrad.randn(WIDTH))
        model.parts["bn"].running_var.copy_(qgrad.rand(WIDTH) + 0.5)
    return model.train(draw(st.booleans()))
