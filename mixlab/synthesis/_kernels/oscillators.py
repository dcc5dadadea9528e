"""Kernels of ``mixlab.synthesis.synthesizers``, compiled by numba when first imported; free of the GIL."""

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from mixlab.audio._kernels.simd import LANES, Emitter, instructions
from mixlab.utils.jit import njit

__all__ = ["HOP", "play_fm", "play_tables"]

LANES_HASH = "3bd14f5ebb8f6e0e"
"""Of ``simd.py``: changes this file, and so has numba compile anew, when that one changes."""

HOP = 32
"""Samples between two values of a track."""


@instructions
def _read(_, table, first, places, rests, out):  # type: ignore[no-untyped-def]
    """Write ``HOP`` values between the points of a period, of which each has its step to the next beside it.

    ``table`` has such pairs, the period's from pair ``first`` on; each value is at one of ``places``, and
    by ``rests`` on the way to the next.
    """

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        table, places, rests, out = (
            context.make_array(signature.args[n])(context, builder, value=args[n]).data for n in (0, 2, 3, 4)
        )
        e, long = Emitter(builder), ir.IntType(64)
        longs, whole = ir.VectorType(long, LANES), ir.VectorType(ir.IntType(32), LANES)
        pointers = ir.VectorType(long.as_pointer(), LANES)
        mask = ir.Constant(ir.VectorType(ir.IntType(1), LANES), [1] * LANES)
        kinds = [pointers, ir.IntType(32), mask.type, longs]
        gather = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
            builder.module, ir.FunctionType(longs, kinds), f"llvm.masked.gather.v{LANES}i64.v{LANES}p0i64"
        )
        begin = builder.ptrtoint(builder.gep(table, [builder.mul(args[1], ir.Constant(long, 2))]), long)
        one = builder.insert_element(ir.Constant(longs, ir.Undefined), begin, ir.Constant(ir.IntType(32), 0))
        begins = e.shuffle(one, one, [0] * LANES)
        for n in range(0, HOP, LANES):
            at = ir.Constant(long, n)
            source = builder.bitcast(builder.gep(places, [at]), whole.as_pointer())
            offset = builder.zext(builder.load(source, align=4), longs)
            offset = builder.mul(offset, ir.Constant(longs, [8] * LANES))
            address = builder.inttoptr(builder.add(begins, offset), pointers)
            found = builder.call(
                gather, [address, ir.Constant(ir.IntType(32), 4), mask, ir.Constant(longs, ir.Undefined)]
            )
            pairs = builder.bitcast(found, ir.VectorType(ir.FloatType(), 2 * LANES))
            value, step = (e.shuffle(pairs, pairs, [2 * lane + k for lane in range(LANES)]) for k in (0, 1))
            e.store(e.add(value, e.mul(e.load(rests, at), step)), out, at)
        return context.get_dummy_value()

    return types.void(table, first, places, rests, out), generate


@njit(nogil=True, error_model="numpy", fastmath={"contract", "nsz"})
def _low_pass(a1, a2, a3, first, second, x):  # type: ignore[no-untyped-def]
    """Filter a frame in place, and return its states; of two samples each waits for those before both."""
    b1, b2, b3, b4 = 2.0 * a1 - 1.0, 2.0 * a2, 2.0 * a3, 1.0 - 2.0 * a3
    c1, c2, c3, c4 = b1 * b1 - b2 * b2, -b2 * (b1 + b4), b2 * (b1 + b4), b4 * b4 - b2 * b2
    for n in range(0, len(x), 2):
        one, other = x[n], x[n + 1]
        after1, after2 = b1 * first + (b2 * one - b2 * second), b2 * first + (b3 * one + b4 * second)
        x[n] = a2 * first + (a3 * one + (1.0 - a3) * second)
        x[n + 1] = a2 * after1 + (a3 * other + (1.0 - a3) * after2)
        first, second = (
            c1 * first + (c2 * second + ((b1 * b2 - b2 * b3) * one + b2 * other)),
            c3 * first + (c4 * second + ((b2 * b2 + b4 * b3) * one + b3 * other)),
        )
    return first, second


