"""Broadcast WAV files: a small writer for the chunk ``bext``, which libsndfile's Python binding lacks."""

import struct
from pathlib import Path

import numpy as np
import soundfile

PCM_GUID = bytes.fromhex("0100000000001000800000aa00389b71")


def bext(time_reference: int, order: str = "<") -> bytes:
    """The contents of a chunk ``bext`` of version 1, without coding history."""
    times = struct.pack(f"{order}II", time_reference & 0xFFFFFFFF, time_reference >> 32)
    texts = (
        b"a take".ljust(256, b"\0") + b"mixlab".ljust(32, b"\0") + b"\0" * 32 + b"2024-01-31" + b"10:00:00"
    )
    return texts + times + struct.pack(f"{order}H", 1) + b"\0" * (64 + 190)


def write_stamped(
    path: Path,
    audio: np.ndarray,
    rate: int,
    time_reference: int | None,
    *,
    magic: bytes = b"RIFF",
    behind: bool = False,
    extensible: bool = False,
    odd_chunk: bool = False,
) -> Path:
    """Write ``(channels, samples)`` as 16-bit WAV, its stamp before the samples or ``behind`` them."""
    order = ">" if magic == b"RIFX" else "<"
    channels = len(audio)
    samples = np.rint(np.clip(audio.T, -1, 1) * 32767).astype(f"{order}i2").tobytes()
    tag = 0xFFFE if extensible else 1
    layout = struct.pack(f"{order}HHIIHH", tag, channels, rate, rate * 2 * channels, 2 * channels, 16)
    if extensible:
        layout += struct.pack(f"{order}HHI", 22, 16, 0) + PCM_GUID
    stamp = b"" if time_reference is None else _chunk(b"bext", bext(time_reference, order), order)
    large = magic in (b"RF64", b"BW64")
    data = b"data" + (b"\xff" * 4 if large else struct.pack(f"{order}I", len(samples))) + samples
    data += b"\0" * (len(samples) % 2)
    parts = [_chunk(b"fmt ", layout, order)]
    parts += [_chunk(b"junk", b"odd", order)] if odd_chunk else []
    parts += [data, stamp] if behind else [stamp, data]
    body = b"".join(parts)
    if large:
        sizes = struct.pack("<QQQI", len(body) + 4 + 36, len(samples), len(samples) // (2 * channels), 0)
        body = _chunk(b"ds64", sizes, "<") + body
    size = b"\xff" * 4 if large else struct.pack(f"{order}I", 4 + len(body))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(magic + size + b"WAVE" + body)
    return path


def _chunk(name: bytes, content: bytes, order: str) -> bytes:
    return name + struct.pack(f"{order}I", len(content)) + content + b"\0" * (len(content) % 2)


def write_stamped_flac(path: Path, audio: np.ndarray, rate: int, time_reference: int) -> Path:
    """Write FLAC with the stamp where ``flac --keep-foreign-metadata`` keeps it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio.T, rate, format="FLAC")
    whole = path.read_bytes()
    head_end = 4 + 4 + 34  # the stream's description comes first
    blocks = b""
    for chunk in (b"RIFF\0\0\0\0WAVE", _chunk(b"bext", bext(time_reference), "<")):
        content = b"riff" + chunk
        blocks += bytes([2]) + len(content).to_bytes(3, "big") + content
    path.write_bytes(whole[:head_end] + blocks + whole[head_end:])
    return path
