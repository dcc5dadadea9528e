"""Kernels of ``mixlab.audio.decoding.flac``, compiled by numba when first imported; free of the GIL.

FLAC is codes of one number after the other, and predictions from the numbers before: neither can be done side
by side within a frame. So the codes of several frames are read first, and then all of them are predicted
together, each in a lane of one vector. The format is that of RFC 9639.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numpy.typing import NDArray

from mixlab.audio._kernels.simd import instructions
from mixlab.utils.jit import njit

__all__ = ["LANES", "PAD", "SHORT", "decode", "find"]

LANES_HASH = "3bd14f5ebb8f6e0e"
"""Of ``simd.py``: changes this file, and so has numba compile anew, when that one changes."""

LANES = 8
"""Channels of frames that are predicted together."""

PAD = 256
"""Bytes behind the data that may be read, whatever they are: more than a channel has before its first
check."""

SHORT = -1
"""Instead of the end of a frame: it goes on behind the data."""

_DOUBT = -2  # instead of the end of a frame: it is damaged, or of a kind that others should read
_HIGHEST_ORDER = 32
_WINDOW = 57  # bits that are surely there when eight bytes were read from any bit on

_WORD = ir.IntType(64)
_DATA = "Array(uint8, 1, 'C', readonly=True)"


@instructions
def _load(_, data, place):  # type: ignore[no-untyped-def]
    """Read eight bytes, the first as the highest."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        pointer = context.make_array(signature.args[0])(context, builder, value=args[0]).data
        address = builder.bitcast(builder.gep(pointer, [args[1]]), _WORD.as_pointer())
        return builder.bswap(builder.load(address, align=1))

    return types.int64(data, place), generate


@instructions
def _zeros(_, word):  # type: ignore[no-untyped-def]
    """Count the zeros in front of the highest one; 64 of 0."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.ctlz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(word), generate


@instructions
def _down(_, word, bits):  # type: ignore[no-untyped-def]
    """Shift down by 0 to 63 bits, zeros moving in."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.lshr(args[0], args[1])

    return types.int64(word, bits), generate


def _predictor(taps: int, width: int) -> Any:
    """Return a kernel that adds to each number what ``taps`` before it predict, in ``width`` bits."""
    vector = ir.VectorType(ir.IntType(32), LANES)
    wide = ir.VectorType(ir.IntType(width), LANES)

    @instructions
    def predict(_, x, weights, shifts, first, stop):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            xs, ws, ss = (
                context.make_array(signature.args[n])(context, builder, value=args[n]).data for n in (0, 1, 2)
            )

            def address(pointer: ir.Value, row: ir.Value) -> ir.Value:
                place = builder.mul(row, ir.Constant(row.type, LANES))
                return builder.bitcast(builder.gep(pointer, [place]), vector.as_pointer())

            def read(pointer: ir.Value, row: ir.Value) -> ir.Value:
                found = builder.load(address(pointer, row), align=4)
                return found if width == 32 else builder.sext(found, wide)

            def number(value: int) -> ir.Value:
                return ir.Constant(_WORD, value)

            by = [read(ws, number(k)) for k in range(taps)]
            down = read(ss, number(0))
            before = read(xs, builder.sub(args[3], number(1)))
            last = cgutils.alloca_once_value(builder, before)  # type: ignore[no-untyped-call]
            with cgutils.for_range(builder, builder.sub(args[4], args[3])) as loop:
                n = builder.add(args[3], loop.index)
                # What is known longest comes first, so that it is ready when the latest number is.
                total = None
                for k in range(taps - 1, 0, -1):
                    product = builder.mul(by[k], read(xs, builder.sub(n, number(k + 1))))
                    total = product if total is None else builder.add(total, product)
                total = builder.add(total, builder.mul(by[0], builder.load(last)))
                made = builder.add(read(xs, n), builder.ashr(total, down))
                builder.store(made, last)
                whole = made if width == 32 else builder.trunc(made, vector)
                builder.store(whole, address(xs, n), align=4)
            return context.get_dummy_value()

        return types.void(x, weights, shifts, first, stop), generate

    return predict


_narrow4, _narrow8, _narrow12, _narrow32 = (_predictor(taps, 32) for taps in (4, 8, 12, 32))
_wide4, _wide12, _wide32 = (_predictor(taps, 64) for taps in (4, 12, 32))


