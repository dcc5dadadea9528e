"""From labelled clips to a scored baseline: what ``mixlab baseline-clips`` does."""

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from mixlab.corpora.clips import ClipsConfig, ClipSet, open_clips
from mixlab.errors import ConfigError
from mixlab.evaluation import find_metrics
from mixlab.evaluation.predictions import Predictions
from mixlab.evaluation.results import Report
from mixlab.training.baselines.clip_classifiers import FittedOnClips, fit_on_clips
from mixlab.training.baselines.clip_config import ClipBaselineConfig
from mixlab.training.baselines.clip_extractors import chosen_blocks, find_extractor
from mixlab.training.baselines.clip_features import ClipFeatures, compute_clip_features
from mixlab.training.baselines.features import Extractor
from mixlab.training.baselines.plain_features import feature_title, network_facts, sample_rate_of
from mixlab.training.baselines.regression import TITLES
from mixlab.training.baselines.scorers import FittedScores
from mixlab.training.clips.config import WindowConfig
from mixlab.training.clips.records import (
    clip_facts,
    clip_headings,
    clip_info,
    clip_predictions,
    describe_clips,
    note_unreadable,
)
from mixlab.training.config import from_plain
from mixlab.training.provenance import Progress, say
from mixlab.training.reporting import SPLITS, report_text, score_predictions
from mixlab.training.run import Run
from mixlab.training.run_kinds import check_command
from mixlab.utils.files import check_writable

__all__ = ["evaluate_clip_baseline", "run_clip_baseline"]

COMMAND = "baseline-clips"

_PARTS = ("train", *SPLITS)


def run_clip_baseline(
    clips: ClipsConfig,
    out: str | Path,
    windows: WindowConfig | None = None,
    config: ClipBaselineConfig | None = None,
    *,
    cache: str | Path | None = None,
    report: Progress | None = None,
) -> tuple[Run, Report]:
    """Fit a classical baseline on the training clips of a corpus, and score it on its test clips.

    Where ``clips.value`` names a number, it is a regression on that number.

    The run folder is begun once all features are there: after a stop, the same call goes on with what the
    cache holds. Clips that cannot be read are left out, and named at the end, in ``run.json`` and in the
    report.

    Args:
        clips: Which clips, and how they are divided.
        out: Folder of the run; new or empty.
        windows: Windows of a clip, and its level; its features are the mean over them. How windows are taken
            for training, and how their scores are put together, is a matter of networks and has no effect.
        config: Features and classifier.
        cache: Folder where features are kept; None takes ``features`` beside ``out``.
        report: Called with lines of progress; None says nothing and shows no progress bar.

    Returns:
        The run, with predictions and report, and its scores.

    Example:
        >>> from mixlab.corpora.clips import ClipsConfig
        >>> from mixlab.training.baselines import ClipBaselineConfig, run_clip_baseline
        >>> config = ClipBaselineConfig(features="mfcc", trees=20, workers=1, bootstrap=5)
        >>> run, report = run_clip_baseline(ClipsConfig("folder", "clips"), "runs/forest", config=config)
        >>> run.info["status"]
        'evaluated'

    Raises:
        ConfigError: settings contradict each other, training holds one class only or one number only, or none
            of the clips of a split can be read.
        CorpusError: the clips are not where they are expected.
        RunError: ``out`` is in use.
        OutputError: ``out`` cannot be written; found before anything is computed.
        MixlabError: features could not be computed.
    """
    windows, config, out = windows or WindowConfig(), config or ClipBaselineConfig(), Path(out)
    find_metrics(config.metrics)  # what cannot be computed is found before the work
    with Run(out).held():
        Run(out).check_empty()  # what a process that was killed has left is gone by now
        check_writable(out)
        clips = replace(clips, root=str(Path(clips.root).absolute()) if clips.root else "")
        opened = open_clips(clips)
        single = opened.single_label and not opened.value
        info = clip_info(
            COMMAND, clips, opened, single_label=single, seed=config.seed, eval_seed=config.eval_seed
        )
        say(report, describe_clips(info))
        folder = Path(cache) if cache is not None else out.absolute().parent / "features"
        begin = time.perf_counter()
        found, extractor, about = _features(opened, windows, config, folder, report)
        parts = {split: _part(found, split) for split in _PARTS}
        computed_s = time.perf_counter() - begin
        n_values, n_clips = found.values.shape[1], len(parts["train"].clips)
        say(report, f"fitting: {config.classifier}, {n_clips} clips of {n_values} values each")
        fitted = fit_on_clips(parts["train"], parts["validation"], config, single_label=single)
        constant = [opened.classes[c] for c in fitted.constant]
        info |= {} if fitted.quantity is None else {"quantity": asdict(fitted.quantity)}
        info |= {
            "classifier": config.classifier,
            **about,
            "fitted": {
                "chosen": fitted.chosen,
                "constant_classes": constant,
                "values": n_values,
                "clips": n_clips,
            },
            "seconds": {"features": round(computed_s, 1), "all": round(time.perf_counter() - begin, 1)},
            "unreadable_clips": _by_split(opened, found),
        }
        settings = {"out": str(out.absolute()), "cache": None if cache is None else str(folder.absolute())}
        sections = {"clips": asdict(clips), "windows": asdict(windows), "baseline": asdict(config)}
        run = Run.create(out, {**settings, **sections}, info)
        if fitted.fitted is not None:
            _keep(run, fitted.fitted, extractor, found.clips, windows, n_values)
        scored = [_predict(parts[split], split, fitted, single_label=single) for split in SPLITS]
        run.write_predictions(Predictions.join(scored))
        for line in note_unreadable(run.info):
            say(report, line)
        return run, evaluate_clip_baseline(run)


