"""Finds the teacher that the settings of a training name: published weights or another run.

What it does there is in ``mixlab.training.distillation``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from mixlab.errors import ConfigError
from mixlab.mixing.config import MixConfig
from mixlab.models import in_channels
from mixlab.models.pretrained import find_weights
from mixlab.models.published import find_published
from mixlab.taxonomy import LabelSet, Output
from mixlab.taxonomy.matching import match_classes
from mixlab.training.baselines.fitted import load_scoring_model
from mixlab.training.config import TrainConfig
from mixlab.training.distillation import Teacher
from mixlab.training.run import Run
from mixlab.training.run_kinds import SCORING, check_command
from mixlab.training.run_outputs import run_outputs
from mixlab.training.transfer import weights_facts

__all__ = [
    "changed_teacher",
    "open_teacher",
    "teacher_facts",
    "teacher_line",
]


@dataclass(frozen=True)
class _Found:
    """A tagger before its classes are raised."""

    model: nn.Module
    outputs: Sequence[Output]
    sample_rate: int
    window: int
    peak: bool


def open_teacher(config: TrainConfig, mix: MixConfig, labels: LabelSet) -> Teacher | None:
    """Return the teacher that the settings name, once it is sure that it can teach; None where there is none.

    Args:
        config: Settings of the training. A weight of 0 is no teacher.
        mix: Settings of the mixes.
        labels: The classes of the training.

    Raises:
        WeightsError: there are no such weights, or they have no head of tags.
        RunError: the run scores no audio, or its classes are not known.
        ConfigError: it takes another sample rate, other channels or longer audio than the mixes have, decides
            for one class at a time, or says nothing of the classes.
    """
    settings = config.teacher
    if not settings.weights or settings.weight == 0:
        return None
    # Random weights come before its own: the training's random numbers stay what they were.
    with torch.random.fork_rng(devices=[]):
        found = _find(settings.weights)
    if found.sample_rate != mix.sample_rate:
        raise ConfigError(
            f"train.teacher.weights={settings.weights} takes audio at {found.sample_rate} Hz, mixes have "
            f"mix.sample_rate={mix.sample_rate}: choose another teacher, or mixes at its rate.",
            code="sample-rate-mismatch",
        )
    channels = in_channels(found.model)
    if channels not in (1, mix.channels):
        raise ConfigError(
            f"train.teacher.weights={settings.weights} takes {channels} channels, mixes have "
            f"mix.channels={mix.channels}: choose another teacher, or mixes with as many.",
            code="channels-mismatch",
        )
    samples, least = mix.render_settings().samples, int(getattr(found.model, "min_samples", 1))
    if samples < least:
        raise ConfigError(
            f"train.teacher.weights={settings.weights} needs {least} samples at least, mixes of "
            f"mix.duration_s={mix.duration_s:g} have {samples}: make these longer.",
            code="audio-too-short",
        )
    matches = match_classes(labels, found.outputs)
    said = [k for k, match in enumerate(matches) if match.kind in ("exact", "parts")]
    if not said:
        raise ConfigError(
            f"train.teacher.weights={settings.weights} says nothing of the classes of label set "
            f"{labels.name}: choose another teacher, or another mix.label_set.",
            code="conflicting-settings",
        )
    return Teacher(
        found.model,
        tuple(said),
        tuple(matches[k].columns for k in said),
        found.window,
        channels,
        found.peak,
        settings.weight,
        settings.temperature,
    )


def _find(weights: str) -> _Found:
    path = find_weights(weights)
    if not (path / "run.json").is_file():
        published = find_published(weights)
        entry = published.entry
        rate, window = entry.model.sample_rate, entry.native_samples
        return _Found(published.load(), published.tags.outputs, rate, window, peak=True)
    run = Run.open(path)
    check_command(run, *SCORING)
    model, card = load_scoring_model(run), run.card
    windows = card.get("windows", {})
    if card.get("loss") == "softmax" or windows.get("repeat_levels"):
        raise ConfigError(
            f"train.teacher.weights={weights} is a run that decides for one class at a time, or was trained "
            "on clips repeated at several levels: no mix is like these. Choose another teacher.",
            code="conflicting-settings",
        )
    rate = int(card["input"]["sample_rate"])
    window = round(float(card["input"]["duration_s"]) * rate)
    return _Found(model, run_outputs(run), rate, window, windows.get("level") == "peak")


def teacher_facts(config: TrainConfig, labels: LabelSet, teacher: Teacher | None) -> dict[str, Any] | None:
    """Return what run and card say of the teacher; None where there is none.

    Args:
        config: Settings of the training.
        labels: Its classes.
        teacher: As ``open_teacher`` gave it.
    """
    if teacher is None:
        return None
    facts = weights_facts(config.teacher.weights)
    return {
        "weights": config.teacher.weights,
        "weight": teacher.weight,
        "temperature": teacher.temperature,
        "classes": [labels.names[k] for k in teacher.classes],
        **{name: facts[name] for name in ("path", "sha256", "known_as", "trained_on", "licence_weights")},
    }


def changed_teacher(stored: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> list[str]:
    """Say, as ``changed_settings`` does, whether the teacher of a run that goes on is another one."""
    before, after = (None if facts is None else facts.get("sha256") for facts in (stored, now))
    return [] if before == after else [f"the weights of the teacher have changed: {before} -> {after}"]


def teacher_line(facts: Mapping[str, Any]) -> str:
    """Say in a line who taught a run, and what."""
    name = facts["known_as"] or f"{facts['weights']} (SHA-256 {str(facts['sha256'])[:16]}...)"
    softened = "" if facts["temperature"] == 1 else f", temperature {facts['temperature']:g}"
    return (
        f"taught by {name} with weight {facts['weight']:g}{softened}, beside the targets, on "
        f"{', '.join(facts['classes'])}"
    )
