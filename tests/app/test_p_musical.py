"""The p_musical page: the points of a study, what fills its grid, and controls that move them."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("streamlit", reason="the app extra is not installed")

from mixlab.studies.results import load_results
from tests.app.test_runs import move, open_page, shown
from tests.studies.test_reports import INSIDE, made_up

if TYPE_CHECKING:
    from mixlab import Catalog
    from mixlab.studies import StudyFolder


@pytest.fixture(scope="module")
def made(toy: "Catalog", tmp_path_factory: pytest.TempPathFactory) -> "StudyFolder":
    """A study in which 0.4 is clearly best and one run failed, and another one without an axis."""
    path = tmp_path_factory.mktemp("made") / "studies"
    made_up("per_class", toy, path, {"model": 0.5}, seeds=(0,))
    return made_up("p_musical", toy, path, INSIDE, fail=("p1-seed2",), grid=(0.0, 0.4, 1.0))


@pytest.fixture
def study(made: "StudyFolder", toy: "Catalog", monkeypatch: pytest.MonkeyPatch) -> "StudyFolder":
    monkeypatch.setenv("MIXLAB_RUNS", str(made.path.parent))
    monkeypatch.setenv("MIXLAB_CATALOG", str(toy.path))
    return made


def test_the_curve_is_the_studys_with_intervals_over_seeds(study: "StudyFolder") -> None:
    page = open_page("p-musical", study="studies/p_musical")
    table = page.dataframe[0].value
    results = load_results(study, n_resamples=0)
    assert table["x"].tolist() == [0.0, 0.4, 1.0]
    assert table["seeds"].tolist() == [3, 3, 2]
    assert table["missing"].tolist() == [0, 0, 1]
    for row, condition in zip(table.itertuples(), results.conditions, strict=True):
        estimate = condition.test.of("average_precision")
        assert estimate.seeds is not None
        assert (row.mean, row.low, row.high) == (estimate.value, estimate.seeds.low, estimate.seeds.high)
    said = [m.value for m in page.markdown]
    assert any("Best on validation: **p\\_musical = 0.4**" in text for text in said)


def test_classes_come_by_how_much_it_matters_and_undefined_ones_say_so(study: "StudyFolder") -> None:
    page = open_page("p-musical", study="studies/p_musical")
    table = next(frame.value for frame in page.dataframe if "matters" in frame.value)
    values = table["matters"].dropna().tolist()
    assert values == sorted(values, reverse=True)
    assert table["class"].tolist()[-1] == "theremin"
    assert any("no test mix is known to hold it" in caption.value for caption in page.caption)


def test_a_missing_point_comes_with_the_command_that_fills_it(study: "StudyFolder") -> None:
    page = open_page("p-musical", study="studies/p_musical")
    assert any("**1 point is missing" in m.value for m in page.markdown)
    assert any(f"mixlab train --config {study.plan_path('p1-seed2')}" in code.value for code in page.code)
    assert "it was told to fail" in page.error[0].value
    grid = page.dataframe[-1].value
    assert grid["seed 2"].tolist() == ["✓ done", "✓ done", "✗ failed"]


@pytest.mark.parametrize(
    "change",
    [
        {"study": "studies/per_class"},
        {"metric": "macro F1"},
        {"metric": "macro ROC-AUC"},
        {"metric": "micro F1"},
        {"metric": "loss"},
        {"mixes": "validation"},
    ],
)
def test_every_control_changes_what_is_shown(study: "StudyFolder", change: dict[str, str]) -> None:
    page = open_page("p-musical", study="studies/p_musical")
    before = shown(page)
    assert shown(move(page, **change)) != before


def test_a_study_that_runs_can_be_watched(study: "StudyFolder") -> None:
    page = open_page("p-musical", study="studies/p_musical")
    assert any("nobody is at work on it" in caption.value for caption in page.caption)
    with study.lock():
        page.run()
        assert any("switch *Watch* on to follow it" in caption.value for caption in page.caption)
        page.toggle(key="watch").set_value(True).run()
        assert not page.exception
        assert not any("switch *Watch* on" in caption.value for caption in page.caption)


def test_without_a_study_the_page_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = open_page("p-musical")
    assert any("mixlab study p_musical" in m.value for m in page.markdown)
    assert any("mixlab sweep" in m.value for m in page.markdown)


def test_a_damaged_study_is_an_error_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "study.json").write_text("{", encoding="utf-8")
    monkeypatch.setenv("MIXLAB_RUNS", str(tmp_path))
    page = open_page("p-musical")
    assert "is damaged" in page.error[0].value
