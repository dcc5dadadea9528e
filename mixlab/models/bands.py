"""Frequency bands: where they lie, how loud the ear takes them, and bands of equal width in octaves."""

import math

import torch
import torchaudio
from torch import Tensor, nn

__all__ = [
    "LOWEST_HZ",
    "LogFrequencySpectrogram",
    "a_weighting_db",
    "log_centres_hz",
    "log_resolution_limit_hz",
    "mel_centres_hz",
    "most_log_bands",
]

LOWEST_HZ = 20.0
"""Lower end of the audible range: no logarithmic band has its centre below."""

_POLES_HZ = (20.598997, 107.65265, 737.86223, 12194.217)
"""The four poles of A-weighting (IEC 61672-1:2013, annex E)."""


def a_weighting_db(frequencies_hz: Tensor) -> Tensor:
    """Return the A-weighting of IEC 61672-1:2013 (annex E) in dB: 0 at 1 kHz, minus infinity at 0 Hz.

    Rounded to tenths of a decibel these are the standard's table 3.

    Args:
        frequencies_hz: Of any shape, at least 0.
    """
    return _raw_weighting_db(frequencies_hz) - _raw_weighting_db(torch.tensor(1000.0))


def _raw_weighting_db(frequencies_hz: Tensor) -> Tensor:
    low, second, third, high = (pole**2 for pole in _POLES_HZ)
    f2 = frequencies_hz.double().square()
    gain = high * f2.square() / ((f2 + low) * ((f2 + second) * (f2 + third)).sqrt() * (f2 + high))
    return 20.0 * torch.log10(gain)


def mel_centres_hz(n_mels: int, f_max: float) -> Tensor:
    """Return the centres ``(n_mels,)`` of HTK mel bands from 0 Hz to ``f_max``, ascending, in float64."""
    top = 2595.0 * math.log10(1.0 + f_max / 700.0)
    mels = torch.linspace(0.0, top, n_mels + 2, dtype=torch.float64)[1:-1]
    return 700.0 * (10.0 ** (mels / 2595.0) - 1.0)


def log_centres_hz(n_bands: int, f_max: float, bins_per_octave: int) -> Tensor:
    """Return the centres ``(n_bands,)`` of logarithmic bands, ascending, in float64.

    They are ``1 / bins_per_octave`` octaves apart. The uppermost band ends at ``f_max``, where its next
    neighbour would have its centre.
    """
    below = torch.arange(n_bands, 0, -1, dtype=torch.float64)
    return f_max * 2.0 ** (-below / bins_per_octave)


def most_log_bands(f_max: float, bins_per_octave: int) -> int:
    """Return how many bands fit between the lower end of the audible range, 20 Hz, and ``f_max``."""
    return max(0, math.floor(bins_per_octave * math.log2(f_max / LOWEST_HZ) + 1e-9))


def log_resolution_limit_hz(sample_rate: int, n_fft: int, bins_per_octave: int) -> float:
    """Return the frequency below which neighbouring bands share the bins of the spectrogram.

    There a band's width, ``f * (2 ** (1 / bins_per_octave) - 1)``, falls below the distance of two bins.
    """
    return sample_rate / n_fft / (math.exp2(1.0 / bins_per_octave) - 1.0)


class LogFrequencySpectrogram(nn.Module):
    """Power in bands of equal width in octaves: triangles over the bins of a Hann spectrogram.

    Each triangle reaches from the centre of its lower neighbour to that of its upper one, and at least one
    bin to either side. Unlike a constant-Q transform, it has one window for all bands: above
    ``log_resolution_limit_hz`` bands are as wide as they are there, below it they are as wide as a bin and
    overlap, and no tone is told from the next in less than ``sample_rate / n_fft`` Hz. A longer ``n_fft``
    moves that limit down. In return every sample counts in every band, whatever the hop, where the short
    windows that a constant-Q transform has in its upper octaves leave gaps between frames.

    Args:
        sample_rate: Of the audio, in Hz.
        n_fft: Window and FFT length, in samples.
        hop: Distance of the frames, in samples.
        n_bands: Number of bands.
        f_max: Upper end of the uppermost band, in Hz.
        bins_per_octave: Bands per octave.

    Shape:
        Input: ``(..., T)`` audio. Output: ``(..., n_bands, frames)`` power, bands ascending.
    """

    fb: Tensor

    def __init__(
        self, sample_rate: int, n_fft: int, hop: int, n_bands: int, f_max: float, bins_per_octave: int
    ) -> None:
        super().__init__()
        self.spectrogram = torchaudio.transforms.Spectrogram(n_fft=n_fft, hop_length=hop, power=2.0)
        bins = torch.arange(n_fft // 2 + 1, dtype=torch.float64) * (sample_rate / n_fft)
        self.register_buffer("fb", _triangles(bins, n_bands, f_max, bins_per_octave).float())

    def forward(self, audio: Tensor) -> Tensor:
        """Return power ``(..., n_bands, frames)``."""
        power: Tensor = self.spectrogram(audio)
        return torch.matmul(self.fb, power)


def _triangles(bins: Tensor, n_bands: int, f_max: float, bins_per_octave: int) -> Tensor:
    """Return the weights ``(n_bands, bins)`` of bins at these frequencies in Hz."""
    centres = log_centres_hz(n_bands, f_max, bins_per_octave)
    ratio, bin_hz = math.exp2(1.0 / bins_per_octave), float(bins[1])
    below = (centres * (1.0 - 1.0 / ratio)).clamp(min=bin_hz)
    above = (centres * (ratio - 1.0)).clamp(min=bin_hz)
    away = bins[None, :] - centres[:, None]
    return (1.0 - torch.where(away < 0, -away / below[:, None], away / above[:, None])).clamp(min=0.0)
