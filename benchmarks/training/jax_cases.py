"""The training steps of qgrad_cases.py in plain JAX: each step is one jitted function.

Parameters, momentum and running statistics go in and come back, their buffers donated; a step is
done when its new state is ready. Layers start as PyTorch's do. Images are laid out NHWC, which XLA
runs fastest on CPUs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

State = Any
Apply = Callable[[State, State, Any], tuple[Any, State]]  # parameters, statistics, x

LR, MOMENTUM, EPS = 0.01, 0.9, 1e-5
RNG = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return jnp.asarray(RNG.standard_normal(shape, np.float32))


def labels(classes: int, count: int) -> Any:
    return jnp.asarray(RNG.integers(0, classes, count, np.int32))


def uniform(fan_in: int, *shape: int) -> Any:
    """What PyTorch's Linear and Conv2d draw weights and biases from."""
    bound = fan_in**-0.5
    return jnp.asarray(RNG.uniform(-bound, bound, shape).astype(np.float32))


def new_linear(fan_in: int, fan_out: int) -> State:
    return {"w": uniform(fan_in, fan_in, fan_out), "b": uniform(fan_in, fan_out)}


def new_norm(width: int) -> State:
    return {"w": jnp.ones(width), "b": jnp.zeros(width)}


def linear(p: State, x: Any) -> Any:
    return x @ p["w"] + p["b"]


def expression() -> Callable[[], Any]:
    """Forward and backward of a few ops on 16 elements; gradients add up, as in `.grad`."""
    a, b, c = normal(16), normal(16), normal(16)

    def value(leaves: State) -> Any:
        a, b, c = leaves
        return (jax.nn.relu(a * b + c) * a).sum()

    @partial(jax.jit, donate_argnums=1)
    def run(leaves: State, grads: State) -> State:
        return jax.tree.map(jnp.add, grads, jax.grad(value)(leaves))

    grads: State = tuple(map(jnp.zeros_like, (a, b, c)))

    def step() -> None:
        nonlocal grads
        grads = jax.block_until_ready(run((a, b, c), grads))

    return step


def classifier(apply: Apply, parameters: State, stats: State, x: Any, y: Any) -> Callable[[], Any]:
    """One step of SGD with momentum on a batch."""

    def loss_of(parameters: State, stats: State, x: Any, y: Any) -> tuple[Any, State]:
        logits, stats = apply(parameters, stats, x)
        logp = jax.nn.log_softmax(logits)
        return -jnp.take_along_axis(logp, y[:, None], axis=1).mean(), stats

    @partial(jax.jit, donate_argnums=(0, 1, 2))
    def run(parameters: State, velocity: State, stats: State, x: Any, y: Any) -> State:
        (loss, stats), grads = jax.value_and_grad(loss_of, has_aux=True)(parameters, stats, x, y)
        velocity = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocity, grads)
        parameters = jax.tree.map(lambda p, v: p - LR * v, parameters, velocity)
        return loss, (parameters, velocity, stats)

    state = (parameters, jax.tree.map(jnp.zeros_like, parameters), stats)

    def step() -> Any:
        nonlocal state
        loss, state = jax.block_until_ready(run(*state, x, y))
        return loss

    return step


def dense(*widths: int) -> tuple[Apply, State]:
    """Linear layers with ReLU between them."""

    def apply(layers: State, stats: State, x: Any) -> tuple[Any, State]:
        for layer in layers[:-1]:
            x = jax.nn.relu(linear(layer, x))
        return linear(layers[-1], x), stats

    return apply, [new_linear(*pair) for pair in pairwise(widths)]


def tiny_mlp() -> Callable[[], Any]:
    """Three layers of width 32 at batch 32."""
    return classifier(*dense(32, 32, 32, 32), (), normal(32, 32), labels(32, 32))


def mlp() -> Callable[[], Any]:
    """784-512-512-10 at batch 128."""
    return classifier(*dense(784, 512, 512, 10), (), normal(128, 784), labels(10, 128))


def batch_norm(p: State, stats: State, x: Any) -> tuple[Any, State]:
    """By the batch's statistics; the running ones go a tenth of the way, the variance unbiased."""
    count = x.size // x.shape[-1]
    mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
    batch = {"mean": mean, "var": var * (count / (count - 1))}
    stats = jax.tree.map(lambda old, new: 0.9 * old + 0.1 * new, stats, batch)
    return (x - mean) * (lax.rsqrt(var + EPS) * p["w"]) + p["b"], stats


def cnn() -> Callable[[], Any]:
    """Five 3x3 Conv-BN-ReLU (3-32-64/2-64-128/2-128) on 32x32 images at batch 32."""
    channels, strides = (3, 32, 64, 64, 128, 128), (1, 2, 1, 2, 1)

    def apply(p: State, stats: State, x: Any) -> tuple[Any, State]:
        new = []
        for w, norm, old, stride in zip(p["convs"], p["norms"], stats, strides, strict=True):
            x = lax.conv_general_dilated(
                x, w, (stride, stride), [(1, 1), (1, 1)], dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            x, seen = batch_norm(norm, old, x)
            x, new = jax.nn.relu(x), [*new, seen]
        return linear(p["head"], x.mean((1, 2))), new

    pairs = list(pairwise(channels))
    parameters = {
        "convs": [uniform(9 * before, 3, 3, before, after) for before, after in pairs],
        "norms": [new_norm(after) for after in channels[1:]],
        "head": new_linear(128, 10),
    }
    stats = [{"mean": jnp.zeros(width), "var": jnp.ones(width)} for width in channels[1:]]
    return classifier(apply, parameters, stats, normal(32, 32, 32, 3), labels(10, 32))


def layer_norm(p: State, x: Any) -> Any:
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(var + EPS) * p["w"] + p["b"]


def new_block(width: int = 256) -> State:
    return {
        "norm1": new_norm(width),
        "norm2": new_norm(width),
        "qkv": new_linear(width, 3 * width),
        "out": new_linear(width, width),
        "up": new_linear(width, 4 * width),
        "down": new_linear(4 * width, width),
    }


def block(p: State, x: Any, heads: int = 4) -> Any:
    """A pre-norm transformer block of width 256 with 4 heads."""
    batch, tokens, width = x.shape
    qkv = linear(p["qkv"], layer_norm(p["norm1"], x))
    q, k, v = qkv.reshape(batch, tokens, 3, heads, width // heads).transpose(2, 0, 3, 1, 4)
    scores = q @ k.swapaxes(-2, -1) / (width // heads) ** 0.5
    mixed = (jax.nn.softmax(scores) @ v).transpose(0, 2, 1, 3).reshape(batch, tokens, width)
    x = x + linear(p["out"], mixed)
    up = jax.nn.gelu(linear(p["up"], layer_norm(p["norm2"], x)), approximate=False)
    return x + linear(p["down"], up)


def transformer() -> Callable[[], Any]:
    """Two blocks on 64 tokens at batch 8."""

    def apply(p: State, stats: State, x: Any) -> tuple[Any, State]:
        for one in p["blocks"]:
            x = block(one, x)
        return linear(p["head"], x.mean(1)), stats

    parameters = {"blocks": [new_block(), new_block()], "head": new_linear(256, 10)}
    return classifier(apply, parameters, (), normal(8, 64, 256), labels(10, 8))


CASES = {
    "expression": expression,
    "tiny MLP": tiny_mlp,
    "MLP": mlp,
    "CNN": cnn,
    "transformer": transformer,
}
