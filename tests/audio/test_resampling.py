"""Resampling: tones survive, images do not, and an excerpt is bit for bit a cut of the whole."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from mixlab.audio.io import open_audio
from mixlab.audio.resampling import (
    PASSBAND,
    STOPBAND_DB,
    find_bank,
    read_resampled,
    resample_file,
    resample_span,
)

PAIRS = [(44100, 16000), (48000, 16000), (22050, 16000), (96000, 16000), (8000, 16000), (44100, 48000)]


def whole(audio: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Resample ``(channels, samples)`` from its first to its last sample."""
    bank = find_bank(from_rate, to_rate)
    assert bank is not None
    samples = bank.outputs(audio.shape[1])
    start, frames = bank.span(0, samples)
    after = max(start + frames - audio.shape[1], 0)
    padded = np.pad(audio, ((0, 0), (-start, after)))[:, :frames]
    return resample_span(np.ascontiguousarray(padded), bank, 0, samples)


def tone(frequency_hz: float, rate: int, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * rate)) / rate).astype(np.float32)[None]


@pytest.mark.parametrize(("from_rate", "to_rate"), PAIRS)
@pytest.mark.parametrize("part", [0.02, 0.4, PASSBAND])
def test_tones_in_the_passband_stay(from_rate: int, to_rate: int, part: float) -> None:
    frequency_hz = part * min(from_rate, to_rate) / 2
    out = whole(tone(frequency_hz, from_rate), from_rate, to_rate)
    expected = tone(frequency_hz, to_rate)
    middle = slice(to_rate // 4, 3 * to_rate // 4)
    assert np.abs(out[0, middle] - expected[0, middle]).max() < 10 ** (-90 / 20)


@pytest.mark.parametrize(("from_rate", "to_rate"), [pair for pair in PAIRS if pair[0] > pair[1]])
@pytest.mark.parametrize("part", [2 - PASSBAND, 1.3])
def test_what_lies_above_is_taken_away(from_rate: int, to_rate: int, part: float) -> None:
    out = whole(tone(part * to_rate / 2, from_rate), from_rate, to_rate)
    middle = slice(to_rate // 4, 3 * to_rate // 4)
    assert np.abs(out[0, middle]).max() < 10 ** (-(STOPBAND_DB - 3) / 20)


@pytest.mark.parametrize(("from_rate", "to_rate"), PAIRS)
@pytest.mark.parametrize(("first", "samples"), [(0, 500), (1, 1), (777, 641), (3001, 999), (2500, 0)])
def test_an_excerpt_is_a_cut_of_the_whole_bit_for_bit(
    from_rate: int, to_rate: int, first: int, samples: int
) -> None:
    audio = np.random.default_rng(0).standard_normal((2, from_rate)).astype(np.float32)
    bank = find_bank(from_rate, to_rate)
    assert bank is not None
    start, frames = bank.span(first, samples)
    head = max(-start, 0)
    excerpt = np.zeros((2, frames), np.float32)
    found = audio[:, max(start, 0) : start + frames]
    excerpt[:, head : head + found.shape[1]] = found
    expected = whole(audio, from_rate, to_rate)[:, first : first + samples]
    np.testing.assert_array_equal(resample_span(excerpt, bank, first, samples), expected)


def test_it_sounds_like_soxr() -> None:
    noise = np.random.default_rng(1).standard_normal(44100)
    low = soxr.resample(soxr.resample(noise, 44100, 12000, quality="VHQ"), 12000, 44100, quality="VHQ")
    ours = whole(low.astype(np.float32)[None], 44100, 16000)[0]
    theirs = soxr.resample(low, 44100, 16000, quality="VHQ")
    assert np.abs(ours[1000:15000] - theirs[1000:15000]).max() < 1e-3


def test_rates_without_a_small_fraction_have_no_bank() -> None:
    assert find_bank(44101, 16000) is None


@pytest.mark.parametrize("rate", [16000, 44100, 22050, 44101])
@pytest.mark.parametrize(("channels", "wanted"), [(1, 1), (2, 1), (1, 2), (2, 2)])
def test_files_read_in_parts_as_in_one(tmp_path: Path, rate: int, channels: int, wanted: int) -> None:
    path = tmp_path / "a.wav"
    audio = 0.1 * np.random.default_rng(2).standard_normal((rate, channels))
    soundfile.write(path, audio, rate, subtype="FLOAT")
    all_of_it = read_resampled(path, rate, rate, 0.0, 16000, 16000, wanted)
    assert all_of_it.shape == (wanted, 16000)
    with open_audio(path) as file:
        part = resample_file(file, rate, rate, 0.3, 4000, 16000, wanted)
        again = resample_file(file, rate, rate, 0.1, 400, 16000, wanted)
    # Only the rate that goes through soxr depends on where reading began.
    tolerance = 1e-5 if rate == 44101 else 0.0
    assert np.abs(part - all_of_it[:, 4800:8800]).max() <= tolerance
    assert np.abs(again - all_of_it[:, 1600:2000]).max() <= tolerance


@pytest.mark.parametrize("rate", [16000, 44100])
def test_outside_the_file_there_is_silence(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.full(rate, 0.5), rate)
    out = read_resampled(path, rate, rate // 2, -0.1, 16000, 16000, 1)
    assert not out[:, :1600].any()
    assert not out[:, 1600 + 8000 :].any()
    assert out[0, 4000] == pytest.approx(0.5, abs=1e-3)
