"""Pretraining on MTG-Jamendo: what ``mixlab pretrain`` does, with the loop that ``mixlab train`` uses.

The result is a run like any other: its model can be fine-tuned (``--train.pretrained RUN``), tags files and
is scored per tag, each test track by evenly spaced excerpts whose scores are averaged.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn
from tqdm import tqdm

from mixlab.corpora.clips.mtg_jamendo import (
    JamendoConfig,
    JamendoCorpus,
    JamendoTrack,
    even_starts,
    open_jamendo,
)
from mixlab.errors import CatalogMismatchError, ConfigError
from mixlab.evaluation import find_metrics
from mixlab.evaluation.predictions import Predictions
from mixlab.evaluation.results import Report
from mixlab.models import resolve
from mixlab.training import TrainConfig, World, load_model, predict
from mixlab.training.config import from_plain
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
from mixlab.training.reporting import SPLITS, score_predictions
from mixlab.training.run import Run
from mixlab.training.run_kinds import check_command
from mixlab.training.session import fit_model, model_card, reopen, write_scores
from mixlab.training.shared_batch_norm import check_batch_norms
from mixlab.training.tracks import TrackExcerpts, TrackLoader, TrackStream
from mixlab.training.transfer import new_model
from mixlab.utils.hashing import digest
from mixlab.utils.random import open_stream

__all__ = ["chosen_tracks", "evaluate_pretrained", "pretrain"]

MEMORY_LIMIT = 1 << 30
"""Validation excerpts are kept in memory up to so many bytes, and decoded anew every epoch beyond."""


def pretrain(
    root: str | Path,
    out: str | Path,
    jamendo: JamendoConfig,
    config: TrainConfig,
    *,
    metadata: str | Path | None = None,
    resume: bool = False,
    report: Progress | None = None,
) -> tuple[Run, Report | None]:
    """Train a tagger on MTG-Jamendo, then score it per tag on the official test split.

    Every epoch takes ``epoch_size`` excerpts, each track once before any comes again. ``val_size`` and
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
    watched_metrics(config)  # what cannot be computed is found before the work
    corpus = open_jamendo(root, jamendo, metadata=metadata)
    _say_what_is_there(corpus, report)
    world, run = World.from_environment(), Run(Path(out))
    _check_shares(corpus, config, world)
    settings = {
        "root": str(Path(root).absolute()),
        "out": str(Path(out).absolute()),
        "metadata": None if metadata is None else str(Path(metadata).absolute()),
        "jamendo": asdict(jamendo),
        "train": asdict(config),
    }
    with run.held(first=world.is_first):
        ended = None
        if resume:
            Run.open(out).check_writable()
            ended = _reopen(Run.open(out), settings, config, corpus, world)
        elif world.is_first:
            Run.create(run.path, settings, _run_info(corpus, config))
        with torch_threads(config.threads):
            if ended is None:
                ended = _fit(run, corpus, config, world, resume=resume, report=report)
        if not world.is_first or ended == "interrupted":
            return run, None
        return run, evaluate_pretrained(run, corpus, report=report)


def _check(config: TrainConfig) -> None:
    resolve(config.model)
    if config.teacher.weights:
        raise ConfigError(
            f"train.teacher.weights={config.teacher.weights} teaches on mixes ('mixlab train'): leave it "
            "out.",
            code="conflicting-settings",
        )
    for name, value in (
        ("cached_items", 0),
        ("distinct_items", 0),
        ("loss", "bce"),
        ("class_weights", "none"),
    ):
        if getattr(config, name) != value:
            raise ConfigError(
                f"train.{name}={getattr(config, name)} is made for mixes; pretraining knows only {value}.",
                code="conflicting-settings",
            )
    if config.transfer == "random_frozen":
        raise ConfigError(
            "train.transfer=random_frozen leaves nothing worth pretraining; choose scratch or finetune.",
            code="conflicting-settings",
        )


