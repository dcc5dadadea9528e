"""Levels: sound measures as it is, offsets, drifts and rumble do not, whatever the rate and the hop."""

import numpy as np
import pytest

from mixlab.audio.io import FLOOR_DB
from mixlab.audio.levels import decibels, envelope_db, hop_power, slow_basis

RATES = [4000, 8000, 11025, 16000, 22050, 44100, 48000, 192_000]


def sine(frequency_hz: float, rate: int, seconds: float = 1.05, phase: float = 0.3) -> np.ndarray:
    t = np.arange(round(seconds * rate)) / rate
    return np.sin(2 * np.pi * frequency_hz * t + phase).astype(np.float32)[None]


def relative_db(frequency_hz: float, rate: int) -> np.ndarray:
    """Level of whole hops less that of the sine itself, over several phases."""
    levels = [envelope_db(sine(frequency_hz, rate, 1.0, phase), rate) for phase in np.linspace(0, 3, 7)]
    return np.stack(levels).astype(np.float64) + 3.0103


@pytest.mark.parametrize("rate", RATES)
def test_the_envelope_of_a_sine_is_its_rms_level(rate: int) -> None:
    envelope = envelope_db(0.5 * sine(440, rate), rate).astype(np.float64)
    assert len(envelope) == 11  # ten whole hops and half of one
    np.testing.assert_allclose(envelope, 20 * np.log10(0.5 / np.sqrt(2)), atol=0.15)
    louder = envelope_db(sine(440, rate), rate).astype(np.float64)
    np.testing.assert_allclose(louder - envelope, 6.02, atol=0.03)


def test_the_envelope_of_silence_and_of_nothing() -> None:
    assert (envelope_db(np.zeros((2, 4000), dtype=np.float32), 8000) == FLOOR_DB).all()
    assert len(envelope_db(np.zeros((1, 0), dtype=np.float32), 8000)) == 0


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(
    ("frequency_hz", "least_db"), [(27.5, -2.0), (30.9, -1.2), (41.2, -0.6), (65.4, -0.4)]
)
def test_the_lowest_notes_keep_their_level(rate: int, frequency_hz: float, least_db: float) -> None:
    found = relative_db(frequency_hz, rate)
    assert found.min() > least_db
    assert found.max() < 0.1


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(("frequency_hz", "most_db"), [(0.5, -55), (1, -50), (5, -36), (10, -30), (15, -14)])
def test_what_is_slower_than_any_note_is_taken_out(rate: int, frequency_hz: float, most_db: float) -> None:
    assert relative_db(frequency_hz, rate).max() < most_db


@pytest.mark.parametrize("offset", [0.001, 0.01, 0.5, 1.0, -1.0])
@pytest.mark.parametrize("rate", [8000, 11025, 44100])
def test_an_offset_changes_no_level(offset: float, rate: int) -> None:
    sound = 1e-3 * np.random.default_rng(0).standard_normal((1, rate)).astype(np.float32)
    lifted = envelope_db(sound + np.float32(offset), rate).astype(np.float64)
    assert np.abs(lifted - envelope_db(sound, rate)).max() < 0.07
    assert (envelope_db(np.full((2, rate), offset, dtype=np.float32), rate) == FLOOR_DB).all()


def test_what_cancels_in_mono_has_no_level() -> None:
    left = sine(440, 8000)[0]
    assert (envelope_db(np.stack([left, -left]), 8000) == FLOOR_DB).all()
    np.testing.assert_array_equal(envelope_db(np.stack([left, left]), 8000), envelope_db(left[None], 8000))


@pytest.mark.parametrize("rate", [0.25, 0.5, 0.8, 1.0, 1.25, 4.0])
def test_hops_of_stretched_sources_follow_the_time_of_the_recording(rate: float) -> None:
    hop_s = 0.1 * rate
    hops = round(2.0 / hop_s)

    def level_db(audio: np.ndarray) -> np.ndarray:
        return decibels(hop_power(audio, 0, audio.shape[1], hops, 16000 * hop_s, hop_s))

    assert np.abs(level_db(sine(440, 16000, 2.0)) + 3.01).max() < 0.1
    assert level_db(sine(41.2, 16000, 2.0)).min() > -3.01 - (1.2 if rate >= 0.5 else 4.0)
    assert level_db(sine(2.0, 16000, 2.0)).max() < -30.0
    assert level_db(np.full((1, 32000), 0.5, dtype=np.float32)).max() == FLOOR_DB


def test_a_short_last_hop_loses_its_mean_alone() -> None:
    audio = sine(440, 8000, 0.12)  # one hop, and 160 samples
    assert envelope_db(audio, 8000)[1] == pytest.approx(-3.0, abs=0.3)
    assert len(envelope_db(audio[:, :801], 8000)) == 2
    assert envelope_db(audio[:, :801], 8000)[1] == FLOOR_DB  # a single sample


@pytest.mark.parametrize(("steps", "terms"), [(1, 1), (2, 2), (25, 6), (25, 24)])
def test_the_basis_is_orthonormal_and_holds_no_constant(steps: int, terms: int) -> None:
    basis = slow_basis(steps, terms)
    assert basis.shape == (terms - 1, steps)
    np.testing.assert_allclose(basis @ basis.T, np.eye(terms - 1), atol=1e-12)
    np.testing.assert_allclose(basis.sum(axis=1), 0.0, atol=1e-12)
