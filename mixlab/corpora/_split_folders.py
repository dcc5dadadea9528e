"""Folders that name a split: ``train``, ``valid``, ``test`` and their common spellings.

``dev`` and ``eval`` are not among them: collections use ``dev`` for training and for validation, ``eval``
for validation and for testing. Songs in such a folder are read, and belong to no split of the corpus's own.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from mixlab.corpora._tree import TreeScan

__all__ = ["SPLIT_NAMES", "folder_split", "note_unknown_splits"]

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "trainset": "train",
    "validation": "validation",
    "valid": "validation",
    "validate": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
    "testset": "test",
}
"""What a folder is called, in lower case -> the split it stands for."""


def folder_split(root: Path, song: Path) -> str:
    """Return the split that a folder between the root and a song's folder names, the nearest one; else ''."""
    between = song.relative_to(root).parts[:-1]
    named = (SPLIT_NAMES.get(name.casefold().replace("_", "").replace("-", ""), "") for name in between[::-1])
    return next((split for split in named if split), "")


def note_unknown_splits(scan: TreeScan, songs: Iterable[Path]) -> None:
    """Say which songs lie in a folder that names no split, where other songs of the tree have one."""
    songs = list(songs)
    without = [song for song in songs if not folder_split(scan.root, song)]
    if len(without) in (0, len(songs)):
        return
    folders = Counter(scan.relative(song.parent) for song in without)
    for folder, count in sorted(folders.items()):
        many = f"{count} songs" if count > 1 else "1 song"
        scan.note(
            f"{many} in {folder!r}, a folder that names no split (train, valid, test): read, without a split "
            "of the corpus's own."
        )
