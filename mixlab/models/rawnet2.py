"""RawNet2: a bank of learnt band-pass filters on the waveform, residual blocks, and a recurrent layer.

Jung et al. 2020, "Improved RawNet with Feature Map Scaling for Text-independent Speaker Verification using
Raw Waveforms" (https://github.com/Jungjee/RawNet), as Huang et al., "Curious Case of Transfer Learning in
Audio Domain", Table 1, take it for genres. The first layer is SincNet's (Ravanelli and Bengio 2018,
"Speaker Recognition from Raw Waveform with SincNet").
"""

import math
from itertools import pairwise
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from mixlab.errors import ConfigError
from mixlab.models.waveform import check_audio

__all__ = ["RawNet2"]

POOLING = 3
N_NARROW, N_WIDE = 2, 4
"""Residual blocks of the first layer's width, and of twice that."""

SLOPE = 0.3
"""Slope of LeakyReLU below zero: that of Keras, in which RawNet was first written."""

EMBEDDING_NORM = 10.0
"""Length that embeddings are brought to before the last layer, as in the published code."""

MIN_LOW_HZ = MIN_BAND_HZ = 50.0
FIRST_HZ = 30.0
_LEAST = 1e-6
_POSITIONS = 9  # of the filters in each stretch of audio; 3 to 27 are about as fast


