"""What a configuration can be about: a module class, or an operation, by any name it goes by.

Classes have names such as `nn.Conv2d` and operations `ops.add`, for printing and for files. A name
is only ever looked up in a fixed list, never imported.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from qgrad import nn
from qgrad.errors import ConfigError
from qgrad.ops.op import Op, registry

__all__ = [
    "ObjectType",
    "from_name",
    "is_container",
    "is_leaf",
    "name_of",
    "nearest",
    "object_type",
]

ObjectType: TypeAlias = "type[nn.Module] | str"  # a module class, or the name of an op

# Functions and methods that name an operation differently than the op table does.
_OTHER_NAMES = {
    "view": "reshape",
    "truediv": "div",
    "itruediv": "div",
    "iadd": "add",
    "isub": "sub",
    "imul": "mul",
    "ipow": "pow",
    "imatmul": "matmul",
}
_PYTHON_MODULES = ("_operator", "operator", "builtins", "math")
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def object_type(key: Any) -> ObjectType:
    """The class itself, or the name of the op that a function or method name stands for.

    `nn.functional.relu`, `qgrad.relu`, `Tensor.relu` and "relu" are one op; so are `operator.add`
    and "add". Raises ConfigError for what is neither.
    """
    if isinstance(key, type):
        if issubclass(key, nn.Module):
            return key
        raise ConfigError(
            f"object type: {key.__module__}.{key.__qualname__} is not a qgrad.nn.Module class; "
            f"did you mean {nearest(key.__name__, _nn_classes())}?"
        )
    name = _op_name(key)
    if name is None:
        said = key if isinstance(key, str) else getattr(key, "__name__", repr(key)[:60])
        raise ConfigError(
            f"object type: {said!r} is no operation of qgrad's op table; give a Module class, a "
            f"function such as qgrad.add, or a name; nearest are {nearest(str(said), registry)}"
        )
    return name


def _op_name(key: Any) -> str | None:
    if isinstance(key, Op):
        return key.name
    if isinstance(key, str):
        return _known(key)
    module = getattr(key, "__module__", None) or ""
    if not callable(key) or not (module.split(".")[0] == "qgrad" or module in _PYTHON_MODULES):
        return None
    return _known(getattr(key, "__name__", ""))


def _known(name: str) -> str | None:
    name = _OTHER_NAMES.get(name, name)
    return name if name in registry else None


def is_leaf(module_type: type | None) -> bool:
    """Whether a module is configured as one thing: qgrad's own layers, but not its containers."""
    return (
        module_type is not None
        and module_type.__module__.split(".")[:2] == ["qgrad", "nn"]
        and not issubclass(module_type, _CONTAINERS)
    )


def is_container(module_type: type | None) -> bool:
    """Whether a module only holds others, so that no operation is its own."""
    if module_type is None or not issubclass(module_type, _CONTAINERS):
        return False
    return module_type.forward in [container.forward for container in _CONTAINERS]


def name_of(key: ObjectType | None, types: Mapping[str, type] | None = None) -> str:
    """`nn.Conv2d`, `ops.add`, the name given in `types`, or else the bare name of a class."""
    if isinstance(key, str):
        return f"ops.{key}"
    for name, cls in (types or {}).items():
        if cls is key:
            return name
    if key is None:
        return ""
    ours = getattr(nn, key.__name__, None) is key
    return f"nn.{key.__name__}" if ours else key.__name__


def from_name(name: str, types: Mapping[str, type] | None = None) -> ObjectType:
    """What `name_of` named; ConfigError with the nearest names if there is no such thing."""
    known: dict[str, ObjectType] = {f"nn.{cls}": getattr(nn, cls) for cls in _nn_classes()}
    known.update((f"ops.{op}", op) for op in registry)
    known.update(types or {})
    if name not in known:
        raise ConfigError(
            f"object type: unknown name {name!r}; nearest are {nearest(name, known)}. Pass your "
            "own classes as types={'MyBlock': MyBlock}"
        )
    return known[name]


def nearest(name: str, known: Iterable[str]) -> str:
    """The three known names most like `name`, quoted, for an error message."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.0)
    return ", ".join(repr(by_lower[match]) for match in found) or "(none)"


def _nn_classes() -> list[str]:
    return [
        name
        for name, value in vars(nn).items()
        if isinstance(value, type) and issubclass(value, nn.Module)
    ]
