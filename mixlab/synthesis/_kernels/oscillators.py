"""Kernels of ``mixlab.synthesis.synthesizers``, compiled by numba when first imported; free of the GIL."""

import math

import numpy as np

from mixlab.utils.jit import njit

__all__ = ["HOP", "play_fm", "play_tables"]

HOP = 32
"""Samples between two values of a track."""


@njit(
    "void(float64, float64[:, ::1], float32[:, :, ::1], float64[::1], float64[:, ::1], float64, int64,"
    " float64, uint64, float64[::1])",
    nogil=True,
    cache=True,
    fastmath={"contract", "nsz"},
)
def play_tables(rate, tracks, tables, highest, unison, resonance, poles, noise, seed, out):  # type: ignore[no-untyped-def]
    """Add a note of a subtractive or wavetable synthesizer to ``out``.

    Oscillators read a table each, side by side; their sum goes through one or two state-variable low-passes
    of two poles, made by the trapezoidal rule.

    Args:
        rate: Samples per second.
        tracks: Rows of ``frames`` values: pitch in Hz, level, cut-off in Hz, place in ``tables``.
        tables: ``(shapes, bands, size + 1)``: a period each.
        highest: Highest pitch in Hz that a band is for, rising.
        unison: ``(3, n)``: pitch ratios, first phases 0..1 and weights of the oscillators.
        resonance: 0 for none to 1, where the filter would sing by itself.
        poles: 2 or 4.
        noise: Level of white noise beside the oscillators.
        seed: Of the noise; not 0.
        out: float64; ``HOP`` samples for every frame but the last, or fewer.
    """
    frames = tracks.shape[1]
    shapes, bands, size = tables.shape
    size -= 1
    voices = unison.shape[1]
    phases = unison[1].copy()
    block = np.empty(HOP)
    first1, first2, second1, second2 = 0.0, 0.0, 0.0, 0.0
    damping = 2.0 - 1.96 * resonance
    bits = seed
    for frame in range(frames - 1):
        begin = frame * HOP
        count = min(HOP, len(out) - begin)
        if count <= 0:
            break
        place = min(max(tracks[3, frame], 0.0), shapes - 1.0)
        row = min(int(place), shapes - 1)
        part = place - row
        other = min(row + 1, shapes - 1)
        for n in range(count):
            bits ^= bits << np.uint64(13)
            bits ^= bits >> np.uint64(7)
            bits ^= bits << np.uint64(17)
            block[n] = noise * (np.float64(bits >> np.uint64(11)) * 2.0**-52 - 1.0)
        for voice in range(voices):
            pitch = tracks[0, frame] * unison[0, voice]
            step = (tracks[0, frame + 1] - tracks[0, frame]) * unison[0, voice] / HOP
            weight = unison[2, voice]
            band = 0
            while band < bands - 1 and highest[band] < max(pitch, pitch + HOP * step):
                band += 1
            phase = phases[voice]
            for n in range(count):
                phase += pitch / rate
                phase -= math.floor(phase)
                pitch += step
                at = phase * size
                whole = int(at)
                rest = at - whole
                low = tables[row, band, whole] * (1.0 - rest) + tables[row, band, whole + 1] * rest
                if part > 0.0:
                    high = tables[other, band, whole] * (1.0 - rest) + tables[other, band, whole + 1] * rest
                    low += part * (high - low)
                block[n] += weight * low
            phases[voice] = phase
        g = math.tan(math.pi * min(max(tracks[2, frame], 20.0), 0.45 * rate) / rate)
        a1 = 1.0 / (1.0 + g * (g + damping))
        a2 = g * a1
        level = tracks[1, frame]
        level_step = (tracks[1, frame + 1] - level) / HOP
        for n in range(count):
            v3 = block[n] - first2
            v1 = a1 * first1 + a2 * v3
            v2 = first2 + g * v1
            first1, first2 = 2.0 * v1 - first1, 2.0 * v2 - first2
            y = v2
            if poles == 4:
                v3 = y - second2
                v1 = a1 * second1 + a2 * v3
                v2 = second2 + g * v1
                second1, second2 = 2.0 * v1 - second1, 2.0 * v2 - second2
                y = v2
            out[begin + n] += level * y
            level += level_step


