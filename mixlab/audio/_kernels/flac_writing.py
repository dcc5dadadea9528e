"""Kernel of ``mixlab.audio.flac_writing``, compiled by numba when it is first imported; free of the GIL.

Frames as RFC 9639 has them, of what costs little to find: a fixed polynomial for each channel of a frame, two
channels as left, right, middle or side, and Rice codes with a parameter for every 256 samples.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from mixlab.audio._kernels.flac import _CRC8, _sum16, _zeros
from mixlab.audio._kernels.simd import LANES, instructions
from mixlab.utils.jit import njit

__all__ = ["BLOCK", "FRAME_BYTES", "encode"]

BLOCK = 4096
"""Samples of a frame."""

FRAME_BYTES = 2 * (BLOCK * 17 // 8 + 64) + 64
"""A frame of two channels has fewer, whatever is in it."""

LANES_HASH = "3bd14f5ebb8f6e0e"
"""Of ``simd.py``: changes this file, and so has numba compile anew, when that one changes."""

FLAC_HASH = "1f8c3fce3b3e90da"
"""Of ``flac.py``, likewise."""

_PART, _ORDERS = 256, 4
_BEFORE = 4  # samples of silence before each frame
_WORD = 57
_CONSTANT, _PLAIN = -1, -2
_HIGHEST_LOW = 14


@instructions
def _add_sizes(_, x, first, blocks, sums):  # type: ignore[no-untyped-def]
    """Add up what sixteen samples at a time are, and what three polynomials leave of them, without signs."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        def data(n: int) -> ir.Value:
            return context.make_array(signature.args[n])(context, builder, value=args[n]).data

        samples, totals = data(0), data(3)
        vector = ir.VectorType(ir.IntType(32), LANES)
        nothing = ir.Constant(vector, None)

        def at(pointer: ir.Value, place: ir.Value) -> ir.Value:
            return builder.bitcast(builder.gep(pointer, [place]), vector.as_pointer())

        held = [cgutils.alloca_once_value(builder, nothing) for _ in range(_ORDERS)]  # type: ignore[no-untyped-call]
        with cgutils.for_range(builder, args[2]) as loop:
            place = builder.add(args[1], builder.mul(loop.index, ir.Constant(args[1].type, LANES)))
            a, b, c, d = (
                builder.load(at(samples, builder.sub(place, ir.Constant(place.type, k))), align=4)
                for k in range(_ORDERS)
            )
            first, second, third = builder.sub(a, b), builder.sub(b, c), builder.sub(c, d)
            twice, before = builder.sub(first, second), builder.sub(second, third)
            for total, left in zip(held, (a, first, twice, builder.sub(twice, before)), strict=True):
                negative = builder.icmp_signed("<", left, nothing)
                size = builder.select(negative, builder.neg(left), left)
                builder.store(builder.add(builder.load(total), size), total)
        for k, total in enumerate(held):
            builder.store(builder.load(total), at(totals, ir.Constant(ir.IntType(64), k * LANES)), align=4)

    return types.void(x, first, blocks, sums), generate


