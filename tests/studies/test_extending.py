"""A study that is there as a plan again, with more values and seeds; what is done is kept."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mixlab.catalog.catalog import Catalog
from mixlab.cli.main import main
from mixlab.errors import ConfigError
from mixlab.evaluation import Interval
from mixlab.studies.engine import run_study
from mixlab.studies.extending import can_grow, extend_plan, plan_of
from mixlab.studies.folder import StudyFolder
from mixlab.studies.registry import build_study
from mixlab.studies.results import load_results
from mixlab.studies.standing import is_distinguishable, standing_of
from mixlab.studies.statistics import ConditionScores, Estimate
from tests.errors import raises
from tests.studies.test_reports import INSIDE, Pretender, made_up, request

GRID = (0.0, 0.4, 1.0)
MORE = {**INSIDE, "p0.2": 1.0}


@pytest.fixture(scope="module")
def study(toy: Catalog, tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """A study in which 0.4 is clearly best and one run failed."""
    return made_up("p_musical", toy, tmp_path_factory.mktemp("made"), INSIDE, grid=GRID, fail=("p1-seed2",))


def test_a_study_is_the_plan_it_was_made_by(study: StudyFolder) -> None:
    made = build_study("p_musical", request(grid=GRID))
    again = plan_of(study.read_state())
    assert (again.mix, again.train, again.seeds) == (made.mix, made.train, made.seeds)
    assert [(t.name, t.sections) for t in again.trials()] == [(t.name, t.sections) for t in made.trials()]


def test_more_values_and_seeds_keep_what_is_done(
    study: StudyFolder, toy: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = extend_plan(plan_of(study.read_state()), {"mix.p_musical": (0.2, 0.4)}, seeds=(2, 3))
    assert [c.name for c in plan.conditions] == ["p0", "p0.2", "p0.4", "p1"]
    assert (plan.seeds, plan.vary) == ((0, 1, 2, 3), {"mix.p_musical": (0.0, 0.2, 0.4, 1.0)})
    there = {name: study.run_path(name).stat().st_mtime_ns for name in study.path.joinpath("runs").iterdir()}
    trained: list[str] = []
    run = Pretender.run

    def noted(self: Pretender, folder: StudyFolder, trial: object, *, resume: bool) -> str:
        trained.append(trial.name)  # type: ignore[attr-defined]
        return run(self, folder, trial, resume=resume)  # type: ignore[arg-type]

    monkeypatch.setattr(Pretender, "run", noted)
    result = run_study(study, plan, toy, launcher=Pretender(MORE))
    assert not result.unfinished
    new = {f"p{p:g}-seed{seed}" for p in plan.vary["mix.p_musical"] for seed in plan.seeds}
    assert set(trained) == new - {path.name for path in there}
    # And from the command line, with nothing left to train.
    assert main(["sweep", "--go_on", str(study.path), "--vary", "mix.p_musical=0", "--dry_run"]) == 0


def test_options_without_effect_are_refused(study: StudyFolder, capsys: pytest.CaptureFixture[str]) -> None:
    there = ["sweep", "--go_on", str(study.path), "--dry_run"]
    for options in (["--train.epochs", "9"], ["--mix.balance", "0.1"], ["--seeds", "7"], ["--out", "x"]):
        assert main([*there, *options]) == 2
        assert options[0].partition(".")[0] in capsys.readouterr().err
    assert main(["sweep", "--vary", "mix.balance=0,1", "--more_seeds", "7", "--dry_run"]) == 2
    assert "--more_seeds" in capsys.readouterr().err
    assert main([*there, "--more_seeds", "7"]) == 0


def test_a_study_gets_no_second_axis(study: StudyFolder) -> None:
    plan = plan_of(study.read_state())
    with raises(ConfigError, code="conflicting-settings", mentions=("mix.balance", "mix.p_musical")):
        extend_plan(plan, {"mix.balance": (0.5,)})
    assert can_grow("sweep", {"mix.balance": (0, 1)})
    assert not can_grow("transfer", {})


def test_a_sweep_grows_along_its_own_settings(tmp_path: Path) -> None:
    from tests.tiny_sweep import PLAN

    grown = extend_plan(PLAN, {"mix.p_musical": (0.5, 1)})
    assert [c.values["mix.p_musical"] for c in grown.conditions] == [0.0, 0.5, 1.0]
    assert {c.name for c in PLAN.conditions} < {c.name for c in grown.conditions}


# ---- what can be told from the best ----


def test_values_that_cannot_be_told_from_the_best_are_named(toy: Catalog, tmp_path: Path) -> None:
    same = made_up("p_musical", toy, tmp_path, {**INSIDE, "p0": 0.501}, grid=GRID)
    results = load_results(same, n_resamples=100)
    standing = standing_of(results.conditions, "average_precision")
    assert standing is not None
    assert {standing.best.condition.name, *(c.condition.name for c, _ in standing.level)} == {"p0", "p0.4"}
    assert [c.condition.name for c, _ in standing.apart] == ["p1"]
    assert all(e.value < 0 for _, e in standing.apart)


@pytest.mark.parametrize(
    ("songs", "seeds", "apart"),
    [
        ((0.1, 0.2), (0.1, 0.2), True),
        ((0.1, 0.2), (-0.1, 0.2), False),
        ((-0.1, 0.2), (0.1, 0.2), False),
        ((0.1, 0.2), None, True),
        (None, (-0.2, -0.1), True),
        (None, None, False),
    ],
)
def test_every_interval_that_there_is_must_exclude_0(
    songs: tuple[float, float] | None, seeds: tuple[float, float] | None, apart: bool
) -> None:
    made = [None if ends is None else Interval(*ends) for ends in (songs, seeds)]
    assert is_distinguishable(Estimate(0.1, 3, songs=made[0], seeds=made[1])) is apart


def test_intervals_of_scores_stay_within_what_a_score_can_be(study: StudyFolder) -> None:
    run = load_results(study, n_resamples=0).conditions[1].test.runs[0]
    one = run.measured["average_precision"]
    # Of two seeds so far apart, Student's own interval would reach from -1.7 to 3.3.
    runs = {
        seed: replace(run, measured={"average_precision": replace(one, values=np.array([value]))})
        for seed, value in enumerate((0.99, 0.6))
    }
    assert ConditionScores(runs, 2).of("average_precision").seeds == Interval(0.0, 1.0)
