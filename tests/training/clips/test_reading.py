"""Clips as a network is given them: their channels, their level, where windows lie, what fills them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixlab.audio.io import FloatArray, write_wav
from mixlab.corpora.clips import Clip
from mixlab.errors import AudioError, ConfigError
from mixlab.training.clips import WindowConfig, load_windows, read_clip
from mixlab.training.clips.reading import LEVELS_DB, clip_samples, read_window, side_by_side, window_starts
from tests.errors import raises
from tests.training.clips.tone_clips import RATE, tone


def write(folder: Path, audio: FloatArray, rate: int = RATE, **part: Any) -> Clip:
    file = folder / "clip.wav"
    write_wav(file, audio, rate, subtype="FLOAT")
    return Clip("clip", file, "group", **part)


def stereo(seconds: float = 1.0) -> FloatArray:
    return np.concatenate([tone(300, seconds, seed=1), tone(1200, seconds, seed=2, gain=0.1)])


def test_mono_is_the_mean_of_two_channels_and_two_are_kept_apart(tmp_path: Path) -> None:
    audio = stereo()
    clip = write(tmp_path, audio)
    np.testing.assert_allclose(read_clip(clip, RATE, 1), audio.mean(axis=0, keepdims=True), atol=1e-7)
    np.testing.assert_array_equal(read_clip(clip, RATE, 2), audio)


def test_a_mono_clip_is_two_equal_channels(tmp_path: Path) -> None:
    audio = tone(300, 0.5)
    found = read_clip(write(tmp_path, audio), RATE, 2)
    np.testing.assert_array_equal(found, np.concatenate([audio, audio]))


def test_channels_that_nobody_can_put_together_are_refused(tmp_path: Path) -> None:
    surround = np.concatenate([stereo(), stereo(), stereo()])
    clip = write(tmp_path, surround)
    assert read_clip(clip, RATE, 1).shape == (1, RATE)
    with raises(AudioError, code="channels-mismatch", mentions=(clip.path, 2, 6)):
        read_clip(clip, RATE, 2)


def test_channels_that_cancel_are_refused_in_mono_and_kept_in_stereo(tmp_path: Path) -> None:
    left = tone(300, 0.5)
    clip = write(tmp_path, np.concatenate([left, -left]))
    with raises(AudioError, code="channels-cancel", mentions=clip.path):
        read_clip(clip, RATE, 1)
    assert read_clip(clip, RATE, 2).shape == (2, RATE // 2)


def test_a_part_of_a_file_is_read_and_nothing_beyond_it(tmp_path: Path) -> None:
    audio = tone(300, 2.0)
    clip = write(tmp_path, audio, start_s=0.5, end_s=1.25)
    np.testing.assert_array_equal(read_clip(clip, RATE), audio[:, RATE // 2 : RATE * 5 // 4])
    assert clip_samples(clip, RATE, WindowConfig()) == RATE * 3 // 4
    window = read_window(clip, 0.0, RATE, RATE, 1, WindowConfig())
    np.testing.assert_array_equal(window[:, RATE * 3 // 4 :], 0)
    late = write(tmp_path, audio, start_s=3.0)
    with raises(AudioError, code="clip-outside-file", mentions=(late.path, "3 s", "2.00 s")):
        read_clip(late, RATE)


@pytest.mark.parametrize(("rate", "atol"), [(RATE, 0.0), (16000, 5e-3), (4000, 5e-3), (11025, 0.08)])
def test_a_window_is_what_the_whole_clip_has_there(tmp_path: Path, rate: int, atol: float) -> None:
    """Resampled by itself, too: its edges are those of a longer part; half a sample off at odd rates."""
    clip = write(tmp_path, tone(300, 2.0), start_s=0.1)
    whole = read_clip(clip, rate)
    window = read_window(clip, 0.75, rate // 2, rate, 1, WindowConfig())
    assert window.shape == (1, rate // 2)
    first = round(0.75 * rate)
    np.testing.assert_allclose(window, whole[:, first : first + rate // 2], atol=atol)


def test_peak_is_full_scale_of_the_clip_and_not_of_the_window(tmp_path: Path) -> None:
    audio = np.concatenate([tone(300, 0.5, gain=0.02), tone(300, 0.5, gain=0.4)], axis=1)
    clip, windows = write(tmp_path, audio), WindowConfig(0.5, level="peak")
    whole = read_clip(clip, RATE, 1, windows)
    np.testing.assert_allclose(np.abs(whole).max(), 1.0, rtol=1e-6)
    np.testing.assert_allclose(whole, audio / np.abs(audio).max(), rtol=1e-5)
    np.testing.assert_array_equal(read_window(clip, 0.0, 4000, RATE, 1, windows), whole[:, :4000])
    silence = write(tmp_path, np.zeros((1, 100), np.float32))
    np.testing.assert_array_equal(read_clip(silence, RATE, 1, windows), 0)


def test_channels_keep_their_balance_at_full_scale(tmp_path: Path) -> None:
    audio = stereo()
    found = read_clip(write(tmp_path, audio), RATE, 2, WindowConfig(level="peak"))
    np.testing.assert_allclose(found, audio / np.abs(audio).max(), rtol=1e-5)


def test_repeated_levels_are_eight_copies_from_quiet_to_loud(tmp_path: Path) -> None:
    """Peaks of -35 to 0 dBFS in steps of 5 dB (black-box transfer paper, section 6)."""
    audio = tone(300, 0.25)
    clip, windows = write(tmp_path, audio), WindowConfig(0.0, repeat_levels=True)
    found = read_clip(clip, RATE, 1, windows)
    assert found.shape[1] == clip_samples(clip, RATE, windows) == 8 * 2000
    copies = found.reshape(8, 2000)
    peaks_db = 20 * np.log10(np.abs(copies).max(axis=1))
    np.testing.assert_allclose(peaks_db, LEVELS_DB, atol=1e-4)
    assert LEVELS_DB == (-35, -30, -25, -20, -15, -10, -5, 0)
    np.testing.assert_allclose(copies[0] / copies[0].max(), copies[7] / copies[7].max(), rtol=1e-4)


@pytest.mark.parametrize("padding", ["silence", "repeat"])
def test_a_window_longer_than_its_clip_is_filled_as_the_settings_say(tmp_path: Path, padding: Any) -> None:
    audio = tone(300, 0.25)
    clip, windows = write(tmp_path, audio), WindowConfig(0.6, padding=padding)
    found = load_windows(clip, RATE, 1, windows)
    assert found.shape == (1, 1, 4800)
    copies = np.tile(audio, 3)[:, :4800]
    expected = copies if padding == "repeat" else np.pad(audio, ((0, 0), (0, 2800)))
    np.testing.assert_array_equal(found[0], expected)
    np.testing.assert_array_equal(read_window(clip, 0.0, 4800, RATE, 1, windows), expected)


def test_windows_of_the_papers() -> None:
    """A second with 50 % overlap over 3 s (paper 003); 19 of 59,049 samples over 30 s (paper 002)."""
    assert window_starts(66150, 22050, WindowConfig(1.0)) == [0, 11025, 22050, 33075, 44100]
    found = window_starts(661500, 59049, WindowConfig(59049 / 22050, count=19))
    assert len(found) == 19
    assert (found[0], found[-1]) == (0, 661500 - 59049)
    assert set(np.diff(found)) <= {33469, 33470}
    assert round(WindowConfig(59049 / 22050).duration_s * 22050) == 59049
    # 3 s windows of 30 s: the 19 are those that overlap by half.
    assert window_starts(300, 30, WindowConfig(3.0, count=19)) == window_starts(300, 30, WindowConfig(3.0))
    assert window_starts(100, 20, WindowConfig(1.0, count=1)) == [40]
    assert window_starts(20, 20, WindowConfig(1.0, count=19)) == [0], "the same window counts once"
    assert window_starts(22, 20, WindowConfig(1.0, count=19)) == [0, 1, 2]


@given(
    st.integers(1, 400),
    st.integers(1, 100),
    st.sampled_from([0.0, 0.25, 0.5, 0.9]),
    st.sampled_from([0, 1, 2, 7]),
)
def test_windows_lie_within_the_clip_and_reach_its_end(
    samples: int, window: int, overlap: float, count: int
) -> None:
    starts = window_starts(samples, window, WindowConfig(1.0, overlap=overlap, count=count))
    last = max(samples - window, 0)
    assert all(0 <= start <= last for start in starts)
    assert starts == sorted(starts)
    if count != 1:
        assert (starts[0], starts[-1]) == (0, last)
    if not count:
        assert all(np.diff(starts) <= max(window * (1 - overlap), 1))
    beside = side_by_side(samples, window, window)
    assert all(np.diff(beside) <= window), "no sample is left out"


def test_whole_clips_are_one_window(tmp_path: Path) -> None:
    clip = write(tmp_path, tone(300, 0.5))
    assert load_windows(clip, RATE, 1, WindowConfig(0.0)).shape == (1, 1, 4000)
    assert load_windows(clip, RATE, 2, WindowConfig(0.0), 6000).shape == (1, 2, 6000)


def test_a_header_of_hours_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    clip = Clip("x", long_file(tmp_path), "g")
    with raises(AudioError, code="audio-too-long", mentions=(3600, 3601, clip.path)):
        read_clip(clip, 4000)
    part = Clip("x", clip.path, "g", start_s=3600.0)
    assert read_clip(part, 4000).shape == (1, 4000)


def long_file(folder: Path) -> Path:
    """A file of an hour and a second, as sparse as its silence."""
    file = folder / "long.wav"
    write_wav(file, np.zeros((1, 10), np.float32), 4000)
    head = bytearray(file.read_bytes()[:44])
    size = 2 * 4000 * 3601
    head[4:8], head[40:44] = (36 + size).to_bytes(4, "little"), size.to_bytes(4, "little")
    with file.open("wb") as handle:
        handle.write(head)
        handle.truncate(44 + size)
    return file


@pytest.mark.parametrize(
    ("change", "code", "mentions"),
    [
        ({"duration_s": -1.0}, "invalid-setting", ("windows.duration_s", "-1.0")),
        ({"overlap": 1.0}, "invalid-setting", ("windows.overlap", "1.0")),
        ({"count": -1}, "invalid-setting", ("windows.count", "-1")),
        ({"aggregation": "s3"}, "invalid-setting", ("windows.aggregation", "s1", "s2", "s3")),
        ({"level": "loud"}, "invalid-setting", ("windows.level", "peak", "loud")),
        ({"duration_s": 0.0, "count": 19}, "conflicting-settings", ("windows.count=19",)),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, Any], code: str, mentions: object) -> None:
    with raises(ConfigError, code=code, mentions=mentions):
        WindowConfig(**change)
