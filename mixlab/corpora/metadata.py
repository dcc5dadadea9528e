"""Files that may hold labels, read before it is known which corpus they are of.

``mixlab taxonomy --check`` hands each file of a folder to the ``read_labels`` of every corpus; the first that
knows its own form says which labels are in it.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mixlab.audio.file_kinds import READ_SUFFIXES
from mixlab.errors import TaxonomyError
from mixlab.taxonomy.tree import read_yaml
from mixlab.utils.yaml import load_json

__all__ = ["AUDIO_SUFFIXES", "TEXT_SUFFIXES", "LabelReader", "Labels", "MetadataFile", "leaves", "read_file"]

AUDIO_SUFFIXES = frozenset({*READ_SUFFIXES, ".m4a", ".mp4"})
TEXT_SUFFIXES = frozenset({".yaml", ".yml", ".json", ".csv", ".tsv", ".txt", ".lab"})
# Tables of frame values (activations, features) run to gigabytes and hold no labels in their rows.
_MAX_BYTES = 200_000_000


@dataclass(frozen=True)
class MetadataFile:
    """The content of one file, by its form; what the file is not stays empty.

    Attributes:
        path: Where it lies; of an audio file nothing else is known, it is not opened.
        mapping: What a YAML or JSON file holds.
        rows: Rows of a table (``.csv``, ``.tsv``, ``.lab``) with its header, without empty ones.
        lines: Lines of a text file, stripped, without empty ones.
    """

    path: Path
    mapping: Mapping[Any, Any] = field(default_factory=dict)
    rows: Sequence[Sequence[str]] = ()
    lines: Sequence[str] = ()

    @property
    def is_audio(self) -> bool:
        """Whether it is an audio file, of which only the name and the place are known."""
        return self.path.suffix.lower() in AUDIO_SUFFIXES

    @property
    def header(self) -> tuple[str, ...]:
        """Names of a table's columns, stripped and in lower case."""
        return tuple(name.strip().casefold() for name in self.rows[0]) if self.rows else ()

    def has_columns(self, *names: str) -> bool:
        """Whether a table has all of these columns, named in lower case."""
        return set(names) <= set(self.header)

    def cells(self, columns: Mapping[str, str]) -> Iterator[str]:
        """Yield the filled cells of a table's columns, row by row, each with a prefix.

        Args:
            columns: Column in lower case -> what stands before its cells.
        """
        places = [
            (self.header.index(name), prefix) for name, prefix in columns.items() if name in self.header
        ]
        for row in self.rows[1:]:
            for place, prefix in places:
                if place < len(row) and row[place].strip():
                    yield f"{prefix}{row[place].strip()}"


@dataclass(frozen=True)
class Labels:
    """The labels in one file that a corpus knows.

    Attributes:
        kind: What the file is, for people.
        counts: Raw labels with their numbers of occurrences.
    """

    kind: str
    counts: Mapping[str, int]

    @classmethod
    def of(cls, kind: str, labels: Iterable[object]) -> "Labels":
        """Count labels; blank ones (a label the corpus left out) stay, so that they are seen."""
        return cls(kind, Counter(str(label).strip() for label in labels))


class LabelReader(Protocol):
    """Finds the labels in files of one corpus.

    Attributes:
        label_map: Name of the map that its labels are looked up in, or the path of a CSV file.
    """

    @property
    def label_map(self) -> str: ...  # noqa: D102 - see the class

    def read_labels(self, file: MetadataFile) -> Labels | str | None:
        """Return the labels in a file, None if it is none of this corpus, or why one of its has none."""
        ...


def leaves(data: object) -> Iterator[object]:
    """Yield everything in nested lists and mappings that is neither, in order."""
    if isinstance(data, dict):
        for value in data.values():
            yield from leaves(value)
    elif isinstance(data, list):
        for value in data:
            yield from leaves(value)
    elif data is not None:
        yield data


def read_file(path: Path) -> MetadataFile | str:
    """Read one file by its ending.

    Returns:
        Its content, or as text the reason why it can hold no labels.

    Raises:
        TaxonomyError: the file is broken.
    """
    suffix = path.suffix.lower()
    if suffix in AUDIO_SUFFIXES:
        return MetadataFile(path)
    try:
        size = path.stat().st_size
    except OSError as error:  # a link that leads nowhere
        raise TaxonomyError(f"{path}: cannot be read ({error}).", code="unreadable-file") from error
    if size > _MAX_BYTES:
        return f"larger than {_MAX_BYTES // 1_000_000} MB"
    if suffix in (".yaml", ".yml"):
        return _mapping(path, read_yaml(path))
    text = _read_text(path)
    if suffix == ".json":
        try:
            return _mapping(path, load_json(text))
        except ValueError as error:
            raise TaxonomyError(
                f"{path}: not valid JSON ({error}); correct or remove it.", code="invalid-syntax"
            ) from error
    if suffix == ".txt":
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return MetadataFile(path, lines=lines) if lines else "empty"
    rows = _rows(text, "\t" if suffix == ".tsv" else ",", path)
    return MetadataFile(path, rows=rows) if rows else "empty"


def _mapping(path: Path, data: object) -> MetadataFile | str:
    return MetadataFile(path, mapping=data) if isinstance(data, dict) and data else "no mapping in it"


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise TaxonomyError(
            f"{path}: cannot be read as UTF-8 text ({error}).", code="unreadable-file"
        ) from error


def _rows(text: str, delimiter: str, path: Path) -> list[list[str]]:
    try:
        return [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
    except csv.Error as error:
        raise TaxonomyError(
            f"{path}: not a valid table ({error}); correct or remove it.", code="invalid-syntax"
        ) from error
