"""Transfer: what is frozen stays to the bit, what trains moves, and the card says which is which."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor

from mixlab.catalog.catalog import Catalog
from mixlab.cli.main import main
from mixlab.errors import ConfigError
from mixlab.evaluation import class_prevalence
from mixlab.mixing.config import MixConfig
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.effects_config import EffectsConfig
from mixlab.models import ModelConfig, TaggingModel, build_model, last_name, n_parameters
from mixlab.models.pretrained import CHECKPOINTS
from mixlab.taxonomy.hierarchy import ancestry_from_parents, consistent_max
from mixlab.training import (
    TrainConfig,
    balanced_weights,
    calibrate_batch_norm,
    load_model,
    make_loss,
    masked_bce_with_logits,
    movement,
    parameter_groups,
    predict,
    prepare_model,
    set_training_mode,
    train,
)
from mixlab.training.callbacks import StopRequest
from mixlab.training.config import from_plain
from mixlab.training.embedding_cache import EmbeddingLoader, class_rates, embed
from mixlab.training.loop import FitResult, fit
from mixlab.training.losses import MAX_WEIGHT
from mixlab.training.run import Run
from tests.errors import raises
from tests.models.groups import ON_MEL

RATE, SAMPLES, CLASSES, BATCH = 8000, 6400, 3, 4
FROZEN = ("frozen", "last", "random_frozen")


def tiny(name: str = "short_chunk_cnn") -> ModelConfig:
    """A small network of any architecture, for 8 kHz audio."""
    fixed = name in ("crnn", "fcn")
    hop = {"fcn": 4, "crnn": 64}.get(name, 128)
    return ModelConfig(name, RATE, 256, hop, n_mels=0 if fixed else 16, f_max=4000, width=4)


def config_of(transfer: str, tmp_path: Path, model: ModelConfig | None = None, **changes: Any) -> TrainConfig:
    """Settings of a short training, with weights to start from where they are needed."""
    model = model or tiny()
    given: dict[str, Any] = {}
    if transfer in ("frozen", "finetune", "last"):
        torch.manual_seed(5)
        file = tmp_path / f"{model.architecture}.pth"
        torch.save(build_model(model, 7).state_dict(), file)
        given["pretrained"] = str(file)
    shape: dict[str, Any] = {"epochs": 2, "epoch_size": 2 * BATCH, "batch_size": BATCH, "tensorboard": False}
    return TrainConfig(model=model, transfer=transfer, **(shape | given | changes))  # type: ignore[arg-type]


def batch_of(seed: int) -> dict[str, Tensor]:
    """Noise that is louder where class 0 is present; the last class is hardly ever known."""
    rng = np.random.default_rng(seed)
    target = (rng.random((BATCH, CLASSES)) < 0.5).astype(np.float32)
    audio = (0.1 + target[:, :1, None]) * rng.standard_normal((BATCH, 1, SAMPLES))
    return {
        "audio": torch.from_numpy(audio.astype(np.float32)),
        "target": torch.from_numpy(target),
        "mask": torch.from_numpy(rng.random((BATCH, CLASSES)) < [0.9, 0.9, 0.2]),
    }


class Loader:
    """Two batches per epoch, with a position to save."""

    def __init__(self) -> None:
        self.epoch, self.next_batch, self.served = 0, 0, 0

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        epoch, batch = self.epoch, self.next_batch
        while batch < 2:
            batch += 1
            self.served += 1
            self.epoch, self.next_batch = (epoch + 1, 0) if batch == 2 else (epoch, batch)
            yield batch_of(10 * epoch + batch)

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "next_batch": self.next_batch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epoch, self.next_batch = state["epoch"], state["next_batch"]


class StopAfter(StopRequest):
    def __init__(self, loader: Loader, batches: int) -> None:
        self.loader, self.batches = loader, batches

    @property
    def requested(self) -> bool:  # type: ignore[override]
        return self.loader.served >= self.batches


class Fixed:
    """Validation batches that count how often they were made."""

    def __init__(self) -> None:
        self.passes = 0

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        self.passes += 1
        yield from (batch_of(1000 + i) for i in range(2))


def new_model(config: TrainConfig) -> TaggingModel:
    torch.manual_seed(config.seed)
    model = build_model(config.model, CLASSES)
    prepare_model(model, config)
    return model


def run_fit(
    path: Path, config: TrainConfig, *, precision: str = "fp32", stop_after: int = 10**9, **options: Any
) -> tuple[FitResult, TaggingModel, Run]:
    run = Run(path) if (path / "run.json").is_file() else Run.create(path, {"train": config}, {})
    model, loader = new_model(config), options.pop("loader", None) or Loader()
    validation = options.pop("validation", None) or Fixed()
    stop = StopAfter(loader, stop_after) if isinstance(loader, Loader) else None
    result = fit(run, model, loader, validation, config, precision=precision, card={}, stop=stop, **options)
    return result, model, run


@pytest.mark.parametrize("transfer", FROZEN)
@pytest.mark.parametrize("name", ON_MEL)
def test_what_is_frozen_stays_to_the_bit(name: str, transfer: str, tmp_path: Path) -> None:
    """Weights and batch norm statistics alike; and all that is meant to train has moved."""
    config = config_of(transfer, tmp_path, tiny(name), epochs=1)
    start = new_model(config).state_dict()
    _, model, run = run_fit(tmp_path / "run", config)
    trained = {last_name(model)} if transfer == "last" else {*model.head_names} - {"dropout"}
    moved = {key for key, value in model.state_dict().items() if not torch.equal(value, start[key])}
    assert {key.split(".")[0] for key in moved} == trained
    card = run.card["moved"]
    assert {key for key, entry in card.items() if entry["trainable"]} == trained
    for key, entry in card.items():
        assert (entry["weights"] > 0) == entry["trainable"] == (key in trained)
        assert entry["statistics"] in ((None, 0.0) if key not in trained else (None, entry["statistics"]))


def test_bf16_leaves_a_frozen_backbone_alone_too(tmp_path: Path) -> None:
    config = config_of("frozen", tmp_path, tiny("crnn"), epochs=1)
    start = new_model(config).state_dict()
    _, model, _ = run_fit(tmp_path / "run", config, precision="bf16")
    for key, value in model.state_dict().items():
        if key.split(".")[0] not in model.head_names:
            assert torch.equal(value, start[key]), key


@pytest.mark.parametrize("transfer", ["scratch", "finetune"])
@pytest.mark.parametrize("name", ON_MEL)
def test_what_trains_moves_and_the_card_says_how_far(name: str, transfer: str, tmp_path: Path) -> None:
    config = config_of(transfer, tmp_path, tiny(name), epochs=1)
    _, _, run = run_fit(tmp_path / "run", config)
    card = run.card["moved"]
    assert all(entry["trainable"] and entry["weights"] > 0 for entry in card.values())
    norm = "norms" if name == "short_chunk_ensemble" else "spec_bn"  # of the map: each member has its own
    assert card[norm]["statistics"] > 0
    assert "spec" not in card


def test_movement_is_the_relative_change() -> None:
    model = build_model(tiny(), CLASSES)
    start = {k: v.clone() for k, v in model.state_dict().items()}
    state = dict(start)
    state["layer1.conv.weight"], state["layer1.conv.bias"] = (
        1.5 * start["layer1.conv.weight"],
        start["layer1.conv.bias"],
    )
    state["layer2.bn.running_var"] = 3 * start["layer2.bn.running_var"]
    moved = movement(model, start, state)
    own = torch.cat(
        [v.flatten() for k, v in start.items() if k.startswith("layer1.") and "running" not in k][:4]
    )
    expected = 0.5 * start["layer1.conv.weight"].norm() / own.norm()
    assert moved["layer1"]["weights"] == pytest.approx(float(expected), rel=1e-5)
    assert moved["layer1"]["statistics"] == moved["layer2"]["weights"] == moved["dense2"]["weights"] == 0
    # Variances of one and means of zero: three times as much is a change of two.
    assert moved["layer2"]["statistics"] == pytest.approx(2)
    assert moved["dense2"]["statistics"] is None


def test_only_what_a_mode_takes_is_loaded(tmp_path: Path) -> None:
    for transfer in ("frozen", "finetune", "last"):
        config = config_of(transfer, tmp_path)
        model, given = new_model(config), torch.load(config.pretrained, weights_only=True)
        taken = {
            k for k, v in model.state_dict().items() if given[k].shape == v.shape and torch.equal(given[k], v)
        }
        heads = {k.split(".")[0] for k in taken if k.endswith("weight")} & {"dense1", "dense2"}
        assert heads == ({"dense1"} if transfer == "last" else set())
        assert {k for k in model.state_dict() if k.startswith(("layer", "spec"))} <= taken


def test_the_last_layer_is_alone_in_its_group(tmp_path: Path) -> None:
    config = config_of("last", tmp_path)
    model = new_model(config)
    (group,) = parameter_groups(model, config)
    assert [tuple(p.shape) for p in group["params"]] == [(CLASSES, 16), (CLASSES,)]
    assert n_parameters(model, trainable=True) == 17 * CLASSES
    set_training_mode(model)
    assert {name for name, module in model.named_children() if module.training} == {"dropout", "dense2"}
    assert config.learning_rates(0) == {"head": 0.01}


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("transfer", ["last", "random_frozen", "finetune"])
def test_every_mode_resumes_exactly(transfer: str, steps: int, tmp_path: Path) -> None:
    config = config_of(transfer, tmp_path)
    _, whole, whole_run = run_fit(tmp_path / "whole", config)
    result, _, _ = run_fit(tmp_path / "run", config, stop_after=steps)
    assert result.reason == "interrupted"
    _, resumed, run = run_fit(tmp_path / "run", config)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key
    assert run.card == whole_run.card


@pytest.mark.parametrize(("transfer", "passes"), [("frozen", 1), ("finetune", 3)])
def test_a_frozen_backbone_embeds_validation_once(transfer: str, passes: int, tmp_path: Path) -> None:
    """And scores it as if it had not: the curve is that of embedding it anew every epoch."""
    config, fixed = config_of(transfer, tmp_path, epochs=3), Fixed()
    _, model, run = run_fit(tmp_path / "run", config, validation=fixed)
    assert fixed.passes == passes
    model.eval()
    with torch.inference_mode():
        parts = [(model(b["audio"]), b["target"], b["mask"]) for b in Fixed()]
    logits, targets, mask = (torch.cat(x) for x in zip(*parts, strict=True))
    loss = masked_bce_with_logits(logits, targets, mask)
    assert run.metrics()[-1]["validation_loss"] == pytest.approx(float(loss), rel=1e-5)


def test_scores_and_embeddings_are_full_float32_also_on_a_gpu() -> None:
    """cuDNN's default for float32 convolutions keeps ten bits: scores would depend on the hardware."""
    seen = []
    model = build_model(tiny(), 3).eval()
    model.spec_bn.register_forward_hook(lambda *a: seen.append(torch.backends.cudnn.allow_tf32))
    before, audio = torch.backends.cudnn.allow_tf32, torch.zeros(2, 1, 4000)
    embed(model, audio)
    known = {"target": torch.zeros(2, 3), "mask": torch.ones(2, 3, dtype=torch.bool)}
    places = {"index": torch.arange(2), "attempt": torch.zeros(2, dtype=torch.int64)}
    predict(model, [{"audio": audio, **known, **places}])
    assert seen == [False, False]
    assert torch.backends.cudnn.allow_tf32 is before


