"""Tracer: the Tensor that stands for a value of a graph while a model is traced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from qgrad.dtypes import DType
from qgrad.errors import TraceError
from qgrad.graph.ir import Node
from qgrad.tensor import Tensor

if TYPE_CHECKING:
    from qgrad.graph.session import Session

__all__ = ["Tracer"]

_BRANCH = (
    "Use qgrad.where(condition, a, b), or move the decision out of forward; "
    "decisions on shapes are fine."
)
_VALUE = "Compute with the tensor itself, or move this out of forward."


class Tracer(Tensor):
    """A Tensor without data: ops on it are handed to the session, which gives another Tracer.

    `node` is the value it stands for, None for a parameter that no op has taken yet. Its data is
    unknown to the model's code, which raises TraceError when it asks.
    """

    __slots__ = ("dtype", "node", "session", "shadows", "shape", "target")

    dtype: DType  # type: ignore[assignment]
    shape: tuple[int, ...]  # type: ignore[assignment]

    def __new__(
        cls,
        session: Session,
        node: Node | None,
        shape: tuple[int, ...],
        dtype: DType,
        target: str = "",
    ) -> Any:
        """A tracer in `session`; `target` is the path of a parameter or buffer."""
        self = object.__new__(cls)
        self.session = session
        self.node = node
        self.shape = shape
        self.dtype = dtype
        self.target = target
        self.grad = self._node = self._cell = self._hooks = None
        self._requires_grad = False
        return self

    def become(self, other: Tracer) -> Tracer:
        """Stand for the value of `other` from now on: what an in-place op does to this one."""
        self.node, self.shape, self.dtype = other.node, other.shape, other.dtype
        self.target = ""
        return self

    def refuse(self, what: str, way_out: str) -> NoReturn:
        """Raise TraceError: `what` cannot be recorded here, `way_out` is what to do instead."""
        raise TraceError(
            self.session.explain(f"{what} of a traced tensor ({self._text()})", way_out)
        )

    def _text(self) -> str:
        sizes = ", ".join(map(str, self.shape))
        name = self.node.name if self.node is not None else self.target
        return f"{name}, {self.dtype!r}, shape ({sizes})"

    @property  # type: ignore[misc]
    def _data(self) -> Any:
        self.refuse("the data", _VALUE)

    @_data.setter
    def _data(self, value: Any) -> None:
        self.refuse("assignment to the data", "Keep state out of forward.")

    def __bool__(self) -> bool:
        self.refuse("bool()", "A graph has one path, but the code decides on data. " + _BRANCH)

    def __int__(self) -> int:
        self.refuse("int()", _VALUE)

    def __float__(self) -> float:
        self.refuse("float()", _VALUE)

    def __index__(self) -> int:
        self.refuse("use as an index", _VALUE)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        self.refuse("the NumPy array", _VALUE)

    def item(self) -> Any:
        """Refused: the value is not known during the trace."""
        self.refuse("item()", _VALUE)

    def tolist(self) -> Any:
        """Refused: the values are not known during the trace."""
        self.refuse("tolist()", _VALUE)

    def numpy(self, *args: Any, **kwargs: Any) -> Any:
        """Refused: the values are not known during the trace."""
        self.refuse("numpy()", _VALUE)

    def backward(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: gradients are taken of the traced module's results."""
        self.refuse("backward()", "Call backward() on what the traced module returns.")

    def __deepcopy__(self, memo: dict[int, Any]) -> Tracer:
        return self

    def __repr__(self) -> str:
        return f"Tracer({self._text()})"

    __str__ = __repr__
