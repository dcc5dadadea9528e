"""Where the samples of a mix come from: what rendering asks for, and the reader of the corpora's files.

Decoding is what reading from files costs (4 s of 44.1 kHz FLAC: 3 ms mono, 5.5 ms stereo); opening and
seeking add 5 to 8 % there, a quarter for WAV and almost half for MP3. So files stay open for a while, and
spans of one file that overlap within a batch are decoded once. Both leave every sample as it is.
"""

import math
import os
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import soundfile

from mixlab.audio import FloatArray, open_audio, read_frames
from mixlab.catalog import Catalog
from mixlab.errors import AudioError
from mixlab.resampling import resample_file

__all__ = ["CatalogReader", "OpenFiles", "Reader", "Span"]

Span = tuple[int, float, float]
"""A stem's number, and where in its file to read: start and length in seconds."""

MOST_OPEN = 32
"""An open stereo FLAC holds 0.6 MB."""

_EXACT = ("AIFF", "CAF", "FLAC", "RF64", "W64", "WAV", "WAVEX")
"""Formats that decode to the same samples wherever reading began before. What Vorbis decodes within the
first packet after a seek depends on where the decoder stood, so lossy files are opened anew each time."""

_MARGIN_S = 0.1
"""Decoded on either side of shared spans: twice what resamplers ask for beyond a span, at most."""

_NEAR_S = 0.25
"""Spans of one file that lie closer are decoded in one go: the gap costs less than another seek."""

_SHARED_BYTES = 32 * 1024 * 1024
"""Most that the shared spans of a batch may take; what goes beyond is read span by span."""


class Reader(Protocol):
    """Reads chunks of a catalog's stems at the mix's rate; files and packs are the two ways to do it."""

    def read(self, stem: int, start_s: float, samples: int, sample_rate: int, channels: int) -> FloatArray:
        """Return ``(channels, samples)`` of stem number ``stem`` from ``start_s`` on, silence outside."""
        ...

    def read_into(self, out: FloatArray, stem: int, start_s: float, sample_rate: int, gain: float) -> None:
        """Fill ``out`` ``(channels, samples)``, C-contiguous, with what ``read`` returns, times ``gain``."""
        ...


class OpenFiles:
    """Keeps the files that were read last open, a bounded number of them.

    A file that was replaced or changed on disk is opened anew. Threads may share it: a file belongs to
    whoever reads from it and is in no list meanwhile. A forked process starts with none, because it would
    share its position in them with its parent.

    Args:
        most: How many files stay open.
    """

    def __init__(self, most: int = MOST_OPEN) -> None:
        """Start with none open."""
        self._most = most
        self._process = os.getpid()
        self._idle: OrderedDict[Path, tuple[tuple[int, ...], soundfile.SoundFile]] = OrderedDict()

    def __len__(self) -> int:
        """Files that are open and idle."""
        return len(self._idle)

    @contextmanager
    def borrow(self, path: Path) -> Iterator[soundfile.SoundFile]:
        """Open a file, or take it from those that are open, for as long as the ``with`` block lasts.

        Raises:
            AudioError: the file is missing or no audio that libsndfile reads.
        """
        if self._process != os.getpid():
            self._process, self._idle = os.getpid(), OrderedDict()
        mark = _mark(path)
        known, file = self._idle.pop(path, (None, None))
        if file is None or known != mark:
            if file is not None:
                file.close()
            file = open_audio(path)
        try:
            yield file
        except BaseException:
            file.close()
            raise
        if file.format not in _EXACT:
            file.close()
            return
        self._idle[path] = (mark, file)
        while len(self._idle) > self._most:
            self._idle.popitem(last=False)[1][1].close()


