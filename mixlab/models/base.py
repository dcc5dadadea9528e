"""What all models share: the mel front end, the checks of their input, and which layers are the head."""

import warnings
from typing import ClassVar, cast

import torch
import torchaudio
from torch import Tensor, nn

from mixlab.errors import ConfigError
from mixlab.models.config import ModelConfig

__all__ = ["DECIBEL_FLOOR", "TaggingModel", "mel_spectrogram"]

DECIBEL_FLOOR = 1e-10
"""Smallest power before the logarithm, as in the published front end (-100 dB)."""

LEAST_PEAK = 1e-3
"""Peak below which ``level: peak`` lifts no further: what lies 60 dB down is no music."""


def mel_spectrogram(config: ModelConfig) -> torchaudio.transforms.MelSpectrogram:
    """Return the published front end: Hann window, power, HTK mel bands from 0 Hz without area norm."""
    with warnings.catch_warnings():
        # 128 bands on 257 frequencies leave the lowest band without a bin; the published front end is so.
        warnings.filterwarnings("ignore", message="At least one mel filterbank has all zero values")
        return torchaudio.transforms.MelSpectrogram(
            sample_rate=config.sample_rate,
            n_fft=config.n_fft,
            hop_length=config.hop,
            f_min=0.0,
            f_max=config.f_max,
            n_mels=config.n_mels,
            power=2.0,
            norm=None,
            mel_scale="htk",
        )


