"""``stems.csv``: what a user says of the files of a folder.

What is written without a doubt is read, however the table was saved: delimiter, encoding, slashes, case
and Unicode form of the paths, common names of the columns. What then does not fit stops the index, with
file and row: a user's word is never passed over, nor replaced by a guess from file names.
"""

import difflib
import math
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mixlab.corpora._folder_words import split_of
from mixlab.corpora._sidecar_files import RowFiles, exists
from mixlab.corpora._tree import TreeScan
from mixlab.errors import CorpusError
from mixlab.utils.csv import CsvError, CsvTable, read_csv

__all__ = ["SIDECAR", "SidecarRow", "Sidecars", "read_sidecars"]

SIDECAR = "stems.csv"
_NAMES = frozenset({"stems.csv", "stems.tsv"})
_TABLES = frozenset({".csv", ".tsv", ".tab", ".xls", ".xlsx", ".ods", ".numbers"})
_MOST_ERRORS = 20

# Column -> other names for it. A name that could mean two things is not here.
_COLUMNS: dict[str, tuple[str, ...]] = {
    "file": (
        "filename", "file_name", "path", "filepath", "file_path", "audio", "audio_file", "audio_path",
        "audiofile", "relative_path", "stem_file", "wav", "wav_file",
    ),
    "label": (
        "labels", "instrument", "instruments", "instrument_name", "instrument_label", "instrument_labels",
        "stem_label", "class", "classes",
    ),
    "song": ("song_id", "song_name", "songname", "songid"),
    "artist": ("artists", "artist_name", "band", "performer"),
    "title": ("song_title",),
    "album": ("album_title", "album_name"),
    "genre": ("genres",),
    "licence": ("license",),
    "split": ("subset", "partition"),
    "bleed": ("has_bleed",),
    "bleed_labels": ("bleed_label", "bleed_instruments"),
    "gain": ("gain_linear", "linear_gain"),
    "gain_db": ("gain_decibel", "gain_(db)", "gain_[db]"),
    "offset_s": ("offset_seconds", "offset_sec", "offset_(s)", "offset_[s]", "start_s"),
}  # fmt: skip
_UNCLEAR = {
    "offset": "offset_s, in seconds",
    "offset_ms": "offset_s, in seconds",
    "offset_samples": "offset_s, in seconds",
    "start": "offset_s, in seconds",
    "start_time": "offset_s, in seconds",
    "level": "gain (a factor) or gain_db",
    "volume": "gain (a factor) or gain_db",
}
_MEANING = {name: column for column, names in _COLUMNS.items() for name in (column, *names)}
_TEXTS = ("song", "artist", "title", "album", "genre", "licence")
_YES, _NO = frozenset({"yes", "true", "1", "y", "x"}), frozenset({"", "no", "false", "0", "n"})


@dataclass(frozen=True)
class SidecarRow:
    """What a row says of its file, checked; empty where it says nothing.

    Attributes:
        where: The table and the row, for messages.
        labels: Instruments.
        song: Id of the song, as the user wrote it.
        artist: Artist.
        title: Title.
        album: Album.
        genre: Genre.
        licence: Licence.
        split: ``train``, ``validation``, ``test`` or ''.
        bleed: Other instruments can be heard.
        bleed_labels: Which.
        gain: Linear factor.
        offset_s: Start in the song, in seconds; None where the row does not say.
    """

    where: str
    labels: tuple[str, ...] = ()
    song: str = ""
    artist: str = ""
    title: str = ""
    album: str = ""
    genre: str = ""
    licence: str = ""
    split: str = ""
    bleed: bool = False
    bleed_labels: tuple[str, ...] = ()
    gain: float = 1.0
    offset_s: float | None = None

    def says(self) -> tuple[object, ...]:
        """Return all that it says, without where."""
        return tuple(value for name, value in vars(self).items() if name != "where")


@dataclass
class _Errors:
    """Everything that is wrong with the tables of a tree, so that all of it is mended at once."""

    lines: list[str] = field(default_factory=list)

    def add(self, where: str, text: str) -> None:
        self.lines.append(f"{where}: {text}")

    def raise_any(self) -> None:
        """Raise all that is wrong as one error.

        Raises:
            CorpusError: something is.
        """
        if self.lines:
            shown = self.lines[:_MOST_ERRORS]
            more = len(self.lines) - len(shown)
            tail = [f"... and {more} more."] if more else []
            raise CorpusError(
                "\n".join(
                    [
                        f"{SIDECAR} cannot be used as it is. Nothing was indexed: file names would have to "
                        "stand in for what it says. Mend it, or move it away to label by file names.",
                        *(f"  {line}" for line in [*shown, *tail]),
                    ]
                ),
                code="invalid-table",
            )


