"""Effects that recordings have: each keeps a law of the signal, measured by another method than makes it."""

import itertools
import math
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.signal
import soundfile

from mixlab import Catalog, MixConfig, MixDataset, MixItems, MixLoader
from mixlab.audio.codecs import through_codec
from mixlab.audio.convolution import convolve, fast_length
from mixlab.audio.dynamics import compress, limit
from mixlab.audio.loudness import loudness_lufs
from mixlab.audio.noise import NOISES
from mixlab.audio.rooms import SPEED_OF_SOUND, Room, room_response
from mixlab.audio.varispeed import swing_speed
from mixlab.errors import CatalogMismatchError, ConfigError, MissingDependencyError
from mixlab.mixing.effects import EFFECTS, find_effect
from mixlab.mixing.effects.dynamics import Compressor, Limiter, Saturation
from mixlab.mixing.effects.mastering import Mastering
from mixlab.mixing.effects.media import Codec, Wow
from mixlab.mixing.effects.noise import Background, Noise
from mixlab.mixing.effects.sound_files import _hash_sounds, _list_sounds
from mixlab.mixing.effects.space import Convolution, Reverb, RoomReverb, Width
from mixlab.mixing.effects.tone import BandLimit, EqCurve, Telephone
from mixlab.utils.hashing import file_digest
from mixlab.utils.random import Stream
from tests.errors import raises

RATE = 16000


def noise(channels: int = 1, seconds: float = 2.0, seed: int = 0, level: float = 0.1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal((channels, round(seconds * RATE)))).astype(np.float32)


def tone(hz: float, level_db: float = -10.0, seconds: float = 1.0, rate: int = RATE) -> np.ndarray:
    """A sine whose mean power is ``level_db``."""
    time = np.arange(round(seconds * rate)) / rate
    return (10 ** (level_db / 20) * math.sqrt(2) * np.sin(2 * np.pi * hz * time)).astype(np.float32)[None]


def impulse(samples: int = 16384) -> np.ndarray:
    out = np.zeros((1, samples), dtype=np.float32)
    out[0, 0] = 1.0
    return out


def power_db(audio: np.ndarray) -> float:
    return float(10 * np.log10(np.mean(np.square(audio, dtype=np.float64))))


def response_db(audio: np.ndarray, hz: float, rate: int = RATE) -> float:
    """Gain of an impulse response at a frequency, by its Fourier sum."""
    n = np.arange(audio.shape[1])
    return float(20 * np.log10(abs(np.sum(audio[0] * np.exp(-2j * np.pi * hz / rate * n)))))


def decay_s(response: np.ndarray, rate: int = RATE) -> float:
    """Time of a decay by 60 dB, from -5 to -25 dB of Schroeder's integral (ISO 3382)."""
    energy = np.cumsum(np.square(response[::-1], dtype=np.float64))[::-1]
    level_db = 10 * np.log10(energy / energy[0] + 1e-30)
    first, last = (int(np.argmax(level_db < limit_db)) for limit_db in (-5.0, -25.0))
    return (last - first) / rate * 3.0


