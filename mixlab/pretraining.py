"""Pretraining on MTG-Jamendo: what ``mixlab pretrain`` does, with the loop that ``mixlab train`` uses.

The result is a run like any other: its model can be fine-tuned (``--train.pretrained RUN``), tags files and
is scored per tag, each test track by evenly spaced chunks whose scores are averaged.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from mixlab.errors import ConfigError
from mixlab.evaluation import score_splits
from mixlab.jamendo import (
    JamendoConfig,
    JamendoCorpus,
    JamendoTrack,
    TrackChunks,
    TrackLoader,
    TrackStream,
    even_starts,
    open_jamendo,
)
from mixlab.models import TaggingModel, n_parameters
from mixlab.reporting import format_markdown
from mixlab.rng import open_stream
from mixlab.runs import Predictions, Run, plain
from mixlab.taxonomy import LabelSet, load_taxonomy
from mixlab.training import Evaluation, TrainConfig, World, load_model, predict
from mixlab.training.config import from_plain
from mixlab.training.objective import faster_precision, measure_precision
from mixlab.training.transfer import new_model, pretrained_facts

__all__ = ["chosen_tracks", "evaluate_pretrained", "pretrain"]

Report = Callable[[str], None]

SPLITS = ("validation", "test")
CHANGEABLE = (
    "root",
    "out",
    "metadata",
    *(
        f"train.{name}"
        for name in ("epochs", "patience", "num_workers", "threads", "save_every", "tensorboard", "bootstrap")
    ),
)
"""Settings that may differ when a run goes on: none of them changes what an epoch computes."""

MEMORY_LIMIT = 1 << 30
"""Validation chunks are kept in memory up to so many bytes, and decoded anew every epoch beyond."""


def pretrain(
    root: str | Path,
    out: str | Path,
    jamendo: JamendoConfig,
    config: TrainConfig,
    *,
    metadata: str | Path | None = None,
    resume: bool = False,
    report: Report | None = None,
) -> tuple[Run, Evaluation | None]:
    """Train a tagger on MTG-Jamendo, then score it per tag on the official test split.

    Every epoch hears ``epoch_size`` chunks, each track once before any comes again. ``val_size`` and
    ``test_size`` are the most tracks that are scored of a split; fewer are chosen by ``eval_seed``.

    Args:
        root: The dataset, or the folder of its audio.
        out: Folder of the run; new or empty, unless ``resume``.
        jamendo: Which tags and split, and how tracks are cut.
        config: Settings of the training.
        metadata: Where the dataset's tables lie, if not below ``root``.
        resume: Go on with the run in ``out`` from its last checkpoint.
        report: Called with lines of progress; None says nothing and shows no progress bar.

    Returns:
        The run, and its scores; None instead of scores when the training was interrupted, and in all
        processes but the first of a distributed training.

    Raises:
        ConfigError: settings contradict each other, or those of the run that is to go on.
        CorpusError: tables or audio are not where they are expected.
        RunError: ``out`` is in use, or there is nothing to go on with.
    """
    _check(config)
    corpus = open_jamendo(root, jamendo, metadata=metadata)
    _say_what_is_there(corpus, report)
    world, run = World.from_environment(), Run(Path(out))
    settings = {
        "root": str(Path(root).absolute()),
        "out": str(Path(out).absolute()),
        "metadata": None if metadata is None else str(Path(metadata).absolute()),
        "jamendo": asdict(jamendo),
        "train": asdict(config),
    }
    ended = None
    if resume:
        ended = _reopen(Run.open(out), settings, config, corpus, first=world.is_first)
    elif world.is_first:
        Run.create(run.path, settings, _run_info(corpus, config))
    before = torch.get_num_threads()
    torch.set_num_threads(config.threads or before)
    try:
        if ended is None:
            ended = _fit(run, corpus, config, world, resume=resume, report=report)
        if not world.is_first or ended == "interrupted":
            return run, None
        return run, evaluate_pretrained(run, corpus, report=report)
    finally:
        torch.set_num_threads(before)


def _check(config: TrainConfig) -> None:
    for name, value in (("cached_items", 0), ("loss", "bce"), ("class_weights", "none")):
        if getattr(config, name) != value:
            raise ConfigError(
                f"train.{name}={getattr(config, name)} is made for mixes; pretraining knows only {value}."
            )
    if config.transfer == "random_frozen":
        raise ConfigError(
            "train.transfer=random_frozen leaves nothing worth pretraining; choose scratch or finetune."
        )


def _say(report: Report | None, line: str) -> None:
    if report is not None:
        report(line)


def _say_what_is_there(corpus: JamendoCorpus, report: Report | None) -> None:
    counts = ", ".join(f"{len(tracks)} {split}" for split, tracks in corpus.tracks.items())
    _say(report, f"MTG-Jamendo {corpus.labels.name}, split {corpus.config.split}: {counts} tracks")
    lacking = {split: len(ids) for split, ids in corpus.missing.items() if ids}
    if lacking:
        counts = ", ".join(f"{count} {split}" for split, count in lacking.items())
        _say(report, f"no audio for {counts} tracks: they are left out, and scores are not the official ones")


def _label_info(labels: LabelSet) -> dict[str, Any]:
    return {
        "name": labels.name,
        "outputs": list(labels.names),
        # Artists tag as they like: 'violin' without 'strings' is no contradiction.
        "parents": [None] * len(labels),
        "content_hash": labels.content_hash,
        "taxonomy_hash": load_taxonomy().content_hash,
    }


def _note(corpus: JamendoCorpus) -> str:
    root = corpus.root.resolve()
    if any((folder / "demo.json").is_file() for folder in (root, *root.parents)):
        return "demo numbers: made on synthetic demo corpora, never results"
    return ""


def _run_info(corpus: JamendoCorpus, config: TrainConfig) -> dict[str, Any]:
    return {
        "command": "pretrain",
        "seed": config.seed,
        "eval_seed": config.eval_seed,
        "catalog": {"path": str(corpus.root.absolute()), "content_hash": corpus.content_hash},
        "note": _note(corpus),
        "labels": _label_info(corpus.labels),
        "tracks": {split: len(tracks) for split, tracks in corpus.tracks.items()},
        "missing_tracks": {split: len(ids) for split, ids in corpus.missing.items()},
    }


def _flatten(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in data.items():
        name = f"{prefix}{key}"
        flat |= _flatten(value, f"{name}.") if isinstance(value, Mapping) and value else {name: value}
    return flat


def _reopen(
    run: Run, settings: Mapping[str, Any], config: TrainConfig, corpus: JamendoCorpus, *, first: bool
) -> str | None:
    """Check that a run can go on; return how it ended if there is nothing left to train."""
    stored, given = _flatten(run.config), _flatten(plain(settings))
    changed = [
        f"{name}: {stored.get(name)!r} -> {given.get(name)!r}"
        for name in sorted(stored.keys() | given.keys())
        if name not in CHANGEABLE and stored.get(name) != given.get(name)
    ]
    if run.info["catalog"]["content_hash"] != corpus.content_hash:
        changed.append("the tracks that are there, or their tags")
    if changed:
        raise ConfigError(
            f"{run.path} was started with other settings ({'; '.join(changed[:5])}). Go on with those "
            f"(mixlab pretrain --config {run.path}/config.yaml --resume), or choose another --out."
        )
    if first:
        run.write_config(settings)
    ended = run.info.get("training", {})
    if config.epochs < ended.get("epochs", 0):
        raise ConfigError(
            f"{run.path} has trained {ended['epochs']} epochs already, train.epochs={config.epochs} is fewer."
        )
    waited_out = ended.get("reason") == "patience" and config.patience == ended.get("patience")
    done = ended.get("reason") == "finished" and ended.get("epochs") == config.epochs
    return str(ended["reason"]) if waited_out or done else None


def chosen_tracks(tracks: Sequence[JamendoTrack], most: int, seed: int) -> list[JamendoTrack]:
    """Return at most ``most`` tracks, chosen by ``seed``, in the order of the table."""
    if most >= len(tracks):
        return list(tracks)
    places = open_stream(seed, 0, 0, "scored tracks").sample(len(tracks), most)
    return [tracks[place] for place in sorted(places)]


def _chunks(
    corpus: JamendoCorpus, tracks: Sequence[JamendoTrack], config: TrainConfig, count: int
) -> TrackChunks:
    return TrackChunks(
        tracks,
        corpus.labels.names,
        duration_s=corpus.config.duration_s,
        sample_rate=config.model.sample_rate,
        count=count,
    )


class _ChunkBatches:
    """The chunks of a fixed set as batches, again and again."""

    def __init__(self, chunks: TrackChunks, config: TrainConfig) -> None:
        self.chunks, self.config = chunks, config

    def __iter__(self) -> Any:  # noqa: ANN401 - an iterator of batches
        return self.chunks.batches(self.config.batch_size, num_workers=self.config.num_workers)


def _validation(corpus: JamendoCorpus, config: TrainConfig, world: World) -> Iterable[Mapping[str, Tensor]]:
    tracks = chosen_tracks(corpus.tracks["validation"], config.val_size, config.eval_seed)
    count = corpus.config.val_chunks
    mine = tracks[world.rank :: world.size] or tracks[:1]
    batches = _ChunkBatches(_chunks(corpus, mine, config, count), config)
    size = 4 * len(mine) * count * batches.chunks.tagged.samples
    return list(batches) if size <= MEMORY_LIMIT else batches


def _precision(
    run: Run, model: TaggingModel, config: TrainConfig, n_samples: int, n_classes: int, world: World
) -> str:
    stored = run.info.get("precision")
    if stored in ("fp32", "bf16"):
        return str(stored)
    if config.precision != "auto":
        return config.precision
    device = torch.device(world.accelerator(config.accelerator))
    if world.size > 1:
        # Processes that measured for themselves could disagree.
        return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    return faster_precision(
        measure_precision(model, n_samples, n_classes, batch_size=config.batch_size, device=device)
    )


def _model_card(run: Run, corpus: JamendoCorpus, config: TrainConfig, model: TaggingModel) -> dict[str, Any]:
    info = run.info
    duration_s = corpus.config.duration_s
    return {
        "schema": 1,
        "config": asdict(model.config),
        "labels": _label_info(corpus.labels),
        "input": {"sample_rate": config.model.sample_rate, "duration_s": duration_s, "channels": 1},
        "output": "logits; apply a sigmoid for scores; average the scores of a track's chunks",
        "parameters": n_parameters(model),
        "transfer": config.transfer,
        "pretrained": config.pretrained,
        "pretrained_file": pretrained_facts(config),
        "trained_on": f"MTG-Jamendo, {corpus.labels.name}, split {corpus.config.split}",
        "licence_data": "metadata CC BY-NC-SA 4.0; each track under its own Creative Commons licence",
        "catalog_hash": info["catalog"]["content_hash"],
        "note": info["note"],
        "versions": info["versions"],
    }


def _fit(
    run: Run, corpus: JamendoCorpus, config: TrainConfig, world: World, *, resume: bool, report: Report | None
) -> str:
    from mixlab.training.loop import StopRequest, fit

    stream = TrackStream(
        corpus.tracks["train"],
        corpus.labels.names,
        duration_s=corpus.config.duration_s,
        sample_rate=config.model.sample_rate,
        seed=config.seed,
        epoch_size=config.epoch_size,
        batch_size=world.share(config.batch_size),
        rank=world.rank,
        world_size=world.size,
    )
    n_samples, n_classes = stream.tagged.samples, len(corpus.labels)
    model = new_model(config, n_classes, n_samples)
    _say(report, "decoding validation chunks")
    validation = _validation(corpus, config, world)
    precision = _precision(run, model, config, n_samples, n_classes, world)
    accelerator = world.accelerator(config.accelerator)
    counts = {"parameters": n_parameters(model), "trainable": n_parameters(model, trainable=True)}
    if world.is_first:
        run.update(
            status="training", precision=precision, device=accelerator, world_size=world.size, **counts
        )
    _say(
        report,
        f"{config.model.architecture}: {counts['parameters']:,} parameters, {counts['trainable']:,} of them "
        f"trainable ({config.transfer}); {precision} on {accelerator}",
    )
    begin = time.perf_counter()
    loader = TrackLoader(stream, num_workers=config.num_workers, pin_memory=accelerator == "cuda")
    with StopRequest().on_interrupt() as stop:
        result = fit(
            run,
            model,
            loader,
            validation,
            config,
            precision=precision,
            card=_model_card(run, corpus, config, model) if world.is_first else {},
            world=world,
            stop=stop,
            report=report,
        )
    if loader.redrawn:
        _say(report, f"{loader.redrawn} chunks were taken from other tracks, as theirs could not be read")
    if world.is_first:
        seconds = run.info.get("training", {}).get("seconds", 0.0) + time.perf_counter() - begin
        ended = {**asdict(result), "patience": config.patience, "seconds": round(seconds, 1)}
        run.update(status="interrupted" if result.reason == "interrupted" else "trained", training=ended)
    return result.reason


def _predict_split(
    model: TaggingModel,
    corpus: JamendoCorpus,
    split: str,
    config: TrainConfig,
    *,
    show: bool,
) -> tuple[Predictions, int]:
    """Score a split's tracks; return the predictions and how many tracks could not be read."""
    most = config.val_size if split == "validation" else config.test_size
    tracks = chosen_tracks(corpus.tracks[split], most, config.eval_seed)
    chunks = _chunks(corpus, tracks, config, corpus.config.eval_chunks)
    with tqdm(
        total=len(tracks), desc=split, unit="track", leave=False, disable=None if show else True
    ) as bar:
        batches = chunks.batches(config.batch_size, num_workers=config.num_workers, progress=bar.update)
        scored = predict(model, batches, device=World.accelerator(config.accelerator))
    index, first = np.unique(scored["index"], return_index=True)
    mean = scored["scores"].reshape(len(index), chunks.count, -1).mean(axis=1)
    kept = [tracks[place] for place in index.tolist()]
    predictions = Predictions(
        labels=corpus.labels.names,
        split=np.array([split] * len(kept), dtype=object),
        index=index,
        group=np.array([track.artist for track in kept], dtype=object),
        scores=mean.astype(np.float32),
        targets=scored["target"][first],
        mask=scored["mask"][first],
        recipes=np.array([_recipe(track, chunks) for track in kept], dtype=object),
    )
    return predictions, len(tracks) - len(kept)


