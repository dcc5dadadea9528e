"""Kernels of ``mixlab.synthesis.notes.stem_chain``, compiled by numba when imported; free of the GIL."""

import math

import numpy as np

from mixlab.audio._kernels.dynamics import reduction_db
from mixlab.utils.jit import njit

__all__ = [
    "apply_gains",
    "compress_steps",
    "limit_steps",
    "mix_levels",
    "place",
    "powers_of",
    "sounds",
    "to_pcm",
]

DYNAMICS_HASH = "198ab67668c1b620"
"""Of ``dynamics.py``: changes this file, and so has numba compile anew, when that one changes."""

_TO_DB, _FROM_DB = 10.0 / math.log(10.0), math.log(10.0) / 20.0
_FULL, _ROUND = np.float32(32767), np.float32(1.5 * 2**23)


@njit("boolean(float32[::1])", nogil=True, cache=True)
def sounds(audio):  # type: ignore[no-untyped-def]
    """Tell whether a sample is not 0."""
    for n in range(len(audio)):  # noqa: SIM110 - numba compiles a generator into much more
        if audio[n] != 0.0:
            return True
    return False


_BLOCK = 64


@njit("void(float32[::1], float32[:, ::1], float32[::1], float32[:, ::1])", nogil=True, cache=True)
def place(audio, answers, gains, out):  # type: ignore[no-untyped-def]
    """Write a sound by a gain for each channel, and the room's answers, of half its rate, led straight."""
    samples, half = len(audio), len(audio) // 2
    line = np.empty(2 * _BLOCK, np.float32)
    for first in range(0, half - 1, _BLOCK):
        count = min(_BLOCK, half - 1 - first)
        held = audio[2 * first : 2 * (first + count)]
        for c in range(len(out)):
            gain, answer = gains[c], answers[c, first : first + count + 1]
            for n in range(count):
                line[2 * n] = answer[n]
                line[2 * n + 1] = np.float32(0.5) * (answer[n] + answer[n + 1])
            target = out[c, 2 * first : 2 * (first + count)]
            for n in range(len(held)):
                target[n] = held[n] * gain + line[n]
    for c in range(len(out)):
        gain = gains[c]
        for n in range(max(2 * half - 2, 0), samples):
            out[c, n] = audio[n] * gain + (answers[c, half - 1] if n < 2 * half else np.float32(0.0))


@njit("void(float32[::1], int64, float64[::1])", nogil=True, cache=True, fastmath={"contract", "reassoc"})
def powers_of(audio, step, out):  # type: ignore[no-untyped-def]
    """Write the mean power of every ``step`` samples."""
    for b in range(len(out)):
        held = audio[b * step : (b + 1) * step]
        total = np.float32(0.0)
        for n in range(len(held)):
            total += held[n] * held[n]
        out[b] = total / np.float32(len(held))


@njit(
    "void(float32[:, :, ::1], int64, float64[::1], float64[::1], float64[::1])",
    nogil=True,
    cache=True,
    fastmath={"contract", "reassoc", "nnan", "nsz"},
)
def mix_levels(stems, step, powers, middles, peaks):  # type: ignore[no-untyped-def]
    """Write what the sum of stems ``(2, samples)`` has in every ``step`` samples.

    Args:
        stems: ``(parts, 2, samples)``.
        step: Samples.
        powers: Mean power of the channel where it is higher.
        middles: Mean power of the mean of both channels.
        peaks: The highest sample of both.
    """
    left, right = np.empty(step, np.float32), np.empty(step, np.float32)
    for b in range(len(powers)):
        count = min(step, stems.shape[2] - b * step)
        left[:] = np.float32(0.0)
        right[:] = np.float32(0.0)
        for k in range(len(stems)):
            one, other = stems[k, 0, b * step : b * step + count], stems[k, 1, b * step : b * step + count]
            for n in range(count):
                left[n] += one[n]
                right[n] += other[n]
        power_left, power_right, both = np.float32(0.0), np.float32(0.0), np.float32(0.0)
        peak = np.float32(0.0)
        for n in range(step):
            power_left += left[n] * left[n]
            power_right += right[n] * right[n]
            both += left[n] * right[n]
            size = max(abs(left[n]), abs(right[n]))
            peak = size if size > peak else peak
        powers[b] = max(power_left, power_right) / np.float32(count)
        middles[b] = max(
            np.float32(0.25) * (power_left + power_right) + np.float32(0.5) * both, np.float32(0.0)
        ) / np.float32(count)
        peaks[b] = peak


