"""Clips of one's own: a table ``clips.csv``.

Layout: ``clips.csv`` in the folder of the audio, or the table itself as the root. Columns: ``file`` (below
the folder of the table) and ``labels``, several of them with ``|`` between; and, where they are known,
``group``, ``split`` (train, validation, test), ``start`` and ``end`` in seconds, ``key``. A number to predict
stands in ``value``, several in ``value_NAME`` each, such as ``value_arousal``; beside them ``labels`` may be
left out.

Traps, and what is done:

* A row that cannot be used stops the reading with its line: a wrong label is worse than no table.
* An empty cell in ``labels`` says that none of the classes is present; where every clip has one class, that
  is an error.
* An empty cell of a number says that it is not known; all else that is no finite number is an error.
* Without ``group``, each file is a group of its own, which the notes say.
* Rows whose file is not there are listed as missing, not refused.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mixlab.corpora.clips._clip_rows import check_clips, clip_of, none_there, read_own_table
from mixlab.corpora.clips._sets import number_of
from mixlab.corpora.clips.base import AudioFiles, Clip, ClipCorpus, ClipSet
from mixlab.errors import CorpusError
from mixlab.utils.csv import CsvRow

__all__ = ["COLUMNS", "CORPUS", "read_clips_csv"]

COLUMNS = ("file", "labels", "group", "split", "start", "end", "key", "value")

_NAME = "clips.csv"
_VALUE, _NAMED = "value", "value_"


class _Row(NamedTuple):
    clip: Clip
    labels: tuple[str, ...]
    there: bool
    grouped: bool
    numbers: dict[str, float]


def read_clips_csv(root: Path, task: str) -> ClipSet:
    """Read a table of clips.

    Raises:
        CorpusError: there is no table, a row cannot be used (the message names its line), or no clip is
            there.
    """
    table = root if root.is_file() else root / _NAME
    rows = _read(table)
    kept = [row for row in rows if row.there]
    if not kept:
        raise none_there(table, [row.clip for row in rows], "the folder of the table")
    classes = tuple(sorted({label for row in rows for label in row.labels}))
    targets = np.zeros((len(kept), len(classes)), np.float32)
    for place, row in enumerate(kept):
        targets[place, [classes.index(label) for label in row.labels]] = 1.0
    return ClipSet(
        corpus="csv",
        task=task,
        classes=classes,
        clips=tuple(row.clip for row in kept),
        targets=targets,
        mask=np.ones(targets.shape, np.bool_),
        source=f"read by mixlab from {table.name}",
        notes=tuple(_notes(kept)),
        missing=tuple(row.clip.key for row in rows if not row.there),
        values={name: np.array([row.numbers[name] for row in kept], np.float64) for name in kept[0].numbers},
    )


def _read(table: Path) -> list[_Row]:
    found = read_own_table(table, COLUMNS)
    numbered = any(map(_number_name, found.header))
    for needed in ("file",) if numbered else ("file", "labels"):
        if needed not in found.header:
            raise CorpusError(
                f"{table}: expected the columns file and labels (and, if known, {', '.join(COLUMNS[2:])}), "
                f"found {', '.join(found.header)}.",
                code="invalid-table",
            )
    if unknown := [name for name in found.header if name and name not in COLUMNS and not _number_name(name)]:
        raise CorpusError(
            f"{table}: there is no use for the column {unknown[0]!r}; columns are {', '.join(COLUMNS)}, and "
            f"{_NAMED}NAME for a number.",
            code="invalid-table",
        )
    if not found.rows:
        raise CorpusError(f"{table}: expected a row per clip, found none.", code="empty-table")
    audio = AudioFiles()
    rows = [_parse(table, row, dict(zip(found.header, row.cells, strict=True)), audio) for row in found.rows]
    _check(table, found.rows, rows)
    return rows


def _number_name(column: str) -> str:
    """Return what the number in a column is called: what follows ``value_``; '' for other columns."""
    return column if column == _VALUE else column.removeprefix(_NAMED) if column.startswith(_NAMED) else ""


def _parse(table: Path, row: CsvRow, cells: dict[str, str], audio: AudioFiles) -> _Row:
    where = f"{table}, row {row.number}"
    clip, there = clip_of(where, table.parent, cells, audio)
    labels = tuple(dict.fromkeys(filter(None, (text.strip() for text in cells.get("labels", "").split("|")))))
    numbers = {
        name: number_of(cells[column], where, column)
        for column, name in ((column, _number_name(column)) for column in cells)
        if name
    }
    return _Row(clip, labels, there, bool(cells.get("group")), numbers)


def _check(table: Path, numbers: Sequence[CsvRow], rows: Sequence[_Row]) -> None:
    """Refuse what contradicts itself: a clip twice, a group on two sides, a clip without its one class."""
    check_clips(table, numbers, [row.clip for row in rows])
    bare = bool(rows[0].numbers) and not any(row.labels for row in rows)  # numbers alone, no classes
    if bare or any(len(row.labels) > 1 for row in rows):
        return
    for number, row in zip((row.number for row in numbers), rows, strict=True):
        if not row.labels:
            raise CorpusError(
                f"{table}, row {number}: expected a label, as every other clip has one, found none.",
                code="missing-labels",
            )


def _notes(rows: Sequence[_Row]) -> Iterator[str]:
    if alone := len({row.clip.path for row in rows if not row.grouped}):
        yield (
            f"{alone} files without a group are each a group of their own: where several are from one "
            "recording, say so in the column 'group', so that no split divides them"
        )


CORPUS = ClipCorpus("csv", ("labels",), read_clips_csv)
