"""The vocoder moves pitch and time by what it is told, and changes nothing else about a sound."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mixlab.audio.phase_vocoder import Vocoder, _plan

RATE = 16000
VOCODER = Vocoder()

SETTINGS = [(0.0, 0.8), (0.0, 1.25), (2.0, 1.0), (-2.0, 1.0), (2.0, 0.8), (-2.0, 1.25), (0.37, 1.1)]
FAR = [(0.0, 0.25), (0.0, 4.0), (24.0, 1.0), (-24.0, 1.0), (12.0, 0.5), (-12.0, 2.0)]
EVERY = [(s, r) for s in (-24.0, -1.0, 0.0, 1.0, 24.0) for r in (0.25, 0.9, 1.0, 1.3, 4.0)]


def tone(frequency_hz, duration_s=2.0, amplitude=0.3):
    t = np.arange(round(duration_s * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * frequency_hz * t)).astype(np.float32)[None]


def noise(seed=0, duration_s=1.0, channels=1):
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((channels, round(duration_s * RATE)))).astype(np.float32)


def middle(audio):
    return audio[0, audio.shape[1] // 4 : -(audio.shape[1] // 4)].astype(np.float64)


def frequency(audio):
    """Frequency of the strongest partial in Hz, by parabolic interpolation on a log spectrum."""
    x = middle(audio)
    spectrum = np.log(np.abs(np.fft.rfft(x * np.hanning(len(x)), 1 << 18)) + 1e-12)
    k = int(spectrum.argmax())
    a, b, c = spectrum[k - 1 : k + 2]
    return (k + 0.5 * (a - c) / (a - 2 * b + c)) * RATE / (1 << 18)


def amplitude_at(audio, frequency_hz):
    x = middle(audio)
    window = np.hanning(len(x))
    wave = np.exp(-2j * np.pi * frequency_hz * np.arange(len(x)) / RATE)
    return 2 * abs(np.sum(x * window * wave)) / window.sum()


def partials(audio, frequencies_hz):
    """Ratio in dB of what steady partials explain to what they do not."""
    x = middle(audio)
    t = np.arange(len(x)) / RATE
    waves = np.stack([w(2 * np.pi * f * t) for f in frequencies_hz for w in (np.cos, np.sin)], axis=1)
    rest = x - waves @ np.linalg.lstsq(waves, x, rcond=None)[0]
    return 10 * np.log10(np.sum(x**2) / np.sum(rest**2))


@pytest.mark.parametrize(("semitones", "rate"), SETTINGS + FAR)
@pytest.mark.parametrize("tone_hz", [82.4, 440.0, 1500.0])
def test_tones_keep_level_and_purity_and_land_within_a_cent(tone_hz, semitones, rate):
    expected_hz = tone_hz * 2 ** (semitones / 12)
    if not 40.0 < expected_hz < 7000.0:
        pytest.skip("the tone leaves the range that is heard")
    out = VOCODER.process(tone(tone_hz, 4.0), RATE, semitones, rate)
    assert abs(1200 * np.log2(frequency(out) / expected_hz)) < 1.0
    assert abs(20 * np.log10(amplitude_at(out, expected_hz) / 0.3)) < 0.1
    assert partials(out, [expected_hz]) > 35.0


@pytest.mark.parametrize(("semitones", "rate"), SETTINGS)
@pytest.mark.parametrize("tone_hz", [3000.0, 6000.0])
def test_high_tones_stay_within_a_decibel(tone_hz, semitones, rate):
    expected_hz = tone_hz * 2 ** (semitones / 12)
    out = VOCODER.process(tone(tone_hz), RATE, semitones, rate)
    assert abs(20 * np.log10(amplitude_at(out, expected_hz) / 0.3)) < 1.0
    assert partials(out, [expected_hz]) > 35.0


@pytest.mark.parametrize(("semitones", "rate"), SETTINGS)
def test_a_chord_comes_out_as_a_chord(semitones, rate):
    notes = np.array([261.63, 329.63, 392.0])
    chord = sum(tone(note, 3.0, 0.1) for note in notes)
    assert partials(VOCODER.process(chord, RATE, semitones, rate), notes * 2 ** (semitones / 12)) > 20.0


@pytest.mark.parametrize("semitones", [7.0, 12.0, 24.0])
def test_nothing_folds_back_from_above_half_the_sample_rate(semitones):
    out = VOCODER.process(tone(7000.0), RATE, semitones, 1.0)
    assert np.abs(middle(out)).max() < 0.3 * 10 ** (-45 / 20)


@pytest.mark.parametrize(("semitones", "rate"), EVERY)
@pytest.mark.parametrize("samples", [0, 1, 7, 300, 5000])
def test_every_length_comes_out_at_its_length(samples, semitones, rate):
    out = VOCODER.process(noise(duration_s=1.0)[:, :samples], RATE, semitones, rate)
    assert out.shape == (1, round(samples / rate))
    assert out.dtype == np.float32
    assert out.flags.c_contiguous
    assert np.isfinite(out).all()
    assert np.abs(out).max(initial=0.0) < 3.0


@pytest.mark.parametrize(("semitones", "rate"), SETTINGS + FAR)
def test_the_level_is_even_from_head_to_tail(semitones, rate):
    audio = sum(tone(f, 4.0, 0.05) for f in (150.0, 333.0, 700.0, 1111.0))
    out = VOCODER.process(audio, RATE, semitones, rate)[0]
    edge, centre = RATE // 10, len(out) // 2
    for part in (out[:edge], out[centre - edge : centre + edge], out[-edge:]):
        assert abs(10 * np.log10(np.mean(part**2) / np.mean(audio**2))) < 4.0


@pytest.mark.parametrize(
    ("semitones", "rate", "late_s"),
    [
        *((s, r, 0.008) for s, r in SETTINGS),  # half a hop
        *((s, r, 0.032) for s, r in [(0.0, 0.5), (0.0, 2.0), (12.0, 1.0), (-12.0, 1.0)]),
    ],
)
def test_a_click_stays_a_click_at_its_time(semitones, rate, late_s):
    audio = np.zeros((1, RATE), np.float32)
    for place in (4000, 9001):
        audio[0, place] = 0.5
    power = VOCODER.process(audio, RATE, semitones, rate)[0].astype(np.float64) ** 2
    for place in (4000, 9001):
        t = np.arange(len(power)) / RATE - place / RATE / rate
        near = np.abs(t) < 0.09
        centre = np.sum(t[near] * power[near]) / np.sum(power[near])
        assert abs(centre) < late_s
        assert power[np.abs(t - centre) < 0.003].sum() > 0.6 * power[near].sum()


def test_time_does_not_drift():
    audio = np.zeros((1, 20 * RATE), np.float32)
    audio[0, 19 * RATE] = 0.5
    for rate in (0.8131, 1.2377):
        out = VOCODER.process(audio, RATE, 0.0, rate)[0]
        assert abs(int(np.abs(out).argmax()) - 19 * RATE / rate) < 128


@pytest.mark.parametrize(("semitones", "rate"), SETTINGS + FAR)
def test_silence_stays_silence(semitones, rate):
    assert not VOCODER.process(np.zeros((2, RATE), np.float32), RATE, semitones, rate).any()


def test_nothing_to_do_changes_nothing():
    audio = noise(2)
    out = VOCODER.process(audio, RATE, 0.0, 1.0)
    np.testing.assert_array_equal(out, audio)
    out[:] = 0.0
    assert audio.any()


@pytest.mark.parametrize(("semitones", "rate"), SETTINGS)
def test_input_is_left_alone_and_output_always_the_same(semitones, rate):
    audio = noise(3)
    before = audio.copy()
    audio.flags.writeable = False
    out = VOCODER.process(audio, RATE, semitones, rate)
    np.testing.assert_array_equal(audio, before)
    np.testing.assert_array_equal(out, VOCODER.process(audio, RATE, semitones, rate))


@pytest.mark.parametrize(("semitones", "rate"), SETTINGS)
def test_gain_passes_through(semitones, rate):
    audio = noise(4)
    quiet = VOCODER.process(audio * np.float32(0.125), RATE, semitones, rate)
    np.testing.assert_allclose(8 * quiet, VOCODER.process(audio, RATE, semitones, rate), atol=1e-5)


@pytest.mark.parametrize(("semitones", "rate"), SETTINGS)
def test_the_stereo_image_stays(semitones, rate):
    mono = noise(5)
    out = VOCODER.process(np.concatenate([mono, -0.5 * mono]), RATE, semitones, rate)
    np.testing.assert_allclose(out[1], -0.5 * out[0], atol=1e-5)
    np.testing.assert_allclose(out[0], VOCODER.process(mono, RATE, semitones, rate)[0], atol=1e-4)


def test_channels_laid_out_for_files_are_read_right():
    frames = np.asfortranarray(noise(6, channels=2))
    expected = VOCODER.process(np.ascontiguousarray(frames), RATE, 1.0, 1.1)
    np.testing.assert_array_equal(VOCODER.process(frames, RATE, 1.0, 1.1), expected)


def test_threads_change_nothing():
    sources = [(noise(n, 0.5, 1 + n % 2), RATE, s, r) for n, (s, r) in enumerate(SETTINGS)]
    single = [VOCODER.process(*source) for source in sources]
    with ThreadPoolExecutor(4) as pool:
        threaded = list(pool.map(lambda source: VOCODER.process(*source), sources))
    for a, b in zip(threaded, single, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("sample_rate", [4000, 8000, 11025, 22050, 32000, 44100, 48000, 96000])
def test_other_sample_rates_work_alike(sample_rate):
    t = np.arange(2 * sample_rate) / sample_rate
    audio = (0.3 * np.sin(2 * np.pi * 440.0 * t)).astype(np.float32)[None]
    out = middle(VOCODER.process(audio, sample_rate, 2.0, 0.9))
    t = np.arange(len(out)) / sample_rate
    expected_hz = 440.0 * 2 ** (2 / 12)
    wave = np.exp(-2j * np.pi * expected_hz * t)
    window = np.hanning(len(out))
    assert 2 * abs(np.sum(out * window * wave)) / window.sum() == pytest.approx(0.3, rel=0.01)


def test_longer_frames_hold_low_chords_together():
    notes = [110.0, 130.8, 164.8]
    chord = sum(tone(note, 3.0, 0.1) for note in notes)
    short, long = (partials(Vocoder(s).process(chord, RATE, 0.0, 0.8), notes) for s in (0.064, 0.128))
    assert long > max(25.0, short + 10.0)


def test_damaged_sound_does_not_outlast_the_damage():
    audio = tone(440.0)
    audio[0, 8000] = np.nan
    out = VOCODER.process(audio, RATE, 0.0, 0.8)[0]
    bad = np.flatnonzero(~np.isfinite(out))
    assert 0 < len(bad) < 3 * 1024
    assert np.std(out[-8000:]) == pytest.approx(0.3 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize("size", [64, 128, 256, 512, 1024, 2048, 4096, 8192])
def test_the_fourier_transform_is_numpys(size):
    from mixlab.audio._kernels.vocoder import fourier

    rng = np.random.default_rng(size)
    x = rng.standard_normal((2, size)).astype(np.float32)
    real, imag = fourier(x[0].copy(), x[1].copy(), *np.empty((2, size), np.float32), _plan(size).twiddles)
    np.testing.assert_allclose(real + 1j * imag, np.fft.fft(x[0] + 1j * x[1]), atol=1e-6 * size)
