"""The synthesizers: pitch, no aliases, filters and envelopes that do what they say, effects."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mixlab.synthesis.events import Note
from mixlab.synthesis.modelled import MODELLED, ModelledPlayers
from mixlab.synthesis.players import SAMPLE_RATE
from mixlab.synthesis.synthesizers import PatchPlayer, Rack, sample_patch, sample_rack
from mixlab.synthesis.synthesizers.effects import chorus, drive, duck, echo
from mixlab.synthesis.synthesizers.patches import USES, Envelope, FmPatch, TablePatch
from mixlab.synthesis.synthesizers.synthesizer import beat_of, envelope
from mixlab.synthesis.synthesizers.waves import TABLES

NOTES = [Note(0.2 + 0.25 * k, 0.2, 50 + (0, 4, 7, 12)[k % 4], 90) for k in range(6)]
HELD = Envelope(0.005, 0.1, 1.0, 0.05)
OPEN = TablePatch("saw", amp=HELD, cutoff_hz=19_000.0, resonance=0.0, poles=2, tracking=0.0)
SYNTHS = ("synth lead", "synth pad", "bass synth")


def played(patch: TablePatch | FmPatch, pitch: int, seconds: float = 1.2) -> NDArray[np.float32]:
    """Return the held part of a note."""
    audio = PatchPlayer(patch, Rack()).play(
        [Note(0.0, seconds, pitch, 110)], seconds, np.random.default_rng(1)
    )
    return audio[round(0.2 * SAMPLE_RATE) : round((seconds - 0.1) * SAMPLE_RATE)]


def spectrum_db(audio: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return frequencies, and levels against the highest."""
    levels = np.abs(np.fft.rfft(audio * np.blackman(len(audio)))) + 1e-12
    return np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE), 20 * np.log10(levels / levels.max())


@pytest.mark.parametrize("use", USES)
def test_every_patch_has_its_length_stays_finite_and_never_clips(use: str) -> None:
    for seed in range(4):
        rng = np.random.default_rng([seed, 9])
        player = PatchPlayer(sample_patch(use, rng), sample_rack(use, rng))
        audio = player.play(NOTES, 1.7001, rng)
        assert audio.shape == (round(1.7001 * SAMPLE_RATE),)
        assert audio.dtype == np.float32
        assert np.isfinite(audio).all()
        assert 0.2 < np.abs(audio).max() < 1.0
        assert not player.play([], 0.5, rng).any()
        assert not player.play([Note(2.0, 1.0, 60, 90)], 0.5, rng).any()


@pytest.mark.parametrize("instrument", SYNTHS)
def test_the_same_seed_gives_the_same_samples_and_another_seed_another_patch(instrument: str) -> None:
    def sound(seed: int) -> bytes:
        player = ModelledPlayers().find(instrument, np.random.default_rng(seed))
        assert player is not None
        return player.play(NOTES, 1.0, np.random.default_rng(7)).tobytes()

    assert sound(1) == sound(1)
    assert sound(1) != sound(2)


def test_what_is_not_modelled_has_no_player() -> None:
    assert ModelledPlayers().find("violin", np.random.default_rng(1)) is None
    assert set(SYNTHS) < set(MODELLED)


@pytest.mark.parametrize("table", sorted(TABLES))
@pytest.mark.parametrize("pitch", [36, 69, 93])
def test_an_oscillator_has_the_written_pitch_and_no_aliases(table: str, pitch: int) -> None:
    hertz = 440 * 2 ** ((pitch - 69) / 12)
    hz, levels = spectrum_db(
        played(TablePatch(table, 1.5, amp=HELD, cutoff_hz=19_000, resonance=0, poles=2), pitch)
    )
    partials = np.round(hz / hertz)
    between = (np.abs(hz - partials * hertz) > 12) & (hz > 15)
    assert levels[between].max() < -60
    lowest = hz[(levels > -30) & (hz > 0.5 * hertz) & (hz < 1.5 * hertz)]
    assert len(lowest)
    assert abs(1200 * np.log2(lowest[levels[np.searchsorted(hz, lowest)].argmax()] / hertz)) < 10


