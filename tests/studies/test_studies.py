"""Sweeps and studies as work: what is planned, trained, kept, resumed, reported missing."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from mixlab.catalog.catalog import Catalog
from mixlab.catalog.pack import Pack, PackReader, default_pack_folder, open_reader
from mixlab.catalog.packing import pack_catalog
from mixlab.catalog.readers import CatalogReader
from mixlab.cli.main import main
from mixlab.errors import ConfigError, RunError
from mixlab.mixing.config import MixConfig
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.models import ModelConfig
from mixlab.studies.base import StudyRequest
from mixlab.studies.data import StudyData
from mixlab.studies.display import Display, plain_seconds, status_table
from mixlab.studies.engine import ProcessLauncher, resolve_precision, run_study
from mixlab.studies.folder import StudyFolder, resplit
from mixlab.studies.forecast import seconds_left
from mixlab.studies.grids import grid_conditions, parse_seeds, parse_vary
from mixlab.studies.plan import Condition, Plan, Trial
from mixlab.studies.registry import build_study
from mixlab.studies.results import load_results
from mixlab.studies.settings import check_settings, settings_of
from mixlab.studies.state import TrialState
from mixlab.training import TrainConfig, train
from mixlab.training.config import from_plain
from mixlab.training.run import Run
from mixlab.utils.plain import plain
from tests.errors import raises

RATE = 8000
MIX = MixConfig(duration_s=0.5, sample_rate=RATE, max_sources=3, effects=EffectsConfig.none())
CONFIG = TrainConfig(
    model=ModelConfig(sample_rate=RATE, f_max=4000, n_fft=256, hop=128, n_mels=16, width=4),
    epochs=1,
    epoch_size=16,
    batch_size=8,
    val_size=24,
    test_size=20,
    precision="fp32",
    accelerator="cpu",
    threads=1,
    tensorboard=False,
    bootstrap=0,
)


def plan_of(vary: dict[str, tuple[object, ...]], seeds: tuple[int, ...] = (0, 1)) -> Plan:
    return Plan("sweep", "A sweep", grid_conditions(vary), seeds, MIX, CONFIG, vary)


GRID = plan_of({"mix.p_musical": (0.0, 1.0)})


class HereLauncher:
    """Trains within this process; fails where it is told to."""

    def __init__(self, *, fail: tuple[str, ...] = ()) -> None:
        self.fail = fail
        self.asked: list[tuple[str, bool]] = []
        self.stops = 0

    def run(self, folder: StudyFolder, trial: Trial, *, resume: bool) -> str:
        self.asked.append((trial.name, resume))
        if trial.name in self.fail:
            return "the loss is not finite"
        data = yaml.safe_load(folder.plan_path(trial.name).read_text())
        mix, config = from_plain(MixConfig, data["mix"]), from_plain(TrainConfig, data["train"])
        train(data["catalog"], folder.run_path(trial.name), mix, config, resume=resume)
        return ""

    def stop(self) -> None:
        self.stops += 1


@pytest.fixture(scope="module")
def swept(toy: Catalog, tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """A sweep over two values of p_musical with two seeds."""
    folder = StudyFolder(tmp_path_factory.mktemp("sweep") / "out")
    result = run_study(folder, GRID, toy, launcher=HereLauncher())
    assert result.unfinished == ()
    return folder


def test_values_are_read_as_yaml_and_commas_in_brackets_stay() -> None:
    found = parse_vary(["mix.p_musical=0,0.4,1", "mix.corpora=[one],[one, two]", "train.transfer=scratch"])
    assert found == {
        "mix.p_musical": (0, 0.4, 1),
        "mix.corpora": (["one"], ["one", "two"]),
        "train.transfer": ("scratch",),
    }
    assert parse_vary(["a=null,true,'x,y'"]) == {"a": (None, True, "x,y")}


@pytest.mark.parametrize(
    ("texts", "code", "mentions"),
    [
        (["mix.p_musical"], "malformed-option", "NAME=VALUE"),
        (["=1,2"], "malformed-option", "NAME=VALUE"),
        (["a="], "malformed-option", "NAME=VALUE"),
        (["a=1,1"], "repeated-option", ()),
        (["a=1", "a=2"], "repeated-option", ()),
        (["a=[1"], "malformed-option", ()),
    ],
)
def test_what_is_no_grid_is_refused(texts: list[str], code: str, mentions: object) -> None:
    with raises(ConfigError, code=code, mentions=mentions):
        parse_vary(texts)


def test_seeds_are_read_in_every_form() -> None:
    assert parse_seeds("0, 1,2") == parse_seeds([0, 1, 2]) == (0, 1, 2)
    assert parse_seeds(7) == (7,)
    for wrong in ("0,0", "-1", "a", []):
        with raises(ConfigError, code="malformed-option", mentions="--seeds"):
            parse_seeds(wrong)


def test_a_grid_has_every_combination_under_names_for_files() -> None:
    conditions = grid_conditions({"mix.p_musical": (0.0, 0.4), "train.model.width": (4, 8, 16)})
    assert len(conditions) == len({condition.name for condition in conditions}) == 6
    assert conditions[1].values == {"mix.p_musical": 0.0, "train.model.width": 8}
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", condition.name) for condition in conditions)
    with raises(ConfigError, code="missing-setting"):
        grid_conditions({})


def test_settings_are_replaced_by_their_dotted_names() -> None:
    mix, config = settings_of(
        MIX, CONFIG, {"mix.p_musical": 0.7, "train.model.width": 8, "mix.corpus_weights.two": 3.0}
    )
    assert (mix.p_musical, config.model.width, mix.corpus_weights) == (0.7, 8, {"two": 3.0})
    assert replace(mix, p_musical=MIX.p_musical, corpus_weights={}) == MIX
    assert replace(config, model=CONFIG.model) == CONFIG


@pytest.mark.parametrize(
    ("name", "code", "mentions"),
    [
        ("mix.p_musicall", "unknown-setting", "mix.p_musical"),
        ("p_musical", "unknown-setting", ()),
        ("train.seed", "fixed-setting", "--seeds"),
        ("train.test_size", "fixed-setting", ()),
        ("train.eval_seed", "fixed-setting", ()),
    ],
)
def test_settings_that_cannot_vary_are_refused(name: str, code: str, mentions: object) -> None:
    with raises(ConfigError, code=code, mentions=mentions):
        check_settings([name], {"mix": MIX, "train": CONFIG})


def test_all_faulty_conditions_are_named_before_anything_starts(toy: Catalog, tmp_path: Path) -> None:
    launcher = HereLauncher()
    with raises(ConfigError, code="invalid-study", mentions=("p_musical=2", "p_musical=-1")):
        run_study(
            StudyFolder(tmp_path / "out"),
            plan_of({"mix.p_musical": (0.0, 2.0, -1.0)}),
            toy,
            launcher=launcher,
        )
    assert launcher.asked == []
    assert not (tmp_path / "out").exists()


def test_conditions_share_seeds_and_all_but_what_they_name() -> None:
    trials = GRID.trials()
    assert [trial.seed for trial in trials] == [0, 0, 1, 1]
    for trial in trials:
        first = next(other for other in trials if other.seed == trial.seed)
        assert trial.settings == first.settings
        assert {**trial.mix, "p_musical": 0} == {**first.mix, "p_musical": 0}
        assert trial.settings["seed"] == trial.seed


def test_settings_that_change_the_scored_mixes_are_named() -> None:
    """Training alone hears p_musical, balance and effects; the number of sources is that of the test, too."""
    alike = {"mix.p_musical": (0.0, 1.0), "mix.balance": (0.0, 1.0), "mix.uncertain": ("mask", "absent")}
    alike |= {"mix.effects.gain.p": (0.1, 0.2), "train.lr_head": (0.1, 0.2)}
    assert plan_of(alike).scored_apart() == ()
    for name, values in (("mix.max_sources", (3, 5)), ("mix.p_single_source", (0.1, 0.9))):
        assert plan_of({name: values}).scored_apart() == (f"{name}={values[1]}",)


def test_every_condition_is_scored_on_the_same_mixes(swept: StudyFolder) -> None:
    runs = Run.find(swept.path / "runs")
    assert len(runs) == 4
    recipes = [run.predictions().recipes.tolist() for run in runs]
    assert all(other == recipes[0] for other in recipes)
    results = load_results(swept, n_resamples=5)
    assert len({c.mixes for c in results.conditions}) == 1
    assert results.paired(*results.conditions)
    scores = {tuple(run.predictions().scores.ravel().tolist()) for run in runs}
    assert len(scores) == 4


def test_finished_runs_are_kept(swept: StudyFolder, toy: Catalog) -> None:
    before = {file: file.stat().st_mtime_ns for file in (swept.path / "runs").rglob("model.safetensors")}
    launcher = HereLauncher()
    result = run_study(swept, GRID, toy, launcher=launcher)
    assert launcher.asked == []
    assert [state.status for state in result.states] == ["done"] * 4
    assert {file: file.stat().st_mtime_ns for file in before} == before


def test_a_wider_grid_trains_only_what_is_new(swept: StudyFolder, toy: Catalog) -> None:
    launcher = HereLauncher(fail=("p_musical-0.5-seed0", "p_musical-0.5-seed1"))
    run_study(swept, plan_of({"mix.p_musical": (0.0, 0.5, 1.0)}), toy, launcher=launcher)
    assert launcher.asked == [("p_musical-0.5-seed0", False), ("p_musical-0.5-seed1", False)]
    run_study(swept, GRID, toy, launcher=launcher)
    assert swept.read_state().counts["done"] == 4


def test_runs_made_with_other_settings_are_not_taken_for_these(swept: StudyFolder, toy: Catalog) -> None:
    other = replace(GRID, train=replace(CONFIG, lr_head=0.02))
    with raises(ConfigError, code="settings-changed", mentions=("lr_head", "0.01", "0.02")):
        run_study(swept, other, toy, launcher=HereLauncher())
    with raises(ConfigError, code="settings-changed"):
        run_study(swept, GRID, toy.with_splits("random", 5), launcher=HereLauncher())
    neutral = replace(GRID, train=replace(CONFIG, save_every=7))
    assert run_study(swept, neutral, toy, launcher=HereLauncher()).unfinished == ()


def test_a_failing_condition_stops_no_other_and_is_reported(toy: Catalog, tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "out")
    plan = plan_of({"mix.p_musical": (0.0, 1.0)}, seeds=(0,))
    lines: list[str] = []
    result = run_study(
        folder, plan, toy, launcher=HereLauncher(fail=("p_musical-0-seed0",)), say=lines.append
    )
    assert [state.status for state in result.states] == ["failed", "done"]
    state = result.unfinished[0]
    assert state.error == "the loss is not finite"
    assert folder.read_state().counts == {
        "done": 1, "running": 0, "interrupted": 0, "failed": 1, "missing": 0
    }  # fmt: skip
    results = load_results(folder, n_resamples=5)
    assert results.conditions[0].test.of("f1").missing == 1
    assert np.isnan(results.conditions[0].test.of("f1").value)
    # The command that fills it is one that works.
    words = shlex.split(state.command)
    assert words[:2] == ["mixlab", "train"]
    assert main(words[1:]) == 0
    assert [s.status for s in folder.states()] == ["done", "done"]
    assert lines[0] == "2 runs: 2 conditions x 1 seeds; 0 done, 0 to go on with, 2 to train"
    assert lines[1] == "how long it takes is said after the first epoch"


def test_a_run_that_a_kill_left_behind_goes_on(toy: Catalog, tmp_path: Path) -> None:
    folder, plan = StudyFolder(tmp_path / "out"), plan_of({"mix.p_musical": (0.0,)}, seeds=(0,))
    trial = plan.trials()[0]
    folder.prepare(plan, [trial], StudyData(toy), threads=1)
    run, _ = train(toy.path, folder.run_path(trial.name), MIX_0, CONFIG)
    # As if the process had died after the last epoch: trained, never scored.
    run.update(status="training")
    (run.path / "predictions.parquet").unlink()
    assert folder.state(trial).status == "interrupted"
    assert "--resume=true" in folder.state(trial).command
    launcher = HereLauncher()
    assert run_study(folder, plan, toy, launcher=launcher).unfinished == ()
    assert launcher.asked == [(trial.name, True)]
    assert len(run.predictions()) == 44


MIX_0 = replace(MIX, p_musical=0.0)


def test_a_folder_that_was_never_a_run_is_begun_anew(toy: Catalog, tmp_path: Path) -> None:
    folder, plan = StudyFolder(tmp_path / "out"), plan_of({"mix.p_musical": (0.0,)}, seeds=(0,))
    name = plan.trials()[0].name
    assert run_study(folder, plan, toy, launcher=HereLauncher(fail=(name,))).states[0].status == "failed"
    (folder.run_path(name) / "checkpoints").mkdir(parents=True)
    launcher = HereLauncher(fail=(name,))
    run_study(folder, plan, toy, launcher=launcher)
    assert launcher.asked == [(name, False)]
    assert not folder.run_path(name).exists()


def test_other_peoples_folders_are_left_alone(toy: Catalog, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("...")
    with raises(ConfigError, code="folder-not-empty"):
        run_study(StudyFolder(tmp_path), GRID, toy, launcher=HereLauncher())
    with raises(ConfigError, code="not-a-folder"):
        run_study(StudyFolder(tmp_path / "thesis.tex"), GRID, toy, launcher=HereLauncher())
    (tmp_path / "study.json").write_text("{}")
    with raises(RunError, code="study-version"):
        StudyFolder(tmp_path).read_state()
    (tmp_path / "study.json").write_text("{")
    with raises(RunError, code="run-damaged", mentions="study.json"):
        StudyFolder(tmp_path).read_state()


def test_a_studys_list_comes_back_as_it_was_written(swept: StudyFolder, tmp_path: Path) -> None:
    state, data = swept.read_state(), json.loads((swept.path / "study.json").read_text())
    assert plain(state) == data
    assert (state.vary, state.seeds, state.precision) == (GRID.vary, GRID.seeds, "fp32")
    assert [c.overrides for c in state.conditions] == [c.overrides for c in GRID.conditions]
    del data["runs"][1]["seed"]
    (tmp_path / "study.json").write_text(json.dumps(data))
    with raises(RunError, code="run-damaged", mentions=("study.json", "mixlab study", "runs[1].seed")):
        StudyFolder(tmp_path).read_state()


def test_two_processes_never_work_on_one_study(toy: Catalog, tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "out")
    with folder.lock():
        assert folder.is_locked()
        with raises(ConfigError, code="study-in-use"):
            run_study(folder, GRID, toy, launcher=HereLauncher())
    assert not folder.is_locked()


class InterruptedLauncher(HereLauncher):
    """Presses Ctrl-C in the terminal while its first run is under way."""

    def run(self, folder: StudyFolder, trial: Trial, *, resume: bool) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        begin = time.monotonic()
        while not self.stops and time.monotonic() - begin < 20:
            time.sleep(0.01)
        return ""


def test_ctrl_c_asks_what_runs_to_stop_and_starts_no_more(toy: Catalog, tmp_path: Path) -> None:
    folder, launcher = StudyFolder(tmp_path / "out"), InterruptedLauncher()
    # A shell ignores Ctrl-C for what it starts in the background, such as these tests.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        result = run_study(folder, GRID, toy, launcher=launcher)
    finally:
        signal.signal(signal.SIGINT, before)
    assert result.interrupted
    assert launcher.stops == 1
    assert len(result.unfinished) == 4
    assert folder.read_state().counts["missing"] == 4
    assert not folder.is_locked()


@pytest.fixture
def prepared(toy: Catalog, tmp_path: Path) -> tuple[StudyFolder, Trial]:
    folder, plan = StudyFolder(tmp_path / "out"), plan_of({"mix.p_musical": (0.0,)}, seeds=(0,))
    trial = plan.trials()[0]
    folder.prepare(plan, [trial], StudyData(toy), threads=1)
    return folder, trial


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("print('trained')", ""),
        ("import sys; print('mixlab: error: no such file. Give another.'); sys.exit(2)", "no such file."),
        ("print('about to die', flush=True); import os; os.kill(os.getpid(), 9)", "signal 9"),
        ("raise ValueError('unforeseen')", "ValueError: unforeseen"),
    ],
)
def test_a_process_says_what_went_wrong(
    prepared: tuple[StudyFolder, Trial], code: str, expected: str
) -> None:
    launcher = ProcessLauncher(threads=1, program=(sys.executable, "-c", code))
    error = launcher.run(*prepared, resume=False)
    assert expected in error
    assert bool(error) == bool(expected)


def test_a_process_gets_its_threads_and_is_told_to_stop(prepared: tuple[StudyFolder, Trial]) -> None:
    import threading

    code = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "print(os.environ['OMP_NUM_THREADS'], flush=True)\n"
        "try:\n    time.sleep(30)\n"
        "except KeyboardInterrupt:\n    print('saved'); raise SystemExit(130)\n"
    )
    launcher = ProcessLauncher(threads=3, program=(sys.executable, "-c", code))
    folder, trial = prepared

    def stop_once_it_runs() -> None:
        while not folder.log_path(trial.name).is_file() or not folder.log_path(trial.name).read_text():
            time.sleep(0.02)
        launcher.stop()

    helper = threading.Thread(target=stop_once_it_runs)
    helper.start()
    assert launcher.run(folder, trial, resume=False) == ""
    helper.join()
    assert folder.log_path(trial.name).read_text().split() == ["3", "saved"]


def test_children_keep_the_lock_when_their_parent_is_killed(prepared: tuple[StudyFolder, Trial]) -> None:
    folder, _ = prepared
    with folder.lock() as lock:
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock,))
    try:
        assert folder.is_locked()
    finally:
        child.communicate(b"\n")
    assert not folder.is_locked()


def test_precision_is_measured_once_for_all(
    toy: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mixlab.studies.engine.measure_precision", lambda *a, **k: {"fp32": 1, "bf16": 9})
    folder, auto = StudyFolder(tmp_path / "out"), replace(CONFIG, precision="auto")
    assert resolve_precision(folder, CONFIG, 4000, 15).precision == "fp32"
    assert resolve_precision(folder, auto, 4000, 15).precision == "bf16"
    folder.write_state(GRID, StudyData(toy), (), precision="fp32")
    assert resolve_precision(folder, auto, 4000, 15).precision == "fp32"


def test_songs_divided_anew_are_a_catalog_of_their_own(toy: Catalog, tmp_path: Path) -> None:
    conditions = (
        Condition("artist", "artist", splits="artist"),
        Condition("random", "random", splits="random"),
    )
    plan = Plan("leakage", "Leakage", conditions, (0, 1), MIX, CONFIG)
    folder = StudyFolder(tmp_path / "out")
    folder.prepare(plan, plan.trials(), StudyData(toy), threads=1)
    for trial in plan.trials():
        named = yaml.safe_load(folder.plan_path(trial.name).read_text())["catalog"]
        catalog, wanted = Catalog.open(named), toy.with_splits(trial.splits, trial.seed)
        assert catalog.content_hash == wanted.content_hash
        assert catalog.split_songs() == wanted.split_songs()
        assert catalog.audio_path(0) == toy.audio_path(0)
        np.testing.assert_array_equal(catalog.envelope(3), toy.envelope(3))
        np.testing.assert_array_equal(catalog.active_cumulative(3), toy.active_cumulative(3))


def test_songs_divided_anew_read_the_pack_of_the_catalog(toy: Catalog, tmp_path: Path) -> None:
    """The audio is the same, so a pack of it serves; but never a run that began on the files."""
    copied = shutil.copytree(toy.path, tmp_path / "catalog")
    catalog = Catalog.open(copied, toy.roots)
    plan = Plan("leakage", "Leakage", (Condition("random", "random", splits="random"),), (0,), MIX, CONFIG)
    folder, trial = StudyFolder(tmp_path / "out"), plan.trials()[0]
    without = folder.catalog_for(trial, catalog)
    assert isinstance(open_reader(without, RATE, 1), CatalogReader)
    begun = Run.create(folder.run_path(trial.name), {"catalog": str(without.path)}, {})
    pack_catalog(catalog, sample_rate=RATE, workers=1, progress=False)
    assert isinstance(open_reader(folder.catalog_for(trial, catalog), RATE, 1), CatalogReader)
    shutil.rmtree(begun.path)
    found = open_reader(folder.catalog_for(trial, catalog), RATE, 1)
    assert isinstance(found, PackReader)
    assert found.packed == len(Pack(default_pack_folder(catalog, RATE, 1)))
    # A catalog that was moved away leaves a link to nothing: then files are read.
    shutil.rmtree(copied / "packs")
    assert isinstance(open_reader(folder.catalog_for(trial, catalog), RATE, 1), CatalogReader)


def test_settings_that_are_new_do_not_part_a_study_from_its_runs(swept: StudyFolder, toy: Catalog) -> None:
    """A run that was made before a setting existed was made with its default."""
    file = next((swept.path / "runs").glob("*/config.yaml"))
    before = file.read_text()
    data = yaml.safe_load(before)
    del data["train"]["channels_last"], data["mix"]["balance"]
    file.write_text(yaml.safe_dump(data))
    try:
        assert run_study(swept, GRID, toy, launcher=HereLauncher()).unfinished == ()
    finally:
        file.write_text(before)


def state_of(
    name: str, status: str, done: int = 0, epoch_s: float | None = None, age_s: float = 0
) -> TrialState:
    return TrialState(
        name, name[0], 0, "train", status, epochs=10, items=100, epochs_done=done, epoch_s=epoch_s,
        epoch_age_s=age_s,
    )  # fmt: skip


def test_the_time_left_is_told_from_the_first_epoch_on() -> None:
    running, waiting = state_of("a0", "running", 1, 60.0), state_of("b0", "missing")
    assert seconds_left([state_of("a0", "running"), waiting], {}) is None
    assert seconds_left([running, waiting], {}) == pytest.approx((9 + 10) * 60)
    assert seconds_left([running, waiting], {}, parallel=2) == pytest.approx(10 * 60)
    # A running epoch counts as it goes, and never for more than itself.
    assert seconds_left([replace(running, epoch_age_s=20.0)], {}) == pytest.approx(9 * 60 - 20)
    assert seconds_left([replace(running, epoch_age_s=900.0)], {}) == pytest.approx(8 * 60)
    # Twice the mixes take twice as long, and a condition's own rate goes before that of others.
    assert seconds_left([running, replace(waiting, items=200)], {}) == pytest.approx((9 + 20) * 60)
    fast = state_of("b1", "done", 10, 6.0)
    assert seconds_left([running, waiting, fast], {}) == pytest.approx(9 * 60 + 10 * 6)
    # What training takes beside its epochs is known once one has ended.
    assert seconds_left([waiting, fast], {"b1": 75.0}) == pytest.approx(10 * 6 + 15)
    forest = TrialState("f0", "f", 0, "baseline", "running")
    assert seconds_left([waiting, fast, forest], {"b1": 75.0}) == pytest.approx(75 + 75)
    done = TrialState("f1", "f", 1, "baseline", "done")
    both = [forest, done]
    assert seconds_left(both, {"f1": 40.0}, since={"f0": 30.0}) == pytest.approx(10)
    assert seconds_left([running, state_of("b0", "failed")], {}) == pytest.approx(9 * 60)


def test_conditions_with_other_labels_are_scored_on_the_bases_targets(
    toy: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two ways of labelling are compared on the same targets, though each run has its own."""
    vary = {"mix.uncertain": ("absent", "mask")}
    mix = replace(MIX, label_rule="audible", audible_db=-3.0)
    plan = Plan("sweep", "Labels", grid_conditions(vary), (0,), mix, CONFIG, vary)
    folder = StudyFolder(tmp_path / "out")
    run_study(folder, plan, toy, launcher=HereLauncher())
    absent, masked = (
        Run.open(folder.run_path(f"uncertain-{name}-seed0")).predictions() for name in ("absent", "mask")
    )
    assert absent.mask.sum() > masked.mask.sum()
    # What they are compared on was made while the study ran: a report renders nothing.
    monkeypatch.setattr("mixlab.studies.pairing.render_mix", None)
    results = load_results(folder, n_resamples=3)
    assert results.paired(*results.conditions)
    support = [r.support for c in results.conditions for r in c.test.runs.values()]
    test = masked.only("test")
    np.testing.assert_array_equal(support[0], ((test.targets > 0.5) & test.mask).sum(0))
    np.testing.assert_array_equal(support[0], support[1])


