"""Folders of files named by pitch: ``C4.mp3``, ``As3.wav``, ``D#3v10.ogg``, ``F2 v2.flac``.

``vN`` is a velocity layer where every pitch has the same two layers or more; else it is another take.
The folder's name says the instrument.
"""

import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from mixlab.synthesis.notes.files import audio_files, named_folder, why_passed_over
from mixlab.synthesis.notes.library import Findings, RecordedNote, spread_pitches
from mixlab.synthesis.notes.pitches import PITCH, midi_pitch

__all__ = ["LAYOUT", "claims", "read", "too_few"]

LAYOUT = "files named by pitch"
_NAME = re.compile(rf"(?P<pitch>{PITCH})(?:[ _.-]*v(?P<take>\d+))?$")
_LEAST = 3
"""Files named by pitch that make a folder a library."""


def claims(folder: Path) -> bool:
    """Tell whether the folder is one of notes, mostly."""
    named, files = _count(folder)
    return named >= _LEAST and 2 * named > files


def too_few(folder: Path) -> str:
    """Return why a folder is passed over though it has files named by pitch; '' if it has none."""
    named, files = _count(folder)
    return why_passed_over("files named by pitch, such as C4.wav", named, files, _LEAST)


def _count(folder: Path) -> tuple[int, int]:
    """Return how many audio files are named by pitch, and how many there are."""
    files = audio_files(folder)
    return sum(_NAME.match(path.stem) is not None for path in files), len(files)


def read(folder: Path) -> Findings:
    """Read a folder that is claimed."""
    found = Findings()
    takes: dict[int, dict[int, Path]] = defaultdict(dict)
    for path in audio_files(folder):
        match = _NAME.match(path.stem)
        pitch = midi_pitch(match["pitch"]) if match else None
        if match is None or pitch is None:
            found.problem(path, "its name is no pitch such as C4 or A#3")
        else:
            takes[pitch][int(match["take"] or 1)] = path
    own = named_folder(folder)
    found.add(own.name, own.name, spread_pitches(_notes(takes)))
    return found


def _notes(takes: dict[int, dict[int, Path]]) -> list[RecordedNote]:
    kinds = {tuple(sorted(each)) for each in takes.values()}
    layered = len(kinds) == 1 and len(next(iter(kinds))) > 1
    notes = []
    for pitch, files in sorted(takes.items()):
        for place, (_, path) in enumerate(sorted(files.items())):
            note = RecordedNote(path, pitch, pitch, pitch)
            if layered:
                low, high = 1 + 127 * place // len(files), 127 * (place + 1) // len(files)
                notes.append(replace(note, softest=low, loudest=high))
            else:
                notes.append(replace(note, turn=place))
    return notes
