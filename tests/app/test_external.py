"""The Runs page on external test sets: the numbers of the report that lies below the run."""

import json
from pathlib import Path

import pytest

pytest.importorskip("streamlit", reason="the app extra is not installed")

from app.data import runs as runs_data
from app.texts import escape
from mixlab.corpora.clips.recordings import read_recordings
from mixlab.inference.benchmark import ExternalReport, evaluate_on
from mixlab.utils.plain import plain
from tests.app.test_clip_runs import labels_of
from tests.app.test_runs import all_scores, move, open_page
from tests.clip_run import write_clip_run
from tests.tagged_trees import make_recordings, make_run
from tests.training.clips.tone_clips import make_tones


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scored runs, of which one has reports on recordings and one that is damaged."""
    folder = tmp_path_factory.mktemp("external")
    clips = make_tones(folder / "tones", groups=12, seconds=0.2)
    for name in ("scored", "plain"):
        write_clip_run(folder / "runs" / name, clips, noise=1.5)
    recordings = read_recordings(make_recordings(folder / "mine", "gone.wav,voice,,z"))
    report = evaluate_on(make_run(folder / "other"), recordings, device="cpu", n_resamples=50)
    place = folder / "runs" / "scored" / "external"
    place.mkdir()
    (place / "folder-mine.json").write_text(json.dumps(plain(report.to_dict()), allow_nan=False))
    (place / "irmas-test.json").write_text("{}")
    return folder / "runs"


@pytest.fixture
def runs(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIXLAB_RUNS", str(made))
    monkeypatch.delenv("MIXLAB_CATALOG", raising=False)
    runs_data.find_found.clear()
    return made


def test_the_report_of_recordings_is_shown(runs: Path) -> None:
    report = ExternalReport.load(runs / "scored/external/folder-mine.json")
    page = open_page(run="runs/scored", look="External", external="folder-mine")
    tables = [frame.value for frame in page.dataframe]
    expected = [
        report.tables[name] for name in ("families", "instruments", "family") if name in report.tables
    ]
    assert [list(table["class"]) for table in tables] == [[k.name for k in s.classes] for s in expected]
    for table, scores in zip(tables, expected, strict=True):
        assert list(table["AP"].fillna(-1)) == pytest.approx(
            [-1 if k.support == 0 else k.scores["average_precision"].value for k in scores.classes]
        )
    said = " ".join(caption.value for caption in page.caption)
    assert "8 clips of 8 groups" in said
    assert escape("1 clip has no file and is left out: gone.wav") in said
    assert "decided at thresholds fitted on the run's own validation" in said
    chance = report.tables["families"].scores["average_precision"].chance
    assert f"(macro {chance:.3f})" in said


def test_solos_and_mixes_are_chosen(runs: Path) -> None:
    report = ExternalReport.load(runs / "scored/external/folder-mine.json")
    page = open_page(run="runs/scored", look="External", external="folder-mine")
    for part in report.apart:
        move(page, part=part.name)
        assert f"{part.n_clips} clips of {part.n_groups} groups" in " ".join(c.value for c in page.caption)
        shown = {value for name, value, _ in all_scores(page) if name == "macro AP"}
        assert f"{part.tables['families'].scores['average_precision'].value:.3f}" in shown


def test_a_damaged_report_is_said_in_words(runs: Path) -> None:
    page = open_page(run="runs/scored", look="External", external="irmas-test")
    assert any("irmas" in error.value and "schema" in error.value for error in page.error)


def test_a_run_without_reports_has_no_such_tab(runs: Path) -> None:
    tabs = [labels_of(open_page(run=f"runs/{name}")) for name in ("scored", "plain")]
    assert ["External" in found for found in tabs] == [True, False]
    assert tabs[0] - {"External"} == tabs[1]
