"""A sound after a lossy codec, as long as before and where it was.

MP3 and Opus are written and read by libsndfile, AAC by the program ``ffmpeg``: libsndfile and pedalboard
write none. Codecs add silence before a sound and pad its last frame; what the file does not say of that is
cut here.
"""

import io
import shutil
import subprocess
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import soundfile

from mixlab.audio.io import FloatArray, fit_length, resample
from mixlab.errors import ConfigError, MissingDependencyError

__all__ = ["CODECS", "CodecFormat", "through_codec"]

CodecFormat = Literal["mp3", "opus", "aac"]

_MP3_DELAY = 576 + 529
"""Samples that LAME and a decoder put before a sound; libsndfile cuts them where the first frame says so, for
which frames of few bits have no room."""

_AAC_DELAY = 1024
"""Samples that ffmpeg's encoder puts before a sound."""

_OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
_OPUS_LOWEST, _OPUS_HIGHEST = 6.0, 256.0
"""Bit rates per channel, in kbit/s, between which libsndfile leads its compression level."""

_MPEG_1 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG_2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MPEG_25 = (8, 16, 24, 32, 40, 48, 56, 64)
_MP3_KBPS: dict[int, Sequence[int]] = {
    **dict.fromkeys((32000, 44100, 48000), _MPEG_1),
    **dict.fromkeys((16000, 22050, 24000), _MPEG_2),
    **dict.fromkeys((8000, 11025, 12000), _MPEG_25),
}
"""Bit rates that MP3 has at a sample rate, in kbit/s (ISO 11172-3 and 13818-3)."""


def through_codec(audio: FloatArray, sample_rate: int, codec: CodecFormat, kbps: float) -> FloatArray:
    """Encode and decode a sound.

    Args:
        audio: float32 ``(channels, samples)``, 1 or 2 channels; stays as it is. What exceeds full scale is
            brought down to it for the codec, and back.
        sample_rate: In Hz. At one that a codec does not have, the sound passes it at the next higher one.
        codec: ``mp3`` (at a constant bit rate, the nearest that it has), ``opus`` or ``aac``.
        kbps: Bit rate of all channels together, in kbit/s.

    Returns:
        float32 ``(channels, samples)``, in place to the sample; Opus at 48 kHz in its speech mode, at low
        bit rates, is 25 microseconds early.

    Raises:
        MissingDependencyError: AAC without the program ``ffmpeg``, or libsndfile is too old for MP3.
    """
    peak = max(float(np.abs(audio).max(initial=0.0)), 1.0)
    within = audio / np.float32(peak)
    out = CODECS[codec](within, sample_rate, kbps)
    return fit_length(out, audio.shape[1]) * np.float32(peak)


def _next_rate(sample_rate: int, rates: Sequence[int]) -> int:
    return min((rate for rate in rates if rate >= sample_rate), default=max(rates))


def _mp3(audio: FloatArray, sample_rate: int, kbps: float) -> FloatArray:
    rate = _next_rate(sample_rate, sorted(_MP3_KBPS))
    known = _MP3_KBPS[rate]
    nearest = min(known, key=lambda each: abs(each - kbps))
    # libsndfile leads its level from the highest bit rate down to the lowest, which it does not take itself.
    level = min((known[-1] - nearest) / (known[-1] - known[0]), 0.98)
    sound = resample(audio, sample_rate, rate)
    found = _through_libsndfile(sound, rate, "MP3", "MPEG_LAYER_III", level, bitrate_mode="CONSTANT")
    if found.shape[1] != sound.shape[1]:
        found = found[:, _MP3_DELAY:]
    return resample(found, rate, sample_rate)


def _opus(audio: FloatArray, sample_rate: int, kbps: float) -> FloatArray:
    rate = _next_rate(sample_rate, _OPUS_RATES)
    level = (_OPUS_HIGHEST - kbps / len(audio)) / (_OPUS_HIGHEST - _OPUS_LOWEST)
    sound = resample(audio, sample_rate, rate)
    found = _through_libsndfile(sound, rate, "OGG", "OPUS", min(max(level, 0.0), 1.0))
    return resample(found, rate, sample_rate)


def _through_libsndfile(
    audio: FloatArray, sample_rate: int, container: str, subtype: str, level: float, **settings: str
) -> FloatArray:
    if subtype not in soundfile.available_subtypes(container):
        raise MissingDependencyError(
            f"This libsndfile ({soundfile.__libsndfile_version__}) writes no {subtype}: install soundfile "
            "0.12.1 or newer from its wheel, or take this codec out of the mix."
        )
    data = io.BytesIO()
    with soundfile.SoundFile(
        data, "w", sample_rate, len(audio), subtype, format=container, compression_level=level, **settings
    ) as file:
        file.write(audio.T)
    data.seek(0)
    found, _ = soundfile.read(data, dtype="float32", always_2d=True)
    return np.ascontiguousarray(found.T)


_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)


def _aac(audio: FloatArray, sample_rate: int, kbps: float) -> FloatArray:
    rate = _next_rate(sample_rate, _AAC_RATES)
    sound = np.pad(resample(audio, sample_rate, rate), ((0, 0), (0, _AAC_DELAY)))
    plain = ["-f", "f32le", "-ar", str(rate), "-ac", str(len(audio))]
    encode = [*plain, "-i", "pipe:0", "-c:a", "aac", "-b:a", f"{round(kbps)}k", "-flags", "+bitexact"]
    encode += ["-f", "adts", "pipe:1"]
    coded = _ffmpeg(encode, np.ascontiguousarray(sound.T, dtype="<f4").tobytes())
    decoded = _ffmpeg(["-f", "aac", "-i", "pipe:0", *plain, "pipe:1"], coded)
    found = np.frombuffer(decoded, dtype="<f4").reshape(-1, len(audio)).T[:, _AAC_DELAY:]
    return resample(np.ascontiguousarray(found, dtype=np.float32), rate, sample_rate)


def _ffmpeg(arguments: list[str], data: bytes) -> bytes:
    program = shutil.which("ffmpeg")
    if program is None:
        raise MissingDependencyError(
            "AAC needs the program 'ffmpeg' on the PATH (Debian and Ubuntu: apt install ffmpeg; macOS: brew "
            "install ffmpeg). The codecs mp3 and opus need nothing more."
        )
    command = [program, "-v", "error", "-threads", "1", *arguments]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    if done.returncode:
        raise ConfigError(
            f"ffmpeg cannot pass a sound through AAC: {done.stderr.decode(errors='replace').strip()}.",
            code="plugin-failed",
        )
    return done.stdout


CODECS: dict[CodecFormat, Callable[[FloatArray, int, float], FloatArray]] = {
    "mp3": _mp3,
    "opus": _opus,
    "aac": _aac,
}
"""What passes a sound, float32 ``(channels, samples)`` within full scale, through each codec."""
