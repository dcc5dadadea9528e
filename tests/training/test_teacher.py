"""Distillation: what a teacher can say is learnt from it and from targets, the rest from targets alone."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mixlab.catalog.catalog import Catalog
from mixlab.cli.main import main
from mixlab.errors import ConfigError, WeightsError
from mixlab.mixing.config import MixConfig
from mixlab.models import ModelConfig, build_model
from mixlab.taxonomy import LabelSet, load_label_set
from mixlab.training import TrainConfig, train
from mixlab.training import teacher as teacher_module
from mixlab.training.config import TeacherConfig
from mixlab.training.distillation import Teacher, distillation_loss
from mixlab.training.losses import masked_bce_with_logits
from mixlab.training.run import Run
from mixlab.training.teacher import open_teacher
from tests.errors import raises
from tests.training.test_experiment import CONFIG, MIX, RATE, interrupting

LABELS = load_label_set("mixtures15")
MIX_16K = replace(MIX, sample_rate=16_000)
SMALL = replace(
    CONFIG,
    model=ModelConfig(n_fft=256, hop=256, n_mels=16, width=4),
    epoch_size=16,
    val_size=8,
    test_size=8,
    bootstrap=0,
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in the true format of jamendo_musicnn, with random values."""
    torch.manual_seed(3)
    file = tmp_path_factory.mktemp("weights") / "jamendo_musicnn.pth"
    torch.save(build_model(ModelConfig(architecture="musicnn"), 50).state_dict(), file)
    return file


def taught_by(weights: Path, **settings: float) -> TrainConfig:
    return replace(SMALL, teacher=TeacherConfig(str(weights), **settings))


class Loud(nn.Module):
    """Says how loud the mean of a window is, on a line of its own for each output."""

    def forward(self, audio: Tensor) -> Tensor:
        level = audio.mean(dim=(1, 2))
        return torch.stack([level, 2 * level, -level], dim=1)


def teacher(**changed: object) -> Teacher:
    """One that can say classes 0 and 2 of four: the first by its outputs 0 and 1, the other by output 2."""
    made = Teacher(Loud().eval(), (0, 2), ((0, 1), (2,)), 8, 1, False, 0.5, 1.0)
    for name, value in changed.items():
        setattr(made, name, value)
    return made


def gradient(loss: Tensor, logits: Tensor) -> Tensor:
    (found,) = torch.autograd.grad(loss, logits, allow_unused=True)
    return found


