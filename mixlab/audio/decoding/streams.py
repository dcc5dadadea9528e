"""Streams of audio that give the same samples for a span wherever reading began.

After a seek in MP3, Vorbis, Opus and some old codecs, the first samples that libsndfile decodes differ from
those of a whole decode. So MP3 and Vorbis are decoded from excerpts that begin early enough, joined streams
one by one, and what cannot be entered in the middle from its start on.
"""

import io
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, Protocol

import numpy as np
import soundfile
from numpy.typing import NDArray

from mixlab.audio.decoding.file_bytes import Bytes
from mixlab.audio.decoding.mpeg import Scan, excerpt
from mixlab.audio.decoding.ogg import Link, join
from mixlab.utils.remote import RemoteBytes

__all__ = [
    "DECODE_ERRORS",
    "RUN_FRAMES",
    "UNKNOWN_FRAMES",
    "Chain",
    "Direct",
    "FromStart",
    "Mpeg",
    "Patched",
    "QuietFile",
    "RemoteFile",
    "Samples",
    "Stream",
    "Vorbis",
]

DECODE_ERRORS = (soundfile.LibsndfileError, RuntimeError)
"""What reading raises where the data is damaged."""

UNKNOWN_FRAMES = 1 << 62
"""libsndfile says 2**63 - 1 of a file whose header names no length."""

RUN_FRAMES = 1 << 18
"""Decoded at a time where reading goes on from where it stopped."""

_LONGEST_FRAMES = 1 << 20
"""Longest stretch that is decoded from one excerpt."""

Samples = NDArray[np.float32]


