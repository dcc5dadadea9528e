"""Play a part on recorded notes: layers, turns, small shifts of pitch, legato, vibrato, releases."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.varispeed import sinc_table
from mixlab.synthesis.events import Note
from mixlab.synthesis.filtering import filter_part, one_pole
from mixlab.synthesis.levels import is_silent
from mixlab.synthesis.notes.library import RecordedNote
from mixlab.synthesis.notes.recordings import Recording, load_recording, stretched
from mixlab.synthesis.synth import SAMPLE_RATE

__all__ = ["Manner", "RecordedPlayer"]

_LEGATO_S = 0.03
"""Notes of one voice that are this near follow each other without a new attack."""

_FADE_S = 0.03
_RING_FADE_S = 0.3
_END_FADE_S = 0.012
_DARK_DB, _DARK_HZ = 11.0, 1700.0
"""How much less treble the softest note has, where there is one recording for all velocities.

It is a shelf of one pole at this frequency, whose middle lies an octave higher at the most.
"""

_PHASES = 4096
"""Places between two samples at which a recording is read: errors are 85 dB and more below the sound."""

_USUAL = 92
"""Velocity at which a note sounds as it was recorded: libraries are played firmly."""

# An open hi-hat sounds until the next note of the hi-hat.
_CHOKED, _CHOKING = (46,), (42, 44, 46)
_LOWEST = 1e-3
_STEADY = np.zeros(5)


@dataclass(frozen=True)
class Manner:
    """How an instrument is played.

    Attributes:
        held: It sounds as long as it is played; what is too short is looped. Else notes die away.
        release_s: How long a note sounds after its end.
        rings: A note is never ended, as those of drums and bells.
        most_s: How long a note rings at most.
        kit: Pitches name pieces: nothing is shifted or tuned.
        mono: One voice: near notes are slurred.
        vibrato_cents: Depth of the vibrato that long notes get where the recordings have less.
        tuning_cents: Standard deviation of each note's tuning.
        range_db: By how much the softest note is softer than the loudest.
    """

    held: bool = False
    release_s: float = 0.15
    rings: bool = False
    most_s: float = 10.0
    kit: bool = False
    mono: bool = False
    vibrato_cents: float = 0.0
    tuning_cents: float = 3.0
    range_db: float = 26.0


@dataclass(frozen=True)
class RecordedPlayer:
    """A :class:`~mixlab.synthesis.players.Player` of one instrument of a library.

    Attributes:
        notes: The recordings.
        manner: How they are played.
        detune_cents: Tuning of the whole part, as of one among several players.
        delay_s: Timing of the whole part.
        pieces: For kits: what is played for a piece that the library lacks.
    """

    notes: tuple[RecordedNote, ...]
    manner: Manner = field(default_factory=Manner)
    detune_cents: float = 0.0
    delay_s: float = 0.0
    pieces: Mapping[int, int] = field(default_factory=dict)

    def play(self, notes: Sequence[Note], seconds: float, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the dry sound of a part; notes without a recording near enough are left out."""
        # What softer notes have less of goes to a part of its own, which loses its treble as a whole.
        out, dark = (np.zeros(round(seconds * SAMPLE_RATE), np.float32) for _ in range(2))
        turns: dict[tuple[int, int], int] = {}
        by_pitch: dict[int, list[RecordedNote]] = {}
        ordered = sorted(notes)
        for place, note in enumerate(ordered):
            recorded = self._choose(note, turns, by_pitch)
            tuning = float(rng.normal(0.0, self.manner.tuning_cents)) + self.detune_cents
            vibrato = rng.random(3)
            if recorded is not None and note.start_s < seconds:
                before = ordered[place - 1] if place else None
                end_s = self._end(note, ordered, place)
                self._add(out, dark, note, recorded, before, end_s, tuning, vibrato)
        if not is_silent(dark):
            out += filter_part(dark, [one_pole(_DARK_HZ, SAMPLE_RATE, 0.0)])
        return _finish(out)

    def _choose(
        self, note: Note, turns: dict[tuple[int, int], int], by_pitch: dict[int, list[RecordedNote]]
    ) -> RecordedNote | None:
        """Return the recording that plays a note: its layer, and whose turn it is."""
        pitch = self.pieces.get(note.pitch, note.pitch)
        able = by_pitch.get(pitch)
        if able is None:
            able = sorted(
                (each for each in self.notes if each.low <= pitch <= each.high), key=lambda each: each.turn
            )
            by_pitch[pitch] = able
        if not able:
            return None
        layer = able
        if len(able) > 1:
            off = [max(each.softest - note.velocity, note.velocity - each.loudest, 0) for each in able]
            nearest = min(off)
            layer = [each for each, far in zip(able, off, strict=True) if far == nearest]
        key = (pitch, layer[0].softest)
        turns[key] = turns.get(key, -1) + 1
        return layer[turns[key] % len(layer)]

    def _add(
        self,
        out: NDArray[np.float32],
        dark: NDArray[np.float32],
        note: Note,
        recorded: RecordedNote,
        before: Note | None,
        end_s: float,
        tuning_cents: float,
        vibrato: NDArray[np.float64],
    ) -> None:
        from mixlab.synthesis._kernels import notes as kernels

        manner, kit = self.manner, self.manner.kit
        sound = load_recording(recorded.path, recorded.start, 0.0 if kit else recorded.pitch)
        slurred = manner.mono and before is not None and _near(before, note)
        early_s = 0.0 if slurred else 0.7 * sound.attack_s
        start_s = note.start_s + self.delay_s - early_s
        skip_s = sound.attack_s if slurred else 0.0
        cents = tuning_cents + (0.0 if kit else 100.0 * (note.pitch - recorded.pitch))
        ratio = 2.0 ** (cents / 1200.0) * sound.rate / SAMPLE_RATE
        release_s = recorded.release_s or manner.release_s
        length_s = end_s + self.delay_s - start_s + release_s
        if manner.rings:
            whole_s = min(len(sound.audio) / ratio / SAMPLE_RATE, manner.most_s)
            length_s, release_s = min(whole_s, length_s), _RING_FADE_S if length_s > whole_s else _FADE_S
        first = round(start_s * SAMPLE_RATE)
        samples = round(min(length_s, (len(out) - first) / SAMPLE_RATE) * SAMPLE_RATE)
        if samples <= 16:
            return
        audio = sound.audio
        if manner.held:
            loop = recorded.loop and _loop_of(recorded.loop, sound)
            audio = stretched(sound, math.ceil((skip_s * SAMPLE_RATE + samples) * ratio * 1.02) + 32, loop)
        swing = _STEADY
        if manner.vibrato_cents and note.duration_s > 0.35 and sound.swing_cents < 0.5 * manner.vibrato_cents:
            swing = _swing(ratio, manner.vibrato_cents, vibrato)
        rise = min(round((_FADE_S if slurred else 0.001) * SAMPLE_RATE), samples)
        fall = min(round(release_s * SAMPLE_RATE), samples)
        dull = 0.0 if kit or not _alone(recorded) else 1.0 - 10.0 ** (-_darker_db(note.velocity) / 20.0)
        sounding = (samples, rise, fall, _LOWEST, self._gain(note, recorded), dull)
        place = skip_s * sound.rate
        kernels.add_note(audio, place, ratio, swing, sinc_table(_PHASES), *sounding, first, out, dark)

    def _end(self, note: Note, ordered: Sequence[Note], place: int) -> float:
        """Return when a note ends: by its length, or never, or by a hi-hat that closes."""
        if not self.manner.rings:
            return note.start_s + note.duration_s
        if self.manner.kit and note.pitch in _CHOKED:
            closing = (each.start_s for each in ordered[place + 1 :] if each.pitch in _CHOKING)
            return next((at for at in closing if at > note.start_s), math.inf)
        return math.inf

    def _gain(self, note: Note, recorded: RecordedNote) -> float:
        """Return the factor of a note's velocity; layers have most of it in their own levels."""
        part = (127 - note.velocity) / 127.0
        if not _alone(recorded):
            part = 0.3 * (recorded.loudest - note.velocity) / 127.0
        return math.pow(10.0, (recorded.gain_db - self.manner.range_db * part) / 20.0)


