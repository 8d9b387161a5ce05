"""Every mistake on the way to a program gets an error with the place, the value and the way out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import qgrad
from qgrad import nn
from qgrad.errors import (
    CalibrationError,
    ConfigError,
    DTypeError,
    QParamError,
    ShapeError,
    TraceError,
    UnsupportedOpError,
)
from qgrad.quantization import (
    MinMaxObserver,
    QConfig,
    QConfigMapping,
    convert,
    default_weight_observer,
    get_default_qat_qconfig_mapping,
    get_default_qconfig,
    get_default_qconfig_mapping,
    prepare,
    prepare_qat,
)

X = np.linspace(-1, 1, 2 * 3 * 4 * 4, dtype=np.float32).reshape(2, 3, 4, 4)


class Net(nn.Module):
    """A convolution and a head, with paths to be named."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        self.norm = nn.LayerNorm(2)
        self.head = nn.Linear(16, 2)

    def forward(self, x: Any) -> Any:
        return self.head(self.norm(self.conv(x)).flatten(1))


class Branch(nn.Module):
    """Decides on data."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)

    def forward(self, x: Any) -> Any:
        y = self.inner(x)
        return y if y.sum() > 0 else -y


def prepared(mapping: Any = None) -> Any:
    """The network, prepared for calibration."""
    return prepare(Net().eval(), mapping or get_default_qconfig_mapping(), qgrad.tensor(X))


def program() -> Any:
    """The network's program."""
    model = prepared()
    model(qgrad.tensor(X))
    return convert(model)


def with_rule(**rules: Any) -> QConfigMapping:
    """A default mapping with some more lines."""
    mapping = QConfigMapping().set_global(get_default_qconfig())
    for setter, (key, value) in rules.items():
        getattr(mapping, setter)(key, value)
    return mapping


def calibrate_with(value: float) -> None:
    """Calibrate with one bad value in the second batch."""
    model, bad = prepared(), X.copy()
    model(qgrad.tensor(X))
    bad[1, 2, 3, 0] = value
    model(qgrad.tensor(bad))


def overflowing() -> None:
    """Convert a layer whose sums leave int32."""
    model = prepare(
        nn.Sequential(nn.Linear(66_000, 1)), get_default_qconfig_mapping(), qgrad.ones(1, 66_000)
    )
    model(qgrad.ones(1, 66_000))
    convert(model)


def unlowerable() -> None:
    """Convert an op that has no instruction."""

    class Cumsum(nn.Module):
        def forward(self, x: Any) -> Any:
            return qgrad.cumsum(x, 1)

    model = prepare(nn.Sequential(Cumsum()), QConfigMapping().set_global(None), qgrad.ones(2, 3))
    model(qgrad.ones(2, 3))
    convert(model)


def signed_activations() -> QConfigMapping:
    """A mapping that asks for signed activation codes."""
    return QConfigMapping().set_global(
        QConfig(MinMaxObserver.with_args(dtype=qgrad.qint8), default_weight_observer)
    )


