"""Plain data comes back as the dataclass it was written from, or is refused by the name of its key."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from mixlab.errors import RunError
from mixlab.utils.decode import Source, read_json

SOURCE = Source("run/report.json", "mixlab evaluate run")


@dataclass(frozen=True)
class Ends:
    low: float
    high: float


@dataclass(frozen=True)
class Score:
    name: str
    count: int
    value: float
    good: bool
    ends: Ends | None


@dataclass(frozen=True)
class Scores:
    rows: tuple[Score, ...]
    by_name: Mapping[str, Ends]
    pair: tuple[int, str]
    anything: Any


SCORES = Scores(
    (Score("voice", 3, 0.5, True, Ends(0.25, 1.0)), Score("brass", 0, math.nan, False, None)),
    {"a": Ends(0.0, 1.0)},
    (1, "x"),
    {"k": [1, None]},
)


def written(scores: Scores) -> dict[str, Any]:
    """As a file keeps it: NaN is null."""
    return json.loads(json.dumps(asdict(scores)), parse_constant=lambda name: None)


def test_what_was_written_is_read_back() -> None:
    found = SOURCE.decode(Scores, written(SCORES))
    assert math.isnan(found.rows[1].value)
    assert repr(found) == repr(SCORES)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.pop("pair"), "'pair' is missing"),
        (lambda d: d["rows"][1].pop("good"), r"'rows\[1\]\.good' is missing"),
        (lambda d: d.update(more=1), "'more' is unknown"),
        (lambda d: d["by_name"]["a"].update(low="0"), r"'by_name\.a\.low' should be a number, found '0'"),
        (
            lambda d: d["rows"][0].update(count=2.5),
            r"'rows\[0\]\.count' should be a whole number, found 2\.5",
        ),
        (lambda d: d["rows"][0].update(count=True), "should be a whole number, found True"),
        (lambda d: d["rows"][0].update(name=None), "should be a text, found None"),
        (lambda d: d["rows"][0].update(ends=[]), r"'rows\[0\]\.ends' should be an object"),
        (lambda d: d.update(rows={}), "'rows' should be a list"),
        (lambda d: d["pair"].append(1), "'pair' should hold 2 entries, found 3"),
    ],
)
def test_what_does_not_fit_is_named_with_file_key_and_command(change: Any, said: str) -> None:
    data = written(SCORES)
    change(data)
    with pytest.raises(RunError, match=f"run/report.json .*'mixlab evaluate run'.*{said}"):
        SOURCE.decode(Scores, data)


def test_files_that_hold_no_object_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    with pytest.raises(RunError, match="is missing: expected what 'mixlab evaluate' writes"):
        read_json(file, "mixlab evaluate")
    for content in (b"{", b"\xff", b"[]"):
        file.write_bytes(content)
        with pytest.raises(RunError, match="is damaged"):
            read_json(file, "mixlab evaluate")
    file.write_text('{"a": 1}')
    assert read_json(file, "mixlab evaluate") == {"a": 1}