def test_calibration_measures_what_the_backbone_sees() -> None:
    torch.manual_seed(0)
    model = build_model(tiny(), CLASSES)
    audio = [0.01 * torch.randn(8, 1, SAMPLES) for _ in range(3)]
    weights = {k: v.clone() for k, v in model.named_parameters()}
    head = {k: v.clone() for k, v in model.state_dict().items() if k.startswith(("dense", "bn."))}
    calibrate_batch_norm(model, iter(audio))
    assert all(torch.equal(weights[k], v) for k, v in model.named_parameters())
    assert all(torch.equal(head[k], model.state_dict()[k]) for k in head)
    assert all(m.momentum == 0.1 for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d))
    with torch.inference_mode():
        features = model.eval().features(torch.cat(audio))
    assert features.mean().abs() < 0.02
    assert features.std() == pytest.approx(1, abs=0.02)
    means = [model.get_submodule(f"layer{k}.bn").running_mean for k in (1, 2, 3, 4)]
    assert all(mean.abs().max() > 0 for mean in means)


def test_balanced_weights_level_both_halves_of_every_class() -> None:
    rng = np.random.default_rng(0)
    targets = (rng.random((4000, 3)) < [0.5, 0.2, 0.005]).astype(np.float32)
    mask = rng.random((4000, 3)) < 0.8
    rates = class_prevalence(targets, mask)
    weights = balanced_weights(rates).numpy()
    for c in range(2):
        known = mask[:, c]
        positive = weights[1, c] * targets[known, c].sum()
        negative = weights[0, c] * (1 - targets[known, c]).sum()
        assert positive == pytest.approx(negative, rel=0.01)
        assert (positive + negative) / known.sum() == pytest.approx(1, rel=0.01)
    assert weights[1, 2] == MAX_WEIGHT
    assert class_prevalence(targets[:0], mask[:0]).tolist() == [0.5, 0.5, 0.5]
    with raises(ConfigError, code="invalid-setting", mentions=("0", "1")):
        balanced_weights(np.array([0.0]))


