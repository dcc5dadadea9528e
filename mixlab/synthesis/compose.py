"""A small composer: style, instruments and a random generator in, notes of every part out.

Everything here is a pure function of its arguments. Parts share a :class:`~mixlab.synthesis.harmony.Frame`
(key, tempo, chords, form); an arrangement decides in which sections each of them plays, so that parts
enter and leave as in real songs and stems hold real silences.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mixlab.synthesis import guitars, keyboards, kits, patterns, rhythm
from mixlab.synthesis.events import Event, Note
from mixlab.synthesis.harmony import STYLES, Frame, Style, sample_frame
from mixlab.synthesis.instruments import INSTRUMENTS, Instrument

__all__ = ["ROLES", "Composition", "PartSpec", "compose"]

Pattern = Callable[[Frame, frozenset[int], Instrument, np.random.Generator], list[Event]]

_PATTERNS: dict[str, Pattern] = {
    "lead": patterns.melody,
    "solo": patterns.melody,
    "counter": patterns.inner,
    "answer": patterns.melody,
    "inner": patterns.inner,
    "bass": patterns.bass,
    "comp": patterns.accompaniment,
    "arp": patterns.arpeggio,
    "pad": patterns.pad,
    "stabs": patterns.stabs,
    "drums": rhythm.drums,
    "percussion": rhythm.percussion,
    "timpani": rhythm.timpani,
    "strum": guitars.strummed,
    "pick": guitars.fingerpicked,
    "hands": keyboards.two_hands,
    "tune": keyboards.with_tune,
    "kit": kits.played_kit,
}
# Chance that a part plays in a section of that name; one sample per section, repeats play alike.
_PRESENCE: dict[str, dict[str, float]] = {
    "lead": {"intro": 0.1, "verse": 1.0, "chorus": 1.0, "bridge": 0.4, "outro": 0.3},
    "solo": {"intro": 0.7, "verse": 0.25, "chorus": 0.7, "bridge": 1.0, "outro": 0.6},
    "counter": {"intro": 0.2, "verse": 0.4, "chorus": 0.9, "bridge": 0.6, "outro": 0.4},
    "answer": {"intro": 0.3, "verse": 0.2, "chorus": 0.9, "bridge": 0.7, "outro": 0.4},
    "inner": {"intro": 0.6, "verse": 0.9, "chorus": 0.95, "bridge": 0.7, "outro": 0.8},
    "bass": {"intro": 0.35, "verse": 0.95, "chorus": 1.0, "bridge": 0.8, "outro": 0.7},
    "comp": {"intro": 0.75, "verse": 0.9, "chorus": 0.95, "bridge": 0.6, "outro": 0.7},
    "arp": {"intro": 0.7, "verse": 0.7, "chorus": 0.6, "bridge": 0.8, "outro": 0.6},
    "pad": {"intro": 0.5, "verse": 0.35, "chorus": 0.9, "bridge": 0.8, "outro": 0.7},
    "stabs": {"intro": 0.1, "verse": 0.3, "chorus": 1.0, "bridge": 0.4, "outro": 0.4},
    "drums": {"intro": 0.3, "verse": 0.9, "chorus": 1.0, "bridge": 0.6, "outro": 0.5},
    "percussion": {"intro": 0.2, "verse": 0.5, "chorus": 0.9, "bridge": 0.5, "outro": 0.2},
    "timpani": {"intro": 0.2, "verse": 0.3, "chorus": 1.0, "bridge": 0.4, "outro": 0.5},
    "double": {"intro": 0.0, "verse": 0.5, "chorus": 1.0, "bridge": 0.4, "outro": 0.2},
    "strum": {"intro": 0.7, "verse": 0.9, "chorus": 1.0, "bridge": 0.7, "outro": 0.8},
    "pick": {"intro": 0.8, "verse": 0.95, "chorus": 0.85, "bridge": 0.8, "outro": 0.9},
    "hands": {"intro": 0.8, "verse": 0.95, "chorus": 1.0, "bridge": 0.8, "outro": 0.9},
    "tune": {"intro": 1.0, "verse": 1.0, "chorus": 1.0, "bridge": 1.0, "outro": 1.0},
    "kit": {"intro": 0.4, "verse": 0.95, "chorus": 1.0, "bridge": 0.8, "outro": 0.7},
}
ROLES = tuple(_PRESENCE)

_ENERGY = {"intro": 0.8, "verse": 0.88, "chorus": 1.0, "bridge": 0.85, "outro": 0.8}
# Less than this and a part would offer no full training excerpt.
_LEAST_S = 4.0


@dataclass(frozen=True)
class PartSpec:
    """One part as a song's plan asks for it.

    Attributes:
        instrument: Key of ``INSTRUMENTS``, or of what ``compose`` is given in its place.
        role: One of ``ROLES``.
        doubles: For the role ``double``: the position of the part that it plays along with.
    """

    instrument: str
    role: str
    doubles: int | None = None


@dataclass(frozen=True)
class Composition:
    """A composed song: its frame, and for each part the notes in order of start."""

    frame: Frame
    parts: tuple[tuple[Note, ...], ...]


def compose(
    style: str | Style,
    parts: Sequence[PartSpec],
    music_s: float,
    rng: np.random.Generator,
    instruments: Mapping[str, Instrument] = INSTRUMENTS,
) -> Composition:
    """Compose a song.

    Args:
        style: Key of ``STYLES``, or a style of one's own.
        parts: The parts, leaders before those that double them.
        music_s: Upper bound of the music's length; every note ends by then, but for humanised
            endings of a few milliseconds.
        rng: Source of every decision.
        instruments: What the parts name, with the ranges that they may use.
    """
    frame_rng, arrange_rng, *streams = rng.spawn(2 + len(parts))
    frame = sample_frame(STYLES[style] if isinstance(style, str) else style, music_s, frame_rng)
    arrangement = _arrange(frame, parts, arrange_rng)
    written: list[list[Event]] = []
    played: list[tuple[Note, ...]] = []
    for spec, bars, stream in zip(parts, arrangement, streams, strict=True):
        instrument = instruments[spec.instrument]
        if spec.doubles is None:
            events = _PATTERNS[spec.role](frame, bars, instrument, stream)
        else:
            events = _double(frame, written[spec.doubles], bars, instrument)
            if not events:
                events = patterns.inner(frame, bars, instrument, stream)
        written.append(events)
        played.append(_play(frame, events, instrument, stream))
    return Composition(frame, tuple(played))


def _arrange(frame: Frame, parts: Sequence[PartSpec], rng: np.random.Generator) -> list[frozenset[int]]:
    """Return the bars in which each part plays: at least four seconds each, at least two parts a bar."""
    sections = frame.sections()
    needed = min(len(frame.bars), max(1, int(np.ceil(_LEAST_S / frame.bar_s))))
    chosen: list[set[int]] = []
    for spec in parts:
        chances = _PRESENCE[spec.role]
        bars = {bar for name, held in sections.items() if rng.random() < chances[name] for bar in held}
        for name in sorted(sections, key=lambda name: -chances[name]):
            if len(bars) >= needed:
                break
            bars |= set(sections[name])
        chosen.append(bars)
    order = sorted(
        range(len(parts)),
        key=lambda k: parts[k].role not in ("comp", "arp", "inner", "pad", "strum", "hands"),
    )
    for bar in range(len(frame.bars)):
        absent = [k for k in order if bar not in chosen[k]]
        for k in absent[: max(0, min(2, len(parts)) - (len(parts) - len(absent)))]:
            chosen[k].add(bar)
    return [frozenset(bars) for bars in chosen]


def _double(frame: Frame, events: list[Event], bars: frozenset[int], instrument: Instrument) -> list[Event]:
    """Return another part's notes for this instrument: in unison, or an octave away where it must."""
    own = []
    for event in events:
        if int(event.beat / frame.beats) in bars:
            pitch = event.pitch
            while pitch < instrument.low:
                pitch += 12
            while pitch > instrument.high:
                pitch -= 12
            own.append(event._replace(pitch=max(pitch, instrument.low)))
    return own


