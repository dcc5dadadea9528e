"""Where the reports of published weights are found, and what is none of them."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from mixlab.studies.locations import FoundReports, find_reports

TAGGER = {"kind": "weights", "name": "mixlab_tagger", "sha256": "a" * 64, "card_sha256": ""}
MUSICNN = {"kind": "weights", "name": "mtat_musicnn", "sha256": "b" * 64, "card_sha256": ""}
HEAD = {"kind": "classifier", "name": "mtat_musicnn_head", "sha256": "c" * 64, "card_sha256": ""}


def write(file: Path, *scored_by: dict[str, str], **entries: Any) -> Path:
    """Write what a report begins with, and what it says of its model."""
    benchmark, _, part = file.stem.partition("-")
    model = " and ".join(by["name"] for by in scored_by)
    data = {"schema": 2, "benchmark": benchmark, "part": part, "model": model, "scored_by": scored_by}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(data | entries, indent=2))
    return file


def names(found: tuple[FoundReports, ...]) -> dict[str, list[str]]:
    return {one.name: [file.stem for file in one.files] for one in found}


def test_reports_of_one_model_in_one_folder_stand_together(tmp_path: Path) -> None:
    place = tmp_path / "reports"
    write(place / "alone/irmas-test.json", TAGGER)
    write(place / "alone/folder-mine.json", TAGGER)
    write(place / "both/irmas-test.json", TAGGER, MUSICNN, HEAD)
    found = find_reports([(place, 4)])
    assert names(found) == {
        "mixlab_tagger (reports/alone)": ["folder-mine", "irmas-test"],
        "mixlab_tagger + mtat_musicnn (reports/both)": ["irmas-test"],
    }
    assert [one.path for one in found] == [place / "alone", place / "both"]
    assert all(file.parent == one.path for one in found for file in one.files)


def test_models_in_one_folder_are_told_from_one_another(tmp_path: Path) -> None:
    place = tmp_path / "mixed"
    write(place / "irmas-test.json", TAGGER)
    write(place / "openmic-test.json", MUSICNN)
    write(place / "jamendo-test.json", TAGGER | {"sha256": "d" * 64})  # another file of the same name
    assert names(find_reports([(place, 0)])) == {
        "mixlab_tagger (mixed: irmas-test)": ["irmas-test"],
        "mixlab_tagger (mixed: jamendo-test)": ["jamendo-test"],
        "mtat_musicnn (mixed)": ["openmic-test"],
    }


def test_two_places_of_one_name_give_two_names(tmp_path: Path) -> None:
    places = [write(tmp_path / name / "out/irmas-test.json", TAGGER).parent for name in "ab"]
    found = find_reports([(place, 0) for place in places])
    assert {one.path for one in found} == set(places)
    assert len({one.name for one in found}) == 2


def test_where_runs_are_not_looked_for_reports_are_not_either(tmp_path: Path) -> None:
    place = tmp_path / "runs"
    for folder in ("first/external", "catalog/x", ".hidden", "a/b/c/d", "seen"):
        write(place / folder / "irmas-test.json", TAGGER)
    (place / "first/run.json").touch()
    (place / "catalog/catalog.json").touch()
    assert names(find_reports([(place, 3), (tmp_path / "gone", 2)])) == {
        "mixlab_tagger (runs/seen)": ["irmas-test"]
    }
    # Where the very folder is named, it is looked at.
    assert names(find_reports([(place / "first/external", 0)])) == {
        "mixlab_tagger (external)": ["irmas-test"]
    }


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", "null", '{"schema": 2}', '{"schema": 2, "corpus": "irmas"}', '{"benchmark": "irmas"}',
     '{"schema": 1, "kind": "realism", "benchmark": "irmas"}', "\0" * 300, "{" * 5000, "no JSON"],
)  # fmt: skip
def test_a_file_of_a_like_name_is_no_report(tmp_path: Path, content: str) -> None:
    (tmp_path / "irmas-test.json").write_text(content)
    (tmp_path / "folder-mine.json").mkdir()
    assert find_reports([(tmp_path, 0)]) == ()


def test_reports_have_names_of_test_sets(tmp_path: Path) -> None:
    for name in ("realism", "irmas", "tagger-test", ".irmas-test", "._folder-mine"):
        write(tmp_path / f"{name}.json", TAGGER)
    write(tmp_path / "irmas-test.json.part", TAGGER)
    assert find_reports([(tmp_path, 0)]) == ()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with a name")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "irmas-test.json")
    assert find_reports([(tmp_path, 0)]) == ()


@pytest.mark.parametrize(
    "entries",
    [{"model": "", "scored_by": []}, {"model": 3}, {"scored_by": 3}, {"scored_by": [3]}, {"scored_by": None},
     {"scored_by": [{"kind": "weights"}]}, {"scored_by": [{"kind": "weights", "name": None}]},
     {"model": ["x"], "scored_by": []}, {"scored_by": [TAGGER | {"name": "\ud800"}]}],
)  # fmt: skip
def test_what_does_not_say_what_scored_is_found_nevertheless(tmp_path: Path, entries: dict[str, Any]) -> None:
    write(tmp_path / "out/irmas-test.json", **entries)
    assert names(find_reports([(tmp_path / "out", 0)])) == {"unknown model (out)": ["irmas-test"]}


def test_a_report_that_was_cut_off_stands_apart_from_whole_ones(tmp_path: Path) -> None:
    write(tmp_path / "out/irmas-test.json", TAGGER)
    cut = write(tmp_path / "out/openmic-test.json", TAGGER)
    cut.write_bytes(cut.read_bytes()[:-20])
    assert names(find_reports([(tmp_path / "out", 0)])) == {
        "mixlab_tagger (out)": ["irmas-test"],
        "unknown model (out)": ["openmic-test"],
    }


def test_earlier_versions_named_the_model_alone(tmp_path: Path) -> None:
    write(tmp_path / "out/irmas-test.json", model="jamendo_musicnn")
    assert names(find_reports([(tmp_path / "out", 0)])) == {"jamendo_musicnn (out)": ["irmas-test"]}
