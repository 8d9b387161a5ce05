"""FakeQuantize: round a tensor to what its codes can say, in training as in the integer program.

As PyTorch's, with one difference: in eval mode nothing is observed, so ranges stay what training
or calibration made them. `observe_in_eval` turns that off, for calibration in eval mode.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qgrad import kernels, ops
from qgrad.autograd.variable import version
from qgrad.boxing import box, unbox
from qgrad.dtypes import DType, qint8, quint8
from qgrad.errors import CalibrationError, ConfigError
from qgrad.nn import Module
from qgrad.qparams import QParams
from qgrad.qtensor import per_channel_symmetric, per_tensor_symmetric
from qgrad.quantization.factory import Factory, WithArgs
from qgrad.quantization.fake_quantized import FakeQuantized
from qgrad.quantization.observer import (
    FixedQParamsObserver,
    HistogramObserver,
    MovingAverageMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
    ObserverBase,
)
from qgrad.quantization.observer_base import UniformQuantizationObserverBase, adopt_shapes

__all__ = [
    "FakeQuantize",
    "FakeQuantized",
    "default_fake_quant",
    "default_fixed_qparams_range_0to1_fake_quant",
    "default_fixed_qparams_range_neg1to1_fake_quant",
    "default_histogram_fake_quant",
    "default_per_channel_weight_fake_quant",
    "default_weight_fake_quant",
    "disable_fake_quant",
    "disable_observer",
    "enable_fake_quant",
    "enable_observer",
]


class FakeQuantize(WithArgs, Module):
    """Observes a tensor, then rounds it to its codes; the gradient passes where it was in range.

    observer: class or factory of the observer that chooses scale and zero point.
    quant_min, quant_max: the codes in use, 2 to 8 bits.
    is_dynamic: whether the range is meant for the tensor at hand only.
    observe_in_eval: whether `forward` observes in eval mode too.
    observer_kwargs: further arguments for the observer (dtype, qscheme, averaging_constant...).

    Buffers as in PyTorch: `scale` and `zero_point` (empty until something was observed),
    `fake_quant_enabled` and `observer_enabled`.
    """

    scale: Any
    zero_point: Any
    fake_quant_enabled: Any
    observer_enabled: Any

    def __init__(
        self,
        observer: type[ObserverBase] | Factory = MovingAverageMinMaxObserver,
        quant_min: int | None = None,
        quant_max: int | None = None,
        is_dynamic: bool = False,
        observe_in_eval: bool = False,
        **observer_kwargs: Any,
    ) -> None:
        super().__init__()
        if quant_min is not None or quant_max is not None:
            observer_kwargs.update(quant_min=quant_min, quant_max=quant_max)
        if is_dynamic:
            observer_kwargs.update(is_dynamic=True)
        made = observer(**observer_kwargs)
        if not isinstance(made, ObserverBase):
            raise ConfigError(
                f"FakeQuantize: observer makes a {type(made).__name__}; give an observer class, "
                "such as MovingAverageMinMaxObserver"
            )
        self.activation_post_process = made
        self.is_dynamic = is_dynamic
        self.observe_in_eval = observe_in_eval
        self.register_buffer("fake_quant_enabled", box(np.ones(1, np.uint8)))
        self.register_buffer("observer_enabled", box(np.ones(1, np.uint8)))
        self.register_buffer("scale", box(np.zeros(0, np.float32)))
        self.register_buffer("zero_point", box(np.zeros(0, np.int32)))
        # Some observers search long for a scale, so it is computed when something reads it.
        self._stale = made.observed
        self._known: tuple[Any, Any, tuple[int, int], QParams] | None = None

    @classmethod
    def around(cls, made: Module, *, observe_in_eval: bool = False) -> FakeQuantize:
        """`made` if it is a FakeQuantize already, else one whose observer is `made`."""
        if isinstance(made, FakeQuantize):
            made.observe_in_eval = made.observe_in_eval or observe_in_eval
            return made
        return cls(lambda: made, observe_in_eval=observe_in_eval)  # type: ignore[arg-type]

    def forward(self, x: Any) -> Any:
        """`x` rounded to its codes (float32, any shape), or unchanged while that is disabled."""
        if self.training or self.observe_in_eval:
            self.observe(x)
        if not unbox(self.fake_quant_enabled)[0]:
            return x
        qp = self.qparams()
        return ops.fake_quantize(x, qp.scale, qp.zero_point, qp.qmin, qp.qmax, qp.axis)

    def observe(self, x: Any) -> None:
        """Let the observer see `x`, in either mode, unless it is disabled."""
        if unbox(self.observer_enabled)[0]:
            self.activation_post_process(unbox(x))
            self._stale = self.activation_post_process.observed

    def settle(self) -> None:
        """Compute scale and zero point for what was observed; reading them does so too."""
        if self._stale:
            self._stale = False
            self.scale, self.zero_point = self.activation_post_process.calculate_qparams()

    def weight_qparams(self, weight: Any) -> QParams:
        """Scale for a weight as it is now, whatever it was before; then that is in use.

        While the observer is disabled, the scale stays what it is.
        """
        observer = self.activation_post_process
        if unbox(self.observer_enabled)[0]:
            if isinstance(observer, UniformQuantizationObserverBase):
                observer.reset_min_max_vals()
            self.observe(weight)
        return self.qparams()

    @property
    def observed(self) -> bool:
        """Whether there is a scale, or the observer has seen what gives one."""
        return bool(unbox(self.scale).size) or self.activation_post_process.observed

    @property
    def is_symmetric(self) -> bool:
        """Whether 0.0 has the code 0 by its scheme."""
        return self.qscheme in (per_tensor_symmetric, per_channel_symmetric)

    def quantized(self, x: Any) -> FakeQuantized:
        """What `forward` gives, as codes and without a gradient; observes as `forward` does."""
        if self.training or self.observe_in_eval:
            self.observe(x)
        qp = self.qparams()
        codes = kernels.quantize(
            unbox(x).astype(np.float32, copy=False),
            qp.scale,
            qp.zero_point,
            qp.qmin,
            qp.qmax,
            axis=qp.axis,
            dtype=qp.dtype.numpy,
        )
        return FakeQuantized(codes, qp)

    def qparams(self) -> QParams:
        """Scale, zero point and code range in use; CalibrationError if nothing was observed."""
        scale, zero_point = self.scale, self.zero_point
        versions = (version(scale), version(zero_point))
        known = self._known
        if not (known and known[0] is scale and known[1] is zero_point and known[2] == versions):
            qp = self._make_qparams(unbox(scale), unbox(zero_point))
            known = self._known = (scale, zero_point, versions, qp)
        return known[3]

    def calculate_qparams(self) -> tuple[Any, Any]:
        """The observer's `(scale, zero_point)` for all it has seen, not yet put to use."""
        return self.activation_post_process.calculate_qparams()

    def enable_fake_quant(self, enabled: bool = True) -> None:
        """Round in `forward` from now on, or not."""
        self.fake_quant_enabled = box(np.array([enabled], np.uint8))

    def disable_fake_quant(self) -> None:
        """Let tensors through `forward` unchanged from now on."""
        self.enable_fake_quant(False)

    def enable_observer(self, enabled: bool = True) -> None:
        """Observe in `forward` from now on, or not."""
        self.observer_enabled = box(np.array([enabled], np.uint8))

    def disable_observer(self) -> None:
        """Keep scale and zero point as they are from now on."""
        self.enable_observer(False)

    @property
    def dtype(self) -> DType:
        """The type of the codes."""
        return self.activation_post_process.dtype

    @property
    def qscheme(self) -> Any:
        """Affine or symmetric, per tensor or per channel."""
        return self.activation_post_process.qscheme

    @property
    def quant_min(self) -> int:
        """The lowest code in use."""
        return self.activation_post_process.quant_min

    @property
    def quant_max(self) -> int:
        """The highest code in use."""
        return self.activation_post_process.quant_max

    @property
    def ch_axis(self) -> int:
        """The channel axis; -1 for one scale per tensor, as in PyTorch."""
        return self.activation_post_process.ch_axis

    @property
    def is_per_channel(self) -> bool:
        """Whether each channel has its own scale."""
        return self.activation_post_process.channel_axis is not None

    def extra_repr(self) -> str:
        """The codes in use, scale and zero point, and what is switched off."""
        scale, zero_point = (
            np.array2string(unbox(buffer), precision=4, threshold=6)
            for buffer in (self.scale, self.zero_point)
        )
        state = f"scale={scale}, zero_point={zero_point}"
        parts = [state if unbox(self.scale).size else "not calibrated"]
        parts += ["fake_quant disabled"] * (not unbox(self.fake_quant_enabled)[0])
        parts += ["observer disabled"] * (not unbox(self.observer_enabled)[0])
        return ", ".join(parts)

    def _make_qparams(self, scale: NDArray[Any], zero_point: NDArray[Any]) -> QParams:
        if not scale.size:
            raise CalibrationError(
                "FakeQuantize: never observed any data, so it has no scale. Run the prepared "
                "model on calibration data, or in training mode, first"
            )
        axis = self.activation_post_process.channel_axis
        if axis is None and scale.shape == (1,):
            scale, zero_point = scale[0], zero_point[0]
        return QParams(scale, zero_point, self.quant_min, self.quant_max, self.dtype, axis)

    def __getattr__(self, name: str) -> Any:
        if name in ("scale", "zero_point") and self.__dict__.get("_stale"):
            self.settle()
        return super().__getattr__(name)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        self.settle()
        super()._save_to_state_dict(destination, prefix, keep_vars)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        self._stale = False
        adopt_shapes(self, state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *rest)
        self._known = None


