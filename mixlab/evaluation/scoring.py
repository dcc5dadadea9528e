"""From arrays to everything that a report says of a split."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mixlab.errors import ConfigError
from mixlab.evaluation.arrays import Bools, Floats, check_arrays, count_undefined, mean_defined
from mixlab.evaluation.bootstrap import (
    MIN_SONGS,
    Resampled,
    bootstrap_weights,
    interval_of,
    interval_of_mean,
    resample,
    songs_with,
)
from mixlab.evaluation.calibration import Calibration, brier_score, calibration, expected_calibration_error
from mixlab.evaluation.metrics import (
    Thresholds,
    average_precision,
    class_prevalence,
    close_upwards,
    consistency,
    decide,
    fit_thresholds,
    hierarchical,
    masked_bce,
    precision_recall_f1,
    prf,
    roc_auc,
)
from mixlab.evaluation.predictions import Predictions
from mixlab.evaluation.results import Averages, ClassScores, ConsistentScores, LevelScores, SplitScores
from mixlab.taxonomy.hierarchy import ancestry_from_parents, consistent_max, output_levels

__all__ = ["ScoredSplits", "consistent_thresholds", "score_split", "score_splits"]


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
        """
        names = [k.name for k in next(iter(self.splits.values())).classes]
        kinds = {"thresholds": self.thresholds, "consistent_thresholds": self.consistent or self.thresholds}
        return {kind: dict(zip(names, fitted.values.tolist(), strict=True)) for kind, fitted in kinds.items()}


@dataclass(frozen=True)
class _Cells:
    """Checked scores, decisions, targets and mask, ``(N, C)``."""

    s: Floats
    d: Bools
    t: Bools
    m: Bools


@dataclass(frozen=True)
class _PerClass:
    """One value per class in each array ``(C,)``."""

    precision: Floats
    recall: Floats
    f1: Floats
    average_precision: Floats
    roc_auc: Floats
    ece: Floats
    brier: Floats

    def only(self, columns: NDArray[np.int64]) -> "_PerClass":
        return _PerClass(*(getattr(self, field.name)[columns] for field in fields(self)))


def _per_class(cells: _Cells) -> _PerClass:
    s, t, m = cells.s, cells.t, cells.m
    return _PerClass(
        *precision_recall_f1(cells.d, t, m),
        average_precision(s, t, m),
        roc_auc(s, t, m),
        expected_calibration_error(s, t, m),
        brier_score(s, t, m),
    )


@dataclass(frozen=True)
class _Measured:
    """What is computed once and goes into several tables; ``weights`` and ``sampled`` are the bootstrap's."""

    cells: _Cells
    always: _Cells
    values: _PerClass
    baseline: _PerClass
    oracle: Thresholds
    oracle_f1: Floats
    weights: Floats | None
    resampled: Resampled | None
    level: float


def _measure(
    cells: _Cells, prevalence: ArrayLike, groups: Sequence[str], n_resamples: int, seed: int, level: float
) -> _Measured:
    chance_s = np.broadcast_to(np.asarray(prevalence, np.float64), cells.s.shape)
    always = replace(cells, s=chance_s, d=np.ones(chance_s.shape, np.bool_))
    oracle = fit_thresholds(cells.s, cells.t, cells.m)
    weights = bootstrap_weights(groups, n_resamples, seed)
    return _Measured(
        cells=cells,
        always=always,
        values=_per_class(cells),
        baseline=_per_class(always),
        oracle=oracle,
        oracle_f1=precision_recall_f1(decide(cells.s, oracle.values), cells.t, cells.m)[2],
        weights=weights,
        resampled=None if weights is None else resample(cells.s, cells.d, cells.t, cells.m, weights),
        level=level,
    )


def _macro(values: _PerClass, resampled: Resampled | None, level: float) -> Averages:
    averages = Averages(
        precision=mean_defined(values.precision),
        recall=mean_defined(values.recall),
        f1=mean_defined(values.f1),
        average_precision=mean_defined(values.average_precision),
        roc_auc=mean_defined(values.roc_auc),
        f1_undefined=count_undefined(values.f1),
        average_precision_undefined=count_undefined(values.average_precision),
        roc_auc_undefined=count_undefined(values.roc_auc),
    )
    if resampled is None:
        return averages
    f1, f1_dropped = interval_of_mean(resampled.f1, values.f1, level)
    ap, ap_dropped = interval_of_mean(resampled.average_precision, values.average_precision, level)
    auc, auc_dropped = interval_of_mean(resampled.roc_auc, values.roc_auc, level)
    return replace(
        averages,
        f1_dropped=f1_dropped,
        average_precision_dropped=ap_dropped,
        roc_auc_dropped=auc_dropped,
        f1_interval=f1,
        average_precision_interval=ap,
        roc_auc_interval=auc,
    )


