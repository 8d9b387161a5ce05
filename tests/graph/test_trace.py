"""What people write in forward and how it is recorded."""

from __future__ import annotations

import functools
import math
import pickle
import threading
from typing import Any

import numpy as np
import pytest

import qgrad
from qgrad import nn
from qgrad.errors import ShapeError, TraceError
from qgrad.graph import GraphModule, trace, verify
from qgrad.nn import functional as F
from qgrad.nn import module as nn_module


def randn(*shape: int) -> Any:
    """Normal numbers that do not depend on anything but the shape."""
    rng = np.random.default_rng(sum(shape))
    return qgrad.from_numpy(rng.standard_normal(shape).astype(np.float32))


def assert_traces(model: Any, *inputs: Any, later: Any = (), **options: Any) -> GraphModule:
    """Trace, verify, and compare on the example and on `later`, bit for bit; gives the trace."""
    traced = trace(model, inputs, **options)
    verify(traced.graph, traced)
    for given in [inputs, *later]:
        np.testing.assert_array_equal(
            traced(*given).detach().numpy(), model(*given).detach().numpy(), strict=True
        )
    return traced


def ops_of(traced: GraphModule) -> list[str]:
    """The names of the ops in running order."""
    return [node.op.name for node in traced.graph.nodes if node.op is not None]


class Block(nn.Module):
    """Conv and BN, a residual that is added in place, ReLU."""

    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(channels)
        self.act = nn.ReLU()

    def forward(self, x: Any) -> Any:
        y = self.bn(self.conv(x))
        y += x
        return self.act(y)


class ConvNet(nn.Module):
    """Nested containers, reshape by the batch size, a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.Sequential(Block(), Block()), nn.MaxPool2d(2)
        )
        self.head = nn.Linear(4 * 3 * 3, 5)

    def forward(self, x: Any) -> Any:
        x = self.features(x)
        return self.head(x.reshape(x.shape[0], -1))


def test_conv_net_prints_as_a_readable_program() -> None:
    """One node per op, with names, paths and free sizes where one expects them."""
    traced = assert_traces(ConvNet(), randn(2, 1, 8, 8), later=[(randn(5, 1, 8, 8),)])
    lines = str(traced.graph).splitlines()
    line = ConvNet.forward.__code__.co_firstlineno + 1
    assert lines[0] == "x = input : float32[?,1,8,8]"
    assert lines[3] == (
        "features_0 = conv2d(x, features_0_weight, features_0_bias, (1, 1), (0, 0), (1, 1), 1)"
        f" : float32[?,4,6,6]  # features.0  tests/graph/test_trace.py:{line}"
    )
    text = str(traced.graph)
    assert "features_1_0_add = add(features_1_0_bn, features_0) : float32[?,4,6,6]" in text
    assert "# features.1.0  tests/graph/test_trace.py:" in text
    assert "reshape = reshape(features_2, (features_2.shape[0], -1)) : float32[?,36]" in text
    assert "features.1.0.bn.training" in text
    assert lines[-1] == "output = output(head)"
    node = traced.graph.node("features_1_0_conv")
    assert (node.path, node.module_type) == ("features.1.0.conv", nn.Conv2d)
    assert repr(traced).startswith("GraphModule(\n  x = input")


def test_traced_model_trains_like_the_model() -> None:
    """Three SGD steps in training mode give the same losses, parameters and running statistics."""
    models = [ConvNet()]
    models.append(trace(models[0], randn(2, 1, 8, 8)))
    losses = []
    for model in models:
        for step in range(3):
            loss = (model(randn(4 + step, 1, 8, 8)) ** 2).mean()
            model.zero_grad()
            loss.backward()
            with qgrad.no_grad():
                for parameter in model.parameters():
                    parameter -= 0.01 * parameter.grad
            losses.append(loss.item())
    assert losses[:3] == losses[3:]
    assert losses[0] > losses[2]
    for (key, one), (other_key, other) in zip(
        models[0].state_dict().items(), models[1].state_dict().items(), strict=True
    ):
        assert key == other_key
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    assert int(models[1].features[1][0].bn.num_batches_tracked) == 3


class Attention(nn.Module):
    """Multi-head self-attention from a single projection, as in small transformers."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Any, mask: Any = None) -> Any:
        batch, length, width = x.shape
        size = width // self.heads
        qkv = self.qkv(x).reshape(batch, length, 3, self.heads, size).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        scores = q @ k.transpose(-2, -1) / math.sqrt(size)
        if mask is not None:
            scores = scores.masked_fill(mask[:, None, None, :] == 0, -1e9)
        y = F.softmax(scores, dim=-1) @ v
        return self.out(y.transpose(1, 2).reshape(batch, length, width))


