"""Marks beside a run: kept, replaced, taken back, lost by nobody, exported."""

import csv
import io
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from mixlab.errors import ConfigError, OutputError, RunError
from mixlab.evaluation.marks import FILE, VERDICTS, Mark, marks_csv, read_marks, remove_mark, write_mark
from tests.errors import raises

MARK = Mark("test", "a" * 16, 3, "folder/song", "key", "label wrong", "a harp", "absent", 0.83, 0.4, True)


def test_a_mark_is_kept_replaced_and_taken_back(tmp_path: Path) -> None:
    assert read_marks(tmp_path) == {}
    write_mark(tmp_path, MARK)
    (kept,) = read_marks(tmp_path).values()
    assert replace(kept, made="") == MARK
    assert kept.made.endswith("+00:00")
    write_mark(tmp_path, replace(MARK, verdict="unclear", note=""))
    write_mark(tmp_path, replace(MARK, label="voice", threshold=math.nan))
    found = read_marks(tmp_path)
    assert found[MARK.key].verdict == "unclear"
    assert math.isnan(found["test", MARK.item, "voice"].threshold)
    remove_mark(tmp_path, MARK.key)
    remove_mark(tmp_path, MARK.key)
    assert list(read_marks(tmp_path)) == [("test", MARK.item, "voice")]


def test_those_who_mark_at_once_lose_nothing(tmp_path: Path) -> None:
    marks = [replace(MARK, item=f"{i:016x}", index=i) for i in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda mark: write_mark(tmp_path, mark), marks))
    assert {mark.index for mark in read_marks(tmp_path).values()} == set(range(40))
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".tmp"]


def test_they_are_exported_as_a_table_that_no_spreadsheet_runs(tmp_path: Path) -> None:
    write_mark(tmp_path, replace(MARK, note="=1+1", threshold=math.nan))
    (row,) = csv.DictReader(io.StringIO(marks_csv(list(read_marks(tmp_path).values()))))
    assert (row["label"], row["verdict"], row["index"], row["threshold"]) == ("key", "label wrong", "3", "")
    assert row["note"] == "'=1+1"


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 9, "marks": []}', '{"schema": 1, "marks": [{}]}'])
def test_a_damaged_file_is_said_and_never_written_over(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    with raises(RunError, code="run-damaged", mentions=FILE):
        read_marks(tmp_path)
    with raises(RunError, code="run-damaged", mentions=FILE):
        write_mark(tmp_path, MARK)
    assert (tmp_path / FILE).read_text(encoding="utf-8") == text


def test_what_is_no_verdict_or_no_folder_is_refused(tmp_path: Path) -> None:
    with raises(ConfigError, code="invalid-setting", mentions=VERDICTS[0]):
        write_mark(tmp_path, replace(MARK, verdict="perhaps"))  # type: ignore[arg-type]
    with raises(OutputError, code="output-not-writable", mentions="none"):
        write_mark(tmp_path / "none", MARK)
