"""Module: attributes, the tree, hooks, modes, conversion, copies."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import qgrad
from qgrad import nn
from qgrad.errors import DTypeError, ShapeError
from qgrad.nn import module as module_file


class Block(nn.Module):
    """A layer with a parameter, a buffer and a submodule."""

    def __init__(self, size: int = 3) -> None:
        super().__init__()
        self.scale = nn.Parameter(qgrad.ones(size))
        self.register_buffer("shift", qgrad.zeros(size))
        self.linear = nn.Linear(size, size)

    def forward(self, x: Any) -> Any:
        return self.linear(x) * self.scale + self.shift


class Net(nn.Module):
    """Two blocks, one of them inside a Sequential."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Block()
        self.rest = nn.Sequential(Block(), nn.ReLU())

    def forward(self, x: Any) -> Any:
        return self.rest(self.first(x))


# -- attributes ----------------------------------------------------------------------------------


def test_assignment_registers_by_kind() -> None:
    """Parameters, modules and buffers are found by their kind; the rest stays ordinary."""
    block = Block()
    block.note = "plain"
    assert list(block._parameters) == ["scale"]
    assert list(block._buffers) == ["shift"]
    assert list(block._modules) == ["linear"]
    assert block.note == "plain"
    assert {"scale", "shift", "linear", "note", "forward"} <= set(dir(block))


def test_reassignment_changes_the_kind() -> None:
    """A name lives in one place only, whatever is assigned to it."""
    block = Block()
    block.linear = nn.Parameter(qgrad.ones(2))
    assert "linear" in block._parameters
    assert "linear" not in block._modules
    block.scale = nn.ReLU()
    assert "scale" in block._modules
    assert "scale" not in block._parameters
    block.plain = 3
    block.plain = nn.ReLU()
    assert "plain" not in block.__dict__


def test_none_keeps_a_name_registered() -> None:
    """Assigning None empties a parameter's place, which can be filled again."""
    block = Block()
    block.scale = None
    assert block.scale is None
    assert [name for name, _ in block.named_parameters(recurse=False)] == []
    block.scale = nn.Parameter(qgrad.zeros(3))
    assert [name for name, _ in block.named_parameters(recurse=False)] == ["scale"]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("scale", 3.0, "cannot assign a float to 'scale'.*a Parameter or None.*del module.scale"),
        ("shift", 3.0, "cannot assign a float to 'shift'.*a Tensor or None"),
        ("linear", "x", "cannot assign a str to 'linear'.*registered as a module"),
    ],
)
def test_wrong_kind_is_refused(name: str, value: Any, message: str) -> None:
    """A registered name only takes its own kind; the error says how to free it."""
    with pytest.raises(TypeError, match=message):
        setattr(Block(), name, value)


def test_plain_tensor_does_not_replace_a_parameter() -> None:
    """The commonest slip: assigning a Tensor where a Parameter is."""
    with pytest.raises(TypeError, match="cannot assign a Tensor to 'scale'"):
        Block().scale = qgrad.ones(3)


def test_delete() -> None:
    """`del` works for each kind, and the name is free afterwards."""
    block = Block()
    del block.scale, block.shift, block.linear
    assert not list(block.named_parameters())
    assert not hasattr(block, "scale")
    block.scale = 1.0
    with pytest.raises(AttributeError, match="missing"):
        del block.missing


def test_unknown_attribute_is_named() -> None:
    """The error names class and attribute, and carries them for Python's own suggestions."""
    with pytest.raises(AttributeError, match=r"'Block' object has no attribute 'scal'") as info:
        _ = Block().scal
    assert info.value.name == "scal"


def test_forgotten_super_init_is_explained() -> None:
    """Assigning a layer before Module.__init__ ran says what to call."""

    class Forgetful(nn.Module):
        def __init__(self) -> None:
            self.linear = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match=r"Forgetful.*super\(\).__init__\(\) first"):
        Forgetful()