# --- Level -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level_db", [-40.0, -20.0, -10.0, 0.0])
@pytest.mark.parametrize("knee_db", [0.0, 6.0])
def test_a_compressor_follows_its_static_curve(level_db: float, knee_db: float) -> None:
    found = compress(tone(1000.0, level_db), RATE, threshold_db=-20.0, ratio=4.0, knee_db=knee_db)
    over = level_db + 20.0
    expected = level_db - (0.75 * max(over, 0.0) if abs(over) > knee_db / 2 else 0.75 * knee_db / 8)
    assert power_db(found[:, RATE // 2 :]) == pytest.approx(expected, abs=0.1)


def test_a_compressor_takes_its_time() -> None:
    """After a step up by 20 dB, and one down, the gain goes the way of its time constants."""
    steps = np.concatenate([tone(1000.0, level) for level in (-40.0, 0.0, -40.0)], axis=1)
    settings = {"threshold_db": -20.0, "ratio": 2.0, "knee_db": 0.0, "attack_ms": 50.0, "release_ms": 200.0}
    found = compress(steps, RATE, **settings)  # type: ignore[arg-type]

    def gain_db(second: float) -> float:
        part = slice(round((second - 0.005) * RATE), round((second + 0.005) * RATE))
        return power_db(found[:, part]) - power_db(steps[:, part])

    assert gain_db(1.0 + 0.055) == pytest.approx(-10.0 * (1 - 1 / math.e), abs=1.0)
    assert gain_db(1.9) == pytest.approx(-10.0, abs=0.1)
    # The level's own 10 ms fall for 46 ms until it is below the threshold; then the release begins.
    assert gain_db(2.046 + 0.2) == pytest.approx(-10.0 / math.e, abs=1.0)


def test_a_compressor_judges_a_sound_by_its_own_level() -> None:
    audio, effect = noise(2), Compressor(-6.0, 4.0, 5.0, 50.0)
    np.testing.assert_allclose(
        effect.apply(audio * np.float32(0.01), RATE), 0.01 * effect.apply(audio, RATE), atol=1e-6
    )


@pytest.mark.parametrize("ceiling_db", [-40.0, -12.0, -0.5, 40.0])
def test_a_limiter_lets_nothing_over_its_ceiling_and_leaves_the_rest(ceiling_db: float) -> None:
    audio = noise(2, level=0.3)
    audio[1, 5000] = 5.0
    found, lowest_db = limit(audio, RATE, ceiling_db)
    assert np.abs(found).max() <= 10 ** (ceiling_db / 20)
    assert lowest_db <= min(ceiling_db - 20 * math.log10(5.0), 0.0) + 1e-4
    with np.errstate(divide="ignore", invalid="ignore"):
        gains = found / audio
    np.testing.assert_allclose(gains[0], gains[1], rtol=1e-4)  # one gain for both channels
    if ceiling_db > 20:
        np.testing.assert_array_equal(found, audio)


def test_a_limiter_brings_the_peak_down_by_what_it_says() -> None:
    audio = noise(2)
    found = Limiter(6.0, 50.0).apply(audio, RATE)
    assert 20 * np.log10(np.abs(audio).max() / np.abs(found).max()) == pytest.approx(6.0, abs=0.05)


@pytest.mark.parametrize("bias", [0.0, 0.3])
@pytest.mark.parametrize("shape", ["soft", "hard"])
def test_saturation_makes_overtones_and_keeps_the_level(shape: Any, bias: float) -> None:
    audio = tone(500.0)
    found = Saturation(shape, 12.0, bias).apply(audio, RATE)
    assert power_db(found) == pytest.approx(power_db(audio), abs=0.01)
    assert abs(float(found.mean())) < 1e-4
    levels = [response_db(found[:, 1000:15000] * np.hanning(14000), 500.0 * n) for n in (1, 2, 3)]
    assert -40.0 < levels[2] - levels[0] < -3.0
    assert (levels[1] - levels[0] < -70.0) == (bias == 0.0)  # even overtones are those of a bias
    assert power_db(Saturation("soft", -40.0, 0.0).apply(audio, RATE) - audio) < power_db(audio) - 60.0


# --- Noise -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("snr_db", [-5.0, 20.0])
def test_noise_has_the_ratio_asked_for(kind: Any, snr_db: float) -> None:
    audio = tone(700.0).repeat(2, axis=0)
    added = Noise(kind, snr_db, 3).apply(audio, RATE) - audio
    assert power_db(audio) - power_db(added) == pytest.approx(snr_db, abs=0.1)
    assert not Noise(kind, snr_db, 3).apply(np.zeros_like(audio), RATE).any()


@pytest.mark.parametrize(("kind", "slope_db"), [("white", 0.0), ("pink", -3.01)])
def test_noise_has_the_slope_of_its_colour(kind: Any, slope_db: float) -> None:
    sound = NOISES[kind](1, 1 << 19, RATE, 1)[0]
    hz, density = scipy.signal.welch(sound, RATE, nperseg=2048)
    band = (hz > 100) & (hz < 6000)
    slope = np.polyfit(np.log2(hz[band]), 10 * np.log10(density[band]), 1)[0]
    assert slope == pytest.approx(slope_db, abs=0.15)


def test_hum_is_the_mains_and_its_overtones() -> None:
    spectrum = np.abs(np.fft.rfft(NOISES["hum_60"](1, RATE, RATE, 1)[0]))
    strong = np.flatnonzero(spectrum > spectrum.max() * 1e-3)
    assert strong[0] == 60
    assert not (strong % 60).any()


# --- Frequencies -----------------------------------------------------------------------------------------


def test_an_equaliser_has_its_gains_where_it_says() -> None:
    gains_db = (3.0, -4.0, 6.0, 0.0, -6.0, 2.0, -1.0, 5.0, 5.0)
    for rate in (16000, 44100):
        found = EqCurve(gains_db).apply(impulse(), rate)
        for n, gain_db in enumerate(gains_db[:7]):
            assert response_db(found, 62.5 * 2**n, rate) == pytest.approx(gain_db, abs=0.6)
        between = math.sqrt(2.0) * 1000.0
        assert response_db(found, between, rate) == pytest.approx((gains_db[4] + gains_db[5]) / 2, abs=0.3)
        assert np.abs(found[0, :40]).max() == np.abs(found).max()  # nothing comes before its cause


@pytest.mark.parametrize(("low_hz", "high_hz"), [(50.0, 3000.0), (300.0, 3400.0)])
def test_a_band_is_limited_as_scipy_limits_it(low_hz: float, high_hz: float) -> None:
    found = BandLimit(low_hz, high_hz).apply(impulse(), RATE)
    expected = impulse()
    for kind, hz in (("high", low_hz), ("low", high_hz)):
        expected = scipy.signal.sosfilt(scipy.signal.butter(4, hz, kind, fs=RATE, output="sos"), expected)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert response_db(found, low_hz) == pytest.approx(-3.0, abs=0.2)
    assert response_db(found, high_hz) == pytest.approx(-3.0, abs=0.2)


def test_a_telephone_has_its_band_and_the_steps_of_eight_bits() -> None:
    effect = Telephone(300.0, 3400.0)
    for hz, expected_db in ((100.0, -35.0), (6000.0, -35.0)):
        audio = tone(1000.0, -10.0) + tone(hz, -10.0)
        lost = effect.apply(audio, RATE) - effect.apply(tone(1000.0, -10.0), RATE)
        assert power_db(lost) < -10.0 + expected_db + 10.0
    audio = tone(1000.0)
    error = effect.apply(audio, RATE)[:, 2000:-2000]
    fit = BandLimit(300.0, 3400.0).apply(audio, RATE)[:, 2000:-2000]
    assert 30.0 < power_db(fit) - power_db(error - fit) < 45.0  # G.711 has about 38 dB


# --- Space -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("taps", [1, 700, 50000])
@pytest.mark.parametrize("channels", [1, 2])
def test_convolution_is_that_of_scipy(taps: int, channels: int) -> None:
    audio, response = noise(2), noise(channels, seed=1)[:, :taps]
    expected = scipy.signal.fftconvolve(audio, response, axes=1)[:, : audio.shape[1]]
    np.testing.assert_allclose(convolve(audio, response), expected, atol=2e-5)


def test_lengths_of_transforms_are_the_least_without_large_factors() -> None:
    for samples in (1, 2, 7, 11, 1000, 65537, 83999):
        expected = samples
        while not _smooth(expected):
            expected += 1
        assert fast_length(samples) == expected


def _smooth(n: int) -> bool:
    for factor in (2, 3, 5):
        while n % factor == 0:
            n //= factor
    return n == 1


@pytest.mark.parametrize("seconds", [0.3, 0.8])
@pytest.mark.parametrize("size_m", [(4.0, 3.2, 2.5), (10.0, 7.0, 4.0)])
def test_a_room_decays_in_its_time(size_m: tuple[float, float, float], seconds: float) -> None:
    found = []
    for seed in range(3):
        room = Room(size_m, (1.1, 2.2, 1.3), (2.7, 1.4, 1.6), seconds, seed)
        found.append(decay_s(room_response(room, 1, RATE)[0]))
    assert np.mean(found) == pytest.approx(seconds, rel=0.1)


def test_early_reflections_are_the_images_of_allen_and_berkley() -> None:
    """For 15 ms, against the mirror images written out one by one (equation 9 there)."""
    room = Room((5.0, 4.0, 3.0), (1.0, 1.5, 1.2), (3.5, 2.0, 1.7), 0.5, 0)
    samples = round(0.015 * RATE)
    first_s = math.dist(room.source_m, room.microphone_m) / SPEED_OF_SOUND
    expected = np.zeros(samples)
    for n in itertools.product(range(-3, 4), repeat=3):
        for p in itertools.product((0, 1), repeat=3):
            image = [(1 - 2 * p[a]) * room.source_m[a] + 2 * n[a] * room.size_m[a] for a in range(3)]
            bounces = sum(abs(n[a] - p[a]) + abs(n[a]) for a in range(3))
            distance = math.dist(image, room.microphone_m)
            offset = np.arange(samples) - (distance / SPEED_OF_SOUND - first_s) * RATE
            window = 0.5 + 0.5 * np.cos(np.pi * np.clip(offset / 16.0, -1.0, 1.0))
            expected += (-room.reflection) ** bounces / distance * np.sinc(offset) * window
    found = room_response(room, 1, RATE)[0, :samples]
    np.testing.assert_allclose(found, expected, atol=0.02 * expected[0])
    assert expected[0] == pytest.approx(1.0 / math.dist(room.source_m, room.microphone_m), rel=0.01)


def test_the_tail_goes_on_where_the_images_end() -> None:
    levels = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        places = rng.uniform(0.2, 0.8, (2, 3)) * (6.0, 5.0, 3.0)
        room = Room((6.0, 5.0, 3.0), tuple(places[0]), tuple(places[1]), 0.6, seed)  # type: ignore[arg-type]
        response = room_response(room, 1, RATE)[0]
        edge = round(0.06 * RATE)
        levels.append([power_db(response[edge - 320 : edge]), power_db(response[edge : edge + 320])])
    before, after = np.mean(levels, axis=0)
    # Sound falls by 2 dB in 20 ms here.
    assert after - before == pytest.approx(-2.0, abs=1.5)


def test_a_reverb_keeps_length_and_level_and_rings_on() -> None:
    audio = np.concatenate([noise(2, 1.0), np.zeros((2, RATE), np.float32)], axis=1)
    for effect in (
        RoomReverb((6.0, 5.0, 3.0), (1.0, 2.0, 1.0), (4.0, 3.0, 2.0), 0.6, 1.0, 1),
        Reverb(0.7, 0.2, 1.0, 1.0),
    ):
        if isinstance(effect, Reverb):
            pytest.importorskip("pedalboard")
        found = effect.apply(audio, RATE)
        assert found.shape == audio.shape
        assert power_db(found) == pytest.approx(power_db(audio), abs=1.5)
        assert power_db(found[:, RATE : RATE + 800]) > power_db(audio) - 15.0
        dry = type(effect)(**{**vars(effect), "wet": 0.0})
        np.testing.assert_array_equal(dry.apply(audio, RATE), audio)


def test_a_larger_algorithmic_reverb_decays_for_longer() -> None:
    pytest.importorskip("pedalboard")
    times = [decay_s(Reverb(size, 0.1, 1.0, 1.0).apply(impulse(64000), RATE)[0]) for size in (0.1, 0.5, 0.9)]
    assert times[0] < 0.8 * times[1] < 0.64 * times[2]


def test_reverb_without_pedalboard_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pedalboard", None)
    wanted = ("'reverb'", "mixlab[effects]", "'room'")
    with raises(MissingDependencyError, code="missing-dependency", mentions=wanted):
        Reverb(0.5, 0.5, 1.0, 0.5).apply(noise(), RATE)


@pytest.mark.parametrize("width", [0.0, 0.5, 2.0])
def test_width_scales_the_side_and_leaves_the_middle(width: float) -> None:
    audio = noise(2)
    found = Width(width).apply(audio, RATE)
    np.testing.assert_allclose(found.sum(axis=0), audio.sum(axis=0), atol=1e-6)
    np.testing.assert_allclose(found[0] - found[1], width * (audio[0] - audio[1]), atol=1e-6)
    np.testing.assert_array_equal(Width(width).apply(audio[:1], RATE), audio[:1])


# --- Carriers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["mp3", "opus", "aac"])
@pytest.mark.parametrize(("rate", "channels", "kbps"), [(16000, 1, 32), (22050, 1, 48), (44100, 2, 128)])
def test_a_codec_keeps_length_and_place(codec: Any, rate: int, channels: int, kbps: int) -> None:
    if codec == "aac" and shutil.which("ffmpeg") is None:
        pytest.skip("the program 'ffmpeg' is not installed")
    rng = np.random.default_rng(0)
    rough = scipy.signal.lfilter([1.0], [1.0, -0.9], rng.standard_normal((channels, rate)), axis=1)
    audio = (0.1 * rough * (1.0 + np.sign(np.sin(np.arange(rate) / 900)))).astype(np.float32)
    found = through_codec(audio, rate, codec, kbps)
    assert found.shape == audio.shape
    assert found.dtype == np.float32
    for wanted, got in zip(audio, found, strict=True):
        correlation = scipy.signal.correlate(got, wanted, method="fft")
        late = int(correlation.argmax()) - (rate - 1)
        # Where Opus takes its speech mode, it comes 1.2 samples of its 48 kHz early.
        assert late == 0 or (codec == "opus" and rate == 22050 and late == -1)
        assert correlation.max() > 0.8 * np.linalg.norm(got) * np.linalg.norm(wanted)
    np.testing.assert_array_equal(through_codec(audio, rate, codec, kbps), found)


@pytest.mark.parametrize("codec", ["mp3", "opus"])
def test_more_bits_lose_less(codec: Any) -> None:
    audio = noise(1, 1.0)
    errors = [power_db(through_codec(audio, RATE, codec, kbps) - audio) for kbps in (16, 48, 128)]
    assert errors[0] > errors[1] + 1.0 > errors[2] + 2.0


def test_a_codec_takes_what_is_beyond_full_scale() -> None:
    audio = tone(440.0, 10.0, 0.5)
    found = Codec("opus", 96).apply(audio, RATE)
    assert np.abs(found).max() == pytest.approx(np.abs(audio).max(), rel=0.1)


def test_aac_without_its_program_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with raises(MissingDependencyError, code="missing-dependency", mentions=("ffmpeg", "mp3", "opus")):
        Codec("aac", 64).apply(noise(), RATE)


@pytest.mark.parametrize("rate_hz", [0.6, 5.0])
def test_wow_swings_the_pitch_at_its_rate_and_depth(rate_hz: float) -> None:
    seconds, depth = 10.0, 0.01
    played = swing_speed(tone(1000.0, seconds=seconds), RATE, [(rate_hz, depth, 0.5)])[0]
    phase = np.unwrap(np.angle(scipy.signal.hilbert(played)))
    # Over 5 ms, five turns of the tone, what the transform gets wrong of each one cancels.
    speed = np.convolve(np.gradient(phase), np.full(80, 1 / 80), "same") * RATE / (2 * np.pi * 1000.0) - 1.0
    time = np.arange(len(speed)) / RATE
    inner = slice(RATE // 2, -RATE // 2)
    expected = depth * np.cos(2 * np.pi * rate_hz * time + 0.5)
    assert np.corrcoef(speed[inner], expected[inner])[0, 1] > 0.999
    assert np.ptp(speed[inner]) == pytest.approx(2 * depth, rel=0.05)
    assert np.abs(speed[inner]).mean() == pytest.approx(2 * depth / np.pi, rel=0.05)


def test_wow_is_for_sources_that_need_not_fit_together() -> None:
    assert Wow.changes_pitch_or_time
    assert Wow.stages() == ("source", "mixture")


# --- Mastering -------------------------------------------------------------------------------------------


def song(seconds: float = 4.0) -> np.ndarray:
    beats = 0.2 + np.exp(-((np.arange(round(seconds * RATE)) % 8000) / 1200.0))
    return noise(2, seconds) * beats.astype(np.float32)


@pytest.mark.parametrize("target_lufs", [-30.0, -14.0])
def test_mastering_reaches_its_loudness_below_its_ceiling(target_lufs: float) -> None:
    result = Mastering(2.0, -1.0, 1.0, 2.0, target_lufs, -1.0, 9.0).result(song(), RATE)
    assert result.reached
    assert loudness_lufs(result.audio, RATE) == pytest.approx(target_lufs, abs=0.1)
    assert result.lufs == pytest.approx(target_lufs, abs=0.1)
    assert np.abs(result.audio).max() <= 10 ** (-1 / 20)


def test_mastering_says_that_its_ceiling_forbids_the_target() -> None:
    result = Mastering(0.0, 0.0, 0.0, 1.0, -3.0, -1.0, 3.0).result(song(), RATE)
    assert not result.reached
    assert result.lufs < -4.0
    assert np.abs(result.audio).max() <= 10 ** (-1 / 20)


@pytest.mark.parametrize(("target_lufs", "most_db"), [(-14.0, 9.0), (-3.0, 3.0), (-3.0, 20.0)])
def test_mastering_tells_of_its_shortfall_what_its_result_says(target_lufs: float, most_db: float) -> None:
    effect = Mastering(0.0, 0.0, 0.0, 1.0, target_lufs, -1.0, most_db)
    result = effect.result(song(), RATE)
    told = effect.shortfall(effect.apply(song(), RATE), RATE)
    assert (told == "") == result.reached
    if told:
        assert f"{result.lufs:.1f}" in told
        assert f"{target_lufs:.1f}" in told


def test_mastering_tells_that_silence_has_no_loudness() -> None:
    assert "-14.0" in Mastering(0.0, 0.0, 0.0, 1.0, -14.0, -1.0, 9.0).shortfall(np.zeros((1, RATE)), RATE)


def test_mastering_leaves_silence_silent() -> None:
    assert (
        not Mastering(2.0, 0.0, 0.0, 2.0, -14.0, -1.0, 6.0).apply(np.zeros((2, RATE), np.float32), RATE).any()
    )


# --- Users' sounds ---------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An impulse response whose direct sound comes late, and a recording, in a folder within."""
    response = np.zeros(2000, dtype=np.float32)
    response[100], response[500], response[1500] = 0.8, -0.4, 0.2
    soundfile.write(tmp_path / "hall.wav", response, RATE, subtype="FLOAT")
    (tmp_path / "rooms").mkdir()
    soundfile.write(tmp_path / "rooms" / "street.flac", noise(1, 0.5)[0], RATE)
    return tmp_path


def test_a_recorded_response_is_that_of_scipy_with_its_direct_sound_in_place(folder: Path) -> None:
    response, _ = soundfile.read(folder / "hall.wav", dtype="float32")
    effect = Convolution(str(folder), "hall.wav", file_digest(folder / "hall.wav")[:16], 1.0)
    audio = noise(2)
    direct = response[100:] / np.sqrt(np.sum(response[100:] ** 2))
    expected = scipy.signal.fftconvolve(audio, direct[None], axes=1)[:, : audio.shape[1]]
    np.testing.assert_allclose(effect.apply(audio, RATE), expected, atol=2e-5)


def test_a_background_is_a_stretch_of_its_recording_again_and_again(folder: Path) -> None:
    file = folder / "rooms" / "street.flac"
    recorded, _ = soundfile.read(file, dtype="float32")
    effect = Background(str(folder), "rooms/street.flac", file_digest(file)[:16], 0.2, 6.0)
    audio = tone(500.0, seconds=1.5)
    added = (effect.apply(audio, RATE) - audio)[0]
    looped = np.tile(np.roll(recorded, -round(0.2 * RATE)), 4)[: len(added)]
    assert np.corrcoef(added, looped)[0, 1] > 0.999
    assert power_db(audio) - power_db(added) == pytest.approx(6.0, abs=0.1)


@pytest.mark.parametrize("name", ["convolution", "background"])
def test_sounds_are_sampled_by_name_and_found_on_another_machine(
    name: str, folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind: Any = find_effect(name)
    sampled = [kind.sample(Stream(n), folder=str(folder)) for n in range(20)]
    assert {effect.file for effect in sampled} == {"hall.wav", "rooms/street.flac"}
    found = sampled[0].apply(noise(), RATE)
    moved = tmp_path_factory.mktemp("elsewhere") / "sounds"
    folder.rename(moved)
    with raises(ConfigError, code="sounds-not-found", mentions=(sampled[0].file, "MIXLAB_SOUNDS")):
        sampled[0].apply(noise(), RATE)
    monkeypatch.setenv("MIXLAB_SOUNDS", str(moved))
    np.testing.assert_array_equal(sampled[0].apply(noise(), RATE), found)
    soundfile.write(moved / sampled[0].file, noise(1, 0.1)[0], RATE)
    with raises(ConfigError, code="sound-changed", mentions=(sampled[0].file, sampled[0].content)):
        sampled[0].apply(noise(), RATE)


def _add(folder: Path) -> None:
    soundfile.write(folder / "cave.wav", noise(1, 0.1)[0], RATE)


def _rename(folder: Path) -> None:
    (folder / "hall.wav").rename(folder / "hall 2.wav")


def _replace_by_one_as_long(folder: Path) -> None:
    response, _ = soundfile.read(folder / "hall.wav", dtype="float32")
    soundfile.write(folder / "hall.wav", -response, RATE, subtype="FLOAT")


def _note(folder: Path) -> None:
    (folder / "notes.txt").write_text("no sound", encoding="utf-8")


@pytest.mark.parametrize("name", ["convolution", "background"])
@pytest.mark.parametrize(
    ("change", "matters"), [(_add, True), (_rename, True), (_replace_by_one_as_long, True), (_note, False)]
)
def test_a_position_is_refused_where_a_folder_of_sounds_has_changed(
    name: str,
    change: Callable[[Path], None],
    matters: bool,
    toy: Catalog,
    folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    def stream(place: Path, p: float = 0.5) -> MixLoader:
        entry = {"effect": name, "p": p, "folder": str(place)}
        config = MixConfig(effects={"custom": [entry]}, duration_s=0.5)
        return MixLoader(MixDataset(toy, config, epoch_size=4, batch_size=4))

    other = tmp_path_factory.mktemp("other") / "copy"
    shutil.copytree(folder, other)
    change(other)
    contents = [stream(place).mixes.config.effects.contents for place in (folder, other)]
    assert list(contents[0]) == [f"0 {name}"]
    assert (contents[0] != contents[1]) == matters
    assert MixDataset(toy).config.effects.contents == {}
    # The path stands in the configuration: the same one, found elsewhere, is what a position must tell apart.
    state = stream(folder).state_dict()
    stream(folder).load_state_dict(state)
    shutil.rmtree(folder)
    other.rename(folder)
    _list_sounds.cache_clear()  # as in another process
    _hash_sounds.cache_clear()
    if not matters:
        stream(folder).load_state_dict(state)
        return
    with raises(CatalogMismatchError, code="state-mismatch", mentions="content_hash="):
        stream(folder).load_state_dict(state)
    with raises(CatalogMismatchError, code="state-mismatch", mentions="content_hash="):
        MixItems(stream(folder).mixes).load_state_dict(state)


@pytest.mark.parametrize("name", ["convolution", "background"])
def test_folders_without_sounds_are_refused(name: str, tmp_path: Path) -> None:
    kind: Any = find_effect(name)
    with raises(ConfigError, code="missing-setting", mentions=(name, "folder")):
        kind.sample(Stream(0))
    with raises(ConfigError, code="sounds-not-found", mentions=(name, str(tmp_path))):
        kind.sample(Stream(0), folder=str(tmp_path))


@pytest.mark.parametrize("name", sorted(set(EFFECTS) - {"convolution", "background", "gain", "time_stretch"}))
def test_silence_stays_silence(name: str) -> None:
    silence = np.zeros((2, 8000), np.float32)
    kind: Any = find_effect(name)
    assert np.abs(kind.sample(Stream(1)).apply(silence, RATE)).max() < 1e-6
