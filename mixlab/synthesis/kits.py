"""Drum sets as drummers play them: another cymbal in the chorus, ghost notes, accents, fills, crashes."""

import numpy as np

from mixlab.synthesis.events import Event
from mixlab.synthesis.harmony import Bar, Frame
from mixlab.synthesis.instruments import Instrument

__all__ = ["played_kit"]

_KICK, _SIDE, _SNARE, _CLOSED, _PEDAL, _OPEN, _CRASH, _RIDE, _OTHER_CRASH = 36, 37, 38, 42, 44, 46, 49, 51, 57
_TOMS = (50, 48, 47, 45, 43)

# Kick and snare in sixteenths of a bar, some for each groove of the styles.
_KICKS = {
    "rock": ((0, 8, 10), (0, 6, 8), (0, 2, 8, 10), (0, 7, 8)),
    "pop": ((0, 8), (0, 7, 10), (0, 6, 8, 14), (0, 4, 8, 12)),
    "ballad": ((0, 8), (0, 10), (0, 7, 8)),
    "train": ((0, 8), (0, 4, 8, 12)),
    "funk": ((0, 3, 10), (0, 2, 7, 10), (0, 6, 10, 13)),
    "latin": ((0, 6, 8, 14),),
    "floor": ((0, 4, 8, 12),),
    "boom": ((0, 3, 10), (0, 7, 10), (0, 10, 13)),
    "swing": ((0, 8), (0,)),
}
_TIMES = {"rock": 8, "pop": 8, "ballad": 8, "train": 8, "funk": 16, "latin": 8, "floor": 8, "boom": 8}
_FILLS = (
    ((12, _SNARE), (13, _SNARE), (14, 50), (15, 47)),
    ((8, _SNARE), (10, _SNARE), (12, 48), (13, 48), (14, 45), (15, 43)),
    ((12, 50), (13, 47), (14, 45), (15, 43)),
    ((14, _SNARE), (15, _SNARE)),
    ((10, _SNARE), (12, _SNARE), (14, _SNARE), (15, _SNARE)),
)


def played_kit(
    frame: Frame, bars: frozenset[int], instrument: Instrument, rng: np.random.Generator
) -> list[Event]:
    """Write a drum set: kick and snare by the style, the time on hi-hat or cymbal by the section, fills."""
    groove = frame.style.groove
    kicks = _KICKS.get(groove, _KICKS["pop"])
    parts = {name: kicks[int(rng.integers(len(kicks)))] for name in ("verse", "chorus", "bridge")}
    loud_time = int(rng.choice([_RIDE, _OPEN, _CLOSED, _CRASH], p=[0.35, 0.3, 0.25, 0.1]))
    times = _TIMES.get(groove, 8) if frame.tempo_bpm > 78 or groove == "funk" else 16
    events: list[Event] = []
    for bar in (each for each in frame.bars if each.index in bars):
        fill = bar.last and frame.beats == 4 and bar.index + 1 < len(frame.bars)
        chosen = _FILLS[int(rng.integers(len(_FILLS)))] if fill else ()
        until = min((step for step, _ in chosen), default=16)
        loud = bar.section in ("chorus", "outro")
        steps = parts.get(bar.section, parts["verse"])
        hits = _swung(bar, rng) if groove == "swing" else _time(times, loud_time if loud else _CLOSED)
        hits += [(step, _KICK, 0.95 if step == 0 else 0.85) for step in steps]
        hits += _backbeat(groove, frame.beats, loud, rng)
        hits = [each for each in hits if each[0] < min(until, 4 * frame.beats) or each[1] == _KICK]
        hits += [(step, piece, 0.72 + 0.03 * (step - until)) for step, piece in chosen]
        if bar.first and (loud or rng.random() < 0.7):
            hits.append((0, _CRASH if rng.random() < 0.7 else _OTHER_CRASH, 0.92))
        start = bar.index * frame.beats
        events += [
            Event(start + step / 4.0, 0.25, piece, float(np.clip(strength + rng.normal(0, 0.03), 0.15, 1.0)))
            for step, piece, strength in hits
            if step < 4 * frame.beats
        ]
    return events


def _time(times: int, piece: int) -> list[tuple[int, int, float]]:
    """Return the running notes of a bar: accents on the beats, softer between them."""
    step = 16 // times
    return [(k, piece, 0.8 if k % 4 == 0 else 0.58 if k % 2 == 0 else 0.42) for k in range(0, 16, step)]


def _backbeat(groove: str, beats: int, loud: bool, rng: np.random.Generator) -> list[tuple[int, int, float]]:
    """Return the snare of a bar."""
    if groove == "swing":
        return [(step, _SNARE, 0.35) for step in (3, 6, 7, 10, 14) if rng.random() < 0.22]
    if groove == "train":
        return [(step, _SNARE, 0.85 if step in (4, 12) else 0.4) for step in range(0, 16, 2)]
    side = groove in ("ballad", "latin") and not loud
    on = (4, 12) if beats == 4 else (4, 8)
    hits = [(step, _SIDE if side else _SNARE, 0.95) for step in on]
    ghosts = (7, 9, 15) if groove in ("funk", "boom", "pop") else ()
    return hits + [(step, _SNARE, 0.28) for step in ghosts if rng.random() < 0.4]


def _swung(bar: Bar, rng: np.random.Generator) -> list[tuple[int, int, float]]:
    """Return the ride and the pedalled hi-hat of a bar of swing."""
    ride = [
        (0, _RIDE, 0.8),
        (4, _RIDE, 0.85),
        (6, _RIDE, 0.6),
        (8, _RIDE, 0.8),
        (12, _RIDE, 0.85),
        (14, _RIDE, 0.6),
    ]
    return [*ride, (4, _PEDAL, 0.6), (12, _PEDAL, 0.6)]
