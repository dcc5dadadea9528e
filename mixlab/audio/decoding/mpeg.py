"""MP3 files frame by frame: how long they are, and excerpts of them that decode on their own.

The length in an MP3's header is an estimate, or missing, or that of the first of several joined files: only
counting frames tells it. And a frame may take its data from up to 511 bytes of the frames before it (the bit
reservoir) and overlaps with the last one, so that what a decoder says first after a jump is wrong. An
excerpt therefore begins early enough for that, and at a frame from which the decoder's filter bank, which
turns with every 32 samples, stands as it would have stood: its samples equal those of the whole file.
"""

import struct
from dataclasses import dataclass
from functools import lru_cache

from mixlab.audio.decoding.file_bytes import Bytes

__all__ = ["Scan", "excerpt", "scan_mpeg"]

_RATES = ((11025, 12000, 8000), (), (22050, 24000, 16000), (44100, 48000, 32000))
"""Sample rates by the version bits of a header: MPEG-2.5, reserved, MPEG-2, MPEG-1."""

_KBITS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)

_TURN = 8
"""The filter bank stands as at the start after every so many frames."""

_DECODER_DELAY = 529
"""Samples that a decoder adds in front, which files with a LAME tag count as part of their delay."""

_JUNK = 1 << 16
"""Bytes that are looked through for the first frame."""


@dataclass(frozen=True)
class Scan:
    """What the bytes of an MP3 file hold.

    Attributes:
        head: Header (4 bytes) of the first frame of audio.
        starts: Where each frame of audio starts.
        ends: Where each ends.
        promised: How many frames the first tag speaks of; None without a tag.
        delay: Samples to leave out at the start.
        padding: Samples to leave out at the end.
        cut: Bytes of a last frame that is not all there; 0 where the last frame is whole.
        junk: Bytes within the audio that are neither frames nor tags nor zeros: damage.
        other: Where frames of another rate or number of channels begin; None where there are none.
    """

    head: bytes
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    promised: int | None
    delay: int
    padding: int
    cut: int
    junk: int
    other: int | None

    @property
    def frame_samples(self) -> int:
        """Samples per channel of a frame."""
        return 1152 if _version(self.head) == 3 else 576

    @property
    def samples(self) -> int:
        """Samples per channel of the whole file."""
        return max(len(self.starts) * self.frame_samples - self.delay - self.padding, 0)


def _version(head: bytes) -> int:
    return head[1] >> 3 & 3


def _mono(head: bytes) -> bool:
    return head[3] >> 6 == 3


def _side_bytes(head: bytes) -> int:
    """Length of a frame's side information."""
    if _version(head) == 3:
        return 17 if _mono(head) else 32
    return 9 if _mono(head) else 17


def _body(head: bytes) -> int:
    """Length of a frame's header with its checksum, if it has one."""
    return 4 if head[1] & 1 else 6


@lru_cache(maxsize=16)
def _sizes(second: int, third: int) -> dict[bytes, int]:
    """Return the length of a frame by the second and third byte of its header.

    Only for frames of the version and rate of the one whose header has these bytes; those of any other
    are not in it.
    """
    version, rate_index = second >> 3 & 3, third >> 2 & 3
    kbits, factor = (_KBITS_1, 144) if version == 3 else (_KBITS_2, 72)
    rate = _RATES[version][rate_index]
    found = {}
    for protection in (0, 1):
        for index in range(1, 15):
            for rest in range(4):  # padding bit and private bit
                size = factor * 1000 * kbits[index] // rate + (rest >> 1)
                key = bytes([0xE2 | version << 3 | protection, index << 4 | rate_index << 2 | rest])
                found[key] = size
    return found


def _is_layer_3(data: bytes, at: int) -> bool:
    """Tell whether a frame header of MPEG layer 3 with a fixed bitrate stands somewhere."""
    if at + 4 > len(data) or data[at] != 0xFF:
        return False
    second, third = data[at + 1], data[at + 2]
    layer_3 = second & 0xE6 == 0xE2 and second >> 3 & 3 != 1
    return layer_3 and third >> 2 & 3 != 3 and 0 < third >> 4 < 15