class Transformer(nn.Module):
    """Token and position embeddings and two pre-norm blocks; the embedding is tied to the head."""

    def __init__(self, tokens: int = 11, width: int = 8, max_length: int = 32) -> None:
        super().__init__()
        self.embed = nn.Embedding(tokens, width)
        self.positions = nn.Parameter(qgrad.randn(max_length, width))
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                {
                    "norm1": nn.LayerNorm(width),
                    "attend": Attention(width, 2),
                    "norm2": nn.LayerNorm(width),
                    "mlp": nn.Sequential(
                        nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
                    ),
                }
            )
            for _ in range(2)
        )

    def forward(self, tokens: Any, mask: Any) -> Any:
        x = self.embed(tokens) + self.positions[: tokens.shape[1]]
        for block in self.blocks:
            x = x + block["attend"](block["norm1"](x), mask=mask)
            x = x + block["mlp"](block["norm2"](x))
        return x @ self.embed.weight.t()


def tokens_and_mask(batch: int, length: int) -> tuple[Any, Any]:
    """Integer tokens and a mask that hides the last position."""
    rng = np.random.default_rng(batch * length)
    mask = np.ones((batch, length), np.int64)
    mask[:, -1] = 0
    return qgrad.from_numpy(rng.integers(0, 11, (batch, length))), qgrad.from_numpy(mask)


def test_transformer_with_free_batch_and_length() -> None:
    """Attention, tied weights, integer inputs, a mask by keyword, two free dimensions each."""
    traced = assert_traces(
        Transformer(),
        *tokens_and_mask(2, 5),
        later=[tokens_and_mask(3, 9), tokens_and_mask(1, 2)],
        dynamic_dims={0: (0, 1), 1: (0, 1)},
    )
    targets = [node.target for node in traced.graph.nodes if node.kind == "param"]
    assert sorted(targets) == sorted({name for name, _ in traced.named_parameters()})
    assert [node.name for node in traced.graph.inputs] == ["tokens", "mask"]


