"""From a catalog to a scored run: what ``mixlab train`` and ``mixlab evaluate`` do."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mixlab.catalog import Catalog
from mixlab.datasets import MixDataset, make_loader
from mixlab.errors import ConfigError, RunError
from mixlab.evaluation import SplitScores, score_splits
from mixlab.hierarchy import coherent_max
from mixlab.models import ModelConfig, TaggingModel, build_model, n_parameters
from mixlab.recipes import MixConfig
from mixlab.reporting import format_markdown
from mixlab.runs import Predictions, Run, plain
from mixlab.taxonomy import LabelSet, load_taxonomy
from mixlab.training.config import TrainConfig, from_plain
from mixlab.training.objective import faster_precision, measure_precision
from mixlab.training.places import as_catalog, catalog_entry, open_catalog
from mixlab.training.preparation import calibrate, related_classes, training_batches, training_loss
from mixlab.training.transfer import new_model, pretrained_facts
from mixlab.training.world import World

__all__ = ["Evaluation", "evaluate_run", "load_model", "predict", "train"]

Batch = Mapping[str, Tensor]
Report = Callable[[str], None]

SPLITS = ("validation", "test")

MEMORY_LIMIT = 2 << 30
"""Validation mixes are kept in memory up to so many bytes, and mixed anew every epoch beyond."""

CHANGEABLE = (
    "catalog",
    "out",
    "train.epochs",
    "train.patience",
    "train.num_workers",
    "train.threads",
    "train.save_every",
    "train.tensorboard",
    "train.bootstrap",
)
"""Settings that may differ when a run goes on: none of them changes what an epoch computes."""

DEMO_NOTE = "demo numbers: made on synthetic demo corpora, never results"


@dataclass(frozen=True)
class Evaluation:
    """Scores of one run.

    Attributes:
        splits: Scores of ``validation`` and ``test``.
        note: A remark that must stand beside the numbers, or ''.
        redrawn: Mixes of each split that are not those meant: files could not be read, and others were
            drawn instead.
    """

    splits: dict[str, SplitScores]
    note: str
    redrawn: dict[str, int]

    def redrawn_note(self, split: str) -> str:
        """Return what must be said of a split's redrawn mixes, or ''."""
        count = self.redrawn[split]
        if not count:
            return ""
        return (
            f"{count} of {self.splits[split].n_items} {split} mixes were drawn anew, as files could not be "
            "read: these scores are not those of the intact corpora"
        )


def _demo_note(catalog: Catalog) -> str:
    folders = [catalog.path.resolve(), *(Path(root).resolve() for root in catalog.roots.values())]
    marked = any(
        (parent / "demo.json").is_file() for folder in folders for parent in (folder, *folder.parents)
    )
    return DEMO_NOTE if marked else ""


def _label_info(labels: LabelSet) -> dict[str, Any]:
    taxonomy = load_taxonomy()
    return {
        "name": labels.name,
        "outputs": list(labels.names),
        "parents": list(labels.parents(taxonomy)),
        "content_hash": labels.content_hash,
        "taxonomy_hash": taxonomy.content_hash,
    }


def _check_together(mix: MixConfig, train: TrainConfig) -> None:
    """Refuse a mix that the model cannot take, before anything is written."""
    if mix.channels != 1:
        raise ConfigError(f"Models take mono mixes: set mix.channels to 1, found {mix.channels}.")
    if mix.sample_rate != train.model.sample_rate:
        raise ConfigError(
            f"mix.sample_rate={mix.sample_rate} and train.model.sample_rate={train.model.sample_rate} must "
            "be the same."
        )


def _fixed_set(catalog: Catalog, mix: MixConfig, train: TrainConfig, split: str, world: World) -> MixDataset:
    return MixDataset(
        catalog,
        mix,
        split=split,
        seed=train.eval_seed,
        epoch_size=train.val_size if split == "validation" else train.test_size,
        batch_size=world.share(train.batch_size),
        rank=world.rank,
        world_size=world.size,
    )


def _fixed_batches(dataset: MixDataset, num_workers: int) -> Iterable[Batch]:
    """Return the batches of a fixed set, held in memory unless they are too large for that."""
    settings = dataset.config
    size = 4 * dataset.epoch_size * round(settings.duration_s * settings.sample_rate) // dataset.world_size
    loader = make_loader(dataset, num_workers=num_workers)
    return list(loader) if size <= MEMORY_LIMIT else loader