def _recipe(track: JamendoTrack, chunks: TrackChunks) -> str:
    """Say in one line what a row of the predictions is of; no recipe of a mix."""
    starts = even_starts(track.duration_s, chunks.tagged.duration_s, chunks.count)
    about = [round(start, 2) for start in starts]
    return json.dumps({"corpus": "mtg_jamendo", "track": track.track, "path": track.path, "about_s": about})


def evaluate_pretrained(
    run: Run, corpus: JamendoCorpus | None = None, *, report: Report | None = None
) -> Evaluation:
    """Score a pretrained run's model per tag, and write predictions and report.

    Each track's score is the mean over its evenly spaced chunks. Thresholds are fitted on validation.

    Args:
        run: A run that ``pretrain`` made.
        corpus: Its corpus; None opens the one in its configuration.
        report: Called with lines of progress.

    Raises:
        RunError: the run has no model yet.
        CorpusError: the corpus is not where it was.
    """
    stored = run.config
    config = from_plain(TrainConfig, stored["train"])
    jamendo = from_plain(JamendoConfig, stored["jamendo"])
    corpus = corpus or open_jamendo(stored["root"], jamendo, metadata=stored["metadata"])
    model = load_model(run)
    _say(report, f"scoring the best epoch, {jamendo.eval_chunks} chunks per track")
    parts, unread = [], {}
    for split in SPLITS:
        predictions, unread[split] = _predict_split(model, corpus, split, config, show=report is not None)
        parts.append(predictions)
    joined = Predictions.join(parts)
    run.write_predictions(joined)
    scored = score_splits(
        joined,
        [None] * len(corpus.labels),
        splits=SPLITS,
        n_resamples=config.bootstrap,
        seed=config.eval_seed,
    )
    evaluation = Evaluation(scored.splits, str(run.info["note"]), dict.fromkeys(SPLITS, 0))
    run.update_card(**scored.card())
    run.write_report(
        {"schema": 1, **asdict(evaluation), "unreadable_tracks": unread}, _markdown(run, evaluation, unread)
    )
    run.update(status="evaluated")
    for split, count in unread.items():
        if count:
            _say(report, f"{count} {split} tracks could not be read and are left out")
    return evaluation


