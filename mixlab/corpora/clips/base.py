"""What a corpus of labelled clips gives: clips with groups and splits, and what is known of classes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.file_kinds import READ_SUFFIXES, form, is_litter
from mixlab.corpora.metadata import Labels, MetadataFile
from mixlab.errors import ConfigError
from mixlab.taxonomy import LabelSet
from mixlab.utils.hashing import ordered_digest

__all__ = [
    "JAMENDO_SPLIT",
    "MIX",
    "SOLO",
    "SPLITS",
    "AudioFiles",
    "Clip",
    "ClipCorpus",
    "ClipSet",
    "Part",
    "join",
]

Part = Literal["train", "test"]

SPLITS = ("train", "validation", "test")

SOLO, MIX = "solo", "mix"
"""Kinds of recordings: one family sounds, or several do."""

JAMENDO_SPLIT = 0
"""The official split of MTG-Jamendo that is scored, as in what is published."""


@dataclass(frozen=True)
class Clip:
    """One audio file, or a part of one.

    Attributes:
        key: The corpus's own id.
        path: The file.
        group: The recording, artist, speaker or instrument it is from: never on two sides of a split, and
            what intervals sample.
        split: ``train``, ``validation`` or ``test``; '' where the corpus has none.
        start_s: Where it starts in the file, in seconds.
        end_s: Where it ends; None is the end of the file.
        row: Table and row that name it, for messages; '' where no table does.
    """

    key: str
    path: Path
    group: str
    split: str = ""
    start_s: float = 0.0
    end_s: float | None = None
    row: str = field(default="", compare=False)

    def seconds(self, file_s: float) -> float:
        """Return how long it lasts in a file of so many seconds, 0 or more."""
        end_s = file_s if self.end_s is None else min(self.end_s, file_s)
        return max(end_s - self.start_s, 0.0)


@dataclass(frozen=True)
class ClipSet:
    """Labelled clips of one corpus, or a part of them.

    Attributes:
        corpus: Its name in configurations.
        task: Which of the corpus's labels, such as ``genre``.
        classes: Names of the C classes.
        clips: N clips whose files are there.
        targets: ``(N, C)`` 1 present, 0 absent, float32.
        mask: ``(N, C)`` True where it is known.
        label_set: The classes bound to nodes of the taxonomy, in the same order, where they are instruments.
        source: Who read the tree: ``mirdata`` with its version, or mixlab itself and why.
        notes: What must be known to read the numbers.
        missing: Keys whose files are not there.
        windows: 0 lays overlapping windows over a whole clip; else so many evenly spaced ones.
        values: Numbers that the corpus knows of its clips, such as ``tempo``: ``(N,)`` float64 by name, NaN
            where one is not known.
        value: Which of them is what a model is to predict, instead of the classes; '' for the classes. The
            classes still decide which clips take part, and how groups are divided.
        unit: Of ``value``: ``BPM``; '' where it has none, or none is known.
        kinds: ``solo`` or ``mix`` for each clip, '' where it is neither; () where the corpus does not say.
        named: The classes that labels name, where others only follow as their ancestors; () where all are.
    """

    corpus: str
    task: str
    classes: tuple[str, ...]
    clips: tuple[Clip, ...]
    targets: NDArray[np.float32]
    mask: NDArray[np.bool_]
    label_set: LabelSet | None = None
    source: str = ""
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    windows: int = 0
    values: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    value: str = ""
    unit: str = ""
    kinds: tuple[str, ...] = ()
    named: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def single_label(self) -> bool:
        """Whether each clip has exactly one class, and all is known: then a softmax over classes fits."""
        return bool(len(self) and self.mask.all() and (self.targets.sum(axis=1) == 1).all())

    @property
    def numbers(self) -> NDArray[np.float64]:
        """``(N,)`` float64: the number to be predicted of each clip, where ``value`` names one."""
        return self.values[self.value]

    @property
    def value_title(self) -> str:
        """What is to be predicted, with its unit: ``tempo (BPM)``; '' for the classes."""
        return f"{self.value} ({self.unit})" if self.unit else self.value

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that hold clips, in the order of ``SPLITS``; '' comes last."""
        held = {clip.split for clip in self.clips}
        return tuple(split for split in (*SPLITS, "") if split in held)

    @cached_property
    def content_hash(self) -> str:
        """16 hex digits that change with clips, groups, splits and labels; not with where they lie.

        Numbers count where one of them is to be predicted.
        """
        rows = [
            [clip.key, clip.group, clip.split, clip.start_s, clip.end_s, _columns(target), _columns(~known)]
            for clip, target, known in zip(self.clips, self.targets, self.mask, strict=True)
        ]
        value = [[self.value, self.numbers.tolist()]] if self.value else []
        return ordered_digest([self.corpus, self.task, self.classes, rows, *value])

    def only(self, split: str) -> "ClipSet":
        """Return the clips of one split, with the same classes.

        Raises:
            ConfigError: there is no such split.
        """
        if split not in SPLITS:
            raise ConfigError(
                f"Expected one of the splits {', '.join(SPLITS)}, found {split!r}.", code="unknown-split"
            )
        return self.take([row for row, clip in enumerate(self.clips) if clip.split == split])

    def take(self, rows: Iterable[int]) -> "ClipSet":
        """Return the clips of these rows, in this order, with the same classes."""
        kept = np.fromiter(rows, np.int64)
        clips = tuple(self.clips[row] for row in kept)
        values = {name: numbers[kept] for name, numbers in self.values.items()}
        kinds = tuple(self.kinds[row] for row in kept) if self.kinds else ()
        return replace(
            self, clips=clips, targets=self.targets[kept], mask=self.mask[kept], values=values, kinds=kinds
        )


def join(parts: Sequence[ClipSet]) -> ClipSet:
    """Return the clips of several sets with the same classes as one; sources and notes are said once."""
    first = parts[0]
    return replace(
        first,
        clips=tuple(clip for part in parts for clip in part.clips),
        targets=np.concatenate([part.targets for part in parts]),
        mask=np.concatenate([part.mask for part in parts]),
        source="; ".join(dict.fromkeys(part.source for part in parts)),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        missing=tuple(key for part in parts for key in part.missing),
        kinds=tuple(kind for part in parts for kind in part.kinds),
        values={
            name: np.concatenate([part.values[name] for part in parts])
            for name in first.values
            if all(name in part.values for part in parts)
        },
    )


def _columns(flags: NDArray[np.generic]) -> list[int]:
    return [int(column) for column in np.flatnonzero(flags)]


@dataclass(frozen=True)
class ClipCorpus:
    """A corpus of labelled clips: one object per module of this package.

    Attributes:
        name: Its name in configurations and on the command line.
        tasks: Which labels it has, the main ones first.
        read: Reads all clips of the tree at a folder, for one of the tasks, with the corpus's own splits.
        label_map: Name of the label map in ``taxonomy/corpora``; '' where its labels are no instruments.
        read_labels: As in ``mixlab.corpora.base.Adapter``.
        load_part: Reads one part alone, where runs are scored on the corpus by ``mixlab evaluate-on``.
        values: The numbers that it knows of its clips by name, each with its unit; ``read`` gives them for
            every task.
    """

    name: str
    tasks: tuple[str, ...]
    read: Callable[[Path, str], ClipSet]
    label_map: str = ""
    read_labels: Callable[[MetadataFile], Labels | str | None] = lambda file: None
    load_part: Callable[[str | Path, Part], ClipSet] | None = None
    values: Mapping[str, str] = field(default_factory=dict)


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
