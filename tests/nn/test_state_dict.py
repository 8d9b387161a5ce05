"""state_dict and load_state_dict: keys, errors, files."""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import qgrad
from qgrad import nn
from qgrad.errors import ModelFormatError
from qgrad.serialize import load_file, read_metadata, save_file


class Net(nn.Module):
    """Each kind of layer that has state."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 2, 3, bias=False), nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 2, 1)
        )
        self.embed = nn.Embedding(5, 4)
        self.norm = nn.LayerNorm(4)
        self.heads = nn.ModuleDict({"a": nn.Linear(4, 3), "b": nn.Linear(4, 1, bias=False)})


# Keys and shapes as PyTorch writes them for the same model.
PYTORCH = {
    "features.0.weight": (2, 1, 3, 3),
    "features.1.weight": (2,),
    "features.1.bias": (2,),
    "features.1.running_mean": (2,),
    "features.1.running_var": (2,),
    "features.1.num_batches_tracked": (),
    "features.3.weight": (2, 2, 1, 1),
    "features.3.bias": (2,),
    "embed.weight": (5, 4),
    "norm.weight": (4,),
    "norm.bias": (4,),
    "heads.a.weight": (3, 4),
    "heads.a.bias": (3,),
    "heads.b.weight": (1, 4),
}


def other_values() -> dict[str, np.ndarray[Any, Any]]:
    """Arrays by PyTorch's keys, as its file would hold them."""
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {k: rng.random(s).astype(np.float32) for k, s in PYTORCH.items()}
    arrays["features.1.num_batches_tracked"] = np.array(7, np.int64)
    return arrays


def test_keys_order_and_shapes_are_pytorchs() -> None:
    """The state dict has PyTorch's keys in PyTorch's order, detached and sharing memory."""
    net = Net()
    state = net.state_dict()
    assert [(key, tuple(value.shape)) for key, value in state.items()] == list(PYTORCH.items())
    assert isinstance(state, OrderedDict)
    assert not any(value.requires_grad for value in state.values())
    nn.init.ones_(net.norm.bias)
    assert state["norm.bias"].numpy().all()
    assert state["features.1.num_batches_tracked"].dtype is qgrad.int64
    assert net.state_dict(keep_vars=True)["norm.bias"] is net.norm.bias
    assert list(net.norm.state_dict(prefix="x.")) == ["x.weight", "x.bias"]


def test_round_trip_of_tensors_and_arrays() -> None:
    """Loading copies values in, from tensors or arrays, keeping the parameter objects."""
    net, arrays = Net(), other_values()
    params = dict(net.named_parameters())
    result = net.load_state_dict(arrays)
    assert repr(result) == "<All keys matched successfully>"
    assert result.missing_keys == result.unexpected_keys == []
    for key, value in net.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), arrays[key])
    assert all(param is params[name] for name, param in net.named_parameters())
    other = Net()
    other.load_state_dict(net.state_dict())
    nn.init.zeros_(net.norm.bias)
    np.testing.assert_array_equal(other.norm.bias.detach().numpy(), arrays["norm.bias"])


def test_all_problems_in_one_message() -> None:
    """Missing, unexpected and mismatched keys are reported together."""
    arrays: dict[str, Any] = other_values()
    del arrays["features.0.weight"], arrays["heads.a.bias"]
    arrays["extra"] = arrays["heads.c.weight"] = np.zeros(1, np.float32)
    arrays["norm.weight"] = np.zeros((2, 2), np.float32)
    arrays["features.1.num_batches_tracked"] = np.array(1.5)
    arrays["embed.weight"] = [1.0]
    with pytest.raises(RuntimeError) as info:
        Net().load_state_dict(arrays)
    text = str(info.value)
    assert text.startswith("Net.load_state_dict:")
    assert 'Missing key(s) in state_dict: "features.0.weight", "heads.a.bias".' in text
    assert 'Unexpected key(s) in state_dict: "extra", "heads.c.weight".' in text
    assert "size mismatch for norm.weight: shape (2, 2) in the state_dict, (4,) in" in text
    assert "dtype mismatch for features.1.num_batches_tracked: float64" in text
    assert '"embed.weight" is a list, but must be a Tensor or NumPy array' in text


def test_not_strict_returns_what_did_not_match() -> None:
    """strict=False loads what fits and returns the rest; mismatched shapes still raise."""
    arrays = other_values()
    del arrays["norm.bias"]
    arrays["extra.weight"] = np.zeros(1, np.float32)
    net = Net()
    result = net.load_state_dict(arrays, strict=False)
    assert result.missing_keys == ["norm.bias"]
    assert result.unexpected_keys == ["extra.weight"]
    missing, unexpected = result
    assert (missing, unexpected) == (["norm.bias"], ["extra.weight"])
    np.testing.assert_array_equal(net.norm.weight.detach().numpy(), arrays["norm.weight"])
    arrays["norm.weight"] = np.zeros(3, np.float32)
    with pytest.raises(RuntimeError, match=r"size mismatch for norm.weight"):
        net.load_state_dict(arrays, strict=False)


