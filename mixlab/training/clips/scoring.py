"""Score a run on whole clips: what ``mixlab evaluate`` does with one of ``mixlab train-clips``."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn
from tqdm import tqdm

from mixlab.corpora.clips import ClipsConfig, ClipSet, open_clips
from mixlab.errors import ConfigError
from mixlab.evaluation import find_metrics
from mixlab.evaluation.predictions import Predictions
from mixlab.evaluation.results import Report
from mixlab.models import in_channels
from mixlab.training import TrainConfig, World, load_model, predict
from mixlab.training.clips.batches import ClipWindows, Cut
from mixlab.training.clips.config import WindowConfig
from mixlab.training.clips.records import (
    aggregate,
    check_clips,
    clip_facts,
    clip_headings,
    clip_predictions,
    describe_windows,
    note_unreadable,
)
from mixlab.training.config import from_plain
from mixlab.training.provenance import Progress, moved, say, started, torch_threads
from mixlab.training.reporting import SPLITS, score_predictions
from mixlab.training.run import Run
from mixlab.training.run_kinds import check_command
from mixlab.training.session import write_scores

__all__ = ["COMMAND", "evaluate_clip_run", "nothing_to_score"]

COMMAND = "train-clips"
"""The command whose runs these are."""


def evaluate_clip_run(
    run: Run | str | Path,
    clips: ClipSet | None = None,
    *,
    root: str | Path | None = None,
    num_workers: int | None = None,
    report: Progress | None = None,
    metrics: Sequence[str] | None = None,
) -> Report:
    """Score a run's model on whole clips of validation and test, and write predictions and report.

    Thresholds are fitted on the clips of validation; a single-label run decides by the highest score.

    Args:
        run: A run that ``train_on_clips`` made, or its folder.
        clips: Its clips; None opens those in its configuration.
        root: Where these lie now, if they have moved.
        num_workers: Processes that decode; None takes the run's setting.
        report: Called with lines of progress.
        metrics: Metrics of one's own, as ``train.metrics``; None takes the run's setting.

    Raises:
        ConfigError: a metric cannot be used, or no clip of a split can be read.
        RunError: the run has no model yet, or is none on clips.
        CorpusError: the clips are not where they were.
        CatalogMismatchError: other clips are there than those the run was made with, or other labels.
    """
    run = run if isinstance(run, Run) else Run.open(run)
    check_command(run, COMMAND)
    run.check_writable()
    stored = run.config
    config, windows = from_plain(TrainConfig, stored["train"]), from_plain(WindowConfig, stored["windows"])
    if num_workers is not None:
        config = replace(config, num_workers=num_workers)
    computed = find_metrics(config.metrics if metrics is None else metrics)
    model = load_model(run)
    found = check_clips(run, clips or _open_again(stored["clips"], root))
    cut = Cut(windows, config.model.sample_rate, in_channels(model), int(run.info["window_samples"]))
    say(report, f"scoring the best epoch: {describe_windows(windows, cut.samples, cut.sample_rate)}")
    parts, unread = [], dict(run.info.get("unreadable_clips", {}))
    with torch_threads(config.threads):
        for split in SPLITS:
            part, unread[split] = _predict(model, found.only(split), split, cut, config, report)
            parts.append(part)
    predictions = Predictions.join(parts)
    with run.held():
        run.write_predictions(predictions)
        run.update(unreadable_clips=unread)
        scores = score_predictions(
            run,
            predictions,
            metrics=computed,
            n_resamples=config.bootstrap,
            seed=config.eval_seed,
            unreadable_tracks={split: len(unread[split]) for split in SPLITS},
        )
        write_scores(run, scores, _facts(run, cut), clip_headings(run, scores))
    for line in note_unreadable(run.info):
        say(report, line)
    return scores


def _open_again(stored: Mapping[str, Any], root: str | Path | None) -> ClipSet:
    config = from_plain(ClipsConfig, dict(stored))
    if root is not None:
        config = replace(config, root=str(root))  # as it was given: it may be a URL
        config = replace(config, root=str(Path(root).absolute()))
    return open_clips(config)


def _predict(
    model: nn.Module, clips: ClipSet, split: str, cut: Cut, config: TrainConfig, report: Progress | None
) -> tuple[Predictions, dict[str, str]]:
    """Score the clips of a split; return the predictions, and what is wrong with clips that are not there."""
    with tqdm(
        total=len(clips), desc=split, unit="clip", leave=False, disable=None if report else True
    ) as bar:
        batches = ClipWindows(
            clips,
            cut,
            batch_size=config.batch_size,
            num_workers=config.num_workers,
            progress=bar.update,
        )
        scored = _scores(model, batches, config)
    if scored is None:
        raise nothing_to_score(clips, split, batches.problems)
    rows, scores = aggregate(*scored, cut.windows.aggregation)
    found = clip_predictions(clips, split, rows, scores, single_label=config.loss == "softmax")
    return found, batches.problems


def _scores(
    model: nn.Module, batches: ClipWindows, config: TrainConfig
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the scores of windows and the clip each is of; None where no clip could be read."""
    kept = iter(batches)
    first = next(kept, None)
    if first is None:
        return None

    def all_of_them() -> Iterable[Mapping[str, Tensor]]:
        yield first
        yield from kept

    scored = predict(model, all_of_them(), device=World.accelerator(config.accelerator), loss=config.loss)
    return scored["scores"], scored["index"]


def _facts(run: Run, cut: Cut) -> list[str]:
    """Return what a reader of the report must know of the training."""
    info, card = run.info, run.card
    decided = (
        "the class with the highest score is decided for"
        if run.single_label
        else "thresholds fitted on clips of validation only, so its own P, R and F1 flatter the model"
    )
    return [
        f"trained on {card['trained_on']} `{info['catalog']['content_hash']}`, seed {info['seed']}, "
        f"{info['precision']} on {info['device']}; best epoch {card['trained']['epoch']} of "
        f"{len(run.metrics())}, by {card['trained']['monitor']} of validation windows",
        *clip_facts(run),
        describe_windows(cut.windows, cut.samples, cut.sample_rate),
        f"{started(card)}",
        *_met_before(card),
        "relative change of each module's weights since the start: " + moved(card),
        decided,
        "intervals sample recordings; where a corpus knows artists or speakers instead, these are what is "
        "called recordings below",
    ]


def _met_before(card: Mapping[str, Any]) -> Iterator[str]:
    """Say what a run started from that was trained on clips of its corpus, chosen or divided otherwise."""
    corpus, start = card["clips"]["corpus"], card.get("pretrained_file")
    while start:
        known = start.get("clips")
        if known and known["corpus"] == corpus and known.get("content_hash") != card["catalog_hash"]:
            yield (
                f"it started from {start['path']}, trained on clips of {corpus} that were chosen or "
                "divided otherwise: clips that are scored here may be among them, and flatter the run"
            )
        start = start.get("started_from")


def nothing_to_score(clips: ClipSet, split: str, problems: Mapping[str, str]) -> ConfigError:
    """Return the error that says that no clip of a split can be read, and why not the first."""
    return ConfigError(
        f"None of the {len(clips)} {split} clips of {clips.corpus} can be read; the first of them says: "
        f"{next(iter(problems.values()), 'no clips')}",
        code="unreadable-audio",
    )
