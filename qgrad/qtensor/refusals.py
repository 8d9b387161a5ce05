"""What codes cannot do, said in words: arithmetic, float methods, conversion to arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from ..errors import DTypeError

__all__ = ["Refusals"]

BINARY = ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor")
OTHERS = ("neg", "pos", "abs", "invert", "lt", "le", "gt", "ge")


class Refusals:
    """Operators and conversions that would have to guess between codes and values."""

    __slots__ = ()

    __array_ufunc__ = None  # so that `ndarray + q` asks q, which explains

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        raise _refusal("numpy", "is no array of numbers")

    def numpy(self) -> NoReturn:
        """Raises: an array of codes or of values? `int_repr` and `dequantize` say which."""
        self.__array__()

    def __getattr__(self, name: str) -> NoReturn:
        hint = "" if name.startswith("_") else f". {_WAY_OUT}"
        raise AttributeError(f"a quantized tensor has no attribute {name!r}{hint}")


_WAY_OUT = (
    "Call q.dequantize() for a float tensor to compute with, or q.int_repr() for the integer codes"
)


def _refusal(op: str, why: str) -> DTypeError:
    return DTypeError(f"{op}: a quantized tensor {why}. {_WAY_OUT}")


def _refusing(name: str) -> Callable[..., NoReturn]:
    def refuse(self: Any, *others: Any) -> NoReturn:
        raise _refusal(name, "has codes, and codes with different scales cannot be computed with")

    refuse.__name__ = f"__{name}__"
    return refuse


for _name in (*BINARY, *OTHERS):
    setattr(Refusals, f"__{_name}__", _refusing(_name))
for _name in BINARY:
    setattr(Refusals, f"__r{_name}__", _refusing(_name))