def _choose_precision(
    run: Run,
    model: nn.Module,
    train: TrainConfig,
    n_samples: int,
    n_classes: int,
    world: World,
    *,
    resume: bool,
) -> str:
    """Return ``fp32`` or ``bf16``; a run that goes on keeps what it began with."""
    stored = run.info.get("precision") if resume else None
    if stored in ("fp32", "bf16"):
        return str(stored)
    if train.precision != "auto":
        return train.precision
    if train.cached_items:
        # What is left to train is a few dense layers.
        return "fp32"
    device = torch.device(world.accelerator(train.accelerator))
    if world.size > 1:
        # Processes that measured for themselves could disagree.
        return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    rates = measure_precision(model, n_samples, n_classes, batch_size=train.batch_size, device=device)
    run.update(measured_items_per_s={name: round(rate, 2) for name, rate in rates.items()})
    return faster_precision(rates)


def _flatten(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in data.items():
        name = f"{prefix}{key}"
        flat |= _flatten(value, f"{name}.") if isinstance(value, Mapping) and value else {name: value}
    return flat


def _reopen(
    run: Run, settings: Mapping[str, Any], catalog: Catalog, config: TrainConfig, world: World
) -> str | None:
    """Check that a run can go on, take over what may differ, and return how it ended if it did."""
    stored, given = _flatten(run.config), _flatten(plain(settings))
    changed = [
        f"{name}: {stored.get(name)!r} -> {given.get(name)!r}"
        for name in sorted(stored.keys() | given.keys())
        if name not in CHANGEABLE and stored.get(name) != given.get(name)
    ]
    if changed:
        raise ConfigError(
            f"{run.path} was started with other settings ({'; '.join(changed[:5])}). Go on with "
            f"'{run.resume_command}', or start a new run in another --out."
        )
    ended = _finished(run, config)
    if world.is_first:
        run.write_config(settings)
        run.update(catalog=catalog_entry(catalog, run.path))
    return ended


def _run_info(
    out: Path, catalog: Catalog, mix: MixConfig, train: TrainConfig, labels: LabelSet
) -> dict[str, Any]:
    return {
        "seed": train.seed,
        "eval_seed": train.eval_seed,
        "catalog": catalog_entry(catalog, out),
        "note": _demo_note(catalog),
        "labels": _label_info(labels),
        "mix_hash": mix.content_hash,
    }


def _model_card(
    run: Run, mix: MixConfig, train: TrainConfig, labels: LabelSet, model: TaggingModel
) -> dict[str, Any]:
    info = run.info
    through_tree = "; then the largest among a class and its descendants" if train.loss == "mcm" else ""
    return {
        "schema": 1,
        "config": asdict(model.config),
        "labels": _label_info(labels),
        "input": {"sample_rate": mix.sample_rate, "duration_s": mix.duration_s, "channels": 1},
        "output": f"logits; apply a sigmoid for scores{through_tree}",
        "parameters": n_parameters(model),
        "transfer": train.transfer,
        "loss": train.loss,
        "class_weights": train.class_weights,
        "pretrained": train.pretrained,
        "pretrained_file": pretrained_facts(train),
        "catalog_hash": info["catalog"]["content_hash"],
        "note": info["note"],
        "versions": info["versions"],
    }


def train(
    catalog: Catalog | str | Path,
    out: str | Path,
    mix: MixConfig | None = None,
    config: TrainConfig | None = None,
    *,
    resume: bool = False,
    roots: Mapping[str, str | Path] | None = None,
    report: Report | None = None,
) -> tuple[Run, Evaluation | None]:
    """Train a tagger on the stream of mixes, then score it on fixed musical ones.

    Under several processes (``torchrun``) each mixes and trains on its part of every batch; the loss is
    normalized, and batch norm takes its statistics, per process.

    Args:
        catalog: A catalog or its folder. A run that goes on also finds a catalog that moved with it.
        out: Folder of the run; new or empty, unless ``resume``.
        mix: Settings of the mixing; validation and test use ``mix.for_evaluation()``.
        config: Settings of the training.
        resume: Go on with the run in ``out`` from its last checkpoint. The result is the same as if
            it had never been stopped.
        roots: Where corpora lie now, by corpus name, if they have moved; with a catalog's folder.
        report: Called with lines of progress; None says nothing and shows no progress bar.

    Returns:
        The run, and its scores; None instead of scores when the training was interrupted, and in all
        processes but the first of a distributed training.

    Raises:
        ConfigError: settings contradict each other, or those of the run that is to go on.
        RunError: ``out`` is in use, or there is nothing to go on with.
    """
    mix, config = mix or MixConfig(), config or TrainConfig()
    _check_together(mix, config)
    if resume:
        run = Run.open(out)
        opened = open_catalog(run, catalog, roots)
    else:
        run = Run(Path(out))
        opened = as_catalog(catalog, roots)
    with _threads(config.threads):
        return _train(opened, run, mix, config, resume, report)


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Let torch use so many threads; 0 leaves it as it is."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _train(
    opened: Catalog, run: Run, mix: MixConfig, config: TrainConfig, resume: bool, report: Report | None
) -> tuple[Run, Evaluation | None]:
    world = World.from_environment()
    if config.cached_items and world.size > 1:
        raise ConfigError("train.cached_items trains in one process: start mixlab without torchrun.")
    stream = MixDataset(
        opened,
        mix,
        seed=config.seed,
        epoch_size=config.epoch_size,
        batch_size=world.share(config.batch_size),
        rank=world.rank,
        world_size=world.size,
    )
    fixed = {split: _fixed_set(opened, mix, config, split, world) for split in SPLITS}
    model = new_model(config, len(stream.labels), mix.render_settings().samples)
    places = {"catalog": str(opened.path), "out": str(run.path.absolute())}
    settings = {**places, "mix": asdict(mix), "train": asdict(config)}
    ended = None
    if resume:
        ended = _reopen(run, settings, opened, config, world)
    elif world.is_first:
        Run.create(run.path, settings, _run_info(run.path, opened, mix, config, stream.labels))
    if ended is None and world.is_first:
        # Also when an earlier part of the training was scored: how to go on depends on it.
        run.update(status="training")
    _say(report, f"mixing {config.val_size} fixed musical mixes for validation")
    batches = {"validation": _fixed_batches(fixed["validation"], config.num_workers)}
    if ended is None:
        ended = _fit(run, model, stream, batches["validation"], config, world, resume=resume, report=report)
    if not world.is_first or ended == "interrupted":
        return run, None
    if world.size > 1:
        batches = {}
    _say(report, f"scoring the best epoch on validation and on {config.test_size} fixed musical test mixes")
    return run, evaluate_run(run, catalog=opened, batches=batches)


