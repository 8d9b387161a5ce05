"""The op table: one record per operation, and the one door that every call goes through.

    @op(onnx="Mul", broadcasts=True)
    def mul(input, other):               # forward, on arrays
        return np.multiply(input, other)

    @mul.rule("input")                   # gradient for one argument; its parameters say what is
    def mul_dinput(g, other):            # kept for the backward: an argument's value, its shape
        return g * other                 # (`input_shape`), the output `y`, or `saved`

Rules are written in ops and operators only. So they run on plain arrays (fast), on Tensors (their
result is differentiable again) and on symbolic values. Gradients of broadcast arguments are summed
to the argument's shape by the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from qgrad.errors import DTypeError, ShapeError, UnsupportedOpError
from qgrad.kernels.extension import core
from qgrad.ops.promotion import as_floating, promote
from qgrad.ops.quiet import QUIET, restore, silence

__all__ = [
    "Handler",
    "Op",
    "Plan",
    "Value",
    "caller",
    "handlers",
    "op",
    "raise_explained",
    "register_handler",
    "registry",
]

Value = Any  # an array, a Tensor, a tracer or a symbolic value: whatever the rules are run on
HandlerFunction = Callable[["Op", tuple[Any, ...], dict[str, Any]], Any]
F = TypeVar("F", bound=Callable[..., Any])

ndarray = np.ndarray
registry: dict[str, Op] = {}


class Handler:
    """What a class of arguments does with a call; the highest priority among arguments wins."""

    __slots__ = ("priority", "run")

    def __init__(self, priority: int, run: HandlerFunction) -> None:
        self.priority, self.run = priority, run


_SCAN = Handler(-1, lambda op, args, kwargs: None)  # lists and tuples: look at the items
_registered: dict[type, Handler] = {list: _SCAN, tuple: _SCAN}


class _Handlers(dict[type, "Handler | None"]):
    """Handler by exact type, filled on first sight of a type from its base classes."""

    def __missing__(self, cls: type) -> Handler | None:
        found = self[cls] = next(filter(None, map(_own_handler, cls.__mro__)), None)
        return found


def _own_handler(cls: type) -> Handler | None:
    run = cls.__dict__.get("_run_op")
    return _registered.get(cls) if run is None else Handler(1000, run.__func__)


handlers = _Handlers()


def register_handler(cls: type, priority: int, run: HandlerFunction) -> None:
    """Let `run(op, args, kwargs)` compute every op that has an argument of class `cls`.

    Of several arguments' handlers, the one with the highest priority runs. Subclasses inherit.
    A class of a lower floor says it by a static method `_run_op` instead, which goes above all.
    """
    _registered[cls] = Handler(priority, run)
    handlers.clear()


def _richest(values: Iterable[Any]) -> Handler | None:
    best: Handler | None = None
    for value in values:
        handler = handlers[value.__class__]
        if handler is _SCAN:
            handler = _richest(value)
        if handler is not None and (best is None or handler.priority > best.priority):
            best = handler
    return best


class Plan:
    """What one recorded call keeps for its backward, given which arguments need a gradient.

    `saved` of a node is laid out as: argument values at positions `keep`, shapes of arguments at
    `shapes`, then the output if `keeps_output`, then the forward's extras if `keeps_extras`.
    Each rule is (function, indices into `saved`), for the argument at the same place in `targets`.
    """

    __slots__ = (
        "frees",
        "holds",
        "keep",
        "keeps_extras",
        "keeps_more",
        "keeps_output",
        "rules",
        "shapes",
        "targets",
    )

    def __init__(self, op: Op, mask: int) -> None:
        self.targets = tuple(i for i in range(len(op.params)) if mask >> i & 1)
        needs = [op.needs(op.params[i]) for i in self.targets]
        names = {name for need in needs for name in need}
        keep = [name for name in op.params if name in names]
        shapes = [name for name in op.params if name + "_shape" in names]
        self.keep = tuple(op.params.index(name) for name in keep)
        self.shapes = tuple(op.params.index(name) for name in shapes)
        self.keeps_output = "y" in names
        self.keeps_extras = "saved" in names
        self.keeps_more = bool(shapes) or self.keeps_output or self.keeps_extras
        layout = [*keep, *(name + "_shape" for name in shapes)]
        layout += ["y"] * self.keeps_output + ["saved"] * self.keeps_extras
        self.rules = tuple(
            (op.rules[op.params[i]], tuple(layout.index(name) for name in need))
            for i, need in zip(self.targets, needs, strict=True)
        )
        # Only a node that holds arrays is freed by backward, so only it refuses a second one. It
        # certainly does (`frees`) if it keeps its output or what a gradient can flow to; other
        # arguments, and extras, may be numbers.
        self.holds = bool(keep) or self.keeps_output or self.keeps_extras
        self.frees = self.keeps_output or any(name in op.rules for name in keep)


class Op:
    """One operation: its forward on arrays, its gradient rules, and what other floors know of it.

    name, doc:    what users call it and what it does
    forward:      computes on arrays; its parameter names and defaults are the op's
    params:       the parameter names in order; the first `required` have no default
    rules:        gradient rule by parameter name
    broadcasts:   elementwise: operands are promoted to one dtype and broadcast
    floating:     integer operands become the default float dtype first
    in_place:     the result fits into the first argument: there is a twin, `clamp_`
    view:         the result may share memory with the first argument
    saves:        forward gives (result, extras); rules read the extras as `saved`
    quantize:     how the op becomes an integer instruction, or None
    onnx:         its ONNX operator, or None
    keywords:     keywords that make the call one of another op (see `keyword`)
    """

    __slots__ = (
        "arity",
        "broadcasts",
        "constants",
        "defaults",
        "doc",
        "floating",
        "forward",
        "in_place",
        "keywords",
        "name",
        "onnx",
        "params",
        "plans",
        "quantize",
        "required",
        "rules",
        "saves",
        "view",
    )

    def __init__(
        self,
        forward: Callable[..., Any],
        *,
        name: str | None = None,
        quantize: str | None = None,
        onnx: str | None = None,
        broadcasts: bool = False,
        floating: bool = False,
        in_place: bool = False,
        view: bool = False,
        saves: bool = False,
        constants: Sequence[str] = (),
    ) -> None:
        code = forward.__code__
        self.name = name or forward.__name__
        self.forward = forward
        self.doc = forward.__doc__
        self.params = code.co_varnames[: code.co_argcount]
        self.arity = len(self.params)
        self.defaults: tuple[Any, ...] = forward.__defaults__ or ()
        self.required = len(self.params) - len(self.defaults)
        self.rules: dict[str, Callable[..., Any]] = {}
        self.quantize = quantize
        self.onnx = onnx
        self.broadcasts = broadcasts
        self.floating = floating
        self.in_place = in_place or broadcasts or quantize == "lut"
        self.keywords: dict[str, Callable[..., tuple[Op, tuple[Any, ...]]]] = {}
        self.view = view
        self.saves = saves
        self.constants = frozenset(constants)
        self.plans: dict[int, Plan | None] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute on whatever the arguments are: arrays, Tensors, tracers, symbolic values.

        `out=` takes the result, as in PyTorch.
        """
        best: Handler | None = None
        for value in args:
            handler = handlers[value.__class__]
            if handler is not best and handler is not None:
                if handler is _SCAN:
                    handler = _richest(value)
                    if handler is None:
                        continue
                if best is None or handler.priority > best.priority:
                    best = handler
        if kwargs:
            if "out" in kwargs or self.keywords:
                op, args, kwargs, out = self.resolve(args, kwargs)
                if op is not self or out is not None:
                    return _give(op, op(*args, **kwargs), out)
            handler = _richest(kwargs.values())
            if handler is not None and (best is None or handler.priority > best.priority):
                best = handler
        if best is not None:
            return best.run(self, args, kwargs)
        if kwargs or len(args) != self.arity:
            args = self.positional(args, kwargs)
        # NumPy makes scalars of 0-d results; here they are arrays, which have a dtype to keep.
        y = self.compute([np.asarray(a) if isinstance(a, np.generic) else a for a in args])
        return y[0] if self.saves else y

    @property
    def elementwise(self) -> bool:
        """Whether the result has the operands' broadcast shape, so that it can replace one."""
        return self.broadcasts or self.quantize == "lut"

    @property
    def __signature__(self) -> Any:
        """What `inspect.signature` and `help` show: the parameters of the forward."""
        import inspect  # takes a while to load, and few ask

        return inspect.signature(self.forward)

    def __repr__(self) -> str:
        return f"<op {self.name}({', '.join(self.params)})>"

    def __reduce__(self) -> str | tuple[Any, ...]:
        return _by_name, (self.name,)

    def rule(self, param: str) -> Callable[[F], F]:
        """Decorator: the gradient for argument `param`."""
        if param not in self.params:
            raise ValueError(f"{self.name}: no parameter {param!r} among {self.params}")

        def register(fn: F) -> F:
            self.rules[param] = fn
            self._check_names(fn)
            return fn

        return register

    def keyword(self, name: str) -> Callable[[F], F]:
        """Decorator: what the keyword `name` does, which is not a parameter of this op.

        The function takes the call's arguments and tells which op to call with which arguments:
        `add(x, y, alpha=2)` is add(x, 2 * y), `div(x, y, rounding_mode="floor")` a floor_divide.
        """

        def register(fn: F) -> F:
            self.keywords[name] = fn
            return fn

        return register

    def resolve(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Op, tuple[Any, ...], dict[str, Any], Any]:
        """The op that a call with keywords means, its arguments, and the `out` of the call."""
        kwargs = dict(kwargs)
        out = kwargs.pop("out", None)
        for name, meaning in self.keywords.items():
            if name in kwargs:
                op, args = meaning(*args, **kwargs)
                return op, args, {}, out
        return self, args, kwargs, out

    def _check_names(self, fn: Callable[..., Any]) -> None:
        names = fn.__code__.co_varnames[: fn.__code__.co_argcount]
        known = {*self.params, *(name + "_shape" for name in self.params), "y"}
        if self.saves:
            known.add("saved")
        unknown = [name for name in names[1:] if name not in known]
        if names[:1] != ("g",) or unknown:
            raise ValueError(
                f"{self.name}: rule {fn.__name__}{names} must take g, then any of {sorted(known)}"
            )

    def needs(self, param: str) -> tuple[str, ...]:
        """The names that the rule for `param` reads besides `g`."""
        code = self.rules[param].__code__
        return code.co_varnames[1 : code.co_argcount]

    def plan(self, mask: int) -> Plan | None:
        """What to record when the arguments in bit mask `mask` need a gradient; None: nothing."""
        try:
            return self.plans[mask]
        except KeyError:
            pass
        if not self.rules:
            self.plans[mask] = None
            return None
        for i, param in enumerate(self.params):
            if mask >> i & 1 and param not in self.rules and param not in self.constants:
                raise UnsupportedOpError(
                    f"{self.name}: argument {param!r} requires grad, but there is no gradient "
                    f"rule for it; pass {param}.detach()"
                )
        with_rule = sum(1 << i for i, param in enumerate(self.params) if param in self.rules)
        plan = self.plans[mask] = Plan(self, mask & with_rule) if mask & with_rule else None
        return plan

    def positional(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
        """All arguments in the order of `params`, defaults filled in."""
        params = self.params
        given = len(args)
        if not kwargs and self.required <= given <= self.arity:
            return args + self.defaults[given - self.required :]
        if given > len(params):
            raise TypeError(
                f"{self.name}: takes {len(params)} arguments ({', '.join(params)}), got {given}"
            )
        rest = list(params[given:])
        values = [*args, *self.defaults[max(given - self.required, 0) :]]
        if given < self.required:
            values[given:given] = [_MISSING] * (self.required - given)
        for name, value in kwargs.items():
            if name not in rest:
                alias = _ALIASES.get(name)
                if alias not in rest:
                    raise TypeError(self._bad_keyword(name))
                name = alias
            values[params.index(name)] = value
        for name, value in zip(params, values, strict=True):
            if value is _MISSING:
                raise TypeError(f"{self.name}: argument {name!r} is missing")
        return tuple(values)

    def _bad_keyword(self, name: str) -> str:
        if name in self.params:
            return f"{self.name}: argument {name!r} is given twice"
        return f"{self.name}: no argument {name!r}; it takes ({', '.join(self.params)})"

    def bind(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """One form for every spelling of a call: (required arguments, {option: value}).

        >>> qgrad.ops.sum.bind(("x", 1), {})
        (('x',), {'dim': 1, 'keepdim': False, 'dtype': None})
        """
        values = self.positional(args, kwargs)
        options = dict(zip(self.params[self.required :], values[self.required :], strict=True))
        return values[: self.required], options

    def compute(self, args: Sequence[Any]) -> Any:
        """Forward on arrays, all parameters given; errors name the op and show its arguments."""
        if self.broadcasts:
            a, b = args[0], args[1]
            if (
                a.__class__ is not ndarray
                or b.__class__ is not ndarray
                or a.dtype is not b.dtype
                or self.arity != 2
                or (self.floating and a.dtype.kind != "f")
            ):
                args = self._operands(args)
        elif self.floating:
            args = (as_floating(args[0]), *args[1:])
        token = silence(QUIET)
        try:
            return self.forward(*args)
        except (ValueError, TypeError, IndexError, OverflowError) as error:
            raise self.explain(error, args) from error
        finally:
            restore(token)

    def _operands(self, args: Sequence[Any]) -> Sequence[Any]:
        """The operands as arrays of one dtype."""
        if not _USUAL.issuperset(map(type, args)):
            self._check_operands(args)
        arrays = [a for a in args if a.__class__ is ndarray]
        dtype = arrays[0].dtype if arrays else None
        if dtype is None or dtype.kind != "f" or any(a.dtype is not dtype for a in arrays):
            return promote(args, floating=self.floating)
        # A number does not widen a float. NumPy is faster with a 0-d array than with a number.
        return [a if a.__class__ is ndarray or a is None else np.asarray(a, dtype) for a in args]

    def _check_operands(self, args: Sequence[Any]) -> None:
        for name, a in zip(self.params, args, strict=False):
            if not isinstance(a, _OPERANDS):
                raise DTypeError(
                    f"{self.name}: {name} must be a tensor or a number, got {describe(a)}"
                )

    def explain(self, error: Exception, args: Sequence[Any]) -> Exception:
        """The error to raise instead: starts with the op's name and shows its arguments."""
        text = str(error)
        if text.startswith(self.name + ":"):
            return error
        shown = ", ".join(
            f"{name} {describe(value)}" for name, value in zip(self.params, args, strict=False)
        )
        if self.broadcasts and isinstance(error, ValueError):
            text = "these shapes do not broadcast"
        kind = type(error)
        if isinstance(error, (ValueError, TypeError)):
            kind = ShapeError if isinstance(error, ValueError) else DTypeError
        return kind(f"{self.name}: {text} ({shown})")


def raise_explained(op: Op, error: Exception, args: Sequence[Any]) -> None:
    """Raise what `op` makes of an error of its forward."""
    raise op.explain(error, args) from error


def caller(op: Op) -> Callable[..., Any]:
    """`op` as a function: the same call in fewer steps."""
    return op if core is None else core.door_caller(op)


if core is not None:
    core.door_install(Op, Op.__call__)

_MISSING: Any = object()
_USUAL = frozenset({ndarray, float, int, bool, type(None)})
_OPERANDS = (ndarray, int, float, np.generic, type(None), list, tuple)
# NumPy's names, which PyTorch takes too, and a former name.
_ALIASES = {"axis": "dim", "keepdims": "keepdim", "unbiased": "correction"}
_SHORT = {"float": "f", "int": "i", "uint": "u"}


def describe(value: Any) -> str:
    """A value in few characters, as errors show it: `f32[2,3]` for an array."""
    if isinstance(value, (list, tuple)) and any(isinstance(v, ndarray) for v in value):
        items = [describe(v) for v in value[:4]] + ["..."] * (len(value) > 4)
        return f"[{', '.join(items)}]"
    if not isinstance(value, ndarray):
        text = repr(value)
        return text if len(text) <= 60 else text[:57] + "..."
    name = value.dtype.name
    for long, short in _SHORT.items():
        if name.startswith(long):
            name = short + name[len(long) :]
            break
    return f"{name}[{','.join(map(str, value.shape))}]"


def op(**options: Any) -> Callable[[Callable[..., Any]], Op]:
    """Decorator: put the forward into the table as an op; the options are those of `Op`."""

    def register(forward: Callable[..., Any]) -> Op:
        new = Op(forward, **options)
        if new.name in registry:
            raise ValueError(f"op: {new.name!r} is already in the table")
        registry[new.name] = new
        return new

    return register


def _give(op: Op, y: Any, out: Any) -> Any:
    """`y`, in the memory of `out` if that is not None; then gives `out`."""
    if out is None:
        return y
    if not isinstance(out, ndarray):
        return out._receive(y, op.name)
    try:
        np.copyto(out, y)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"{op.name}: the result {describe(y)} does not go into out {describe(out)}"
        ) from error
    return out


def _by_name(name: str) -> Op:
    return registry[name]