def _micro(cells: _Cells, resampled: Resampled | None, level: float) -> Averages:
    s, d, t, m = cells.s, cells.d, cells.t, cells.m
    p, r, f = prf((d & t & m).sum(), (d & m).sum(), (t & m).sum())
    flat = s[m][:, None], t[m][:, None], np.ones((int(m.sum()), 1), np.bool_)
    return Averages(
        precision=float(p),
        recall=float(r),
        f1=float(f),
        average_precision=float(average_precision(*flat)[0]),
        roc_auc=float(roc_auc(*flat)[0]),
        f1_interval=None if resampled is None else interval_of(resampled.micro_f1, level),
    )


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
    n_resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> SplitScores:
    """Compute every score of one split, and those of the chance-level baseline beside them.

    The baseline gives every mix each class's validation frequency; at its best threshold it predicts the
    class always, so its F1 is ``2p / (1 + p)`` and its average precision ``p`` at prevalence ``p``.

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
        n_resamples: Bootstrap resamples; 0 leaves intervals out.
        seed: Seed of the bootstrap.
        level: Coverage of the intervals.

    Raises:
        ConfigError: shapes differ, nothing is there to score, or scores are not finite.
    """
    s, t, m = check_arrays(scores, targets, mask)
    if s.shape[1] != len(names) or len(groups) != len(s) or len(s) == 0:
        raise ConfigError(
            f"Expected at least one mix, {s.shape[1]} names and {len(s)} groups; got {len(s)} mixes, "
            f"{len(names)} names and {len(groups)} groups."
        )
    known = _measure(
        _Cells(s, decide(s, thresholds.values), t, m), prevalence, groups, n_resamples, seed, level
    )
    return SplitScores(
        split=split,
        n_items=len(s),
        n_groups=len(set(groups)),
        n_resamples=0 if known.weights is None else len(known.weights),
        loss=masked_bce(s, t, m),
        classes=_classes(known, names, thresholds, groups),
        macro=_macro(known.values, known.resampled, level),
        micro=_micro(known.cells, known.resampled, level),
        chance_loss=masked_bce(known.always.s, t, m),
        chance_macro=_macro(known.baseline, None, level),
        chance_micro=_micro(known.always, None, level),
        hierarchical=None if parents is None else hierarchical(known.cells.d, t, m, parents),
        consistency=None if parents is None else consistency(s, known.cells.d, m, parents),
        oracle_f1=mean_defined(known.oracle_f1),
        calibration=_calibration(known.values, known.baseline),
        levels=_levels(known, parents),
        consistent=_consistent(known, parents, consistent or thresholds),
    )


def _classes(
    known: _Measured, names: Sequence[str], thresholds: Thresholds, groups: Sequence[str]
) -> tuple[ClassScores, ...]:
    d, t, m = known.cells.d, known.cells.t, known.cells.m
    counts = np.stack([m.sum(0), (t & m).sum(0), (d & m).sum(0), songs_with(t & m, groups)], axis=1)
    return tuple(
        _class_scores(known, c, name, thresholds, [int(n) for n in counts[c]]) for c, name in enumerate(names)
    )


