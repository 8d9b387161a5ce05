"""FakeQuantized: a tensor that is stored as integer codes and computes as floats."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qgrad import kernels
from qgrad.autograd.variable import Variable
from qgrad.dtypes import DType, float32
from qgrad.errors import QParamError
from qgrad.ops.op import Op
from qgrad.qparams import QParams
from qgrad.tensor import Tensor

__all__ = ["FakeQuantized"]

# What autograd keeps with a tensor, besides its values.
_STATE = tuple(name for name in Variable.__slots__ if name not in ("__weakref__", "_data"))


class FakeQuantized(Tensor):
    """A Tensor kept as integer codes; its float values are made when something asks for them.

    codes: the integers, in the logical layout of the tensor (any strides).
    qparams: what they mean.
    """

    __slots__ = ("_values", "codes", "qparams")

    codes: NDArray[Any]
    qparams: QParams
    _values: NDArray[np.float32] | None

    def __new__(cls, codes: NDArray[Any], qparams: QParams) -> FakeQuantized:
        """Share the memory of `codes`."""
        self: FakeQuantized = object.__new__(cls)
        for name in _STATE:
            setattr(self, name, None)
        self._requires_grad = False
        self.codes = codes
        self.qparams = qparams
        self._values = None
        return self

    @property
    def _data(self) -> NDArray[np.float32]:  # type: ignore[override]
        values = self._values
        if values is None:
            qp = self.qparams
            values = kernels.dequantize(self.codes, qp.scale, qp.zero_point, axis=qp.axis)
            values.flags.writeable = False  # a change in place would leave the codes behind
            self._values = values
        return values

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the dimensions."""
        return self.codes.shape

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return self.codes.ndim

    @property
    def dtype(self) -> DType:
        """float32: the type of the values, not of the codes."""
        return float32

    def attached_to(self, history: Tensor) -> FakeQuantized:
        """The same codes with the place in the autograd graph that `history` has."""
        twin = self.detach()
        twin._node, twin._requires_grad = history._node, history._requires_grad
        return twin

    def detach(self) -> FakeQuantized:
        """The same codes without history."""
        twin = FakeQuantized(self.codes, self.qparams)
        twin._values = self._values
        return twin

    def int_repr(self) -> Tensor:
        """A copy of the codes."""
        return Tensor._make(self.codes.copy())

    def q_scale(self) -> float:
        """The scale; QParamError for a tensor that has one per channel."""
        return float(self._per_tensor("q_scale").scale)

    def q_zero_point(self) -> int:
        """The code of 0.0; QParamError for a tensor that has one per channel."""
        return int(self._per_tensor("q_zero_point").zero_point)

    def _per_tensor(self, asked: str) -> QParams:
        if self.qparams.per_channel:
            raise QParamError(
                f"{asked}: this tensor has {self.qparams.scale.size} scales along axis "
                f"{self.qparams.axis}; read x.qparams.scale and x.qparams.zero_point"
            )
        return self.qparams

    def __repr__(self) -> str:
        qp = self.qparams
        values = repr(Tensor._make(self._data)).removesuffix(")")
        scale = np.array2string(qp.scale, precision=4, threshold=6, separator=", ")
        zero_point = np.array2string(qp.zero_point, threshold=6, separator=", ")
        axis = "" if qp.axis is None else f", axis={qp.axis}"
        return f"{values}, scale={scale}, zero_point={zero_point}{axis})"

    def _in_place(self, op: Op, args: tuple[Any, ...]) -> Any:
        raise RuntimeError(
            f"{op.name}_: a tensor of codes cannot be changed in place; make a new tensor, or "
            "change x.dequantize()"
        )

    def dequantize(self) -> Tensor:
        """A plain float32 tensor of the values, with memory of its own and without history."""
        return Tensor._make(np.array(self._data))

    def __copy__(self) -> FakeQuantized:
        return self.attached_to(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> FakeQuantized:
        return FakeQuantized(self.codes.copy(), self.qparams)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return FakeQuantized, (self.codes, self.qparams)
