"""A study in parts, as job arrays carry it out: each trial once, no part twice, the same runs as at once."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from mixlab.catalog.catalog import Catalog
from mixlab.cli.commands.here import HereLauncher
from mixlab.cli.main import main
from mixlab.errors import ConfigError
from mixlab.studies.data import StudyData
from mixlab.studies.engine import run_study, with_precision
from mixlab.studies.folder import StudyFolder
from mixlab.studies.parts import Part
from mixlab.studies.plan import Condition, Plan, Trial
from mixlab.training.run import Run
from mixlab.utils.plain import plain
from tests.conftest import REPO
from tests.errors import raises
from tests.file_server import serving
from tests.tiny_sweep import MIX, PLAN, TRAIN


class Recorder:
    """Trains nothing; says what it was asked for and fails where it is told to."""

    def __init__(self, fail: str = "") -> None:
        self.asked: list[str] = []
        self.fail = fail

    def run(self, folder: StudyFolder, trial: Trial, *, resume: bool) -> str:
        self.asked.append(trial.name)
        return "the loss is not finite" if trial.name == self.fail else ""

    def stop(self) -> None:
        """Nothing runs."""


@pytest.mark.parametrize("count", [1, 2, 3, 5, 30])
def test_the_parts_hold_each_trial_once_and_keep_together_what_starts_from_another(count: int) -> None:
    later = {"train.transfer": "frozen"}
    conditions = (
        Condition("last", "third", later, starts_from="middle"),
        Condition("alone", "alone"),
        Condition("first", "first"),
        Condition("middle", "second", later, starts_from="first"),
    )
    trials = Plan("conditions", "A chain", conditions, (0, 1, 2), MIX, TRAIN).trials()
    parts = [part.own(trials) for part in Part(1, count).all]
    assert sorted(t.name for part in parts for t in part) == sorted(t.name for t in trials)
    for part in parts:
        names = {trial.name for trial in part}
        assert all(not trial.starts_from or trial.starts_from in names for trial in part)
        assert [t for t in trials if t in part] == list(part)
    assert max(len({t.name for t in p if not t.starts_from}) for p in parts) == -(-6 // count)


@pytest.mark.parametrize("text", ["", "0/4", "5/4", "1", "a/b", "1/2/3", "-1/4", "1/0", "٣/8"])
def test_what_is_no_part_is_refused(text: str) -> None:
    with raises(ConfigError, code="malformed-option", mentions=repr(text)):
        Part.parse(text)
    assert Part.parse("3/8") == Part(3, 8)


def test_each_part_trains_its_own_and_knows_of_the_others(toy: Catalog, tmp_path: Path) -> None:
    folder, names = StudyFolder(tmp_path / "out"), [trial.name for trial in PLAN.trials()]
    first, second = Recorder(fail=names[0]), Recorder()
    result = run_study(folder, PLAN, toy, launcher=first, part=Part(1, 2))
    assert (first.asked, [s.name for s in result.unfinished]) == (names[::2], names[::2])
    assert run_study(folder, PLAN, toy, launcher=second, part=Part(2, 2)).states[0].name == names[1]
    assert second.asked == names[1::2]
    # What failed in the first part is still told after the second has written the state.
    stored = {run.name: run for run in folder.read_state().runs}
    assert list(stored) == names
    assert (stored[names[0]].status, stored[names[0]].error) == ("failed", "the loss is not finite")
    assert {stored[name].status for name in names[1:]} == {"missing"}
    whole = Recorder()
    run_study(folder, PLAN, toy, launcher=whole)
    assert whole.asked == names
    assert folder.read_errors() == {}
    assert {run.error for run in folder.read_state().runs} == {""}


def test_a_run_is_seen_at_work_as_long_as_its_part_is(toy: Catalog, tmp_path: Path) -> None:
    folder, trials = StudyFolder(tmp_path / "out"), PLAN.trials()
    name = trials[1].name
    folder.prepare(PLAN, trials, StudyData(toy), threads=1)
    assert HereLauncher().run(folder, trials[1], resume=False) == ""
    Run.open(folder.run_path(name)).update(status="training")  # as if it had not come to its scores yet

    def status() -> str:
        run_study(folder, PLAN, toy, launcher=Recorder(), part=Part(1, 2))
        return next(run.status for run in folder.read_state().runs if run.name == name)

    with folder.lock(Part(2, 2)):
        assert status() == "running"
    assert status() == "interrupted"


def test_nothing_is_worked_on_twice(toy: Catalog, tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "out")

    def refused(part: Part | None) -> bool:
        try:
            with folder.lock(part):
                return False
        except ConfigError as error:
            return error.code == "study-in-use"

    with folder.lock(Part(1, 2)):
        assert folder.is_locked()
        assert folder.is_part_locked(Part(1, 2))
        assert refused(Part(1, 2))
        assert not refused(Part(2, 2))
        assert refused(Part(1, 3))
        assert refused(None)
    with folder.lock():
        assert refused(Part(1, 2))
    assert not folder.is_locked()
    assert not refused(Part(1, 3))


def test_all_parts_train_in_the_precision_that_one_has_measured(
    toy: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, auto = StudyFolder(tmp_path / "out"), replace(PLAN, train=replace(TRAIN, precision="auto"))
    for faster in ("bf16", "fp32"):
        other = "fp32" if faster == "bf16" else "bf16"
        monkeypatch.setattr(
            "mixlab.studies.engine.measure_precision", lambda *a, f=faster, o=other, **k: {f: 9, o: 1}
        )
        assert with_precision(folder, auto, StudyData(toy), parts=True).train.precision == "bf16"
    folder.check_usable()
    assert [path.name for path in folder.path.iterdir()] == [".precision"]


def test_a_precision_that_was_never_written_is_that_of_the_next_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mixlab.studies.folder._WRITTEN_S", 0.0)
    (tmp_path / ".precision").touch()  # as without hard links, if the first part was killed just then
    folder = StudyFolder(tmp_path)
    assert [folder.agree_precision(measured) for measured in ("bf16", "fp32")] == ["bf16", "bf16"]


def test_plans_and_state_name_the_url_of_a_catalog(
    toy: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIXLAB_CACHE", str(tmp_path / "cache"))
    folder, trials = StudyFolder(tmp_path / "out"), PLAN.trials()
    with serving(toy.path.parent) as server:
        url = f"{server.url}/catalog"
        data = StudyData(Catalog.open(url))
        folder.prepare(PLAN, trials, data, threads=1)
        folder.write_state(PLAN, data, [folder.state(trial) for trial in trials])
    assert {yaml.safe_load(folder.plan_path(t.name).read_text())["catalog"] for t in trials} == {url}
    assert folder.read_state().catalog.path == url


@pytest.mark.slow
def test_parts_as_processes_at_once_give_the_runs_of_one(toy: Catalog, tmp_path: Path) -> None:
    """Three processes at once, none of which knows of the others; then one that writes the tables."""
    settings = tmp_path / "settings.yaml"
    settings.write_text(yaml.safe_dump({"mix": plain(MIX), "train": plain(TRAIN)}))
    words = ["sweep", "--catalog", str(toy.path), "--config", str(settings), "--vary", "mix.p_musical=0,1"]
    words += ["--seeds", "0,1", "--resamples", "20", "--parallel", "0"]
    out, whole = tmp_path / "parts", tmp_path / "whole"
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    jobs = [
        subprocess.Popen(
            [sys.executable, "-m", "mixlab.cli", *words, "--out", str(out), "--array", f"{number}/3"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for number in (1, 2, 3)
    ]
    said = [job.communicate(timeout=900)[0] for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0, 0], said
    assert [text.count("done after") for text in said] == [2, 1, 1]
    assert not (out / "report.md").exists()
    assert [state.status for state in StudyFolder(out).states()] == ["done"] * 4
    assert main(["sweep", "--report", str(out), "--resamples", "20"]) == 0
    assert main([*words, "--out", str(whole)]) == 0
    assert (out / "table.csv").read_text() == (whole / "table.csv").read_text()
    for trial in PLAN.trials():
        one, other = (Run.open(path / "runs" / trial.name).predictions() for path in (out, whole))
        assert np.array_equal(one.scores, other.scores)
