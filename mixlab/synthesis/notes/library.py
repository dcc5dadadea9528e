"""What a library of recorded notes holds: instruments, their notes, and what is wrong with some files."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mixlab.taxonomy.label_maps import Resolution, load_label_map

__all__ = ["SPREAD", "NoteInstrument", "NoteLibrary", "RecordedNote", "resolve_name", "spread_pitches"]

SPREAD = 3
"""Semitones that a note is played away from its recorded pitch at most: a minor third."""

_SPARE_WORDS = re.compile(r"^(tonejs-instrument-|audio-samples-)|-(mp3|ogg|wav|flac)(?=-|$)|-\d+(\.\d+)+$")


@dataclass(frozen=True)
class RecordedNote:
    """One recording, and which written notes it plays.

    Attributes:
        path: The file.
        pitch: MIDI pitch that was recorded; of a piece of a drum kit its General MIDI note.
        low: Lowest MIDI pitch that it plays.
        high: Highest.
        softest: Lowest MIDI velocity that it plays.
        loudest: Highest.
        turn: Its place among recordings of the same note, which take turns (round robin).
        gain_db: What the library adds to its level.
        start: First sample of the file that counts.
        loop: First and last sample of a loop that the library gives, or None.
        release_s: How long it sounds after its end, as the library says, or None.
    """

    path: Path
    pitch: float
    low: int
    high: int
    softest: int = 1
    loudest: int = 127
    turn: int = 0
    gain_db: float = 0.0
    start: int = 0
    loop: tuple[int, int] | None = None
    release_s: float | None = None


@dataclass(frozen=True)
class NoteInstrument:
    """One instrument of a library.

    Attributes:
        library: Name of the library; of instruments that a layout numbers, and of SoundFonts, their own.
        name: What the library calls the instrument.
        nodes: Nodes of the instrument tree; of several at least one sounds.
        notes: Its recordings; empty where ``soundfont`` has them.
        kit: Pitches are pieces of a drum kit or other unpitched sounds, and are never shifted.
        soundfont: SoundFont file, program and whether it is of the drum bank, or None.
        within: Of one of several in a folder that ``library`` names apart, the name of the folder, else ''.
    """

    library: str
    name: str
    nodes: tuple[str, ...]
    notes: tuple[RecordedNote, ...] = ()
    kit: bool = False
    soundfont: tuple[Path, int, bool] | None = None
    within: str = ""

    @property
    def source(self) -> str:
        """What songs say they are played on: the library, or of several in one ``library / instrument``."""
        return f"{self.within} / {self.library}" if self.within else self.library

    def pitches(self) -> frozenset[int]:
        """Return the MIDI pitches that it can play; of a SoundFont, all are tried."""
        if self.soundfont is not None:
            return frozenset(range(128))
        return frozenset(p for note in self.notes for p in range(note.low, note.high + 1))


@dataclass(frozen=True)
class NoteLibrary:
    """A folder of recorded notes.

    Attributes:
        name: Its name: that of the folder, or of the one instrument or collection that its files name.
        root: The folder.
        layout: Name of the reader that knew it.
        licence: What is known of its licence; '' if nothing, or where to look.
        instruments: What can be played.
        problems: What cannot: a file, a piece of one, a folder or a name, each with a message.
    """

    name: str
    root: Path
    layout: str
    licence: str
    instruments: tuple[NoteInstrument, ...]
    problems: tuple[tuple[str, str], ...] = ()


@dataclass
class Findings:
    """What a reader collects."""

    instruments: list[NoteInstrument] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)

    def problem(self, path: Path | str, message: str) -> None:
        """List a file that cannot be used."""
        self.problems.append((str(path), message))

    def add(self, library: str, name: str, notes: Iterable[RecordedNote], *, kit: bool = False) -> None:
        """Add an instrument by its name, if the name means one and there are notes."""
        found = tuple(notes)
        meaning = resolve_name(name)
        if meaning is None:
            row = load_label_map("notes").row_to_add(name)
            self.problem(name, f"unknown instrument; the row to add to the label map: {row}")
        elif meaning.ignored:
            self.problem(name, f"ignored: {meaning.ignored}")
        elif found:
            self.instruments.append(NoteInstrument(library, name, meaning.nodes, found, kit))


def resolve_name(name: str) -> Resolution | None:
    """Return what a library's name for an instrument means, or None where nobody knows it.

    The rows of ``taxonomy/corpora/notes.csv`` come first, then those for folders of stems.
    """
    plain = name
    while (shorter := _SPARE_WORDS.sub("", plain)) != plain:
        plain = shorter
    spelt = dict.fromkeys((name, plain, " ".join(re.split(r"[\s_.-]+", plain))))
    for label_map in (load_label_map("notes"), load_label_map("folder")):
        for each in spelt:
            found = label_map.resolve(each)
            if found is not None:
                return found
    return None


def spread_pitches(notes: Sequence[RecordedNote]) -> list[RecordedNote]:
    """Let each recorded pitch play those around it that are nearer to it than to others.

    A pitch further than ``SPREAD`` semitones from any recording stays unplayed.
    """
    recorded = sorted({round(note.pitch) for note in notes})
    plays: dict[int, list[int]] = {each: [] for each in recorded}
    for pitch in range(recorded[0] - SPREAD, recorded[-1] + SPREAD + 1) if recorded else ():
        nearest = min(recorded, key=lambda each: (abs(each - pitch), each))
        if abs(nearest - pitch) <= SPREAD:
            plays[nearest].append(pitch)
    return [
        replace(note, low=plays[round(note.pitch)][0], high=plays[round(note.pitch)][-1]) for note in notes
    ]
