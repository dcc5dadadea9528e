"""Models that tag together, without mixes to fit them on; ``mixlab.inference.ensemble`` takes a catalog's.

Where the curves of every member come with mixlab (``calibration.known_curves``), the mean of calibrated
scores counts. Else log odds count from those of each class's threshold, so that all members say yes from 0
on, and their mean counts. A member that says a family and not one of its instruments takes the instrument's
share in the family from the others.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mixlab.audio.io import FloatArray
from mixlab.corpora.clips.base import ClipSet
from mixlab.errors import ConfigError
from mixlab.inference.calibration import curved_odds, log_odds, mean_scores
from mixlab.inference.opening import open_run
from mixlab.inference.published import published_scorer
from mixlab.inference.scorer import Scorer, known_outputs, raised_to, whole_scores
from mixlab.taxonomy import LabelSet, label_set_names, load_label_set, load_taxonomy
from mixlab.training.run import Run
from mixlab.utils.hashing import file_digest

__all__ = ["check_once", "join_beside", "join_scorers", "open_beside"]


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


def join_beside(
    first: Scorer, also: Sequence[str | Path], *, device: str = "auto", labels: LabelSet | None = None
) -> Scorer:
    """Return a scorer together with runs and published weights.

    Of published weights among them, the classifier on their embeddings that comes with mixlab scores too,
    where there is one and the curves of all others are known.

    Args:
        first: The first one.
        also: What scores beside it: runs' folders, and names or files of published weights.
        device: Where these compute.
        labels: The label set that all speak of; by default that of the first.

    Raises:
        ConfigError: one cannot be joined, or is there twice.
        RunError: the classes of one are not known, or it says none of the first's.
        MixlabError: one cannot be opened.
    """
    if isinstance(also, str | Path):
        raise TypeError(f"also takes a list of names, such as [{str(also)!r}]")
    if not also:
        return first
    members = [first, *(open_beside(first, name, device=device, labels=labels) for name in also)]
    check_once(members)
    if all(member.curves is not None for member in members):
        from mixlab.inference.fitted_head import fitted_heads, head_scorer

        files = {member.source: member.weights_file for member in members}
        members += [head_scorer(file, device=device) for name in fitted_heads() if (file := files.get(name))]
    return join_scorers(members, labels)


def check_once(members: Sequence[Scorer]) -> None:
    """See to it that no model counts twice, under whatever name or path it was given.

    Raises:
        ConfigError: one is there twice.
    """
    seen = set()
    for member in members:
        file = member.weights_file
        own = str(Path(member.source).resolve()) if file is None else file_digest(file)
        if own in seen:
            raise ConfigError(
                f"{member.source} is given twice. Models that score together count equally: name each once.",
                code="repeated-option",
            )
        seen.add(own)


def _labels_of(first: Scorer) -> LabelSet:
    """Return a shipped label set whole; of one's own, which no name finds, the classes that are said."""
    if first.label_set in label_set_names():
        shipped = load_label_set(first.label_set)
        nodes = {output.name: output.nodes for output in shipped.outputs}
        if first.nodes is None or all(nodes.get(each.name) == each.nodes for each in first.outputs):
            return shipped
    return LabelSet(first.label_set, first.label_set, first.outputs, "")


def join_scorers(members: Sequence[Scorer], labels: LabelSet | None = None) -> Scorer:
    """Return several models as one: of each class the mean over those that can say it.

    It is the mean of calibrated scores where the ``curves`` of all members are known, else that of log odds,
    counted from those of each member's threshold.

    An instrument that a member cannot say, where it says the family, follows what it says of that
    (``mean_scores``).

    All its thresholds are one half: there a class is as probable as not, by calibrated scores, or the odds of
    members are on average as high as those of their thresholds.

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
    part = replace(labels, outputs=tuple(outputs))
    parents = part.parents(load_taxonomy())

    lacking = [member.source for member in members if member.curves is None]
    curved, some = not lacking, 0 < len(lacking) < len(members)
    curves_by = [member.curves_by for member in members if curved and member.curves_by is not None]
    how = f"joined by thresholds, as there are no curves for {' and '.join(lacking)}" if some else ""

    def compute(audio: FloatArray) -> NDArray[np.float32]:
        odds = []
        for member in members:
            scores = whole_scores(member, audio, first.sample_rate)
            if curved:
                odds.append(curved_odds(scores, member.curves))
            else:
                odds.append(log_odds(scores) - log_odds(member.thresholds))
        return np.asarray(mean_scores(odds, columns, parents, of_odds=not curved), np.float32)

    def refuse_seen(clips: ClipSet) -> None:
        for member in members:
            member.refuse_seen(clips)

    return Scorer(
        compute=compute,
        labels=names,
        parents=parents,
        thresholds=np.full(len(names), 0.5),
        sample_rate=first.sample_rate,
        window_s=max(member.window_s for member in members),
        source=" and ".join(member.source for member in members),
        fitted=False,
        thresholds_from="curves" if curved else "odds",
        note="; ".join(filter(None, dict.fromkeys([*(member.note for member in members), how]))),
        device=first.device,
        label_set=first.label_set,
        nodes=tuple(output.nodes for output in outputs),
        unsaid=tuple(name for name in labels.names if name not in names),
        refuse_seen=refuse_seen,
        kind=first.kind,
        scored_by=tuple(dict.fromkeys([*(by for member in members for by in member.scored_by), *curves_by])),
    )
