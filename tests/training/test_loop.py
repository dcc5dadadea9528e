"""Training: the mask masks, what is frozen stays, and a stopped training ends up where it would have."""

import math
import os
import signal
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

from mixlab.errors import ConfigError, RunError
from mixlab.models import ModelConfig, build_model
from mixlab.training import (
    TrainConfig,
    World,
    freeze_backbone,
    masked_bce_with_logits,
    measure_precision,
    parameter_groups,
    prepare_model,
    set_training_mode,
)
from mixlab.training.callbacks import StopRequest
from mixlab.training.config import from_plain
from mixlab.training.loop import FitResult, fit
from mixlab.training.losses import faster_precision, make_loss, scores_of, step_seed
from mixlab.training.optimizers import new_optimizer, new_schedule
from mixlab.training.run import Run
from tests.errors import raises

RATE, SAMPLES, CLASSES, BATCH = 8000, 2048, 3, 8
TINY = ModelConfig(sample_rate=RATE, f_max=4000, n_fft=256, hop=128, n_mels=16, width=4)
CONFIG = TrainConfig(
    model=TINY,
    epochs=2,
    epoch_size=4 * BATCH,
    batch_size=BATCH,
    lr_step_epochs=1,
    lr_factor=0.5,
    tensorboard=False,
)


def make_batch(seed: int, *, n: int = BATCH) -> dict[str, Tensor]:
    """Class c is a tone of 500 * (c + 1) Hz; about one target in five is unknown."""
    rng = np.random.default_rng(seed)
    target = (rng.random((n, CLASSES)) < 0.5).astype(np.float32)
    t = np.arange(SAMPLES) / RATE
    tones = np.sin(2 * np.pi * 500 * (np.arange(CLASSES)[:, None] + 1) * t)
    audio = (target @ tones + 0.1 * rng.standard_normal((n, SAMPLES)))[:, None]
    return {
        "audio": torch.from_numpy(audio.astype(np.float32)),
        "target": torch.from_numpy(target),
        "mask": torch.from_numpy(rng.random((n, CLASSES)) < 0.8),
    }


class ToneLoader:
    """What ``MixLoader`` is to training: one epoch per iteration, a length, and a position to save."""

    def __init__(self, n_batches: int = 4) -> None:
        self.n_batches, self.epoch, self.next_batch = n_batches, 0, 0
        self.served: list[int] = []

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        epoch, batch = self.epoch, self.next_batch
        while batch < self.n_batches:
            seed = 1000 * epoch + batch
            batch += 1
            self.epoch, self.next_batch = (epoch + 1, 0) if batch == self.n_batches else (epoch, batch)
            self.served.append(seed)
            yield make_batch(seed)

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "next_batch": self.next_batch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epoch, self.next_batch = state["epoch"], state["next_batch"]


class StopAfter(StopRequest):
    """A request that is made once the loader has served so many batches."""

    def __init__(self, loader: ToneLoader, batches: int) -> None:
        self.loader, self.batches = loader, batches

    @property
    def requested(self) -> bool:  # type: ignore[override]
        return len(self.loader.served) >= self.batches


VALIDATION = [make_batch(10**6 + i) for i in range(2)]


def new_run(path: Path) -> Run:
    return Run.create(path, {"train": CONFIG}, {})


def train(
    run: Run, config: TrainConfig = CONFIG, *, stop_after: int = 10**9, **options: Any
) -> tuple[FitResult, nn.Module, ToneLoader]:
    torch.manual_seed(config.seed)
    model = build_model(config.model, CLASSES)
    loader = ToneLoader(config.epoch_size // config.batch_size)
    settings_ = {"precision": "fp32", "card": {"config": asdict(config.model)}} | options
    result = fit(run, model, loader, VALIDATION, config, stop=StopAfter(loader, stop_after), **settings_)
    return result, model, loader


def assert_same_weights(a: nn.Module, b: nn.Module) -> None:
    for (name, x), y in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        assert torch.equal(x, y), name


def curves(run: Run) -> list[dict[str, float]]:
    """The rows of metrics.csv without what depends on the clock."""
    return [{k: v for k, v in row.items() if k not in ("items_per_s", "seconds")} for row in run.metrics()]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31))
