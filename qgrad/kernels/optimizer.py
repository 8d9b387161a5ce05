"""Steps of optimizers on one parameter, in place: the formulas, and the door to their kernels.

The NumPy code is the meaning, for every float dtype. Contiguous float32 arrays take one pass in
C++, bit for bit the same.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .extension import core

__all__ = ["adam_step", "sgd_step"]

Array = NDArray[Any]
_FLOAT32 = np.dtype(np.float32)


def _fused(*arrays: Array | None) -> bool:
    """Whether the kernel takes these arrays; all but the second (the gradient) are written to."""
    given = [a for a in arrays if a is not None]
    return core is not None and all(
        a.dtype == _FLOAT32
        and a.shape == given[0].shape
        and (i == 1 or a.flags.writeable)
        and a.flags.c_contiguous
        and a.flags.aligned
        for i, a in enumerate(given)
    )


def sgd_step(
    param: Array,
    grad: Array,
    buffer: Array | None,
    *,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
    first: bool = False,
) -> None:
    """Change `param`, and `buffer` if there is momentum; in the `first` step that is set.

    g = (-grad if maximize else grad) + weight_decay * param
    buffer = g if first else momentum * buffer + (1 - dampening) * g
    param -= lr * (g + momentum * buffer if nesterov else buffer), or lr * g without momentum
    """
    damped = 1 - dampening
    if _fused(param, grad, buffer):
        core.sgd_f32(
            param, grad, buffer, lr, momentum, damped, weight_decay, nesterov, maximize, first
        )
        return
    if maximize:
        grad = -grad
    if weight_decay:
        grad = grad + weight_decay * param
    if buffer is not None:
        if first:
            buffer[...] = grad
        else:
            buffer *= momentum
            buffer += grad if damped == 1 else damped * grad
        grad = grad + momentum * buffer if nesterov else buffer
    param -= lr * grad


def adam_step(
    param: Array,
    grad: Array,
    mean: Array,
    square: Array,
    largest: Array | None = None,
    *,
    step: int,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float = 0.0,
    decoupled: bool = False,
    maximize: bool = False,
) -> None:
    """Change `param` and its moving averages; `step` counts from 1, `largest` is AMSGrad's.

    Kingma & Ba 2014, in PyTorch's order of operations:
    mean += (g - mean) * (1 - beta1); square = square * beta2 + g*g * (1 - beta2)
    param -= lr / (1 - beta1**step) * mean / (sqrt(square) / sqrt(1 - beta2**step) + eps)
    """
    beta1, beta2 = betas
    keep = 1 - lr * weight_decay if decoupled else 1.0
    decay = 0.0 if decoupled else weight_decay
    root, rate = math.sqrt(1 - beta2**step), lr / (1 - beta1**step)
    if largest is None and _fused(param, grad, mean, square):
        core.adam_f32(
            *(param, grad, mean, square, keep, decay, 1 - beta1, beta2, 1 - beta2, root, eps),
            *(rate, maximize),
        )
        return
    if maximize:
        grad = -grad
    if keep != 1:
        param *= keep
    if decay:
        grad = grad + decay * param
    scratch = np.subtract(grad, mean, out=np.empty_like(mean))  # 0-d too is an array
    scratch *= 1 - beta1
    mean += scratch
    np.multiply(grad, grad, out=scratch)
    scratch *= 1 - beta2
    square *= beta2
    square += scratch
    if largest is not None:
        square = np.maximum(largest, square, out=largest)
    np.sqrt(square, out=scratch)
    scratch /= root
    scratch += eps
    np.divide(mean, scratch, out=scratch)
    scratch *= rate
    param -= scratch
