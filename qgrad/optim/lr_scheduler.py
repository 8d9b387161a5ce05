"""Learning rate schedules: call `scheduler.step()` once an epoch, after `optimizer.step()`."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from qgrad.optim.optimizer import Optimizer

__all__ = [
    "CosineAnnealingLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "ReduceLROnPlateau",
    "StepLR",
]


class LRScheduler:
    """Base class: subclasses define `get_lr`, the rates of all groups at `self.last_epoch`.

    `last_epoch` is -1 for a fresh start; to resume, give the epoch reached and an optimizer whose
    groups hold "initial_lr", as after `optimizer.load_state_dict`.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        name = type(self).__name__
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"{name}: optimizer is a {type(optimizer).__name__}, but must be an Optimizer."
            )
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{name}: last_epoch is {last_epoch}, but parameter group {i} has no "
                    '"initial_lr". Load the optimizer\'s state first, or start with last_epoch=-1.'
                )
        self.base_lrs: list[float] = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self._advance()

    def get_lr(self) -> list[float]:
        """The rate of each group at `self.last_epoch`, given the present rates in the optimizer."""
        raise NotImplementedError(f"{type(self).__name__}: define get_lr(self).")

    def get_last_lr(self) -> list[float]:
        """The rates set by the last step."""
        return self._last_lr

    def step(self) -> None:
        """Move on by one epoch and set the optimizer's learning rates."""
        if self._step_count == 1:
            self._warn_if_early()
        self._advance()

    def _advance(self) -> None:
        self._step_count += 1
        self.last_epoch += 1
        self._last_lr = list(self.get_lr())
        for group, lr in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            group["lr"] = lr

    def _warn_if_early(self) -> None:
        optimizer = self.optimizer
        # An optimizer with its own `step` does not count, so nothing is known of it.
        if type(optimizer).step is Optimizer.step and optimizer._step_count == 0:
            warnings.warn(
                f"{type(self).__name__}.step was called before {type(optimizer).__name__}.step: "
                "the first value of the schedule is skipped. Call optimizer.step() first.",
                UserWarning,
                stacklevel=3,
            )

    def state_dict(self) -> dict[str, Any]:
        """All that `load_state_dict` needs to go on from here; the optimizer has its own."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from where `state_dict` was taken."""
        self.__dict__.update(state_dict)

    def _groups(self) -> list[dict[str, Any]]:
        return self.optimizer.param_groups


class LambdaLR(LRScheduler):
    """The initial rate times `lr_lambda(epoch)`; one function, or one for each group."""

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        groups = len(optimizer.param_groups)
        self.lr_lambdas = [lr_lambda] * groups if callable(lr_lambda) else list(lr_lambda)
        if len(self.lr_lambdas) != groups:
            raise ValueError(
                f"LambdaLR: lr_lambda holds {len(self.lr_lambdas)} functions, but the optimizer "
                f"has {groups} parameter groups. Give one function, or one for each group."
            )
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates at this epoch."""
        return [
            base * fn(self.last_epoch)
            for base, fn in zip(self.base_lrs, self.lr_lambdas, strict=True)
        ]

    def state_dict(self) -> dict[str, Any]:
        """As for every scheduler, without the functions, which a file cannot hold."""
        return {key: value for key, value in super().state_dict().items() if key != "lr_lambdas"}


class StepLR(LRScheduler):
    """The rate times `gamma` every `step_size` epochs."""

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        if step_size < 1:
            raise ValueError(f"StepLR: step_size is {step_size}, but must be >= 1.")
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates at this epoch."""
        due = self.last_epoch > 0 and self.last_epoch % self.step_size == 0
        return [group["lr"] * (self.gamma if due else 1) for group in self._groups()]


class MultiStepLR(LRScheduler):
    """The rate times `gamma` at each epoch in `milestones`."""

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates at this epoch."""
        times = self.milestones[self.last_epoch]
        return [group["lr"] * self.gamma**times for group in self._groups()]


class ExponentialLR(LRScheduler):
    """The rate times `gamma` every epoch."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates at this epoch."""
        factor = self.gamma if self.last_epoch > 0 else 1
        return [group["lr"] * factor for group in self._groups()]