def test_targets_that_are_lost_are_named_and_made_again(toy: Catalog, tmp_path: Path) -> None:
    vary = {"mix.uncertain": ("absent", "mask")}
    plan = Plan("sweep", "Labels", grid_conditions(vary), (0,), MIX, CONFIG, vary)
    folder = StudyFolder(tmp_path / "out")
    run_study(folder, plan, toy, launcher=HereLauncher())
    (stored,) = (folder.path / "targets").iterdir()
    before = stored.read_bytes()
    stored.write_bytes(before[:100])
    with pytest.warns(RuntimeWarning, match=r"\.npz was damaged"):
        results = load_results(folder, n_resamples=3)
    (problem,) = results.problems
    assert "uncertain-absent-seed0: its mixes are labelled by other rules than the study's" in problem
    assert [len(c.test.runs) for c in results.conditions] == [0, 1]
    launcher = HereLauncher()
    run_study(folder, plan, toy, launcher=launcher)
    assert launcher.asked == []
    assert load_results(folder, n_resamples=3).problems == ()
    with np.load(stored) as arrays:
        assert sorted(arrays) == ["mask", "mix_id", "targets"]


def test_a_run_on_another_catalog_with_other_labels_is_paired(toy: Catalog, tmp_path: Path) -> None:
    """Its mixes are rendered anew by its own catalog, and only then named as those of the study's."""
    mix = replace(MIX, label_rule="audible", audible_db=-3.0)
    vary = {"mix.uncertain": ("absent", "mask")}
    folder = StudyFolder(tmp_path / "both")
    run_study(folder, Plan("sweep", "Labels", grid_conditions(vary), (0,), mix, CONFIG, vary), toy,
              launcher=HereLauncher())  # fmt: skip
    resplit(toy.with_splits("random", 5), tmp_path / "other")
    other = Catalog.open(tmp_path / "other")
    shutil.copytree(folder.run_path("uncertain-absent-seed0"), tmp_path / "there")
    there = Run.open(tmp_path / "there")
    (there.path / "config.yaml").write_text(yaml.safe_dump({**there.config, "catalog": str(other.path)}))
    there.update(catalog={"path": str(other.path), "content_hash": other.content_hash})
    made = there.predictions()
    recipes = [replace(recipe, catalog_hash=other.content_hash) for recipe in made.mix_recipes()]
    there.write_predictions(made.with_recipes(recipes))
    also = {"here": (str(folder.run_path("uncertain-mask-seed0")),), "there": (str(there.path),)}
    plan = build_study("per_class", StudyRequest(mix=mix, train=CONFIG, seeds=(0,), also=also))
    run_study(StudyFolder(tmp_path / "study"), plan, toy, launcher=HereLauncher())
    results = load_results(StudyFolder(tmp_path / "study"), n_resamples=3)
    assert results.problems == ()
    assert results.paired(*results.conditions)