def test_weighted_loss_is_the_weighted_sum() -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(5, 2), (torch.rand(5, 2) < 0.5).float()
    mask = torch.tensor([[True, True]] * 4 + [[False, True]])
    weights = torch.tensor([[0.5, 2.0], [3.0, 1.0]])
    loss = make_loss("bce", weights=weights)(logits, targets, mask)
    cells = [
        weights[int(targets[i, c]), c] * torch.nn.functional.softplus((1 - 2 * targets[i, c]) * logits[i, c])
        for i in range(5)
        for c in range(2)
        if mask[i, c]
    ]
    assert loss == pytest.approx(float(sum(cells)) / 9, rel=1e-5)
    assert make_loss("bce", weights=torch.ones(2, 2))(logits, targets, mask) == pytest.approx(
        float(masked_bce_with_logits(logits, targets, mask)), rel=1e-6
    )


def test_the_max_constraint_model_is_judged_through_the_tree(tmp_path: Path) -> None:
    related = ancestry_from_parents([None, 0, None])
    config = config_of("scratch", tmp_path, loss="mcm", epochs=1)
    _, model, run = run_fit(tmp_path / "run", config, loss=make_loss("mcm", related=related), related=related)
    model.eval()
    with torch.inference_mode():
        parts = [(consistent_max(model(b["audio"]), related), b["target"], b["mask"]) for b in Fixed()]
    logits, targets, mask = (torch.cat(x) for x in zip(*parts, strict=True))
    loss = masked_bce_with_logits(logits, targets, mask)
    assert run.metrics()[-1]["validation_loss"] == pytest.approx(float(loss), rel=1e-5)
    with raises(ConfigError, code="missing-setting"):
        make_loss("mcm")


