"""Networks of other makes than mixlab's, as users write them: of mixlab they use its front end at most."""

from itertools import pairwise

import torch
import torchaudio
import torchvision
from torch import Tensor, nn

from mixlab.models import MelFrontEnd, ModelConfig
from mixlab.models.base import Card, OneLayerHead


class WaveNet(nn.Module):
    """One-dimensional convolutions on the waveform."""

    def __init__(self, n_classes: int, width: int = 8, dropout: float = 0.1) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv1d(1, width, 64, stride=16),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Conv1d(width, 2 * width, 16, stride=4),
            nn.BatchNorm1d(2 * width),
            nn.ReLU(),
            nn.AdaptiveAvgPool1d(1),
            nn.Flatten(),
        )
        self.head = nn.Sequential(
            nn.Linear(2 * width, width),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, n_classes),
        )

    def forward(self, audio: Tensor) -> Tensor:
        return self.head(self.backbone(audio))


class StftNet(nn.Module):
    """A magnitude spectrogram as channels over time; parts under names of its own, and a fixed rate."""

    head_names = ("norm", "out")
    sample_rate = 8000
    min_samples = 256

    def __init__(self, n_classes: int, n_fft: int = 256, sizes: tuple[int, ...] = (12, 10)) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(n_fft))
        self.scale = nn.Parameter(torch.ones(n_fft // 2 + 1, 1))
        widths = (n_fft // 2 + 1, *sizes)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv1d(a, b, 3, padding=1), nn.BatchNorm1d(b), nn.ReLU(), nn.Dropout(0.2))
            for a, b in pairwise(widths)
        )
        self.norm = nn.BatchNorm1d(sizes[-1], affine=False)
        self.out = nn.Linear(sizes[-1], n_classes)

    def embed(self, audio: Tensor) -> Tensor:
        spectrum = torch.stft(
            audio[:, 0].float(), len(self.window), window=self.window, return_complex=True
        ).abs()
        x = self.scale * torch.log1p(spectrum)
        for layer in self.layers:
            x = layer(x)
        return x.mean(dim=2)

    def classify(self, embedding: Tensor) -> Tensor:
        return self.out(self.norm(embedding))

    def forward(self, audio: Tensor) -> Tensor:
        return self.classify(self.embed(audio))


class ImageNet(nn.Module):
    """A network for pictures, on a mel picture in place of one."""

    def __init__(self, n_classes: int, sample_rate: int, n_mels: int = 32) -> None:
        super().__init__()
        net = torchvision.models.resnet18(weights=None)
        net.conv1 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
        size, net.fc = net.fc.in_features, nn.Identity()
        self.backbone = nn.Sequential(MelFrontEnd(sample_rate, n_fft=256, hop=128, n_mels=n_mels), net)
        self.head = nn.Linear(size, n_classes)

    def forward(self, audio: Tensor) -> Tensor:
        return self.head(self.backbone(audio))


class Patches(nn.Module):
    """Patches of a mel spectrogram as a sequence, with learnt positions and a token that sums up."""

    def __init__(self, sample_rate: int, size: int, depth: int, most: int) -> None:
        super().__init__()
        self.spectrogram = torchaudio.transforms.MelSpectrogram(
            sample_rate, n_fft=256, hop_length=128, n_mels=16
        )
        self.patch = nn.Conv2d(1, size, (16, 4), stride=(16, 4))
        self.token = nn.Parameter(torch.zeros(1, 1, size))
        self.positions = nn.Parameter(0.02 * torch.randn(1, most + 1, size))
        layer = nn.TransformerEncoderLayer(size, 2, 2 * size, dropout=0.1, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)

    def forward(self, audio: Tensor) -> Tensor:
        x = torch.log(self.spectrogram(audio.float()) + 1e-6)
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], dim=1)
        return self.layers(x + self.positions[:, : x.shape[1]])[:, 0]


class Transformer(nn.Module):
    """A small transformer."""

    def __init__(
        self, n_classes: int, sample_rate: int, size: int = 16, depth: int = 2, most: int = 64
    ) -> None:
        super().__init__()
        self.backbone = Patches(sample_rate, size, depth, most)
        self.head = nn.Sequential(nn.LayerNorm(size), nn.Linear(size, n_classes))

    def forward(self, audio: Tensor) -> Tensor:
        return self.head(self.backbone(audio))


class MelMean(OneLayerHead):
    """A network on mixlab's mel front end, with its settings and one of its own."""

    card = Card("frames by themselves, then their mean", n_mels=32, width=8)

    def __init__(self, config: ModelConfig, n_classes: int, depth: int = 1) -> None:
        super().__init__(config, n_classes)
        widths = [self.config.n_mels, *[self.config.width] * depth]
        self.layers = nn.Sequential(*(nn.Conv1d(a, b, 1) for a, b in pairwise(widths)), nn.ReLU())
        self.add_head(self.config.width, n_classes)

    def encode(self, features: Tensor) -> Tensor:
        return self.layers(features[:, 0]).mean(dim=2)
