"""Tensor: an array that remembers how it was computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from qgrad import dtypes, ops
from qgrad.autograd import fast, hooks
from qgrad.autograd.gradients import backward
from qgrad.autograd.in_place import change, reshape
from qgrad.autograd.mode import recording
from qgrad.autograd.record import make, record, refresh, run_on_tensors, set_tensor_class
from qgrad.autograd.variable import INFERENCE, Node, version
from qgrad.boxing import set_box
from qgrad.device import Device, check_device, cpu
from qgrad.dtypes import DType
from qgrad.errors import DTypeError, ShapeError
from qgrad.ops import aliases, composed, joining, products, rearrange, statistics
from qgrad.ops.op import Op, handlers, register_handler, registry
from qgrad.ops.promotion import default_float, get_default_dtype
from qgrad.tensor_filling import Filling
from qgrad.tensor_interop import Interop
from qgrad.tensor_operators import Operators
from qgrad.tensor_repr import tensor_repr

__all__ = ["Tensor", "record"]

Array = np.ndarray[Any, Any]


class Tensor(Operators, Interop, Filling):
    """A multi-dimensional array with a gradient, as in PyTorch.

    Make tensors with `qgrad.tensor(data)`, `qgrad.zeros(2, 3)`, `qgrad.randn(2, 3)`,
    `qgrad.from_numpy(array)` (shares memory) and the like.

    >>> x = qgrad.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    """

    __slots__ = ()

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """The methods made from the op table below."""

    def __new__(cls, data: Any = ()) -> Any:
        """A copy of `data` in the default dtype; `qgrad.tensor` keeps the dtype."""
        return make(np.array(data, default_float()), cls)

    @classmethod
    def _make(cls, data: Array, requires_grad: bool = False) -> Any:
        """A tensor of this class that shares the memory of `data`."""
        tensor = make(data, cls)
        if recording.get() is None:
            tensor._cell = INFERENCE
        if requires_grad:
            tensor.requires_grad = True
        return tensor

    def __repr__(self) -> str:
        refresh(self)
        suffixes = []
        evident = {get_default_dtype()}
        if self._data.size:
            evident |= {dtypes.int64, dtypes.bool_}  # the elements show it
        elif self._data.ndim != 1:
            suffixes.append(f"size={tuple(self._data.shape)}")
        if self.dtype not in evident:
            suffixes.append(f"dtype={self.dtype}")
        if self._node is not None:
            suffixes.append(f"grad_fn={self._node!r}")
        elif self._requires_grad:
            suffixes.append("requires_grad=True")
        return tensor_repr(self._data, suffixes)

    # Gradients

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to or through this tensor."""
        if self._view is not None:
            refresh(self)
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self._node is not None:
            if not value:
                raise RuntimeError(
                    "requires_grad: only a leaf can stop requiring grad, this tensor was made by "
                    f"{self._node.op.name}; use x.detach()"
                )
        elif value and self._data.dtype.kind != "f":
            raise DTypeError(
                f"requires_grad: only floating-point tensors can require gradients, this one is "
                f"{self.dtype}; use x.float()"
            )
        elif value and self._cell is INFERENCE and recording.get() is not None:
            raise RuntimeError(
                "requires_grad: a tensor made in inference mode cannot require grad outside of it; "
                "use its clone()"
            )
        self._requires_grad = bool(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set `requires_grad` in place and give the tensor itself."""
        self.requires_grad = requires_grad
        return self

    @property
    def grad_fn(self) -> Node | None:
        """The operation that made this tensor, None for a leaf."""
        if self._view is not None:
            refresh(self)
        return self._node

    @property
    def is_leaf(self) -> bool:
        """Whether the tensor was made by the user and not by a recorded operation."""
        return self.grad_fn is None

    @property
    def _version(self) -> int:
        """How often this memory was changed in place."""
        if self._cell is INFERENCE:
            raise RuntimeError("_version: tensors made in inference mode have no version counter")
        return version(self)

    def is_inference(self) -> bool:
        """Whether the tensor was made in inference mode."""
        return self._cell is INFERENCE

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Sequence[Tensor] | Tensor | None = None,
    ) -> None:
        """Add the gradient of this tensor to the `.grad` of the leaves that it depends on.

        `gradient` is the gradient of the tensor itself; it may be left out for a scalar.
        """
        backward(self, gradient, retain_graph, create_graph, inputs)

    def register_hook(self, hook: Callable[[Tensor], Any]) -> hooks.RemovableHook:
        """Call `hook(gradient)` in every backward; what it returns replaces the gradient."""
        return hooks.register(self, hook)

    def register_post_accumulate_grad_hook(
        self, hook: Callable[[Tensor], Any]
    ) -> hooks.RemovableHook:
        """Call `hook(tensor)` whenever a backward has added to the `.grad` of this leaf."""
        return hooks.register_after(self, hook)

    def retain_grad(self) -> None:
        """Keep the gradient of this tensor in `.grad` though it is not a leaf."""
        hooks.retain_grad(self)

    @property
    def retains_grad(self) -> bool:
        """Whether `retain_grad` was asked of this tensor, which is not a leaf."""
        node = self.grad_fn
        return node is not None and node.hooks is not None and node.hooks.retain is not None

    def detach(self) -> Tensor:
        """The same elements without history; shares memory, and notes of changes to it."""
        tensor = make(self._data)
        if self._cell is None:
            self._cell = [0]
        tensor._cell = self._cell
        return tensor

    def detach_(self) -> Tensor:
        """Forget the history, in place."""
        if self._view is not None and self.requires_grad:
            raise RuntimeError(
                "detach_: this tensor is a view, and what it views would not know of its changes; "
                "use x.detach()"
            )
        self._node = self._view = None
        self._requires_grad = False
        return self

    @property
    def data(self) -> Tensor:
        """The same elements without history, outside of all checks; prefer `detach()`."""
        return make(self._data)

    @data.setter
    def data(self, value: Tensor) -> None:
        self._data = value._data

    # What the tensor is

    @property
    def dtype(self) -> DType:
        """The element type, for example `qgrad.float32`."""
        return dtypes.from_numpy(self._data.dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the dims."""
        return self._data.shape

    @property
    def device(self) -> Device:
        """Where the memory is: the CPU."""
        return cpu

    @property
    def ndim(self) -> int:
        """The number of dims."""
        return self._data.ndim

    def dim(self) -> int:
        """The number of dims."""
        return self._data.ndim

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the length of one dim."""
        return self.shape if dim is None else self.shape[dim]

    def numel(self) -> int:
        """The number of elements."""
        return self._data.size

    nelement = numel

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self._data.itemsize

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._data.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self._data.nbytes

    def stride(self, dim: int | None = None) -> Any:
        """The distance in memory, in elements, between neighbours along each dim, or along one."""
        steps = tuple(step // self._data.itemsize for step in self._data.strides)
        return steps if dim is None else steps[dim]

    def is_contiguous(self) -> bool:
        """Whether the elements lie in memory in row-major order."""
        return self._data.flags.c_contiguous

    def is_floating_point(self) -> bool:
        """Whether the elements are floats."""
        return self._data.dtype.kind == "f"

    # Shapes and dtypes, spelled as methods spell them

    def reshape(self, *shape: Any) -> Tensor:
        """The elements in a new shape; `x.reshape(2, -1)` or `x.reshape((2, -1))`."""
        return ops.reshape(self, _sizes(shape))

    def view(self, *shape: Any) -> Tensor:
        """Like `reshape`; with a dtype, the bytes read as that type."""
        if len(shape) == 1 and isinstance(shape[0], (DType, np.dtype, type)):
            return make(self._data.view(dtypes.to_numpy(shape[0])))
        return ops.reshape(self, _sizes(shape))

    def permute(self, *order: Any, dims: Any = None) -> Tensor:
        """The dims in a new order: `x.permute(1, 0)`, or `dims=(1, 0)`."""
        return ops.permute(self, _sizes(order) if dims is None else tuple(dims))

    def expand(self, *sizes: Any) -> Tensor:
        """Dims of length 1 repeated without copying; -1 keeps a dim."""
        return ops.expand(self, _sizes(sizes))

    def flip(self, *along: Any, dims: Any = None) -> Tensor:
        """The elements in reverse order: `x.flip(0)`, or `dims=(0,)`."""
        return ops.flip(self, _sizes(along) if dims is None else dims)

    def split(self, split_size: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
        """Views along `dim`: of one size (the last may be smaller), or of given sizes."""
        return ops.split(self, split_size, dim)

    def view_as(self, other: Tensor) -> Tensor:
        """In the shape of `other`."""
        return ops.reshape(self, other.shape)

    reshape_as = view_as

    def expand_as(self, other: Tensor) -> Tensor:
        """Repeated to the shape of `other`."""
        return ops.expand(self, other.shape)

    @property
    def T(self) -> Tensor:
        """The dims in reverse order."""
        return ops.permute(self, tuple(range(self.ndim))[::-1])

    @property
    def mT(self) -> Tensor:
        """The last two dims swapped."""
        return ops.transpose(self, -2, -1)

    def where(self, condition: Tensor, other: Any) -> Tensor:
        """These elements where `condition` is true, else those of `other`."""
        return ops.where(condition, self, other)

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """In another dtype: `x.to(qgrad.float64)`, `x.to(other)`. A device must be the CPU."""
        kwargs.pop("non_blocking", None)
        copy = kwargs.pop("copy", False)
        dtype = kwargs.pop("dtype", None)
        check_device(kwargs.pop("device", None))
        if kwargs:
            raise TypeError(f"to: no argument {next(iter(kwargs))!r}")
        for arg in args:
            if isinstance(arg, Tensor):
                dtype = arg.dtype
            elif isinstance(arg, (str, Device)):
                check_device(arg)
            elif arg is not None and not isinstance(arg, bool):
                dtype = arg
        target = self.dtype if dtype is None else dtypes.from_numpy(dtypes.to_numpy(dtype))
        if target is self.dtype:
            return ops.clone(self) if copy else self
        return ops.cast(self, target)

    def type(self, dtype: Any = None) -> Any:
        """In another dtype; without one, the name of this one."""
        return f"qgrad.{self.dtype.name}" if dtype is None else self.to(dtype)

    def type_as(self, other: Tensor) -> Tensor:
        """In the dtype of `other`."""
        return self.to(other.dtype)

    def cpu(self) -> Tensor:
        """The tensor itself: its memory is the CPU's."""
        return self

    def __iter__(self) -> Iterator[Tensor]:
        if not self.ndim:
            raise TypeError("iter: a 0-d tensor has no elements to iterate over; use x.item()")
        return iter(ops.unbind(self, 0))


def _sizes(sizes: Sequence[Any]) -> tuple[Any, ...]:
    """f(2, 3) and f((2, 3)) mean the same."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        return tuple(sizes[0])
    return tuple(sizes)


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    return method


def _in_place(op: Op) -> Callable[..., Tensor]:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if kwargs and op.keywords:
            meant, given, kwargs, _ = op.resolve((self, *args), kwargs)
            return change(self, meant, *given[1:], **kwargs)
        return change(self, op, *args, **kwargs)

    return method


def _reshaping(op: Op) -> Callable[..., Tensor]:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return reshape(self, op, *op.positional((self, *args), kwargs)[1:])

    return method


def _t_in_place(self: Tensor) -> Tensor:
    if self.ndim > 2:
        raise ShapeError(f"t_: needs at most 2 dims, this tensor has shape {list(self.shape)}")
    return reshape(self, ops.transpose, 0, 1) if self.ndim == 2 else self


def _cast(dtype: DType) -> Callable[[Tensor], Tensor]:
    def method(self: Tensor) -> Tensor:
        return self.to(dtype)

    return method


def _matrix_function(name: str) -> Callable[..., Any]:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        from qgrad import linalg  # not before it is needed: `import qgrad` stays quick

        return getattr(linalg, name)(self, *args, **kwargs)

    return method


def _attach(name: str, method: Callable[..., Any], doc: str | None) -> None:
    if name not in Tensor.__dict__:
        method.__name__ = name
        method.__qualname__ = f"Tensor.{name}"
        method.__doc__ = doc
        setattr(Tensor, name, method)


def _attach_op(name: str, op: Op) -> None:
    _attach(name, _method(op), op.doc)
    if op.in_place:
        _attach(name + "_", _in_place(op), f"{op.doc} In place.")


_MATRIX_FUNCTIONS = (
    *("cholesky", "cholesky_solve", "det", "inverse", "logdet", "matrix_power", "slogdet"),
)


def _attach_methods() -> None:
    """Every op and composed function whose first argument is `input` is a method; ops that keep the
    shape have a twin that works in place, `exp_`."""
    for name, op in registry.items():
        if op.params[0] == "input":
            _attach_op(name, op)
    for module in (composed, rearrange, aliases, joining, statistics, products):
        for name in module.__all__:
            function = getattr(module, name)
            if isinstance(function, Op):
                if function.params[0] == "input":
                    _attach_op(name, function)
            elif function.__code__.co_varnames[0] == "input":
                _attach(name, _method(function), function.__doc__)
    for dtype, name in (
        *((dtypes.float32, "float"), (dtypes.float64, "double"), (dtypes.float16, "half")),
        *((dtypes.int64, "long"), (dtypes.int32, "int"), (dtypes.int16, "short")),
        *((dtypes.int8, "char"), (dtypes.uint8, "byte"), (dtypes.bool_, "bool")),
    ):
        _attach(name, _cast(dtype), f"The elements as {dtype}.")
    for op in (ops.squeeze, ops.unsqueeze, ops.transpose):
        _attach(op.name + "_", _reshaping(op), f"{op.doc} In place.")
    for name in ("swapaxes", "swapdims"):
        _attach(name + "_", _reshaping(ops.transpose), "Two dims swapped, in place.")
    _attach("t_", _t_in_place, "The two dims of a matrix swapped, in place.")
    for name in _MATRIX_FUNCTIONS:
        _attach(name, _matrix_function(name), f"As `qgrad.{name}`.")


_attach_methods()
set_tensor_class(Tensor)
set_box(make)
register_handler(Tensor, 10, run_on_tensors)
fast.connect(Tensor, handlers[Tensor])
