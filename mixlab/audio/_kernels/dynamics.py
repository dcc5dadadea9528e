"""Kernels of ``mixlab.audio.dynamics``, compiled by numba when it is first imported; free of the GIL."""

import numpy as np

from mixlab.utils.jit import njit

__all__ = ["compress", "limit", "reduction_db"]


@njit("float64(float64, float64, float64, float64)", nogil=True, cache=True)
def reduction_db(level_db, threshold_db, ratio, knee_db):  # type: ignore[no-untyped-def]
    """Return the static curve's gain in dB (0 or less), with a parabola within the knee."""
    over, slope = level_db - threshold_db, 1.0 / ratio - 1.0
    if 2.0 * over <= -knee_db:
        return 0.0
    if 2.0 * over < knee_db:
        return slope * (over + knee_db / 2.0) ** 2 / (2.0 * knee_db)
    return slope * over


@njit(
    "void(float32[:, ::1], int64, float64, float64, float64, float64, float64, float64, float32[:, ::1])",
    nogil=True,
    cache=True,
)
def compress(audio, step, threshold_db, ratio, knee_db, rms, attack, release, out):  # type: ignore[no-untyped-def]
    """Compress all channels by one gain, found every ``step`` samples and led straight between.

    ``rms``, ``attack`` and ``release`` are what remains of a past value after a step.
    """
    channels, samples = audio.shape
    power, state, gain = -1.0, 0.0, 1.0
    line = np.empty(step, np.float32)
    for first in range(0, samples, step):
        end = min(first + step, samples)
        loudest = 0.0
        for c in range(channels):
            total = 0.0
            for n in range(first, end):
                total += np.float64(audio[c, n]) * np.float64(audio[c, n])
            loudest = max(loudest, total / (end - first))
        # The first step is taken for all that was before it: no attack at the beginning of an excerpt.
        started = power >= 0.0
        power = rms * power + (1.0 - rms) * loudest if started else loudest
        wanted = reduction_db(10.0 * np.log10(max(power, 1e-12)), threshold_db, ratio, knee_db)
        kept = (attack if wanted < state else release) if started else 0.0
        state = kept * state + (1.0 - kept) * wanted
        after = 10.0 ** (state / 20.0)
        before = gain if started else after
        for n in range(end - first):
            line[n] = before + (after - before) * (n + 1) / step
        for c in range(channels):
            for n in range(end - first):
                out[c, first + n] = audio[c, first + n] * line[n]
        gain = after


@njit("float64(float32[:, ::1], float64, int64, float64, float32[:, ::1])", nogil=True, cache=True)
def limit(audio, ceiling, ahead, release, out):  # type: ignore[no-untyped-def]
    """Keep every sample within ``ceiling``; return the lowest gain that was applied.

    The gain that the next ``ahead`` samples need at most (a sliding minimum, by a queue of rising gains),
    let go at ``release`` a sample, and averaged over as many samples as were looked ahead: each average
    holds only gains that are low enough for its own sample.
    """
    channels, samples = audio.shape
    need = np.ones(samples, np.float64)
    lowest = 1.0
    for n in range(samples):
        peak = 0.0
        for c in range(channels):
            peak = max(peak, np.float64(abs(audio[c, n])))
        if peak > ceiling:
            need[n] = ceiling / peak
            lowest = min(lowest, need[n])
    if lowest == 1.0:
        for c in range(channels):  # assigning one array to another takes numba seconds to compile
            for n in range(samples):
                out[c, n] = audio[c, n]
        return 1.0
    queue = np.empty(samples, np.int64)
    head, tail, seen = 0, 0, 0
    held = np.empty(samples, np.float64)
    state = 1.0
    for n in range(samples):
        while seen < min(n + ahead + 1, samples):
            while tail > head and need[queue[tail - 1]] >= need[seen]:
                tail -= 1
            queue[tail] = seen
            tail += 1
            seen += 1
        while queue[head] < n:
            head += 1
        wanted = need[queue[head]]
        state = wanted if wanted < state or n == 0 else state + (wanted - state) * release
        held[n] = state
    width = ahead + 1
    total = held[0] * width
    lowest = 1.0
    for n in range(samples):
        total += held[n] - (held[n - width] if n >= width else held[0])
        gain = min(total / width, need[n])  # sums that slide gather rounding
        lowest = min(lowest, gain)
        for c in range(channels):
            out[c, n] = audio[c, n] * gain
    return lowest
