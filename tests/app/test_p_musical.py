"""The p_musical page: the points of a study, what fills its grid, and controls that move them."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("streamlit", reason="the app extra is not installed")

from app.data.sweeps import RESAMPLES
from mixlab import MixConfig
from mixlab.studies.curves import study_status, unfinished_trials
from mixlab.studies.results import load_results
from mixlab.studies.standing import standing_of
from mixlab.training.config import from_plain
from mixlab.training.run import Run
from mixlab.utils.detached import Step, Work
from mixlab.utils.plain import plain
from mixlab.utils.yaml import load_yaml
from tests.app.test_runs import move, open_page, shown
from tests.studies.test_reports import INSIDE, made_up
from tests.tiny_sweep import MIX, TRAIN

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
        {"study_mixes": "validation"},
    ],
)
def test_every_control_changes_what_is_shown(study: "StudyFolder", change: dict[str, str]) -> None:
    page = open_page("p-musical", study="studies/p_musical")
    before = shown(page)
    assert shown(move(page, **change)) != before


def test_a_study_that_runs_is_followed_and_what_waits_is_queued(study: "StudyFolder") -> None:
    page = open_page("p-musical", study="studies/p_musical")
    assert any("nobody is at work on it" in m.value for m in page.markdown)
    assert "Go on (1 left)" in [button.label for button in page.button]
    with study.lock():
        page.run()
        assert any("a process works on it" in m.value for m in page.markdown)
        assert not [button for button in page.button if button.label.startswith("Go on")]
    waiting = replace(study_status(study).states[-1], status="missing", error="")
    status = replace(study_status(study), states=(waiting,), at_work=True)
    assert (status.counts["queued"], status.counts["missing"]) == (1, 0)
    assert unfinished_trials(status) == ()
    assert replace(status, at_work=False).counts["missing"] == 1


def test_the_verdict_names_what_cannot_be_told_from_the_best(study: "StudyFolder") -> None:
    page = open_page("p-musical", study="studies/p_musical")
    said = " ".join(element.value.replace("\\", "") for element in page.markdown)
    standing = standing_of(load_results(study, n_resamples=RESAMPLES).conditions, "average_precision")
    assert standing is not None
    for found, title in (
        (standing.level, "**Not distinguishable from it**: "),
        (standing.apart, "Distinguishable: "),
    ):
        named = [f"p_musical = {c.condition.values['mix.p_musical']:g} ({e.value:+.3f})" for c, e in found]
        assert (f"{title}{', '.join(named)}." in said) is bool(named)
    # One of the two others has two seeds alone, too few to tell it from the best.
    assert (len(standing.level), len(standing.apart)) == (1, 1)


def test_the_log_of_a_failed_run_and_a_link_to_a_done_one(study: "StudyFolder") -> None:
    study.log_path("p1-seed2").write_text("Epoch 1\nno space is left", encoding="utf-8")
    page = open_page("p-musical", study="studies/p_musical")
    assert any("no space is left" in code.value for code in page.code)


def test_a_click_on_go_on_starts_what_is_missing(
    study: "StudyFolder", monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, ...]] = []

    def start(work: Work, kind: str, title: str, steps: list[Step], **more: object) -> bool:
        started.extend(step.arguments for step in steps)
        return True

    monkeypatch.setattr(Work, "start", start)
    page = open_page("p-musical", study="studies/p_musical")
    page.button(key="study_go_on").click().run()
    assert started == [("sweep", "--go_on", str(study.path), "--parallel", "1")]
    page.text_input(key="study_more").set_value("0.2, 0.3").run()
    page.text_input(key="study_more_seeds").set_value("3").run()
    page.button(key="study_extend").click().run()
    more = ("--vary", "mix.p_musical=0.2,0.3", "--more_seeds", "3")
    assert started[1:] == [("sweep", "--go_on", str(study.path), "--parallel", "1", *more)]
    page.text_input(key="study_more").set_value("7").run()
    page.button(key="study_extend").click().run()
    assert len(started) == 2
    assert any("from 0 to 1" in error.value for error in page.error)


def test_a_new_study_says_what_it_will_take_and_starts(
    toy: "Catalog", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    config = {"catalog": str(toy.path), "mix": plain(MIX), "train": plain(TRAIN)}
    run = Run.create(runs / "tiny", config, {"seed": 0})
    run.write_metrics({"epoch": 1, "seconds": 30.0, "train_loss": 0.7})
    monkeypatch.setenv("MIXLAB_RUNS", str(runs))
    monkeypatch.setenv("MIXLAB_CATALOG", str(toy.path))
    started: list[Work] = []

    def start(work: Work, kind: str, title: str, steps: list[Step], **more: object) -> bool:
        started.append(work)
        (step,), files = steps, more["files"]
        assert step.arguments[:2] == ("study", "p_musical")
        assert step.arguments[-6:] == ("--grid", "0.0,0.5,1.0", "--seeds", "0,1", "--parallel", "1")
        assert from_plain(MixConfig, load_yaml(files["settings.yaml"])["mix"]) == MIX  # type: ignore[index]
        return True

    monkeypatch.setattr(Work, "start", start)
    page = open_page("p-musical")
    page.selectbox(key="study_size").set_value("as the run runs/tiny").run()
    page.text_input(key="study_grid").set_value("0,0.5,1").run()
    page.text_input(key="study_seeds").set_value("0,1").run()
    page.number_input(key="study_parallel").set_value(1).run()
    said = " ".join(
        element.value.replace("\\", "") for kind in (page.markdown, page.caption) for element in kind
    )
    # Six runs of 30 s, and what each takes beside its epoch.
    assert "**6 runs, about 4 min here**" in said or "**6 runs, about 5 min here**" in said
    assert "By the run tiny: 30.0 s for an epoch of 16 mixes" in said
    next(button for button in page.button if button.label == "Start the study").click().run()
    assert not page.exception
    assert [work.folder for work in started] == [runs / "p_musical"]
    page.text_input(key="study_grid").set_value("0,2").run()
    assert "from 0 to 1" in page.error[0].value


def test_without_a_study_the_page_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = open_page("p-musical")
    assert any("mixlab sweep" in m.value for m in page.markdown)


def test_a_damaged_study_is_an_error_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "study.json").write_text("{", encoding="utf-8")
    monkeypatch.setenv("MIXLAB_RUNS", str(tmp_path))
    page = open_page("p-musical")
    assert "is damaged" in page.error[0].value