def _say(report: Report | None, line: str) -> None:
    if report is not None:
        report(line)


def _finished(run: Run, config: TrainConfig) -> str | None:
    """Return how a run ended, or None when there is something left to train."""
    stored = run.info.get("training", {})
    epochs, reason = stored.get("epochs", 0), stored.get("reason")
    if config.epochs < epochs:
        raise ConfigError(
            f"{run.path} has trained {epochs} epochs already, train.epochs={config.epochs} is fewer."
        )
    waited_out = reason == "patience" and config.patience == stored.get("patience")
    return reason if waited_out or (reason == "finished" and epochs == config.epochs) else None


def _fit(
    run: Run,
    model: TaggingModel,
    stream: MixDataset,
    validation: Iterable[Batch],
    config: TrainConfig,
    world: World,
    *,
    resume: bool,
    report: Report | None,
) -> str:
    from mixlab.training.loop import StopRequest, fit

    n_samples, labels = stream.config.render_settings().samples, stream.labels
    if config.transfer == "random_frozen":
        _say(report, "measuring the random backbone's batch norm statistics on the first training mixes")
        calibrate(model, stream, num_workers=config.num_workers)
    loss = training_loss(run, stream, config, first=world.is_first, resume=resume, report=report)
    precision = _choose_precision(run, model, config, n_samples, len(labels), world, resume=resume)
    accelerator = world.accelerator(config.accelerator)
    if world.is_first:
        modules = {name.split(".")[0]: None for name, p in model.named_parameters() if p.requires_grad}
        moved = {"parameters": n_parameters(model), "trainable": n_parameters(model, trainable=True)}
        run.update(trainable_modules=list(modules))
        run.update(status="training", precision=precision, device=accelerator, world_size=world.size, **moved)
        _say(
            report,
            f"{config.model.architecture}: {moved['parameters']:,} parameters, {moved['trainable']:,} of "
            f"them trainable ({config.transfer}); {precision} on {accelerator}",
        )
    batches = training_batches(run, model, stream, config, accelerator, report)
    begin = time.perf_counter()
    with StopRequest().on_interrupt() as stop:
        result = fit(
            run,
            model,
            batches,
            validation,
            config,
            precision=precision,
            loss=loss,
            related=related_classes(config, labels),
            card=_model_card(run, stream.config, config, labels, model) if world.is_first else {},
            world=world,
            stop=stop,
            report=report,
        )
    if world.is_first:
        seconds = run.info.get("training", {}).get("seconds", 0.0) + time.perf_counter() - begin
        ended = {**asdict(result), "patience": config.patience, "seconds": round(seconds, 1)}
        run.update(status="interrupted" if result.reason == "interrupted" else "trained", training=ended)
    return result.reason


