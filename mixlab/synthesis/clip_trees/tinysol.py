"""TinySOL: single notes of 14 instruments, as mirdata has the tree.

As many pitches of each instrument as asked for, at three dynamics, in five folds.
"""

import csv
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mixlab.synthesis.clip_trees.base import ClipTree, TreeItem, TreeOptions, within_full_scale
from mixlab.synthesis.events import Note
from mixlab.synthesis.stems import to_pcm, write_audio
from mixlab.synthesis.synth import Room, Sound, render_part

__all__ = ["TREE"]

SECONDS, HELD_S = 2.5, 2.0
_STREAM = 42
_PITCHES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_DYNAMICS = (("pp", 0, 40, -32.0), ("mf", 2, 80, -24.0), ("ff", 4, 120, -17.0))
_COLUMNS = (
    "Path", "Fold", "Family", "Instrument (abbr.)", "Instrument (in full)", "Technique (abbr.)",
    "Technique (in full)", "Pitch", "Pitch ID", "Dynamics", "Dynamics ID", "Instance ID",
    "String ID (if applicable)", "Needed digital retuning",
)  # fmt: skip


class _Instrument(NamedTuple):
    family: str
    folder: str
    short: str
    name: str
    program: int
    low: int
    high: int


_INSTRUMENTS = (
    _Instrument("Brass", "Bass_Tuba", "BTb", "Bass Tuba", 58, 30, 60),
    _Instrument("Brass", "Horn", "Hn", "French Horn", 60, 36, 74),
    _Instrument("Brass", "Trombone", "Tbn", "Trombone", 57, 34, 72),
    _Instrument("Brass", "Trumpet_C", "TpC", "Trumpet in C", 56, 54, 84),
    _Instrument("Keyboards", "Accordion", "Acc", "Accordion", 21, 41, 90),
    _Instrument("Strings", "Contrabass", "Cb", "Contrabass", 43, 28, 60),
    _Instrument("Strings", "Viola", "Va", "Viola", 41, 48, 86),
    _Instrument("Strings", "Violin", "Vn", "Violin", 40, 55, 92),
    _Instrument("Strings", "Violoncello", "Vc", "Cello", 42, 36, 74),
    _Instrument("Winds", "Bassoon", "Bn", "Bassoon", 70, 34, 72),
    _Instrument("Winds", "Clarinet_Bb", "ClBb", "Clarinet in B-flat", 71, 50, 86),
    _Instrument("Winds", "Flute", "Fl", "Flute", 73, 60, 94),
    _Instrument("Winds", "Oboe", "Ob", "Oboe", 68, 58, 90),
    _Instrument("Winds", "Sax_Alto", "ASax", "Alto Saxophone", 65, 49, 80),
)


class _Played(NamedTuple):
    instrument: _Instrument
    pitch: int
    dynamic: int
    fold: int

    @property
    def pitch_name(self) -> str:
        return f"{_PITCHES[self.pitch % 12]}{self.pitch // 12 - 1}"

    @property
    def target(self) -> str:
        """Its path below ``audio``."""
        who = self.instrument
        note = f"{who.short}-ord-{self.pitch_name}-{_DYNAMICS[self.dynamic][0]}-N-N"
        return f"{who.family}/{who.folder}/ordinario/{note}.wav"


def _notes(options: TreeOptions) -> Iterator[_Played]:
    for k, instrument in enumerate(_INSTRUMENTS):
        rng = np.random.default_rng([options.seed, _STREAM, k])
        range_ = np.arange(instrument.low, instrument.high + 1)
        pitches = np.sort(rng.choice(range_, size=min(options.recordings, len(range_)), replace=False))
        # As in the real folds, pitches and dynamics are spread over all of them.
        folds = rng.permutation(len(pitches) * len(_DYNAMICS)) % 5
        for place, pitch in enumerate(pitches.tolist()):
            for dynamic in range(len(_DYNAMICS)):
                yield _Played(instrument, pitch, dynamic, int(folds[place * len(_DYNAMICS) + dynamic]))


def _plan(options: TreeOptions) -> Sequence[TreeItem]:
    assert options.soundfont is not None
    return [
        TreeItem(f"audio/{note.target}", partial(_write, note, options.soundfont)) for note in _notes(options)
    ]


def _write(note: _Played, soundfont: Path, path: Path) -> None:
    _, _, velocity, level_db = _DYNAMICS[note.dynamic]
    # Who plays loud plays brighter.
    sound = Sound(note.instrument.program, level_db=level_db, wet_db=-40.0, tilt_db=3.0 * (note.dynamic - 1))
    played = [Note(0.05, HELD_S, note.pitch, velocity)]
    audio = render_part(played, sound, Room(0.2, 1), SECONDS, soundfont, channels=1)
    write_audio(path, to_pcm(within_full_scale(audio)))


def _finish(root: Path, options: TreeOptions) -> None:
    table = root / "annotation" / "TinySOL_metadata.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for note in _notes(options):
            who, (dynamic, number, _, _) = note.instrument, _DYNAMICS[note.dynamic]
            named = (note.target, note.fold, who.family, who.short, who.name, "ord", "ordinario")
            writer.writerow([*named, note.pitch_name, note.pitch, dynamic, number, 0, "", "FALSE"])


TREE = ClipTree(
    "tinysol",
    "tinysol",
    "notes of one SoundFont: each instrument is one patch, so that any division is solved nearly at once",
    _plan,
    _finish,
)
