"""Kernels of ``mixlab.audio.resampling``, compiled by numba when first imported; free of the GIL."""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from mixlab.audio._kernels.simd import LANES, Emitter, instructions
from mixlab.utils.jit import njit

__all__ = ["mono", "polyphase"]

LANES_HASH = "3bd14f5ebb8f6e0e"
"""Of ``simd.py``: changes this file, and so has numba compile anew, when that one changes."""

# Output samples of one row that are made together, sharing what is read of the row.
_TOGETHER = 4
# So many of each row are made before the next row: the row, and the input that they need (441 samples apart
# from 44.1 to 16 kHz), stay in the first-level cache.
_PERIODS = 8


@instructions
def _dots(_, audio, start, down, rows, row, taps, out):  # type: ignore[no-untyped-def]
    """Write four products of a row (a multiple of 16) with the input from ``start``, ``start + down``, ..."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        a, r, o = (
            context.make_array(signature.args[n])(context, builder, value=args[n]).data for n in (0, 3, 6)
        )
        e = Emitter(builder)
        starts = [args[1]]
        for _n in range(_TOGETHER - 1):
            starts.append(builder.add(starts[-1], args[2]))
        nothing = ir.Constant(e.vector, None)
        totals = [cgutils.alloca_once_value(builder, nothing) for _n in starts]  # type: ignore[no-untyped-call]
        for total in totals:
            builder.store(nothing, total)
        lanes = ir.Constant(args[5].type, LANES)
        with cgutils.for_range(builder, builder.sdiv(args[5], lanes)) as loop:
            k = builder.mul(loop.index, lanes)
            weights = e.load(r, builder.add(args[4], k))
            for begin, total in zip(starts, totals, strict=True):
                product = e.mul(e.load(a, builder.add(begin, k)), weights)
                builder.store(e.add(builder.load(total), product), total)
        e.store_four(e.sum_four([builder.load(total) for total in totals]), o, ir.Constant(ir.IntType(64), 0))
        return context.get_dummy_value()

    return types.void(audio, start, down, rows, row, taps, out), generate


@njit(
    "void(float32[:, ::1], Array(float32, 2, 'C', readonly=True), int64, int64, float32[:, ::1])",
    nogil=True,
    cache=True,
)
def polyphase(audio, rows, down, phase, out):  # type: ignore[no-untyped-def]
    """Resample ``audio`` by ``len(rows) / down``; the first output sample lies at ``phase`` of its input.

    The sample number ``n`` of the output is row ``q % up`` times the input from ``q // up`` on, with ``q =
    phase + n * down``.
    """
    up, taps = rows.shape
    whole, rest = down // up, down % up
    samples = out.shape[1]
    four = np.empty(_TOGETHER, np.float32)
    for c in range(len(audio)):
        for begin in range(0, samples, up * _PERIODS):
            stop = min(begin + up * _PERIODS, samples)
            # Carried along, because dividing takes as long as making a sample.
            q = phase + begin * down
            place, first = q % up, c * audio.shape[1] + q // up
            for p in range(begin, min(begin + up, samples)):
                row, start, n = place * taps, first, p
                place += rest
                first += whole
                if place >= up:
                    place -= up
                    first += 1
                while n < stop:
                    # The last few are made one by one, four times the same, so that nothing is read beyond
                    # the end; by the same instructions, so that additions are rounded alike.
                    count = _TOGETHER if n + (_TOGETHER - 1) * up < stop else 1
                    _dots(audio, start, down if count > 1 else 0, rows, row, taps, four)
                    for m in range(count):
                        out[c, n + m * up] = four[m]
                    n += count * up
                    start += count * down


@njit("void(float32[:, ::1], float32[::1])", nogil=True, cache=True, fastmath={"contract"})
def mono(frames, out):  # type: ignore[no-untyped-def]
    """Write the mean of the channels of interleaved ``(samples, channels)``."""
    channels = frames.shape[1]
    scale = np.float32(1.0 / channels)
    if channels == 2:
        for n in range(len(out)):
            out[n] = (frames[n, 0] + frames[n, 1]) * np.float32(0.5)
    else:
        for n in range(len(out)):
            total = np.float32(0.0)
            for c in range(channels):
                total += frames[n, c]
            out[n] = total * scale
