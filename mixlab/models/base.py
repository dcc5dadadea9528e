"""What the built-in networks share: settings with published values, the mel front end, heads, blocks."""

import re
from dataclasses import dataclass, replace
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from mixlab.errors import ConfigError
from mixlab.models.bands import LOWEST_HZ, most_log_bands
from mixlab.models.config import ModelConfig
from mixlab.models.front_end import MelFrontEnd

__all__ = ["Card", "TaggingModel"]


@dataclass(frozen=True)
class Card:
    """What is published of a network: whose it is, and what 0 stands for in its settings.

    Attributes:
        title: One line for people, with the source.
        n_mels: Mel bands.
        width: Channels, as ``ModelConfig.width`` counts them.
        dense: Units of the hidden fully connected layer; None where the head is a single layer.
    """

    title: str
    n_mels: int
    width: int
    dense: int | None = None


class TaggingModel(MelFrontEnd):
    """A tagger on the mel front end: that, a backbone (``embed``) and a head (``classify``).

    The front end is inherited rather than a part with a name of its own: published checkpoints call its
    entries ``spec.*`` and ``spec_bn.*``.

    Args:
        config: Its settings.
        n_classes: Number of outputs C.

    Attributes:
        config: Its settings, with published values in place of zeros.
        embedding_size: Values E of an embedding: the input of the first fully connected layer.

    Shape:
        Input: ``(B, 1, T)`` float audio at ``config.sample_rate``, full scale at +-1, ``T`` at least
        ``min_samples``. Output: ``(B, C)`` logits, without sigmoid.
    """

    card: ClassVar[Card]
    """What is published of it."""

    head_names: ClassVar[tuple[str, ...]] = ("dense1", "bn", "dropout", "dense2")
    """Top modules that belong to the head; the last one gives the logits. All else is backbone."""

    embedding_size: int

    def __init__(self, config: ModelConfig, n_classes: int) -> None:
        config = type(self).resolve(config)
        super().__init__(
            config.sample_rate,
            config.n_fft,
            config.hop,
            config.n_mels,
            config.f_max,
            config.level,
            magnitude=config.magnitude,
            frequency_weighting=config.frequency_weighting,
            standardise=config.standardise,
            scale=config.scale,
            spectrogram=config.spectrogram,
            bins_per_octave=config.bins_per_octave,
        )
        self.config = config

    @classmethod
    def resolve(cls, config: ModelConfig) -> ModelConfig:
        """Return the settings with the published value in every place that says 0.

        Raises:
            ConfigError: a setting that this network does not have, or a value that it cannot have.
        """
        name, card = config.architecture, cls.card
        if not 0 < config.f_max <= config.sample_rate / 2:
            raise ConfigError(
                f"model.f_max must lie in (0, {config.sample_rate / 2:g}] Hz, half of model.sample_rate; "
                f"got {config.f_max:g}.",
                code="invalid-setting",
            )
        if config.n_mels and config.n_mels < 4:
            raise ConfigError(
                f"model.n_mels must be at least 4, got {config.n_mels}.", code="invalid-setting"
            )
        if config.n_layers:
            raise ConfigError(
                f"model.n_layers belongs to the short-chunk networks; {name} has a fixed depth, "
                f"so leave it 0, got {config.n_layers}.",
                code="conflicting-settings",
            )
        if config.dense and card.dense is None:
            raise ConfigError(
                f"{name} has no hidden fully connected layer: leave model.dense 0, got {config.dense}.",
                code="conflicting-settings",
            )
        return replace(
            config,
            n_mels=_n_bands(config, card.n_mels),
            width=config.width or card.width,
            dense=config.dense or card.dense or 0,
        )

    @property
    def block_names(self) -> tuple[str, ...]:
        """Names of the modules that are its blocks, lowest first: those called ``layer1``, ``layer2``, ..."""
        return tuple(name for name, _ in self.named_children() if re.fullmatch(r"layer\d+", name))

    @property
    def min_frames(self) -> int:
        """Fewest spectrogram frames that leave at least one after all poolings."""
        return 1

    @property
    def min_samples(self) -> int:
        """Shortest input in samples: ``min_frames``, and what the spectrogram needs for its edges."""
        return max((self.min_frames - 1) * self.hop, super().min_samples)

    def too_short(self, n_samples: int) -> str:
        """Say that so many samples are too few, and what to do."""
        rate = self.config.sample_rate
        return (
            f"Audio of {n_samples / rate:.3f} s is too short: {self.config.architecture} at hop "
            f"{self.hop} needs at least {self.min_samples / rate:.3f} s ({self.min_samples} samples "
            f"at {rate} Hz). Use longer mixes (mix.duration_s) or windows (windows.duration_s), a smaller "
            "model.hop or fewer model.n_layers."
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


def _n_bands(config: ModelConfig, published: int) -> int:
    """Return the number of bands; refuse logarithmic ones below the audible range."""
    if config.spectrogram == "mel":
        if config.bins_per_octave != ModelConfig.bins_per_octave:
            raise ConfigError(
                "model.bins_per_octave belongs to model.spectrogram=log_frequency; mel bands have none, so "
                f"leave it {ModelConfig.bins_per_octave}, got {config.bins_per_octave}.",
                code="conflicting-settings",
            )
        return config.n_mels or published
    most = most_log_bands(config.f_max, config.bins_per_octave)
    n_bands = config.n_mels or min(published, most)
    if not 4 <= n_bands <= most:
        raise ConfigError(
            f"model.n_mels must lie between 4 and {most} for model.spectrogram=log_frequency: so many bands, "
            f"{config.bins_per_octave} per octave, lie between {LOWEST_HZ:g} Hz and model.f_max "
            f"({config.f_max:g} Hz); got {n_bands}. Set fewer, or more model.bins_per_octave.",
            code="invalid-setting",
        )
    return n_bands


class TwoLayerHead(TaggingModel):
    """A tagger whose head is dense, batch norm, ReLU, dropout, dense."""

    dense1: nn.Linear
    bn: nn.BatchNorm1d
    dropout: nn.Dropout
    dense2: nn.Linear

    def add_head(self, embedding_size: int, n_classes: int) -> None:
        """Add the head's layers; call it last, so that random weights are sampled in the order of layers."""
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

    head_names: ClassVar[tuple[str, ...]] = ("dropout", "dense")

    dropout: nn.Dropout
    dense: nn.Linear

    def add_head(self, embedding_size: int, n_classes: int) -> None:
        """Add the head's layers; call it last, so that random weights are sampled in the order of layers."""
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
