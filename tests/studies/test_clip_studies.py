"""Studies on labelled clips: tasks with classes of their own, runs that start from others, what lacks."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from mixlab.audio.io import write_wav
from mixlab.cli.commands.here import HereLauncher
from mixlab.cli.main import main
from mixlab.corpora.clips.config import ClipsConfig
from mixlab.errors import ConfigError
from mixlab.mixing.config import MixConfig
from mixlab.studies import Condition, Plan, StudyFolder, run_study, write_study_report
from mixlab.studies.data import StudyData, move_roots
from mixlab.studies.engine import with_precision
from mixlab.studies.paper_tables import Beside, paper_table
from mixlab.studies.plan import Trial
from mixlab.studies.reports import build_report
from mixlab.studies.results import load_results
from mixlab.training.clips.config import WindowConfig
from mixlab.training.run import Run
from mixlab.utils.plain import plain
from tests.errors import raises
from tests.pages import write_page_files
from tests.training.clips.tone_clips import CONFIG, RATE, make_tones, tone

TRAIN = replace(CONFIG, epochs=3, bootstrap=0)
WINDOWS = WindowConfig(0.5)


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks: pitches (three classes) and loudness (two)."""
    root = tmp_path_factory.mktemp("trees")
    make_tones(root / "pitch")
    for place, (name, gain) in enumerate({"loud": 0.5, "soft": 0.01}.items()):
        for group in range(6):
            file = root / "loudness" / name / f"{name} {group}" / "take.wav"
            file.parent.mkdir(parents=True)
            write_wav(file, tone(500.0, 1.0, seed=10 * place + group, gain=gain), RATE)
    return root


@pytest.fixture(scope="module")
def tasks(trees: Path) -> dict[str, ClipsConfig]:
    return {name: ClipsConfig("folder", str(trees / name)) for name in ("pitch", "loudness")}


FOREST = {"baseline.features": "mfcc", "baseline.classifier": "forest", "baseline.trees": 10}
CONDITIONS = (
    Condition("both", "pitch after loudness", {"train.transfer": "frozen"}, task="pitch", starts_from="soft"),
    Condition("high", "pitch from scratch", task="pitch"),
    Condition("forest", "pitch by a forest", FOREST, command="baseline", task="pitch"),
    Condition("soft", "loudness from scratch", task="loudness"),
)


def plan_of(tasks: dict[str, ClipsConfig], *conditions: Condition, seeds: tuple[int, ...] = (0, 1)) -> Plan:
    return Plan(
        "conditions",
        "Both ways",
        conditions or CONDITIONS,
        seeds,
        MixConfig(),
        TRAIN,
        tasks=tasks,
        windows=WINDOWS,
    )


