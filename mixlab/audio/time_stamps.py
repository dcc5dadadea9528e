"""Time stamps that recorders and workstations leave in audio files, and where stems start by them.

A Broadcast WAV has a chunk ``bext`` (EBU Tech 3285) that says at which sample since midnight the file
begins. Only differences between the files of a song mean anything. WAV, RF64, BW64 and RIFX are read, and
FLAC that was made with ``flac --keep-foreign-metadata``; in other containers no stamp is looked for.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["NO_STAMP", "Stamp", "offsets_by_stamp", "read_time_reference"]

NO_STAMP = -1
"""Stands for the stamp of a file that has none."""

_AT = 338  # of the stamp within the chunk: description, originator, its reference, date and time come before
_LARGEST = (1 << 63) - 1
_MOST_CHUNKS = 10_000  # a damaged file must not be walked through for ever
_UNKNOWN_SIZE = 0xFFFFFFFF


def read_time_reference(path: Path) -> int:
    """Return a file's own time stamp in samples since midnight, ``NO_STAMP`` where it has none.

    Args:
        path: Any file; one that is damaged or of another kind has no stamp.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
            if magic in (b"RIFF", b"RF64", b"BW64"):
                return _from_riff(file, "<")
            if magic == b"RIFX":
                return _from_riff(file, ">")
            return _from_flac(file) if magic == b"fLaC" else NO_STAMP
    except (OSError, struct.error, ValueError):
        return NO_STAMP


def _time_reference(chunk: bytes, order: str) -> int:
    if len(chunk) < _AT + 8:
        return NO_STAMP
    low: int
    high: int
    low, high = struct.unpack_from(f"{order}II", chunk, _AT)
    return min(high << 32 | low, _LARGEST)


def _from_riff(file: BinaryIO, order: str) -> int:
    if file.read(8)[4:] != b"WAVE":
        return NO_STAMP
    for name, size in _riff_chunks(file, order):
        if name == b"bext":
            return _time_reference(file.read(min(size, _AT + 8)), order)
    return NO_STAMP


def _riff_chunks(file: BinaryIO, order: str) -> Iterator[tuple[bytes, int]]:
    """Yield name and size of each chunk, the file standing at its first byte."""
    large_data = _UNKNOWN_SIZE
    for _ in range(_MOST_CHUNKS):
        header = file.read(8)
        if len(header) < 8:
            return
        name, size = header[:4], struct.unpack(f"{order}I", header[4:])[0]
        begin = file.tell()
        if name == b"ds64":  # sizes that 32 bits do not hold: of the file, then of the samples
            large_data = struct.unpack("<8xQ", file.read(16))[0]
        if size == _UNKNOWN_SIZE:
            if name != b"data" or large_data == _UNKNOWN_SIZE:
                return
            size = large_data
        file.seek(begin)
        yield name, size
        file.seek(begin + size + size % 2)


def _from_flac(file: BinaryIO) -> int:
    """Look for a RIFF chunk kept as application data."""
    for _ in range(_MOST_CHUNKS):
        header = file.read(4)
        if len(header) < 4:
            return NO_STAMP
        kind, size = header[0] & 0x7F, int.from_bytes(header[1:], "big")
        begin = file.tell()
        if kind == 2 and file.read(8) == b"riffbext":
            file.read(4)
            return _time_reference(file.read(min(size - 12, _AT + 8)), "<")
        if header[0] & 0x80:
            return NO_STAMP
        file.seek(begin + size)
    return NO_STAMP


@dataclass(frozen=True)
class Stamp:
    """What a stem's file says about its time.

    Attributes:
        stem: Its name, for messages.
        time_reference: In samples since midnight, or ``NO_STAMP``.
        sample_rate: In Hz.
        frames: Length in samples.
        given: The corpus says where it starts, so it may lack a stamp.
    """

    stem: str
    time_reference: int
    sample_rate: int
    frames: int
    given: bool = False

    @property
    def is_there(self) -> bool:
        """Whether the file has one."""
        return self.time_reference != NO_STAMP and self.sample_rate > 0


def offsets_by_stamp(stamps: Sequence[Stamp]) -> tuple[list[float], str]:
    """Return where each stem of a song starts by its time stamp: after the song's earliest one.

    Stems without a stamp start with the earliest. Stamps further apart than the longest file lasts are of
    something else than the song (takes of different hours, a clock that was not set) and move nothing.

    Args:
        stamps: Of the stems of one song that can be heard.

    Returns:
        Seconds for each stem, at its file's own rate, 0 or more; and what is doubtful about them, or ''.
    """
    at_zero = [0.0] * len(stamps)
    stamped = [s for s in stamps if s.is_there]
    if not stamped:
        return at_zero, ""
    rates = sorted({s.sample_rate for s in stamped})
    first = min(stamped, key=lambda s: s.time_reference / s.sample_rate)
    found = [_seconds_between(first, s) if s.is_there else 0.0 for s in stamps]
    apart_s, longest_s = max(found), max(s.frames / s.sample_rate for s in stamped)
    if apart_s * rates[-1] < 1.0:
        return at_zero, ""
    if apart_s > longest_s:
        return at_zero, (
            f"The time stamps of its files lie {apart_s:.1f} s apart, more than the longest file lasts "
            f"({longest_s:.1f} s), so they are not used and every stem starts at 0. Correct the stamps, or "
            "give the starts as offset_s in stems.csv."
        )
    doubts = []
    if len(rates) > 1:
        doubts.append(
            f"Its files have {' and '.join(map(str, rates))} Hz; each stamp counts at its file's own rate."
        )
    if missing := [s.stem for s in stamps if not s.is_there and not s.given]:
        doubts.append(
            f"Files of this song start at different times by their time stamps, but {', '.join(missing)} "
            f"{'has' if len(missing) == 1 else 'have'} none and is taken to start with the earliest. "
            "Give offset_s in stems.csv."
        )
    return found, " ".join(doubts)


def _seconds_between(first: Stamp, later: Stamp) -> float:
    if first.sample_rate == later.sample_rate:
        return (later.time_reference - first.time_reference) / later.sample_rate
    return later.time_reference / later.sample_rate - first.time_reference / first.sample_rate
