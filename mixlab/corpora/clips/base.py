"""What an external test set gives: clips with classes that are present, absent or unknown."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.file_kinds import READ_SUFFIXES, form, is_litter
from mixlab.corpora.metadata import Labels, MetadataFile
from mixlab.taxonomy import LabelSet

__all__ = ["JAMENDO_SPLIT", "AudioFiles", "Clip", "ClipCorpus", "ClipSet", "Part"]

Part = Literal["train", "test"]

JAMENDO_SPLIT = 0
"""The official split of MTG-Jamendo that is scored, as in what is published."""


@dataclass(frozen=True)
class Clip:
    """One audio file.

    Attributes:
        key: The corpus's own id.
        path: The file.
        group: The recording, artist or track it is from; intervals sample these.
    """

    key: str
    path: Path
    group: str


@dataclass(frozen=True)
class ClipSet:
    """One part of an external test set.

    Attributes:
        benchmark: Its name on the command line.
        part: ``train`` or ``test``, as the corpus has it.
        labels: The C classes, bound to nodes of the taxonomy.
        clips: N clips whose files are there.
        targets: ``(N, C)`` 1 present, 0 absent, float32.
        mask: ``(N, C)`` True where it is known.
        source: Who read the tree: ``mirdata`` with its version, or mixlab itself and why.
        notes: What must be known to read the numbers.
        missing: Keys whose files are not there.
        windows: 0 lays overlapping windows over a whole clip; else so many evenly spaced ones.
    """

    benchmark: str
    part: str
    labels: LabelSet
    clips: tuple[Clip, ...]
    targets: NDArray[np.float32]
    mask: NDArray[np.bool_]
    source: str
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    windows: int = 0

    def __len__(self) -> int:
        return len(self.clips)


@dataclass(frozen=True)
class ClipCorpus:
    """A corpus of labelled clips: one object per module of this package.

    Attributes:
        name: Its name on the command line.
        label_map: Name of the label map in ``taxonomy/corpora``.
        load: Reads a part of the tree at a folder.
        read_labels: As in ``mixlab.corpora.base.Adapter``.
    """

    name: str
    label_map: str
    load: Callable[[str | Path, Part], ClipSet]
    read_labels: Callable[[MetadataFile], Labels | str | None]


class AudioFiles:
    """Finds the audio of clips by name, whatever it was converted to; each folder is read once."""

    def __init__(self) -> None:
        self._listings: dict[Path, dict[str, list[str]]] = {}

    def find(self, path: Path) -> Path | None:
        """Return the file at ``path``, or the one of the same name with another ending that is read.

        Of several, the ending as given comes first, then the order of ``READ_SUFFIXES``.
        """
        names = self._by_name(path.parent).get(form(path.stem), [])
        return path.parent / min(names, key=lambda name: _rank(name, path)) if names else None

    def names(self, folder: Path) -> list[str]:
        """Return the names of the clips in a folder, without endings, each once."""
        return sorted(Path(names[0]).stem for names in self._by_name(folder).values())

    def _by_name(self, folder: Path) -> dict[str, list[str]]:
        if folder not in self._listings:
            found: dict[str, list[str]] = {}
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                if path.suffix.lower() in READ_SUFFIXES and not is_litter(path.name) and path.is_file():
                    found.setdefault(form(path.stem), []).append(path.name)
            self._listings[folder] = found
        return self._listings[folder]


def _rank(name: str, wanted: Path) -> tuple[int, int, str]:
    """Return where a file stands among those of one name; the lowest is used."""
    ending = Path(name).suffix.lower()
    closeness = 0 if name == wanted.name else 1 if ending == wanted.suffix.lower() else 2
    return closeness, READ_SUFFIXES.index(ending), name
