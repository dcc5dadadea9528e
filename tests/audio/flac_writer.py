"""Writes FLAC files that hold what encoders write rarely: each way to code a channel, chosen at random.

Any prediction whatever makes a valid file, as long as what remains is written: so weights are random, too.
"""

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int64]

KINDS = ("constant", "plain", "fixed", "lpc", "long lpc")
COUPLED = {"apart": None, "left and side": 8, "side and right": 9, "mid and side": 10}


class Bits:
    """Bits one after the other."""

    def __init__(self) -> None:
        self.text: list[str] = []

    def add(self, value: int, count: int) -> None:
        if count:
            self.text.append(format(value & ((1 << count) - 1), f"0{count}b"))

    def zeros_and_one(self, zeros: int) -> None:
        self.text.append("0" * zeros + "1")

    def bytes(self) -> bytes:
        text = "".join(self.text)
        text += "0" * (-len(text) % 8)
        return int(text or "0", 2).to_bytes(len(text) // 8, "big")


def crc(data: bytes, polynomial: int, width: int) -> int:
    total = 0
    for byte in data:
        total ^= byte << (width - 8)
        for _ in range(8):
            total = (total << 1) ^ (polynomial if total >> (width - 1) & 1 else 0)
        total &= (1 << width) - 1
    return total


def write_flac(audio: Samples, bits: int, each: int, rng: np.random.Generator) -> bytes:
    """Return a file of ``(samples, channels)``, in frames of ``each`` samples, coded in random ways."""
    frames = [
        write_frame(audio[first : first + each], bits, number, rng)
        for number, first in enumerate(range(0, len(audio), each))
    ]
    info = Bits()
    for value, count in ((each, 16), (each, 16), (0, 24), (0, 24), (44100, 20), (audio.shape[1] - 1, 3)):
        info.add(value, count)
    info.add(bits - 1, 5)
    info.add(len(audio), 36)
    return b"fLaC\x80\x00\x00\x22" + info.bytes() + bytes(16) + b"".join(frames)


def write_frame(audio: Samples, bits: int, number: int, rng: np.random.Generator) -> bytes:
    channels = audio.shape[1]
    names = list(COUPLED) if channels == 2 else ["apart"]
    name = names[rng.integers(len(names))]
    head = Bits()
    head.add(0xFFF8, 16)
    head.add(7, 4)  # its length follows
    head.add(9, 4)  # 44.1 kHz
    head.add(channels - 1 if COUPLED[name] is None else COUPLED[name], 4)
    head.add({8: 1, 16: 4, 24: 6}[bits], 3)
    head.add(0, 1)
    start = (
        head.bytes()
        + (chr(number).encode() if number < 0xD800 else b"")
        + (len(audio) - 1).to_bytes(2, "big")
    )
    start += bytes([crc(start, 0x107, 8)])
    body = Bits()
    for signal, wide in couple(audio, name, bits):
        write_channel(body, signal, wide, rng)
    data = start + body.bytes()
    return data + crc(data, 0x18005, 16).to_bytes(2, "big")


def couple(audio: Samples, name: str, bits: int) -> list[tuple[Samples, int]]:
    if name == "apart":
        return [(channel, bits) for channel in audio.T]
    left, right = audio.T
    side = left - right
    return {
        "left and side": [(left, bits), (side, bits + 1)],
        "side and right": [(side, bits + 1), (right, bits)],
        "mid and side": [((left + right) >> 1, bits), (side, bits + 1)],
    }[name]


def write_channel(out: Bits, signal: Samples, bits: int, rng: np.random.Generator) -> None:
    kind = KINDS[rng.integers(len(KINDS))]
    if kind == "constant" and np.any(signal != signal[0]):
        kind = "plain"
    left_out = 0
    while np.any(signal) and not np.any(signal & 1) and left_out < 4:
        signal, left_out = signal >> 1, left_out + 1
    order = {"fixed": rng.integers(5), "lpc": rng.integers(1, 13), "long lpc": rng.integers(13, 33)}.get(
        kind, 0
    )
    if kind in ("fixed", "lpc", "long lpc") and order >= len(signal):
        kind = "plain"
    code = {"constant": 0, "plain": 1, "fixed": 8 + int(order)}.get(kind, 31 + int(order))
    out.add(0, 1)
    out.add(code, 6)
    out.add(left_out > 0, 1)
    if left_out:
        out.zeros_and_one(left_out - 1)
    bits -= left_out
    if kind == "constant":
        out.add(int(signal[0]), bits)
        return
    if kind == "plain":
        order = len(signal)
    for value in signal[:order]:
        out.add(int(value), bits)
    if kind == "plain":
        return
    weights, shift = [(), (1,), (2, -1), (3, -3, 1), (4, -6, 4, -1)][order] if kind == "fixed" else (), 0
    if kind != "fixed":
        precise, shift = int(rng.integers(5, 13)), int(rng.integers(6, 12))
        most = 1 << (precise - 1)
        weights = tuple(int(w) for w in rng.integers(-most, most, order) // (1 + np.arange(order)))
        out.add(precise - 1, 4)
        out.add(shift, 5)
        for weight in weights:
            out.add(weight, precise)
    predicted = np.zeros(len(signal), np.int64)
    for k, weight in enumerate(weights):
        predicted[order:] += weight * signal[order - 1 - k : len(signal) - 1 - k]
    write_residual(out, (signal - (predicted >> shift))[order:], int(order), len(signal), rng)


def write_residual(out: Bits, rest: Samples, order: int, samples: int, rng: np.random.Generator) -> None:
    method = int(rng.integers(2))
    parts = [p for p in range(5) if samples % (1 << p) == 0 and samples >> p > order]
    divided = int(parts[rng.integers(len(parts))]) if parts else 0
    out.add(method, 2)
    out.add(divided, 4)
    first = 0
    for part in range(1, (1 << divided) + 1):
        last = part * (samples >> divided) - order
        values = rest[first:last]
        first = last
        largest = int(np.abs(values).max(initial=0))
        if rng.random() < 0.2:
            width = largest.bit_length() + 1 if largest else 0
            if width < 32:
                out.add(-1, 4 + method)
                out.add(width, 5)
                for value in values:
                    out.add(int(value), width)
                continue
        low = min(max(largest.bit_length() - int(rng.integers(0, 7)), 0), 14 + 16 * method)
        out.add(low, 4 + method)
        for value in values:
            folded = 2 * int(value) if value >= 0 else -2 * int(value) - 1
            out.zeros_and_one(folded >> low)
            out.add(folded, low)