def _play(
    frame: Frame, events: Sequence[Event], instrument: Instrument, rng: np.random.Generator
) -> tuple[Note, ...]:
    """Turn written events into played notes: swing, timing and velocity of a human, one voice if mono."""
    beat_s = frame.beat_s
    end_s = len(frame.bars) * frame.bar_s
    late_s = float(rng.normal(0.0, 0.006))
    notes: list[Note] = []
    for event in sorted(events):
        start = _swing(event.beat, frame.style.swing) * beat_s + late_s + float(rng.normal(0.0, 0.006))
        start = min(max(start, 0.0), end_s - 0.05)
        length = max(0.05, min(event.length * beat_s, end_s - start))
        energy = _ENERGY[frame.bars[min(int(event.beat / frame.beats), len(frame.bars) - 1)].section]
        velocity = int(min(max(112 * event.strength * energy + float(rng.normal(0, 5)), 24), 127))
        notes.append(Note(round(start, 4), round(length, 4), event.pitch, velocity))
    notes.sort()
    return tuple(_one_voice(notes)) if instrument.mono else tuple(notes)


def _swing(beat: float, ratio: float) -> float:
    whole, part = divmod(beat, 1.0)
    if ratio == 0.5:
        return beat
    return whole + (part / 0.5 * ratio if part < 0.5 else ratio + (part - 0.5) / 0.5 * (1.0 - ratio))


def _one_voice(notes: Sequence[Note]) -> list[Note]:
    """Cut every note where the next one starts; drop what has become too short to hear."""
    cut = []
    for note, following in zip(notes, [*notes[1:], None], strict=True):
        if following is not None:
            note = note._replace(duration_s=min(note.duration_s, round(following.start_s - note.start_s, 4)))
        if note.duration_s >= 0.04:
            cut.append(note)
    return cut
