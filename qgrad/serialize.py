"""State dicts in safetensors files: no code in the file, and the same file loads in PyTorch.

>>> model = qgrad.nn.Linear(3, 2)
>>> qgrad.save_file(model.state_dict(), "model.safetensors")
>>> model.load_state_dict(qgrad.load_file("model.safetensors"))
<All keys matched successfully>
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qgrad.boxing import box
from qgrad.errors import ModelFormatError
from qgrad.files import write_whole
from qgrad.tensor import Tensor

__all__ = ["load", "load_file", "read_metadata", "save", "save_file"]

Path = str | os.PathLike[str]


def save_file(
    state_dict: Mapping[str, Any], path: Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors (or arrays) by name to `path`, with strings by name in the file's header.

    The file appears under its name only when it is complete.
    """
    numpy_format = _safetensors("save_file")
    if not isinstance(state_dict, Mapping):
        raise TypeError(
            f"save_file: state_dict is a {type(state_dict).__name__}, but must map names to "
            "tensors. Pass model.state_dict()."
        )
    arrays = {_checked_name(name): _array(name, value) for name, value in state_dict.items()}
    for key, text in (metadata or {}).items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise TypeError(
                f"save_file: metadata has {key!r}: {text!r}, but both must be str. "
                "Encode other values as JSON."
            )
    write_whole(path, numpy_format.save(arrays, metadata=dict(metadata) if metadata else None))


def load_file(path: Path) -> dict[str, Tensor]:
    """Read a file written by `save_file`, or by the safetensors library for any framework.

    Raises ModelFormatError if the file is not well formed or holds a type NumPy does not have.
    """
    numpy_format = _safetensors("load_file")
    from safetensors import SafetensorError

    try:
        arrays = numpy_format.load_file(path)
    except (SafetensorError, KeyError, TypeError, AttributeError) as error:
        # NumPy lacks bfloat16 and float8: the library stops on them in ways that vary by version.
        raise ModelFormatError(
            f"load_file: {os.fspath(path)}: {type(error).__name__}: {error}. It must be a "
            "safetensors file of float, integer or bool tensors; save bfloat16 as float32."
        ) from error
    return {name: box(array) for name, array in arrays.items()}


def read_metadata(path: Path) -> dict[str, str]:
    """The strings by name that `save_file` was given as `metadata`."""
    _safetensors("read_metadata")
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            return dict(file.metadata() or {})
    except SafetensorError as error:
        raise ModelFormatError(
            f"read_metadata: {os.fspath(path)}: {error}. It must be a safetensors file."
        ) from error


save = save_file
load = load_file


def _safetensors(where: str) -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            f"{where}: the safetensors library is missing. Install it: pip install safetensors"
        ) from error
    return safetensors.numpy


def _checked_name(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(f"save_file: a name is {name!r}, but names must be str.")
    return name


def _array(name: str, value: Any) -> NDArray[Any]:
    array = value._data if isinstance(value, Tensor) else value
    if not isinstance(array, np.ndarray):
        raise TypeError(
            f"save_file: {name!r} is a {type(value).__name__}, but must be a Tensor or NumPy array."
        )
    # Not ascontiguousarray: it would turn a scalar into one dimension.
    return array if array.flags.c_contiguous else array.copy(order="C")