def _table8() -> NDArray[np.uint8]:
    table = np.arange(256, dtype=np.int64)
    for _ in range(8):
        table = (table << 1) ^ np.where(table & 0x80, 0x107, 0)
    return table.astype(np.uint8)


def _tables16(following: Sequence[int]) -> NDArray[np.uint16]:
    """Return what each byte does to the sum when so many bytes follow it, a row for each number."""
    table = np.arange(256, dtype=np.int64) << 8
    for _ in range(8):
        table = (table << 1) ^ np.where(table & 0x8000, 0x18005, 0)
    rows = [table]
    for _ in range(max(following)):
        rows.append(((rows[-1] << 8) & 0xFFFF) ^ table[rows[-1] >> 8])
    return np.array([rows[k] for k in following]).astype(np.uint16)


_STRETCH = 512
_CRC8, _CRC16, _FAR16 = _table8(), _tables16(range(8)), _tables16([_STRETCH - 1, _STRETCH - 2])


@njit(nogil=True, inline="always")
def _eight16(total, data, at):  # type: ignore[no-untyped-def]
    word = _load(data, at) ^ total << 48
    return (
        np.int64(_CRC16[7, word >> 56 & 0xFF])
        ^ _CRC16[6, word >> 48 & 0xFF]
        ^ _CRC16[5, word >> 40 & 0xFF]
        ^ _CRC16[4, word >> 32 & 0xFF]
        ^ _CRC16[3, word >> 24 & 0xFF]
        ^ _CRC16[2, word >> 16 & 0xFF]
        ^ _CRC16[1, word >> 8 & 0xFF]
        ^ _CRC16[0, word & 0xFF]
    )


@njit(f"int64({_DATA}, int64, int64)", nogil=True, cache=True)
def _sum16(data, first, stop):  # type: ignore[no-untyped-def]
    total, at = np.int64(0), first
    while at + 2 * _STRETCH <= stop:
        # Two stretches side by side, since each step waits for the one before.
        other = np.int64(0)
        for k in range(at, at + _STRETCH, 8):
            total, other = _eight16(total, data, k), _eight16(other, data, k + _STRETCH)
        total = np.int64(_FAR16[0, total >> 8] ^ _FAR16[1, total & 0xFF]) ^ other
        at += 2 * _STRETCH
    while at + 8 <= stop:
        total = _eight16(total, data, at)
        at += 8
    while at < stop:
        total = ((total << 8) & 0xFFFF) ^ _CRC16[0, (total >> 8) ^ data[at]]
        at += 1
    return total


@njit(nogil=True, inline="always")
def _peek(data, bit):  # type: ignore[no-untyped-def]
    """Return what follows from a bit on, at the top; at least 57 bits of it are right."""
    return _load(data, bit >> 3) << (bit & 7)


@njit(nogil=True, inline="always")
def _bits(data, bit, count):  # type: ignore[no-untyped-def]
    """Read 1 to 32 bits as a number from 0."""
    return _down(_peek(data, bit), 64 - count)


@njit(nogil=True, inline="always")
def _signed(data, bit, count):  # type: ignore[no-untyped-def]
    """Read 1 to 32 bits as a number with a sign."""
    return _peek(data, bit) >> (64 - count)


@njit(
    f"UniTuple(int64, 4)({_DATA}, int64, int64, int64, int64)",
    nogil=True,
    cache=True,
)
def _header(data, size, at, second, third):  # type: ignore[no-untyped-def]
    """Read a frame's header: samples, how its channels are coupled, its number, its end.

    ``second`` and ``third`` are the bytes of the first frame that name rate, and bits, of a sample. The end
    is ``SHORT`` where the data ends before, or says that this is no header.
    """
    if at + 16 > size:
        return 0, 0, 0, SHORT
    no = np.int64(0), np.int64(0), np.int64(0), np.int64(_DOUBT)
    if data[at] != 0xFF or data[at + 1] != 0xF8:
        return no
    if data[at + 2] & 0x0F != second & 0x0F or data[at + 3] & 0x0F != third & 0x0F:
        return no
    code, coupled = np.int64(data[at + 2]) >> 4, np.int64(data[at + 3]) >> 4
    # The number, as UTF-8 would write it: of up to six bytes, 31 bits.
    lead, place = np.int64(data[at + 4]), at + 5
    more = _zeros(~(lead << 56)) - 1
    if more == 0 or more > 5:
        return no
    number = lead if more < 0 else lead & ((1 << (6 - more)) - 1)
    for _k in range(more):
        if data[place] & 0xC0 != 0x80:
            return no
        number = number << 6 | (data[place] & 0x3F)
        place += 1
    if code == 0 or coupled > 10:
        return no
    if code == 1:
        samples = np.int64(192)
    elif code < 6:
        samples = np.int64(576) << (code - 2)
    elif code == 6:
        samples = np.int64(data[place]) + 1
        place += 1
    elif code == 7:
        samples = (np.int64(data[place]) << 8 | data[place + 1]) + 1
        place += 2
    else:
        samples = np.int64(256) << (code - 8)
    rate = second & 0x0F
    place += 1 if rate == 12 else 2 if rate > 12 else 0
    total = np.uint8(0)
    for k in range(at, place):
        total = _CRC8[total ^ data[k]]
    if total != data[place]:
        return no
    return samples, coupled, number, place + 1