def test_missing_forward_is_explained() -> None:
    """A module without forward says so when called."""
    with pytest.raises(NotImplementedError, match="Module: forward is not defined"):
        nn.Module()(1)


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda m: m.register_parameter("a.b", None), KeyError, "'a.b'.*must be a str, not empty"),
        (lambda m: m.register_buffer("", None), KeyError, "must be a str, not empty"),
        (lambda m: m.register_module("forward", None), KeyError, "already is an attribute"),
        (lambda m: m.register_parameter(3, None), KeyError, "name is 3"),
        (lambda m: m.register_parameter("w", qgrad.ones(1)), TypeError, "Wrap it: nn.Parameter"),
        (lambda m: m.register_buffer("w", 1.0), TypeError, "qgrad.tensor"),
        (lambda m: m.add_module("w", nn.ReLU), TypeError, r"Did you mean ReLU\(\.\.\.\)"),
    ],
)
def test_registration_errors(call: Any, kind: type[Exception], message: str) -> None:
    """Bad names and values are refused where they are registered."""
    with pytest.raises(kind, match=message):
        call(nn.Module())


# -- the tree ------------------------------------------------------------------------------------


def test_paths() -> None:
    """Paths and their order are PyTorch's: own members first, then children in order."""
    net = Net()
    assert [path for path, _ in net.named_modules()] == [
        "", "first", "first.linear", "rest", "rest.0", "rest.0.linear", "rest.1",
    ]  # fmt: skip
    assert [path for path, _ in net.named_parameters()] == [
        "first.scale", "first.linear.weight", "first.linear.bias",
        "rest.0.scale", "rest.0.linear.weight", "rest.0.linear.bias",
    ]  # fmt: skip
    assert [path for path, _ in net.named_buffers(prefix="net")] == [
        "net.first.shift", "net.rest.0.shift",
    ]  # fmt: skip
    assert [name for name, _ in net.named_children()] == ["first", "rest"]
    assert len(list(net.modules())) == 7
    assert len(list(net.children())) == 2


def test_shared_members_come_once() -> None:
    """Tied weights and shared modules are listed once, or by every path on request."""
    net = Net()
    net.again = net.first
    net.rest[0].linear.weight = net.first.linear.weight
    paths = [path for path, _ in net.named_parameters()]
    assert "again.scale" not in paths
    assert "rest.0.linear.weight" not in paths
    assert len(list(net.parameters())) == 5
    every = [path for path, _ in net.named_parameters(remove_duplicate=False)]
    assert {"again.scale", "rest.0.linear.weight"} <= set(every)
    assert "again" in [path for path, _ in net.named_modules(remove_duplicate=False)]


def test_look_up_by_path() -> None:
    """get_* find what named_* list; set_submodule replaces a module."""
    net = Net()
    assert net.get_submodule("") is net
    assert net.get_submodule("rest.0.linear") is net.rest[0].linear
    assert net.get_parameter("first.linear.weight") is net.first.linear.weight
    assert net.get_buffer("first.shift") is net.first.shift
    net.set_submodule("rest.0.linear", nn.Identity())
    assert isinstance(net.rest[0].linear, nn.Identity)


def test_look_up_errors_list_what_is_there() -> None:
    """A wrong path says where the walk stopped and what could have been meant."""
    net = Net()
    with pytest.raises(AttributeError, match=r"'rest.7.x'.*rest \(Sequential\).*'7'.*'0', '1'"):
        net.get_submodule("rest.7.x")
    with pytest.raises(AttributeError, match=r"no parameter at 'first.shift'.*'scale'"):
        net.get_parameter("first.shift")


# -- calling and hooks ---------------------------------------------------------------------------


def test_forward_hooks_see_and_replace() -> None:
    """Pre-hooks replace inputs, hooks replace outputs, in order; handles take them off."""
    relu = nn.ReLU()
    seen: list[Any] = []

    def before(module: Any, args: Any) -> Any:
        seen.append(("before", module, args))
        return args[0] + 1

    def after(module: Any, args: Any, output: Any) -> Any:
        seen.append(("after", module, args))
        return output * 10

    handles = [relu.register_forward_pre_hook(before), relu.register_forward_hook(after)]
    x = qgrad.tensor([-2.0, 1.0])
    np.testing.assert_array_equal(relu(x).numpy(), [0.0, 20.0])
    assert [name for name, module, _ in seen if module is relu] == ["before", "after"]
    for handle in handles:
        handle.remove()
        handle.remove()
    np.testing.assert_array_equal(relu(x).numpy(), [0.0, 1.0])