def _check_shares(corpus: JamendoCorpus, config: TrainConfig, world: World) -> None:
    """Refuse, before a run is begun, what cannot be divided among so many processes."""
    world.share(config.batch_size)
    world.share_fixed(min(len(corpus.tracks["validation"]), config.val_size), config.batch_size)


def _say_what_is_there(corpus: JamendoCorpus, report: Progress | None) -> None:
    counts = ", ".join(f"{len(tracks)} {split}" for split, tracks in corpus.tracks.items())
    say(report, f"MTG-Jamendo {corpus.labels.name}, split {corpus.config.split}: {counts} tracks")
    lacking = {split: len(ids) for split, ids in corpus.missing.items() if ids}
    if lacking:
        counts = ", ".join(f"{count} {split}" for split, count in lacking.items())
        say(report, f"no audio for {counts} tracks: they are left out, and scores are not the official ones")


def _outputs(corpus: JamendoCorpus) -> dict[str, Any]:
    # Artists tag as they like: 'violin' without 'strings' is no contradiction.
    return label_info(corpus.labels, [None] * len(corpus.labels))


def _run_info(corpus: JamendoCorpus, config: TrainConfig) -> dict[str, Any]:
    return {
        "command": "pretrain",
        "seed": config.seed,
        "eval_seed": config.eval_seed,
        "catalog": {"path": str(corpus.root.absolute()), "content_hash": corpus.content_hash},
        "note": demo_note(corpus.root),
        "labels": _outputs(corpus),
        "tracks": {split: len(tracks) for split, tracks in corpus.tracks.items()},
        "sources_sha256": plugin_sources(config),
        "missing_tracks": {split: len(ids) for split, ids in corpus.missing.items()},
    }


def _reopen(
    run: Run, settings: Mapping[str, Any], config: TrainConfig, corpus: JamendoCorpus, world: World
) -> str | None:
    """Check that a run can go on; return how it ended if there is nothing left to train."""
    others = run.info["catalog"]["content_hash"] != corpus.content_hash
    return reopen(
        run,
        settings,
        {"jamendo": JamendoConfig, "train": TrainConfig},
        config,
        world,
        places=("root", "metadata"),
        changed=["the tracks that are there, or their tags"] if others else [],
    )


def chosen_tracks(tracks: Sequence[JamendoTrack], most: int, seed: int) -> list[JamendoTrack]:
    """Return at most ``most`` tracks, chosen by ``seed``, in the order of the table."""
    if most >= len(tracks):
        return list(tracks)
    places = open_stream(seed, 0, 0, "scored tracks").sample(len(tracks), most)
    return [tracks[place] for place in sorted(places)]


def _excerpts(
    corpus: JamendoCorpus, tracks: Sequence[JamendoTrack], config: TrainConfig, count: int
) -> TrackExcerpts:
    return TrackExcerpts(
        tracks,
        corpus.labels.names,
        duration_s=corpus.config.duration_s,
        sample_rate=config.model.sample_rate,
        count=count,
    )


class _ExcerptBatches:
    """The excerpts of a fixed set as batches, again and again."""

    def __init__(self, excerpts: TrackExcerpts, config: TrainConfig) -> None:
        self.excerpts, self.config = excerpts, config

    def __iter__(self) -> Any:  # noqa: ANN401 - an iterator of batches
        return self.excerpts.batches(self.config.batch_size, num_workers=self.config.num_workers)


def _validation(corpus: JamendoCorpus, config: TrainConfig, world: World) -> Iterable[Mapping[str, Tensor]]:
    tracks = chosen_tracks(corpus.tracks["validation"], config.val_size, config.eval_seed)
    count = corpus.config.val_excerpts
    mine = tracks[world.rank :: world.size]
    batches = _ExcerptBatches(_excerpts(corpus, mine, config, count), config)
    size = 4 * len(mine) * count * batches.excerpts.tagged.samples
    return list(batches) if size <= MEMORY_LIMIT else batches


