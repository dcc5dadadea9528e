"""Plain data comes back as the dataclass it was written from, or is refused by the name of its key."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from mixlab.errors import RunError
from mixlab.utils.decode import Source, later, read_json
from tests.errors import raises

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


@dataclass(frozen=True)
class Grown:
    name: str
    since: int = later(3)


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
    ("change", "mentions"),
    [
        (lambda d: d.pop("pair"), "pair"),
        (lambda d: d["rows"][1].pop("good"), "rows[1].good"),
        (lambda d: d.update(more=1), "more"),
        (lambda d: d["by_name"]["a"].update(low="0"), ("by_name.a.low", "'0'")),
        (
            lambda d: d["rows"][0].update(count=2.5),
            ("rows[0].count", 2.5),
        ),
        (lambda d: d["rows"][0].update(count=True), ("rows[0].count", True)),
        (lambda d: d["rows"][0].update(name=None), ("rows[0].name", None)),
        (lambda d: d["rows"][0].update(ends=[]), "rows[0].ends"),
        (lambda d: d.update(rows={}), "rows"),
        (lambda d: d["pair"].append(1), ("pair", 2, 3)),
    ],
)
def test_what_does_not_fit_is_named_with_file_key_and_command(change: Any, mentions: object) -> None:
    data = written(SCORES)
    change(data)
    for said in (mentions, ("run/report.json", "mixlab evaluate run")):
        with raises(RunError, code="run-damaged", mentions=said):
            SOURCE.decode(Scores, data)


def test_files_that_hold_no_object_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    with raises(RunError, code="run-incomplete", mentions="mixlab evaluate"):
        read_json(file, "mixlab evaluate")
    for content in (b"{", b"\xff", b"[]"):
        file.write_bytes(content)
        with raises(RunError, code="run-damaged"):
            read_json(file, "mixlab evaluate")
    file.write_text('{"a": 1}')
    assert read_json(file, "mixlab evaluate") == {"a": 1}


def test_only_fields_that_came_later_may_be_missing_and_then_have_their_default() -> None:
    assert SOURCE.decode(Grown, {"name": "a"}) == Grown("a", 3)
    assert SOURCE.decode(Grown, {"name": "a", "since": 1}) == Grown("a", 1)
    with raises(RunError, code="run-damaged", mentions="name"):
        SOURCE.decode(Grown, {"since": 1})
