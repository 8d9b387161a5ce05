"""RMSprop."""

from __future__ import annotations

from typing import Any

import numpy as np

from qgrad.boxing import box
from qgrad.optim.optimizer import Array, Optimizer, Params, at_least

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """RMSprop: gradients divided by a running root mean square.

    g   = grad + weight_decay * p
    v   = alpha * v + (1 - alpha) * g^2
    d   = sqrt(v - mean(g)^2 if centered else v) + eps
    p   = p - lr * g / d                              (without momentum)
    buf = momentum * buf + g / d;  p = p - lr * buf   (with momentum)
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "alpha": alpha,
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "centered": centered,
                "maximize": maximize,
            },
        )

    def _check_group(self, group: dict[str, Any]) -> None:
        for option in ("lr", "alpha", "eps", "weight_decay", "momentum"):
            at_least("RMSprop", option, group[option])

    def _update(
        self, param: Array, grad: Array, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        if not state:
            names = ["square_avg"] + ["momentum_buffer"] * (group["momentum"] > 0)
            names += ["grad_avg"] * group["centered"]
            state.update({name: box(np.zeros_like(param)) for name in names}, step=0)
        state["step"] += 1
        alpha = group["alpha"]
        if group["maximize"]:
            grad = -grad
        if group["weight_decay"]:
            grad = grad + group["weight_decay"] * param

        square = state["square_avg"]._data
        square *= alpha
        square += (1 - alpha) * (grad * grad)
        variance = square
        if group["centered"]:
            mean = state["grad_avg"]._data
            mean += (1 - alpha) * (grad - mean)
            variance = square - mean * mean
        direction = grad / (np.sqrt(variance) + group["eps"])
        if group["momentum"] > 0:
            buf = state["momentum_buffer"]._data
            buf *= group["momentum"]
            buf += direction
            direction = buf
        param -= group["lr"] * direction
