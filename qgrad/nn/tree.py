"""Walking a module's tree: children, modules, parameters, buffers, and look-up by path."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from qgrad.nn.attributes import ModuleAttributes
from qgrad.nn.parameter import Parameter
from qgrad.tensor import Tensor

if TYPE_CHECKING:
    from qgrad.nn.module import Module

__all__ = ["ModuleTree"]


class ModuleTree(ModuleAttributes):
    """The part of Module that walks the tree; users derive from Module."""

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct submodules with their names, each module once."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The direct submodules, each once."""
        for _, module in self.named_children():
            yield module

    def named_modules(
        self, memo: set[Any] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module under the path `prefix`, then all below it, parents before children.

        A module used in several places comes once, unless `remove_duplicate` is False.
        """
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self  # type: ignore[misc]  # every ModuleTree that exists is a Module
        for name, module in self._modules.items():
            if module is not None:
                path = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, path, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        for _, module in self.named_modules():
            yield module

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """All parameters with their paths; of this module alone if not `recurse`."""
        yield from self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters, each once: what an optimizer is given."""
        for _, param in self.named_parameters(recurse=recurse):
            yield param

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """All buffers with their paths; of this module alone if not `recurse`."""
        yield from self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def _named_members(
        self, kind: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        # Identity, not equality: == on tensors compares elements.
        seen: set[int] = set()
        modules: Any = (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else [(prefix, self)]
        )
        for path, module in modules:
            for name, member in getattr(module, kind).items():
                if member is None or id(member) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(member))
                yield (f"{path}.{name}" if path else name), member

    def get_submodule(self, target: str) -> Module:
        """The module at the path `target`, for instance "features.0"; "" is this module."""
        module: Any = self
        done: list[str] = []
        for name in target.split(".") if target else ():
            child = module._modules.get(name)
            if child is None:
                raise AttributeError(
                    f"{type(self).__name__}.get_submodule: no module at {target!r}: "
                    f"{'.'.join(done) or 'the root'} ({type(module).__name__}) has no submodule "
                    f"{name!r}; it has {_listing(module._modules)}."
                )
            module = child
            done.append(name)
        return module

    def set_submodule(self, target: str, module: Module) -> None:
        """Put `module` at the path `target`, whose last part must already exist or be free."""
        path, _, name = target.rpartition(".")
        self.get_submodule(path).register_module(name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at the path `target`, for instance "features.0.weight"."""
        return self._get_member("_parameters", target, "parameter")

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at the path `target`, for instance "features.1.running_mean"."""
        return self._get_member("_buffers", target, "buffer")

    def _get_member(self, kind: str, target: str, what: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        member = getattr(module, kind).get(name)
        if member is None:
            raise AttributeError(
                f"{type(self).__name__}.get_{what}: no {what} at {target!r}: "
                f"{path or 'the root'} ({type(module).__name__}) has "
                f"{_listing(getattr(module, kind))}."
            )
        return member


def _listing(names: dict[str, Any], limit: int = 8) -> str:
    """The names that are set, quoted, the first `limit` of them; "none" if there are none."""
    present = [repr(name) for name, value in names.items() if value is not None]
    more = f" and {len(present) - limit} more" if len(present) > limit else ""
    return (", ".join(present[:limit]) + more) or "none"
