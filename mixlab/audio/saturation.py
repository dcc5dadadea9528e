"""Waveshaping at four times the sample rate, so that overtones do not fold back."""

import math
from collections.abc import Callable
from typing import Literal

import numpy as np

from mixlab.audio.io import FloatArray, amplitude, fit_length, resample
from mixlab.audio.noise import mean_square

__all__ = ["SHAPES", "Shape", "saturate"]

Shape = Literal["soft", "hard"]

SHAPES: dict[Shape, Callable[[FloatArray], FloatArray]] = {
    "soft": lambda x: np.tanh(x, out=x),
    "hard": lambda x: np.clip(x, -1.0, 1.0, out=x),
}
"""Odd curves with a slope of 1 at 0: tape and valves bend, a transistor that is driven too hard clips. They
change the array that they are given."""

_OVERSAMPLING = 4


def saturate(audio: FloatArray, sample_rate: int, drive_db: float, bias: float, shape: Shape) -> FloatArray:
    """Drive a sound into a curve, and bring it back to its own level.

    Args:
        audio: float32 ``(channels, samples)``; stays as it is. Silence stays silence.
        sample_rate: In Hz.
        drive_db: Peak of what enters the curve, in dB above its bend at 1.
        bias: Added before the curve: 0 makes odd overtones only, otherwise even ones, too.
        shape: One of ``SHAPES``.

    Returns:
        float32 ``(channels, samples)`` of the same mean power, without offset.
    """
    peak = float(np.abs(audio).max(initial=0.0))
    if peak == 0.0:
        return audio.copy()
    driven = resample(
        audio * np.float32(amplitude(drive_db) / peak), sample_rate, _OVERSAMPLING * sample_rate
    )
    driven += np.float32(bias)
    shaped = SHAPES[shape](driven)
    shaped = fit_length(resample(shaped, _OVERSAMPLING * sample_rate, sample_rate), audio.shape[1])
    shaped -= shaped.mean(axis=1, keepdims=True)
    scale = math.sqrt(mean_square(audio) / max(mean_square(shaped), 1e-30))
    shaped *= np.float32(scale)
    return shaped
