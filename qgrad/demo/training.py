"""Train a model on digits, and count how many it gets right: ordinary PyTorch-like code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

import qgrad
from qgrad import nn, optim
from qgrad.demo.data import Images

__all__ = ["accuracy", "batches", "train"]

BATCH = 64
PARTS = 16  # of a batch, each shifted in its own direction


def train(
    model: nn.Module,
    images: Images,
    *,
    epochs: int,
    lr: float,
    seed: int,
    progress: Callable[[Iterable[int]], Iterable[int]],
) -> None:
    """AdamW with a cosine schedule, on digits shifted by up to a pixel."""
    rng = np.random.default_rng(seed)
    optimizer = optim.AdamW(model.parameters(), lr=lr)
    steps = epochs * -(-len(images) // BATCH)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    model.train()
    for _ in progress(range(epochs)):
        for part in batches(len(images), rng):
            pixels = _shifted(images.pixels[part], rng)
            scores = model(qgrad.from_numpy(pixels))
            loss = nn.functional.cross_entropy(scores, qgrad.from_numpy(images.labels[part]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    model.eval()


def batches(count: int, rng: np.random.Generator | None = None) -> Iterator[NDArray[np.int64]]:
    """Indices of batches that cover `range(count)`, in random order if there is an `rng`."""
    order = np.arange(count) if rng is None else rng.permutation(count)
    for start in range(0, count, BATCH):
        yield order[start : start + BATCH]


def accuracy(classify: Callable[[Any], Any], images: Images) -> float:
    """The share of digits, in percent, whose highest score is the right one."""
    with qgrad.no_grad():
        scores = classify(qgrad.from_numpy(images.pixels)).numpy()
    return float((scores.argmax(axis=1) == images.labels).mean() * 100)


def _shifted(pixels: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Move parts of the batch by up to one pixel: a digit stays the same digit."""
    result = np.zeros_like(pixels)
    for part in range(PARTS):
        down, right = rng.integers(-1, 2, size=2)
        padded = np.pad(pixels[part::PARTS], ((0, 0), (0, 0), (1, 1), (1, 1)))
        result[part::PARTS] = padded[:, :, 1 - down : 9 - down, 1 - right : 9 - right]
    return result