class QuietFile(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no annotations
    """A file to read from; its position is its reader's business."""

    def seekable(self) -> bool:
        """Say no: else soundfile seeks around every read, which costs FLAC a twentieth of the time."""
        return False

    def __del__(self, finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        """Close it; not at the interpreter's end, when what closing needs is gone, and nothing is lost."""
        if not finalizing():
            super().__del__()


class Patched(io.RawIOBase):
    """Bytes from a place on, with a few others in their place."""

    def __init__(self, data: Bytes, start: int, at: int, other: bytes) -> None:
        self._data, self._start, self._at = data, start, 0
        self._from, self._other = at, other

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - whatever holds bytes
        """See ``io.RawIOBase``."""
        begin = self._start + self._at
        found = bytearray(self._data[begin : begin + len(buffer)])
        for k, byte in enumerate(self._other, self._from - begin):
            if 0 <= k < len(found):
                found[k] = byte
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See ``io.RawIOBase``."""
        self._at = offset + (0, self._at, len(self._data) - self._start)[whence]
        return self._at

    def tell(self) -> int:
        """See ``io.RawIOBase``."""
        return self._at


class _Fetched(Patched):
    """The same, of a file at a URL: errors, which a decoder takes for its end, are kept."""

    def __init__(self, data: RemoteBytes, start: int, at: int, other: bytes) -> None:
        super().__init__(data, start, at, other)
        self._remote = data

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - whatever holds bytes
        """See ``io.RawIOBase``."""
        try:
            return super().readinto(buffer)
        except Exception as error:
            self._remote.fault = error
            return 0

    def raise_fault(self) -> None:
        """Raise what went wrong meanwhile."""
        fault, self._remote.fault = self._remote.fault, None
        if fault is not None:
            raise fault


class RemoteFile(QuietFile):
    """A file at a URL, read in parts.

    Args:
        data: The file.
        start: Byte to begin at.
        at: Where bytes of it are replaced.
        other: By what; nothing for a file as it is.
    """

    def __init__(self, data: RemoteBytes, start: int = 0, at: int = 0, other: bytes = b"") -> None:
        self._raw = _Fetched(data, start, at, other)
        try:
            super().__init__(self._raw)
        finally:
            self._raw.raise_fault()

    def read(self, *args: Any, **settings: Any) -> Any:  # noqa: ANN401 - as soundfile has it
        """See ``soundfile.SoundFile.read``.

        Raises:
            RemoteError: the file cannot be reached.
        """
        try:
            return super().read(*args, **settings)
        finally:
            self._raw.raise_fault()

    def seek(self, *args: Any, **settings: Any) -> Any:  # noqa: ANN401 - as soundfile has it
        """See ``soundfile.SoundFile.seek``.

        Raises:
            RemoteError: the file cannot be reached.
        """
        try:
            return super().seek(*args, **settings)
        finally:
            self._raw.raise_fault()


class Stream(Protocol):
    """Audio of one kind, to be read by position."""

    samplerate: int
    channels: int
    frames: int | None

    def read_at(self, first: int, out: Samples) -> int:
        """Fill ``out`` ``(frames, channels)`` from sample ``first`` on; return how many there were."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


class Direct:
    """A stream in which libsndfile finds every sample."""

    def __init__(self, reopen: Callable[[], QuietFile], file: QuietFile) -> None:
        self._reopen, self._file, self._at = reopen, file, 0
        self.samplerate, self.channels = int(file.samplerate), int(file.channels)
        self.frames = None if file.frames >= UNKNOWN_FRAMES else int(file.frames)

    def read_at(self, first: int, out: Samples) -> int:
        """See ``Stream.read_at``."""
        try:
            if first != self._at:
                self._go_to(first)
            found = len(self._file.read(out=out))
        except DECODE_ERRORS:
            # Where a seek failed, libsndfile finds nothing any more.
            self._file.close()
            self._file, self._at = self._reopen(), 0
            raise
        self._at = first + found
        return found

    def _go_to(self, first: int) -> None:
        try:
            self._file.seek(first)
        except DECODE_ERRORS:
            # Near the end of a FLAC file that is cut, only decoding gets there.
            self._file.close()
            self._file = self._reopen()
            passed = _pass_over(self._file, first, self.channels)
            if passed < first:
                raise RuntimeError(f"its audio ends after {passed} samples") from None

    def close(self) -> None:
        """See ``Stream.close``."""
        self._file.close()


class FromStart:
    """A stream that must be decoded from its start: opened anew to go back, and decoded on to go ahead."""

    def __init__(self, reopen: Callable[[], QuietFile], file: QuietFile) -> None:
        self._reopen, self._file, self._at = reopen, file, 0
        self.samplerate, self.channels = int(file.samplerate), int(file.channels)
        self.frames = None if file.frames >= UNKNOWN_FRAMES else int(file.frames)

    def read_at(self, first: int, out: Samples) -> int:
        """See ``Stream.read_at``."""
        if first < self._at:
            self._file.close()
            self._file, self._at = self._reopen(), 0
        try:
            self._at += _pass_over(self._file, first - self._at, self.channels)
            found = len(self._file.read(out=out)) if self._at == first else 0
        except DECODE_ERRORS:
            self._at = UNKNOWN_FRAMES  # wherever it stands: the next read begins anew
            raise
        self._at += found
        return found

    def close(self) -> None:
        """See ``Stream.close``."""
        self._file.close()


def _pass_over(file: QuietFile, frames: int, channels: int) -> int:
    """Decode frames that nobody wants; return how many there were."""
    passed, waste = 0, np.empty((min(frames, 1 << 16), channels), np.float32)
    while passed < frames:
        found = len(file.read(out=waste[: frames - passed]))
        passed += found
        if not found:
            break
    return passed


class Excerpts:
    """A stream that is decoded from excerpts, each from its start."""

    frames: int | None
    samplerate: int
    channels: int

    def __init__(self) -> None:
        self._first, self._audio = 0, np.zeros((0, 1), np.float32)

    def _decode(self, first: int, frames: int) -> Samples:
        """Return ``(n, channels)`` from ``first`` on; n is below ``frames`` where it ends early."""
        raise NotImplementedError

    def read_at(self, first: int, out: Samples) -> int:
        """See ``Stream.read_at``."""
        done, total = 0, self.frames or 0
        while done < len(out) and first + done < total:
            at = first + done
            if not self._first <= at < self._first + len(self._audio):
                # Who goes on where he stopped will go on: fewer, longer excerpts.
                least = RUN_FRAMES if at == self._first + len(self._audio) else 0
                wanted = min(max(len(out) - done, least), _LONGEST_FRAMES, total - at)
                self._first, self._audio = at, self._decode_some(at, wanted, len(out) - done)
            part = self._audio[at - self._first :][: len(out) - done]
            if len(part) == 0:
                break
            out[done : done + len(part)] = part
            done += len(part)
        self._forget(first + done)
        return done

    def _decode_some(self, first: int, frames: int, asked: int) -> Samples:
        """Decode more than was asked for; where that is damaged, no more than that."""
        try:
            return self._decode(first, frames)
        except DECODE_ERRORS:
            if frames <= asked:
                raise
        return self._decode(first, asked)

    def _forget(self, at: int) -> None:
        """Let go of what was decoded when all of it has been read."""
        if at >= self._first + len(self._audio):
            self._first, self._audio = at, self._audio[:0].copy()

    def close(self) -> None:
        """See ``Stream.close``."""
        self._audio = self._audio[:0].copy()


class Mpeg(Excerpts):
    """An MP3."""

    def __init__(self, data: Bytes, scan: Scan, file: QuietFile) -> None:
        super().__init__()
        self._data, self._scan = data, scan
        self.samplerate, self.channels, self.frames = int(file.samplerate), int(file.channels), scan.samples

    def _decode(self, first: int, frames: int) -> Samples:
        data, before = excerpt(self._data, self._scan, first, frames)
        audio = np.empty((before + frames, self.channels), np.float32)
        with QuietFile(io.BytesIO(data)) as file:
            found = _fill(file, audio)
        return audio[before:found]


class Vorbis(Excerpts):
    """One Vorbis stream of an Ogg file."""

    def __init__(self, data: Bytes, link: Link, file: QuietFile) -> None:
        super().__init__()
        self._data = data
        self.samplerate, self.channels = int(file.samplerate), int(file.channels)
        self._pages = link.audio()
        self._headers = join(data, link.pages[: len(link.pages) - len(self._pages)])
        marks = [(page.position, k) for k, page in enumerate(self._pages) if page.position >= 0]
        self._marks = [position for position, _ in marks]
        self._places = [k for _, k in marks]
        # The first sample has a number above 0 where a stream was cut out of a longer one.
        self._origin = 0
        self._origin = self._marks[0] - len(self._all(0, self._places[0])) if marks else 0
        self.frames = self._marks[-1] - self._origin if marks else 0

    def _all(self, first_page: int, last_page: int) -> Samples:
        """Decode pages to their end."""
        data = self._headers + join(self._data, self._pages[first_page : last_page + 1])
        blocks = []
        with QuietFile(io.BytesIO(data)) as file:
            while len(block := file.read(RUN_FRAMES, dtype="float32", always_2d=True)):
                blocks.append(block)
        return np.concatenate(blocks) if blocks else np.zeros((0, self.channels), np.float32)

    def _decode(self, first: int, frames: int) -> Samples:
        first, end = first + self._origin, first + self._origin + frames
        begin = bisect_right(self._marks, first) - 1
        last = min(bisect_left(self._marks, end), len(self._marks) - 1)
        audio = self._all(self._places[begin] if begin >= 0 else 0, self._places[last])
        start = self._marks[last] - len(audio)
        if start > (self._marks[begin] if begin >= 0 else self._origin):
            raise RuntimeError("part of the stream is missing or damaged")
        return audio[first - start : end - start]


class Chain:
    """Streams that follow each other in one file."""

    def __init__(self, streams: Sequence[Stream]) -> None:
        self._streams = streams
        self.samplerate, self.channels = streams[0].samplerate, streams[0].channels
        self._ends = list(accumulate(stream.frames or 0 for stream in streams))
        self.frames: int | None = self._ends[-1]

    def read_at(self, first: int, out: Samples) -> int:
        """See ``Stream.read_at``."""
        done = 0
        while done < len(out) and first + done < self._ends[-1]:
            k = bisect_right(self._ends, first + done)
            start = self._ends[k - 1] if k else 0
            part = out[done : done + self._ends[k] - first - done]
            found = self._streams[k].read_at(first + done - start, part)
            done += found
            if found < len(part):
                break
        return done

    def close(self) -> None:
        """See ``Stream.close``."""
        for stream in self._streams:
            stream.close()


def _fill(file: QuietFile, out: Samples) -> int:
    """Read until ``out`` is full or the file ends; return how many there were."""
    done = 0
    while done < len(out):
        found = len(file.read(out=out[done:]))
        if not found:
            break
        done += found
    return done
