"""Drum grooves and small percussion."""

import numpy as np

from mixlab.synthesis.events import Event
from mixlab.synthesis.harmony import Frame
from mixlab.synthesis.instruments import Instrument

__all__ = ["drums", "percussion", "timpani"]

_KICK, _SIDE, _SNARE, _CLOSED, _PEDAL, _OPEN, _CRASH, _RIDE = 36, 37, 38, 42, 44, 46, 49, 51
_TOMS = (50, 48, 47, 45, 43)

# Sixteenth-note positions in a bar of four (swing and waltz: in their own grids below).
_GROOVES: dict[str, dict[int, tuple[int, ...]]] = {
    "rock": {_KICK: (0, 6, 8), _SNARE: (4, 12), _CLOSED: (0, 2, 4, 6, 8, 10, 12, 14)},
    "pop": {_KICK: (0, 7, 10), _SNARE: (4, 12), _CLOSED: (0, 2, 4, 6, 8, 10, 12), _OPEN: (14,)},
    "ballad": {_KICK: (0, 10), _SIDE: (4, 12), _RIDE: (0, 2, 4, 6, 8, 10, 12, 14)},
    "train": {_KICK: (0, 8), _SNARE: (2, 4, 6, 10, 12, 14), _PEDAL: (4, 12)},
    "funk": {_KICK: (0, 3, 10), _SNARE: (4, 7, 9, 12), _CLOSED: tuple(range(0, 16)), _OPEN: (14,)},
    "latin": {_KICK: (0, 6, 8, 14), _SIDE: (0, 6, 10, 12), _RIDE: (0, 2, 3, 4, 6, 8, 10, 11, 12, 14)},
    "floor": {_KICK: (0, 4, 8, 12), _SNARE: (4, 12), _OPEN: (2, 6, 10, 14), _CLOSED: (0, 4, 8, 12)},
    "boom": {_KICK: (0, 3, 10), _SNARE: (4, 12), _CLOSED: (0, 2, 4, 6, 8, 10, 11, 12, 14)},
    "swing": {_RIDE: (0, 4, 6, 8, 12, 14), _PEDAL: (4, 12), _KICK: (0, 8)},
    "none": {_CRASH: (0,)},
}


def drums(
    frame: Frame, bars: frozenset[int], instrument: Instrument, rng: np.random.Generator
) -> list[Event]:
    """Write the drum set: the style's groove, a crash where a section starts, a fill where it ends."""
    groove = _GROOVES[frame.style.groove]
    dropped = int(rng.integers(2, 14))
    events: list[Event] = []
    for bar in frame.bars:
        if bar.index not in bars:
            continue
        start = bar.index * frame.beats
        fill = bar.last and frame.beats == 4 and frame.style.groove not in ("none", "swing", "ballad")
        for note, steps in groove.items():
            for step in steps:
                position = step / 4.0
                if position >= frame.beats or (fill and position >= frame.beats - 1 and note != _KICK):
                    continue
                if step == dropped and note == _KICK and rng.random() < 0.5:
                    continue
                ghost = note == _SNARE and step % 4 != 0
                strong = 0.55 if ghost else 0.95 if step % 4 == 0 else 0.75
                events.append(Event(start + position, 0.25, note, strong))
        if bar.first and rng.random() < 0.8:
            events.append(Event(float(start), 1.0, _CRASH, 0.9))
        if fill:
            events += _fill(start + frame.beats - 1.0, rng)
    return events


def _fill(beat: float, rng: np.random.Generator) -> list[Event]:
    toms = sorted(rng.choice(len(_TOMS), size=4))
    return [Event(beat + k / 4.0, 0.25, _TOMS[t], 0.7 + 0.07 * k) for k, t in enumerate(toms)]


def percussion(
    frame: Frame, bars: frozenset[int], instrument: Instrument, rng: np.random.Generator
) -> list[Event]:
    """Write small percussion: shaker-like running notes, tambourine-like back-beats, or hand drums."""
    notes = instrument.notes
    hand = instrument.id in ("congas", "bongo", "auxiliary percussion")
    running = instrument.id in ("shaker",) or (instrument.id == "tambourine" and rng.random() < 0.4)
    events: list[Event] = []
    cell = np.flatnonzero(rng.random(16) < 0.35)
    for bar in frame.bars:
        if bar.index not in bars:
            continue
        start = bar.index * frame.beats
        for step in range(4 * frame.beats):
            if running and step % 2 == 0:
                note, strong = notes[0], 0.85 if step % 4 == 0 else 0.6
            elif hand and (step in cell or step % 8 == 4):
                note, strong = notes[int(rng.integers(len(notes)))], 0.65 + 0.3 * (step % 4 == 0)
            elif not running and not hand and step % 8 == 4:
                note, strong = notes[(step // 8) % len(notes)], 0.9
            else:
                continue
            events.append(Event(start + step / 4.0, 0.25, note, strong))
        if instrument.id == "cymbal" and bar.first:
            events.append(Event(float(start), 2.0, notes[-1], 0.95))
    return events


def timpani(
    frame: Frame, bars: frozenset[int], instrument: Instrument, rng: np.random.Generator
) -> list[Event]:
    """Write timpani (or taiko): roots on strong beats, a roll into the next section."""
    events: list[Event] = []
    for bar in frame.bars:
        if bar.index not in bars:
            continue
        start = float(bar.index * frame.beats)
        root = instrument.low + (bar.chord.root - instrument.low) % 12
        events.append(Event(start, 1.5, root, 0.9))
        if bar.last:
            events += [Event(start + frame.beats - 2 + k / 4, 0.25, root, 0.45 + 0.06 * k) for k in range(8)]
        elif rng.random() < 0.6:
            events.append(Event(start + 2.0, 0.9, root, 0.7))
    return events
