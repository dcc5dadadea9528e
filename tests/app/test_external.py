"""The Runs page on external test sets: the numbers of reports, below a run or of published weights."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("streamlit", reason="the app extra is not installed")

from streamlit.testing.v1 import AppTest

from app.data import runs as runs_data
from app.texts import escape
from mixlab.corpora.clips.recordings import read_recordings
from mixlab.inference.benchmark import ExternalReport, evaluate_on
from mixlab.inference.scorer import ScoredBy
from mixlab.utils.plain import plain
from tests.app.test_clip_runs import labels_of
from tests.app.test_runs import all_scores, move, open_page
from tests.clip_run import write_clip_run
from tests.tagged_trees import make_recordings, make_run
from tests.training.clips.tone_clips import make_tones

WEIGHTS = "mixlab_tagger + mtat_musicnn (runs/published)"
UNKNOWN = "unknown model (runs/published)"


def make_report(work: Path) -> ExternalReport:
    """Return what a small run scores on recordings, of which one is missing."""
    recordings = read_recordings(make_recordings(work / "mine", "gone.wav,voice,,z"))
    return evaluate_on(make_run(work / "run"), recordings, device="cpu", n_resamples=50)


def store(report: ExternalReport, file: Path) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(plain(report.to_dict()), allow_nan=False))


def of_weights(report: ExternalReport) -> ExternalReport:
    """Return a report as if published weights had scored."""
    by = tuple(ScoredBy("weights", name, "0" * 64) for name in ("mixlab_tagger", "mtat_musicnn"))
    return replace(report, model="mixlab_tagger and mtat_musicnn", scored_by=by)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scored runs, of which one has reports, and reports of weights; of both one is damaged."""
    folder = tmp_path_factory.mktemp("external")
    clips = make_tones(folder / "tones", groups=12, seconds=0.2)
    for name in ("scored", "plain"):
        write_clip_run(folder / "runs" / name, clips, noise=1.5)
    report = make_report(folder / "work")
    place = folder / "runs" / "scored" / "external"
    store(report, place / "folder-mine.json")
    (place / "irmas-test.json").write_text("{}")
    place = folder / "runs" / "published"
    store(of_weights(report), place / "folder-mine.json")
    store(of_weights(replace(report, benchmark="irmas", part="test", apart=())), place / "irmas-test.json")
    cut = (place / "irmas-test.json").read_bytes()[:-200]
    (place / "openmic-test.json").write_bytes(cut)
    (place / "jamendo-test.json").write_text('{"none": "of mixlab"}')
    return folder / "runs"


@pytest.fixture
def runs(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIXLAB_RUNS", str(made))
    monkeypatch.delenv("MIXLAB_CATALOG", raising=False)
    runs_data.look_again()
    return made


@pytest.mark.parametrize("run", ["runs/scored", WEIGHTS])
def test_the_report_of_recordings_is_shown(runs: Path, run: str) -> None:
    report = ExternalReport.load(runs / "scored/external/folder-mine.json")
    page = open_page(run=run, look="External", external="folder-mine")
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


@pytest.mark.parametrize("run", ["runs/scored", WEIGHTS])
def test_solos_and_mixes_are_chosen(runs: Path, run: str) -> None:
    report = ExternalReport.load(runs / "scored/external/folder-mine.json")
    page = open_page(run=run, look="External", external="folder-mine")
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


# ---- of published weights ----


def boxes(page: AppTest) -> dict[str, list[str]]:
    """Return the choices of every select by its key."""
    return {str(box.key): list(box.options) for box in page.selectbox}


def said_in(page: AppTest) -> str:
    return " ".join(text.value for kind in (page.markdown, page.caption) for text in kind)


def test_reports_of_weights_are_chosen_as_runs_are(runs: Path) -> None:
    page = open_page(run=WEIGHTS, external="irmas-test", part="mixes")
    assert boxes(page) == {
        "run": ["runs/plain", "runs/scored", WEIGHTS, UNKNOWN],
        "external": ["folder-mine", "irmas-test"],
    }
    assert page.selectbox(key="external").value == "irmas-test"
    # What decides on mixes, and other runs, have nothing to do with it.
    assert not page.get("button_group")
    assert not page.slider
    assert f"Scored by {escape('mixlab_tagger and mtat_musicnn')}" in said_in(page)
    assert escape(str(runs / "published")) in said_in(page)
    move(page, external="folder-mine")
    assert [group.key for group in page.get("button_group")] == ["part"]
    # A run stands there as ever, and is compared with runs alone.
    move(page, run="runs/plain")
    assert boxes(page)["against"] == ["no other run", "runs/scored"]
    assert {"mixes", "look"} <= {group.key for group in page.get("button_group")}


def test_a_damaged_report_of_weights_is_said_in_words(runs: Path) -> None:
    page = open_page(run=UNKNOWN)
    assert boxes(page)["external"] == ["openmic-test"]
    assert any("openmic" in error.value and "damaged" in error.value for error in page.error)


@pytest.mark.parametrize(
    "name", ["runs/published", "{place}", "x (runs/published)", "mixlab_tagger ({place})"]
)
def test_an_address_opens_no_folder(runs: Path, name: str) -> None:
    page = open_page(run=name.format(place=runs / "published"))
    assert page.selectbox(key="run").value == "runs/plain"
    assert "not among the 4 runs and reports" in page.warning[0].value


def test_without_runs_the_reports_are_shown(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(runs / "published", tmp_path / "out")
    monkeypatch.setenv("MIXLAB_RUNS", str(tmp_path / "out"))
    page = open_page()
    assert boxes(page)["run"] == ["mixlab_tagger + mtat_musicnn (out)", "unknown model (out)"]
    assert len(page.dataframe) > 0
    assert "0 runs, 0 studies (sweeps among them) and 3 reports of published weights" in said_in(page)
    compare = open_page("compare")
    assert "There is no run in" in said_in(compare)
    assert "The reports there are shown on the page Runs" in said_in(compare)
    assert not compare.selectbox


def test_where_there_is_neither_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIXLAB_RUNS", str(tmp_path))
    monkeypatch.delenv("MIXLAB_CATALOG", raising=False)
    runs_data.look_again()
    page = open_page()
    assert f"There is no run in `{tmp_path}`. Nor is there a report" in said_in(page)
    assert not page.selectbox
