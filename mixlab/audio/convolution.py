"""Convolution of a sound with an impulse response, and the response of an equaliser's curve."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import FloatArray

__all__ = ["convolve", "curve_response", "fast_length"]

_CURVE_S = 0.08
"""Length of a curve's impulse response: long enough for its bends at the lowest octave."""


def fast_length(samples: int) -> int:
    """Return the least length of at least ``samples`` that has no prime factor above 5."""
    best = 1 << max(samples - 1, 0).bit_length()
    for fives in range(14):
        for threes in range(20):
            odd = 5**fives * 3**threes
            if odd >= 2 * samples:
                break
            best = min(best, odd << max(-(-samples // odd) - 1, 0).bit_length())
    return best


def convolve(audio: FloatArray, response: FloatArray) -> FloatArray:
    """Convolve a sound with an impulse response, and cut it to its own length.

    Args:
        audio: float32 ``(channels, samples)``; stays as it is.
        response: float32 ``(channels or 1, taps)``; a single one is for all channels.

    Returns:
        float32 ``(channels, samples)``, the beginning of the full convolution.
    """
    samples = audio.shape[1]
    if not samples:
        return audio.copy()
    response = response[:, :samples]  # what comes later falls behind the end
    length = fast_length(samples + response.shape[1] - 1)
    spectrum = np.fft.rfft(audio, length) * np.fft.rfft(response, length)
    return np.ascontiguousarray(np.fft.irfft(spectrum, length)[:, :samples], dtype=np.float32)


def curve_response(hz: Sequence[float], gains_db: Sequence[float], sample_rate: int) -> FloatArray:
    """Return the minimum-phase impulse response, float32 ``(1, taps)``, of gains at frequencies.

    Between them the gain follows a straight line in dB over octaves; below the first and above the last it
    stays. The phase is that of the real cepstrum, folded (Oppenheim and Schafer, "Discrete-Time Signal
    Processing", section 13.5), so that no sound comes before its cause.
    """
    taps = max(round(_CURVE_S * sample_rate), 16)
    length = 1 << (4 * taps - 1).bit_length()
    frequencies = np.maximum(np.fft.rfftfreq(length, 1.0 / sample_rate), 1e-3)
    curve_db = np.interp(np.log2(frequencies), np.log2(np.asarray(hz)), np.asarray(gains_db))
    cepstrum: NDArray[np.float64] = np.fft.irfft(curve_db * (math.log(10.0) / 20.0), length)
    cepstrum[1 : length // 2] *= 2.0
    cepstrum[length // 2 + 1 :] = 0.0
    response = np.fft.irfft(np.exp(np.fft.rfft(cepstrum)), length)[:taps]
    fade = min(taps // 4, taps)
    response[-fade:] *= 0.5 + 0.5 * np.cos(np.pi * (np.arange(fade) + 1.0) / fade)
    return response.astype(np.float32)[None]