def embeddings(n: int) -> dict[str, Tensor]:
    target = (torch.rand(n, CLASSES) < 0.5).float()
    return {"embedding": torch.randn(n, 16), "target": target, "mask": torch.ones(n, CLASSES) > 0}


def test_cached_embeddings_are_shuffled_and_resume() -> None:
    items = embeddings(10) | {"target": torch.arange(10.0)[:, None]}
    loader = EmbeddingLoader(items, 4, seed=3)
    assert len(loader) == 2
    epochs = [[b["target"].flatten().tolist() for b in loader] for _ in range(3)]
    assert all(len({x for batch in epoch for x in batch}) == 8 for epoch in epochs)
    assert epochs[0] != epochs[1]
    half = EmbeddingLoader(items, 4, seed=3)
    first = next(iter(half))["target"].flatten().tolist()
    again = EmbeddingLoader(items, 4, seed=3)
    again.load_state_dict(half.state_dict())
    assert [first, *(b["target"].flatten().tolist() for b in again)] == epochs[0]
    assert [b["target"].flatten().tolist() for b in again] == epochs[1]
    with raises(ConfigError, code="state-mismatch", mentions=("10", "5")):
        EmbeddingLoader(embeddings(5), 4, seed=3).load_state_dict(half.state_dict())


@pytest.mark.parametrize(
    ("change", "code", "mentions"),
    [
        ({"transfer": "last"}, "missing-setting", ("train.transfer=last", "mixlab weights")),
        ({"transfer": "random_frozen", "pretrained": "x"}, "conflicting-settings", "transfer=random_frozen"),
        ({"transfer": "random_frozen", "lr_backbone": 0.1}, "conflicting-settings", ()),
        ({"loss": "hinge"}, "invalid-setting", ("bce", "mcm", "train.loss")),
        (
            {"loss": "mcm", "class_weights": "balanced"},
            "conflicting-settings",
            ("class_weights", "train.loss=bce"),
        ),
        ({"cached_items": 100}, "conflicting-settings", "train.transfer=scratch"),
        ({"transfer": "random_frozen", "cached_items": 3}, "conflicting-settings", ()),
    ],
)
def test_settings_that_contradict_each_other(change: dict[str, Any], code: str, mentions: object) -> None:
    with raises(ConfigError, code=code, mentions=mentions):
        replace(TrainConfig(model=tiny()), **change)