def _model_card(run: Run, corpus: JamendoCorpus, config: TrainConfig, model: nn.Module) -> dict[str, Any]:
    return model_card(
        run,
        config,
        model,
        _outputs(corpus),
        duration_s=corpus.config.duration_s,
        output="logits; apply a sigmoid for scores; average the scores of a track's excerpts",
        jamendo_split=corpus.config.split,
        trained_on=f"MTG-Jamendo, {corpus.labels.name}, split {corpus.config.split}",
        licence_data="metadata CC BY-NC-SA 4.0; each track under its own Creative Commons licence",
    )


def _fit(
    run: Run,
    corpus: JamendoCorpus,
    config: TrainConfig,
    world: World,
    *,
    resume: bool,
    report: Progress | None,
) -> str:
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
    model = new_model(config, len(corpus.labels), stream.tagged.samples)
    check_batch_norms(model, config, world)
    say(report, "decoding validation excerpts")
    validation = _validation(corpus, config, world)
    loader = TrackLoader(stream, num_workers=config.num_workers)

    def open_batches(accelerator: str) -> TrackLoader:
        loader.pin_memory = accelerator == "cuda"
        return loader

    reason = fit_model(
        run,
        model,
        open_batches,
        validation,
        config,
        world,
        n_samples=stream.tagged.samples,
        n_classes=len(corpus.labels),
        card=lambda: _model_card(run, corpus, config, model),
        resume=resume,
        report=report,
    )
    if loader.replaced:
        say(report, f"{loader.replaced} excerpts were taken from other tracks, as theirs could not be read")
    return reason


def _predict_split(
    model: nn.Module,
    corpus: JamendoCorpus,
    split: str,
    config: TrainConfig,
    *,
    show: bool,
) -> tuple[Predictions, int]:
    """Score a split's tracks; return the predictions and how many tracks could not be read."""
    most = config.val_size if split == "validation" else config.test_size
    tracks = chosen_tracks(corpus.tracks[split], most, config.eval_seed)
    excerpts = _excerpts(corpus, tracks, config, corpus.config.eval_excerpts)
    with tqdm(
        total=len(tracks), desc=split, unit="track", leave=False, disable=None if show else True
    ) as bar:
        batches = excerpts.batches(config.batch_size, num_workers=config.num_workers, progress=bar.update)
        scored = predict(model, batches, device=World.accelerator(config.accelerator))
    index, first = np.unique(scored["index"], return_index=True)
    mean = scored["scores"].reshape(len(index), excerpts.count, -1).mean(axis=1)
    kept = [tracks[place] for place in index.tolist()]
    recipes = [_recipe(track, excerpts) for track in kept]
    predictions = Predictions(
        labels=corpus.labels.names,
        split=np.array([split] * len(kept), dtype=object),
        index=index,
        group=np.array([track.artist for track in kept], dtype=object),
        scores=mean.astype(np.float32),
        targets=scored["target"][first],
        mask=scored["mask"][first],
        mix_id=np.array([digest(recipe) for recipe in recipes], dtype=object),
        attempt=np.zeros(len(kept), np.int64),
        recipes=np.array(recipes, dtype=object),
    )
    return predictions, len(tracks) - len(kept)


def _recipe(track: JamendoTrack, excerpts: TrackExcerpts) -> str:
    """Say in one line what a row of the predictions is of; no recipe of a mix."""
    starts = even_starts(track.duration_s, excerpts.tagged.duration_s, excerpts.count)
    about = [round(start, 2) for start in starts]
    return json.dumps({"corpus": "mtg_jamendo", "track": track.track, "path": track.path, "about_s": about})