def test_a_classical_baseline_is_a_condition_like_any_other(toy: Catalog, tmp_path: Path) -> None:
    overrides = {
        "baseline.features": "descriptors",
        "baseline.items": 30,
        "baseline.trees": 5,
        "mix.p_musical": 0,
    }
    conditions = (Condition("forest", "forest", overrides=overrides, command="baseline"),)
    plan, folder = Plan("sweep", "Baseline", conditions, (3,), MIX, CONFIG), StudyFolder(tmp_path / "out")

    class CommandLauncher(HereLauncher):
        def run(self, folder: StudyFolder, trial: Trial, *, resume: bool) -> str:
            self.asked.append((trial.name, resume))
            return (
                "" if main([trial.command, "--config", str(folder.plan_path(trial.name))]) == 0 else "failed"
            )

    launcher = CommandLauncher()
    assert run_study(folder, plan, toy, launcher=launcher, threads=1).unfinished == ()
    run = Run.open(folder.run_path("forest-seed3"))
    assert run.info["seed"] == 3
    assert len(run.predictions()) == 44
    assert run_study(folder, plan, toy, launcher=launcher, threads=1).unfinished == ()
    # One that was stopped is begun anew: it has no checkpoint to go on from.
    run.update(status="training")
    assert folder.states()[0].command == f"mixlab baseline --config {folder.plan_path('forest-seed3')}"
    assert run_study(folder, plan, toy, launcher=launcher, threads=1).unfinished == ()
    assert launcher.asked == [("forest-seed3", False)] * 2


