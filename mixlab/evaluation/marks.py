"""What somebody who listened says of single decisions of a run: that the label is wrong, or the model.

Marks lie beside a run in ``marks.json``. Each is of one mix (or clip) and one class; the file is read and
written anew under a lock, so that two who mark at once lose nothing, and is replaced as a whole.
"""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal, get_args

from mixlab.errors import ConfigError, RunError
from mixlab.utils.csv import csv_text
from mixlab.utils.decode import Source, read_json
from mixlab.utils.files import output_error, try_lock, write_atomic

__all__ = ["FILE", "VERDICTS", "Mark", "Verdict", "marks_csv", "read_marks", "remove_mark", "write_mark"]

Verdict = Literal["label wrong", "model wrong", "unclear"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

FILE = "marks.json"
_LOCK = ".marks.lock"
_SCHEMA = 1
_PATIENCE_S = 10.0
_MADE_BY = "the explorer's page Runs"


@dataclass(frozen=True)
class Mark:
    """What somebody says of one decision.

    Attributes:
        split: Split of the mix.
        item: Name of the mix's audio, as ``Predictions.mix_id``.
        index: Its index within the split.
        group: Its song, or the group of a clip.
        label: The class.
        verdict: One of ``VERDICTS``.
        note: What else there is to say.
        truth: ``present``, ``absent`` or ``unknown``, as labelled.
        score: The model's score of the class.
        threshold: At which it was decided; NaN where the highest score decides.
        detected: What was decided.
        made: When, as ISO 8601 text in UTC; '' takes the time of writing.
    """

    split: str
    item: str
    index: int
    group: str
    label: str
    verdict: Verdict
    note: str
    truth: Literal["present", "absent", "unknown"]
    score: float
    threshold: float
    detected: bool
    made: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is of: there is one mark of it at most."""
        return self.split, self.item, self.label


@dataclass(frozen=True)
class _File:
    marks: tuple[Mark, ...]


def read_marks(folder: str | Path) -> dict[tuple[str, str, str], Mark]:
    """Return the marks beside a run by ``Mark.key``, the oldest first; none where there is no file.

    Raises:
        RunError: the file is damaged.
    """
    file = Path(folder) / FILE
    if not file.is_file():
        return {}
    try:
        stored = Source(str(file), _MADE_BY).decode_file(_File, read_json(file, _MADE_BY), _SCHEMA)
    except RunError as error:
        raise RunError(
            f"{file} is damaged: {error} Restore it from a copy, or move it away and mark anew.",
            code="run-damaged",
        ) from error
    return {mark.key: mark for mark in stored.marks}


def write_mark(folder: str | Path, mark: Mark) -> None:
    """Add a mark, in place of an earlier one of the same mix and class.

    Raises:
        ConfigError: its verdict is none of ``VERDICTS``.
        RunError: the file is damaged, or somebody else keeps it locked.
        OutputError: the folder cannot be written.
    """
    if mark.verdict not in VERDICTS:
        raise ConfigError(
            f"Expected a verdict of {', '.join(VERDICTS)}; found {mark.verdict!r}.", code="invalid-setting"
        )
    made = mark.made or datetime.now(timezone.utc).isoformat(timespec="seconds")
    with _locked(Path(folder)):
        kept = read_marks(folder)
        kept.pop(mark.key, None)
        _write(Path(folder), [*kept.values(), Mark(**{**asdict(mark), "made": made})])


def remove_mark(folder: str | Path, key: tuple[str, str, str]) -> None:
    """Take a mark away, if there is one.

    Raises:
        RunError: the file is damaged, or somebody else keeps it locked.
        OutputError: the folder cannot be written.
    """
    with _locked(Path(folder)):
        kept = read_marks(folder)
        if kept.pop(key, None) is not None:
            _write(Path(folder), list(kept.values()))


def _write(folder: Path, marks: Sequence[Mark]) -> None:
    # NaN, the threshold of what has none, is null in JSON and read back as NaN.
    rows = [asdict(mark) for mark in marks]
    for row in rows:
        row["threshold"] = None if row["threshold"] != row["threshold"] else row["threshold"]
    text = json.dumps({"schema": _SCHEMA, "marks": rows}, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomic(folder / FILE, text + "\n")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let nobody else write marks meanwhile; the lock's own file stays."""
    path = folder / _LOCK
    try:
        file = path.open("ab")
    except OSError as error:
        raise output_error(path, error) from error
    with file:
        end = time.monotonic() + _PATIENCE_S
        while not try_lock(file):
            if time.monotonic() > end:
                raise RunError(
                    f"{folder / FILE} is kept locked by another process for more than {_PATIENCE_S:g} s. End "
                    "it, or try again.",
                    code="run-in-use",
                )
            time.sleep(0.02)
        yield


def marks_csv(marks: Sequence[Mark]) -> str:
    """Return marks as CSV, a row each, safe to open in a spreadsheet."""
    names = list(Mark.__dataclass_fields__)
    rows = [[getattr(mark, name) for name in names] for mark in marks]
    return csv_text([names, *(["" if cell != cell else cell for cell in row] for row in rows)])