def _keep(
    run: Run,
    fitted: FittedScores,
    extractor: Extractor,
    clips: ClipSet,
    windows: WindowConfig,
    n_values: int,
) -> None:
    from mixlab.training.baselines.fitted import keep_baseline
    from mixlab.training.clips.batches import window_samples

    rate = sample_rate_of(extractor)
    keep_baseline(
        run,
        fitted,
        extractor,
        sample_rate=rate,
        duration_s=window_samples(clips, windows, rate) / rate,
        n_values=n_values,
        more={
            # Features are put together, not scores.
            "windows": asdict(replace(windows, aggregation="s1")),
            "clips": {"corpus": clips.corpus, "splits": run.config["clips"]["splits"]},
            "trained_on": f"clips of {clips.corpus}, {clips.task}"
            if clips.task
            else f"clips of {clips.corpus}",
        },
    )


def _predict(part: ClipFeatures, split: str, fitted: FittedOnClips, *, single_label: bool) -> Predictions:
    scores, index = fitted.scores(part.values), np.arange(len(part.clips))
    return clip_predictions(
        part.clips, split, index, scores, single_label=single_label, quantity=fitted.quantity
    )


def _features(
    clips: ClipSet, windows: WindowConfig, config: ClipBaselineConfig, cache: Path, report: Progress | None
) -> tuple[ClipFeatures, Extractor, dict[str, Any]]:
    """Return the features of all clips, what computed them, and what ``run.json`` says of them."""
    extractor, hearing = find_extractor(config, clips, windows, cache)
    title = feature_title(config.features, config.layers, extractor)
    say(report, f"features: {title}, kept in {cache}")
    found = compute_clip_features(
        clips, hearing, extractor, cache, workers=config.workers, show=report is not None
    )
    about = {"features": title, **network_facts(extractor)}
    return chosen_blocks(found, extractor, config), extractor, about


def _part(found: ClipFeatures, split: str) -> ClipFeatures:
    """Return the features of a split.

    Raises:
        ConfigError: none of its clips can be read.
    """
    rows = [row for row, clip in enumerate(found.clips.clips) if clip.split == split]
    if not rows:
        why = next(iter(found.unreadable.values()), "The split is empty.")
        raise ConfigError(
            f"{found.clips.corpus}: none of the {split} clips can be used. {why}", code="unreadable-audio"
        )
    return replace(found, clips=found.clips.take(rows), values=found.values[rows])


def _by_split(clips: ClipSet, found: ClipFeatures) -> dict[str, dict[str, str]]:
    """Return what is wrong with clips that could not be read, by split and key."""
    unread: dict[str, dict[str, str]] = {split: {} for split in _PARTS}
    for clip in clips.clips:
        if clip.key in found.unreadable:
            unread[clip.split][clip.key] = found.unreadable[clip.key]
    return unread


def evaluate_clip_baseline(run: Run, *, metrics: Sequence[str] | None = None) -> Report:
    """Score a baseline's stored predictions again, and write its report; nothing is read or fitted.

    Args:
        run: The run.
        metrics: Metrics of one's own, as ``baseline.metrics``; None takes the run's setting.

    Raises:
        ConfigError: a metric cannot be used.
        RunError: it is no run of a baseline on clips, or holds no predictions.
    """
    check_command(run, COMMAND)
    run.check_writable()
    config = from_plain(ClipBaselineConfig, run.config["baseline"])
    computed = find_metrics(config.metrics if metrics is None else metrics)
    with run.held():
        report = score_predictions(
            run,
            run.predictions(),
            metrics=computed,
            n_resamples=config.bootstrap,
            seed=config.eval_seed,
            unreadable_tracks={split: len(run.info["unreadable_clips"].get(split, {})) for split in SPLITS},
        )
        run.write_report(report, report_text(run.path.name, report, _facts(run), clip_headings(run, report)))
        run.update(status="evaluated")
    return report


def _facts(run: Run) -> list[str]:
    """Return what a reader of the report must know of the baseline."""
    info, fitted = run.info, run.info["fitted"]
    chosen = ", ".join(f"{name} {value:.3g}" for name, value in fitted["chosen"].items())
    chosen = f" ({chosen}, chosen on validation)" if chosen else ""
    over = "over all classes, the most probable is its answer" if run.single_label else "per class"
    kind = info["classifier"]
    if quantity := run.quantity:
        kind, over = TITLES[kind], f"on {quantity.title}"
    facts = [
        f"{info['features']}, {fitted['values']} values, the mean over a clip's windows; "
        f"{kind}{chosen}, {over}; fitted on {fitted['clips']} clips, seed {info['seed']}",
        *clip_facts(run),
        f"clips, labels and splits `{info['catalog']['content_hash']}`",
    ]
    if not run.single_label and quantity is None:
        facts.append("thresholds fitted on validation only, so its own P, R and F1 flatter the model")
    if fitted["constant_classes"]:
        names = ", ".join(fitted["constant_classes"])
        facts.append(f"of which training holds none, or nothing else, so given a constant score: {names}")
    return facts
