"""Sequential, ModuleList, ModuleDict, ParameterList: modules that hold others under names."""

from __future__ import annotations

import operator
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from itertools import groupby
from typing import Any, TypeVar, overload

from qgrad.nn.module import Module, indented
from qgrad.nn.parameter import Parameter
from qgrad.tensor import Tensor

__all__ = ["ModuleDict", "ModuleList", "ParameterList", "Sequential"]

Self = TypeVar("Self", bound="_Numbered")


class _Numbered(Module):
    """What Sequential and ModuleList share: submodules in order, reached by position."""

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name.isdigit()]

    def append(self: Self, module: Module) -> Self:
        """Add `module` at the end; returns self."""
        self.register_module(str(len(self)), module)
        return self

    def extend(self: Self, modules: Iterable[Module]) -> Self:
        """Add all `modules` at the end; returns self."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                f"{type(self).__name__}.extend: modules is a {type(modules).__name__}, but must be "
                "an iterable of modules. To add one, use append."
            )
        for module in list(modules):
            self.append(module)
        return self

    def insert(self: Self, index: int, module: Module) -> Self:
        """Put `module` before position `index`; those after it get new numbers. Returns self."""
        modules = list(self)
        if not -len(modules) <= index <= len(modules):
            raise IndexError(self._out_of_range(index))
        modules.insert(index, module)
        return self._renumber(modules)

    def pop(self, key: int | slice) -> Any:
        """Remove and return the module (or modules) at `key`."""
        taken = self[key]
        del self[key]
        return taken

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self: Self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> Module:
        if isinstance(index, slice):
            return self._slice(index)
        return self._modules[self._key(index)]

    def __setitem__(self, index: int, module: Module) -> None:
        self.register_module(self._key(index), module)

    def __delitem__(self, index: int | slice) -> None:
        names = list(self._modules)[index] if isinstance(index, slice) else [self._key(index)]
        for name in names:
            del self._modules[name]
        self._renumber(list(self))

    def _slice(self: Self, index: slice) -> Self:
        """A container of the same class and mode that shares some of the modules."""
        other = type(self).__new__(type(self))
        Module.__init__(other)
        other.training = self.training
        other._modules.update(list(self._modules.items())[index])
        return other

    def _renumber(self: Self, modules: list[Module]) -> Self:
        for module in modules:
            if not isinstance(module, Module):
                raise TypeError(
                    f"{type(self).__name__}: got a {type(module).__name__}, but must hold modules."
                )
        self._modules.clear()
        self._modules.update({str(i): module for i, module in enumerate(modules)})
        return self

    def _key(self, index: int) -> str:
        """The name of the module at a position that may be negative."""
        position = operator.index(index)
        if not -len(self) <= position < len(self):
            raise IndexError(self._out_of_range(position))
        return list(self._modules)[position]

    def _out_of_range(self, index: int) -> str:
        return (
            f"{type(self).__name__}: index {index} is out of range, it holds {len(self)} modules."
        )


class Sequential(_Numbered):
    """Modules called one after the other, each on the output of the one before.

    Takes modules, named "0", "1", ..., or one OrderedDict of names to modules. Slices are
    Sequentials that share the modules.

    >>> import qgrad
    >>> qgrad.nn.Sequential(qgrad.nn.Linear(4, 2), qgrad.nn.ReLU())[-1]
    ReLU()
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named = args[0] if len(args) == 1 and isinstance(args[0], Mapping) else None
        if named is None:
            named = {str(i): module for i, module in enumerate(args)}
        for name, module in named.items():
            if module is None or isinstance(module, (list, tuple)):
                raise TypeError(
                    f"Sequential: argument {name!r} is a {type(module).__name__}, but must be a "
                    "module. Unpack lists with Sequential(*modules)."
                )
            self.register_module(name, module)

    def forward(self, input: Any) -> Any:
        """The output of the last module."""
        for module in self._modules.values():
            input = module(input)
        return input

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            return NotImplemented
        return Sequential(*self, *other)


class ModuleList(_Numbered):
    """A list of modules that the module around it finds; it has no `forward`: index or loop it."""

    def _slice(self, index: slice) -> ModuleList:
        return type(self)(list(self)[index])

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __repr__(self) -> str:
        """Neighbours with the same repr are shown once, with their number."""
        texts = [repr(module) for module in self]
        runs = [(text, len(list(run))) for text, run in groupby(texts)]
        if not runs:
            return f"{self._get_name()}()"
        lines, first = [], 0
        for text, count in runs:
            name = f"({first})" if count == 1 else f"({first}-{first + count - 1})"
            times = "" if count == 1 else f"{count} x "
            lines.append(indented(f"  {name}: {times}{text}"))
            first += count
        return "\n".join([f"{self._get_name()}(", *lines, ")"])

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __iadd__(self, other: Iterable[Module]) -> ModuleList:
        return self.extend(other)


class ModuleDict(Module):
    """A dict of modules that the module around it finds; keys are part of their paths."""

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Module:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.register_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def keys(self) -> KeysView[str]:
        """The names."""
        return self._modules.keys()

    def values(self) -> ValuesView[Module]:
        """The modules."""
        return self._modules.values()

    def items(self) -> ItemsView[str, Module]:
        """Pairs of name and module."""
        return self._modules.items()

    def pop(self, key: str) -> Module:
        """Remove and return the module under `key`."""
        return self._modules.pop(key)

    def clear(self) -> None:
        """Remove all modules."""
        self._modules.clear()

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Add all pairs of name and module, replacing those of the same name."""
        for key, module in dict(modules).items():
            self[key] = module


class ParameterList(Module):
    """A list of parameters that the module around it finds; plain tensors become parameters."""

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        if values is not None:
            self.extend(values)

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._parameters.values())

    def __getitem__(self, index: int) -> Any:
        return self._parameters[self._key(index)]

    def __setitem__(self, index: int, param: Any) -> None:
        self.register_parameter(self._key(index), _as_parameter(param))

    def append(self, value: Any) -> ParameterList:
        """Add `value` at the end; returns self."""
        self.register_parameter(str(len(self)), _as_parameter(value))
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """Add all `values` at the end; returns self."""
        for value in values:
            self.append(value)
        return self

    def _key(self, index: int) -> str:
        position = operator.index(index)
        if not -len(self) <= position < len(self):
            raise IndexError(
                f"ParameterList: index {index} is out of range, it holds {len(self)} parameters."
            )
        return str(position % len(self))

    def extra_repr(self) -> str:
        """The arguments, as the repr shows them."""
        return "\n".join(
            f"  ({name}): Parameter containing: [{p.dtype} of size {'x'.join(map(str, p.shape))}]"
            for name, p in self._parameters.items()
            if p is not None
        )


def _as_parameter(value: Any) -> Any:
    return (
        Parameter(value)
        if isinstance(value, Tensor) and not isinstance(value, Parameter)
        else value
    )