_ROUND = 1.5 * 2.0**52
"""Added and taken away again, it leaves the nearest whole number."""

_QUIET = 1e-6


@njit(nogil=True, inline="always")
def _sine(cycles):  # type: ignore[no-untyped-def]
    """Return the sine of a phase in cycles, by its series, which errs by 6e-8."""
    rest = cycles - ((cycles + _ROUND) - _ROUND)
    size = abs(rest)
    x = 2.0 * math.pi * min(size, 0.5 - size)
    y = x * x
    value = x * (1.0 - y / 6.0 * (1.0 - y / 20.0 * (1.0 - y / 42.0 * (1.0 - y / 72.0 * (1.0 - y / 110.0)))))
    return value if rest >= 0.0 else -value


@njit(
    "void(float64, float64[:, ::1], float64[::1], float64[:, ::1], float64[::1], float64[::1])",
    nogil=True,
    cache=True,
    fastmath={"contract", "nsz"},
)
def play_fm(rate, tracks, ratios, depths, weights, out):  # type: ignore[no-untyped-def]
    """Add a note of an FM synthesizer (strictly: of phase modulation) to ``out``.

    Args:
        rate: Samples per second.
        tracks: ``(1 + n, frames)``: pitch in Hz, and the level of each operator.
        ratios: ``(n,)``: an operator's pitch against the note's.
        depths: ``(n, n)``: by how many cycles operator ``j`` at full level turns the phase of ``i``; of
            itself, its last sample counts. Operators are computed from the last to the first.
        weights: ``(n,)``: how much of an operator goes to the output.
        out: float64; ``HOP`` samples for every frame but the last, or fewer.
    """
    operators, frames = len(ratios), tracks.shape[1]
    phases = np.zeros(operators)
    values = np.zeros((operators, HOP))
    turned, total, run = np.empty(HOP), np.empty(HOP), np.empty(HOP)
    used = np.zeros(operators, np.bool_)
    for k in range(operators):
        used[k] = weights[k] != 0.0
        for i in range(k):
            used[k] |= used[i] and depths[i, k] != 0.0
    for frame in range(frames - 1):
        begin = frame * HOP
        count = min(HOP, len(out) - begin)
        if count <= 0:
            break
        pitch = tracks[0, frame]
        pitch_step = (tracks[0, frame + 1] - pitch) / HOP
        for n in range(HOP):
            run[n] = ((n + 1) * pitch + 0.5 * n * (n + 1) * pitch_step) / rate
            total[n] = 0.0
        for k in range(operators - 1, -1, -1):
            level = tracks[1 + k, frame]
            step = (tracks[1 + k, frame + 1] - level) / HOP
            mine = values[k]
            if not used[k] or max(level, tracks[1 + k, frame + 1]) < _QUIET:
                mine[:] = 0.0
            else:
                for n in range(HOP):
                    turned[n] = phases[k] + ratios[k] * run[n]
                for j in range(k + 1, operators):
                    depth, other = depths[k, j], values[j]
                    if depth != 0.0:
                        for n in range(HOP):
                            turned[n] += depth * other[n]
                if depths[k, k] == 0.0:
                    for n in range(HOP):
                        mine[n] = (level + n * step) * _sine(turned[n])
                else:
                    last = mine[HOP - 1]
                    for n in range(HOP):
                        last = (level + n * step) * _sine(turned[n] + depths[k, k] * last)
                        mine[n] = last
                for n in range(HOP):
                    total[n] += weights[k] * mine[n]
            phases[k] += ratios[k] * run[HOP - 1]
            phases[k] -= math.floor(phases[k])
        target = out[begin : begin + count]
        for n in range(count):
            target[n] += total[n]
