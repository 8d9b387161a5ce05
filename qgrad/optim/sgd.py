"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from qgrad.boxing import box
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
        lr, momentum, decay = group["lr"], group["momentum"], group["weight_decay"]
        if group["maximize"]:
            grad = -grad
        if decay:
            grad = grad + decay * param
        if momentum:
            buf = state.get("momentum_buffer")
            if buf is None:
                state["momentum_buffer"] = box(grad.copy())
                buf = state["momentum_buffer"]
            else:
                damped = 1 - group["dampening"]
                buf._data *= momentum
                buf._data += grad if damped == 1 else damped * grad
            grad = grad + momentum * buf._data if group["nesterov"] else buf._data
        param -= lr * grad