@njit(
    f"UniTuple(int64, 2)({_DATA}, int64, int64, int64[::1], int64, int64)",
    nogil=True,
    cache=True,
)
def find(data, size, at, stream, least, most):  # type: ignore[no-untyped-def]
    """Find the first header from a byte on of a frame whose number is within bounds.

    Returns:
        Its place and the frame's number; -1 where none is.
    """
    while at + 16 <= size:
        if data[at] == 0xFF and data[at + 1] == 0xF8:
            _, _, number, end = _header(data, size, at, stream[4], stream[5])
            if end >= 0 and least <= number <= most:
                return at, number
        at += 1
    return np.int64(-1), np.int64(-1)


@njit(
    f"int64({_DATA}, int64, int64, int64, int32[:, ::1], int64, int64, int64)",
    nogil=True,
    cache=True,
)
def _codes(data, limit, bit, low, x, lane, n, stop):  # type: ignore[no-untyped-def]
    """Read Rice codes with ``low`` bits below the count of zeros into a lane; return the bit behind them."""
    together = max(_WINDOW // (low + 4), 1)
    while n < stop:
        if bit > limit:
            return np.int64(SHORT)
        word, used, whole = _peek(data, bit), np.int64(0), True
        # As many at a time as mostly fit into what was read: branches that go the same way cost nothing.
        for _k in range(min(together, stop - n)):
            zeros = _zeros(word)
            step = zeros + 1 + low
            if used + step > _WINDOW:
                whole = False
                break
            word <<= zeros + 1
            value = zeros << low | _down(_down(word, 1), 63 - low)
            x[n, lane] = (value >> 1) ^ -(value & 1)
            word <<= low
            used += step
            n += 1
        bit += used
        if not whole:
            zeros = np.int64(0)
            found = _zeros(_peek(data, bit))
            while found >= _WINDOW:
                zeros += _WINDOW
                bit += _WINDOW
                if bit > limit:
                    return np.int64(SHORT)
                found = _zeros(_peek(data, bit))
            zeros += found
            bit += found + 1
            value = zeros << low | _down(_down(_peek(data, bit), 1), 63 - low)
            bit += low
            x[n, lane] = (value >> 1) ^ -(value & 1)
            n += 1
    return bit if bit <= limit + 64 else np.int64(SHORT)


@njit(
    f"int64({_DATA}, int64, int64, int32[:, ::1], int64, int64, int64)",
    nogil=True,
    cache=True,
)
def _residual(data, limit, bit, x, lane, order, samples):  # type: ignore[no-untyped-def]
    """Read what remains of a channel's samples after the prediction; return the bit behind it."""
    method, parts = _bits(data, bit, 2), np.int64(1) << _bits(data, bit + 2, 4)
    bit += 6
    if method > 1 or samples % parts or samples // parts < order:
        return np.int64(_DOUBT)
    wide, n = 4 + method, order
    for part in range(1, parts + 1):
        stop = part * (samples // parts)
        low = _bits(data, bit, wide)
        bit += wide
        if low < (1 << wide) - 1:
            bit = _codes(data, limit, bit, low, x, lane, n, stop)
        else:
            plain = _bits(data, bit, 5)
            bit += 5
            if bit + plain * (stop - n) > limit:
                return np.int64(SHORT)
            for k in range(n, stop):
                x[k, lane] = _signed(data, bit, plain) if plain else 0
                bit += plain
        if bit < 0:
            return bit
        if bit > limit:
            return np.int64(SHORT)
        n = stop
    return bit


@njit(
    f"int64({_DATA}, int64, int64, int64, int64, int32[:, ::1], int32[:, ::1], int64[:, ::1], int64)",
    nogil=True,
    cache=True,
)
def _channel(data, limit, bit, bits, samples, x, weights, facts, lane):  # type: ignore[no-untyped-def]
    """Read a channel of a frame into a lane; return the bit behind it.

    ``facts`` get of the lane: order, shift of the prediction, bits that were left out below, and whether its
    sums need more than 32 bits.
    """
    kind = _bits(data, bit, 8)
    bit += 8
    left_out = np.int64(0)
    if kind & 1:
        left_out = _zeros(_peek(data, bit)) + 1
        bit += left_out
    bits -= left_out
    if kind & 0x80 or bits < 1:
        return np.int64(_DOUBT)
    kind >>= 1
    order, shift, wide = np.int64(0), np.int64(0), np.int64(0)
    for k in range(_HIGHEST_ORDER):
        weights[k, lane] = 0
    if kind == 0:
        value = _signed(data, bit, bits)
        bit += bits
        for n in range(samples):
            x[n, lane] = value
    elif kind == 1:
        if bit + bits * samples > limit:
            return np.int64(SHORT)
        for n in range(samples):
            x[n, lane] = _signed(data, bit, bits)
            bit += bits
    elif 8 <= kind <= 12 or kind >= 32:
        order = kind - 8 if kind < 32 else kind - 31
        if order > samples or bit + bits * order > limit:
            return np.int64(_DOUBT if order > samples else SHORT)
        for n in range(order):
            x[n, lane] = _signed(data, bit, bits)
            bit += bits
        if kind < 32:
            weight = np.int64(1)
            for k in range(order):  # binomial coefficients with alternating signs
                weight = weight * (order - k) // (k + 1)
                weights[k, lane] = weight if k % 2 == 0 else -weight
            wide = bits + order > 32
        else:
            precise, shift = _bits(data, bit, 4) + 1, _signed(data, bit + 4, 5)
            bit += 9
            if precise == 16 or shift < 0:
                return np.int64(_DOUBT)
            for k in range(order):
                weights[k, lane] = _signed(data, bit, precise)
                bit += precise
            wide = bits + precise + (64 - _zeros(order - 1)) > 32
        bit = _residual(data, limit, bit, x, lane, order, samples)
    else:
        return np.int64(_DOUBT)
    facts[lane, 0], facts[lane, 1], facts[lane, 2], facts[lane, 3] = order, shift, left_out, wide
    return bit


@njit(
    f"int64({_DATA}, int64, int64, int64, int64, int64, int64, int32[:, ::1], int32[:, ::1], int64[:, ::1], "
    "int64)",
    nogil=True,
    cache=True,
)
def _frame(data, size, at, end, samples, coupled, bits, x, weights, facts, lane):  # type: ignore[no-untyped-def]
    """Read the channels of a frame into lanes from one on; return the byte behind it."""
    limit = 8 * size
    bit = 8 * end
    for c in range(2 if coupled > 7 else coupled + 1):
        # The difference of two channels has a bit more.
        wider = (c == 1 and coupled in (8, 10)) or (c == 0 and coupled == 9)
        if bit + 8 * PAD > limit:
            return np.int64(SHORT)
        bit = _channel(data, limit, bit, bits + wider, samples, x, weights, facts, lane + c)
        if bit < 0:
            return bit
    stop = (bit + 7) >> 3
    if stop + 2 > size:
        return np.int64(SHORT)
    if _sum16(data, at, stop) != (np.int64(data[stop]) << 8 | data[stop + 1]):
        return np.int64(_DOUBT)
    return stop + 2


@njit("void(int32[:, ::1], int32[:, ::1], int64[:, ::1], int64, int64)", nogil=True, cache=True)
def _predict(x, weights, facts, lanes, samples):  # type: ignore[no-untyped-def]
    """Add to what remained of the samples what those before predict."""
    order, wide = np.int64(0), np.int64(0)
    shifts = np.zeros((1, LANES), np.int32)
    for lane in range(lanes):
        order, wide = max(order, facts[lane, 0]), max(wide, facts[lane, 3])
        shifts[0, lane] = facts[lane, 1]
    if order == 0:
        return
    taps = 4 if order <= 4 else 8 if order <= 8 and not wide else 12 if order <= 12 else 32
    # The first samples of each channel are plain, and of different number.
    first = min(taps, samples)
    for lane in range(lanes):
        for n in range(facts[lane, 0], first):
            total = np.int64(0)
            for k in range(facts[lane, 0]):
                total += np.int64(weights[k, lane]) * x[n - 1 - k, lane]
            x[n, lane] += total >> facts[lane, 1]
    if wide:
        if taps == 4:
            _wide4(x, weights, shifts, first, samples)
        elif taps == 12:
            _wide12(x, weights, shifts, first, samples)
        else:
            _wide32(x, weights, shifts, first, samples)
    elif taps == 4:
        _narrow4(x, weights, shifts, first, samples)
    elif taps == 8:
        _narrow8(x, weights, shifts, first, samples)
    elif taps == 12:
        _narrow12(x, weights, shifts, first, samples)
    else:
        _narrow32(x, weights, shifts, first, samples)


@njit(
    "void(int32[:, ::1], int64[:, ::1], int64, int64, int64, int64, float32, float32[:, ::1], int64)",
    nogil=True,
    cache=True,
)
def _write(x, facts, lane, coupled, first, stop, scale, out, at):  # type: ignore[no-untyped-def]
    """Write a frame's samples from ``first`` to ``stop`` as parts of full scale, from row ``at`` on."""
    if coupled < 8:
        for c in range(coupled + 1):
            up = facts[lane + c, 2]
            for n in range(first, stop):
                out[at + n - first, c] = np.float32(np.int32(x[n, lane + c] << up)) * scale
        return
    up, second_up = facts[lane, 2], facts[lane + 1, 2]
    for n in range(first, stop):
        a, b = np.int64(x[n, lane]) << up, np.int64(x[n, lane + 1]) << second_up
        if coupled == 8:
            left, right = a, a - b
        elif coupled == 9:
            left, right = a + b, b
        else:
            twice = a << 1 | (b & 1)
            left, right = (twice + b) >> 1, (twice - b) >> 1
        out[at + n - first, 0] = np.float32(np.int32(left)) * scale
        out[at + n - first, 1] = np.float32(np.int32(right)) * scale


@njit(
    f"UniTuple(int64, 3)({_DATA}, int64, int64, int64, int64[::1], int32[:, ::1], int64, float32[:, ::1])",
    nogil=True,
    cache=True,
)
def decode(data, size, at, number, stream, x, first, out):  # type: ignore[no-untyped-def]
    """Decode frames one after the other until ``out`` is full.

    Args:
        data: Bytes of the file; ``PAD`` of them behind ``size`` may be read.
        size: How many are of the file.
        at: Where a frame begins.
        number: Its number.
        stream: Samples of a frame, channels, bits, samples of the whole file, and the bytes of the first
            frame that name rate and bits.
        x: Room for samples ``(samples of a frame, LANES)``.
        first: First sample of ``out``, in the frame at ``at`` or behind it.
        out: float32 ``(samples, channels)``, filled from ``first`` on.

    Returns:
        Place and number of the frame behind those that were decoded, and what happened: 0, or ``SHORT``, or
        less where the next frame is damaged or unusual.
    """
    each, channels, bits, total = stream[0], stream[1], stream[2], stream[3]
    weights = np.zeros((_HIGHEST_ORDER, LANES), np.int32)
    facts = np.zeros((LANES, 4), np.int64)
    frames = np.empty((LANES, 2), np.int64)  # of each: samples, and how its channels are coupled
    scale = np.float32(1.0 / (np.int64(1) << (bits - 1)))
    last = first + len(out)
    done = np.int64(0)
    while number * each < last and done == 0:
        count = np.int64(0)
        place = at
        while (count + 1) * channels <= LANES and (number + count) * each < last:
            samples, coupled, found, end = _header(data, size, place, stream[4], stream[5])
            if end >= 0:
                left = total - (number + count) * each
                right = (2 if coupled > 7 else coupled + 1) == channels
                if found != number + count or not right or samples != min(each, left):
                    end = np.int64(_DOUBT)
            if end >= 0:
                end = _frame(
                    data, size, place, end, samples, coupled, bits, x, weights, facts, count * channels
                )
            if end < 0:
                done = end
                break
            frames[count, 0], frames[count, 1] = samples, coupled
            place = end
            count += 1
        at = place
        if count:
            _predict(x, weights, facts, count * channels, each)
        for k in range(count):
            begin = (number + k) * each
            start, stop = max(first - begin, 0), min(last - begin, frames[k, 0])
            if stop > start:
                _write(x, facts, k * channels, frames[k, 1], start, stop, scale, out, max(begin - first, 0))
        number += count
    return at, number, done
