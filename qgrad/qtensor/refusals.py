"""What codes cannot do, said in words: arithmetic, float methods, conversion to arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from ..errors import DTypeError

__all__ = ["Refusals", "refusal"]

BINARY = ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor")
OTHERS = ("neg", "pos", "abs", "invert", "lt", "le", "gt", "ge")


class Refusals:
    """Operators and conversions that would have to guess between codes and values."""

    __slots__ = ()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if ufunc in (np.equal, np.not_equal) and method == "__call__":
            other = inputs[1] if inputs[0] is self else inputs[0]
            return self == other if ufunc is np.equal else self != other
        raise _refusal(ufunc.__name__, _NO_NUMBERS)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        raise _refusal("numpy", "is no array of numbers")

    def numpy(self) -> NoReturn:
        """Raises: an array of codes or of values? `int_repr` and `dequantize` say which."""
        self.__array__()

    def __getattr__(self, name: str) -> NoReturn:
        hint = "" if name.startswith("_") else f". {_WAY_OUT}"
        raise AttributeError(f"a quantized tensor has no attribute {name!r}{hint}")


_NO_NUMBERS = "has codes, and codes with different scales cannot be computed with"
_WAY_OUT = (
    "Call q.dequantize() for a float tensor to compute with, or q.int_repr() for the integer codes"
)


def refusal(op: str) -> DTypeError:
    """The error for an op that would compute with codes."""
    return _refusal(op, _NO_NUMBERS)


def _refusal(op: str, why: str) -> DTypeError:
    return DTypeError(f"{op}: a quantized tensor {why}. {_WAY_OUT}")


def _refusing(name: str) -> Callable[..., NoReturn]:
    def refuse(self: Any, *others: Any) -> NoReturn:
        raise _refusal(name, _NO_NUMBERS)

    refuse.__name__ = f"__{name}__"
    return refuse


for _name in (*BINARY, *OTHERS):
    setattr(Refusals, f"__{_name}__", _refusing(_name))
for _name in BINARY:
    setattr(Refusals, f"__r{_name}__", _refusing(_name))
