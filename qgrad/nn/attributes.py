"""How a module keeps parameters, buffers and submodules behind ordinary attribute access."""

from __future__ import annotations

from typing import Any

from qgrad.nn.parameter import Parameter
from qgrad.tensor import Tensor

__all__ = ["ModuleAttributes"]


class ModuleAttributes:
    """The part of Module that owns its attributes; users derive from Module."""

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _non_persistent_buffers_set: set[str]
    _modules: dict[str, Any]

    def __init__(self) -> None:
        # Straight into __dict__: __setattr__ needs these containers to exist.
        self.__dict__.update(
            training=True,
            _parameters={},
            _buffers={},
            _non_persistent_buffers_set=set(),
            _modules={},
        )

    def register_parameter(self, name: str, param: Tensor | None) -> None:
        """Add a parameter under `name`; None reserves the name, as for a layer without bias."""
        self._check_new_name(name, "parameter", "_parameters")
        if param is not None and not isinstance(param, Parameter):
            hint = "Wrap it: nn.Parameter(tensor)." if isinstance(param, Tensor) else ""
            raise TypeError(
                f"{type(self).__name__}.register_parameter: {name!r} is a {type(param).__name__}, "
                f"but must be an nn.Parameter or None. {hint}".rstrip()
            )
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is part of the state but is not trained, such as a running mean.

        Buffers that are not `persistent` stay out of `state_dict()`.
        """
        self._check_new_name(name, "buffer", "_buffers")
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"{type(self).__name__}.register_buffer: {name!r} is a {type(tensor).__name__}, "
                "but must be a Tensor or None. Make it one: qgrad.tensor(value)."
            )
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def register_module(self, name: str, module: Any) -> None:
        """Add a submodule under `name`; None reserves the name."""
        self._check_new_name(name, "module", "_modules")
        if module is not None and not isinstance(module, ModuleAttributes):
            got = module.__name__ if isinstance(module, type) else type(module).__name__
            hint = f" Did you mean {got}(...)?" if isinstance(module, type) else ""
            raise TypeError(
                f"{type(self).__name__}.register_module: {name!r} is {got}, "
                f"but must be an nn.Module or None.{hint}"
            )
        self._modules[name] = module

    add_module = register_module

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self._forget(name, keep="_parameters")
            self.register_parameter(name, value)
        elif isinstance(value, ModuleAttributes):
            self._forget(name, keep="_modules")
            self.register_module(name, value)
        else:
            for kind, (allowed, wanted) in _KINDS.items():
                registered = self.__dict__.get(kind)
                if registered and name in registered:
                    _check_assignable(self, name, value, allowed, wanted)
                    registered[name] = value
                    return
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        # Only called when ordinary lookup has failed. Written out: every forward comes here.
        own = self.__dict__
        if "_modules" in own:
            if name in own["_parameters"]:
                return own["_parameters"][name]
            if name in own["_modules"]:
                return own["_modules"][name]
            if name in own["_buffers"]:
                return own["_buffers"][name]
        raise AttributeError(
            f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self
        )

    def __delattr__(self, name: str) -> None:
        for kind in _KINDS:
            registered = self.__dict__.get(kind)
            if registered is not None and name in registered:
                del registered[name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        names = {*dir(type(self)), *self.__dict__}
        for kind in _KINDS:
            names.update(name for name in self.__dict__.get(kind, ()) if name.isidentifier())
        return sorted(names)

    def _forget(self, name: str, keep: str) -> None:
        """Remove `name` wherever it lives, except in the container `keep`."""
        self._require_init(name)
        self.__dict__.pop(name, None)
        for kind in _KINDS:
            if kind != keep:
                self.__dict__[kind].pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def _require_init(self, name: str) -> None:
        if "_modules" not in self.__dict__:
            raise AttributeError(
                f"{type(self).__name__}: cannot register {name!r} before Module.__init__ ran. "
                "Call super().__init__() first in __init__."
            )

    def _check_new_name(self, name: str, what: str, kind: str) -> None:
        self._require_init(name)
        where = f"{type(self).__name__}.register_{what}"
        if type(name) is not str or not name or "." in name:
            raise KeyError(
                f"{where}: the name is {name!r}, but must be a str, not empty, without a '.', "
                "which separates the parts of a path."
            )
        if hasattr(self, name) and name not in self.__dict__[kind]:
            raise KeyError(
                f"{where}: {name!r} already is an attribute. Choose another name, or "
                "delete the attribute first."
            )


def _check_assignable(module: Any, name: str, value: Any, allowed: type[Any], wanted: str) -> None:
    if value is not None and not isinstance(value, allowed):
        raise TypeError(
            f"{type(module).__name__}: cannot assign a {type(value).__name__} to {name!r}, "
            f"which is registered as a {wanted}: a {allowed.__name__} or None is expected. "
            f"To make it an ordinary attribute, `del module.{name}` first."
        )


# Where registered attributes live, what may be assigned to them, and what to call them.
_KINDS: dict[str, tuple[type[Any], str]] = {
    "_parameters": (Parameter, "parameter"),
    "_buffers": (Tensor, "buffer"),
    "_modules": (ModuleAttributes, "module"),
}
