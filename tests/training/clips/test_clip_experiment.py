"""Training on clips: what is learned, what is scored, and that a stop changes nothing."""

import json
import math
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mixlab.audio.io import write_wav
from mixlab.cli.main import main
from mixlab.corpora.clips import ClipsConfig, open_clips
from mixlab.errors import CatalogMismatchError, ConfigError, RunError
from mixlab.models import in_channels
from mixlab.training import TrainConfig, World, evaluate_run, load_model
from mixlab.training.clips import WindowConfig, evaluate_clip_run, load_windows, train_on_clips
from mixlab.training.config import from_plain
from mixlab.training.provenance import DEMO_NOTE
from mixlab.training.run import Run
from mixlab.utils.yaml import load_yaml
from tests.conftest import REPO
from tests.errors import raises
from tests.training.clips.tone_clips import CONFIG, RATE, TONES, make_tones, tone

WINDOWS = WindowConfig(0.5)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tones(tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="module")
def clips(root: Path) -> ClipsConfig:
    return ClipsConfig("folder", str(root))


@pytest.fixture(scope="module")
def trained(clips: ClipsConfig, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run, scores = train_on_clips(clips, tmp_path_factory.mktemp("runs") / "run", WINDOWS, CONFIG)
    assert scores is not None
    return run


def test_a_separable_task_is_learned(trained: Run) -> None:
    scores = trained.report().test.scores
    assert scores["accuracy"].value == 1.0
    assert scores["average_precision"].value == 1.0


def test_a_run_on_clips_holds_everything(trained: Run, clips: ClipsConfig) -> None:
    info, card, found = trained.info, trained.card, open_clips(clips)
    assert (info["command"], info["status"], info["single_label"]) == ("train-clips", "evaluated", True)
    assert info["catalog"] == {"path": clips.root, "content_hash": found.content_hash}
    assert info["clips"]["splits"]["train"]["clips"] == len(found.only("train"))
    assert card["labels"]["outputs"] == sorted(TONES)
    assert card["labels"]["parents"] == [None] * 3
    assert card["input"] == {"sample_rate": RATE, "duration_s": 0.5, "channels": 1}
    assert (card["loss"], card["windows"]["aggregation"]) == ("softmax", "s1")
    assert len(trained.metrics()) == 10
    text = (trained.path / "report.md").read_text()
    for said in ("windows of 0.50 s, 50% overlap", "mean of its windows (s1)", "silence", "(6 groups)"):
        assert said in text or said == "(6 groups)", said
    predictions = trained.predictions()
    for split in ("validation", "test"):
        part = predictions.only(split)
        assert set(part.group) == {clip.group for clip in found.only(split).clips}
    assert json.loads(predictions.recipes[0])["corpus"] == "folder"


def test_scores_of_a_softmax_sum_to_one(trained: Run) -> None:
    np.testing.assert_allclose(trained.predictions().scores.sum(axis=1), 1.0, rtol=1e-5)


def test_the_validation_loss_is_what_a_training_minimises(trained: Run, clips: ClipsConfig) -> None:
    """Of windows: the loop scores these, and whole clips only the report."""
    validation = open_clips(clips).only("validation")
    windows = [load_windows(clip, RATE, 1, WINDOWS) for clip in validation.clips]
    best = min(trained.metrics(), key=lambda row: row["validation_loss"])
    assert best["epoch"] == trained.card["trained"]["epoch"]
    with torch.inference_mode():
        logits = load_model(trained)(torch.from_numpy(np.concatenate(windows)))
    wanted = torch.from_numpy(validation.targets.repeat(len(windows[0]), axis=0)).argmax(dim=1)
    expected = torch.nn.functional.cross_entropy(logits, wanted)
    np.testing.assert_allclose(best["validation_loss"], expected.item(), rtol=1e-3)


def test_no_group_is_on_two_sides(clips: ClipsConfig) -> None:
    found = open_clips(clips)
    groups = [{clip.group for clip in found.only(s).clips} for s in ("train", "validation", "test")]
    assert sum(map(len, groups)) == len(set().union(*groups)) == 18


@pytest.mark.parametrize("aggregation", ["s1", "s2"])
def test_a_clip_scores_its_windows_by_hand(clips: ClipsConfig, aggregation: Any, tmp_path: Path) -> None:
    """s1 is their mean, s2 their sum over its largest class (Han et al. 2016, section III-D)."""
    windows = replace(WINDOWS, aggregation=aggregation, overlap=0.75)
    run, scores = train_on_clips(clips, tmp_path / "run", windows, replace(CONFIG, loss="bce", epochs=1))
    assert scores is not None
    model, test = load_model(run), open_clips(clips).only("test")
    stored = run.predictions().only("test")
    assert len(stored) == len(test)
    for row in (0, len(test) - 1):
        audio = load_windows(test.clips[row], RATE, 1, windows)
        assert len(audio) == 5
        with torch.inference_mode():
            of_windows = torch.sigmoid(model(torch.from_numpy(audio))).numpy()
        total = of_windows.sum(axis=0)
        expected = total / 5 if aggregation == "s1" else total / total.max()
        np.testing.assert_allclose(stored.scores[row], expected, atol=1e-5)
        np.testing.assert_array_equal(stored.targets[row], test.targets[row])


def test_resume_gives_what_an_unbroken_training_gives(
    clips: ClipsConfig, trained: Run, tmp_path: Path
) -> None:
    def interrupt(line: str) -> None:
        if line.startswith("epoch  1/"):
            os.kill(os.getpid(), signal.SIGINT)

    run, scores = train_on_clips(clips, tmp_path / "run", WINDOWS, CONFIG, report=interrupt)
    assert scores is None
    assert run.info["status"] == "interrupted"
    for windows, config, mentions in (
        (WINDOWS, replace(CONFIG, lr_head=0.5), ("train.lr_head", "0.5")),
        (replace(WINDOWS, training="all"), CONFIG, ("windows.training", "all")),
    ):
        with raises(ConfigError, code="settings-changed", mentions=mentions):
            train_on_clips(clips, run.path, windows, config, resume=True)
    run, scores = train_on_clips(clips, run.path, WINDOWS, CONFIG, resume=True)
    assert scores is not None
    expected, found = trained.read_model()[0], run.read_model()[0]
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
    np.testing.assert_array_equal(run.predictions().scores, trained.predictions().scores)


def test_a_cosine_is_not_stretched_when_a_run_goes_on(clips: ClipsConfig, tmp_path: Path) -> None:
    config = replace(CONFIG, schedule="cosine", warmup_epochs=1, epochs=2)
    run, _ = train_on_clips(clips, tmp_path / "run", WINDOWS, config)
    np.testing.assert_allclose([row["lr_head"] for row in run.metrics()], [0.01, 0.01])
    with raises(ConfigError, code="settings-changed", mentions="train.epochs"):
        train_on_clips(clips, run.path, WINDOWS, replace(config, epochs=3), resume=True)


def test_clips_that_cannot_be_read_are_named_and_never_fatal(root: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(root, tmp_path / "tones"))
    config = ClipsConfig("folder", str(broken))
    found = open_clips(config)
    bad = {split: found.only(split).clips[0] for split in ("train", "validation", "test")}
    for clip in bad.values():
        clip.path.write_bytes(b"no audio")
    lines: list[str] = []
    run, scores = train_on_clips(
        config, tmp_path / "run", WINDOWS, replace(CONFIG, epochs=1), report=lines.append
    )
    assert scores is not None
    assert {split: list(problems) for split, problems in run.info["unreadable_clips"].items()} == {
        split: [clip.key] for split, clip in bad.items()
    }
    assert scores.unreadable_tracks == {"validation": 1, "test": 1}
    assert scores.test.n_items == len(found.only("test")) - 1
    text = (run.path / "report.md").read_text()
    for clip in bad.values():
        assert str(clip.path) in text
        assert any(str(clip.path) in line for line in lines), "said at the end"


def test_a_part_without_any_readable_clip_is_an_error(root: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(root, tmp_path / "tones"))
    config = ClipsConfig("folder", str(broken))
    for clip in open_clips(config).only("validation").clips:
        clip.path.write_bytes(b"no audio")
    with raises(ConfigError, code="unreadable-audio", mentions="validation"):
        train_on_clips(config, tmp_path / "run", WINDOWS, CONFIG)


def make_stereo(root: Path) -> Path:
    """Classes that only the sides tell apart: a tone on the left, or on the right."""
    for place, name in enumerate(("left", "right")):
        for group in range(6):
            pair = [np.zeros((1, RATE // 2), np.float32), tone(600, 0.5, seed=10 * place + group)]
            file = root / name / f"{name} {group}" / "take.wav"
            file.parent.mkdir(parents=True, exist_ok=True)
            write_wav(file, np.concatenate(pair if place else pair[::-1]), RATE)
    return root


class TwoEars(torch.nn.Module):
    """The level of each channel: a network of one's own that takes stereo."""

    in_channels = 2

    def __init__(self, n_classes: int, channels: int = 2) -> None:
        super().__init__()
        self.in_channels = channels
        self.scale = torch.nn.Parameter(torch.ones(1))
        self.head = torch.nn.Linear(channels, n_classes)

    def embed(self, audio: torch.Tensor) -> torch.Tensor:
        return self.scale * 10 * audio.square().mean(dim=2)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        return self.head(self.embed(audio))


def test_a_stereo_network_of_ones_own_hears_both_channels(tmp_path: Path) -> None:
    clips = ClipsConfig("folder", str(make_stereo(tmp_path / "sides")))
    model = replace(CONFIG.model, n_fft=512, hop=256, n_mels=0, width=0, f_max=8000.0)
    own = replace(model, architecture="tests.training.clips.test_clip_experiment:TwoEars")
    config = replace(CONFIG, model=own, epochs=20, lr_head=0.05, batch_size=4)
    run, scores = train_on_clips(clips, tmp_path / "run", replace(WINDOWS, duration_s=0.0), config)
    assert scores is not None
    assert scores.test.scores["accuracy"].value == 1.0
    assert in_channels(load_model(run)) == 2
    assert run.card["input"] == {"sample_rate": RATE, "duration_s": 0.5, "channels": 2}


def test_several_labels_take_thresholds_fitted_on_clips(tmp_path: Path) -> None:
    """A table whose clips have one class, two or none; a sigmoid for each."""
    root = make_tones(tmp_path / "tones", groups=4)
    rows = ["file,labels,group"]
    for name in TONES:
        for group in range(4):
            other = "|extra" if group % 2 else ""
            file = f"{name}/{name} {group}/take 0.wav"
            rows.append(f"{file},{'' if name == 'low' and group == 0 else name + other},{name} {group}")
    (root / "clips.csv").write_text("\n".join(rows) + "\n")
    clips = ClipsConfig("csv", str(root), validation_fraction=0.25, test_fraction=0.25)
    config = replace(CONFIG, epochs=1, batch_size=4)
    with raises(ConfigError, code="conflicting-settings", mentions=("train.loss=bce",)):
        train_on_clips(clips, tmp_path / "none", WINDOWS, config)
    assert not (tmp_path / "none").exists()
    bce = replace(config, loss="bce", class_weights="balanced")
    run, scores = train_on_clips(clips, tmp_path / "run", WINDOWS, bce)
    assert scores is not None
    assert not run.single_label
    assert set(run.card["thresholds"]) == {"extra", *TONES}


def test_validation_that_memory_does_not_hold_is_read_every_epoch(
    clips: ClipsConfig, trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mixlab.training.clips.experiment.MEMORY_LIMIT", 100_000)
    run, _ = train_on_clips(clips, tmp_path / "run", WINDOWS, replace(CONFIG, epochs=2, patience=0))
    losses = [row["validation_loss"] for row in run.metrics()]
    assert losses == [row["validation_loss"] for row in trained.metrics()][:2]


def test_windows_too_short_for_the_network_leave_no_run(clips: ClipsConfig, tmp_path: Path) -> None:
    with raises(ConfigError, code="audio-too-short", mentions="windows.duration_s"):
        train_on_clips(clips, tmp_path / "run", WindowConfig(0.01), CONFIG)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("processes", "batch_size"), [(4, 6), (100, 200)])
def test_what_processes_cannot_share_leaves_no_run(
    clips: ClipsConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int, batch_size: int
) -> None:
    monkeypatch.setattr(World, "from_environment", lambda: World(0, processes, processes))
    with raises(ConfigError, code="conflicting-settings", mentions=str(processes)):
        train_on_clips(clips, tmp_path / "run", WINDOWS, replace(CONFIG, batch_size=batch_size))
    assert not (tmp_path / "run").exists()


def test_demo_clips_are_called_so(root: Path, tmp_path: Path) -> None:
    """Their record lies beside the tree; one of another tree says nothing of this one."""
    shutil.copytree(root, tmp_path / "tones")
    (tmp_path / "demo-other.json").write_text("{}")
    clips, config = ClipsConfig("folder", str(tmp_path / "tones")), replace(CONFIG, epochs=1)
    plain, _ = train_on_clips(clips, tmp_path / "plain", WINDOWS, config)
    (tmp_path / "demo-tones.json").write_text("{}")
    demo, scores = train_on_clips(clips, tmp_path / "demo", WINDOWS, config)
    assert scores is not None
    assert (plain.info["note"], demo.info["note"]) == ("", DEMO_NOTE)
    assert scores.note == DEMO_NOTE


def test_all_windows_are_an_epoch(clips: ClipsConfig, tmp_path: Path) -> None:
    windows, config = replace(WINDOWS, training="all"), replace(CONFIG, epochs=1, batch_size=4)
    run, _ = train_on_clips(clips, tmp_path / "run", windows, config)
    n_clips = run.info["clips"]["splits"]["train"]["clips"]
    assert run.metrics()[-1]["step"] == 2 * n_clips // 4


def test_what_has_no_meaning_on_clips_is_refused(clips: ClipsConfig, tmp_path: Path) -> None:
    for windows, changed, mentions in (
        (WINDOWS, {"loss": "mcm"}, "train.loss=mcm"),
        (WINDOWS, {"transfer": "random_frozen", "cached_items": 64}, "train.cached_items=64"),
        (WINDOWS, {"distinct_items": 64}, "train.distinct_items=64"),
        (replace(WINDOWS, aggregation="s2"), {}, "windows.aggregation=s2"),
    ):
        with raises(ConfigError, code="conflicting-settings", mentions=mentions):
            train_on_clips(clips, tmp_path / "run", windows, replace(CONFIG, **changed))
    assert not (tmp_path / "run").exists()


def test_a_random_backbone_can_be_frozen(clips: ClipsConfig, tmp_path: Path) -> None:
    config: TrainConfig = replace(CONFIG, transfer="random_frozen", epochs=2)
    run, scores = train_on_clips(clips, tmp_path / "run", WINDOWS, config)
    assert scores is not None
    moved = run.card["moved"]
    assert moved["layer1"]["weights"] == 0.0
    assert moved["dense2"]["weights"] > 0.0
    assert math.isfinite(scores.test.scores["accuracy"].value)


def test_only_the_last_layer_is_trained_on_another_task(
    trained: Run, clips: ClipsConfig, tmp_path: Path
) -> None:
    """As in the paper on genre and speaker, section 3: the last layer is replaced, all others stay."""
    config = replace(CONFIG, transfer="last", pretrained=str(trained.path), epochs=2)
    run, scores = train_on_clips(replace(clips, classes=["low", "high"]), tmp_path / "run", WINDOWS, config)
    assert scores is not None
    state, start = run.read_model()[0], trained.read_model()[0]
    assert state["dense2.weight"].shape[0] == 2
    for name, values in start.items():
        if not name.startswith("dense2."):
            np.testing.assert_array_equal(state[name], values)
    assert run.card["pretrained_file"]["trained_on"] == "clips of folder, class"
    said = "chosen or divided otherwise: clips that are scored here may be among them"
    assert said in (run.path / "report.md").read_text()
    assert said not in (trained.path / "report.md").read_text()
    assert scores.test.scores["accuracy"].value == 1.0


def test_clips_that_moved_are_named_and_others_refused(trained: Run, root: Path, tmp_path: Path) -> None:
    run = Run.open(shutil.copytree(trained.path, tmp_path / "run"))
    moved = shutil.copytree(root, tmp_path / "moved")
    found = evaluate_clip_run(run, root=moved)
    assert repr(found) == repr(trained.report())
    next(moved.rglob("*.wav")).unlink()
    with raises(CatalogMismatchError, code="catalog-mismatch", mentions="folder=FOLDER"):
        evaluate_clip_run(run, root=moved)
    with raises(CatalogMismatchError, code="catalog-mismatch", mentions="folder=FOLDER"):
        evaluate_clip_run(run, open_clips(ClipsConfig("folder", str(root), split_seed=1)))
    with raises(RunError, code="wrong-run-kind", mentions="mixlab train-clips"):
        evaluate_run(run)


ARGUMENTS = [
    *("--train.model.sample_rate=8000", "--train.model.f_max=4000", "--train.model.n_fft=256"),
    *("--train.model.hop=128", "--train.model.n_mels=16", "--train.model.width=8"),
    *("--train.loss=softmax", "--train.epochs=1", "--train.batch_size=6", "--train.precision=fp32"),
    *("--train.accelerator=cpu", "--train.tensorboard=false", "--train.bootstrap=2"),
    *("--windows.duration_s=0.5", "--windows.overlap=0"),
]


def test_the_command(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    classes = [option for name in ("low", "high") for option in ("--clips.classes", name)]
    given = ["train-clips", "--clips.root", str(root), *classes, "--out", str(out), *ARGUMENTS]
    assert main(given) == 0
    text = capsys.readouterr().out
    assert "folder, class, 2 classes: 16 train (8 groups)" in text
    assert f"--train.pretrained {out}" in text
    assert "accuracy" in text
    run = Run.open(out)
    before = run.report()
    assert main(["train-clips", "--config", str(out / "config.yaml"), "--resume"]) == 0
    (out / "report.json").unlink()
    assert main(["evaluate", str(out), "--root", f"folder={root}"]) == 0
    assert repr(run.report()) == repr(before)
    assert main(["evaluate", str(out), "--root", f"irmas={root}"]) == 2
    assert "--root folder=FOLDER" in capsys.readouterr().err
    assert main(["train-clips", "--out", str(tmp_path / "none")]) == 2
    assert "clips.root" in capsys.readouterr().err
    assert main(["train-clips", "--out", str(out), "--resume"]) == 2
    assert f"--config {out}/config.yaml" in capsys.readouterr().err


def test_ctrl_c_says_how_to_go_on(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second Ctrl-C does not wait: what was saved is there all the same."""
    step = torch.optim.Adam.step
    steps: list[int] = []

    def interrupted(self: torch.optim.Adam, *args: Any, **kwargs: Any) -> Any:
        steps.append(1)
        if len(steps) == 6:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.Adam, "step", interrupted)
    out = tmp_path / "run"
    given = ["train-clips", "--clips.root", str(root), "--out", str(out), *ARGUMENTS, "--train.epochs=3"]
    assert main(given) == 130
    text = capsys.readouterr().out
    assert f"mixlab train-clips --config {out}/config.yaml --resume=true" in text
    monkeypatch.undo()
    assert main([*given, "--resume=true"]) == 0
    straight = tmp_path / "straight"
    assert main([str(straight) if word == str(out) else word for word in given]) == 0
    expected, found = Run.open(straight).read_model()[0], Run.open(out).read_model()[0]
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


def test_the_papers_values_are_settings() -> None:
    """Predominant instruments, sections 4.2 to 4.4; genre and speaker, section 3."""
    file = load_yaml((REPO / "configs" / "clips.yaml").read_text(encoding="utf-8"))
    config, windows = from_plain(TrainConfig, file["train"]), from_plain(WindowConfig, file["windows"])
    assert from_plain(ClipsConfig, file["clips"]).validation_fraction == 0.15
    assert (config.batch_size, config.weight_decay, config.epochs) == (64, 0.0005, 300)
    assert (config.schedule, config.warmup_epochs, config.patience, config.monitor) == (
        "cosine",
        5,
        25,
        "loss",
    )
    assert config.learning_rates(5) == {"head": 0.0005, "backbone": 0.0005}
    assert config.learning_rates(0) == {"head": 0.0001, "backbone": 0.0001}
    assert (windows.duration_s, windows.overlap, windows.aggregation) == (1.0, 0.5, "s1")
    genre = WindowConfig(2.6779591836734695, count=19)
    assert round(genre.duration_s * 22050) == 59049
    TrainConfig(loss="softmax", optimizer="adadelta", lr_head=1.0, schedule="constant")
