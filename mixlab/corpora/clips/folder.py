"""Clips of one's own: a folder per class.

Layout: ``<class>/<file>`` or ``<class>/<group>/.../<file>``, and the same below folders named ``train``,
``validation`` and ``test`` (or ``valid``, ``dev``, ``Testing set``), where there is a split.

Traps, and what is done:

* Excerpts of one recording in both training and test are recognised, not classified: the folder below a class
  is the group, and a group of one name is the same under every class. Files that lie in a class's folder
  itself are each a group of their own, which the notes say.
* A class without audio, and files that are not read, are said in the notes; litter of systems is not.
* Folders of splits beside others with audio are refused: taken for classes, their labels would be wrong.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mixlab.audio.file_kinds import is_litter, is_read, why_not_read
from mixlab.corpora._folder_words import split_of
from mixlab.corpora.clips.base import AudioFiles, Clip, ClipCorpus, ClipSet
from mixlab.errors import CorpusError

__all__ = ["CORPUS", "read_folder"]


def read_folder(root: Path, task: str) -> ClipSet:
    """Read a folder per class.

    Raises:
        CorpusError: the root is no folder, no class holds audio, or folders of splits lie beside others.
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
    """Return the folders that hold classes, with the split that each is of.

    Raises:
        CorpusError: folders of splits lie beside others with audio, which are then neither.
    """
    splits = [(split_of(folder.name), folder) for folder in _folders(root) if _holds_audio(folder)]
    named = {split for split, _ in splits} - {""}
    others = [folder.name for split, folder in splits if not split]
    if named and not others:
        return splits
    if len(named) > 1:
        raise CorpusError(
            f"{root} holds folders of splits ({', '.join(f.name for s, f in splits if s)}) beside others "
            f"with audio ({', '.join(others)}), and all would be classes. Move the others elsewhere.",
            code="layout-not-found",
        )
    return [("", root)]


def _holds_audio(folder: Path) -> bool:
    return any(is_read(path.name) and not is_litter(path.name) for path in folder.rglob("*"))


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
    bases = [base for _, base in _bases(root)]
    named = {folder.name for base in bases for folder in _folders(base)}
    if empty := sorted(named - set(classes)):
        yield f"folders without audio, which are no classes: {', '.join(empty)}"
    found = (path for base in bases for path in sorted(base.rglob("*")) if not is_litter(path.name))
    if unread := [(path, why) for path in found if path.is_file() and (why := why_not_read(path.name))]:
        path, why = unread[0]
        yield f"{len(unread)} files are not read, such as {path.relative_to(root)}: {why}"


CORPUS = ClipCorpus("folder", ("class",), read_folder)
