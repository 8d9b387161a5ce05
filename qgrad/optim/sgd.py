"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np

from qgrad.boxing import box
from qgrad.kernels import sgd_step
from qgrad.optim.optimizer import Array, Optimizer, Params, at_least

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent with momentum.

        g   = grad + weight_decay * p
        buf = momentum * buf + (1 - dampening) * g        (buf = g at the first step)
        p   = p - lr * (g + momentum * buf if nesterov else buf)

    >>> import qgrad
    >>> model = qgrad.nn.Linear(2, 1)
    >>> optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9)
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
            },
        )

    def _check_group(self, group: dict[str, Any]) -> None:
        for option in ("lr", "momentum", "weight_decay"):
            at_least("SGD", option, group[option])
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError(
                f"SGD: nesterov needs momentum > 0 and dampening = 0, but momentum is "
                f"{group['momentum']!r} and dampening is {group['dampening']!r}."
            )

    def _update(
        self, param: Array, grad: Array, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        momentum = group["momentum"]
        first = bool(momentum) and state.get("momentum_buffer") is None
        if first:
            state["momentum_buffer"] = box(np.empty_like(param))
        sgd_step(
            param,
            grad,
            state["momentum_buffer"]._data if momentum else None,
            lr=group["lr"],
            momentum=momentum,
            dampening=group["dampening"],
            weight_decay=group["weight_decay"],
            nesterov=group["nesterov"],
            maximize=group["maximize"],
            first=first,
        )
