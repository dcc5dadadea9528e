"""Kernel of ``mixlab.audio.filters``, compiled by numba when it is first imported; free of the GIL.

A recursive filter waits for its own last output at every sample. Seen sixteen samples at a time it does not:
the output of a block is its input through the first sixteen samples of the impulse response, plus what the
filters' state on entering the block still sounds; only that state is carried from block to block. Any number
of filters in a row is one such system with a larger state, so a cascade of them is one pass.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from mixlab.audio._kernels.simd import LANES, Emitter, instructions
from mixlab.utils.jit import njit

__all__ = ["cascade"]

LANES_HASH = "3bd14f5ebb8f6e0e"
"""Of ``simd.py``: changes this file, and so has numba compile anew, when that one changes."""


@instructions
def _block(_, audio, start, response, echoes, feeds, state, order, out, place, fed):  # type: ignore[no-untyped-def]
    """Write sixteen samples of output, and what their input adds to each of the ``order`` states."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        def data(n: int) -> ir.Value:
            return context.make_array(signature.args[n])(context, builder, value=args[n]).data

        a, h, echo, feed, s, o, f = (data(n) for n in (0, 2, 3, 4, 5, 7, 9))
        start, order, place = args[1], args[6], args[8]
        e = Emitter(builder)
        long = ir.IntType(64)
        sums: list[ir.Value] = []
        for n in range(LANES):
            # The response to sample n begins at n: the table has sixteen zeros before it.
            term = e.mul(
                e.splat(a, builder.add(start, ir.Constant(long, n))), e.load(h, ir.Constant(long, LANES - n))
            )
            # Four sums side by side, since each addition takes its time.
            sums = [*sums, term] if n < 4 else [*sums[1:], e.add(sums[0], term)]
        total = e.add(e.add(sums[0], sums[1]), e.add(sums[2], sums[3]))
        held = cgutils.alloca_once_value(builder, total)  # type: ignore[no-untyped-call]
        builder.store(total, held)
        block = e.load(a, start)
        with cgutils.for_range(builder, order) as loop:
            k = builder.mul(loop.index, ir.Constant(order.type, LANES))
            value = builder.fptrunc(builder.load(builder.gep(s, [loop.index])), ir.FloatType())
            builder.store(e.add(builder.load(held), e.mul(e.spread(value), e.load(echo, k))), held)
            builder.store(e.sum(e.mul(block, e.load(feed, k))), builder.gep(f, [loop.index]))
        e.store(builder.load(held), o, place)
        return context.get_dummy_value()

    return types.void(audio, start, response, echoes, feeds, state, order, out, place, fed), generate


_WIDE = 8


@instructions
def _advance(_, carry, state, fed, order, width, after):  # type: ignore[no-untyped-def]
    """Write the states behind a block: what was fed to each, and what each state before it leaves of itself.

    Eight at a time, and each in the order of a plain sum: ``carry`` has a row for each state before.
    """

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        def data(n: int) -> ir.Value:
            return context.make_array(signature.args[n])(context, builder, value=args[n]).data

        table, before, feed, out = (data(n) for n in (0, 1, 2, 5))
        order, width = args[3], args[4]
        doubles, floats = ir.VectorType(ir.DoubleType(), _WIDE), ir.VectorType(ir.FloatType(), _WIDE)
        nothing = ir.Constant(doubles, ir.Undefined)
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), _WIDE), [0] * _WIDE)

        def at(pointer: ir.Value, place: ir.Value, kind: ir.Type) -> ir.Value:
            return builder.bitcast(builder.gep(pointer, [place]), kind.as_pointer())

        wide = ir.Constant(width.type, _WIDE)
        with cgutils.for_range(builder, builder.udiv(width, wide)) as group:
            first = builder.mul(group.index, wide)
            total = cgutils.alloca_once(builder, doubles)  # type: ignore[no-untyped-call]
            builder.store(builder.fpext(builder.load(at(feed, first, floats), align=4), doubles), total)
            with cgutils.for_range(builder, order) as loop:
                row = builder.load(
                    at(table, builder.add(builder.mul(loop.index, width), first), doubles), align=8
                )
                value = builder.load(builder.gep(before, [loop.index]))
                one = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
                spread = builder.shuffle_vector(one, nothing, lanes)
                builder.store(builder.fadd(builder.load(total), builder.fmul(row, spread)), total)
            builder.store(builder.load(total), at(out, first, doubles), align=8)

    return types.void(carry, state, fed, order, width, after), generate


@njit(nogil=True)
def _step(table, state, x):  # type: ignore[no-untyped-def]
    """Filter one sample, in transposed direct form II; ``state`` has two values per section."""
    for s in range(len(table)):
        y = table[s, 0] * x + state[2 * s]
        state[2 * s] = table[s, 1] * x - table[s, 3] * y + state[2 * s + 1]
        state[2 * s + 1] = table[s, 2] * x - table[s, 4] * y
        x = y
    return x


@njit("void(float32[:, ::1], float64[:, ::1], float32[:, ::1])", nogil=True, cache=True)
def cascade(audio, table, out):  # type: ignore[no-untyped-def]
    """Filter every channel with the sections of ``table`` ``(n, 5)`` in turn, from a state of rest.

    Sums of a block are taken in float32, states are kept in float64.
    """
    order = 2 * len(table)
    response = np.zeros(2 * LANES, np.float32)
    echoes = np.empty((order, LANES), np.float32)
    feeds = np.empty((order, LANES), np.float32)
    width = (order + _WIDE - 1) // _WIDE * _WIDE
    carry = np.zeros((order, width), np.float64)
    state = np.zeros(width, np.float64)
    for n in range(LANES):
        # A unit sample at place n of a block, run to the block's end: what it leaves in the states.
        state[:] = 0.0
        for m in range(n, LANES):
            y = _step(table, state, 1.0 if m == n else 0.0)
            if n == 0:
                response[LANES + m] = y
        for k in range(order):  # assigning one array to another takes numba seconds to compile
            feeds[k, n] = state[k]
    for k in range(order):
        state[:] = 0.0
        state[k] = 1.0
        for m in range(LANES):
            echoes[k, m] = _step(table, state, 0.0)
        for j in range(width):
            carry[k, j] = state[j]
    after = np.empty(width, np.float64)
    fed = np.zeros(width, np.float32)
    samples = audio.shape[1]
    whole = samples // LANES * LANES
    for c in range(len(audio)):
        state[:] = 0.0
        first = c * samples
        for n in range(0, whole, LANES):
            _block(audio, first + n, response, echoes, feeds, state, order, out, first + n, fed)
            _advance(carry, state, fed, order, width, after)
            for j in range(width):
                state[j] = after[j]
        for n in range(whole, samples):
            out[c, n] = _step(table, state, np.float64(audio[c, n]))
