"""What the doors of the kernels check, and how their errors show arguments."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..errors import DTypeError, QParamError, ShapeError

if TYPE_CHECKING:
    from numpy.typing import NDArray


__all__ = [
    "checked_array",
    "checked_bias",
    "checked_codes",
    "checked_ints",
    "checked_scale",
    "fail",
    "show",
    "strided",
]

_FLOAT32 = np.dtype(np.float32)


def show(x: Any) -> str:
    """What an error says of an argument: `float32[2, 3]`."""
    return f"{x.dtype}{list(x.shape)}" if isinstance(x, np.ndarray) else repr(x)[:60]


def fail(op: str, rule: str, **arguments: Any) -> NoReturn:
    """Raise ShapeError: the rule that was broken, and the arguments that broke it."""
    shown = ", ".join(f"{name} {show(x)}" for name, x in arguments.items())
    raise ShapeError(f"{op}: {rule} ({shown})")


def checked_array(op: str, name: str, x: Any, dtype: Any, ndim: int | None = None) -> NDArray[Any]:
    """`x`, an array of `dtype`, as C-contiguous aligned memory; a copy only if it was not."""
    if isinstance(x, np.generic):  # what NumPy makes of results without dimensions
        x = np.asarray(x)
    if not isinstance(x, np.ndarray) or x.dtype != dtype:
        raise DTypeError(
            f"{op}: {name} must be an array of {np.dtype(dtype)}, got {show(x)}; use .astype()"
        )
    if ndim is not None and x.ndim != ndim:
        fail(op, f"{name} must have {ndim} dimension(s)", **{name: x})
    flags = x.flags
    return x if flags.c_contiguous and flags.aligned else np.array(x, order="C")


def checked_codes(op: str, zero_point: int, qmin: int, qmax: int) -> tuple[int, int, int]:
    """Zero point and bounds of uint8 codes."""
    codes = operator.index(zero_point), operator.index(qmin), operator.index(qmax)
    if not 0 <= codes[1] <= codes[0] <= codes[2] <= 255:
        raise QParamError(
            f"{op}: zero point {zero_point} and codes [{qmin}, {qmax}] do not go together; "
            "0 <= qmin <= zero point <= qmax <= 255"
        )
    return codes


def checked_scale(op: str, name: str, scale: Any) -> float:
    """A scale: finite, above 0 and not denormal, rounded to float32."""
    with np.errstate(over="ignore", under="ignore"):
        value = np.float32(scale)
    if not np.finfo(np.float32).tiny <= value < np.inf:
        raise QParamError(
            f"{op}: {name} is {scale!r}; a scale is finite and at least 1.18e-38, the smallest "
            "normal float32"
        )
    return float(value)


def checked_ints(op: str, name: str, value: Any, count: int, lowest: int) -> tuple[int, ...]:
    """`count` integers, each at least `lowest`."""
    try:
        numbers = tuple(operator.index(number) for number in value)
    except TypeError:
        numbers = ()
    if len(numbers) != count or any(number < lowest for number in numbers):
        raise ShapeError(
            f"{op}: {name} must be {count} integers of at least {lowest}, got {show(value)}"
        )
    return numbers


def strided(op: str, name: str, x: Any) -> NDArray[np.float32]:
    """A float32 array with any strides that are whole elements."""
    if not isinstance(x, np.ndarray) or x.dtype != _FLOAT32:
        raise DTypeError(f"{op}: {name} must be a float32 array, got {show(x)}; use .astype()")
    flags = x.flags
    if flags.aligned and (flags.forc or all(step % 4 == 0 for step in x.strides)):
        return x
    return np.array(x, order="C")


def checked_bias(
    op: str, bias: NDArray[np.float32] | None, size: int, name: str = "bias"
) -> NDArray[np.float32] | None:
    """A float32 vector with one value for each of `size` channels, or None."""
    if bias is None:
        return None
    if bias.shape != (size,):
        fail(op, f"needs {name}[{size}], one value for each channel", **{name: bias})
    return checked_array(op, name, bias, _FLOAT32)
