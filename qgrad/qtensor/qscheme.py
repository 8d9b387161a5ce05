"""How a tensor can be quantized: one scale or one per channel, affine or symmetric."""

from __future__ import annotations

from typing import Any, Final

__all__ = [
    "QScheme",
    "per_channel_affine",
    "per_channel_symmetric",
    "per_tensor_affine",
    "per_tensor_symmetric",
]


class QScheme:
    """A quantization scheme; there is one instance of each, so `is` and `==` agree."""

    __slots__ = ("name",)

    name: str

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"qgrad.{self.name}"

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return _by_name, (self.name,)


per_tensor_affine: Final = QScheme("per_tensor_affine")
per_tensor_symmetric: Final = QScheme("per_tensor_symmetric")
per_channel_affine: Final = QScheme("per_channel_affine")
per_channel_symmetric: Final = QScheme("per_channel_symmetric")

_ALL: Final = {
    scheme.name: scheme
    for scheme in (
        per_tensor_affine,
        per_tensor_symmetric,
        per_channel_affine,
        per_channel_symmetric,
    )
}


def _by_name(name: str) -> QScheme:
    return _ALL[name]
