"""What a room answers to a sound: fast convolution, compiled by numba when first imported; free of the GIL.

Blocks of the sound are transformed in pairs, as real and imaginary parts: a real impulse response keeps them
apart. Transforms of ``scipy`` write spectra in the order of frequencies, which a product does not need. Here
they stay in the order in which they come about, and every step works on sixteen values side by side: first
steps of four parts (or one of two), until what is left are rows of sixteen values; sixteen of these rows are
turned on their side, and so transformed side by side, too.
"""

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numpy.typing import NDArray

from mixlab.audio._kernels.simd import LANES, Emitter, instructions
from mixlab.utils.jit import njit

__all__ = ["add_answers", "spectrum", "turns"]

LANES_HASH = "3bd14f5ebb8f6e0e"
"""Of ``simd.py``: changes this file, and so has numba compile anew, when that one changes."""

_TILE = LANES * LANES
_LEAST = np.float32(1e-7)
"""Transforms leave noise where there is silence, which is below it."""

_Complex = tuple[ir.Value, ir.Value]


class _Steps:
    """Writes the instructions of transforms on sixteen complex values at a time."""

    def __init__(self, builder: ir.IRBuilder) -> None:
        self.e = Emitter(builder)

    def add(self, a: _Complex, b: _Complex) -> _Complex:
        return self.e.add(a[0], b[0]), self.e.add(a[1], b[1])

    def sub(self, a: _Complex, b: _Complex) -> _Complex:
        return self.e.sub(a[0], b[0]), self.e.sub(a[1], b[1])

    def mul(self, a: _Complex, b: _Complex, back: bool = False) -> _Complex:
        """Multiply; by the conjugate of ``b`` on the way back."""
        e = self.e
        same, cross = (e.mul(a[0], b[0]), e.mul(a[1], b[1])), (e.mul(a[1], b[0]), e.mul(a[0], b[1]))
        return (e.add(*same), e.sub(*cross)) if back else (e.sub(*same), e.add(*cross))

    def four(self, x: list[_Complex], back: bool) -> list[_Complex]:
        """Transform four values."""
        a, b, c, d = self.add(x[0], x[2]), self.sub(x[0], x[2]), self.add(x[1], x[3]), self.sub(x[1], x[3])
        e = self.e
        right, left = (e.add(b[0], d[1]), e.sub(b[1], d[0])), (e.sub(b[0], d[1]), e.add(b[1], d[0]))
        return [self.add(a, c), left if back else right, self.sub(a, c), right if back else left]

    def constant(self, angle: float) -> _Complex:
        """Return a turn by an angle."""
        cos, sin = (
            ir.Constant(self.e.vector, [float(np.float32(f(angle)))] * LANES) for f in (math.cos, math.sin)
        )
        return cos, sin

    def sixteen(self, x: list[_Complex], back: bool) -> list[_Complex]:
        """Transform sixteen values: into an order of their own, or back from it."""
        turns_of = [self.constant(-2.0 * math.pi * (n % 4) * (n // 4) / LANES) for n in range(LANES)]

        def turned(values: list[_Complex]) -> list[_Complex]:
            pairs = enumerate(zip(values, turns_of, strict=True))
            return [self.mul(a, b, back) if n > 3 and n % 4 else a for n, (a, b) in pairs]

        def rows(values: list[_Complex]) -> list[_Complex]:
            return [each for n in range(0, LANES, 4) for each in self.four(values[n : n + 4], back)]

        def columns(values: list[_Complex]) -> list[_Complex]:
            made = [self.four(values[n::4], back) for n in range(4)]
            return [made[n % 4][n // 4] for n in range(LANES)]

        return columns(turned(rows(x))) if back else rows(turned(columns(x)))

    def load(self, pointer: ir.Value, place: ir.Value, apart: ir.Value) -> _Complex:
        builder = self.e.builder
        return self.e.load(pointer, place), self.e.load(pointer, builder.add(place, apart))

    def store(self, value: _Complex, pointer: ir.Value, place: ir.Value, apart: ir.Value) -> None:
        builder = self.e.builder
        self.e.store(value[0], pointer, place)
        self.e.store(value[1], pointer, builder.add(place, apart))


def _part(radix: int, back: bool):  # type: ignore[no-untyped-def]
    """Return instructions that transform values ``part`` apart, each set of ``radix`` into itself.

    ``x`` has ``size`` real parts, then the imaginary ones; ``table`` has at ``row``, for each value of a set
    but the first, the cosines of its turns, then the sines.
    """

    @instructions
    def step(_, x, size, first, part, table, row):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            data, turned = (
                context.make_array(signature.args[n])(context, builder, value=args[n]).data for n in (0, 4)
            )
            size, first, part, row = args[1], args[2], args[3], args[5]
            s = _Steps(builder)

            def times(value: ir.Value, n: int) -> ir.Value:
                return builder.mul(value, ir.Constant(value.type, n))

            with cgutils.for_range(builder, builder.udiv(part, ir.Constant(part.type, LANES))) as loop:
                at = times(loop.index, LANES)
                places = [builder.add(builder.add(first, at), times(part, n)) for n in range(radix)]
                turned_by = [
                    s.load(turned, builder.add(builder.add(row, at), times(part, 2 * n)), part)
                    for n in range(radix - 1)
                ]
                held = [s.load(data, place, size) for place in places]
                if back:
                    held = [held[0], *(s.mul(a, b, True) for a, b in zip(held[1:], turned_by, strict=True))]
                made = s.four(held, back) if radix == 4 else [s.add(*held), s.sub(*held)]
                if not back:
                    made = [made[0], *(s.mul(a, b) for a, b in zip(made[1:], turned_by, strict=True))]
                for value, place in zip(made, places, strict=True):
                    s.store(value, data, place, size)
            return context.get_dummy_value()

        return types.void(x, size, first, part, table, row), generate

    return step


_four, _four_back = _part(4, False), _part(4, True)
_two, _two_back = _part(2, False), _part(2, True)


@instructions
def _tile(_, x, size, first, out):  # type: ignore[no-untyped-def]
    """Transform sixteen rows of sixteen, and write them on their side."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        data, target = (
            context.make_array(signature.args[n])(context, builder, value=args[n]).data for n in (0, 3)
        )
        s = _Steps(builder)
        places = [builder.add(args[2], ir.Constant(args[2].type, n * LANES)) for n in range(LANES)]
        rows = [s.load(data, place, args[1]) for place in places]
        sides = zip(*(s.e.turn([row[n] for row in rows]) for n in (0, 1)), strict=True)
        for value, place in zip(s.sixteen(list(sides), False), places, strict=True):
            s.store(value, target, place, args[1])
        return context.get_dummy_value()

    return types.void(x, size, first, out), generate


@instructions
def _tile_back(_, x, size, first, response, out):  # type: ignore[no-untyped-def]
    """Multiply what ``_tile`` wrote by the spectrum of a response, and go its way back."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        data, other, target = (
            context.make_array(signature.args[n])(context, builder, value=args[n]).data for n in (0, 3, 4)
        )
        s = _Steps(builder)
        places = [builder.add(args[2], ir.Constant(args[2].type, n * LANES)) for n in range(LANES)]
        rows = [s.mul(s.load(data, place, args[1]), s.load(other, place, args[1])) for place in places]
        rows = s.sixteen(rows, True)
        sides = zip(*(s.e.turn([row[n] for row in rows]) for n in (0, 1)), strict=True)
        for value, place in zip(sides, places, strict=True):
            s.store(value, target, place, args[1])
        return context.get_dummy_value()

    return types.void(x, size, first, response, out), generate


def turns(size: int) -> NDArray[np.float32]:
    """Return the turns of a transform of ``size`` (a power of 2, 256 or more), as the kernels take them."""
    tables = []
    length = size
    while length > LANES:
        radix = 2 if length == size and length.bit_length() % 2 == 0 else 4
        angles = -2.0 * np.pi / length * np.arange(length // radix)
        tables += [part(k * angles) for k in range(1, radix) for part in (np.cos, np.sin)]
        length //= radix
    return np.concatenate(tables).astype(np.float32)


@njit("void(float32[::1], int64, float32[::1])", nogil=True)
def _forward(x, size, table):  # type: ignore[no-untyped-def]
    """Transform ``x``, but for its rows of sixteen."""
    row, length = np.int64(0), size
    rounds = 0
    while 4 << rounds < size:
        rounds += 1
    if (rounds + 2) % 2 == 1:
        _two(x, size, np.int64(0), size // 2, table, row)
        row, length = size, size // 2
    while length > LANES:
        for first in range(0, size, length):
            _four(x, size, np.int64(first), length // 4, table, row)
        row += 6 * (length // 4)
        length //= 4


@njit("void(float32[::1], int64, float32[::1])", nogil=True)
def _backward(x, size, table):  # type: ignore[no-untyped-def]
    """Go the way of ``_forward`` back; values are ``size`` times as large."""
    row, length = np.int64(len(table)), np.int64(LANES)
    while length * 4 <= size:
        length *= 4
        row -= 6 * (length // 4)
        for first in range(0, size, length):
            _four_back(x, size, np.int64(first), length // 4, table, row)
    if length < size:
        _two_back(x, size, np.int64(0), length, table, np.int64(0))


@njit("void(float32[::1], float32[::1], float32[::1])", nogil=True, cache=True)
def spectrum(response, table, out):  # type: ignore[no-untyped-def]
    """Write the spectrum of an impulse response, by a transform's size, as ``add_answers`` takes it.

    Args:
        response: No longer than the transform.
        table: The transform's ``turns``.
        out: Real parts, then imaginary ones.
    """
    size = len(out) // 2
    x = np.zeros(2 * size, np.float32)
    for n in range(len(response)):
        x[n] = response[n] / np.float32(size)
    _forward(x, size, table)
    for first in range(0, size, _TILE):
        _tile(x, size, np.int64(first), out)


@njit("boolean(float32[::1], int64, int64, float32[::1])", nogil=True)
def _load_half(audio, first, count, out):  # type: ignore[no-untyped-def]
    """Write ``count`` samples of a sound at half its rate, means of two; tell whether they sound."""
    pairs = audio[2 * first : 2 * (first + count)]
    for n in range(count):
        out[n] = np.float32(0.5) * (pairs[2 * n] + pairs[2 * n + 1])
    for n in range(count):  # noqa: SIM110 - numba compiles a generator into much more
        if out[n] != 0.0:
            return True
    return False


@njit(nogil=True)
def _add(values, out):  # type: ignore[no-untyped-def]
    for n in range(len(out)):
        value = values[n]
        out[n] += value if abs(value) >= _LEAST else np.float32(0.0)


@njit("void(float32[::1], int64, float32[:, ::1], float32[::1], float32[:, ::1])", nogil=True, cache=True)
def add_answers(audio, hop, spectra, table, out):  # type: ignore[no-untyped-def]
    """Add what a room answers to a sound to ``out``, at half the sound's rate.

    Args:
        audio: The sound.
        hop: Samples, at half the rate, that are transformed at a time: the transform's size, less the
            response's, and 1.
        spectra: Of the response to each channel, as of ``spectrum``.
        table: The transform's ``turns``.
        out: ``(channels, half as many samples)``.
    """
    size = spectra.shape[1] // 2
    samples = out.shape[1]
    x, y = np.empty(2 * size, np.float32), np.empty(2 * size, np.float32)
    z = np.empty(2 * size, np.float32)
    places = np.zeros(2, np.int64)
    held = 0
    for first in range(0, samples + hop, hop):
        last = first >= samples
        if not last:
            part = x[held * size : (held + 1) * size]
            count = min(hop, samples - first)
            if _load_half(audio, first, count, part):
                part[count:] = np.float32(0.0)
                places[held] = first
                held += 1
        if held == 0 or not (held == 2 or last):
            continue
        if held == 1:
            x[size:] = np.float32(0.0)
        _forward(x, size, table)
        for place in range(0, size, _TILE):
            _tile(x, size, np.int64(place), y)
        for c in range(len(spectra)):
            for place in range(0, size, _TILE):
                _tile_back(y, size, np.int64(place), spectra[c], z)
            _backward(z, size, table)
            for k in range(held):
                count = min(size, samples - places[k])
                _add(z[k * size : k * size + count], out[c, places[k] : places[k] + count])
        held = 0
