"""Kernels of the phase vocoder in ``mixlab.audio.phase_vocoder``: Fourier transform, stretch, resampling.

Compiled by numba when this module is first imported (some seconds, once per machine: numba keeps the
result on disk) and free of the GIL. The stretch goes frame by frame, so that all it touches stays in
the first-level cache, and gets two transforms for one: two real signals go in as the real and the
imaginary part of one complex signal.

All of them share one file because numba renews what it keeps only when the caller's own file changes.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from mixlab.audio._kernels.simd import LANES, Emitter, instructions
from mixlab.utils.jit import njit

__all__ = ["TAPS", "fourier", "resample", "stretch"]

LANES_HASH = "3bd14f5ebb8f6e0e"
"""Of ``simd.py``: changes this file, and so has numba compile anew, when that one changes."""

TAPS = 32
"""Length of a resampling filter."""

# A region has an attack when its peak gained this much power within one synthesis hop (6 dB).
ATTACK_RISE = 4.0
# For so many frames after an attack every bin carries on its own phase: a click is a straight line of
# phases over frequency, which one rotation for a whole region would break into steps.
ATTACK_FRAMES = 2

# --- Fourier transform -----------------------------------------------------------------------------------
#
# Radix 4, self-sorting (Stockham), real and imaginary parts apart. Loops over NumPy arrays do not
# vectorise here: twelve streams that might overlap are more than LLVM is willing to check. So the
# butterfly is written for sixteen lanes; LLVM splits them on machines with narrower registers.


def _make_butterfly(kind: str) -> Callable[..., Any]:
    """Make the radix-4 butterfly over sixteen lanes for one kind of pass.

    Args:
        kind: ``first`` and ``second`` (stride 1 and 4) shuffle results into place and read one twiddle
            factor per lane; ``wide`` has one twiddle factor for all lanes; ``last`` needs none.
    """

    @instructions
    def butterfly(_, xr, xi, yr, yi, w, quarter, stride, start, twiddle, out):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            arrays = zip(signature.args[:5], args[:5], strict=True)
            pointers = [
                context.make_array(kind)(context, builder, value=value).data for kind, value in arrays
            ]
            _emit(Emitter(builder), kind, pointers, *args[5:])
            return context.get_dummy_value()

        return types.void(xr, xi, yr, yi, w, quarter, stride, start, twiddle, out), generate

    return butterfly


def _emit(
    e: Emitter,
    kind: str,
    p: list[ir.Value],
    quarter: ir.Value,
    stride: ir.Value,
    start: ir.Value,
    twiddle: ir.Value,
    out: ir.Value,
) -> None:
    step = e.builder.add
    offsets = [start]
    for _ in range(3):
        offsets.append(step(offsets[-1], quarter))
    ar, br, cr, dr = (e.load(p[0], offset) for offset in offsets)
    ai, bi, ci, di = (e.load(p[1], offset) for offset in offsets)
    sr, si, er, ei = e.add(ar, cr), e.add(ai, ci), e.sub(ar, cr), e.sub(ai, ci)
    tr, ti, fr, fi = e.add(br, dr), e.add(bi, di), e.sub(br, dr), e.sub(bi, di)
    results = [
        (e.add(sr, tr), e.add(si, ti)),
        (e.add(er, fi), e.sub(ei, fr)),
        (e.sub(sr, tr), e.sub(si, ti)),
        (e.sub(er, fi), e.add(ei, fr)),
    ]
    if kind != "last":
        read = e.splat if kind == "wide" else e.load
        for n in (1, 2, 3):
            cos = read(p[4], twiddle)
            sin = read(p[4], step(twiddle, quarter))
            twiddle = step(step(twiddle, quarter), quarter)
            real, imag = results[n]
            results[n] = (
                e.sub(e.mul(real, cos), e.mul(imag, sin)),
                e.add(e.mul(real, sin), e.mul(imag, cos)),
            )
    for part in (0, 1):
        vectors = [result[part] for result in results]
        if kind in ("first", "second"):
            vectors = _interleave(e, vectors, 1 if kind == "first" else 4)
        offset = out
        for vector in vectors:
            e.store(vector, p[2 + part], offset)
            offset = step(offset, stride)


def _interleave(e: Emitter, vectors: list[ir.Value], group: int) -> list[ir.Value]:
    """Merge four vectors, taking ``group`` lanes from each in turn."""
    both = list(range(2 * LANES))
    low, high = e.shuffle(vectors[0], vectors[1], both), e.shuffle(vectors[2], vectors[3], both)
    lanes = [n // group % 4 * LANES + n // group // 4 * group + n % group for n in range(4 * LANES)]
    return [e.shuffle(low, high, lanes[n : n + LANES]) for n in range(0, 4 * LANES, LANES)]


_first, _second, _wide, _last = (_make_butterfly(kind) for kind in ("first", "second", "wide", "last"))


@njit(nogil=True)
def _halves(x, y):  # type: ignore[no-untyped-def]
    """Do the radix-2 pass that lengths 2 * 4**n end with."""
    n = len(x) // 2
    a, b = x[:n], x[n:]
    c, d = y[:n], y[n:]
    for k in range(n):
        c[k] = a[k] + b[k]
        d[k] = a[k] - b[k]


@njit(nogil=True)
def fourier(xr, xi, yr, yi, twiddles):  # type: ignore[no-untyped-def]
    """Transform ``xr + i xi`` of length 4**n or 2 * 4**n, at least 64; ``x`` and ``y`` are overwritten.

    Returns:
        The real and the imaginary part of the result: two of the arrays given.
    """
    n = len(xr)
    quarter = n // 4
    for j in range(0, quarter, 16):
        _first(xr, xi, yr, yi, twiddles[0], quarter, 16, j, j, 4 * j)
    for j in range(0, quarter, 16):
        _second(yr, yi, xr, xi, twiddles[1], quarter, 16, j, j, 4 * j)
    stride = 16
    while stride < quarter:
        for p in range(0, quarter, stride):
            for q in range(0, stride, 16):
                _wide(xr, xi, yr, yi, twiddles[0], quarter, stride, p + q, p, 4 * p + q)
        stride *= 4
        xr, xi, yr, yi = yr, yi, xr, xi
    if stride == quarter:
        for q in range(0, stride, 16):
            _last(xr, xi, yr, yi, twiddles[0], quarter, stride, q, 0, q)
    else:
        _halves(xr, yr)
        _halves(xi, yi)
    return yr, yi


@instructions
def _spread(_, array, start, value):  # type: ignore[no-untyped-def]
    """Write one value to sixteen places."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        pointer = context.make_array(signature.args[0])(context, builder, value=args[0]).data
        e = Emitter(builder)
        e.store(e.spread(args[2]), pointer, args[1])
        return context.get_dummy_value()

    return types.void(array, start, types.float32), generate


