"""Notes whose file names say instrument, pitch, dynamics and manner: TinySOL, Philharmonia and NSynth.

* TinySOL (and OrchideaSOL): ``Vn-ord-A4-mf-2c-N.wav``; of these the ordinary manner is read.
* Philharmonia: ``violin_A4_1_forte_arco-normal.mp3``; again the ordinary manners, of 0.5 s and longer.
* NSynth: ``keyboard_acoustic_004-060-075.wav``, an instrument for each number.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from mixlab.synthesis.notes.files import audio_files, why_passed_over
from mixlab.synthesis.notes.library import Findings, RecordedNote, spread_pitches
from mixlab.synthesis.notes.pitches import PITCH, midi_pitch

__all__ = ["NSYNTH", "PHILHARMONIA", "TINYSOL", "NamedNotes"]

_ORDINARY = re.compile(r"(arco-|pizz-|)normal|nonlegato|vibrato|non-vibrato|struck-singly", re.IGNORECASE)
_DYNAMICS = {
    "pp": 0, "pianissimo": 0, "p": 1, "piano": 1, "mp": 2, "mezzo-piano": 2, "mf": 3, "mezzo-forte": 3,
    "f": 4, "forte": 4, "ff": 5, "fortissimo": 5,
}  # fmt: skip
_SHORT_S = ("025", "very-short")
_LEAST = 2


@dataclass(frozen=True)
class _Named:
    """What one file's name says; ``loudness`` orders the dynamics of a pitch."""

    instrument: str
    pitch: int
    loudness: float


def _tinysol(stem: str) -> _Named | None:
    match = re.match(rf"(?P<who>[A-Za-z]+)-ord-(?P<pitch>{PITCH})-(?P<how>[a-z]+)-", stem)
    pitch = midi_pitch(match["pitch"]) if match else None
    if match is None or pitch is None or match["how"] not in _DYNAMICS:
        return None
    return _Named(f"TinySOL {match['who']}", pitch, _DYNAMICS[match["how"]])


def _philharmonia(stem: str) -> _Named | None:
    parts = stem.split("_")
    if len(parts) != 5 or (pitch := midi_pitch(parts[1])) is None:
        return None
    usual = _ORDINARY.fullmatch(parts[4]) and parts[2] not in _SHORT_S and parts[3] in _DYNAMICS
    return _Named(parts[0], pitch, _DYNAMICS[parts[3]]) if usual else None


def _nsynth(stem: str) -> _Named | None:
    match = re.match(r"(?P<who>[a-z_]+_(acoustic|electronic|synthetic)_\d{3})-(\d{3})-(\d{3})$", stem)
    return _Named(match["who"], int(match[3]), float(match[4])) if match else None


class NamedNotes:
    """A layout in which each file's name says all.

    Args:
        layout: Name of the layout.
        parse: Reads a file name without its suffix; None where it is of another form or manner.
        form: What names look like, as a pattern: which files count as of this layout.
    """

    def __init__(self, layout: str, form: str) -> None:
        self.layout = layout
        self._form = re.compile(form)
        self._parse = {"TinySOL": _tinysol, "Philharmonia": _philharmonia, "NSynth": _nsynth}[layout]

    def claims(self, folder: Path) -> bool:
        """Tell whether most files of a folder have such names."""
        named, files = self._count(folder)
        return named >= _LEAST and 2 * named > files

    def too_few(self, folder: Path) -> str:
        """Return why a folder is passed over though it has such files; '' if it has none."""
        named, files = self._count(folder)
        return why_passed_over(f"files named as those of {self.layout}", named, files, _LEAST)

    def _count(self, folder: Path) -> tuple[int, int]:
        files = audio_files(folder)
        return sum(self._form.match(path.stem) is not None for path in files), len(files)

    def read(self, folder: Path) -> Findings:
        """Read a folder that is claimed; other manners of playing are passed over."""
        found = Findings()
        instruments: dict[str, list[tuple[_Named, Path]]] = defaultdict(list)
        for path in audio_files(folder):
            named = self._parse(path.stem)
            if named is not None:
                instruments[named.instrument].append((named, path))
            elif self._form.match(path.stem) is None:
                found.problem(path, f"its name is not of the form of {self.layout}")
        for name, notes in sorted(instruments.items()):
            label = re.sub(r"_\d{3}$", "", name)
            found.add(self.layout if name == label else name, label, spread_pitches(_layers(notes)))
        return found


def _layers(named: Iterable[tuple[_Named, Path]]) -> list[RecordedNote]:
    """Share the velocities of each pitch out over its dynamics; equal ones take turns."""
    pitches: dict[int, dict[float, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for each, path in named:
        pitches[each.pitch][each.loudness].append(path)
    notes = []
    for pitch, dynamics in sorted(pitches.items()):
        for place, (_, paths) in enumerate(sorted(dynamics.items())):
            low = 1 + 127 * place // len(dynamics)
            high = 127 * (place + 1) // len(dynamics)
            layer = RecordedNote(paths[0], pitch, pitch, pitch, softest=low, loudest=high)
            notes += [replace(layer, path=path, turn=turn) for turn, path in enumerate(paths)]
    return notes


TINYSOL = NamedNotes("TinySOL", rf"[A-Za-z]+-[a-z]+-{PITCH}-[a-z]+-")
PHILHARMONIA = NamedNotes("Philharmonia", rf"[a-z -]+_{PITCH}_[a-z0-9-]+_[a-z-]+_[a-z-]+$")
NSYNTH = NamedNotes("NSynth", r"[a-z_]+_(acoustic|electronic|synthetic)_\d{3}-\d{3}-\d{3}$")
