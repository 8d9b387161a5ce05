"""How near vectors are, as functions."""

from __future__ import annotations

from typing import Any

from qgrad import ops

__all__ = ["cosine_similarity", "pairwise_distance"]


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """The cosine of the angle between vectors along `dim`; norms count as at least `eps`."""
    if tuple(x1.shape) != tuple(x2.shape):
        x1, x2 = _broadcast(x1, x2)
    return ops.sum(_unit(x1, dim, eps) * _unit(x2, dim, eps), dim)


def _broadcast(x1: Any, x2: Any) -> tuple[Any, Any]:
    """Both in their common shape: a vector is as long as the longer of the two."""
    ndim = max(len(x1.shape), len(x2.shape))
    a, b = ((1,) * (ndim - len(x.shape)) + tuple(x.shape) for x in (x1, x2))
    shape = tuple(n if m == 1 else m for n, m in zip(a, b, strict=True))
    return ops.expand(x1, shape), ops.expand(x2, shape)


def _unit(x: Any, dim: int, eps: float) -> Any:
    """x over its norm. Where that is below `eps`, its gradient is the norm's all the same."""
    norm = ops.norm(x, 2, dim, True)
    return x / ops.straight_through(norm, ops.clamp(ops.detach(norm), eps))


def pairwise_distance(
    x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Any:
    """The p-norm of x1 - x2 + eps along the last dim."""
    return ops.norm(x1 - x2 + eps, p, -1, keepdim)
