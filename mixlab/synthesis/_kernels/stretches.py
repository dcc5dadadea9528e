"""Filters over a whole part, compiled by numba when first imported; free of the GIL.

A recursive filter waits for its own last output at every sample. What it was given a while ago it has
forgotten, though: so a part is filtered in sixteen stretches side by side, each of which begins so much
earlier that nothing is left of having begun there.
"""

from collections.abc import Iterator

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from mixlab.audio._kernels.simd import LANES, Emitter, instructions
from mixlab.utils.jit import njit

__all__ = ["STRETCHES", "TILE", "filter_stretches"]

LANES_HASH = "3bd14f5ebb8f6e0e"
"""Of ``simd.py``: changes this file, and so has numba compile anew, when that one changes."""

STRETCHES = 16
TILE = 64
"""Samples of each stretch that are filtered at a time."""

_NOTHING = 1e-30
"""What states below it are: nothing; smaller and smaller numbers would make silence slow."""


@instructions
def _filter_tile(_, tile, table, states, count):  # type: ignore[no-untyped-def]
    """Filter ``TILE`` samples of each stretch by ``count`` sections in turn, in transposed direct form II."""
    wide = ir.VectorType(ir.DoubleType(), STRETCHES)

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        data, coefficients, kept = (
            context.make_array(signature.args[n])(context, builder, value=args[n]).data for n in range(3)
        )
        long = ir.IntType(64)

        def whole(n: int) -> ir.Value:
            return ir.Constant(long, n)

        def at(pointer: ir.Value, row: ir.Value) -> ir.Value:
            place = builder.gep(pointer, [builder.mul(row, whole(STRETCHES))])
            return builder.bitcast(place, wide.as_pointer())

        def spread(value: ir.Value) -> ir.Value:
            nothing = ir.Constant(wide, ir.Undefined)
            one = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
            lanes = ir.Constant(ir.VectorType(ir.IntType(32), STRETCHES), [0] * STRETCHES)
            return builder.shuffle_vector(one, nothing, lanes)

        def product(a: ir.Value, b: ir.Value) -> ir.Value:
            return builder.fmul(a, b, flags=("contract",))

        def total(a: ir.Value, b: ir.Value) -> ir.Value:
            return builder.fadd(a, b, flags=("contract",))

        def less(a: ir.Value, b: ir.Value) -> ir.Value:
            return builder.fsub(a, b, flags=("contract",))

        held = [cgutils.alloca_once(builder, wide) for _n in range(2)]  # type: ignore[no-untyped-call]
        with cgutils.for_range(builder, args[3]) as loop:
            section = builder.mul(loop.index, whole(5))
            b0, b1, b2, a1, a2 = (
                spread(builder.load(builder.gep(coefficients, [builder.add(section, whole(n))])))
                for n in range(5)
            )
            rows = [builder.add(builder.mul(loop.index, whole(2)), whole(n)) for n in range(2)]
            for state, row in zip(held, rows, strict=True):
                builder.store(builder.load(at(kept, row), align=8), state)
            with cgutils.for_range(builder, whole(TILE)) as inner:
                x = builder.load(at(data, inner.index), align=8)
                y = total(product(b0, x), builder.load(held[0]))
                ahead = total(product(b1, x), builder.load(held[1]))
                builder.store(less(ahead, product(a1, y)), held[0])
                builder.store(less(product(b2, x), product(a2, y)), held[1])
                builder.store(y, at(data, inner.index), align=8)
            for state, row in zip(held, rows, strict=True):
                builder.store(builder.load(state), at(kept, row), align=8)
        return context.get_dummy_value()

    return types.void(tile, table, states, count), generate


