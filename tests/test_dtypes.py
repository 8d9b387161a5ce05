"""Dtypes: one instance each, and the mapping to NumPy and back."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import qgrad
from qgrad import dtypes
from qgrad.errors import DTypeError

EVERY = [value for value in vars(dtypes).values() if isinstance(value, dtypes.DType)]
TENSORS = [dtype for dtype in EVERY if dtype.numpy.kind != "c"]  # complex is for storages only


@pytest.mark.parametrize("dtype", EVERY, ids=repr)
def test_identity_survives_copies(dtype: dtypes.DType) -> None:
    """`is` works after pickle, copy and a trip through the name."""
    assert pickle.loads(pickle.dumps(dtype)) is dtype
    assert copy.deepcopy(dtype) is copy.copy(dtype) is dtype
    assert dtypes.by_name(dtype.name) is dtype
    assert repr(dtype) == f"qgrad.{dtype.name}"


@pytest.mark.parametrize("dtype", TENSORS, ids=repr)
def test_numpy_mapping_is_a_round_trip(dtype: dtypes.DType) -> None:
    """Plain dtypes come back from NumPy's; quantized ones map to the type of their codes."""
    assert dtypes.to_numpy(dtype) == dtype.numpy == dtypes.to_numpy(dtype.numpy)
    assert (dtypes.from_numpy(dtype.numpy) is dtype) == (not dtype.is_quantized)
    if dtype.is_quantized:
        info = np.iinfo(dtype.numpy)
        assert info.min <= dtype.qmin < dtype.qmax <= info.max


def test_python_and_numpy_scalar_types_are_understood() -> None:
    """The types users pass instead of a dtype."""
    assert dtypes.to_numpy(float) == np.float64
    assert dtypes.to_numpy(np.int8) == np.int8
    assert dtypes.to_numpy(bool) == np.bool_


@pytest.mark.parametrize("dtype", [np.dtype(">f4"), np.dtype("U3"), complex, object, "float32", 3])
def test_foreign_types_are_refused(dtype: object) -> None:
    """Anything without a qgrad type is an error that lists what there is."""
    with pytest.raises(DTypeError, match=r"^dtype: .*float32"):
        dtypes.to_numpy(dtype)


@pytest.mark.parametrize("name", ["float31", "", None, ["float32"]])
def test_unknown_names_are_refused(name: object) -> None:
    """A misspelt name lists the known ones."""
    with pytest.raises(DTypeError, match="is not one of float16, float32"):
        dtypes.by_name(name)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [dtypes.float16, dtypes.float32, dtypes.float64])
def test_limits_of_floats(dtype: dtypes.DType) -> None:
    """NumPy's, as Python numbers."""
    info, expected = qgrad.finfo(dtype), np.finfo(dtype.numpy)
    for name in ("bits", "eps", "max", "min", "resolution", "smallest_normal", "tiny"):
        assert getattr(info, name) == getattr(expected, name)
    assert type(info.eps) is float
    with pytest.raises(DTypeError, match=r"finfo: qgrad.int8 is no floating-point dtype"):
        qgrad.finfo(dtypes.int8)


@pytest.mark.parametrize("dtype", [dtypes.int8, dtypes.uint8, dtypes.int64])
def test_limits_of_integers(dtype: dtypes.DType) -> None:
    """NumPy's, as Python numbers."""
    info, expected = qgrad.iinfo(dtype), np.iinfo(dtype.numpy)
    assert (info.bits, info.min, info.max) == (expected.bits, expected.min, expected.max)
    with pytest.raises(DTypeError, match=r"iinfo: qgrad.float32 is no integer dtype"):
        qgrad.iinfo(dtypes.float32)


def test_sizes() -> None:
    """A Size is the tuple that tensors give."""
    size = qgrad.Size([2, 3])
    assert size == qgrad.ones(2, 3).shape
    assert (size.numel(), repr(size)) == (6, "qgrad.Size([2, 3])")
    assert copy.deepcopy(size) == pickle.loads(pickle.dumps(size)) == size
    assert qgrad.is_tensor(qgrad.ones(1)) and not qgrad.is_tensor(size)
    assert qgrad.tril_indices(2, 3, -1).tolist() == [[1], [0]]
    assert qgrad.triu_indices(2, 2).tolist() == [[0, 0, 1], [0, 1, 1]]
