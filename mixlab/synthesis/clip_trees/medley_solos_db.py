"""Medley-solos-DB: clips of 2.97 s of eight solo instruments, as mirdata has the tree.

As many songs of each instrument as asked for, two clips of each: a quarter of the songs (one at least) is the
validation part, as many the test part. Rooms, patches and tunes differ from song to song.
"""

import csv
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixlab.synthesis.clip_trees.base import ClipTree, TreeItem, TreeOptions, within_full_scale
from mixlab.synthesis.compose import PartSpec
from mixlab.synthesis.ensembles import Ensemble
from mixlab.synthesis.plan import sample_sound
from mixlab.synthesis.stems import compose_plan, write_sound
from mixlab.synthesis.synth import SAMPLE_RATE, Room, Sound, render_part

__all__ = ["TREE"]

SAMPLES = 131_072
CLIPS = 2
_SONG_S = 14.0
_STREAM = 43
_NAMESPACE = uuid.UUID("7d444840-9dc0-11d1-b245-5ffdce74fad2")
_INSTRUMENTS = (
    ("clarinet", "clarinet", ("jazz", "classical")),
    ("distorted electric guitar", "distorted electric guitar", ("rock",)),
    ("female singer", "female singer", ("pop", "folk", "ballad")),
    ("flute", "flute", ("classical", "folk")),
    ("piano", "piano", ("classical", "jazz")),
    ("tenor saxophone", "tenor saxophone", ("jazz", "funk")),
    ("trumpet", "trumpet", ("jazz", "latin")),
    ("violin", "violin", ("classical", "folk")),
)


@dataclass(frozen=True)
class _Song:
    """A solo that can be composed and rendered; see ``mixlab.synthesis.stems.Plan``."""

    instrument: int
    number: int
    subset: str
    ensemble: Ensemble
    sounds: tuple[Sound, ...]
    room: Room
    seed: tuple[int, ...]

    def clip_id(self, clip: int) -> str:
        return str(uuid.uuid5(_NAMESPACE, f"{self.seed} {clip}"))

    def target(self, clip: int) -> str:
        return f"audio/Medley-solos-DB_{self.subset}-{self.instrument}_{self.clip_id(clip)}.wav"


def _subset(number: int, count: int) -> str:
    held = max(1, count // 4) if count > 2 else 0
    return "test" if number < held else "validation" if number < 2 * held else "training"


def _songs(options: TreeOptions) -> Iterator[_Song]:
    for k, (_, instrument, styles) in enumerate(_INSTRUMENTS):
        for number in range(options.recordings):
            rng = np.random.default_rng([options.seed, _STREAM, k, number])
            style = styles[number % len(styles)]
            parts = (PartSpec(instrument, "lead"),)
            yield _Song(
                instrument=k,
                number=k * options.recordings + number,
                subset=_subset(number, options.recordings),
                ensemble=Ensemble(style, style, parts),
                sounds=tuple(sample_sound(part, rng) for part in parts),
                room=Room(round(float(rng.uniform(0.2, 0.9)), 2), int(rng.integers(2**31))),
                seed=(options.seed, _STREAM, k, number, 1),
            )


def _plan(options: TreeOptions) -> Sequence[TreeItem]:
    assert options.soundfont is not None
    return [
        TreeItem(song.target(clip), partial(_write, song, clip, options.soundfont))
        for song in _songs(options)
        for clip in range(CLIPS)
    ]


def _write(song: _Song, clip: int, soundfont: Path, path: Path) -> None:
    (notes,) = compose_plan(song, _SONG_S).parts
    audio = render_part(notes, song.sounds[0], song.room, _SONG_S, soundfont, channels=1)[0]
    start = _starts(audio)[clip]
    clip_audio = within_full_scale(audio[start : start + SAMPLES])
    write_sound(path, clip_audio, SAMPLE_RATE, "WAV", "FLOAT")


def _starts(audio: NDArray[np.float32]) -> list[int]:
    """Return where the loudest excerpts start that do not overlap, the loudest first."""
    starts = np.arange(0, len(audio) - SAMPLES + 1, SAMPLE_RATE // 4)
    energy = np.concatenate([[0.0], np.cumsum(audio.astype(np.float64) ** 2)])
    loudest = sorted(starts.tolist(), key=lambda start: -(energy[start + SAMPLES] - energy[start]))
    chosen: list[int] = []
    for start in loudest:
        if all(abs(start - other) >= SAMPLES for other in chosen):
            chosen.append(start)
    return chosen


def _finish(root: Path, options: TreeOptions) -> None:
    table = root / "annotation" / "Medley-solos-DB_metadata.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["subset", "instrument", "instrument_id", "song_id", "uuid4"])
        for song in _songs(options):
            name = _INSTRUMENTS[song.instrument][0]
            for clip in range(CLIPS):
                writer.writerow([song.subset, name, song.instrument, song.number, song.clip_id(clip)])


TREE = ClipTree(
    "medley_solos_db",
    "medley_solos_db",
    "composed solos played by one SoundFont: an instrument is a few patches in training and test alike",
    _plan,
    _finish,
)
