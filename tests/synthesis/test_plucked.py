"""Plucked double bass and pizzicato: in tune, dying away as strings do, labelled as bowed strings."""

import numpy as np
import pytest
from numpy.typing import NDArray

from mixlab.synthesis.events import Note
from mixlab.synthesis.modelled import ModelledPlayers
from mixlab.synthesis.notes.casting import MORE_INSTRUMENTS, family_of, node_of
from mixlab.synthesis.notes.making import make_orchestra, plan_composed
from mixlab.synthesis.players import SAMPLE_RATE
from mixlab.synthesis.plucked import BODIES, PluckedPlayer, sample_pizzicato, sample_plucked_bass


def plucked(body: str, pitch: int, velocity: int = 90, duration_s: float = 2.0) -> NDArray[np.float32]:
    """Return one note that begins at .1 s, in 2.2 s."""
    return PluckedPlayer((body,), noise=0.0).play(
        [Note(0.1, duration_s, pitch, velocity)], 2.2, np.random.default_rng(5)
    )


def level_db(
    audio: NDArray[np.float32], at_s: float, low_hz: float = 20.0, high_hz: float = 20_000.0
) -> float:
    """Return the level of a band over .1 s."""
    held = audio[round(at_s * SAMPLE_RATE) :][: SAMPLE_RATE // 10]
    power = np.abs(np.fft.rfft(held * np.hanning(len(held)))) ** 2
    hertz = np.fft.rfftfreq(len(held), 1 / SAMPLE_RATE)
    return float(10 * np.log10(power[(hertz >= low_hz) & (hertz < high_hz)].sum() + 1e-20))


@pytest.mark.parametrize(
    ("body", "pitch"), [("double bass", 28), ("double bass", 45), ("cello", 50), ("viola", 62)]
)
def test_notes_are_in_tune(body: str, pitch: int) -> None:
    found = []
    for seed in range(5):
        audio = PluckedPlayer((body,), noise=0.0).play(
            [Note(0.0, 1.5, pitch, 90)], 1.5, np.random.default_rng(seed)
        )
        hertz = 440 * 2 ** ((pitch - 69) / 12)
        levels = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 1 << 20))
        at = np.arange(len(levels)) * SAMPLE_RATE / (1 << 20)
        near = np.flatnonzero(np.abs(at / hertz - 1) < 0.04)
        found.append(1200 * np.log2(at[near[levels[near].argmax()]] / hertz))
    # Each note is a few cents off, as fingers are.
    assert abs(np.median(found)) < 6.0, found
    assert max(map(abs, found)) < 16.0, found


def test_strings_ring_and_die_away_treble_first_and_a_finger_stops_them() -> None:
    bass = plucked("double bass", 33)
    assert not bass[: SAMPLE_RATE // 10].any()
    lost = {low: level_db(bass, 0.15, low, high) - level_db(bass, 1.0, low, high) for low, high in
            ((40.0, 130.0), (600.0, 2000.0))}  # fmt: skip
    assert 4.0 < lost[40.0] < 35.0
    assert lost[600.0] > lost[40.0] + 10.0
    violin = plucked("violin", 76)
    assert level_db(violin, 0.1) - level_db(violin, 0.6) > 30.0
    stopped = plucked("double bass", 33, duration_s=0.4)
    assert level_db(stopped, 0.35) - level_db(stopped, 0.75) > 40.0


def test_a_firmer_finger_is_brighter() -> None:
    def treble_db(velocity: int) -> float:
        audio = plucked("double bass", 40, velocity)
        return level_db(audio, 0.1, 400.0, 3000.0) - level_db(audio, 0.1, 40.0, 400.0)

    assert treble_db(120) > treble_db(50) + 2.0


@pytest.mark.parametrize("sample", [sample_plucked_bass, sample_pizzicato])
def test_the_same_streams_give_the_same_sound_within_full_scale(sample) -> None:  # type: ignore[no-untyped-def]
    notes = [Note(0.3 * k, 0.25, pitch, 80) for k, pitch in enumerate((40, 45, 50, 55, 64, 79))]

    def sound(seed: int) -> NDArray[np.float32]:
        audio: NDArray[np.float32] = sample(np.random.default_rng(seed)).play(
            notes, 2.0001, np.random.default_rng(3)
        )
        return audio

    first = sound(0)
    assert first.shape == (round(2.0001 * SAMPLE_RATE),)
    assert first.dtype == np.float32
    assert 0.5 < np.abs(first).max() <= 1.0
    assert first.tobytes() == sound(0).tobytes() != sound(1).tobytes()
    assert not sample(np.random.default_rng(0)).play([], 0.5, np.random.default_rng(0)).any()
    assert (
        not sample(np.random.default_rng(0))
        .play([Note(1.0, 1.0, 60, 80)], 0.5, np.random.default_rng(0))
        .any()
    )


def test_every_note_of_their_ranges_sounds() -> None:
    for name in ("upright bass", "pizzicato strings"):
        held = MORE_INSTRUMENTS[name]
        for pitch in range(held.low, held.high + 1, 5):
            player = ModelledPlayers().find(name, np.random.default_rng(pitch))
            assert player is not None
            assert player.play([Note(0.0, 0.3, pitch, 80)], 0.5, np.random.default_rng(0)).any(), (
                name,
                pitch,
            )
    assert {name: body.lowest for name, body in BODIES.items()}["double bass"] == 28


def test_a_plucked_bass_is_a_double_bass_and_pizzicato_stays_with_the_bowed_strings() -> None:
    assert node_of("upright bass") == "double-bass"
    assert node_of("pizzicato strings") == "bowed-string"
    assert family_of("double-bass") == family_of("bowed-string") == "bowed-string"
    seats = make_orchestra([], [ModelledPlayers()], []).seats
    assert {"upright bass", "pizzicato strings"} <= set(seats)
    plans = plan_composed(seats, 40, 0, 0.0)
    basses = [part for plan in plans for part in plan.ensemble.parts if part.instrument == "upright bass"]
    assert basses
    assert {part.role for part in basses} == {"bass"}
