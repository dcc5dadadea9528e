"""FLAC frames are decoded as libsndfile decodes them, wherever reading begins, and damage is left to it."""

import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from mixlab.audio.decoding import open_source
from mixlab.audio.decoding.flac import FlacStream, read_layout
from mixlab.audio.decoding.opening import _Source
from mixlab.audio.decoding.streams import DECODE_ERRORS, Direct, Samples
from tests.audio.flac_writer import write_flac

SUBTYPES = {8: "PCM_S8", 16: "PCM_16", 24: "PCM_24"}


def sound(samples: int, channels: int, rng: np.random.Generator) -> np.ndarray:
    """Return tones, noise and silence one after the other."""
    t = np.arange(samples)[:, None]
    tones = 0.3 * np.sin(0.05 * t * (1 + np.arange(channels))) + 0.1 * np.sin(0.31 * t)
    loud = 10.0 ** rng.uniform(-4, 0, (-(-samples // 3000), 1)).repeat(3000, axis=0)[:samples]
    audio = np.clip((tones + rng.normal(0, 0.1, (samples, channels))) * loud, -1, 1)
    audio[samples // 2 : samples // 2 + samples // 5] = 0
    return audio


def encode(audio: np.ndarray, bits: int, level: float = 0.6) -> bytes:
    buffer = io.BytesIO()
    subtype = SUBTYPES[bits]
    soundfile.write(buffer, audio, 44100, format="FLAC", subtype=subtype, compression_level=level)
    return buffer.getvalue()


def decode(data: bytes) -> Samples:
    found: Samples = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0]
    return found


def stream_of(data: bytes) -> FlacStream:
    """Return a stream that has nothing but itself to read from."""
    layout = read_layout(data)
    assert layout is not None

    def nothing() -> Any:
        raise AssertionError("libsndfile was asked")

    return FlacStream(data, layout, nothing)


def spans(total: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    chosen = [(int(first), int(rng.integers(1, 3 * 4096))) for first in rng.integers(0, total, 12)]
    return [(0, total), (0, 1), (total - 1, 1), (4095, 2), (4096, 4096), *chosen]


@pytest.mark.parametrize("bits", SUBTYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 8])
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_any_span_is_that_of_the_whole_file(bits: int, channels: int, level: float) -> None:
    rng = np.random.default_rng(bits + channels)
    data = encode(sound(90_000, channels, rng), bits, level)
    whole, stream = decode(data), stream_of(data)
    for first, count in spans(len(whole), rng):
        out = np.full((count, channels), np.nan, np.float32)
        found = stream.read_at(first, out)
        assert found == len(whole[first : first + count])
        np.testing.assert_array_equal(out[:found], whole[first : first + count])


@pytest.mark.parametrize("bits", SUBTYPES)
@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("seed", range(4))
def test_every_way_to_code_a_channel_is_decoded_as_libsndfile_does(
    bits: int, channels: int, seed: int
) -> None:
    rng = np.random.default_rng(100 * seed + bits + channels)
    audio = np.rint(sound(2000, channels, rng) * (2 ** (bits - 1) - 1)).astype(np.int64)
    audio[600:1100] &= -8  # bits that are left out below
    data = write_flac(audio, bits, 192, rng)
    whole, out = decode(data), np.empty((2000, channels), np.float32)
    np.testing.assert_array_equal(whole, (audio / 2.0 ** (bits - 1)).astype(np.float32))
    assert stream_of(data).read_at(0, out) == 2000
    np.testing.assert_array_equal(out, whole)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_file_with_a_damaged_byte_reads_as_libsndfile_reads_it_or_as_it_was(channels: int) -> None:
    rng = np.random.default_rng(channels)
    data = encode(sound(40_000, channels, rng), 16)
    whole, refused = decode(data), 0
    for _ in range(150):
        broken = bytearray(data)
        broken[rng.integers(42, len(data))] ^= 1 << rng.integers(8)
        first = int(rng.integers(len(whole) - 5000))
        ours, theirs = (outcome(bytes(broken), first, 5000, usual) for usual in (True, False))
        same = type(ours) is type(theirs) and np.array_equal(ours, theirs)
        assert same or np.array_equal(ours, whole[first : first + 5000])
        refused += isinstance(ours, str)
    assert refused  # or nothing was tried


def outcome(data: bytes, first: int, count: int, usual: bool) -> Samples | str:
    """Return what is read, or the kind of error."""
    source, out = _Source(data), np.empty((count, 0), np.float32)
    try:
        if usual:
            with open_source(data, "file", thorough=False) as file:
                out = np.zeros((count, file.channels), np.float32)
                return out[: file.read_at(first, out)]
        direct = Direct(source.open, source.open())
        out = np.zeros((count, direct.channels), np.float32)
        return out[: direct.read_at(first, out)]
    except DECODE_ERRORS:
        return "damaged"


def test_a_file_that_ends_early_is_left_to_libsndfile(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "cut.flac"
    data = encode(sound(60_000, 1, rng), 16)
    path.write_bytes(data[: len(data) // 2])
    whole = decode(data)
    with open_source(path, "cut", thorough=False) as file:
        out = np.empty((4000, 1), np.float32)
        assert file.read_at(5000, out) == 4000
        np.testing.assert_array_equal(out, whole[5000:9000])
        with pytest.raises(DECODE_ERRORS, match=r"ends|Error|error"):
            file.read_at(50_000, out)


def test_a_file_that_goes_on_in_zeros_comes_to_an_end(tmp_path: Path) -> None:
    path = tmp_path / "zeros.flac"
    data = encode(sound(60_000, 1, np.random.default_rng(0)), 16)
    path.write_bytes(
        data[: len(data) // 2] + bytes(9 << 20)
    )  # as of a download that was given its space at once
    with open_source(path, "zeros", thorough=False) as file:
        out = np.empty((40_000, 1), np.float32)
        with suppress(*DECODE_ERRORS):
            file.read_at(15_000, out)
        assert file.read_at(5000, out[:4000]) == 4000
        np.testing.assert_array_equal(out[:4000], decode(data)[5000:9000])


@pytest.mark.parametrize(
    ("what", "place", "new"),
    [
        ("unknown length", 22, bytes(4)),
        ("frames of several sizes", 8, b"\x00\x80"),
        ("not FLAC", 0, b"OggS"),
    ],
)
def test_unusual_files_have_no_layout(what: str, place: int, new: bytes) -> None:
    data = encode(sound(9000, 1, np.random.default_rng(0)), 16)
    assert read_layout(data) is not None
    assert read_layout(data[:place] + new + data[place + len(new) :]) is None, what
