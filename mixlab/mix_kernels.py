"""Kernels of ``mixlab.rendering`` and ``mixlab.pack``: compiled by numba when first imported, no GIL."""

import numpy as np

from mixlab.jit import njit

__all__ = ["add_up", "hop_power", "scale_integers"]

_INTEGERS = "Array(int16, 1, 'C', readonly=True)"


@njit(f"void({_INTEGERS}, float32, float32[::1])", nogil=True, cache=True)
def scale_integers(integers, factor, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Write ``integers * factor``."""
    for n in range(len(out)):
        out[n] = np.float32(integers[n]) * factor


@njit(nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _power(audio):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Return the sum of squares; in float32 over 256 samples at a time, in float64 over all."""
    total = np.float64(0.0)
    for begin in range(0, len(audio), 256):
        part = audio[begin : begin + 256]
        block = np.float32(0.0)
        for n in range(len(part)):
            block += part[n] * part[n]
        total += block
    return total


@njit("void(float32[:, ::1], int64, float64, int64, float64[::1])", nogil=True, cache=True)
def hop_power(audio, first, hop, end, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Write the mean square over all channels of each hop: hop ``h`` begins at ``first + round(h * hop)``.

    The last hop ends at ``end``, in samples of ``audio``.
    """
    for h in range(len(out)):
        begin = first + np.int64(np.rint(h * hop))
        stop = end if h + 1 == len(out) else min(first + np.int64(np.rint((h + 1) * hop)), end)
        total = 0.0
        for c in range(len(audio)):
            total += _power(audio[c, begin:stop])
        out[h] = total / max((stop - begin) * len(audio), 1)


@njit(nogil=True)
def _add(source, total):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for n in range(len(total)):
        total[n] += source[n]


@njit(nogil=True, fastmath={"nnan", "nsz", "reassoc"})
def _peak(audio):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    highest, lowest = np.float32(0.0), np.float32(0.0)
    for n in range(len(audio)):
        highest = max(highest, audio[n])
        lowest = min(lowest, audio[n])
    return max(highest, -lowest)


@njit("float32(float32[:, :, ::1], float32[:, ::1], float64[::1])", nogil=True, cache=True)
def add_up(sources, mixture, powers):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Write the sum of ``sources`` ``(n, channels, samples)``, in their order, and each one's sum of squares.

    The last of ``powers`` is that of the mixture. Returns the mixture's peak.
    """
    count, channels, samples = sources.shape
    peak = np.float32(0.0)
    powers[:] = 0.0
    for c in range(channels):
        # In blocks that stay in the first-level cache.
        for begin in range(0, samples, 2048):
            end = min(begin + 2048, samples)
            total = mixture[c, begin:end]
            total[:] = sources[0, c, begin:end]
            powers[0] += _power(total)
            for s in range(1, count):
                source = sources[s, c, begin:end]
                _add(source, total)
                powers[s] += _power(source)
            powers[count] += _power(total)
            peak = max(peak, _peak(total))
    return peak
