"""Second-order filters: coefficients, and one pass over the sound for any number of them.

The three filters of Bradl, Huber and Pernkopf 2023, section 2.3, with the coefficients of Robert
Bristow-Johnson's "Cookbook formulae for audio EQ biquad filter coefficients" (shelves by quality
factor), which are also those of pedalboard. A gain costs nothing: it is folded into the first filter.
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import FloatArray

__all__ = ["HIGHEST_CORNER", "FilterKind", "PassKind", "Section", "cascade", "pass_sections", "section"]

FilterKind = Literal["low_shelf", "high_shelf", "peak"]
PassKind = Literal["low_pass", "high_pass"]

Section = tuple[float, float, float, float, float]
"""Coefficients ``b0, b1, b2, a1, a2`` of a second-order section, ``a0`` being 1."""

HIGHEST_CORNER = 0.45
"""Corners above this part of the sample rate are brought down to it."""


def section(kind: FilterKind, frequency_hz: float, gain_db: float, q: float, sample_rate: int) -> Section:
    """Return the coefficients of one filter.

    Args:
        kind: ``low_shelf``, ``high_shelf`` or ``peak``.
        frequency_hz: Corner or centre in Hz; brought down to ``HIGHEST_CORNER`` of the sample rate.
        gain_db: Gain where the filter acts, in dB.
        q: Quality factor, above 0.
        sample_rate: In Hz.
    """
    a = 10.0 ** (gain_db / 40.0)
    omega = 2.0 * math.pi * min(frequency_hz, HIGHEST_CORNER * sample_rate) / sample_rate
    cos, alpha = math.cos(omega), math.sin(omega) / (2.0 * q)
    if kind == "peak":
        b = (1.0 + alpha * a, -2.0 * cos, 1.0 - alpha * a)
        d = (1.0 + alpha / a, -2.0 * cos, 1.0 - alpha / a)
    else:
        # A high shelf is a low shelf with frequencies mirrored: the sign of every odd term changes.
        side = 1.0 if kind == "low_shelf" else -1.0
        slope = 2.0 * math.sqrt(a) * alpha
        up, down = a + 1.0, (a - 1.0) * side * cos
        b = (a * (up - down + slope), side * 2.0 * a * (a - 1.0 - up * side * cos), a * (up - down - slope))
        d = (up + down + slope, -side * 2.0 * (a - 1.0 + up * side * cos), up + down - slope)
    return b[0] / d[0], b[1] / d[0], b[2] / d[0], d[1] / d[0], d[2] / d[0]


def pass_sections(kind: PassKind, frequency_hz: float, order: int, sample_rate: int) -> list[Section]:
    """Return a Butterworth filter as second-order sections: 3 dB down at its corner, flat where it passes.

    Args:
        kind: ``low_pass`` or ``high_pass``.
        frequency_hz: Corner in Hz; brought down to ``HIGHEST_CORNER`` of the sample rate.
        order: Even, 2 or more; the slope is 6 dB per octave times this.
        sample_rate: In Hz.
    """
    omega = 2.0 * math.pi * min(frequency_hz, HIGHEST_CORNER * sample_rate) / sample_rate
    cos = math.cos(omega)
    b1 = 1.0 - cos if kind == "low_pass" else -(1.0 + cos)
    b0 = abs(b1) / 2.0
    found = []
    for n in range(order // 2):
        # The quality factors of the pairs of poles on Butterworth's circle.
        q = 1.0 / (2.0 * math.sin((2 * n + 1) * math.pi / (2 * order)))
        alpha = math.sin(omega) / (2.0 * q)
        a0 = 1.0 + alpha
        found.append((b0 / a0, b1 / a0, b0 / a0, -2.0 * cos / a0, (1.0 - alpha) / a0))
    return found


def cascade(audio: FloatArray, sections: Sequence[Section], gain: float = 1.0) -> FloatArray:
    """Apply filters one after another, and a gain, in one pass from a state of rest.

    Args:
        audio: float32 ``(channels, samples)``; stays as it is.
        sections: Coefficients in the order of application; none for the gain alone.
        gain: Factor on amplitude.

    Returns:
        float32 ``(channels, samples)``; computed in float64, rounded once.
    """
    if not sections:
        return audio * np.float32(gain) if gain != 1.0 else audio
    from mixlab.audio._kernels import filter as filter_kernels

    table: NDArray[np.float64] = np.array(sections, dtype=np.float64)
    table[0, :3] *= gain
    out = np.empty(audio.shape, dtype=np.float32)
    filter_kernels.cascade(np.ascontiguousarray(audio, dtype=np.float32), table, out)
    return out
