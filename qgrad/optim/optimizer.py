"""Optimizer: parameter groups, per-parameter state, and the loop that updates parameters."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qgrad.autograd.mode import enable_grad
from qgrad.autograd.variable import bump
from qgrad.boxing import box, unbox
from qgrad.tensor import Tensor

__all__ = ["Array", "Optimizer", "Params", "at_least"]

Params = Iterable[Any]
Array = NDArray[Any]


class Optimizer:
    """Base class of all optimizers.

    `params` is an iterable of tensors, of (name, tensor) pairs, or of dicts that each define a
    group: {"params": tensors, "lr": 0.1, ...}, with `defaults` for the options a group leaves out.
    Subclasses define `_update`, which changes one parameter's array in place.
    """

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._step_count = 0
        name = type(self).__name__
        if isinstance(params, (Tensor, np.ndarray, Mapping)):
            raise TypeError(
                f"{name}: params is a {type(params).__name__}, but must be an iterable of tensors "
                "or of dicts. Pass model.parameters() or [tensor]."
            )
        groups = list(params)
        if not groups:
            raise ValueError(
                f"{name}: params is empty. Does the model register its layers as attributes? "
                "Note that an iterator such as model.parameters() can be used up only once."
            )
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group {"params": ..., options...}: layers unfrozen during training, say."""
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise TypeError(
                f"{type(self).__name__}.add_param_group: got a {type(param_group).__name__}, but "
                'it must be a dict with the key "params".'
            )
        group = dict(param_group)
        params = group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        if params and isinstance(params[0], tuple):
            group["param_names"] = [name for name, _ in params]
            params = [param for _, param in params]
        group["params"] = params
        unknown = group.keys() - self.defaults.keys() - {"params", "param_names", "initial_lr"}
        if unknown:
            raise ValueError(
                f"{type(self).__name__}: a parameter group has the option {sorted(unknown)[0]!r}; "
                f"it takes {', '.join(self.defaults)}."
            )
        for option, default in self.defaults.items():
            group.setdefault(option, default)
        self._check_params(params)
        self._check_group(group)
        self.param_groups.append(group)

    def _check_params(self, params: list[Any]) -> None:
        seen = {id(p) for group in self.param_groups for p in group["params"]}
        name = type(self).__name__
        for i, param in enumerate(params):
            if not isinstance(param, Tensor):
                raise TypeError(
                    f"{name}: params[{i}] is a {type(param).__name__}, but must be a Tensor."
                )
            if not param.is_leaf:
                raise ValueError(
                    f"{name}: params[{i}], shape {tuple(param.shape)}, is the result of an "
                    "operation, so it gets no .grad. Pass the tensors it was computed from, or "
                    "tensor.detach().requires_grad_()."
                )
            if id(param) in seen:
                raise ValueError(
                    f"{name}: params[{i}], shape {tuple(param.shape)}, appears twice; each "
                    "parameter must be in one place of one group."
                )
            seen.add(id(param))

    def _check_group(self, group: dict[str, Any]) -> None:
        """Raise ValueError if an option of the group is out of range."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient.

        `closure`, if given, is called first to compute the loss and gradients; its result is
        returned.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    self._update(param._data, param.grad._data, self.state[param], group)
                    bump(param)
        self._step_count += 1
        return loss

    def _update(
        self, param: Array, grad: Array, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        """Change `param` in place; `grad` must be left as it is."""
        raise NotImplementedError(
            f"{type(self).__name__}: define `_update(param, grad, state, group)`, or `step`."
        )

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or fill them with zero if not `set_to_none`."""
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none:
                    param.grad = None
                elif param.grad is not None:
                    param.grad = param.grad.detach().zero_()

    def state_dict(self) -> dict[str, Any]:
        """{"state": {number: state}, "param_groups": [options and numbers]}, as PyTorch has it.

        Parameters are numbered in the order of the groups. Tensors are shared, not copied.
        """
        number: dict[int, int] = {}
        for group in self.param_groups:
            for param in group["params"]:
                number[id(param)] = len(number)
        groups = [
            {**group, "params": [number[id(p)] for p in group["params"]]}
            for group in self.param_groups
        ]
        state = {number[id(p)]: values for p, values in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a copy of what `state_dict` returned; parameters are matched by number."""
        saved = state_dict["param_groups"]
        sizes = [len(group["params"]) for group in self.param_groups]
        saved_sizes = [len(group["params"]) for group in saved]
        if sizes != saved_sizes:
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: the groups hold {saved_sizes} parameters "
                f"in the state_dict, {sizes} in this optimizer. Build the optimizer with the same "
                "groups first."
            )
        params: dict[int, Tensor] = {}
        for group, old in zip(self.param_groups, saved, strict=True):
            params.update(zip(old["params"], group["params"], strict=True))
            group.update(
                {k: copy.deepcopy(v) for k, v in old.items() if k not in ("params", "param_names")}
            )
        self.state = defaultdict(dict)
        for number, values in state_dict["state"].items():
            param = params[number]
            self.state[param] = {k: _state_value(k, v, param) for k, v in values.items()}

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            options = sorted(k for k in group if k not in ("params", "param_names"))
            lines += [f"    {option}: {group[option]}" for option in options]
        return "\n".join([*lines, ")"])


def at_least(where: str, option: str, value: float, low: float = 0.0) -> None:
    """Raise ValueError unless `value` is a number >= `low`."""
    if not value >= low:
        raise ValueError(f"{where}: {option} is {value!r}, but must be >= {low:g}.")


def _state_value(key: str, value: Any, param: Tensor) -> Any:
    """A copy of a loaded state value; counts become int, tensors take the parameter's dtype."""
    if key == "step":
        return int(value)
    if isinstance(value, (Tensor, np.ndarray)):
        array = unbox(value)
        dtype = param._data.dtype if array.dtype.kind == "f" else array.dtype
        return box(array.astype(dtype))
    return copy.deepcopy(value)
