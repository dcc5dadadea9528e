"""What pitched parts play: bass lines, accompaniment, pads, melodies and inner voices."""

from collections.abc import Iterable

import numpy as np

from mixlab.synthesis.events import Event
from mixlab.synthesis.harmony import Bar, Chord, Frame
from mixlab.synthesis.instruments import Instrument

__all__ = ["accompaniment", "arpeggio", "bass", "inner", "melody", "pad", "stabs"]

_Bars = frozenset[int]

# (beat, length) cells of one bar of four; cut to the metre where it has three beats.
_BASS = {
    "roots": ((0, 3.8),),
    "fifths": ((0, 1.8), (2, 1.8)),
    "quarters": ((0, 0.9), (1, 0.9), (2, 0.9), (3, 0.9)),
    "eighths": tuple((k / 2, 0.45) for k in range(8)),
    "pulse": tuple((k / 4, 0.22) for k in range(16) if k % 4),
    "offbeats": tuple((k + 0.5, 0.45) for k in range(4)),
    "syncopated": ((0, 0.7), (0.75, 0.4), (1.75, 0.7), (2.5, 0.9), (3.5, 0.4)),
    "tumbao": ((0, 1.4), (1.5, 1.4), (3, 0.9)),
}
_COMP = {
    "quarters": ((0, 0.9), (1, 0.9), (2, 0.9), (3, 0.9)),
    "halves": ((0, 1.9), (2, 1.9)),
    "strum": ((0, 0.9), (1, 0.45), (1.5, 0.45), (2.5, 0.45), (3, 0.45), (3.5, 0.45)),
    "power": tuple((k / 2, 0.42) for k in range(8)),
    "offbeat": ((0.5, 0.3), (1.5, 0.3), (2.5, 0.3), (3.5, 0.3)),
    "oompah": ((1, 0.5), (3, 0.5)),
    "charleston": ((0, 0.8), (1.5, 0.4), (3.5, 0.4)),
    "montuno": ((0, 0.5), (1, 0.4), (1.5, 0.4), (2.5, 0.4), (3.5, 0.5)),
}
# Rhythm cells of a melody, in beats of one bar of four.
_CELLS = (
    ((0, 1), (1, 1), (2, 1.5), (3.5, 0.5)),
    ((0, 1.5), (1.5, 0.5), (2, 1), (3, 1)),
    ((0.5, 0.5), (1, 0.5), (1.5, 1), (2.5, 1.5)),
    ((0, 0.5), (0.5, 0.5), (1, 1), (2, 0.5), (2.5, 0.5), (3, 1)),
    ((0, 2), (2, 1), (3, 0.5), (3.5, 0.5)),
    ((0, 0.75), (0.75, 0.25), (1, 1), (2, 0.75), (2.75, 0.25), (3, 1)),
)


def _cell(cell: Iterable[tuple[float, float]], beats: int) -> list[tuple[float, float]]:
    return [(at, min(length, beats - at)) for at, length in cell if at < beats]


def _fold(pitch: int, low: int, high: int) -> int:
    """Move a pitch by octaves into ``low..high`` (a range of at least an octave, else the nearest end)."""
    while pitch < low:
        pitch += 12
    while pitch > high:
        pitch -= 12
    return max(low, pitch)


def _active(frame: Frame, bars: _Bars) -> list[Bar]:
    return [bar for bar in frame.bars if bar.index in bars]


def bass(frame: Frame, bars: _Bars, instrument: Instrument, rng: np.random.Generator) -> list[Event]:
    """Write a bass line in the pattern that the style samples; walking lines approach the next root."""
    name = str(rng.choice(frame.style.bass))
    events: list[Event] = []
    for bar in _active(frame, bars):
        start = bar.index * frame.beats
        root = instrument.low + (bar.chord.root - instrument.low) % 12
        following = frame.bars[min(bar.index + 1, len(frame.bars) - 1)].chord
        if name == "walking":
            line = _walk(root, bar.chord, following, frame.beats, instrument, rng)
            events += [Event(start + k, 0.92, pitch, 0.8) for k, pitch in enumerate(line)]
            continue
        for k, (at, length) in enumerate(_cell(_BASS[name], frame.beats)):
            fifth = _fold(bar.chord.tones[2] + 36, instrument.low, instrument.high)
            upper = root + 12 if root + 12 <= instrument.high else root
            pitch = {"fifths": (root, fifth), "tumbao": (root, fifth, upper)}.get(name, (root,))
            chosen = pitch[k % len(pitch)]
            if name == "syncopated" and k in (2, 4):
                chosen = upper if k == 2 else fifth
            events.append(Event(start + at, length, chosen, 0.9 if at == 0 else 0.75))
    return events


