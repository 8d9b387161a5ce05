"""Derivatives of functions: Jacobians, Hessians, and their products with vectors.

Each takes a function and the tensor, or tuple of tensors, to differentiate it at. With
`create_graph` the results can be differentiated again, also by those inputs that require grad.
With `strict`, an output that does not depend on an input is an error; else its derivative is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from qgrad.autograd.gradients import grad
from qgrad.autograd.mode import enable_grad
from qgrad.autograd.record import make
from qgrad.autograd.variable import Variable
from qgrad.errors import ShapeError
from qgrad.ops.shape import detach, identity, permute, reshape, stack

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Tensors = Any  # one tensor or a tuple of them
Function = Callable[..., Any]
Several = tuple[Variable, ...]


@enable_grad()
def vjp(
    func: Function, inputs: Tensors, v: Tensors = None, create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """func(*inputs), and the product of the vector `v` with the Jacobian: shaped like the inputs.

    v: shaped like the output; may be left out if that has one element.

    >>> qgrad.autograd.functional.vjp(qgrad.square, qgrad.tensor([1.0, 2.0]), qgrad.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    call = _Call("vjp", func, inputs, create_graph, strict)
    products = call.pull_back(call.outputs, call.vector(v, call.outputs, "output"))
    return call.finish(call.outputs, call.output_is_tuple), call.finish(products, call.is_tuple)


@enable_grad()
def jvp(
    func: Function, inputs: Tensors, v: Tensors = None, create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """func(*inputs), and the product of the Jacobian with the vector `v`: shaped like the output.

    v: shaped like the inputs; may be left out if there is one with one element.

    Costs about two vector-Jacobian products: that product is linear in its vector, and its own
    transpose is the one asked for.

    >>> qgrad.autograd.functional.jvp(qgrad.square, qgrad.tensor([1.0, 2.0]), qgrad.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    call = _Call("jvp", func, inputs, create_graph, strict)
    directions = call.vector(v, call.inputs, "input")
    products = call.push_forward(call.outputs, directions)
    output_is_tuple = call.output_is_tuple
    return call.finish(call.outputs, output_is_tuple), call.finish(products, output_is_tuple)


@enable_grad()
def jacobian(
    func: Function,
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """All derivatives of the outputs: of shape output.shape + input.shape, nested in tuples by
    outputs, then by inputs, where there are tuples of them.

    vectorize: accepted for PyTorch's sake; rows are computed one by one in any case.
    strategy: "reverse-mode" takes a backward for each element of the outputs, "forward-mode" two
        for each element of the inputs.

    >>> qgrad.autograd.functional.jacobian(qgrad.square, qgrad.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    call = _Call("jacobian", func, inputs, create_graph, strict)
    if strategy not in ("reverse-mode", "forward-mode"):
        raise ValueError(
            f"jacobian: strategy must be 'reverse-mode' or 'forward-mode', got {strategy!r}"
        )
    blocks = call.columns() if strategy == "forward-mode" else call.rows()
    results = [call.finish(block, call.is_tuple) for block in blocks]
    return tuple(results) if call.output_is_tuple else results[0]


@enable_grad()
def hessian(
    func: Function,
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """All second derivatives of a function with one output of one element: of shape input.shape +
    input.shape, nested in tuples twice if the inputs are a tuple.

    vectorize, outer_jacobian_strategy: as `vectorize` and `strategy` of `jacobian`.

    >>> qgrad.autograd.functional.hessian(lambda x: (x**3).sum(), qgrad.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    is_tuple, tensors = _tupled("hessian", "inputs", inputs)

    def gradient(*inputs: Variable) -> Several:
        call = _Call("hessian", func, inputs, True, strict)
        call.check_scalar()
        return call.pull_back(call.outputs, None)

    found = jacobian(gradient, tensors, create_graph, strict, vectorize, outer_jacobian_strategy)
    return found if is_tuple else found[0][0]


@enable_grad()
def vhp(
    func: Function, inputs: Tensors, v: Tensors = None, create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """func(*inputs), of one element, and the product of the vector `v` with the Hessian.

    v: shaped like the inputs; may be left out if there is one with one element.

    >>> x = qgrad.tensor([1.0, 2.0])
    >>> qgrad.autograd.functional.vhp(lambda x: (x**3).sum(), x, qgrad.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    call = _Call("vhp", func, inputs, create_graph, strict)
    call.check_scalar()
    vector = call.vector(v, call.inputs, "input")
    gradients = call.pull_back(call.outputs, None, create_graph=True)
    products = call.pull_back(gradients, vector)
    return call.finish(call.outputs, call.output_is_tuple), call.finish(products, call.is_tuple)


@enable_grad()
def hvp(
    func: Function, inputs: Tensors, v: Tensors = None, create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """func(*inputs), of one element, and the product of the Hessian with the vector `v`.

    Where the Hessian is symmetric, as it is for smooth functions, `vhp` gives the same for less.

    >>> x = qgrad.tensor([1.0, 2.0])
    >>> qgrad.autograd.functional.hvp(lambda x: (x**3).sum(), x, qgrad.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    call = _Call("hvp", func, inputs, create_graph, strict)
    call.check_scalar()
    vector = call.vector(v, call.inputs, "input")
    gradients = call.pull_back(call.outputs, None, create_graph=True)
    products = call.push_forward(gradients, vector)
    return call.finish(call.outputs, call.output_is_tuple), call.finish(products, call.is_tuple)


class _Call:
    """One call of a function on inputs that require grad, and the derivatives of what it gave."""

    def __init__(
        self, name: str, func: Function, inputs: Tensors, create_graph: bool, strict: bool
    ) -> None:
        self.name, self.create_graph, self.strict = name, create_graph, strict
        self.is_tuple, given = _tupled(name, "inputs", inputs)
        self.inputs: Several = tuple(_input(tensor, create_graph) for tensor in given)
        output = func(*self.inputs)
        self.output_is_tuple, self.outputs = _tupled(name, "the outputs of the function", output)
        if strict:
            for i, tensor in enumerate(self.outputs):
                self._must_require_grad(tensor, f"output {i} of the function does not require grad")

    def check_scalar(self) -> None:
        """Raise if the function does not have one output of one element."""
        if self.output_is_tuple or self.outputs[0]._data.size != 1:
            found = [list(tensor._data.shape) for tensor in self.outputs]
            raise RuntimeError(
                f"{self.name}: the function must return one tensor of one element, got shapes "
                f"{', '.join(map(str, found))}; reduce them first, for example by sum()"
            )

    def vector(self, v: Tensors, like: Sequence[Variable], what: str) -> Several:
        """`v`, checked to have the shapes of `like`; ones for a single element."""
        if v is None:
            if len(like) != 1 or like[0]._data.size != 1:
                raise RuntimeError(
                    f"{self.name}: v may be left out only for one {what} of one element; pass a "
                    f"tensor, or tuple of tensors, shaped like the {what}s"
                )
            return (make(np.ones_like(like[0]._data)),)
        _, vectors = _tupled(self.name, "v", v)
        found, expected = (
            [list(tensor._data.shape) for tensor in group] for group in (vectors, like)
        )
        if found != expected:
            raise ShapeError(f"{self.name}: v has shapes {found}, the {what}s have {expected}")
        return vectors if self.create_graph else tuple(detach(tensor) for tensor in vectors)

    def pull_back(
        self, outputs: Several, weights: Several | None, *, create_graph: bool | None = None
    ) -> Several:
        """Gradients of the weighted outputs for the inputs; zeros where there is no path."""
        record = self.create_graph if create_graph is None else create_graph
        found = _grad(outputs, self.inputs, weights, record)
        for i, g in enumerate(found):
            if g is None and self.strict:
                raise RuntimeError(
                    f"{self.name}: the output does not depend on input {i}, which strict=True "
                    "forbids"
                )
            if record and g is not None:
                self._must_require_grad(g, f"the derivative does not depend on input {i}")
        return _materialized(found, self.inputs)

    def push_forward(self, outputs: Several, directions: Several) -> Several:
        """Derivatives of the outputs when the inputs move in the directions."""
        weights, pulled = self.transposable(outputs)
        return self.transposed(pulled, weights, directions)

    def transposable(self, outputs: Several) -> tuple[Several, Several]:
        """Weights to differentiate by, and the gradients of the outputs weighted with them."""
        weights = tuple(make(np.zeros_like(tensor._data)) for tensor in outputs)
        for weight in weights:
            weight._requires_grad = True
        return weights, self.pull_back(outputs, weights, create_graph=True)

    def transposed(self, pulled: Several, weights: Several, directions: Several) -> Several:
        """Gradients of what is linear in the weights."""
        found = _grad(pulled, weights, directions, self.create_graph)
        return _materialized(found, weights)

    def rows(self) -> list[Several]:
        """For each output the Jacobian by each input, a row for each element of the output."""
        blocks = []
        for output in self.outputs:
            rows = [self.pull_back((output,), (unit,)) for unit in _units(output)]
            blocks.append(_joined(rows, output, self.inputs))
        return blocks

    def columns(self) -> list[Several]:
        """The same, from a column for each element of the inputs."""
        weights, pulled = self.transposable(self.outputs)
        blocks: list[list[Variable]] = [[] for _ in self.outputs]
        for i, tensor in enumerate(self.inputs):
            columns = [self.transposed((pulled[i],), weights, (unit,)) for unit in _units(tensor)]
            parts = _joined(columns, tensor, self.outputs)
            for block, part, output in zip(blocks, parts, self.outputs, strict=True):
                block.append(_swapped(part, tensor._data.ndim, output._data.ndim))
        return [tuple(block) for block in blocks]

    def finish(self, tensors: Several, is_tuple: bool) -> Any:
        """The results as they are returned."""
        results = tensors if self.create_graph else tuple(detach(tensor) for tensor in tensors)
        return results if is_tuple else results[0]

    def _must_require_grad(self, tensor: Variable, what: str) -> None:
        if self.strict and not tensor._requires_grad:
            raise RuntimeError(f"{self.name}: {what}, which strict=True forbids")


def _tupled(name: str, what: str, value: Any) -> tuple[bool, Several]:
    is_tuple = isinstance(value, (tuple, list))
    tensors = tuple(value) if is_tuple else (value,)
    for i, tensor in enumerate(tensors):
        if not isinstance(tensor, Variable):
            place = f" (place {i})" if is_tuple else ""
            raise TypeError(
                f"{name}: {what} must be a tensor or a tuple of tensors, got a "
                f"{type(tensor).__name__}{place}"
            )
    return is_tuple, tensors


def _input(tensor: Variable, create_graph: bool) -> Any:
    """The tensor to differentiate by: part of the caller's graph only if that is asked for."""
    if create_graph and tensor._requires_grad:
        return identity(tensor)
    leaf = detach(tensor)
    leaf.requires_grad = True
    return leaf


def _grad(
    outputs: Several, inputs: Several, weights: Several | None, create_graph: bool
) -> tuple[Any, ...]:
    """Gradients, with None where there is no path; outputs may have no history at all."""
    given: Sequence[Any] = [None] * len(outputs) if weights is None else weights
    pairs = [pair for pair in zip(outputs, given, strict=True) if pair[0]._requires_grad]
    if not pairs:
        return (None,) * len(inputs)
    live, seeds = zip(*pairs, strict=True)
    return grad(live, inputs, seeds, True, create_graph, allow_unused=True)


def _materialized(found: Sequence[Any], like: Several) -> Several:
    return tuple(
        make(np.zeros_like(tensor._data)) if g is None else g
        for g, tensor in zip(found, like, strict=True)
    )


def _units(like: Variable) -> list[Variable]:
    """For each element of `like` a tensor of its shape that is 1 there and 0 elsewhere."""
    units = []
    for i in range(like._data.size):
        unit = np.zeros_like(like._data, order="C")
        unit.reshape(-1)[i] = 1
        units.append(make(unit))
    return units


def _joined(parts: list[Several], first: Variable, then: Several) -> Several:
    """One tensor for each of `then` of the parts for the elements of `first`, in both shapes."""
    shape = first._data.shape
    if not parts:
        return tuple(make(np.zeros(shape + t._data.shape, t._data.dtype)) for t in then)
    return tuple(
        reshape(stack([part[k] for part in parts]), shape + tensor._data.shape)
        for k, tensor in enumerate(then)
    )


def _swapped(tensor: Variable, first: int, then: int) -> Variable:
    """The first `first` dims moved behind the other `then`."""
    order = (*range(first, first + then), *range(first))
    return permute(tensor, order)
