"""A small residual CNN, written as any float model: nothing here knows of quantization."""

from __future__ import annotations

from qgrad import Tensor, nn

__all__ = ["Block", "DigitNet"]


class Block(nn.Module):
    """Two convolutions around which the input takes a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        y = nn.functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return nn.functional.relu(x + y)


class DigitNet(nn.Module):
    """Pixels (N, 1, 8, 8) to scores of the ten digits (N, 10); 54,010 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()
        )
        self.block1 = Block(16)
        self.pool = nn.MaxPool2d(2)
        self.widen = nn.Sequential(
            nn.Conv2d(16, 48, 3, padding=1, bias=False), nn.BatchNorm2d(48), nn.ReLU()
        )
        self.block2 = Block(48)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(48, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the ten digits."""
        x = self.pool(self.block1(self.stem(x)))
        x = self.average(self.block2(self.widen(x)))
        return self.head(x.flatten(1))
