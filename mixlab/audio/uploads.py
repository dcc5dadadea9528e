"""Audio that somebody hands in as bytes: decoded in memory, or refused in words that help.

Nothing is written to disk. What comes out is what a model is given: at its rate, in mono or stereo.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import NoReturn

import numpy as np
import soxr

from mixlab.audio.decoding import DECODE_ERRORS, READS, describe_kind, open_source
from mixlab.audio.downmix import Downmix
from mixlab.audio.io import AudioFile, FloatArray, check_header, length_notes
from mixlab.audio.levels import FRAME_S, frame_energies
from mixlab.errors import AudioError

__all__ = ["MAX_BYTES", "MAX_S", "MIN_S", "SILENT_DB", "Upload", "decode_upload"]

MAX_BYTES = 128 * 1024 * 1024
"""Largest upload: ten minutes of stereo at 48 kHz and 16 bits are 115 MB."""

MAX_S = 600.0
"""Longest upload in seconds."""

MIN_S = 0.1
"""Shortest upload in seconds."""

SILENT_DB = -60.0
"""An upload whose loudest 10 ms have an RMS level in dBFS below this holds nothing to tag."""

_BLOCK_FRAMES = 1 << 18
_ENDLESS = ("MP3", "OGG")  # streams, of which a recording is cut off anywhere

# Beginnings of audio files: where the rest is none, the file is damaged rather than of another kind.
_AUDIO_HEADS = (b"RIFF", b"RF64", b"fLaC", b"OggS", b"ID3", b"FORM", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")


@dataclass(frozen=True)
class Upload:
    """Decoded audio.

    Attributes:
        name: The file's name, for people.
        key: Hash of its bytes.
        audio: float32 ``(1, samples)``, channels averaged; ``(2, samples)`` for a model that takes stereo.
        sample_rate: Of ``audio``, in Hz.
        source_rate: Of the file, in Hz.
        channels: Of the file.
        format: Container and encoding, such as ``WAV PCM_16``.
        duration_s: Length in seconds.
        loudest_db: RMS level in dBFS of its loudest 10 ms, without offset and drift.
        notes: What of the file is not in ``audio``, or not there, a sentence each.
    """

    name: str
    key: str
    audio: FloatArray
    sample_rate: int
    source_rate: int
    channels: int
    format: str
    duration_s: float
    loudest_db: float
    notes: tuple[str, ...] = ()


def decode_upload(
    data: bytes,
    name: str,
    *,
    sample_rate: int,
    max_bytes: int = MAX_BYTES,
    max_s: float = MAX_S,
    channels: int = 1,
) -> Upload:
    """Decode an audio file that is held in memory, at ``sample_rate``.

    NaN and infinity read as 0.

    Args:
        data: The file's bytes, in any format that libsndfile reads.
        name: Its name, for messages.
        sample_rate: Rate to resample to, in Hz.
        max_bytes: Largest file that is accepted.
        max_s: Longest.
        channels: 1 for mono; 2 for the file's own two, or its single one twice.

    Raises:
        AudioError: it is empty, too large, too long, too short, silent, damaged, of a rate or with samples
            that no sound has, of more channels than a model for stereo takes, or no audio at all; the message
            says which, and what to do.
    """
    if not data:
        raise AudioError(f"{name} is empty: it has 0 bytes. Choose another file.", code="empty-audio")
    if len(data) > max_bytes:
        raise AudioError(
            f"{name} has {len(data) / 2**20:.0f} MB, more than the {max_bytes / 2**20:.0f} MB that are read "
            "here. Shorten it, or store it as FLAC or MP3. 'mixlab tag FILE --run RUN' has no limit.",
            code="file-too-large",
        )
    with _opened(data, name) as file:
        rate, own_channels = file.samplerate, file.channels
        check_header(name, rate, own_channels)
        kind = f"{file.format} {file.subtype}"
        if file.knows_frames and file.frames > max_s * rate:
            _refuse_length(name, file.frames / rate, max_s)
        downmix = Downmix(name, rate, SILENT_DB, channels)
        audio = _decode(file, name, round(max_s * rate), downmix)
        _refuse_loss(file, name, audio.shape[1])
        notes = (*length_notes(file, audio.shape[1]), *downmix.notes())
    duration_s = audio.shape[1] / rate
    if duration_s < MIN_S:
        raise AudioError(
            f"{name} lasts {duration_s:.3f} s, too short to tag: {MIN_S:g} s are needed.",
            code="audio-too-short",
        )
    loudest_db = max(_loudest_db(channel, rate) for channel in audio)
    if loudest_db < SILENT_DB and downmix.cancelled_s:
        raise AudioError(
            f"{name} holds sound, but its channels cancel each other: mixed down to mono, nothing is left to "
            "tag. Turn the polarity of one channel over, or upload one channel.",
            code="channels-cancel",
        )
    if loudest_db < SILENT_DB:
        said = "digital silence" if loudest_db <= -200 else f"at most {loudest_db:.0f} dBFS loud"
        if loudest_db <= -200 and audio.any():
            said = "an offset without sound"
        raise AudioError(
            f"{name} is silent: it is {said}, and below {SILENT_DB:g} dBFS nothing is tagged. Check the "
            "file; of a recording, check that the right microphone is chosen and not muted.",
            code="silent-audio",
        )
    if rate != sample_rate:
        audio = np.stack([_resampled(channel, rate, sample_rate) for channel in audio])
    key = sha256(data).hexdigest()[:16]
    return Upload(name, key, audio, sample_rate, rate, own_channels, kind, duration_s, loudest_db, notes)


def _resampled(channel: FloatArray, rate: int, sample_rate: int) -> FloatArray:
    return np.asarray(soxr.resample(channel, rate, sample_rate, quality="HQ"), np.float32)


def _opened(data: bytes, name: str) -> AudioFile:
    try:
        return open_source(data, name)
    except (*DECODE_ERRORS, TypeError, ValueError, OSError) as error:
        raise AudioError(_no_audio(data, name), code="unreadable-audio") from error


def _no_audio(data: bytes, name: str) -> str:
    """Say what a file is that does not open as audio."""
    if kind := describe_kind(data[:64], name):
        return f"{name} is {kind[0]}, not {READS}. {kind[1]}"
    if data.startswith(_AUDIO_HEADS):
        return (
            f"{name} begins as audio, but its header is damaged or cut off ({len(data)} bytes). Take it from "
            "its source again."
        )
    text = b"\0" not in data[:4096] and _decodes(data[:4096])
    found = "text" if text else f"{len(data)} bytes of an unknown kind"
    return f"{name} is no audio file: expected {READS}, found {found}. Choose an audio file."


def _decodes(head: bytes) -> bool:
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4  # cut in the middle of a character
    return True


def _refuse_length(name: str, duration_s: float, max_s: float) -> None:
    raise AudioError(
        f"{name} lasts {duration_s / 60:.1f} minutes, more than the {max_s / 60:g} that are tagged here. Cut "
        "a part out; 'mixlab tag FILE --run RUN' takes files of any length.",
        code="audio-too-long",
    )


def _decode(file: AudioFile, name: str, max_frames: int, downmix: Downmix) -> FloatArray:
    """Return all samples ``(channels, samples)`` at the file's rate."""
    blocks, done = [np.zeros((downmix.channels, 0), np.float32)], 0
    for block in _blocks(file, name):
        done += len(block)
        if done > max_frames:  # the header said less
            _refuse_length(name, done / file.samplerate, max_frames / file.samplerate)
        blocks.append(downmix.take(block.T))
    return np.concatenate(blocks, axis=1)


