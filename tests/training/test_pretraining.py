"""Pretraining on a tiny tree in MTG-Jamendo's layout: a run like any other, which training can start from."""

import math
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mixlab.catalog.catalog import Catalog
from mixlab.cli.main import main
from mixlab.corpora.clips.mtg_jamendo import JamendoConfig, open_jamendo
from mixlab.errors import CatalogMismatchError, ConfigError, RunError
from mixlab.inference.tagger import Tagger
from mixlab.mixing.config import MixConfig
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.models import ModelConfig
from mixlab.training import TrainConfig, World, evaluate_run, load_model, train
from mixlab.training.pretraining import chosen_tracks, evaluate_pretrained, pretrain
from mixlab.training.run import Run
from mixlab.training.transfer import new_model
from tests.errors import raises
from tests.tagged_trees import make_jamendo

RATE = 8000
MODEL = ModelConfig(sample_rate=RATE, f_max=4000, n_fft=256, hop=128, n_mels=16, width=4)
JAMENDO = JamendoConfig(duration_s=0.5, eval_excerpts=3)
CONFIG = TrainConfig(
    model=MODEL,
    epochs=2,
    epoch_size=16,
    batch_size=4,
    val_size=3,
    test_size=100,
    precision="fp32",
    accelerator="cpu",
    tensorboard=False,
    bootstrap=5,
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("jamendo")
    make_jamendo(folder)
    return folder


@pytest.fixture(scope="module")
def pretrained(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run, evaluation = pretrain(root, tmp_path_factory.mktemp("runs") / "run", JAMENDO, CONFIG)
    assert evaluation is not None
    return run


def test_a_pretrained_run_holds_everything(pretrained: Run, root: Path) -> None:
    info, card = pretrained.info, pretrained.card
    assert info["status"] == "evaluated"
    assert len(pretrained.metrics()) == 2
    assert len(card["labels"]["outputs"]) == 50
    assert card["input"] == {"sample_rate": RATE, "duration_s": 0.5, "channels": 1}
    assert set(card["thresholds"]) == set(card["labels"]["outputs"])
    report = pretrained.report()
    test = report.splits["test"]
    assert (test.n_items, test.n_groups) == (4, 4)
    assert report.splits["validation"].n_items == 3
    assert report.unreadable_tracks == {"validation": 0, "test": 0}
    defined = {k.name for k in test.classes if math.isfinite(k.scores["average_precision"].value)}
    assert defined == {"genre---rock", "instrument---piano", "instrument---violin"}
    assert "average_precision" in test.scores
    assert "4 tracks of 4 artists" in (pretrained.path / "report.md").read_text()
    corpus = open_jamendo(root, JAMENDO)
    groups = set(pretrained.predictions().only("test").group)
    assert groups == {track.artist for track in corpus.tracks["test"]}


def test_a_track_scores_the_mean_of_its_excerpts(pretrained: Run, root: Path) -> None:
    import torch

    from mixlab.training.tracks import TrackExcerpts

    corpus, model = open_jamendo(root, JAMENDO), load_model(pretrained)
    excerpts = TrackExcerpts(
        corpus.tracks["test"], corpus.labels.names, duration_s=0.5, sample_rate=RATE, count=3
    )
    stored = pretrained.predictions().only("test")
    for k in (0, 3):
        with torch.inference_mode():
            expected = torch.sigmoid(model(excerpts[k]["audio"])).mean(dim=0)
        np.testing.assert_allclose(stored.scores[k], expected, atol=1e-5)
        np.testing.assert_array_equal(stored.targets[k], excerpts[k]["target"])


def test_it_tags_files(pretrained: Run, root: Path) -> None:
    track = open_jamendo(root, JAMENDO).tracks["test"][0]
    assert track.audio is not None
    tags = Tagger.load(pretrained, device="cpu").tag(track.audio, hop_s=0.5)
    assert len(tags.labels) == 50


def test_training_starts_from_it(pretrained: Run, toy: Catalog, tmp_path: Path) -> None:
    """With the smallest rate the backbone stays what pretraining made of it."""
    mix = MixConfig(duration_s=0.5, sample_rate=RATE, max_sources=3, effects=EffectsConfig.none())
    config = replace(
        CONFIG,
        transfer="finetune",
        pretrained=str(pretrained.path),
        lr_backbone=1e-12,
        epochs=1,
        val_size=8,
        test_size=8,
    )
    run, _ = train(toy.path, tmp_path / "run", mix, config)
    before, after = pretrained.read_model()[0], run.read_model()[0]
    np.testing.assert_allclose(after["layer1.conv.weight"], before["layer1.conv.weight"], atol=1e-6)
    assert after["dense2.weight"].shape[0] == 15
    assert run.card["transfer"] == "finetune"
    start = run.card["pretrained_file"]
    assert start["trained_on"] == "MTG-Jamendo, jamendo50, split 0"
    assert "CC BY-NC-SA 4.0" in start["licence_data"]
    assert "MTG-Jamendo, jamendo50, split 0" in (run.path / "report.md").read_text()


def test_resume_gives_what_an_unbroken_training_gives(root: Path, pretrained: Run, tmp_path: Path) -> None:
    def interrupt(line: str) -> None:
        if line.startswith("epoch 1/"):
            os.kill(os.getpid(), signal.SIGINT)

    run, evaluation = pretrain(root, tmp_path / "run", JAMENDO, CONFIG, report=interrupt)
    assert evaluation is None
    assert run.info["status"] == "interrupted"
    changed = replace(CONFIG, lr_head=0.5)
    with raises(ConfigError, code="settings-changed", mentions=("train.lr_head", "0.01", "0.5")):
        pretrain(root, run.path, JAMENDO, changed, resume=True)
    run, evaluation = pretrain(root, run.path, JAMENDO, CONFIG, resume=True)
    assert evaluation is not None
    expected, found = pretrained.read_model()[0], run.read_model()[0]
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


def test_what_is_made_for_mixes_is_refused(root: Path, tmp_path: Path) -> None:
    for settings, mentions in (
        ({"loss": "mcm"}, "train.loss=mcm"),
        ({"class_weights": "balanced"}, "train.class_weights=balanced"),
        ({"transfer": "random_frozen"}, "train.transfer=random_frozen"),
    ):
        with raises(ConfigError, code="conflicting-settings", mentions=mentions):
            pretrain(root, tmp_path / "run", JAMENDO, replace(CONFIG, **settings))  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("processes", [3, 4])
def test_what_processes_cannot_share_leaves_no_run(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    monkeypatch.setattr(World, "from_environment", lambda: World(0, processes, processes))
    with raises(ConfigError, code="conflicting-settings", mentions="train.batch_size=4"):
        pretrain(root, tmp_path / "run", JAMENDO, CONFIG)
    with raises(ConfigError, code="conflicting-settings", mentions="train.val_size"):
        pretrain(root, tmp_path / "run", JAMENDO, replace(CONFIG, batch_size=24, val_size=2))
    assert not (tmp_path / "run").exists()


def test_scored_tracks_are_a_fixed_choice(root: Path) -> None:
    tracks = open_jamendo(root, JAMENDO).tracks["train"]
    assert chosen_tracks(tracks, 100, 0) == list(tracks)
    few = chosen_tracks(tracks, 3, 0)
    assert few == chosen_tracks(tracks, 3, 0)
    assert [t for t in tracks if t in few] == few
    assert len({tuple(t.track for t in chosen_tracks(tracks, 3, seed)) for seed in range(9)}) > 1


def test_the_command(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    model = ["sample_rate=8000", "f_max=4000", "n_fft=256", "hop=128", "n_mels=16", "width=4"]
    train_settings = ["epochs=1", "epoch_size=8", "batch_size=4", "bootstrap=2", "accelerator=cpu"]
    arguments = [f"--train.model.{setting}" for setting in model]
    arguments += [f"--train.{setting}" for setting in [*train_settings, "precision=fp32"]]
    arguments += ["--jamendo.duration_s=0.5", "--train.tensorboard=false"]
    assert main(["pretrain", "--root", str(root), "--out", str(out), *arguments]) == 0
    text = capsys.readouterr().out
    assert "6 train, 4 validation, 4 test tracks" in text
    assert f"--train.pretrained {out}" in text
    assert main(["pretrain", "--config", str(out / "config.yaml"), "--resume"]) == 0
    assert main(["pretrain"]) == 2
    assert "--root FOLDER" in capsys.readouterr().err


def test_the_command_scores_a_pretrained_run_again(
    pretrained: Run, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run.open(shutil.copytree(pretrained.path, tmp_path / "run"))
    (run.path / "report.json").unlink()
    (run.path / "predictions.parquet").unlink()
    assert main(["evaluate", str(run.path)]) == 0
    assert repr(run.report()) == repr(pretrained.report())
    np.testing.assert_array_equal(run.predictions().scores, pretrained.predictions().scores)
    text = capsys.readouterr().out
    assert "test: 4 tracks from 4 artists" in text
    assert f"--train.pretrained {run.path}" in text
    assert main(["evaluate", str(run.path), "--catalog", str(root)]) == 2
    assert "--root mtg_jamendo=FOLDER" in capsys.readouterr().err
    with raises(RunError, code="wrong-run-kind", mentions="mixlab pretrain"):
        evaluate_run(run)


def test_tracks_that_moved_are_named_and_others_refused(pretrained: Run, root: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(root, tmp_path / "moved")
    found = evaluate_pretrained(pretrained, root=moved)
    assert found.splits["test"].n_items == 4
    next((moved / "raw_30s" / "audio-low").rglob("*.mp3")).unlink()
    with raises(CatalogMismatchError, code="catalog-mismatch", mentions="mtg_jamendo=FOLDER"):
        evaluate_pretrained(pretrained, root=moved)


def test_the_report_says_what_was_trained_and_how_far_it_went(pretrained: Run) -> None:
    text = (pretrained.path / "report.md").read_text()
    assert "transfer: scratch, started from random weights" in text
    assert "relative change of each module's weights since the start: spec_bn " in text
    assert {"spec_bn", "layer1", "dense2"} <= set(pretrained.info["trainable_modules"])


def test_a_network_that_does_not_fit_a_run_is_told_what_it_needs(pretrained: Run, toy: Catalog) -> None:
    """Another rate or upper edge has tensors of the same sizes, so only the card can tell."""
    start = replace(CONFIG, transfer="frozen", pretrained=str(pretrained.path))
    for change, needed in (
        ({"sample_rate": 16000}, "train.model.sample_rate=8000"),
        ({"f_max": 3000.0}, "train.model.f_max=4000"),
        ({"architecture": "musicnn", "n_mels": 0, "width": 0}, "train.model.architecture=short_chunk_cnn"),
    ):
        config = replace(start, model=replace(MODEL, **change))  # type: ignore[arg-type]
        with raises(ConfigError, code="weights-mismatch", mentions=needed):
            new_model(config, 15, 8000)
    assert new_model(start, 15, 4000).config.hop == 128
