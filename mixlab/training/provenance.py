"""What every training notes down of itself, and how one that goes on is checked: for mixes and for tracks."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from mixlab.errors import ConfigError
from mixlab.evaluation import find_metrics
from mixlab.mixing.config import MixConfig
from mixlab.mixing.effects import EFFECTS, effect_name
from mixlab.models import n_parameters, source_hash
from mixlab.taxonomy import LabelSet, label_set_id, load_taxonomy
from mixlab.training.config import TrainConfig, flatten, with_defaults
from mixlab.training.distributed import World
from mixlab.training.losses import faster_precision, measure_precision
from mixlab.training.run import Run
from mixlab.utils.plain import plain
from mixlab.utils.plugins import source_digest
from mixlab.utils.remote import Place, RemotePath

if TYPE_CHECKING:
    from mixlab.training.loop import FitResult

__all__ = [
    "CHANGEABLE",
    "DEMO_NOTE",
    "Progress",
    "changeable_settings",
    "changed_settings",
    "changed_source",
    "choose_precision",
    "demo_note",
    "how_it_ended",
    "label_info",
    "moved",
    "note_end",
    "note_start",
    "plugin_sources",
    "say",
    "started",
    "torch_threads",
]

Progress = Callable[[str], None]

DEMO_NOTE = "demo numbers: made on synthetic demo corpora, never results"

CHANGEABLE = (
    "out",
    *(
        f"train.{name}"
        for name in (
            *("epochs", "patience", "num_workers", "threads", "wait_s"),
            *("save_every", "tensorboard", "bootstrap"),
        )
    ),
)
"""Settings that may differ when a run goes on: none of them changes what an epoch computes."""


def changeable_settings(config: TrainConfig, *places: str) -> tuple[str, ...]:
    """Return the settings of a run that may differ when it goes on.

    Args:
        config: Its training. The rates of a cosine depend on how many epochs there are.
        places: Settings that only say where data lies.
    """
    fixed = ("train.epochs",) if config.schedule == "cosine" else ()
    return tuple(name for name in (*places, *CHANGEABLE) if name not in fixed)


def say(report: Progress | None, line: str) -> None:
    """Hand a line of progress to who listens, if anybody does."""
    if report is not None:
        report(line)


def demo_note(*folders: str | Place) -> str:
    """Return what must stand beside numbers if one of the folders is part of demo corpora; else ''.

    Folders at URLs are passed over.
    """
    # Demo corpora have one record for all; a demo tree of clips lies beside its own.
    marked = any(
        (place / "demo.json").is_file() or (place.parent / f"demo-{place.name}.json").is_file()
        for folder in folders
        if not isinstance(folder, RemotePath)
        for place in (Path(folder).resolve(), *Path(folder).resolve().parents)
    )
    return DEMO_NOTE if marked else ""


def label_info(labels: LabelSet, parents: Sequence[int | None] | None = None) -> dict[str, Any]:
    """Return what run and card say of their outputs.

    Args:
        labels: The outputs.
        parents: Parent output of each; None takes those of the instrument tree.
    """
    taxonomy = load_taxonomy()
    return {
        "name": labels.name,
        "outputs": list(labels.names),
        "parents": list(labels.parents(taxonomy) if parents is None else parents),
        "content_hash": labels.content_hash,
        "taxonomy_hash": taxonomy.content_hash,
    }


def changed_settings(
    stored: Mapping[str, Any],
    given: Mapping[str, Any],
    kinds: Mapping[str, type],
    changeable: Collection[str] = CHANGEABLE,
) -> list[str]:
    """Say which settings of a run differ from those it is to go on with, as ``name: before -> now``.

    Args:
        stored: The run's configuration.
        given: The configuration now.
        kinds: Dataclass of each section.
        changeable: Dotted names that may differ.
    """
    known = {key: with_defaults(kinds[key], v) if key in kinds else v for key, v in stored.items()}
    before, now = flatten(known), flatten(plain(given))
    for settings in (before, now):
        if "mix.label_set" in settings:
            settings["mix.label_set"] = label_set_id(settings["mix.label_set"])
    return [
        f"{name}: {before.get(name)!r} -> {now.get(name)!r}"
        for name in sorted(before.keys() | now.keys())
        if name not in changeable and before.get(name) != now.get(name)
    ]


def plugin_sources(config: TrainConfig, mix: MixConfig | None = None) -> dict[str, str]:
    """Return the SHA-256 of the files of a training's own network, metrics and effects, by their names."""
    found = {config.model.architecture: source_hash(config.model)}
    for metric in find_metrics(config.metrics):
        if metric.source in config.metrics:
            found[metric.source] = source_digest(metric.function)
    for effect in mix.effects.custom_effects if mix else ():
        if effect.kind not in EFFECTS.values():
            found[effect_name(effect.kind)] = source_digest(effect.kind)
    return {name: digest for name, digest in found.items() if digest}