def test_masked_targets_change_neither_loss_nor_gradient(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(4, 3, generator=generator)
    targets = (torch.rand(4, 3, generator=generator) < 0.5).float()
    mask = torch.rand(4, 3, generator=generator) < 0.6
    results = []
    for filled in (targets, torch.where(mask, targets, 1 - targets), torch.where(mask, targets, math.nan)):
        x = logits.clone().requires_grad_()
        loss = masked_bce_with_logits(x, filled, mask)
        torch.autograd.backward(loss)
        results.append((loss.detach(), x.grad))
    for loss, gradient in results[1:]:
        assert torch.equal(loss, results[0][0])
        assert torch.equal(gradient, results[0][1])
    assert (results[0][1][~mask] == 0).all()


def test_loss_is_the_mean_over_known_targets() -> None:
    logits, targets = torch.randn(5, 3), torch.randint(0, 2, (5, 3)).float()
    everything = torch.ones(5, 3, dtype=torch.bool)
    expected = nn.functional.binary_cross_entropy_with_logits(logits, targets)
    torch.testing.assert_close(masked_bce_with_logits(logits, targets, everything), expected)
    mask = torch.rand(5, 3) < 0.5
    mask[0, 0] = True
    expected = nn.functional.binary_cross_entropy_with_logits(logits[mask], targets[mask])
    torch.testing.assert_close(masked_bce_with_logits(logits, targets, mask), expected)
    assert masked_bce_with_logits(logits, targets, ~everything) == 0


def pretrained(tmp_path: Path, transfer: str) -> TrainConfig:
    torch.manual_seed(5)
    file = tmp_path / "weights.pth"
    torch.save(build_model(TINY, 7).state_dict(), file)
    return replace(CONFIG, transfer=transfer, pretrained=str(file))


def test_frozen_backbone_keeps_weights_and_statistics(tmp_path: Path) -> None:
    config = pretrained(tmp_path, "frozen")
    model = build_model(TINY, CLASSES)
    prepare_model(model, config)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    run = new_run(tmp_path / "run")
    fit(run, model, ToneLoader(), VALIDATION, config, precision="fp32", card={})
    head = ("dense1", "bn", "dense2")
    for name, value in model.state_dict().items():
        moved = not torch.equal(value, before[name])
        assert moved == (name.split(".")[0] in head), name


def test_every_step_of_every_rank_has_dropout_of_its_own() -> None:
    places = [(seed, step, rank) for seed in range(3) for step in range(20) for rank in range(4)]
    seeds = [step_seed(*place) for place in places]
    assert len(set(seeds)) == len(places)


def test_frozen_modules_are_in_evaluation_mode() -> None:
    model = build_model(TINY, CLASSES)
    set_training_mode(model)
    assert all(module.training for module in model.modules())
    freeze_backbone(model)
    set_training_mode(model)
    in_training = {name for name, module in model.named_children() if module.training}
    assert in_training == {"dense1", "bn", "dense2", "dropout"}


def test_parameter_groups_have_the_papers_rates(tmp_path: Path) -> None:
    model = build_model(TINY, CLASSES)
    rates = {}
    for transfer in ("scratch", "frozen", "finetune"):
        config = CONFIG if transfer == "scratch" else pretrained(tmp_path, transfer)
        groups = parameter_groups(model, config)
        rates[transfer] = {group["name"]: group["lr"] for group in groups}
        if transfer != "frozen":
            grouped = {id(p) for group in groups for p in group["params"]}
            assert grouped == {id(p) for p in model.parameters()}
    assert rates == {
        "scratch": {"head": 0.01, "backbone": 0.01},
        "frozen": {"head": 0.01},
        "finetune": {"head": 0.01, "backbone": 0.0001},
    }


def test_training_learns_and_keeps_its_best_epoch(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run")
    config = replace(CONFIG, epochs=6, lr_step_epochs=20)
    lines: list[str] = []
    result, _, _ = train(run, config, report=lines.append)
    rows = run.metrics()
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    best = max(rows, key=lambda row: row["validation_average_precision"])
    assert result == FitResult("finished", 6, int(best["epoch"]), best["validation_average_precision"])
    assert run.card["trained"]["epoch"] == result.best_epoch
    assert len(lines) == 6
    assert lines[0].startswith("epoch 1/6  train loss")
    assert all(row["items_per_s"] > 0 and row["seconds"] > 0 for row in rows)


@pytest.mark.parametrize("steps", [1, 3, 4, 5, 7])
def test_resumed_training_is_bit_identical(tmp_path: Path, steps: int) -> None:
    """Stopped within an epoch, after its last step (4), or in the next: weights and curves are the same."""
    whole_run, run = new_run(tmp_path / "whole"), new_run(tmp_path / "stopped")
    _, whole, loader = train(whole_run)
    result, _, first = train(run, stop_after=steps)
    assert result.reason == "interrupted"
    assert len(first.served) == steps
    result, resumed, second = train(run)
    assert result.reason == "finished"
    assert first.served + second.served == loader.served == [0, 1, 2, 3, 1000, 1001, 1002, 1003]
    assert_same_weights(whole, resumed)
    for a, b in zip(curves(whole_run), curves(run), strict=True):
        np.testing.assert_equal(a, b)
    state, card = run.read_model()
    whole_state, whole_card = whole_run.read_model()
    assert card == whole_card
    assert all(torch.equal(state[name], whole_state[name]) for name in state)


@pytest.mark.parametrize(
    ("error", "damaged"),
    [
        (OSError(5, "Input/output error"), False),
        (RuntimeError("CUDA error: out of memory"), False),
        (torch.distributed.DistNetworkError("The client socket has failed to connect"), False),
        (ImportError("no such library"), False),
        (RuntimeError("Error(s) in loading state_dict: size mismatch for head.weight"), True),
        (KeyError("param_groups"), True),
    ],
)
def test_only_what_does_not_fit_is_told_as_a_damaged_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, damaged: bool
) -> None:
    run = new_run(tmp_path / "run")
    train(run, stop_after=1)

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("mixlab.training.loop._Tagger.configure_optimizers", fail)
    if damaged:
        with raises(RunError, code="run-damaged", mentions=str(run.last_checkpoint)):
            train(run)
    else:
        with pytest.raises(type(error)) as found:
            train(run)
        assert found.value is error


def test_training_goes_on_beyond_its_last_epoch(tmp_path: Path) -> None:
    whole_run, run = new_run(tmp_path / "whole"), new_run(tmp_path / "stopped")
    _, whole, _ = train(whole_run, replace(CONFIG, epochs=3))
    train(run)
    result, resumed, _ = train(run, replace(CONFIG, epochs=3))
    assert result.epochs == 3
    assert_same_weights(whole, resumed)
    for a, b in zip(curves(whole_run), curves(run), strict=True):
        np.testing.assert_equal(a, b)


class KilledError(Exception):
    pass


class Dying(ToneLoader):
    """A loader whose training ends in its fourth step."""

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for number, batch in enumerate(super().__iter__()):
            if number == 3:
                raise KilledError("killed")
            yield batch


def test_periodic_checkpoints_serve_as_well(tmp_path: Path) -> None:
    """A process that is killed goes on from the last checkpoint written every ``save_every`` steps."""
    run = new_run(tmp_path / "run")
    config = replace(CONFIG, save_every=2)
    _, whole, _ = train(new_run(tmp_path / "whole"), config)

    torch.manual_seed(config.seed)
    with pytest.raises(KilledError, match="killed"):
        fit(run, build_model(TINY, CLASSES), Dying(), VALIDATION, config, precision="fp32", card={})
    _, resumed, loader = train(run, config)
    assert loader.served[0] == 2
    assert_same_weights(whole, resumed)


def test_a_kill_costs_half_a_minute_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many steps lie between two checkpoints: here time for one passes with every step."""
    monkeypatch.setattr("mixlab.training.callbacks._SAVE_S", 0.0)
    run = new_run(tmp_path / "run")
    config = replace(CONFIG, save_every=500)

    torch.manual_seed(config.seed)
    with pytest.raises(KilledError, match="killed"):
        fit(run, build_model(TINY, CLASSES), Dying(), VALIDATION, config, precision="fp32", card={})
    assert train(run, config)[2].served[0] == 3


def test_an_epoch_killed_in_its_validation_is_validated_again(tmp_path: Path) -> None:
    """No checkpoint is written between the last step and validation: Lightning would skip the latter."""
    whole_run, run = new_run(tmp_path / "whole"), new_run(tmp_path / "killed")
    config = replace(CONFIG, save_every=4)
    _, whole, _ = train(whole_run, config)

    class DyingLater:
        def __iter__(self) -> Iterator[dict[str, Tensor]]:
            if run.metrics():
                raise KilledError("killed")
            yield from VALIDATION

    torch.manual_seed(config.seed)
    card = {"config": asdict(config.model)}
    with pytest.raises(KilledError, match="killed"):
        fit(run, build_model(TINY, CLASSES), ToneLoader(), DyingLater(), config, precision="fp32", card=card)
    _, resumed, loader = train(run, config)
    assert loader.served == [1000, 1001, 1002, 1003]
    assert_same_weights(whole, resumed)
    for a, b in zip(curves(whole_run), curves(run), strict=True):
        np.testing.assert_equal(a, b)


def test_patience_may_change_when_a_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    same = {"loss": 0.5, "average_precision": 0.5, "roc_auc": 0.5}
    monkeypatch.setattr("mixlab.training.loop.validation_scores", lambda parts, metrics: dict(same))
    run = new_run(tmp_path / "run")
    result, _, _ = train(run, replace(CONFIG, epochs=9, patience=1))
    assert result == FitResult("patience", 2, 1, 0.5)
    result, _, _ = train(run, replace(CONFIG, epochs=9, patience=3))
    assert result == FitResult("patience", 4, 1, 0.5)


@pytest.mark.parametrize("monitor", ["loss", "average_precision"])
def test_early_stop_waits_for_its_patience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, monitor: str
) -> None:
    """Without any improvement after the first epoch, training ends after ``patience`` further ones."""
    same = {"loss": 0.5, "average_precision": 0.5, "roc_auc": 0.5}
    monkeypatch.setattr("mixlab.training.loop.validation_scores", lambda parts, metrics: dict(same))
    run = new_run(tmp_path / "run")
    result, _, _ = train(run, replace(CONFIG, epochs=9, patience=2, monitor=monitor))
    assert result == FitResult("patience", 3, 1, 0.5)
    assert [row["best"] for row in run.metrics()] == [1, 0, 0]
    result, _, _ = train(new_run(tmp_path / "endless"), replace(CONFIG, epochs=4, patience=0))
    assert result == FitResult("finished", 4, 1, 0.5)


def test_epochs_before_the_first_defined_value_use_up_no_patience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter([math.nan, math.nan, math.nan, 0.5, 0.5, 0.5])
    monkeypatch.setattr(
        "mixlab.training.loop.validation_scores",
        lambda parts, metrics: {"loss": 0.5, "average_precision": next(values), "roc_auc": 0.5},
    )
    run = new_run(tmp_path / "run")
    result, _, _ = train(run, replace(CONFIG, epochs=9, patience=2))
    assert result == FitResult("patience", 6, 4, 0.5)
    assert [row["best"] for row in run.metrics()] == [1, 1, 1, 1, 0, 0]


def test_mixes_per_second_are_those_of_training_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("mixlab.training.callbacks.time", SimpleNamespace(perf_counter=lambda: clock.now))

    class Ticking(ToneLoader):
        def __iter__(self) -> Iterator[dict[str, Tensor]]:
            for batch in super().__iter__():
                clock.now += 2.0
                yield batch

    class SlowValidation:
        def __iter__(self) -> Iterator[dict[str, Tensor]]:
            clock.now += 100.0
            yield from VALIDATION

    run, lines = new_run(tmp_path / "run"), []
    model = build_model(TINY, CLASSES)
    fit(
        run,
        model,
        Ticking(),
        SlowValidation(),
        CONFIG,
        precision="fp32",
        card={},
        report=lines.append,
    )
    assert [row["items_per_s"] for row in run.metrics()] == [BATCH / 2, BATCH / 2]
    assert [row["seconds"] for row in run.metrics()] == [108, 108]
    assert "108 s  4 mixes/s" in lines[0]


def test_a_second_interrupt_leaves_as_an_interrupt(tmp_path: Path) -> None:
    """Lightning would end the process; the caller is to say how to go on."""

    class Interrupted(ToneLoader):
        def __iter__(self) -> Iterator[dict[str, Tensor]]:
            yield make_batch(0)
            raise KeyboardInterrupt("pressed again")

    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(KeyboardInterrupt, match="ended the training within a step"):
            fit(
                new_run(tmp_path / "run"),
                build_model(TINY, CLASSES),
                Interrupted(),
                VALIDATION,
                CONFIG,
                precision="fp32",
                card={},
            )
    finally:
        signal.signal(signal.SIGINT, before)


def test_rates_step_down_as_scheduled(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run")
    config = replace(CONFIG, epochs=4, lr_step_epochs=2, lr_factor=0.1, lr_backbone=0.001)
    train(run, config)
    np.testing.assert_allclose([row["lr_head"] for row in run.metrics()], [0.01, 0.01, 0.001, 0.001])
    np.testing.assert_allclose([row["lr_backbone"] for row in run.metrics()], [0.001, 0.001, 1e-4, 1e-4])
    checkpoint = torch.load(run.last_checkpoint, weights_only=True)
    groups = checkpoint["optimizer_states"][0]["param_groups"]
    rates = {f"lr_{g['name']}": g["lr"] for g in groups}
    np.testing.assert_allclose([rates["lr_head"], rates["lr_backbone"]], [1e-4, 1e-5])


def test_divergence_is_said_and_not_kept(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run")
    torch.manual_seed(0)
    model = build_model(TINY, CLASSES)
    nn.init.constant_(model.get_submodule("dense2").bias, math.nan)
    with raises(ConfigError, code="training-diverged", mentions="1"):
        fit(run, model, ToneLoader(), VALIDATION, CONFIG, precision="fp32", card={})
    assert not run.has_model


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_becomes_a_request_and_the_handler_returns(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopRequest().on_interrupt() as stop:
        assert not stop.requested
        os.kill(os.getpid(), number)
        assert stop.requested
        assert signal.getsignal(number) is before
    assert signal.getsignal(number) is before


def test_curves_reach_tensorboard(tmp_path: Path) -> None:
    run = new_run(tmp_path / "run")
    config = replace(CONFIG, tensorboard=True, epoch_size=12 * BATCH)
    train(run, config, stop_after=14)
    train(run, config)
    curves = EventAccumulator(str(run.tensorboard)).Reload()
    losses = [(event.step, event.value) for event in curves.Scalars("epoch/train_loss")]
    rows = run.metrics()
    assert losses == [(row["step"], pytest.approx(row["train_loss"])) for row in rows]
    assert [event.step for event in curves.Scalars("train/loss")] == [10, 20]


def test_bf16_trains_and_measuring_leaves_everything_alone(tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = build_model(TINY, CLASSES)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = torch.get_rng_state()
    rates = measure_precision(model, SAMPLES, CLASSES, batch_size=4, device=torch.device("cpu"), steps=1)
    assert set(rates) == {"fp32", "bf16"}
    assert min(rates.values()) > 0
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    result, model, _ = train(new_run(tmp_path / "run"), replace(CONFIG, epochs=1), precision="bf16")
    assert result.reason == "finished"
    assert all(torch.isfinite(p).all() and p.dtype == torch.float32 for p in model.parameters())


@pytest.mark.parametrize(("bf16", "choice"), [(90.0, "fp32"), (110.0, "fp32"), (121.0, "bf16")])
def test_bf16_must_be_clearly_faster(bf16: float, choice: str) -> None:
    assert faster_precision({"fp32": 100.0, "bf16": bf16}) == choice


@pytest.mark.parametrize(
    ("change", "code", "mentions"),
    [
        ({"epochs": 0}, "invalid-setting", ("train.epochs", "1", "0")),
        ({"batch_size": 1}, "invalid-setting", ("train.batch_size", "2")),
        ({"seed": -1}, "invalid-setting", ("train.seed", "0", "-1")),
        ({"seed": 2**63}, "invalid-setting", ("train.seed", str(2**63))),
        ({"eval_seed": 2**63}, "invalid-setting", ("train.eval_seed", str(2**63))),
        ({"lr_head": 0.0}, "invalid-setting", ("train.lr_head", "0")),
        ({"lr_factor": 1.5}, "invalid-setting", ("train.lr_factor", "0", "1")),
        ({"optimizer": "adagrad"}, "invalid-setting", ("train.optimizer", "adadelta", "adagrad")),
        ({"schedule": "linear"}, "invalid-setting", ("train.schedule", "cosine", "linear")),
        ({"warmup_epochs": -1}, "invalid-setting", ("train.warmup_epochs", "0", "-1")),
        ({"schedule": "cosine", "warmup_epochs": 9, "epochs": 9}, "conflicting-settings", ("9",)),
        ({"loss": "softmax", "class_weights": "balanced"}, "conflicting-settings", "train.loss=bce"),
        ({"precision": "fp8"}, "invalid-setting", ("auto", "fp32", "bf16", "fp8", "train.precision")),
        ({"transfer": "frozen"}, "missing-setting", "train.pretrained"),
        ({"pretrained": "x.pth"}, "conflicting-settings", "train.transfer=scratch"),
        ({"transfer": "frozen", "pretrained": "x", "lr_backbone": 0.1}, "conflicting-settings", ()),
    ],
)
def test_bad_settings_are_refused(change: dict[str, Any], code: str, mentions: object) -> None:
    with raises(ConfigError, code=code, mentions=mentions):
        replace(CONFIG, **change)


def test_settings_survive_yaml() -> None:
    config = replace(CONFIG, lr_backbone=0.002, pretrained_stream=None)
    data = yaml.safe_load(yaml.safe_dump(asdict(config)))
    assert from_plain(TrainConfig, data) == config
    with raises(ConfigError, code="invalid-setting", mentions="TrainConfig"):
        from_plain(TrainConfig, data | {"epoch": 3})


@pytest.mark.parametrize(
    "environment",
    [
        {"SLURM_JOB_ID": "1", "SLURM_STEP_ID": "0", "SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"},
        {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"},
        {"RANK": "1", "WORLD_SIZE": "2"},
    ],
)
def test_processes_that_would_each_train_alone_are_told_how_to_train_together(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with raises(ConfigError, code="processes-not-joined", mentions=("1", "2", "torchrun")):
        World.from_environment()


@pytest.mark.parametrize(
    "environment",
    [
        {"SLURM_JOB_ID": "1", "SLURM_NTASKS": "2", "SLURM_PROCID": "0"},  # a shell of sbatch
        {"SLURM_JOB_ID": "1", "SLURM_STEP_ID": "0", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"},
        {"RANK": "0", "WORLD_SIZE": "1"},
    ],
)
def test_a_single_process_of_a_scheduler_trains_alone(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert World.from_environment() == World(0, 1, 1)


def test_world_divides_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    assert World.from_environment() == World(0, 1, 1)
    for name, value in (
        ("TORCHELASTIC_RUN_ID", "x"),
        ("RANK", "3"),
        ("WORLD_SIZE", "4"),
        ("LOCAL_WORLD_SIZE", "2"),
    ):
        monkeypatch.setenv(name, value)
    world = World.from_environment()
    assert (world, world.n_nodes, world.is_first) == (World(3, 4, 2), 2, False)
    assert world.share(32) == 8
    with raises(ConfigError, code="conflicting-settings", mentions="4"):
        world.share(30)
    if not torch.cuda.is_available():
        with raises(ConfigError, code="device-not-found", mentions="CUDA"):
            World.accelerator("cuda")


def rates(config: TrainConfig) -> list[float]:
    return [config.rate_factor(epoch) for epoch in range(config.epochs)]


def test_a_warm_up_rises_in_equal_steps_and_a_cosine_falls_from_its_end() -> None:
    """Half a cosine from the first epoch after the warm-up: half of the rate in the middle, 0 at the end."""
    config = replace(CONFIG, schedule="cosine", warmup_epochs=5, epochs=15)
    np.testing.assert_allclose(rates(config)[:6], [0.2, 0.4, 0.6, 0.8, 1.0, 1.0])
    np.testing.assert_allclose(config.rate_factor(10), 0.5)
    np.testing.assert_allclose(rates(config)[7], (1 + np.cos(np.pi * 0.2)) / 2)
    assert sorted(rates(config)[5:], reverse=True) == rates(config)[5:]
    assert config.rate_factor(15) == 0.0
    steady = replace(CONFIG, schedule="constant", warmup_epochs=2, epochs=4)
    assert rates(steady) == [0.5, 1.0, 1.0, 1.0]
    steps = replace(CONFIG, schedule="step", warmup_epochs=2, epochs=4, lr_step_epochs=2, lr_factor=0.1)
    np.testing.assert_allclose(rates(steps), [0.5, 1.0, 0.1, 0.1])


@pytest.mark.parametrize("schedule", ["step", "cosine", "constant"])
@pytest.mark.parametrize("warmup", [0, 2])
def test_the_optimizer_has_the_rates_that_the_settings_say(schedule: Any, warmup: int) -> None:
    config = replace(CONFIG, schedule=schedule, warmup_epochs=warmup, epochs=5, lr_step_epochs=2)
    groups = [
        {"name": name, "params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate}
        for name, rate in (("head", config.lr_head), ("backbone", 0.002))
    ]
    optimizer = new_optimizer(groups, config)
    follow = new_schedule(optimizer, config)
    for epoch in range(config.epochs):
        found = [group["lr"] for group in optimizer.param_groups]
        expected = [rate * config.rate_factor(epoch) for rate in (config.lr_head, 0.002)]
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        optimizer.step()
        follow.step()


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adam", "Adam"), ("adamw", "AdamW"), ("adadelta", "Adadelta"), ("sgd", "SGD")],
)
def test_an_optimizer_is_torchs_own_with_the_weight_decay(name: Any, kind: str) -> None:
    parameter = torch.nn.Parameter(torch.ones(3))
    config = replace(CONFIG, optimizer=name, weight_decay=0.0005)
    optimizer = new_optimizer([{"params": [parameter], "lr": 0.1}], config)
    assert type(optimizer).__name__ == kind
    assert optimizer.param_groups[0]["weight_decay"] == 0.0005
    parameter.grad = torch.zeros(3)
    optimizer.step()
    assert (parameter < 1).all(), "weight decay alone pulls weights towards 0"


def test_scores_of_a_softmax_sum_to_one_and_others_stand_for_themselves() -> None:
    logits = torch.tensor([[0.0, 1.0, -2.0], [9.0, 0.0, 0.0]], dtype=torch.bfloat16)
    scores = scores_of(logits, "softmax")
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores.sum(dim=1), torch.ones(2))
    torch.testing.assert_close(scores, logits.float().exp() / logits.float().exp().sum(1, keepdim=True))
    for loss in ("bce", "mcm"):
        torch.testing.assert_close(scores_of(logits, loss), 1 / (1 + (-logits.float()).exp()))


def test_the_softmax_loss_is_the_cross_entropy_of_the_class_that_is_present() -> None:
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    targets = torch.eye(3)[[2, 0, 1, 1]]
    mask = torch.ones(4, 3, dtype=torch.bool)
    loss = make_loss("softmax")
    scores = scores_of(logits, "softmax")
    expected = -torch.log(scores[range(4), [2, 0, 1, 1]])
    torch.testing.assert_close(loss(logits, targets, mask), expected.mean())
    mask[3, 0] = False
    torch.testing.assert_close(loss(logits, targets, mask), expected[:3].mean())
    assert loss(logits, targets, torch.zeros_like(mask)) == 0
