"""Patches: what somebody has set at a synthesizer, sampled from ranges by what it is for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

__all__ = ["USES", "Envelope", "FmPatch", "Rack", "TablePatch", "sample_patch", "sample_rack"]

Use = Literal["lead", "pluck", "pad", "bass"]
USES: tuple[Use, ...] = ("lead", "pluck", "pad", "bass")


@dataclass(frozen=True)
class Envelope:
    """Attack, decay and release in seconds, and the level that is held, 0..1."""

    attack_s: float = 0.005
    decay_s: float = 0.2
    sustain: float = 0.8
    release_s: float = 0.1


@dataclass(frozen=True)
class TablePatch:
    """A subtractive or wavetable sound.

    Attributes:
        table: Key of ``waves.TABLES``.
        place: Where in the table a note begins.
        sweep: By how many shapes it moves over ``sweep_s``.
        sweep_s: How long that takes.
        voices: Oscillators side by side.
        detune_cents: Between the outermost of them.
        sub: Level of a further oscillator an octave below.
        noise: Level of noise.
        amp: Envelope of the level.
        filter: Envelope of the cut-off.
        cutoff_hz: Cut-off of a note at middle C without envelope.
        envelope_octaves: What the envelope adds.
        resonance: 0..0.95.
        poles: 2 or 4.
        tracking: 0..1: how far the cut-off follows the pitch.
        lfo_hz: Rate of what sways.
        lfo_octaves: By how much it moves the cut-off.
        lfo_cents: By how much it moves the pitch.
        glide_s: Time from pitch to pitch, for one voice.
    """

    table: str
    place: float = 0.0
    sweep: float = 0.0
    sweep_s: float = 2.0
    voices: int = 1
    detune_cents: float = 0.0
    sub: float = 0.0
    noise: float = 0.0
    amp: Envelope = field(default_factory=Envelope)
    filter: Envelope = field(default_factory=Envelope)
    cutoff_hz: float = 4000.0
    envelope_octaves: float = 0.0
    resonance: float = 0.1
    poles: int = 4
    tracking: float = 0.5
    lfo_hz: float = 5.0
    lfo_octaves: float = 0.0
    lfo_cents: float = 0.0
    glide_s: float = 0.0


@dataclass(frozen=True)
class FmPatch:
    """An FM sound; operators are computed from the last to the first.

    Attributes:
        ratios: Pitch of each operator against the note's.
        depths: ``(i, j, cycles)``: operator ``j`` turns the phase of ``i``.
        weights: How much of each operator sounds.
        envelopes: Of each operator.
        lfo_hz: Rate of what sways.
        lfo_cents: By how much it moves the pitch.
        glide_s: Time from pitch to pitch, for one voice.
    """

    ratios: tuple[float, ...]
    depths: tuple[tuple[int, int, float], ...]
    weights: tuple[float, ...]
    envelopes: tuple[Envelope, ...]
    lfo_hz: float = 5.0
    lfo_cents: float = 0.0
    glide_s: float = 0.0


@dataclass(frozen=True)
class Rack:
    """Effects behind a synthesizer; 0 leaves one out.

    Attributes:
        drive: 0..1.
        chorus_ms: Depth.
        chorus_hz: Rate.
        echo_beats: Time of the echo, in beats.
        echo_level: Of the first echo.
        echo_feedback: Of each against the one before.
        duck: 0..1: how far it steps back at each beat.
    """

    drive: float = 0.0
    chorus_ms: float = 0.0
    chorus_hz: float = 0.6
    echo_beats: float = 0.75
    echo_level: float = 0.0
    echo_feedback: float = 0.4
    duck: float = 0.0


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def _log_between(rng: np.random.Generator, low: float, high: float) -> float:
    return float(low * (high / low) ** rng.random())


def _saw_lead(rng: np.random.Generator) -> TablePatch:
    return TablePatch(
        table=str(rng.choice(["saw", "analog", "pulse"])),
        place=_between(rng, 1.8, 3.0),
        sweep=_between(rng, -0.8, 0.8),
        voices=int(rng.choice([1, 2, 3, 5])),
        detune_cents=_between(rng, 5, 45),
        sub=float(rng.choice([0.0, 0.4])),
        amp=Envelope(
            _log_between(rng, 0.002, 0.04), 0.3, _between(rng, 0.6, 1), _log_between(rng, 0.05, 0.4)
        ),
        filter=Envelope(
            _log_between(rng, 0.002, 0.1), _log_between(rng, 0.1, 0.8), _between(rng, 0.1, 0.8), 0.2
        ),
        cutoff_hz=_log_between(rng, 600, 6000),
        envelope_octaves=_between(rng, 0, 3),
        resonance=_between(rng, 0, 0.6),
        poles=int(rng.choice([2, 4])),
        lfo_hz=_between(rng, 4.5, 6.5),
        lfo_cents=float(rng.choice([0.0, _between(rng, 5, 25)])),
        glide_s=float(rng.choice([0.0, _between(rng, 0.03, 0.12)])),
    )


def _wave_lead(rng: np.random.Generator) -> TablePatch:
    return TablePatch(
        table=str(rng.choice(["vowel", "metal", "growth"])),
        place=_between(rng, 0, 3),
        sweep=_between(rng, -2, 2),
        sweep_s=_log_between(rng, 0.2, 3),
        voices=int(rng.choice([2, 3, 4])),
        detune_cents=_between(rng, 5, 30),
        amp=Envelope(
            _log_between(rng, 0.002, 0.05), 0.4, _between(rng, 0.5, 1), _log_between(rng, 0.05, 0.5)
        ),
        cutoff_hz=_log_between(rng, 1500, 9000),
        resonance=_between(rng, 0, 0.4),
        poles=2,
        lfo_hz=_between(rng, 0.3, 6),
        lfo_octaves=_between(rng, 0, 0.5),
    )


def _pluck(rng: np.random.Generator) -> TablePatch:
    return TablePatch(
        table=str(rng.choice(["saw", "pulse", "analog", "metal"])),
        place=_between(rng, 0, 3),
        voices=int(rng.choice([1, 2, 3])),
        detune_cents=_between(rng, 3, 20),
        amp=Envelope(0.002, _log_between(rng, 0.15, 0.7), _between(rng, 0, 0.2), _log_between(rng, 0.1, 0.5)),
        filter=Envelope(0.001, _log_between(rng, 0.05, 0.3), 0.0, 0.1),
        cutoff_hz=_log_between(rng, 250, 1200),
        envelope_octaves=_between(rng, 2.5, 5),
        resonance=_between(rng, 0.1, 0.7),
        poles=int(rng.choice([2, 4])),
    )


def _pad(rng: np.random.Generator) -> TablePatch:
    return TablePatch(
        table=str(rng.choice(["saw", "pulse", "analog", "vowel", "growth", "metal"])),
        place=_between(rng, 1, 3),
        sweep=_between(rng, -1, 2),
        sweep_s=_log_between(rng, 1.5, 8),
        voices=int(rng.choice([3, 4, 5])),
        detune_cents=_between(rng, 10, 40),
        noise=float(rng.choice([0.0, 0.03])),
        amp=Envelope(_log_between(rng, 0.08, 0.9), 0.5, _between(rng, 0.7, 1), _log_between(rng, 0.4, 1.5)),
        filter=Envelope(_log_between(rng, 0.3, 2.5), 2.0, 0.6, 1.0),
        cutoff_hz=_log_between(rng, 700, 5000),
        envelope_octaves=_between(rng, 0, 2.5),
        resonance=_between(rng, 0, 0.5),
        poles=int(rng.choice([2, 4])),
        lfo_hz=_log_between(rng, 0.1, 2),
        lfo_octaves=_between(rng, 0, 1.2),
        lfo_cents=_between(rng, 0, 6),
    )


def _saw_bass(rng: np.random.Generator) -> TablePatch:
    return TablePatch(
        table=str(rng.choice(["saw", "pulse", "analog"])),
        place=_between(rng, 0.5, 3),
        voices=int(rng.choice([1, 2, 3])),
        detune_cents=_between(rng, 4, 30),
        sub=_between(rng, 0.2, 0.9),
        amp=Envelope(
            0.003, _log_between(rng, 0.1, 0.8), _between(rng, 0.4, 1), _log_between(rng, 0.03, 0.15)
        ),
        filter=Envelope(0.002, _log_between(rng, 0.06, 0.5), _between(rng, 0, 0.5), 0.1),
        cutoff_hz=_log_between(rng, 200, 1500),
        envelope_octaves=_between(rng, 1, 4),
        resonance=_between(rng, 0.1, 0.8),
        poles=4,
        tracking=0.3,
        lfo_hz=_log_between(rng, 1, 8),
        lfo_octaves=float(rng.choice([0.0, _between(rng, 0.5, 1.5)], p=[0.7, 0.3])),
        glide_s=float(rng.choice([0.0, _between(rng, 0.03, 0.1)])),
    )


def _fm_keys(rng: np.random.Generator) -> FmPatch:
    decay = _log_between(rng, 0.6, 2.0)
    return FmPatch(
        ratios=(1.0, 1.0, 1.0, float(rng.choice([7.0, 11.0, 14.0]))),
        depths=((0, 1, _between(rng, 0.1, 0.3)), (2, 3, _between(rng, 0.05, 0.2))),
        weights=(0.6, 0.0, 0.4, 0.0),
        envelopes=(
            Envelope(0.002, decay, 0.1, 0.3),
            Envelope(0.002, 0.6 * decay, 0.05, 0.3),
            Envelope(0.002, decay, 0.0, 0.3),
            Envelope(0.001, 0.15, 0.0, 0.1),
        ),
        lfo_hz=_between(rng, 3, 6),
        lfo_cents=_between(rng, 0, 4),
    )


def _fm_bell(rng: np.random.Generator) -> FmPatch:
    decay = _log_between(rng, 0.8, 3.0)
    return FmPatch(
        ratios=(1.0, float(rng.choice([1.41, 2.76, 3.5, 5.19])), 2.0, 7.07),
        depths=((0, 1, _between(rng, 0.3, 0.6)), (2, 3, _between(rng, 0.1, 0.3))),
        weights=(0.7, 0.0, 0.3, 0.0),
        envelopes=(
            Envelope(0.001, decay, 0.0, 0.8),
            Envelope(0.001, 0.5 * decay, 0.0, 0.5),
            Envelope(0.001, 0.6 * decay, 0.0, 0.5),
            Envelope(0.001, 0.2, 0.0, 0.2),
        ),
    )


def _fm_bass(rng: np.random.Generator) -> FmPatch:
    return FmPatch(
        ratios=(1.0, float(rng.choice([1.0, 2.0, 3.0])), 0.5),
        depths=((0, 1, _between(rng, 0.2, 0.6)), (1, 1, _between(rng, 0.0, 0.15))),
        weights=(0.7, 0.0, 0.4),
        envelopes=(
            Envelope(0.002, 0.6, _between(rng, 0.3, 0.9), 0.08),
            Envelope(0.001, _log_between(rng, 0.08, 0.5), _between(rng, 0.0, 0.4), 0.08),
            Envelope(0.002, 0.6, 0.8, 0.08),
        ),
    )


def _fm_pad(rng: np.random.Generator) -> FmPatch:
    attack, release = _log_between(rng, 0.1, 0.8), _log_between(rng, 0.5, 1.5)
    return FmPatch(
        ratios=(1.0, 2.0, 1.003, 3.01),
        depths=((0, 1, _between(rng, 0.2, 0.5)), (2, 3, _between(rng, 0.2, 0.45))),
        weights=(0.5, 0.0, 0.5, 0.0),
        envelopes=(
            Envelope(attack, 1.0, 0.9, release),
            Envelope(2.5 * attack, 2.0, 0.6, release),
            Envelope(attack, 1.0, 0.9, release),
            Envelope(3 * attack, 2.0, 0.5, release),
        ),
        lfo_hz=_log_between(rng, 0.2, 1.5),
        lfo_cents=_between(rng, 2, 8),
    )


_MAKERS: Mapping[str, tuple[tuple[Callable[[np.random.Generator], TablePatch | FmPatch], float], ...]] = {
    "lead": ((_saw_lead, 0.6), (_wave_lead, 0.4)),
    "pluck": ((_pluck, 0.75), (_fm_keys, 0.1), (_fm_bell, 0.15)),
    "pad": ((_pad, 0.88), (_fm_pad, 0.12)),
    "bass": ((_saw_bass, 0.75), (_fm_bass, 0.25)),
}


def sample_patch(use: Use, rng: np.random.Generator) -> TablePatch | FmPatch:
    """Sample a patch for one of ``USES``."""
    makers = _MAKERS[use]
    chosen = rng.choice(len(makers), p=[weight for _, weight in makers])
    return makers[int(chosen)][0](rng)


def sample_rack(use: Use, rng: np.random.Generator) -> Rack:
    """Sample the effects behind a patch for one of ``USES``."""
    low = use == "bass"
    return Rack(
        drive=float(rng.choice([0.0, _between(rng, 0.05, 0.6)])),
        chorus_ms=0.0 if low else float(rng.choice([0.0, _between(rng, 0.8, 3.0)])),
        chorus_hz=_log_between(rng, 0.2, 1.5),
        echo_beats=float(rng.choice([0.5, 0.75, 1.0])),
        echo_level=0.0 if low else float(rng.choice([0.0, _between(rng, 0.15, 0.5)])),
        echo_feedback=_between(rng, 0.2, 0.6),
        duck=float(rng.choice([0.0, _between(rng, 0.3, 0.8)], p=[0.65, 0.35])) if use != "lead" else 0.0,
    )