def _darker_db(velocity: int) -> float:
    """Return how much less treble a note has."""
    return _DARK_DB * max(_USUAL - velocity, 0) / _USUAL


def _alone(recorded: RecordedNote) -> bool:
    return recorded.softest <= 1 and recorded.loudest >= 127


def _near(before: Note, note: Note) -> bool:
    gap = note.start_s - (before.start_s + before.duration_s)
    return gap < _LEGATO_S and before.start_s < note.start_s and before.pitch != note.pitch


def _loop_of(loop: tuple[int, int], sound: Recording) -> tuple[int, int]:
    return max(loop[0], 0), min(loop[1], len(sound.audio))


def _swing(ratio: float, cents: float, random: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how the place in a recording runs ahead while the pitch swings, as the kernel takes it.

    Rate, depth and first phase are found by three random numbers from 0 to 1.
    """
    rate_hz, depth, phase = 4.8 + (6.3 - 4.8) * random[0], 0.7 + (1.2 - 0.7) * random[1], 6.28 * random[2]
    omega = 2.0 * math.pi * rate_hz
    reach = cents * depth * math.log(2.0) / 1200.0 * ratio * SAMPLE_RATE / omega
    return np.array([reach, omega / SAMPLE_RATE, phase, 0.18 * SAMPLE_RATE, 0.4 * SAMPLE_RATE])


def _finish(out: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fade the end out, and bring what is beyond full scale below it."""
    fade = min(round(_END_FADE_S * SAMPLE_RATE), len(out))
    out[len(out) - fade :] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    peak = float(max(out.max(initial=0.0), -out.min(initial=0.0)))
    if peak > 0.99:
        out *= np.float32(0.99 / peak)
    return out
