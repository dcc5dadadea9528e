"""Clip sets of rows that name one class each, and what readers of published trees share."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mixlab.corpora.clips.base import Clip, ClipSet
from mixlab.errors import CorpusError
from mixlab.taxonomy import LabelSet

__all__ = ["home_of", "home_of_table", "number_of", "one_class_each", "read_table"]


def one_class_each(
    corpus: str,
    task: str,
    rows: Sequence[tuple[Clip, str]],
    *,
    classes: Sequence[str] = (),
    label_set: LabelSet | None = None,
    source: str = "read by mixlab",
    notes: Iterable[str] = (),
    missing: Iterable[str] = (),
    values: Mapping[str, Sequence[float]] | None = None,
) -> ClipSet:
    """Return clips of which each has exactly one class.

    Args:
        corpus: Name of the corpus.
        task: Which of its labels.
        rows: Clips with their class.
        classes: The classes in their order; those that no row has are left out. () sorts them by name.
        label_set: Binds the classes to the instrument tree; its classes that no row has are left out, too.
        source: Who read the tree.
        notes: What must be known to read the numbers; empty ones are left out.
        missing: Keys whose files are not there.
        values: Numbers of the rows by name, NaN where one is not known.
    """
    held = {name for _, name in rows}
    names = tuple(name for name in (classes or sorted(held)) if name in held)
    place = {name: column for column, name in enumerate(names)}
    targets = np.zeros((len(rows), len(names)), np.float32)
    for row, (_, name) in enumerate(rows):
        targets[row, place[name]] = 1.0
    return ClipSet(
        corpus=corpus,
        task=task,
        classes=names,
        clips=tuple(clip for clip, _ in rows),
        targets=targets,
        mask=np.ones(targets.shape, np.bool_),
        label_set=label_set if label_set is None or label_set.names == names else _part(label_set, names),
        source=source,
        notes=tuple(note for note in notes if note),
        missing=tuple(missing),
        values={name: np.asarray(numbers, np.float64) for name, numbers in (values or {}).items()},
    )


def number_of(text: str, where: str, what: str) -> float:
    """Return the number that a cell of a published table holds; NaN where it is empty.

    Args:
        text: The cell.
        where: The file and the place in it, in messages.
        what: What it should hold, in messages.

    Raises:
        CorpusError: it holds something else, or no finite number.
    """
    try:
        number = float(text) if text.strip() else math.nan
        finite = not text.strip() or math.isfinite(number)
    except ValueError:
        number, finite = math.nan, False
    if not finite:
        raise CorpusError(
            f"{where}: expected a number, or nothing, as {what}, found {text!r}.", code="invalid-table"
        )
    return number


def _part(labels: LabelSet, names: Sequence[str]) -> LabelSet:
    from mixlab.corpora.clips._labels import labels_of_columns

    return labels_of_columns(labels, [labels.names.index(name) for name in names])


def home_of(root: Path, corpus: str, inner: Sequence[str], holds: Sequence[str], where: str) -> Path:
    """Return the folder that holds a corpus: the root or one below it, whichever has all of some names.

    Args:
        root: The folder that was given.
        corpus: The corpus, in messages.
        inner: Folders below the root where it may lie as well.
        holds: Names of files or folders that must be there; of several with ``|`` between, one is enough.
        where: What was expected, in messages.

    Raises:
        CorpusError: no such folder has them.
    """
    for folder in (root, *(root / name for name in inner)):
        if all(any((folder / name).exists() for name in names.split("|")) for names in holds):
            return folder
    raise CorpusError(
        f"Expected {where} below {root}, found none. Is it the folder of {corpus}?", code="layout-not-found"
    )


def home_of_table(
    root: Path, corpus: str, inner: Sequence[str], name: str, folder: str = "annotation"
) -> tuple[Path, Path]:
    """Return the folder that holds a corpus, and its table: in a folder of annotations or beside the clips.

    Args:
        root: The folder that was given.
        corpus: The corpus, in messages.
        inner: Folders below the root where it may lie as well.
        name: Of the table.
        folder: Where it may lie below the corpus.

    Raises:
        CorpusError: the table is in none of them.
    """
    home = home_of(root, corpus, inner, [f"{folder}/{name}|{name}"], f"{folder}/{name}")
    return home, next(path for path in (home / folder / name, home / name) if path.is_file())


def read_table(file: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a published CSV file with their line numbers.

    Raises:
        CorpusError: the file cannot be read, lacks a column, or has none of the rows.
    """
    import csv

    try:
        with file.open(newline="", encoding="utf-8-sig") as opened:
            reader = csv.DictReader(opened)
            rows = [(reader.line_num, {k: v or "" for k, v in row.items() if k}) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{file}: cannot be read as a table ({error}).", code="unreadable-file") from error
    if lacking := [name for name in columns if name not in (reader.fieldnames or ())]:
        raise CorpusError(
            f"{file}: expected the columns {', '.join(columns)}; {lacking[0]!r} is not there.",
            code="invalid-table",
        )
    if not rows:
        raise CorpusError(f"{file}: expected a row per clip, found none.", code="empty-table")
    return rows
