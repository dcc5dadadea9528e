"""The front end: audio ``(B, 1, T)`` to a normalised map ``(B, 1, n_mels, frames)``, by default log-mel.

Its blocks and their order are those of Choi's thesis (2018, chapter 5): magnitudes are compressed before
anything else, then frequencies are weighted, then every excerpt is standardised, then all is scaled.
"""

import math
import warnings
from collections.abc import Callable
from typing import cast

import torch
import torchaudio
from torch import Tensor, nn

from mixlab.errors import ConfigError
from mixlab.models.bands import LogFrequencySpectrogram, a_weighting_db, log_centres_hz, mel_centres_hz
from mixlab.models.config import FrequencyWeighting, Level, Magnitude, SpectrogramKind

__all__ = ["DECIBEL_FLOOR", "MelFrontEnd", "scale_to_peak", "standardise_excerpts"]

DECIBEL_FLOOR = 1e-10
"""Smallest power before the logarithm, as in the published front end (-100 dB)."""

NATURAL = math.log(10.0) / 10.0
"""Natural logarithm of the power ratio of one decibel."""

LEAST_PEAK = 1e-3
"""Peak below which ``scale_to_peak`` lifts no further: what lies 60 dB down is no music."""


def scale_to_peak(audio: Tensor) -> Tensor:
    """Scale each item of ``(B, 1, T)`` to full scale, by 60 dB at most; silence stays."""
    return audio / audio.abs().amax(dim=-1, keepdim=True).clamp(min=LEAST_PEAK)


def standardise_excerpts(maps: Tensor) -> Tensor:
    """Bring each map of ``(B, 1, n_mels, frames)`` to mean 0 and deviation 1; one of equal values to 0."""
    variance, mean = torch.var_mean(maps, dim=(1, 2, 3), keepdim=True, correction=0)
    # What rounding leaves of a constant map, such as that of silence, is no signal to lift.
    least = 1e-4 * maps.abs().amax(dim=(1, 2, 3), keepdim=True) + torch.finfo(maps.dtype).tiny
    return (maps - mean) / torch.maximum(variance.sqrt(), least)