# --- Stretch ---------------------------------------------------------------------------------------------


@njit(nogil=True)
def _multiply(a, b, out):  # type: ignore[no-untyped-def]
    for k in range(len(out)):
        out[k] = a[k] * b[k]


@njit(nogil=True, fastmath={"contract"})
def _multiply_add(a, b, out):  # type: ignore[no-untyped-def]
    for k in range(len(out)):
        out[k] += a[k] * b[k]


@njit(nogil=True, fastmath={"contract"})
def _split(zr, zi, real, imag, power, before):  # type: ignore[no-untyped-def]
    """Take the transform of two real signals apart: the first, and the power of both (added to).

    One array is written per loop, since LLVM gives up on loops with more streams to check for overlap.
    """
    n = np.uintp(len(zr))
    real[0], imag[0] = np.float32(2.0) * zr[0], 0.0
    power[2] += real[0] * real[0]
    before[2] += np.float32(4.0) * zi[0] * zi[0]
    for k in range(1, len(real)):
        real[k] = zr[k] + zr[n - np.uintp(k)]
    for k in range(1, len(real)):
        imag[k] = zi[k] - zi[n - np.uintp(k)]
    for k in range(1, len(real)):
        power[k + 2] += real[k] * real[k] + imag[k] * imag[k]
    for k in range(1, len(real)):
        a, b = zi[k] + zi[n - np.uintp(k)], zr[k] - zr[n - np.uintp(k)]
        before[k + 2] += a * a + b * b


