"""Paths on a disk that nobody checked: what a name stands for, where a link leads, what may be entered."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "Entry",
    "broken_link",
    "in_ascii",
    "is_dir",
    "is_file",
    "is_harmless",
    "is_printable",
    "leaves",
    "look",
    "resolve",
]


@dataclass(frozen=True, order=True)
class Entry:
    """What one name in a folder stands for, links followed; a broken link is neither file nor folder."""

    name: str
    is_dir: bool
    is_file: bool
    is_link: bool


def look(entry: "os.DirEntry[str]") -> Entry:
    """Return what an entry of a listing stands for, without an exception."""
    try:
        return Entry(entry.name, entry.is_dir(), entry.is_file(), entry.is_symlink())
    except OSError:  # a link loop, or a link into a place that may not be looked into
        return Entry(entry.name, is_dir=False, is_file=False, is_link=True)


def is_printable(name: str) -> bool:
    """Return whether a file name is valid Unicode (Parquet and CSV files cannot hold others)."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def in_ascii(name: str) -> str:
    """Return a name as any file can hold it, odd characters escaped."""
    return name.encode("ascii", "backslashreplace").decode()


def broken_link(shown: str, path: Path) -> str:
    """Return what is wrong with a link that leads nowhere, and how such files are fetched."""
    target = in_ascii(os.readlink(path))[:200]  # noqa: PTH115 - the text, not a path
    return (
        f"Link {shown!r} leads to {target!r}, where nothing can be found. Fetch the file (such as by "
        "'git annex get', 'datalad get' or a new download), mount what it lies on, or remove the link."
    )


def leaves(shown: str) -> str:
    """Return what to say of a link that leaves the root and is not followed."""
    return (
        f"Link {shown!r} leaves the corpus root and is not followed. Put the files below the root, index "
        "their own folder, or, if links are how you keep corpora, use --follow_links."
    )


def is_harmless(parts: Iterable[str]) -> bool:
    """Return whether metadata-given path parts are relative and can be handed to the system."""
    return all(part and "\0" not in part and not part.startswith(("/", "\\", "~")) and is_printable(part)
               for part in parts)  # fmt: skip


def resolve(path: Path, roots: Iterable[Path]) -> Path | None:
    """Return ``path`` with links followed, if it lies below one of ``roots``."""
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError, ValueError):  # a link loop, or a name no file can have
        return None
    return resolved if any(resolved.is_relative_to(root) for root in roots) else None


def is_file(path: Path) -> bool:
    """Return whether there is a file; False where the system will not say."""
    try:
        return path.is_file()
    except OSError:  # for instance a name longer than the system allows, or a closed folder
        return False


def is_dir(path: Path) -> bool:
    """Return whether there is a folder; False where the system will not say."""
    try:
        return path.is_dir()
    except OSError:
        return False
