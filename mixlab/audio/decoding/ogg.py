"""Ogg files page by page: the streams that are joined in one, and where the samples of Vorbis lie.

Where libsndfile lands when it seeks in Vorbis depends on where it stood, and near the end it lands wrong by
some hundred samples; of joined streams it reads the first. Pages say which sample their last packet ends
with: what decodes from a page on is put in its place by the end of the last page that was decoded.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mixlab.audio.decoding.file_bytes import Bytes

__all__ = ["Link", "Page", "join", "scan_ogg"]

_HEADERS = 3
"""Packets of a Vorbis stream that hold no audio."""

_UNKNOWN = (1 << 64) - 1
"""Position of a page in which no packet ends."""


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        start: Its first byte.
        end: Where the next begins.
        flags: 1 continues a packet, 2 begins a stream, 4 ends one.
        serial: Number of its stream.
        position: Sample that its last packet ends with; -1 where none ends.
        packets: How many packets end in it.
    """

    start: int
    end: int
    flags: int
    serial: int
    position: int
    packets: int


@dataclass(frozen=True)
class Link:
    """One of the streams that follow each other in a file.

    Attributes:
        pages: Its pages.
    """

    pages: tuple[Page, ...]

    @property
    def start(self) -> int:
        """Its first byte."""
        return self.pages[0].start

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.pages[-1].end

    @property
    def alone(self) -> bool:
        """Whether no other stream runs beside it."""
        return len({page.serial for page in self.pages}) == 1

    @property
    def ended(self) -> bool:
        """Whether its last page says that it is the last."""
        return any(page.flags & 4 for page in self.pages[-2:])

    def audio(self) -> tuple[Page, ...]:
        """Return the pages of a Vorbis stream that hold audio."""
        packets = 0
        for k, page in enumerate(self.pages):
            packets += page.packets
            if packets >= _HEADERS:
                return self.pages[k + 1 :]
        return ()


def scan_ogg(data: bytes) -> tuple[tuple[Link, ...], bool]:
    """Find the streams in a file, and whether its last page is cut off.

    Streams that run beside each other count as one.
    """
    links: list[Link] = []
    pages: list[Page] = []
    at, begun, cut = 0, False, False
    while (at := data.find(b"OggS", at)) >= 0:
        page = _read_page(data, at)
        if page is None or page.end > len(data):
            cut = True
            at += 4
            continue
        cut = False
        if pages and data[page.start : page.end] == data[pages[-1].start : pages[-1].end]:
            at = page.end  # the same page twice
            continue
        if page.flags & 2 and begun:
            links.append(Link(tuple(pages)))
            pages = []
        begun = not page.flags & 2
        pages.append(page)
        at = page.end
    if pages:
        links.append(Link(tuple(pages)))
    return tuple(links), cut


def _read_page(data: bytes, at: int) -> Page | None:
    head = data[at : at + 27]
    if len(head) < 27 or head[4] != 0:
        return None
    laces = data[at + 27 : at + 27 + head[26]]
    if len(laces) < head[26]:
        return None
    position = int.from_bytes(head[6:14], "little")
    end = at + 27 + len(laces) + sum(laces)
    packets = len(laces) - laces.count(255)
    serial = int.from_bytes(head[14:18], "little")
    return Page(at, end, head[5], serial, -1 if position == _UNKNOWN else position, packets)


def join(data: Bytes, pages: Sequence[Page]) -> bytes:
    """Return the bytes of pages, without what lies between them."""
    if not pages:
        return b""
    if pages[-1].end - pages[0].start == sum(page.end - page.start for page in pages):
        return data[pages[0].start : pages[-1].end]
    return b"".join(data[page.start : page.end] for page in pages)