def test_a_module_called_twice() -> None:
    """Two nodes with one path and one set of parameters; the same for tied modules."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(3, 3)
            self.second = self.first

        def forward(self, x: Any) -> Any:
            return self.second(self.first(x))

    traced = assert_traces(Twice(), randn(2, 3), later=[(randn(4, 3),)])
    calls = [node for node in traced.graph.nodes if node.kind == "op"]
    assert [(node.name, node.path) for node in calls] == [("first", "first"), ("first_1", "first")]
    assert calls[0].args[1] is calls[1].args[1]
    assert list(traced.state_dict()) == list(Twice().state_dict())
    assert traced.first is traced.second


def test_nested_outputs_and_several_inputs() -> None:
    """Dicts, tuples, lists, None and sizes come back as the model returned them."""

    def model(a: Any, b: Any, *, scale: float = 2.0) -> Any:
        return {"sum": a + b, "parts": (a * scale, [b, None]), "rows": a.shape[0], "two": 2}

    traced = trace(model, (randn(2, 3), randn(2, 3)))
    out = traced(randn(7, 3), b=randn(7, 3))
    assert out["rows"] == 7
    assert out["two"] == 2
    assert out["parts"][1][1] is None
    assert out["parts"][1][0].shape == (7, 3)
    np.testing.assert_array_equal(out["parts"][0].numpy(), (randn(7, 3) * 2.0).numpy())


def test_inputs_by_name() -> None:
    """example_inputs may be a dict, and the GraphModule takes its inputs by name."""

    class Named(nn.Module):
        def forward(self, x: Any, *, mask: Any) -> Any:
            return x * mask

    traced = trace(Named(), {"x": randn(2, 3), "mask": randn(2, 3)})
    out = traced(mask=randn(4, 3), x=randn(4, 3))
    np.testing.assert_array_equal(out.numpy(), (randn(4, 3) * randn(4, 3)).numpy())
    with pytest.raises(TypeError, match=r"the inputs are x, mask; got 1 by position and x by name"):
        traced(randn(4, 3), x=randn(4, 3))


def test_arrays_as_inputs() -> None:
    """NumPy arrays are taken for examples and inputs, and keep their dtype."""
    model = nn.Embedding(11, 4)
    traced = trace(model, np.zeros((2, 3), np.int64))
    tokens = np.arange(9).reshape(3, 3)
    out = traced(tokens)
    np.testing.assert_array_equal(out.detach().numpy(), model.weight.detach().numpy()[tokens])
    assert traced.graph.inputs[0].dtype is qgrad.int64


def test_functions_methods_and_partials() -> None:
    """Besides modules, a function, a method of a module and a partial can be traced."""
    net = ConvNet()
    assert_traces(lambda x: qgrad.relu(x) + 1, randn(2, 3), later=[(randn(9, 3),)])
    assert_traces(net.features.forward, randn(2, 1, 8, 8))
    assert_traces(functools.partial(F.leaky_relu, negative_slope=0.2), randn(2, 3))


def test_buffers_constants_and_weight_expressions() -> None:
    """Buffers are live, tensors made in forward are constants, weights can be computed."""

    class Normed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(randn(3, 3))
            self.register_buffer("offset", randn(3))

        def forward(self, x: Any) -> Any:
            weight = self.weight / (self.weight * self.weight).sum(1, keepdim=True).sqrt()
            offset = self.offset * np.array([1.0, 2.0, 3.0], np.float32)
            return F.linear(x, weight, offset) + qgrad.tensor([0.5, 0.25, 0.125])

    model = Normed()
    traced = assert_traces(model, randn(2, 3), later=[(randn(4, 3),)])
    assert sorted(traced.graph.constants) == ["const", "const_1"]
    with qgrad.no_grad():
        for one in (model, traced):
            one.weight.mul_(2.0)
            one.weight[0, 0] = 7.0
            one.offset.add_(1.0)
    np.testing.assert_array_equal(
        traced(randn(4, 3)).detach().numpy(), model(randn(4, 3)).detach().numpy()
    )


def test_a_captured_leaf_is_the_same_object() -> None:
    """A tensor that a function captures is not copied: its gradient arrives where it should."""
    w = randn(3).requires_grad_()
    traced = trace(lambda x: x * w, randn(2, 3))
    traced(randn(4, 3)).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), randn(4, 3).sum(0).numpy(), rtol=1e-6)


def test_hooks_are_part_of_the_model() -> None:
    """Forward hooks run during the trace, and what they compute is recorded."""
    model = nn.Sequential(nn.Linear(3, 3))
    model[0].register_forward_pre_hook(lambda module, args: (args[0] * 2,))
    model.register_forward_hook(lambda module, args, output: output + 1)
    traced = assert_traces(model, randn(2, 3), later=[(randn(4, 3),)])
    assert ops_of(traced) == ["mul", "linear", "add"]
    assert traced.graph.node("linear_0").path == "0"


def test_modules_made_in_forward_belong_to_their_caller() -> None:
    """A module that is not part of the tree leaves the path as it is."""

    class Maker(nn.Module):
        def forward(self, x: Any) -> Any:
            return nn.ReLU()(x)

    traced = assert_traces(nn.Sequential(Maker()), randn(2, 3))
    node = traced.graph.node("maker_0_relu")
    assert (node.path, node.module_type) == ("0", Maker)


def test_no_grad_inside_forward_cuts_the_gradient() -> None:
    """What forward computes under no_grad passes no gradient in the traced module either."""

    def model(x: Any) -> Any:
        with qgrad.no_grad():
            scale = x * 3.0
        return x * scale

    x = randn(2, 3).requires_grad_()
    traced = trace(model, x)
    traced(x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), (x.detach() * 3.0).numpy())


def test_trace_under_no_grad_records_gradients() -> None:
    """The mode around trace itself says nothing about the model."""
    with qgrad.no_grad():
        traced = trace(lambda x: x * 2, randn(2, 3))
    x = randn(2, 3).requires_grad_()
    traced(x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.full((2, 3), 2.0, np.float32))


def test_branches_on_sizes_are_guarded() -> None:
    """A branch on a free size is followed, and other inputs that would take the other raise."""

    def model(x: Any) -> Any:
        return x * 2 if x.shape[0] > 3 else x

    traced = assert_traces(model, randn(8, 2), later=[(randn(4, 2),)])
    with pytest.raises(ShapeError, match=r"x\.shape\[0\] > 3 is True .*test_trace.py:\d+.* False"):
        traced(randn(3, 2))


def test_branches_on_the_mode_are_guarded() -> None:
    """A branch on self.training holds the mode, unless both ways record the same."""

    class Noisy(nn.Module):
        def forward(self, x: Any) -> Any:
            return x * 2 if self.training else x

    class Harmless(nn.Module):
        def forward(self, x: Any) -> Any:
            self.calls = 1 if self.training else 0
            return x * 2

    traced = trace(Noisy().eval(), randn(2, 3))
    traced(randn(4, 3))
    with pytest.raises(TraceError, match=r"training is False .*; the module is in train\(\) now"):
        traced.train()(randn(4, 3))
    assert trace(Harmless(), randn(2, 3)).graph.guards == []


def test_fixed_sizes_and_ranks_are_checked() -> None:
    """An input of another rank, of another fixed size, or one too many is refused."""
    traced = trace(lambda x: x * 2, randn(2, 3))
    with pytest.raises(ShapeError, match=r"input x has size 4 in dimension 1 .*\(\?, 3\)"):
        traced(randn(2, 4))
    with pytest.raises(ShapeError, match="input x has 1 dimensions"):
        traced(randn(3))
    with pytest.raises(TypeError, match="got 2 inputs, but it takes 1: x"):
        traced(randn(2, 3), randn(2, 3))


def test_the_model_is_not_changed() -> None:
    """Modes, parameters, buffers and attributes are the same objects with the same values."""
    model = ConvNet()
    before = {name: (id(t), t.detach().numpy().copy()) for name, t in _state(model).items()}
    attributes = {name: dict(vars(m)) for name, m in model.named_modules()}
    trace(model, randn(2, 1, 8, 8))
    for name, tensor in _state(model).items():
        assert id(tensor) == before[name][0]
        np.testing.assert_array_equal(tensor.detach().numpy(), before[name][1])
    for name, module in model.named_modules():
        assert vars(module) == attributes[name]
    assert nn_module._call_observer is None


def _state(model: nn.Module) -> dict[str, Any]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def test_random_numbers_are_not_consumed() -> None:
    """Tracing leaves the generator where it was."""
    model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))
    qgrad.manual_seed(3)
    expected = qgrad.rand(4).numpy()
    qgrad.manual_seed(3)
    trace(model, randn(2, 3))
    np.testing.assert_array_equal(qgrad.rand(4).numpy(), expected)


def test_a_graph_module_can_be_traced_alone_and_inside_a_model() -> None:
    """Tracing a trace gives an equal copy; inside another model its ops are recorded."""
    inner = trace(ConvNet(), randn(2, 1, 8, 8))
    assert str(trace(inner, randn(2, 1, 8, 8)).graph) == str(inner.graph)
    outer = nn.Sequential(inner, nn.ReLU())
    traced = assert_traces(outer, randn(2, 1, 8, 8), later=[(randn(3, 1, 8, 8),)])
    assert ops_of(traced) == [*ops_of(inner), "relu"]


def test_threads_trace_at_once() -> None:
    """Traces in several threads, beside eager calls, do not see each other."""
    model, x, expected = (
        ConvNet(),
        randn(2, 1, 8, 8),
        str(trace(ConvNet(), randn(2, 1, 8, 8)).graph),
    )
    results: list[Any] = []

    def work(eager: bool) -> None:
        for _ in range(5):
            results.append(None if eager and model(x) is not None else str(trace(model, x).graph))

    threads = [threading.Thread(target=work, args=(i % 2 == 0,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 20
    assert {text for text in results if text} == {expected}
    assert nn_module._call_observer is None


@pytest.mark.parametrize("inplace", [True, False])
def test_inplace_activations(inplace: bool) -> None:
    """ReLU(inplace=True) changes the traced value that others see, as it does the tensor."""

    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act = nn.ReLU(inplace=inplace)

        def forward(self, x: Any) -> Any:
            y = x * 1.0
            return self.act(y) - y

    assert_traces(Shared(), randn(2, 3), later=[(randn(4, 3),)])


def test_tensors_made_in_a_free_size() -> None:
    """zeros, ones, full and expand in x's shape are recorded for any size; others are constants."""

    def model(x: Any) -> Any:
        y = x + qgrad.zeros(x.shape[0], 3) + qgrad.zeros_like(x)
        y = y * qgrad.full((x.size(0), 1), 2.5) - qgrad.ones_like(y, dtype=qgrad.float32)
        return y + qgrad.tensor([1.0, 2.0, 3.0]).expand(x.shape[0], -1) + qgrad.arange(x.shape[1])

    traced = assert_traces(model, randn(2, 3), later=[(randn(4, 3),), (randn(1, 3),)])
    assert "expand(const, (x.shape[0], 3))" in str(traced.graph)