def test_hook_order_keywords_and_context() -> None:
    """`prepend` runs first, `with_kwargs` passes keywords, a handle works as a context manager."""

    class Scale(nn.Module):
        def forward(self, x: Any, *, by: float = 1.0) -> Any:
            return x * by

    scale = Scale()
    order: list[str] = []
    with (
        scale.register_forward_hook(lambda m, a, y: order.append("second")),
        scale.register_forward_hook(lambda m, a, y: order.append("first"), prepend=True),
        scale.register_forward_pre_hook(lambda m, a, k: (a, {"by": 3.0}), with_kwargs=True),
        scale.register_forward_hook(lambda m, a, k, y: order.append(str(k)), with_kwargs=True),
    ):
        assert scale(qgrad.tensor(2.0), by=2.0).item() == 6.0
    assert order == ["first", "second", "{'by': 3.0}"]
    assert scale(qgrad.tensor(2.0), by=2.0).item() == 4.0
    scale.register_forward_pre_hook(lambda m, a, k: a, with_kwargs=True)
    with pytest.raises(RuntimeError, match=r"Scale: .*pair \(args, kwargs\)"):
        scale(qgrad.tensor(2.0))


def test_hooks_that_are_called_in_any_case() -> None:
    """`always_call` hooks run once, also when forward, a pre-hook or another hook raises."""

    class Fails(nn.Module):
        def forward(self, x: Any) -> Any:
            if x is None:
                raise KeyError("forward")
            return x

    def fail(*given: Any) -> None:
        raise KeyError("hook")

    module, seen = Fails(), []
    module.register_forward_hook(lambda m, a, y: seen.append((a, y)), always_call=True)
    module.register_forward_hook(lambda m, a, y: seen.append("not always"))
    with pytest.raises(KeyError, match="forward"):
        module(None)
    assert seen == [((None,), None)]
    for register in (module.register_forward_pre_hook, module.register_forward_hook):
        seen.clear()
        with register(fail), pytest.raises(KeyError, match="hook"):
            module(1)
        assert len([one for one in seen if one != "not always"]) == 1
    module.register_forward_hook(fail, always_call=True)
    with pytest.raises(KeyError, match="forward"), pytest.warns(match=r"Fails: .*KeyError\('hook'"):
        module(None)


def test_backward_hooks_see_and_replace_gradients() -> None:
    """Full backward hooks see grad_input and grad_output, and may replace them."""
    linear = nn.Linear(2, 1, bias=False)
    nn.init.ones_(linear.weight)
    seen: dict[str, Any] = {}

    def before(module: Any, grad_output: Any) -> Any:
        return (grad_output[0] * 2,)

    def after(module: Any, grad_input: Any, grad_output: Any) -> Any:
        seen["input"], seen["output"] = grad_input, grad_output
        return (grad_input[0] * 10,)

    linear.register_full_backward_pre_hook(before)
    handle = linear.register_full_backward_hook(after)
    x = qgrad.tensor([[1.0, 2.0]], requires_grad=True)
    linear(x).sum().backward()
    np.testing.assert_array_equal(seen["output"][0].numpy(), [[2.0]])
    np.testing.assert_array_equal(seen["input"][0].numpy(), [[2.0, 2.0]])
    np.testing.assert_array_equal(x.grad.numpy(), [[20.0, 20.0]])
    np.testing.assert_array_equal(linear.weight.grad.numpy(), [[2.0, 4.0]])
    handle.remove()
    x.grad = None
    linear(x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [[2.0, 2.0]])


def test_backward_hooks_get_none_for_what_is_not_used() -> None:
    """None is the gradient of an output that is not used, and of an input without a path."""

    class Two(nn.Module):
        def forward(self, a: Any, b: Any) -> Any:
            return a * 2, b * 3

    two = Two()
    seen: list[Any] = []
    two.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    a, b = (qgrad.ones(1, requires_grad=True) for _ in range(2))
    two(a, b)[1].sum().backward()
    (((first, second), (out_first, out_second)),) = seen
    assert first is None
    assert out_first is None
    assert (second.tolist(), out_second.tolist()) == ([3], [1])
    assert a.grad is None
    assert b.grad.tolist() == [3]


