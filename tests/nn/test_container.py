"""Sequential, ModuleList, ModuleDict and ParameterList."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qgrad
from qgrad import nn


def layers(count: int) -> list[nn.Module]:
    """Modules that are all different."""
    return [nn.Linear(1, i + 1) for i in range(count)]


@pytest.mark.parametrize("make", [lambda ms: nn.Sequential(*ms), nn.ModuleList])
@given(count=st.integers(0, 5), data=st.data())
def test_acts_like_a_list(make: object, count: int, data: st.DataObject) -> None:
    """Indexing, slices, insert, delete, append and iteration agree with a plain list."""
    expected = layers(count)
    actual = make(expected)  # type: ignore[operator]
    part = slice(
        data.draw(st.integers(-6, 6)), data.draw(st.integers(-6, 6)), data.draw(st.integers(1, 3))
    )
    assert list(actual[part]) == expected[part]
    assert type(actual[part]) is type(actual)
    place = data.draw(st.integers(-count, count))
    new = nn.ReLU()
    actual.insert(place, new)
    expected.insert(place, new)
    assert list(actual) == expected
    place = data.draw(st.integers(-len(expected), len(expected) - 1))
    assert actual[place] is expected[place]
    if data.draw(st.booleans()):
        assert actual.pop(place) is expected.pop(place)
    else:
        del actual[part]
        del expected[part]
    actual.append(new)
    actual.extend([nn.Tanh()])
    assert list(actual)[:-2] == expected
    assert len(actual) == len(expected) + 2
    assert [name for name, _ in actual.named_children()][:1] == ["0"]
    assert list(actual._modules) == [str(i) for i in range(len(actual))]


def test_sequential_runs_in_order() -> None:
    """Each module is called on the output of the one before; slices share modules and names."""
    net = nn.Sequential(OrderedDict(twice=nn.Linear(1, 1), relu=nn.ReLU()))
    nn.init.constant_(net.twice.weight, 2.0)
    nn.init.zeros_(net.twice.bias)
    assert net(qgrad.tensor([3.0])).item() == 6.0
    assert net(qgrad.tensor([-3.0])).item() == 0.0
    head = net[:1]
    assert head.twice is net.twice
    assert head(qgrad.tensor([-3.0])).item() == -6.0
    assert list(net.state_dict()) == ["twice.weight", "twice.bias"]
    assert len(net + nn.Sequential(nn.ReLU())) == 3


def test_setting_an_item() -> None:
    """An item can be replaced, and only by a module."""
    net = nn.Sequential(nn.ReLU(), nn.ReLU())
    net[-1] = nn.Tanh()
    assert repr(net[1]) == "Tanh()"
    with pytest.raises(TypeError, match=r"'1' is str, but must be an nn.Module"):
        net[1] = "tanh"


def test_list_errors() -> None:
    """Wrong indices and lists given whole are explained."""
    net = nn.Sequential(nn.ReLU())
    with pytest.raises(IndexError, match="Sequential: index 3 is out of range, it holds 1 modules"):
        net[3]
    with pytest.raises(IndexError, match="index -2"):
        net.insert(-2, nn.ReLU())
    with pytest.raises(TypeError, match=r"is a list.*Sequential\(\*modules\)"):
        nn.Sequential([nn.ReLU()])
    with pytest.raises(TypeError, match=r"ModuleList.extend: modules is a ReLU"):
        nn.ModuleList(nn.ReLU())  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match="ModuleList: forward is not defined"):
        nn.ModuleList([nn.ReLU()])(1)


def test_module_list_adds() -> None:
    """`+` makes a new list, `+=` extends."""
    modules = nn.ModuleList([nn.ReLU()])
    assert len([*modules, nn.ReLU()]) == 2
    assert len(modules) == 1
    modules += [nn.Tanh()]
    assert len(modules) == 2
    assert repr(nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Tanh()])) == (
        "ModuleList(\n  (0-1): 2 x ReLU()\n  (2): Tanh()\n)"
    )


def test_module_dict() -> None:
    """A ModuleDict behaves as a dict whose keys are parts of paths."""
    modules = nn.ModuleDict({"a": nn.Linear(1, 2)})
    modules["b"] = nn.ReLU()
    modules.update([("c", nn.Tanh())])
    assert list(modules) == list(modules.keys()) == ["a", "b", "c"]
    assert "a" in modules
    assert len(modules) == len(list(modules.values())) == len(list(modules.items())) == 3
    assert list(modules.state_dict()) == ["a.weight", "a.bias"]
    assert repr(modules.pop("b")) == "ReLU()"
    del modules["c"]
    assert list(modules) == ["a"]
    with pytest.raises(KeyError, match=r"'x.y'"):
        modules["x.y"] = nn.ReLU()
    modules.clear()
    assert repr(modules) == "ModuleDict()"


def test_parameter_list() -> None:
    """Tensors become parameters, numbered in order and found by the module around them."""
    params = nn.ParameterList([qgrad.ones(2)])
    params.append(nn.Parameter(qgrad.zeros(1)))
    assert all(isinstance(p, nn.Parameter) for p in params)
    assert list(params.state_dict()) == ["0", "1"]
    assert params[-1] is params[1]
    params[0] = qgrad.ones(3)
    np.testing.assert_array_equal(params[0].detach().numpy(), np.ones(3))
    assert len(params) == 2
    with pytest.raises(IndexError, match="index 2 is out of range, it holds 2"):
        params[2]


def test_parameter_lists_are_shown() -> None:
    """As PyTorch shows them: one on a line of its own, or one on the same line."""
    one = "  (0): Parameter containing: [qgrad.float32 of size 2x3]"
    params = [nn.Parameter(qgrad.ones(2, 3)) for _ in range(2)]
    assert repr(nn.ParameterList(params[:1])) == f"ParameterList({one})"
    shown = f"ParameterList(\n  {one}\n  {one.replace('(0)', '(1)')}\n)"
    assert repr(nn.ParameterList(params)) == shown