@pytest.fixture(scope="module")
def studied(tasks: dict[str, ClipsConfig], tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    folder = StudyFolder(tmp_path_factory.mktemp("study") / "out")
    result = run_study(folder, plan_of(tasks), parallel=2, launcher=Unparallel())
    assert result.unfinished == ()
    return folder


class Unparallel(HereLauncher):
    """One trial at a time, as they share what they print to; fails where it is told to."""

    def __init__(self, *, fail: str = "") -> None:
        import threading

        self.fail, self.guard = fail, threading.Lock()
        self.asked: list[str] = []

    def run(self, folder: StudyFolder, trial: Trial, *, resume: bool) -> str:
        with self.guard:
            self.asked.append(trial.name)
            if trial.name == self.fail:
                return "the disk is full"
            return super().run(folder, trial, resume=resume)


def test_a_run_starts_from_the_run_of_its_seed(studied: StudyFolder) -> None:
    for seed in (0, 1):
        run, source = (Run.open(studied.run_path(f"{name}-seed{seed}")) for name in ("both", "soft"))
        assert run.config["train"]["pretrained"] == str(source.path.absolute())
        assert run.card["pretrained_file"]["sha256"] == source.card["sha256"]
        frozen = [entry for entry in run.card["moved"].values() if not entry["trainable"]]
        assert frozen
        assert all(entry["weights"] == 0 for entry in frozen)


def test_each_task_has_its_own_classes_and_differences(studied: StudyFolder) -> None:
    results = load_results(studied, n_resamples=50)
    assert results.problems == ()
    assert results.tasks == ("pitch", "loudness")
    assert results.labels == ()
    pitch, loudness = results.by_task()
    assert pitch.labels == ("high", "low", "middle")
    assert loudness.labels == ("loud", "soft")
    assert [c.condition.name for c in pitch.conditions] == ["both", "high", "forest"]
    assert all(pitch.paired(pitch.conditions[0], c) for c in pitch.conditions)
    high = pitch.condition("high")
    assert high is not None
    assert high.test.of("accuracy").n_seeds == 2
    assert high.test.of("accuracy").over == "groups"
    assert np.isfinite(high.test.of("recall", 0).value)
    assert high.test.of("micro_precision").songs is not None


def test_the_report_says_what_stands_where(studied: StudyFolder) -> None:
    report, _ = write_study_report(studied, n_resamples=50)
    text = (studied.path / "report.md").read_text()
    assert report.lead.header[:3] == ("condition", "task", "seeds")
    assert "task pitch: 36 clips of folder in 3 classes" in text
    assert "95 % over groups" in text
    assert "songs" not in text.split("table.csv")[0]
    assert "catalog" not in text
    rows = (studied.path / "differences.csv").read_text().splitlines()
    assert {row.split(",")[1] for row in rows[1:]} == {"high", "forest"}  # nothing against the other task
    header, *table = (studied.path / "table.csv").read_text().splitlines()
    assert header.startswith("condition,label,task,metric,class")
    assert any(row.startswith("soft,loudness from scratch,loudness,f1,loud,") for row in table)
    assert not any(row.startswith("soft,") and ",high," in row for row in table)


def test_ours_stand_beside_the_papers_own(studied: StudyFolder) -> None:
    results = load_results(studied, n_resamples=0)
    table = paper_table(
        results,
        "accuracy",
        ("network", "pitch", "middle alone"),
        [
            ("scratch", Beside("high", "accuracy", 61.25), Beside("high", "recall", label="middle")),
            ("never trained", Beside("nobody", "accuracy", 50.0), "text"),
        ],
        source="Table 2 (GTZAN)",
        scale=100,
        digits=1,
    )
    assert table.header == ("network", "pitch", "pitch (paper)", "middle alone", "middle alone (paper)")
    assert "Table 2 (GTZAN), measured on other data" in table.title
    own = 100 * results.conditions[1].test.of("accuracy").value
    assert table.rows[0][1].startswith(f"{own:.1f}")
    assert table.rows[0][2] == "61.2"
    assert table.rows[0][4] == "-"
    assert table.rows[1] == ("never trained", "-", "50.0", "text", "")


def test_what_is_there_is_kept_also_when_the_folder_moves(
    studied: StudyFolder, tasks: dict[str, ClipsConfig], tmp_path: Path
) -> None:
    moved = StudyFolder(tmp_path / "moved")
    shutil.copytree(studied.path, moved.path)
    launcher = Unparallel()
    assert run_study(moved, plan_of(tasks), launcher=launcher).unfinished == ()
    assert launcher.asked == []


def test_weights_that_changed_since_are_noticed(
    studied: StudyFolder, tasks: dict[str, ClipsConfig], tmp_path: Path
) -> None:
    moved = StudyFolder(tmp_path / "moved")
    shutil.copytree(studied.path, moved.path)
    shutil.rmtree(moved.run_path("soft-seed0"))
    shutil.copytree(moved.run_path("soft-seed1"), moved.run_path("soft-seed0"))
    config = moved.run_path("soft-seed0") / "config.yaml"
    settings = yaml.safe_load(config.read_text())
    settings["train"]["seed"] = 0
    config.write_text(yaml.safe_dump(settings))
    with raises(ConfigError, code="settings-changed", mentions=("both-seed0", "other weights", "soft-seed0")):
        run_study(moved, plan_of(tasks), launcher=Unparallel())


def test_features_of_weights_that_changed_since_are_noticed(
    studied: StudyFolder, tasks: dict[str, ClipsConfig], tmp_path: Path
) -> None:
    features = Condition(
        "features",
        "features",
        {"baseline.features": "embeddings", "baseline.classifier": "softmax", "baseline.steps": 2},
        command="baseline",
        task="pitch",
        starts_from="soft",
    )
    plan = plan_of(tasks, CONDITIONS[-1], features, seeds=(0,))
    moved = StudyFolder(tmp_path / "moved")
    shutil.copytree(studied.path, moved.path)
    assert run_study(moved, plan, launcher=Unparallel()).unfinished == ()
    source = Run.open(moved.run_path("soft-seed0"))
    info = Run.open(moved.run_path("features-seed0")).info
    assert info["weights_sha256"] == source.card["sha256"]
    assert 0 < info["parameters"] < source.info["parameters"]  # those of the head are not its
    source.update_card(sha256="0" * 64)
    with raises(
        ConfigError, code="settings-changed", mentions=("features-seed0", "other weights", "soft-seed0")
    ):
        run_study(moved, plan, launcher=Unparallel())


def test_other_clips_are_noticed(studied: StudyFolder, trees: Path, tmp_path: Path) -> None:
    shutil.copytree(trees, tmp_path / "trees")
    (tmp_path / "trees" / "pitch" / "low" / "low 0" / "take 0.wav").unlink()
    tasks = {name: ClipsConfig("folder", str(tmp_path / "trees" / name)) for name in ("pitch", "loudness")}
    with raises(ConfigError, code="settings-changed", mentions=("clips", "instead of")):
        run_study(studied, plan_of(tasks), launcher=Unparallel())


def test_what_starts_from_a_failed_run_is_not_started_and_says_why(
    tasks: dict[str, ClipsConfig], tmp_path: Path
) -> None:
    launcher, folder = Unparallel(fail="soft-seed0"), StudyFolder(tmp_path / "out")
    result = run_study(folder, plan_of(tasks, CONDITIONS[0], CONDITIONS[3], seeds=(0,)), launcher=launcher)
    assert launcher.asked == ["soft-seed0"]
    states = {state.name: state for state in result.unfinished}
    assert states["soft-seed0"].error == "the disk is full"
    assert states["both-seed0"].status == "failed"
    assert "not started, as soft-seed0" in states["both-seed0"].error
    launcher.fail = ""
    again = run_study(folder, plan_of(tasks, CONDITIONS[0], CONDITIONS[3], seeds=(0,)), launcher=launcher)
    assert again.unfinished == ()
    assert launcher.asked[1:] == ["soft-seed0", "both-seed0"]


def test_progress_is_counted_in_clips(studied: StudyFolder) -> None:
    states = {state.name: state for state in studied.states()}
    assert (states["high-seed0"].kind, states["high-seed0"].items) == ("train-clips", 24)
    assert states["high-seed0"].epochs == TRAIN.epochs
    assert states["high-seed0"].epoch_s is not None
    assert (states["forest-seed0"].kind, states["forest-seed0"].epochs) == ("baseline-clips", 0)


@pytest.mark.parametrize(
    ("condition", "mentions"),
    [
        (Condition("a", "A", task="pich"), ("'pich'", "pitch, loudness")),
        (Condition("a", "A", command="train-clips"), ("'a'", "needs a task")),
        (Condition("a", "A", command="tran"), ("'tran'", "baseline-clips")),
        (Condition("a", "A", task="pitch", splits="artist"), ("clips.splits",)),
        (Condition("a", "A", task="pitch", threshold="best"), ("'best'", "common")),
        (Condition("a", "A", task="pitch", starts_from="b"), ("starts from 'b'",)),
        (Condition("a", "A", task="pitch", starts_from="a"), ("a starts from a", "circle")),
    ],
)
def test_what_a_condition_cannot_be_is_said(
    condition: Condition, mentions: tuple[str, ...], tasks: dict[str, ClipsConfig]
) -> None:
    with raises(ConfigError, code="invalid-study", mentions=mentions):
        plan_of(tasks, condition)


@pytest.mark.parametrize(
    ("overrides", "mentions"),
    [
        ({"clips.largst": 2}, ("clips.largest", "train-clips")),
        ({"mix.p_musical": 1.0}, ("'mix.p_musical'",)),
        ({"windows.duration_s": -1}, ("windows.duration_s",)),
    ],
)
def test_settings_of_clips_are_checked_before_anything_starts(
    overrides: dict[str, object], mentions: tuple[str, ...], tasks: dict[str, ClipsConfig]
) -> None:
    with raises(ConfigError, code="invalid-study", mentions=mentions):
        plan_of(tasks, Condition("a", "A", overrides, task="pitch")).trials()


def test_clips_out_of_reach_are_named_before_anything_starts(
    tasks: dict[str, ClipsConfig], tmp_path: Path
) -> None:
    lost = {**tasks, "loudness": ClipsConfig("folder", str(tmp_path / "nowhere"))}
    with pytest.raises(ConfigError, match=r"Task 'loudness'.*nowhere"):
        run_study(StudyFolder(tmp_path / "out"), plan_of(lost), launcher=Unparallel())
    assert not (tmp_path / "out" / "runs").exists()


def test_different_classes_need_tasks_of_their_own(tasks: dict[str, ClipsConfig], tmp_path: Path) -> None:
    two = Condition("two", "two", {"clips.classes": ["high", "low"]}, task="pitch")
    with raises(ConfigError, code="invalid-study", mentions=("'pitch'", "'two'", "middle")):
        run_study(StudyFolder(tmp_path / "out"), plan_of(tasks, CONDITIONS[1], two), launcher=Unparallel())


def test_one_precision_is_chosen_for_all(tasks: dict[str, ClipsConfig], tmp_path: Path) -> None:
    plan = plan_of(tasks, CONDITIONS[1])
    auto = replace(plan, train=replace(plan.train, precision="auto"))
    assert with_precision(StudyFolder(tmp_path), auto, StudyData()).train.precision in ("fp32", "bf16")
    alone = replace(auto, conditions=(CONDITIONS[2],))
    assert with_precision(StudyFolder(tmp_path), alone, StudyData()) == alone


def test_roots_are_given_by_task_or_corpus() -> None:
    tasks = {"a": ClipsConfig("gtzan"), "b": ClipsConfig("vctk", "old")}
    moved, rest = move_roots(tasks, {"a": Path("x"), "vctk": Path("y"), "slakh": Path("z")})
    assert {name: config.root for name, config in moved.items()} == {"a": "x", "b": "y"}
    assert rest == {"slakh": Path("z")}


def test_the_command_takes_tasks_and_a_list_of_conditions(
    trees: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    listed = [
        {"name": "a", "label": "A", "task": "pitch"},
        {
            "name": "b",
            "label": "B",
            "task": "pitch",
            "starts_from": "a",
            "overrides": {"train.transfer": "frozen"},
        },
    ]
    Path("own.yaml").write_text(yaml.safe_dump({"title": "Own", "conditions": listed}))
    config = {"tasks": {"pitch": {"corpus": "folder"}}, "windows": plain(WINDOWS), "train": plain(TRAIN)}
    Path("config.yaml").write_text(yaml.safe_dump(config))
    command = [
        "study",
        "own.yaml",
        "--config",
        "config.yaml",
        "--seeds",
        "0",
        "--data",
        "clips",
        "--parallel",
        "0",
    ]
    command += ["--root", f"pitch={trees / 'pitch'}", "--resamples", "0"]
    assert main([*command, "--dry-run"]) == 0
    assert "b-seed0" in capsys.readouterr().out
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "2 runs: 2 conditions x 1 seeds" in said
    assert "'B' minus 'A', macro AP" in said
    stored = json.loads(Path("studies/own/study.json").read_text())
    assert stored["catalog"]["tasks"][0]["name"] == "pitch"
    assert main(["sweep", "--watch", "studies/own"]) == 0
    assert "2 done" in capsys.readouterr().out
    assert main(["sweep", "--report", "studies/own"]) == 0
    also = ["--also", "earlier=studies/own/runs/a-seed0", "--out", "again", "--dry-run"]
    assert main([*command, *also]) == 0


def test_runs_made_elsewhere_are_paired(
    studied: StudyFolder, tasks: dict[str, ClipsConfig], tmp_path: Path
) -> None:
    elsewhere = Condition("also1", "earlier", runs=(str(studied.run_path("high-seed1")),), task="pitch")
    folder = StudyFolder(tmp_path / "out")
    run_study(folder, plan_of(tasks, CONDITIONS[1], elsewhere, seeds=(0,)), launcher=Unparallel())
    results = load_results(folder, n_resamples=20)
    assert results.paired(*results.done)
    report, markdown = build_report(folder, results)
    assert "'earlier' minus 'pitch from scratch', macro AP" in markdown
    assert report.references[0].condition.name == "high"


def test_the_study_of_the_page_runs_as_it_says(
    trees: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write_page_files("studies.md", tmp_path))
    monkeypatch.setattr(sys, "path", [*sys.path])
    Path("quick.yaml").write_text(yaml.safe_dump({"windows": plain(WINDOWS), "train": plain(TRAIN)}))
    roots = json.dumps({name: {"root": str(trees / name)} for name in ("pitch", "loudness")})
    command = ["study", "both_ways:BothWays", "--config", "quick.yaml", "--seeds", "0", "--tasks", roots]
    try:
        assert (
            main([*command, "--settings.transfer", "finetune", "--parallel", "0", "--resamples", "20"]) == 0
        )
        said = capsys.readouterr().out
        assert "accuracy (paper)" in said
        assert "'pitch after loudness' minus 'pitch from scratch', macro AP" in said
        assert Run.open("studies/both_ways/runs/after-seed0").config["train"]["transfer"] == "finetune"
        assert main([*command, "--settings.tranfer", "frozen"]) == 2
        assert "did you mean 'transfer'?" in capsys.readouterr().err
        assert main([*command[:-2], "--tasks", '{"pitch": {"root": "x"}}']) == 2
        assert "tasks.loudness.corpus" in capsys.readouterr().err
        assert main([*command, "--data", "mixes"]) == 2
        assert "--data mixes" in capsys.readouterr().err
    finally:
        sys.modules.pop("both_ways", None)
