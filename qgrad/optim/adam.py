"""Adam and AdamW."""

from __future__ import annotations

from typing import Any

import numpy as np

from qgrad.boxing import box
from qgrad.kernels import adam_step
from qgrad.optim.optimizer import Array, Optimizer, Params, at_least

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Adam, with the L2 penalty `weight_decay` in the gradient (AdamW keeps it apart).

        g = grad + weight_decay * p
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g^2                 (its running maximum if amsgrad)
        p = p - lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)

    State: step (int), exp_avg (m), exp_avg_sq (v), max_exp_avg_sq.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )

    def _check_group(self, group: dict[str, Any]) -> None:
        name = type(self).__name__
        for option in ("lr", "eps", "weight_decay"):
            at_least(name, option, group[option])
        if len(group["betas"]) != 2 or not all(0.0 <= beta < 1.0 for beta in group["betas"]):
            raise ValueError(
                f"{name}: betas is {group['betas']!r}, but must be two numbers in [0, 1)."
            )

    def _update(
        self, param: Array, grad: Array, state: dict[str, Any], group: dict[str, Any]
    ) -> None:
        if not state:
            state.update(self._first_state(param, group))
        state["step"] += 1
        largest = state["max_exp_avg_sq"]._data if group["amsgrad"] else None
        adam_step(
            param,
            grad,
            state["exp_avg"]._data,
            state["exp_avg_sq"]._data,
            largest,
            step=state["step"],
            lr=group["lr"],
            betas=group["betas"],
            eps=group["eps"],
            weight_decay=group["weight_decay"],
            decoupled=group["decoupled_weight_decay"],
            maximize=group["maximize"],
        )

    @staticmethod
    def _first_state(param: Array, group: dict[str, Any]) -> dict[str, Any]:
        names = ["exp_avg", "exp_avg_sq"] + ["max_exp_avg_sq"] * group["amsgrad"]
        return {"step": 0, **{name: box(np.zeros_like(param)) for name in names}}


class AdamW(Adam):
    """Adam with decoupled weight decay: p is first multiplied by 1 - lr * weight_decay."""

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            decoupled_weight_decay=True,
        )