def _class_scores(
    known: _Measured, c: int, name: str, thresholds: Thresholds, counts: Sequence[int]
) -> ClassScores:
    values, baseline, level = known.values, known.baseline, known.level
    n_known, support, predicted, songs = counts
    resampled = known.resampled if songs >= MIN_SONGS else None
    return ClassScores(
        name=name,
        known=n_known,
        support=support,
        songs=songs,
        predicted=predicted,
        precision=float(values.precision[c]),
        recall=float(values.recall[c]),
        f1=float(values.f1[c]),
        average_precision=float(values.average_precision[c]),
        roc_auc=float(values.roc_auc[c]),
        threshold=float(thresholds.values[c]),
        threshold_fitted=bool(thresholds.fitted[c]),
        validation_prevalence=float(known.always.s[0, c]),
        chance_f1=float(baseline.f1[c]),
        chance_average_precision=float(baseline.average_precision[c]),
        f1_interval=None if resampled is None else interval_of(resampled.f1[:, c], level),
        average_precision_interval=None
        if resampled is None
        else interval_of(resampled.average_precision[:, c], level),
        oracle_threshold=float(known.oracle.values[c]) if support else math.nan,
        oracle_f1=float(known.oracle_f1[c]),
        ece=float(values.ece[c]),
        brier=float(values.brier[c]),
        chance_ece=float(baseline.ece[c]),
        chance_brier=float(baseline.brier[c]),
    )


def _calibration(values: _PerClass, baseline: _PerClass) -> Calibration:
    return calibration(values.ece, values.brier, baseline.ece, baseline.brier)


def _levels(known: _Measured, parents: Sequence[int | None] | None) -> tuple[LevelScores, ...]:
    """Return families and instruments apart; nothing where there is only one level."""
    if parents is None or all(parent is None for parent in parents):
        return ()
    below = output_levels(ancestry_from_parents(parents)) > 0
    return tuple(
        _level(known, name, np.flatnonzero(columns))
        for name, columns in (("families", ~below), ("instruments", below))
    )


def _level(known: _Measured, name: str, columns: NDArray[np.int64]) -> LevelScores:
    values, baseline = known.values.only(columns), known.baseline.only(columns)
    resampled = None if known.resampled is None else known.resampled.only(columns)
    return LevelScores(
        name=name,
        n_classes=len(columns),
        macro=_macro(values, resampled, known.level),
        chance_macro=_macro(baseline, None, known.level),
        oracle_f1=mean_defined(known.oracle_f1[columns]),
        calibration=_calibration(values, baseline),
    )


def _consistent(
    known: _Measured, parents: Sequence[int | None] | None, thresholds: Thresholds
) -> ConsistentScores | None:
    """Score the same model made hierarchy-consistent; None where there is only one level."""
    if parents is None or all(parent is None for parent in parents):
        return None
    t, m = known.cells.t, known.cells.m
    s = consistent_max(known.cells.s, ancestry_from_parents(parents))
    d = close_upwards(decide(s, thresholds.values), parents)
    resampled = None
    if known.weights is not None:
        changed = np.any(s != known.cells.s, axis=0)
        resampled = resample(s, d, t, m, known.weights, like=known.resampled, changed=changed)
    cells = _Cells(s, d, t, m)
    return ConsistentScores(
        macro=_macro(_per_class(cells), resampled, known.level),
        micro=_micro(cells, resampled, known.level),
        hierarchical=hierarchical(d, t, m, parents),
        consistency=consistency(s, d, m, parents),
    )


def consistent_thresholds(
    scores: ArrayLike, targets: ArrayLike, mask: ArrayLike, parents: Sequence[int | None]
) -> Thresholds:
    """Fit thresholds as ``fit_thresholds`` does, on the scores after ``consistent_max``."""
    s, t, m = check_arrays(scores, targets, mask)
    return fit_thresholds(consistent_max(s, ancestry_from_parents(parents)), t, m)


def score_splits(
    predictions: Predictions,
    parents: Sequence[int | None],
    *,
    splits: Sequence[str] = ("validation", "test"),
    n_resamples: int = 1000,
    seed: int = 0,
) -> ScoredSplits:
    """Fit thresholds and prior on the validation rows, and score every split with them.

    Args:
        predictions: Of validation and of every split to score.
        parents: Parent output of each class.
        splits: What to score.
        n_resamples: Bootstrap resamples; 0 leaves intervals out.
        seed: Seed of the bootstrap.

    Raises:
        ConfigError: a split has no rows, or scores are not finite.
    """
    fitted_on = predictions.only("validation")
    validation = fitted_on.scores, fitted_on.targets, fitted_on.mask
    thresholds = fit_thresholds(*validation)
    consistent = consistent_thresholds(*validation, parents) if any(p is not None for p in parents) else None
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
            n_resamples=n_resamples,
            seed=seed,
        )
    return ScoredSplits(scored, thresholds, consistent)
