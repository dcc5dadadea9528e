"""FLAC files frame by frame: excerpts of the usual kind of file, decoded twice as fast as by libsndfile.

Of the usual kind are files whose header says how long they are, with frames of one size, and 8, 16 or 24
bits: what encoders write unless they are told otherwise. Whatever else is found, in the header or in a frame,
is left to libsndfile, and so is all damage: every frame's checksum is compared. FLAC is without loss, so the
samples are the same.
"""

import struct
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.decoding.file_bytes import Bytes, FileBytes
from mixlab.audio.decoding.streams import Samples, Stream

__all__ = ["FlacStream", "Layout", "read_layout"]

_HEAD = 1 << 14
"""Bytes at the start that are read at once: what most files have before their audio."""

_MOST_BLOCKS = 1 << 10
"""Most blocks of metadata that are passed over."""

_LARGEST_FRAME = 1 << 14
"""Most samples per channel of a frame; 4096 are usual."""

_SUBTYPES = {8: "PCM_S8", 16: "PCM_16", 24: "PCM_24"}

_NEAR = 1 << 15
"""A frame that must lie within so many bytes is looked for header by header."""

_HEADER = 16
"""Bytes of a frame's header, at most."""

_MOST_TURNS = 64
"""Most places that are looked at for a frame; each second one halves what is left."""

_MOST_READ = 1 << 22
"""Most bytes that are read at once."""

_MOST_DOUBTS = 8
"""A file in which so often something unusual was met is left to libsndfile altogether."""