def _walk(
    root: int, chord: Chord, following: Chord, beats: int, instrument: Instrument, rng: np.random.Generator
) -> list[int]:
    target = _fold(following.root + 36, instrument.low, instrument.high)
    tones = [_fold(tone + 36, instrument.low, instrument.high) for tone in chord.tones]
    middle = [tones[int(rng.integers(1, len(tones)))] for _ in range(beats - 2)]
    approach = target + int(rng.choice([-1, 1]))
    return [root, *middle, min(max(approach, instrument.low), instrument.high)]


def _voicing(
    chord: Chord, centre: float, previous: list[int], instrument: Instrument, size: int
) -> list[int]:
    """Return chord tones in close position, in the inversion nearest to the previous chord."""
    aim = float(np.mean(previous)) if previous else centre
    best: list[int] = []
    for base in range(instrument.low, instrument.high - 8):
        if base % 12 not in chord.tones:
            continue
        notes = [p for p in range(base, instrument.high + 1) if p % 12 in chord.tones][:size]
        if len(notes) == size and (not best or abs(np.mean(notes) - aim) < abs(np.mean(best) - aim)):
            best = notes
    return best or [_fold(chord.root + 60, instrument.low, instrument.high)]


def _centre(instrument: Instrument, rng: np.random.Generator) -> float:
    return instrument.low + float(rng.uniform(0.4, 0.6)) * (instrument.high - instrument.low)


def accompaniment(frame: Frame, bars: _Bars, instrument: Instrument, rng: np.random.Generator) -> list[Event]:
    """Write chords in the style's rhythm; a distorted guitar plays power chords, guitars strum."""
    name = str(rng.choice(frame.style.comp))
    distorted = instrument.id == "distorted electric guitar"
    if distorted and name not in ("power", "strum"):
        name = "power"
    if name == "power" and not distorted:
        name = "strum" if "guitar" in instrument.id else "quarters"
    centre, previous = _centre(instrument, rng), list[int]()
    strum = 0.03 if instrument.family == "plucked-string" else 0.0
    events: list[Event] = []
    for bar in _active(frame, bars):
        if distorted:
            root = instrument.low + (bar.chord.root - instrument.low) % 12
            notes = [root, root + 7, root + 12]
        else:
            notes = _voicing(bar.chord, centre, previous, instrument, 4 if strum else 3)
        previous = notes
        for k, (at, length) in enumerate(_cell(_COMP[name], frame.beats)):
            # Up-strokes run from the top string down.
            order = notes if k % 2 == 0 else notes[::-1]
            strength = 0.85 if at % 1 == 0 else 0.65
            events += [
                Event(bar.index * frame.beats + at + strum * j, length, pitch, strength)
                for j, pitch in enumerate(order)
            ]
    return events


def arpeggio(frame: Frame, bars: _Bars, instrument: Instrument, rng: np.random.Generator) -> list[Event]:
    """Write broken chords in eighths or sixteenths, in one of four shapes."""
    step = float(rng.choice([0.5, 0.25], p=[0.75, 0.25]))
    shape = int(rng.integers(4))
    centre, previous = _centre(instrument, rng), list[int]()
    events: list[Event] = []
    for bar in _active(frame, bars):
        notes = _voicing(bar.chord, centre, previous, instrument, 4)
        previous = notes
        orders = (notes, notes[::-1], [*notes, *notes[-2:0:-1]], [notes[0], notes[-1], *notes[1:-1]])
        order = orders[shape]
        for k in range(int(frame.beats / step)):
            strength = 0.8 if k * step % 1 == 0 else 0.6
            ring = step * (2.0 if not instrument.mono else 0.95)
            events.append(Event(bar.index * frame.beats + k * step, ring, order[k % len(order)], strength))
    return events