@njit(nogil=True, fastmath={"contract"})
def _rotate(real, imag, turn, out):  # type: ignore[no-untyped-def]
    cos, sin, out_real, out_imag = turn[0], turn[1], out[0], out[1]
    for k in range(len(real)):
        out_real[k] = real[k] * cos[k] - imag[k] * sin[k]
    for k in range(len(real)):
        out_imag[k] = real[k] * sin[k] + imag[k] * cos[k]
    # Signals are real: nothing to turn at 0 Hz and at half the sample rate.
    out_imag[0] = 0.0
    out_imag[len(real) - 1] = 0.0


@njit(nogil=True, fastmath={"contract"})
def _join(first, second, zr, zi):  # type: ignore[no-untyped-def]
    """Write the spectrum of ``first + i second``, both real signals: what ``_split`` takes apart."""
    half = first.shape[1]
    n = np.uintp(len(zr))
    ar, ai, br, bi = first[0], first[1], second[0], second[1]
    for k in range(half):
        zr[k] = ar[k] - bi[k]
    for k in range(half):
        zi[k] = ai[k] + br[k]
    for k in range(1, half - 1):
        zr[n - np.uintp(k)] = ar[k] + bi[k]
    for k in range(1, half - 1):
        zi[n - np.uintp(k)] = br[k] - ai[k]


@njit(nogil=True)
def _copy(a, out):  # type: ignore[no-untyped-def]
    for k in range(len(out)):
        out[k] = a[k]


@njit(nogil=True)
def _find_regions(power, flags, peaks, edges):  # type: ignore[no-untyped-def]
    """Find local maxima over five bins and the middles between them; return how many there are.

    ``power`` has two zeros on both ends, so bin ``k`` is ``power[k + 2]``. Region ``i`` around
    ``peaks[i]`` reaches from ``edges[i]`` to ``edges[i + 1]``. No branch depends on the sound: they
    would be guessed wrong at every peak, which made this the slowest part of all.
    """
    bins = len(flags)
    for k in range(bins):
        c = power[k + 2]
        flags[k] = (c > power[k + 1]) & (c >= power[k + 3]) & (c > power[k]) & (c >= power[k + 4])
    count = 0
    for k in range(bins):
        peaks[count] = k
        count += flags[k]
    edges[0] = 0
    for i in range(1, count):
        edges[i] = (peaks[i - 1] + peaks[i] + 1) // 2
    edges[count] = bins
    return count


@njit(nogil=True, fastmath={"contract"})
def _rises(power, before, rise):  # type: ignore[no-untyped-def]
    """Write by how much the power over five bins exceeds what makes an attack."""
    for k in range(len(rise)):
        now = power[k] + power[k + 1] + power[k + 2] + power[k + 3] + power[k + 4]
        past = before[k] + before[k + 1] + before[k + 2] + before[k + 3] + before[k + 4]
        rise[k] = now - np.float32(ATTACK_RISE) * past


@njit(nogil=True, error_model="numpy", fastmath={"contract", "arcp"})
def _products(earlier, previous, k):  # type: ignore[no-untyped-def]
    """Return the product of the previous output with the conjugate of the earlier frame at bin ``k``."""
    mirrored = np.uintp(earlier.shape[2]) - k if k > 0 else k
    real, imag = np.float32(0.0), np.float32(0.0)
    for c in range(len(earlier)):
        br = earlier[c, 1, k] + earlier[c, 1, mirrored]
        bi = earlier[c, 0, mirrored] - earlier[c, 0, k]
        yr, yi = previous[c, 0, k], previous[c, 1, k]
        real += yr * br + yi * bi
        imag += yi * br - yr * bi
    return real, imag