def load_model(run: Run) -> TaggingModel:
    """Return a run's model, the best epoch's, ready for inference on the CPU.

    Raises:
        RunError: no epoch was finished, or the files are damaged.
    """
    state, card = run.read_model()
    try:
        config = from_plain(ModelConfig, card["config"])
        model = build_model(config, len(card["labels"]["outputs"]))
        model.load_state_dict(state)
    except (KeyError, TypeError, RuntimeError, ConfigError) as error:
        raise RunError(f"{run.path}/model.json does not describe model.safetensors: {error}") from error
    return model.eval()


def predict(
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    device: torch.device | str = "cpu",
    related: NDArray[np.bool_] | None = None,
) -> dict[str, np.ndarray]:
    """Score batches in float32.

    Float32 also where training ran in bf16, which keeps about three digits: scores must not depend on
    what hardware was at hand.

    Args:
        model: Audio ``(B, 1, T)`` to logits ``(B, C)``.
        batches: As ``MixLoader`` yields them.
        device: Where to compute.
        related: Ancestry of the classes, ``(C, C)``, for a model that predicts through it.

    Returns:
        ``scores`` (probabilities), ``target`` and ``mask`` ``(N, C)``, ``index`` and ``attempt`` ``(N,)``.
    """
    model = model.to(device).eval()
    names = ("target", "mask", "index", "attempt")
    collected: dict[str, list[np.ndarray]] = {name: [] for name in ("scores", *names)}
    with torch.inference_mode():
        for batch in batches:
            scores = torch.sigmoid(model(batch["audio"].to(device)).float()).cpu().numpy()
            collected["scores"].append(scores if related is None else coherent_max(scores, related))
            for name in names:
                collected[name].append(batch[name].numpy())
    return {name: np.concatenate(parts) for name, parts in collected.items()}


def _as_predictions(dataset: MixDataset, scored: Mapping[str, np.ndarray]) -> Predictions:
    pairs = zip(scored["index"].tolist(), scored["attempt"].tolist(), strict=True)
    recipes = [dataset.recipe(index, attempt=attempt) for index, attempt in pairs]
    return Predictions(
        labels=dataset.label_names,
        split=np.array([dataset.split] * len(recipes), dtype=object),
        index=scored["index"],
        group=np.array([recipe.sources[0].stem.rpartition("/")[0] for recipe in recipes], dtype=object),
        scores=scored["scores"],
        targets=scored["target"],
        mask=scored["mask"],
        recipes=np.array([recipe.to_json() for recipe in recipes], dtype=object),
    )


