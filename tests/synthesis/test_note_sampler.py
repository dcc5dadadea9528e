"""Recorded notes played: pitch, length, layers, turns, legato, loops, what rings and what is choked."""

from pathlib import Path

import numpy as np
import pytest

from mixlab.synthesis.events import Note
from mixlab.synthesis.notes import find_libraries
from mixlab.synthesis.notes.amplifier import AmplifiedPlayer
from mixlab.synthesis.notes.library import RecordedNote
from mixlab.synthesis.notes.recordings import load_recording, stretched
from mixlab.synthesis.notes.sampler import Manner, RecordedPlayer
from mixlab.synthesis.notes.sections import SectionPlayer
from mixlab.synthesis.synth import SAMPLE_RATE
from tests.synthesis.recorded import drum_kit, tone, write

EXACT = Manner(held=True, tuning_cents=0.0)


def recorded(path: Path, pitch: float, **fields: float) -> RecordedNote:
    return RecordedNote(path, pitch, round(pitch) - 3, round(pitch) + 3, **fields)  # type: ignore[arg-type]


def play(player, notes: list[Note], seconds: float = 2.0, seed: int = 0) -> np.ndarray:
    audio = player.play(notes, seconds, np.random.default_rng(seed))
    assert audio.dtype == np.float32
    assert audio.shape == (round(seconds * SAMPLE_RATE),)
    assert np.abs(audio).max() <= 1.0
    return audio


def pitch_of(audio: np.ndarray) -> float:
    size = 1 << 18
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), size))
    return 69 + 12 * np.log2(int(np.argmax(spectrum)) * SAMPLE_RATE / size / 440)


def level_db(audio: np.ndarray) -> float:
    return float(10 * np.log10((audio**2).mean() + 1e-20))


@pytest.mark.parametrize("shift", [-3, 0, 2])
def test_a_note_has_the_pitch_that_is_written_and_ends_when_it_does(tmp_path: Path, shift: int) -> None:
    player = RecordedPlayer((recorded(write(tmp_path / "a.wav", tone(69, 1.5)), 69),), EXACT)
    audio = play(player, [Note(0.5, 0.8, 69 + shift, 100)])
    assert pitch_of(audio) == pytest.approx(69 + shift, abs=0.05)
    at = [round(second * SAMPLE_RATE) for second in (0.45, 0.6, 1.25, 1.5)]
    assert level_db(audio[: at[0]]) < -90 < -30 < level_db(audio[at[1] : at[2]])
    assert level_db(audio[at[3] :]) < -80


def test_notes_without_a_recording_near_enough_and_after_the_end_are_left_out(tmp_path: Path) -> None:
    player = RecordedPlayer((recorded(write(tmp_path / "a.wav", tone(69)), 69),), EXACT)
    assert not play(player, [Note(0.0, 1.0, 73, 100), Note(2.0, 1.0, 69, 100)]).any()
    assert not play(player, []).any()


