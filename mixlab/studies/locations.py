"""Find runs, studies and external reports below a few places, without walking a whole disk."""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mixlab.corpora.clips.registry import BENCHMARKS
from mixlab.utils.entries import is_text
from mixlab.utils.yaml import load_json

__all__ = ["RUN", "STUDY", "Found", "FoundReports", "find_folders", "find_reports"]

RUN = "run.json"
STUDY = "study.json"

UNKNOWN = "unknown model"
"""Title of reports that do not say what scored: damaged ones, and those of earlier versions."""

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


@dataclass(frozen=True)
class FoundReports:
    """Reports of ``mixlab evaluate-on`` that lie in one folder and are of one model.

    Attributes:
        name: What scored, and in brackets the folder as ``Found.name`` has it; where models of other files
            have the same title there, its test sets too. Unique.
        path: The folder, absolute.
        files: The reports' JSON, by name.
    """

    name: str
    path: Path
    files: tuple[Path, ...]


def find_folders(marker: str, locations: Sequence[tuple[Path, int]]) -> tuple[Found, ...]:
    """Return the folders that hold a file, by name.

    Hidden folders are passed over, and nothing is looked for inside of runs and catalogs.

    Args:
        marker: ``RUN`` or ``STUDY``.
        locations: Folders, and how deep to look below each: 0 looks at the folder alone. Those that are not
            there are passed over.
    """
    return _find(lambda path: (path / marker).is_file(), locations)


def find_reports(locations: Sequence[tuple[Path, int]]) -> tuple[FoundReports, ...]:
    """Return the reports that ``mixlab evaluate-on --out`` wrote of published weights, by model and folder.

    They are looked for as runs are, so not inside of runs, where their own reports lie. A file is one by its
    name and its beginning, so that one that was cut off is found, too.

    Args:
        locations: As for ``find_folders``.
    """
    found = _find(lambda path: bool(_report_files(path)), locations)
    return tuple(one for folder in found for one in _by_model(folder))


_NAMES = tuple(f"{name}-" for name in (*BENCHMARKS, "folder"))
_BEGINNING = re.compile(rb'\s*\{\s*"schema":\s*\d+,\s*"benchmark":\s*"')


def _report_files(folder: Path) -> list[Path]:
    """Return the reports in a folder; files that cannot be opened are none."""
    return sorted(
        file for file in folder.glob("*.json") if file.name.startswith(_NAMES) and _begins_as_report(file)
    )


def _begins_as_report(file: Path) -> bool:
    try:
        if not file.is_file():  # a pipe would wait for its other end
            return False
        with file.open("rb") as opened:
            return _BEGINNING.match(opened.read(200)) is not None
    except OSError:
        return False


def _by_model(folder: Found) -> list[FoundReports]:
    """Return the reports of a folder, those of each model together."""
    files: dict[tuple[str, str], list[Path]] = {}
    for file in _report_files(folder.path):
        files.setdefault(_model(file), []).append(file)
    titles = Counter(title for title, _ in files)
    found = []
    for (title, _), of_model in files.items():
        sets = f": {', '.join(file.stem for file in of_model)}" if titles[title] > 1 else ""
        found.append(FoundReports(f"{title} ({folder.name}{sets})", folder.path, tuple(of_model)))
    return found


def _model(file: Path) -> tuple[str, str]:
    """Return a title of what scored, and all that a report says of it; of a damaged one that is not known."""
    try:
        data = load_json(file.read_text(encoding="utf-8"))
        model, scored_by = data.get("model", ""), data.get("scored_by", [])
        names = [Path(by["name"]).name for by in scored_by if by["kind"] in ("run", "weights")]
    except (OSError, ValueError, KeyError, TypeError):  # who reads the report says why
        return UNKNOWN, ""
    title = " + ".join(names) or model
    return (title if title and is_text(title) else UNKNOWN), json.dumps([model, scored_by])


def _find(holds: Callable[[Path], bool], locations: Sequence[tuple[Path, int]]) -> tuple[Found, ...]:
    """Return the folders that hold what is looked for, by name."""
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
            if path not in seen and holds(path):
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
