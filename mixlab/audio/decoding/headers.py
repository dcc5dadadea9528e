"""What the headers of uncompressed files promise, which libsndfile passes over in silence.

It believes the file's size where the header says more, and the header where the file holds more. Programs
that write to a pipe cannot go back to write the length: they leave 0 or the largest number in its place.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from mixlab.audio.decoding.file_bytes import Bytes

__all__ = ["Data", "Flac", "find_flac", "read_header"]

_NO_SIZE = 0xFFFFFF00
"""Sizes from here on stand for one that was not known."""

_HALF = range(0x7FFFF000, 0x80000040)
"""So do these in WAV, where the file is shorter: programs that write to a pipe leave them."""

_W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")
"""End of the names of most chunks in W64."""


@dataclass(frozen=True)
class Data:
    """Where a file's audio lies.

    Attributes:
        start: First byte.
        size: Bytes that the header promises; None where it does not know.
        size_at: Where the header holds the size.
        remark: What is contradictory in the header, or ''.
    """

    start: int
    size: int | None
    size_at: int
    remark: str = ""


def read_header(data: Bytes) -> Data | None:
    """Find the audio of a WAV, RF64, W64, AIFF or AU file; None for other kinds and where there is none."""
    head = data[:16]
    if head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE":
        return _wave(data)
    if head[:4] == b"riff":
        return _w64(data)
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return _aiff(data)
    if head[:4] in (b".snd", b"dns."):
        start, size = struct.unpack(">II" if head[0] == 0x2E else "<II", head[4:12])
        return Data(start, size if size < _NO_SIZE else None, 8)
    return None


def _chunks(data: Bytes, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, first byte and size of the chunks of a RIFF or FORM file."""
    at = 12
    while at + 8 <= len(data):
        (size,) = struct.unpack(order + "I", data[at + 4 : at + 8])
        yield data[at : at + 4], at + 8, size
        at += 8 + size + size % 2


def _is_name(name: bytes) -> bool:
    return len(name) == 4 and all(32 <= byte < 127 for byte in name)


def _wave(data: Bytes) -> Data | None:
    order, long_size = (">" if data[:4] == b"RIFX" else "<"), None
    for name, start, size in _chunks(data, order):
        if name == b"ds64" and start + 16 <= len(data):
            (long_size,) = struct.unpack("<Q", data[start + 8 : start + 16])
        if name == b"data":
            if size == 0xFFFFFFFF and long_size:
                return Data(start, long_size, start - 4)
            streamed = size >= _NO_SIZE or (size in _HALF and start + size > len(data))
            if streamed or (size == 0 and not _only_chunks(data, start, order)):
                return Data(start, None, start - 4)
            return Data(start, size, start - 4, _left_over(data, start + size + size % 2))
        if not _is_name(name):
            return None
    return None


def _only_chunks(data: Bytes, at: int, order: str) -> bool:
    """Tell whether nothing but chunks follow, each within the file."""
    while at + 8 <= len(data):
        (size,) = struct.unpack(order + "I", data[at + 4 : at + 8])
        if not _is_name(data[at : at + 4]) or at + 8 + size > len(data):
            return False
        at += 8 + size + size % 2
    return True


def _left_over(data: Bytes, end: int) -> str:
    """Say what follows the audio, if that is neither chunks nor a tag nor zeros."""
    rest = len(data) - end
    after = data[max(end - 1, 0) : end + 4096]  # some forget the byte that fills up an odd length
    if rest < 8 or not any(after[1:]) or any(_is_name(after[k : k + 4]) for k in (0, 1)):
        return ""
    if after[1:].startswith((b"TAG", b"ID3", b"APETAGEX", b"LYRICSBEGIN")):
        return ""
    return (
        f"Its header says that the audio ends at byte {end}, but {rest} bytes follow that belong to nothing "
        "and are not used. Where they are audio, write the file anew, as with 'ffmpeg -ignore_length 1'."
    )


def _w64(data: Bytes) -> Data | None:
    at = 40
    while at + 24 <= len(data):
        (size,) = struct.unpack("<Q", data[at + 16 : at + 24])
        if data[at : at + 4] == b"data" and data[at + 4 : at + 16] == _W64_TAIL:
            return Data(at + 24, size - 24 if 24 <= size < 1 << 62 else None, at + 16)
        if size < 24:
            return None
        at += size + -size % 8
    return None


def _aiff(data: Bytes) -> Data | None:
    frames = frame_bytes = None
    for name, start, size in _chunks(data, ">"):
        if name == b"COMM" and start + 8 <= len(data):
            channels, frames, bits = struct.unpack(">HIH", data[start : start + 8])
            plain = data[8:12] == b"AIFF" or data[start + 18 : start + 22] in (b"NONE", b"twos", b"sowt")
            frame_bytes = channels * (-(-bits // 8)) if plain else None
        if name == b"SSND":
            if size < 8 or size >= _NO_SIZE:
                return Data(start + 8, None, start - 4)
            remark = ""
            if frames and frame_bytes and frames != (size - 8) // frame_bytes:
                held = (size - 8) // frame_bytes
                remark = f"Its header promises {frames} samples, and its audio is said to hold {held}."
            return Data(start + 8, size - 8, start - 4, remark)
    return None


@dataclass(frozen=True)
class Flac:
    """Where a FLAC file's header says how long it is.

    Attributes:
        start: Where the stream starts, behind any tag.
        total: Samples that it promises; 0 where it does not know.
        total_at: Place of the 8 bytes that say so.
        unknown: What these bytes are without a length.
    """

    start: int
    total: int
    total_at: int
    unknown: bytes


def find_flac(data: Bytes) -> Flac | None:
    """Read the header of a FLAC file; None where it is none."""
    start = 0
    if data[:3] == b"ID3" and len(data) > 10:
        sizes = data[6:10]
        start = 10 + (sizes[0] << 21 | sizes[1] << 14 | sizes[2] << 7 | sizes[3])
    if data[start : start + 4] != b"fLaC" or len(data) < start + 42:
        return None
    place = start + 4 + 4 + 10
    value = int.from_bytes(data[place : place + 8], "big")
    total = value & (1 << 36) - 1
    return Flac(start, total, place, (value - total).to_bytes(8, "big"))
