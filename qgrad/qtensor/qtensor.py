"""QTensor: integer codes in a storage, and the parameters that give them a value."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import dtypes, kernels
from ..boxing import box, unbox
from ..errors import DTypeError, QParamError, ShapeError
from ..qparams import QParams, quantize
from ..storage import TypedStorage, storage_class
from ..tensor_repr import tensor_repr
from . import fourbit
from .qscheme import QScheme, per_channel_affine, per_tensor_affine
from .refusals import Refusals, refusal
from .views import Views

__all__ = ["QTensor"]

Codes = NDArray[Any]
Shape = tuple[int, ...]


class QTensor(Refusals, Views):
    """A tensor of integer codes, made by `quantize_per_tensor` and its kin or from codes.

    A code q stands for `(q - zero_point) * scale`. Views (slices, view, permute...) share the
    storage; a channel axis keeps its scales through them. There is no arithmetic on codes: call
    `.dequantize()` for a float tensor, `.int_repr()` for the codes.

    >>> q = qgrad.quantize_per_tensor([0.0, 0.5, 1.0], 0.5, 10, qgrad.quint8)
    >>> q.int_repr()
    tensor([10, 11, 12], dtype=qgrad.uint8)
    """

    __slots__ = ()

    def __init__(self, codes: Any, qparams: QParams) -> None:
        """A tensor of a copy of `codes`: integers within [qmin, qmax] of `qparams`."""
        array = unbox(codes)
        if array.dtype.kind not in "iu":
            raise DTypeError(
                f"QTensor: codes are integers, got {array.dtype}; quantize_per_tensor makes codes "
                "from floats"
            )
        _check_codes(array, qparams, "QTensor")
        qparams.along(array.shape, "QTensor")
        self._hold(array, qparams)

    @classmethod
    def from_storage(
        cls, storage: TypedStorage, qparams: QParams, shape: tuple[int, ...] | None = None
    ) -> QTensor:
        """A tensor over the codes of a storage, of a mapped file for example: nothing is copied.

        The storage's type must be that of `qparams.dtype`. shape: of the first codes in C order,
        all of them in one dimension by default.
        """
        expected = storage_class(qparams.dtype)
        if type(storage) is not expected:
            raise DTypeError(
                f"from_storage: {qparams.dtype!r} codes are in a {expected.__name__}, got a "
                f"{type(storage).__name__}"
            )
        available = len(storage) * (2 if qparams.dtype is dtypes.quint4x2 else 1)
        size = (available,) if shape is None else tuple(shape)
        if min(size, default=0) < 0 or math.prod(size) > available:
            raise ShapeError(f"from_storage: {available} codes cannot fill shape {size}")
        qparams.along(size, "from_storage")
        tensor = cls.__new__(cls)
        tensor._set(storage, 0, size, None, qparams)
        _check_codes(tensor._codes, qparams, "from_storage")
        return tensor

    def int_repr(self) -> Any:
        """A copy of the codes, as a tensor of uint8, int8 or int32."""
        return box(self._codes.copy())

    def dequantize(self) -> Any:
        """The float32 values that the codes stand for."""
        return box(self._values())

    def _values(self) -> NDArray[np.float32]:
        qp = self._qparams
        return kernels.dequantize(self._codes, qp.scale, qp.zero_point, qp.axis)

    def item(self) -> float:
        """The value of a tensor of one element."""
        return float(self._values().item())

    def tolist(self) -> Any:
        """The values as nested lists."""
        return self._values().tolist()

    @property
    def qparams(self) -> QParams:
        """Scale, zero point, code range and dtype."""
        return self._qparams

    @property
    def is_quantized(self) -> bool:
        """True."""
        return True

    @property
    def requires_grad(self) -> bool:
        """False: codes have no gradient; FakeQuantize trains through quantization."""
        return False

    def qscheme(self) -> QScheme:
        """`qgrad.per_tensor_affine` or `qgrad.per_channel_affine`."""
        return per_channel_affine if self._qparams.per_channel else per_tensor_affine

    def q_scale(self) -> float:
        """The one scale of a tensor that is quantized per tensor."""
        return float(self._whole("q_scale", "q_per_channel_scales").scale)

    def q_zero_point(self) -> int:
        """The one zero point of a tensor that is quantized per tensor."""
        return int(self._whole("q_zero_point", "q_per_channel_zero_points").zero_point)

    def q_per_channel_scales(self) -> Any:
        """The scale of each channel, float64."""
        return box(self._channelwise("q_per_channel_scales", "q_scale").scale.astype(np.float64))

    def q_per_channel_zero_points(self) -> Any:
        """The zero point of each channel, int64."""
        qp = self._channelwise("q_per_channel_zero_points", "q_zero_point")
        return box(qp.zero_point.astype(np.int64))

    def q_per_channel_axis(self) -> int:
        """The axis along which the channels lie."""
        axis = self._channelwise("q_per_channel_axis", "q_scale").axis
        return -1 if axis is None else axis

    def _whole(self, op: str, instead: str) -> QParams:
        if self._qparams.per_channel:
            raise QParamError(
                f"{op}: this tensor has {self._qparams.scale.size} scales, one for each index of "
                f"axis {self._qparams.axis} (shape {self._shape}); use .{instead}()"
            )
        return self._qparams

    def _channelwise(self, op: str, instead: str) -> QParams:
        if not self._qparams.per_channel:
            raise QParamError(f"{op}: this tensor has one scale for all elements; use .{instead}()")
        return self._qparams

    def detach(self) -> QTensor:
        """A view of all; quantized tensors have no history."""
        return self._viewed(lambda codes: codes, self._qparams)

    def cpu(self) -> QTensor:
        """This tensor, which is on the CPU."""
        return self

    def copy_(self, source: Any, non_blocking: bool = False) -> QTensor:
        """Take the values of a float tensor, quantized as this one is, or equal-scaled codes."""
        if isinstance(source, QTensor):
            if source._qparams != self._qparams:
                raise QParamError(
                    f"copy_: the source has {source._qparams!r}, this tensor {self._qparams!r}; "
                    "copy source.dequantize() to round it to this scale"
                )
            new = source._codes
        else:
            new = quantize(unbox(source), self._qparams)
        if new.shape != self._shape:
            raise ShapeError(f"copy_: cannot copy shape {new.shape} into shape {self._shape}")
        if any(n > 1 and stride == 0 for n, stride in zip(self._shape, self._strides, strict=True)):
            raise ShapeError("copy_: elements of an expanded tensor share memory; clone() it first")
        flat = self._flat()
        self._laid_out(flat)[...] = new
        if self.dtype is dtypes.quint4x2:
            self._storage[:] = fourbit.packed(flat)
        return self

    def equal(self, other: Any) -> bool:
        """Whether `other` is quantized with the same parameters and has the same codes."""
        return (
            isinstance(other, QTensor)
            and self._qparams == other._qparams
            and self._shape == other._shape
            and bool((self._codes == other._codes).all())
        )

    @staticmethod
    def _run_op(op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """An op on codes: it may look at them in another shape, and nothing else."""
        if not op.view or op.saves:
            raise refusal(op.name)
        return op.forward(*op.positional(args, kwargs))

    def __eq__(self, other: object) -> Any:
        return self._compared(other, np.equal)

    def __ne__(self, other: object) -> Any:
        return self._compared(other, np.not_equal)

    def _compared(self, other: object, compare: Callable[..., Any]) -> Any:
        """Elementwise comparison of values, of QTensors or with floats."""
        if isinstance(other, QTensor):
            values = other._values()
        elif isinstance(other, (int, float, np.ndarray)) or hasattr(other, "_data"):
            values = unbox(other)
        else:
            return NotImplemented
        return box(np.asarray(compare(self._values(), values)))

    __hash__ = object.__hash__

    def __len__(self) -> int:
        if not self._shape:
            raise TypeError("len: a tensor of 0 dimensions has no length")
        return self._shape[0]

    def __iter__(self) -> Iterator[QTensor]:
        if not self._shape:
            raise TypeError("iteration over a tensor of 0 dimensions")
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return bool(self.item())

    def __float__(self) -> float:
        return self.item()

    def __reduce__(self) -> tuple[Any, ...]:
        layout = (self._offset, self._shape, self._strides)
        return _restored, (self._storage, *layout, self._qparams)

    def __repr__(self) -> str:
        suffixes = [
            f"size={self._shape}",
            f"dtype={self.dtype!r}",
            f"quantization_scheme={self.qscheme()!r}",
        ]
        qp = self._qparams
        if qp.per_channel:
            scale = tensor_repr(qp.scale.astype(np.float64), ["dtype=qgrad.float64"])
            zero_point = tensor_repr(qp.zero_point, [])
            suffixes += [f"scale={scale}", f"zero_point={zero_point}", f"axis={qp.axis}"]
        else:
            suffixes += [f"scale={qp.scale!s}", f"zero_point={qp.zero_point!s}"]
        return tensor_repr(self._values(), suffixes)


def _check_codes(codes: Codes, qp: QParams, op: str) -> None:
    if codes.size and not qp.qmin <= codes.min() <= codes.max() <= qp.qmax:
        raise QParamError(
            f"{op}: codes from {codes.min()} to {codes.max()} leave [{qp.qmin}, {qp.qmax}]; clamp "
            "them or widen the parameters"
        )


def _restored(storage: Any, offset: int, shape: Shape, strides: Shape, qparams: QParams) -> QTensor:
    tensor: QTensor = QTensor.__new__(QTensor)
    tensor._set(storage, offset, shape, strides, qparams)
    return tensor