def _mel_spectrogram(sample_rate: int, n_fft: int, hop: int, n_mels: int, f_max: float) -> nn.Module:
    with warnings.catch_warnings():
        # 128 bands on 257 frequencies leave the lowest band without a bin; the published one is so.
        warnings.filterwarnings("ignore", message="At least one mel filterbank has all zero values")
        spectrogram: nn.Module = torchaudio.transforms.MelSpectrogram(
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
    return spectrogram


class BandNorm(nn.Module):
    """Mean 0 and deviation 1 in every band: ``(B, 1, n_mels, frames)`` to the same, over items and frames.

    A batch norm per band without scale or offset. In training it standardises by the batch, in evaluation by
    the mean of the statistics of all batches of the training, which are kept with the weights.

    Args:
        n_mels: Number of bands.
        eps: Added to variances: far below those of bands with sound, and above what rounding leaves of
            a band without.
    """

    def __init__(self, n_mels: int, eps: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(n_mels, eps=eps, affine=False, momentum=None)

    def forward(self, maps: Tensor) -> Tensor:
        """Return the standardised maps."""
        return cast(Tensor, self.norm(maps.transpose(1, 2))).transpose(1, 2)


class MelFrontEnd(nn.Module):
    """Window, power, bands, magnitude, weighting of frequencies, normalisation, scale.

    By default the published front end: Hann window, HTK mel bands, decibels, then one batch norm. Mel bands
    start at 0 Hz and have no area norm. Runs in float32 also under autocast: a power spectrum spans 100 dB,
    more than bfloat16 resolves.

    The other settings are the blocks of Choi's thesis (2018, section 5.2.3), in its order:

    - ``per_frequency`` weighting is computed "across time, i.e., per-frequency"; over which data, the thesis
      leaves open. The layer for it in its author's own library, Kapre's ``Normalization2D``, takes the whole
      batch, and so does this: a batch norm per band, which keeps the training's statistics for later. An
      excerpt's own statistics would also take away its level.
    - ``a_weighting`` is a gain on the power of each band, taken at the band's centre; on logarithmic maps it
      is added, after their floor.
    - ``standardise`` takes the place of the batch norm, which would learn another scale and offset. That
      norm would also undo ``scale``, so ``scale`` comes last.

    Args:
        sample_rate: Of the audio, in Hz.
        n_fft: Window and FFT length, in samples.
        hop: Distance of the frames, in samples.
        n_mels: Number of bands.
        f_max: Upper edge of the bands in Hz; None takes half of ``sample_rate``.
        level: ``as_mixed``, or ``peak`` to scale every item to full scale first.
        magnitude: Of power: ``decibel``, ``ln`` (natural logarithm) or ``linear`` (power itself).
        frequency_weighting: ``bypass``, ``per_frequency`` or ``a_weighting``.
        standardise: Every excerpt to mean 0 and deviation 1, in place of the batch norm.
        scale: Factor of the map, last of all.
        spectrogram: ``mel``, or ``log_frequency`` (``LogFrequencySpectrogram``).
        bins_per_octave: Bands per octave of ``log_frequency``.

    Shape:
        Input: ``(B, 1, T)`` audio at full scale +-1, ``T`` at least ``min_samples``. Output:
        ``(B, 1, n_mels, frames)``, one frame every ``hop`` samples.
    """

    weighting_db: Tensor

    masks: Callable[[Tensor], Tensor] | None = None
    """What is done to maps while the network is trained (``mixlab.training.augmentation``), or None."""

    def __init__(
        self,
        sample_rate: int = 16000,
        n_fft: int = 512,
        hop: int = 256,
        n_mels: int = 128,
        f_max: float | None = None,
        level: Level = "as_mixed",
        *,
        magnitude: Magnitude = "decibel",
        frequency_weighting: FrequencyWeighting = "bypass",
        standardise: bool = False,
        scale: float = 1.0,
        spectrogram: SpectrogramKind = "mel",
        bins_per_octave: int = 12,
    ) -> None:
        super().__init__()
        self.n_fft, self.hop, self.level = n_fft, hop, level
        self.magnitude, self.frequency_weighting = magnitude, frequency_weighting
        self.standardise, self.scale = standardise, scale
        f_max = float(sample_rate // 2) if f_max is None else f_max
        if spectrogram == "mel":
            self.spec: nn.Module = _mel_spectrogram(sample_rate, n_fft, hop, n_mels, f_max)
            self.centres_hz = mel_centres_hz(n_mels, f_max)
        else:
            self.spec = LogFrequencySpectrogram(sample_rate, n_fft, hop, n_mels, f_max, bins_per_octave)
            self.centres_hz = log_centres_hz(n_mels, f_max, bins_per_octave)
        if frequency_weighting == "per_frequency":
            # Power of quiet bands varies by less than 1e-5, the usual value; silence is 0 there, exactly.
            self.band_norm = BandNorm(n_mels, eps=1e-20 if magnitude == "linear" else 1e-5)
        if frequency_weighting == "a_weighting":
            # Follows from the settings, so checkpoints need not carry it.
            weighting = a_weighting_db(self.centres_hz).float()[:, None]
            self.register_buffer("weighting_db", weighting, persistent=False)
        if not standardise:
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
            maps = self.weighted(self.magnitudes(audio))
            maps = standardise_excerpts(maps) if self.standardise else cast(Tensor, self.spec_bn(maps))
            maps = maps if self.scale == 1 else maps * self.scale
            return self.masks(maps) if self.training and self.masks is not None else maps

    def magnitudes(self, audio: Tensor) -> Tensor:
        """Return the map before anything but the magnitude was applied: decibels, logarithms or power."""
        audio = audio.float()
        power = cast(Tensor, self.spec(scale_to_peak(audio) if self.level == "peak" else audio))
        if self.magnitude == "linear":
            return power
        floored = torch.clamp(power, min=DECIBEL_FLOOR)
        return torch.log(floored) if self.magnitude == "ln" else 10.0 * torch.log10(floored)

    def weighted(self, magnitudes: Tensor) -> Tensor:
        """Return such a map with its frequencies weighted."""
        if self.frequency_weighting == "per_frequency":
            return cast(Tensor, self.band_norm(magnitudes))
        if self.frequency_weighting == "bypass":
            return magnitudes
        if self.magnitude == "linear":
            return magnitudes * 10.0 ** (self.weighting_db / 10.0)
        return magnitudes + self.weighting_db * (NATURAL if self.magnitude == "ln" else 1.0)

    def too_short(self, n_samples: int) -> str:
        """Say that so many samples are too few, and what to do."""
        return (
            f"Audio of {n_samples} samples is too short: a spectrogram with windows of {self.n_fft} needs "
            f"at least {self.min_samples}. Use longer mixes (mix.duration_s) or windows "
            "(windows.duration_s)."
        )

    def forward(self, audio: Tensor) -> Tensor:
        """Return the map ``(B, 1, n_mels, frames)`` of audio ``(B, 1, T)``."""
        return self.features(audio)