@njit(nogil=True, error_model="numpy", fastmath={"contract", "arcp"})
def _normalize(products, count):  # type: ignore[no-untyped-def]
    """Turn products into rotations, cosine and sine; one where there was no sound."""
    real, imag = products[0], products[1]
    for i in range(count):
        size = real[i] * real[i] + imag[i] * imag[i]
        sounds = size > np.float32(1e-37)
        scale = np.float32(1.0) / np.sqrt(size if sounds else np.float32(1.0))
        real[i] = real[i] * scale if sounds else np.float32(1.0)
        imag[i] = imag[i] * scale if sounds else np.float32(0.0)


@njit(nogil=True, error_model="numpy", fastmath={"contract", "arcp"})
def _turns(rise, earlier, previous, peaks, edges, count, fresh, products, own, turn):  # type: ignore[no-untyped-def]
    """Find the rotation of every region and write it to all of its bins; bins above the last get 0.

    ``products`` and ``own`` are room for the rotation of each peak, and of each bin of one region.
    """
    if count == 0:
        turn[0] = 1.0
        turn[1] = 0.0
    # All peaks in one go, without a branch, so that roots and divisions are taken sixteen at a time.
    for i in range(count):
        products[0, i], products[1, i] = _products(earlier, previous, np.uintp(peaks[i]))
    _normalize(products, count)
    for i in range(count):
        k = peaks[i]
        first, size = edges[i], edges[i + 1] - edges[i]
        if rise[k] >= np.float32(0.0):
            for j in range(first, first + size):
                turn[0, j] = 1.0
                turn[1, j] = 0.0
                fresh[j] = ATTACK_FRAMES
        elif fresh[k] > 0:
            for j in range(size):
                own[0, j], own[1, j] = _products(earlier, previous, np.uintp(first + j))
                fresh[first + j] -= 1
            _normalize(own, size)
            for j in range(size):
                turn[0, first + j] = own[0, j]
                turn[1, first + j] = own[1, j]
        else:
            for j in range(first, first + size, LANES):
                _spread(turn, j, products[0, i])
                _spread(turn, j + turn.shape[1], products[1, i])
    for j in range(edges[count], turn.shape[1]):
        turn[0, j] = 0.0
        turn[1, j] = 0.0


_ARRAY = "float32[:, ::1]"
_STRETCH = f"void({_ARRAY}, int64[::1], int64, int64, {_ARRAY}, {_ARRAY}, {_ARRAY}, {_ARRAY})"