def enable_fake_quant(module: Module) -> None:
    """For `model.apply`: make every FakeQuantize round."""
    if isinstance(module, FakeQuantize):
        module.enable_fake_quant()


def disable_fake_quant(module: Module) -> None:
    """For `model.apply`: make every FakeQuantize let tensors through unchanged."""
    if isinstance(module, FakeQuantize):
        module.disable_fake_quant()


def enable_observer(module: Module) -> None:
    """For `model.apply`: make every FakeQuantize observe."""
    if isinstance(module, FakeQuantize):
        module.enable_observer()


def disable_observer(module: Module) -> None:
    """For `model.apply`: make every FakeQuantize keep its scale and zero point."""
    if isinstance(module, FakeQuantize):
        module.disable_observer()


default_fake_quant = FakeQuantize.with_args(
    observer=MovingAverageMinMaxObserver, quant_min=0, quant_max=255, dtype=quint8
)
default_histogram_fake_quant = FakeQuantize.with_args(
    observer=HistogramObserver, quant_min=0, quant_max=255, dtype=quint8
)
# Weights change every step, and the program is made from the last ones: only the newest count.
default_weight_fake_quant = FakeQuantize.with_args(
    observer=MovingAverageMinMaxObserver,
    quant_min=-127,
    quant_max=127,
    dtype=qint8,
    qscheme=per_tensor_symmetric,
    averaging_constant=1.0,
)
default_per_channel_weight_fake_quant = FakeQuantize.with_args(
    observer=MovingAveragePerChannelMinMaxObserver,
    quant_min=-127,
    quant_max=127,
    dtype=qint8,
    qscheme=per_channel_symmetric,
    averaging_constant=1.0,
    ch_axis=0,
)
default_fixed_qparams_range_0to1_fake_quant = FakeQuantize.with_args(
    observer=FixedQParamsObserver, scale=1 / 256, zero_point=0, quant_min=0, quant_max=255
)
default_fixed_qparams_range_neg1to1_fake_quant = FakeQuantize.with_args(
    observer=FixedQParamsObserver, scale=1 / 128, zero_point=128, quant_min=0, quant_max=255
)