def test_a_held_note_is_looped_without_a_gap_and_others_die_away(tmp_path: Path) -> None:
    note = recorded(write(tmp_path / "a.wav", tone(57, 0.8)), 57)
    held = play(RecordedPlayer((note,), EXACT), [Note(0.0, 3.0, 57, 100)], 3.5)
    blocks = (
        held[SAMPLE_RATE // 2 : 3 * SAMPLE_RATE - 4410].reshape(-1, 1)[: 2 * SAMPLE_RATE].reshape(-1, 4410)
    )
    levels = 10 * np.log10((blocks**2).mean(axis=1))
    assert np.ptp(levels) < 2.0
    plain = play(RecordedPlayer((note,), Manner(tuning_cents=0.0)), [Note(0.0, 3.0, 57, 100)], 3.5)
    assert not plain[SAMPLE_RATE:].any()


def test_a_loop_of_the_library_is_used(tmp_path: Path) -> None:
    sound = load_recording(write(tmp_path / "a.wav", tone(57, 0.8)), 0, 57.0)
    longer = stretched(sound, 3 * sound.rate, (2000, 9000))
    assert len(longer) >= 3 * sound.rate
    assert np.array_equal(longer[:8000], sound.audio[:8000][: len(longer)]) or len(longer) > 8000


def test_velocity_chooses_the_layer_and_turns_alternate(tmp_path: Path) -> None:
    soft = recorded(write(tmp_path / "soft.wav", tone(60, level=0.1)), 60, softest=1, loudest=63)
    low = recorded(write(tmp_path / "loud.wav", tone(60, level=0.4)), 60, softest=64, loudest=127)
    other = recorded(write(tmp_path / "other.wav", tone(72, level=0.4)), 60, softest=64, loudest=127, turn=1)
    player = RecordedPlayer((soft, low, other), EXACT)
    quiet, loud = (play(player, [Note(0.0, 0.8, 60, velocity)], 1.0) for velocity in (63, 127))
    assert level_db(loud) - level_db(quiet) == pytest.approx(20 * np.log10(4), abs=0.5)
    twice = play(player, [Note(0.0, 0.8, 60, 127), Note(1.0, 0.8, 60, 127)])
    assert pitch_of(twice[:SAMPLE_RATE]) == pytest.approx(60, abs=0.1)
    assert pitch_of(twice[SAMPLE_RATE:]) == pytest.approx(72, abs=0.1)


def test_with_one_layer_soft_notes_are_softer_and_darker(tmp_path: Path) -> None:
    player = RecordedPlayer((recorded(write(tmp_path / "a.wav", tone(84)), 84),), EXACT)
    soft, loud = (play(player, [Note(0.0, 0.9, 84, velocity)], 1.0) for velocity in (40, 127))
    assert level_db(loud) - level_db(soft) > 12

    def treble(audio: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(audio)) ** 2
        return float(power[3000:].sum() / power[:3000].sum())

    assert treble(soft) < 0.6 * treble(loud)


def test_slurred_notes_have_no_attack_of_their_own(tmp_path: Path) -> None:
    note = recorded(write(tmp_path / "a.wav", tone(69, 1.5, rise_s=0.15)), 69)
    line = [Note(0.0, 0.5, 69, 100), Note(0.5, 0.5, 71, 100)]
    levels = {}
    for mono in (True, False):
        audio = play(RecordedPlayer((note,), Manner(held=True, mono=mono, tuning_cents=0.0)), line, 1.2)
        levels[mono] = level_db(audio[round(0.53 * SAMPLE_RATE) : round(0.55 * SAMPLE_RATE)])
    assert levels[True] > levels[False] + 1.0


def test_long_notes_get_a_vibrato_where_the_recording_has_none(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", tone(69, 2.0))
    assert load_recording(path, 0, 69.0).swing_cents < 1.0
    swung = RecordedPlayer((recorded(path, 69),), Manner(held=True, vibrato_cents=20.0, tuning_cents=0.0))
    audio = play(swung, [Note(0.0, 2.0, 69, 127)], 2.2)
    again = load_recording(write(tmp_path / "b.wav", audio[:: SAMPLE_RATE // 22_050]), 0, 69.0)
    assert 5.0 < again.swing_cents < 40.0
    # And none is added to it a second time.
    once_more = RecordedPlayer((recorded(tmp_path / "b.wav", 69),), Manner(held=True, vibrato_cents=8.0))
    plain = RecordedPlayer((recorded(tmp_path / "b.wav", 69),), Manner(held=True))
    line = [Note(0.0, 1.5, 69, 127)]
    assert np.array_equal(play(once_more, line), play(plain, line))


def test_an_open_hi_hat_rings_until_the_next_note_of_the_hi_hat(tmp_path: Path) -> None:
    (library,) = find_libraries([drum_kit(tmp_path)])
    kit = next(each for each in library.instruments if each.nodes == ("drums",))
    player = RecordedPlayer(kit.notes, Manner(rings=True, kit=True, tuning_cents=0.0))
    free = play(player, [Note(0.0, 0.1, 46, 100), Note(0.5, 0.1, 36, 1)])
    choked = play(player, [Note(0.0, 0.1, 46, 100), Note(0.5, 0.1, 42, 1)])
    late = slice(round(1.0 * SAMPLE_RATE), round(1.6 * SAMPLE_RATE))
    assert level_db(free[late]) > level_db(choked[late]) + 20


def test_the_same_stream_gives_the_same_samples(tmp_path: Path) -> None:
    player = RecordedPlayer((recorded(write(tmp_path / "a.wav", tone(69)), 69),), Manner(held=True))
    line = [Note(k / 4, 0.2, 68 + k % 3, 60 + k) for k in range(6)]
    assert np.array_equal(play(player, line, seed=1), play(player, line, seed=1))
    assert not np.array_equal(play(player, line, seed=1), play(player, line, seed=2))


def test_an_amplifier_adds_overtones_and_a_section_several_players(tmp_path: Path) -> None:
    player = RecordedPlayer((recorded(write(tmp_path / "a.wav", tone(57, 1.5)), 57),), EXACT)
    line = [Note(0.0, 1.2, 57, 120)]
    clean, driven = play(player, line), play(AmplifiedPlayer(player, 30.0), line)

    def overtones(audio: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(audio[:SAMPLE_RATE])) ** 2
        return float(power[800:4000].sum() / power[:800].sum())

    assert overtones(driven) > 5 * overtones(clean)
    members = tuple(
        (frozenset(range(50, 60)), RecordedPlayer(player.notes, EXACT, d, t)) for d, t in ((-9, 0), (9, 0.02))
    )
    assert not np.allclose(play(SectionPlayer(members), line), 2 * clean, atol=1e-3)
    assert not play(SectionPlayer(members), [Note(0.0, 1.0, 61, 100)]).any()
