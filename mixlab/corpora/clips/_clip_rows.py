"""Rows of a user's own table of clips: read, placed below a folder, and checked against each other."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from mixlab.corpora._folder_words import split_of
from mixlab.corpora.clips.base import AudioFiles, Clip
from mixlab.errors import CorpusError
from mixlab.utils.csv import CsvError, CsvRow, CsvTable, read_csv

__all__ = ["check_clips", "clip_of", "none_there", "read_own_table"]


def read_own_table(table: Path, columns: Sequence[str]) -> CsvTable:
    """Return the header and rows of a table of clips.

    Args:
        table: The CSV file.
        columns: Those that are expected.

    Raises:
        CorpusError: it cannot be read, or is no table.
    """
    try:
        return read_csv(table.read_bytes(), columns)
    except OSError as error:
        raise CorpusError(
            f"Expected a table with the columns {', '.join(columns)} at {table}, but it cannot be read "
            f"({error}).",
            code="metadata-not-found",
        ) from error
    except CsvError as error:
        raise CorpusError(f"{table}: {error}.", code="invalid-table") from error


def clip_of(where: str, folder: Path, cells: Mapping[str, str], audio: AudioFiles) -> tuple[Clip, bool]:
    """Return the clip of a row, and whether its file is there.

    Args:
        where: Table and row, in messages.
        folder: What ``file`` is relative to.
        cells: The row by column: ``file``, and where they are known ``start``, ``end``, ``split``, ``key``
            and ``group``; without a group the file is one.
        audio: Finds files by name.

    Raises:
        CorpusError: no file is named, it leads out of the folder, or a cell cannot be used.
    """
    if not cells["file"]:
        raise CorpusError(f"{where}: expected a file, found an empty cell.", code="invalid-table")
    path = folder / PurePosixPath(cells["file"].replace("\\", "/"))
    if not path.is_relative_to(folder) or ".." in path.relative_to(folder).parts:
        raise CorpusError(
            f"{where}: {cells['file']!r} leads out of {folder}, below which all files must lie.",
            code="path-outside-root",
        )
    start_s, end_s = _seconds(where, cells, "start") or 0.0, _seconds(where, cells, "end")
    if end_s is not None and end_s <= start_s:
        raise CorpusError(
            f"{where}: expected an end after the start, found {start_s:g} to {end_s:g} s.",
            code="invalid-table",
        )
    split = split_of(cells.get("split", ""))
    if cells.get("split") and not split:
        raise CorpusError(
            f"{where}: expected train, validation or test as a split, found {cells['split']!r}.",
            code="invalid-table",
        )
    file = audio.find(path)
    part = f"#{start_s:g}" if start_s or end_s is not None else ""
    key = cells.get("key") or f"{cells['file']}{part}"
    clip = Clip(key, file or path, cells.get("group") or cells["file"], split, start_s, end_s, where)
    return clip, file is not None


def _seconds(where: str, cells: Mapping[str, str], column: str) -> float | None:
    text = cells.get(column, "")
    try:
        value = float(text) if text else None
    except ValueError:
        value = -1.0
    if value is not None and not 0 <= value < float("inf"):
        raise CorpusError(
            f"{where}: expected seconds, 0 or more, as {column}, found {text!r}.", code="invalid-table"
        )
    return value


def none_there(table: Path, clips: Sequence[Clip], folder: str) -> CorpusError:
    """Return the error that says that none of a table's files is there.

    Args:
        table: The CSV file.
        clips: All its clips.
        folder: What their paths are relative to, in words.
    """
    return CorpusError(
        f"{table}: none of the {len(clips)} files is there, such as {clips[0].path}. Paths are relative to "
        f"{folder}.",
        code="audio-not-found",
    )


def check_clips(table: Path, numbers: Sequence[CsvRow], clips: Sequence[Clip]) -> None:
    """Refuse what contradicts itself: a clip twice, or a file or a group on two sides.

    Raises:
        CorpusError: with the row.
    """
    lines: dict[Any, int] = {}
    groups: dict[Path, tuple[str, int]] = {}
    splits: dict[str, tuple[str, int]] = {}
    for number, clip in zip((row.number for row in numbers), clips, strict=True):
        where = f"{table}, row {number}"
        _check_once(where, number, clip, lines)
        _check_sides(where, number, clip, groups, splits)


def _check_once(where: str, number: int, clip: Clip, lines: dict[Any, int]) -> None:
    for entry in (clip.key, (clip.path, clip.start_s, clip.end_s)):
        if (first := lines.setdefault(entry, number)) != number:
            raise CorpusError(
                f"{where}: the clip {clip.key!r} stands in row {first} already. Keep one row with all its "
                "labels; parts of a file need a start of their own, or a key.",
                code="repeated-entry",
            )


def _check_sides(
    where: str,
    number: int,
    clip: Clip,
    groups: dict[Path, tuple[str, int]],
    splits: dict[str, tuple[str, int]],
) -> None:
    group, before = groups.setdefault(clip.path, (clip.group, number))
    if group != clip.group:
        raise CorpusError(
            f"{where}: {clip.path.name} is in the group {clip.group!r}, and in row {before} in {group!r}: "
            "parts of one file are one recording. Give them one group.",
            code="split-overlap",
        )
    split, before = splits.setdefault(clip.group, (clip.split, number))
    if split != clip.split:
        raise CorpusError(
            f"{where}: the group {clip.group!r} is in {clip.split or 'no split'}, and in row {before} in "
            f"{split or 'no split'}: a model would be scored on what it was trained on. Put the group on one "
            "side, or leave the column 'split' out.",
            code="split-overlap",
        )
