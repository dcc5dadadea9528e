"""Models that tag together, without mixes to fit them on: the mean of log odds, less those of thresholds.

``mixlab.inference.ensemble`` takes more care and needs a catalog. Here the log odds of each score count from
those of its class's threshold, so that both members say yes from 0 on, and the mean counts.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import FloatArray
from mixlab.corpora.clips.base import ClipSet
from mixlab.errors import ConfigError
from mixlab.inference.opening import open_run
from mixlab.inference.published import published_scorer
from mixlab.inference.scorer import Scorer, known_outputs, raised_to, whole_scores
from mixlab.taxonomy import LabelSet, label_set_names, load_label_set, load_taxonomy
from mixlab.training.run import Run

__all__ = ["join_scorers", "open_beside"]

_TINY = 1e-6


def open_beside(
    first: Scorer, also: str | Path, *, device: str = "auto", labels: LabelSet | None = None
) -> Scorer:
    """Return another model raised to the classes of a first one.

    Args:
        first: The first one.
        also: A run's folder, or the name or file of published weights.
        device: Where it computes.
        labels: The label set that both speak of; by default that of the first.

    Raises:
        RunError: the classes of one of them are not known, or the other says none of the first's.
        MixlabError: it cannot be opened.
    """
    if not first.label_set:
        raise ConfigError(
            f"{first.source} has classes of no label set, so no other model can say them too: leave --also "
            "out.",
            code="conflicting-settings",
        )
    labels = labels or _labels_of(first)
    if not (Path(also) / "run.json").is_file():
        return published_scorer(also, labels.to_text(), device=device)
    run = Run.open(also)
    return raised_to(known_outputs(open_run(run, device=device), run), labels)


def _labels_of(first: Scorer) -> LabelSet:
    """Return a shipped label set whole; of one's own, which no name finds, the classes that are said."""
    if first.label_set in label_set_names():
        shipped = load_label_set(first.label_set)
        nodes = {output.name: output.nodes for output in shipped.outputs}
        if first.nodes is None or all(nodes.get(each.name) == each.nodes for each in first.outputs):
            return shipped
    return LabelSet(first.label_set, first.label_set, first.outputs, "")


def join_scorers(members: Sequence[Scorer], labels: LabelSet | None = None) -> Scorer:
    """Return several models as one: of each class the mean over those that can say it, of log odds.

    All its thresholds are one half: there the odds of members are on average as high as those of their
    thresholds.

    Args:
        members: Two or more whose classes are of one label set. Those of the first come first, and its rate
            is taken; windows are as long as the longest.
        labels: That label set; by default that of the first.

    Raises:
        ConfigError: one decides for one class at a time, takes stereo, or has classes of another label set.
        RunError: the nodes of the first one's classes are not known, and its label set is not shipped.
    """
    first = members[0]
    for member in members:
        if member.single_label or member.channels != 1:
            raise ConfigError(
                f"{member.source} cannot be joined with another model, as it "
                + ("decides for one class at a time." if member.single_label else "takes stereo."),
                code="conflicting-settings",
            )
    labels = labels or _labels_of(first)
    for member in members:
        if other := [name for name in member.labels if name not in labels.names]:
            raise ConfigError(
                f"{member.source} cannot be joined with {first.source}: label set {labels.name} has no class "
                f"{other[0]!r}. Raise it to the classes of the first (raised_to, open_beside).",
                code="conflicting-settings",
            )
    said = {name for member in members for name in member.labels}
    outputs = [output for output in labels.outputs if output.name in said]
    names = tuple(output.name for output in outputs)
    columns = [[names.index(name) for name in member.labels] for member in members]
    count = np.zeros(len(names))
    for own in columns:
        count[own] += 1

    def compute(audio: FloatArray) -> NDArray[np.float32]:
        total = np.zeros((len(audio), len(names)))
        for member, own in zip(members, columns, strict=True):
            scores = whole_scores(member, audio, first.sample_rate)
            total[:, own] += _log_odds(scores) - _log_odds(member.thresholds)
        return np.asarray(1 / (1 + np.exp(-total / count)), np.float32)

    def refuse_seen(clips: ClipSet) -> None:
        for member in members:
            member.refuse_seen(clips)

    part = replace(labels, outputs=tuple(outputs))
    return Scorer(
        compute=compute,
        labels=names,
        parents=part.parents(load_taxonomy()),
        thresholds=np.full(len(names), 0.5),
        sample_rate=first.sample_rate,
        window_s=max(member.window_s for member in members),
        source=" and ".join(member.source for member in members),
        fitted=True,
        note="; ".join(dict.fromkeys(member.note for member in members if member.note)),
        device=first.device,
        label_set=first.label_set,
        nodes=tuple(output.nodes for output in outputs),
        unsaid=tuple(name for name in labels.names if name not in names),
        refuse_seen=refuse_seen,
        kind=first.kind,
    )


def _log_odds(scores: NDArray[Any]) -> NDArray[np.float64]:
    inside = np.clip(np.asarray(scores, np.float64), _TINY, 1 - _TINY)
    return np.asarray(np.log(inside) - np.log1p(-inside))