def _mark(path: Path) -> tuple[int, ...]:
    """Return what changes when a file does; opening it will say if it is missing."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class CatalogReader:
    """Reads from the corpora's own files: seek, decode the span alone, resample once."""

    def __init__(self, catalog: Catalog) -> None:
        """Read stems of ``catalog``."""
        self._catalog = catalog
        self._rates = catalog.column("sample_rate")
        self._frames = catalog.column("frames")
        self.files = OpenFiles()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the catalog alone: open files stay where they are."""
        return CatalogReader, (self._catalog,)

    def read(self, stem: int, start_s: float, samples: int, sample_rate: int, channels: int) -> FloatArray:
        """See ``Reader.read``.

        Raises:
            AudioError: the file is missing, damaged, or has another sample rate than when indexed.
        """
        path, rate, end = self._catalog.audio_path(stem), int(self._rates[stem]), int(self._frames[stem])
        with self.files.borrow(path) as file:
            return resample_file(file, rate, end, start_s, samples, sample_rate, channels)

    def read_into(self, out: FloatArray, stem: int, start_s: float, sample_rate: int, gain: float) -> None:
        """See ``Reader.read_into``."""
        channels, samples = out.shape
        np.multiply(self.read(stem, start_s, samples, sample_rate, channels), np.float32(gain), out=out)

    def sharing(self, spans: Iterable[Span]) -> Reader:
        """Return a reader for a set of spans that decodes once what several of them have in common.

        Args:
            spans: All that is going to be read, in any order; each is expected once. What else is asked
                for is read all the same.

        Returns:
            A reader of the same samples, for one thread; ``self`` where the spans have nothing in common.
        """
        by_stem: dict[int, list[tuple[float, float]]] = defaultdict(list)
        for stem, start_s, length_s in spans:
            by_stem[stem].append((start_s, start_s + length_s))
        shared: dict[int, list[_Block]] = {}
        room = _SHARED_BYTES
        channels = self._catalog.column("channels")
        for stem, found in by_stem.items():
            for first_s, last_s, uses in _merge(found) if len(found) > 1 else ():
                rate = int(self._rates[stem])
                first, last = round((first_s - _MARGIN_S) * rate), round((last_s + _MARGIN_S) * rate)
                size = 4 * int(channels[stem]) * (last - first)
                if size <= room:
                    room -= size
                    shared.setdefault(stem, []).append(_Block(first, last, uses))
        return _SharingReader(self, self._catalog, shared) if shared else self


def _merge(spans: list[tuple[float, float]]) -> list[tuple[float, float, int]]:
    """Join spans that overlap or nearly so; return start, end and number of those that were joined."""
    spans = sorted(spans)
    (first_s, last_s), uses, joined = spans[0], 1, []
    for start_s, end_s in spans[1:]:
        if start_s <= last_s + _NEAR_S:
            last_s, uses = max(last_s, end_s), uses + 1
        else:
            joined.append((first_s, last_s, uses))
            first_s, last_s, uses = start_s, end_s, 1
    joined.append((first_s, last_s, uses))
    return [span for span in joined if span[2] > 1]


@dataclass
class _Block:
    """A part of a file that serves several spans: its samples ``first`` to ``last - 1``."""

    first: int
    last: int
    uses: int
    decoded: "_Decoded | None" = None


class _Decoded:
    """A decoded part of a file; ``read_frames`` reads from it as from the file."""

    def __init__(self, file: soundfile.SoundFile, block: _Block, rate: int, end: int) -> None:
        self.name, self.samplerate, self.subtype = file.name, file.samplerate, file.subtype
        self.frames, self.channels = file.frames, file.channels
        self._first, self._at = block.first, 0
        self._audio = read_frames(file, block.first, block.last - block.first, sample_rate=rate, end=end)

    def seek(self, frame: int) -> None:
        self._at = frame - self._first

    def read(self, out: FloatArray) -> FloatArray:
        out[:] = self._audio[self._at : self._at + len(out)]
        return out


class _SharingReader:
    """See ``CatalogReader.sharing``."""

    def __init__(self, reader: CatalogReader, catalog: Catalog, shared: dict[int, list[_Block]]) -> None:
        self._reader, self._catalog, self._shared = reader, catalog, shared
        self._rates, self._frames = catalog.column("sample_rate"), catalog.column("frames")

    def read(self, stem: int, start_s: float, samples: int, sample_rate: int, channels: int) -> FloatArray:
        """See ``Reader.read``; each shared block goes when its last span was read."""
        rate, end = int(self._rates[stem]), int(self._frames[stem])
        first = math.floor((start_s - _MARGIN_S / 2) * rate)
        last = math.ceil((start_s + samples / sample_rate + _MARGIN_S / 2) * rate)
        for block in self._shared.get(stem, ()):
            if block.uses and block.first <= first and last <= block.last:
                block.uses -= 1
                decoded = block.decoded or self._decode(stem, block)
                block.decoded = decoded if block.uses else None
                if decoded is None:
                    break
                return resample_file(decoded, rate, end, start_s, samples, sample_rate, channels)
        return self._reader.read(stem, start_s, samples, sample_rate, channels)

    def _decode(self, stem: int, block: _Block) -> _Decoded | None:
        try:
            with self._reader.files.borrow(self._catalog.audio_path(stem)) as file:
                if file.format in _EXACT:
                    return _Decoded(file, block, int(self._rates[stem]), int(self._frames[stem]))
        except AudioError:
            pass  # damage elsewhere in the block must not cost this span: whoever is hit will say so
        block.uses = 0
        return None

    def read_into(self, out: FloatArray, stem: int, start_s: float, sample_rate: int, gain: float) -> None:
        channels, samples = out.shape
        np.multiply(self.read(stem, start_s, samples, sample_rate, channels), np.float32(gain), out=out)
