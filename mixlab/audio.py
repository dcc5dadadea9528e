"""Files and plain signals: probe, read a span, resample, envelope, write.

Knows paths, samples and seconds, never stems. Audio is float32 ``(channels, samples)``, full scale
is +-1.
"""

import io
import math
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from mixlab.errors import AudioError

__all__ = [
    "FLOOR_DB",
    "HOP_S",
    "AudioInfo",
    "FloatArray",
    "amplitude",
    "encode_wav",
    "envelope_db",
    "fit_length",
    "hop_edges",
    "iter_blocks",
    "probe",
    "read_resampled",
    "read_span",
    "resample",
    "to_channels",
    "write_wav",
]

FloatArray = NDArray[np.float32]

HOP_S = 0.1
"""Hop of activity envelopes in seconds."""

RESAMPLE_MARGIN_S = 0.02
"""Read on either side of a span that is resampled: a whole number of samples at the usual rates, and
more than soxr's filter reaches (differences to resampling the whole file stay below 4e-7)."""

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
    """

    sample_rate: int
    frames: int
    channels: int
    format: str
    subtype: str


def _plain(error: Exception) -> str:
    """Return a library's message without its final stop, to stand within a sentence of ours."""
    return str(error).rstrip(". ")


def _open(path: Path) -> soundfile.SoundFile:
    try:
        return soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, RuntimeError, OSError) as error:
        size = path.stat().st_size if path.is_file() else None
        found = "no file" if size is None else f"a file of {size} bytes"
        raise AudioError(
            f"Expected readable audio (WAV, FLAC, OGG, MP3, AIFF) at {path}, found {found}: {_plain(error)}. "
            "Restore the file from its source, or remove it and index again."
        ) from error


def probe(path: Path) -> AudioInfo:
    """Read a file's header.

    Raises:
        AudioError: the file is missing or no audio that libsndfile reads.
    """
    with _open(path) as file:
        return AudioInfo(file.samplerate, file.frames, file.channels, file.format, file.subtype)


