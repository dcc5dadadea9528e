"""The Runs page on runs that predict a number: its scores, every prediction, and no classes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("streamlit", reason="the app extra is not installed")

from app.data import runs as runs_data
from mixlab.corpora.clips import ClipsConfig
from mixlab.training.baselines import ClipBaselineConfig, run_clip_baseline
from mixlab.training.baselines.clip_config import ClipClassifierKind
from mixlab.training.run import Run
from tests.app.test_runs import metrics, open_page
from tests.training.test_clip_regression import FAST, WHOLE, make_pitches


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs on the same pitches, and one on classes of these clips."""
    folder = tmp_path_factory.mktemp("numbers")
    clips = make_pitches(folder / "tones", groups=12)
    for name, classifier in (("a", "svm"), ("b", "logistic")):
        run_clip_baseline(clips, folder / "runs" / name, WHOLE, _with(classifier), cache=folder / "f")
    table = folder / "tones" / "clips.csv"
    head, *rows = table.read_text().split()
    labelled = [f"{row},{'low' if k % 2 else 'high'}" for k, row in enumerate(rows)]
    (folder / "tones" / "labelled.csv").write_text("\n".join([f"{head},labels", *labelled]) + "\n")
    config = ClipsConfig(corpus="csv", root=str(folder / "tones" / "labelled.csv"))
    run_clip_baseline(config, folder / "runs" / "classes", WHOLE, _with("forest"), cache=folder / "f")
    return folder / "runs"


def _with(classifier: ClipClassifierKind) -> ClipBaselineConfig:
    return replace(FAST, classifier=classifier)


@pytest.fixture
def runs(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIXLAB_RUNS", str(made))
    monkeypatch.delenv("MIXLAB_CATALOG", raising=False)
    runs_data.find_found.clear()
    return made


def test_a_run_of_numbers_shows_its_scores_and_every_prediction(runs: Path) -> None:
    page = open_page(run="runs/a", against="runs/b")
    assert not page.exception
    report = Run.open(runs / "a").report().test
    r2 = report.scores["r2"]
    assert metrics(page)["R2"][0] == f"{r2.value:.3f}"
    assert set(metrics(page)) == {"R2", "mean absolute error", "Pearson r"}
    said = " ".join(caption.value for caption in page.caption)
    assert f"{report.n_items} test clips of {report.n_groups} recordings" in said
    predicted = next(one.value for one in page.dataframe if "predicted" in one.value)
    part = Run.open(runs / "a").predictions().only("test")
    np.testing.assert_allclose(predicted["predicted"], part.scores[:, 0], rtol=1e-6)
    differences = next(one.value for one in page.dataframe if "B - A" in one.value)
    other = Run.open(runs / "b").report().test.scores["r2"].value
    assert differences["B - A"].tolist()[0] == pytest.approx(other - r2.value)


@pytest.mark.parametrize("pair", [("a", "classes"), ("classes", "a")])
def test_numbers_and_classes_are_not_compared(runs: Path, pair: tuple[str, str]) -> None:
    page = open_page(run=f"runs/{pair[0]}", against=f"runs/{pair[1]}")
    assert not page.exception
    assert not page.error, [one.value for one in page.error]
    assert any("different classes" in one.value for one in page.warning)
