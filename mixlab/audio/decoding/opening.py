"""Open an audio file, and notice what is wrong with its container."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType

import numpy as np

from mixlab.audio.decoding.file_bytes import Bytes, FileBytes
from mixlab.audio.decoding.flac import FlacStream, read_layout
from mixlab.audio.decoding.headers import Flac, find_flac, read_header
from mixlab.audio.decoding.mpeg import scan_mpeg
from mixlab.audio.decoding.ogg import Link, scan_ogg
from mixlab.audio.decoding.streams import (
    DECODE_ERRORS,
    RUN_FRAMES,
    UNKNOWN_FRAMES,
    Chain,
    Direct,
    FromStart,
    Mpeg,
    Patched,
    QuietFile,
    RemoteFile,
    Samples,
    Stream,
    Vorbis,
)
from mixlab.utils.remote import Place, RemoteBytes, RemotePath

__all__ = ["LONGEST_S", "AudioFile", "longest_frames", "open_source"]

WIDTHS = {"PCM_S8": 1, "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
WIDTHS |= {"ULAW": 1, "ALAW": 1}
"""Bytes of a sample."""

EXACT = {*WIDTHS, "IMA_ADPCM", "MS_ADPCM"}
"""Encodings in which libsndfile goes to a sample exactly."""

LONGEST_S = 86_400.0
"""Longest audio that is read, in seconds."""

_ALWAYS_READ_S = 600.0
_LEAST_BYTES_PER_S = 4
"""Beyond ten minutes, a file has this for each second. FLAC has 9 of silence, in its largest blocks."""

_OTHER = "From byte {} on its rate or number of channels is another; it is read up to there."


def longest_frames(size: int, sample_rate: int) -> int:
    """Return how many samples per channel a file may decode to before it is taken for a damaged one.

    A few flipped bits can make a decoder give silence without an end. What a file holds bounds what is
    read of it: ten minutes, and beyond that a second for every few bytes, up to ``LONGEST_S``.

    Args:
        size: Of the file, in bytes.
        sample_rate: In Hz.
    """
    seconds = min(max(size / _LEAST_BYTES_PER_S, _ALWAYS_READ_S), LONGEST_S)
    return round(seconds * sample_rate)


class AudioFile:
    """An open audio file.

    Attributes:
        name: Its path, or what stands for it.
        samplerate: In Hz.
        channels: How many.
        format: Container, such as ``WAV``.
        subtype: Encoding, such as ``PCM_16``.
        promised: How many samples its container promises, where libsndfile passes over that; None else.
        remarks: What is wrong with its container, as pairs of a problem's kind and a message.
        longest: More samples per channel than these are those of a damaged file; see ``longest_frames``.
        closed: Whether it was closed.
    """

    def __init__(self, name: str, kind: tuple[str, str], stream: Stream, found: "_Found", size: int) -> None:
        """Hold a stream of a file of ``size`` bytes, of a format and encoding; see ``open_source``."""
        self.name = name
        self.samplerate, self.channels = stream.samplerate, stream.channels
        self.format, self.subtype = kind
        self.promised, self.remarks = found.promised, found.remarks
        self.longest = longest_frames(size, self.samplerate)
        self.closed = False
        self._stream, self._damaged = stream, False

    @property
    def frames(self) -> int:
        """Samples per channel; where no header says so, those that decode are counted."""
        if self._stream.frames is None:
            self._stream.frames = self._count()
        return self._stream.frames

    @property
    def knows_frames(self) -> bool:
        """Whether ``frames`` is known without decoding."""
        return self._stream.frames is not None

    def _count(self) -> int:
        """Decode to the end, to where the data is damaged, or to where nobody reads on."""
        at, waste = 0, np.empty((RUN_FRAMES, self.channels), np.float32)
        try:
            while at <= self.longest and (found := self._stream.read_at(at, waste)):
                at += found
        except DECODE_ERRORS:
            self._damaged = True
            at += self.salvage(at, waste)
        return at

    def salvage(self, first: int, out: Samples) -> int:
        """Fill ``out`` from sample ``first`` on as far as the data is whole; return how many there were."""
        done, step = 0, len(out)
        while step and done < len(out):
            try:
                found = self._stream.read_at(first + done, out[done : done + step])
            except DECODE_ERRORS:
                step //= 8
            else:
                done += found
                if not found:
                    break
        return done

    def read_at(self, first: int, out: Samples) -> int:
        """Fill ``out``, float32 ``(frames, channels)``, with samples from ``first`` on; return how many.

        Fewer than asked for only where the audio ends; the rest of ``out`` is then left as it is. Samples
        equal those of a decode from start to end; in MP3 to within rounding (1e-7) where it holds frames
        that cannot be decoded.

        Raises:
            RuntimeError: the data is damaged (``DECODE_ERRORS``).
        """
        known = self._stream.frames
        if known is None:
            try:
                return self._stream.read_at(first, out)
            except DECODE_ERRORS:
                if first < self.frames or self._damaged:
                    raise
                return 0
        # What follows the audio, such as tags, must not be taken for more of it.
        out = out[: max(known - first, 0)]
        return self._stream.read_at(first, out) if len(out) else 0

    def close(self) -> None:
        """Close it; again does nothing."""
        self.closed = True
        self._stream.close()

    def __enter__(self) -> "AudioFile":
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


@dataclass(frozen=True)
class _Found:
    """What opening noticed beside the stream."""

    promised: int | None = None
    remarks: tuple[tuple[str, str], ...] = ()


class _Source:
    """A file, or the bytes of one."""

    def __init__(self, whole: Place | bytes) -> None:
        # Of a file at a URL one object, so that what was read of it is kept for whoever reads next.
        self._whole = RemoteBytes(whole) if isinstance(whole, RemotePath) else whole

    def open(self, start: int = 0, at: int = 0, other: bytes = b"") -> QuietFile:
        """Open it, from a byte on or with other bytes at some place of it."""
        if isinstance(self._whole, RemoteBytes):
            return RemoteFile(self._whole, start, at, other)
        if start or other:
            return QuietFile(Patched(self.data(), start, at, other))
        return QuietFile(io.BytesIO(self._whole) if isinstance(self._whole, bytes) else self._whole)

    def is_tagged(self) -> bool:
        """Tell whether it begins with an ID3 tag."""
        if not isinstance(self._whole, Path):
            return self._whole[:3] == b"ID3"
        with self._whole.open("rb", buffering=0) as file:
            return file.read(3) == b"ID3"

    def data(self) -> Bytes:
        """Return its bytes, those of a file to be read when they are wanted."""
        return FileBytes(self._whole) if isinstance(self._whole, Path) else self._whole

    def size(self) -> int:
        """Return how many bytes it has."""
        return self._whole.stat().st_size if isinstance(self._whole, Path) else len(self._whole)

    def content(self) -> bytes:
        """Return all of its bytes."""
        return self._whole.read_bytes() if isinstance(self._whole, Path) else self._whole[:]


def open_source(whole: Place | bytes, name: str, *, thorough: bool = True) -> AudioFile:
    """Open a file, or the bytes of one.

    Args:
        whole: The path, the URL or the bytes. A file at a URL is read in parts; MP3 and Ogg are read as a
            whole first, to know their frames and pages.
        name: For messages.
        thorough: Also look at what the header of an uncompressed or FLAC file promises, and whether it
            holds more. Not needed by who knows the length.

    Raises:
        RuntimeError: it is nothing that libsndfile reads (soundfile's own errors are of this kind).
        OSError: it cannot be opened.
        RemoteError: its URL cannot be reached.
    """
    source = _Source(whole)
    if not thorough and (usual := _open_usual_flac(source)):
        return AudioFile(name, ("FLAC", usual.subtype), usual, _Found(), source.size())
    file = source.open()
    try:
        stream, found = _open_stream(source, file, thorough)
    except BaseException:
        file.close()
        raise
    opened = AudioFile(name, (str(file.format), str(file.subtype)), stream, found, source.size())
    if isinstance(stream, Mpeg):
        file.close()
    return opened


def _open_stream(source: _Source, file: QuietFile, thorough: bool) -> tuple[Stream, _Found]:
    if file.format == "MP3" and file.subtype == "MPEG_LAYER_III":
        return _open_mpeg(source, file)
    if file.format == "OGG":
        return _open_ogg(source, file)
    if file.format == "FLAC":
        tagged = source.is_tagged()
        return _open_flac(source, file) if thorough or tagged else Direct(source.open, file), _Found()
    reopen = source.open
    if file.frames == 0 and (header := read_header(source.data())) and header.size is None:
        reopen = partial(source.open, 0, header.size_at, b"\xff\xff\xff\xff")
        file = reopen()
    kind = Direct if file.subtype in EXACT else FromStart
    return kind(reopen, file), _read_promise(source, file) if thorough else _Found()


def _open_usual_flac(source: _Source) -> FlacStream | None:
    """Open a FLAC file of the usual kind without libsndfile."""
    data = source.data()
    layout = read_layout(data)
    if layout is not None:
        return FlacStream(data, layout, lambda: Direct(source.open, source.open()))
    if isinstance(data, FileBytes):
        data.close()
    return None


def _read_promise(source: _Source, file: QuietFile) -> _Found:
    """Compare an uncompressed file's header with its size."""
    data = source.data()
    header = read_header(data)
    if header is None:
        return _Found()
    remarks = [("header", header.remark)] if header.remark else []
    there, promised = len(data) - header.start, None
    if header.size is not None and header.size > there:
        if file.subtype in WIDTHS:
            promised = header.size // (WIDTHS[file.subtype] * file.channels)
        else:
            text = f"Its header promises {header.size} bytes of audio, {there} are there."
            remarks.append(("truncated", text))
    return _Found(promised, tuple(remarks))


def _open_flac(source: _Source, file: QuietFile) -> Stream:
    """Open a FLAC file also where libsndfile does not: behind a tag, and beyond the length promised."""
    data = source.data()
    header = find_flac(data)
    if header is None:
        return Direct(source.open, file)
    reopen = partial(source.open, header.start)
    if header.start:  # libsndfile finds no sample behind a tag
        file.close()
        file = reopen()
    if 0 < header.total < UNKNOWN_FRAMES and _goes_on(source, header):
        file.close()
        reopen = partial(source.open, header.start, header.total_at, header.unknown)
        file = reopen()
        return Direct(reopen, file)
    layout = read_layout(data)
    direct = Direct(reopen, file)
    return FlacStream(data, layout, lambda: direct, direct) if layout is not None else direct


def _goes_on(source: _Source, header: Flac) -> bool:
    """Tell whether a FLAC file holds more samples than its header promises."""
    with source.open(header.start, header.total_at, header.unknown) as file:
        try:
            file.seek(header.total)
            return len(file.read(out=np.empty((1, file.channels), np.float32))) > 0
        except DECODE_ERRORS:
            return False


def _open_mpeg(source: _Source, file: QuietFile) -> tuple[Stream, _Found]:
    scan = scan_mpeg(source.content())
    if scan is None:  # of a free bitrate, of whose length libsndfile says a guess
        stream = FromStart(source.open, file)
        stream.frames = None
        return stream, _Found()
    remarks = []
    if scan.cut:
        remarks.append(("truncated", f"Its last frame is cut off: {scan.cut} bytes of it are there."))
    if scan.junk:
        text = (
            f"{scan.junk} bytes within its audio are neither frames nor tags: a part is damaged or missing."
        )
        remarks.append(("damaged", text))
    if scan.other is not None:
        remarks.append(("joined", _OTHER.format(scan.other)))
    promised = None
    # Some programs count the tag as a frame.
    if scan.promised is not None and scan.promised > len(scan.starts) + 1:
        promised = scan.promised * scan.frame_samples - scan.delay
    return Mpeg(source.data(), scan, file), _Found(promised, tuple(remarks))


def _open_ogg(source: _Source, file: QuietFile) -> tuple[Stream, _Found]:
    data = source.data()
    links, cut = scan_ogg(source.content())
    if len(links) < 2:
        streams = [_ogg_stream(data, links[0] if links else None, source, file)]
        remarks: list[tuple[str, str]] = []
    else:
        streams, remarks = _open_links(data, links)
        file.close()
    if links and (cut or not links[-1].ended):
        remarks.append(("truncated", "It has no last page: it was cut off, or is a recorded broadcast."))
    return streams[0] if len(streams) == 1 else Chain(streams), _Found(None, tuple(remarks))


def _open_links(data: Bytes, links: Sequence[Link]) -> tuple[list[Stream], list[tuple[str, str]]]:
    """Open joined streams, as many as are of one kind."""
    streams: list[Stream] = []
    for link in links:
        part = _Source(data[link.start : link.end])
        try:
            file = part.open()
        except DECODE_ERRORS as error:
            why = getattr(error, "error_string", error)  # its other words name an object in memory
            return streams, [("joined", f"What follows from byte {link.start} on cannot be read: {why}")]
        shape = file.samplerate, file.channels
        if streams and shape != (streams[0].samplerate, streams[0].channels):
            file.close()
            return streams, [("joined", _OTHER.format(link.start))]
        streams.append(_ogg_stream(data, link, part, file))
    return streams, []


def _ogg_stream(data: Bytes, link: Link | None, source: _Source, file: QuietFile) -> Stream:
    if link and file.subtype == "VORBIS" and link.alone and link.audio():
        stream = Vorbis(data, link, file)
        file.close()
        return stream
    return FromStart(source.open, file)