@pytest.mark.parametrize("poles", [2, 4])
def test_the_filter_falls_by_six_decibels_an_octave_and_pole(poles: int) -> None:
    patch = TablePatch("saw", amp=HELD, cutoff_hz=500, resonance=0.0, poles=poles, tracking=0.0)
    hz, closed = spectrum_db(played(patch, 33))
    _, wide = spectrum_db(played(OPEN, 33))

    def gain(at_hz: float) -> float:
        near = np.abs(hz - round(at_hz / 55) * 55) < 8
        return float(closed[near].max() - wide[near].max())

    assert gain(2200) - gain(4400) == pytest.approx(6 * poles, abs=1.5)


def test_resonance_lifts_what_lies_at_the_cutoff() -> None:
    levels = []
    for resonance in (0.0, 0.8):
        patch = TablePatch("saw", amp=HELD, cutoff_hz=1100, resonance=resonance, poles=2, tracking=0.0)
        hz, found = spectrum_db(played(patch, 33))
        levels.append(found[np.abs(hz - 1100) < 8].max() - found[np.abs(hz - 55) < 8].max())
    assert levels[1] - levels[0] > 12


def test_fm_has_sidebands_at_the_modulators_distance() -> None:
    patch = FmPatch((1.0, 3.0), ((0, 1, 0.2),), (1.0, 0.0), (HELD, HELD))
    hz, levels = spectrum_db(played(patch, 69))
    for partial in (1, 2, 4, 5, 7):
        assert levels[np.abs(hz - 440 * partial) < 8].max() > -60
    assert levels[np.abs(hz - 440 * 3) < 8].max() < -60


def test_fm_has_no_aliases_at_high_pitch() -> None:
    patch = FmPatch((1.0, 7.0), ((0, 1, 0.6),), (1.0, 0.0), (HELD, HELD))
    hz, levels = spectrum_db(played(patch, 96))
    hertz = 440 * 2 ** (27 / 12)
    between = (np.abs(hz - np.round(hz / hertz) * hertz) > 12) & (hz > 15)
    assert levels[between].max() < -60


def test_an_envelope_rises_holds_and_dies_away() -> None:
    time = np.arange(0, 3, 0.001)
    level = envelope(Envelope(0.1, 0.2, 0.5, 0.4), 1.0, time)
    assert level[0] == 0
    assert level.argmax() == pytest.approx(100, abs=2)
    assert level[900] == pytest.approx(0.5, abs=0.01)
    assert level[1900] < 0.001


def test_a_louder_note_is_louder() -> None:
    def rms(velocity: int) -> float:
        notes = [Note(0.0, 0.5, 60, velocity), Note(1.0, 0.5, 60, 127)]
        audio = PatchPlayer(OPEN, Rack()).play(notes, 1.6, np.random.default_rng(1))
        return float(np.sqrt((audio[: SAMPLE_RATE // 2] ** 2).mean()))

    assert rms(30) < 0.5 * rms(100)


def test_effects_at_zero_change_nothing_and_keep_the_length_otherwise() -> None:
    audio = np.random.default_rng(0).standard_normal(20_000) * np.exp(-np.arange(20_000) / 3000)
    for same in (drive(audio, 0), chorus(audio, 0, 1, 0), echo(audio, 0.1, 0.5, 0), duck(audio, 0.5, 0, 0)):
        assert np.array_equal(same, audio)
    for other in (
        drive(audio, 0.5),
        chorus(audio, 2, 1, 0),
        echo(audio, 0.1, 0.5, 0.5),
        duck(audio, 0.5, 0, 0.5),
    ):
        assert other.shape == audio.shape
        assert not np.array_equal(other, audio)


def test_an_echo_comes_after_its_time_and_ducking_at_the_beat() -> None:
    click = np.zeros(SAMPLE_RATE)
    click[100] = 1.0
    delayed = echo(click, 0.25, 0.5, 0.4)
    assert not delayed[101 : 100 + round(0.25 * SAMPLE_RATE)].any()
    assert delayed[100 + round(0.25 * SAMPLE_RATE)] > 0.1
    level = duck(np.ones(SAMPLE_RATE), 0.5, 0.1, 0.8)
    assert level[round(0.115 * SAMPLE_RATE)] < 0.4
    assert level[round(0.58 * SAMPLE_RATE)] > 0.9


@pytest.mark.parametrize(("step", "beat"), [(0.5, 0.5), (0.25, 0.5), (1.0, 0.5), (0.15, 0.6)])
def test_the_beat_is_found_between_notes(step: float, beat: float) -> None:
    assert beat_of([Note(k * step, 0.1, 60, 90) for k in range(12)]) == pytest.approx(beat, abs=0.02)