COMPOSED = {
    "max with indices": lambda x: x.max(dim=1).values * x.sum(),
    "chunk": lambda x: x.chunk(2, 1)[1] * 2,
    "split": lambda x: qgrad.cat(list(x.split([1, 3], dim=1))[::-1], 1),
    "unbind": lambda x: x.unbind(1)[2],
    "iteration": lambda x: sum(column for column in x.T),
    "topk": lambda x: x.topk(2).values,
    "narrow": lambda x: x.narrow(0, 0, 1),
    "repeat": lambda x: x.repeat(2, 1),
    "unflatten": lambda x: x.unflatten(1, (2, 2)),
    "transposes": lambda x: x.T @ x + x.mT @ x.t().T,
    "where": lambda x: qgrad.where(x > 0, x, -x),
    "casts": lambda x: x.to(qgrad.float64).float().type_as(x).sum(dtype=np.float64),
    "masks": lambda x: x[x > 0] + x.masked_fill(x > 0, 0.0).sum(),
    "in place": lambda x: (x * 1).clamp(-1, 1).clamp_(min=0).mul_(2),
    "sizes": lambda x: x.view(x.size(0), -1) * x.numel() / x.dim() + len(x.shape),
    "text": lambda x: (f"{x} {x.shape} {x!r}", x)[1],
    "statistics": lambda x: (x - x.mean(1, True)) / x.std(1, keepdim=True),
    "normalize": F.normalize,
    "pad": lambda x: F.pad(x, (1, 1)),
    "flatten": lambda x: x.flatten(),
    "numbers of NumPy": lambda x: np.ones(4, np.float32) * x * np.float32(3.0),
    "memory": lambda x: x.transpose(0, 1).contiguous().view(4, -1) if x.is_contiguous() else x,
    "detached": lambda x: x * x.data + x.detach(),
    "fancy indexing": lambda x: x[:, [0, 2]] + x[..., None][:, 1:3, 0],
    "expand_as": lambda x: x[:, :1].expand_as(x),
    "layer_norm": lambda x: F.layer_norm(x, x.shape[1:]),
    "flags": lambda x: x if x.requires_grad or not x.is_floating_point() else x * x.itemsize,
}