Q = get_default_qconfig()
CASES: dict[str, tuple[Callable[[], Any], type[Exception], list[str]]] = {
    "wrong channels, model": (
        lambda: Net()(qgrad.ones(1, 5, 4, 4)),
        ShapeError,
        ["conv2d", "5", "3", "groups", "'conv.0'"],
    ),
    "wrong channels, prepared": (
        lambda: prepared()(qgrad.ones(1, 5, 4, 4)),
        ShapeError,
        ["size 5", "3", "dynamic_dims"],
    ),
    "wrong channels, program": (
        lambda: program()(qgrad.ones(1, 5, 4, 4)),
        ShapeError,
        ["(1, 5, 4, 4)", "3"],
    ),
    "wrong dtype, model": (
        lambda: Net()(qgrad.ones(1, 3, 4, 4, dtype=qgrad.float64)),
        DTypeError,
        ["conv2d", "f64", "f32", "'conv.0'"],
    ),
    "wrong dtype, prepared": (
        lambda: prepared()(qgrad.ones(1, 3, 4, 4, dtype=qgrad.int64)),
        DTypeError,
        ["int64", "float32", ".to("],
    ),
    "wrong dtype, program": (
        lambda: program()(X.astype(np.float64)),
        DTypeError,
        ["float64", "float32"],
    ),
    "NaN in calibration": (
        lambda: calibrate_with(np.nan),
        CalibrationError,
        ["'conv.0'", "batch 1", "nan", "(1, 2, 3, 0)", "Clean"],
    ),
    "infinity in calibration": (
        lambda: calibrate_with(np.inf),
        CalibrationError,
        ["'conv.0'", "batch 1", "inf", "(1, 2, 3, 0)", "Clean"],
    ),
    "NaN in the program": (
        lambda: program()(X * np.float32(np.nan)),
        ValueError,
        ["NaN", "quantize"],
    ),
    "never calibrated": (
        lambda: convert(prepared()),
        CalibrationError,
        ["'conv.0'", "'head'", "calibration"],
    ),
    "never trained": (
        lambda: prepare_qat(Net(), get_default_qat_qconfig_mapping(), qgrad.tensor(X)).eval()(
            qgrad.tensor(X)
        ),
        CalibrationError,
        ["'conv.0'", "never observed"],
    ),
    "not prepared": (lambda: convert(Net()), ConfigError, ["Net", "prepare("]),
    "prepared twice": (
        lambda: prepare(prepared(), get_default_qconfig_mapping(), qgrad.tensor(X)),
        ConfigError,
        ["prepared already"],
    ),
    "cannot be quantized, by type": (
        lambda: prepared(with_rule(set_object_type=(nn.LayerNorm, Q))),
        UnsupportedOpError,
        ["'norm'", "layer_norm", "nn.LayerNorm", "set_module_name('norm', None)"],
    ),
    "cannot be quantized, by name": (
        lambda: prepared(with_rule(set_module_name=("norm", Q))),
        UnsupportedOpError,
        ["'norm'", "layer_norm", "set_module_name('norm', None)"],
    ),
    "signed activations": (
        lambda: prepared(signed_activations()),
        ConfigError,
        ["'conv.0'", "qint8", "quint8"],
    ),
    "branch on data": (
        lambda: prepare(nn.Sequential(Branch()), get_default_qconfig_mapping(), qgrad.ones(2, 3)),
        TraceError,
        ["'0'", "test_messages.py:", "qgrad.where"],
    ),
    "name that matches nothing": (
        lambda: prepared(with_rule(set_module_name=("haed", None))),
        ConfigError,
        ["haed", "'head'", "nearest"],
    ),
    "pattern that matches nothing": (
        lambda: prepared(with_rule(set_module_name_regex=("cnov.*", None))),
        ConfigError,
        ["cnov", "'conv'", "nearest"],
    ),
    "type that matches nothing": (
        lambda: prepared(with_rule(set_object_type=(nn.Conv1d, None))),
        ConfigError,
        ["nn.Conv1d", "nn.Conv2d", "nearest"],
    ),
    "unknown key of a mapping": (
        lambda: QConfigMapping.from_dict({"objecttype": []}),
        ConfigError,
        ["objecttype", "object_type"],
    ),
    "scale 0": (
        lambda: qgrad.quantize_per_tensor(X, 0.0, 0, qgrad.quint8),
        QParamError,
        ["scale 0.0", "above 0"],
    ),
    "scale below 0": (
        lambda: qgrad.quantize_per_tensor(X, -0.5, 0, qgrad.quint8),
        QParamError,
        ["scale -0.5", "above 0"],
    ),
    "zero point out of range": (
        lambda: qgrad.quantize_per_tensor(X, 1.0, 256, qgrad.quint8),
        QParamError,
        ["256", "[0, 255]"],
    ),
    "sum beyond int32": (overflowing, QParamError, ["'0'", "66000", "2147483647", "split"]),
    "op without an instruction": (
        unlowerable,
        UnsupportedOpError,
        ["cumsum", "'0'", "test_messages.py:", "supported_ops"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_mistake_is_explained(case: str) -> None:
    """The message names place, value and way out in less than 600 characters."""
    act, kind, words = CASES[case]
    with pytest.raises(kind) as caught:
        act()
    message = str(caught.value) + "".join(getattr(caught.value, "__notes__", ()))
    assert len(message) < 600
    missing = [word for word in words if word not in message]
    assert not missing, f"{missing} not in: {message}"
