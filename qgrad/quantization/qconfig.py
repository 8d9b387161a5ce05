"""QConfig: how to quantize one operation's output and its weight, and the ready-made ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from qgrad.errors import ConfigError
from qgrad.nn import Module
from qgrad.quantization.factory import Factory
from qgrad.quantization.fake_quantize import (
    default_fake_quant,
    default_per_channel_weight_fake_quant,
    default_weight_fake_quant,
)
from qgrad.quantization.observer import (
    default_histogram_observer,
    default_observer,
    default_per_channel_weight_observer,
    default_weight_observer,
)

__all__ = [
    "BACKENDS",
    "QConfig",
    "default_per_channel_qconfig",
    "default_qat_qconfig",
    "default_qconfig",
    "get_default_qat_qconfig",
    "get_default_qconfig",
    "qconfig_equals",
]

# PyTorch's names for CPU kernels. Here all are the same numbers, since every CPU gives the same.
BACKENDS = ("x86", "fbgemm", "qnnpack", "onednn")


class _Pair(NamedTuple):
    activation: Callable[..., Any]
    weight: Callable[..., Any]


class QConfig(_Pair):
    """Which observer or fake-quantizer watches an operation's output, and which its weight.

    activation, weight: classes or factories (`MinMaxObserver.with_args(...)`), called anew for
    every tensor; instances are refused, since all tensors would share their range.

    >>> from qgrad.quantization import HistogramObserver, default_weight_observer
    >>> weight = default_weight_observer.with_args(quant_min=-7, quant_max=7)
    >>> qconfig = QConfig(activation=HistogramObserver, weight=weight)
    """

    __slots__ = ()

    def __new__(cls, activation: Callable[..., Any], weight: Callable[..., Any]) -> QConfig:
        """Check both factories; a call of each shows whether their arguments are right."""
        _check_factory("activation", activation)
        _check_factory("weight", weight)
        return super().__new__(cls, activation, weight)

    def __repr__(self) -> str:
        activation, weight = (_name_of(factory) for factory in self)
        return f"QConfig(activation={activation}, weight={weight})"


def qconfig_equals(a: QConfig | None, b: QConfig | None) -> bool:
    """Whether two QConfigs (or None) build the same observers with the same arguments."""
    return a == b


def get_default_qconfig(
    backend: str = "x86", *, weight_bits: int = 8, activation_bits: int = 8
) -> QConfig:
    """For quantizing after training: histogram activations, per-channel symmetric weights.

    backend: one of PyTorch's names; all give the same numbers here.
    weight_bits, activation_bits: 2 to 8.
    """
    _check_backend(backend)
    return QConfig(
        activation=_activation(default_histogram_observer, activation_bits),
        weight=_weight(default_per_channel_weight_observer, weight_bits),
    )


def get_default_qat_qconfig(
    backend: str = "x86", *, weight_bits: int = 8, activation_bits: int = 8
) -> QConfig:
    """For training with quantization: moving-average activations, weights as they are each step.

    backend: one of PyTorch's names; all give the same numbers here.
    weight_bits, activation_bits: 2 to 8.
    """
    _check_backend(backend)
    return QConfig(
        activation=_activation(default_fake_quant, activation_bits),
        weight=_weight(default_per_channel_weight_fake_quant, weight_bits),
    )


def _activation(factory: Factory, bits: int) -> Factory:
    _check_bits("activation_bits", bits)
    return factory if bits == 8 else factory.with_args(quant_min=0, quant_max=2**bits - 1)


def _weight(factory: Factory, bits: int) -> Factory:
    _check_bits("weight_bits", bits)
    largest = 2 ** (bits - 1) - 1
    return factory if bits == 8 else factory.with_args(quant_min=-largest, quant_max=largest)


def _check_bits(name: str, bits: int) -> None:
    if bits not in range(2, 9):
        raise ConfigError(f"qconfig: {name} is {bits!r}; it must be an integer from 2 to 8")


def _check_backend(backend: str) -> None:
    if backend not in BACKENDS:
        raise ConfigError(
            f"qconfig: unknown backend {backend!r}; PyTorch's are {', '.join(BACKENDS)}. All mean "
            "the same here, so it can be left out"
        )


def _check_factory(name: str, factory: Any) -> None:
    if isinstance(factory, Module):
        kind = type(factory).__name__
        raise ConfigError(
            f"QConfig: {name} is an instance of {kind}, which all tensors would share; give the "
            f"class {kind}, or {kind}.with_args(...) to choose its arguments"
        )
    if not callable(factory):
        raise ConfigError(
            f"QConfig: {name} is {factory!r:.80}; give an observer or fake-quantizer class, or "
            "one made by its with_args(...)"
        )
    if isinstance(factory, Factory) and not factory.callables:
        try:  # bad arguments raise here, where they were written, not at prepare
            factory()
        except ConfigError:
            raise
        except (TypeError, ValueError, ArithmeticError) as error:
            raise ConfigError(f"QConfig: {name}={factory!r:.200}: {error}") from None


def _name_of(factory: Callable[..., Any]) -> str:
    return repr(factory) if isinstance(factory, Factory) else factory.__qualname__


default_qconfig = QConfig(activation=default_observer, weight=default_weight_observer)
default_per_channel_qconfig = QConfig(
    activation=default_observer, weight=default_per_channel_weight_observer
)
default_qat_qconfig = QConfig(activation=default_fake_quant, weight=default_weight_fake_quant)