@pytest.mark.parametrize("name", COMPOSED)
def test_composed_functions(name: str) -> None:
    """Functions made of ops, methods and properties that need no data, on any batch size."""
    assert_traces(COMPOSED[name], randn(4, 4), later=[(randn(6, 4),), (randn(2, 4),)])


def test_a_trace_can_be_pickled() -> None:
    """A copy through pickle prints and computes the same."""
    traced = trace(ConvNet(), randn(2, 1, 8, 8))
    twin = pickle.loads(pickle.dumps(traced))
    assert repr(twin) == repr(traced)
    one, other = (model.eval()(randn(3, 1, 8, 8)) for model in (twin, traced))
    np.testing.assert_array_equal(one.detach().numpy(), other.detach().numpy())


def test_named_tuples_are_kept() -> None:
    """A named tuple that the model returns has its names in the traced module, too."""
    traced = trace(lambda x: x.max(dim=1), randn(2, 3))
    out = traced(randn(4, 3))
    np.testing.assert_array_equal(out.values.numpy(), randn(4, 3).max(dim=1).values.numpy())
    np.testing.assert_array_equal(out.indices.numpy(), randn(4, 3).max(dim=1).indices.numpy())


def test_indexing_assignment_is_recorded() -> None:
    """`y[:, 0] = 0` becomes a node that gives the changed tensor."""

    def model(x: Any) -> Any:
        y = x * 2
        y[:, 0] = 0.0
        y[:, 1] += x[:, 2]
        return y

    assert_traces(model, randn(2, 3), later=[(randn(4, 3),)])
