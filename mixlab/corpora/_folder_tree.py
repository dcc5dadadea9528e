"""The folders of an unknown tree without the wrappers in it (``stems``, ``Audio Files``, ``wav_24bit``).

Told from paths alone. Where two wrappers of one folder hold files of the same names (``wav`` and
``mp3``), or raw recordings lie beside finished stems, only one of the two is read: both would
sound twice in a mix.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from mixlab.audio.file_kinds import form, is_lossless
from mixlab.corpora._folder_words import FINISHED, UNPROCESSED, is_wrapper, version_of

__all__ = ["File", "Node", "Parts", "make_tree", "unwrap"]

Parts = tuple[str, ...]


@dataclass(frozen=True)
class File:
    """An audio file.

    Attributes:
        path: Below the root, as it is on disk.
        parts: Its folders without wrappers.
    """

    path: str
    parts: Parts

    @property
    def name(self) -> str:
        """Name without suffix, in composed Unicode, however the disk has it."""
        return unicodedata.normalize("NFC", PurePosixPath(self.path).stem)

    @property
    def folder(self) -> str:
        """Its folder on the disk."""
        return PurePosixPath(self.path).parent.as_posix()


@dataclass
class Node:
    """A folder: its own audio files, and the folders below that hold some."""

    parts: Parts
    files: list[File] = field(default_factory=list)
    below: dict[str, "Node"] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the folder, '' for the root."""
        return self.parts[-1] if self.parts else ""

    @property
    def children(self) -> list["Node"]:
        """The folders directly below, by name."""
        return [self.below[name] for name in sorted(self.below)]

    def all_files(self) -> Iterator[File]:
        """Yield its files and those of all folders below."""
        yield from self.files
        for child in self.children:
            yield from child.all_files()


def make_tree(files: Iterable[File]) -> Node:
    """Return the root of the tree that the files' folders make."""
    root = Node(())
    for file in files:
        node = root
        for name in file.parts:
            node = node.below.setdefault(name, Node((*node.parts, name)))
        node.files.append(file)
    return root


def unwrap(paths: Sequence[str]) -> tuple[list[File], list[tuple[str, str]]]:
    """Take the wrappers out of paths.

    Returns:
        The files that are read, and the paths of those that are not, each with the reason.
    """
    children: dict[Parts, set[str]] = defaultdict(set)
    for path in paths:
        parts = PurePosixPath(path).parts[:-1]
        for depth, name in enumerate(parts):
            children[parts[:depth]].add(name)
    wrappers = {folder for parent in children for folder in _wrappers(parent, children[parent])}
    files, skipped = [], []
    for path in paths:
        parts = PurePosixPath(path).parts[:-1]
        kept = tuple(name for i, name in enumerate(parts) if parts[: i + 1] not in wrappers)
        better = next(
            (b for i in range(len(parts)) if (b := _better_version(parts[: i + 1], children, wrappers))), None
        )
        if better:
            skipped.append((path, f"Raw recordings beside finished stems ({better!r}); those are read."))
        else:
            files.append(File(path, kept))
    return _one_of_each(files, skipped)


def _wrappers(parent: Parts, names: set[str]) -> list[Parts]:
    above = parent[-1] if parent else ""
    loose = all(is_wrapper(name, above, loose=True) for name in names)
    return [(*parent, name) for name in sorted(names) if is_wrapper(name, above, loose=loose)]


def _better_version(folder: Parts, children: dict[Parts, set[str]], wrappers: set[Parts]) -> str | None:
    """Return the wrapper of finished stems beside a wrapper of raw files."""
    parent = folder[:-1]
    above = parent[-1] if parent else ""
    if folder not in wrappers or version_of(folder[-1], above) != UNPROCESSED:
        return None
    beside = sorted(name for name in children[parent] if (*parent, name) in wrappers)
    return next((name for name in beside if version_of(name, above) == FINISHED), None)


def _one_of_each(
    files: list[File], skipped: list[tuple[str, str]]
) -> tuple[list[File], list[tuple[str, str]]]:
    """Keep one of the files that have the same name in the same place but for their wrappers."""
    same: dict[tuple[Parts, str], list[File]] = defaultdict(list)
    for file in files:
        same[file.parts, form(file.name)].append(file)
    kept = []
    for group in same.values():
        best = min(group, key=lambda file: (not is_lossless(file.path), file.path))
        for file in group:
            if file.folder == best.folder:
                kept.append(file)
            else:
                skipped.append((file.path, f"The same stem as {best.path!r} in another form; that is read."))
    return kept, skipped