def read_span(
    path: Path, start: int, frames: int, *, sample_rate: int | None = None, end: int | None = None
) -> FloatArray:
    """Read ``frames`` samples from sample ``start`` on; outside the file there is silence.

    Args:
        path: The file.
        start: First sample, may be negative.
        frames: Number of samples, 0 or more.
        sample_rate: The rate that the caller counts on, in Hz; None for any.
        end: Where the samples that decode are known to end; None trusts the file's header.

    Returns:
        float32 ``(channels, frames)``; samples that are not finite read as 0.

    Raises:
        AudioError: the file cannot be opened, has another rate, or is damaged within the span.
    """
    with _open(path) as file:
        if sample_rate is not None and file.samplerate != sample_rate:
            raise AudioError(
                f"Expected {path} at {sample_rate} Hz as indexed, found {file.samplerate} Hz: the file has "
                "changed. Run 'mixlab index' again."
            )
        out = np.zeros((frames, file.channels), dtype=np.float32)
        length = file.frames if end is None else min(end, file.frames)
        first, last = max(start, 0), min(start + frames, length)
        if last > first:
            try:
                file.seek(first)
                data = file.read(last - first, dtype="float32", always_2d=True)
            except (soundfile.LibsndfileError, RuntimeError) as error:
                raise AudioError(
                    f"Expected samples {first} to {last} of {path}, found damaged data: {_plain(error)}. "
                    "Restore the file from its source and index again."
                ) from error
            out[first - start : first - start + len(data)] = data
    if not np.isfinite(out).all():
        out = np.nan_to_num(out, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    return np.ascontiguousarray(out.T)


def iter_blocks(path: Path, block_frames: int) -> Iterator[FloatArray]:
    """Decode a file from start to end in blocks ``(channels, up to block_frames)``.

    Values are as decoded: NaN and infinity are passed on, for the caller to report.

    Raises:
        AudioError: the file cannot be opened, or decoding fails on the way; blocks before the
            damage have been yielded by then.
    """
    with _open(path) as file:
        while True:
            try:
                block = file.read(block_frames, dtype="float32", always_2d=True)
            except (soundfile.LibsndfileError, RuntimeError) as error:
                raise AudioError(
                    f"Expected {file.frames} decodable samples in {path}, found damage after sample "
                    f"{file.tell()}: {_plain(error)}. Restore the file from its source and index again."
                ) from error
            if len(block) == 0:
                return
            yield block.T


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


def read_resampled(
    path: Path, rate: int, end: int, start_s: float, samples: int, sample_rate: int, channels: int
) -> FloatArray:
    """Read a span at another rate, as if the whole file had been resampled and then cut.

    A little more is read on either side, so that the resampler's own edges fall outside the span.

    Args:
        path: The file.
        rate: Its sample rate in Hz.
        end: How many of its samples decode.
        start_s: Start in seconds, may be negative; best on a sample of both rates.
        samples: Length of the result.
        sample_rate: Rate of the result in Hz.
        channels: Channels of the result.

    Returns:
        float32 ``(channels, samples)``; silence outside the file.

    Raises:
        AudioError: the file is missing, damaged, or has another rate than ``rate``.
    """
    margin = 0 if rate == sample_rate else round(RESAMPLE_MARGIN_S * rate)
    frames = math.ceil(samples * rate / sample_rate) + 2 * margin
    audio = read_span(path, round(start_s * rate) - margin, frames, sample_rate=rate, end=end)
    audio = resample(to_channels(audio, channels), rate, sample_rate)
    out = fit_length(audio[:, round(margin * sample_rate / rate) :], samples)
    # The resampler rings a little beyond the file's ends; outside the file there is silence.
    first = round(start_s * sample_rate)
    out[:, : max(-first, 0)] = 0.0
    out[:, max(math.ceil(end * sample_rate / rate) - first, 0) :] = 0.0
    return out


def hop_edges(samples: int, sample_rate: int) -> NDArray[np.int64]:
    """Return the first sample of each 100 ms hop that begins before ``samples``."""
    count = int(np.ceil(samples / (sample_rate * HOP_S) - 1e-9))
    edges: NDArray[np.int64] = np.rint(np.arange(count) * (sample_rate * HOP_S)).astype(np.int64)
    return edges


def envelope_db(audio: FloatArray, sample_rate: int) -> NDArray[np.float16]:
    """Measure the RMS level of each 100 ms hop over all channels, in dBFS.

    Hop ``k`` covers the samples ``round(k * rate / 10)`` to ``round((k + 1) * rate / 10)``; a last
    partial hop is measured over what there is. Silence is ``FLOOR_DB``.

    Args:
        audio: float32 ``(channels, samples)``.
        sample_rate: In Hz.

    Returns:
        float16 ``(hops,)``; empty for no samples.
    """
    samples = audio.shape[-1]
    edges = hop_edges(samples, sample_rate)
    if len(edges) == 0:
        return np.zeros(0, dtype=np.float16)
    power = np.einsum("cn,cn->n", audio, audio) / audio.shape[0]
    lengths = np.diff(np.append(edges, samples))
    mean = np.add.reduceat(power.astype(np.float64), edges) / lengths
    level_db: NDArray[np.float16] = (10.0 * np.log10(np.maximum(mean, 10.0 ** (FLOOR_DB / 10.0)))).astype(
        np.float16
    )
    return level_db


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
        AudioError: the folder cannot be written.
    """
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        with os.fdopen(handle, "wb") as file:
            file.write(encode_wav(audio, sample_rate, subtype=subtype))
        os.chmod(temporary, 0o644)  # noqa: PTH101 - mkstemp makes files private
        Path(temporary).replace(path)
    except OSError as error:
        raise AudioError(
            f"Could not write {path}: {error}. Check that the folder exists and has space."
        ) from error
