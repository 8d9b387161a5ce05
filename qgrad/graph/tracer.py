"""Tracer: the Tensor that stands for a value of a graph while a model is traced."""

from __future__ import annotations

import math
import weakref
from typing import TYPE_CHECKING, Any, NoReturn

from qgrad import ops
from qgrad.dtypes import DType
from qgrad.errors import TraceError
from qgrad.graph.ir import Node
from qgrad.ops.op import Op
from qgrad.tensor import Tensor

if TYPE_CHECKING:
    from qgrad.graph.session import Session

__all__ = ["Tracer"]

_BRANCH = (
    "Use qgrad.where(condition, a, b), or move the decision out of forward; "
    "decisions on shapes are fine."
)
_GRADIENT = "Take gradients of what the traced module returns."
_VALUE = "Compute with the tensor itself, or move this out of forward."


class Tracer(Tensor):
    """A Tensor without data: ops on it are handed to the session, which gives another Tracer.

    `node` is the value it stands for, None for a parameter that no op has taken yet (`target` is
    its path). The data is unknown, and the model's code gets a TraceError when it asks for it.
    """

    __slots__ = ("aliases", "base", "dtype", "node", "session", "shadows", "shape", "target")

    session: Session
    node: Node | None
    shape: tuple[int, ...]
    dtype: DType
    target: str
    shadows: Any
    aliases: list[weakref.ref[Tracer]]
    base: tuple[Tracer, Any] | None

    def __new__(
        cls,
        session: Session,
        node: Node | None,
        shape: tuple[int, ...],
        dtype: DType,
        target: str = "",
    ) -> Any:
        """A tracer in `session` of this shape, in which free sizes are SymInts, and dtype."""
        self: Tracer = object.__new__(cls)
        self.session = session
        self.node = node
        self.shape = shape
        self.dtype = dtype
        self.target = target
        self.shadows = None
        self.base = None
        self.aliases = [weakref.ref(self)]
        self._grad = self._node = self._cell = self._hooks = self._view = None
        self._requires_grad = False
        return self

    def refuse(self, what: str, way_out: str) -> NoReturn:
        """Raise TraceError: `what` cannot be recorded here, `way_out` is what to do instead."""
        what = f"{what} of a traced tensor ({self._text()})"
        raise TraceError(self.session.explain(what, way_out))

    _refuse = refuse

    def _text(self) -> str:
        sizes = ", ".join(map(str, self.shape))
        name = self.node.name if self.node is not None else self.target
        return f"{name}, {self.dtype!r}, shape ({sizes})"

    # -- changes in place ------------------------------------------------------------------------

    def share_memory_with(self, base: Tracer, index: Any = None) -> None:
        """Note that this is a view of `base`, base[index] unless `index` is None."""
        base.aliases.append(weakref.ref(self))
        self.aliases = base.aliases
        self.base = None if index is None else (base, index)

    def _in_place(self, op: Op, args: tuple[Any, ...], view: Tracer | None = None) -> Tracer:
        """Stand for the result of the op from now on: all who hold this tensor see the change.

        A change of base[index] is one of the base, too, of which `view` may stay.
        """
        what = f"in-place {op.name}"
        if self.target:
            self.refuse(what, "A graph does not change parameters and buffers.")
        base, index = self.base or (None, None)
        if op is ops.setitem and _is_item(args[2], self, args[1]):
            view = args[2]  # the last step of `x[index] += y`, which puts back what it has changed
        alive = [tracer for ref in self.aliases if (tracer := ref()) is not None]
        if any(all(tracer is not known for known in (self, base, view)) for tracer in alive):
            way_out = "Another tensor shares its memory: write `x = x + y` instead of `x += y`."
            self.refuse(what, way_out)
        result = op(*args)
        if list(map(int, result.shape)) != list(map(int, self.shape)):
            self.refuse(f"{what} with a result of another shape", "Write `x = x + y`.")
        if result.dtype is not self.dtype:
            result = ops.cast(result, self.dtype)
        self.node, self.shape, self.shadows = result.node, result.shape, result.shadows
        if base is not None:
            base._in_place(ops.setitem, (base, index, self), view=self)
        return self

    # -- what a tensor without data still knows --------------------------------------------------

    @property
    def ndim(self) -> int:
        """The number of dims."""
        return len(self.shape)

    def dim(self) -> int:
        """The number of dims."""
        return len(self.shape)

    def numel(self) -> int:
        """The number of elements, a SymInt if a size is free."""
        return math.prod(self.shape)

    nelement = numel

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len: a 0-d tensor has no length")
        return self.shape[0]

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    def element_size(self) -> int:
        """Bytes of one element."""
        return self.dtype.itemsize

    def is_floating_point(self) -> bool:
        """Whether the elements are floats."""
        return self.dtype.is_floating_point

    def is_contiguous(self) -> bool:
        """True: memory plays no part in a graph."""
        return True

    def detach(self) -> Any:
        """The same value, without a gradient."""
        return ops.detach(self)

    @property
    def data(self) -> Any:
        """The same value, without a gradient."""
        return ops.detach(self)

    @data.setter
    def data(self, value: Any) -> None:
        self.refuse("assignment to the data", "Keep state out of forward.")

    # -- what needs data -------------------------------------------------------------------------

    @property
    def _data(self) -> Any:
        self.refuse("the data", _VALUE)

    @_data.setter
    def _data(self, value: Any) -> None:
        self.refuse("assignment to the data", "Keep state out of forward.")

    def __bool__(self) -> bool:
        self.refuse("bool()", "A graph has one path, but the code decides on data. " + _BRANCH)

    def __contains__(self, element: Any) -> bool:
        self.refuse("`in`", "A graph has one path, but the code decides on data. " + _BRANCH)

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

    def numpy(self, *, force: bool = False) -> Any:
        """Refused: the values are not known during the trace."""
        self.refuse("numpy()", _VALUE)

    def backward(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: gradients are taken of the traced module's results."""
        self.refuse("backward()", _GRADIENT)

    def register_hook(self, hook: Any) -> NoReturn:
        """Refused: gradients are taken of the traced module's results."""
        self.refuse("register_hook()", _GRADIENT)

    def register_post_accumulate_grad_hook(self, hook: Any) -> NoReturn:
        """Refused: gradients are taken of the traced module's results."""
        self.refuse("register_post_accumulate_grad_hook()", _GRADIENT)

    def retain_grad(self) -> NoReturn:
        """Refused: gradients are taken of the traced module's results."""
        self.refuse("retain_grad()", _GRADIENT)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tracer:
        return self

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __repr__(self) -> str:
        return f"Tracer({self._text()})"

    __str__ = __repr__


def _is_item(value: Any, base: Tracer, index: Any) -> bool:
    """Whether `value` is the view base[index]."""
    if not isinstance(value, Tracer) or value.base is None or value.base[0] is not base:
        return False
    seen = value.base[1]
    if isinstance(seen, tuple) and isinstance(index, tuple) and len(seen) == len(index):
        return all(one is other for one, other in zip(seen, index, strict=True))
    return seen is index
