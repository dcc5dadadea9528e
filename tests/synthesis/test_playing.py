"""How guitars, pianos and drum sets are played: shapes of a hand, pedals, choruses that are louder."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from mixlab.synthesis import guitars
from mixlab.synthesis.compose import PartSpec, compose
from mixlab.synthesis.events import Event
from mixlab.synthesis.guitars import fingerpicked, ringing, shape, strummed
from mixlab.synthesis.harmony import STYLES, Chord, Frame, sample_frame
from mixlab.synthesis.instruments import INSTRUMENTS
from mixlab.synthesis.keyboards import two_hands, with_tune
from mixlab.synthesis.kits import played_kit

GUITAR, PIANO, DRUMS = (INSTRUMENTS[name] for name in ("acoustic guitar", "piano", "drum set"))
ALL = frozenset(range(100))


def frame_of(style: str, seed: int, seconds: float = 40.0) -> Frame:
    return sample_frame(STYLES[style], seconds, np.random.default_rng(seed))


def test_a_guitars_chords_are_open_shapes_on_their_root() -> None:
    assert shape(Chord(4, (4, 8, 11)), GUITAR) == [40, 47, 52, 56, 59, 64]  # E major: 022100
    assert shape(Chord(0, (0, 4, 7)), GUITAR) == [48, 52, 55, 60, 64]  # C major: x32010
    for root in range(12):
        for third in (3, 4):
            held = shape(Chord(root, (root, (root + third) % 12, (root + 7) % 12)), GUITAR)
            assert held[0] % 12 == root
            assert held == sorted(held)
            assert {p % 12 for p in held} <= {root, (root + third) % 12, (root + 7) % 12}


def test_some_players_pinch_the_first_beat_with_thumb_and_finger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guitars, "_PICKS", ((None, 2, 1, 0, 1, 2, 1, 2),))
    frame, together = frame_of("ballad", 0), set()
    for seed in range(8):
        events = fingerpicked(frame, ALL, GUITAR, np.random.default_rng(seed))
        counts = Counter(event.beat for event in events)
        firsts = {counts[float(bar.index * frame.beats)] for bar in frame.bars}
        assert len(firsts) == 1  # one way through the song
        together |= firsts
    assert together == {1, 2}


@pytest.mark.parametrize("pattern", [strummed, fingerpicked, two_hands, with_tune])
@pytest.mark.parametrize("style", ["pop", "ballad", "jazz"])
def test_what_rings_ends_where_the_chord_does_and_no_pitch_sounds_twice(pattern, style: str) -> None:  # type: ignore[no-untyped-def]
    instrument = PIANO if pattern in (two_hands, with_tune) else GUITAR
    for seed in range(4):
        frame = frame_of(style, seed)
        bars = frozenset(bar.index for bar in frame.bars if bar.index % 5)
        events = pattern(frame, bars, instrument, np.random.default_rng(seed))
        assert {int(e.beat / frame.beats) for e in events} == bars
        assert all(instrument.low <= e.pitch <= instrument.high and 0.2 < e.strength <= 1.0 for e in events)
        sounding: dict[int, float] = {}
        for event in sorted(events):
            assert event.beat >= sounding.get(event.pitch, 0.0) - 1e-9
            sounding[event.pitch] = event.beat + event.length
            bar = int(event.beat / frame.beats)
            following = next(
                (
                    b
                    for b in range(bar, len(frame.bars))
                    if b not in bars or frame.bars[b].chord != frame.bars[bar].chord
                ),
                len(frame.bars),
            )
            assert event.beat + event.length <= following * frame.beats + 0.06


def test_a_pianist_has_two_hands_and_plays_choruses_louder() -> None:
    frame = frame_of("pop", 3)
    events = two_hands(frame, ALL, PIANO, np.random.default_rng(1))
    lows, highs = sum(e.pitch < 48 for e in events), sum(e.pitch >= 55 for e in events)
    assert min(lows, highs) >= len(frame.bars)
    held = frame.sections()
    levels = {
        name: np.mean([e.strength for e in events if int(e.beat / frame.beats) in held[name]])
        for name in ("verse", "chorus")
    }
    assert levels["chorus"] > 1.1 * levels["verse"]


def test_strokes_run_over_the_strings_down_and_up() -> None:
    frame = frame_of("pop", 2)
    events = strummed(frame, ALL, GUITAR, np.random.default_rng(0))
    strokes: list[list[Event]] = []
    for event in sorted(events):
        if strokes and event.beat - strokes[-1][-1].beat < 0.05:
            strokes[-1].append(event)
        else:
            strokes.append([event])
    down = [each for each in strokes if each[0].beat % 1.0 == 0]
    assert all([e.pitch for e in each] == sorted(e.pitch for e in each) for each in down)
    assert all(len(each) >= 4 for each in down)
    assert all(0.005 < (each[1].beat - each[0].beat) * frame.beat_s < 0.02 for each in down)


def test_a_drummer_marks_sections_and_varies() -> None:
    for seed in range(6):
        frame = replace(frame_of("rock", seed, 60.0), beats=4)
        events = played_kit(frame, ALL, DRUMS, np.random.default_rng(seed))
        chorus = frame.sections()["chorus"][0]
        assert any(e.pitch in (49, 57) and e.beat == 4 * chorus for e in events)
        last = [bar.index for bar in frame.bars if bar.last][:-1]
        assert all(
            sum(e.pitch not in (36, 42) for e in events if int(e.beat / 4) == bar) >= 2 for bar in last
        )
        snares = [e for e in events if e.pitch == 38 and e.beat % 4 == 1.0]
        assert len(snares) > 0.6 * len(frame.bars)


def test_ringing_shortens_and_never_lengthens() -> None:
    frame = frame_of("pop", 5)
    events = [Event(0.0, 0.5, 60, 0.8), Event(1.0, 9.0, 64, 0.8), Event(1.5, 9.0, 64, 0.8)]
    rung = ringing(events, frame, ALL)
    assert [e.length for e in rung][:2] == [0.5, 0.5]
    assert rung[2].beat + rung[2].length <= len(frame.bars) * frame.beats


def test_the_new_roles_are_composed_and_played_in_time() -> None:
    roles = {"strum": "acoustic guitar", "pick": "acoustic guitar", "hands": "piano", "kit": "drum set"}
    parts = [PartSpec(instrument, role) for role, instrument in roles.items()]
    made = compose("pop", parts, 20.0, np.random.default_rng(0))
    assert all(len(notes) > 20 for notes in made.parts)
    assert all(note.start_s + note.duration_s <= 20.1 for notes in made.parts for note in notes)
