"""musicnn (Pons et al. 2018): filters as high as timbres and as long as rhythms, then a dense back end.

In the variant that Won et al. 2020 published weights of.
"""

import torch
from torch import Tensor, nn

from mixlab.models.base import TwoLayerHead
from mixlab.models.config import ModelConfig

__all__ = ["Musicnn"]

N_TIMBRE = 204
N_RHYTHM = 51
TIMBRE_HEIGHTS = (0.7, 0.4)
"""Heights of the timbre filters as parts of the mel bands: 67 and 38 of 96."""
TIMBRE_FRAMES = 7
RHYTHM_FRAMES = (129, 65, 33)
"""Lengths of the rhythm filters: 2.1, 1.0 and 0.5 s at the published hop."""
BACK_END_FRAMES = 7


class TimbreFilter(nn.Module):
    """A tall filter, then the maximum over frequency: ``(B, 1, H, W) -> (B, out, W)``, whatever the pitch."""

    def __init__(self, n_out: int, height: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, n_out, (height, TIMBRE_FRAMES), padding=(0, TIMBRE_FRAMES // 2))
        self.bn = nn.BatchNorm2d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Return one row per filter."""
        return torch.relu(self.bn(self.conv(x))).amax(dim=2)


class RhythmFilter(nn.Module):
    """The mean over frequency, then a long filter: ``(B, 1, H, W) -> (B, out, W)``."""

    def __init__(self, n_out: int, length: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, n_out, length, padding=length // 2)
        self.bn = nn.BatchNorm1d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Return one row per filter."""
        return torch.relu(self.bn(self.conv(x.mean(dim=2))))


class TimeFilter(nn.Module):
    """Convolution over time, batch norm, ReLU: ``(B, in, W) -> (B, out, W)``."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(n_in, n_out, BACK_END_FRAMES, padding=BACK_END_FRAMES // 2)
        self.bn = nn.BatchNorm1d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Return as many frames as came in."""
        return torch.relu(self.bn(self.conv(x)))


class Musicnn(TwoLayerHead):
    """musicnn: timbre and rhythm filters, three residual layers over time, maximum and mean, head.

    With published sizes and 50 outputs it has 784,300 parameters; keys ``layers.{0..4}``, ``layer{1,2,3}``.
    Trained on 3 s; time is pooled over whatever length comes.
    """

    def __init__(self, config: ModelConfig, n_classes: int) -> None:
        super().__init__(config, n_classes)
        width = self.config.width
        timbre = [TimbreFilter(N_TIMBRE, int(part * self.config.n_mels)) for part in TIMBRE_HEIGHTS]
        rhythm = [RhythmFilter(N_RHYTHM, length) for length in RHYTHM_FRAMES]
        self.layers = nn.ModuleList([*timbre, *rhythm])
        n_front = len(timbre) * N_TIMBRE + len(rhythm) * N_RHYTHM
        self.layer1 = TimeFilter(n_front, width)
        self.layer2 = TimeFilter(width, width)
        self.layer3 = TimeFilter(width, width)
        self.add_head(2 * (n_front + 3 * width), n_classes)

    def encode(self, features: Tensor) -> Tensor:
        """Return ``(B, 2 * (561 + 3 * width))``: maximum over time of all layers, then mean over time."""
        front = torch.cat([layer(features) for layer in self.layers], dim=1)
        first = self.layer1(front)
        second = self.layer2(first) + first
        third = self.layer3(second) + second
        rows = torch.cat([front, first, second, third], dim=1)
        return torch.cat([rows.amax(dim=2), rows.mean(dim=2)], dim=1)