def test_durations_read_as_people_say_them() -> None:
    assert [plain_seconds(s) for s in (12, 600, 12_000)] == ["12 s", "10 min", "3 h 20 min"]


def test_the_table_shows_every_seed(capsys: pytest.CaptureFixture[str]) -> None:
    states = [
        TrialState("a-seed0", "a", 0, "train", "done"),
        TrialState("a-seed1", "a", 1, "train", "running", progress="epoch 2/9"),
        TrialState("b-seed0", "b", 0, "train", "failed", error="no"),
        TrialState("b-seed1", "b", 1, "train", "missing"),
    ]
    table = status_table({"a": "condition A", "b": "condition B"}, states)
    assert table.rows == (("condition A", "#>", "seed 1: epoch 2/9"), ("condition B", "x.", "seed 0 failed"))

    class Terminal:
        def __init__(self) -> None:
            self.text = ""

        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> None:
            self.text += text

        def flush(self) -> None:
            pass

    terminal = Terminal()
    display = Display(GRID, enabled=True, out=terminal)  # type: ignore[arg-type]
    display.labels = {"a": "condition A", "b": "condition B"}
    display.show(states, 600.0)
    assert "about 10 min left" in terminal.text
    display.line("something")
    display.show(states, None)
    n_lines = len(table.text().splitlines()) + 1
    assert f"\x1b[{n_lines}F\x1b[Jsomething" in terminal.text
    Display(GRID, enabled=True).show(states, None)
    assert capsys.readouterr().out == ""


