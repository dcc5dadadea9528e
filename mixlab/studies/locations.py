"""Find run and study folders below a few places, without walking a whole disk."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["RUN", "STUDY", "Found", "find_folders"]

RUN = "run.json"
STUDY = "study.json"

MOST_FOLDERS = 5000
"""Folders that are looked into at most: a place may be somebody's home."""


@dataclass(frozen=True)
class Found:
    """A folder that holds what was looked for.

    Attributes:
        name: Its path from the place it was found below, that place's own name first; unique, and the same
            for whoever looks below the same place.
        path: The folder, absolute.
    """

    name: str
    path: Path


def find_folders(marker: str, locations: Sequence[tuple[Path, int]]) -> tuple[Found, ...]:
    """Return the folders that hold a file, by name.

    Hidden folders are passed over, and nothing is looked for inside of runs and catalogs.

    Args:
        marker: ``RUN`` or ``STUDY``.
        locations: Folders, and how deep to look below each: 0 looks at the folder alone. Those that are not
            there are passed over.
    """
    left, seen, found = MOST_FOLDERS, set(), {}
    for named, depth in locations:
        try:
            place = named.expanduser().resolve()
        except (OSError, ValueError, RuntimeError):  # what cannot be a path, or the home of nobody
            continue
        for path in _walk(place, depth):
            left -= 1
            if left < 0:
                break
            if path not in seen and (path / marker).is_file():
                seen.add(path)
                name = "/".join((place.name, *path.relative_to(place).parts))
                # Two places of one name: the second speaks for itself in full.
                found[name if name not in found else str(path)] = path
    return tuple(Found(name, found[name]) for name in sorted(found, key=_natural))


def _natural(name: str) -> list[tuple[int, str]]:
    """Order ``seed2`` before ``seed10``."""
    parts: list[str] = [""]
    for c in name:
        if c.isdigit() != parts[-1][-1:].isdigit():
            parts.append("")
        parts[-1] += c
    return [(len(part), part) if part.isdigit() else (-1, part) for part in parts]


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    """Yield a folder and those below it, nearest first."""
    level = [folder] if _is_folder(folder) else []
    for below in range(depth, -1, -1):
        following: list[Path] = []
        for path in level:
            yield path
            if below and not any((path / name).is_file() for name in (RUN, "catalog.json")):
                following += _folders(path)
        level = following


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # too long a name
        return False


def _folders(path: Path) -> list[Path]:
    try:
        with os.scandir(path) as entries:
            names = sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
    except OSError:
        return []
    return [path / name for name in names]
