"""A module's state as a flat dict of tensors under PyTorch's keys, out and in."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from qgrad.autograd.variable import bump
from qgrad.boxing import box, unbox
from qgrad.nn.parameter import Parameter
from qgrad.tensor import Tensor

__all__ = ["IncompatibleKeys", "StateDict", "load_into", "load_own", "own_state", "save_own"]


class StateDict(OrderedDict[str, Any]):
    """Path -> tensor; `_metadata` maps each module's path to the version of its keys."""

    _metadata: OrderedDict[str, dict[str, Any]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._metadata = OrderedDict()


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` found: keys the module wants, and keys it does not know."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return (
            f"IncompatibleKeys(missing_keys={self.missing_keys}, "
            f"unexpected_keys={self.unexpected_keys})"
        )


def own_state(module: Any) -> dict[str, Tensor]:
    """The parameters and persistent buffers that belong to `module` itself, without None."""
    own = dict(module._parameters)
    for name, buffer in module._buffers.items():
        if name not in module._non_persistent_buffers_set:
            own[name] = buffer
    return {name: tensor for name, tensor in own.items() if tensor is not None}


def save_own(module: Any, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
    """Put `module`'s own tensors into `destination`, detached unless `keep_vars`."""
    for name, tensor in own_state(module).items():
        destination[prefix + name] = tensor if keep_vars else tensor.detach()


def load_own(
    module: Any,
    state_dict: Mapping[str, Any],
    prefix: str,
    missing_keys: list[str],
    unexpected_keys: list[str],
    error_msgs: list[str],
    assign: bool,
) -> None:
    """Copy what belongs to `module` itself from `state_dict`, and note all that does not fit."""
    own = own_state(module)
    for name, tensor in own.items():
        key = prefix + name
        if key in state_dict:
            problem = _load_tensor(module, name, tensor, state_dict[key], assign)
            if problem:
                error_msgs.append(problem.format(key=key))
        else:
            missing_keys.append(key)
    for key in state_dict:
        if key.startswith(prefix):
            name, _, rest = key[len(prefix) :].partition(".")
            known = name in module._modules if rest else name in own
            if not known:
                unexpected_keys.append(key)


def load_into(
    module: Any, state_dict: Mapping[str, Any], *, strict: bool, assign: bool
) -> IncompatibleKeys:
    """Load `state_dict` into `module` and all below it, reporting all problems at once."""
    if not isinstance(state_dict, Mapping):
        raise TypeError(
            f"{type(module).__name__}.load_state_dict: state_dict is a "
            f"{type(state_dict).__name__}, but must map keys to tensors. Load a file first: "
            "qgrad.load_file(path)."
        )
    missing: list[str] = []
    unexpected: list[str] = []
    errors: list[str] = []
    metadata = getattr(state_dict, "_metadata", {})

    def load(part: Any, entries: Mapping[str, Any], path: str) -> None:
        prefix = f"{path}." if path else ""
        local_metadata = {**metadata.get(path, {}), "assign_to_params_buffers": assign}
        part._load_from_state_dict(
            entries, prefix, local_metadata, True, missing, unexpected, errors
        )
        for name, child in part._modules.items():
            if child is not None:
                start = f"{prefix}{name}."
                below = {key: value for key, value in entries.items() if key.startswith(start)}
                load(child, below, prefix + name)

    load(module, state_dict, "")
    if errors or (strict and (missing or unexpected)):
        raise RuntimeError(_report(module, strict, missing, unexpected, errors))
    return IncompatibleKeys(missing, unexpected)


def _load_tensor(module: Any, name: str, target: Tensor, value: Any, assign: bool) -> str | None:
    """Copy or assign `value` to `target`; the reason, with {key} to fill in, if it does not fit."""
    if not isinstance(value, (Tensor, np.ndarray, np.generic)):
        return f'"{{key}}" is a {type(value).__name__}, but must be a Tensor or NumPy array.'
    array = unbox(value)
    wanted = unbox(target)
    if array.shape != wanted.shape:
        return (
            f"size mismatch for {{key}}: shape {array.shape} in the state_dict, "
            f"{wanted.shape} in the model."
        )
    if not np.can_cast(array.dtype, wanted.dtype, "same_kind"):
        return (
            f"dtype mismatch for {{key}}: {array.dtype} in the state_dict cannot become "
            f"{wanted.dtype} in the model without loss."
        )
    if assign:
        _assign(module, name, target, value if isinstance(value, Tensor) else box(array))
    else:
        target._data[...] = array
        bump(target)
    return None


def _assign(module: Any, name: str, target: Tensor, value: Tensor) -> None:
    if isinstance(target, Parameter) and not isinstance(value, Parameter):
        value = Parameter(value, requires_grad=target.requires_grad)
    setattr(module, name, value)


def _report(
    module: Any, strict: bool, missing: list[str], unexpected: list[str], errors: list[str]
) -> str:
    lines = [f"{type(module).__name__}.load_state_dict: the state_dict does not fit the model:"]
    if strict and missing:
        lines.append(f"Missing key(s) in state_dict: {_quoted(missing)}.")
    if strict and unexpected:
        lines.append(f"Unexpected key(s) in state_dict: {_quoted(unexpected)}.")
    lines += errors
    if strict and not errors:
        lines.append("Pass strict=False to load the keys that both have.")
    return "\n  ".join(lines)


def _quoted(keys: list[str]) -> str:
    return ", ".join(f'"{key}"' for key in keys)
