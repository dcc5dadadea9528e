"""Which audio files the rows of a sidecar name, however their paths are spelled.

Slashes either way, any case and Unicode form, relative to the table, to the folder above it or to the
root, and under another lossless ending: what can mean one file only is that file.
"""

import difflib
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from mixlab.audio.file_kinds import form, is_lossless, why_not_read
from mixlab.corpora._tree import TreeScan

__all__ = ["RowFiles", "exists"]

_MOST_COMPARED = 100_000  # names, in looking for the nearest ones: each takes up to .2 ms


class RowFiles:
    """Finds the audio files that rows name."""

    def __init__(self, scan: TreeScan, audio: Sequence[str]) -> None:
        self._scan = scan
        self._audio = sorted(audio)
        self._exact = set(audio)
        self._alike: dict[str, list[str]] = defaultdict(list)
        self._copies: dict[str, list[str]] = defaultdict(list)
        self._compared = 0
        for path in self._audio:
            self._alike[form(path)].append(path)
            if is_lossless(path):
                self._copies[form(str(PurePosixPath(path).with_suffix("")))].append(path)

    def base(self, folder: Path, names: Sequence[str]) -> str:
        """Return the folder that most rows are relative to: the table's own, the one above, or the root."""
        own = self._scan.relative(folder) if folder != self._scan.root else ""
        above = PurePosixPath(own).parent.as_posix() if own else ""
        bases = dict.fromkeys((own, "" if above == "." else above, ""))
        return max(bases, key=lambda base: sum(not self.find(base, name, nearest=False)[1] for name in names))

    def find(self, base: str, name: str, *, nearest: bool = True) -> tuple[str, str]:
        """Return the path of the file that a cell names, or '' and what is wrong."""
        if not name:
            return "", "the column file is empty."
        cleaned = name.strip("\"'")
        path = ""
        for spelling in dict.fromkeys((cleaned, cleaned.replace("\\", "/"))):
            below = self._below(base, spelling)
            if below is None:
                return "", f"{name!r} leaves the corpus root; list files below {self._scan.root.name!r} only."
            path = below
            alike = [path] if path in self._exact else self._alike.get(form(path), [])
            if len(alike) == 1:
                return alike[0], ""
            if alike:
                return "", f"{name!r} may be {' or '.join(map(repr, alike))}; write it exactly."
        copies = (
            self._copies.get(form(str(PurePosixPath(path).with_suffix("")))) if is_lossless(path) else None
        )
        if copies and len(copies) == 1:  # converted since
            return copies[0], ""
        return "", self._missing(name, path) if nearest else "missing"

    def _below(self, base: str, name: str) -> str | None:
        """Return a path below the root in plain form, or None outside."""
        if name.startswith("/") or PurePosixPath(name).is_absolute():
            absolute = Path(name)
            return (
                absolute.relative_to(self._scan.root).as_posix()
                if absolute.is_relative_to(self._scan.root)
                else None
            )
        parts: list[str] = []
        for part in (*PurePosixPath(base).parts, *PurePosixPath(name).parts):
            if part == "..":
                if not parts:
                    return None
                parts.pop()
            elif part != ".":
                parts.append(part)
        return "/".join(parts)

    def _missing(self, name: str, path: str) -> str:
        target = self._scan.root / path
        if _is_link(target) or (why_not_read(path) and exists(target)):
            return ""  # what is there and cannot be read is a problem of its own
        if exists(target):
            return f"{name!r} is there, but it is no audio file that is read."
        near = self._nearest(path) if self._compared < _MOST_COMPARED else ""
        hint = f"; the nearest is {near!r}" if near else ""
        return f"there is no audio file {name!r}{hint}."

    def _nearest(self, path: str) -> str:
        stem = form(path) + "."  # without a suffix, the file that has one is nearer than any other name
        longer = next((alike for alike in self._alike if alike.startswith(stem)), "")
        if longer:
            return self._alike[longer][-1]
        for named, wanted in ((self._alike, form(path)), (self._names, form(PurePosixPath(path).name))):
            self._compared += len(named)
            if found := difflib.get_close_matches(wanted, named, 1, 0.6):
                return named[found[0]][-1]
        return ""

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        """Files by their names without folders."""
        names: dict[str, list[str]] = defaultdict(list)
        for path in self._audio:
            names[form(PurePosixPath(path).name)].append(path)
        return names


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except (OSError, ValueError):
        return False


def exists(path: Path) -> bool:
    """Return whether something is there; False for names that no file can have."""
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file can have
        return False
