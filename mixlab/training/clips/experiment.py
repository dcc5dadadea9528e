"""From labelled clips to a scored run: what ``mixlab train-clips`` does."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from tqdm import tqdm

from mixlab.corpora.clips import ClipsConfig, ClipSet, open_clips
from mixlab.errors import ConfigError
from mixlab.evaluation import class_prevalence
from mixlab.evaluation.results import Report
from mixlab.models import in_channels, resolve
from mixlab.training import TrainConfig, World
from mixlab.training.clips.batches import ClipLoader, ClipStream, ClipWindows, Cut, window_samples
from mixlab.training.clips.config import WindowConfig
from mixlab.training.clips.records import (
    check_single_label,
    clip_info,
    describe_clips,
    label_entry,
)
from mixlab.training.clips.scoring import COMMAND, evaluate_clip_run, nothing_to_score
from mixlab.training.losses import LossFunction, balanced_weights, make_loss
from mixlab.training.monitoring import watched_metrics
from mixlab.training.provenance import Progress, plugin_sources, say, torch_threads
from mixlab.training.run import Run
from mixlab.training.run_kinds import check_command
from mixlab.training.session import fit_model, model_card, reopen
from mixlab.training.shared_batch_norm import check_batch_norms
from mixlab.training.transfer import calibrate_batch_norm, new_model

__all__ = ["train_on_clips"]

MEMORY_LIMIT = 1 << 30
"""Windows for validation are kept in memory up to so many bytes, and decoded anew every epoch beyond."""

CALIBRATION_ITEMS = 256
"""Windows on which the statistics of a random backbone are measured."""


def train_on_clips(
    clips: ClipsConfig,
    out: str | Path,
    windows: WindowConfig | None = None,
    config: TrainConfig | None = None,
    *,
    resume: bool = False,
    report: Progress | None = None,
) -> tuple[Run, Report | None]:
    """Train a network on labelled clips, then score it on whole clips of validation and test.

    In the loop, loss and scores of validation are those of windows; the report's are those of clips, and its
    thresholds are fitted on clips of validation. Clips that cannot be read are named at the end, in
    ``run.json`` and in the report; no training ends because of some.

    Args:
        clips: Which clips, and how they are divided.
        out: Folder of the run; new or empty, unless ``resume``.
        windows: How clips are cut into windows, and how their scores are put together.
        config: Settings of the training. An epoch is a pass over the training clips (or all their windows),
            and all clips are scored, whatever ``epoch_size``, ``val_size`` and ``test_size`` say.
        resume: Go on with the run in ``out`` from its last checkpoint. The result is the same as if it had
            never been stopped.
        report: Called with lines of progress; None says nothing and shows no progress bar.

    Returns:
        The run, and its scores; None instead of scores when the training was interrupted, and in all
        processes but the first of a distributed training.

    Example:
        >>> from mixlab import TrainConfig
        >>> from mixlab.corpora.clips import ClipsConfig
        >>> from mixlab.models import ModelConfig
        >>> from mixlab.training.clips import WindowConfig, train_on_clips
        >>> small = TrainConfig(
        ...     ModelConfig(n_mels=32, width=4), epochs=1, batch_size=8, bootstrap=5, precision="fp32",
        ...     accelerator="cpu", tensorboard=False,
        ... )
        >>> clips = ClipsConfig("folder", "clips")
        >>> run, report = train_on_clips(clips, "runs/clips", WindowConfig(0.5), small)
        >>> run.info["status"]
        'evaluated'

    Raises:
        ConfigError: settings contradict each other, or those of the run that is to go on.
        CorpusError: the clips are not where they are expected.
        RunError: ``out`` is in use, or there is nothing to go on with.
    """
    windows, config = windows or WindowConfig(), config or TrainConfig()
    _check(windows, config)
    if clips.value:
        raise ConfigError(
            f"clips.value: networks are trained on classes, found the number {clips.value!r}. Leave it out, "
            "or predict the number by 'mixlab baseline-clips', also from a network's features.",
            code="conflicting-settings",
        )
    watched_metrics(config)  # what cannot be computed is found before the work
    clips = replace(clips, root=str(Path(clips.root).absolute()) if clips.root else "")
    found = open_clips(clips)
    if config.loss == "softmax":
        check_single_label(found)
    world, run = World.from_environment(), Run(Path(out))
    _check_shares(found, config, world)
    samples = window_samples(found, windows, config.model.sample_rate)
    model = new_model(config, len(found.classes), samples, channels=None)
    check_batch_norms(model, config, world)
    cut = Cut(windows, config.model.sample_rate, in_channels(model), samples)
    settings = {
        "out": str(Path(out).absolute()),
        "clips": asdict(clips),
        "windows": asdict(windows),
        "train": asdict(config),
    }
    with run.held(first=world.is_first):
        ended = None
        if resume:
            run = Run.open(out)
            run.check_writable()
            check_command(run, COMMAND)
            ended = _reopen(run, settings, config, found, world)
        elif world.is_first:
            Run.create(run.path, settings, _run_info(clips, found, cut, config))
        say(report, describe_clips(run.info if world.is_first else _run_info(clips, found, cut, config)))
        with torch_threads(config.threads):
            if ended is None:
                ended = _fit(run, model, found, cut, config, world, resume=resume, report=report)
        if not world.is_first or ended == "interrupted":
            return run, None
        return run, evaluate_clip_run(run, found, report=report)


def _check(windows: WindowConfig, config: TrainConfig) -> None:
    """Refuse what has no meaning on clips, before anything is read."""
    resolve(config.model)
    made_for_mixes = {
        f"loss={config.loss}": config.loss == "mcm",
        f"cached_items={config.cached_items}": config.cached_items > 0,
        f"distinct_items={config.distinct_items}": config.distinct_items > 0,
        f"teacher.weights={config.teacher.weights}": bool(config.teacher.weights),
    }
    for setting in (name for name, given in made_for_mixes.items() if given):
        raise ConfigError(
            f"train.{setting} is made for mixes. On clips train.loss is bce or softmax, "
            "clips.train_fraction limits the training set, and 'mixlab baseline-clips' keeps the features "
            "of a frozen network.",
            code="conflicting-settings",
        )
    if config.loss == "softmax" and windows.aggregation == "s2":
        raise ConfigError(
            "windows.aggregation=s2 gives every clip a score of 1, and scores of a softmax sum to 1: set it "
            "to s1, which puts the classes of a clip in the same order.",
            code="conflicting-settings",
        )


def _check_shares(clips: ClipSet, config: TrainConfig, world: World) -> None:
    """Refuse, before a run is begun, what cannot be divided among so many processes."""
    world.share(config.batch_size)
    world.share_fixed(len(clips.only("validation")), config.batch_size)


def _run_info(clips: ClipsConfig, found: ClipSet, cut: Cut, config: TrainConfig) -> dict[str, Any]:
    info = clip_info(
        COMMAND,
        clips,
        found,
        single_label=config.loss == "softmax",
        seed=config.seed,
        eval_seed=config.eval_seed,
    )
    return {**info, "window_samples": cut.samples, "sources_sha256": plugin_sources(config)}


def _reopen(
    run: Run, settings: Mapping[str, Any], config: TrainConfig, clips: ClipSet, world: World
) -> str | None:
    """Check that a run can go on; return how it ended if there is nothing left to train."""
    others = run.info["catalog"]["content_hash"] != clips.content_hash
    return reopen(
        run,
        settings,
        {"clips": ClipsConfig, "windows": WindowConfig, "train": TrainConfig},
        config,
        world,
        places=("clips.root",),
        changed=["the clips that are there, or their labels or splits"] if others else [],
    )


def _fit(
    run: Run,
    model: nn.Module,
    clips: ClipSet,
    cut: Cut,
    config: TrainConfig,
    world: World,
    *,
    resume: bool,
    report: Progress | None,
) -> str:
    training = clips.only("train")
    say(report, "decoding validation clips")
    validation = _validation(clips.only("validation"), cut, config, world, show=report is not None)
    if config.transfer == "random_frozen":
        say(report, "measuring the random backbone's batch norm statistics on the first training windows")
        _calibrate(model, training, cut, config)
    stream = ClipStream(
        training,
        cut,
        seed=config.seed,
        batch_size=world.share(config.batch_size),
        rank=world.rank,
        world_size=world.size,
    )
    loader = ClipLoader(stream, num_workers=config.num_workers)
    say(report, f"an epoch is {stream.epoch_size} windows of {len(training)} training clips")

    def open_batches(accelerator: str) -> ClipLoader:
        loader.pin_memory = accelerator == "cuda"
        return loader

    reason = fit_model(
        run,
        model,
        open_batches,
        validation,
        config,
        world,
        n_samples=cut.samples,
        n_classes=len(clips.classes),
        card=lambda: _model_card(run, clips, cut, config, model),
        resume=resume,
        report=report,
        loss=_loss(training, config),
        items="windows",
    )
    if world.is_first:
        run.update(unreadable_clips={**run.info["unreadable_clips"], "train": loader.problems})
    return reason


def _loss(training: ClipSet, config: TrainConfig) -> LossFunction:
    if config.class_weights == "none":
        return make_loss(config.loss)
    weights = balanced_weights(class_prevalence(training.targets, training.mask))
    return make_loss(config.loss, weights=weights)


def _validation(
    clips: ClipSet, cut: Cut, config: TrainConfig, world: World, *, show: bool
) -> Iterable[Mapping[str, Tensor]]:
    """Return the fixed batches of this process, held in memory unless they are too large for that."""
    mine = clips.take(range(len(clips))[world.rank :: world.size])
    batches = ClipWindows(mine, cut, batch_size=config.batch_size, num_workers=config.num_workers)
    held, size = [], 0
    with tqdm(total=len(mine), unit="clip", leave=False, disable=None if show else True) as bar:
        batches.progress = bar.update
        for batch in batches:
            held.append(batch)
            size += batch["audio"].nbytes
            if size > MEMORY_LIMIT:
                break
    batches.progress = None
    if not held:
        raise nothing_to_score(clips, "validation", batches.problems)
    return held if size <= MEMORY_LIMIT else batches


def _calibrate(model: nn.Module, training: ClipSet, cut: Cut, config: TrainConfig) -> None:
    """Measure the statistics of a random backbone on the first training windows, in place."""
    stream = ClipStream(training, cut, seed=config.seed, batch_size=min(config.batch_size, CALIBRATION_ITEMS))
    loader = ClipLoader(stream, num_workers=config.num_workers)
    wanted = CALIBRATION_ITEMS // stream.batch_size
    audio: list[Tensor] = []
    while len(audio) < wanted:
        audio += [batch["audio"] for batch in loader][: wanted - len(audio)]
    calibrate_batch_norm(model, audio)


def _model_card(run: Run, clips: ClipSet, cut: Cut, config: TrainConfig, model: nn.Module) -> dict[str, Any]:
    of_logits = "a softmax" if config.loss == "softmax" else "a sigmoid"
    return model_card(
        run,
        config,
        model,
        label_entry(clips),
        duration_s=cut.samples / cut.sample_rate,
        channels=cut.channels,
        output=f"logits; apply {of_logits} for scores; put the scores of a clip's windows together "
        f"({cut.windows.aggregation})",
        loss=config.loss,
        class_weights=config.class_weights,
        windows=asdict(cut.windows),
        clips={"corpus": clips.corpus, "splits": run.config["clips"]["splits"]},
        trained_on=f"clips of {clips.corpus}, {clips.task}" if clips.task else f"clips of {clips.corpus}",
    )
