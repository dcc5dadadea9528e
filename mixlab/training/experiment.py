"""From a catalog to a scored run: what ``mixlab train`` and ``mixlab evaluate`` do."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mixlab.catalog.catalog import Catalog
from mixlab.errors import ConfigError
from mixlab.evaluation import Metric, find_metrics
from mixlab.evaluation.predictions import Predictions
from mixlab.evaluation.results import Report
from mixlab.mixing.config import MixConfig
from mixlab.mixing.dataset import MixDataset
from mixlab.mixing.loader import MixLoader
from mixlab.models import resolve
from mixlab.taxonomy import LabelSet
from mixlab.taxonomy.hierarchy import consistent_max
from mixlab.training.config import TrainConfig, from_plain
from mixlab.training.distillation import Teacher
from mixlab.training.distributed import World
from mixlab.training.embedding_cache import (
    calibrate,
    full_float32,
    related_classes,
    training_batches,
    training_loss,
)
from mixlab.training.loading import load_model
from mixlab.training.locations import as_catalog, catalog_entry, open_catalog
from mixlab.training.losses import scores_of
from mixlab.training.monitoring import watched_metrics
from mixlab.training.provenance import (
    Progress,
    demo_note,
    label_info,
    moved,
    plugin_sources,
    say,
    started,
    torch_threads,
)
from mixlab.training.repeated import RepeatedMixes
from mixlab.training.reporting import SPLITS, headings_of_mixes, score_predictions
from mixlab.training.run import Run
from mixlab.training.run_kinds import check_command
from mixlab.training.session import fit_model, model_card, reopen, write_scores
from mixlab.training.shared_batch_norm import check_batch_norms
from mixlab.training.teacher import changed_teacher, open_teacher, teacher_facts, teacher_line
from mixlab.training.transfer import new_model

__all__ = ["evaluate_run", "predict", "train"]

Batch = Mapping[str, Tensor]

MEMORY_LIMIT = 2 << 30
"""Validation mixes are kept in memory up to so many bytes, and mixed anew every epoch beyond."""


def _check_together(mix: MixConfig, train: TrainConfig) -> None:
    """Refuse a mix that the model cannot take, before anything is written."""
    if train.loss == "softmax":
        raise ConfigError(
            "train.loss=softmax is for clips that have exactly one class each ('mixlab train-clips'); mixes "
            "have several: set it to bce.",
            code="conflicting-settings",
        )
    resolve(train.model)
    if mix.sample_rate != train.model.sample_rate:
        raise ConfigError(
            f"mix.sample_rate={mix.sample_rate} and train.model.sample_rate={train.model.sample_rate} must "
            "be the same.",
            code="sample-rate-mismatch",
        )


def _fixed_set(catalog: Catalog, mix: MixConfig, train: TrainConfig, split: str, world: World) -> MixDataset:
    size = train.val_size if split == "validation" else train.test_size
    # Only validation is shared out: test mixes are scored by the first process, when training is done.
    shared = world.share_fixed(size, train.batch_size) if split == "validation" else train.batch_size
    return MixDataset(
        catalog,
        mix,
        split=split,
        seed=train.eval_seed,
        epoch_size=size,
        batch_size=shared,
        rank=world.rank,
        world_size=world.size,
    )


def _fixed_batches(dataset: MixDataset, num_workers: int) -> Iterable[Batch]:
    """Return the batches of a fixed set, held in memory unless they are too large for that."""
    settings = dataset.config
    samples = settings.channels * round(settings.duration_s * settings.sample_rate)
    size = 4 * dataset.epoch_size * samples // dataset.world_size
    loader = MixLoader(dataset, num_workers=num_workers)
    return list(loader) if size <= MEMORY_LIMIT else loader


def _reopen(
    run: Run,
    settings: Mapping[str, Any],
    catalog: Catalog,
    mix: MixConfig,
    config: TrainConfig,
    world: World,
    taught: Mapping[str, Any] | None,
) -> str | None:
    """Check that a run can go on, take over what may differ, and return how it ended if it did."""
    kinds = {"mix": MixConfig, "train": TrainConfig}
    changed = changed_teacher(run.info.get("teacher"), taught)
    ended = reopen(run, settings, kinds, config, world, mix=mix, places=("catalog",), changed=changed)
    if world.is_first:
        run.update(catalog=catalog_entry(catalog, run.path))
    return ended


def _run_info(
    out: Path, catalog: Catalog, mix: MixConfig, train: TrainConfig, labels: LabelSet
) -> dict[str, Any]:
    return {
        "seed": train.seed,
        "eval_seed": train.eval_seed,
        "catalog": catalog_entry(catalog, out),
        "note": demo_note(catalog.path, *catalog.roots.values()),
        "labels": label_info(labels),
        "mix_hash": mix.content_hash,
        "sources_sha256": plugin_sources(train, mix),
        "effect_contents": mix.effects.contents,
    }


def _model_card(
    run: Run, mix: MixConfig, train: TrainConfig, labels: LabelSet, model: nn.Module
) -> dict[str, Any]:
    through_tree = "; then the largest among a class and its descendants" if train.loss == "mcm" else ""
    return model_card(
        run,
        train,
        model,
        label_info(labels),
        duration_s=mix.duration_s,
        channels=mix.channels,
        output=f"logits; apply a sigmoid for scores{through_tree}",
        loss=train.loss,
        class_weights=train.class_weights,
        **({"teacher": run.info["teacher"]} if "teacher" in run.info else {}),
    )


def train(
    catalog: Catalog | str | Path,
    out: str | Path,
    mix: MixConfig | None = None,
    config: TrainConfig | None = None,
    *,
    resume: bool = False,
    roots: Mapping[str, str | Path] | None = None,
    report: Progress | None = None,
) -> tuple[Run, Report | None]:
    """Train a tagger on the stream of mixes, then score it on fixed musical ones.

    Under several processes (``torchrun``) each mixes and trains on its part of every batch, and scores its
    part of validation; see docs/distributed.md.

    Args:
        catalog: A catalog or its folder. A run that goes on also finds a catalog that moved with it.
        out: Folder of the run; new or empty, unless ``resume``.
        mix: Settings of the mixing; validation and test use ``mix.for_evaluation()``.
        config: Settings of the training.
        resume: Go on with the run in ``out`` from its last checkpoint. The result is the same as if
            it had never been stopped.
        roots: Where corpora lie now, by corpus name, if they have moved; with a catalog's folder.
        report: Called with lines of progress, such as ``print``; None says nothing and shows no progress
            bar.

    Returns:
        The run, and its scores; None instead of scores when the training was interrupted, and in all
        processes but the first of a distributed training.

    Example:
        A first try of a few seconds; leave the sizes out for a training that is worth its name.

        >>> from mixlab import MixConfig, TrainConfig, train
        >>> from mixlab.models import ModelConfig
        >>> small = TrainConfig(
        ...     ModelConfig(n_mels=32, width=4), epochs=1, epoch_size=32, batch_size=8, val_size=24,
        ...     test_size=24, bootstrap=20, precision="fp32", accelerator="cpu", tensorboard=False,
        ... )
        >>> run, report = train("my-catalog", "runs/first", MixConfig(p_musical=0.4, duration_s=1.0), small)
        >>> 0 <= report.test.scores["average_precision"].value <= 1
        True

    Raises:
        ConfigError: settings contradict each other, or those of the run that is to go on.
        RunError: ``out`` is in use, or there is nothing to go on with.
    """
    mix, config = mix or MixConfig(), config or TrainConfig()
    _check_together(mix, config)
    if resume:
        run = Run.open(out)
        run.check_writable()
        opened = open_catalog(run, catalog, roots)
    else:
        run = Run(Path(out))
        opened = as_catalog(catalog, roots)
    with torch_threads(config.threads), run.held(first=World.from_environment().is_first):
        return _train(opened, run, mix, config, resume, report)


def _train(
    opened: Catalog, run: Run, mix: MixConfig, config: TrainConfig, resume: bool, report: Progress | None
) -> tuple[Run, Report | None]:
    world = World.from_environment()
    watched_metrics(config)  # what cannot be computed is found before the work
    if config.cached_items and world.size > 1:
        raise ConfigError(
            "train.cached_items trains in one process: start mixlab without torchrun.",
            code="conflicting-settings",
        )
    stream = _stream(opened, mix, config, world)
    fixed = {split: _fixed_set(opened, mix, config, split, world) for split in SPLITS}
    teacher = open_teacher(config, mix, stream.labels)
    taught = teacher_facts(config, stream.labels, teacher)
    model = new_model(config, len(stream.labels), mix.render_settings().samples, mix.channels)
    check_batch_norms(model, config, world)
    places = {"catalog": opened.place, "out": str(run.path.absolute())}
    settings = {**places, "mix": asdict(mix), "train": asdict(config)}
    ended = None
    if resume:
        ended = _reopen(run, settings, opened, mix, config, world, taught)
    elif world.is_first:
        info = _run_info(run.path, opened, mix, config, stream.labels)
        Run.create(run.path, settings, {**info, **({"teacher": taught} if taught else {})})
    if taught:
        say(report, teacher_line(taught))
    if ended is None and world.is_first:
        # Also when an earlier part of the training was scored: how to go on depends on it.
        run.update(status="training")
    say(report, f"mixing {config.val_size} fixed musical mixes for validation")
    batches = {"validation": _fixed_batches(fixed["validation"], config.num_workers)}
    if ended is None:
        ended = _fit(
            run,
            model,
            stream,
            batches["validation"],
            config,
            world,
            teacher=teacher,
            resume=resume,
            report=report,
        )
    if not world.is_first or ended == "interrupted":
        return run, None
    if world.size > 1:
        batches = {}
    say(report, f"scoring the best epoch on validation and on {config.test_size} fixed musical test mixes")
    return run, evaluate_run(run, catalog=opened, batches=batches)


def _stream(opened: Catalog, mix: MixConfig, config: TrainConfig, world: World) -> MixDataset:
    """Return the mixes that are trained on: ever new ones, or so many as the settings limit them to."""
    shape: dict[str, Any] = {
        "seed": config.seed,
        "epoch_size": config.epoch_size,
        "batch_size": world.share(config.batch_size),
        "rank": world.rank,
        "world_size": world.size,
    }
    if config.distinct_items:
        return RepeatedMixes(opened, mix, distinct_items=config.distinct_items, **shape)
    return MixDataset(opened, mix, **shape)


def _fit(
    run: Run,
    model: nn.Module,
    stream: MixDataset,
    validation: Iterable[Batch],
    config: TrainConfig,
    world: World,
    *,
    teacher: Teacher | None,
    resume: bool,
    report: Progress | None,
) -> str:
    labels = stream.labels
    if config.transfer == "random_frozen":
        say(report, "measuring the random backbone's batch norm statistics on the first training mixes")
        calibrate(model, stream, num_workers=config.num_workers)
    return fit_model(
        run,
        model,
        lambda accelerator: training_batches(run, model, stream, config, accelerator, report),
        validation,
        config,
        world,
        n_samples=stream.config.render_settings().samples,
        n_classes=len(labels),
        card=lambda: _model_card(run, stream.config, config, labels, model),
        resume=resume,
        report=report,
        loss=training_loss(run, stream, config, first=world.is_first, resume=resume, report=report),
        related=related_classes(config, labels),
        teacher=teacher,
    )


def predict(
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    device: torch.device | str = "cpu",
    related: NDArray[np.bool_] | None = None,
    loss: str = "bce",
) -> dict[str, np.ndarray]:
    """Score batches in float32.

    Float32 also where training ran in bf16, which keeps about three digits: scores must not depend on
    what hardware was at hand.

    Args:
        model: Audio ``(B, channels, T)`` to logits ``(B, C)``.
        batches: As ``MixLoader`` yields them.
        device: Where to compute.
        related: Ancestry of the classes, ``(C, C)``, for a model that predicts through it.
        loss: What the model was trained with; it says how logits become probabilities (``scores_of``).

    Returns:
        ``scores`` (probabilities), ``target`` and ``mask`` ``(N, C)``, ``index`` and ``attempt`` ``(N,)``.
    """
    model = model.to(device).eval()
    names = ("target", "mask", "index", "attempt")
    collected: dict[str, list[np.ndarray]] = {name: [] for name in ("scores", *names)}
    with torch.inference_mode(), full_float32():
        for batch in batches:
            scores = scores_of(model(batch["audio"].to(device)), loss).cpu().numpy()
            collected["scores"].append(scores if related is None else consistent_max(scores, related))
            for name in names:
                collected[name].append(batch[name].numpy())
    return {name: np.concatenate(parts) for name, parts in collected.items()}


def evaluate_run(
    run: Run | str | Path,
    *,
    catalog: Catalog | str | Path | None = None,
    roots: Mapping[str, str | Path] | None = None,
    num_workers: int | None = None,
    batches: Mapping[str, Iterable[Batch]] | None = None,
    metrics: Sequence[str] | None = None,
) -> Report:
    """Score a run's model on its fixed validation and test mixes, and write predictions and report.

    Thresholds are fitted on validation; test only ever sees them as they are.

    Args:
        run: A run with a model, or its folder.
        catalog: The run's catalog or its folder; None takes the path in its configuration, or, where the
            catalog is not there, its old place in relation to the run.
        roots: Where corpora lie now, by corpus name, if they have moved; with a catalog's folder.
        num_workers: Processes that mix; None takes the run's setting.
        batches: Batches of a split that are at hand already.
        metrics: Metrics of one's own, as ``train.metrics``; None takes the run's setting.

    Raises:
        ConfigError: a metric cannot be used; found before anything is scored.
        RunError: the run has no model yet, is damaged, or was not made by ``train``: for others there are
            ``pretraining.evaluate_pretrained`` and ``baselines.evaluate_baseline``.
        CatalogError: the catalog is not where it was.
        CatalogMismatchError: the catalog is not the one the run was trained with.
        OutputError: the run's folder cannot be written; found before anything is scored.

    Example:
        >>> from mixlab import evaluate_run
        >>> report = evaluate_run("runs/first", catalog="my-catalog")    # for one that has moved, say where
        >>> len({each.name: each.scores["f1"].value for each in report.test.classes})
        15
    """
    run = run if isinstance(run, Run) else Run.open(run)
    check_command(run, "train")
    run.check_writable()
    with run.held():
        return _evaluate(run, catalog, roots, num_workers, batches, metrics)


def _evaluate(
    run: Run,
    catalog: Catalog | str | Path | None,
    roots: Mapping[str, str | Path] | None,
    num_workers: int | None,
    batches: Mapping[str, Iterable[Batch]] | None,
    metrics: Sequence[str] | None,
) -> Report:
    stored = run.config
    mix, config = from_plain(MixConfig, stored["mix"]), from_plain(TrainConfig, stored["train"])
    computed = find_metrics(config.metrics if metrics is None else metrics)
    model = load_model(run)
    opened = open_catalog(run, catalog, roots)
    workers = config.num_workers if num_workers is None else num_workers
    world = World()
    parts = []
    with torch_threads(config.threads):
        for split in SPLITS:
            dataset = _fixed_set(opened, mix, config, split, world)
            given = (batches or {}).get(split) or MixLoader(dataset, num_workers=workers)
            device = world.accelerator(config.accelerator)
            scored = predict(model, given, device=device, related=related_classes(config, dataset.labels))
            columns = (scored[name] for name in ("index", "attempt", "scores", "target", "mask"))
            parts.append(Predictions.of_mixes(dataset, *columns))
    predictions = Predictions.join(parts)
    run.write_predictions(predictions)
    return _score(run, predictions, config, computed)


def _score(run: Run, predictions: Predictions, config: TrainConfig, metrics: Sequence[Metric]) -> Report:
    """Compute, store and return the scores of predictions."""
    report = score_predictions(
        run, predictions, metrics=metrics, n_resamples=config.bootstrap, seed=config.eval_seed
    )
    return write_scores(run, report, _facts(run), headings_of_mixes(report))


def _facts(run: Run) -> list[str]:
    """Return what a reader of the report must know of the training."""
    info = run.info
    return [
        f"catalog `{info['catalog']['content_hash']}`, label set {info['labels']['name']} "
        f"`{info['labels']['content_hash']}`, seed {info['seed']}",
        f"trained {info['parameters']:,} parameters, {info['trainable']:,} of them trainable, in "
        f"{info['precision']} on {info['device']}; best epoch {run.card['trained']['epoch']} of "
        f"{len(run.metrics())}",
        f"{started(run.card)}",
        *([teacher_line(info["teacher"])] if "teacher" in info else []),
        "relative change of each module's weights since the start: " + moved(run.card),
        "thresholds fitted on validation only, so its own P, R and F1 flatter the model",
        "the chance-level baseline predicts each class's validation frequency for every mix; at its "
        "best threshold that is to predict it always",
    ]