def evaluate_run(
    run: Run,
    *,
    catalog: Catalog | str | Path | None = None,
    roots: Mapping[str, str | Path] | None = None,
    num_workers: int | None = None,
    batches: Mapping[str, Iterable[Batch]] | None = None,
) -> Evaluation:
    """Score a run's model on its fixed validation and test mixes, and write predictions and report.

    Thresholds are fitted on validation; test only ever sees them as they are.

    Args:
        run: A run with a model.
        catalog: The run's catalog or its folder; None takes the path in its configuration, or, where the
            catalog is not there, its old place in relation to the run.
        roots: Where corpora lie now, by corpus name, if they have moved; with a catalog's folder.
        num_workers: Processes that mix; None takes the run's setting.
        batches: Batches of a split that are at hand already.

    Raises:
        RunError: the run has no model yet, or is damaged.
        CatalogError: the catalog is not where it was.
        CatalogMismatchError: the catalog is not the one the run was trained with.
    """
    stored = run.config
    mix, config = from_plain(MixConfig, stored["mix"]), from_plain(TrainConfig, stored["train"])
    model = load_model(run)
    opened = open_catalog(run, catalog, roots)
    workers = config.num_workers if num_workers is None else num_workers
    world = World()
    parts = []
    with _threads(config.threads):
        for split in SPLITS:
            dataset = _fixed_set(opened, mix, config, split, world)
            given = (batches or {}).get(split) or make_loader(dataset, num_workers=workers)
            device = world.accelerator(config.accelerator)
            scored = predict(model, given, device=device, related=related_classes(config, dataset.labels))
            parts.append(_as_predictions(dataset, scored))
    predictions = Predictions.join(parts)
    run.write_predictions(predictions)
    return _score(run, predictions, config)


def _score(run: Run, predictions: Predictions, config: TrainConfig) -> Evaluation:
    """Compute, store and return the scores of predictions."""
    scored = score_splits(
        predictions,
        run.info["labels"]["parents"],
        splits=SPLITS,
        n_resamples=config.bootstrap,
        seed=config.eval_seed,
    )
    redrawn = {
        split: sum(json.loads(recipe)["attempt"] > 0 for recipe in predictions.only(split).recipes)
        for split in SPLITS
    }
    evaluation = Evaluation(scored.splits, str(run.info.get("note", "")), redrawn)
    run.update_card(**scored.card())
    run.write_report({"schema": 1, **asdict(evaluation)}, _markdown(run, evaluation))
    run.update(status="evaluated")
    return evaluation


def _markdown(run: Run, evaluation: Evaluation) -> str:
    info = run.info
    lines = [f"# {run.path.name}", ""]
    if evaluation.note:
        lines += [f"**{evaluation.note[0].upper()}{evaluation.note[1:]}.**", ""]
    lines += [
        f"- catalog `{info['catalog']['content_hash']}`, label set {info['labels']['name']} "
        f"`{info['labels']['content_hash']}`, seed {info['seed']}",
        f"- trained {info['parameters']:,} parameters, {info['trainable']:,} of them trainable, in "
        f"{info['precision']} on {info['device']}; best epoch {run.card['trained']['epoch']} of "
        f"{len(run.metrics())}",
        f"- {_started(run.card)}",
        "- relative change of each module's weights since the start: " + _moved(run.card),
        "- thresholds fitted on validation only, so its own P, R and F1 flatter the model",
        "- the prior predicts each class's validation frequency for every mix; at its best threshold that "
        "is to predict it always",
    ]
    for split in reversed(SPLITS):
        scores = evaluation.splits[split]
        lines += ["", f"## {split}: {scores.n_items} mixes from {scores.n_groups} songs", ""]
        if evaluation.redrawn[split]:
            lines += [f"**{evaluation.redrawn_note(split)}.**", ""]
        lines.append(format_markdown(scores))
    return "\n".join(lines) + "\n"


def _started(card: Mapping[str, Any]) -> str:
    """Say what a training started from and what it minimised."""
    file = card.get("pretrained_file")
    if not file:
        start = "random weights"
    elif file["known_as"]:
        start = f"{file['known_as']} ({file['trained_on']})"
    else:
        start = f"{card['pretrained']} (SHA-256 {file['sha256'][:16]}...)"
    weighted = ", classes balanced" if card.get("class_weights") == "balanced" else ""
    return f"transfer: {card['transfer']}, started from {start}; loss {card.get('loss', 'bce')}{weighted}"


def _moved(card: Mapping[str, Any]) -> str:
    """List how far each module went, frozen ones as such."""
    return ", ".join(
        f"{name} {entry['weights']:.3g}" if entry["trainable"] else f"{name} frozen ({entry['weights']:.3g})"
        for name, entry in card["moved"].items()
    )
