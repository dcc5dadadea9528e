"""Files and plain signals: probe, read a span, resample, write.

Knows paths, samples and seconds, never stems. Audio is float32 ``(channels, samples)``, full scale
is +-1.
"""

import io
import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from mixlab.audio.decoding import DECODE_ERRORS, READS, AudioFile, describe_kind, open_source
from mixlab.errors import AudioError, AudioRangeError
from mixlab.utils.files import write_atomic
from mixlab.utils.remote import Place, RemoteBytes

__all__ = [
    "FLOOR_DB",
    "HIGHEST_RATE",
    "HOP_S",
    "LOWEST_RATE",
    "MOST_CHANNELS",
    "PEAK_LIMIT_DB",
    "AudioFile",
    "AudioInfo",
    "FloatArray",
    "Readable",
    "amplitude",
    "check_header",
    "check_peak",
    "encode_wav",
    "fit_length",
    "hop_edges",
    "iter_blocks",
    "length_notes",
    "open_audio",
    "probe",
    "read_frames",
    "read_span",
    "resample",
    "to_channels",
    "write_wav",
]

FloatArray = NDArray[np.float32]

HOP_S = 0.1
"""Hop of activity envelopes in seconds."""

LOWEST_RATE, HIGHEST_RATE = 4000, 768_000
"""Sample rates that are read, in Hz. A header beyond them is damaged, or of no sound that anyone hears."""

MOST_CHANNELS = 64
"""Most channels that are read; third-order Ambisonics has 16, the largest film formats 64."""

PEAK_LIMIT_DB = 30.0
"""Highest sample that sound has, in dBFS. Floating-point stems may well go 20 dB beyond full scale."""

FLOOR_DB = -120.0
"""Lowest level that an envelope reports, in dBFS; digital silence reads as this."""


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header says.

    Attributes:
        sample_rate: Samples per second.
        frames: Samples per channel.
        channels: Number of channels.
        format: Container, such as ``WAV``.
        subtype: Encoding, such as ``PCM_16``.
        promised: Samples per channel that the container promises where that is more; else None.
        remarks: What is wrong with the container, as pairs of a problem's kind and a message.
        longest: More samples per channel than these are those of a damaged file.
    """

    sample_rate: int
    frames: int
    channels: int
    format: str
    subtype: str
    promised: int | None = None
    remarks: tuple[tuple[str, str], ...] = ()
    longest: int = 1 << 62


class Readable(Protocol):
    """What ``read_frames`` needs of a file; ``AudioFile`` says what each is."""

    name: str
    samplerate: int
    channels: int
    subtype: str

    @property
    def frames(self) -> int:
        """Samples per channel."""
        ...

    def read_at(self, first: int, out: FloatArray) -> int:
        """Fill ``out`` ``(frames, channels)`` from sample ``first`` on; return how many there were."""
        ...


def _plain(error: Exception) -> str:
    """Return a library's message without its final stop, to stand within a sentence of ours."""
    return str(error).rstrip(". ")


def open_audio(path: Place, *, thorough: bool = True) -> AudioFile:
    """Open a file for reading; the caller closes it.

    Args:
        path: The file.
        thorough: As for ``mixlab.audio.decoding.open_source``.

    Raises:
        AudioError: the file is missing or no audio that libsndfile reads.
        AudioRangeError: its sample rate or number of channels is beyond what is read.
        RemoteError: its URL cannot be reached.
    """
    try:
        file = open_source(path, str(path), thorough=thorough)
    except (*DECODE_ERRORS, OSError, ValueError) as error:
        raise AudioError(
            _no_audio(path, error), code="unreadable-audio" if path.is_file() else "audio-not-found"
        ) from error
    try:
        check_header(str(path), file.samplerate, file.channels)
    except AudioRangeError:
        file.close()
        raise
    return file


def _no_audio(path: Place, error: Exception) -> str:
    """Say what there is where no audio was found, and what to do."""
    if not path.is_file():
        advice = "Restore the file from its source"
        advice += "." if isinstance(path, Path) else ", or check the root of its corpus (--root NAME=URL)."
        return f"Expected audio at {path}, found no file: {_plain(error)}. {advice}"
    advice = "Restore the file from its source."
    if isinstance(path, Path):
        size, kind = path.stat().st_size, None
        with suppress(OSError), path.open("rb") as file:
            kind = describe_kind(file.read(64), path.name)
    else:
        data = RemoteBytes(path)
        size, kind = len(data), describe_kind(data[:64], path.name)
    found = f"a file of {size} bytes"
    if kind is not None:
        found, advice = f"{kind[0]} ({size} bytes)", kind[1]
    return f"Expected audio ({READS}) at {path}, found {found}: {_plain(error)}. {advice}"