@pytest.fixture
def audio() -> Tensor:
    return torch.randn(3, 1, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def logits() -> Tensor:
    return torch.randn(3, 4, generator=torch.Generator().manual_seed(1)).requires_grad_()


def test_a_class_that_the_teacher_cannot_say_is_not_moved_by_it(audio: Tensor, logits: Tensor) -> None:
    found = gradient(teacher().loss(logits, audio), logits)
    assert (found[:, [1, 3]] == 0).all()
    assert (found[:, [0, 2]] != 0).all()


def test_unknown_cells_are_learnt_from_the_teacher_alone(audio: Tensor, logits: Tensor) -> None:
    targets, mask = torch.ones(3, 4), torch.ones(3, 4, dtype=torch.bool)
    mask[0, 0] = False
    mask[1] = False  # a mix without labels
    alone = gradient(teacher().loss(logits, audio), logits)
    both = gradient(masked_bce_with_logits(logits, targets, mask) + teacher().loss(logits, audio), logits)
    torch.testing.assert_close(both[~mask], alone[~mask])
    assert both[0, 0] != 0
    assert (both[1, [0, 2]] != 0).all()
    assert (both[mask] != alone[mask]).all()
    lies = torch.where(mask, targets, 1 - targets)
    again = gradient(masked_bce_with_logits(logits, lies, mask) + teacher().loss(logits, audio), logits)
    torch.testing.assert_close(again, both, rtol=0, atol=0)


def test_mixes_without_labels_are_used_for_what_the_teacher_says(audio: Tensor, logits: Tensor) -> None:
    nothing = torch.zeros(3, 4, dtype=torch.bool)
    whole = masked_bce_with_logits(logits, torch.zeros(3, 4), nothing) + teacher().loss(logits, audio)
    torch.testing.assert_close(whole, teacher().loss(logits, audio))
    assert whole > 0


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_a_student_that_says_the_same_stays_where_it_is(temperature: float) -> None:
    logits = torch.linspace(-3, 3, 12).reshape(3, 4).requires_grad_()
    found = gradient(distillation_loss(logits, torch.sigmoid(logits.detach()), temperature), logits)
    torch.testing.assert_close(found, torch.zeros(3, 4), atol=1e-6, rtol=0)


def test_a_high_temperature_compares_logits(logits: Tensor) -> None:
    """The gradient goes to a quarter of the difference of logits: its size does not fall with temperature."""
    wanted = torch.randn(3, 4, generator=torch.Generator().manual_seed(2))
    found = gradient(distillation_loss(logits, torch.sigmoid(wanted), 300.0), logits)
    torch.testing.assert_close(found, (logits - wanted).detach() / 4 / 12, atol=2e-4, rtol=1e-2)


def test_the_weight_is_a_factor(audio: Tensor, logits: Tensor) -> None:
    one, three = teacher(weight=1.0).loss(logits, audio), teacher(weight=3.0).loss(logits, audio)
    torch.testing.assert_close(three, 3 * one)


def test_a_class_gets_the_highest_of_the_teacher_s_outputs(audio: Tensor) -> None:
    found = teacher().probabilities(audio)
    level = audio.mean(dim=(1, 2))
    torch.testing.assert_close(found[:, 0], torch.sigmoid(torch.maximum(level, 2 * level)))
    torch.testing.assert_close(found[:, 1], torch.sigmoid(-level))
    assert not found.requires_grad


def test_longer_mixes_are_scored_by_windows_that_overlap(audio: Tensor) -> None:
    found = teacher(window=4).probabilities(audio)
    windows = [teacher(window=4).probabilities(audio[..., at : at + 4]) for at in (0, 2, 4)]
    torch.testing.assert_close(found, torch.stack(windows).mean(dim=0))
    assert not torch.allclose(found, teacher().probabilities(audio))


def test_level_and_channels_are_the_teacher_s_own(audio: Tensor) -> None:
    lifted = teacher(peak=True)
    torch.testing.assert_close(lifted.probabilities(audio), lifted.probabilities(0.1 * audio))
    assert not torch.allclose(teacher().probabilities(audio), teacher().probabilities(0.1 * audio))
    sides = torch.cat([audio, 0 * audio], dim=1)
    torch.testing.assert_close(teacher().probabilities(sides), teacher().probabilities(audio / 2))


def test_a_published_teacher_says_what_its_tags_say(weights: Path) -> None:
    before = torch.get_rng_state()
    found = open_teacher(taught_by(weights), MIX_16K, LABELS)
    assert torch.equal(torch.get_rng_state(), before)
    assert found is not None
    assert [LABELS.names[k] for k in range(len(LABELS)) if k not in found.classes] == [
        *("woodwind", "brass", "singer", "electric bass")
    ]
    tags = load_label_set("jamendo50").names
    said = dict(zip((LABELS.names[k] for k in found.classes), found.columns, strict=True))
    assert {tags[k] for k in said["key"]} >= {"instrument---piano", "instrument---keyboard"}
    audio = torch.randn(2, 1, 16_000, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        own = torch.sigmoid(found.model(audio / audio.abs().amax(dim=(1, 2), keepdim=True)))
    key = found.probabilities(audio)[:, found.classes.index(LABELS.names.index("key"))]
    torch.testing.assert_close(key, own[:, list(said["key"])].amax(dim=1))


@pytest.mark.parametrize(
    ("mix", "labels", "code", "mentions"),
    [
        (MIX, "mixtures15", "sample-rate-mismatch", ("8000", "16000")),
        (MIX_16K, "none", "conflicting-settings", "label set none"),
    ],
)
def test_mixes_that_the_teacher_cannot_score_are_refused(
    weights: Path, mix: MixConfig, labels: str, code: str, mentions: object
) -> None:
    known = LABELS if labels == "mixtures15" else LabelSet(labels, "", (LABELS.outputs[0],), "0" * 16)
    if labels == "none":
        brass = next(output for output in LABELS.outputs if output.name == "brass")
        known = replace(known, outputs=(brass,))
    with raises(ConfigError, code=code, mentions=mentions):
        open_teacher(taught_by(weights), mix, known)


@pytest.mark.parametrize(
    ("name", "value", "code", "mentions"),
    [
        ("min_samples", 8001, "audio-too-short", ("8001", "mix.duration_s")),
        ("in_channels", 2, "channels-mismatch", "mix.channels"),
    ],
)
def test_audio_that_the_teacher_does_not_take_is_refused(
    weights: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: int, code: str, mentions: object
) -> None:
    model = Loud()
    setattr(model, name, value)
    found = teacher_module._Found(model, LABELS.outputs[:3], 16_000, 16_000, peak=False)
    monkeypatch.setattr(teacher_module, "_find", lambda given: found)
    with raises(ConfigError, code=code, mentions=mentions):
        open_teacher(taught_by(weights), MIX_16K, LABELS)


@pytest.mark.parametrize(
    ("settings", "mentions"),
    [
        ({"loss": "mcm"}, "mcm"),
        ({"cached_items": 64, "transfer": "random_frozen"}, "train.cached_items"),
    ],
)
def test_settings_that_no_teacher_goes_with(
    weights: Path, settings: dict[str, object], mentions: str
) -> None:
    with raises(ConfigError, code="conflicting-settings", mentions=(mentions, "train.teacher.weights")):
        replace(taught_by(weights), **settings)


@pytest.mark.parametrize("settings", [{"weight": -1.0}, {"temperature": 0.0}, {"weight": float("inf")}])
def test_values_of_no_meaning(settings: dict[str, float]) -> None:
    with raises(ConfigError, code="invalid-setting", mentions=f"train.teacher.{next(iter(settings))}"):
        TeacherConfig("x", **settings)
    with raises(ConfigError, code="conflicting-settings", mentions="train.teacher.weights"):
        TeacherConfig(weight=0.7)


def test_weights_without_tags_teach_nothing(tmp_path: Path) -> None:
    file = tmp_path / "own.pth"
    torch.save({}, file)
    with raises(WeightsError, code="unknown-weights"):
        open_teacher(taught_by(file), MIX_16K, LABELS)


def states(*runs: Run) -> list[bytes]:
    return [(run.path / "model.safetensors").read_bytes() for run in runs]


def test_a_teacher_of_no_weight_changes_no_bit(toy: Catalog, weights: Path, tmp_path: Path) -> None:
    config = replace(SMALL, epochs=1)
    plain, _ = train(toy.path, tmp_path / "plain", MIX_16K, config)
    with_none, _ = train(
        toy.path, tmp_path / "none", MIX_16K, replace(taught_by(weights, weight=0.0), epochs=1)
    )
    one, other = states(plain, with_none)
    assert one == other
    np.testing.assert_array_equal(plain.predictions().scores, with_none.predictions().scores)
    assert "teacher" not in with_none.info


def test_a_taught_run_says_by_whom_and_goes_on_as_if_never_stopped(
    toy: Catalog, weights: Path, tmp_path: Path
) -> None:
    own = shutil.copy(weights, tmp_path / weights.name)
    config = replace(taught_by(own, weight=2.0), epochs=2)
    whole, _ = train(toy.path, tmp_path / "whole", MIX_16K, config)
    info, card = whole.info["teacher"], whole.card["teacher"]
    assert info == card
    assert info["weights"] == str(own)
    assert len(info["sha256"]) == 64
    assert len(info["classes"]) == 11
    assert "taught by" in (whole.path / "report.md").read_text()
    plain, _ = train(toy.path, tmp_path / "plain", MIX_16K, replace(SMALL, epochs=2))
    assert whole.metrics()[0]["train_loss"] > plain.metrics()[0]["train_loss"]
    assert states(whole) != states(plain)
    stopped, _ = train(toy.path, tmp_path / "stopped", MIX_16K, config, report=interrupting(1))
    assert stopped.info["status"] == "interrupted"
    train(toy.path, stopped.path, MIX_16K, config, resume=True)
    assert states(stopped) == states(whole)
    # No checkpoint and no model holds the teacher's weights.
    assert whole.info["parameters"] == plain.info["parameters"]
    torch.save(build_model(ModelConfig(architecture="musicnn"), 50).state_dict(), own)
    with raises(ConfigError, code="settings-changed", mentions="teacher"):
        train(toy.path, stopped.path, MIX_16K, replace(config, epochs=3), resume=True)
    lighter = replace(config, epochs=3, teacher=replace(config.teacher, weight=1.0))
    with raises(ConfigError, code="settings-changed", mentions="train.teacher.weight"):
        train(toy.path, stopped.path, MIX_16K, lighter, resume=True)


def test_a_run_teaches_another(toy: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, _ = train(toy.path, tmp_path / "first", MIX, replace(CONFIG, epochs=1, bootstrap=0))
    config = replace(CONFIG, teacher=TeacherConfig(str(first.path), weight=1.0))
    found = open_teacher(config, MIX, LABELS)
    assert found is not None
    assert found.classes == tuple(range(len(LABELS)))
    assert not found.peak
    settings = ["--mix.duration_s", "0.5", "--mix.sample_rate", str(RATE), "--train.epochs", "1"]
    settings += [f"--train.{name}={value}" for name, value in (
        ("model.sample_rate", RATE), ("model.f_max", 4000), ("model.n_fft", 256), ("model.hop", 128),
        ("model.n_mels", 16), ("model.width", 4), ("epoch_size", 16), ("batch_size", 8), ("val_size", 8),
        ("test_size", 8), ("precision", "fp32"), ("tensorboard", "false"), ("bootstrap", 0),
        ("teacher.weights", first.path), ("teacher.temperature", 2),
    )]  # fmt: skip
    assert main(["train", "--catalog", str(toy.path), "--out", str(tmp_path / "second"), *settings]) == 0
    assert "taught by" in capsys.readouterr().out
    second = json.loads((tmp_path / "second" / "run.json").read_text())["teacher"]
    assert (second["temperature"], second["weight"]) == (2, 0.5)
    assert second["sha256"] == first.card["sha256"]


@pytest.mark.parametrize("command", ["pretrain", "train-clips"])
def test_other_trainings_have_no_teacher(
    command: str, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = {"pretrain": "--root", "train-clips": "--clips.root"}[command]
    options = [where, str(tmp_path), "--out", str(tmp_path / "run"), "--train.teacher.weights", str(weights)]
    assert main([command, *options]) == 2
    assert "train.teacher.weights" in capsys.readouterr().err