class SincConv(nn.Module):
    """Band-pass filters of which only the two edges are learnt: ``(B, 1, T) -> (B, filters, 1, T)``.

    Edges start evenly spaced on the mel scale, from 80 Hz on; a band is never narrower than 50 Hz. Filters
    are windowed (Hamming), symmetric, and 1 at the centre.

    A convolution of one channel is slow on CPUs. Here it is a product of matrices: stretches of audio by
    copies of the filters, each a sample later than the one before. Its result lies in memory with channels
    last, as the blocks behind want it.
    """

    def __init__(self, n_filters: int, taps: int, sample_rate: int) -> None:
        super().__init__()
        self.taps, self.sample_rate = taps, sample_rate
        edges_hz = _mel_spaced(FIRST_HZ, sample_rate / 2 - (MIN_LOW_HZ + MIN_BAND_HZ), n_filters + 1)
        self.low_hz = nn.Parameter(edges_hz[:-1, None])
        self.band_hz = nn.Parameter(edges_hz.diff()[:, None])
        half = torch.arange(-(taps // 2), 0, dtype=torch.float64)
        window = 0.54 + 0.46 * torch.cos(2 * math.pi * half / (taps - 1))
        self.register_buffer("angle", (2 * math.pi * half / sample_rate).float()[None], persistent=False)
        self.register_buffer("window", window.float(), persistent=False)

    def kernels(self) -> Tensor:
        """Return the filters ``(filters, 1, taps)`` in float32."""
        low = MIN_LOW_HZ + self.low_hz.abs()
        high = torch.clamp(low + MIN_BAND_HZ + self.band_hz.abs(), MIN_LOW_HZ, self.sample_rate / 2)
        angle, window = cast(Tensor, self.angle), cast(Tensor, self.window)
        # The difference of two sincs, divided by its value at the centre, 2 * (high - low).
        left = (torch.sin(high * angle) - torch.sin(low * angle)) * window / (angle * (high - low))
        return torch.cat([left, torch.ones_like(low), left.flip(1)], dim=1)[:, None]

    def forward(self, audio: Tensor) -> Tensor:
        """Return the filtered signals, as long as the audio."""
        with torch.autocast(audio.device.type, enabled=False):
            kernels = self.kernels()[:, 0]
        shifted = [functional.pad(kernels, (k, _POSITIONS - 1 - k)) for k in range(_POSITIONS)]
        n_samples, half = audio.shape[2], self.taps // 2
        behind = half + -n_samples % _POSITIONS
        stretches = functional.pad(audio[:, 0], (half, behind)).unfold(
            1, self.taps + _POSITIONS - 1, _POSITIONS
        )
        found = stretches @ torch.cat(shifted).t()
        found = found.reshape(len(audio), -1, len(kernels))[:, :n_samples]
        return found.transpose(1, 2)[:, :, None]


def _mel_spaced(low_hz: float, high_hz: float, count: int) -> Tensor:
    low, high = (2595 * math.log10(1 + hz / 700) for hz in (low_hz, high_hz))
    mels = torch.linspace(low, high, count, dtype=torch.float64)
    return (700 * (10 ** (mels / 2595) - 1)).float()


class FeatureMapScaling(nn.Module):
    """Scale and shift each channel by a number between 0 and 1 that is read off the channels' means.

    ``(B, channels, 1, W)`` stays that.
    """

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.fc = nn.Linear(n_channels, n_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x * s + s``."""
        scale = torch.sigmoid(self.fc(x.mean(dim=(2, 3))))[:, :, None, None]
        return x * scale + scale


class ResidualBlock(nn.Module):
    """Batch norm, two convolutions, the input added, pooling, scaling.

    ``(B, in, 1, W) -> (B, out, 1, W // 3)``: maps of height 1, as CPUs convolve these faster than rows.

    Args:
        n_in: Channels of the input.
        n_out: Channels of the output.
        first: Leave out the batch norm and LeakyReLU at the start: the layer before has ended with them.
    """

    def __init__(self, n_in: int, n_out: int, *, first: bool = False) -> None:
        super().__init__()
        self.bn1 = None if first else nn.BatchNorm2d(n_in)
        self.conv1 = nn.Conv2d(n_in, n_out, (1, 3), padding=(0, 1))
        self.bn2 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, (1, 3), padding=(0, 1))
        self.shortcut = nn.Conv2d(n_in, n_out, 1) if n_in != n_out else None
        self.scaling = FeatureMapScaling(n_out)

    def forward(self, x: Tensor) -> Tensor:
        """Return the pooled and scaled map."""
        y = x if self.bn1 is None else functional.leaky_relu(self.bn1(x), SLOPE)
        y = functional.leaky_relu(self.bn2(self.conv1(y)), SLOPE)
        y = self.conv2(y) + (x if self.shortcut is None else self.shortcut(x))
        return cast(Tensor, self.scaling(functional.max_pool2d(y, (1, POOLING))))


class RawNet2(nn.Module):
    """Sinc filters on the waveform, six residual blocks, a GRU, and a speaker embedding.

    Trained on 59,049 samples: ``3 ** 10``, of which pooling by 3 leaves 27 steps. At the 16 kHz of the
    published network that is 3.69 s; at the 22,050 Hz of librosa, with which Huang et al. prepared their
    audio, 2.68 s (their "about 3 seconds"). With published sizes and 16 outputs it has 7,012,880 parameters
    and the shapes of their Table 1. Where the table is silent or contradicts itself:

    - ``(19683, 128)`` after the first layer is a third of the input: the filters are padded to keep its
      length. The published code does not pad, and comes down to 26 steps where the table has 27.
    - Magnitudes of the filtered signals are pooled, and what enters is normalised window by window to mean 0
      and deviation 1 (the published code learns a gain for each of the 59,049 samples besides, which would
      bind the network to one length).
    - Each block scales its map by itself after pooling ("feature map scaling", ``x * s + s``). Both
      batch norms of a block are followed by a LeakyReLU, of slope .3; the first block has none at its start,
      as the layer before has just ended with both. A block that widens has a convolution of one step as
      shortcut.
    - A batch norm stands before the GRU; its last state counts. Embeddings have the length 10 before the
      last layer.

    The weights that the authors of RawNet2 released were trained with a version in which the first batch norm
    of each block was computed and not used; they are not those of this network.

    Args:
        n_classes: Number of outputs C.
        sample_rate: Of the audio in Hz; the filters reach up to half of it.
        width: Channels of the first blocks, and filters; later blocks have twice as many.
        taps: Length of the filters in samples; odd.
        gru: Units of the recurrent layer.
        dense: Values of an embedding.

    Shape:
        Input: ``(B, 1, T)`` audio, ``T`` at least ``min_samples``. Output: ``(B, C)`` logits, without
        softmax.
    """

    head_names: ClassVar[tuple[str, ...]] = ("output",)
    """The last layer alone; what comes before gives the speaker embedding."""

    def __init__(
        self,
        n_classes: int,
        sample_rate: int = 16000,
        width: int = 128,
        taps: int = 251,
        gru: int = 1024,
        dense: int = 1024,
    ) -> None:
        super().__init__()
        _check_settings(width, taps, gru, dense)
        self.sample_rate = sample_rate
        self.sinc = SincConv(width, taps, sample_rate)
        self.bn = nn.BatchNorm2d(width)
        widths = [width] * (N_NARROW + 1) + [2 * width] * N_WIDE
        self.blocks = nn.ModuleList(
            [ResidualBlock(a, b, first=k == 0) for k, (a, b) in enumerate(pairwise(widths))]
        )
        self.bn_gru = nn.BatchNorm2d(2 * width)
        self.gru = nn.GRU(2 * width, gru, batch_first=True)
        self.embedding = nn.Linear(gru, dense)
        self.embedding_size = dense
        self.output = nn.Linear(dense, n_classes)

    @property
    def block_names(self) -> tuple[str, ...]:
        """Names of the residual blocks and the recurrent layer, lowest first."""
        return (*(f"blocks.{k}" for k in range(len(self.blocks))), "gru")

    @property
    def min_samples(self) -> int:
        """Shortest input in samples: seven poolings by 3 leave one step."""
        return int(POOLING ** (1 + N_NARROW + N_WIDE))

    def filter(self, audio: Tensor) -> Tensor:
        """Return ``(B, width, 1, T // 3)``: pooled magnitudes of the filtered signals, normalised."""
        audio = audio - audio.mean(dim=2, keepdim=True)
        audio = audio / (audio.std(dim=2, keepdim=True) + _LEAST)
        pooled = functional.max_pool2d(self.sinc(audio).abs(), (1, POOLING))
        return functional.leaky_relu(self.bn(pooled), SLOPE)

    def embed(self, audio: Tensor) -> Tensor:
        """Return embeddings ``(B, dense)`` of length 10."""
        check_audio(audio, "rawnet2", self.sample_rate, self.min_samples)
        x = self.filter(audio)
        for block in self.blocks:
            x = block(x)
        x = functional.leaky_relu(self.bn_gru(x), SLOPE)
        steps, _ = self.gru(x[:, :, 0].transpose(1, 2).contiguous())
        return EMBEDDING_NORM * functional.normalize(self.embedding(steps[:, -1]), eps=_LEAST)

    def classify(self, embedding: Tensor) -> Tensor:
        """Return logits ``(B, C)`` for embeddings ``(B, dense)``: the last layer."""
        return cast(Tensor, self.output(embedding))

    def forward(self, audio: Tensor) -> Tensor:
        """Return logits ``(B, C)`` for audio ``(B, 1, T)``."""
        return self.classify(self.embed(audio))


def _check_settings(width: int, taps: int, gru: int, dense: int) -> None:
    for name, value, least in (("width", width, 1), ("taps", taps, 3), ("gru", gru, 1), ("dense", dense, 1)):
        if value < least:
            raise ConfigError(
                f"model.parameters.{name} of rawnet2 must be at least {least}, got {value}.",
                code="invalid-setting",
            )
    if taps % 2 == 0:
        raise ConfigError(
            f"model.parameters.taps of rawnet2 must be odd, so that filters are symmetric; got {taps}.",
            code="invalid-setting",
        )