@njit(_STRETCH, nogil=True, cache=True)
def stretch(audio, starts, hop, bins, windows, twiddles, scratch, out):  # type: ignore[no-untyped-def]
    """Add the frames that begin at ``starts`` (an even number) to ``out``, ``hop`` apart, phases carried on.

    ``audio`` is padded so that every frame, and the one ``hop`` before it, lies inside. Only the lowest
    ``bins`` of each spectrum are kept. ``scratch`` has four rows, at least a frame long.
    """
    channels = audio.shape[0]
    size = windows.shape[1]
    half = size // 2 + 1
    spectrum = np.empty((channels, 2, size), np.float32)
    signal = np.empty((channels, 2, half), np.float32)
    frames = np.zeros((2, channels, 2, half), np.float32)
    ar, ai, br, bi = scratch[0, :size], scratch[1, :size], scratch[2, :size], scratch[3, :size]
    power = np.zeros(half + 4, np.float32)
    before = np.zeros(half + 4, np.float32)
    turn = np.zeros((2, half + 15), np.float32)
    flags = np.empty(bins, np.uint8)
    rise = np.empty(half, np.float32)
    peaks = np.empty(half + 1, np.int64)
    edges = np.empty(half + 1, np.int64)
    fresh = np.zeros(half, np.int8)
    products = np.empty((2, half), np.float32)
    own = np.empty((2, half), np.float32)
    for i in range(len(starts)):
        now, previous = frames[i % 2], frames[1 - i % 2]
        power[:] = 0.0
        before[:] = 0.0
        for c in range(channels):
            _multiply(audio[c, starts[i] :], windows[0], ar)
            _multiply(audio[c, starts[i] - hop :], windows[0], ai)
            zr, zi = fourier(ar, ai, br, bi, twiddles)
            _split(zr, zi, signal[c, 0], signal[c, 1], power, before)
            _copy(zr, spectrum[c, 0])
            _copy(zi, spectrum[c, 1])
        count = _find_regions(power, flags, peaks, edges)
        _rises(power, before, rise)
        _turns(rise, spectrum, previous, peaks, edges, count, fresh, products, own, turn)
        for c in range(channels):
            _rotate(signal[c, 0], signal[c, 1], turn, now[c])
            if i % 2 == 1:
                _join(previous[c], now[c], ar, ai)
                # Real and imaginary parts changed over, before and after: the inverse transform.
                zi, zr = fourier(ai, ar, bi, br, twiddles)
                _multiply_add(zr, windows[1], out[c, (i - 1) * hop : (i - 1) * hop + size])
                _multiply_add(zi, windows[1], out[c, i * hop : i * hop + size])


# --- Resampling ------------------------------------------------------------------------------------------


@instructions
def _filter_four(_, audio, rows, position, step, half, shift, out, place):  # type: ignore[no-untyped-def]
    """Write four neighbouring samples: each the product of a row with the input around its position.

    Positions are in units of 2**-32 samples; a row is chosen by the fraction, after adding ``half`` a step.
    """

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        a, r, o = (
            context.make_array(signature.args[n])(context, builder, value=args[n]).data for n in (0, 1, 6)
        )
        position, step, half, shift = args[2:6]
        e = Emitter(builder)
        long = ir.IntType(64)
        totals = []
        for _n in range(4):
            start = builder.lshr(position, ir.Constant(long, 32))
            fraction = builder.and_(position, ir.Constant(long, 0xFFFFFFFF))
            row = builder.mul(builder.lshr(builder.add(fraction, half), shift), ir.Constant(long, TAPS))
            total = e.mul(e.load(a, start), e.load(r, row))
            for k in range(LANES, TAPS, LANES):
                more = ir.Constant(long, k)
                product = e.mul(e.load(a, builder.add(start, more)), e.load(r, builder.add(row, more)))
                total = e.add(total, product)
            totals.append(total)
            position = builder.add(position, step)
        e.store_four(e.sum_four(totals), o, args[7])
        return context.get_dummy_value()

    return types.void(audio, rows, position, step, half, shift, out, place), generate


@njit(f"void({_ARRAY}, float64, {_ARRAY}, {_ARRAY})", nogil=True, cache=True)
def resample(audio, ratio, rows, out):  # type: ignore[no-untyped-def]
    """Read ``audio`` (padded by half a row on both sides) ``ratio`` times as fast.

    Row ``i`` is the filter for a place ``i / (rows - 1)`` of the way from one sample to the next, and their
    number is a power of two, plus one. The number of samples in ``out`` is a multiple of four.
    """
    step = np.int64(np.rint(ratio * 4294967296.0))
    half = np.int64(4294967296 // (2 * (len(rows) - 1)))
    shift = np.int64(0)
    while half << np.int64(1) > np.int64(1) << shift:
        shift += 1
    length = audio.shape[1]
    for c in range(len(audio)):
        position = np.int64(c * length) << np.int64(32)
        for n in range(0, out.shape[1], 4):
            _filter_four(audio, rows, position, step, half, shift, out, c * out.shape[1] + n)
            position += 4 * step
