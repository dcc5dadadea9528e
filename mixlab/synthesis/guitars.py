"""What guitars and their kin play: strummed and fingerpicked chords, in shapes that lie under a hand."""

from collections.abc import Iterable

import numpy as np

from mixlab.synthesis.events import Event
from mixlab.synthesis.harmony import Bar, Chord, Frame
from mixlab.synthesis.instruments import Instrument

__all__ = ["fingerpicked", "shape", "strummed"]

_GUITAR = (40, 45, 50, 55, 59, 64)
_STRINGS = {"mandolin": (55, 62, 69, 76), "ukulele": (60, 64, 67, 69), "banjo": (50, 55, 59, 62)}
_FRETS = 4
_TOGETHER = 0.05
"""Beats within which the same pitch is struck once."""

# Strokes of a bar in sixteenths: (D)own over all strings, (U)p over the upper ones.
_STRUMS = (
    "D...D.U...U.D.U.",
    "D...D.U.D...D.U.",
    "D.D.D.D.D.D.D.D.",
    "D.U.D.U.D.U.D.U.",
    "D...D.DU..DUD.DU",
    "D.DUD.DUD.DUD.DU",
)
_SPARSE = "D.......D......."
# Strings from the top (0) that the fingers pluck on each eighth; the thumb plays the bass beside them.
_PICKS = (
    (None, 2, 1, 0, 1, 2, 1, 2),
    (0, 2, 1, 2, 0, 2, 1, 2),
    (None, 2, 0, 1, None, 2, 0, 1),
    (1, 2, 0, 2, 1, 2, 0, 1),
)


def shape(chord: Chord, instrument: Instrument) -> list[int]:
    """Return the pitches of a chord by strings, from the lowest that sounds: its root, if it can be.

    On each string the lowest tone within four frets is taken, as in the open chords of a guitar.
    """
    strings = _STRINGS.get(instrument.id, _GUITAR)
    tones = [_fretted(string, chord) for string in strings]
    root = next((k for k, pitch in enumerate(tones) if pitch % 12 == chord.root and k <= len(tones) - 3), 0)
    return [p for p in tones[root:] if instrument.low <= p <= instrument.high] or [
        instrument.low + (chord.root - instrument.low) % 12
    ]


def _fretted(string: int, chord: Chord) -> int:
    able = [string + fret for fret in range(_FRETS + 1) if (string + fret) % 12 in chord.tones]
    return able[0] if able else string + (chord.root - string) % 12


def strummed(
    frame: Frame, bars: frozenset[int], instrument: Instrument, rng: np.random.Generator
) -> list[Event]:
    """Write strummed chords: strokes down over all strings, lighter ones up over the upper strings."""
    able = _STRUMS[:4] if frame.tempo_bpm > 118 else _STRUMS
    pattern = able[int(rng.integers(len(able)))]
    gap = float(rng.uniform(0.008, 0.018)) / frame.beat_s
    events: list[Event] = []
    for bar in _active(frame, bars):
        notes = shape(bar.chord, instrument)
        strokes = _SPARSE if bar.section == "intro" and frame.tempo_bpm > 118 else pattern
        for step, stroke in enumerate(strokes[: 4 * frame.beats]):
            if stroke == ".":
                continue
            # A hand that goes up seldom meets all strings.
            count = len(notes) if stroke == "D" else int(rng.integers(2, max(len(notes), 2) + 1))
            order = notes if stroke == "D" else notes[: -count - 1 : -1]
            accent = 0.95 if step % 8 == 4 else 0.88 if step % 4 == 0 else 0.72
            beat = bar.index * frame.beats + step / 4.0
            events += [
                Event(beat + gap * k, 4.0, pitch, accent * (1.0 - 0.03 * k)) for k, pitch in enumerate(order)
            ]
    return ringing(events, frame, bars)


def fingerpicked(
    frame: Frame, bars: frozenset[int], instrument: Instrument, rng: np.random.Generator
) -> list[Event]:
    """Write picked chords: the thumb alternates between bass strings, the fingers pluck the upper ones."""
    pattern = _PICKS[int(rng.integers(len(_PICKS)))]
    pinched = rng.random() < 0.5
    events: list[Event] = []
    for bar in _active(frame, bars):
        notes = shape(bar.chord, instrument)
        low, high = notes[: max(len(notes) - 3, 1)], notes[-3:][::-1]
        start = bar.index * frame.beats
        for k in range(2 * frame.beats):
            at = start + k / 2.0
            if k % 2 == 0:
                bass = low[0] if k % 4 == 0 else low[min(1 + k // 4 % 2, len(low) - 1)]
                events.append(Event(at, 4.0, bass, 0.85 if k % 4 == 0 else 0.75))
            # Pinched, the first beat has thumb and finger together.
            finger = 0 if k == 0 and pinched else pattern[k % len(pattern)]
            if finger is not None and (k % 2 == 1 or k == 0 or pattern[0] is not None):
                strength = 0.72 + 0.1 * (k % 4 == 0) + float(rng.uniform(-0.04, 0.04))
                events.append(Event(at, 4.0, high[min(finger, len(high) - 1)], strength))
    return ringing(events, frame, bars)


def ringing(events: Iterable[Event], frame: Frame, bars: frozenset[int]) -> list[Event]:
    """Let every note ring until the chord changes or its own pitch is struck again.

    Also what a piano's pedal does.
    """
    ordered = sorted(events)
    struck: dict[int, float] = {}
    rung: list[Event] = []
    for event in reversed(ordered):
        if struck.get(event.pitch, np.inf) - event.beat < _TOGETHER:
            continue
        end = min(_chord_end(frame, bars, event), struck.get(event.pitch, np.inf))
        struck[event.pitch] = event.beat
        rung.append(event._replace(length=max(_TOGETHER, min(event.length, end - event.beat))))
    return rung[::-1]


def _chord_end(frame: Frame, bars: frozenset[int], event: Event) -> float:
    """Return the beat at which the chord ends that an event belongs to, or its part rests."""
    at = min(int(event.beat / frame.beats), len(frame.bars) - 1)
    last = at
    while (
        last + 1 < len(frame.bars) and last + 1 in bars and frame.bars[last + 1].chord == frame.bars[at].chord
    ):
        last += 1
    return float((last + 1) * frame.beats)


def _active(frame: Frame, bars: frozenset[int]) -> list[Bar]:
    return [bar for bar in frame.bars if bar.index in bars]
