"""A traced model computes, trains and switches modes exactly as the model, on any free sizes."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from graph.random_models import WIDTH, Program, programs
from hypothesis import given, settings
from hypothesis import strategies as st

import qgrad
from qgrad.graph import trace, verify
from qgrad.graph.structure import leaves

FREE = {0: (0, 1), 1: (0, 1)}
free_sizes = st.tuples(st.integers(2, 5), st.integers(1, 6))


def inputs_of(sizes: tuple[int, int], seed: int) -> tuple[Any, Any]:
    """Two inputs of shape (N, T, WIDTH)."""
    rng = np.random.default_rng(seed)
    shape = (2, *sizes, WIDTH)
    x, y = rng.standard_normal(shape).astype(np.float32)
    return qgrad.from_numpy(x), qgrad.from_numpy(y)


def run(model: Any, inputs: tuple[Any, Any], seed: int) -> tuple[list[Any], list[Any]]:
    """The output's leaves and all gradients as arrays, or what was raised."""
    qgrad.manual_seed(seed)
    inputs = tuple(x.clone().requires_grad_() for x in inputs)
    for parameter in model.parameters():
        parameter.grad = None
    outputs = list(leaves(model(*inputs)))
    tensors = [out for out in outputs if isinstance(out, qgrad.Tensor)]
    if any(t.requires_grad for t in tensors):
        sum(t.sum() for t in tensors if t.requires_grad).backward()
    grads = [t.grad for t in (*inputs, *model.parameters())]
    return [array(out) for out in outputs], [array(g) for g in grads]


def array(value: Any) -> Any:
    """A tensor's array; other values as they are."""
    return value.detach().numpy() if isinstance(value, qgrad.Tensor) else value


def assert_same(one: Any, other: Any) -> None:
    """Equal bit for bit, dtypes and shapes included."""
    assert type(one) is type(other)
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other, strict=True)
    else:
        assert one == other


def assert_equal_models(model: Any, traced: Any, inputs: Any, seed: int) -> None:
    """Same outputs, gradients and state for these inputs."""
    with np.errstate(all="ignore"):
        for one, other in zip(run(model, inputs, seed), run(traced, inputs, seed), strict=True):
            assert len(one) == len(other)
            for a, b in zip(one, other, strict=True):
                assert_same(a, b)
    assert list(model.state_dict()) == list(traced.state_dict())
    for a, b in zip(model.state_dict().values(), traced.state_dict().values(), strict=True):
        assert_same(array(a), array(b))


@settings(deadline=None)
@given(programs(), free_sizes, free_sizes, st.integers(0, 99))
def test_traced_equals_eager(model: Program, example: Any, later: Any, seed: int) -> None:
    """Traced on one size, run on another in both modes: outputs, gradients and buffers agree."""
    before = copy.deepcopy(model)
    traced = trace(model, inputs_of(example, seed), dynamic_dims=FREE)
    verify(traced.graph, traced)
    assert_equal_models(model, copy.deepcopy(before), inputs_of(later, seed), seed)
    model = before
    assert traced.training == model.training
    for mode in (model.training, not model.training, model.training):
        model.train(mode)
        traced.train(mode)
        assert_equal_models(model, traced, inputs_of(later, seed + 1), seed)


@settings(deadline=None, max_examples=20)
@given(programs(), free_sizes, st.integers(0, 99))
def test_copies_of_a_traced_module(model: Program, sizes: Any, seed: int) -> None:
    """A deepcopy prints and computes the same, and has parameters of its own."""
    traced = trace(model, inputs_of(sizes, seed), dynamic_dims=FREE)
    twin = copy.deepcopy(traced)
    assert repr(twin) == repr(traced)
    assert not {id(p) for p in twin.parameters()} & {id(p) for p in traced.parameters()}
    assert_equal_models(model.eval(), twin.eval(), inputs_of(sizes, seed), seed)
