"""Clips of one's own: a folder per class.

Layout: ``<class>/<file>`` or ``<class>/<group>/.../<file>``, and the same below folders named ``train``,
``validation`` and ``test`` (or ``valid``, ``dev``, ``Testing set``), where there is a split.

Traps, and what is done:

* Excerpts of one recording in both training and test are recognised, not classified: the folder below a class
  is the group, and a group of one name is the same under every class. Files that lie in a class's folder
  itself are each a group of their own, which the notes say.
* A class without audio, and files that are not read, are said in the notes; litter of systems is not.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mixlab.audio.file_kinds import is_litter
from mixlab.corpora._folder_words import split_of
from mixlab.corpora.clips.base import AudioFiles, Clip, ClipCorpus, ClipSet
from mixlab.errors import CorpusError

__all__ = ["CORPUS", "read_folder"]


def read_folder(root: Path, task: str) -> ClipSet:
    """Read a folder per class.

    Raises:
        CorpusError: the root is no folder, or no class holds audio.
    """
    if not root.is_dir():
        raise CorpusError(
            f"Expected a folder per class in {root}, which is no folder.", code="root-not-found"
        )
    held = [(clip, name) for split, base in _bases(root) for clip, name in _clips(root, base, split)]
    classes = tuple(sorted({name for _, name in held}))
    if not classes:
        raise CorpusError(
            f"Expected a folder per class with audio in it ({root}/CLASS/FILE or {root}/CLASS/GROUP/FILE), "
            "found none. For clips that a table lists, take the corpus 'csv'.",
            code="layout-not-found",
        )
    targets = np.zeros((len(held), len(classes)), np.float32)
    for row, (_, name) in enumerate(held):
        targets[row, classes.index(name)] = 1.0
    return ClipSet(
        corpus="folder",
        task=task,
        classes=classes,
        clips=tuple(clip for clip, _ in held),
        targets=targets,
        mask=np.ones(targets.shape, np.bool_),
        source="read by mixlab from folders",
        notes=tuple(_notes(root, classes, [clip for clip, _ in held])),
    )


def _bases(root: Path) -> list[tuple[str, Path]]:
    """Return the folders that hold classes, with the split that each is of."""
    inner = _folders(root)
    splits = [(split_of(folder.name), folder) for folder in inner]
    if len(inner) > 1 and all(split for split, _ in splits):
        return splits
    return [("", root)]


def _folders(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and not is_litter(path.name)]


def _clips(root: Path, base: Path, split: str) -> Iterator[tuple[Clip, str]]:
    audio = AudioFiles()
    for folder in _folders(base):
        for inner in [folder, *_below(folder)]:
            for name in audio.names(inner):
                file = audio.find(inner / f"{name}.wav")
                assert file is not None
                key = (inner / name).relative_to(root).as_posix()
                parts = (inner / name).relative_to(folder).parts
                yield Clip(key, file, parts[0] if len(parts) > 1 else key, split), folder.name


def _below(folder: Path) -> Iterator[Path]:
    for inner in _folders(folder):
        yield inner
        yield from _below(inner)


def _notes(root: Path, classes: tuple[str, ...], clips: list[Clip]) -> Iterator[str]:
    alone = sum(clip.group == clip.key for clip in clips)
    if alone:
        yield (
            f"{alone} clips lie in their class's folder itself and are each a group of their own: where "
            "several are from one recording, put these into a folder, so that no split divides them"
        )
    named = {folder.name for _, base in _bases(root) for folder in _folders(base)}
    if empty := sorted(named - set(classes)):
        yield f"folders without audio, which are no classes: {', '.join(empty)}"


CORPUS = ClipCorpus("folder", ("class",), read_folder)
