"""Measuring a file: known levels, the loudness standard, and everything that can be wrong with it."""

import re
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import sosfilt

from mixlab.audio.io import FLOOR_DB
from mixlab.audio.levels import envelope_db
from mixlab.audio.loudness import Measurement, _k_weighting, loudness_lufs, measure
from tests.encoded import KINDS, encode, flac_with_total, mp3, sound, wav_with_size
from tests.stem_files import tone, write


def kinds(measurement: Measurement) -> list[str]:
    return [kind for kind, _ in measurement.problems]


def noise(seconds: float, channels: int, rate: int, seed: int = 0) -> np.ndarray:
    audio = np.random.default_rng(seed).standard_normal((channels, round(seconds * rate)))
    return (0.1 * audio).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_envelope_of_a_sine_is_its_rms(tmp_path: Path, rate: int) -> None:
    path = write(tmp_path / "a.wav", tone(2.55, amplitude=0.5, frequency_hz=440.0, rate=rate), rate, "FLOAT")
    found = measure(path)
    assert found.envelope.dtype == np.float16
    assert len(found.envelope) == 26
    assert np.abs(found.envelope[:25].astype(float) - 20 * np.log10(0.5 / np.sqrt(2))).max() < 0.05
    assert found.peak_db == pytest.approx(20 * np.log10(0.5), abs=0.01)
    assert found.frames == round(2.55 * rate)


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (11025, 2), (44100, 2)])
def test_streamed_envelope_equals_that_of_the_whole(tmp_path: Path, rate: int, channels: int) -> None:
    audio = noise(5.03, channels, rate)
    audio[:, rate : 2 * rate] = 0.0
    found = measure(write(tmp_path / "a.wav", audio, rate, "FLOAT"))
    whole = envelope_db(audio, rate)
    assert found.envelope.shape == whole.shape
    assert np.abs(found.envelope.astype(float) - whole.astype(float)).max() <= 0.032  # one step of float16
    assert found.envelope[15] == FLOOR_DB


def test_doubling_the_amplitude_adds_6_02_db(tmp_path: Path) -> None:
    audio = noise(3.0, 2, 16000)
    quiet = measure(write(tmp_path / "quiet.wav", audio, 16000, "FLOAT"))
    loud = measure(write(tmp_path / "loud.wav", 2 * audio, 16000, "FLOAT"))
    assert loud.loudness_lufs - quiet.loudness_lufs == pytest.approx(6.0206, abs=1e-3)
    assert loud.peak_db - quiet.peak_db == pytest.approx(6.0206, abs=1e-3)
    assert (loud.envelope - quiet.envelope).astype(float) == pytest.approx(6.02, abs=0.04)


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_loudness_is_that_of_pyloudnorm_of_the_mono_sum(tmp_path: Path, rate: int, channels: int) -> None:
    audio = noise(6.0, channels, rate) * np.linspace(0.01, 1.0, 6 * rate, dtype=np.float32)
    audio[:, 3 * rate : 4 * rate] = 0.0
    found = measure(write(tmp_path / "a.wav", audio, rate, "FLOAT"))
    meter = pyloudnorm.Meter(rate)
    expected = meter.integrated_loudness(audio.mean(axis=0).astype(np.float64))
    assert found.loudness_lufs == pytest.approx(expected, abs=0.01)
    # In memory all channels are heard, as the standard has it.
    expected = meter.integrated_loudness(audio.T.astype(np.float64))
    assert loudness_lufs(audio, rate) == pytest.approx(expected, abs=0.01)


def test_loudness_meets_the_reference_of_the_standard(tmp_path: Path) -> None:
    # ITU-R BS.1770: a full-scale sine of 997 Hz in one channel reads -3.01 LKFS.
    audio = tone(3.0, amplitude=1.0, frequency_hz=997.0, rate=48000)
    assert measure(write(tmp_path / "a.wav", audio, 48000, "FLOAT")).loudness_lufs == pytest.approx(
        -3.01, abs=0.1
    )


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 96000])
def test_weighting_filters_are_those_of_pyloudnorm(rate: int) -> None:
    theirs = [[*f.b, *f.a[1:]] for f in pyloudnorm.Meter(rate)._filters.values()]
    assert _k_weighting(rate) == pytest.approx(np.array(theirs), rel=1e-12)


