"""Laws of what is computed over whole parts at once: filters in stretches, and what rooms answer."""

import numpy as np
import pytest
from scipy.signal import resample_poly, sosfilt

from mixlab.audio.filters import pass_sections, section
from mixlab.synthesis.filtering import filter_part, one_pole
from mixlab.synthesis.notes.amplifier import _driven
from mixlab.synthesis.notes.stem_chain import _answers
from mixlab.synthesis.singing.singers import _doubled

RATE = 44_100


@pytest.mark.parametrize("samples", [1, 70, 30_000, 200_000])
def test_filters_in_stretches_are_filters_in_one_go(samples: int) -> None:
    audio = np.random.default_rng(samples).standard_normal(samples).astype(np.float32)
    audio[: samples // 3] = 0.0
    sections = [
        *pass_sections("high_pass", 28.0, 2, RATE),
        section("low_shelf", 110.0, 5.0, 0.7, RATE),
        section("peak", 900.0, -6.0, 0.8, RATE),
        *pass_sections("low_pass", 4800.0, 4, RATE),
    ]
    filtered = filter_part(audio, sections)
    expected = sosfilt([(*each[:3], 1.0, *each[3:]) for each in sections], audio.astype(np.float64))
    assert np.abs(filtered - expected).max(initial=0.0) < 1e-6
    assert not filtered[: samples // 3].any()


def test_what_a_filter_forgets_becomes_silence() -> None:
    audio = np.zeros(400_000, np.float32)
    audio[:20_000] = 1.0
    assert not filter_part(audio, [section("peak", 500.0, 6.0, 0.7, RATE)])[200_000:].any()


@pytest.mark.parametrize("high", [0.0, 0.5, 4.0])
def test_a_shelf_of_one_pole_keeps_the_bass_and_scales_the_treble(high: float) -> None:
    b0, b1, b2, a1, a2 = one_pole(1700.0, RATE, high)
    kept = np.exp(-2.0 * np.pi * 1700.0 / RATE)
    for hz in (0.0, 1700.0, 9000.0, RATE / 2):
        z = np.exp(-2j * np.pi * hz / RATE)
        low = (1.0 - kept) / (1.0 - kept * z)
        assert (b0 + b1 * z + b2 * z**2) / (1.0 + a1 * z + a2 * z**2) == pytest.approx(
            low + (1.0 - low) * high
        )


@pytest.mark.parametrize("taps", [60, 200, 500])  # transforms of 256, 512 and 1024
def test_a_room_answers_as_a_convolution_does(taps: int) -> None:
    rng = np.random.default_rng(taps)
    audio = 0.1 * rng.standard_normal(9001).astype(np.float32)
    audio[2000:6000] = 0.0
    response = 0.05 * rng.standard_normal((2, taps)).astype(np.float32)
    answers = _answers(audio, response)
    half = audio[:9000].reshape(-1, 2).mean(axis=1)
    expected = np.array([np.convolve(half, channel)[:4500] for channel in response])
    assert np.abs(answers - expected).max() < 1e-5 * np.abs(expected).max()
    assert not answers[:, 1000 + taps : 3000].any()


@pytest.mark.parametrize("drive_db", [3.0, 30.0])
def test_an_amplifier_bends_as_tanh_does_far_above_the_rate(drive_db: float) -> None:
    def tone(times: int) -> np.ndarray:
        return np.asarray(np.sin(2.0 * np.pi * 1100.0 / (times * RATE) * np.arange(times * 10_000)))

    bent = _driven(tone(1).astype(np.float32), drive_db)
    curve = np.tanh(10.0 ** (drive_db / 20.0) * tone(64) + 0.1) - np.tanh(0.1)
    # Means over 64 samples, around the places of the others.
    expected = np.convolve(curve, np.ones(64) / 64, "same")[::64]
    found, wanted = (np.abs(np.fft.rfft(each[500:9320] * np.hanning(8820))) for each in (bent, expected))
    passed = slice(0, 1800)  # steps of 5 Hz, to 9 kHz
    assert np.abs(found - wanted)[passed].max() < 0.02 * wanted.max()
    assert not _driven(np.concatenate([np.zeros(900), tone(1)]).astype(np.float32), drive_db)[:800].any()


@pytest.mark.parametrize("samples", [1, 30, 3000])
def test_a_rate_is_doubled_as_scipy_does(samples: int) -> None:
    audio = np.random.default_rng(samples).standard_normal(samples).astype(np.float32)
    assert np.abs(_doubled(audio) - resample_poly(audio, 2, 1)).max() < 1e-5
