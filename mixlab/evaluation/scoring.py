"""From arrays to everything that a report says of a split."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mixlab.errors import ConfigError
from mixlab.evaluation.arrays import Bools, Floats, Integers, mean_defined
from mixlab.evaluation.bootstrap import MIN_SONGS, song_weights
from mixlab.evaluation.cells import Cells, highest
from mixlab.evaluation.measured import Measured, Score, measure
from mixlab.evaluation.metrics import METRICS, Metric, metrics_for
from mixlab.evaluation.predictions import Predictions
from mixlab.evaluation.regression import score_numbers
from mixlab.evaluation.results import ClassScores, ConsistentScores, MeanScores, RuleScores, SplitScores
from mixlab.evaluation.thresholds import (
    RULES,
    Thresholds,
    choose_thresholds,
    class_prevalence,
    consistent_thresholds,
    decide,
    fit_thresholds,
)
from mixlab.evaluation.tree_scores import Hierarchical, close_upwards, consistency, hierarchical
from mixlab.evaluation.units import MIXES, Units
from mixlab.taxonomy.hierarchy import ancestry_from_parents, consistent_max, output_levels

__all__ = ["ScoredSplits", "chance_cells", "level_columns", "score_split", "score_splits"]


DECIDED = ("precision", "recall", "f1", "micro_precision", "micro_recall", "micro_f1")
"""What follows from thresholds, over the classes and over all known cells."""


@dataclass(frozen=True)
class ScoredSplits:
    """Scores of every split of some predictions, and what was fitted on validation for them.

    Attributes:
        splits: Scores by split.
        thresholds: For the model's scores as they are.
        consistent: For its scores after ``consistent_max``; None where the label set has one level.
    """

    splits: dict[str, SplitScores]
    thresholds: Thresholds
    consistent: Thresholds | None

    def card(self) -> dict[str, dict[str, float]]:
        """Return what a model's card keeps: ``thresholds`` and ``consistent_thresholds`` by class.

        The latter are for scores after ``consistent_max``; where the label set has one level they are equal.
        A single-label run has none of either, nor has a regression.
        """
        first = next(iter(self.splits.values()))
        if first.single_label or first.quantity is not None:
            return {"thresholds": {}, "consistent_thresholds": {}}
        names = [k.name for k in first.classes]
        kinds = {"thresholds": self.thresholds, "consistent_thresholds": self.consistent or self.thresholds}
        return {kind: dict(zip(names, fitted.values.tolist(), strict=True)) for kind, fitted in kinds.items()}


@dataclass(frozen=True)
class _Split:
    """What is computed once and goes into several tables.

    Attributes:
        cells: The split.
        measured: Each metric of it by name.
        chance: The same of the baseline.
        weights: The bootstrap's.
        oracle: The thresholds that this split likes best.
        oracle_f1: ``(C,)`` F1 at these.
    """

    cells: Cells
    measured: Mapping[str, Measured]
    chance: Mapping[str, Measured]
    weights: Floats | None
    oracle: Thresholds
    oracle_f1: Floats


def chance_cells(cells: Cells, prevalence: ArrayLike, *, single_label: bool = False) -> Cells:
    """Return what the chance-level baseline says: each class's frequency for every mix, and always yes.

    At its best threshold it predicts each class always, so its F1 is ``2p / (1 + p)`` and its average
    precision ``p`` at prevalence ``p``. On single-label data it decides for the most frequent class.
    """
    scores = np.broadcast_to(np.asarray(prevalence, np.float64), cells.scores.shape)
    decisions = highest(scores) if single_label else np.ones(scores.shape, np.bool_)
    return replace(cells, scores=scores, decisions=decisions)


def score_split(
    split: str,
    names: Sequence[str],
    scores: ArrayLike,
    targets: ArrayLike,
    mask: ArrayLike,
    *,
    thresholds: Thresholds,
    prevalence: ArrayLike,
    groups: Sequence[str],
    parents: Sequence[int | None] | None = None,
    consistent: Thresholds | None = None,
    metrics: Sequence[Metric] = tuple(METRICS.values()),
    n_resamples: int = 1000,
    seed: int = 0,
    single_label: bool = False,
    units: Units = MIXES,
) -> SplitScores:
    """Compute every score of one split, and those of the chance-level baseline beside them.

    Args:
        split: Name of the split, for the report.
        names: The C class names.
        scores: ``(N, C)`` probabilities.
        targets: ``(N, C)`` targets.
        mask: ``(N, C)`` True where known.
        thresholds: Fitted on validation (``fit_thresholds``).
        prevalence: ``(C,)`` frequencies on validation (``class_prevalence``).
        groups: N song ids; bootstrap intervals sample songs.
        parents: Parent output of each class, for the hierarchical scores; None leaves them out.
        consistent: Fitted on validation (``consistent_thresholds``); None takes ``thresholds``.
        metrics: What to compute.
        n_resamples: Bootstrap resamples; 0 leaves intervals out.
        seed: Seed of the bootstrap.
        single_label: Exactly one class is right for each item: the class with the highest score is decided
            for, without thresholds and without looking at a tree of classes.
        units: What items and groups are called.

    Raises:
        ConfigError: shapes differ, nothing is there to score, scores are not finite, or targets are not
            single-label although that is said.
    """
    n_mixes, n_names = len(np.asarray(scores)), len(names)
    if not n_mixes or np.shape(scores)[1:] != (n_names,) or len(groups) != n_mixes:
        raise ConfigError(
            f"Expected at least one {units.item}, {n_names} columns of scores and a group per {units.item}; "
            f"got {n_mixes} {units.items}, scores {np.shape(scores)} and {len(groups)} groups.",
            code="wrong-shape",
        )
    if single_label:
        thresholds, parents = Thresholds.none(n_names), None
    cells = Cells.checked(scores, targets, mask, groups, thresholds.values, single_label)
    metrics = metrics_for(metrics, single_label=single_label)
    weights = song_weights(cells.n_songs, n_resamples, seed)
    known = _measure(cells, prevalence, metrics, weights, single_label=single_label)
    below = None if parents is None or not any(p is not None for p in parents) else level_columns(parents)
    return SplitScores(
        split=split,
        n_items=len(cells),
        n_groups=cells.n_songs,
        n_resamples=0 if known.weights is None else len(known.weights),
        metrics=tuple(metric.info for metric in metrics),
        classes=_classes(known, names, thresholds, np.asarray(prevalence, np.float64)),
        scores={name: one.score(known.chance[name]) for name, one in known.measured.items()},
        oracle_f1=mean_defined(known.oracle_f1),
        levels=() if below is None else tuple(_level(known, name, own) for name, own in below.items()),
        hierarchical=None if parents is None else _hierarchical(cells, parents),
        consistency=None
        if parents is None
        else consistency(cells.scores, cells.decisions, cells.known, parents),
        consistent=None
        if parents is None or below is None
        else _consistent(known, parents, consistent or thresholds, metrics),
        single_label=single_label,
        confusion=tuple(map(tuple, cells.confusion_matrix().tolist())) if single_label else (),
        rules=() if single_label else _by_rules(known, thresholds),
        units=units,
    )


def _by_rules(known: _Split, thresholds: Thresholds) -> tuple[RuleScores, ...]:
    """Score the same scores at thresholds that are chosen in other ways."""
    usable = [rule for rule in RULES if rule != "common" or math.isfinite(thresholds.common)]
    return tuple(
        _by_rule(known.cells, rule, choose_thresholds(rule, thresholds, known.oracle)) for rule in usable
    )


def _by_rule(cells: Cells, rule: str, at: Floats) -> RuleScores:
    decided = replace(cells, decisions=decide(cells.scores, at))
    scores = {name: measure(METRICS[name], decided).mean for name in DECIDED}
    return RuleScores(rule, math.nan if rule.startswith("fitted") else float(at[0]), scores)


def _measure(
    cells: Cells,
    prevalence: ArrayLike,
    metrics: Sequence[Metric],
    weights: Floats | None,
    *,
    single_label: bool,
) -> _Split:
    baseline = chance_cells(cells, prevalence, single_label=single_label)
    oracle, oracle_f1 = _oracle(cells, single_label=single_label)
    return _Split(
        cells=cells,
        measured={metric.name: measure(metric, cells, weights) for metric in metrics},
        chance={metric.name: measure(metric, baseline) for metric in metrics},
        weights=weights,
        oracle=oracle,
        oracle_f1=oracle_f1,
    )


def _oracle(cells: Cells, *, single_label: bool) -> tuple[Thresholds, Floats]:
    """Return the thresholds that a split likes best, and F1 ``(C,)`` at them; NaN without thresholds."""
    if single_label:
        none = Thresholds.none(cells.known.shape[1])
        return none, none.values
    oracle = fit_thresholds(cells.scores, cells.present, cells.known)
    at_oracle = replace(cells, decisions=decide(cells.scores, oracle.values))
    return oracle, measure(METRICS["f1"], at_oracle).values


def _classes(
    known: _Split, names: Sequence[str], thresholds: Thresholds, prevalence: Floats
) -> tuple[ClassScores, ...]:
    cells = known.cells
    columns: tuple[Integers, ...] = (
        cells.known.sum(0),
        cells.present.sum(0),
        cells.songs_with(cells.present),
        (cells.decisions & cells.known).sum(0),
    )
    found = []
    for c, name in enumerate(names):
        n_known, support, songs, predicted = (int(column[c]) for column in columns)
        found.append(
            ClassScores(
                name=name,
                known=n_known,
                support=support,
                songs=songs,
                predicted=predicted,
                threshold=float(thresholds.values[c]),
                threshold_fitted=bool(thresholds.fitted[c]),
                validation_prevalence=float(prevalence[c]),
                oracle_threshold=float(known.oracle.values[c]) if support else math.nan,
                oracle_f1=float(known.oracle_f1[c]),
                scores=_of_class(known, c, interval=songs >= MIN_SONGS),
            )
        )
    return tuple(found)


def _of_class(known: _Split, column: int, *, interval: bool) -> dict[str, Score]:
    return {
        name: one.of_class(column, known.chance[name], interval=interval)
        for name, one in known.measured.items()
        if one.metric.over == "class"
    }


def level_columns(parents: Sequence[int | None]) -> dict[str, NDArray[np.int64]]:
    """Return which classes are families, and which instruments below them."""
    below = output_levels(ancestry_from_parents(parents)) > 0
    return {"families": np.flatnonzero(~below), "instruments": np.flatnonzero(below)}


def _level(known: _Split, name: str, columns: NDArray[np.int64]) -> MeanScores:
    return MeanScores(
        name=name,
        n_classes=len(columns),
        oracle_f1=mean_defined(known.oracle_f1[columns]),
        scores={
            metric: one.only(columns).score(known.chance[metric].only(columns))
            for metric, one in known.measured.items()
            if one.metric.over == "class"
        },
    )


def _hierarchical(cells: Cells, parents: Sequence[int | None]) -> Hierarchical:
    return hierarchical(cells.decisions, cells.present, cells.known, parents)


def _consistent(
    known: _Split, parents: Sequence[int | None], thresholds: Thresholds, metrics: Sequence[Metric]
) -> ConsistentScores:
    """Score the same model made hierarchy-consistent."""
    s = consistent_max(known.cells.scores, ancestry_from_parents(parents))
    d = close_upwards(decide(s, thresholds.values), parents)
    cells = replace(known.cells, scores=s, decisions=d)
    changed: Bools = np.any(s != known.cells.scores, axis=0)
    found = {}
    for metric in metrics:
        alike = metric.over == "class" and not metric.needs_threshold
        like = known.measured[metric.name].resampled if alike else None
        found[metric.name] = measure(metric, cells, known.weights, like=like, changed=changed).score()
    return ConsistentScores(found, _hierarchical(cells, parents), consistency(s, d, cells.known, parents))


def score_splits(
    predictions: Predictions,
    parents: Sequence[int | None],
    *,
    splits: Sequence[str] = ("validation", "test"),
    metrics: Sequence[Metric] = tuple(METRICS.values()),
    n_resamples: int = 1000,
    seed: int = 0,
) -> ScoredSplits:
    """Fit thresholds and prevalence on the validation rows, and score every split with them.

    Predictions of a single-label run are decided by the highest score, without thresholds; those of a
    regression are scored as numbers, by ``NUMBER_METRICS`` whatever ``metrics`` are.

    Args:
        predictions: Of validation and of every split to score.
        parents: Parent output of each class; single-label runs do not look at them.
        splits: What to score.
        metrics: What to compute.
        n_resamples: Bootstrap resamples; 0 leaves intervals out.
        seed: Seed of the bootstrap.

    Raises:
        ConfigError: a split has no rows, or scores are not finite.
    """
    if predictions.quantity is not None:
        numbers = {
            split: score_numbers(predictions, split, n_resamples=n_resamples, seed=seed) for split in splits
        }
        return ScoredSplits(numbers, Thresholds.none(0), None)
    fitted_on = predictions.only("validation")
    validation = fitted_on.scores, fitted_on.targets, fitted_on.mask
    single = predictions.single_label
    thresholds = Thresholds.none(len(predictions.labels)) if single else fit_thresholds(*validation)
    nested = not single and any(p is not None for p in parents)
    consistent = consistent_thresholds(*validation, parents) if nested else None
    prevalence, scored = class_prevalence(fitted_on.targets, fitted_on.mask), {}
    for split in splits:
        part = predictions.only(split)
        scored[split] = score_split(
            split,
            part.labels,
            part.scores,
            part.targets,
            part.mask,
            thresholds=thresholds,
            prevalence=prevalence,
            groups=[str(group) for group in part.group],
            parents=parents,
            consistent=consistent,
            metrics=metrics,
            n_resamples=n_resamples,
            seed=seed,
            single_label=single,
            units=part.units,
        )
    return ScoredSplits(scored, thresholds, consistent)
