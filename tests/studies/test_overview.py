"""Runs side by side: what is read of each, what varies, and the differences of two reports."""

import json
import math
from pathlib import Path

import pytest

from mixlab import Catalog, MixConfig
from mixlab.studies.overview import (
    NOT_SET,
    differing_settings,
    read_overview,
    report_differences,
    varying_settings,
)
from mixlab.training.run import Run
from tests.scored_run import write_scored
from tests.tiny_run import write_run


@pytest.fixture(scope="module")
def runs(toy: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs with another seed and p_musical, on the same mixes."""
    folder = tmp_path_factory.mktemp("overview")
    first = write_scored(folder / "a", toy, n=8)
    write_scored(folder / "b", toy, n=8, seed=1, mix=MixConfig(p_musical=0.7), sampled=first.predictions())
    return folder


def test_what_differs_is_what_was_set_otherwise_and_no_folder(runs: Path) -> None:
    a, b = read_overview(runs / "a"), read_overview(runs / "b")
    assert (a.status, a.command, a.problem) == ("evaluated", "train", "")
    found = {one.name: (one.a, one.b) for one in differing_settings(a, b)}
    assert found == {"mix.p_musical": (str(MixConfig.p_musical), "0.7"), "train.seed": ("0", "1")}
    assert set(varying_settings([a, b])) == set(found)
    assert not differing_settings(a, a)


def test_a_setting_that_is_newer_than_a_run_has_its_default(runs: Path, tmp_path: Path) -> None:
    run = Run.open(runs / "a")
    config = dict(run.config)
    config["mix"] = {name: value for name, value in config["mix"].items() if name != "p_negative"}
    older = Run.create(tmp_path / "older", config, {"seed": 0, "labels": run.info["labels"]})
    old, now = read_overview(older.path), read_overview(runs / "a")
    assert "mix.p_negative" not in {one.name for one in differing_settings(old, now)}
    catalog = next(one for one in differing_settings(old, now) if one.name == "catalog (hash)")
    assert catalog.a == NOT_SET


def test_differences_of_reports_are_the_scores_subtracted(runs: Path) -> None:
    a, b = (Run.open(runs / name).report().splits["test"] for name in "ab")
    found = report_differences(a, b)
    assert set(found) == {metric.name for metric in a.metrics}
    for name, rows in found.items():
        assert rows[-1].name == "all"
        assert rows[-1].difference == b.scores[name].value - a.scores[name].value
        assert all(row.interval is None for row in rows)
    f1 = {row.name: row for row in found["f1"]}
    for k, other in zip(a.classes, b.classes, strict=True):
        expected = other.scores["f1"].value - k.scores["f1"].value
        assert f1[k.name].difference == expected or math.isnan(expected)


def test_a_damaged_run_says_why_and_the_others_stay(runs: Path, tmp_path: Path) -> None:
    never = write_run(tmp_path / "never", thresholds=False)
    assert read_overview(never.path).splits == {}
    report = runs / "a" / "report.json"
    kept = report.read_text(encoding="utf-8")
    report.write_text("{", encoding="utf-8")
    half = read_overview(runs / "a")
    assert "is damaged" in half.problem
    assert half.settings["mix.duration_s"] == 4.0
    report.write_text(json.dumps({}), encoding="utf-8")
    assert read_overview(runs / "a").problem
    report.write_text(kept, encoding="utf-8")
    gone = read_overview(tmp_path / "none")
    assert "No run at" in gone.problem
    assert gone.settings == {}