def evaluate_pretrained(
    run: Run,
    corpus: JamendoCorpus | None = None,
    *,
    root: str | Path | None = None,
    num_workers: int | None = None,
    report: Progress | None = None,
    metrics: Sequence[str] | None = None,
) -> Report:
    """Score a pretrained run's model per tag, and write predictions and report.

    Each track's score is the mean over its evenly spaced excerpts. Thresholds are fitted on validation.

    Args:
        run: A run that ``pretrain`` made.
        corpus: Its corpus; None opens the one in its configuration.
        root: Where that lies now, if it has moved.
        num_workers: Processes that decode; None takes the run's setting.
        report: Called with lines of progress.
        metrics: Metrics of one's own, as ``train.metrics``; None takes the run's setting.

    Raises:
        ConfigError: a metric cannot be used; found before anything is scored.
        RunError: the run has no model yet, or is none of pretraining.
        CorpusError: the corpus is not where it was.
        CatalogMismatchError: other tracks are there than those the run was made with, or other tags.
    """
    check_command(run, "pretrain")
    run.check_writable()
    stored = run.config
    config = from_plain(TrainConfig, stored["train"])
    if num_workers is not None:
        config = replace(config, num_workers=num_workers)
    computed = find_metrics(config.metrics if metrics is None else metrics)
    jamendo = from_plain(JamendoConfig, stored["jamendo"])
    corpus = corpus or _open_again(run, jamendo, root)
    model = load_model(run)
    say(report, f"scoring the best epoch, {jamendo.eval_excerpts} excerpts per track")
    parts, unread = [], {}
    with torch_threads(config.threads):
        for split in SPLITS:
            predictions, unread[split] = _predict_split(model, corpus, split, config, show=report is not None)
            parts.append(predictions)
    joined = Predictions.join(parts)
    with run.held():
        run.write_predictions(joined)
        scores = score_predictions(
            run,
            joined,
            metrics=computed,
            n_resamples=config.bootstrap,
            seed=config.eval_seed,
            unreadable_tracks=unread,
        )
        headings = {split: _heading(run, scores, split) for split in SPLITS}
        write_scores(run, scores, _facts(run), headings)
    for split, count in unread.items():
        if count:
            say(report, f"{count} {split} tracks could not be read and are left out")
    return scores


def _open_again(run: Run, jamendo: JamendoConfig, root: str | Path | None) -> JamendoCorpus:
    """Open a run's corpus, and refuse another one."""
    stored = run.config
    # Where the tables lay with the audio, they have moved with it.
    corpus = open_jamendo(root or stored["root"], jamendo, metadata=stored["metadata"])
    expected = run.info["catalog"]["content_hash"]
    if corpus.content_hash != expected:
        raise CatalogMismatchError(
            f"{run.path} was made with other tracks or tags than those at {corpus.root} (hash {expected}, "
            f"found {corpus.content_hash}): its scores would be of other tracks. Say where its tracks lie "
            "(--root mtg_jamendo=FOLDER).",
            code="catalog-mismatch",
        )
    return corpus


def _facts(run: Run) -> list[str]:
    """Return what a reader of the report must know of the training."""
    info, card = run.info, run.card
    return [
        f"trained on {card['trained_on']}, {info['tracks']['train']} tracks, seed {info['seed']}, "
        f"{info['precision']} on {info['device']}; best epoch {card['trained']['epoch']} of "
        f"{len(run.metrics())}",
        f"each track: mean score of {run.config['jamendo']['eval_excerpts']} evenly spaced excerpts of "
        f"{card['input']['duration_s']:g} s; intervals sample artists",
        f"{started(card)}",
        "relative change of each module's weights since the start: " + moved(card),
        "published figures on this task are macro ROC-AUC and macro PR-AUC (here AP) over all 50 tags",
        "thresholds fitted on validation only, so its own P, R and F1 flatter the model",
    ]


def _heading(run: Run, scores: Report, split: str) -> str:
    """Return what stands above the scores of a split of tracks."""
    of_split = scores.splits[split]
    left_out = scores.unreadable_tracks[split] + run.info["missing_tracks"][split]
    more = f" ({left_out} without readable audio are left out)" if left_out else ""
    return f"{of_split.n_items} tracks of {of_split.n_groups} artists{more}"