def test_backward_hooks_of_several_tensors_replace_gradients() -> None:
    """Gradients of several inputs are replaced together, and can be differentiated again."""

    class Product(nn.Module):
        def forward(self, a: Any, b: Any) -> Any:
            return a * b, a + b

    module = Product()
    module.register_full_backward_hook(
        lambda m, gi, go: tuple(None if g is None else g * 10 for g in gi)
    )
    a, b = (qgrad.tensor(value, requires_grad=True) for value in (2.0, 3.0))
    product, total = module(a, b)
    da, db = qgrad.autograd.grad(product + 2 * total, (a, b), create_graph=True)
    assert (da.item(), db.item()) == (50, 40)  # 10 * (b + 2), 10 * (a + 2)
    assert qgrad.autograd.grad(db, a)[0].item() == 10  # this one is not the module's: no hook


def test_backward_hook_without_input_gradient() -> None:
    """When no input requires grad, the hook still runs, with None for it."""
    linear = nn.Linear(2, 1)
    seen: list[Any] = []
    linear.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go[0].numpy())))
    linear(qgrad.ones(1, 2)).sum().backward()
    assert len(seen) == 1
    assert seen[0][0] == (None,)
    assert seen[0][1] == 1.0


def test_call_observer_wraps_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """While an observer is set, each module's call runs inside its context, hooks included."""
    open_modules: list[Any] = []
    seen: list[int] = []

    class Scope:
        def __init__(self, module: Any) -> None:
            self.module = module

        def __enter__(self) -> None:
            open_modules.append(self.module)

        def __exit__(self, *exc: object) -> None:
            assert open_modules.pop() is self.module

    net = Net()
    net.first.linear.register_forward_hook(lambda m, a, y: seen.append(len(open_modules)))
    monkeypatch.setattr(module_file, "_call_observer", Scope)
    net(qgrad.ones(2, 3))
    assert seen == [3]
    assert not open_modules


# -- errors from inside --------------------------------------------------------------------------


def test_errors_name_the_module_they_come_from() -> None:
    """A shape error inside a model ends with the path and the repr of the module."""
    net = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Flatten(), nn.Linear(12, 2)))
    with pytest.raises(ShapeError) as info:
        net(qgrad.ones(2, 3))
    text = str(info.value)
    assert text.startswith("linear:")
    assert text.endswith("in module '1.1', Linear(in_features=12, out_features=2, bias=True)")
    assert len(text) < 600


def test_other_errors_pass_untouched() -> None:
    """An exception that is not about the data stays as it is."""

    class Broken(nn.Module):
        def forward(self, x: Any) -> Any:
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match=r"^mine$"):
        nn.Sequential(Broken())(1)


# -- modes, conversion, copies -------------------------------------------------------------------


def test_train_eval_apply() -> None:
    """Modes reach every module; apply visits children before parents."""
    net = Net()
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    assert all(m.training for m in net.train().modules())
    visited: list[str] = []
    net.apply(lambda m: visited.append(type(m).__name__))
    assert visited[-1] == "Net"
    assert visited[:2] == ["Linear", "Block"]
    with pytest.raises(TypeError, match=r"Net.train: mode is 'yes'"):
        net.train("yes")  # type: ignore[arg-type]


def test_requires_grad_and_zero_grad() -> None:
    """Freezing reaches all parameters; gradients are dropped or zeroed."""
    net = Net()
    net(qgrad.ones(1, 3)).sum().backward()
    weight = net.first.linear.weight
    net.zero_grad(set_to_none=False)
    assert not weight.grad.numpy().any()
    net.zero_grad()
    assert weight.grad is None
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())