@dataclass(frozen=True)
class Sidecars:
    """The rows of all sidecars of a tree.

    Attributes:
        rows: Path below the root, as it is on disk -> its row.
        notes: What a user should know of how they were read.
        folders: Folders below the root that have one of their own.
    """

    rows: Mapping[str, SidecarRow]
    notes: tuple[str, ...] = ()
    folders: frozenset[str] = frozenset()


def read_sidecars(scan: TreeScan, folders: Iterable[Path], audio: Sequence[str]) -> Sidecars:
    """Read the ``stems.csv`` of every folder.

    A row in a song's own folder beats one above it, which is listed as a problem where they differ.

    Args:
        scan: The tree; problems that do not stop the index go there.
        folders: All folders of the tree, those above first.
        audio: Paths of all audio files below the root.

    Raises:
        CorpusError: a table cannot be read, or says something that does not fit; with all the rows.
    """
    errors, notes, own = _Errors(), list[str](), set[str]()
    rows: dict[str, SidecarRow] = {}
    files = RowFiles(scan, audio)
    for folder in folders:
        for path in _tables(scan, folder, errors):
            table = _load(scan, path, errors)
            if table is None:
                continue
            own |= {scan.relative(folder)} - {scan.relative(scan.root)}
            if table.encoding == "cp1252":
                notes.append(f"read {scan.relative(path)} as cp1252 (it is not UTF-8).")
            found = _read_rows(scan, path, table, files, errors, notes)
            for file, row in found.items():
                if file in rows and rows[file].says() != row.says():
                    there = rows[file].where
                    message = f"{row.where} says something else of {file!r} than {there}; the nearer is used."
                    scan.problem("contradiction", message, path=file)
            rows |= found
    _look_beside(scan)
    errors.raise_any()
    if rows and (others := len(set(audio) - set(rows))):
        notes.append(f"labelled {others} audio files by their names, which {SIDECAR} does not list.")
    return Sidecars(rows, tuple(notes), frozenset(own))


# Finding the tables ---------------------------------------------------------------------------------


def _tables(scan: TreeScan, folder: Path, errors: _Errors) -> list[Path]:
    """Return the sidecars of a folder, whatever their case; say what looks like one and is not read."""
    found, others = [], []
    for path in scan.files(folder, tuple(_TABLES | {".txt"})):
        name = unicodedata.normalize("NFC", path.name).casefold()
        if name in _NAMES:
            found.append(path)
        elif _resembles(name):
            others.append(path)
    for path in _not_followed(scan, folder, found):
        text = "it is a link that is not followed; put the file itself there, or use --follow_links."
        errors.add(scan.relative(path), text)
    for path in others:
        text = f"looks like a sidecar, but only {SIDECAR} is read."
        if found:
            scan.problem("skipped", f"{scan.relative(path)} {text} {found[0].name} is.", path=path)
        else:
            errors.add(scan.relative(path), f"{text} Save it as {SIDECAR} (CSV), or move it away.")
    return found


def _not_followed(scan: TreeScan, folder: Path, found: Sequence[Path]) -> list[Path]:
    """Return the sidecars that are links which lead out of the root, or nowhere."""
    links = [folder / entry.name for entry in scan.listing(folder) if entry.is_link]
    return [path for path in links if path.name.casefold() in _NAMES and path not in found]


def _resembles(name: str) -> bool:
    """Return whether a file is called as one that was meant to be ``stems.csv``."""
    stem, _, suffix = name.rpartition(".")
    words = "".join(c if c.isalpha() else " " for c in stem).split()
    words = [word for word in words if word not in {"copy", "of", "kopie", "final", "new", "csv"}]
    if suffix == "txt" and not stem.endswith(".csv"):
        return False
    return words in (["stems"], ["stem"])


def _look_beside(scan: TreeScan) -> None:
    """List a sidecar that lies beside the root instead of in it; it is not opened."""
    path = scan.root.parent / SIDECAR
    if exists(path):
        message = f"{SIDECAR} beside the root is not read. Move it into the root, or index the folder above."
        scan.problem("skipped", message, path=f"../{SIDECAR}")


def _load(scan: TreeScan, path: Path, errors: _Errors) -> CsvTable | None:
    where = scan.relative(path)
    try:
        return read_csv(scan.read_bytes(path), list(_MEANING))
    except (CsvError, CorpusError) as error:
        errors.add(where, f"{error}.")
    return None


# Columns --------------------------------------------------------------------------------------------


