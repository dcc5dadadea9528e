"""Networks of one's own for tests of trainings: small, and without dropout, so that none of it is chance."""

from torch import Tensor, nn

__all__ = ["Normed", "Plain"]


class Plain(nn.Module):
    """A convolution on the waveform, the mean over time, and one layer on top."""

    def __init__(self, n_classes: int, width: int = 8) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv1d(1, width, 64, stride=16), nn.ReLU(), _Mean())
        self.head = nn.Linear(width, n_classes)

    def forward(self, audio: Tensor) -> Tensor:
        """Return logits ``(B, C)``."""
        return self.head(self.backbone(audio))


class Normed(Plain):
    """The same with batch norm, the other thing that depends on who else is in a batch."""

    def __init__(self, n_classes: int, width: int = 8) -> None:
        super().__init__(n_classes, width)
        conv, relu, mean = self.backbone
        self.backbone = nn.Sequential(conv, nn.BatchNorm1d(width), relu, mean, nn.BatchNorm1d(width))


class _Mean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(2)
