"""Notes through a patch."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import factorial

import numpy as np
from numpy.typing import NDArray

from mixlab.synthesis.events import Note
from mixlab.synthesis.players import SAMPLE_RATE
from mixlab.synthesis.synthesizers.effects import chorus, drive, duck, echo
from mixlab.synthesis.synthesizers.patches import Envelope, FmPatch, Rack, TablePatch
from mixlab.synthesis.synthesizers.waves import highest_pitches, wave_tables

__all__ = ["PatchPlayer", "beat_of", "envelope"]

FloatArray = NDArray[np.float64]

_PEAK = 0.7
_FADE_S = 0.012
_MIDDLE_C_HZ = 261.63


@dataclass(frozen=True)
class PatchPlayer:
    """A synthesizer with a patch and its effects; see ``Player``."""

    patch: TablePatch | FmPatch
    rack: Rack

    def play(self, notes: Sequence[Note], seconds: float, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the dry sound of a part; see ``Player``."""
        samples = round(seconds * SAMPLE_RATE)
        played = [note for note in notes if note.start_s < seconds and note.duration_s > 0]
        if not played or not samples:
            return np.zeros(samples, np.float32)
        out = np.zeros(samples)
        before: Note | None = None
        for note in played:
            begin = round(note.start_s * SAMPLE_RATE)
            if begin < samples:
                _play_note(note, before, self.patch, out[begin:], rng)
            before = note
        beat_s, first_s = beat_of(played), played[0].start_s
        out = drive(out, self.rack.drive)
        out = chorus(out, self.rack.chorus_ms, self.rack.chorus_hz, float(rng.random()))
        out = echo(out, self.rack.echo_beats * beat_s, self.rack.echo_feedback, self.rack.echo_level)
        out = duck(out, beat_s, first_s, self.rack.duck)
        fade = min(samples, round(_FADE_S * SAMPLE_RATE))
        out[-fade:] *= np.linspace(1.0, 0.0, fade)
        peak = float(np.abs(out).max())
        return (out * (_PEAK / peak) if peak > 0 else out).astype(np.float32)


def beat_of(notes: Sequence[Note]) -> float:
    """Guess the beat in seconds, .35 to .7: the commonest time between notes, doubled or halved to fit."""
    starts = np.unique(np.round([note.start_s for note in notes], 2))
    steps = np.diff(starts)
    steps = steps[steps > 0.08]
    if not len(steps):
        return 0.5
    beat = float(np.median(steps))
    while beat < 0.35:
        beat *= 2
    while beat > 0.7:
        beat /= 2
    return beat


def envelope(shape: Envelope, held_s: float, time: FloatArray) -> FloatArray:
    """Return the level over ``time`` (seconds from the key's stroke) of a key that is held ``held_s``."""
    rising = np.minimum(time / max(shape.attack_s, 1e-4), 1.0)
    falling = shape.sustain + (1.0 - shape.sustain) * np.exp(
        -np.maximum(time - shape.attack_s, 0.0) / max(0.4 * shape.decay_s, 1e-3)
    )
    released = np.exp(-np.maximum(time - held_s, 0.0) / max(0.25 * shape.release_s, 1e-3))
    return np.asarray(rising * falling * released)