class TaggingModel(nn.Module):
    """A tagger: front end, backbone (``embed``) and head (``classify``).

    Args:
        config: Shape of the network.
        n_classes: Number of outputs C.

    Attributes:
        config: Shape of the network, with published values in place of zeros.
        embedding_size: Values E of an embedding: the input of the first fully connected layer.

    Shape:
        Input: ``(B, 1, T)`` float audio at ``config.sample_rate``, full scale at +-1, ``T`` at least
        ``min_samples``. Output: ``(B, C)`` logits, without sigmoid.
    """

    head_names: ClassVar[tuple[str, ...]] = ("dense1", "bn", "dense2")
    """Top modules that belong to the head; the last one gives the logits. All else but dropout is front
    end or backbone."""

    embedding_size: int
    spec_bn: nn.BatchNorm2d

    def __init__(self, config: ModelConfig, n_classes: int) -> None:
        super().__init__()
        if n_classes < 1:
            raise ConfigError(f"A model needs at least one class, got {n_classes}.")
        self.config = config.resolved()
        self.spec = mel_spectrogram(self.config)
        self.spec_bn = nn.BatchNorm2d(1)

    @property
    def last_name(self) -> str:
        """Name of the last fully connected layer, whose outputs are the logits."""
        return self.head_names[-1]

    @property
    def min_frames(self) -> int:
        """Fewest spectrogram frames that leave at least one after all poolings."""
        return 1

    @property
    def min_samples(self) -> int:
        """Shortest input in samples: ``min_frames``, and what the spectrogram needs for its edges."""
        return max((self.min_frames - 1) * self.config.hop, self.config.n_fft // 2 + 1)

    def features(self, audio: Tensor) -> Tensor:
        """Return the normalised log-mel map ``(B, 1, n_mels, frames)`` of audio ``(B, 1, T)``, in float32.

        Runs in float32 also under autocast: a power spectrum spans 100 dB, more than bfloat16 resolves.

        Raises:
            ConfigError: the input has another shape, or is shorter than ``min_samples``.
        """
        if audio.ndim != 3 or audio.shape[1] != 1:
            raise ConfigError(f"A model takes mono audio of shape (B, 1, T), got {tuple(audio.shape)}.")
        if audio.shape[-1] < self.min_samples:
            raise ConfigError(self._too_short(audio.shape[-1]))
        with torch.autocast(audio.device.type, enabled=False):
            power = cast(Tensor, self.spec(self._leveled(audio.float())))
            decibels = 10.0 * torch.log10(torch.clamp(power, min=DECIBEL_FLOOR))
            return cast(Tensor, self.spec_bn(decibels))

    def _leveled(self, audio: Tensor) -> Tensor:
        """Return audio at the level that the configuration asks for; silence stays."""
        if self.config.level == "as_mixed":
            return audio
        return audio / audio.abs().amax(dim=-1, keepdim=True).clamp(min=LEAST_PEAK)

    def _too_short(self, n_samples: int) -> str:
        rate = self.config.sample_rate
        return (
            f"Audio of {n_samples / rate:.3f} s is too short: {self.config.architecture} at hop "
            f"{self.config.hop} needs at least {self.min_samples / rate:.3f} s ({self.min_samples} samples "
            f"at {rate} Hz). Use longer mixes (mix.duration_s), a smaller model.hop or fewer model.n_layers."
        )

    def encode(self, features: Tensor) -> Tensor:
        """Return embeddings ``(B, E)`` for maps ``(B, 1, n_mels, frames)``: the backbone alone."""
        raise NotImplementedError

    def embed(self, audio: Tensor) -> Tensor:
        """Return embeddings ``(B, E)`` for audio ``(B, 1, T)``: the input of the head."""
        return self.encode(self.features(audio))

    def classify(self, embedding: Tensor) -> Tensor:
        """Return logits ``(B, C)`` for embeddings ``(B, E)``: the head alone."""
        raise NotImplementedError

    def forward(self, audio: Tensor) -> Tensor:
        """Return logits ``(B, C)`` for audio ``(B, 1, T)``."""
        return self.classify(self.embed(audio))


class TwoLayerHead(TaggingModel):
    """A tagger whose head is dense, batch norm, ReLU, dropout, dense."""

    dense1: nn.Linear
    bn: nn.BatchNorm1d
    dropout: nn.Dropout
    dense2: nn.Linear

    def add_head(self, embedding_size: int, n_classes: int) -> None:
        """Add the head's layers; call it last, so that random weights are drawn in the order of layers."""
        self.embedding_size = embedding_size
        self.dense1 = nn.Linear(embedding_size, self.config.dense)
        self.bn = nn.BatchNorm1d(self.config.dense)
        self.dropout = nn.Dropout(self.config.dropout)
        self.dense2 = nn.Linear(self.config.dense, n_classes)

    def classify(self, embedding: Tensor) -> Tensor:
        """Return logits ``(B, C)`` for embeddings ``(B, E)``: the head alone."""
        x = torch.relu(self.bn(self.dense1(embedding)))
        return cast(Tensor, self.dense2(self.dropout(x)))


class OneLayerHead(TaggingModel):
    """A tagger whose head is dropout and one dense layer."""

    head_names: ClassVar[tuple[str, ...]] = ("dense",)

    dropout: nn.Dropout
    dense: nn.Linear

    def add_head(self, embedding_size: int, n_classes: int) -> None:
        """Add the head's layers; call it last, so that random weights are drawn in the order of layers."""
        self.embedding_size = embedding_size
        self.dropout = nn.Dropout(self.config.dropout)
        self.dense = nn.Linear(embedding_size, n_classes)

    def classify(self, embedding: Tensor) -> Tensor:
        """Return logits ``(B, C)`` for embeddings ``(B, E)``: the head alone."""
        return cast(Tensor, self.dense(self.dropout(embedding)))


class ConvBlock(nn.Module):
    """Conv 3x3, batch norm, ReLU, max-pool: ``(B, in, H, W) -> (B, out, H // p, W // q)``."""

    def __init__(self, n_in: int, n_out: int, pooling: tuple[int, int] = (2, 2)) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, 3, padding=1)
        self.bn = nn.BatchNorm2d(n_out)
        self.pooling = pooling

    def forward(self, x: Tensor) -> Tensor:
        """Return the pooled map."""
        return nn.functional.max_pool2d(torch.relu(self.bn(self.conv(x))), self.pooling)