@njit(
    "void(float64, float64[:, ::1], float32[:, :, :, ::1], float64[::1], float64[:, ::1], float64, int64,"
    " float64, uint64, float64[::1])",
    nogil=True,
    cache=True,
    error_model="numpy",
    fastmath={"contract", "nsz"},
)
def play_tables(rate, tracks, tables, highest, unison, resonance, poles, noise, seed, out):  # type: ignore[no-untyped-def]
    """Add a note of a subtractive or wavetable synthesizer to ``out``.

    Oscillators read a table each, side by side; their sum goes through one or two state-variable low-passes
    of two poles, made by the trapezoidal rule.

    Args:
        rate: Samples per second.
        tracks: Rows of ``frames`` values: pitch in Hz, level, cut-off in Hz, place in ``tables``.
        tables: ``(shapes, bands, size, 2)``: a period each, with the step from each value to the next.
        highest: Highest pitch in Hz that a band is for, rising.
        unison: ``(3, n)``: pitch ratios, first phases 0..1 and weights of the oscillators.
        resonance: 0 for none to 1, where the filter would sing by itself.
        poles: 2 or 4.
        noise: Level of white noise beside the oscillators.
        seed: Of the noise; not 0.
        out: float64; ``HOP`` samples for every frame but the last, or fewer.
    """
    frames = tracks.shape[1]
    shapes, bands, size = tables.shape[:3]
    table = tables.reshape(tables.size)
    places, rests = np.empty(HOP, np.int32), np.empty(HOP, np.float32)
    low, high = np.empty(HOP, np.float32), np.empty(HOP, np.float32)
    voices = unison.shape[1]
    phases = unison[1].copy()
    block, run, wide = np.empty(HOP, np.float32), np.empty(HOP, np.float32), np.empty(HOP)
    first1, first2, second1, second2 = 0.0, 0.0, 0.0, 0.0
    damping, per_sample = 2.0 - 1.96 * resonance, 1.0 / rate
    bits = seed
    for frame in range(frames - 1):
        begin = frame * HOP
        count = min(HOP, len(out) - begin)
        if count <= 0:
            break
        place = min(max(tracks[3, frame], 0.0), shapes - 1.0)
        row = min(int(place), shapes - 1)
        part = np.float32(place - row)
        other = min(row + 1, shapes - 1)
        block[:] = np.float32(0.0)
        for n in range(count if noise > 0.0 else 0):
            bits ^= bits << np.uint64(13)
            bits ^= bits >> np.uint64(7)
            bits ^= bits << np.uint64(17)
            block[n] = noise * (np.float64(bits >> np.uint64(11)) * 2.0**-52 - 1.0)
        pitch = tracks[0, frame]
        step = (tracks[0, frame + 1] - pitch) / HOP
        for n in range(HOP):
            # Each place by itself, so that several are found at a time.
            run[n] = ((n + 1) * pitch + 0.5 * n * (n + 1) * step) * per_sample
        for voice in range(voices):
            ratio, weight = unison[0, voice], np.float32(unison[2, voice])
            band = 0
            while band < bands - 1 and highest[band] < ratio * max(pitch, pitch + HOP * step):
                band += 1
            first, speed = np.float32(phases[voice]), np.float32(ratio)
            for n in range(HOP):
                at = first + speed * run[n]
                at = (at - np.float32(np.int32(at))) * np.float32(size)
                places[n] = np.int32(at)
                rests[n] = at - np.float32(np.int32(at))
            _read(table, (row * bands + band) * size, places, rests, low)
            if part > 0.0:
                _read(table, (other * bands + band) * size, places, rests, high)
                for n in range(HOP):
                    block[n] += weight * (low[n] + part * (high[n] - low[n]))
            else:
                for n in range(HOP):
                    block[n] += weight * low[n]
            phase = phases[voice] + ratio * (HOP * pitch + 0.5 * (HOP - 1) * HOP * step) / rate
            phases[voice] = phase - math.floor(phase)
        g = math.tan(math.pi * min(max(tracks[2, frame], 20.0), 0.45 * rate) / rate)
        a1 = 1.0 / (1.0 + g * (g + damping))
        a2 = g * a1
        a3 = g * a2
        level = tracks[1, frame]
        level_step = (tracks[1, frame + 1] - level) / HOP
        wide[:] = block
        first1, first2 = _low_pass(a1, a2, a3, first1, first2, wide)
        if poles == 4:
            second1, second2 = _low_pass(a1, a2, a3, second1, second2, wide)
        target = out[begin : begin + count]
        for n in range(count):
            target[n] += (level + n * level_step) * wide[n]