@dataclass(frozen=True)
class Layout:
    """What the header of a FLAC file of the usual kind says.

    Attributes:
        sample_rate: In Hz.
        channels: 1 to 8.
        bits: Of a sample: 8, 16 or 24.
        samples: Per channel, of the whole file.
        each: Samples per channel of a frame; the last has what is left.
        start: First byte of the first frame.
        template: The bytes of that frame that name rate, and bits, of a sample.
        points: Number of a frame and its first byte, where the file's table says so, in ascending order.
    """

    sample_rate: int
    channels: int
    bits: int
    samples: int
    each: int
    start: int
    template: tuple[int, int]
    points: tuple[tuple[int, int], ...] = ()

    @property
    def frames(self) -> int:
        """How many frames there are."""
        return -(-self.samples // self.each)

    @property
    def subtype(self) -> str:
        """The encoding, in libsndfile's words."""
        return _SUBTYPES[self.bits]


def read_layout(data: Bytes) -> Layout | None:
    """Read the header of a FLAC file; None where it is not of the usual kind."""
    head = data[:_HEAD]
    if head[:4] != b"fLaC":
        return None
    info, table, at = b"", b"", 4
    for _ in range(_MOST_BLOCKS):
        lead = _part(data, head, at, at + 4)
        if len(lead) < 4 or lead[0] & 127 == 127:
            return None
        kind, size = lead[0] & 127, int.from_bytes(lead[1:], "big")
        if kind == 0:
            info = _part(data, head, at + 4, at + 4 + size)
        elif kind == 3:
            table = _part(data, head, at + 4, at + 4 + size)
        at += 4 + size
        if lead[0] & 128:
            return _understand(info, table, at, _part(data, head, at, at + _HEADER))
    return None


def _part(data: Bytes, head: bytes, start: int, stop: int) -> bytes:
    return head[start:stop] if stop <= len(head) else data[start:stop]


def _understand(info: bytes, table: bytes, start: int, first: bytes) -> Layout | None:
    """Put together what the blocks of metadata and the first frame's header say."""
    if len(info) < 34 or len(first) < 6:
        return None
    least, most = struct.unpack(">HH", info[:4])
    value = int.from_bytes(info[10:18], "big")
    rate, channels = value >> 44, (value >> 41 & 7) + 1
    bits, samples = (value >> 36 & 31) + 1, value & (1 << 36) - 1
    if not 16 <= least == most <= _LARGEST_FRAME or bits not in _SUBTYPES or not samples or not rate:
        return None
    if first[:2] != b"\xff\xf8" or first[4] != 0:
        return None
    points = []
    for k in range(0, len(table) - 17, 18):
        sample, offset = struct.unpack(">QQ", table[k : k + 16])
        if sample < samples and sample % most == 0:
            points.append((sample // most, start + offset))
    return Layout(rate, channels, bits, samples, most, start, (first[2], first[3]), tuple(sorted(points)))


class _DoubtError(Exception):
    """Something that libsndfile should judge."""


class _Frames:
    """The frames of a file, found and decoded.

    Args:
        data: The file's bytes.
        layout: What its header says.
    """

    def __init__(self, data: Bytes, layout: Layout) -> None:
        self._data, self._layout = data, layout
        self._stream = np.array(
            [layout.each, layout.channels, layout.bits, layout.samples, *layout.template], np.int64
        )
        # Frames whose place is known: their numbers, ascending, and their first bytes.
        self._numbers, self._places = [0], [layout.start]

    def read(self, first: int, out: Samples) -> None:
        """Fill ``out`` ``(n, channels)`` from sample ``first`` on.

        Raises:
            _DoubtError: not all of it is there, whole, and of the usual kind.
        """
        from mixlab.audio._kernels import flac as kernels

        layout = self._layout
        number, last = first // layout.each, first + len(out)
        at = self._find(number)
        room = np.empty((layout.each, kernels.LANES), np.int32)
        wanted = self._mean * (-(-last // layout.each) - number + 2)
        while number * layout.each < last:
            data, size = self._bytes(at, min(wanted, _MOST_READ))
            done, number_then, happened = kernels.decode(
                data, size, 0, number, self._stream, room, first, out
            )
            # No frame is longer than the most that is read at once.
            all_read = at + size >= len(self._data) or (number_then == number and wanted >= _MOST_READ)
            if happened not in (0, kernels.SHORT) or (happened == kernels.SHORT and all_read):
                raise _DoubtError
            # A frame that is longer than all that was read is read with more.
            wanted = wanted if number_then > number else 2 * wanted
            at, number = at + done, number_then
        self._note(number, at)

    @property
    def _mean(self) -> int:
        """Bytes of a frame, rounded up to a multiple that is easily enough."""
        return (len(self._data) - self._layout.start) // self._layout.frames * 5 // 4 + 512

    def _bytes(self, at: int, count: int) -> tuple[NDArray[np.uint8], int]:
        """Return bytes from one on, with as many behind them as kernels may read, and how many they are."""
        from mixlab.audio._kernels import flac as kernels

        stop = min(at + count + kernels.PAD, len(self._data))
        found = self._data[at:stop]
        if stop == len(self._data):  # a last frame may be shorter than what is looked ahead
            found += bytes(2 * kernels.PAD)
        return np.frombuffer(found, np.uint8), len(found) - kernels.PAD

    def _note(self, number: int, place: int) -> None:
        at = bisect_right(self._numbers, number)
        if self._numbers[at - 1] != number and number < self._layout.frames:
            self._numbers.insert(at, number)
            self._places.insert(at, place)

    def _find(self, number: int) -> int:
        """Return the first byte of a frame: between known ones, where it would be were all of one size."""
        known = bisect_right(self._numbers, number)
        low, low_at = self._numbers[known - 1], self._places[known - 1]
        high, high_at = self._layout.frames, len(self._data)
        if known < len(self._numbers):
            high, high_at = self._numbers[known], self._places[known]
        for turn in range(_MOST_TURNS):
            if low == number:
                self._note(low, low_at)
                return low_at
            ahead = (high_at - low_at) * (number - low) // (high - low)
            if ahead <= _NEAR or high_at - low_at <= _NEAR:
                break
            guess = low_at + (ahead if turn % 2 == 0 else (high_at - low_at) // 2) - _NEAR // 4
            guess = self._point(number, low_at, high_at) if turn == 0 and self._layout.points else guess
            guess = min(max(guess, low_at + 1), high_at - 1)
            at, found = self._seek(guess, high_at, low + 1, high - 1)
            if found < 0:
                high_at = guess
            elif found <= number:
                low, low_at = found, at
            else:
                high, high_at = found, at
        at, found = self._seek(low_at, high_at, number, number)
        if found < 0:
            raise _DoubtError
        self._note(number, at)
        return at

    def _point(self, number: int, low_at: int, high_at: int) -> int:
        """Return what the file's own table says of where a frame can be found, if that may be."""
        known = bisect_right(self._layout.points, (number, len(self._data)))
        place = self._layout.points[known - 1][1] if known else low_at
        return place if low_at < place < high_at else (low_at + high_at) // 2

    def _seek(self, at: int, stop: int, least: int, most: int) -> tuple[int, int]:
        """Find the first frame between two bytes whose number is within bounds; -1 where none is."""
        from mixlab.audio._kernels import flac as kernels

        count = _NEAR
        while at < stop:
            data, size = self._bytes(at, min(count, stop - at) + _HEADER)
            place, number = kernels.find(data, size, 0, self._stream, least, most)
            if number >= 0:
                return at + int(place), int(number)
            at, count = at + size - _HEADER + 1, min(2 * count, _MOST_READ)
        return -1, -1


class FlacStream:
    """A FLAC file of the usual kind; what is unusual in it, libsndfile reads.

    Args:
        data: Its bytes.
        layout: What its header says.
        others: Opens what reads it instead.
        other: The same, where it is open already.
    """

    def __init__(
        self, data: Bytes, layout: Layout, others: Callable[[], Stream], other: Stream | None = None
    ) -> None:
        """Read nothing yet."""
        self.samplerate, self.channels = layout.sample_rate, layout.channels
        self.frames: int | None = layout.samples
        self.subtype = layout.subtype
        self._samples = layout.samples
        self._data, self._frames = data, _Frames(data, layout)
        self._others, self._other, self._doubts = others, other, 0

    def read_at(self, first: int, out: Samples) -> int:
        """See ``Stream.read_at``."""
        part = out[: max(self._samples - first, 0)]
        if self._doubts < _MOST_DOUBTS and len(part) and part.flags.c_contiguous:
            try:
                self._frames.read(first, part)
            except (_DoubtError, RuntimeError, OSError):  # libsndfile meets the same, and says what it is
                self._doubts += 1
            else:
                return len(part)
        return self._instead().read_at(first, out)

    def _instead(self) -> Stream:
        if self._other is None:
            self._other = self._others()
        return self._other

    def close(self) -> None:
        """See ``Stream.close``."""
        if self._other is not None:
            self._other.close()
        if isinstance(self._data, FileBytes):
            self._data.close()
