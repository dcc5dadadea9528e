"""The STFT ConvNet: five convolutions over the frames of a spectrogram, and three dense layers.

Huang et al., "Curious Case of Transfer Learning in Audio Domain", Table 2; after Chumbalov and Pushnyakov's
entry to the WWW 2018 challenge "Learning to Recognize Musical Genre"
(https://github.com/pushnyakov/WWWMusicalGenreRecognitionChallenge).
"""

from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from mixlab.errors import ConfigError
from mixlab.models.waveform import check_audio

__all__ = ["StftConvNet"]

KERNEL_FRAMES = 4
N_PADDED = 4
DENSE = (480, 240)


class TimeConv(nn.Module):
    """Convolution over frames, then ReLU: ``(B, in, W) -> (B, out, W + before + after - 3)``."""

    def __init__(self, n_in: int, n_out: int, before: int, after: int) -> None:
        super().__init__()
        self.padding = (before, after)
        self.conv = nn.Conv1d(n_in, n_out, KERNEL_FRAMES)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map."""
        return torch.relu(self.conv(functional.pad(x, self.padding)))


class StftConvNet(nn.Module):
    """Magnitude spectrogram, batch norm, five convolutions over time, maximum and mean, dense layers.

    Trained on 3 s at 22,050 Hz (66,150 samples), which are 128 frames of 513 bins. With published sizes and
    16 outputs it has 2,186,466 parameters and the shapes of the paper's Table 2.

    The table leaves a few things to be worked out, and contradicts itself in one:

    - Pooling gives 512 values where the convolution before it has 256 channels. In the cited entry the
      output of the first convolution goes around the four others and stands beside theirs: 256 + 256
      channels, pooled by maximum and by mean, make ``512 + 512 = 1024``. These are the paper's "skip
      connections".
    - The first convolution spans all frequencies, so that only time is left: the table's ``(256, 125, 1)``
      is ``(256, 125)`` here, a convolution over frames with the bins as channels. It is the same layer.
    - Linear magnitudes, windows of 1,024 samples every 512, are the entry's; it takes the first 128 of 130
      frames that stand centred on their times, the first of them half over what lies before the window. Here
      it is the 128 frames that lie wholly within 3 s: the same ones, a frame later.
    - ``Padding(2, 1)``: two frames before and one after, as the table says (Keras, in which the entry is
      written, has one before and two after).
    - The authors' own PyTorch code puts a batch norm after each convolution; neither the table nor the
      entry does, and there is none here. It also puts a softmax before a cross-entropy that has its own.

    Args:
        n_classes: Number of outputs C.
        sample_rate: Of the audio in Hz; published 22,050.
        n_fft: Window of the spectrogram in samples; it has ``n_fft / 2 + 1`` bins.
        hop: Hop of the spectrogram in samples.
        width: Channels of the convolutions; an embedding has four times as many values.
        dropout: Dropout probability before each dense layer, in [0, 1).

    Shape:
        Input: ``(B, 1, T)`` audio at full scale +-1, ``T`` at least ``min_samples``. Output: ``(B, C)``
        logits, without softmax.
    """

    head_names: ClassVar[tuple[str, ...]] = ("dropout", "dense1", "dense2", "output")
    """Top modules of the head; transfer ``last`` replaces ``output``, as the paper does."""

    def __init__(
        self,
        n_classes: int,
        sample_rate: int = 22050,
        n_fft: int = 1024,
        hop: int = 512,
        width: int = 256,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        _check_settings(n_fft, hop, width, dropout)
        self.sample_rate, self.n_fft, self.hop = sample_rate, n_fft, hop
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        # As a map with one channel, like the table's: one scale for all bins.
        self.bn = nn.BatchNorm2d(1)
        self.conv1 = TimeConv(n_fft // 2 + 1, width, 0, 0)
        self.padded = nn.ModuleList([TimeConv(width, width, 2, 1) for _ in range(N_PADDED)])
        self.embedding_size = 4 * width
        self.dropout = nn.Dropout(dropout)
        self.dense1 = nn.Linear(self.embedding_size, DENSE[0])
        self.dense2 = nn.Linear(DENSE[0], DENSE[1])
        self.output = nn.Linear(DENSE[1], n_classes)

    @property
    def block_names(self) -> tuple[str, ...]:
        """Names of the convolutions, lowest first."""
        return ("conv1", *(f"padded.{k}" for k in range(N_PADDED)))

    @property
    def min_samples(self) -> int:
        """Shortest input in samples: frames for one value of the first convolution."""
        return self.n_fft + (KERNEL_FRAMES - 1) * self.hop

    def spectrogram(self, audio: Tensor) -> Tensor:
        """Return normalised magnitudes ``(B, bins, frames)`` of audio ``(B, 1, T)``, in float32."""
        with torch.autocast(audio.device.type, enabled=False):
            spectrum = torch.stft(
                audio[:, 0].float(),
                self.n_fft,
                self.hop,
                window=cast(Tensor, self.window),
                center=False,
                return_complex=True,
            )
            return cast(Tensor, self.bn(spectrum.abs()[:, None]))[:, 0]

    def embed(self, audio: Tensor) -> Tensor:
        """Return ``(B, 4 * width)``: maximum and mean over time of the first and the last convolution."""
        check_audio(audio, "stft_convnet", self.sample_rate, self.min_samples)
        first = self.conv1(self.spectrogram(audio))
        x = first
        for conv in self.padded:
            x = conv(x)
        both = torch.cat([x, first], dim=1)
        return torch.cat([both.amax(dim=2), both.mean(dim=2)], dim=1)

    def classify(self, embedding: Tensor) -> Tensor:
        """Return logits ``(B, C)`` for embeddings ``(B, 4 * width)``: the head alone."""
        x = self.dropout(embedding)
        for dense in (self.dense1, self.dense2):
            x = self.dropout(torch.relu(dense(x)))
        return cast(Tensor, self.output(x))

    def forward(self, audio: Tensor) -> Tensor:
        """Return logits ``(B, C)`` for audio ``(B, 1, T)``."""
        return self.classify(self.embed(audio))


def _check_settings(n_fft: int, hop: int, width: int, dropout: float) -> None:
    for name, value, fits, expected in (
        ("n_fft", n_fft, n_fft >= 2 and n_fft % 2 == 0, "even, at least 2"),
        ("hop", hop, hop >= 1, "at least 1"),
        ("width", width, width >= 1, "at least 1"),
        ("dropout", dropout, 0 <= dropout < 1, "in [0, 1)"),
    ):
        if not fits:
            raise ConfigError(
                f"model.parameters.{name} of stft_convnet must be {expected}, got {value}.",
                code="invalid-setting",
            )