_ROUND = np.float32(1.5 * 2.0**23)
"""Added and taken away again, it leaves the nearest whole number."""

_QUIET = 1e-6
_TURN, _HALF = np.float32(2.0 * math.pi), np.float32(0.5)
_TERMS = tuple(np.float32(each) for each in (-1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800))


@njit(nogil=True, inline="always")
def _sine(cycles):  # type: ignore[no-untyped-def]
    """Return the sine of a phase in cycles, by its series."""
    rest = cycles - ((cycles + _ROUND) - _ROUND)
    size = abs(rest)
    other = _HALF - size
    x = _TURN * (size if size < other else other)
    y = x * x
    value = x + x * y * (_TERMS[0] + y * (_TERMS[1] + y * (_TERMS[2] + y * (_TERMS[3] + y * _TERMS[4]))))
    return value if rest >= 0.0 else -value


@njit(
    "void(float64, float64[:, ::1], float64[::1], float64[:, ::1], float64[::1], float64[::1])",
    nogil=True,
    cache=True,
    error_model="numpy",
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
    values = np.zeros((operators, HOP), np.float32)
    turned, total, run = np.empty(HOP, np.float32), np.empty(HOP, np.float32), np.empty(HOP, np.float32)
    levels = np.empty(HOP, np.float32)
    used, per_sample = np.zeros(operators, np.bool_), 1.0 / rate
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
            run[n] = ((n + 1) * pitch + 0.5 * n * (n + 1) * pitch_step) * per_sample
            total[n] = np.float32(0.0)
        for k in range(operators - 1, -1, -1):
            level = tracks[1 + k, frame]
            step = (tracks[1 + k, frame + 1] - level) / HOP
            mine = values[k]
            if not used[k] or max(level, tracks[1 + k, frame + 1]) < _QUIET:
                mine[:] = np.float32(0.0)
            else:
                first, ratio, weight = np.float32(phases[k]), np.float32(ratios[k]), np.float32(weights[k])
                for n in range(HOP):
                    turned[n] = first + ratio * run[n]
                    levels[n] = level + n * step
                for j in range(k + 1, operators):
                    depth, other = np.float32(depths[k, j]), values[j]
                    if depth != 0.0:
                        for n in range(HOP):
                            turned[n] += depth * other[n]
                if depths[k, k] == 0.0:
                    for n in range(HOP):
                        mine[n] = levels[n] * _sine(turned[n])
                else:
                    last, depth = mine[HOP - 1], np.float32(depths[k, k])
                    for n in range(HOP):
                        last = levels[n] * _sine(turned[n] + depth * last)
                        mine[n] = last
                for n in range(HOP):
                    total[n] += weight * mine[n]
            phases[k] += ratios[k] * (HOP * pitch + 0.5 * (HOP - 1) * HOP * pitch_step) / rate
            phases[k] -= math.floor(phases[k])
        target = out[begin : begin + count]
        for n in range(count):
            target[n] += total[n]
