"""Tables as spreadsheets and people write them: any common delimiter, any common encoding.

What is read is what the bytes say without a doubt; a table that could mean two things is an error.
"""

import codecs
import csv
import io
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

__all__ = [
    "CsvError",
    "CsvRow",
    "CsvTable",
    "column_name",
    "csv_text",
    "decode_text",
    "guarded",
    "harmless",
    "read_csv",
    "unguarded",
]

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_DELIMITERS = ",;\t|"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class CsvError(ValueError):
    """The bytes are no table that can be read without guessing."""


@dataclass(frozen=True)
class CsvRow:
    """One row below the header.

    Attributes:
        number: As a spreadsheet counts: the header is row 1.
        cells: Stripped, as many as the header has.
    """

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class CsvTable:
    """A table with a header.

    Attributes:
        header: Names of the columns as :func:`column_name` spells them.
        rows: All rows that are not blank.
        encoding: Name of the encoding: ``utf-8``, ``utf-8-sig``, ``utf-16``, ``utf-32`` or ``cp1252``.
        delimiter: What stands between cells.
    """

    header: tuple[str, ...]
    rows: tuple[CsvRow, ...]
    encoding: str
    delimiter: str


def csv_text(rows: Iterable[Sequence[object]], *, exact: bool = False) -> str:
    """Return rows as CSV with a line feed after each, the first of them the header.

    Args:
        rows: Texts among their cells that a spreadsheet would take for a formula get an apostrophe in front;
            numbers written as texts stay as they are.
        exact: Leave all texts as they are, for a file that mixlab alone reads.
    """
    lines = []
    for row in rows:
        text = io.StringIO()
        # What is no part of the line's end is not put into quotation marks, and a lone \r would end a line.
        csv.writer(text, lineterminator="\r\n").writerow(row if exact else map(_harmless_cell, row))
        lines.append(text.getvalue().removesuffix("\r\n") + "\n")
    return "".join(lines)


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: with an apostrophe in front where it might."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def guarded(text: str) -> str:
    """Return a text as ``harmless`` does, so that ``unguarded`` gives it back: apostrophes are added to."""
    bare = text.lstrip("'")
    return f"'{text}" if bare.startswith(_FORMULA) else text


def unguarded(text: str) -> str:
    """Return the text that ``guarded`` was given."""
    return text[1:] if text.startswith("'") and text.lstrip("'").startswith(_FORMULA) else text


def _harmless_cell(cell: object) -> object:
    return harmless(cell) if isinstance(cell, str) and not _is_number(cell) else cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def column_name(name: str) -> str:
    """Return the common spelling of a column: ``File Name`` -> ``file_name``."""
    plain = unicodedata.normalize("NFKC", name).strip().strip("\"'").casefold()
    return "_".join(plain.replace("-", " ").replace("_", " ").split())


def decode_text(data: bytes) -> tuple[str, str]:
    """Return text and the name of its encoding.

    Bytes with a byte order mark are what it says; UTF-16 without one is told by its zeros. Else they are
    UTF-8, or, where that is impossible, cp1252 (Excel on Windows).

    Raises:
        CsvError: they are none of these.
    """
    encoding = next((name for mark, name in _BOMS if data.startswith(mark)), "")
    if not encoding and data[:200].count(0) * 3 > len(data[:200]):
        encoding = "utf-16-le" if data[1::2][:100].count(0) > data[::2][:100].count(0) else "utf-16-be"
    for name in [encoding] if encoding else ["utf-8", "cp1252"]:
        try:
            text = data.decode(name)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text, name
    raise CsvError("expected text in UTF-8, UTF-16 or cp1252, found other bytes; save it as CSV (UTF-8)")


def read_csv(data: bytes, names: Collection[str] = ()) -> CsvTable:
    """Read a table with a header in its first row.

    The delimiter is the one (comma, semicolon, tab or bar) that splits the header into most of the
    expected ``names``, then into most columns. A line ``sep=;`` in front is obeyed.

    Args:
        data: The file's bytes.
        names: Columns that may be expected, as :func:`column_name` spells them.

    Raises:
        CsvError: the bytes are no text or no CSV, there is no header, two columns have one name, or a
            row has more cells than the header.
    """
    text, encoding = decode_text(data)
    delimiter, skip = _told_delimiter(text)
    try:
        delimiter = delimiter or _delimiter(text, names)
        records = _records(text, delimiter)
    except csv.Error as error:
        raise CsvError(f"not valid CSV: {error}") from error
    numbered = [(number, tuple(map(str.strip, record))) for number, record in enumerate(records, 1)][skip:]
    filled = [(number, cells) for number, cells in numbered if any(cells)]
    if not filled:
        raise CsvError("expected a header and rows, found an empty file")
    header = tuple(map(column_name, filled[0][1]))
    while header and not header[-1]:
        header = header[:-1]
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise CsvError(f"the column {twice[0]!r} stands there twice; keep one")
    rows = tuple(_row(number, cells, len(header)) for number, cells in filled[1:])
    return CsvTable(header, rows, encoding, delimiter)


def _told_delimiter(text: str) -> tuple[str, int]:
    """Return the delimiter of a line ``sep=;`` as Excel writes it, and the number of lines it takes."""
    first = text.removeprefix("\ufeff").partition("\n")[0].strip().strip('"')
    return (first[4], 1) if len(first) == 5 and first.casefold().startswith("sep=") else ("", 0)


def _records(text: str, delimiter: str) -> list[list[str]]:
    lines = io.StringIO(text.removeprefix("\ufeff"), newline="")
    return list(csv.reader(lines, delimiter=delimiter, strict=True))


def _delimiter(text: str, names: Collection[str]) -> str:
    first = next((line for line in text.removeprefix("\ufeff").splitlines() if line.strip()), "")

    def columns(delimiter: str) -> tuple[int, int]:
        try:
            cells = next(iter(_records(first, delimiter)), [])
        except csv.Error:  # its quotation marks end before another delimiter
            return -1, 0
        return sum(column_name(cell) in names for cell in cells), len(cells)

    return max(_DELIMITERS, key=columns)


def _row(number: int, cells: tuple[str, ...], width: int) -> CsvRow:
    if any(cells[width:]):
        raise CsvError(
            f"row {number} has {len(cells)} cells, the header {width}; put text that holds the delimiter "
            "into quotation marks"
        )
    return CsvRow(number, (*cells[:width], *[""] * (width - len(cells))))
