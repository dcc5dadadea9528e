"""Bowed strings that are plucked: a double bass as jazz has it, and a section's pizzicato.

A string is a loop in which one period goes round and loses treble, its tuning kept by an all-pass: Jaffe and
Smith, *Extensions of the Karplus-Strong plucked-string algorithm*, CMJ 7 (1983). What goes round first is the
force on the bridge after a soft finger let go at a place of the string. Two loops, which die away differently
and are a hair out of tune, are its two directions; the body is a row of resonances.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.filters import cascade, pass_sections, section
from mixlab.synthesis.events import Note
from mixlab.synthesis.players import SAMPLE_RATE

__all__ = ["BODIES", "Body", "PluckedPlayer", "sample_pizzicato", "sample_plucked_bass"]

_PEAK = 0.8
_FADE_S = 0.012
_STOPPED_S = 0.12
"""How long a string sounds after a finger touches it, until 60 dB down."""


@dataclass(frozen=True)
class Body:
    """A kind of instrument.

    Attributes:
        lowest: MIDI pitch of its lowest string.
        open_s: Decay time (60 dB) of its lowest note.
        halved: Semitones up after which a note rings half as long.
        finger_ms: How softly a finger lets go.
        dull: How fast treble dies: low-pass in the loop at the lowest note.
        resonances: Hz, dB and Q of its body.
        dark_hz: Above this a body gives little.
    """

    lowest: int
    open_s: float
    halved: float
    finger_ms: float
    dull: float
    resonances: tuple[tuple[float, float, float], ...]
    dark_hz: float


BODIES: Mapping[str, Body] = {
    "double bass": Body(
        28, 4.5, 14.0, 0.9, 0.84,
        ((62.0, 5.0, 5.0), (104.0, 6.0, 7.0), (170.0, 4.0, 6.0), (420.0, 3.0, 3.0), (1100.0, 3.0, 2.0)),
        2600.0),
    "cello": Body(
        36, 1.8, 14.0, 0.8, 0.4,
        ((102.0, 6.0, 7.0), (185.0, 6.0, 8.0), (320.0, 3.0, 5.0), (1500.0, 4.0, 2.0)), 3800.0),
    "viola": Body(
        48, 1.0, 14.0, 0.6, 0.25,
        ((225.0, 6.0, 7.0), (370.0, 5.0, 8.0), (520.0, 4.0, 7.0), (1900.0, 4.0, 2.0)), 4500.0),
    "violin": Body(
        55, 0.8, 15.0, 0.45, 0.2,
        ((275.0, 6.0, 8.0), (450.0, 5.0, 10.0), (540.0, 5.0, 10.0), (2500.0, 5.0, 1.5)), 5500.0),
}  # fmt: skip


@dataclass(frozen=True)
class PluckedPlayer:
    """One who plucks, or a section of them.

    Attributes:
        bodies: Keys of ``BODIES``, the highest first: the first that has a note plays it.
        players: To a part.
        place: Where the finger plucks, as a part of the string's length.
        softness: Of the finger, against the usual.
        ring: Decay time against the usual.
        noise: Level of the finger's noise.
    """

    bodies: tuple[str, ...]
    players: int = 1
    place: float = 0.2
    softness: float = 1.0
    ring: float = 1.0
    noise: float = 0.03

    def play(self, notes: Sequence[Note], seconds: float, rng: np.random.Generator) -> NDArray[np.float32]:
        """Pluck; see ``Player``. What lies below the lowest string is left out."""
        samples = round(seconds * SAMPLE_RATE)
        out = np.zeros(samples, np.float32)
        for name in self.bodies:
            higher = [BODIES[each].lowest for each in self.bodies[: self.bodies.index(name)]]
            able = [
                note
                for note in notes
                if note.start_s < seconds and BODIES[name].lowest <= note.pitch < min(higher, default=128)
            ]
            if not able:
                continue
            strings = np.zeros(samples, np.float32)
            for _ in range(self.players):
                apart = self.players > 1
                cents, late_s = (
                    (float(rng.normal(0, 5)), float(abs(rng.normal(0, 0.012)))) if apart else (0.0, 0.0)
                )
                for note in able:
                    self._pluck(note, BODIES[name], cents + float(rng.normal(0, 4)), late_s, strings, rng)
            filters = [
                *pass_sections("high_pass", 0.6 * _hertz(BODIES[name].lowest), 2, SAMPLE_RATE),
                *(section("peak", hz, db, q, SAMPLE_RATE) for hz, db, q in BODIES[name].resonances),
                *pass_sections("low_pass", BODIES[name].dark_hz, 1, SAMPLE_RATE),
            ]
            out += cascade(strings[None], filters)[0]
        return _finished(out)

    def _pluck(
        self,
        note: Note,
        body: Body,
        cents: float,
        late_s: float,
        out: NDArray[np.float32],
        rng: np.random.Generator,
    ) -> None:
        """Add one note."""
        from mixlab.synthesis._kernels.strings import ring

        hertz = _hertz(note.pitch) * 2.0 ** (cents / 1200.0)
        up = note.pitch - body.lowest
        decay_s = self.ring * body.open_s * 0.5 ** (up / body.halved) * float(rng.uniform(0.85, 1.15))
        loudness = (note.velocity / 127.0) ** 1.5
        # Who plucks harder has a firmer finger.
        finger_s = 1e-3 * self.softness * body.finger_ms * 2.0 ** (1.4 * (0.75 - note.velocity / 127.0))
        place = float(np.clip(self.place * rng.uniform(0.85, 1.15) * 2.0 ** (up / 24.0), 0.08, 0.45))
        first = round((note.start_s + late_s) * SAMPLE_RATE)
        end = round((note.start_s + late_s + note.duration_s) * SAMPLE_RATE)
        dull = body.dull * 0.5 ** (up / 36.0)
        for weight, detune, longer in (
            (1.0, 1.0, 0.6),
            (0.5, 2.0 ** (float(rng.normal(0, 0.8)) / 1200.0), 1.6),
        ):
            period = SAMPLE_RATE / (hertz * detune)
            tuning, whole = _loop(period, dull)
            wave = weight * loudness * _released(whole, period, place, finger_s)
            if weight == 1.0:
                wave += self.noise * loudness * _touch(whole, rng)
            kept, stopped = (0.001 ** (1.0 / (hertz * each)) for each in (longer * decay_s, _STOPPED_S))
            ring(wave, tuning, dull, kept, min(kept, stopped), first, end, out)


def _hertz(pitch: float) -> float:
    return float(440.0 * 2.0 ** ((pitch - 69.0) / 12.0))


def _loop(period: float, dull: float) -> tuple[float, int]:
    """Return the coefficient of the loop's all-pass, and the whole samples of a period."""
    angle = 2.0 * math.pi / period
    late = math.atan2(dull * math.sin(angle), 1.0 - dull * math.cos(angle)) / angle
    whole = max(int(period - late - 0.4), 2)
    rest = period - late - whole
    return math.sin((1.0 - rest) * angle / 2.0) / math.sin((1.0 + rest) * angle / 2.0), whole


