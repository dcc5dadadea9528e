"""The Runs page on runs on clips: accuracy and confusion matrix, no thresholds, and clips to hear."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("streamlit", reason="the app extra is not installed")

from sklearn.metrics import confusion_matrix
from streamlit.testing.v1 import AppTest

from app.data import runs as runs_data
from mixlab.evaluation.error_analysis import ranked
from mixlab.training.run import Run
from tests.app.test_runs import metrics, open_page
from tests.clip_run import write_clip_run
from tests.training.clips.tone_clips import make_tones


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs that decide for one class of each clip, and one that decides on each class by itself."""
    folder = tmp_path_factory.mktemp("clips")
    clips = make_tones(folder / "tones", groups=12, seconds=0.2)
    write_clip_run(folder / "runs" / "good", clips, noise=1.5)
    write_clip_run(folder / "runs" / "bad", clips, noise=4.0, seed=1)
    write_clip_run(folder / "runs" / "several", clips, noise=2.0, seed=2, single_label=False)
    return folder


@pytest.fixture
def runs(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the page looks; no catalog is open."""
    monkeypatch.setenv("MIXLAB_RUNS", str(made / "runs"))
    monkeypatch.delenv("MIXLAB_CATALOG", raising=False)
    runs_data.find_found.clear()
    return made / "runs"


def labels_of(page: AppTest) -> set[str]:
    """Return the labels of what can be chosen, and the names of the page's parts."""
    kinds: tuple[Any, ...] = (page.get("button_group"), page.slider)
    (parts,) = [group for group in page.get("button_group") if group.key == "look"]
    return {element.label for kind in kinds for element in kind} | set(parts.options)


def test_a_single_label_run_shows_accuracy_and_no_threshold(runs: Path) -> None:
    page = open_page(run="runs/good", order="as in the label set")
    report = Run.open(runs / "good").report().test
    accuracy = report.scores["accuracy"]
    value, interval = metrics(page)["accuracy"]
    assert value == f"{accuracy.value:.3f}"
    assert interval == f"95 %: {accuracy.interval.low:.3f} to {accuracy.interval.high:.3f}"
    assert metrics(page)["macro F1"][0] == f"{report.scores['f1'].value:.3f}"
    assert {"Thresholds", "Threshold for all classes", "Tree"}.isdisjoint(labels_of(page))
    said = " ".join(caption.value for caption in page.caption)
    assert f"{report.n_items} test clips of {report.n_groups} recordings" in said
    assert "the highest score decides" in said
    table = page.dataframe[0].value
    told = said + " ".join([*table.columns, *(text.value for text in page.markdown)])
    assert "song" not in told
    assert "mixes" not in told
    assert "threshold" not in table
    assert table["recordings"].sum() > 0
    np.testing.assert_allclose(table["chance F1"], [k.scores["f1"].chance for k in report.classes])


def test_the_confusions_are_scikit_learns_matrix(runs: Path) -> None:
    page = open_page(run="runs/good", look="Confusions")
    part = Run.open(runs / "good").predictions().only("test")
    expected = confusion_matrix(part.targets.argmax(axis=1), part.scores.argmax(axis=1))
    (chart,) = page.get("vega_lite_chart")
    assert "decided for" in chart.proto.spec
    mistakes = page.dataframe[0].value
    found = {(row["in truth"], row["decided for"]): row["clips"] for row in mistakes.to_dict("records")}
    names = part.labels
    wrong = {(names[a], names[b]): n for (a, b), n in np.ndenumerate(expected) if a != b and n}
    assert found == wrong
    assert wrong  # else it says nothing


def test_clips_are_listed_by_what_was_decided_and_can_be_heard(runs: Path) -> None:
    page = open_page(run="runs/bad", look="Listen", kind="false negatives", **{"class": "low"})
    table = runs_data.get_table(
        runs_data.find_run(runs_data.find_found(((str(runs), 4),)), "runs/bad"), "test"
    )
    column = table.labels.index("low")
    missed = ranked(table, column, 0.5, "false negatives")
    assert len(missed) == (table.present[:, column] & ~table.cells.decisions[:, column]).sum() > 0
    hear = [button for button in page.button if button.label == "Hear"]
    assert len(hear) == min(len(missed), 8)
    hear[0].click().run()
    assert not page.exception
    assert len(page.get("audio")) == 1
    told = next(frame.value for frame in page.dataframe if "in truth" in frame.value.columns)
    assert "threshold" not in told
    assert told["predicted"].tolist().count("yes") == 1
    assert told.iloc[0]["predicted"] == "yes"  # the highest score
    assert "threshold" not in " ".join(
        caption.value for caption in page.caption if "score 0" in caption.value
    )


def test_clips_that_have_moved_are_said_in_words(made: Path, runs: Path) -> None:
    moved = made / "moved"
    (made / "tones").rename(moved)
    try:
        runs_data._clips_of.clear()
        page = open_page(run="runs/bad", look="Listen", kind="hits", **{"class": "low"})
        assert any("cannot be heard here" in info.value for info in page.info)
    finally:
        moved.rename(made / "tones")
        runs_data._clips_of.clear()


def test_two_runs_on_the_same_clips_are_compared_by_accuracy(runs: Path) -> None:
    page = open_page(run="runs/good", against="runs/bad", look="Differences", score="accuracy")
    (row,) = page.dataframe[0].value.to_dict("records")
    good, bad = (Run.open(runs / name).report().test.scores["accuracy"].value for name in ("good", "bad"))
    assert [row["A"], row["B"]] == pytest.approx([good, bad])
    assert row["recordings"] > 0


def test_a_run_of_several_labels_beside_it_keeps_its_thresholds(runs: Path) -> None:
    page = open_page(run="runs/good", against="runs/several", look="Confusions")
    assert "Thresholds" in labels_of(page)
    assert any("no confusion matrix" in info.value for info in page.info)
    page = open_page(run="runs/several", look="Confusions")
    assert "missed → added: clips in which" in " ".join(caption.value for caption in page.caption)


def test_over_two_recordings_the_page_has_no_interval_and_says_what_they_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = make_tones(tmp_path / "tones", groups=4, seconds=0.2)
    for group in clips.glob("*/*"):  # so that a recording has a clip of every class
        group.rename(group.with_name(group.name.split()[-1]))
    report = write_clip_run(tmp_path / "runs" / "few", clips, noise=3.0).report().test
    assert report.n_groups < 3
    monkeypatch.setenv("MIXLAB_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("MIXLAB_CATALOG", raising=False)
    runs_data.find_found.clear()
    page = open_page(run="runs/few")
    assert {interval for _, interval in metrics(page).values()} == {"no interval"}
    assert "No intervals: they take 3 recordings" in " ".join(caption.value for caption in page.caption)