def test_wrong_argument() -> None:
    """A path instead of a dict is answered with the function that reads it."""
    with pytest.raises(TypeError, match=r"state_dict is a str.*load_file\(path\)"):
        Net().load_state_dict("model.safetensors")  # type: ignore[arg-type]


def test_old_files_may_lack_the_batch_count() -> None:
    """BatchNorm's count came in version 2: files without versions load, new state needs it."""
    arrays = other_values()
    del arrays["features.1.num_batches_tracked"]
    Net().load_state_dict(arrays)
    state = Net().state_dict()
    del state["features.1.num_batches_tracked"]
    with pytest.raises(RuntimeError, match=r'Missing.*"features.1.num_batches_tracked"'):
        Net().load_state_dict(state)


def test_assign_takes_the_tensors_themselves() -> None:
    """With assign, values take the place of parameters and buffers, dtype included."""
    net, arrays = Net(), other_values()
    arrays["norm.weight"] = arrays["norm.weight"].astype(np.float64)
    net.norm.weight.requires_grad_(False)
    net.load_state_dict(arrays, assign=True)
    assert net.norm.weight.dtype is qgrad.float64
    assert isinstance(net.norm.weight, nn.Parameter)
    assert not net.norm.weight.requires_grad
    assert np.shares_memory(net.norm.bias.detach().numpy(), arrays["norm.bias"])
    assert isinstance(net.features[1].running_mean, qgrad.Tensor)


def test_non_persistent_buffers_stay_out() -> None:
    """A buffer registered with persistent=False is neither saved nor expected."""
    module = nn.Module()
    module.register_buffer("kept", qgrad.ones(1))
    module.register_buffer("scratch", qgrad.ones(1), persistent=False)
    assert list(module.state_dict()) == ["kept"]
    module.load_state_dict({"kept": qgrad.zeros(1)})
    assert module.kept.item() == 0.0


# -- files ---------------------------------------------------------------------------------------


def test_file_from_pytorch_loads_unchanged(tmp_path: Path) -> None:
    """A safetensors file with PyTorch's keys loads with every value equal."""
    from safetensors.numpy import save_file as foreign_save

    arrays = other_values()
    foreign_save(arrays, tmp_path / "model.safetensors", metadata={"format": "pt"})
    net = Net()
    net.load_state_dict(load_file(tmp_path / "model.safetensors"))
    for key, value in net.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), arrays[key])
        assert value.numpy().dtype == arrays[key].dtype
    assert read_metadata(tmp_path / "model.safetensors") == {"format": "pt"}


def test_file_round_trip(tmp_path: Path) -> None:
    """What is saved is loaded: values, dtypes, shapes, scalars, strided views, metadata."""
    path = tmp_path / "state.safetensors"
    tensors = {
        "scalar": qgrad.tensor(3),
        "strided": qgrad.from_numpy(np.arange(6.0).reshape(2, 3).T),
        "flags": qgrad.tensor([True, False]),
        "empty": qgrad.zeros(0, 2),
    }
    save_file(tensors, path, metadata={"note": "x"})
    loaded = load_file(str(path))
    assert set(loaded) == set(tensors)
    for name, tensor in tensors.items():
        assert loaded[name].shape == tensor.shape
        assert loaded[name].dtype is tensor.dtype
        np.testing.assert_array_equal(loaded[name].numpy(), tensor.numpy())
    assert read_metadata(path) == {"note": "x"}


def test_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A save that fails half way leaves the old file whole and no other behind."""
    path = tmp_path / "state.safetensors"
    save_file({"x": qgrad.ones(2)}, path)

    def fail(source: str, target: str) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save_file({"x": qgrad.zeros(2)}, path)
    assert os.listdir(tmp_path) == ["state.safetensors"]
    assert load_file(path)["x"].numpy().all()


@pytest.mark.parametrize(
    ("state", "metadata", "message"),
    [
        ([1], None, "state_dict is a list"),
        ({"x": [1.0]}, None, "'x' is a list"),
        ({1: np.zeros(1)}, None, "a name is 1"),
        ({}, {"a": 1}, "Encode other values as JSON"),
    ],
)
def test_save_errors(tmp_path: Path, state: Any, metadata: Any, message: str) -> None:
    """Only tensors under string names, and strings in the metadata, can be saved."""
    with pytest.raises(TypeError, match=message):
        save_file(state, tmp_path / "x.safetensors", metadata)
    assert not os.listdir(tmp_path)


def test_load_errors(tmp_path: Path) -> None:
    """Files that are no safetensors are refused by name; a missing file is the system's error."""
    path = tmp_path / "broken.safetensors"
    path.write_bytes(b"not a model")
    with pytest.raises(ModelFormatError, match=r"load_file: .*broken.safetensors"):
        load_file(path)
    with pytest.raises(ModelFormatError, match=r"read_metadata: .*broken.safetensors"):
        read_metadata(path)
    with pytest.raises(FileNotFoundError):
        load_file(tmp_path / "missing.safetensors")


def test_bfloat16_is_refused_with_a_reason(tmp_path: Path) -> None:
    """NumPy has no bfloat16: the error says what to save instead."""
    header = b'{"x":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}'
    path = tmp_path / "half.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0")
    with pytest.raises(ModelFormatError, match="save bfloat16 as float32"):
        load_file(path)