def _play_note(
    note: Note, before: Note | None, patch: TablePatch | FmPatch, out: FloatArray, rng: np.random.Generator
) -> None:
    """Add a note to ``out``, which begins where the note does."""
    from mixlab.synthesis._kernels.oscillators import HOP

    release_s = patch.amp.release_s if isinstance(patch, TablePatch) else patch.envelopes[0].release_s
    length_s = min(note.duration_s + 1.7 * release_s, len(out) / SAMPLE_RATE)
    frames = int(length_s * SAMPLE_RATE) // HOP + 2
    time = np.asarray(np.arange(frames) * (HOP / SAMPLE_RATE), np.float64)
    semitones = np.full(frames, float(note.pitch))
    if patch.glide_s > 0 and before is not None and before.start_s + before.duration_s > note.start_s - 0.1:
        semitones += (before.pitch - note.pitch) * np.exp(-time / (0.4 * patch.glide_s))
    sway = np.sin(2 * np.pi * (patch.lfo_hz * (note.start_s + time)))
    semitones += patch.lfo_cents / 100 * sway * np.minimum(time / 0.4, 1.0)
    pitch = np.asarray(440.0 * 2.0 ** ((semitones - 69.0) / 12.0), np.float64)
    strength = note.velocity / 127
    # Nothing clicks where a release is cut off.
    ending = np.asarray(np.clip((length_s - time) / 0.01, 0.0, 1.0), np.float64)
    if isinstance(patch, TablePatch):
        _play_tables(note, patch, pitch, sway, strength, ending, time, out, rng)
    else:
        _play_fm(note, patch, pitch, strength, ending, time, out)


def _play_tables(
    note: Note,
    patch: TablePatch,
    pitch: FloatArray,
    sway: FloatArray,
    strength: float,
    ending: FloatArray,
    time: FloatArray,
    out: FloatArray,
    rng: np.random.Generator,
) -> None:
    from mixlab.synthesis._kernels.oscillators import play_tables

    level = strength**1.5 * envelope(patch.amp, note.duration_s, time) * ending
    octaves = patch.envelope_octaves * envelope(patch.filter, note.duration_s, time) * (0.5 + 0.6 * strength)
    cutoff = patch.cutoff_hz * 2.0 ** (octaves + patch.lfo_octaves * sway)
    cutoff = cutoff * (pitch / _MIDDLE_C_HZ) ** patch.tracking
    place = patch.place + patch.sweep * np.minimum(time / patch.sweep_s, 1.0)
    spread = np.linspace(-0.5, 0.5, patch.voices) if patch.voices > 1 else np.zeros(1)
    ratios = np.append(2.0 ** (spread * patch.detune_cents / 1200), [0.5] if patch.sub > 0 else [])
    weights = np.append(np.full(patch.voices, patch.voices**-0.5), [patch.sub] if patch.sub > 0 else [])
    play_tables(
        float(SAMPLE_RATE),
        np.ascontiguousarray([pitch, level, cutoff, place]),
        wave_tables(patch.table, SAMPLE_RATE),
        highest_pitches(),
        np.ascontiguousarray([ratios, rng.random(len(ratios)), weights]),
        patch.resonance,
        patch.poles,
        patch.noise,
        np.uint64(rng.integers(1, 2**63)),
        out,
    )


def _play_fm(
    note: Note,
    patch: FmPatch,
    pitch: FloatArray,
    strength: float,
    ending: FloatArray,
    time: FloatArray,
    out: FloatArray,
) -> None:
    from mixlab.synthesis._kernels.oscillators import play_fm

    count = len(patch.ratios)
    depths = np.zeros((count, count))
    for carrier, modulator, cycles in patch.depths:
        sidebands = (0.48 * SAMPLE_RATE / float(pitch.max()) - patch.ratios[carrier]) / patch.ratios[
            modulator
        ]
        wanted = cycles * (0.4 + 0.7 * strength)
        depths[carrier, modulator] = min(wanted, _most_cycles(int(min(max(sidebands, 0.0), 20.0))))
    levels = [envelope(shape, note.duration_s, time) * ending for shape in patch.envelopes]
    weights = np.array(patch.weights) * strength**1.5
    play_fm(
        float(SAMPLE_RATE),
        np.ascontiguousarray([pitch, *levels]),
        np.array(patch.ratios),
        depths,
        weights,
        out,
    )


def _most_cycles(sidebands: int) -> float:
    """Return how far a phase may be turned so that sidebands beyond so many are 66 dB down.

    They are as strong as Bessel functions of the angle, of which the first term of the series is enough.
    """
    order = sidebands + 1
    return float(2.0 * (0.0005 * factorial(order)) ** (1.0 / order) / (2.0 * np.pi))
