"""Compression and limiting: a gain that follows the level, the same for all channels.

The compressor is that of Giannoulis, Massberg and Reiss, "Digital Dynamic Range Compressor Design" (J. Audio
Eng. Soc. 60, 2012): level in decibels, static curve with a soft knee, and a gain smoothed in decibels,
quickly when it falls and slowly when it rises. The level is the mean power of the last 10 ms. The limiter
looks ahead, so that it needs no clipping.
"""

import math

import numpy as np

from mixlab.audio.io import FloatArray, amplitude

__all__ = ["compress", "limit"]

_STEP_S = 0.001
"""How often the compressor finds its gain anew."""

_RMS_S = 0.01

_AHEAD_S = 0.0015
"""How far the limiter looks ahead, and over how long it turns down."""


def compress(
    audio: FloatArray,
    sample_rate: int,
    *,
    threshold_db: float,
    ratio: float,
    knee_db: float = 6.0,
    attack_ms: float = 10.0,
    release_ms: float = 100.0,
) -> FloatArray:
    """Turn down what is louder than a threshold.

    Args:
        audio: float32 ``(channels, samples)``; stays as it is.
        sample_rate: In Hz.
        threshold_db: In dBFS of mean power, of the channel that is loudest at a time.
        ratio: Decibels above the threshold that become one; 1 or more.
        knee_db: Width of the soft knee around the threshold, 0 or more.
        attack_ms: Time constant of a falling gain.
        release_ms: Time constant of a rising gain.

    Returns:
        float32 ``(channels, samples)``; nothing is turned up.
    """
    from mixlab.audio._kernels import dynamics as kernels

    step = max(round(_STEP_S * sample_rate), 1)
    kept = (math.exp(-step / (sample_rate * s)) for s in (_RMS_S, attack_ms * 1e-3, release_ms * 1e-3))
    out = np.empty(audio.shape, dtype=np.float32)
    kernels.compress(np.ascontiguousarray(audio), step, threshold_db, ratio, knee_db, *kept, out)
    return out


def limit(
    audio: FloatArray, sample_rate: int, ceiling_db: float, *, release_ms: float = 80.0
) -> tuple[FloatArray, float]:
    """Keep every sample within a ceiling, without delay.

    Args:
        audio: float32 ``(channels, samples)``; stays as it is.
        sample_rate: In Hz.
        ceiling_db: Highest level of a sample, in dBFS.
        release_ms: Time constant with which the gain rises again.

    Returns:
        float32 ``(channels, samples)``, and by how much it was turned down at most, in dB (0 or less).
    """
    from mixlab.audio._kernels import dynamics as kernels

    out = np.empty(audio.shape, dtype=np.float32)
    ahead = round(_AHEAD_S * sample_rate)
    release = 1.0 - math.exp(-1e3 / (sample_rate * release_ms))
    # A hair below the ceiling, so that rounding cannot lead over it.
    ceiling = amplitude(ceiling_db) * (1.0 - 1e-6)
    lowest = kernels.limit(np.ascontiguousarray(audio), ceiling, ahead, release, out)
    return out, 20.0 * math.log10(lowest)
