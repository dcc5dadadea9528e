"""The split that a folder between a corpus's root and a song names: ``train``, ``valid``, ``test``."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from mixlab.corpora._folder_words import split_of
from mixlab.corpora._tree import TreeScan

__all__ = ["folder_split", "note_unknown_splits"]


def folder_split(root: Path, song: Path) -> str:
    """Return the split that a folder between the root and a song's folder names, the nearest one; else ''."""
    between = song.relative_to(root).parts[:-1]
    return next((split for split in map(split_of, between[::-1]) if split), "")


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
