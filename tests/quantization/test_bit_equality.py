"""The promise: the prepared model in eval mode and the integer program give the same codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from quantization.networks import image_networks

import qgrad
from qgrad import kernels, nn
from qgrad.quantization import (
    QConfig,
    QConfigMapping,
    convert,
    default_per_channel_weight_observer,
    default_weight_observer,
    get_default_qat_qconfig,
    get_default_qconfig,
    prepare,
    prepare_qat,
)
from qgrad.quantization.observer import HistogramObserver, MinMaxObserver
from qgrad.testing import count_differing_codes


@st.composite
def qconfigs(draw: st.DrawFn) -> QConfig:
    """Any observer and 2 to 8 bits, per tensor or per channel."""
    bits = draw(st.integers(2, 8))
    top = 2 ** (bits - 1) - 1
    low = draw(st.sampled_from([-top, -top - 1]))
    weight = draw(st.sampled_from([default_per_channel_weight_observer, default_weight_observer]))
    activation_bits = draw(st.integers(2, 8))
    activation = draw(st.sampled_from([MinMaxObserver, HistogramObserver]))
    return QConfig(
        activation=activation.with_args(quant_min=0, quant_max=2**activation_bits - 1),
        weight=weight.with_args(quant_min=low, quant_max=top),
    )


@st.composite
def mappings(draw: st.DrawFn) -> QConfigMapping:
    """A global config, and sometimes another for convolutions or linears, or float ones."""
    mapping = QConfigMapping().set_global(draw(qconfigs()))
    return (
        mapping.set_module_name("0", draw(st.none() | qconfigs()))
        if draw(st.booleans())
        else mapping
    )


def batch(shape: tuple[int, ...], seed: int, n: int = 3) -> Any:
    """A random batch of inputs."""
    values = np.random.default_rng(seed).normal(size=(n, *shape)).astype(np.float32)
    return qgrad.tensor(values)


def check_equal(prepared: Any, program: Any, x: Any, tmp_path: Path | None = None) -> None:
    """No code differs, node by node, and no bit of the output, on every instruction set."""
    for isa in kernels.available_isas():
        before = kernels.isa()
        kernels.set_isa(isa)
        try:
            report = count_differing_codes(prepared, program, x)
            assert report.differing == 0, f"{isa}: {report}"
            with qgrad.no_grad():
                np.testing.assert_array_equal(prepared(x).numpy(), program(x).numpy())
        finally:
            kernels.set_isa(before)
    if tmp_path is not None:
        program.save(tmp_path / "program.safetensors")
        again = qgrad.Program.load(tmp_path / "program.safetensors")
        assert count_differing_codes(prepared, again, x).differing == 0
        np.testing.assert_array_equal(again(x).numpy(), program(x).numpy())


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(image_networks(), mappings(), st.integers(0, 2**16))
def test_ptq_program_equals_prepared_model(
    tmp_path_factory: pytest.TempPathFactory, network: Any, mapping: QConfigMapping, seed: int
) -> None:
    """After calibration: 0 codes differ, at another batch size, after save and load too."""
    model, shape = network
    prepared = prepare(model.eval(), mapping, batch(shape, seed))
    for i in range(2):
        prepared(batch(shape, seed + i))
    program = convert(prepared)
    check_equal(prepared, program, batch(shape, seed + 7, n=5), tmp_path_factory.mktemp("p"))


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(image_networks(), st.integers(2, 8), st.integers(2, 8), st.integers(0, 2**16))
def test_qat_program_equals_prepared_model(
    network: Any, weight_bits: int, activation_bits: int, seed: int
) -> None:
    """After a few training steps: 0 codes differ."""
    model, shape = network
    assume(any(True for _ in model.parameters()))
    config = get_default_qat_qconfig(weight_bits=weight_bits, activation_bits=activation_bits)
    prepared = prepare_qat(model, QConfigMapping().set_global(config), batch(shape, seed))
    optimizer = qgrad.optim.SGD(prepared.parameters(), lr=0.01)
    for i in range(2):
        optimizer.zero_grad()
        y = prepared(batch(shape, seed + i))
        (y * y).mean().backward()
        optimizer.step()
    prepared.eval()
    check_equal(prepared, convert(prepared), batch(shape, seed + 7, n=2))


def test_float_island_inside_the_program() -> None:
    """A module kept float, softmax and layer norm run as float instructions with equal bits."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.norm, self.b = nn.Linear(12, 16), nn.LayerNorm(16), nn.Linear(16, 8)
            self.c = nn.Linear(8, 4)

        def forward(self, x: Any) -> Any:
            y = self.norm(nn.functional.gelu(self.a(x)) * 1.5)
            return nn.functional.softmax(self.c(self.b(y) / 2), dim=-1)

    qgrad.manual_seed(0)
    mapping = QConfigMapping().set_global(get_default_qconfig()).set_module_name("b", None)
    prepared = prepare(Net().eval(), mapping, (batch((12,), 0),))
    prepared(batch((12,), 1, n=64))
    program = convert(prepared)
    check_equal(prepared, program, batch((12,), 2, n=33))
    ops = {instruction.op for instruction in program.instructions}
    assert {"linear", "linear_q", "layer_norm", "softmax"} <= ops


def test_gradients_in_eval_mode_change_nothing() -> None:
    """A frozen model can be differentiated, call after call, and its codes stay the same.

    The ranges of a model that was calibrated once followed the data of such calls.
    """
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))
    prepared = prepare(
        model.eval(), QConfigMapping().set_global(get_default_qconfig()), batch((2, 4, 4), 0)
    )
    prepared(batch((2, 4, 4), 1))
    program = convert(prepared)
    x = (batch((2, 4, 4), 2) * 5).requires_grad_()
    before = prepared.codes(x.detach())
    y = prepared(x)
    assert (y.detach().numpy() == program(x).numpy()).all()
    y.sum().backward()
    assert x.grad.shape == x.shape
    assert float(prepared.get_parameter("0.weight").grad.abs().sum()) > 0
    after = prepared.codes(x.detach())
    assert all((before[name] == after[name]).all() for name in before)
    assert count_differing_codes(prepared, program, x.detach()) == 0
