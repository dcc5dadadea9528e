"""musicnn (Pons et al. 2018): filters as high as timbres and as long as rhythms, then a dense back end.

In the variant that Won et al. 2020 published weights of.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from mixlab.models.base import Card, TwoLayerHead
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

_BAND = 8  # positions of a timbre filter per convolution; 6 to 10 are about as fast


class TimbreFilter(nn.Module):
    """A tall filter, then the maximum over frequency: ``(B, 1, H, W) -> (B, out, W)``, whatever the pitch.

    The result is ``relu(bn(conv(x))).amax(2)``, taken another way: a convolution of one channel with so tall
    a filter is slow, on CPUs above all. A few neighbouring positions at a time are one convolution over
    time, with mel bands as channels and shifted copies of the filter as outputs; and because batch norm
    rises or falls with its input, only the highest (or lowest) position of a filter has to be normalised.
    """

    def __init__(self, n_out: int, height: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, n_out, (height, TIMBRE_FRAMES), padding=(0, TIMBRE_FRAMES // 2))
        self.bn = nn.BatchNorm2d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Return one row per filter."""
        # Filters whose batch norm falls are turned over, so that the highest position counts for all.
        sign = torch.where(self.bn.weight >= 0, 1.0, -1.0)
        kernel = self.conv.weight[:, 0] * sign[:, None, None].to(self.conv.weight.dtype)
        peaks, parts = [], []
        for first in range(0, x.shape[2] - kernel.shape[1] + 1, _BAND):
            count = min(_BAND, x.shape[2] - kernel.shape[1] + 1 - first)
            found = _at_positions(x[:, 0, first : first + count + kernel.shape[1] - 1], kernel, count)
            peaks.append(found.amax(dim=1))
            if self.bn.training:
                parts.append((count, *torch.var_mean(found.float(), dim=(0, 1, 3), correction=0)))
        bn, bias = self.bn, self.conv.bias
        # Never None in a layer made as above; this tells the type checker.
        assert bias is not None
        assert bn.running_mean is not None
        assert bn.running_var is not None
        peak = sign[:, None] * torch.stack(peaks).amax(dim=0).float() + bias[:, None]
        var, mean = bn.running_var, bn.running_mean
        if parts:
            var, mean = _pool(parts)
            mean = sign * mean + bias
            n = peak[:, 0].numel() * sum(count for count, _, _ in parts)
            _follow(bn, var.detach() * (n / max(n - 1, 1)), mean.detach())
        scale = bn.weight * torch.rsqrt(var + bn.eps)
        return torch.relu((peak - mean[:, None]) * scale[:, None] + bn.bias[:, None])


@torch.no_grad()
def _follow(bn: nn.BatchNorm2d, var: Tensor, mean: Tensor) -> None:
    """Let the running statistics follow a batch, as ``BatchNorm2d`` does by itself."""
    assert bn.running_mean is not None
    assert bn.running_var is not None
    assert bn.num_batches_tracked is not None
    bn.num_batches_tracked.add_(1)
    # Without a momentum, the statistics are the mean over all batches so far.
    rate = 1 / float(bn.num_batches_tracked) if bn.momentum is None else bn.momentum
    bn.running_mean.lerp_(mean, rate)
    bn.running_var.lerp_(var, rate)


def _at_positions(band: Tensor, kernel: Tensor, count: int) -> Tensor:
    """Convolve ``(B, height + count - 1, W)`` with ``(out, height, frames)`` at all its ``count`` positions.

    Returns:
        ``(B, count, out, W)``.
    """
    shifted = torch.stack([functional.pad(kernel, (0, 0, k, count - 1 - k)) for k in range(count)])
    found = functional.conv1d(band, shifted.flatten(0, 1), padding=kernel.shape[2] // 2)
    return found.view(len(band), count, len(kernel), band.shape[2])


def _pool(parts: list[tuple[int, Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Return variance and mean of everything from those of its parts, weighted by their counts."""
    total = sum(count for count, _, _ in parts)
    mean = torch.stack([mean * (count / total) for count, _, mean in parts]).sum(dim=0)
    var = torch.stack([(v + (m - mean).square()) * (count / total) for count, v, m in parts]).sum(dim=0)
    return var, mean


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

    card = Card("musically motivated filters (Pons et al. 2018; Won et al. 2020)", 96, 64, dense=200)

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

    @property
    def block_names(self) -> tuple[str, ...]:
        """Its front end, whose filters lie side by side, then the three layers over time."""
        return ("layers", *super().block_names)

    def encode(self, features: Tensor) -> Tensor:
        """Return ``(B, 2 * (561 + 3 * width))``: maximum over time of all layers, then mean over time."""
        front = torch.cat([layer(features) for layer in self.layers], dim=1)
        first = self.layer1(front)
        second = self.layer2(first) + first
        third = self.layer3(second) + second
        rows = torch.cat([front, first, second, third], dim=1)
        return torch.cat([rows.amax(dim=2), rows.mean(dim=2)], dim=1)