@njit(
    "void(float64[::1], float64, float64, float64, float64, float64, float64, float64[::1])",
    nogil=True,
    cache=True,
)
def compress_steps(  # type: ignore[no-untyped-def]
    powers, threshold_db, ratio, knee_db, rms, attack, release, out
):
    """Write a compressor's gains at the ends of steps of these powers; see ``mixlab.audio.dynamics``."""
    power, state = -1.0, 0.0
    for n in range(len(powers)):
        started = power >= 0.0
        power = rms * power + (1.0 - rms) * powers[n] if started else powers[n]
        wanted = reduction_db(_TO_DB * math.log(max(power, 1e-12)), threshold_db, ratio, knee_db)
        kept = (attack if wanted < state else release) if started else 0.0
        state = kept * state + (1.0 - kept) * wanted
        out[n + 1] = math.exp(_FROM_DB * state)
    out[0] = out[1]


@njit("void(float64[::1], int64, float64, float64[::1])", nogil=True, cache=True)
def limit_steps(need, ahead, release, out):  # type: ignore[no-untyped-def]
    """Write gains between steps that are nowhere above what the steps beside them need.

    Args:
        need: The highest gain of each step, 1 where it is not limited.
        ahead: Over how many steps the gain falls.
        release: Part of the way back to 1 that it goes in a step.
        out: The gains at the steps' ends, one more than there are steps.
    """
    steps = len(need)
    held = np.empty(steps + 1 + ahead)
    state = 1.0
    for n in range(steps + 1 + ahead):
        # The lowest of the steps that touch this end or one of those ``ahead`` of it.
        wanted = 1.0
        for k in range(max(n - ahead - 1, 0), min(n + 1, steps)):
            wanted = min(wanted, need[k])
        state = wanted if wanted < state else state + (wanted - state) * release
        held[n] = state
    for n in range(steps + 1):
        # A mean over ends, each of which looked at this one.
        total = 0.0
        for k in range(n, n + ahead + 1):
            total += held[k]
        out[n] = total / (ahead + 1)


@njit("void(float32[::1], float32[::1], int64)", nogil=True, cache=True)
def apply_gains(audio, gains, step):  # type: ignore[no-untyped-def]
    """Change a sound by a gain that is led straight between the ends of steps."""
    for b in range(len(gains) - 1):
        held = audio[b * step : (b + 1) * step]
        before, change = gains[b], (gains[b + 1] - gains[b]) / np.float32(step)
        for n in range(len(held)):
            held[n] *= before + change * np.float32(n)


@njit("void(float32[:, ::1], float32[::1], int64, int16[:, ::1], int32[:, ::1])", nogil=True, cache=True)
def to_pcm(audio, gains, step, out, total):  # type: ignore[no-untyped-def]
    """Write a sound by a gain that is led straight between steps, as 16 bits, and add it to ``total``."""
    for c in range(len(audio)):
        for b in range(len(gains) - 1):
            held = audio[c, b * step : (b + 1) * step]
            target, whole = out[c, b * step : (b + 1) * step], total[c, b * step : (b + 1) * step]
            before = np.float32(gains[b] * np.float32(32767))
            change = np.float32((gains[b + 1] - gains[b]) * np.float32(32767.0 / step))
            for n in range(len(held)):
                value = held[n] * (before + change * np.float32(n))
                value = _FULL if value > _FULL else -_FULL if value < -_FULL else value
                # Added and taken away again, this leaves the nearest whole number.
                sample = np.int32((value + _ROUND) - _ROUND)
                target[n] = sample
                whole[n] += sample