def check_header(name: str, sample_rate: int, channels: int) -> None:
    """Refuse what no sound has, before memory is taken for it.

    Raises:
        AudioRangeError: the sample rate or the number of channels is out of range.
    """
    rate = f"at {sample_rate} Hz"
    if not LOWEST_RATE <= sample_rate <= HIGHEST_RATE:
        expected = f"a sample rate from {LOWEST_RATE} to {HIGHEST_RATE} Hz"
    elif not 1 <= channels <= MOST_CHANNELS:
        expected, rate = f"1 to {MOST_CHANNELS} channels", f"with {channels}"
    else:
        return
    raise AudioRangeError(
        f"Expected {expected} in {name}, found a header {rate}: it is damaged, or the file holds no sound. "
        "Restore the file from its source, or convert it to a usual rate and number of channels.",
        code="implausible-header",
    )


def check_peak(name: str, peak: float) -> None:
    """Refuse samples that no sound has: corrupt ones, and integers that were stored as floats.

    Raises:
        AudioRangeError: the peak lies beyond ``PEAK_LIMIT_DB``.
    """
    if peak > amplitude(PEAK_LIMIT_DB):
        raise AudioRangeError(
            f"Expected samples up to {PEAK_LIMIT_DB:g} dBFS in {name}, found a peak of {peak:.6g} "
            f"({20.0 * math.log10(peak):.0f} dBFS): a sample is corrupt, or integers were stored as floats. "
            "Restore the file from its source, or scale it to full scale.",
            code="implausible-peak",
        )


def probe(path: Place) -> AudioInfo:
    """Read a file's header; where it does not know the length, the samples are counted.

    Raises:
        AudioError: the file is missing or no audio that libsndfile reads.
    """
    with open_audio(path) as file:
        return AudioInfo(
            sample_rate=file.samplerate,
            frames=file.frames,
            channels=file.channels,
            format=file.format,
            subtype=file.subtype,
            promised=file.promised,
            remarks=file.remarks,
            longest=file.longest,
        )


def length_notes(file: AudioInfo | AudioFile, frames: int) -> tuple[str, ...]:
    """Say where a file that was decoded to its end is not what its container says.

    Args:
        file: The file, or what ``probe`` said of it.
        frames: How many samples decoded.

    Returns:
        Phrases about the file, such as "its last frame is cut off".
    """
    notes = [text[0].lower() + text[1:].rstrip(".") for _, text in file.remarks]
    expected = max(file.promised or 0, file.frames)
    if frames < expected:
        rate = file.sample_rate if isinstance(file, AudioInfo) else file.samplerate
        notes.append(
            f"its header announces {expected / rate:.1f} s, and only {frames / rate:.1f} s are there"
        )
    return tuple(notes)


def _damaged(name: str, where: str, error: Exception) -> str:
    return (
        f"Expected audio that decodes {where} in {name}, found damaged data: {_plain(error)}. "
        "Restore the file from its source."
    )