@instructions
def _load_tile(_, audio, first, apart, tile):  # type: ignore[no-untyped-def]
    """Write ``TILE`` samples of each stretch side by side; stretches begin ``apart`` samples apart."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        samples, tiled = (
            context.make_array(signature.args[n])(context, builder, value=args[n]).data for n in (0, 3)
        )
        e, double = Emitter(builder), ir.VectorType(ir.DoubleType(), STRETCHES)
        for at, place in _places(builder, args[1], args[2]):
            rows = e.turn([e.load(samples, each) for each in place])
            for n, row in enumerate(rows):
                target = builder.gep(tiled, [ir.Constant(ir.IntType(64), (at + n) * STRETCHES)])
                target = builder.bitcast(target, double.as_pointer())
                builder.store(builder.fpext(row, double), target, align=8)
        return context.get_dummy_value()

    return types.void(audio, first, apart, tile), generate


@instructions
def _store_tile(_, tile, out, first, apart):  # type: ignore[no-untyped-def]
    """Go the way of ``_load_tile`` back."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        tiled, target = (
            context.make_array(signature.args[n])(context, builder, value=args[n]).data for n in (0, 1)
        )
        e, double = Emitter(builder), ir.VectorType(ir.DoubleType(), STRETCHES)
        for at, place in _places(builder, args[2], args[3]):
            rows = []
            for n in range(LANES):
                source = builder.gep(tiled, [ir.Constant(ir.IntType(64), (at + n) * STRETCHES)])
                wide = builder.load(builder.bitcast(source, double.as_pointer()), align=8)
                rows.append(builder.fptrunc(wide, e.vector))
            for row, each in zip(e.turn(rows), place, strict=True):
                e.store(row, target, each)
        return context.get_dummy_value()

    return types.void(tile, out, first, apart), generate


def _places(builder: ir.IRBuilder, first: ir.Value, apart: ir.Value) -> Iterator[tuple[int, list[ir.Value]]]:
    """Yield every sixteenth sample of a tile, and where it is in each stretch."""
    for at in range(0, TILE, LANES):
        place = [builder.add(first, ir.Constant(first.type, at))]
        while len(place) < STRETCHES:
            place.append(builder.add(place[-1], apart))
        yield at, place


@njit("void(float32[::1], float64[:, ::1], int64, float32[::1])", nogil=True, cache=True)
def filter_stretches(audio, table, warm, out):  # type: ignore[no-untyped-def]
    """Filter a sound with the sections of ``table`` ``(n, 5)`` in turn, from a state of rest.

    Args:
        audio: The sound; silent before it.
        table: Coefficients ``b0, b1, b2, a1, a2``.
        warm: By how many tiles each stretch begins earlier.
        out: As long; may be ``audio`` itself only where ``warm`` is 0.
    """
    samples = len(audio)
    tiles = (samples + STRETCHES * TILE - 1) // (STRETCHES * TILE)
    tile = np.zeros(TILE * STRETCHES)
    states = np.zeros(2 * len(table) * STRETCHES)
    count = np.int64(len(table))
    apart = tiles * TILE
    for turn in range(-warm, tiles):
        # But for the first and the last, all of it lies within the sound.
        whole = turn >= 0 and (STRETCHES - 1) * apart + (turn + 1) * TILE <= samples
        if whole:
            _load_tile(audio, np.int64(turn * TILE), apart, tile)
        for lane in range(0 if whole else STRETCHES):
            first = (lane * tiles + turn) * TILE
            if first >= 0 and first + TILE <= samples:
                held = audio[first : first + TILE]
                for n in range(TILE):
                    tile[n * STRETCHES + lane] = held[n]
            else:
                for n in range(TILE):
                    there = 0 <= first + n < samples
                    tile[n * STRETCHES + lane] = audio[first + n] if there else np.float32(0.0)
        _filter_tile(tile, table, states, count)
        for n in range(len(states)):
            states[n] = states[n] if abs(states[n]) > _NOTHING else 0.0
        if turn < 0:
            continue
        if whole:
            _store_tile(tile, out, np.int64(turn * TILE), apart)
        for lane in range(0 if whole else STRETCHES):
            first = (lane * tiles + turn) * TILE
            target = out[first : min(first + TILE, samples)]
            for n in range(len(target)):
                target[n] = tile[n * STRETCHES + lane]