def _skip_tag(data: bytes, at: int) -> int:
    """Return where a tag that starts at ``at`` ends; ``at`` where none does."""
    if data[at : at + 3] == b"ID3" and at + 10 <= len(data):
        sizes = data[at + 6 : at + 10]
        if max(sizes) < 128:
            size = sizes[0] << 21 | sizes[1] << 14 | sizes[2] << 7 | sizes[3]
            return at + 10 + size + (10 if data[at + 5] & 0x10 else 0)
    if data[at : at + 3] == b"TAG":
        return at + 128
    if data[at : at + 8] == b"APETAGEX" and at + 32 <= len(data):
        size, _, flags = struct.unpack("<III", data[at + 12 : at + 24])
        return at + int(size) + (32 if flags & 0x20000000 else 0)
    return at


def _find_frame(data: bytes, at: int, like: bytes | None, most: int = _JUNK) -> int | None:
    """Return the next place where a frame starts with another right behind it, or with the file's end.

    Args:
        data: The file.
        at: Where to begin.
        like: Header whose version, rate and channels it must have; None for any.
        most: How many bytes are looked through.
    """
    limit = min(at + most, len(data))
    while (at := data.find(b"\xff", at, limit)) >= 0:
        if _is_layer_3(data, at):
            sizes = _sizes(data[at + 1], data[at + 2])
            head = data[at : at + 4]
            after = at + sizes[head[1:3]]
            same = like is None or (head[1:3] in _sizes(like[1], like[2]) and _mono(head) == _mono(like))
            if same and (after == len(data) or data[after + 1 : after + 3] in sizes or _is_tag(data, after)):
                return at
        at += 1
    return None


def _is_tag(data: bytes, at: int) -> bool:
    return at < len(data) and _skip_tag(data, at) != at


def _first_frame(data: bytes) -> int | None:
    at = 0
    while at < len(data) and (after := _skip_tag(data, at)) > at:
        at = after
    return _find_frame(data, at, None) if at < len(data) else None


@dataclass(frozen=True)
class _Tag:
    frames: int | None
    delay: int
    padding: int


def _read_tag(data: bytes, at: int) -> _Tag | None:
    """Read the Xing or LAME tag that a frame consists of; None where it is a frame of audio."""
    head = data[at : at + 4]
    place = at + 4 + _side_bytes(head)
    if data[place : place + 4] not in (b"Xing", b"Info"):
        return None
    flags = int.from_bytes(data[place + 4 : place + 8], "big")
    frames = int.from_bytes(data[place + 8 : place + 12], "big") if flags & 1 else None
    place += 8 + 4 * (flags & 1) + 4 * (flags >> 1 & 1) + 100 * (flags >> 2 & 1) + 4 * (flags >> 3 & 1)
    if not frames:
        return _Tag(None, 0, 0)
    size = _sizes(head[1], head[2])[head[1:3]]
    if place + 24 > at + size:
        return _Tag(frames, 0, 0)
    packed = int.from_bytes(data[place + 21 : place + 24], "big")
    return _Tag(frames, (packed >> 12) + _DECODER_DELAY, max((packed & 0xFFF) - _DECODER_DELAY, 0))


def scan_mpeg(data: bytes) -> Scan | None:
    """Go from frame to frame through a file; None where it is no MP3 of a fixed or variable bitrate.

    Tags and other bytes between frames are passed over, as joined files have them.
    """
    first = _first_frame(data)
    if first is None:
        return None
    tag = _read_tag(data, first)
    head = data[first : first + 4]
    sizes, mono, length = _sizes(head[1], head[2]), head[3] & 0xC0 == 0xC0, len(data)
    at = first + sizes[head[1:3]] if tag else first
    starts: list[int] = []
    cut, junk, other = 0, 0, None
    while at < length:
        size = sizes.get(data[at + 1 : at + 3]) if data[at] == 0xFF else None
        if size is not None and at + 4 <= length and (data[at + 3] & 0xC0 == 0xC0) == mono:
            if at + size > length:
                cut = length - at
                break
            starts.append(at)
            at += size
            continue
        after = _skip_tag(data, at)
        if after == at:
            found = _find_frame(data, at, head, length)  # a hole may be of any size
            if found is None:
                other = _find_frame(data, at, None)
                break
            junk += found - at if any(data[at:found]) else 0
            after = found
        at = after
    if not starts:
        return None
    head = data[starts[0] : starts[0] + 4]
    ends = tuple(start + sizes[data[start + 1 : start + 3]] for start in starts)
    promised = tag.frames if tag else None
    delay = tag.delay if tag else 0
    padding = tag.padding if tag and promised == len(starts) else 0
    return Scan(head, tuple(starts), ends, promised, delay, padding, cut, junk, other)