def pad(frame: Frame, bars: _Bars, instrument: Instrument, rng: np.random.Generator) -> list[Event]:
    """Write sustained chords, voice-led, joining bars that share a chord."""
    centre, previous = _centre(instrument, rng), list[int]()
    events: list[Event] = []
    for bar in _active(frame, bars):
        notes = _voicing(bar.chord, centre, previous, instrument, 3)
        if events and notes == previous and bar.index - 1 in bars:
            events[-len(notes) :] = [e._replace(length=e.length + frame.beats) for e in events[-len(notes) :]]
        else:
            events += [Event(bar.index * frame.beats, frame.beats * 0.98, p, 0.7) for p in notes]
        previous = notes
    return events


def stabs(frame: Frame, bars: _Bars, instrument: Instrument, rng: np.random.Generator) -> list[Event]:
    """Write short accented chords (single notes for instruments that play one), as horn sections do."""
    cell = sorted(rng.choice([0.0, 0.5, 1.5, 2.5, 3.0, 3.5], size=3, replace=False))
    centre, previous = _centre(instrument, rng), list[int]()
    size = 1 if instrument.mono else 3
    events: list[Event] = []
    for bar in _active(frame, bars):
        notes = _voicing(bar.chord, centre, previous, instrument, size)
        previous = notes
        for at, length in _cell(((float(at), 0.45) for at in cell), frame.beats):
            events += [Event(bar.index * frame.beats + at, length, p, 0.9) for p in notes]
        if bar.last:
            events += [Event(bar.index * frame.beats + frame.beats - 1, 0.95, p, 1.0) for p in notes]
    return events


def inner(frame: Frame, bars: _Bars, instrument: Instrument, rng: np.random.Generator) -> list[Event]:
    """Write one sustained voice of the harmony, moving as little as possible: halves or whole bars."""
    pitch = int(_centre(instrument, rng))
    cell = ((0, 1.9), (2, 1.9)) if rng.random() < 0.6 else ((0, 3.9),)
    events: list[Event] = []
    for bar in _active(frame, bars):
        tones = [p for p in range(instrument.low, instrument.high + 1) if p % 12 in bar.chord.tones]
        for k, (at, length) in enumerate(_cell(cell, frame.beats)):
            near = sorted(tones, key=lambda p: abs(p - pitch))
            pitch = near[0] if k == 0 or len(near) < 2 else near[1]
            events.append(Event(bar.index * frame.beats + at, length, pitch, 0.75))
    return events


def melody(frame: Frame, bars: _Bars, instrument: Instrument, rng: np.random.Generator) -> list[Event]:
    """Write a melody: a motif that is repeated, varied and answered, with strong beats on chord tones.

    Phrases have four bars (motif, motif varied, contrast, close), every close is a long note and a
    breath, and the line keeps within an octave and a half around the instrument's comfortable middle.
    """
    centre = _centre(instrument, rng)
    span = min(9.0, 0.45 * (instrument.high - instrument.low))
    ladder = [
        p
        for p in range(instrument.low, instrument.high + 1)
        if p % 12 in frame.scale and abs(p - centre) <= span
    ]
    motif, contrast = (_CELLS[int(k)] for k in rng.choice(len(_CELLS), size=2, replace=False))
    steps = rng.choice([-2, -1, -1, 0, 1, 1, 2], size=8)
    place = len(ladder) // 2
    events: list[Event] = []
    for count, bar in enumerate(_active(frame, bars)):
        phrase = count % 4
        close = phrase == 3 or bar.last
        cell = ((0, 1), (1, frame.beats - 1.6)) if close else contrast if phrase == 2 else motif
        # The arch: rise through the first half of a phrase, fall through the second.
        drift = (1, 0, 1, -1)[phrase]
        for k, (at, length) in enumerate(_cell(cell, frame.beats)):
            vary = int(rng.integers(-1, 2)) if phrase == 1 else 0
            place = int(
                np.clip(place + steps[k % len(steps)] + vary + (drift if k == 0 else 0), 0, len(ladder) - 1)
            )
            if at % 2 == 0:
                place = min(
                    range(len(ladder)), key=lambda i: (ladder[i] % 12 not in bar.chord.tones, abs(i - place))
                )
            strength = 0.9 if at == 0 else 0.75
            events.append(Event(bar.index * frame.beats + at, length * 0.96, ladder[place], strength))
    return events
