"""Finds the folders of songs in a published corpus, under whatever folders people put around them."""

from collections.abc import Callable
from pathlib import Path

from mixlab.corpora._tree import TreeScan

__all__ = ["song_folders"]

_MAX_DEPTH = 8
"""Archives, splits, parts, the revisions of a cache: what lies deeper is listed as skipped."""


def song_folders(
    scan: TreeScan, is_song: Callable[[Path], bool], enters: Callable[[Path], bool] = lambda _: True
) -> list[Path]:
    """Return the folders that are songs, at any depth that people use; songs themselves are not entered.

    Args:
        scan: Reads the tree.
        is_song: Says whether a folder is that of a song.
        enters: Says whether a folder that is none may hold songs.

    Returns:
        In the order of the names, then of the paths.
    """
    found: list[Path] = []
    level = [scan.root]
    for _ in range(_MAX_DEPTH):
        below: list[Path] = []
        for folder in (folder for parent in level for folder in scan.folders(parent)):
            if is_song(folder):
                found.append(folder)
            elif enters(folder):
                below.append(folder)
        level = below
    return sorted(found, key=lambda folder: (folder.name, folder.as_posix()))
