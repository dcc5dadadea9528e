"""Kernels of ``mixlab.synthesis.notes``, compiled by numba when first imported; free of the GIL."""

import math

import numpy as np
from llvmlite import ir
from numba import types

from mixlab.audio._kernels.simd import LANES, Emitter, instructions
from mixlab.utils.jit import njit

__all__ = ["add_note"]

LANES_HASH = "3bd14f5ebb8f6e0e"
"""Of ``simd.py``: changes this file, and so has numba compile anew, when that one changes."""

_BLOCK = 64
_BEFORE = LANES // 2 - 1


@instructions
def _four(_, audio, firsts, rows, table, out, at):  # type: ignore[no-untyped-def]
    """Read four places of a sound, each by a row of ``table``."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        def data(n: int) -> ir.Value:
            return context.make_array(signature.args[n])(context, builder, value=args[n]).data

        samples, firsts, rows, table, out = (data(n) for n in range(5))
        e = Emitter(builder)
        products = []
        for k in range(4):
            place = [builder.add(args[5], ir.Constant(args[5].type, k))]
            weights = e.load(table, builder.load(builder.gep(rows, place)))
            products.append(e.mul(weights, e.load(samples, builder.load(builder.gep(firsts, place)))))
        e.store_four(e.sum_four(products), out, args[5])

    return types.void(audio, firsts, rows, table, out, at), generate


@njit("float64(float64[::1], int64)", nogil=True, cache=True)
def _ahead(swing, n):  # type: ignore[no-untyped-def]
    """Return how far ahead the place runs at a sample while the pitch swings."""
    depth, omega, phase, delay, growth = swing[0], swing[1], swing[2], swing[3], swing[4]
    grown = min(max((n - delay) / growth, 0.0), 1.0)
    return depth * grown * math.sin(omega * n + phase)


@njit(
    "void(float32[::1], float64, float64, float64[::1], float32[:, ::1], int64, int64, int64, float64,"
    " float64, float64, int64, float32[::1], float32[::1])",
    nogil=True,
    cache=True,
    error_model="numpy",
)
def add_note(audio, skip, ratio, swing, table, samples, rise, fall, lowest, gain, dull, first, out, dark):  # type: ignore[no-untyped-def]
    """Add a note to ``out``, and a part of it to ``dark``.

    Args:
        audio: The recording; silent before and after it.
        skip: Where in it the note begins, in samples.
        ratio: Samples of it for one of ``out``.
        swing: Of the pitch: depth in samples, radians per sample, first phase, samples until it begins, and
            until it has grown. A depth of 0 is none.
        table: Windowed sincs, as of ``mixlab.audio.varispeed``, so many that the nearest is near enough.
        samples: Length of the note.
        rise: Samples over which it is faded in, linearly.
        fall: Last samples, over which it falls exponentially to ``lowest``, from which 0 is counted.
        lowest: Above 0.
        gain: Of the note.
        dull: The part of it, 0 to 1, that goes to ``dark`` in place of ``out``.
        first: Sample of ``out`` at which it begins; may be below 0, not beyond the end with ``samples``.
        out: Is changed.
        dark: Is changed, where ``dull`` is above 0.
    """
    phases = len(table) - 1
    flat = table.reshape(table.size)
    block = np.empty(_BLOCK, np.float32)
    firsts, rows = np.empty(_BLOCK, np.int32), np.empty(_BLOCK, np.int32)
    swings = swing[0] != 0.0
    end = min(samples, int((len(audio) + LANES + abs(swing[0]) - skip) / ratio) + 1)
    plain = ratio == 1.0 and not swings and skip == math.floor(skip)
    # A fall of a block, which the next ones continue.
    kept, scale = lowest ** (1.0 / max(fall - 1, 1)), 1.0 / (1.0 - lowest)
    falls = np.ones(_BLOCK)
    for k in range(1, _BLOCK):
        falls[k] = falls[k - 1] * kept
    bright, dim = np.float32(gain * (1.0 - dull)), np.float32(gain * dull)
    for start in range(max(-first, 0) // _BLOCK * _BLOCK, end, _BLOCK):
        count = min(_BLOCK, end - start)
        begin = skip + ratio * start
        stop = skip + ratio * (start + _BLOCK)
        if swings:
            begin += _ahead(swing, start)
            stop += _ahead(swing, start + _BLOCK)
        step = (stop - begin) / _BLOCK
        low, high = math.floor(begin) - LANES, math.floor(stop) + LANES
        if plain:
            whole = int(begin)
            inside = min(count, len(audio) - whole)
            for k in range(inside):
                block[k] = audio[whole + k]
            for k in range(max(inside, 0), count):
                block[k] = np.float32(0.0)
        elif low >= 0 and high < len(audio):
            for k in range(_BLOCK):
                place = begin + step * k
                before = np.int32(place)
                firsts[k] = before - _BEFORE
                rows[k] = np.int32((place - before) * phases + 0.5) * LANES
            for k in range(0, _BLOCK, 4):
                _four(audio, firsts, rows, flat, block, k)
        else:
            for k in range(count):
                place = begin + step * k
                whole = math.floor(place)
                row = int((place - whole) * phases + 0.5)
                total = np.float32(0.0)
                for j in range(max(_BEFORE - whole, 0), min(LANES, len(audio) - whole + _BEFORE)):
                    total += table[row, j] * audio[whole - _BEFORE + j]
                block[k] = total
        if start < rise:
            for k in range(min(count, rise - start)):
                block[k] *= np.float32((start + k) / max(rise - 1, 1))
        if start + count > samples - fall and fall > 1:
            falling = block[max(samples - fall - start, 0) : count]
            curve = scale * lowest ** (max(start - (samples - fall), 0) / (fall - 1))
            for k in range(len(falling)):
                falling[k] *= np.float32(curve * falls[k] - scale * lowest)
        skipped = max(-first - start, 0)
        target = out[first + start + skipped : first + start + count]
        source = block[skipped:count]
        for k in range(len(target)):
            target[k] += source[k] * bright
        if dull > 0.0:
            target = dark[first + start + skipped : first + start + count]
            for k in range(len(target)):
                target[k] += source[k] * dim
