"""Noise that recordings have: white, pink, and the hum of the mains."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import FloatArray

__all__ = ["NOISES", "NoiseKind", "add_at_snr", "mean_square"]

NoiseKind = Literal["white", "pink", "hum_50", "hum_60"]

_LOWEST_HZ = 20.0
"""Below this, pink noise has the level that it has here: it would grow without end."""

_OVERTONES = 12
_OVERTONE_DB = -3.0
"""From one partial of a hum to the next."""


def _white(channels: int, samples: int, sample_rate: int, seed: int) -> FloatArray:
    """Return noise of equal power at all frequencies, another for each channel."""
    return np.random.default_rng(seed).standard_normal((channels, samples), dtype=np.float32)


def _pink(channels: int, samples: int, sample_rate: int, seed: int) -> FloatArray:
    """Return noise that falls by 3.01 dB per octave, another for each channel."""
    spectrum = np.fft.rfft(_white(channels, samples, sample_rate, seed))
    spectrum /= _pink_slope(samples, sample_rate)
    return np.fft.irfft(spectrum, samples).astype(np.float32)


@lru_cache(maxsize=4)
def _pink_slope(samples: int, sample_rate: int) -> NDArray[np.float64]:
    slope: NDArray[np.float64] = np.sqrt(np.maximum(np.fft.rfftfreq(samples, 1.0 / sample_rate), _LOWEST_HZ))
    slope.flags.writeable = False
    return slope


@lru_cache(maxsize=4)
def _mains(samples: int, sample_rate: int, mains_hz: float) -> NDArray[np.complex128]:
    """Return a turning vector, once a period of the mains; all noises of a length have it in common."""
    found: NDArray[np.complex128] = np.exp(2j * np.pi * mains_hz / sample_rate * np.arange(samples))
    found.flags.writeable = False
    return found


def _hum(channels: int, samples: int, sample_rate: int, seed: int, *, mains_hz: float) -> FloatArray:
    """Return the mains' frequency and its overtones, the same in all channels; odd ones are stronger."""
    turns = np.exp(np.random.default_rng(seed).uniform(0.0, 2.0 * np.pi, _OVERTONES) * 1j)
    # The overtones are powers of the first one: a product is many times as quick as a sine.
    first = _mains(samples, sample_rate, mains_hz)
    power, total = np.ones_like(first), np.zeros(samples)
    for n, turn in enumerate(turns):
        power *= first
        if (n + 1) * mains_hz < 0.45 * sample_rate:
            level = 10.0 ** (_OVERTONE_DB * n / 20.0) * (1.0 if n % 2 == 0 else 0.5)
            total += level * (turn * power).imag
    return np.repeat(total.astype(np.float32)[None], channels, axis=0)


NOISES: dict[NoiseKind, Callable[[int, int, int, int], FloatArray]] = {
    "white": _white,
    "pink": _pink,
    "hum_50": partial(_hum, mains_hz=50.0),
    "hum_60": partial(_hum, mains_hz=60.0),
}
"""What makes each kind, float32 ``(channels, samples)`` of any level, of channels, samples, rate and seed."""


def mean_square(audio: FloatArray) -> float:
    """Return the mean power of ``(channels, samples)``; 0 for no samples."""
    return float(np.mean(np.square(audio, dtype=np.float64))) if audio.size else 0.0


def add_at_snr(audio: FloatArray, noise: FloatArray, snr_db: float) -> FloatArray:
    """Add noise so far below a sound that the ratio of their mean powers is ``snr_db``.

    Args:
        audio: float32 ``(channels, samples)``; silence stays silence.
        noise: float32 of the same shape, of any level; silence adds nothing.
        snr_db: Mean power of ``audio`` over that of what is added, in dB.
    """
    signal, own = mean_square(audio), mean_square(noise)
    if signal == 0.0 or own == 0.0:
        return audio.copy()
    return audio + noise * np.float32((signal / own * 10.0 ** (-snr_db / 10.0)) ** 0.5)
