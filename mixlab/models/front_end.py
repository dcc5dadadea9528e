"""The mel front end: audio ``(B, 1, T)`` to a normalised log-mel map ``(B, 1, n_mels, frames)``."""

import warnings
from typing import cast

import torch
import torchaudio
from torch import Tensor, nn

from mixlab.errors import ConfigError
from mixlab.models.config import Level

__all__ = ["DECIBEL_FLOOR", "MelFrontEnd", "scale_to_peak"]

DECIBEL_FLOOR = 1e-10
"""Smallest power before the logarithm, as in the published front end (-100 dB)."""

LEAST_PEAK = 1e-3
"""Peak below which ``scale_to_peak`` lifts no further: what lies 60 dB down is no music."""


def scale_to_peak(audio: Tensor) -> Tensor:
    """Scale each item of ``(B, 1, T)`` to full scale, by 60 dB at most; silence stays."""
    return audio / audio.abs().amax(dim=-1, keepdim=True).clamp(min=LEAST_PEAK)


class MelFrontEnd(nn.Module):
    """The published front end: Hann window, power, HTK mel bands, decibels, then one batch norm.

    Mel bands start at 0 Hz and have no area norm. Runs in float32 also under autocast: a power spectrum
    spans 100 dB, more than bfloat16 resolves.

    Args:
        sample_rate: Of the audio, in Hz.
        n_fft: Window and FFT length, in samples.
        hop: Distance of the frames, in samples.
        n_mels: Number of bands.
        f_max: Upper edge of the bands in Hz; None takes half of ``sample_rate``.
        level: ``as_mixed``, or ``peak`` to scale every item to full scale first.

    Shape:
        Input: ``(B, 1, T)`` audio at full scale +-1, ``T`` at least ``min_samples``. Output:
        ``(B, 1, n_mels, frames)``, one frame every ``hop`` samples.
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        n_fft: int = 512,
        hop: int = 256,
        n_mels: int = 128,
        f_max: float | None = None,
        level: Level = "as_mixed",
    ) -> None:
        super().__init__()
        self.n_fft, self.hop, self.level = n_fft, hop, level
        with warnings.catch_warnings():
            # 128 bands on 257 frequencies leave the lowest band without a bin; the published one is so.
            warnings.filterwarnings("ignore", message="At least one mel filterbank has all zero values")
            self.spec = torchaudio.transforms.MelSpectrogram(
                sample_rate=sample_rate,
                n_fft=n_fft,
                hop_length=hop,
                f_min=0.0,
                f_max=f_max,
                n_mels=n_mels,
                power=2.0,
                norm=None,
                mel_scale="htk",
            )
        self.spec_bn = nn.BatchNorm2d(1)

    @property
    def min_samples(self) -> int:
        """Shortest input in samples: what the spectrogram needs for its edges."""
        return self.n_fft // 2 + 1

    def features(self, audio: Tensor) -> Tensor:
        """Return the map of audio, in float32.

        Raises:
            ConfigError: the input has another shape, or is shorter than ``min_samples``.
        """
        if audio.ndim != 3 or audio.shape[1] != 1:
            raise ConfigError(
                f"A model takes mono audio of shape (B, 1, T), got {tuple(audio.shape)}.", code="wrong-shape"
            )
        if audio.shape[-1] < self.min_samples:
            raise ConfigError(self.too_short(audio.shape[-1]), code="audio-too-short")
        with torch.autocast(audio.device.type, enabled=False):
            audio = audio.float()
            power = cast(Tensor, self.spec(scale_to_peak(audio) if self.level == "peak" else audio))
            decibels = 10.0 * torch.log10(torch.clamp(power, min=DECIBEL_FLOOR))
            return cast(Tensor, self.spec_bn(decibels))

    def too_short(self, n_samples: int) -> str:
        """Say that so many samples are too few, and what to do."""
        return (
            f"Audio of {n_samples} samples is too short: a spectrogram with windows of {self.n_fft} needs "
            f"at least {self.min_samples}. Use longer mixes (mix.duration_s)."
        )

    def forward(self, audio: Tensor) -> Tensor:
        """Return the map ``(B, 1, n_mels, frames)`` of audio ``(B, 1, T)``."""
        return self.features(audio)