def test_the_command_trains_reports_and_shows(
    toy: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mixlab.studies.engine.ProcessLauncher", lambda *a: HereLauncher())
    base = tmp_path / "base.yaml"
    data = {"mix": GRID.trials()[0].mix, "train": GRID.trials()[0].settings}
    base.write_text(yaml.safe_dump(data))
    out = tmp_path / "out"
    arguments = ["sweep", "--config", str(base), "--catalog", str(toy.path), "--out", str(out)]
    arguments += ["--vary", "mix.p_musical=0,1", "--vary", "mix.p_single_source=0.1", "--seeds", "0"]
    arguments += ["--resamples", "5"]
    assert main([*arguments, "--dry-run"]) == 0
    assert not out.exists()
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "2 runs: 2 conditions x 1 seeds" in said
    assert f"Report:   {out}/report.md" in said
    assert {"report.md", "table.csv", "differences.csv", "runs.csv", "study.json"} <= {
        file.name for file in out.iterdir()
    }
    assert main([*arguments, "--dry-run"]) == 0
    assert capsys.readouterr().out.count("  done") == 2
    plans = {file: file.read_bytes() for file in (out / "plans").iterdir()}
    refused = []
    for how in (["--dry-run"], []):  # both say the same
        assert main([*arguments, "--train.lr_head", "0.02", *how]) == 2
        said = capsys.readouterr()
        refused.append(said.err)
        assert "error [settings-changed]" in said.err
        assert "train.lr_head" in said.err
        assert "  done" not in said.out
        assert said.out.count("made otherwise") == (2 if how else 0)
    assert refused[0] == refused[1]
    assert {file: file.read_bytes() for file in plans} == plans
    assert main(["sweep", "--watch", str(out)]) == 0
    assert "2 done" in capsys.readouterr().out
    assert main(["sweep", "--report", str(out), "--resamples", "5"]) == 0
    assert main(["sweep", "--catalog", str(toy.path), "--vary", "mix.p_musical=0"]) == 2
    assert "--out FOLDER" in capsys.readouterr().err
    assert main(["sweep", "--watch", str(tmp_path)]) == 2
    assert "No study at" in capsys.readouterr().err


@pytest.mark.slow
def test_processes_train_side_by_side_and_a_killed_one_goes_on(toy: Catalog, tmp_path: Path) -> None:
    """The whole command in processes: SIGKILL in the middle, then the same command to the end."""
    base = tmp_path / "base.yaml"
    data = {"mix": GRID.trials()[0].mix, "train": {**GRID.trials()[0].settings, "epochs": 3, "save_every": 1}}
    base.write_text(yaml.safe_dump(data))
    out = tmp_path / "out"
    command = [sys.executable, "-m", "mixlab.cli", "sweep", "--config", str(base), "--catalog", str(toy.path)]
    command += ["--out", str(out), "--vary", "mix.p_musical=0,1", "--seeds", "0", "--parallel", "2"]
    command += ["--resamples", "5"]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    begin = time.monotonic()
    while not list(out.glob("runs/*/run.json")) and time.monotonic() - begin < 120:
        time.sleep(0.1)
    first.kill()
    first.communicate()
    folder = StudyFolder(out)
    while folder.is_locked() and time.monotonic() - begin < 240:  # its trainings end by themselves
        time.sleep(0.2)
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [state.status for state in folder.states()] == ["done", "done"]
    assert (out / "report.md").is_file()