def _blocks(file: AudioFile, name: str) -> Iterator[FloatArray]:
    done = 0
    while True:
        block = np.empty((_BLOCK_FRAMES, file.channels), np.float32)
        try:
            found = file.read_at(done, block)
        except DECODE_ERRORS as error:
            _refuse_damage(file, name, done, str(error).rstrip(". "))
        if found == 0:
            return
        done += found
        yield block[:found]


def _refuse_damage(file: AudioFile, name: str, done: int, why: str) -> NoReturn:
    announced = f"{file.frames / file.samplerate:.1f} s are announced, and " if file.knows_frames else ""
    raise AudioError(
        f"{name} is damaged: {announced}decoding stops after {done / file.samplerate:.1f} s ({why}). Take it "
        "from its source again, or export what is left with an audio editor.",
        code="damaged-audio",
    )


def _refuse_loss(file: AudioFile, name: str, frames: int) -> None:
    """Refuse what the index of a corpus calls truncated or damaged; a cut last frame or page is a note."""
    expected = max(file.promised or 0, file.frames if file.knows_frames else 0)
    if frames < expected:
        rate = file.samplerate
        why = f"its header announces {expected / rate:.1f} s, and only {frames / rate:.1f} s are there"
    else:
        kinds = ("damaged",) if file.format in _ENDLESS else ("damaged", "truncated")
        why = next((text.rstrip(".") for kind, text in file.remarks if kind in kinds), "")
        why = why[:1].lower() + why[1:]
    if why:
        raise AudioError(
            f"{name} is damaged: {why}. Tags of what is left would pass for those of the whole. Take it from "
            "its source again, or export what is left with an audio editor.",
            code="damaged-audio",
        )


def _loudest_db(mono: FloatArray, rate: int) -> float:
    frame = max(min(round(FRAME_S * rate), len(mono)), 1)
    energies = frame_energies(mono[: len(mono) // frame * frame], frame)
    return 10.0 * float(np.log10(max(energies.max(initial=0.0) / frame, 1e-30)))
