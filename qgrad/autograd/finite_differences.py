"""gradcheck and gradgradcheck: compare gradients with differences of values."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from qgrad.autograd.gradients import grad
from qgrad.autograd.record import make, needs_grad
from qgrad.autograd.variable import Variable

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]

Array = np.ndarray[Any, Any]
Tensors = Any  # one tensor or a tuple of anything with tensors among it


class GradcheckError(RuntimeError):
    """A gradient is not what differences of values say, or not what it must be."""


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensors,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Compare the gradients of func(*inputs) with differences (f(x + eps) - f(x - eps)) / (2 eps).

    inputs: a tensor or a tuple of arguments; those that require grad are checked, and should be
        float64. They are moved in place, and put back.
    atol, rtol: a gradient may differ by atol + rtol * |difference of values|.
    raise_exception: False returns whether all is well; otherwise GradcheckError names the output,
        the argument, the indices and both numbers.
    nondet_tol: how much two backwards of the same values may differ.
    check_undefined_grad: also check that gradients of 0 or None give 0.
    fast_mode: compare in one random direction instead of every element.

    There is no forward mode to check (`check_forward_ad`, `check_batched_forward_grad`). Gradients
    always have their input's dtype, and batches are computed row by row, so that
    `check_grad_dtypes` and `check_batched_grad` find nothing.

    >>> x = qgrad.randn(3, dtype=qgrad.float64, requires_grad=True)
    >>> qgrad.autograd.gradcheck(qgrad.exp, x)
    True
    """
    if check_forward_ad or check_batched_forward_grad:
        raise NotImplementedError("gradcheck: there is no forward mode; leave check_forward_ad out")
    check = _Check(func, inputs, eps, atol, rtol, nondet_tol)
    try:
        if check_backward_ad:
            check.run(fast_mode)
        if check_undefined_grad:
            check.undefined()
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensors,
    grad_outputs: Tensors = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Compare the gradients of the gradients of func(*inputs) with differences of gradients.

    The gradients are functions of the inputs and of the gradients of the outputs, by default random
    ones (`grad_outputs`, not contiguous with `gen_non_contig_grad_outputs`); both are checked. The
    other arguments are those of `gradcheck`.
    """
    if check_fwd_over_rev:
        raise NotImplementedError("gradgradcheck: there is no forward mode; leave it out")
    arguments = _tupled(inputs)
    if grad_outputs is None:
        outputs = _differentiable(_tupled(func(*arguments)))
        weights = tuple(_random_like(y, gen_non_contig_grad_outputs) for y in outputs)
    else:
        weights = _tupled(grad_outputs)
    count = len(weights)

    def gradients(*everything: Any) -> tuple[Any, ...]:
        given, seeds = everything[: len(everything) - count], everything[-count:]
        outputs = _differentiable(_tupled(func(*given)))
        wanted = [x for x in given if _requires_grad(x)]
        found = grad(outputs, wanted, seeds, create_graph=True, allow_unused=True)
        return tuple(g for g in found if g is not None)

    gradients.__name__ = f"the gradient of {_name(func)}"
    return gradcheck(
        gradients,
        (*arguments, *weights),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_backward_ad=check_rev_over_rev,
        fast_mode=fast_mode,
    )


class _Check:
    """A function at given arguments, its values and gradients."""

    def __init__(
        self,
        func: Callable[..., Any],
        inputs: Tensors,
        eps: float,
        atol: float,
        rtol: float,
        nondet_tol: float,
    ) -> None:
        self.func, self.arguments = func, _tupled(inputs)
        self.eps, self.atol, self.rtol, self.nondet_tol = eps, atol, rtol, nondet_tol
        self.places = [i for i, a in enumerate(self.arguments) if _requires_grad(a)]
        self.tensors: list[Any] = [self.arguments[i] for i in self.places]
        self._check_inputs()
        self.all_outputs = _tupled(func(*self.arguments))
        self.outputs = _differentiable(self.all_outputs)

    def _check_inputs(self) -> None:
        if not self.tensors:
            raise ValueError(
                "gradcheck: no argument requires grad; call x.requires_grad_() on one of them"
            )
        for place, tensor in zip(self.places, self.tensors, strict=True):
            data = tensor._data
            if data.dtype != np.float64:
                warnings.warn(
                    f"gradcheck: {self.argument(place)} is {data.dtype}; differences need float64, "
                    "use x.double()",
                    stacklevel=4,
                )
            overlap = any(s == 0 and n > 1 for s, n in zip(data.strides, data.shape, strict=True))
            if overlap or not data.flags.writeable:
                raise ValueError(
                    f"gradcheck: {self.argument(place)} has elements that share memory, or that "
                    "cannot be written to; pass its clone()"
                )

    def argument(self, place: int) -> str:
        """An argument of the function in words, by its name if that is known."""
        names: Sequence[str] = getattr(self.func, "params", ())
        code = getattr(self.func, "__code__", None)
        if not names and code is not None:
            bound = hasattr(self.func, "__self__")  # its first argument is given already
            names = code.co_varnames[bound : code.co_argcount]
        return f"argument {place}" + (f" ({names[place]!r})" if place < len(names) else "")

    def run(self, fast_mode: bool) -> None:
        """Compare all gradients."""
        if not self.outputs:
            self._check_constant()
        for place, tensor in zip(self.places, self.tensors, strict=True):
            if not fast_mode or not self._same_in_a_direction(tensor):
                columns = [self._difference(tensor, i) for i in range(tensor._data.size)]
                for k, output in enumerate(self.outputs):
                    numeric = np.zeros((output._data.size, len(columns)))
                    for i, column in enumerate(columns):
                        numeric[:, i] = column[k].reshape(-1)
                    self._compare(k, output, place, tensor, numeric)

    def values(self) -> list[Array]:
        """The outputs at the inputs as they are now, in memory of their own."""
        outputs = _tupled(self.func(*self.arguments))
        known = self.all_outputs
        if len(outputs) != len(known):
            raise GradcheckError(
                f"gradcheck: {_name(self.func)} returned {len(known)} outputs, and "
                f"{len(outputs)} when called again"
            )
        return [
            np.array(again._data, np.float64)
            for first, again in zip(known, outputs, strict=True)
            if any(first is output for output in self.outputs)
        ]

    def _compare(self, k: int, output: Any, place: int, tensor: Any, numeric: Array) -> None:
        analytic = self._analytic(k, output, place, tensor)
        wrong = ~_close(analytic, numeric, self.atol, self.rtol)
        if not wrong.any():
            return
        row, column = (int(i) for i in np.argwhere(wrong)[0])
        at_output = _index(row, output._data.shape)
        at_input = _index(column, tensor._data.shape)
        raise GradcheckError(
            f"gradcheck: {self._described(k, output)}: the gradient for {self.argument(place)} is "
            f"wrong in {int(wrong.sum())} of {wrong.size} entries. First at output{at_output}, "
            f"input{at_input}: analytic {float(analytic[row, column])!r}, numeric "
            f"{float(numeric[row, column])!r} (allowed: {self.atol} + {self.rtol} * |numeric|)."
        )

    def _described(self, k: int, output: Any) -> str:
        how = "" if output._node is None else f", made by {output._node.op.name}"
        return f"output {k} of {_name(self.func)}{how}"

    def _difference(self, tensor: Any, i: int) -> list[Array]:
        """Derivatives of all outputs by element `i` of an input, measured."""
        elements = tensor._data.flat
        before = elements[i]
        try:
            elements[i] = before + self.eps
            up = self.values()
            elements[i] = before - self.eps
            down = self.values()
        finally:
            elements[i] = before
        return [(a - b) / (2 * self.eps) for a, b in zip(up, down, strict=True)]

    def _analytic(self, k: int, output: Any, place: int, tensor: Any) -> Array:
        """The Jacobian by the engine: a row for each element of the output."""
        rows = np.zeros((output._data.size, tensor._data.size))
        for row in range(len(rows)):
            unit = np.zeros(output._data.shape)
            unit.reshape(-1)[row] = 1
            rows[row], again = (self._pulled(output, tensor, unit) for _ in range(2))
            if not np.allclose(rows[row], again, rtol=0, atol=self.nondet_tol, equal_nan=True):
                raise GradcheckError(
                    f"gradcheck: {self._described(k, output)}: two backwards of the same values "
                    f"give different gradients for {self.argument(place)}; pass nondet_tol if that "
                    "is meant to be"
                )
        return rows

    def _pulled(self, output: Any, tensor: Any, weight: Array) -> Array:
        start = make(weight.astype(output._data.dtype, copy=False))
        (g,) = grad(output, tensor, start, retain_graph=True, allow_unused=True)
        return np.zeros(tensor._data.size) if g is None else g._data.reshape(-1)

    def _same_in_a_direction(self, tensor: Any) -> bool:
        """Whether v J u agrees for random unit vectors u and v, of every output."""
        random = np.random.default_rng(0)
        data = tensor._data
        u = _unit(random, data.shape)
        before = data.copy()
        try:
            data[...] = before + self.eps * u
            up = self.values()
            data[...] = before - self.eps * u
            down = self.values()
        finally:
            data[...] = before
        for k, output in enumerate(self.outputs):
            v = _unit(random, output._data.shape)
            numeric = np.sum((up[k] - down[k]) * v) / (2 * self.eps)
            analytic = np.dot(self._pulled(output, tensor, v), u.reshape(-1))
            atol = self.atol * np.abs(u).sum() * np.abs(v).sum()  # if all entries differ by atol
            if not _close(analytic, numeric, atol, self.rtol):
                return False
        return True

    def _check_constant(self) -> None:
        """Without an output that requires grad, values may not depend on the inputs."""
        self.outputs = [y for y in self.all_outputs if _is_float(y)]
        for k in range(len(self.outputs)):
            for place, tensor in zip(self.places, self.tensors, strict=True):
                for i in range(tensor._data.size):
                    if not _close(0.0, self._difference(tensor, i)[k], self.atol, 0.0).all():
                        raise GradcheckError(
                            f"gradcheck: output {k} of {_name(self.func)} does not require grad, "
                            f"but its value changes with {self.argument(place)}"
                        )
        self.outputs = []

    def undefined(self) -> None:
        """Gradients of 0 for one output, and none for the others, must give 0."""
        for k, output in enumerate(self.outputs):
            zero = make(np.zeros(output._data.shape, output._data.dtype))
            found = grad(output, self.tensors, zero, retain_graph=True, allow_unused=True)
            for place, g in zip(self.places, found, strict=True):
                if g is not None and np.any(g._data != 0):
                    raise GradcheckError(
                        f"gradcheck: {self._described(k, output)}: a gradient of 0 gives a "
                        f"gradient that is not 0 for {self.argument(place)}; a backward must "
                        "multiply by the gradient that comes in, and take None for 0"
                    )


def _tupled(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def _is_float(value: Any) -> bool:
    return isinstance(value, Variable) and value._data.dtype.kind == "f"


def _requires_grad(value: Any) -> bool:
    return isinstance(value, Variable) and needs_grad(value)


def _differentiable(values: Sequence[Any]) -> list[Any]:
    return [y for y in values if _is_float(y) and needs_grad(y)]


def _name(func: Callable[..., Any]) -> str:
    """The name of a function, an op, or the class of another callable."""
    name = getattr(func, "__name__", None) or getattr(func, "name", None)
    return name if isinstance(name, str) else type(func).__name__


def _random_like(tensor: Any, strided: bool) -> Any:
    shape = tensor._data.shape
    random = np.random.default_rng(0)
    if strided and shape:
        values = random.uniform(-1, 1, (*shape[:-1], 2 * shape[-1]))[..., ::2]
    else:
        values = np.asarray(random.uniform(-1, 1, shape))
    weight = make(values.astype(tensor._data.dtype, copy=False))
    weight.requires_grad = True
    return weight


def _unit(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    direction = np.asarray(random.standard_normal(shape))
    return direction / max(float(np.linalg.norm(direction)), 1e-30)


def _close(analytic: Any, numeric: Any, atol: float, rtol: float) -> Array:
    return np.isclose(analytic, numeric, rtol=rtol, atol=atol)


def _index(place: int, shape: tuple[int, ...]) -> list[int]:
    return [int(i) for i in np.unravel_index(place, shape)]