def changed_source(run: Run, config: TrainConfig, mix: MixConfig | None = None) -> list[str]:
    """Say, as ``changed_settings`` does, which files of plug-ins or of effects' sounds have changed."""
    stored, sounds = run.info.get("sources_sha256", {}), run.info.get("effect_contents")
    code = [name for name, found in plugin_sources(config, mix).items() if stored.get(name) != found]
    contents = mix.effects.contents if mix and sounds is not None else {}
    changed = [
        name.partition(" ")[2] for name, found in contents.items() if (sounds or {}).get(name) != found
    ]
    return [
        *(f"the file of {name} has changed" for name in code),
        *(f"the sounds that the effect {name} takes have changed" for name in changed),
    ]


def how_it_ended(run: Run, config: TrainConfig) -> str | None:
    """Return how a run ended, or None when there is something left to train.

    Raises:
        ConfigError: it has trained more epochs than are asked for.
    """
    stored = run.info.get("training", {})
    epochs, reason = stored.get("epochs", 0), stored.get("reason")
    if config.epochs < epochs:
        raise ConfigError(
            f"{run.path} has trained {epochs} epochs already, train.epochs={config.epochs} is fewer.",
            code="settings-changed",
        )
    waited_out = reason == "patience" and config.patience == stored.get("patience")
    return str(reason) if waited_out or (reason == "finished" and epochs == config.epochs) else None


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """Let torch use so many threads; 0 leaves it as it is."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose_precision(
    run: Run,
    model: nn.Module,
    config: TrainConfig,
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
    if config.precision != "auto":
        return config.precision
    if config.cached_items:
        # What is left to train is a few dense layers.
        return "fp32"
    device = torch.device(world.accelerator(config.accelerator))
    if world.size > 1:
        # Processes that measured for themselves could disagree.
        return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    rates = measure_precision(model, n_samples, n_classes, batch_size=config.batch_size, device=device)
    run.update(measured_items_per_s={name: round(rate, 2) for name, rate in rates.items()})
    return faster_precision(rates)


def note_start(
    run: Run, model: nn.Module, config: TrainConfig, precision: str, world: World, report: Progress | None
) -> None:
    """Write into the run what is trained and how, and say so; only the first process calls it."""
    accelerator = world.accelerator(config.accelerator)
    modules = {name.split(".")[0]: None for name, p in model.named_parameters() if p.requires_grad}
    counts = {"parameters": n_parameters(model), "trainable": n_parameters(model, trainable=True)}
    run.update(
        status="training",
        trainable_modules=list(modules),
        precision=precision,
        device=accelerator,
        world_size=world.size,
        **counts,
    )
    say(
        report,
        f"{config.model.architecture}: {counts['parameters']:,} parameters, {counts['trainable']:,} of "
        f"them trainable ({config.transfer}); {precision} on {accelerator}",
    )


def note_end(run: Run, result: "FitResult", config: TrainConfig, seconds: float) -> None:
    """Write into the run how its training ended, and how long it took in all."""
    seconds += run.info.get("training", {}).get("seconds", 0.0)
    ended = {**asdict(result), "patience": config.patience, "seconds": round(seconds, 1)}
    run.update(status="interrupted" if result.reason == "interrupted" else "trained", training=ended)


def started(card: Mapping[str, Any]) -> str:
    """Say what a training started from and what it minimised."""
    file = card.get("pretrained_file")
    if not file:
        start = "random weights"
    elif file["known_as"]:
        start = f"{file['known_as']} ({file['trained_on']})"
    else:
        data = f", {file['trained_on']}" if file.get("trained_on") else ""
        start = f"{card['pretrained']} (SHA-256 {file['sha256'][:16]}...{data})"
    weighted = ", classes balanced" if card.get("class_weights") == "balanced" else ""
    return f"transfer: {card['transfer']}, started from {start}; loss {card.get('loss', 'bce')}{weighted}"


def moved(card: Mapping[str, Any]) -> str:
    """List how far each module went, frozen ones as such."""
    return ", ".join(
        f"{name} {entry['weights']:.3g}" if entry["trainable"] else f"{name} frozen ({entry['weights']:.3g})"
        for name, entry in card["moved"].items()
    )