@instructions
def _store(_, out, place, word):  # type: ignore[no-untyped-def]
    """Write a word as eight bytes, the highest first."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        out = context.make_array(signature.args[0])(context, builder, value=args[0]).data
        address = builder.bitcast(builder.gep(out, [args[1]]), ir.IntType(64).as_pointer())
        builder.store(builder.bswap(args[2]), address, align=1)

    return types.void(out, place, types.int64), generate


@njit("UniTuple(int64, 2)(int64, int64)", nogil=True, cache=True)
def _best_low(total, count):  # type: ignore[no-untyped-def]
    """Return how many low bits cost least where sizes sum up to ``total``, and about what that costs."""
    folded = max(2 * total - count // 2, 0)
    low = np.int64(0)
    if folded >= 2 * count:
        low = min(63 - _zeros(folded // count), np.int64(_HIGHEST_LOW))
    return low, count * (low + 1) + (folded >> low)


@njit("UniTuple(int64, 2)(int32[::1], int64, int64, int32[:, ::1])", nogil=True, cache=True)
def _plan(x, count, bits, sums):  # type: ignore[no-untyped-def]
    """Return the order of the polynomial that predicts a channel best, and about what it costs in bits."""
    same = True
    for n in range(_BEFORE, _BEFORE + count):
        if x[n] != x[_BEFORE]:
            same = False
            break
    if same:
        return np.int64(_CONSTANT), bits
    costs = np.zeros(_ORDERS, np.int64)
    for first in range(0, count, _PART):
        # Samples before the first of a frame are 0; behind the last, a few more or less do not matter.
        _add_sizes(x, np.int64(_BEFORE + first), np.int64(_PART // LANES), sums)
        for k in range(_ORDERS):
            total = np.int64(0)
            for lane in range(LANES):
                total += sums[k, lane]
            costs[k] += _best_low(total, _PART)[1]
    order = np.int64(0)
    if count > LANES:
        for k in range(1, _ORDERS):
            if costs[k] + k * bits < costs[order] + order * bits:
                order = np.int64(k)
    if costs[order] >= bits * count:
        return np.int64(_PLAIN), bits * count
    return order, costs[order] + order * bits


@njit(nogil=True, inline="always")
def _put(held, full, at, out, value, bits):  # type: ignore[no-untyped-def]
    """Write up to 57 bits, and return what is left of a byte, how many bits of it are full, and its place."""
    held = held << bits | value
    full += bits
    _store(out, at, held << (64 - full))
    return held, full & 7, at + (full >> 3)


@njit(nogil=True, inline="always")
def _code(value, low):  # type: ignore[no-untyped-def]
    """Return a Rice code without the zeros that it begins with, and its length with them."""
    value = np.int64(value)
    folded = value << 1 ^ value >> 63
    unit = np.int64(1) << low
    return unit | (folded & (unit - 1)), (folded >> low) + 1 + low


@instructions
def _join_codes(_, values, first, low, words, sizes):  # type: ignore[no-untyped-def]
    """Write the codes of sixteen values as four words of four, and the lengths of these; see ``_code``.

    What is longer than a word is only told by its length.
    """

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        values, words, sizes = (
            context.make_array(signature.args[n])(context, builder, value=args[n]).data for n in (0, 3, 4)
        )
        whole = ir.VectorType(ir.IntType(32), LANES)

        def spread(value: int) -> ir.Value:
            return ir.Constant(whole, [value] * LANES)

        def joined(word: ir.Value, size: ir.Value) -> tuple[ir.Value, ir.Value]:
            half = word.type.count // 2
            parts = []
            for vector in (word, size):
                for k in range(2):
                    lanes = ir.Constant(ir.VectorType(ir.IntType(32), half), [2 * n + k for n in range(half)])
                    parts.append(builder.shuffle_vector(vector, vector, lanes))
            by = builder.and_(parts[3], ir.Constant(parts[3].type, [63] * half))
            return builder.or_(builder.shl(parts[0], by), parts[1]), builder.add(parts[2], parts[3])

        one = builder.insert_element(
            ir.Constant(whole, ir.Undefined),
            builder.trunc(args[2], whole.element),
            ir.Constant(whole.element, 0),
        )
        low = builder.shuffle_vector(one, one, spread(0))
        place = builder.bitcast(builder.gep(values, [args[1]]), whole.as_pointer())
        value = builder.load(place, align=4)
        folded = builder.xor(builder.shl(value, spread(1)), builder.ashr(value, spread(31)))
        unit = builder.shl(spread(1), low)
        word = builder.or_(unit, builder.and_(folded, builder.sub(unit, spread(1))))
        size = builder.add(builder.lshr(folded, low), builder.add(low, spread(1)))
        wide = ir.VectorType(ir.IntType(64), LANES)
        word, size = joined(*joined(builder.zext(word, wide), builder.zext(size, wide)))
        for vector, target in ((word, words), (size, sizes)):
            builder.store(vector, builder.bitcast(target, vector.type.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(values, first, low, words, sizes), generate


@njit("UniTuple(int64, 3)(int64, int64, int64, uint8[::1], int64, int64)", nogil=True, cache=True)
def _put_long(held, full, at, out, value, bits):  # type: ignore[no-untyped-def]
    """Write a code of any length; see ``_put``."""
    while bits > _WORD:
        held, full, at = _put(held, full, at, out, 0, 32)
        bits -= 32
    return _put(held, full, at, out, value, bits)


@njit(
    "UniTuple(int64, 3)(int64, int64, int64, uint8[::1], int32[::1], int64, int64, int64, int32[::1],"
    " int64[::1], int64[::1])",
    nogil=True,
    cache=True,
)
def _channel(held, full, at, out, x, count, bits, order, r, words, sizes):  # type: ignore[no-untyped-def]
    """Write a channel of a frame.

    There is room in ``r`` for what is left of it by the prediction, in ``words`` and ``sizes`` for codes.
    """
    mask = (np.int64(1) << bits) - 1
    if order == _CONSTANT:
        return _put(held, full, at, out, np.int64(x[0]) & mask, 8 + bits)
    plain = count if order == _PLAIN else order
    held, full, at = _put(held, full, at, out, 2 if order == _PLAIN else (8 + order) << 1, 8)
    for n in range(plain):
        held, full, at = _put(held, full, at, out, np.int64(x[n]) & mask, bits)
    if order == _PLAIN:
        return held, full, at
    a, b, c, d = x[order:], x[max(order - 1, 0) :], x[max(order - 2, 0) :], x[max(order - 3, 0) :]
    for n in range(count - order):
        if order == 0:
            r[n] = a[n]
        elif order == 1:
            r[n] = a[n] - b[n]
        elif order == 2:
            r[n] = a[n] - 2 * b[n] + c[n]
        else:
            r[n] = a[n] - 3 * b[n] + 3 * c[n] - d[n]
    held, full, at = _put(held, full, at, out, 4 if count == BLOCK else 0, 6)
    each = _PART if count == BLOCK else count
    for part in range(count // each):
        first, stop = max(part * each - order, 0), (part + 1) * each - order
        codes = r[first:stop]
        total = np.int64(0)
        for n in range(len(codes)):
            total += abs(codes[n])
        low, _ = _best_low(total, stop - first)
        held, full, at = _put(held, full, at, out, low, 4)
        # Four codes at a time, where they fit into a word together.
        joined = len(codes) // LANES * LANES
        for begin in range(0, joined, LANES):
            _join_codes(codes, np.int64(begin), low, words, sizes)
            for n in range(len(words)):
                if sizes[n] <= _WORD:
                    held, full, at = _put(held, full, at, out, words[n], sizes[n])
                else:
                    for k in range(begin + 4 * n, begin + 4 * n + 4):
                        one, size = _code(codes[k], low)
                        held, full, at = _put_long(held, full, at, out, one, size)
        for k in range(joined, len(codes)):
            one, size = _code(codes[k], low)
            held, full, at = _put_long(held, full, at, out, one, size)
    return held, full, at


@njit("int64(int16[:, ::1], int64, uint8[::1])", nogil=True, cache=True)
def encode(pcm, rate, out):  # type: ignore[no-untyped-def]
    """Write the frames of one or two channels of 16 bits; return how many bytes they are.

    Args:
        pcm: ``(channels, samples)``.
        rate: The code of the sample rate in a frame's header.
        out: ``FRAME_BYTES`` for each ``BLOCK`` samples, begun or whole.
    """
    channels, samples = pcm.shape
    x = np.zeros((4, _BEFORE + BLOCK), np.int32)
    sums = np.empty((_ORDERS, LANES), np.int32)
    r = np.empty(BLOCK, np.int32)
    words, sizes = np.empty(LANES // 4, np.int64), np.empty(LANES // 4, np.int64)
    orders = np.zeros(4, np.int64)
    costs = np.zeros(4, np.int64)
    at = np.int64(0)
    for number in range((samples + BLOCK - 1) // BLOCK):
        first = number * BLOCK
        count = min(BLOCK, samples - first)
        for c in range(channels):
            x[c, _BEFORE : _BEFORE + count] = pcm[c, first : first + count]
        a, b, coupled = 0, 1, channels - 1
        if channels == 2:
            left, right, middle, side = x[0, _BEFORE:], x[1, _BEFORE:], x[2, _BEFORE:], x[3, _BEFORE:]
            for n in range(count):
                middle[n] = np.int32(left[n] + right[n]) >> 1
                side[n] = left[n] - right[n]
        for c in range(4 if channels == 2 else 1):
            orders[c], costs[c] = _plan(x[c], count, 17 if c == 3 else 16, sums)
        if channels == 2:
            best = costs[0] + costs[1]
            for one, other, code in ((0, 3, 8), (3, 1, 9), (2, 3, 10)):
                if costs[one] + costs[other] < best:
                    a, b, coupled, best = one, other, code, costs[one] + costs[other]
        # The header: how many samples, the rate, how the channels are coupled, 16 bits, and the number.
        begin = at
        out[at], out[at + 1] = 0xFF, 0xF8
        out[at + 2] = (0xC0 if count == BLOCK else 0x70) | rate
        out[at + 3] = coupled << 4 | 0x08
        at += 4
        if number < 0x80:
            out[at] = number
            at += 1
        else:
            more = 1 if number < 0x800 else 2 if number < 0x10000 else 3
            out[at] = (0xF0 << (3 - more)) & 0xFF | number >> 6 * more
            at += 1
            for k in range(more - 1, -1, -1):
                out[at] = 0x80 | (number >> 6 * k) & 0x3F
                at += 1
        if count != BLOCK:
            out[at], out[at + 1] = (count - 1) >> 8, (count - 1) & 0xFF
            at += 2
        total = np.uint8(0)
        for k in range(begin, at):
            total = _CRC8[total ^ out[k]]
        out[at] = total
        at += 1
        held, full = np.int64(0), np.int64(0)
        held, full, at = _channel(
            held, full, at, out, x[a, _BEFORE:], count, 17 if a == 3 else 16, orders[a], r, words, sizes
        )
        if channels == 2:
            held, full, at = _channel(
                held, full, at, out, x[b, _BEFORE:], count, 17 if b == 3 else 16, orders[b], r, words, sizes
            )
        at += 1 if full else 0
        check = _sum16(out, begin, at)
        out[at], out[at + 1] = check >> 8, check & 0xFF
        at += 2
    return at
