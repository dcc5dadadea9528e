"""Where the samples of a mix come from: what rendering asks for, and the reader of the corpora's files.

Decoding is what reading from files costs, most of all from FLAC; opening and going to a place add some, a
quarter for WAV, and frames or pages of MP3 and Ogg are counted when they are opened. So files stay open for a
while, and spans of one file that overlap within a batch are decoded once. Both leave every sample as it is.
"""

import math
import os
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import HOP_S, AudioFile, FloatArray, Readable, open_audio, read_frames
from mixlab.audio.levels import envelope_db
from mixlab.audio.resampling import resample_file
from mixlab.catalog.catalog import Catalog
from mixlab.catalog.roots import refuse_lost_root
from mixlab.errors import AudioError
from mixlab.utils.remote import Place, RemotePath

__all__ = ["CatalogReader", "Mark", "OpenFiles", "Reader", "Span", "find_mark"]

Span = tuple[int, float, float]
"""A stem's number, and where in its file to read: start and length in seconds."""

Mark = tuple[int, ...]
"""What changes when a file does: device, number, size, time of change; empty where there is no file.

At a URL: 0, a number for the server's version of it, size, 0."""

MOST_OPEN = 32
"""An open stereo FLAC holds 0.6 MB."""

_ALIKE_DB = 0.25
"""Levels of a span differ by at most so much from those that were measured, or the file has changed."""

_QUIET_DB = -70.0
"""Levels below this are not compared."""

_MARGIN_S = 0.1
"""Decoded on either side of shared spans: twice what resamplers ask for beyond a span, at most."""

_NEAR_S = 0.25
"""Spans of one file that lie closer are decoded in one go: the gap costs less than another seek."""

_SHARED_BYTES = 32 * 1024 * 1024
"""Most that the shared spans of a batch may take; what goes beyond is read span by span."""


class Reader(Protocol):
    """Reads excerpts of a catalog's stems at the mix's rate; files and packs are the two ways to do it."""

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
        self._idle: OrderedDict[Place, tuple[Mark, AudioFile]] = OrderedDict()

    def __len__(self) -> int:
        """Files that are open and idle."""
        return len(self._idle)

    @contextmanager
    def borrow(self, path: Place, frames: int = 0, mark: Mark | None = None) -> Iterator[AudioFile]:
        """Open a file, or take it from those that are open, for as long as the ``with`` block lasts.

        Args:
            path: The file.
            frames: How many samples it is known to hold, whatever its header says.
            mark: What ``find_mark`` says of it, where that was asked already.

        Raises:
            AudioError: the file is missing or no audio that libsndfile reads.
        """
        if self._process != os.getpid():
            self._process, self._idle = os.getpid(), OrderedDict()
        mark = find_mark(path) if mark is None else mark
        known, file = self._idle.pop(path, (None, None))
        if file is None or known != mark:
            if file is not None:
                file.close()
            file = _open(path, frames)
        try:
            yield file
        except BaseException:
            file.close()
            raise
        self._idle[path] = (mark, file)
        while len(self._idle) > self._most:
            self._idle.popitem(last=False)[1][1].close()


def _open(path: Place, frames: int) -> AudioFile:
    file = open_audio(path, thorough=False)
    if file.knows_frames and file.frames < frames:
        file.close()
        return open_audio(path)
    return file


def find_mark(path: Place) -> Mark:
    """Return what changes when a file does; opening it will say if it is missing.

    Raises:
        RemoteError: its URL cannot be reached.
    """
    try:
        if isinstance(path, RemotePath):
            info = path.info()
            return 0, info.version, info.size, 0
        found = path.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


_SIZE, _TIME = 2, 3


def _changed(name: str, expected: str, found: str) -> AudioError:
    return AudioError(
        f"Expected {name} as it was indexed, with {expected}, found {found}: the file has changed since. Run "
        "'mixlab index' again, or restore the file.",
        code="audio-changed",
    )


