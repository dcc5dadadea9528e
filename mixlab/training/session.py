"""What surrounds the loop in every training: of mixes, of tracks, of clips."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from mixlab.errors import ConfigError
from mixlab.evaluation.results import Report
from mixlab.mixing.config import MixConfig
from mixlab.models import n_parameters, plain_settings, source_hash
from mixlab.training.config import TrainConfig
from mixlab.training.distillation import Teacher
from mixlab.training.distributed import World
from mixlab.training.losses import LossFunction, masked_bce_with_logits
from mixlab.training.provenance import (
    Progress,
    changeable_settings,
    changed_settings,
    changed_source,
    choose_precision,
    how_it_ended,
    note_end,
    note_start,
)
from mixlab.training.reporting import report_text
from mixlab.training.run import Run
from mixlab.training.transfer import pretrained_facts

__all__ = ["fit_model", "model_card", "reopen", "write_scores"]

Batch = Mapping[str, Tensor]


def reopen(
    run: Run,
    settings: Mapping[str, Any],
    kinds: Mapping[str, type],
    config: TrainConfig,
    world: World,
    *,
    mix: MixConfig | None = None,
    places: Sequence[str] = (),
    changed: Sequence[str] = (),
) -> str | None:
    """Check that a run can go on, take over what may differ, and return how it ended if it did.

    Args:
        run: The run.
        settings: Its settings now.
        kinds: Dataclass of each section.
        config: The training's part of the settings.
        world: Which process this is; the first writes the settings.
        mix: The mixing's part, if there is one.
        places: Dotted names of settings that only say where data lies.
        changed: What else is known to differ.

    Raises:
        ConfigError: something differs that must not.
    """
    found = changed_settings(run.config, settings, kinds, changeable_settings(config, *places))
    found += [*changed_source(run, config, mix), *changed]
    if found:
        raise ConfigError(
            f"{run.path} was started with other settings ({'; '.join(found[:5])}). Go on with "
            f"'{run.resume_command}', or start a new run in another --out.",
            code="settings-changed",
        )
    ended = how_it_ended(run, config)
    if world.is_first:
        run.write_config(settings)
    return ended


def model_card(
    run: Run,
    config: TrainConfig,
    model: nn.Module,
    labels: Mapping[str, Any],
    *,
    duration_s: float,
    output: str,
    channels: int = 1,
    **more: Any,  # noqa: ANN401 - entries of a JSON file
) -> dict[str, Any]:
    """Return what goes into ``model.json`` beside the weights.

    Args:
        run: The run.
        config: Settings of the training.
        model: The network.
        labels: What ``label_info`` says of its outputs.
        duration_s: Length of its input.
        output: What its outputs mean.
        channels: Channels of its input.
        **more: Further entries.
    """
    shape = {"sample_rate": config.model.sample_rate, "duration_s": duration_s, "channels": channels}
    return {
        "schema": 1,
        "config": plain_settings(config.model),
        "source_sha256": source_hash(config.model),
        "labels": dict(labels),
        "input": shape,
        "output": output,
        "parameters": n_parameters(model),
        "transfer": config.transfer,
        "pretrained": config.pretrained,
        "pretrained_file": pretrained_facts(config),
        "catalog_hash": run.info["catalog"]["content_hash"],
        "note": run.info["note"],
        "versions": run.info["versions"],
        **more,
    }


def fit_model(
    run: Run,
    model: nn.Module,
    open_batches: Callable[[str], Any],
    validation: Iterable[Batch],
    config: TrainConfig,
    world: World,
    *,
    n_samples: int,
    n_classes: int,
    card: Callable[[], Mapping[str, Any]],
    resume: bool,
    report: Progress | None,
    loss: LossFunction = masked_bce_with_logits,
    related: NDArray[np.bool_] | None = None,
    teacher: Teacher | None = None,
    items: str = "mixes",
) -> str:
    """Train a model until it has ended or Ctrl-C wishes to stop, and note down in the run how it went.

    Args:
        run: The run.
        model: In the state to start from.
        open_batches: Opens the training batches, for ``cpu`` or ``cuda``.
        validation: The fixed batches that are scored after every epoch.
        config: Settings.
        world: Which process of how many this is.
        n_samples: Length of an item.
        n_classes: Outputs of the model.
        card: Makes what goes into ``model.json``; called by the first process alone.
        resume: Whether the run goes on.
        report: Called with lines of progress.
        loss: Of logits, targets and mask.
        related: Ancestry of the classes for a model that predicts through it.
        teacher: What else is learnt of the mixes, beside their targets.
        items: What lines of progress call the items.

    Returns:
        ``finished``, ``patience`` or ``interrupted``.
    """
    from mixlab.training.callbacks import StopRequest
    from mixlab.training.loop import fit

    precision = choose_precision(run, model, config, n_samples, n_classes, world, resume=resume)
    if world.is_first:
        note_start(run, model, config, precision, world, report)
    batches = open_batches(world.accelerator(config.accelerator))
    begin = time.perf_counter()
    with StopRequest(quiet=not world.is_first).on_interrupt() as stop:
        result = fit(
            run,
            model,
            batches,
            validation,
            config,
            precision=precision,
            loss=loss,
            related=related,
            teacher=teacher,
            card=card() if world.is_first else {},
            world=world,
            stop=stop,
            report=report,
            items=items,
        )
    if world.is_first:
        note_end(run, result, config, time.perf_counter() - begin)
    return result.reason


def write_scores(run: Run, report: Report, facts: Sequence[str], headings: Mapping[str, str]) -> Report:
    """Store a run's scores, as values and as text, and return them.

    Args:
        run: The run.
        report: Its scores.
        facts: What a reader must know of the training, a line each.
        headings: What stands above the scores of each split.
    """
    run.write_report(report, report_text(run.path.name, report, facts, headings))
    run.update(status="evaluated")
    return report
