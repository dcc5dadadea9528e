"""Kernels of ``mixlab.synthesis.notes.stem_chain``, compiled by numba when imported; free of the GIL."""

import numpy as np

from mixlab.audio._kernels.dynamics import reduction_db
from mixlab.utils.jit import njit

__all__ = [
    "add_answers",
    "apply_gains",
    "compress_steps",
    "half_blocks",
    "levels",
    "limit_steps",
    "place",
    "to_pcm",
]

_LANES = 16
_FULL, _ROUND = np.float32(32767), np.float32(1.5 * 2**23)


@njit("void(float32[::1], int64, float32[:, ::1], boolean[::1])", nogil=True, cache=True)
def half_blocks(audio, hop, blocks, sounds):  # type: ignore[no-untyped-def]
    """Write a sound at half its rate, means of two samples, into the first ``hop`` of each row of ``blocks``.

    ``sounds`` tells which rows are not silent.
    """
    count = len(audio) // 2
    for b in range(len(blocks)):
        row = blocks[b]
        held = min(hop, count - b * hop)
        pairs = audio[2 * b * hop : 2 * (b * hop + held)]
        sounds[b] = False
        for n in range(held):
            row[n] = np.float32(0.5) * (pairs[2 * n] + pairs[2 * n + 1])
        for n in range(held):
            if row[n] != 0.0:
                sounds[b] = True
                break
        row[held:] = np.float32(0.0)


@njit("void(float32[:, ::1], int64[::1], int64, float32[::1])", nogil=True, cache=True)
def add_answers(blocks, places, hop, out):  # type: ignore[no-untyped-def]
    """Add rows that begin ``hop`` samples apart to ``out``: transforms leave noise where there is silence."""
    for b in range(len(blocks)):
        first = places[b] * hop
        count = min(blocks.shape[1], len(out) - first)
        row, target = blocks[b, :count], out[first : first + count]
        for n in range(count):
            value = row[n]
            target[n] += value if abs(value) >= 1e-7 else np.float32(0.0)


@njit("void(float32[::1], float32[:, ::1], float32[::1], float32[:, ::1])", nogil=True, cache=True)
def place(audio, answers, gains, out):  # type: ignore[no-untyped-def]
    """Write a sound by a gain for each channel, and the room's answers, of half its rate, led straight."""
    for c in range(len(out)):
        gain, answer, target = gains[c], answers[c], out[c]
        half = len(audio) // 2
        for n in range(half):
            after = answer[min(n + 1, half - 1)]
            target[2 * n] = audio[2 * n] * gain + answer[n]
            target[2 * n + 1] = audio[2 * n + 1] * gain + np.float32(0.5) * (answer[n] + after)
        if len(audio) > 2 * half:
            target[2 * half] = audio[2 * half] * gain


@njit("void(float32[:, ::1], int64, float64[::1], float64[::1])", nogil=True, cache=True)
def levels(audio, step, powers, peaks):  # type: ignore[no-untyped-def]
    """Write mean power, of the channel where it is highest, and peak of all for every ``step`` samples."""
    sums, highest = np.empty(_LANES, np.float32), np.empty(_LANES, np.float32)
    for b in range(len(powers)):
        powers[b], peaks[b] = 0.0, 0.0
        for c in range(len(audio)):
            held = audio[c, b * step : (b + 1) * step]
            sums[:] = np.float32(0.0)
            highest[:] = np.float32(0.0)
            whole = len(held) // _LANES
            for m in range(whole):
                part = held[m * _LANES : (m + 1) * _LANES]
                for n in range(_LANES):
                    size = abs(part[n])
                    sums[n] += size * size
                    highest[n] = size if size > highest[n] else highest[n]
            for n in range(whole * _LANES, len(held)):
                size = abs(held[n])
                sums[n % _LANES] += size * size
                highest[n % _LANES] = max(size, highest[n % _LANES])
            total = np.float32(0.0)
            for n in range(_LANES):
                total += sums[n]
                peaks[b] = max(peaks[b], np.float64(highest[n]))
            powers[b] = max(powers[b], np.float64(total) / len(held))


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
        wanted = reduction_db(10.0 * np.log10(max(power, 1e-12)), threshold_db, ratio, knee_db)
        kept = (attack if wanted < state else release) if started else 0.0
        state = kept * state + (1.0 - kept) * wanted
        out[n + 1] = 10.0 ** (state / 20.0)
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