def _columns(where: str, table: CsvTable, errors: _Errors, notes: list[str]) -> dict[str, int] | None:
    """Return column -> place, or None and an error where it is not clear what the columns are."""
    places: dict[str, int] = {}
    unknown = []
    for place, name in enumerate(table.header):
        column = _MEANING.get(name, "")
        if column in places:
            errors.add(
                where, f"the columns {table.header[places[column]]!r} and {name!r} mean the same; keep one."
            )
            return None
        if column:
            places[column] = place
        elif name:
            unknown.append(name)
    problem = _column_problem(places, unknown)
    if problem:
        known = ", ".join(_COLUMNS)
        errors.add(where, f"row 1: {problem} The columns are {known}; found {', '.join(table.header)}.")
        return None
    if unknown:
        notes.append(f"{where}: the columns {', '.join(unknown)} are not used.")
    return places


def _column_problem(places: Mapping[str, int], unknown: Sequence[str]) -> str:
    for name in unknown:
        if name in _UNCLEAR:
            return f"the column {name!r} is not clear; name it {_UNCLEAR[name]}."
        near = difflib.get_close_matches(name, [c for c in _MEANING if _MEANING[c] not in places], 1, 0.8)
        if near:
            return f"the column {name!r} is unknown; is {near[0]!r} meant?"
    if "file" not in places:
        return "the column 'file' is missing."
    if "label" not in places and unknown:
        return "the column 'label' is missing, and other columns are unknown."
    if {"gain", "gain_db"} <= set(places):
        return "'gain' and 'gain_db' mean the same; keep one."
    return ""


# Rows -----------------------------------------------------------------------------------------------


def _read_rows(
    scan: TreeScan, path: Path, table: CsvTable, files: RowFiles, errors: _Errors, notes: list[str]
) -> dict[str, SidecarRow]:
    where = scan.relative(path)
    places = _columns(where, table, errors, notes)
    if places is None:
        return {}
    if not table.rows:
        errors.add(where, "there are no rows below the header; fill it, or move it away.")
    rows: dict[str, SidecarRow] = {}
    base = files.base(path.parent, [row.cells[places["file"]] for row in table.rows])
    for row in table.rows:
        at = f"{where}, row {row.number}"
        cells = {column: row.cells[place] for column, place in places.items()}
        file, problem = files.find(base, cells["file"])
        said, wrong = _row(at, cells, table.delimiter)
        for text in [*wrong, *([problem] if problem else [])]:
            errors.add(at, text)
        if wrong or problem or not file:
            continue
        if file not in rows:
            rows[file] = said
        elif rows[file].says() == said.says():
            scan.problem("duplicate-row", f"{at} says the same of {file!r} as {rows[file].where}.", path=file)
        else:
            errors.add(at, f"{file!r} stands in {rows[file].where} too, with other values; keep one row.")
    return rows


def _row(where: str, cells: Mapping[str, str], delimiter: str) -> tuple[SidecarRow, list[str]]:
    """Return a row's values, and what is wrong with them."""
    wrong: list[str] = []
    number = partial(_number, cells, delimiter, wrong)
    texts = {name: " ".join(cells.get(name, "").split()) for name in _TEXTS}
    bleed_labels = _list(cells.get("bleed_labels", ""))
    gain = 10 ** (number("gain_db", 0.0, -200.0, 200.0) / 20) if cells.get("gain_db") else number("gain", 1.0)
    split, bleed = cells.get("split", ""), cells.get("bleed", "").casefold()
    if split and not split_of(split):
        wrong.append(f"split must be train, validation or test, found {split!r}.")
    if bleed not in _YES | _NO:
        wrong.append(f"bleed must be yes or no, found {bleed!r}.")
    row = SidecarRow(
        where,
        labels=_list(cells.get("label", "")),
        split=split_of(split),
        bleed=bleed in _YES or bool(bleed_labels),
        bleed_labels=bleed_labels,
        gain=gain,
        offset_s=number("offset_s", 0.0) if cells.get("offset_s") else None,
        **texts,
    )
    return row, wrong


def _list(value: str) -> tuple[str, ...]:
    parts = (" ".join(part.split()) for part in value.split(";"))
    return tuple(dict.fromkeys(part for part in parts if part))


def _number(
    cells: Mapping[str, str],
    delimiter: str,
    wrong: list[str],
    column: str,
    default: float,
    least: float = 0.0,
    most: float = math.inf,
) -> float:
    value = cells.get(column, "")
    if not value:
        return default
    # "0,5" is a number where the comma does not part cells.
    spelled = value.replace(",", ".") if delimiter != "," and "." not in value else value
    try:
        number = float(spelled)
    except ValueError:
        number = math.nan
    if math.isfinite(number) and least <= number <= most:
        return number
    expected = f"a number >= {least:g}" if most == math.inf else f"a number from {least:g} to {most:g}"
    wrong.append(f"{column} must be {expected}, found {value!r}.")
    return default
