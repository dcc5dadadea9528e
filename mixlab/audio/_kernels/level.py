"""Kernels of ``levels`` and ``loudness``: compiled by numba when first imported, no GIL."""

import numpy as np

from mixlab.utils.jit import njit

__all__ = ["hop_power", "scan_block"]

_CLIP_LEVEL = 0.99996  # just below 32767 / 32768
_CLIP_RUN = 4
_LONE_LEVEL = np.float32(2.0)  # 6 dB above full scale
_LONE_SHARE = 0.1
_LONE_HOP = 100


@njit(nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _powers(x, basis):  # type: ignore[no-untyped-def]
    """Return sums of squares without the slow part and without the mean, and the mean.

    The slow part is what equal steps have in common with the rows of ``basis``, which are orthonormal and
    orthogonal to a constant. Deviations from the first sample are summed, so that single precision within a
    step is enough beside an offset.
    """
    samples, (rows, steps) = len(x), basis.shape
    first = x[0]
    sums = np.empty(steps, np.float64)
    total, squares = np.float64(0.0), np.float64(0.0)
    for s in range(steps):
        # Slices: indices that might be negative keep the loop from being vectorised.
        part = x[s * samples // steps : (s + 1) * samples // steps]
        part_sum, part_squares = np.float32(0.0), np.float32(0.0)
        for n in range(len(part)):
            deviation = part[n] - first
            part_sum += deviation
            part_squares += deviation * deviation
        sums[s] = part_sum
        total += part_sum
        squares += part_squares
    mean = total / samples
    swings = max(squares - total * mean, 0.0)
    for s in range(steps):
        length = (s + 1) * samples // steps - s * samples // steps
        sums[s] = (sums[s] - length * mean) / np.sqrt(length)
    fit = np.zeros(steps, np.float64)
    for row in range(rows):
        share = 0.0
        for s in range(steps):
            share += basis[row, s] * sums[s]
        for s in range(steps):
            fit[s] += share * basis[row, s]
    slow = 0.0
    for s in range(steps):
        # The fit is a staircase; of what it stands for, this much rises and falls within a step.
        rise = 0.5 * (fit[min(s + 1, steps - 1)] - fit[max(s - 1, 0)])
        slow += fit[s] * fit[s] + rise * rise / 12.0
    return max(swings - slow, 0.0), swings, np.float64(first) + mean


@njit(
    "void(float32[:, ::1], int64, float64, int64, float64[:, ::1], float64[:, ::1], float64[::1])",
    nogil=True,
    cache=True,
)
def hop_power(audio, first, hop, end, basis, last_basis, out):  # type: ignore[no-untyped-def]
    """Write the mean square over all channels of each hop, without its slow part.

    Hop ``h`` begins at ``first + round(h * hop)``; the last one ends at ``end``, in samples of ``audio``, and
    has a basis of its own.
    """
    for h in range(len(out)):
        begin = first + np.int64(np.rint(h * hop))
        whole = h + 1 < len(out)
        stop = min(first + np.int64(np.rint((h + 1) * hop)), end) if whole else end
        out[h] = 0.0
        if stop > begin:
            for c in range(len(audio)):
                out[h] += _powers(audio[c, begin:stop], basis if whole else last_basis)[0]
            out[h] /= (stop - begin) * len(audio)


@njit(cache=True, nogil=True, fastmath={"contract"})
def scan_block(audio, edges, limit, basis, last_basis, sections, carry, runs, power, offsets):  # type: ignore[no-untyped-def]
    """Go over ``(samples, channels)`` once; what is found is added up, block after block.

    Args:
        audio: Samples that are not finite become zero in place.
        edges: Where hops begin.
        limit: Samples beyond this are counted.
        basis: Of whole hops; see ``_powers``.
        last_basis: Of the last hop.
        sections: The two filters of the K-weighting.
        carry: ``(5,)``, their state and the offset from which they start, NaN before the first hop; carried
            on to the next block.
        runs: ``(channels, 2)``, last sample and length of its run at full scale, carried on likewise.
        power: ``(kinds, hops)`` receives sums of squares; see ``mixlab.audio.levels.KINDS``.
        offsets: ``(hops,)`` receives the means of the mono sum.

    Returns:
        Peak; samples not finite; flat tops; samples beyond the limit; hops in which one sample outshouts
        all others.
    """
    samples, channels = audio.shape
    peak, bad, clips, beyond, lone = np.float32(0.0), 0, 0, 0, 0
    mono = np.empty(samples, np.float32)
    for hop in range(len(edges)):
        start = edges[hop]
        stop = edges[hop + 1] if hop + 1 < len(edges) else samples
        length = stop - start
        sides, top = 0.0, np.float32(0.0)
        for c in range(channels):
            part = audio[start:stop, c]
            highest, total, squares = _look(part)
            if not np.isfinite(squares):
                bad += _zero_bad(part)
                highest, total, squares = _look(part)
            sides += max(squares - total * total / length, 0.0)
            clips += _count_flat_tops(part, highest, runs[c])
            if highest > limit:
                beyond += _count_beyond(part, limit)
            if highest > _LONE_LEVEL and length >= _LONE_HOP:
                lone += np.float64(highest) ** 2 > _LONE_SHARE * squares
            top = max(top, highest)
        peak = max(peak, top)
        # Squares of corrupt samples would be beyond single precision.
        unit = top if top > _LONE_LEVEL else np.float32(1.0)
        downmixed = mono[start:stop]
        _mix_down(audio[start:stop], unit, downmixed)
        found = _powers(downmixed, basis if hop + 1 < len(edges) else last_basis)
        area = np.float64(unit) ** 2
        offsets[hop] = found[2] * unit
        if np.isnan(carry[4]):
            carry[4] = offsets[hop]
        power[0, hop], power[1, hop] = found[0] * area, found[1] * area
        power[2, hop] = sides / channels
        power[3, hop] = _weigh(downmixed, np.float64(unit), sections, carry)
    return peak, bad, clips, beyond, lone


@njit(nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _look(audio):  # type: ignore[no-untyped-def]
    """Return highest magnitude, sum and sum of squares."""
    top, total, squares = np.float32(0.0), 0.0, 0.0
    for n in range(len(audio)):
        sample = audio[n]
        top = max(top, abs(sample))
        x = np.float64(sample)
        total += x
        squares += x * x
    return top, total, squares


@njit(nogil=True, fastmath={"contract"})
def _mix_down(audio, unit, out):  # type: ignore[no-untyped-def]
    """Write the mean of the channels of interleaved ``(samples, channels)``, in units of ``unit``."""
    scale = np.float32(1.0) / (np.float32(audio.shape[1]) * unit)
    for n in range(len(out)):
        out[n] = audio[n, 0] * scale
    for c in range(1, audio.shape[1]):
        for n in range(len(out)):
            out[n] += audio[n, c] * scale


@njit(nogil=True, fastmath={"contract"})
def _weigh(audio, unit, sections, carry):  # type: ignore[no-untyped-def]
    """Return the sum of squares of ``audio * unit`` after two second-order filters."""
    b0, b1, b2, a1, a2 = sections[0]
    d0, d1, d2, c1, c2 = sections[1]
    # State-space form: one multiply-add on the path from state to state.
    b1, b2 = b1 - a1 * b0, b2 - a2 * b0
    d1, d2 = d1 - c1 * d0, d2 - c2 * d0
    p1, p2, q1, q2, rest = carry
    total, sounds = 0.0, False
    for n in range(len(audio)):
        # From where the file starts, or the filters would take an offset for a click.
        x = np.float64(audio[n]) * unit - rest
        sounds |= x != 0.0
        y = b0 * x + p1
        p1, p2 = p2 + b1 * x - a1 * p1, b2 * x - a2 * p1
        z = d0 * y + q1
        q1, q2 = q2 + d1 * y - c1 * q1, d2 * y - c2 * q1
        total += z * z
    if not sounds and abs(p1) + abs(p2) + abs(q1) + abs(q2) < 1e-9:
        # The filters have rung out; going on would crawl through denormal numbers.
        p1, p2, q1, q2 = 0.0, 0.0, 0.0, 0.0
    carry[0], carry[1], carry[2], carry[3] = p1, p2, q1, q2
    return total


@njit(nogil=True)
def _zero_bad(audio):  # type: ignore[no-untyped-def]
    bad = 0
    for n in range(len(audio)):
        if not np.isfinite(audio[n]):
            audio[n] = 0.0
            bad += 1
    return bad


@njit(nogil=True)
def _count_beyond(audio, limit):  # type: ignore[no-untyped-def]
    count = 0
    for n in range(len(audio)):
        count += abs(audio[n]) > limit
    return count


@njit(nogil=True)
def _count_flat_tops(audio, top, run_of):  # type: ignore[no-untyped-def]
    """Count the runs of equal samples at full scale that reach the length of a clip."""
    if top < _CLIP_LEVEL:
        run_of[0], run_of[1] = 0.0, 0.0
        return 0
    last, run, clips = run_of[0], run_of[1], 0
    for n in range(len(audio)):
        sample = audio[n]
        run = run + 1 if abs(sample) >= _CLIP_LEVEL and sample == last else 0
        clips += run == _CLIP_RUN - 1
        last = sample
    run_of[0], run_of[1] = last, run
    return clips