def excerpt(data: Bytes, scan: Scan, first: int, samples: int) -> tuple[bytes, int]:
    """Return an MP3 that holds a span, and how many of the samples that it decodes to come before.

    Args:
        data: The file.
        scan: What was found in it.
        first: First sample, from 0 on.
        samples: How many are wanted; what lies beyond the end is not there.
    """
    size = scan.frame_samples
    wanted = (first + scan.delay) // size
    last = min(-(-(first + scan.delay + samples) // size), len(scan.starts))
    begin = _begin(scan, wanted)
    before = first + scan.delay - begin * size - _DECODER_DELAY
    lead = _TURN if before < 0 else 0
    parts = [_counting_frame(scan.head, lead + last - begin)]
    parts += lead * [_empty_frame(scan.head)]
    ready = wanted if begin else min(max(wanted, _filled(scan)), last)
    parts += _warm_up(data, scan, begin, ready)
    parts.append(_join(data, scan, ready, last))
    return b"".join(parts), before + lead * size


def _begin(scan: Scan, wanted: int) -> int:
    """Return the frame to begin at, so that frame ``wanted`` decodes as in the whole file."""
    # Frame wanted - 1 must be right for the overlap, and the filter bank reaches back a little further.
    frame, held = wanted - 2, 0
    while frame > 0 and held < _reservoir(scan):
        frame -= 1
        held += _main_bytes(scan, frame)
    return max(frame, 0) // _TURN * _TURN


def _filled(scan: Scan) -> int:
    """Return the first frame that lacks no data, even where the file was cut out of a longer one."""
    frame, held = 0, 0
    while frame < len(scan.starts) and held < _reservoir(scan):
        held += _main_bytes(scan, frame)
        frame += 1
    return frame


def _reservoir(scan: Scan) -> int:
    """Return the most bytes that a frame takes from those before it."""
    return 511 if _version(scan.head) == 3 else 255


def _main_bytes(scan: Scan, frame: int) -> int:
    """Return a lower bound of the bytes that a frame adds to the reservoir."""
    return max(scan.ends[frame] - scan.starts[frame] - 6 - _side_bytes(scan.head), 0)


def _join(data: Bytes, scan: Scan, first: int, last: int) -> bytes:
    """Return frames ``first`` to ``last - 1``, without what lies between them."""
    if last <= first:
        return b""
    start, end = scan.starts[first], scan.ends[last - 1]
    if end - start == sum(scan.ends[first:last]) - sum(scan.starts[first:last]):
        return data[start:end]
    return b"".join(data[scan.starts[k] : scan.ends[k]] for k in range(first, last))


def _warm_up(data: Bytes, scan: Scan, begin: int, ready: int) -> list[bytes]:
    """Return frames ``begin`` to ``ready - 1``; those that lack data from before are silent ones."""
    parts, held = [], 0
    bits = 9 if _version(scan.head) == 3 else 8
    for k in range(begin, ready):
        frame = data[scan.starts[k] : scan.ends[k]]
        body = _body(frame)
        needs = int.from_bytes(frame[body : body + 2], "big") >> (16 - bits)
        lacks = needs > held
        parts.append(_silent(frame, body, min(needs, held) << (16 - bits)) if lacks else frame)
        held += len(frame) - body - _side_bytes(scan.head)
    return parts


def _silent(frame: bytes, body: int, pointer: int) -> bytes:
    """Return a frame that sounds as silence, but holds the same data for the frames after it."""
    side = struct.pack(">H", pointer) + bytes(_side_bytes(frame) - 2)
    head = bytes([frame[0], frame[1] | 1, *frame[2:4]])  # without a checksum, which would be wrong now
    return head + side + bytes(body - 4) + frame[body + len(side) :]


def _empty_frame(head: bytes) -> bytes:
    """Return a frame of silence that holds no data, long enough for a tag that counts frames."""
    least = 4 + _side_bytes(head) + 12
    second = head[1] | 1
    heads = (bytes([second, index << 4 | head[2] & 0x0C]) for index in range(1, 15))
    size, middle = next((size, key) for key in heads if (size := _sizes(second, head[2])[key]) >= least)
    return (b"\xff" + middle + bytes([head[3] & 0xC0])).ljust(size, b"\0")


def _counting_frame(head: bytes, frames: int) -> bytes:
    """Return a tag that says how many frames follow: else libsndfile guesses, and reads no further.

    Its delays are 0, to which mpg123 adds those of a decoder.
    """
    frame, place = _empty_frame(head), 4 + _side_bytes(head)
    tag = b"Xing" + struct.pack(">II", 1, frames)
    return frame[:place] + tag + frame[place + len(tag) :]
