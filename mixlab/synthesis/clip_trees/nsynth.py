"""NSynth: single notes of 4 s, mono at 16 kHz, by instruments of eleven families and three sources.

As many instruments of each family and source as asked for, a quarter of them (one at least) in the validation
and test parts, which share them; four notes of each, and 32 of the electronic organs.
"""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mixlab.synthesis.clip_trees.base import ClipTree, TreeItem, TreeOptions, within_full_scale
from mixlab.synthesis.events import Note
from mixlab.synthesis.stems import to_pcm, write_sound
from mixlab.synthesis.synth import Room, Sound, render_part

__all__ = ["TREE"]

RATE = 16_000
SECONDS, HELD_S = 4.0, 3.0
VELOCITIES = (25, 50, 75, 100, 127)
_STREAM = 41
_SOURCES = ("acoustic", "electronic", "synthetic")
_QUALITIES = ("bright", "dark", "distortion", "fast_decay", "long_release", "multiphonic", "nonlinear_env",
              "percussive", "reverb", "tempo-synced")  # fmt: skip
# Programs of General MIDI by family and source, and the lowest and highest pitch.
_INSTRUMENTS = {
    ("bass", "acoustic"): ((32,), 28, 48),
    ("bass", "electronic"): ((33, 34, 35, 36), 28, 48),
    ("bass", "synthetic"): ((38, 39), 28, 48),
    ("brass", "acoustic"): ((56, 57, 60), 48, 74),
    ("flute", "acoustic"): ((73, 72, 74), 62, 88),
    ("guitar", "acoustic"): ((24, 25), 43, 72),
    ("guitar", "electronic"): ((27, 26, 28), 43, 72),
    ("keyboard", "acoustic"): ((0, 1, 3), 36, 84),
    ("keyboard", "electronic"): ((4, 5, 7), 36, 84),
    ("keyboard", "synthetic"): ((90, 63), 36, 84),
    ("mallet", "acoustic"): ((11, 12, 13), 55, 86),
    ("organ", "electronic"): ((16, 17, 18), 40, 84),
    ("reed", "acoustic"): ((65, 66, 68, 70, 71), 50, 74),
    ("string", "acoustic"): ((40, 41, 42, 43), 40, 70),
    ("synth_lead", "synthetic"): ((80, 81, 84), 48, 84),
    ("vocal", "acoustic"): ((52, 53), 48, 74),
    ("vocal", "synthetic"): ((85, 54), 48, 74),
}
_FAMILIES = tuple(dict.fromkeys(family for family, _ in _INSTRUMENTS))


class _Note(NamedTuple):
    part: str
    family: str
    source: str
    number: int
    pitch: int
    velocity: int
    sound: Sound

    @property
    def instrument(self) -> str:
        return f"{self.family}_{self.source}_{self.number:03d}"

    @property
    def key(self) -> str:
        return f"{self.instrument}-{self.pitch:03d}-{self.velocity:03d}"


def _notes(options: TreeOptions) -> Iterator[_Note]:
    for k, ((family, source), (programs, low, high)) in enumerate(_INSTRUMENTS.items()):
        held = max(1, options.recordings // 4) if options.recordings > 1 and family != "synth_lead" else 0
        for number in range(options.recordings):
            rng = np.random.default_rng([options.seed, _STREAM, k, number])
            tilt_db = round(float(rng.uniform(-6, 5)), 2)
            wet_db = round(float(rng.uniform(-34, -14)), 2)
            program = programs[number % len(programs)]
            sound = Sound(program, tilt_db=tilt_db, wet_db=wet_db)
            organ = (family, source) == ("organ", "electronic")
            pitches = np.sort(rng.choice(np.arange(low, high + 1), size=16 if organ else 4, replace=False))
            velocities = [25 + 25 * int(step) for step in rng.permutation(4)]
            for place, pitch in enumerate(pitches.tolist()):
                part = "train" if number >= held else ("valid", "test")[place % 2]
                for velocity in (25, 100) if organ else (velocities[place],):
                    louder = Sound(program, level_db=velocity / 6 - 42, tilt_db=tilt_db, wet_db=wet_db)
                    yield _Note(part, family, source, number, pitch, velocity, louder if organ else sound)


def _plan(options: TreeOptions) -> Sequence[TreeItem]:
    assert options.soundfont is not None
    return [
        TreeItem(f"nsynth-{note.part}/audio/{note.key}.wav", partial(_write, note, options.soundfont))
        for note in _notes(options)
    ]


def _write(note: _Note, soundfont: Path, path: Path) -> None:
    from scipy.signal import resample_poly

    played = Note(0.0, HELD_S, note.pitch, note.velocity)
    audio = render_part([played], note.sound, Room(0.4, note.number), SECONDS, soundfont, channels=1)
    slow = within_full_scale(resample_poly(audio[0], 160, 441)[: round(SECONDS * RATE)])
    pcm = to_pcm(slow[None].astype(np.float32))[0].astype(np.int16)
    write_sound(path, pcm, RATE, "WAV", "PCM_16")


def _finish(root: Path, options: TreeOptions) -> None:
    notes = list(_notes(options))
    instruments = {name: k for k, name in enumerate(sorted({note.instrument for note in notes}))}
    for part in sorted({note.part for note in notes}):
        examples = {
            note.key: {
                "note": k,
                "note_str": note.key,
                "instrument": instruments[note.instrument],
                "instrument_str": note.instrument,
                "pitch": note.pitch,
                "velocity": note.velocity,
                "sample_rate": RATE,
                "qualities": [0] * len(_QUALITIES),
                "qualities_str": [],
                "instrument_family": _FAMILIES.index(note.family),
                "instrument_family_str": note.family,
                "instrument_source": _SOURCES.index(note.source),
                "instrument_source_str": note.source,
            }
            for k, note in enumerate(notes)
            if note.part == part
        }
        (root / f"nsynth-{part}" / "examples.json").write_text(
            json.dumps(examples, indent=1), encoding="utf-8"
        )


TREE = ClipTree(
    "nsynth",
    "nsynth",
    "notes of one SoundFont: instruments of one family are a few patches that differ in tone and room",
    _plan,
    _finish,
)