def test_known_weights_name_the_settings_they_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of("finetune", tmp_path)
    monkeypatch.setattr("mixlab.training.transfer.identify", lambda file: CHECKPOINTS["jamendo_crnn"])
    with raises(
        ConfigError, code="weights-mismatch", mentions=("jamendo_crnn", "train.model.architecture=crnn")
    ):
        new_model(config)


MIX = MixConfig(duration_s=0.5, sample_rate=RATE, max_sources=3, effects=EffectsConfig.none())
SMALL: dict[str, Any] = {
    "val_size": 12,
    "test_size": 8,
    "epoch_size": 16,
    "batch_size": 8,
    "epochs": 2,
    "precision": "fp32",
    "accelerator": "cpu",
    "bootstrap": 10,
}


def test_class_rates_are_those_of_the_stream(toy: Catalog) -> None:
    stream = MixDataset(toy, MIX, epoch_size=64, batch_size=8, seed=4)
    rates = class_rates(stream)
    items = [MixDataset(toy, MIX, epoch_size=1024, batch_size=8, seed=4).item(i) for i in range(0, 1024, 8)]
    targets, mask = (np.stack([item[name] for item in items]) for name in ("target", "mask"))
    assert rates.shape == (len(stream.labels),)
    np.testing.assert_allclose(rates, class_prevalence(targets, mask), atol=0.17)


def test_a_balanced_run_keeps_its_rates(toy: Catalog, tmp_path: Path) -> None:
    config = config_of("scratch", tmp_path, class_weights="balanced", **SMALL)
    run, evaluation = train(toy, tmp_path / "run", MIX, config)
    assert evaluation is not None
    rates = run.info["class_rates"]
    assert set(rates) == set(run.info["labels"]["outputs"])
    assert all(0 < rate < 1 for rate in rates.values())
    assert "loss bce, classes balanced" in (run.path / "report.md").read_text()
    longer = replace(config, epochs=3)
    train(toy, run.path, MIX, longer, resume=True)
    assert run.info["class_rates"] == rates
    assert run.card["class_weights"] == "balanced"


def test_a_max_constraint_run_predicts_consistently(toy: Catalog, tmp_path: Path) -> None:
    config = config_of("scratch", tmp_path, loss="mcm", **SMALL)
    run, _ = train(toy, tmp_path / "run", MIX, config)
    parents, scores = run.info["labels"]["parents"], run.predictions().scores
    pairs = [(parent, child) for child, parent in enumerate(parents) if parent is not None]
    assert pairs
    assert all((scores[:, parent] >= scores[:, child]).all() for parent, child in pairs)
    assert "largest among a class and its descendants" in run.card["output"]


