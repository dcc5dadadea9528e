"""Playing at a speed that swings, as turntables and tape machines do."""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from mixlab.audio.io import FloatArray

__all__ = ["Swing", "sinc_table", "swing_speed"]

Swing = tuple[float, float, float]
"""Rate in Hz, depth (the most that the speed departs from 1), and phase in radians."""

_TAPS, _PHASES = 16, 256


def swing_speed(audio: FloatArray, sample_rate: int, swings: Sequence[Swing]) -> FloatArray:
    """Play a sound at a speed of 1 plus sines; on average it is as fast as before.

    Args:
        audio: float32 ``(channels, samples)``; stays as it is.
        sample_rate: In Hz.
        swings: At least one.

    Returns:
        float32 ``(channels, samples)``. What lies beyond either end is silence, for as long as the place
        in the recording runs ahead or behind: ``depth / (pi * rate)`` seconds at most.
    """
    from mixlab.audio._kernels import varispeed as kernels

    time = np.arange(audio.shape[1], dtype=np.float64)
    places = time.copy()
    for rate_hz, depth, phase in swings:
        # The speed is the derivative of the place: 1 + depth * cos.
        omega = 2.0 * math.pi * rate_hz / sample_rate
        places += depth / omega * np.sin(omega * time + phase)
    out = np.empty(audio.shape, dtype=np.float32)
    kernels.play(np.ascontiguousarray(audio), places, sinc_table(), out)
    return out


@lru_cache(maxsize=2)
def sinc_table(phases: int = _PHASES) -> FloatArray:
    """Return a windowed sinc for each fraction of a sample, both ends included, ``(phases + 1, taps)``."""
    fractions = np.arange(phases + 1) / phases
    offsets = np.arange(_TAPS) - (_TAPS // 2 - 1) - fractions[:, None]
    window = np.i0(9.0 * np.sqrt(np.clip(1.0 - (offsets / (_TAPS // 2)) ** 2, 0.0, 1.0))) / np.i0(9.0)
    table = np.sinc(offsets) * window
    return np.ascontiguousarray(table / table.sum(axis=1, keepdims=True), dtype=np.float32)
