"""Reading, resampling, measuring and writing plain audio."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mixlab.audio.io import (
    check_peak,
    encode_wav,
    iter_blocks,
    length_notes,
    probe,
    read_span,
    resample,
    to_channels,
    write_wav,
)
from mixlab.errors import AudioError, AudioRangeError, OutputError
from tests.errors import raises


@pytest.fixture
def ramp(tmp_path: Path) -> Path:
    """A stereo FLAC file in which every sample is different."""
    audio = np.linspace(-0.9, 0.9, 10_000)
    soundfile.write(tmp_path / "ramp.flac", np.stack([audio, -audio], axis=1), 44100, subtype="PCM_24")
    return tmp_path / "ramp.flac"


def test_probe_reads_the_header(ramp: Path) -> None:
    info = probe(ramp)
    assert (info.sample_rate, info.frames, info.channels, info.format) == (44100, 10_000, 2, "FLAC")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(-200, 10_200), st.integers(0, 400))
def test_a_span_is_exactly_those_samples_and_silence_outside(ramp: Path, start: int, frames: int) -> None:
    span = read_span(ramp, start, frames)
    assert span.shape == (2, frames)
    padded = np.concatenate([np.zeros(400), np.linspace(-0.9, 0.9, 10_000), np.zeros(700)])
    np.testing.assert_allclose(span[0], padded[start + 400 : start + 400 + frames], atol=2e-7)
    np.testing.assert_allclose(span[1], -span[0], atol=2e-7)


def test_blocks_join_to_the_whole_file(ramp: Path) -> None:
    blocks = list(iter_blocks(ramp, 3000))
    assert [block.shape[1] for block in blocks] == [3000, 3000, 3000, 1000]
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), read_span(ramp, 0, 10_000))


def test_samples_that_are_not_finite_read_as_silence(tmp_path: Path) -> None:
    audio = np.full(100, 0.5, dtype=np.float32)
    audio[[3, 7]] = np.nan, np.inf
    soundfile.write(tmp_path / "bad.wav", audio, 8000, subtype="FLOAT")
    span = read_span(tmp_path / "bad.wav", 0, 100)
    assert (span[0, [3, 7]] == 0).all()
    assert (np.delete(span[0], [3, 7]) == 0.5).all()


@pytest.mark.parametrize(
    ("content", "code", "found"),
    [
        (None, "audio-not-found", ()),
        (b"", "unreadable-audio", ("0 bytes",)),
        (b"x" * 50, "unreadable-audio", ("50 bytes",)),
    ],
)
def test_what_is_no_audio_is_an_error_with_path_and_size(
    tmp_path: Path, content: bytes | None, code: str, found: tuple[str, ...]
) -> None:
    path = tmp_path / "stem.wav"
    if content is not None:
        path.write_bytes(content)
    for read in (probe, lambda p: read_span(p, 0, 10), lambda p: list(iter_blocks(p, 10))):
        with raises(AudioError, code=code, mentions=(path, *found)):
            read(path)


def test_a_damaged_flac_is_an_error_where_the_damage_is(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "stem.flac"
    soundfile.write(path, 0.3 * rng.standard_normal(200_000), 44100)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 20_000] = bytes(20_000)
    path.write_bytes(data)
    with raises(AudioError, code="damaged-audio", mentions="stem.flac"):
        list(iter_blocks(path, 4096))


@pytest.mark.parametrize(
    ("head", "mentions"),
    [
        (
            b"\0\0\0\x20ftypM4A ",
            ("MP4", "M4A", "MOV", "112", "my song.m4a", "my song.flac", "ffmpeg"),
        ),
        (b"\x1a\x45\xdf\xa3", ("WebM", "Matroska")),
        (b"\x30\x26\xb2\x75", ("WMA", "WMV")),
        (b"\xff\xf1\x50\x80", "AAC"),
        (b"wvpk", "WavPack"),
        (b"version https://git-lfs.github.com/spec/v1\n", ("git lfs pull", "LFS")),
        (b"/annex/objects/MD5E-s1", ("datalad get", "git-annex")),
        (b"\x00\x05\x16\x07", "macOS"),
        (b"MThd\0\0\0\6", "MIDI"),
    ],
)
def test_a_file_of_another_kind_is_called_so_with_what_to_do(
    tmp_path: Path, head: bytes, mentions: object
) -> None:
    path = tmp_path / "my song.m4a"
    path.write_bytes(head + bytes(112 - len(head)))
    with raises(AudioError, code="unreadable-audio", mentions=mentions) as error:
        probe(path)
    assert "index" not in str(error.value)
    assert "WAV, FLAC, Ogg, Opus, MP3, AIFF" in str(error.value)


def test_a_file_that_ends_before_it_should_is_an_error_and_no_silence(ramp: Path) -> None:
    np.testing.assert_array_equal(read_span(ramp, 9990, 20)[:, 10:], 0)
    np.testing.assert_array_equal(read_span(ramp, 9990, 20, end=10_000)[:, 10:], 0)
    with raises(AudioError, code="audio-changed", mentions=("10005", "10000")):
        read_span(ramp, 9990, 20, end=10_005)


def test_notes_say_what_of_a_file_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(encode_wav(np.zeros((1, 80_000), np.float32), 8000)[:80_044])
    assert length_notes(probe(path), 40_000) == ("its header announces 10.0 s, and only 5.0 s are there",)
    write_wav(path, np.zeros((1, 80_000), np.float32), 8000)
    assert length_notes(probe(path), 80_000) == ()


def test_a_rate_other_than_expected_is_an_error(ramp: Path) -> None:
    with raises(AudioError, code="audio-changed", mentions=("48000", "44100")):
        read_span(ramp, 0, 10, sample_rate=48000)


def test_resampling_keeps_a_tone_and_drops_what_does_not_fit() -> None:
    t = np.arange(44100) / 44100
    low = np.sin(2 * np.pi * 1000 * t).astype(np.float32)[None]
    high = np.sin(2 * np.pi * 12000 * t).astype(np.float32)[None]
    expected = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    np.testing.assert_allclose(resample(low, 44100, 16000)[0, 500:-500], expected[500:-500], atol=1e-3)
    assert np.abs(resample(high, 44100, 16000)[0, 500:-500]).max() < 1e-4
    assert resample(low, 44100, 44100) is low


def test_mono_is_the_mean_of_the_channels_and_stereo_a_copy() -> None:
    stereo = np.array([[1.0, 0.0], [0.0, 0.5]], dtype=np.float32)
    np.testing.assert_array_equal(to_channels(stereo, 1), [[0.5, 0.25]])
    np.testing.assert_array_equal(to_channels(stereo[:1], 2), stereo[[0, 0]])
    assert to_channels(stereo, 2) is stereo


@pytest.mark.parametrize(
    ("rate", "channels", "mentions"),
    [
        (1, 1, ("4000", "768000", "1")),
        (3999, 1, "3999"),
        (768_001, 2, "768001"),
        (200_000_000, 1, "200000000"),
        (44100, 65, ("1", "64", "65")),
    ],
)
def test_headers_of_no_sound_are_refused(tmp_path: Path, rate: int, channels: int, mentions: object) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((8, channels)), rate, subtype="FLOAT")
    for read in (probe, lambda path: read_span(path, 0, 8), lambda path: next(iter_blocks(path, 8))):
        with raises(AudioRangeError, code="implausible-header", mentions=mentions):
            read(tmp_path / "a.wav")


@pytest.mark.parametrize(("rate", "channels"), [(4000, 1), (768_000, 1), (8000, 64)])
def test_the_ends_of_the_ranges_are_read(tmp_path: Path, rate: int, channels: int) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros((8, channels)), rate, subtype="FLOAT")
    assert probe(tmp_path / "a.wav").sample_rate == rate
    assert read_span(tmp_path / "a.wav", 0, 8).shape == (channels, 8)


@pytest.mark.parametrize("peak", [32.0, 1e6, 3e38])
def test_samples_of_no_sound_are_refused(peak: float) -> None:
    check_peak("a.wav", 31.6)
    with raises(AudioRangeError, code="implausible-peak", mentions=("30", "a.wav")):
        check_peak("a.wav", peak)


def test_a_written_file_reads_back_and_leaves_nothing_else(tmp_path: Path) -> None:
    audio = (0.3 * np.random.default_rng(0).standard_normal((2, 500))).clip(-1, 1).astype(np.float32)
    write_wav(tmp_path / "a.wav", audio, 16000, subtype="PCM_24")
    np.testing.assert_allclose(read_span(tmp_path / "a.wav", 0, 500), audio, atol=2**-22)
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]
    assert encode_wav(audio, 16000, subtype="PCM_24") == (tmp_path / "a.wav").read_bytes()
    with raises(OutputError, code="output-not-writable"):
        write_wav(tmp_path / "missing" / "a.wav", audio, 16000)