@pytest.mark.parametrize("cached_items", [0, 24])
def test_a_random_frozen_run_from_mix_to_report(toy: Catalog, tmp_path: Path, cached_items: int) -> None:
    config = config_of("random_frozen", tmp_path, cached_items=cached_items, **SMALL)
    lines: list[str] = []
    run, evaluation = train(toy, tmp_path / "run", MIX, config, report=lines.append)
    assert evaluation is not None
    assert any("random backbone's batch norm" in line for line in lines)
    moved = run.card["moved"]
    assert moved["layer1"] == {"trainable": False, "weights": 0.0, "statistics": 0.0}
    assert moved["dense1"]["weights"] > 0
    # The statistics are those of mixes: a decibel map does not have mean 0 and variance 1.
    assert load_model(run).spec_bn.running_var.item() > 10
    assert "layer1 frozen (0)" in (run.path / "report.md").read_text()
    kept = run.read_embeddings()
    assert (kept is not None) == bool(cached_items)
    if kept is not None:
        assert kept["embedding"].shape == (24, 16)
        assert run.metrics()[-1]["step"] == 2 * 3
        longer = replace(config, epochs=3)
        whole, _ = train(toy, tmp_path / "whole", MIX, longer)
        train(toy, run.path, MIX, longer, resume=True)
        assert run.card["sha256"] == whole.card["sha256"]


def test_embedding_that_was_stopped_goes_on(
    toy: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of("random_frozen", tmp_path, cached_items=80, **SMALL)
    whole, _ = train(toy, tmp_path / "whole", MIX, config)
    calls: list[int] = []

    def stopping(model: TaggingModel, audio: Tensor) -> Tensor:
        calls.append(len(audio))
        if len(calls) == 2:
            raise KeyboardInterrupt("pressed")
        return embed(model, audio)

    monkeypatch.setattr("mixlab.training.embedding_cache.embed", stopping)
    with pytest.raises(KeyboardInterrupt, match="pressed"):
        train(toy, tmp_path / "run", MIX, config)
    lines: list[str] = []
    run, _ = train(toy, tmp_path / "run", MIX, config, resume=True, report=lines.append)
    assert "mixing and embedding 80 mixes, once; 32 are there" in lines
    assert calls == [32, 32, 32, 16]
    mine, expected = run.read_embeddings(), whole.read_embeddings()
    assert mine is not None
    assert expected is not None
    assert all(torch.equal(mine[name], expected[name]) for name in expected)
    assert run.card["sha256"] == whole.card["sha256"]


def test_a_run_says_what_it_started_from(toy: Catalog, tmp_path: Path) -> None:
    first, _ = train(toy, tmp_path / "first", MIX, config_of("scratch", tmp_path, **SMALL))
    config = replace(config_of("scratch", tmp_path, **SMALL), transfer="last", pretrained=str(first.path))
    run, _ = train(toy, tmp_path / "second", MIX, config)
    file = run.card["pretrained_file"]
    assert file["sha256"] == first.card["sha256"]
    assert file["known_as"] is None
    assert first.card["pretrained_file"] is None
    text = (run.path / "report.md").read_text()
    assert f"transfer: last, started from {first.path} (SHA-256 {first.card['sha256'][:16]}...)" in text


def test_the_papers_configuration_is_the_papers(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["train", "--config", str(repo / "configs" / "paper.yaml"), "--print_config"])
    assert stop.value.code == 0
    settings = yaml.safe_load(capsys.readouterr().out)
    mix, config = from_plain(MixConfig, settings["mix"]), from_plain(TrainConfig, settings["train"])
    assert (mix.duration_s, mix.sample_rate, mix.p_musical, mix.label_set) == (4.0, 16000, 0.4, "mixtures15")
    assert config.loss == "bce"
    assert config.learning_rates(19) == {"head": 0.01, "backbone": 0.0001}
    factor = config.lr_factor
    assert factor < 1
    assert config.learning_rates(20) == {"head": 0.01 * factor, "backbone": 0.0001 * factor}
    assert config.learning_rates(39) == config.learning_rates(20)
    frozen = replace(config, transfer="frozen")
    assert frozen.learning_rates(0) == {"head": 0.01}
    scratch = replace(config, transfer="scratch", pretrained="")
    assert scratch.learning_rates(0) == {"head": 0.01, "backbone": 0.01}
    # The published network with 15 outputs instead of 50.
    assert n_parameters(build_model(config.model, 15)) == 3_687_348 - 35 * 513
