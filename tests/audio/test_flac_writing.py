"""FLAC written by mixlab: what others read of it is what was written."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mixlab.audio.decoding.flac import FlacStream, read_layout
from mixlab.audio.flac_writing import encode_flac
from mixlab.audio.io import open_audio, read_frames


def sounds(channels: int, samples: int) -> list[np.ndarray]:
    rng = np.random.default_rng([channels, samples])
    noise = rng.standard_normal((channels, samples))
    click = np.zeros((channels, samples), np.int16)
    click[:, samples // 2] = -32768
    return [
        (3000 * noise).astype(np.int16),
        (20 * np.cumsum(noise, axis=1)).astype(np.int16),
        np.repeat((3000 * noise[:1]).astype(np.int16), channels, axis=0),
        rng.integers(-32768, 32768, (channels, samples), dtype=np.int16),
        np.where(noise < 0, -32768, 32767).astype(np.int16),
        np.full((channels, samples), 7, np.int16),
        click,
    ]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("samples", [1, 2, 5, 17, 300, 4096, 4097, 12_288, 600_001])
def test_libsndfile_reads_what_was_written(channels: int, samples: int) -> None:
    for pcm in sounds(channels, samples) if samples < 100_000 else sounds(channels, samples)[:1]:
        found, rate = soundfile.read(io.BytesIO(encode_flac(pcm, 44_100)), dtype="int16", always_2d=True)
        assert rate == 44_100
        assert np.array_equal(found.T, pcm)


def test_smooth_sounds_and_silence_take_little_room_and_equal_channels_half() -> None:
    time = np.arange(44_100) / 44_100
    one = np.rint(8000 * np.sin(2 * np.pi * 220 * time)).astype(np.int16)
    noise = (4000 * np.random.default_rng(0).standard_normal(44_100)).astype(np.int16)
    sizes = [
        len(encode_flac(np.stack([a, b]), 44_100))
        for a, b in ((0 * one, 0 * one), (one, 0 * one), (noise, noise), (noise, noise[::-1]))
    ]
    assert sizes[0] < 400
    assert sizes[1] < 0.3 * 2 * 44_100
    assert sizes[2] < 0.55 * sizes[3]


@pytest.mark.parametrize("channels", [1, 2])
def test_mixlab_reads_spans_of_it(channels: int, tmp_path: Path) -> None:
    pcm = sounds(channels, 40_000)[1]
    path = tmp_path / "a.flac"
    path.write_bytes(encode_flac(pcm, 22_050))
    with open_audio(path) as file:
        assert (file.samplerate, file.channels, file.frames, file.remarks) == (22_050, channels, 40_000, ())
        found = read_frames(file, 9_000, 5_000)
    assert np.array_equal(found.T, pcm[:, 9_000:14_000] / np.float32(32_768))
    # Also without libsndfile.
    data = path.read_bytes()
    layout = read_layout(data)
    assert layout is not None
    stream = FlacStream(data, layout, lambda: pytest.fail("libsndfile was asked"))
    out = np.empty((5_000, channels), np.float32)
    assert stream.read_at(9_000, out) == 5_000
    assert np.array_equal(out.T, pcm[:, 9_000:14_000] / np.float32(32_768))
