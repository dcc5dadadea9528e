"""Kernels of summing and of packs: compiled by numba when first imported, no GIL."""

import numpy as np

from mixlab.utils.jit import njit

__all__ = ["FAINT", "LEFT", "MOST_FOR_TRIPLES", "add_up", "find_cancelled", "scale_integers"]

_INTEGERS = "Array(int16, 1, 'C', readonly=True)"


@njit(f"void({_INTEGERS}, float32, float32[::1])", nogil=True, cache=True)
def scale_integers(integers, factor, out):  # type: ignore[no-untyped-def]
    """Write ``integers * factor``."""
    for n in range(len(out)):
        out[n] = np.float32(integers[n]) * factor


@njit(nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _swings(audio):  # type: ignore[no-untyped-def]
    """Return the sum of squares without the mean; in float32 over 256 samples each, in float64 over all."""
    first = audio[0]
    total, squares = np.float64(0.0), np.float64(0.0)
    for begin in range(0, len(audio), 256):
        part = audio[begin : begin + 256]
        part_sum, part_squares = np.float32(0.0), np.float32(0.0)
        for n in range(len(part)):
            deviation = part[n] - first
            part_sum += deviation
            part_squares += deviation * deviation
        total += part_sum
        squares += part_squares
    return squares - total * total / len(audio)


@njit(nogil=True)
def _copy(source, total):  # type: ignore[no-untyped-def]
    # Assigning one array to another takes numba seconds to compile.
    for n in range(len(total)):
        total[n] = source[n]


@njit(nogil=True)
def _add(source, total):  # type: ignore[no-untyped-def]
    for n in range(len(total)):
        total[n] += source[n]


@njit(nogil=True, fastmath={"nnan", "nsz", "reassoc"})
def _peak(audio):  # type: ignore[no-untyped-def]
    highest, lowest = np.float32(0.0), np.float32(0.0)
    for n in range(len(audio)):
        highest = max(highest, audio[n])
        lowest = min(lowest, audio[n])
    return max(highest, -lowest)


@njit("float32(float32[:, :, ::1], int64[::1], float32[:, ::1], float64[:, ::1])", nogil=True, cache=True)
def add_up(sources, edges, mixture, powers):  # type: ignore[no-untyped-def]
    """Write the sum of ``sources`` ``(n, channels, samples)``, in their order, and sums of squares per hop.

    ``edges`` are where hops begin. ``powers`` ``(n + 1, hops)`` are those of the sources and, last, of the
    mixture, of each channel without its mean. Returns the mixture's peak.
    """
    count, channels, samples = sources.shape
    peak = np.float32(0.0)
    powers[:] = 0.0
    for c in range(channels):
        # In blocks that stay in the cache.
        for h in range(len(edges)):
            begin = edges[h]
            end = edges[h + 1] if h + 1 < len(edges) else samples
            total = mixture[c, begin:end]
            _copy(sources[0, c, begin:end], total)
            powers[0, h] += _swings(total)
            for s in range(1, count):
                source = sources[s, c, begin:end]
                _add(source, total)
                powers[s, h] += _swings(source)
            powers[count, h] += _swings(total)
            peak = max(peak, _peak(total))
    return peak


FAINT = 1e-12  # -120 dBFS
_ALIKE = 0.81  # what cancels by 20 dB differs by less than a tenth in amplitude
LEFT = 0.01  # 20 dB below
MOST_FOR_TRIPLES = 12
_FEW = 32


@njit(nogil=True)
def _left(part, i, j, k):  # type: ignore[no-untyped-def]
    """Return the sum of squares of two sources (``k`` is ``j``) or three, each channel without its mean."""
    left = 0.0
    for c in range(part.shape[1]):
        both = part[i, c] + part[j, c]
        left += _swings(both if k == j else both + part[k, c])
    return left


@njit(nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _may_cancel(part, i, j, k):  # type: ignore[no-untyped-def]
    """Look at a few samples only, which rules out almost all that do not cancel."""
    a, b, c = part[i, 0], part[j, 0], part[k, 0]
    step = max(len(a) // _FEW, 1)
    seen, third = 0, np.float32(k != j)
    total, squares, single, single_squares = 0.0, 0.0, 0.0, 0.0
    for n in range(0, len(a), step):
        x = a[n]
        y = x + b[n] + third * c[n]
        total += y
        squares += y * y
        single += x
        single_squares += x * x
        seen += 1
    return squares - total * total / seen <= 10.0 * LEFT * (single_squares - single * single / seen)


@njit("void(float32[:, :, ::1], int64[::1], float64[:, ::1], boolean[:, ::1])", nogil=True, cache=True)
def find_cancelled(sources, edges, powers, out):  # type: ignore[no-untyped-def]
    """Tell in which hops a source is cancelled by others: bool ``(n, hops)``.

    Two or three sources cancel where their sum lies 20 dB below each of them; so does whatever lies 20 dB
    above the whole mixture. ``edges`` and ``powers`` are those of ``add_up``.
    """
    count, channels, samples = sources.shape
    out[:] = False
    for h in range(len(edges)):
        begin = edges[h]
        end = edges[h + 1] if h + 1 < len(edges) else samples
        part = sources[:, :, begin:end]
        faint = FAINT * (end - begin) * channels
        for i in range(count):
            for j in range(i + 1, count):
                low, high = min(powers[i, h], powers[j, h]), max(powers[i, h], powers[j, h])
                if out[i, h] or out[j, h] or low <= faint or low < _ALIKE * high:
                    continue
                if _may_cancel(part, i, j, j) and _left(part, i, j, j) <= LEFT * low:
                    out[i, h] = out[j, h] = True
        for i in range(count if count <= MOST_FOR_TRIPLES else 0):
            for j in range(i + 1, count):
                for k in range(j + 1, count):
                    low = min(powers[i, h], powers[j, h], powers[k, h])
                    if out[i, h] or out[j, h] or out[k, h] or low <= faint:
                        continue
                    if _may_cancel(part, i, j, k) and _left(part, i, j, k) <= LEFT * low:
                        out[i, h] = out[j, h] = out[k, h] = True
        for i in range(count):
            if powers[i, h] > faint and LEFT * powers[i, h] >= powers[count, h]:
                out[i, h] = True