class _Compared:
    """A file whose levels are compared with those that were measured, wherever it is read."""

    def __init__(self, file: AudioFile, envelope: NDArray[np.float16]) -> None:
        self.name, self.samplerate, self.subtype = file.name, file.samplerate, file.subtype
        self.channels = file.channels
        self._file, self._envelope = file, envelope

    @property
    def frames(self) -> int:
        return self._file.frames

    def read_at(self, first: int, out: FloatArray) -> int:
        """Read ``(samples, channels)`` from sample ``first`` on into ``out``; return how many were there.

        Raises:
            AudioError: what was read has other levels than were indexed.
        """
        found = self._file.read_at(first, out)
        # Hops that begin at a whole sample, and all of whose samples are here.
        step = 10 // math.gcd(self.samplerate, 10)
        hop = -(-first // (step * self.samplerate // 10)) * step
        skipped = hop * self.samplerate // 10 - first
        hops = int((found - skipped) / (self.samplerate * HOP_S))
        if hops > 0:
            whole = out[skipped : skipped + int(hops * self.samplerate * HOP_S)]
            levels = envelope_db(np.nan_to_num(whole.T, posinf=0.0, neginf=0.0), self.samplerate)
            self._compare(hop, levels[:hops].astype(np.float64))
        return found

    def _compare(self, hop: int, levels: NDArray[np.float64]) -> None:
        measured = self._envelope[hop : hop + len(levels)].astype(np.float64)
        levels = np.maximum(levels[: len(measured)], _QUIET_DB)
        differs = np.abs(levels - np.maximum(measured, _QUIET_DB)) > _ALIKE_DB
        if differs.any():
            k = int(np.argmax(differs))
            at_s = (hop + k) * HOP_S
            raise _changed(self.name, f"{measured[k]:.1f} dBFS at {at_s:.1f} s", f"{levels[k]:.1f} dBFS")


class CatalogReader:
    """Reads from the corpora's own files: go to the span, decode it alone, resample once.

    A file that has changed since it was indexed is an error, never silence or other audio: one of another
    length in bytes at once; one of another time of change, as copies have, where the levels of a span differ
    from those that were measured. The times of files at URLs mean nothing: their levels are always compared.
    A root that went away is an error that ends the work: it names no single file, and items that stand in for
    others would be taken from what is left.
    """

    def __init__(self, catalog: Catalog) -> None:
        """Read stems of ``catalog``."""
        self._catalog = catalog
        self._rates = catalog.column("sample_rate")
        self._frames = catalog.column("frames")
        self._sizes = catalog.column("size")
        self._times_ns = catalog.column("mtime_ns")
        self._corpora = catalog.column("corpus")
        self.files = OpenFiles()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the catalog alone: open files stay where they are."""
        return CatalogReader, (self._catalog,)

    @contextmanager
    def borrow(self, stem: int) -> Iterator[Readable]:
        """Open a stem's file, or take it from those that are open.

        Raises:
            AudioError: the file is missing, damaged, or has changed since it was indexed.
            CatalogError: it is missing, and so is the root of its corpus.
        """
        path, size, time_ns = self._catalog.audio_path(stem), int(self._sizes[stem]), self._times_ns[stem]
        mark = find_mark(path)
        if not mark:
            corpus = str(self._corpora[stem])
            refuse_lost_root(corpus, self._catalog.roots[corpus])
        if mark and size and mark[_SIZE] != size:
            raise _changed(str(path), f"{size} bytes", f"{mark[_SIZE]}")
        with self.files.borrow(path, int(self._frames[stem]), mark) as file:
            if mark and size and mark[_TIME] != time_ns and self._comparable():
                yield _Compared(file, self._catalog.envelope(stem))
            else:
                yield file

    def _comparable(self) -> bool:
        """Tell whether the catalog's levels are such as are measured now."""
        from mixlab.audio.loudness import MEASURE_VERSION

        return self._catalog.measure_version == MEASURE_VERSION

    def read(self, stem: int, start_s: float, samples: int, sample_rate: int, channels: int) -> FloatArray:
        """See ``Reader.read``.

        Raises:
            AudioError: the file is missing, damaged, or has changed since it was indexed.
        """
        rate, end = int(self._rates[stem]), int(self._frames[stem])
        with self.borrow(stem) as file:
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

    def __init__(self, file: Readable, block: _Block, rate: int, end: int) -> None:
        self.name, self.samplerate, self.subtype = file.name, file.samplerate, file.subtype
        self.frames, self.channels = end, file.channels
        self._first = block.first
        self._audio = read_frames(file, block.first, block.last - block.first, sample_rate=rate, end=end)

    def read_at(self, first: int, out: FloatArray) -> int:
        out[:] = self._audio[first - self._first :][: len(out)]
        return len(out)


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
            with self._reader.borrow(stem) as file:
                return _Decoded(file, block, int(self._rates[stem]), int(self._frames[stem]))
        except AudioError:
            pass  # damage elsewhere in the block must not cost this span: whoever is hit will say so
        block.uses = 0
        return None

    def read_into(self, out: FloatArray, stem: int, start_s: float, sample_rate: int, gain: float) -> None:
        channels, samples = out.shape
        np.multiply(self.read(stem, start_s, samples, sample_rate, channels), np.float32(gain), out=out)