def _released(whole: int, period: float, place: float, finger_s: float) -> NDArray[np.float64]:
    """Return the force on the bridge over one period of a string that was let go: a step of ``place``."""
    time = np.arange(whole) / period
    soft = max(finger_s * SAMPLE_RATE / period, 1.0 / period)
    rise = 1.0 / (1.0 + np.exp(-np.clip((time - 0.02) / (0.3 * soft), -40, 40)))
    fall = 1.0 / (1.0 + np.exp(-np.clip((time - 0.02 - place) / (0.3 * soft), -40, 40)))
    wave = rise - fall
    return np.asarray(wave - wave.mean())


def _touch(whole: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the noise of a finger that leaves the string."""
    noise = rng.standard_normal(whole) * np.exp(-np.arange(whole) / (0.004 * SAMPLE_RATE))
    return np.asarray(noise)


def _finished(out: NDArray[np.float32]) -> NDArray[np.float32]:
    fade = min(len(out), round(_FADE_S * SAMPLE_RATE))
    out[len(out) - fade :] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    peak = float(np.abs(out).max(initial=0.0))
    return out * np.float32(_PEAK / peak) if peak > 0 else out


def sample_plucked_bass(rng: np.random.Generator) -> PluckedPlayer:
    """Sample a bassist: where, how firmly, and on what strings."""
    return PluckedPlayer(
        ("double bass",),
        place=float(rng.uniform(0.14, 0.28)),
        softness=float(rng.uniform(0.7, 1.4)),
        ring=float(rng.uniform(0.6, 1.2)),
        noise=float(rng.uniform(0.02, 0.06)),
    )


def sample_pizzicato(rng: np.random.Generator) -> PluckedPlayer:
    """Sample a string section that plucks."""
    return PluckedPlayer(
        ("violin", "viola", "cello"),
        players=int(rng.integers(3, 6)),
        place=float(rng.uniform(0.12, 0.2)),
        softness=float(rng.uniform(0.8, 1.3)),
        ring=float(rng.uniform(0.8, 1.2)),
        noise=float(rng.uniform(0.02, 0.05)),
    )