def test_weighted_power_is_that_of_a_plain_filter(tmp_path: Path) -> None:
    # Carried over block borders: the reference filters the whole signal at once.
    rate = 16000
    audio = noise(5.0, 1, rate)
    sections = [[*row[:3], 1.0, *row[3:]] for row in _k_weighting(rate)]
    power = np.mean(sosfilt(sections, audio[0].astype(np.float64)) ** 2)
    found = measure(write(tmp_path / "a.wav", audio, rate, "FLOAT"))
    assert found.loudness_lufs == pytest.approx(-0.691 + 10 * np.log10(power), abs=0.02)


def test_silence_has_no_loudness(tmp_path: Path) -> None:
    found = measure(write(tmp_path / "a.wav", np.zeros((2, 16000))))
    assert np.isnan(found.loudness_lufs)
    assert found.peak_db == FLOOR_DB
    assert (found.envelope == FLOOR_DB).all()
    assert found.problems == ()


def test_a_file_below_one_gating_block_has_no_loudness(tmp_path: Path) -> None:
    found = measure(write(tmp_path / "a.wav", tone(0.39)))
    assert np.isnan(found.loudness_lufs)
    assert len(found.envelope) == 4


def test_a_missing_file_is_unreadable(tmp_path: Path) -> None:
    found = measure(tmp_path / "none.wav")
    assert kinds(found) == ["unreadable"]
    assert found.frames == found.channels == len(found.envelope) == 0


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"RIFF\x00\x00\x00\x00WAVEfmt ", b"fLaC" + bytes(40), b"garbage" * 99]
)
def test_garbage_is_unreadable(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    assert kinds(measure(path)) == ["unreadable"]


def test_a_file_without_samples_is_empty(tmp_path: Path) -> None:
    found = measure(write(tmp_path / "a.wav", np.zeros((1, 0))))
    assert kinds(found) == ["empty"]
    assert found.sample_rate == 8000


def test_a_truncated_wav_is_measured_up_to_its_end(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", tone(4.0))
    data = path.read_bytes()
    path.write_bytes(data[: 44 + 2 * 8000])
    found = measure(path)
    assert kinds(found) == ["truncated"]
    assert found.frames == 8000
    assert "Expected 32000 samples" in found.problems[0][1]
    assert len(found.envelope) == 10


def test_a_damaged_flac_never_raises_and_is_reported(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac", noise(6.0, 1, 16000), 16000)
    data = bytearray(path.read_bytes())
    whole = measure(path)
    assert whole.problems == ()
    path.write_bytes(data[: len(data) // 2])
    cut = measure(path)
    assert kinds(cut)[0] in {"truncated", "unreadable"}
    assert cut.frames < whole.frames
    data[len(data) // 2 : len(data) // 2 + 4000] = bytes(4000)
    path.write_bytes(data)
    assert kinds(measure(path))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_count_as_zero(tmp_path: Path, bad: float) -> None:
    audio = noise(3.0, 2, 16000)
    zeroed = audio.copy()
    audio[1, 20_000:20_100] = bad
    zeroed[1, 20_000:20_100] = 0.0
    found = measure(write(tmp_path / "bad.wav", audio, 16000, "FLOAT"))
    clean = measure(write(tmp_path / "clean.wav", zeroed, 16000, "FLOAT"))
    assert kinds(found) == ["nan"]
    assert "100 samples" in found.problems[0][1]
    assert (found.envelope == clean.envelope).all()
    assert found.loudness_lufs == clean.loudness_lufs
    assert found.peak_db == clean.peak_db


def test_flat_tops_at_full_scale_are_clipping(tmp_path: Path) -> None:
    over = np.clip(tone(5.0, amplitude=2.0, frequency_hz=50.0), -1, 1)
    assert kinds(measure(write(tmp_path / "a.wav", over))) == ["clipped"]
    assert kinds(measure(write(tmp_path / "b.wav", 0.9 * over))) == []


def test_a_run_over_a_block_border_is_one_flat_top(tmp_path: Path) -> None:
    audio = np.zeros((1, 5 * 8000), dtype=np.float32)
    audio[0, 15_998:16_002] = 1.0  # blocks are two seconds long
    assert kinds(measure(write(tmp_path / "a.wav", audio, subtype="FLOAT"))) == ["clipped"]
    audio[0, 15_998] = 0.5
    assert kinds(measure(write(tmp_path / "b.wav", audio, subtype="FLOAT"))) == []


def test_a_loud_float_file_without_flat_tops_is_not_clipped(tmp_path: Path) -> None:
    found = measure(write(tmp_path / "a.wav", tone(amplitude=3.0), subtype="FLOAT"))
    assert found.problems == ()
    assert found.peak_db == pytest.approx(9.54, abs=0.02)


@settings(max_examples=15, deadline=None)
@given(samples=st.integers(0, 5000), channels=st.integers(1, 6), rate=st.sampled_from([8000, 11025]))
def test_any_length_and_number_of_channels_is_measured(
    tmp_path_factory: pytest.TempPathFactory, samples: int, channels: int, rate: int
) -> None:
    path = tmp_path_factory.mktemp("any") / "a.wav"
    swinging = np.resize([0.25, -0.25], samples)
    soundfile.write(path, np.repeat(swinging[:, None], channels, axis=1), rate, subtype="FLOAT")
    found = measure(path)
    assert (found.frames, found.channels, found.sample_rate) == (samples, channels, rate)
    assert len(found.envelope) == int(np.ceil(samples / (rate / 10)))
    # A single sample has no swing; a few have one with a mean of its own.
    whole = found.envelope[: samples // (rate // 10)].astype(float)
    assert np.abs(whole - 20 * np.log10(0.25)).max(initial=0.0) < 0.02


@pytest.mark.parametrize("name", ["a.flac", "b.aiff", "c.wav"])
def test_equal_samples_have_one_hash_whatever_holds_them(tmp_path: Path, name: str) -> None:
    steps = np.rint(np.concatenate([tone(3.0), tone(3.0, amplitude=0.05)], axis=1) * 32768)
    audio = (steps / 32768 + 0.0).astype(np.float32)  # no negative zeros, which integers lack
    mark = measure(write(tmp_path / "one.wav", audio)).audio_hash
    assert re.fullmatch("[0-9a-f]{16}", mark)
    assert measure(write(tmp_path / name, audio)).audio_hash == mark
    assert measure(write(tmp_path / "wide.wav", audio, subtype="PCM_24")).audio_hash == mark
    assert measure(write(tmp_path / "float.wav", audio, subtype="FLOAT")).audio_hash == mark


@pytest.mark.parametrize("at", [0, 1, 12_000, 23_999])
def test_any_edit_at_equal_length_changes_the_hash(tmp_path: Path, at: int) -> None:
    audio = tone(3.0)
    before = measure(write(tmp_path / "a.wav", audio))
    edits = {"one sample": audio.copy(), "polarity": -audio, "order": audio[:, ::-1], "gain": audio * 0.5}
    edits["one sample"][0, at] += 1e-3
    for edited in edits.values():
        assert measure(write(tmp_path / "b.wav", edited)).audio_hash != before.audio_hash
    assert measure(write(tmp_path / "c.wav", audio[:, :-1])).audio_hash != before.audio_hash
    assert measure(write(tmp_path / "d.wav", np.repeat(audio, 2, axis=0))).audio_hash != before.audio_hash


def test_what_does_not_decode_has_no_hash(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"garbage")
    assert measure(tmp_path / "a.wav").audio_hash == ""
    assert measure(write(tmp_path / "b.wav", np.zeros((1, 0)))).audio_hash == ""


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_equal_sound_measures_alike_in_any_number_of_channels(tmp_path: Path, channels: int) -> None:
    sound = noise(4.0, 1, 16000)
    mono = measure(write(tmp_path / "mono.wav", sound, 16000, "FLOAT"))
    copies = measure(write(tmp_path / "copies.wav", np.repeat(sound, channels, axis=0), 16000, "FLOAT"))
    assert copies.loudness_lufs == pytest.approx(mono.loudness_lufs, abs=1e-3)
    assert np.abs(copies.envelope - mono.envelope).max() <= 0.032  # one step of float16


def test_what_the_mono_sum_holds_is_measured(tmp_path: Path) -> None:
    left, right = noise(4.0, 2, 16000)
    panned = measure(write(tmp_path / "panned.wav", np.stack([left, 0 * left]), 16000, "FLOAT"))
    alone = measure(write(tmp_path / "alone.wav", left[None], 16000, "FLOAT"))
    assert panned.loudness_lufs - alone.loudness_lufs == pytest.approx(-6.02, abs=0.01)
    assert np.abs(panned.envelope - alone.envelope + 6.02).max() <= 0.064
    assert kinds(panned) == []
    wide = measure(write(tmp_path / "wide.wav", np.stack([left, right]), 16000, "FLOAT"))
    assert np.abs(wide.envelope - alone.envelope + 3.01).max() < 0.5
    assert kinds(wide) == []


@pytest.mark.parametrize(
    "right",
    [
        lambda left: -left,
        lambda left: -0.95 * left,  # 32 dB are lost
        lambda left: -left + 1e-4,
        lambda left: np.rint(-left * 32767) / 32768,
    ],
)
def test_channels_that_cancel_are_silent_and_said_to(tmp_path: Path, right: object) -> None:
    left = noise(4.0, 1, 16000)[0] * 0.3
    audio = np.stack([left, right(left)]).astype(np.float32)  # type: ignore[operator]
    found = measure(write(tmp_path / "a.wav", audio, 16000, "FLOAT"))
    assert kinds(found) == ["cancels-in-mono"]
    assert "for 4.0 of the 4.0 s in which they sound (20 dB or more are lost)" in found.problems[0][1]
    assert found.peak_db > -20.0
    assert (found.envelope < -50.0).all()


def test_channels_that_cancel_for_a_while_are_silent_there(tmp_path: Path) -> None:
    left = noise(4.0, 1, 16000)[0]
    sign = np.where(np.arange(64000) < 16000, -1.0, 1.0)
    found = measure(write(tmp_path / "a.wav", np.stack([left, left * sign]), 16000, "FLOAT"))
    assert kinds(found) == ["cancels-in-mono"]
    assert "for 1.0 of the 4.0 s" in found.problems[0][1]
    np.testing.assert_array_equal(found.envelope >= -50.0, np.arange(40) >= 10)


@pytest.mark.parametrize("offset", [0.01, -0.01, 0.5, -1.0])
@pytest.mark.parametrize("channels", [1, 2])
def test_an_offset_is_no_sound_and_a_problem(tmp_path: Path, offset: float, channels: int) -> None:
    audio = np.full((channels, 4 * 16000), offset, dtype=np.float32) * 0.99
    rng = np.random.default_rng(0)
    audio += (1e-4 * rng.standard_normal(64000)).astype(np.float32)
    found = measure(write(tmp_path / "a.wav", audio, 16000, "FLOAT"))
    assert kinds(found) == ["dc-offset"]
    assert f"{99 * offset:.2g} % of full scale off zero" in found.problems[0][1]
    assert "for 4.0 s it reaches -50 dBFS by an offset or a slow drift alone" in found.problems[0][1]
    assert np.abs(found.envelope.astype(float) + 80.0).max() < 1.0
    assert np.isnan(found.loudness_lufs) or found.loudness_lufs < -60.0


def test_a_sound_upon_an_offset_measures_as_without(tmp_path: Path) -> None:
    sound = noise(4.0, 1, 44100)
    plain = measure(write(tmp_path / "plain.wav", sound, 44100, "FLOAT"))
    lifted = measure(write(tmp_path / "lifted.wav", sound + np.float32(0.3), 44100, "FLOAT"))
    assert kinds(plain) == []
    assert kinds(lifted) == ["dc-offset"]
    assert np.abs(lifted.envelope - plain.envelope).max() <= 0.032
    assert lifted.loudness_lufs == pytest.approx(plain.loudness_lufs, abs=0.1)


def test_an_offset_for_a_while_and_a_drift_are_no_sound(tmp_path: Path) -> None:
    t = np.arange(6 * 8000) / 8000
    step = np.where((t > 1.0) & (t < 3.0), 0.02, 0.0)
    drift = 0.02 * np.sin(2 * np.pi * 0.7 * t)
    rumble = 0.02 * np.sin(2 * np.pi * 9.0 * t)
    for name, slow in (("step", step), ("drift", drift), ("rumble", rumble)):
        found = measure(write(tmp_path / f"{name}.wav", slow[None].astype(np.float32), subtype="FLOAT"))
        assert kinds(found) == ["dc-offset"], name
        assert (found.envelope < -60.0).sum() >= 58, name  # but for the hop with the edge of the step


@pytest.mark.parametrize("frequency_hz", [27.5, 41.2, 110.0])
@pytest.mark.parametrize("level_db", [-53.0, -50.0, -49.0, -45.0])
def test_soft_low_notes_are_no_offset(tmp_path: Path, frequency_hz: float, level_db: float) -> None:
    note = tone(6.05, amplitude=np.sqrt(2) * 10 ** (level_db / 20), frequency_hz=frequency_hz)
    assert kinds(measure(write(tmp_path / "a.wav", note, subtype="FLOAT"))) == []


@pytest.mark.parametrize("seconds", [0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8, 1.0, 1.5, 3.0])
def test_short_and_low_sounds_are_no_offset(tmp_path: Path, seconds: float) -> None:
    t = np.arange(round(seconds * 44100)) / 44100
    kick = 0.8 * np.exp(-t / 0.12) * np.sin(2 * np.pi * (45 * t + 3.15 * (1 - np.exp(-t / 0.03))))
    notes = [0.3 * np.sin(2 * np.pi * frequency_hz * t) for frequency_hz in (16.35, 20.6, 30.87, 41.2)]
    for sound_of in (kick, 0.8 * np.exp(-t / 0.2) * np.sin(2 * np.pi * 90 * t), *notes):
        path = write(tmp_path / "a.wav", sound_of[None].astype(np.float32), 44100, "FLOAT")
        assert kinds(measure(path)) == []


@pytest.mark.parametrize("value", [32.0, 1e6, -1e6, 1e20, 3e38])
@pytest.mark.parametrize("place", [(0, 5), (1, 31_999)])
def test_one_corrupt_sample_is_a_problem(tmp_path: Path, value: float, place: tuple[int, int]) -> None:
    audio = noise(3.0, 2, 16000)
    audio[place] = value
    found = measure(write(tmp_path / "a.wav", audio, 16000, "FLOAT"))
    assert kinds(found) == ["beyond-full-scale"]
    assert "1 samples lie beyond 30 dBFS, as in no sound" in found.problems[0][1]
    assert found.peak_db == pytest.approx(20 * np.log10(abs(value)), abs=0.1)
    assert np.isfinite(found.envelope).all()
    assert np.isfinite(found.loudness_lufs)


@pytest.mark.parametrize("value", [2.5, 10.0, 30.0])
def test_one_sample_that_outshouts_all_others_is_corrupt(tmp_path: Path, value: float) -> None:
    audio = 0.1 * noise(3.0, 1, 16000)
    audio[0, 20_000] = value
    found = measure(write(tmp_path / "a.wav", audio, 16000, "FLOAT"))
    assert kinds(found) == ["beyond-full-scale"]
    assert "in 1 hops of 100 ms a single sample outshouts all others" in found.problems[0][1]


@pytest.mark.parametrize("peak_db", [0.0, 6.0, 12.0, 20.0, 29.0])
def test_loud_floating_point_stems_are_sound(tmp_path: Path, peak_db: float) -> None:
    t = np.arange(3 * 16000) / 16000
    beats = np.exp(-40 * (t % 0.5)) * np.sin(2 * np.pi * 60 * t)  # a drum
    steady = [np.sin(2 * np.pi * 440 * t)] if peak_db <= 12.0 else []
    for signal in (beats, *steady):
        audio = (10 ** (peak_db / 20) * signal / np.abs(signal).max() * 0.99).astype(np.float32)[None]
        assert kinds(measure(write(tmp_path / "a.wav", audio, 16000, "FLOAT"))) == []


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_integers_stored_as_floats_are_called_so(tmp_path: Path, bits: int) -> None:
    audio = np.rint(np.clip(noise(3.0, 2, 16000), -1, 1) * 2.0 ** (bits - 1)).astype(np.float32)
    found = measure(write(tmp_path / "a.wav", audio, 16000, "FLOAT"))
    assert kinds(found) == ["beyond-full-scale"]
    assert f"it looks like {bits}-bit integers stored as floats" in found.problems[0][1]


def test_what_is_far_too_loud_throughout_is_no_sound_below_the_limit_of_peaks(tmp_path: Path) -> None:
    found = measure(write(tmp_path / "a.wav", np.rint(tone(3.0, amplitude=0.06 * 128)), subtype="FLOAT"))
    assert kinds(found) == ["beyond-full-scale"]
    assert "it looks like 8-bit integers stored as floats" in found.problems[0][1]


def test_denormal_numbers_are_silence(tmp_path: Path) -> None:
    audio = np.full((1, 16000), 1e-40, dtype=np.float32)
    found = measure(write(tmp_path / "a.wav", audio, 16000, "FLOAT"))
    assert kinds(found) == []
    assert (found.envelope == FLOOR_DB).all()


@pytest.mark.parametrize(("rate", "channels"), [(1, 1), (2000, 2), (200_000_000, 1), (44100, 100)])
def test_rates_and_channels_of_no_sound_are_not_measured(tmp_path: Path, rate: int, channels: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.full((4000, channels), 0.25), rate, subtype="FLOAT")
    found = measure(path)
    assert kinds(found) == ["unsupported"]
    assert "found a header" in found.problems[0][1]
    assert (found.frames, len(found.envelope)) == (0, 0)


WHOLE = [name for name in KINDS if not name.endswith("-cut")]


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_file_has_no_problem_and_all_its_samples(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(KINDS[name]())
    found = measure(path)
    assert [kind for kind in kinds(found) if kind in LENGTH_PROBLEMS] == []
    seconds = {"opus": 3, "opus-speech": 3, "opus-joined": 4, "vorbis-mono-16k": 6, "vorbis-joined": 6}
    seconds |= {"mp3-joined": 6, "mp3-joined-with-tags": 6}
    seconds |= {
        f"mp3-without-its-beginning-{rate}": s for rate, s in ((44100, 3.5), (22050, 3.5), (8000, 2.8))
    }
    # ADPCM fills its last block; MP3 without a tag has its encoder's delay, and joined files have one each.
    assert found.frames / found.sample_rate == pytest.approx(seconds.get(name, 4), abs=0.25)
    assert len(found.envelope) == int(np.ceil(found.frames / (found.sample_rate / 10)))


LENGTH_PROBLEMS = {"unreadable", "damaged", "truncated", "joined", "header", "empty"}


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (encode(sound(), "WAV", "PCM_16")[:100_000], "truncated", "Expected 88200 samples"),
        (encode(sound(), "AIFF", "PCM_24")[:100_000], "truncated", "Expected 88200 samples"),
        (encode(sound(), "W64", "PCM_16")[:100_000], "truncated", "Expected 88200 samples"),
        (encode(sound(), "RF64", "PCM_16")[:100_000], "truncated", "Expected 88200 samples"),
        (encode(sound(), "AU", "PCM_16")[:100_000], "truncated", "Expected 88200 samples"),
        (encode(sound(), "WAV", "IMA_ADPCM")[:50_000], "truncated", "bytes of audio, 49940 are there"),
        (flac_with_total(encode(sound(), "FLAC", "PCM_16"), 100_000), "truncated", "Expected 100000 samples"),
        (KINDS["vorbis-cut"](), "truncated", "It has no last page"),
        (KINDS["mp3-cut"](), "truncated", "Its last frame is cut off"),
        (mp3(sound())[:-2000], "truncated", "Expected "),
        (wav_with_size(encode(sound(), "WAV", "PCM_16"), 99_992), "header", "252808 bytes follow"),
        (mp3(sound()) + mp3(sound(rate=44100), 44100), "joined", "its rate or number of channels is another"),
    ],
)
def test_what_is_missing_is_said_once(tmp_path: Path, data: bytes, kind: str, message: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    found = [problem for problem in measure(path).problems if problem[0] in LENGTH_PROBLEMS]
    ((found_kind, text),) = found
    assert found_kind == kind
    assert message in text
    assert str(path) in text


def test_a_flac_file_of_unknown_length_that_is_cut_is_measured_up_to_there(tmp_path: Path) -> None:
    data = flac_with_total(encode(sound(20), "FLAC", "PCM_16"), 0)
    path = tmp_path / "file.flac"
    path.write_bytes(data[: len(data) // 2])
    found = measure(path)
    assert found.frames / found.sample_rate == pytest.approx(10.0, abs=1.5)
    text = dict(found.problems)["truncated"]
    assert f"{found.frames} samples of {path} decode before its data is damaged" in text
