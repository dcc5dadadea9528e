"""What pianos play: two hands and a pedal, as accompaniment or alone with the tune."""

from dataclasses import replace

import numpy as np

from mixlab.synthesis.events import Event
from mixlab.synthesis.guitars import ringing
from mixlab.synthesis.harmony import Bar, Frame
from mixlab.synthesis.instruments import Instrument
from mixlab.synthesis.patterns import melody

__all__ = ["two_hands", "with_tune"]

# Eighths of a bar at which the left hand plays, and which tone: 0 root, 1 fifth, 2 octave, 3 tenth, 4 root
# and octave together.
_LEFT = {
    "octaves": ((0, 4), (4, 4)),
    "root": ((0, 4),),
    "broken": ((0, 0), (1, 1), (2, 2), (3, 3), (4, 2), (5, 1), (6, 2), (7, 1)),
    "open": ((0, 0), (1, 1), (2, 3), (4, 1), (6, 3)),
    "stride": ((0, 4), (4, 1)),
    "march": ((0, 4), (3, 0), (4, 4), (7, 1)),
}
# Eighths at which the right hand plays a chord.
_RIGHT = {
    "quarters": (0, 2, 4, 6),
    "anticipated": (0, 3, 6),
    "halves": (0, 4),
    "eighths": (0, 1, 2, 3, 4, 5, 6, 7),
    "offbeat": (1, 2, 5, 6),
    "ballad": (0, 2, 3, 4, 6, 7),
}
_QUIET, _LOUD = ("root", "open", "broken", "octaves"), ("octaves", "march", "broken")
_HAND_LOW, _HAND_MIDDLE = 33, 52
_RIGHT_CENTRE = 64.0


def two_hands(
    frame: Frame, bars: frozenset[int], instrument: Instrument, rng: np.random.Generator
) -> list[Event]:
    """Write an accompaniment: bass and broken chords on the left, voice-led chords on the right, pedalled.

    A chorus is played louder and with a fuller left hand than a verse.
    """
    names = {"verse": str(rng.choice(_QUIET)), "chorus": str(rng.choice(_LOUD))}
    right = {
        section: str(rng.choice(list(_RIGHT), p=[0.25, 0.2, 0.15, 0.12, 0.1, 0.18])) for section in names
    }
    broken = rng.random() < 0.35
    previous: list[int] = []
    events: list[Event] = []
    for bar in _active(frame, bars):
        section = "chorus" if bar.section == "chorus" else "verse"
        touch = 1.0 if section == "chorus" else 0.82
        events += _left(bar, frame, instrument, names[section], touch, rng)
        previous = _near(bar, previous, instrument)
        start = bar.index * frame.beats
        if broken and section == "verse":
            order = [previous[k] for k in (0, 1, 2, 1)]
            events += [
                Event(start + k / 2.0, 4.0, order[k % 4], touch * float(rng.uniform(0.62, 0.78)))
                for k in range(2 * frame.beats)
            ]
            continue
        for k in (each for each in _RIGHT[right[section]] if each < 2 * frame.beats):
            strength = touch * (0.85 if k % 4 == 0 else 0.74) + float(rng.uniform(-0.05, 0.05))
            top = [previous[0] + 12] if section == "chorus" and previous[0] + 12 <= instrument.high else []
            events += [
                Event(start + k / 2.0, 4.0, pitch, strength * (1.0 if pitch == max(previous) else 0.9))
                for pitch in [*previous, *top]
            ]
    return ringing(events, frame, bars)


def with_tune(
    frame: Frame, bars: frozenset[int], instrument: Instrument, rng: np.random.Generator
) -> list[Event]:
    """Write a piano that plays alone: the tune above, chord tones below it on strong beats, the left hand."""
    upper = replace(instrument, low=max(instrument.low, 60), high=min(instrument.high, 88))
    tune = melody(frame, bars, upper, rng)
    name = str(rng.choice(["broken", "open", "stride", "broken"]))
    filled = rng.random() < 0.7
    events: list[Event] = []
    for bar in _active(frame, bars):
        events += _left(bar, frame, instrument, name, 0.8, rng)
    for event in tune:
        bar = frame.bars[min(int(event.beat / frame.beats), len(frame.bars) - 1)]
        # A phrase of four bars swells and ebbs.
        swell = 0.86 + 0.14 * float(np.sin(np.pi * (bar.index % 4 + 0.5) / 4.0))
        events.append(
            event._replace(length=max(event.length, 1.0), strength=min(event.strength * swell * 1.05, 1.0))
        )
        if filled and event.beat % 2 == 0:
            below = [p for p in range(event.pitch - 12, event.pitch - 2) if p % 12 in bar.chord.tones]
            events += [Event(event.beat, 4.0, p, event.strength * swell * 0.75) for p in below[-2:]]
    return ringing(events, frame, bars)


def _left(
    bar: Bar, frame: Frame, instrument: Instrument, name: str, touch: float, rng: np.random.Generator
) -> list[Event]:
    """Return the left hand of a bar."""
    low = max(_HAND_LOW, instrument.low)
    root = low + (bar.chord.root - low) % 12
    fifth = root + (bar.chord.tones[2] - bar.chord.root) % 12
    tenth = root + 12 + (bar.chord.tones[1] - bar.chord.root) % 12
    tones = ((root,), (fifth,), (root + 12,), (tenth,), (root, root + 12))
    start = bar.index * frame.beats
    return [
        Event(
            start + k / 2.0, 4.0, pitch, touch * (0.82 if k == 0 else 0.68) + float(rng.uniform(-0.04, 0.04))
        )
        for k, tone in _LEFT[name]
        if k < 2 * frame.beats
        for pitch in tones[tone]
    ]


def _near(bar: Bar, previous: list[int], instrument: Instrument) -> list[int]:
    """Return three tones of the chord in the inversion nearest to the chord before."""
    aim = float(np.mean(previous)) if previous else _RIGHT_CENTRE
    low, high = max(instrument.low, _HAND_MIDDLE), min(instrument.high, 80)
    found: list[int] = []
    for base in range(low, high - 8):
        if base % 12 in bar.chord.tones:
            notes = [p for p in range(base, high + 1) if p % 12 in bar.chord.tones][:3]
            if len(notes) == 3 and (not found or abs(np.mean(notes) - aim) < abs(np.mean(found) - aim)):
                found = notes
    return found or [low + (bar.chord.root - low) % 12 + 12 * k for k in range(3)]


def _active(frame: Frame, bars: frozenset[int]) -> list[Bar]:
    return [bar for bar in frame.bars if bar.index in bars]