class CosineAnnealingLR(LRScheduler):
    """Half a cosine from the initial rate down to `eta_min` over `T_max` epochs, and back.

    Each rate is computed from the one before, so that it can be combined with other schedulers:
    lr[t] = eta_min + (lr[t-1] - eta_min) * (1 + cos(pi t / T_max)) / (1 + cos(pi (t-1) / T_max))
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        if T_max < 1:
            raise ValueError(f"CosineAnnealingLR: T_max is {T_max}, but must be >= 1.")
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates at this epoch."""
        t, low = self.last_epoch, self.eta_min
        lrs = [group["lr"] for group in self._groups()]
        if t == 0:
            return lrs
        if self._step_count == 1:  # resumed: there is no rate before to start from
            rise = (1 + math.cos(math.pi * t / self.T_max)) / 2
            return [low + (base - low) * rise for base in self.base_lrs]
        if (t - 1 - self.T_max) % (2 * self.T_max) == 0:
            # Leaving the bottom, where the ratio below is 0/0.
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            return [lr + (base - low) * rise for lr, base in zip(lrs, self.base_lrs, strict=True)]
        ratio = self._height(t) / self._height(t - 1)
        return [low + (lr - low) * ratio for lr in lrs]

    def _height(self, t: int) -> float:
        return 1 + math.cos(math.pi * t / self.T_max)


class LinearLR(LRScheduler):
    """A warmup: a factor of the rate goes from `start_factor` to `end_factor`.

    That takes `total_iters` epochs.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1:
            raise ValueError(
                f"LinearLR: start_factor must be in (0, 1] and end_factor in [0, 1], got "
                f"{start_factor} and {end_factor}."
            )
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates at this epoch."""
        epoch, ratio = self.last_epoch, 1.0
        if epoch <= self.total_iters:
            ratio = self._factor(epoch) / (self._factor(epoch - 1) if epoch else 1)
        return [group["lr"] * ratio for group in self._groups()]

    def _factor(self, epoch: int) -> float:
        done = min(max(epoch, 0), self.total_iters) / self.total_iters
        return self.start_factor + (self.end_factor - self.start_factor) * done


class ReduceLROnPlateau(LRScheduler):
    """The rate times `factor` once `metric` has not improved for more than `patience` epochs.

    Call `scheduler.step(metric)`. Better is lower for mode "min" and higher for "max", by more than
    `threshold`, a part of the best or with threshold_mode "abs" a difference. After a reduction
    `cooldown` epochs do not count; no rate goes below `min_lr`, nor changes by at most `eps`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1:
            raise ValueError(f"ReduceLROnPlateau: factor is {factor}, but must be < 1.")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError(
                f"ReduceLROnPlateau: mode must be 'min' or 'max' and threshold_mode 'rel' or "
                f"'abs', got {mode!r} and {threshold_mode!r}."
            )
        groups = len(optimizer.param_groups)
        self.mode, self.factor, self.patience = mode, factor, patience
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.cooldown, self.cooldown_counter, self.num_bad_epochs = cooldown, 0, 0
        self.min_lrs = [min_lr] * groups if isinstance(min_lr, (int, float)) else list(min_lr)
        self.eps = eps
        self.best = math.inf if mode == "min" else -math.inf
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:
        """The rates as they are."""
        return [group["lr"] for group in self._groups()]

    def step(self, metrics: Any = None) -> None:
        """Take note of the metric of this epoch."""
        if metrics is None:
            raise TypeError("ReduceLROnPlateau: step needs the metric: scheduler.step(loss).")
        current = float(metrics)
        if self._is_better(current):
            self.best, self.num_bad_epochs = current, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown_counter - 1, 0
        if self.num_bad_epochs > self.patience:
            self._reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._advance()

    def _reduce(self) -> None:
        for group, low in zip(self._groups(), self.min_lrs, strict=True):
            lr = max(group["lr"] * self.factor, low)
            if group["lr"] - lr > self.eps:
                group["lr"] = lr

    def _is_better(self, current: float) -> bool:
        margin = self.threshold if self.mode == "max" else -self.threshold
        relative = self.threshold_mode == "rel"
        bound = self.best * (1 + margin) if relative else self.best + margin
        return current > bound if self.mode == "max" else current < bound
