"""Small audio files of every kind, whole and with what goes wrong with them, made with soundfile alone."""

import io
import struct
from collections.abc import Callable

import numpy as np
import soundfile

RATE = 22050


def sound(seconds: float = 4.0, channels: int = 2, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """Noise over a tone, float32 ``(frames, channels)``: hard to encode, and nowhere the same."""
    rng, frames = np.random.default_rng(seed), round(seconds * rate)
    t = np.arange(frames)[:, None] / rate
    slow = np.cumsum(rng.standard_normal((frames, channels)), axis=0)
    noise = rng.standard_normal((frames, channels)) * (np.sin(2 * np.pi * 1.3 * t) > 0)
    audio = 0.3 * slow / np.abs(slow).max() + 0.2 * np.sin(2 * np.pi * 440 * t) + 0.05 * noise
    return audio.astype(np.float32)


def encode(audio: np.ndarray, format: str, subtype: str, rate: int = RATE, **options: object) -> bytes:
    """Return a file's bytes."""
    buffer = io.BytesIO()
    soundfile.write(buffer, audio, rate, format=format, subtype=subtype, **options)
    return buffer.getvalue()


def mp3(audio: np.ndarray, rate: int = RATE, mode: str = "VARIABLE", level: float = 0.5) -> bytes:
    """Return an MP3 with a LAME tag, unless LAME leaves it out."""
    options = {"bitrate_mode": mode, "compression_level": level}
    return encode(audio, "MP3", "MPEG_LAYER_III", rate, **options)


def mp3_frames(data: bytes) -> list[bytes]:
    """Cut an MP3 that has nothing but frames into them, its tag among them."""
    frames, at = [], 0
    while at < len(data):
        size = _frame_size(data[at : at + 4])
        frames.append(data[at : at + size])
        at += size
    return frames


def _frame_size(head: bytes) -> int:
    version_1 = head[1] >> 3 & 3 == 3
    kbits = (
        (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
        if version_1
        else (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
    )[head[2] >> 4]
    rates = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
    rate = rates[head[1] >> 3 & 3][head[2] >> 2 & 3]
    return (144 if version_1 else 72) * 1000 * kbits // rate + (head[2] >> 1 & 1)


def without_tag(data: bytes) -> bytes:
    """Return an MP3 without the frame that says how long it is."""
    frames = mp3_frames(data)
    assert b"Xing" in frames[0] or b"Info" in frames[0]
    return b"".join(frames[1:])


def id3(size: int = 300) -> bytes:
    """Return an ID3v2 tag whose contents look like frames of MP3."""
    body = (b"\xff\xfb\x90\x64" * size)[:size]
    return b"ID3\x03\x00\x00" + bytes([0, 0, size >> 7, size & 127]) + body


def patched(data: bytes, at: int, other: bytes) -> bytes:
    """Return bytes with others in their place."""
    return data[:at] + other + data[at + len(other) :]


def wav_with_size(data: bytes, size: int) -> bytes:
    """Return a WAV file whose data chunk says that it has so many bytes."""
    return patched(data, data.index(b"data") + 4, struct.pack("<I", size))


def flac_with_total(data: bytes, total: int) -> bytes:
    """Return a FLAC file whose header says that it has so many samples."""
    value = int.from_bytes(data[18:26], "big") >> 36 << 36 | total
    return patched(data, 18, value.to_bytes(8, "big"))


def flac_of_odd_blocks() -> bytes:
    """Return a FLAC file of many short blocks, as written in pieces."""
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", RATE, 2, "PCM_24", format="FLAC") as file:
        audio = sound()
        for start in range(0, len(audio), 1237):
            file.write(audio[start : start + 1237])
    return buffer.getvalue()


def _plain(format: str, subtype: str, channels: int = 2) -> Callable[[], bytes]:
    return lambda: encode(sound(channels=channels), format, subtype)


def _mp3(rate: int, channels: int, mode: str, level: float) -> Callable[[], bytes]:
    return lambda: mp3(sound(channels=channels, rate=rate), rate, mode, level)


def _untagged(rate: int, channels: int, level: float) -> Callable[[], bytes]:
    return lambda: without_tag(mp3(sound(channels=channels, rate=rate), rate, "VARIABLE", level))


KINDS: dict[str, Callable[[], bytes]] = {
    **{f"wav-{s}": _plain("WAV", s) for s in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")},
    **{f"wav-{s}": _plain("WAV", s) for s in ("ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM")},
    **{f"wav-{s}": _plain("WAV", s, 1) for s in ("GSM610", "G721_32", "NMS_ADPCM_24")},
    **{f"{f}-16": _plain(f.upper(), "PCM_16") for f in ("aiff", "w64", "caf", "au", "rf64", "wavex", "voc")},
    **{f"aiff-{s}": _plain("AIFF", s) for s in ("PCM_24", "FLOAT", "IMA_ADPCM")},
    "caf-alac": _plain("CAF", "ALAC_16"),
    "flac-16": _plain("FLAC", "PCM_16"),
    "flac-24-mono": _plain("FLAC", "PCM_24", 1),
    "flac-odd-blocks": flac_of_odd_blocks,
    "flac-to-a-pipe": lambda: flac_with_total(encode(sound(), "FLAC", "PCM_16"), 0),
    "flac-promises-less": lambda: flac_with_total(encode(sound(), "FLAC", "PCM_16"), 30_000),
    "flac-tag-in-front": lambda: id3() + encode(sound(), "FLAC", "PCM_16"),
    "flac-tag-behind": lambda: encode(sound(), "FLAC", "PCM_16") + b"TAG" + bytes(125),
    "wav-to-a-pipe-0": lambda: wav_with_size(encode(sound(), "WAV", "PCM_16"), 0),
    "wav-to-a-pipe": lambda: wav_with_size(encode(sound(), "WAV", "PCM_16"), 0xFFFFFFFF),
    **{
        f"vorbis-{q}": lambda q=q: encode(sound(), "OGG", "VORBIS", compression_level=q)
        for q in (0.0, 0.5, 1.0)
    },
    "vorbis-mono-16k": lambda: encode(sound(6, 1, 16000), "OGG", "VORBIS", 16000, compression_level=0.9),
    "vorbis-joined": lambda: encode(sound(), "OGG", "VORBIS") + encode(sound(2, seed=1), "OGG", "VORBIS"),
    "vorbis-cut": lambda: encode(sound(), "OGG", "VORBIS")[:20_000],
    "opus": lambda: encode(sound(3, 2, 48000), "OGG", "OPUS", 48000),
    "opus-speech": lambda: encode(sound(3, 1, 16000), "OGG", "OPUS", 16000, compression_level=0.99),
    "opus-joined": lambda: 2 * encode(sound(2, 1, 48000), "OGG", "OPUS", 48000),
    **{
        f"mp3-{rate}-{channels}-{mode}-{level}": _mp3(rate, channels, mode, level)
        for rate, channels in ((44100, 2), (48000, 1), (32000, 2), (22050, 1), (16000, 2), (8000, 1))
        for mode, level in (("CONSTANT", 0.2), ("CONSTANT", 0.99), ("VARIABLE", 0.5), ("VARIABLE", 0.99))
    },
    "mp3-untagged": _untagged(44100, 2, 0.5),
    **{
        f"mp3-without-its-beginning-{rate}": lambda r=rate: b"".join(
            mp3_frames(mp3(sound(rate=r), r, level=0.7))[20:]
        )
        for rate in (44100, 22050, 8000)
    },
    "mp3-untagged-mono": _untagged(44100, 1, 0.99),
    "mp3-untagged-low": _untagged(16000, 1, 0.9),
    "mp3-tags": lambda: id3() + without_tag(mp3(sound())) + b"TAG" + bytes(125),
    "mp3-joined": lambda: mp3(sound()) + mp3(sound(2, seed=1)),
    "mp3-joined-with-tags": lambda: b"".join(
        id3() + mp3(sound(2, seed=k)) + b"TAG" + bytes(125) for k in range(3)
    ),
    "mp3-cut": lambda: without_tag(mp3(sound()))[:-100],
}
"""Files by what is peculiar about them."""