def test_conversion_keeps_parameter_objects() -> None:
    """double() and float() change dtypes in place, of gradients too; integers stay."""
    bn = nn.BatchNorm1d(3)
    weight = bn.weight
    bn(qgrad.randn(4, 3)).sum().backward()
    bn.double()
    assert bn.weight is weight
    assert weight.dtype is qgrad.float64
    assert weight.grad.dtype is qgrad.float64
    assert bn.running_mean.dtype is qgrad.float64
    assert bn.num_batches_tracked.dtype is qgrad.int64
    assert bn.to(qgrad.float32).to("cpu").to(dtype=qgrad.float32).weight.dtype is qgrad.float32
    assert bn.to(qgrad.ones(1, dtype=qgrad.float64)).weight.dtype is qgrad.float64


def test_conversion_errors() -> None:
    """Devices that do not exist and integer dtypes are refused."""
    with pytest.raises(ValueError, match="cuda:0"):
        nn.ReLU().to("cuda:0")
    with pytest.raises(DTypeError, match=r"ReLU.to: dtype is qgrad.int8"):
        nn.ReLU().to(qgrad.int8)
    with pytest.raises(TypeError, match="unknown argument 'memory_format'"):
        nn.ReLU().to(memory_format=1)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_equal_and_independent(duplicate: Any) -> None:
    """deepcopy and pickle keep values, ties, flags and modes, and share nothing."""
    net = Net().eval()
    net.rest[0].linear.weight = net.first.linear.weight
    net.first.scale.requires_grad_(False)
    other = duplicate(net)
    x = qgrad.randn(2, 3)
    np.testing.assert_array_equal(other(x).detach().numpy(), net(x).detach().numpy())
    assert other.rest[0].linear.weight is other.first.linear.weight
    assert isinstance(other.first.scale, nn.Parameter)
    assert not other.first.scale.requires_grad
    assert not other.training
    nn.init.zeros_(other.first.scale)
    nn.init.ones_(other.first.shift)
    assert net.first.scale.detach().numpy().all()
    assert not net.first.shift.numpy().any()


def test_deepcopy_keeps_hooks_apart() -> None:
    """A copy has the hooks of the original; removing one from the original leaves the copy's."""
    relu = nn.ReLU()
    handle = relu.register_forward_hook(lambda m, a, y: y + 1)
    other = copy.deepcopy(relu)
    handle.remove()
    assert relu(qgrad.tensor(1.0)).item() == 1.0
    assert other(qgrad.tensor(1.0)).item() == 2.0


def test_repr_is_pytorchs() -> None:
    """Nested modules are indented as PyTorch does."""
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Sequential(nn.ReLU()))
    assert repr(net) == (
        "Sequential(\n"
        "  (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))\n"
        "  (1): Sequential(\n"
        "    (0): ReLU()\n"
        "  )\n"
        ")"
    )


# -- parameters ----------------------------------------------------------------------------------


def test_parameter_shares_memory_and_checks_dtype() -> None:
    """A Parameter is a trainable leaf on the memory it is given."""
    array = np.zeros(2, np.float32)
    param = nn.Parameter(qgrad.from_numpy(array))
    array[0] = 5
    assert param.detach().numpy()[0] == 5
    assert param.is_leaf
    assert param.requires_grad
    assert type(param * 2) is qgrad.Tensor
    assert repr(param).startswith("Parameter containing:\ntensor([5., 0.]")
    with pytest.raises(DTypeError, match=r"int64.*requires_grad=False"):
        nn.Parameter(qgrad.tensor([1]))
    assert not nn.Parameter(qgrad.tensor([1]), requires_grad=False).requires_grad
    with pytest.raises(TypeError, match=r"list.*nn.Parameter\(qgrad.tensor\(data\)\)"):
        nn.Parameter([1.0])


def test_pickle_keeps_scalar_buffers() -> None:
    """A buffer without dimensions, such as BatchNorm's count, comes back without dimensions."""
    bn = nn.BatchNorm1d(2)
    bn(qgrad.randn(4, 2))
    other = pickle.loads(pickle.dumps(bn))
    assert other.num_batches_tracked.shape == ()
    assert other.num_batches_tracked.item() == 1
    assert other.num_batches_tracked.dtype is qgrad.int64
