"""Where a tensor's memory is. There is one device, the CPU."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["Device", "check_device", "cpu"]


class Device:
    """A device by name: `qgrad.device("cpu")`."""

    __slots__ = ("index", "type")

    type: str
    index: int | None

    def __init__(self, type: Any = "cpu", index: int | None = None) -> None:
        name = str(type)
        if name not in ("cpu", "cpu:0"):
            raise ValueError(f"device: {name!r} is not available, the one device is 'cpu'")
        self.type = "cpu"
        self.index = index

    def __repr__(self) -> str:
        return "device(type='cpu')"

    def __str__(self) -> str:
        return "cpu"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device)

    def __hash__(self) -> int:
        return hash("cpu")


cpu: Final = Device()


def check_device(device: Any) -> None:
    """Raise ValueError unless `device` is None or names the CPU."""
    if device is not None:
        Device(device)