def _markdown(run: Run, evaluation: Evaluation, unread: Mapping[str, int]) -> str:
    info, card = run.info, run.card
    lines = [f"# {run.path.name}", ""]
    if evaluation.note:
        lines += [f"**{evaluation.note[0].upper()}{evaluation.note[1:]}.**", ""]
    lines += [
        f"- trained on {card['trained_on']}, {info['tracks']['train']} tracks, seed {info['seed']}, "
        f"{info['precision']} on {info['device']}; best epoch {card['trained']['epoch']} of "
        f"{len(run.metrics())}",
        f"- each track: mean score of {run.config['jamendo']['eval_chunks']} evenly spaced chunks of "
        f"{card['input']['duration_s']:g} s; intervals draw artists",
        "- published figures on this task are macro ROC-AUC and macro PR-AUC (here AP) over all 50 tags",
        "- thresholds fitted on validation only, so its own P, R and F1 flatter the model",
        "- 'mixes' and 'songs' below are tracks and artists",
    ]
    for split in reversed(SPLITS):
        scores = evaluation.splits[split]
        left_out = unread[split] + info["missing_tracks"][split]
        more = f" ({left_out} without readable audio are left out)" if left_out else ""
        lines += ["", f"## {split}: {scores.n_items} tracks of {scores.n_groups} artists{more}", ""]
        lines.append(format_markdown(scores))
    return "\n".join(lines) + "\n"