def read_frames(
    file: Readable,
    start: int,
    frames: int,
    *,
    sample_rate: int | None = None,
    end: int | None = None,
) -> FloatArray:
    """Read ``frames`` samples of an open file from sample ``start`` on; outside the file there is silence.

    The samples are those of a decode of the whole file, wherever reading begins.

    Args:
        file: The file.
        start: First sample, may be negative.
        frames: Number of samples, 0 or more.
        sample_rate: The rate that the caller counts on, in Hz; None for any.
        end: Where the samples that decode are known to end; None trusts the file.

    Returns:
        float32 ``(frames, channels)``, as files hold it; samples that are not finite read as 0.

    Raises:
        AudioError: the file has another rate, ends before ``end``, or is damaged within the span.
    """
    if sample_rate is not None and file.samplerate != sample_rate:
        raise AudioError(
            f"Expected {file.name} at {sample_rate} Hz as indexed, found {file.samplerate} Hz: the file has "
            "changed. Run 'mixlab index' again.",
            code="audio-changed",
        )
    length = file.frames if end is None else end
    first, last = max(start, 0), min(start + frames, length)
    whole = (first, last) == (start, start + frames)
    out = (np.empty if whole else np.zeros)((frames, file.channels), dtype=np.float32)
    if last > first:
        _read_part(file, first, out[first - start : last - start], end)
    # Integers and lossy codecs decode to numbers; only files of floats can hold anything else.
    if file.subtype in ("FLOAT", "DOUBLE") and not np.isfinite(out).all():
        out = np.nan_to_num(out, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    return out


def _read_part(file: Readable, first: int, part: FloatArray, end: int | None) -> None:
    try:
        found = file.read_at(first, part)
    except DECODE_ERRORS as error:
        where = f"from sample {first} to {first + len(part)}"
        raise AudioError(_damaged(file.name, where, error), code="damaged-audio") from error
    if found < len(part) and end is not None:
        raise AudioError(
            f"Expected {end} samples in {file.name} as indexed, found the end after {first + found}: it has "
            "changed. Run 'mixlab index' again.",
            code="audio-changed",
        )
    part[found:] = 0.0


def read_span(
    path: Place, start: int, frames: int, *, sample_rate: int | None = None, end: int | None = None
) -> FloatArray:
    """Open a file and read ``frames`` samples from sample ``start`` on; see ``read_frames``.

    Returns:
        float32 ``(channels, frames)``.

    Raises:
        AudioError: the file cannot be opened, has another rate, ends before ``end``, or is damaged within
            the span.
    """
    with open_audio(path) as file:
        return np.ascontiguousarray(read_frames(file, start, frames, sample_rate=sample_rate, end=end).T)


def iter_blocks(path: Place, block_frames: int) -> Iterator[FloatArray]:
    """Decode a file from start to end in blocks ``(channels, up to block_frames)``.

    Values are as decoded: NaN and infinity are passed on, for the caller to report.

    Raises:
        AudioError: the file cannot be opened, or decoding fails on the way; what lies before the
            damage has been yielded by then.
    """
    with open_audio(path) as file:
        at = 0
        while True:
            block = np.empty((block_frames, file.channels), dtype=np.float32)
            try:
                found = file.read_at(at, block)
            except DECODE_ERRORS as error:
                found = file.salvage(at, block)
                yield block[:found].T
                raise AudioError(
                    _damaged(file.name, f"after sample {at + found}", error), code="damaged-audio"
                ) from error
            if found == 0:
                return
            yield block[:found].T
            at += found


def resample(audio: FloatArray, from_rate: int, to_rate: int) -> FloatArray:
    """Resample ``(channels, samples)`` with soxr at high quality.

    The result has ``round(samples * to_rate / from_rate)`` samples, give or take one.
    """
    if from_rate == to_rate or audio.shape[-1] == 0:
        return audio
    out: FloatArray = soxr.resample(audio.T, from_rate, to_rate, quality="HQ").T
    return np.ascontiguousarray(out, dtype=np.float32)


def to_channels(audio: FloatArray, channels: int) -> FloatArray:
    """Bring ``(c, samples)`` to ``(channels, samples)``.

    Down to mono is the mean of the channels (a linear sum, so that stems of one song keep their
    balance); mono to more is a copy per channel. Other changes take the mean first.
    """
    if audio.shape[0] == channels:
        return audio
    mono = audio if audio.shape[0] == 1 else audio.mean(axis=0, keepdims=True, dtype=np.float32)
    return mono if channels == 1 else np.repeat(mono, channels, axis=0)


def fit_length(audio: FloatArray, samples: int) -> FloatArray:
    """Cut ``(channels, n)`` to ``samples``, or fill the end with silence."""
    missing = samples - audio.shape[1]
    if missing > 0:
        return np.pad(audio, ((0, 0), (0, missing)))
    return np.ascontiguousarray(audio[:, :samples])


def hop_edges(samples: int, sample_rate: int) -> NDArray[np.int64]:
    """Return the first sample of each 100 ms hop that begins before ``samples``."""
    count = int(np.ceil(samples / (sample_rate * HOP_S) - 1e-9))
    edges: NDArray[np.int64] = np.rint(np.arange(count) * (sample_rate * HOP_S)).astype(np.int64)
    return edges


def amplitude(gain_db: float) -> float:
    """Turn decibels into a factor on amplitude: +6.02 dB is 2."""
    return float(10.0 ** (gain_db / 20.0))


def encode_wav(audio: FloatArray, sample_rate: int, *, subtype: str = "PCM_16") -> bytes:
    """Return a WAV file's bytes for ``(channels, samples)``; PCM clips beyond full scale."""
    buffer = io.BytesIO()
    soundfile.write(buffer, audio.T, sample_rate, format="WAV", subtype=subtype)
    return buffer.getvalue()


def write_wav(path: Path, audio: FloatArray, sample_rate: int, *, subtype: str = "PCM_16") -> None:
    """Write ``(channels, samples)`` as WAV under a temporary name, then rename it.

    Raises:
        OutputError: the file cannot be written.
    """
    write_atomic(path, encode_wav(audio, sample_rate, subtype=subtype), sync=False)
